// SPDX-License-Identifier: Apache-2.0
//! The grammar of messages (RFC 3261, section 7): the start line and the header fields that an event shows.
//!
//! A message points into its bytes. Line ends may be CRLF or LF. Limits: of a header that may be repeated the first
//! [`MAX_REPEATED`] count.

use arrayvec::ArrayVec;
use memchr::memchr;

use super::address::number;

/// Headers of one name that count.
pub const MAX_REPEATED: usize = 64;

/// Longest method that counts as one.
const MAX_METHOD_BYTES: usize = 64;

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    Request { method: &'a [u8], uri: &'a [u8], version: &'a [u8] },
    Response { version: &'a [u8], code: u16, phrase: &'a [u8] },
}

impl<'a> StartLine<'a> {
    /// Reads a line without its end. The URI lies between the first and the last blank, as in Packetbeat.
    pub fn parse(line: &'a [u8]) -> Option<StartLine<'a>> {
        let line = line.trim_ascii_end();
        if let Some(rest) = after_sip(line) {
            let (version, rest) = rest.split_at_checked(3).filter(|(version, _)| is_version(version))?;
            let (code, phrase) = rest.strip_prefix(b" ")?.trim_ascii_start().split_at_checked(3)?;
            if !phrase.is_empty() && !phrase.starts_with(b" ") {
                return None;
            }
            let code = u16::try_from(number(code)?).ok()?;
            return Some(StartLine::Response { version, code, phrase: phrase.trim_ascii() });
        }
        let first = line.iter().position(is_blank)?;
        let last = line.iter().rposition(is_blank)?;
        let (method, version) = (line.get(..first)?, after_sip(line.get(last + 1..)?)?);
        let uri = line.get(first..last)?.trim_ascii();
        let is_method = (1..=MAX_METHOD_BYTES).contains(&method.len()) && method.iter().all(is_token_byte);
        (is_method && !uri.is_empty() && is_version(version)).then_some(StartLine::Request { method, uri, version })
    }

    /// Whether bytes may be the beginning of a message.
    pub fn may_begin(bytes: &[u8]) -> bool {
        let token = bytes.iter().take(MAX_METHOD_BYTES + 1).take_while(|byte| is_token_byte(byte)).count();
        match bytes.get(token) {
            None => token <= MAX_METHOD_BYTES,
            Some(b'/') => token == 3 && after_sip(bytes).is_some(),
            Some(byte) => token > 0 && token <= MAX_METHOD_BYTES && is_blank(byte),
        }
    }
}

/// A message's header. An absent field is empty.
#[derive(Debug)]
pub struct Message<'a> {
    pub start: StartLine<'a>,
    pub call_id: &'a [u8],
    pub cseq: &'a [u8],
    pub from: &'a [u8],
    pub to: &'a [u8],
    /// The first one.
    pub contact: Option<&'a [u8]>,
    pub vias: ArrayVec<&'a [u8], MAX_REPEATED>,
    pub max_forwards: u64,
    pub allow: ArrayVec<&'a [u8], MAX_REPEATED>,
    pub supported: ArrayVec<&'a [u8], MAX_REPEATED>,
    pub accept: &'a [u8],
    pub user_agent: &'a [u8],
    pub content_type: &'a [u8],
    pub content_encoding: &'a [u8],
    pub content_length: Option<u64>,
    pub authorization: Option<&'a [u8]>,
    pub proxy_authorization: Option<&'a [u8]>,
    /// P-Associated-URI
    pub associated_uri: &'a [u8],
    /// P-Asserted-Identity
    pub asserted_identities: ArrayVec<&'a [u8], MAX_REPEATED>,
    /// P-Charging-Vector
    pub charging_vector: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a header: the start line, and fields that are not folded (see [`unfold`]). None: it is none. The message is
    /// lent to `take`, as it is too large to be moved about.
    pub fn with<R>(head: &'a [u8], take: impl FnOnce(&Message<'a>) -> R) -> Option<R> {
        let mut rest = head;
        let mut message = Message::new(StartLine::parse(next_line(&mut rest)?)?);
        message.read(rest);
        Some(take(&message))
    }

    fn read(&mut self, fields: &'a [u8]) {
        let mut rest = fields;
        while let Some(line) = next_line(&mut rest) {
            let Some(colon) = memchr(b':', line) else { continue };
            let name = line.get(..colon).unwrap_or_default().trim_ascii();
            self.field(name, line.get(colon + 1..).unwrap_or_default().trim_ascii());
        }
    }

    /// Whether it has what every message must have (RFC 3261, section 8.1.1), and a request the method of its CSeq.
    pub fn is_likely(&self) -> bool {
        let fields = [self.call_id, self.cseq, self.from, self.to];
        self.has_own_method() && !self.vias.is_empty() && fields.iter().all(|field| !field.is_empty())
    }

    /// Whether the method of a request is that of its CSeq, if there is one: a start line may have lost its first bytes.
    pub fn has_own_method(&self) -> bool {
        match (self.start, split_cseq(self.cseq).1) {
            (StartLine::Request { method, .. }, cseq_method) => cseq_method.is_empty() || method == cseq_method,
            (StartLine::Response { .. }, _) => true,
        }
    }

    /// Whether the body is a session description that can be read.
    pub fn describes_session(&self) -> bool {
        let media_type = self.content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(b"application/sdp") && self.content_encoding.is_empty()
    }

    #[inline]
    fn new(start: StartLine<'a>) -> Message<'a> {
        Message {
            start,
            call_id: b"",
            cseq: b"",
            from: b"",
            to: b"",
            contact: None,
            vias: ArrayVec::new(),
            max_forwards: 0,
            allow: ArrayVec::new(),
            supported: ArrayVec::new(),
            accept: b"",
            user_agent: b"",
            content_type: b"",
            content_encoding: b"",
            content_length: None,
            authorization: None,
            proxy_authorization: None,
            associated_uri: b"",
            asserted_identities: ArrayVec::new(),
            charging_vector: b"",
        }
    }

    /// Takes a field by its name, long or short (the registry "SIP Parameters" of IANA).
    fn field(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |long: &str| name.eq_ignore_ascii_case(long.as_bytes());
        match name {
            [short] => match short.to_ascii_lowercase() {
                b'i' => self.call_id = value,
                b'f' => self.from = value,
                b't' => self.to = value,
                b'm' => self.add_contact(value),
                b'v' => self.add_via(value),
                b'k' => add(&mut self.supported, value),
                b'c' => self.content_type = value,
                b'e' => self.content_encoding = value,
                b'l' => self.content_length = number(value),
                _ => {}
            },
            _ if is("call-id") => self.call_id = value,
            _ if is("cseq") => self.cseq = value,
            _ if is("from") => self.from = value,
            _ if is("to") => self.to = value,
            _ if is("contact") => self.add_contact(value),
            _ if is("via") => self.add_via(value),
            _ if is("max-forwards") => self.max_forwards = number(value).unwrap_or(0),
            _ if is("allow") => add(&mut self.allow, value),
            _ if is("supported") => add(&mut self.supported, value),
            _ if is("accept") && self.accept.is_empty() => self.accept = value,
            _ if is("user-agent") => self.user_agent = value,
            _ if is("content-type") => self.content_type = value,
            _ if is("content-encoding") => self.content_encoding = value,
            _ if is("content-length") => self.content_length = number(value),
            _ if is("authorization") => self.authorization = self.authorization.or(Some(value)),
            _ if is("proxy-authorization") => self.proxy_authorization = self.proxy_authorization.or(Some(value)),
            _ if is("p-associated-uri") && self.associated_uri.is_empty() => self.associated_uri = value,
            _ if is("p-asserted-identity") => add(&mut self.asserted_identities, value),
            _ if is("p-charging-vector") => self.charging_vector = value,
            _ => {}
        }
    }

    fn add_contact(&mut self, value: &'a [u8]) {
        self.contact = self.contact.or(Some(value));
    }

    fn add_via(&mut self, value: &'a [u8]) {
        if !self.vias.contains(&value) {
            add(&mut self.vias, value);
        }
    }
}

/// Number and method of a CSeq value.
pub fn split_cseq(value: &[u8]) -> (u64, &[u8]) {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    (words.next().and_then(number).unwrap_or(0), words.next().unwrap_or_default())
}

/// The offset behind a header: behind the first line end that an empty line follows, with that line. `scanned` bytes were
/// searched in an earlier call.
pub fn find_head_end(bytes: &[u8], scanned: &mut usize) -> Option<usize> {
    let mut position = (*scanned).min(bytes.len());
    while let Some(end) = memchr(b'\n', bytes.get(position..).unwrap_or_default()) {
        let end = position + end;
        match bytes.get(end + 1..).unwrap_or_default() {
            [b'\n', ..] => return Some(end + 2),
            [b'\r', b'\n', ..] => return Some(end + 3),
            // What follows this line end is not there yet: it is looked at again.
            [] | [b'\r'] => {
                *scanned = end;
                return None;
            }
            _ => position = end + 1,
        }
    }
    *scanned = bytes.len();
    None
}

/// The offset of the last start line in a block of lines, which may follow the end of a body in the same line.
pub fn find_start(block: &[u8]) -> Option<usize> {
    let mut rest = block;
    let mut found = None;
    // Where in the block a request's line begins, and its first word.
    let mut request: Option<(usize, &[u8])> = None;
    loop {
        let offset = block.len() - rest.len();
        let Some(line) = next_line(&mut rest) else { return found };
        if let Some(name) = memchr::memmem::rfind(line, b"SIP/") {
            let (before, after) = line.split_at_checked(name)?;
            if matches!(StartLine::parse(after), Some(StartLine::Response { .. })) {
                (found, request) = (Some(offset + name), None);
            } else if is_version(after.get(4..)?.trim_ascii_end()) && before.last().is_some_and(is_blank) {
                (found, request) = (None, before.split(is_blank).next().map(|word| (offset, word)));
            }
        } else if let Some((start, word)) = request
            && let Some(value) = cseq_value(line)
        {
            let method = split_cseq(value).1;
            found = (!method.is_empty() && word.ends_with(method)).then(|| start + word.len() - method.len());
        }
    }
}

fn cseq_value(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    name.trim_ascii().eq_ignore_ascii_case(b"cseq").then_some(value.get(1..)?)
}

/// Joins lines that continue the one before (RFC 3261, section 7.3.1) in `unfolded`. None when there is no such line.
pub fn unfold<'a>(head: &[u8], unfolded: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = head;
    let mut is_folded = false;
    while let Some(line) = next_line(&mut rest) {
        is_folded |= !line.is_empty() && rest.first().is_some_and(is_blank);
    }
    if !is_folded {
        return None;
    }
    unfolded.clear();
    let mut rest = head;
    while let Some(line) = next_line(&mut rest) {
        if line.first().is_some_and(is_blank) && unfolded.ends_with(b"\n") {
            unfolded.pop();
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(line.trim_ascii());
        unfolded.push(b'\n');
    }
    Some(unfolded)
}

/// The next line without its end, which is removed from `rest`. None at the end; a last line needs no end.
pub fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let (line, after) = match memchr(b'\n', rest) {
        Some(end) => (rest.get(..end)?, rest.get(end + 1..)?),
        None => (*rest, &b""[..]),
    };
    *rest = after;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn add<'a>(list: &mut ArrayVec<&'a [u8], MAX_REPEATED>, value: &'a [u8]) {
    // What is beyond the bound is not shown.
    let _ = list.try_push(value);
}

/// What is behind `SIP/`, in any case.
fn after_sip(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split_at_checked(4).filter(|(name, _)| name.eq_ignore_ascii_case(b"SIP/")).map(|(_, rest)| rest)
}

fn is_version(bytes: &[u8]) -> bool {
    matches!(bytes, [b'0'..=b'9', b'.', b'0'..=b'9'])
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A byte of `token` (RFC 3261, section 25.1).
fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte)
}
