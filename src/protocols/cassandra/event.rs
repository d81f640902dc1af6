// SPDX-License-Identifier: Apache-2.0
//! The event of one request and its response, or of a message that the server sent by itself.

use arrayvec::ArrayVec;

use super::names::{self, Name};
use super::request::{Extent, Message, Request};
use super::wire::Header;
use super::{Options, response};
use crate::event::{Event, Field, field};
use crate::protocols::notes::{
    ENDED, ENDED_INSIDE, NO_RESPONSE, REQUEST_CUT, REQUEST_LOSS, REQUEST_UNREADABLE, RESPONSE_LOSS, RESPONSE_UNREADABLE,
};
use crate::protocols::{Common, Context, Direction, Status};

/// How a request's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// The response did not come within the time-out.
    NoResponse,
    /// The connection ended first.
    Ended,
}

const RESPONSE_CUT: &str = "The response is longer than what is looked at";

/// Publishes a request with what there is of its response; without a request what the server sent by itself.
pub fn publish(
    context: &mut Context<'_>,
    options: &Options,
    request: Option<&Request>,
    response: Option<&Message<'_>>,
    outcome: Outcome,
) {
    let ops = [request.map(|request| request.header.op), response.map(|response| response.header.op)];
    if ops.into_iter().flatten().any(|op| options.ignored_ops.contains(op)) {
        return;
    }
    let requests = match (request, response) {
        (Some(request), _) => request.direction,
        (None, Some(response)) => response.direction.opposite(),
        (None, None) => Direction::ToServer,
    };
    let failed = response.is_none_or(|response| response.header.op == names::ERROR || response.extent == Extent::Ended);
    let common = Common {
        name: "cassandra",
        network_protocol: Some("cassandra"),
        requests,
        start_ns: request.map(|request| request.start_ns),
        end_ns: response.map(|response| response.start_ns),
        source_bytes: request.map_or(0, |request| request.header.frame_bytes() as u64),
        destination_bytes: response.map_or(0, |response| response.header.frame_bytes() as u64),
        status: if failed { Status::Error } else { Status::Ok },
        notes: &[],
        icmp: None,
    };
    context.publish(&common, |event| {
        let mut notes = ArrayVec::<&str, 2>::new();
        match request {
            Some(request) => notes.extend(fill_request(event, options, request)),
            None => event.boolean(field::CASSANDRA_NO_REQUEST, true),
        }
        notes.extend(match (response, outcome) {
            (Some(response), _) => fill_response(event, options, response),
            (None, Outcome::Ended) => Some(ENDED),
            (None, _) if request.is_some_and(|request| request.response_is_lost) => Some(RESPONSE_LOSS),
            (None, _) => Some(NO_RESPONSE),
        });
        match notes.as_slice() {
            [] => {}
            [note] => event.constant(field::ERROR_MESSAGE, note),
            notes => event.list(field::ERROR_MESSAGE, |list| notes.iter().for_each(|note| list.text(note))),
        }
    });
}

/// Answers the note that the request deserves.
fn fill_request(event: &mut Event, options: &Options, request: &Request) -> Option<&'static str> {
    if options.common.send_request {
        if options.send_request_header {
            fill_header(event, &REQUEST_HEADERS, &request.header);
        }
        if request.has_query {
            event.text(field::CASSANDRA_REQUEST_QUERY, &request.query);
        }
    }
    match request.extent {
        Extent::Whole => None,
        Extent::Cut => Some(REQUEST_CUT),
        Extent::Lost | Extent::Ended => Some(REQUEST_LOSS),
        Extent::Unreadable => Some(REQUEST_UNREADABLE),
    }
}

/// Answers the note that the response deserves.
fn fill_response(event: &mut Event, options: &Options, response: &Message<'_>) -> Option<&'static str> {
    let mut is_read = true;
    if options.common.send_response {
        if options.send_response_header {
            fill_header(event, &RESPONSE_HEADERS, &response.header);
        }
        if response::has_fields(response.header.op) && response.extent != Extent::Unreadable {
            is_read = response::fill(event, response).is_some();
        }
    }
    match response.extent {
        Extent::Ended => Some(ENDED_INSIDE),
        Extent::Lost => Some(RESPONSE_LOSS),
        Extent::Unreadable => Some(RESPONSE_UNREADABLE),
        // What stands in front of the rows may be all there is to read.
        Extent::Whole | Extent::Cut if is_read => None,
        Extent::Whole => Some(RESPONSE_UNREADABLE),
        Extent::Cut => Some(RESPONSE_CUT),
    }
}

struct HeaderFields {
    version: Field,
    flags: Field,
    stream: Field,
    op: Field,
    length: Field,
}

const REQUEST_HEADERS: HeaderFields = HeaderFields {
    version: field::CASSANDRA_REQUEST_HEADERS_VERSION,
    flags: field::CASSANDRA_REQUEST_HEADERS_FLAGS,
    stream: field::CASSANDRA_REQUEST_HEADERS_STREAM,
    op: field::CASSANDRA_REQUEST_HEADERS_OP,
    length: field::CASSANDRA_REQUEST_HEADERS_LENGTH,
};

const RESPONSE_HEADERS: HeaderFields = HeaderFields {
    version: field::CASSANDRA_RESPONSE_HEADERS_VERSION,
    flags: field::CASSANDRA_RESPONSE_HEADERS_FLAGS,
    stream: field::CASSANDRA_RESPONSE_HEADERS_STREAM,
    op: field::CASSANDRA_RESPONSE_HEADERS_OP,
    length: field::CASSANDRA_RESPONSE_HEADERS_LENGTH,
};

fn fill_header(event: &mut Event, fields: &HeaderFields, header: &Header) {
    event.format(fields.version, format_args!("{}", header.version));
    match names::header_flags(header.flags) {
        Name::Known(name) => event.constant(fields.flags, name),
        name => event.format(fields.flags, format_args!("{name}")),
    }
    event.unsigned(fields.stream, u64::from(header.stream));
    event.constant(fields.op, names::op(header.op));
    event.unsigned(fields.length, header.body_bytes as u64);
}
