// SPDX-License-Identifier: Apache-2.0
//! Documents as the JSON that Packetbeat prints: keys in the order of their bytes, numbers and escapes as Go writes them,
//! the other types as the members of the MongoDB driver's structures (`{"T":1,"I":2}` for a time stamp).
//!
//! Bounded: a limit for each text, [`MAX_DEPTH`], [`MAX_KEYS`]. Recursion ends at the depth that MongoDB itself allows.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bson::{self, Document, Element, Span, kind};
use super::wire::Reader;
use crate::protocols::text::hexadecimal;

/// Depth of nested documents; MongoDB allows 100.
const MAX_DEPTH: usize = 100;
/// Keys of one document that are shown.
const MAX_KEYS: usize = 16 << 10;

/// Writes documents; reusable, so that nothing is allocated in the steady state.
#[derive(Default)]
pub struct Renderer {
    /// Elements of the documents that are open, each sorted.
    elements: Vec<Element>,
}

impl Renderer {
    /// Writes a document of `bytes`. True: what was written is longer than `max_bytes`, and was cut there.
    pub fn document(&mut self, bytes: &[u8], document: Span, out: &mut Vec<u8>, max_bytes: usize) -> bool {
        self.within(bytes, out, max_bytes, |writer| writer.document(Document::new(bytes, document), 0))
    }

    /// Writes one value.
    pub fn value(&mut self, bytes: &[u8], element: &Element, out: &mut Vec<u8>, max_bytes: usize) -> bool {
        self.within(bytes, out, max_bytes, |writer| writer.value(element, 0))
    }

    /// Writes an object of `elements`, or `null` when there are none.
    pub fn object(
        &mut self,
        bytes: &[u8],
        elements: impl Iterator<Item = Element>,
        out: &mut Vec<u8>,
        max_bytes: usize,
    ) -> bool {
        self.within(bytes, out, max_bytes, |writer| {
            let start = writer.out.len();
            writer.elements_of(elements, 0);
            if writer.out.get(start..) == Some(b"{}") {
                writer.out.truncate(start);
                writer.out.extend_from_slice(b"null");
            }
        })
    }

    /// Writes the documents of a span that lie end to end, as a list.
    pub fn sequence(&mut self, bytes: &[u8], documents: Span, out: &mut Vec<u8>, max_bytes: usize) -> bool {
        self.within(bytes, out, max_bytes, |writer| writer.sequence(documents, 0))
    }

    fn within(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        max_bytes: usize,
        write: impl FnOnce(&mut Writer<'_>),
    ) -> bool {
        let limit = out.len().saturating_add(max_bytes);
        self.elements.clear();
        write(&mut Writer { bytes, out, limit, elements: &mut self.elements });
        let cut = out.len() > limit;
        out.truncate(limit);
        cut
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.elements.capacity() * size_of::<Element>()
    }

    /// Gives back what one huge document needed.
    pub fn shrink(&mut self) {
        self.elements.clear();
        self.elements.shrink_to(1024);
    }
}

struct Writer<'a> {
    bytes: &'a [u8],
    out: &'a mut Vec<u8>,
    /// Length of `out` beyond which nothing more is of use.
    limit: usize,
    elements: &'a mut Vec<Element>,
}

impl Writer<'_> {
    fn is_full(&self) -> bool {
        self.out.len() > self.limit
    }

    fn document(&mut self, document: Document<'_>, depth: usize) {
        self.elements_of(document, depth);
    }

    fn elements_of(&mut self, elements: impl Iterator<Item = Element>, depth: usize) {
        if depth >= MAX_DEPTH {
            self.out.extend_from_slice(b"null");
            return;
        }
        let bytes = self.bytes;
        let base = self.elements.len();
        self.elements.extend(elements.take(MAX_KEYS));
        let own = self.elements.get_mut(base..).unwrap_or_default();
        // Keys that are equal stay in their order, without the buffer that a stable sort would need.
        own.sort_unstable_by(|one, other| {
            one.key.of(bytes).cmp(other.key.of(bytes)).then(one.key.start.cmp(&other.key.start))
        });
        self.out.push(b'{');
        let mut first = true;
        for place in base..self.elements.len() {
            if self.is_full() {
                break;
            }
            let Some(element) = self.elements.get(place).copied() else { break };
            // Of a key that comes twice the last is shown, as in a map.
            if self.elements.get(place + 1).is_some_and(|next| next.key.of(bytes) == element.key.of(bytes)) {
                continue;
            }
            if !first {
                self.out.push(b',');
            }
            first = false;
            self.text(element.key.of(bytes));
            self.out.push(b':');
            self.value(&element, depth + 1);
        }
        self.elements.truncate(base);
        self.out.push(b'}');
    }

    fn array(&mut self, document: Document<'_>, depth: usize) {
        if depth >= MAX_DEPTH {
            self.out.extend_from_slice(b"null");
            return;
        }
        self.out.push(b'[');
        for (index, element) in document.enumerate() {
            if self.is_full() {
                break;
            }
            if index > 0 {
                self.out.push(b',');
            }
            self.value(&element, depth + 1);
        }
        self.out.push(b']');
    }

    fn sequence(&mut self, documents: Span, depth: usize) {
        self.out.push(b'[');
        let mut position = documents.start as usize;
        while position < documents.end as usize && !self.is_full() {
            if position > documents.start as usize {
                self.out.push(b',');
            }
            let (document, span) = Document::at(self.bytes, position, documents.end as usize);
            self.document(document, depth + 1);
            position = (span.end as usize).max(position + 1);
        }
        self.out.push(b']');
    }

    fn value(&mut self, element: &Element, depth: usize) {
        let value = element.value.of(self.bytes);
        let mut reader = Reader::new(value);
        match element.kind {
            kind::DOUBLE => self.double(reader.f64().unwrap_or_default()),
            kind::STRING | kind::JAVASCRIPT | kind::SYMBOL => self.text(bson::string(value)),
            kind::DOCUMENT => self.document(Document::new(self.bytes, element.value), depth),
            kind::ARRAY => self.array(Document::new(self.bytes, element.value), depth),
            kind::SEQUENCE => self.sequence(element.value, depth),
            kind::BINARY => self.binary(value),
            kind::UNDEFINED | kind::MIN_KEY | kind::MAX_KEY => self.out.extend_from_slice(b"{}"),
            kind::OBJECT_ID => self.hexadecimal(value),
            kind::BOOLEAN => self.out.extend_from_slice(if value == [0] { b"false" } else { b"true" }),
            kind::DATE => self.date(reader.i64().unwrap_or_default()),
            kind::REGEX => {
                self.out.extend_from_slice(b"{\"Pattern\":");
                self.text(reader.c_string().unwrap_or_default());
                self.out.extend_from_slice(b",\"Options\":");
                self.text(reader.c_string().unwrap_or_default());
                self.out.push(b'}');
            }
            kind::DB_POINTER => {
                let (name, id) = value.split_at(value.len().saturating_sub(12));
                self.out.extend_from_slice(b"{\"DB\":");
                self.text(bson::string(name));
                self.out.extend_from_slice(b",\"Pointer\":");
                self.hexadecimal(id);
                self.out.push(b'}');
            }
            kind::JAVASCRIPT_WITH_SCOPE => self.javascript_with_scope(element.value, depth),
            kind::INT32 => self.number(reader.i32().unwrap_or_default()),
            kind::INT64 => self.number(reader.i64().unwrap_or_default()),
            kind::TIMESTAMP => {
                // The increment comes first on the wire.
                let increment = reader.i32().unwrap_or_default() as u32;
                let seconds = reader.i32().unwrap_or_default() as u32;
                self.out.extend_from_slice(b"{\"T\":");
                self.number(seconds);
                self.out.extend_from_slice(b",\"I\":");
                self.number(increment);
                self.out.push(b'}');
            }
            kind::DECIMAL128 => self.decimal(u128::from_le_bytes(reader.take().unwrap_or_default())),
            _ => self.out.extend_from_slice(b"null"),
        }
    }

    fn binary(&mut self, value: &[u8]) {
        let subtype = value.get(4).copied().unwrap_or_default();
        let mut data = value.get(5..).unwrap_or_default();
        // The old binary subtype has its length once more.
        if subtype == 2 {
            data = data.get(4..).unwrap_or_default();
        }
        self.out.extend_from_slice(b"{\"Subtype\":");
        self.number(subtype);
        self.out.extend_from_slice(b",\"Data\":\"");
        let room = self.limit.saturating_sub(self.out.len());
        let data = data.get(..data.len().min(room / 4 * 3 + 6)).unwrap_or_default();
        let start = self.out.len();
        self.out.resize(start + data.len().div_ceil(3) * 4, 0);
        let written = self.out.get_mut(start..).map_or(0, |place| STANDARD.encode_slice(data, place).unwrap_or(0));
        self.out.truncate(start + written);
        self.out.extend_from_slice(b"\"}");
    }

    fn javascript_with_scope(&mut self, value: Span, depth: usize) {
        let inner = value.of(self.bytes);
        let code_length =
            Reader::at(inner, 4).i32().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let code_end = code_length.saturating_add(8).min(inner.len());
        self.out.extend_from_slice(b"{\"Code\":");
        self.text(bson::string(inner.get(4..code_end).unwrap_or_default()));
        self.out.extend_from_slice(b",\"Scope\":");
        let scope = Span::new(value.start as usize + code_end, value.end as usize);
        self.document(Document::new(self.bytes, scope), depth + 1);
        self.out.push(b'}');
    }

    fn hexadecimal(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        hexadecimal(self.out, bytes);
        self.out.push(b'"');
    }

    /// As Go: the shortest digits; an exponent below 1e-6 and from 1e21 on. JSON has no infinities, so they are texts.
    fn double(&mut self, value: f64) {
        let size = value.abs();
        if !value.is_finite() {
            let name = if value.is_nan() { "NaN" } else { "Infinity" };
            self.format(format_args!("\"{}{name}\"", if value < 0.0 { "-" } else { "" }));
        } else if size != 0.0 && size < 1e-6 {
            self.format(format_args!("{value:e}"));
        } else if size >= 1e21 {
            let start = self.out.len();
            self.format(format_args!("{value:e}"));
            let exponent = self.out.iter().skip(start).position(|byte| *byte == b'e');
            exponent.into_iter().for_each(|place| self.out.insert(start + place + 1, b'+'));
        } else if size < 1e9 && value as i32 as f64 == value && (value != 0.0 || value.is_sign_positive()) {
            // Most are counts.
            self.number(value as i32);
        } else {
            self.format(format_args!("{value}"));
        }
    }

    /// RFC 3339 in UTC with as many places of the milliseconds as there are; beyond the years 0 to 9999 the number.
    fn date(&mut self, milliseconds: i64) {
        let time =
            jiff::Timestamp::from_millisecond(milliseconds).ok().map(|time| jiff::tz::TimeZone::UTC.to_datetime(time));
        let Some(time) = time.filter(|time| time.year() >= 0) else {
            self.format(format_args!("{milliseconds}"));
            return;
        };
        let (year, month, day) = (time.year(), time.month(), time.day());
        let (hour, minute, second, millisecond) = (time.hour(), time.minute(), time.second(), time.millisecond());
        self.format(format_args!("\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"));
        if millisecond > 0 {
            self.format(format_args!(".{millisecond:03}"));
            while self.out.last() == Some(&b'0') {
                self.out.pop();
            }
        }
        self.out.extend_from_slice(b"Z\"");
    }

    /// IEEE 754-2008 decimal128 in the binary integer coding, as its specification says how to write it.
    fn decimal(&mut self, bits: u128) {
        let sign = if bits >> 127 == 1 { "-" } else { "" };
        let combination = (bits >> 122) as u32 & 0x1f;
        if combination >= 0x1e {
            let name = if combination == 0x1f { "NaN" } else { "Infinity" };
            self.format(format_args!("\"{}{name}\"", if combination == 0x1f { "" } else { sign }));
            return;
        }
        let (biased, mut coefficient) = if combination >> 3 == 3 {
            // A coefficient of more than 34 digits counts as 0.
            ((bits >> 111) as i32 & 0x3fff, 0)
        } else {
            ((bits >> 113) as i32 & 0x3fff, bits & ((1 << 113) - 1))
        };
        if coefficient >= 10u128.pow(34) {
            coefficient = 0;
        }
        let exponent = biased - 6176;
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(coefficient);
        let adjusted = exponent + digits.len() as i32 - 1;
        if exponent > 0 || adjusted < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            self.format(format_args!("\"{sign}{first}{point}{rest}E{adjusted:+}\""));
        } else {
            let places = exponent.unsigned_abs() as usize;
            let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
            let point = if places == 0 { "" } else { "." };
            let whole = if whole.is_empty() { "0" } else { whole };
            let zeros = places - fraction.len();
            self.format(format_args!("\"{sign}{whole}{point}{:0<zeros$}{fraction}\"", ""));
        }
    }

    /// A text with the escapes of Go's encoder, which also escapes what HTML would take for its own.
    fn text(&mut self, text: &[u8]) {
        let room = self.limit.saturating_sub(self.out.len());
        let text = text.get(..text.len().min(room.saturating_add(8))).unwrap_or_default();
        self.out.push(b'"');
        match std::str::from_utf8(text) {
            Ok(_) => self.escaped(text),
            Err(_) => {
                for chunk in text.utf8_chunks() {
                    self.escaped(chunk.valid().as_bytes());
                    chunk.invalid().iter().for_each(|_| self.out.extend_from_slice(b"\\ufffd"));
                }
            }
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(place) = rest.iter().position(|byte| needs_care(*byte)) {
            let (plain, special) = rest.split_at(place);
            self.out.extend_from_slice(plain);
            let done = self.escape(special);
            rest = special.get(done..).unwrap_or_default();
        }
        self.out.extend_from_slice(rest);
    }

    /// Writes the character that `text` begins with; answers its bytes.
    fn escape(&mut self, text: &[u8]) -> usize {
        match text {
            [b'"', ..] => self.out.extend_from_slice(b"\\\""),
            [b'\\', ..] => self.out.extend_from_slice(b"\\\\"),
            [b'\n', ..] => self.out.extend_from_slice(b"\\n"),
            [b'\r', ..] => self.out.extend_from_slice(b"\\r"),
            [b'\t', ..] => self.out.extend_from_slice(b"\\t"),
            [0x08, ..] => self.out.extend_from_slice(b"\\b"),
            [0x0c, ..] => self.out.extend_from_slice(b"\\f"),
            // Line and paragraph separators end a line in JavaScript.
            [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
                self.format(format_args!("\\u20{:02x}", last - 0x80));
                return 3;
            }
            [0xe2, ..] => self.out.push(0xe2),
            [byte, ..] => self.format(format_args!("\\u{byte:04x}")),
            [] => {}
        }
        1
    }

    fn number(&mut self, number: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing into memory only fails when a Display implementation fails.
        let _ = self.out.write_fmt(arguments);
    }
}

fn needs_care(byte: u8) -> bool {
    CARE[usize::from(byte)]
}

const CARE: [bool; 256] = {
    let mut care = [false; 256];
    let mut byte = 0;
    while byte < care.len() {
        care[byte] = byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2);
        byte += 1;
    }
    care
};
