// SPDX-License-Identifier: Apache-2.0
//! The event of a transaction (Packetbeat behaviour, section 4.4).

use std::cell::RefCell;
use std::fmt::Write as _;

use arrayvec::{ArrayString, ArrayVec};

use super::decode;
use super::message::{KeepBody, Kind, Message};
use super::url::{Host, Target, UrlWriter};
use super::{NAME, Options};
use crate::event::{Event, Field, MapWriter, field};
use crate::protocols::{Common, Context, Status};

/// Cookies that are taken from one message with `split_cookie`.
const MAX_COOKIES: usize = 256;
/// Buffers up to this size are kept by a worker.
const KEPT_CAPACITY_BYTES: usize = 1 << 20;

/// Longest note: a constant text around the name of a coding.
type Note = ArrayString<192>;

/// Working memory of a worker.
#[derive(Default)]
struct Scratch {
    url: UrlWriter,
    text: Vec<u8>,
    request: DecodedBody,
    response: DecodedBody,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Publishes a request and its response, or one of them alone.
pub(super) fn publish(
    context: &mut Context<'_>,
    options: &Options,
    request: Option<&Message>,
    response: Option<&Message>,
) {
    let Some(requests) = request.or(response).map(|message| message.direction) else { return };
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { url, text, request: request_body, response: response_body } = scratch;
        let mut notes = ArrayVec::<Note, 8>::new();
        let server_port = context.flow.sender(requests.opposite()).port;
        let origin = request.filter(|request| request.kind == Kind::Request).map(|request| {
            let origin = Origin::of(request, server_port);
            if origin.port_differs {
                note(&mut notes, format_args!("Host header port number mismatch"));
            }
            origin
        });
        if let Some(request) = request {
            request_body.decode(request, options, &mut notes);
            damage_notes(request, "request", "Request", &mut notes);
            if request.kind == Kind::MalformedRequest {
                note(&mut notes, format_args!("Malformed request line"));
            }
        }
        if let Some(response) = response {
            response_body.decode(response, options, &mut notes);
            damage_notes(response, "response", "Response", &mut notes);
        }
        match (request, response) {
            (Some(_), None) => note(&mut notes, format_args!("Unmatched request")),
            (None, Some(_)) => note(&mut notes, format_args!("Unmatched response")),
            _ => {}
        }
        let is_good =
            request.is_some() && response.is_some_and(|response| response.status < 400 && !response.damage.cut_off);
        let notes: ArrayVec<&str, 8> = notes.iter().map(ArrayString::as_str).collect();
        let common = Common {
            name: NAME,
            network_protocol: Some(NAME),
            requests,
            start_ns: request.map(|request| request.start_ns),
            end_ns: response.map(|response| response.start_ns),
            source_bytes: request.map_or(0, |request| request.bytes),
            destination_bytes: response.map_or(0, |response| response.bytes),
            status: if is_good { Status::Ok } else { Status::Error },
            notes: &notes,
            icmp: None,
        };
        context.publish(&common, |event| {
            if let Some(request) = request {
                fill_request(event, options, request, request_body, text);
                if let Some(origin) = &origin {
                    fill_url(event, options, request, origin, url, text);
                }
            }
            if let Some(response) = response {
                fill_response(event, options, response, response_body, text);
            }
        });
        text.clear();
        text.shrink_to(KEPT_CAPACITY_BYTES);
    });
}

/// Where a request goes.
struct Origin<'a> {
    target: Target<'a>,
    host: Host<'a>,
    port: u16,
    /// The Host field names another port than that of the connection.
    port_differs: bool,
    is_connect: bool,
}

impl<'a> Origin<'a> {
    fn of(request: &'a Message, server_port: u16) -> Origin<'a> {
        let is_connect = request.text(request.method) == b"CONNECT";
        let target = Target::parse(request.text(request.target), is_connect);
        let host = request.text(request.host);
        let host = Host::parse(if host.is_empty() || is_connect { target.authority } else { host });
        let port_differs = !is_connect && host.port.is_some_and(|port| port != server_port);
        Origin { target, host, port: host.port.unwrap_or(server_port), port_differs, is_connect }
    }
}

fn fill_request(event: &mut Event, options: &Options, request: &Message, body: &DecodedBody, text: &mut Vec<u8>) {
    let method = request.text(request.method);
    event.text_if_any(field::METHOD, method);
    event.text_if_any(field::HTTP_REQUEST_METHOD, method);
    event.unsigned_if_any(field::HTTP_REQUEST_BYTES, request.bytes);
    if options.common.send_request {
        fill_raw(event, field::REQUEST, request, body, text);
    }
    if request.kind == Kind::MalformedRequest {
        event.text_if_any(field::QUERY, request.text(request.target));
        return;
    }
    event.constant(field::HTTP_VERSION, version_name(request.version));
    let referer = request.text(request.referer);
    event.text_if_any(field::HTTP_REQUEST_REFERRER, referer);
    event.unsigned_if_any(field::HTTP_REQUEST_BODY_BYTES, body.bytes(request));
    if let Some(content) = body.content(request) {
        event.text_if_any(field::HTTP_REQUEST_BODY_CONTENT, content);
    }
    event.map(field::HTTP_REQUEST_HEADERS, |map| fill_headers(map, options, request, text));
    event.text_if_any(field::USER_AGENT_ORIGINAL, request.text(request.user_agent));
    if let Some(address) = request.real_ip {
        event.address(field::NETWORK_FORWARDED_IP, address);
    }
    let user = request.text(request.user_name);
    if !user.is_empty() {
        event.text(field::USER_NAME, user);
        event.append_unique(field::RELATED_USER, user);
    }
}

fn fill_url(
    event: &mut Event,
    options: &Options,
    request: &Message,
    origin: &Origin<'_>,
    url: &mut UrlWriter,
    text: &mut Vec<u8>,
) {
    let host = origin.host;
    match host.address {
        Some(address) => event.append_address(field::RELATED_IP, address),
        None if !host.name.is_empty() => {
            event.text(field::DESTINATION_DOMAIN, host.name);
            event.text(field::SERVER_DOMAIN, host.name);
            event.append_unique(field::RELATED_HOSTS, host.name);
        }
        None => {}
    }
    let referer = request.text(request.referer);
    if !referer.is_empty() {
        event.append_unique(field::RELATED_HOSTS, referer);
    }
    if let Some(address) = request.real_ip {
        event.append_address(field::RELATED_IP, address);
    }
    let is_form = matches!(request.keep_body, KeepBody::Form | KeepBody::IncludedForm);
    let form = is_form.then_some(request.body.as_slice());
    url.write(&origin.target, form, host, origin.port, &options.hide_keywords);
    event.constant(field::URL_SCHEME, "http");
    event.text_if_any(field::URL_DOMAIN, host.name);
    if origin.port != 80 {
        event.unsigned_if_any(field::URL_PORT, u64::from(origin.port));
    }
    text.clear();
    text.extend_from_slice(request.text(request.method));
    text.push(b' ');
    if origin.is_connect {
        text.extend_from_slice(origin.target.authority);
    } else {
        text.extend_from_slice(&url.path);
        event.text_if_any(field::URL_PATH, &url.path);
        event.text_if_any(field::URL_QUERY, &url.query);
        event.text_if_any(field::URL_EXTENSION, url.extension());
        event.text_if_any(field::URL_FULL, &url.full);
    }
    event.text(field::QUERY, &*text);
}

fn fill_response(event: &mut Event, options: &Options, response: &Message, body: &DecodedBody, text: &mut Vec<u8>) {
    event.unsigned_if_any(field::HTTP_RESPONSE_STATUS_CODE, u64::from(response.status));
    event.text_if_any(field::HTTP_RESPONSE_STATUS_PHRASE, response.text(response.phrase));
    event.unsigned_if_any(field::HTTP_RESPONSE_BYTES, response.bytes);
    event.unsigned_if_any(field::HTTP_RESPONSE_BODY_BYTES, body.bytes(response));
    if let Some(content) = body.content(response) {
        event.text_if_any(field::HTTP_RESPONSE_BODY_CONTENT, content);
    }
    event.map(field::HTTP_RESPONSE_HEADERS, |map| fill_headers(map, options, response, text));
    if options.common.send_response {
        fill_raw(event, field::RESPONSE, response, body, text);
    }
}

/// The header as it was sent and, when it is included, the body.
fn fill_raw(event: &mut Event, field: Field, message: &Message, body: &DecodedBody, text: &mut Vec<u8>) {
    let raw = if message.kind == Kind::MalformedRequest { message.target } else { message.raw };
    let raw = message.text(raw);
    match body.content(message) {
        Some(content) if !content.is_empty() => {
            text.clear();
            text.extend_from_slice(raw);
            text.extend_from_slice(content);
            event.text(field, &*text);
        }
        _ => event.text(field, raw),
    }
}

fn fill_headers(map: &mut MapWriter<'_>, options: &Options, message: &Message, text: &mut Vec<u8>) {
    map.unsigned("content-length", message.content_length.filter(|_| !message.chunked).unwrap_or(message.body_bytes));
    let content_type = message.text(message.content_type);
    if !content_type.is_empty() {
        map.text("content-type", content_type);
    }
    let is_request = message.kind == Kind::Request;
    for (index, (name, value)) in message.headers.iter().enumerate() {
        let name = message.text(*name);
        let values = |from: usize| {
            message
                .headers
                .iter()
                .skip(from)
                .filter(move |(other, _)| message.text(*other) == name)
                .map(|(_, value)| message.text(*value))
        };
        if message.headers.iter().take(index).any(|(other, _)| message.text(*other) == name) {
            continue;
        }
        let is_credential = name == b"authorization" || name == b"proxy-authorization";
        if options.redact_headers.iter().any(|redacted| redacted.as_bytes() == name) {
            map.key(name).text("REDACTED");
        } else if is_request && options.redact_authorization && is_credential {
            map.key(name).text("*");
        } else if options.split_cookie && name == if is_request { &b"cookie"[..] } else { b"set-cookie" } {
            map.key(name).map(|cookies| fill_cookies(cookies, values(index), text));
        } else if values(index).nth(1).is_none() {
            map.key(name).text(message.text(*value));
        } else {
            text.clear();
            for (number, value) in values(index).enumerate() {
                if number > 0 {
                    text.extend_from_slice(b", ");
                }
                text.extend_from_slice(value);
            }
            map.key(name).text(&*text);
        }
    }
}

/// Names (in lower case) and values of cookies and of their attributes. Of one name the last counts.
fn fill_cookies<'a>(map: &mut MapWriter<'_>, fields: impl Iterator<Item = &'a [u8]>, text: &mut Vec<u8>) {
    let mut cookies = ArrayVec::<(&[u8], &[u8]), MAX_COOKIES>::new();
    for part in fields.flat_map(|field| field.split(|byte| *byte == b';')) {
        let Some(equals) = memchr::memchr(b'=', part) else { continue };
        let name = part.get(..equals).unwrap_or_default().trim_ascii();
        let value = part.get(equals + 1..).unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        match cookies.iter().position(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(index) => cookies[index].1 = value,
            None if cookies.try_push((name, value)).is_err() => break,
            None => {}
        }
    }
    for (name, value) in &cookies {
        text.clear();
        text.extend(name.iter().map(u8::to_ascii_lowercase));
        map.key(&*text).text(value);
    }
}

fn version_name(version: (u8, u8)) -> &'static str {
    match version {
        (1, 1) => "1.1",
        (1, 2) => "1.2",
        (0, 9) => "0.9",
        _ => "1.0",
    }
}

fn note(notes: &mut ArrayVec<Note, 8>, text: std::fmt::Arguments<'_>) {
    let mut note = Note::new();
    // A note that is too long ends where the space does.
    let _ = note.write_fmt(text);
    let _ = notes.try_push(note);
}

fn damage_notes(message: &Message, name: &str, capital: &str, notes: &mut ArrayVec<Note, 8>) {
    if message.damage.lost {
        note(notes, format_args!("Packet loss while capturing the {name}"));
    }
    if message.damage.cut_off {
        note(notes, format_args!("{capital} cut off by the end of the connection"));
    }
    if message.damage.response_lost {
        note(notes, format_args!("Packet loss while capturing the response"));
    }
}

/// The body of a message as it is sent.
#[derive(Default)]
struct DecodedBody {
    state: BodyState,
    content: Vec<u8>,
    other: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BodyState {
    /// Not asked for, or empty.
    #[default]
    Absent,
    /// As it came.
    Plain,
    Decoded,
    /// Not to be decoded; `content` is what could be read before the error.
    Failed,
}

impl DecodedBody {
    fn decode(&mut self, message: &Message, options: &Options, notes: &mut ArrayVec<Note, 8>) {
        for buffer in [&mut self.content, &mut self.other] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY_BYTES);
        }
        self.state = match message.keep_body {
            KeepBody::No | KeepBody::Form => BodyState::Absent,
            _ if message.body.is_empty() => BodyState::Absent,
            _ if !options.decode_body || message.codings.is_empty() => BodyState::Plain,
            KeepBody::Included | KeepBody::IncludedForm => self.undo(message, options, notes),
        };
    }

    /// Undoes the codings, the last one first.
    fn undo(&mut self, message: &Message, options: &Options, notes: &mut ArrayVec<Note, 8>) -> BodyState {
        for (index, coding) in message.codings.iter().enumerate().rev() {
            let coding = message.text(*coding);
            std::mem::swap(&mut self.content, &mut self.other);
            self.content.clear();
            let input = if index + 1 == message.codings.len() { &message.body } else { &self.other };
            if let Err(failure) = decode::decode(coding, input, &mut self.content, options.max_message_size) {
                let name = String::from_utf8_lossy(coding.get(..coding.len().min(32)).unwrap_or_default());
                note(notes, format_args!("unable to decode body using {name} encoding: {}", failure.text()));
                if index > 0 {
                    self.content.clear();
                }
                return BodyState::Failed;
            }
        }
        BodyState::Decoded
    }

    fn content<'a>(&'a self, message: &'a Message) -> Option<&'a [u8]> {
        match self.state {
            BodyState::Absent => None,
            BodyState::Plain => Some(&message.body),
            BodyState::Decoded | BodyState::Failed => Some(&self.content),
        }
    }

    /// `body.bytes`: of a decoded body its length, else what was sent.
    fn bytes(&self, message: &Message) -> u64 {
        match self.state {
            BodyState::Decoded => self.content.len() as u64,
            BodyState::Absent | BodyState::Plain | BodyState::Failed => message.body_bytes,
        }
    }
}
