// SPDX-License-Identifier: Apache-2.0
//! The statements of a simple query: it is split at a `;` that is none of a literal, a quoted identifier, a dollar quote, a
//! comment, brackets, or the body of an SQL function (`BEGIN ATOMIC … END`), as psql splits its input.
//!
//! Nothing is stored: the next statement is searched for when the answer to the last one is complete.

use std::ops::Range;

/// Whether a backslash in a plain literal is an escape (`standard_conforming_strings` is off).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backslash {
    #[default]
    Plain,
    Escape,
}

/// A statement, and where the search for the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Without white space around it.
    pub statement: Range<usize>,
    pub next: usize,
}

/// The first statement from `start` on that is more than white space and comments.
pub fn next_statement(text: &[u8], start: usize, backslash: Backslash) -> Option<Found> {
    let mut scan = Scan { text, position: start, backslash, words: Words::default(), brackets: 0, bodies: 0 };
    let mut start = start;
    while start < text.len() {
        let has_content = scan.statement();
        let end = scan.position.min(text.len());
        // Behind the `;`.
        scan.position = end.saturating_add(1);
        if has_content {
            return Some(Found { statement: trim(text, start..end), next: scan.position });
        }
        start = scan.position;
    }
    None
}

/// A range without white space at its ends.
pub fn trim(text: &[u8], range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let start = part.iter().position(|byte| !is_space(*byte)).unwrap_or(part.len());
    let end = part.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    range.start + start..range.start + end
}

pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The first words of a statement, as far as they say that it may have a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Words {
    #[default]
    None,
    Create,
    CreateOr,
    CreateOrReplace,
    /// CREATE FUNCTION or PROCEDURE.
    Routine,
    Other,
}

struct Scan<'a> {
    text: &'a [u8],
    position: usize,
    backslash: Backslash,
    words: Words,
    brackets: u32,
    /// BEGIN and CASE that are open in the body of a function.
    bodies: u32,
}

impl Scan<'_> {
    /// Goes to the end of a statement; whether there is anything in it.
    fn statement(&mut self) -> bool {
        self.words = Words::None;
        self.brackets = 0;
        self.bodies = 0;
        let mut content = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b';' if self.brackets == 0 && self.bodies == 0 => break,
                b'-' if self.peek(1) == Some(b'-') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                byte if is_space(byte) => self.position += 1,
                byte => {
                    content = true;
                    self.token(byte);
                }
            }
        }
        content
    }

    fn token(&mut self, byte: u8) {
        match byte {
            b'\'' => self.literal(self.backslash),
            b'"' => self.quoted(b'"'),
            b'$' => self.dollar(),
            b'(' => {
                self.brackets = self.brackets.saturating_add(1);
                self.position += 1;
            }
            b')' => {
                self.brackets = self.brackets.saturating_sub(1);
                self.position += 1;
            }
            byte if is_identifier_start(byte) => self.word(),
            byte if byte.is_ascii_digit() => self.skip_identifier(),
            _ => self.position += 1,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.position.checked_add(ahead)?).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn line_comment(&mut self) {
        let rest = self.rest();
        self.position += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    /// Comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0usize;
        while self.position < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.position += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth = depth.saturating_sub(1);
                    self.position += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.position += 1,
            }
        }
    }

    /// From the opening quote to behind the closing one. A doubled quote is the end of one and the start of another.
    fn quoted(&mut self, quote: u8) {
        self.position += 1;
        let rest = self.rest();
        self.position += memchr::memchr(quote, rest).map_or(rest.len(), |end| end + 1);
    }

    fn literal(&mut self, backslash: Backslash) {
        if backslash == Backslash::Plain {
            return self.quoted(b'\'');
        }
        self.position += 1;
        loop {
            let rest = self.rest();
            let Some(end) = memchr::memchr2(b'\'', b'\\', rest) else {
                self.position = self.text.len();
                return;
            };
            let escape = rest.get(end) == Some(&b'\\');
            // The escaped character goes with its backslash.
            self.position = self.position.saturating_add(end + 1 + usize::from(escape)).min(self.text.len());
            if !escape && self.peek(0) != Some(b'\'') {
                return;
            }
            if !escape {
                self.position += 1;
            }
        }
    }

    /// `$tag$ … $tag$`, or a parameter.
    fn dollar(&mut self) {
        let rest = self.rest();
        let tag_end = rest.iter().skip(1).position(|byte| !is_identifier(*byte) || *byte == b'$').map(|end| end + 1);
        let is_quote = |end: usize| rest.get(end) == Some(&b'$') && !rest.get(1).is_some_and(u8::is_ascii_digit);
        match tag_end.filter(|end| is_quote(*end)) {
            Some(end) => {
                let tag = &rest[..=end];
                let body = &rest[end + 1..];
                let close = memchr::memmem::find(body, tag).map_or(body.len(), |at| at + tag.len());
                self.position += end + 1 + close;
            }
            None => self.position += tag_end.unwrap_or(rest.len()),
        }
    }

    /// A key word, an identifier, or the letter before a literal.
    fn word(&mut self) {
        let start = self.position;
        self.skip_identifier();
        let word = self.text.get(start..self.position).unwrap_or_default();
        if self.peek(0) == Some(b'\'') && matches!(word, b"e" | b"E") {
            return self.literal(Backslash::Escape);
        }
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        self.words = match self.words {
            Words::None if is("create") => Words::Create,
            Words::Create if is("or") => Words::CreateOr,
            Words::CreateOr if is("replace") => Words::CreateOrReplace,
            Words::Create | Words::CreateOrReplace if is("function") || is("procedure") => Words::Routine,
            Words::Routine => Words::Routine,
            _ => Words::Other,
        };
        if self.words == Words::Routine && self.brackets == 0 {
            if is("begin") || self.bodies > 0 && is("case") {
                self.bodies = self.bodies.saturating_add(1);
            } else if is("end") {
                self.bodies = self.bodies.saturating_sub(1);
            }
        }
    }

    fn skip_identifier(&mut self) {
        let rest = self.rest();
        self.position += rest.iter().position(|byte| !is_identifier(*byte)).unwrap_or(rest.len());
    }
}

fn is_identifier_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
