// SPDX-License-Identifier: Apache-2.0
//! BSON in place (bsonspec.org, version 1.1): the elements of a document, one after the other.
//!
//! Nothing is copied: keys and values are spans of the message. A length that reaches beyond what is there is cut to it and
//! marks the document as broken, so that of a message that was cut what came is seen.

use super::wire::Reader;

pub mod kind {
    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BINARY: u8 = 0x05;
    pub const UNDEFINED: u8 = 0x06;
    pub const OBJECT_ID: u8 = 0x07;
    pub const BOOLEAN: u8 = 0x08;
    pub const DATE: u8 = 0x09;
    pub const NULL: u8 = 0x0a;
    pub const REGEX: u8 = 0x0b;
    pub const DB_POINTER: u8 = 0x0c;
    pub const JAVASCRIPT: u8 = 0x0d;
    pub const SYMBOL: u8 = 0x0e;
    pub const JAVASCRIPT_WITH_SCOPE: u8 = 0x0f;
    pub const INT32: u8 = 0x10;
    pub const TIMESTAMP: u8 = 0x11;
    pub const INT64: u8 = 0x12;
    pub const DECIMAL128: u8 = 0x13;
    pub const MAX_KEY: u8 = 0x7f;
    pub const MIN_KEY: u8 = 0xff;
    /// Not of BSON: the documents of an OP_MSG document sequence, end to end.
    pub const SEQUENCE: u8 = 0xfd;
}

/// A piece of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// Messages are far below 4 GiB.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// One element of a document.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    pub kind: u8,
    pub key: Span,
    /// The value's bytes, with its own length where it has one.
    pub value: Span,
}

impl Element {
    /// Text of a string, symbol or JavaScript value.
    pub fn text<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match self.kind {
            kind::STRING | kind::SYMBOL | kind::JAVASCRIPT => Some(string(self.value.of(bytes))),
            _ => None,
        }
    }

    /// A number or boolean as a number.
    pub fn number(&self, bytes: &[u8]) -> Option<f64> {
        let mut reader = Reader::new(self.value.of(bytes));
        match self.kind {
            kind::DOUBLE => reader.f64(),
            kind::INT32 => reader.i32().map(f64::from),
            kind::INT64 => reader.i64().map(|value| value as f64),
            kind::BOOLEAN => reader.u8().map(f64::from),
            _ => None,
        }
    }

    pub fn integer(&self, bytes: &[u8]) -> Option<i64> {
        match self.kind {
            kind::INT64 => Reader::new(self.value.of(bytes)).i64(),
            _ => self.number(bytes).map(|value| value as i64),
        }
    }
}

/// The text of a value that begins with its length and ends in a zero byte; without it when it was cut off.
pub fn string(value: &[u8]) -> &[u8] {
    let text = value.get(4..).unwrap_or_default();
    text.strip_suffix(b"\0").unwrap_or(text)
}

/// Walks over the elements of one document.
#[derive(Clone)]
pub struct Document<'a> {
    bytes: &'a [u8],
    position: usize,
    end: usize,
    /// Something in it made no sense, or lies behind the end of what is there.
    pub broken: bool,
}

impl<'a> Document<'a> {
    /// The document that fills a span.
    pub fn new(bytes: &'a [u8], span: Span) -> Document<'a> {
        let end = (span.end as usize).min(bytes.len());
        let start = (span.start as usize).min(end);
        Document::at(bytes, start, end).0
    }

    /// The document that begins at `start`, and where the next one begins. `limit` is the end of what it lies in.
    pub fn at(bytes: &'a [u8], start: usize, limit: usize) -> (Document<'a>, Span) {
        let length = Reader::at(bytes.get(..limit).unwrap_or_default(), start).i32();
        let length = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length >= 5);
        let wanted_end = length.and_then(|length| start.checked_add(length)).unwrap_or(usize::MAX);
        let end = wanted_end.min(limit);
        let document = Document {
            bytes,
            position: start.saturating_add(4).min(end),
            end,
            broken: length.is_none() || end < wanted_end,
        };
        (document, Span::new(start, end))
    }

    /// Looks up one key.
    pub fn find(mut self, key: &[u8]) -> Option<Element> {
        let bytes = self.bytes;
        Iterator::find(&mut self, |element: &Element| element.key.of(bytes) == key)
    }

    fn read(&mut self, kind: u8) -> Option<Element> {
        let inside = self.bytes.get(..self.end)?;
        let mut reader = Reader::at(inside, self.position + 1);
        let key_start = reader.position;
        let key = reader.c_string()?;
        let key = Span::new(key_start, key_start + key.len());
        let start = reader.position;
        let prefixed = |extra: usize, least: usize| {
            let mut reader = Reader::at(inside, start);
            let length = usize::try_from(reader.i32()?).ok().filter(|length| *length >= least)?;
            length.checked_add(extra)
        };
        let length = match kind {
            kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => 8,
            kind::STRING | kind::JAVASCRIPT | kind::SYMBOL => prefixed(4, 1)?,
            kind::DOCUMENT | kind::ARRAY => prefixed(0, 5)?,
            kind::JAVASCRIPT_WITH_SCOPE => prefixed(0, 14)?,
            kind::BINARY => prefixed(5, 0)?,
            kind::DB_POINTER => prefixed(16, 1)?,
            kind::UNDEFINED | kind::NULL | kind::MAX_KEY | kind::MIN_KEY => 0,
            kind::OBJECT_ID => 12,
            kind::BOOLEAN => 1,
            kind::INT32 => 4,
            kind::DECIMAL128 => 16,
            kind::REGEX => {
                let mut reader = Reader::at(inside, start);
                reader.c_string()?;
                reader.c_string()?;
                reader.position - start
            }
            _ => return None,
        };
        let wanted_end = start.checked_add(length)?;
        let end = wanted_end.min(self.end);
        if end < wanted_end {
            self.broken = true;
            // Of what has a length of its own the beginning is worth showing.
            if !matches!(kind, kind::STRING | kind::DOCUMENT | kind::ARRAY | kind::JAVASCRIPT | kind::SYMBOL) {
                return None;
            }
        }
        self.position = end;
        Some(Element { kind, key, value: Span::new(start, end) })
    }
}

impl Iterator for Document<'_> {
    type Item = Element;

    fn next(&mut self) -> Option<Element> {
        if self.position >= self.end {
            return None;
        }
        let kind = *self.bytes.get(self.position)?;
        let element = if kind == 0 { None } else { self.read(kind) };
        if element.is_none() {
            self.broken |= kind != 0;
            self.position = self.end;
        }
        element
    }
}
