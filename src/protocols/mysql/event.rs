// SPDX-License-Identifier: Apache-2.0
//! The event of one command and its answer.

use super::Options;
use super::request::{Command, MAX_TEXT_BYTES, Request};
use super::response::Response;
use crate::event::{Event, field};
use crate::protocols::notes::{
    ENDED, ENDED_INSIDE, NO_RESPONSE, REQUEST_CUT, REQUEST_LOSS, RESPONSE_LOSS, SLOW_RESPONSE,
};
use crate::protocols::{Common, Context, Direction, Status};

/// How a command's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// Answered, but bytes of rows are missing.
    Damaged,
    /// Bytes of the answer are missing, and with them its end.
    Lost,
    /// The answer did not come, or not wholly, within the time-out.
    NoResponse,
    /// The connection ended first.
    Ended,
}

/// `query` of a COM_STMT_PREPARE that succeeded, as in Packetbeat.
const PREPARE: &str = "Request Prepare Statement";
/// `query` of a COM_STMT_EXECUTE whose preparation was not seen, as in Packetbeat.
const EXECUTE: &str = "Request Execute Statement";

const UNKNOWN_QUERY: &str = "The actual query being used is unknown";
const _: () = assert!(MAX_TEXT_BYTES == 1 << 20, "docs/differences.md names 1 MiB");

/// Publishes one command.
pub fn publish(context: &mut Context<'_>, options: &Options, request: &Request, response: &Response, outcome: Outcome) {
    let begun = response.has_begun();
    let mut notes = [""; 4];
    let mut count = 0;
    let mut note = |text| {
        if let Some(place) = notes.get_mut(count) {
            *place = text;
            count += 1;
        }
    };
    if request.damaged {
        note(REQUEST_LOSS);
    }
    if request.cut && !request.damaged {
        note(REQUEST_CUT);
    }
    if request.unknown {
        note(UNKNOWN_QUERY);
    }
    match outcome {
        Outcome::Answered => {}
        Outcome::Damaged | Outcome::Lost => note(RESPONSE_LOSS),
        Outcome::NoResponse => note(if begun { SLOW_RESPONSE } else { NO_RESPONSE }),
        Outcome::Ended => note(if begun { ENDED_INSIDE } else { ENDED }),
    }
    let failed = response.error_code.is_some()
        || matches!(outcome, Outcome::NoResponse | Outcome::Ended)
        || outcome == Outcome::Lost && !begun;
    let common = Common {
        name: "mysql",
        network_protocol: Some("mysql"),
        requests: Direction::ToServer,
        start_ns: Some(request.start_ns),
        end_ns: response.start_ns,
        source_bytes: request.bytes,
        destination_bytes: if outcome == Outcome::Lost { 0 } else { response.bytes },
        status: if failed { Status::Error } else { Status::Ok },
        notes: notes.get(..count).unwrap_or_default(),
        icmp: None,
    };
    context.publish(&common, |event| fill(event, options, request, response));
}

fn fill(event: &mut Event, options: &Options, request: &Request, response: &Response) {
    let text = trim(&request.text);
    match request.command {
        Command::Query => {
            method_of(event, text);
            event.text_if_any(field::QUERY, text);
        }
        Command::Prepare => {
            method_of(event, text);
            if response.has_begun() && response.error_code.is_none() {
                event.constant(field::QUERY, PREPARE);
            } else {
                event.text_if_any(field::QUERY, text);
            }
        }
        Command::Execute | Command::BulkExecute if request.unknown => {
            event.constant(field::METHOD, request.command.name());
            event.constant(field::QUERY, EXECUTE);
        }
        Command::Execute | Command::BulkExecute => {
            method_of(event, text);
            event.text_if_any(field::QUERY, text);
        }
        command => {
            event.constant(field::METHOD, command.name());
            if text.is_empty() {
                event.constant(field::QUERY, command.name());
            } else {
                let shown = String::from_utf8_lossy(text);
                event.format(field::QUERY, format_args!("{} {shown}", command.name()));
            }
        }
    }
    event.text_if_any(field::PATH, &response.path);
    if !request.parameter_ends.is_empty() {
        event.list(field::PARAMS, |list| request.parameter_values().for_each(|value| list.text(value)));
    }
    event.unsigned(field::MYSQL_AFFECTED_ROWS, response.affected_rows);
    event.unsigned(field::MYSQL_INSERT_ID, response.insert_id);
    event.unsigned(field::MYSQL_NUM_ROWS, response.rows);
    event.unsigned(field::MYSQL_NUM_FIELDS, response.fields);
    if response.results > 1 {
        event.unsigned(field::MYSQL_RESULT_SETS, response.results);
    }
    if let Some(code) = response.error_code {
        event.unsigned(field::MYSQL_ERROR_CODE, u64::from(code));
        event.text(field::MYSQL_ERROR_MESSAGE, &response.error_message);
    }
    if options.common.send_request {
        let sent: &[u8] = match request.command {
            Command::Query | Command::Prepare | Command::InitDb => &request.text,
            _ => &[],
        };
        event.text(field::REQUEST, sent);
    }
    if options.common.send_response {
        event.text(field::RESPONSE, &response.text);
    }
}

/// The first word, in capitals; a statement may begin with a bracket or a comment, and then that is it.
fn method_of(event: &mut Event, text: &[u8]) {
    let end = text.iter().position(|byte| is_space(*byte)).unwrap_or(text.len());
    let word = text.get(..end).unwrap_or(text);
    if word.is_empty() {
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

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
