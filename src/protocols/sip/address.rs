// SPDX-License-Identifier: Apache-2.0
//! Addresses, URIs and parameters in header values (RFC 3261, sections 19.1, 20.10 and 25.1). Works on slices, keeps nothing.

use memchr::{memchr, memchr2};

/// The value of From, To or Contact: `"Name" <uri>;parameters`, or a bare URI with the header's parameters behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address<'a> {
    pub display_info: &'a [u8],
    pub uri: &'a [u8],
    /// Parameters of the header, each behind a semicolon.
    pub parameters: &'a [u8],
}

impl<'a> Address<'a> {
    pub fn parse(text: &'a [u8]) -> Address<'a> {
        let text = text.trim_ascii();
        // A quotation mark without its counterpart is a character as any other.
        let Some(open) = find_unquoted(text, b'<').or_else(|| memchr(b'<', text)) else {
            let (uri, parameters) = split_at_byte(text, b';');
            return Address { display_info: b"", uri: uri.trim_ascii(), parameters };
        };
        let (display_info, rest) = split_at_byte_index(text, open);
        let (uri, parameters) = split_at_byte(rest.get(1..).unwrap_or_default(), b'>');
        let parameters = parameters.strip_prefix(b">").unwrap_or(parameters);
        Address { display_info: trim_quotes(display_info), uri: uri.trim_ascii(), parameters }
    }

    pub fn parameter(&self, name: &str) -> Option<&'a [u8]> {
        parameter(self.parameters, name)
    }
}

/// The parts of a URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uri<'a> {
    pub original: &'a [u8],
    pub scheme: &'a [u8],
    /// Without the password.
    pub username: &'a [u8],
    /// An IPv6 address is in brackets.
    pub host: &'a [u8],
    /// 0 when there is none.
    pub port: u16,
    /// Parameters of the URI, each behind a semicolon.
    pub parameters: &'a [u8],
}

impl<'a> Uri<'a> {
    /// What has no scheme has no parts either.
    pub fn parse(text: &'a [u8]) -> Uri<'a> {
        let text = text.trim_ascii();
        let Some(colon) = memchr(b':', text) else { return Uri { original: text, ..Uri::default() } };
        let (scheme, rest) = split_at_byte_index(text, colon);
        let rest = rest.get(1..).unwrap_or_default();
        // The user may hold semicolons and question marks; an at sign ends it.
        let (username, rest) = match memchr(b'@', rest) {
            Some(at) => {
                (split_at_byte(rest.get(..at).unwrap_or_default(), b':').0, rest.get(at + 1..).unwrap_or_default())
            }
            None => (&b""[..], rest),
        };
        let end = rest.iter().position(|byte| matches!(byte, b';' | b'?')).unwrap_or(rest.len());
        let (host_port, parameters) = split_at_byte_index(rest, end);
        let (parameters, _headers) = split_at_byte(parameters, b'?');
        let brackets = if host_port.starts_with(b"[") { memchr(b']', host_port).unwrap_or(0) } else { 0 };
        let colon = host_port.iter().skip(brackets).position(|byte| *byte == b':');
        let (host, port) = split_at_byte_index(host_port, colon.map_or(host_port.len(), |colon| brackets + colon));
        let port = port.get(1..).and_then(number).and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        Uri { original: text, scheme, username, host: host.trim_ascii(), port, parameters }
    }

    pub fn parameter(&self, name: &str) -> Option<&'a [u8]> {
        parameter(self.parameters, name)
    }
}

/// Elements of a comma-separated list of addresses, methods or credentials; commas in quotation marks or angle brackets do
/// not count.
pub fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_unquoted(list, b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Name and value of `name=value`, the value without quotation marks. A name alone has an empty value.
pub fn name_and_value(text: &[u8]) -> (&[u8], &[u8]) {
    let (name, value) = split_at_byte(text, b'=');
    (name.trim_ascii(), trim_quotes(value.get(1..).unwrap_or_default()))
}

/// A number of decimal digits with blanks around it.
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(value))
    })
}

/// Before the first such byte, and from it on.
pub fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    split_at_byte_index(text, memchr(byte, text).unwrap_or(text.len()))
}

fn split_at_byte_index(text: &[u8], index: usize) -> (&[u8], &[u8]) {
    text.split_at_checked(index).unwrap_or((text, b""))
}

fn parameter<'a>(parameters: &'a [u8], name: &str) -> Option<&'a [u8]> {
    split_unquoted(parameters, b';')
        .map(name_and_value)
        .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

/// Without blanks and quotation marks at its ends; an escaped mark stays.
fn trim_quotes(text: &[u8]) -> &[u8] {
    let is_edge = |byte: u8| matches!(byte, b'"' | b'\'') || byte.is_ascii_whitespace();
    let mut text = text;
    while let [first, rest @ ..] = text
        && is_edge(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_edge(*last)
        && !(*last == b'"' && rest.ends_with(b"\\"))
    {
        text = rest;
    }
    text
}

fn find_unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let mut place = Place::Plain;
    for (index, byte) in text.iter().enumerate() {
        if place == Place::Plain && *byte == wanted {
            return Some(index);
        }
        place = place.after(*byte);
    }
    None
}

fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    let is_plain = memchr2(b'"', b'<', text).is_none();
    std::iter::from_fn(move || {
        let current = rest?;
        let end = if is_plain { memchr(separator, current) } else { find_unquoted(current, separator) };
        rest = end.and_then(|end| current.get(end + 1..));
        Some(end.map_or(current, |end| current.get(..end).unwrap_or_default()))
    })
}

/// Where in a header's value a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Quoted,
    /// Behind a backslash in quotation marks.
    Escaped,
    Bracketed,
}

impl Place {
    fn after(self, byte: u8) -> Place {
        match (self, byte) {
            (Place::Plain, b'"') => Place::Quoted,
            (Place::Plain, b'<') => Place::Bracketed,
            (Place::Quoted, b'\\') => Place::Escaped,
            (Place::Quoted, b'"') | (Place::Bracketed, b'>') => Place::Plain,
            (Place::Escaped, _) => Place::Quoted,
            (place, _) => place,
        }
    }
}
