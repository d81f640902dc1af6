// SPDX-License-Identifier: Apache-2.0
//! The event of one request and its reply.

use super::Options;
use super::bson::Span;
use super::exchange::{Extent, Reply, Request};
use crate::event::{Event, field};
use crate::protocols::notes::{
    ENDED, ENDED_INSIDE, NO_RESPONSE, REQUEST_CUT, REQUEST_LOSS, REQUEST_UNREADABLE, RESPONSE_LOSS, RESPONSE_UNREADABLE,
};
use crate::protocols::{Common, Context, Status};

/// How a request's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// A further reply to a request that has its event already.
    Continued,
    /// It has no reply by design.
    Alone,
    /// The reply did not come within the time-out.
    NoResponse,
    /// The connection ended first.
    Ended,
}

const RESPONSE_CUT: &str = "The response is longer than what is looked at";

/// Publishes one request.
pub fn publish(
    context: &mut Context<'_>,
    options: &Options,
    request: &Request,
    reply: Option<&Reply>,
    outcome: Outcome,
) {
    let request_note = match request.extent {
        Extent::Whole => None,
        Extent::Cut => Some(REQUEST_CUT),
        Extent::Lost | Extent::Ended => Some(REQUEST_LOSS),
        Extent::Unreadable => Some(REQUEST_UNREADABLE),
    };
    let response_note = match (outcome, reply.map(|reply| reply.extent)) {
        (Outcome::NoResponse, _) => Some(NO_RESPONSE),
        (Outcome::Ended, _) => Some(ENDED),
        (_, None | Some(Extent::Whole)) => None,
        (_, Some(Extent::Cut)) => Some(RESPONSE_CUT),
        (_, Some(Extent::Lost)) => Some(RESPONSE_LOSS),
        (_, Some(Extent::Ended)) => Some(ENDED_INSIDE),
        (_, Some(Extent::Unreadable)) => Some(RESPONSE_UNREADABLE),
    };
    let notes: arrayvec::ArrayVec<&str, 2> = request_note.into_iter().chain(response_note).collect();
    let error = reply.map_or(&b""[..], |reply| reply.error_for(request));
    let failed = !error.is_empty()
        || matches!(outcome, Outcome::NoResponse | Outcome::Ended)
        || reply.is_some_and(|reply| reply.extent == Extent::Ended);
    let continued = outcome == Outcome::Continued;
    let common = Common {
        name: "mongodb",
        network_protocol: Some("mongodb"),
        requests: request.direction,
        start_ns: (!continued).then_some(request.start_ns),
        end_ns: reply.map(|reply| reply.start_ns),
        source_bytes: if continued { 0 } else { request.bytes },
        destination_bytes: reply.map_or(0, |reply| reply.bytes),
        status: if failed { Status::Error } else { Status::Ok },
        notes: &notes,
        icmp: None,
    };
    context.publish(&common, |event| {
        fill_request(event, options, request);
        if let Some(reply) = reply {
            fill_reply(event, request, reply);
        }
        if !error.is_empty() {
            event.text(field::MONGODB_ERROR, error);
        }
    });
}

fn fill_request(event: &mut Event, options: &Options, request: &Request) {
    let text = |span: Span| span.of(&request.text);
    event.text(field::METHOD, text(request.method));
    event.text(field::RESOURCE, text(request.resource));
    event.text(field::QUERY, text(request.query));
    if options.common.send_request {
        event.text(field::REQUEST, text(request.request));
    }
    // The object is there also when it is empty.
    event.map(field::MONGODB, |_| {});
    for (field, span) in [
        (field::MONGODB_FULLCOLLECTIONNAME, request.full_collection_name),
        (field::MONGODB_SELECTOR, request.selector),
        (field::MONGODB_UPDATE, request.update),
        (field::MONGODB_RETURNFIELDSSELECTOR, request.return_fields_selector),
        (field::MONGODB_MESSAGE, request.message),
    ] {
        if let Some(span) = span {
            event.text(field, text(span));
        }
    }
    event.text_if_any(field::MONGODB_DATABASE, text(request.database));
    event.text_if_any(field::MONGODB_COLLECTION, text(request.collection));
    for (field, number) in [
        (field::MONGODB_NUMBERTOSKIP, request.number_to_skip),
        (field::MONGODB_NUMBERTORETURN, request.number_to_return),
    ] {
        if let Some(number) = number {
            event.signed(field, i64::from(number));
        }
    }
    if let Some(cursor_id) = request.cursor_id {
        event.signed(field::MONGODB_CURSORID, cursor_id);
    }
}

fn fill_reply(event: &mut Event, request: &Request, reply: &Reply) {
    if let Some(documents) = reply.documents {
        event.text(field::RESPONSE, documents.of(&reply.text));
    }
    // Packetbeat has these of OP_REPLY only.
    if request.is_plain_msg && reply.is_msg {
        return;
    }
    if let Some(cursor_id) = reply.cursor_id {
        event.signed(field::MONGODB_CURSORID, cursor_id);
    }
    if let Some(starting_from) = reply.starting_from {
        event.signed(field::MONGODB_STARTINGFROM, i64::from(starting_from));
    }
    if let Some(number_returned) = reply.number_returned {
        event.signed(field::MONGODB_NUMBERRETURNED, number_returned);
    }
}
