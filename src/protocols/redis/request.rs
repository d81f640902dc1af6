// SPDX-License-Identifier: Apache-2.0
//! The client's direction: arrays of bulk strings and inline commands, read as they come.

use std::fmt::Write as _;
use std::ops::Range;

use super::commands::{self, Effect, Subscription};
use super::inline;
use super::line::{Line, LineScanner, number, plain_size};
use crate::protocols::text::Text;

/// Text that is kept of a command.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Longest inline command and header of an array that servers take.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Longest line that is looked at where the stream is joined.
const MAX_FIRST_LINE_BYTES: usize = 4 << 10;
/// Most elements of a command that servers take.
const MAX_ELEMENTS: i64 = 1 << 20;
const MAX_BULK_BYTES: i64 = 1 << 40;
const LINE_END_BYTES: u64 = 2;

/// A command.
#[derive(Debug, Default)]
pub struct Request {
    /// Its words with blanks between them; an inline command as it was sent.
    pub text: Text,
    /// The words of an inline command, without their quotes.
    unquoted: Text,
    /// Where its first words stand.
    words: [Range<usize>; 3],
    is_inline: bool,
    /// Words, the name included.
    pub count: u32,
    /// Bytes on the wire.
    pub bytes: u64,
    pub start_ns: i64,
    /// Bytes of it are missing.
    pub damaged: bool,
    /// Longer than what is kept of it.
    pub cut: bool,
    /// Not a command by the protocol's rules.
    pub invalid: bool,
}

impl Request {
    pub fn word(&self, index: usize) -> &[u8] {
        let buffer = if self.is_inline { &self.unquoted } else { &self.text };
        self.words.get(index).and_then(|range| buffer.get(range.clone())).unwrap_or_default()
    }

    /// The command's name, empty when it has none.
    pub fn name(&self) -> &[u8] {
        self.word(0)
    }

    /// Whether its name has two words, like CONFIG GET.
    pub fn has_two_words(&self) -> bool {
        self.count > 1 && commands::has_two_words(self.name()) && is_word(self.word(1))
    }

    pub fn subscription(&self) -> Option<Subscription> {
        commands::subscription(self.name())
    }

    pub fn effect(&self) -> Effect {
        commands::effect([self.word(0), self.word(1), self.word(2)])
    }

    /// As new.
    pub fn clear(&mut self) {
        self.text.clear();
        self.unquoted.clear();
        self.words = Default::default();
        self.is_inline = false;
        self.count = 0;
        self.bytes = 0;
        self.start_ns = 0;
        self.damaged = false;
        self.cut = false;
        self.invalid = false;
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.text.capacity() + self.unquoted.capacity()
    }

    fn append(&mut self, part: &[u8]) {
        let room = MAX_TEXT_BYTES.saturating_sub(self.text.len());
        self.cut |= part.len() > room;
        self.text.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn begin_word(&mut self) {
        if self.count > 0 {
            self.append(b" ");
        }
        if let Some(range) = self.words.get_mut(self.count as usize) {
            *range = self.text.len()..self.text.len();
        }
        self.count += 1;
    }

    fn append_to_word(&mut self, part: &[u8]) {
        self.append(part);
        if let Some(range) = (self.count as usize).checked_sub(1).and_then(|index| self.words.get_mut(index)) {
            range.end = self.text.len();
        }
    }
}

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A command is complete: [`RequestReader::request`].
    Request,
    /// All bytes are read.
    Need { more: usize },
    /// Bytes that were no command, where the stream was joined.
    Skipped { bytes: usize },
    /// Bytes that a server would refuse.
    Invalid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// So many bulk strings are to come.
    Elements { left: u32 },
    /// So many bytes of a bulk string and its line end are to come, and bulk strings behind it.
    Body { left: u64, elements: u32 },
}

/// Reads the client's direction.
#[derive(Debug, Default)]
pub struct RequestReader {
    state: State,
    scanner: LineScanner,
    /// A command was understood since the stream was joined.
    in_step: bool,
    begun: bool,
    pub request: Request,
}

impl RequestReader {
    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        self.restart();
        self.in_step = false;
    }

    /// Whether a command has begun and is not complete.
    pub fn is_inside(&self) -> bool {
        self.state != State::Start
    }

    /// Whether nothing was understood yet.
    pub fn is_out_of_step(&self) -> bool {
        !self.in_step && self.state == State::Start
    }

    /// Reads on at `position`.
    pub fn next(&mut self, bytes: &[u8], position: &mut usize, now_ns: i64) -> Found {
        loop {
            let rest = bytes.get(*position..).unwrap_or_default();
            if rest.is_empty() {
                return Found::Need { more: 0 };
            }
            if !self.begun {
                self.request.clear();
                self.request.start_ns = now_ns;
                self.begun = true;
            }
            let found = match self.state {
                State::Start => self.first_line(rest, position),
                State::Elements { left } => self.header(rest, position, left),
                State::Body { left, elements } => {
                    self.body(rest, position, left, elements);
                    None
                }
            };
            if self.state == (State::Elements { left: 0 }) {
                return self.complete();
            }
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Bytes are missing. True: they belong to the body under way, which goes on behind them.
    pub fn bridge(&mut self, missing_bytes: u64) -> bool {
        let State::Body { left, elements } = self.state else { return false };
        if missing_bytes >= left {
            return false;
        }
        self.request.damaged = true;
        self.request.bytes += missing_bytes;
        self.state = State::Body { left: left - missing_bytes, elements };
        true
    }

    /// The stream is cut: the command under way is as complete as it will be. None: there is none.
    pub fn abandon(&mut self) -> Option<&mut Request> {
        let inside = self.is_inside() && self.request.count > 0 && self.in_step;
        self.state = State::Start;
        self.scanner.reset();
        self.begun = false;
        self.in_step = false;
        self.request.damaged = true;
        inside.then_some(&mut self.request)
    }

    fn restart(&mut self) {
        self.state = State::Start;
        self.scanner.reset();
        self.begun = false;
        self.request.clear();
    }

    fn complete(&mut self) -> Found {
        self.state = State::Start;
        self.begun = false;
        self.in_step = true;
        Found::Request
    }

    fn first_line(&mut self, rest: &[u8], position: &mut usize) -> Option<Found> {
        let most = if self.in_step { MAX_LINE_BYTES } else { MAX_FIRST_LINE_BYTES };
        let (text, length) = match self.scanner.line(rest, most) {
            Line::Found { text, length } => (text, length),
            Line::Incomplete if self.in_step || may_begin(rest) => return Some(Found::Need { more: rest.len() + 1 }),
            Line::Incomplete => return Some(self.skip(rest.len(), position)),
            Line::TooLong => return Some(self.refuse(rest, rest.len(), position)),
        };
        if let Some(digits) = text.strip_prefix(b"*") {
            return match number(digits) {
                // Servers pass over empty arrays and nulls.
                Some(..=0) if self.in_step => self.pass(length, position),
                Some(count @ 1..=MAX_ELEMENTS) => {
                    self.take(length, position);
                    self.state = State::Elements { left: count as u32 };
                    None
                }
                _ => Some(self.refuse(text, length, position)),
            };
        }
        let Request { unquoted, words, count, .. } = &mut self.request;
        let balanced = inline::split(text, unquoted, |start, end| {
            if let Some(range) = words.get_mut(*count as usize) {
                *range = start..end;
            }
            *count += 1;
        });
        self.request.is_inline = true;
        if balanced.is_none() || !self.in_step && !commands::is_known(self.request.name()) {
            return Some(self.refuse(text, length, position));
        }
        if self.request.count == 0 {
            return self.pass(length, position);
        }
        self.request.append(text.trim_ascii());
        self.take(length, position);
        Some(self.complete())
    }

    fn header(&mut self, rest: &[u8], position: &mut usize, left: u32) -> Option<Found> {
        if rest.first() == Some(&b'$')
            && self.scanner.is_fresh()
            && let Some((size, length)) = plain_size(rest)
        {
            self.bulk(u64::from(size), length, position, left);
            return None;
        }
        let (text, length) = match self.scanner.line(rest, MAX_LINE_BYTES) {
            Line::Found { text, length } => (text, length),
            Line::Incomplete if rest.first() == Some(&b'$') => return Some(Found::Need { more: rest.len() + 1 }),
            Line::Incomplete | Line::TooLong => return Some(self.refuse(rest, rest.len(), position)),
        };
        match text.strip_prefix(b"$").and_then(number) {
            Some(size @ 0..=MAX_BULK_BYTES) => {
                self.bulk(size as u64, length, position, left);
                None
            }
            _ => Some(self.refuse(text, length, position)),
        }
    }

    fn bulk(&mut self, size_bytes: u64, header_bytes: usize, position: &mut usize, left: u32) {
        self.take(header_bytes, position);
        self.request.begin_word();
        self.state = State::Body { left: size_bytes + LINE_END_BYTES, elements: left - 1 };
    }

    fn body(&mut self, rest: &[u8], position: &mut usize, left: u64, elements: u32) {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let wanted = usize::try_from(left.saturating_sub(LINE_END_BYTES)).unwrap_or(usize::MAX).min(here);
        self.request.append_to_word(rest.get(..wanted).unwrap_or_default());
        self.take(here, position);
        let left = left - here as u64;
        self.state = if left == 0 { State::Elements { left: elements } } else { State::Body { left, elements } };
    }

    fn take(&mut self, length: usize, position: &mut usize) {
        *position += length;
        self.request.bytes += length as u64;
    }

    /// Passes over what is answered by nothing.
    fn pass(&mut self, length: usize, position: &mut usize) -> Option<Found> {
        *position += length;
        self.begun = false;
        None
    }

    fn skip(&mut self, length: usize, position: &mut usize) -> Found {
        *position += length;
        self.restart();
        Found::Skipped { bytes: length }
    }

    /// `text` makes no sense here. Out of step it is passed over; in step it is what the server will refuse.
    fn refuse(&mut self, text: &[u8], length: usize, position: &mut usize) -> Found {
        if !self.in_step {
            return self.skip(length, position);
        }
        self.take(length, position);
        let Request { text: words, unquoted: shown, is_inline, words: ranges, count, invalid, .. } = &mut self.request;
        // As it was sent: the header of the array, the words that were there, and what is wrong.
        shown.clear();
        if let State::Elements { left } = self.state {
            // Writing into memory does not fail.
            let _ = write!(shown, "*{} ", u64::from(left) + u64::from(*count));
            if !words.is_empty() {
                shown.extend_from_slice(words);
                shown.push(b' ');
            }
        }
        shown.extend_from_slice(text.get(..text.len().min(MAX_LINE_BYTES)).unwrap_or_default().trim_ascii());
        std::mem::swap(words, shown);
        shown.clear();
        *is_inline = false;
        *ranges = Default::default();
        *count = 0;
        *invalid = true;
        self.state = State::Start;
        self.scanner.reset();
        self.begun = false;
        self.in_step = false;
        Found::Invalid
    }
}

/// Whether a command may begin so: an array, or a line that begins with a letter.
fn may_begin(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b'\t' | b'\r' | b' '..=b'~');
    bytes.first().is_some_and(|byte| *byte == b'*' || byte.is_ascii_alphabetic()) && bytes.iter().take(64).all(plain)
}

/// Whether it can be the name of a subcommand.
fn is_word(word: &[u8]) -> bool {
    (1..=32).contains(&word.len())
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
