// SPDX-License-Identifier: Apache-2.0
//! A message as one line of text: `request` and `response` (Packetbeat behaviour, section 4.3).
//!
//! Limit: records end when the line has [`MAX_TEXT_BYTES`].

use std::net::IpAddr;

use super::codes;
use super::event::MAX_TEXT_BYTES;
use super::message::{Flag, Kind, Message, OPT, Question, Record, Section};
use super::name::{Print, print_number};
use super::record::{self, Describe};
use crate::event::json::write_address;

/// `class IN, type A, example.org`, which is also `query`.
pub struct QuestionText<'a>(pub Question<'a>);

impl Print for QuestionText<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        "class ".print(out);
        codes::class(self.0.class).print(out);
        ", type ".print(out);
        codes::record_type(self.0.kind).print(out);
        ", ".print(out);
        self.0.name.print(out);
    }
}

/// A message with further answers behind those of its own (zone transfers).
pub struct Text<'a, F> {
    pub message: Message<'a>,
    /// Messages that continue the answer section.
    pub further: F,
}

impl<'a, F: Iterator<Item = Message<'a>> + Clone> Print for Text<'a, F> {
    fn print(&self, out: &mut Vec<u8>) {
        let message = &self.message;
        let end = out.len() + MAX_TEXT_BYTES;
        "ID ".print(out);
        print_number(out, message.id);
        match message.kind() {
            Kind::Query => "; QR query; OPCODE ".print(out),
            Kind::Response => "; QR response; OPCODE ".print(out),
        }
        codes::opcode(message.opcode()).print(out);
        "; FLAGS ".print(out);
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
                separator.print(out);
                name.print(out);
                separator = " ";
            }
        }
        "; RCODE ".print(out);
        codes::response_code(message.response_code()).print(out);
        let mut before = "; QUESTION ";
        for question in message.questions() {
            if out.len() >= end {
                break;
            }
            before.print(out);
            QuestionText(question).print(out);
            before = "; ";
        }
        let further = self.further.clone().flat_map(|message| message.records(Section::Answers));
        section(out, end, "; ANSWER ", message.records(Section::Answers).chain(further));
        section(out, end, "; AUTHORITY ", message.records(Section::Authorities));
        section(out, end, "; ADDITIONAL ", message.records(Section::Additionals));
    }
}

fn section<'a>(out: &mut Vec<u8>, end: usize, title: &str, records: impl Iterator<Item = Record<'a>>) {
    let mut before = title;
    for record in records {
        if out.len() >= end {
            break;
        }
        before.print(out);
        before = "; ";
        if record.kind != OPT {
            record::describe(&record, &mut Line(out));
        }
    }
}

/// A record as `key text, key text, data`; numbers are left out, as Packetbeat does.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn value(&mut self, key: &str, print: impl FnOnce(&mut Vec<u8>)) {
        if key == record::DATA {
            return print(self.0);
        }
        key.print(self.0);
        self.0.push(b' ');
        print(self.0);
        ", ".print(self.0);
    }
}

impl Describe for Line<'_> {
    fn number(&mut self, _key: &'static str, _number: u32) {}

    fn text(&mut self, key: &'static str, text: impl Print) {
        self.value(key, |out| text.print(out));
    }

    fn address(&mut self, key: &'static str, address: IpAddr) {
        self.value(key, |out| write_address(out, address));
    }
}
