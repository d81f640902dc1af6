// SPDX-License-Identifier: Apache-2.0
//! A command and its answer as an event (Packetbeat behaviour, section 4.7).

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use super::Options;
use super::binary::{opcode_name, status_name};
use super::message::{Class, Form, Message};
use crate::event::{Event, Field, field};
use crate::protocols::{Common, Context, Direction, Status};

/// What Packetbeat says in `error.message`.
pub mod note {
    pub use crate::protocols::notes::{REQUEST_LOSS, RESPONSE_LOSS};

    pub const NO_REQUEST: &str = "Invalid transaction. Request missing";
    pub const NO_RESPONSE: &str = "Missing response for non-quiet request";
    pub const UNFINISHED: &str = "Unfinished transaction";
    pub const CUT: &str = "The message is longer than what is kept of it";
}

/// Publishes a command, its answer, or both.
pub fn publish(
    context: &mut Context<'_>,
    options: &Options,
    request: Option<&Message>,
    response: Option<&Message>,
    note: Option<&'static str>,
) {
    let Some(named) = request.or(response) else { return };
    let notes: arrayvec::ArrayVec<&str, 4> = [
        request.filter(|request| request.damaged).map(|_| note::REQUEST_LOSS),
        response.filter(|response| response.damaged).map(|_| note::RESPONSE_LOSS),
        [request, response].into_iter().flatten().any(|message| message.cut).then_some(note::CUT),
        note,
    ]
    .into_iter()
    .flatten()
    .collect();
    let sizes = [request, response].map(|message| message.map_or(0, |message| message.bytes));
    let [source_bytes, destination_bytes] = if options.compat_swapped_bytes { [sizes[1], sizes[0]] } else { sizes };
    let status = status(options, request, response);
    let common = Common {
        name: "memcache",
        network_protocol: Some("memcache"),
        requests: Direction::ToServer,
        start_ns: Some(named.start_ns),
        end_ns: response.map(|response| response.start_ns),
        source_bytes,
        destination_bytes,
        status,
        notes: &notes,
        icmp: None,
    };
    context.publish(&common, |event| {
        event.constant(field::MEMCACHE_PROTOCOL_TYPE, if named.form == Form::Binary { "binary" } else { "text" });
        if let Some(request) = request {
            event.constant(field::EVENT_ACTION_LITERAL, request.class.action());
            fill_request(event, options, request);
        }
        if let Some(response) = response {
            if let Some(outcome) = outcome(options, response) {
                event.constant(field::EVENT_OUTCOME_LITERAL, outcome);
            }
            fill_response(event, options, response);
        }
    });
}

fn fill_request(event: &mut Event, options: &Options, request: &Message) {
    event.constant(field::MEMCACHE_REQUEST_COMMAND, request.command);
    event.constant(field::MEMCACHE_REQUEST_TYPE, request.class.name());
    match request.form {
        Form::Binary => {
            event.constant(field::MEMCACHE_REQUEST_OPCODE, opcode_name(request.opcode));
            event.unsigned(field::MEMCACHE_REQUEST_OPCODE_VALUE, u64::from(request.opcode));
            event.unsigned(field::MEMCACHE_REQUEST_OPAQUE, u64::from(request.opaque));
            event.unsigned(field::MEMCACHE_REQUEST_VBUCKET, u64::from(request.status));
            event.boolean(field::MEMCACHE_REQUEST_QUIET, request.quiet);
        }
        Form::Text => {
            if request.quiet {
                event.boolean(field::MEMCACHE_REQUEST_QUIET, true);
            }
            if let Some(noreply) = request.noreply {
                event.boolean(field::MEMCACHE_REQUEST_NOREPLY, noreply);
            }
            let detail = if request.class == Class::Unknown {
                field::MEMCACHE_REQUEST_LINE
            } else {
                field::MEMCACHE_REQUEST_RAW_ARGS
            };
            if let Some(text) = request.detail().filter(|_| request.class != Class::Unknown || options.parse_unknown) {
                event.text(detail, text);
            }
        }
    }
    keys(event, field::MEMCACHE_REQUEST_KEYS, request);
    values(
        event,
        [field::MEMCACHE_REQUEST_COUNT_VALUES, field::MEMCACHE_REQUEST_BYTES, field::MEMCACHE_REQUEST_VALUES],
        request,
    );
    let optional = |event: &mut Event, field, value: Option<u64>| {
        if let Some(value) = value {
            event.unsigned(field, value);
        }
    };
    optional(event, field::MEMCACHE_REQUEST_FLAGS, request.flags.map(u64::from));
    optional(event, field::MEMCACHE_REQUEST_CAS_UNIQUE, request.cas);
    optional(event, field::MEMCACHE_REQUEST_INITIAL, request.initial);
    for (field, value) in [
        (field::MEMCACHE_REQUEST_EXPTIME, request.exptime),
        (field::MEMCACHE_REQUEST_SOURCE_CLASS, request.source_class),
        (field::MEMCACHE_REQUEST_DEST_CLASS, request.destination_class),
    ] {
        if let Some(value) = value {
            event.signed(field, value);
        }
    }
    let Some(number) = request.number else { return };
    match request.command {
        "incr" | "decr" => event.unsigned(field::MEMCACHE_REQUEST_DELTA, number),
        "verbosity" => event.unsigned(field::MEMCACHE_REQUEST_VERBOSITY, number),
        "lru_crawler sleep" => event.unsigned(field::MEMCACHE_REQUEST_SLEEP_US, number),
        "slabs automove" => match number {
            0 => event.constant(field::MEMCACHE_REQUEST_AUTOMOVE, "standby"),
            1 => event.constant(field::MEMCACHE_REQUEST_AUTOMOVE, "slow"),
            2 => event.constant(field::MEMCACHE_REQUEST_AUTOMOVE, "aggressive"),
            other => event.format(field::MEMCACHE_REQUEST_AUTOMOVE, format_args!("{other}")),
        },
        _ => event.unsigned(field::MEMCACHE_REQUEST_VALUE, number),
    }
}

fn fill_response(event: &mut Event, options: &Options, response: &Message) {
    event.constant(field::MEMCACHE_RESPONSE_COMMAND, response.command);
    event.constant(field::MEMCACHE_RESPONSE_TYPE, response.class.name());
    if response.form == Form::Binary {
        event.constant(field::MEMCACHE_RESPONSE_OPCODE, opcode_name(response.opcode));
        event.unsigned(field::MEMCACHE_RESPONSE_OPCODE_VALUE, u64::from(response.opcode));
        event.unsigned(field::MEMCACHE_RESPONSE_OPAQUE, u64::from(response.opaque));
        event.constant(field::MEMCACHE_RESPONSE_STATUS, status_name(response.status));
        event.unsigned(field::MEMCACHE_RESPONSE_STATUS_CODE, u64::from(response.status));
    }
    let detail = match response.class {
        Class::Fail => Some(field::MEMCACHE_RESPONSE_ERROR_MSG),
        Class::Info => Some(field::MEMCACHE_RESPONSE_VERSION).filter(|_| response.form == Form::Binary),
        Class::Unknown => Some(field::MEMCACHE_RESPONSE_LINE).filter(|_| options.parse_unknown),
        _ => None,
    };
    if let Some((field, text)) = detail.zip(response.detail()) {
        event.text(field, text);
    }
    keys(event, field::MEMCACHE_RESPONSE_KEYS, response);
    values(
        event,
        [field::MEMCACHE_RESPONSE_COUNT_VALUES, field::MEMCACHE_RESPONSE_BYTES, field::MEMCACHE_RESPONSE_VALUES],
        response,
    );
    for (field, value) in [
        (field::MEMCACHE_RESPONSE_FLAGS, response.flags.map(u64::from)),
        (field::MEMCACHE_RESPONSE_CAS_UNIQUE, response.cas),
        (field::MEMCACHE_RESPONSE_VALUE, response.number),
    ] {
        if let Some(value) = value {
            event.unsigned(field, value);
        }
    }
    if response.class == Class::Stats {
        event.list(field::MEMCACHE_RESPONSE_STATS, |list| {
            for [name, value] in response.stats() {
                list.map(|map| {
                    map.text("name", name);
                    map.text("value", value);
                });
            }
        });
    }
}

fn keys(event: &mut Event, field: Field, message: &Message) {
    if message.keys().len() > 0 {
        event.list(field, |list| message.keys().for_each(|key| list.text(key)));
    }
}

/// Number, bytes and, as far as they are kept, contents of the values.
fn values(event: &mut Event, [count, bytes, contents]: [Field; 3], message: &Message) {
    let Some(value_bytes) = message.value_bytes else { return };
    event.unsigned(count, message.value_count);
    event.unsigned(bytes, value_bytes);
    if message.values().len() > 0 {
        event.list(contents, |list| {
            for value in message.values() {
                list.format(format_args!("{}", Base64Display::new(value, &STANDARD)));
            }
        });
    }
}

fn status(options: &Options, request: Option<&Message>, response: Option<&Message>) -> Status {
    match (request, response) {
        (Some(request), None) => {
            let silent = request.quiet || request.noreply == Some(true) || request.command == "quit";
            if silent { Status::Ok } else { Status::ServerError }
        }
        (Some(_), Some(response)) => answer_status(response, options),
        (None, _) => Status::ClientError,
    }
}

/// What an answer says. That there is no such key, or there is one, is no error.
fn answer_status(response: &Message, options: &Options) -> Status {
    let negative = if options.compat_status { Status::Error } else { Status::Ok };
    if response.form == Form::Binary {
        return match response.status {
            0 => Status::Ok,
            0x01 | 0x02 | 0x05 | 0x21 => negative,
            status if status <= 0x80 => Status::Error,
            _ => Status::ServerError,
        };
    }
    if response.class != Class::Fail {
        return Status::Ok;
    }
    match response.command {
        "CLIENT_ERROR" | "SAME" => Status::ClientError,
        "SERVER_ERROR" | "BUSY" | "BADCLASS" | "NOSPARE" | "NOTFULL" | "UNSAFE" => Status::ServerError,
        "NOT_STORED" | "NOT_FOUND" | "NS" | "NF" => negative,
        _ => Status::Error,
    }
}

fn outcome(options: &Options, response: &Message) -> Option<&'static str> {
    if options.compat_status {
        return (response.form == Form::Text || response.status == 0).then_some("success");
    }
    Some(if answer_status(response, options) == Status::Ok { "success" } else { "failure" })
}
