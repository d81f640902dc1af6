// SPDX-License-Identifier: Apache-2.0
//! The event of one statement and its answer.

use super::Options;
use super::message::MAX_TEXT_BYTES;
use super::response::Response;
use super::split::is_space;
use super::unit::{Kind, Unit};
use crate::event::{Event, field};
use crate::protocols::notes::{
    ENDED, ENDED_INSIDE, NO_RESPONSE, REQUEST_CUT, REQUEST_LOSS, RESPONSE_LOSS, SLOW_RESPONSE,
};
use crate::protocols::{Common, Context, Direction, Status};

/// How the waiting for an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// Bytes of the answer are missing, and with them its end.
    Lost,
    /// The answer did not come, or not wholly, within the time-out.
    NoResponse,
    /// The connection ended first.
    Ended,
    /// The server passed it over because of an error before it.
    Skipped,
    /// The client wanted TLS, the server did not, and the client left.
    TlsRefused,
}

/// What an event calls its statement.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    pub text: &'a [u8],
    /// The text stands for a statement that was not seen.
    pub unknown: bool,
    pub cut: bool,
    pub damaged: bool,
}

const UNKNOWN_QUERY: &str = "The actual query being used is unknown";
const SKIPPED: &str = "Not executed because of an earlier error";
const TLS_REFUSED: &str = "The server refused encryption and the client closed the connection";
const _: () = assert!(MAX_TEXT_BYTES == 1 << 20, "docs/differences.md names 1 MiB");

/// Publishes one statement.
pub fn publish(
    context: &mut Context<'_>,
    options: &Options,
    unit: &Unit,
    named: &Named<'_>,
    response: &Response,
    outcome: Outcome,
) {
    let begun = response.has_begun();
    let mut notes = [""; 4];
    let mut count = 0;
    let mut note = |text| {
        if let Some(place) = notes.get_mut(count) {
            *place = text;
            count += 1;
        }
    };
    if named.damaged {
        note(REQUEST_LOSS);
    } else if named.cut {
        note(REQUEST_CUT);
    }
    if named.unknown {
        note(UNKNOWN_QUERY);
    }
    match outcome {
        Outcome::Answered if response.damaged => note(RESPONSE_LOSS),
        Outcome::Answered => {}
        Outcome::Lost => note(RESPONSE_LOSS),
        Outcome::NoResponse => note(if begun { SLOW_RESPONSE } else { NO_RESPONSE }),
        Outcome::Ended => note(if begun { ENDED_INSIDE } else { ENDED }),
        Outcome::Skipped => note(SKIPPED),
        Outcome::TlsRefused => note(TLS_REFUSED),
    }
    let succeeded = match outcome {
        Outcome::Answered => true,
        Outcome::Lost => begun,
        _ => false,
    };
    let common = Common {
        name: "pgsql",
        network_protocol: Some("pgsql"),
        requests: Direction::ToServer,
        start_ns: Some(unit.start_ns),
        end_ns: response.start_ns,
        source_bytes: unit.bytes,
        destination_bytes: response.bytes,
        status: if succeeded && !response.failed { Status::Ok } else { Status::Error },
        notes: notes.get(..count).unwrap_or_default(),
        icmp: None,
    };
    context.publish(&common, |event| fill(event, options, unit, named, response));
}

fn fill(event: &mut Event, options: &Options, unit: &Unit, named: &Named<'_>, response: &Response) {
    match (named.unknown, first_word(&response.tag)) {
        (true, word @ [_, ..]) => method(event, word),
        _ => method(event, first_word(named.text)),
    }
    event.text_if_any(field::QUERY, named.text);
    event.unsigned(field::PGSQL_NUM_ROWS, response.rows);
    event.unsigned(field::PGSQL_NUM_FIELDS, response.fields);
    if response.failed {
        event.text(field::PGSQL_ERROR_CODE, &response.error.code);
        event.text(field::PGSQL_ERROR_MESSAGE, &response.error.message);
        event.text(field::PGSQL_ERROR_SEVERITY, &response.error.severity);
    }
    if options.common.send_request {
        let sent: &[u8] = match unit.kind {
            Kind::Query | Kind::Execute | Kind::Prepare if !named.unknown => named.text,
            _ => &[],
        };
        event.text(field::REQUEST, sent);
    }
    if options.common.send_response {
        event.text(field::RESPONSE, &response.text);
    }
}

/// The first word, in capitals; a statement may begin with a bracket or a comment, and then that is it.
fn method(event: &mut Event, word: &[u8]) {
    if word.is_empty() || word.iter().all(|byte| *byte == b';') {
        return;
    }
    let mut small = [0; 64];
    match small.get_mut(..word.len()) {
        Some(capitals) => {
            capitals.copy_from_slice(word);
            capitals.make_ascii_uppercase();
            event.text(field::METHOD, &*capitals);
        }
        None => event.text(field::METHOD, word.to_ascii_uppercase()),
    }
}

fn first_word(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| is_space(*byte)).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}
