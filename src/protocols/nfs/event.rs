// SPDX-License-Identifier: Apache-2.0
//! The event of one call and its reply (Packetbeat behaviour, section 4.10).

use std::fmt::Write as _;
use std::net::IpAddr;

use arrayvec::{ArrayString, ArrayVec};

use super::message::{User, Verdict, result_status};
use super::names::{self, Name};
use super::waiting::Waiter;
use crate::event::{Event, Field, Value, field};
pub use crate::protocols::notes::{REQUEST_LOSS, RESPONSE_LOSS};
use crate::protocols::{Common, Context, Status};

/// The reply to a call.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub end_ns: i64,
    pub bytes: u64,
    /// None when the part that says it was lost.
    pub verdict: Option<Verdict<'a>>,
    /// Whether bytes of it were lost.
    pub damaged: bool,
}

/// Publishes a call with its reply, if there was one.
pub fn publish(context: &mut Context<'_>, call: &Waiter, answer: Option<&Answer<'_>>) {
    let verdict = answer.and_then(|answer| answer.verdict);
    let reason = verdict.and_then(rejection);
    let response_loss = answer.map_or(call.reply_may_be_lost, |answer| answer.damaged);
    let mut notes: ArrayVec<&str, 3> = ArrayVec::new();
    if call.damaged {
        notes.push(REQUEST_LOSS);
    }
    if response_loss {
        notes.push(RESPONSE_LOSS);
    }
    if let Some(reason) = &reason {
        notes.push(reason.as_str());
    }
    let status = match (answer, &reason) {
        (None, _) => Status::NoReply,
        (Some(_), None) => Status::Ok,
        (Some(_), Some(_)) => Status::Error,
    };
    let common = Common {
        name: "nfs",
        network_protocol: Some(match call.version {
            3 => "nfsv3",
            4 => "nfsv4",
            _ => "nfs",
        }),
        requests: call.requests,
        start_ns: Some(call.start_ns),
        end_ns: answer.map(|answer| answer.end_ns),
        source_bytes: call.bytes,
        destination_bytes: answer.map_or(0, |answer| answer.bytes),
        status,
        notes: &notes,
        icmp: None,
    };
    let caller = context.flow.sender(call.requests).address;
    context.publish(&common, |event| {
        event.format(field::EVENT_ACTION, format_args!("nfs.{}", call.opcode));
        event.format(field::RPC_XID, format_args!("{:08x}", call.xid));
        if let Some(flavor) = call.flavor {
            set_name(event, field::RPC_AUTH_FLAVOR, names::flavor(flavor));
        }
        if let Some(user) = call.user().and_then(User::parse) {
            set_user(event, &user, caller);
        }
        event.unsigned(field::NFS_VERSION, u64::from(call.version));
        if let Some(minor_version) = call.minor_version {
            event.unsigned(field::NFS_MINOR_VERSION, u64::from(minor_version));
            event.text(field::NFS_TAG, call.tag());
        }
        set_name(event, field::NFS_OPCODE, call.opcode);
        if let Some(verdict) = verdict {
            set_verdict(event, call, verdict);
        }
    });
}

fn set_verdict(event: &mut Event, call: &Waiter, verdict: Verdict<'_>) {
    let status = match verdict {
        Verdict::Accepted { status, .. } => names::accept_status(status),
        Verdict::RpcMismatch { .. } => Name::Known("rpc_mismatch"),
        Verdict::AuthError(_) => Name::Known("auth_error"),
    };
    set_name(event, field::RPC_STATUS, status);
    match verdict {
        Verdict::Accepted { status: 0, results } => {
            if let Some(status) = result_status(call.version, call.procedure, call.protection, results) {
                set_name(event, field::NFS_STATUS, status);
            }
        }
        _ => event.constant(field::EVENT_OUTCOME, "failure"),
    }
}

fn set_user(event: &mut Event, user: &User<'_>, caller: IpAddr) {
    for field in [field::RPC_CRED_MACHINENAME, field::SOURCE_DOMAIN, field::CLIENT_DOMAIN, field::HOST_HOSTNAME] {
        match user.machine_name {
            [] => event.address(field, caller),
            name => event.text(field, name),
        }
    }
    event.unsigned(field::RPC_CRED_UID, u64::from(user.uid));
    event.unsigned(field::RPC_CRED_GID, u64::from(user.gid));
    event.unsigned(field::RPC_CRED_STAMP, u64::from(user.stamp));
    event.list(field::RPC_CRED_GIDS, |list| {
        user.groups().for_each(|group| list.value(Value::Unsigned(u64::from(group))));
    });
    event.unsigned(field::USER_ID, u64::from(user.uid));
    event.unsigned(field::GROUP_ID, u64::from(user.gid));
}

fn set_name(event: &mut Event, field: Field, name: Name) {
    match name {
        Name::Known(name) => event.constant(field, name),
        unknown => event.format(field, format_args!("{unknown}")),
    }
}

/// Why a call was rejected.
fn rejection(verdict: Verdict<'_>) -> Option<ArrayString<80>> {
    let mut text = ArrayString::new();
    // 80 bytes are enough for both sentences.
    let _ = match verdict {
        Verdict::Accepted { .. } => return None,
        Verdict::RpcMismatch { lowest, highest } => {
            write!(text, "The server speaks RPC versions {lowest} to {highest}")
        }
        Verdict::AuthError(status) => {
            write!(text, "The server rejected the credentials: {}", names::auth_status(status))
        }
    };
    Some(text)
}
