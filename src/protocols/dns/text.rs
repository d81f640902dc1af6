// SPDX-License-Identifier: Apache-2.0
//! A message as one line of text: `request` and `response` (Packetbeat behaviour, section 4.3).
//!
//! Limit: records end when the line has [`MAX_TEXT_BYTES`].

use std::fmt::{self, Display, Formatter, Write};
use std::net::IpAddr;

use super::codes;
use super::event::MAX_TEXT_BYTES;
use super::message::{Flag, Kind, Message, Record, Section};
use super::record::{self, Describe};

/// A message with further answers behind those of its own (zone transfers).
pub struct Text<'a, F> {
    pub message: Message<'a>,
    /// Messages that continue the answer section.
    pub further: F,
}

/// `class IN, type A, example.org`, which is also `query`.
pub struct QuestionText<'a>(pub super::message::Question<'a>);

impl Display for QuestionText<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let question = &self.0;
        let (class, kind) = (codes::class(question.class), codes::record_type(question.kind));
        write!(formatter, "class {class}, type {kind}, {}", question.name)
    }
}

impl<'a, F: Iterator<Item = Message<'a>> + Clone> Display for Text<'a, F> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let message = &self.message;
        let mut out = Bounded { formatter, left_bytes: MAX_TEXT_BYTES };
        let direction = match message.kind() {
            Kind::Query => "query",
            Kind::Response => "response",
        };
        write!(out, "ID {}; QR {direction}; OPCODE {}; FLAGS ", message.id, codes::opcode(message.opcode()))?;
        let mut separator = "";
        for (flag, name) in [
            (Flag::Authoritative, "aa"),
            (Flag::Truncated, "tc"),
            (Flag::RecursionDesired, "rd"),
            (Flag::RecursionAvailable, "ra"),
            (Flag::AuthenticData, "ad"),
            (Flag::CheckingDisabled, "cd"),
        ] {
            if message.has(flag) {
                write!(out, "{separator}{name}")?;
                separator = " ";
            }
        }
        write!(out, "; RCODE {}", codes::response_code(message.response_code()))?;
        let mut before = "; QUESTION ";
        for question in message.questions() {
            if out.left_bytes == 0 {
                break;
            }
            write!(out, "{before}{}", QuestionText(question))?;
            before = "; ";
        }
        let further = self.further.clone().flat_map(|message| message.records(Section::Answers));
        out.section("; ANSWER ", message.records(Section::Answers).chain(further))?;
        out.section("; AUTHORITY ", message.records(Section::Authorities))?;
        out.section("; ADDITIONAL ", message.records(Section::Additionals))
    }
}

/// Counts what is written.
struct Bounded<'a, 'b> {
    formatter: &'a mut Formatter<'b>,
    left_bytes: usize,
}

impl Bounded<'_, '_> {
    fn section<'a>(&mut self, title: &str, records: impl Iterator<Item = Record<'a>>) -> fmt::Result {
        let mut before = title;
        for record in records {
            if self.left_bytes == 0 {
                break;
            }
            self.write_str(before)?;
            before = "; ";
            if record.kind != super::message::OPT {
                let mut line = Line { out: self, result: Ok(()) };
                record::describe(&record, &mut line);
                line.result?;
            }
        }
        Ok(())
    }
}

impl Write for Bounded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.left_bytes = self.left_bytes.saturating_sub(text.len());
        self.formatter.write_str(text)
    }
}

/// A record as `key text, key text, data`; numbers are left out, as Packetbeat does.
struct Line<'a, 'b, 'c> {
    out: &'a mut Bounded<'b, 'c>,
    result: fmt::Result,
}

impl Describe for Line<'_, '_, '_> {
    fn number(&mut self, _key: &'static str, _number: u32) {}

    fn text(&mut self, key: &'static str, text: impl Display) {
        let result = if key == "data" { write!(self.out, "{text}") } else { write!(self.out, "{key} {text}, ") };
        self.result = self.result.and(result);
    }

    fn address(&mut self, key: &'static str, address: IpAddr) {
        self.text(key, address);
    }
}
