// SPDX-License-Identifier: Apache-2.0
//! The event of one call and its reply (Packetbeat behaviour, section 4.14).

use super::Options;
use super::message::{Extent, Message};
use super::session::Call;
use crate::event::{Event, field};
use crate::protocols::notes::{ENDED, ENDED_INSIDE, NO_RESPONSE, REQUEST_LOSS, RESPONSE_LOSS};
use crate::protocols::text::lossy;
use crate::protocols::{Common, Context, Status};

/// How a call's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The reply came; without its contents where it is left out.
    Answered,
    /// It has no reply, by design.
    Oneway,
    /// The reply is among lost bytes.
    ReplyLost,
    /// No reply came within the time-out.
    NoResponse,
    ConnectionEnded,
}

const REQUEST_ENDED: &str = "The connection ended before the request was complete";
const REQUEST_UNREADABLE: &str = "The request is not valid";
const RESPONSE_UNREADABLE: &str = "The response is not valid";

/// Publishes one call with what there is of its reply.
pub fn publish(context: &mut Context<'_>, options: &Options, call: &Call, reply: Option<&Message>, ending: Ending) {
    let request_note = match call.extent {
        Extent::Whole => None,
        Extent::Lost => Some(REQUEST_LOSS),
        Extent::Ended => Some(REQUEST_ENDED),
        Extent::Unreadable => Some(REQUEST_UNREADABLE),
    };
    let response_note = match (ending, reply.map(|reply| reply.extent)) {
        (Ending::ReplyLost, _) | (_, Some(Extent::Lost)) => Some(RESPONSE_LOSS),
        (Ending::NoResponse, _) => Some(NO_RESPONSE),
        // That the request is not whole says so already.
        (Ending::ConnectionEnded, _) => Some(ENDED).filter(|_| call.extent != Extent::Ended),
        (_, Some(Extent::Ended)) => Some(ENDED_INSIDE),
        (_, Some(Extent::Unreadable)) => Some(RESPONSE_UNREADABLE),
        (Ending::Answered | Ending::Oneway, None | Some(Extent::Whole)) => None,
    };
    let notes = match (request_note, response_note) {
        (Some(request), Some(response)) => &[request, response][..],
        (Some(note), None) | (None, Some(note)) => &[note],
        (None, None) => &[],
    };
    let failed = reply.is_some_and(|reply| reply.has_exception || reply.extent == Extent::Ended)
        || matches!(ending, Ending::ReplyLost | Ending::NoResponse | Ending::ConnectionEnded);
    let common = Common {
        name: "thrift",
        network_protocol: Some("thrift"),
        requests: call.requests,
        start_ns: Some(call.start_ns),
        end_ns: reply.map(|reply| reply.start_ns),
        source_bytes: call.bytes,
        destination_bytes: reply.map_or(0, |reply| reply.bytes),
        status: if failed { Status::Error } else { Status::Ok },
        notes,
        icmp: None,
    };
    context.publish(&common, |event| fill(event, options, call, reply));
}

fn fill(event: &mut Event, options: &Options, call: &Call, reply: Option<&Message>) {
    let service = call.method.and_then(|method| options.idl.method(method)).map_or("", |method| &method.service);
    event.text(field::PATH, service);
    event.text_if_any(field::THRIFT_SERVICE, service);
    let (name, dots) = shown_name(options, &call.name);
    let name = lossy(name);
    event.written(field::METHOD, |out| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(dots.as_bytes());
    });
    event.text(field::THRIFT_PARAMS, &call.params);
    event.written(field::QUERY, |out| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(dots.as_bytes());
        out.extend_from_slice(&call.params);
    });
    if options.common.send_request {
        event.same(field::REQUEST, field::QUERY);
    }
    let Some(reply) = reply else { return };
    event.text(field::THRIFT_RETURN_VALUE, &reply.value);
    event.text_if_any(field::THRIFT_EXCEPTIONS, &reply.exceptions);
    if options.common.send_response {
        match reply.exceptions.is_empty() {
            true => event.same(field::RESPONSE, field::THRIFT_RETURN_VALUE),
            false => event.written(field::RESPONSE, |out| {
                out.extend_from_slice(b"Exceptions: ");
                out.extend_from_slice(&reply.exceptions);
            }),
        }
    }
}

/// The method's name is cut as strings are.
fn shown_name<'a>(options: &Options, name: &'a [u8]) -> (&'a [u8], &'static str) {
    match name.get(..options.string_max_size) {
        Some(start) if start.len() < name.len() => (start, "..."),
        _ => (name, ""),
    }
}
