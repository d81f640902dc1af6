// SPDX-License-Identifier: Apache-2.0
//! An ICMP transaction as an event (Packetbeat behaviour, section 4.1).

use super::message::{Message, Role};
use crate::event::field;
use crate::protocols::{Common, Context, Direction, Notes, Status};

/// A message and its time.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub message: Message,
    pub time_ns: i64,
}

/// Publishes a request, a reply, or both. `requests` is the direction of the request.
pub fn publish(
    context: &mut Context<'_>,
    requests: Direction,
    request: Option<Seen>,
    response: Option<Seen>,
    notes: Notes<'_>,
) {
    let Some(named) = request.or(response) else { return };
    let common = Common {
        name: "icmp",
        network_protocol: None,
        requests,
        start_ns: request.map(|request| request.time_ns),
        end_ns: response.map(|response| response.time_ns),
        source_bytes: request.map_or(0, |request| request.message.body_bytes),
        destination_bytes: response.map_or(0, |response| response.message.body_bytes),
        status: status(request, response),
        notes,
        icmp: Some((named.message.kind, named.message.code)),
    };
    let destination = context.flow.sender(requests.opposite()).address;
    context.publish(&common, |event| {
        event.address(field::PATH, destination);
        event.unsigned(field::ICMP_VERSION, named.message.version.number());
        if let Some(Seen { message, .. }) = request {
            event.format(field::ICMP_REQUEST_MESSAGE, format_args!("{message}"));
            event.unsigned(field::ICMP_REQUEST_TYPE, u64::from(message.kind));
            event.unsigned(field::ICMP_REQUEST_CODE, u64::from(message.code));
        }
        if let Some(Seen { message, .. }) = response {
            event.format(field::ICMP_RESPONSE_MESSAGE, format_args!("{message}"));
            event.unsigned(field::ICMP_RESPONSE_TYPE, u64::from(message.kind));
            event.unsigned(field::ICMP_RESPONSE_CODE, u64::from(message.code));
        }
    });
}

fn status(request: Option<Seen>, response: Option<Seen>) -> Status {
    let Some(request) = request else { return Status::Error };
    let unanswered = response.is_none() && matches!(request.message.role(), Role::Request { .. });
    let error = request.message.is_error() || response.is_some_and(|response| response.message.is_error());
    if unanswered || error { Status::Error } else { Status::Ok }
}
