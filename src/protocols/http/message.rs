// SPDX-License-Identifier: Apache-2.0
//! A request or response: what is kept of its header (RFC 9112, sections 2 to 6) and of its body.
//!
//! Only what an event needs is copied, into one buffer that the message keeps when it is used again.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use base64::Engine;
use memchr::memchr;

use super::body::Framing;
use super::syntax::{
    Lengths, StartLine, contains_ignoring_case, list, next_line, parse_address, redact_authorization, split_field,
};
use super::{Options, SendHeaders};
use crate::protocols::Direction;

/// Header fields that are kept of one message for `send_headers` and `send_all_headers`.
const MAX_KEPT_HEADERS: usize = 512;
/// Codings that are kept of Content-Encoding and of Transfer-Encoding.
const MAX_CODINGS: usize = 4;
/// Bytes that are kept of a form that is not included.
const MAX_FORM_BYTES: usize = 1 << 20;
/// Buffers up to this size stay with a message that is used again.
const KEPT_CAPACITY_BYTES: usize = 8 << 10;

/// A piece of a message's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    length: u32,
}

/// What a body is kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepBody {
    #[default]
    No,
    /// Its parameters go into `url.query`.
    Form,
    /// It goes into the event as a whole.
    Included,
    /// Both.
    IncludedForm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Request,
    /// A request whose first line is not one of HTTP; `target` is that line.
    MalformedRequest,
    Response,
}

/// Why a message is not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes of it are missing in the capture.
    pub lost: bool,
    /// The connection ended before the message did.
    pub cut_off: bool,
    /// Of a request: its response is missing in the capture.
    pub response_lost: bool,
    /// Of a response: when it began, it was not known to which request.
    pub orphaned: bool,
}

#[derive(Debug)]
pub struct Message {
    pub kind: Kind,
    pub direction: Direction,
    /// Time of the first byte.
    pub start_ns: i64,
    pub method: Span,
    pub target: Span,
    /// Major and minor.
    pub version: (u8, u8),
    pub status: u16,
    pub phrase: Span,
    pub host: Span,
    pub referer: Span,
    pub user_agent: Span,
    pub content_type: Span,
    /// User of basic authentication.
    pub user_name: Span,
    /// The header as it was sent, when `request` or `response` is wanted.
    pub raw: Span,
    pub real_ip: Option<IpAddr>,
    pub content_length: Option<u64>,
    pub chunked: bool,
    has_transfer_encoding: bool,
    /// Content codings, then transfer codings without the last `chunked`: in the order in which they were applied.
    pub codings: ArrayVec<Span, { 2 * MAX_CODINGS }>,
    /// Names (in lower case) and values.
    pub headers: Vec<(Span, Span)>,
    /// Expect: 100-continue.
    pub expects_continue: bool,
    /// There is an Upgrade field.
    pub upgrade: bool,
    /// Captured bytes of header and body, with chunk framing and trailer.
    pub bytes: u64,
    /// Bytes of the body without framing; missing ones count.
    pub body_bytes: u64,
    pub keep_body: KeepBody,
    pub body: Vec<u8>,
    /// `body` is not all of it.
    pub body_truncated: bool,
    pub damage: Damage,
    text: Vec<u8>,
}

impl Message {
    pub fn new() -> Message {
        Message {
            kind: Kind::Request,
            direction: Direction::ToServer,
            start_ns: 0,
            method: Span::default(),
            target: Span::default(),
            version: (1, 0),
            status: 0,
            phrase: Span::default(),
            host: Span::default(),
            referer: Span::default(),
            user_agent: Span::default(),
            content_type: Span::default(),
            user_name: Span::default(),
            raw: Span::default(),
            real_ip: None,
            content_length: None,
            chunked: false,
            has_transfer_encoding: false,
            codings: ArrayVec::new(),
            headers: Vec::new(),
            expects_continue: false,
            upgrade: false,
            bytes: 0,
            body_bytes: 0,
            keep_body: KeepBody::No,
            body: Vec::new(),
            body_truncated: false,
            damage: Damage::default(),
            text: Vec::new(),
        }
    }

    /// As new, with its buffers unless they are large.
    pub fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        let mut body = std::mem::take(&mut self.body);
        let mut headers = std::mem::take(&mut self.headers);
        text.clear();
        text.shrink_to(KEPT_CAPACITY_BYTES);
        body.clear();
        body.shrink_to(KEPT_CAPACITY_BYTES);
        headers.clear();
        headers.shrink_to(KEPT_CAPACITY_BYTES / size_of::<(Span, Span)>());
        *self = Message { text, body, headers, ..Message::new() };
    }

    pub fn text(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.text.get(start..start + span.length as usize).unwrap_or_default()
    }

    /// Memory that depends on what was sent.
    pub fn kept_bytes(&self) -> usize {
        self.text.len() + self.body.len() + self.headers.len() * size_of::<(Span, Span)>()
    }

    /// Memory of the buffers.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Message>()
            + self.text.capacity()
            + self.body.capacity()
            + self.headers.capacity() * size_of::<(Span, Span)>()
    }

    /// Reads a header. `block` ends with the empty line, or earlier when the connection was cut off.
    pub fn read(&mut self, line: StartLine<'_>, block: &[u8], options: &Options) {
        self.bytes = block.len() as u64;
        match line {
            StartLine::Request { method, target, version } => {
                self.kind = Kind::Request;
                self.method = self.keep(method);
                self.target = self.keep(target);
                self.version = version;
            }
            StartLine::Response { version, status, phrase } => {
                self.kind = Kind::Response;
                self.version = version;
                self.status = status;
                self.phrase = self.keep_lower(phrase);
            }
        }
        let is_request = self.kind == Kind::Request;
        let wants_raw = if is_request { options.common.send_request } else { options.common.send_response };
        if wants_raw {
            self.raw = self.keep(block);
            if is_request && options.redact_authorization {
                let (start, end) = (self.raw.start as usize, self.text.len());
                redact_authorization(self.text.get_mut(start..end).unwrap_or_default());
            }
        }
        let mut transfer_codings = ArrayVec::<Span, MAX_CODINGS>::new();
        let mut fields = block;
        next_line(&mut fields);
        self.read_fields(&mut fields, options, &mut transfer_codings);
        if let Some(last) = transfer_codings.last()
            && self.text(*last) == b"chunked"
        {
            self.chunked = true;
            transfer_codings.pop();
        }
        for coding in transfer_codings {
            let _ = self.codings.try_push(coding);
        }
        self.keep_body = self.decide_body(options);
    }

    /// The fields of a trailer: kept as those of the header, but without effect (RFC 9110, section 6.5.1).
    pub fn read_trailer(&mut self, mut block: &[u8], options: &Options) {
        while let Some(line) = next_line(&mut block) {
            if let Some((name, value)) = split_field(line) {
                self.keep_header(name, value, options);
            }
        }
    }

    /// How the body ends (RFC 9112, section 6.3). `to_head` says whether a response answers HEAD.
    pub fn framing(&self, to_head: bool) -> Option<Framing> {
        let is_response = self.kind == Kind::Response;
        if is_response && (to_head || matches!(self.status, 100..=199 | 204 | 304)) {
            return None;
        }
        if self.chunked {
            return Some(Framing::ChunkSize);
        }
        if self.has_transfer_encoding {
            return Some(Framing::UntilClose);
        }
        match self.content_length {
            Some(0) => None,
            Some(remaining) => Some(Framing::Length { remaining }),
            None if is_response => Some(Framing::UntilClose),
            None => None,
        }
    }

    /// Takes bytes of the body in. Answers how many were not kept.
    pub fn take_body(&mut self, bytes: &[u8], options: &Options) -> usize {
        self.bytes += bytes.len() as u64;
        self.body_bytes += bytes.len() as u64;
        if self.keep_body == KeepBody::No {
            return bytes.len();
        }
        let header_bytes = self.bytes.saturating_sub(self.body_bytes) as usize;
        let limit = match self.keep_body {
            KeepBody::Form => options.max_message_size.min(MAX_FORM_BYTES),
            _ => options.max_message_size,
        };
        let room = limit.saturating_sub(header_bytes).saturating_sub(self.body.len());
        // After a gap the rest is not the continuation of what is kept.
        let kept = if self.damage.lost { 0 } else { bytes.len().min(room) };
        self.body.extend_from_slice(bytes.get(..kept).unwrap_or_default());
        if kept < bytes.len() {
            self.body_truncated = true;
        }
        bytes.len() - kept
    }

    fn read_fields(&mut self, fields: &mut &[u8], options: &Options, codings: &mut ArrayVec<Span, MAX_CODINGS>) {
        let mut lengths = Lengths::default();
        let mut folded = Vec::new();
        while let Some(line) = next_line(fields) {
            if line.is_empty() {
                break;
            }
            // A line that begins with blank space continues the one before (RFC 9112, section 5.2).
            if matches!(fields.first(), Some(b' ' | b'\t')) {
                folded.clear();
                folded.extend_from_slice(line);
                while matches!(fields.first(), Some(b' ' | b'\t'))
                    && let Some(more) = next_line(fields)
                {
                    folded.push(b' ');
                    folded.extend_from_slice(more.trim_ascii());
                }
                if let Some((name, value)) = split_field(&folded) {
                    self.read_field(name, value, options, codings, &mut lengths);
                }
            } else if let Some((name, value)) = split_field(line) {
                self.read_field(name, value, options, codings, &mut lengths);
            }
        }
        self.content_length = lengths.agreed();
    }

    fn read_field(
        &mut self,
        name: &[u8],
        value: &[u8],
        options: &Options,
        codings: &mut ArrayVec<Span, MAX_CODINGS>,
        lengths: &mut Lengths,
    ) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        // Names of one length stand together, so that few comparisons are made.
        match name.len() {
            4 if is("host") => self.host = self.keep(value),
            6 if is("expect") => self.expects_continue = value.eq_ignore_ascii_case(b"100-continue"),
            7 if is("referer") => self.referer = self.keep(value),
            7 if is("upgrade") => self.upgrade = true,
            10 if is("user-agent") => self.user_agent = self.keep(value),
            12 if is("content-type") => self.content_type = self.keep(value),
            13 if is("authorization") && !options.redact_authorization && options.send_headers.includes(name) => {
                self.user_name = self.keep_user(value);
            }
            14 if is("content-length") => lengths.add(value),
            16 if is("content-encoding") => {
                for coding in list(value).take(MAX_CODINGS) {
                    let span = self.keep_lower(coding);
                    let _ = self.codings.try_push(span);
                }
            }
            17 if is("transfer-encoding") => {
                self.has_transfer_encoding = true;
                for coding in list(value) {
                    if codings.is_full() {
                        codings.remove(0);
                    }
                    codings.push(self.keep_lower(coding));
                }
            }
            _ => {}
        }
        if options.real_ip_header.as_ref().is_some_and(|real| real.as_bytes().eq_ignore_ascii_case(name))
            && self.real_ip.is_none()
        {
            self.real_ip = list(value).next().and_then(parse_address);
        }
        self.keep_header(name, value, options);
    }

    fn keep_header(&mut self, name: &[u8], value: &[u8], options: &Options) {
        if options.send_headers == SendHeaders::None
            || self.headers.len() >= MAX_KEPT_HEADERS
            || name.eq_ignore_ascii_case(b"content-length")
            || name.eq_ignore_ascii_case(b"content-type")
            || !options.send_headers.includes(name)
        {
            return;
        }
        let name = self.keep_lower(name);
        let value = self.keep(value);
        self.headers.push((name, value));
    }

    fn decide_body(&self, options: &Options) -> KeepBody {
        let included = match self.kind {
            Kind::Request => &options.include_request_body_for,
            Kind::MalformedRequest | Kind::Response => &options.include_response_body_for,
        };
        let content_type = self.text(self.content_type);
        let included = included.iter().any(|part| contains_ignoring_case(content_type, part.as_bytes()));
        let form = self.kind == Kind::Request
            && !self.chunked
            && self.codings.is_empty()
            && contains_ignoring_case(content_type, b"urlencoded");
        match (included, form) {
            (true, true) => KeepBody::IncludedForm,
            (true, false) => KeepBody::Included,
            (false, true) => KeepBody::Form,
            (false, false) => KeepBody::No,
        }
    }

    pub fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        Span { start, length: bytes.len() as u32 }
    }

    fn keep_lower(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len() as u32;
        self.text.extend(bytes.iter().map(u8::to_ascii_lowercase));
        Span { start, length: bytes.len() as u32 }
    }

    /// The user of `Basic` credentials (RFC 7617).
    fn keep_user(&mut self, value: &[u8]) -> Span {
        let Some((scheme, credentials)) = value.split_at_checked(6) else { return Span::default() };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Span::default();
        }
        let start = self.text.len();
        let engine = base64::engine::general_purpose::STANDARD;
        // A failure may leave bytes behind, too.
        let is_valid = engine.decode_vec(credentials.trim_ascii(), &mut self.text).is_ok();
        let colon = memchr(b':', self.text.get(start..).unwrap_or_default());
        let (true, Some(colon)) = (is_valid, colon) else {
            self.text.truncate(start);
            return Span::default();
        };
        self.text.truncate(start + colon);
        Span { start: start as u32, length: colon as u32 }
    }
}
