// SPDX-License-Identifier: Apache-2.0
//! The event of one command and its answer.

use super::Options;
use super::request::{MAX_TEXT_BYTES, Request};
use super::response::{self, Kind, Response};
use crate::event::{Event, field};
use crate::protocols::notes::{
    ENDED, ENDED_INSIDE, NO_RESPONSE, REQUEST_CUT, REQUEST_LOSS, RESPONSE_LOSS, SLOW_RESPONSE,
};
use crate::protocols::text::lossy;
use crate::protocols::{Common, Context, Direction, Status};

/// How a command's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// It has no answer, by design.
    Silent,
    /// Bytes of the connection are missing, and with them its answer or what says which it is.
    Lost,
    /// The answer did not come, or not wholly, within the time-out.
    NoResponse,
    /// The connection ended first.
    Ended,
}

const INVALID: &str = "Not a valid command";
const RESPONSE_CUT: &str = "The response is longer than what is kept of it";
const _: () =
    assert!(MAX_TEXT_BYTES == 1 << 20 && response::MAX_TEXT_BYTES == 1 << 20, "docs/differences.md names 1 MiB");
/// Longest name of a command that is shown.
const MAX_METHOD_BYTES: usize = 64;

/// Publishes one command with what there is of its answer.
pub fn publish(
    context: &mut Context<'_>,
    options: &Options,
    request: &Request,
    response: Option<&Response>,
    outcome: Outcome,
) {
    let mut notes = [""; 5];
    let mut count = 0;
    let mut note = |text| {
        if let Some(place) = notes.get_mut(count) {
            *place = text;
            count += 1;
        }
    };
    if request.invalid {
        note(INVALID);
    }
    if request.damaged {
        note(REQUEST_LOSS);
    }
    if request.cut {
        note(REQUEST_CUT);
    }
    if response.is_some_and(|response| response.cut) {
        note(RESPONSE_CUT);
    }
    match outcome {
        Outcome::Answered if response.is_some_and(|response| response.damaged) => note(RESPONSE_LOSS),
        Outcome::Answered | Outcome::Silent => {}
        Outcome::Lost => note(RESPONSE_LOSS),
        Outcome::NoResponse => note(if response.is_some() { SLOW_RESPONSE } else { NO_RESPONSE }),
        Outcome::Ended => note(if response.is_some() { ENDED_INSIDE } else { ENDED }),
    }
    let failed = response.is_some_and(|response| response.kind == Kind::Error)
        || matches!(outcome, Outcome::NoResponse | Outcome::Ended)
        || outcome == Outcome::Lost && response.is_none();
    let common = Common {
        name: "redis",
        network_protocol: Some("redis"),
        requests: Direction::ToServer,
        start_ns: Some(request.start_ns),
        end_ns: response.map(|response| response.start_ns),
        source_bytes: request.bytes,
        destination_bytes: response.map_or(0, |response| response.bytes),
        status: if failed { Status::Error } else { Status::Ok },
        notes: notes.get(..count).unwrap_or_default(),
        icmp: None,
    };
    context.publish(&common, |event| fill(event, options, request, response, failed));
}

fn fill(event: &mut Event, options: &Options, request: &Request, response: Option<&Response>, failed: bool) {
    let mut name = Name::default();
    name.append(request.name());
    let mut argument = 1;
    if request.has_two_words() {
        name.append(b" ");
        name.append(request.word(1));
        argument = 2;
    }
    if !name.bytes().is_empty() {
        name.change(<[u8]>::make_ascii_lowercase);
        event.written(field::EVENT_ACTION, |out| {
            out.extend_from_slice(b"redis.");
            out.extend_from_slice(lossy(name.bytes()).as_bytes());
        });
        name.change(<[u8]>::make_ascii_uppercase);
        event.text(field::METHOD, name.bytes());
    }
    event.text(field::RESOURCE, request.word(argument));
    event.text(field::QUERY, &request.text);
    if options.common.send_request {
        event.same(field::REQUEST, field::QUERY);
    }
    if failed {
        event.constant(field::EVENT_OUTCOME, "failure");
    }
    if let Some(response) = response {
        let shown = if response.kind == Kind::Error { field::REDIS_ERROR } else { field::REDIS_RETURN_VALUE };
        event.text(shown, &response.text);
        if options.common.send_response {
            event.same(field::RESPONSE, shown);
        }
    }
}

/// A command's name, cut where it is too long to be one.
struct Name {
    bytes: [u8; MAX_METHOD_BYTES],
    length: usize,
}

impl Default for Name {
    fn default() -> Name {
        Name { bytes: [0; MAX_METHOD_BYTES], length: 0 }
    }
}

impl Name {
    fn append(&mut self, part: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(part) {
            *place = *byte;
            self.length += 1;
        }
    }

    fn change(&mut self, change: fn(&mut [u8])) {
        change(&mut self.bytes);
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
