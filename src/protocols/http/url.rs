// SPDX-License-Identifier: Apache-2.0
//! Request targets (RFC 9112, section 3.2) as the `url.*` fields that Packetbeat makes of them: the path decoded, the
//! parameters of query and form sorted by name and coded anew, the whole URL put together from the parts.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use memchr::{memchr, memchr2, memmem, memrchr};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// Parameters that are taken from one request.
const MAX_PARAMETERS: usize = 1 << 16;
/// What stands for a hidden value.
const HIDDEN: &[u8] = b"xxxxx";
/// Buffers up to this size are kept.
const KEPT_CAPACITY_BYTES: usize = 1 << 20;

/// Coded in a parameter: all but the unreserved characters (RFC 3986, section 2.3).
const PARAMETER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Coded in a path: as above, but not the delimiters that have a meaning there.
const PATH: &AsciiSet = &PARAMETER
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');
/// Coded in a host.
const HOST: &AsciiSet = &PARAMETER
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'[')
    .remove(b']')
    .remove(b'<')
    .remove(b'>')
    .remove(b'"');

/// A host and a port, from a Host field or an authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host<'a> {
    /// Without the brackets of an IPv6 address.
    pub name: &'a [u8],
    pub port: Option<u16>,
    pub address: Option<IpAddr>,
}

impl<'a> Host<'a> {
    pub fn parse(text: &'a [u8]) -> Host<'a> {
        let whole = parse_address(text);
        if text.is_empty() || whole.is_some() {
            return Host { name: text, port: None, address: whole };
        }
        let (mut name, mut port) = (text, None);
        if let Some(colon) = memrchr(b':', text)
            && let Some(number) = text.get(colon + 1..).and_then(parse_port)
        {
            name = text.get(..colon).unwrap_or_default();
            port = Some(number);
        }
        if let Some(inner) = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"))
            && parse_address(inner).is_some()
        {
            name = inner;
        }
        Host { name, port, address: parse_address(name) }
    }
}

/// The parts of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Of an absolute form or of CONNECT.
    pub authority: &'a [u8],
    pub path: &'a [u8],
    pub query: &'a [u8],
}

impl<'a> Target<'a> {
    pub fn parse(target: &'a [u8], is_connect: bool) -> Target<'a> {
        if is_connect {
            return Target { authority: target, path: b"", query: b"" };
        }
        let target = target.get(..memchr(b'#', target).unwrap_or(target.len())).unwrap_or_default();
        let mut authority: &[u8] = b"";
        let mut rest = target;
        if !target.starts_with(b"/")
            && let Some(colon) = memmem::find(target, b"://")
            && target.get(..colon).is_some_and(is_scheme)
        {
            let after = target.get(colon + 3..).unwrap_or_default();
            let end = memchr2(b'/', b'?', after).unwrap_or(after.len());
            (authority, rest) = after.split_at(end);
            // A user and password in front of the host are nobody's business.
            if let Some(at) = memrchr(b'@', authority) {
                authority = authority.get(at + 1..).unwrap_or_default();
            }
        }
        let (path, query) = match memchr(b'?', rest) {
            Some(mark) => (&rest[..mark], &rest[mark + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        Target { authority, path, query }
    }
}

/// Working memory for one URL after another.
#[derive(Default)]
pub struct UrlWriter {
    /// The path, decoded.
    pub path: Vec<u8>,
    /// The parameters, sorted and coded.
    pub query: Vec<u8>,
    /// The whole URL; empty without a host.
    pub full: Vec<u8>,
    parameters: Vec<Parameter>,
    decoded: Vec<u8>,
}

/// One parameter; its parts lie in `UrlWriter::decoded`.
struct Parameter {
    name: Range<u32>,
    value: Range<u32>,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Query,
    Form,
}

impl UrlWriter {
    /// Puts the fields of a request together. `form` is the body of a form.
    pub fn write(
        &mut self,
        target: &Target<'_>,
        form: Option<&[u8]>,
        host: Host<'_>,
        port: u16,
        hide_keywords: &[String],
    ) {
        self.clear();
        if has_valid_escapes(target.path) {
            self.path.extend(percent_decode(target.path));
        } else {
            self.path.extend_from_slice(target.path);
        }
        self.add_parameters(target.query, Origin::Query);
        if let Some(form) = form {
            self.add_parameters(form, Origin::Form);
        }
        self.write_query(hide_keywords);
        if !host.name.is_empty() && port > 0 {
            self.write_full(host, port);
        }
    }

    /// Text behind the last dot of the path.
    pub fn extension(&self) -> &[u8] {
        memrchr(b'.', &self.path).and_then(|dot| self.path.get(dot + 1..)).unwrap_or_default()
    }

    fn clear(&mut self) {
        for buffer in [&mut self.path, &mut self.query, &mut self.full, &mut self.decoded] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY_BYTES);
        }
        self.parameters.clear();
        self.parameters.shrink_to(KEPT_CAPACITY_BYTES / size_of::<Parameter>());
    }

    /// Reads `name=value&…`. Parameters with a semicolon or a broken escape are left out, as Go does.
    fn add_parameters(&mut self, text: &[u8], origin: Origin) {
        for parameter in text.split(|byte| *byte == b'&') {
            if parameter.is_empty() || memchr(b';', parameter).is_some() {
                continue;
            }
            if self.parameters.len() >= MAX_PARAMETERS {
                return;
            }
            let (name, value) = match memchr(b'=', parameter) {
                Some(equals) => (&parameter[..equals], &parameter[equals + 1..]),
                None => (parameter, &parameter[parameter.len()..]),
            };
            if has_valid_escapes(name) && has_valid_escapes(value) {
                let name = self.decode(name);
                let value = self.decode(value);
                self.parameters.push(Parameter { name, value, origin });
            }
        }
    }

    fn decode(&mut self, text: &[u8]) -> Range<u32> {
        let start = self.decoded.len();
        self.decoded.extend_from_slice(text);
        let mut read = start;
        let mut write = start;
        while let Some(byte) = self.decoded.get(read).copied() {
            let (decoded, length) = match byte {
                b'+' => (b' ', 1),
                b'%' => match self.decoded.get(read + 1..read + 3) {
                    Some([high, low]) => (hex_value(*high) << 4 | hex_value(*low), 3),
                    _ => (byte, 1),
                },
                _ => (byte, 1),
            };
            self.decoded[write] = decoded;
            write += 1;
            read += length;
        }
        self.decoded.truncate(write);
        start as u32..write as u32
    }

    fn write_query(&mut self, hide_keywords: &[String]) {
        let decoded = &self.decoded;
        let text = |range: &Range<u32>| decoded.get(range.start as usize..range.end as usize).unwrap_or_default();
        // The place in `decoded` keeps equal names in their order.
        self.parameters.sort_unstable_by(|a, b| {
            text(&a.name).cmp(text(&b.name)).then(a.origin.cmp(&b.origin)).then(a.name.start.cmp(&b.name.start))
        });
        for same in self.parameters.chunk_by(|a, b| text(&a.name) == text(&b.name)) {
            // Values of a form replace those of the query.
            let winner = same.last().map(|parameter| parameter.origin);
            for parameter in same.iter().filter(|parameter| Some(parameter.origin) == winner) {
                let name = text(&parameter.name);
                let hidden = hide_keywords.iter().any(|keyword| keyword.as_bytes().eq_ignore_ascii_case(name));
                if !self.query.is_empty() {
                    self.query.push(b'&');
                }
                encode_parameter(name, &mut self.query);
                self.query.push(b'=');
                encode_parameter(if hidden { HIDDEN } else { text(&parameter.value) }, &mut self.query);
            }
        }
    }

    fn write_full(&mut self, host: Host<'_>, port: u16) {
        let bracketed = memchr(b':', host.name).is_some();
        self.full.extend_from_slice(b"http://");
        if bracketed {
            self.full.push(b'[');
        }
        encode(host.name, HOST, &mut self.full);
        if bracketed {
            self.full.push(b']');
        }
        if port != 80 {
            self.full.push(b':');
            self.full.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
        if !self.path.is_empty() && !self.path.starts_with(b"/") {
            self.full.push(b'/');
        }
        if self.path == b"*" {
            self.full.push(b'*');
        } else {
            encode(&self.path, PATH, &mut self.full);
        }
        if !self.query.is_empty() {
            self.full.push(b'?');
            self.full.extend_from_slice(&self.query);
        }
    }
}

fn encode(text: &[u8], set: &'static AsciiSet, out: &mut Vec<u8>) {
    for part in percent_encode(text, set) {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Percent-encodes a name or value; a space becomes a plus.
fn encode_parameter(text: &[u8], out: &mut Vec<u8>) {
    for (index, word) in text.split(|byte| *byte == b' ').enumerate() {
        if index > 0 {
            out.push(b'+');
        }
        encode(word, PARAMETER, out);
    }
}

fn has_valid_escapes(mut text: &[u8]) -> bool {
    while let Some(percent) = memchr(b'%', text) {
        match text.get(percent + 1..percent + 3) {
            Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return false,
        }
        text = text.get(percent + 3..).unwrap_or_default();
    }
    true
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn is_scheme(text: &[u8]) -> bool {
    matches!(text, [first, ..] if first.is_ascii_alphabetic())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

fn parse_port(text: &[u8]) -> Option<u16> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|port| *port != 0)
}

/// An address; an IPv6 one may have a zone.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => text.split_once('%').and_then(|(address, _)| address.parse::<Ipv6Addr>().ok()).map(IpAddr::V6),
    }
}
