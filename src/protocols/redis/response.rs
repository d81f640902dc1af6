// SPDX-License-Identifier: Apache-2.0
//! The server's direction: answers and pushes of RESP2 and RESP3, turned into text as they come.
//!
//! The text is Packetbeat's: `[a, [b, nil]]`, `[]`, `nil`; maps of RESP3 are `{a: b}`. Attributes are passed over.

use std::ops::Range;

use super::line::{Line, LineScanner, number, plain_size};
use crate::protocols::text::Text;

/// Text that is kept of an answer.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Longest line: a simple string, an error, a big number.
const MAX_LINE_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;
const MAX_BULK_BYTES: i64 = 1 << 40;
const MAX_ELEMENTS: i64 = 1 << 40;
const LINE_END_BYTES: u64 = 2;
/// `txt:` of a verbatim string.
const FORMAT_BYTES: u8 = 4;

/// What an answer is at its top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    Simple,
    Error,
    /// An array, set or map of so many elements.
    Aggregate {
        count: u64,
    },
    Push {
        count: u64,
    },
    #[default]
    Other,
}

/// An answer, or a push.
#[derive(Debug, Default)]
pub struct Response {
    pub kind: Kind,
    pub text: Text,
    /// Where the first and the last element of an aggregate stand.
    first: Range<usize>,
    last: Range<usize>,
    /// Bytes on the wire.
    pub bytes: u64,
    pub start_ns: i64,
    /// Bytes of it are missing.
    pub damaged: bool,
    /// Longer than what is kept of it.
    pub cut: bool,
}

impl Response {
    pub fn first(&self) -> &[u8] {
        self.text.get(self.first.clone()).unwrap_or_default()
    }

    pub fn last(&self) -> &[u8] {
        self.text.get(self.last.clone()).unwrap_or_default()
    }

    /// As new.
    pub fn clear(&mut self) {
        self.kind = Kind::Other;
        self.text.clear();
        self.first = 0..0;
        self.last = 0..0;
        self.bytes = 0;
        self.start_ns = 0;
        self.damaged = false;
        self.cut = false;
    }

    /// Appends text, as much as there is room for.
    #[inline]
    pub fn append(&mut self, part: &[u8]) {
        let room = MAX_TEXT_BYTES.saturating_sub(self.text.len());
        self.cut |= part.len() > room;
        self.text.extend_from_slice(part.get(..room).unwrap_or(part));
    }
}

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// An answer is complete: [`ResponseReader::response`].
    Response,
    /// All bytes are read.
    Need { more: usize },
    /// Not RESP.
    Invalid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    List,
    Map,
    /// Out of band: neither shown nor counted as an element.
    Attribute,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    shape: Shape,
    /// Elements to come; None: until a line with a full stop.
    left: Option<u64>,
    done: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Line,
    /// So many bytes of a bulk string and its line end are to come, and of the name of its format before that.
    Body {
        left: u64,
        format: u8,
    },
    /// A string in chunks: the header of one is next.
    Chunks,
    Chunk {
        left: u64,
    },
}

/// Reads the server's direction.
#[derive(Debug, Default)]
pub struct ResponseReader {
    state: State,
    scanner: LineScanner,
    frames: Vec<Frame>,
    /// Frames from here on are below an attribute.
    muted_from: Option<usize>,
    begun: bool,
    pub response: Response,
}

impl ResponseReader {
    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        self.restart();
        self.begun = false;
    }

    fn restart(&mut self) {
        self.state = State::Line;
        self.scanner.reset();
        self.frames.clear();
        self.muted_from = None;
        self.response.clear();
    }

    /// Whether an answer has begun and is not complete.
    pub fn is_inside(&self) -> bool {
        self.begun && (self.response.bytes > 0)
    }

    /// Reads on at `position`.
    pub fn next(&mut self, bytes: &[u8], position: &mut usize, now_ns: i64) -> Found {
        loop {
            let rest = bytes.get(*position..).unwrap_or_default();
            if rest.is_empty() {
                return Found::Need { more: 0 };
            }
            if !self.begun {
                self.restart();
                self.response.start_ns = now_ns;
                self.begun = true;
            }
            let plain = if self.state == State::Line { self.plain_bulk(rest, position) } else { None };
            let is_complete = match self.state {
                _ if plain.is_some() => plain,
                State::Line => match self.scanner.line(rest, MAX_LINE_BYTES) {
                    Line::Found { text, length } => {
                        self.take(length, position);
                        self.value(text)
                    }
                    Line::Incomplete if rest.first().is_some_and(|byte| is_type(*byte)) => {
                        return Found::Need { more: rest.len() + 1 };
                    }
                    Line::Incomplete | Line::TooLong => None,
                },
                State::Body { left, format } => Some(self.body(rest, position, left, format)),
                State::Chunks => match self.scanner.line(rest, MAX_LINE_BYTES) {
                    Line::Found { text, length } => {
                        self.take(length, position);
                        self.chunk_header(text)
                    }
                    Line::Incomplete => return Found::Need { more: rest.len() + 1 },
                    Line::TooLong => None,
                },
                State::Chunk { left } => Some(self.chunk(rest, position, left)),
            };
            match is_complete {
                Some(false) => {}
                Some(true) => {
                    self.begun = false;
                    return Found::Response;
                }
                None => return Found::Invalid,
            }
        }
    }

    /// Bytes are missing. True: they belong to the string under way, which goes on behind them.
    pub fn bridge(&mut self, missing_bytes: u64) -> bool {
        let left = match &mut self.state {
            State::Body { left, .. } | State::Chunk { left } => left,
            State::Line | State::Chunks => return false,
        };
        if missing_bytes >= *left {
            return false;
        }
        *left -= missing_bytes;
        self.response.bytes += missing_bytes;
        self.response.damaged = true;
        true
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.response.text.capacity()
    }

    fn take(&mut self, length: usize, position: &mut usize) {
        *position += length;
        self.response.bytes += length as u64;
    }

    /// A line that begins a value. Answers whether the whole answer is complete; None: it makes no sense.
    fn value(&mut self, line: &[u8]) -> Option<bool> {
        let (kind, text) = line.split_first()?;
        match kind {
            b'+' | b'(' => self.scalar(text, if *kind == b'+' { Kind::Simple } else { Kind::Other }),
            b'-' => self.scalar(text, Kind::Error),
            b':' => number(text).map(|_| ()).and_then(|()| self.scalar(text, Kind::Other)),
            b',' if is_double(text) => self.scalar(text, Kind::Other),
            b'_' if text.is_empty() => self.scalar(b"nil", Kind::Other),
            b'#' => match text {
                b"t" => self.scalar(b"true", Kind::Other),
                b"f" => self.scalar(b"false", Kind::Other),
                _ => None,
            },
            b'$' | b'!' | b'=' => self.bulk(*kind, text),
            b'*' | b'~' => self.aggregate(Shape::List, text, false),
            b'>' => self.aggregate(Shape::List, text, true),
            b'%' => self.aggregate(Shape::Map, text, false),
            b'|' => self.aggregate(Shape::Attribute, text, false),
            b'.' if text.is_empty() => {
                // The end of an aggregate whose length was not known.
                self.frames.last().is_some_and(|frame| frame.left.is_none()).then(|| self.close())
            }
            _ => None,
        }
    }

    fn scalar(&mut self, text: &[u8], kind: Kind) -> Option<bool> {
        self.begin_value(kind);
        self.show(text);
        Some(self.end_value())
    }

    fn bulk(&mut self, kind: u8, text: &[u8]) -> Option<bool> {
        let kind_at_top = if kind == b'!' { Kind::Error } else { Kind::Other };
        if text == b"?" && kind == b'$' {
            self.begin_value(kind_at_top);
            self.state = State::Chunks;
            return Some(false);
        }
        match number(text)? {
            -1 => self.scalar(b"nil", Kind::Other),
            size @ 0..=MAX_BULK_BYTES => {
                self.begin_value(kind_at_top);
                let format = if kind == b'=' { FORMAT_BYTES } else { 0 };
                self.state = State::Body { left: size as u64 + LINE_END_BYTES, format };
                Some(false)
            }
            _ => None,
        }
    }

    /// A bulk string with the usual header. None: it is read as any other line.
    fn plain_bulk(&mut self, rest: &[u8], position: &mut usize) -> Option<bool> {
        if rest.first() != Some(&b'$') || !self.scanner.is_fresh() {
            return None;
        }
        let (size, length) = plain_size(rest)?;
        self.take(length, position);
        self.begin_value(Kind::Other);
        let left = u64::from(size) + LINE_END_BYTES;
        Some(self.body(rest.get(length..).unwrap_or_default(), position, left, 0))
    }

    fn body(&mut self, rest: &[u8], position: &mut usize, left: u64, format: u8) -> bool {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let wanted = usize::try_from(left.saturating_sub(LINE_END_BYTES)).unwrap_or(usize::MAX).min(here);
        let passed = usize::from(format).min(wanted);
        self.show(rest.get(passed..wanted).unwrap_or_default());
        self.take(here, position);
        let left = left - here as u64;
        if left > 0 {
            self.state = State::Body { left, format: format - passed as u8 };
            return false;
        }
        self.state = State::Line;
        self.end_value()
    }

    fn chunk_header(&mut self, line: &[u8]) -> Option<bool> {
        match line.strip_prefix(b";").and_then(number)? {
            0 => {
                self.state = State::Line;
                Some(self.end_value())
            }
            size @ 1..=MAX_BULK_BYTES => {
                self.state = State::Chunk { left: size as u64 + LINE_END_BYTES };
                Some(false)
            }
            _ => None,
        }
    }

    fn chunk(&mut self, rest: &[u8], position: &mut usize, left: u64) -> bool {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let wanted = usize::try_from(left.saturating_sub(LINE_END_BYTES)).unwrap_or(usize::MAX).min(here);
        self.show(rest.get(..wanted).unwrap_or_default());
        self.take(here, position);
        let left = left - here as u64;
        self.state = if left == 0 { State::Chunks } else { State::Chunk { left } };
        false
    }

    fn aggregate(&mut self, shape: Shape, text: &[u8], is_push: bool) -> Option<bool> {
        let count = match text {
            b"?" => None,
            text => match number(text)? {
                -1 if shape == Shape::List => return self.scalar(b"nil", Kind::Other),
                count @ 0..=MAX_ELEMENTS => Some(count as u64),
                _ => return None,
            },
        };
        if self.frames.len() >= MAX_DEPTH {
            return None;
        }
        if shape == Shape::Attribute {
            self.muted_from = self.muted_from.or(Some(self.frames.len()));
        } else {
            let count = count.unwrap_or(0);
            self.begin_value(if is_push { Kind::Push { count } } else { Kind::Aggregate { count } });
            self.show(if shape == Shape::Map { b"{" } else { b"[" });
        }
        let left = count.map(|count| if shape == Shape::List { count } else { count * 2 });
        self.frames.push(Frame { shape, left, done: 0 });
        Some(if left == Some(0) { self.close() } else { false })
    }

    /// Writes what stands before a value.
    fn begin_value(&mut self, kind: Kind) {
        let Some(frame) = self.frames.last() else {
            self.response.kind = kind;
            return;
        };
        let (done, shape) = (frame.done, frame.shape);
        match (done, shape) {
            (0, _) => {}
            (done, Shape::Map) if done % 2 == 1 => self.show(b": "),
            _ => self.show(b", "),
        }
        if self.frames.len() == 1 && self.muted_from.is_none() {
            let here = self.response.text.len();
            if done == 0 {
                self.response.first = here..here;
            }
            self.response.last = here..here;
        }
    }

    /// A value is complete, and with it perhaps what it is in. Answers whether the whole answer is.
    fn end_value(&mut self) -> bool {
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else { return true };
        frame.done += 1;
        if depth == 1 && self.muted_from.is_none() {
            let here = self.response.text.len();
            if frame.done == 1 {
                self.response.first.end = here;
            }
            self.response.last.end = here;
        }
        match &mut frame.left {
            Some(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 { self.close() } else { false }
            }
            None => false,
        }
    }

    /// The innermost aggregate is complete.
    fn close(&mut self) -> bool {
        let Some(frame) = self.frames.last().copied() else { return false };
        if frame.shape == Shape::Attribute {
            self.frames.pop();
            if self.muted_from == Some(self.frames.len()) {
                self.muted_from = None;
            }
            return false;
        }
        self.show(if frame.shape == Shape::Map { b"}" } else { b"]" });
        self.frames.pop();
        self.end_value()
    }

    #[inline]
    fn show(&mut self, text: &[u8]) {
        if self.muted_from.is_none() {
            self.response.append(text);
        }
    }
}

fn is_type(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-' | b':' | b'$' | b'*' | b'_' | b'#' | b',' | b'(' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|' | b'.'
    )
}

fn is_double(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
