// SPDX-License-Identifier: Apache-2.0
//! The event of a method with its answer, or of a message.

use std::fmt;

use super::message::{self, Argument};
use super::methods::{self, Method, Role};
use super::session::{Content, Extent};
use super::{Options, Parsing, Rejects, properties, table};
use crate::event::{Event, Field, field};
use crate::protocols::notes::{ENDED, NO_RESPONSE, REQUEST_LOSS, RESPONSE_LOSS};
use crate::protocols::{Common, Context, Direction, Status};

/// A method that asks, or stands alone.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The direction it went.
    pub requests: Direction,
    pub method: &'static Method,
    pub arguments: &'a [u8],
    pub start_ns: i64,
    /// Bytes of its frame.
    pub bytes: u64,
    pub is_damaged: bool,
}

/// The method that answers.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    pub method: &'static Method,
    pub arguments: &'a [u8],
    pub start_ns: i64,
    pub bytes: u64,
    pub is_damaged: bool,
}

/// How a method's waiting ended.
pub enum Outcome<'a> {
    Answered(Answer<'a>),
    /// It has no answer, by design.
    Alone,
    /// The other end closed the channel or the connection instead.
    Closed {
        method: &'static Method,
        arguments: &'a [u8],
        end_ns: i64,
    },
    /// None came within the time-out.
    NoAnswer,
    /// The connection ended first.
    Ended,
    /// Bytes of the connection are missing, and with them probably the answer.
    Lost,
}

const ARGUMENTS: &str = "Failed to parse additional arguments";
const INCOMPLETE: &str = "The method's arguments are not complete";
const PROPERTIES: &str = "Failed to parse the message properties";
const NO_CLOSE_OK: &str = "Close-ok method not received by sender";
const CLOSED: &str = "Closed by the other end instead of an answer";
const CUT: &str = "The message is not complete";
const MESSAGE_LOSS: &str = "Packet loss while capturing the message";
const ENDED_INSIDE: &str = "The connection ended before the message was complete";
const OMISSION: &str = " [...]";

/// Whether a reply code is one of an error.
pub fn is_error_code(code: Option<u64>) -> bool {
    code.is_some_and(|code| code >= 300)
}

/// Publishes a method with what came of it.
pub fn publish(context: &mut Context<'_>, options: &Options, request: &Request<'_>, outcome: &Outcome<'_>) {
    let method = request.method;
    let mut notes = Notes::default();
    notes.of_arguments(method, request.arguments, options, request.is_damaged.then_some(REQUEST_LOSS));
    let failed = match outcome {
        Outcome::Answered(answer) => {
            notes.of_arguments(answer.method, answer.arguments, options, answer.is_damaged.then_some(RESPONSE_LOSS));
            is_close_error(request)
        }
        Outcome::Alone => method.is(methods::BASIC, methods::REJECT) && options.rejects == Rejects::Packetbeat,
        Outcome::Closed { .. } => notes.add(CLOSED),
        Outcome::NoAnswer | Outcome::Ended if method.role == Role::Close => notes.add(NO_CLOSE_OK),
        Outcome::NoAnswer => notes.add(NO_RESPONSE),
        Outcome::Ended => notes.add(ENDED),
        Outcome::Lost => notes.add(RESPONSE_LOSS),
    };
    let (end_ns, answer_bytes) = match outcome {
        Outcome::Answered(answer) => (Some(answer.start_ns), answer.bytes),
        Outcome::Closed { end_ns, .. } => (Some(*end_ns), 0),
        _ => (None, 0),
    };
    let common = Common {
        name: "amqp",
        network_protocol: Some("amqp"),
        requests: request.requests,
        start_ns: Some(request.start_ns),
        end_ns,
        source_bytes: request.bytes,
        destination_bytes: answer_bytes,
        status: if failed { Status::Error } else { Status::Ok },
        notes: notes.all(),
        icmp: None,
    };
    context.publish(&common, |event| {
        // Also where no field follows, the object is there.
        event.map(field::AMQP, |_| {});
        fill_method(event, options, method, request.arguments);
        if options.common.send_request {
            summarise(event, request);
        }
        let mut name = method.name;
        let mut response: &[u8] = b"";
        match outcome {
            Outcome::Answered(answer) => {
                fill_method(event, options, answer.method, answer.arguments);
                response = b"OK";
                if answer.method.is(methods::BASIC, methods::GET_EMPTY) {
                    name = answer.method.name;
                }
            }
            Outcome::Closed { method, arguments, .. } => {
                // What stands behind the text may be missing.
                let _ = message::walk(method.arguments, arguments, |place, argument| match argument {
                    Argument::Number(code) if place == field::AMQP_REPLY_CODE => event.unsigned(place, code),
                    Argument::Text(text) if place == field::AMQP_REPLY_TEXT => {
                        response = text;
                        event.text(place, text);
                    }
                    _ => {}
                });
            }
            _ => {}
        }
        name_event(event, name);
        if options.common.send_response {
            event.text(field::RESPONSE, response);
        }
    });
}

/// Publishes a message.
pub fn publish_content(
    context: &mut Context<'_>,
    options: &Options,
    direction: Direction,
    content: &mut Content,
    extent: Extent,
) {
    let mut notes = Notes::default();
    let asked = content.request.as_ref().map(|waiting| waiting.request());
    if let Some(asked) = asked {
        notes.of_arguments(asked.method, asked.arguments, options, asked.is_damaged.then_some(REQUEST_LOSS));
    } else if content.method.is(methods::BASIC, methods::GET_OK) {
        // Nobody gets a message that he did not ask for.
        notes.add(REQUEST_LOSS);
    }
    let loss = (content.is_damaged || extent == Extent::Lost).then_some(MESSAGE_LOSS);
    notes.of_arguments(content.method, &content.arguments, options, loss);
    let reads_properties = options.headers == Parsing::Read && !content.properties.is_empty();
    if reads_properties && loss.is_none() && !are_valid_properties(&content.properties) {
        notes.add(PROPERTIES);
    }
    match extent {
        Extent::Whole | Extent::Lost => {}
        Extent::Cut => {
            notes.add(CUT);
        }
        Extent::Ended => {
            notes.add(ENDED_INSIDE);
        }
    }
    let is_return = content.method.is(methods::BASIC, methods::RETURN);
    let failed = is_return || matches!(extent, Extent::Cut | Extent::Ended);
    // As Packetbeat has it, the client is the source of every message; the direction says where its bytes are counted.
    let (source_bytes, destination_bytes) = match direction {
        Direction::ToServer => (content.received_bytes, 0),
        Direction::ToClient => (asked.map_or(0, |asked| asked.bytes), content.received_bytes),
    };
    let common = Common {
        name: "amqp",
        network_protocol: Some("amqp"),
        requests: Direction::ToServer,
        start_ns: Some(asked.map_or(content.start_ns, |asked| asked.start_ns)),
        end_ns: asked.map(|_| content.start_ns),
        source_bytes,
        destination_bytes,
        status: if failed { Status::Error } else { Status::Ok },
        notes: notes.all(),
        icmp: None,
    };
    let is_text = options.headers == Parsing::Read && properties::is_text(&content.properties);
    let is_cut = (content.body.len() as u64) < content.body_bytes;
    if is_text && is_cut {
        content.body.extend_from_slice(OMISSION.as_bytes());
    }
    let content = &*content;
    let asked = content.request.as_ref().map(|waiting| waiting.request());
    context.publish(&common, |event| {
        event.map(field::AMQP, |_| {});
        if let Some(asked) = asked {
            fill_method(event, options, asked.method, asked.arguments);
            if options.common.send_request {
                summarise(event, &asked);
            }
        }
        fill_method(event, options, content.method, &content.arguments);
        if reads_properties {
            // What can be read is shown.
            let _ = properties::walk(&content.properties, |place, argument| {
                set(event, place, argument);
                if let (true, Argument::Text(user)) = (place == field::AMQP_USER_ID, argument) {
                    event.text(field::USER_ID, user);
                }
            });
        }
        name_event(event, content.method.name);
        let (shown, other, has_body, has_other) = match direction {
            Direction::ToServer => {
                (field::REQUEST, field::RESPONSE, options.common.send_request, options.common.send_response)
            }
            Direction::ToClient => {
                (field::RESPONSE, field::REQUEST, options.common.send_response, options.common.send_request)
            }
        };
        if has_body && is_text {
            event.text(shown, &content.body);
        } else if has_body {
            let omission = if is_cut { OMISSION } else { "" };
            event.format(shown, format_args!("{}{omission}", Numbers(&content.body)));
        }
        if has_other && event.get(other).is_none() {
            event.constant(other, "");
        }
    });
}

/// What is said in `error.message`.
#[derive(Default)]
struct Notes {
    notes: [&'static str; 8],
    count: usize,
}

impl Notes {
    /// Adds a note, once. Answers true: what is noted has failed.
    fn add(&mut self, note: &'static str) -> bool {
        if !self.all().contains(&note)
            && let Some(place) = self.notes.get_mut(self.count)
        {
            *place = note;
            self.count += 1;
        }
        true
    }

    /// What is wrong with a method's arguments; after lost bytes that is `loss`.
    fn of_arguments(&mut self, method: &Method, arguments: &[u8], options: &Options, loss: Option<&'static str>) {
        if let Some(loss) = loss {
            self.add(loss);
            return;
        }
        let mut is_valid = true;
        let whole = message::walk(method.arguments, arguments, |place, argument| {
            if let Argument::Table(entries) = argument {
                is_valid &= !is_read(options, place) || table::is_valid(entries);
            }
        });
        if whole.is_none() {
            self.add(INCOMPLETE);
        }
        if !is_valid {
            self.add(ARGUMENTS);
        }
    }

    fn all(&self) -> &[&'static str] {
        self.notes.get(..self.count).unwrap_or_default()
    }
}

fn is_close_error(request: &Request<'_>) -> bool {
    request.method.role == Role::Close
        && is_error_code(message::number(request.method.arguments, request.arguments, field::AMQP_REPLY_CODE))
}

/// Whether a table is wanted.
fn is_read(options: &Options, place: Field) -> bool {
    place != field::AMQP_ARGUMENTS || options.arguments == Parsing::Read
}

fn are_valid_properties(properties: &[u8]) -> bool {
    let mut is_valid = true;
    let whole = properties::walk(properties, |_, argument| {
        if let Argument::Table(entries) = argument {
            is_valid &= table::is_valid(entries);
        }
    });
    whole.is_some() && is_valid
}

/// `method` and `event.action`.
fn name_event(event: &mut Event, name: &'static str) {
    event.constant(field::METHOD, name);
    event.format(field::EVENT_ACTION, format_args!("amqp.{name}"));
}

/// The arguments as far as they can be read.
fn fill_method(event: &mut Event, options: &Options, method: &Method, arguments: &[u8]) {
    let is_compatible_reject = method.is(methods::BASIC, methods::REJECT) && options.rejects == Rejects::Packetbeat;
    let _ = message::walk(method.arguments, arguments, |place, argument| {
        if matches!(argument, Argument::Table(_)) && !is_read(options, place) {
            return;
        }
        let renamed = is_compatible_reject && place == field::AMQP_REQUEUE;
        set(event, if renamed { field::AMQP_MULTIPLE } else { place }, argument);
    });
}

fn set(event: &mut Event, place: Field, argument: Argument<'_>) {
    match argument {
        Argument::Number(number) => event.unsigned(place, number),
        Argument::Flag(flag) => event.boolean(place, flag),
        Argument::Text(text) => event.text(place, text),
        Argument::Constant(text) => event.constant(place, text),
        Argument::Table(entries) => {
            if table::is_valid(entries) {
                event.map(place, |map| table::write(map, entries));
            }
        }
        Argument::Seconds(seconds) => event.format(place, format_args!("{}", table::Timestamp(seconds))),
    }
}

/// `request`: the method and what it is about.
fn summarise(event: &mut Event, request: &Request<'_>) {
    let method = request.method;
    let mut digits = itoa::Buffer::new();
    let mut number = None;
    let mut names = [&b""[..]; 2];
    // What can be read is shown.
    let _ = message::walk(method.arguments, request.arguments, |field, argument| {
        let place = method.summary.iter().position(|summary| *summary == field);
        match (place.and_then(|place| names.get_mut(place)), argument) {
            (Some(name), Argument::Text(text)) => *name = text,
            (Some(_), Argument::Number(value)) => number = Some(value),
            _ => {}
        }
    });
    if let (Some(value), [name, _]) = (number, &mut names) {
        *name = digits.format(value).as_bytes();
    }
    let [first, second] = names.map(String::from_utf8_lossy);
    let name = method.name;
    match method.summary.len() {
        // One of two names may be empty.
        2 => event.format(field::REQUEST, format_args!("{name} {first} {second}")),
        _ if first.is_empty() => event.constant(field::REQUEST, name),
        _ => event.format(field::REQUEST, format_args!("{name} {first}")),
    }
}

/// Bytes as decimal numbers with blanks between them.
struct Numbers<'a>(&'a [u8]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = itoa::Buffer::new();
        for (place, byte) in self.0.iter().enumerate() {
            if place > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(buffer.format(*byte))?;
        }
        Ok(())
    }
}
