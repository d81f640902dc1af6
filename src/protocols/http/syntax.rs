// SPDX-License-Identifier: Apache-2.0
//! The grammar of messages (RFC 9112, sections 2 to 5): first lines, field lines and the values of some fields. Everything
//! here works on slices and keeps nothing.

use std::net::IpAddr;

use memchr::{memchr, memrchr};

/// Longest method that counts as one. Registered methods have up to 17 characters.
const MAX_METHOD_BYTES: usize = 64;

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    Request { method: &'a [u8], target: &'a [u8], version: (u8, u8) },
    Response { version: (u8, u8), status: u16, phrase: &'a [u8] },
}

impl<'a> StartLine<'a> {
    /// Reads a line without its end. As Packetbeat does it, the target lies between the first and the last blank.
    pub fn parse(line: &'a [u8]) -> Option<StartLine<'a>> {
        if let Some(rest) = line.strip_prefix(b"HTTP/") {
            let (version, rest) = split_version(rest)?;
            let rest = rest.trim_ascii_start();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (code, phrase) = rest.split_at_checked(digits)?;
            if !phrase.is_empty() && !matches!(phrase[0], b' ' | b'\t') {
                return None;
            }
            let status = std::str::from_utf8(code).ok()?.parse().ok()?;
            return Some(StartLine::Response { version, status, phrase: phrase.trim_ascii() });
        }
        let line = line.trim_ascii_end();
        let first = line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
        let last = memrchr(b' ', line).max(memrchr(b'\t', line))?;
        let (method, version) = (line.get(..first)?, line.get(last + 1..)?);
        let target = line.get(first..last)?.trim_ascii();
        let (version, rest) = split_version(version.strip_prefix(b"HTTP/")?)?;
        if !is_method(method) || target.is_empty() || !rest.is_empty() {
            return None;
        }
        Some(StartLine::Request { method, target, version })
    }

    /// Whether bytes may be the beginning of a request's first line.
    pub fn may_be_request(bytes: &[u8]) -> bool {
        let token = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
        match bytes.get(token) {
            None => token <= MAX_METHOD_BYTES,
            Some(b' ' | b'\t') => token > 0 && token <= MAX_METHOD_BYTES,
            Some(_) => false,
        }
    }

    /// Whether bytes may be the beginning of a response.
    pub fn may_be_response(bytes: &[u8]) -> bool {
        let length = bytes.len().min(b"HTTP/".len());
        bytes.get(..length) == b"HTTP/".get(..length)
    }
}

pub fn is_method(bytes: &[u8]) -> bool {
    (1..=MAX_METHOD_BYTES).contains(&bytes.len()) && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// A `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `x.y`, and what follows it.
fn split_version(bytes: &[u8]) -> Option<((u8, u8), &[u8])> {
    match bytes {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9', rest @ ..] => Some(((major - b'0', minor - b'0'), rest)),
        _ => None,
    }
}

/// The next line without its end, which is removed from `rest`. None at the end; a last line needs no end.
pub fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let (line, after) = match memchr(b'\n', rest) {
        Some(end) => (rest.get(..end)?, rest.get(end + 1..)?),
        None => (*rest, &rest[rest.len()..]),
    };
    *rest = after;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Name and value of a field line.
pub fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii();
    (!name.is_empty()).then_some((name, line.get(colon + 1..)?.trim_ascii()))
}

/// Elements of a comma-separated list.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

pub fn parse_address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub fn contains_ignoring_case(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Overwrites the values of fields whose names end in `authorization`.
pub fn redact_authorization(block: &mut [u8]) {
    const TAIL: &[u8] = b"authorization";
    let mut start = 0;
    while let Some(rest) = block.get(start..)
        && !rest.is_empty()
    {
        let end = memchr(b'\n', rest).map_or(block.len(), |end| start + end);
        // A folded value belongs to the same field.
        let mut field_end = end;
        while matches!(block.get(field_end + 1), Some(b' ' | b'\t')) {
            field_end = memchr(b'\n', &block[field_end + 1..]).map_or(block.len(), |next| field_end + 1 + next);
        }
        if let Some(line) = block.get_mut(start..field_end)
            && let Some(colon) = memchr(b':', line)
        {
            let (name, value) = line.split_at_mut(colon + 1);
            let name = name[..colon].trim_ascii();
            if name.len() >= TAIL.len() && name[name.len() - TAIL.len()..].eq_ignore_ascii_case(TAIL) {
                value.iter_mut().filter(|byte| !matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b'*');
            }
        }
        start = field_end + 1;
    }
}

/// Values of Content-Length: several are good when all are the same (RFC 9112, section 6.3).
#[derive(Default)]
pub struct Lengths {
    value: Option<u64>,
    invalid: bool,
}

impl Lengths {
    pub fn add(&mut self, text: &[u8]) {
        for element in list(text) {
            let number = Some(element)
                .filter(|digits| digits.iter().all(u8::is_ascii_digit))
                .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
            match (number, self.value) {
                (None, _) => self.invalid = true,
                (Some(number), Some(known)) if number != known => self.invalid = true,
                (Some(_), _) => self.value = number,
            }
        }
    }

    /// The length, unless the values contradict each other.
    pub fn agreed(&self) -> Option<u64> {
        self.value.filter(|_| !self.invalid)
    }
}
