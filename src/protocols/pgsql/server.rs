// SPDX-License-Identifier: Apache-2.0
//! What the server's messages do: acknowledgements, rows, the ends of results, errors, ReadyForQuery.

use super::event::Outcome;
use super::frames::Message;
use super::message::{Failure, Formats, Reader, Trust};
use super::session::Session;
use super::split::{self, Backslash};
use super::unit::{Kind, Unit};
use crate::protocols::{Context, ProtocolCounter};

/// `AuthenticationOk`.
const AUTHENTICATED: u32 = 0;

impl Session {
    /// Takes the byte that answers a request for encryption; false when it is the beginning of an error.
    pub fn encryption_answer(&mut self, byte: u8) -> bool {
        self.login.expects_byte = false;
        match byte {
            b'N' => {
                self.login.refused_encryption = true;
                true
            }
            b'S' | b'G' => {
                self.leave();
                true
            }
            _ => false,
        }
    }

    /// Takes a message of the server.
    pub fn server_message(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        match message.kind {
            // Notices and notifications come at any time.
            b'N' | b'A' | b'K' | b'v' => return,
            b'S' => return self.parameter(message.payload),
            b'E' => return self.error(context, message, start_ns),
            b'Z' => return self.ready(context),
            _ => {}
        }
        let Some(unit) = self.queue.front_mut() else {
            if matches!(message.kind, b'C' | b'I' | b's' | b'V') {
                context.count(ProtocolCounter::UnmatchedResponses, 1);
            }
            return;
        };
        self.heard_ns = context.now_ns;
        match message.kind {
            b'R' => {
                if unit.kind == Kind::Login {
                    self.response.count(message, start_ns);
                    self.login.asked |= Reader::new(message.payload).u32().is_some_and(|code| code != AUTHENTICATED);
                }
            }
            b'1' | b'2' | b'3' | b'n' => self.acknowledged(),
            b't' => self.response.of_statement = true,
            b'T' => self.described(context, message, start_ns),
            b'D' => self.row(context, message, start_ns),
            b'G' => {
                self.response.count(message, start_ns);
                self.response.copies_in = true;
                // A Sync that was sent before the copied data is passed over; the one behind it is answered.
                let syncs = self.queue.get(1).is_some_and(|unit| unit.kind == Kind::Sync);
                if syncs && self.queue.front().is_some_and(|unit| unit.kind == Kind::Execute) {
                    self.queue.remove(1);
                }
            }
            b'H' | b'c' => self.response.count(message, start_ns),
            b'd' => {
                self.response.count(message, start_ns);
                context.count(ProtocolCounter::SkippedBytes, message.wire_bytes);
            }
            b'W' => {
                // A stream of changes without an end.
                self.response.count(message, start_ns);
                if !std::mem::replace(&mut unit.published, true) {
                    self.publish_front(context, Outcome::Answered);
                }
            }
            _ => self.completed(context, message, start_ns),
        }
    }

    /// ParameterStatus: name and value.
    fn parameter(&mut self, payload: &[u8]) {
        let mut reader = Reader::new(payload);
        if reader.text() == Some(b"standard_conforming_strings") {
            self.backslash = if reader.text() == Some(b"off") { Backslash::Escape } else { Backslash::Plain };
        }
    }

    /// One message of the first unit was carried out.
    fn acknowledged(&mut self) {
        let Some(unit) = self.queue.front_mut() else {
            return;
        };
        unit.acknowledgements = unit.acknowledgements.saturating_sub(1);
        if unit.kind == Kind::Prepare && unit.acknowledgements == 0 {
            self.drop_front();
        }
    }

    fn described(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        let Some(unit) = self.queue.front() else {
            return;
        };
        let (kind, statement) = (unit.kind, unit.statement);
        let formats = self.response.of_statement.then_some(unit.formats);
        if !matches!(kind, Kind::Query | Kind::Prepare | Kind::Execute) {
            return;
        }
        self.response.count(message, start_ns);
        if self.response.describe(message.payload, formats, &self.wanted).is_none() {
            return self.broken(context);
        }
        if kind != Kind::Query {
            let whole = message.payload.len() == message.length;
            statement.filter(|_| whole).into_iter().for_each(|id| self.statements.describe(id, message.payload));
            self.acknowledged();
        }
    }

    fn row(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        let Some(unit) = self.queue.front() else {
            return;
        };
        if unit.published || !matches!(unit.kind, Kind::Query | Kind::Execute) {
            return;
        }
        let formats = if unit.kind == Kind::Query { Formats::Text } else { unit.formats };
        if !self.response.is_described() {
            let description = unit.statement.and_then(|id| self.statements.get(id)).map(|known| &known.description);
            if let Some(description) = description.filter(|description| !description.is_empty()) {
                // Rows that do not fit it are shown as they are.
                self.response.describe(description, Some(formats), &self.wanted);
            }
        }
        self.response.count(message, start_ns);
        if self.response.row(message.payload, formats, &self.wanted).is_none() {
            self.broken(context);
        }
    }

    fn broken(&mut self, context: &mut Context<'_>) {
        context.count(ProtocolCounter::ParseFailures, 1);
        self.lost_answer(context);
        self.out_of_step = true;
    }

    /// CommandComplete, EmptyQueryResponse, PortalSuspended or FunctionCallResponse.
    fn completed(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        // Acknowledgements that were missed.
        while self.queue.len() > 1 && self.queue.front().is_some_and(|unit| unit.kind == Kind::Prepare) {
            self.drop_front();
        }
        let Some(unit) = self.queue.front_mut() else {
            return;
        };
        let fits = match unit.kind {
            Kind::Query => matches!(message.kind, b'C' | b'I'),
            Kind::Execute => matches!(message.kind, b'C' | b'I' | b's'),
            Kind::Function => message.kind == b'V',
            Kind::Prepare | Kind::Sync | Kind::Login => false,
        };
        if !fits {
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            return;
        }
        self.server_trust = Trust::InStep;
        let (kind, published) = (unit.kind, unit.published);
        unit.results += 1;
        self.response.count(message, start_ns);
        if message.kind == b'C' {
            self.response.complete(message.payload);
        }
        match kind {
            _ if published => {}
            Kind::Query => self.completed_statement(context),
            Kind::Execute if self.is_set() => {}
            _ => self.publish_front(context, Outcome::Answered),
        }
        match kind {
            Kind::Execute => self.drop_front(),
            Kind::Function => self.silence_front(),
            _ => {}
        }
        self.response.clear();
    }

    /// One statement of a query is answered.
    fn completed_statement(&mut self, context: &mut Context<'_>) {
        let Some(unit) = self.queue.front() else {
            return;
        };
        if split::next_statement(&unit.text, unit.position, self.backslash).is_none() && !unit.cut && unit.results > 1 {
            // More results than statements.
            context.count(ProtocolCounter::UnmatchedResponses, 1);
        } else {
            self.publish_front(context, Outcome::Answered);
        }
        self.next_statement();
    }

    /// A setting that a driver makes: Packetbeat leaves it out, unless it fails.
    fn is_set(&self) -> bool {
        let statement = self.queue.front().and_then(|unit| unit.statement).and_then(|id| self.statements.get(id));
        statement.is_some_and(|statement| statement.text.starts_with(b"SET "))
    }

    fn error(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        let failure = Failure::parse(message.payload);
        let Some(unit) = self.queue.front() else {
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            if failure.fatal {
                self.keep_last_words(&failure);
            }
            return;
        };
        let (kind, published) = (unit.kind, unit.published);
        self.server_trust = Trust::InStep;
        if kind == Kind::Query && !published {
            self.go_to_failed_statement(&failure);
        }
        if !published {
            self.response.count(message, start_ns);
            self.response.fail(&failure);
            self.publish_front(context, Outcome::Answered);
        }
        match kind {
            Kind::Login => self.drop_front(),
            Kind::Query | Kind::Function | Kind::Sync => {
                self.response.clear();
                self.silence_front();
            }
            Kind::Prepare | Kind::Execute => {
                self.drop_front();
                self.skip_to_sync(context);
            }
        }
    }

    /// The text of a query is parsed before any of it runs: an error that points behind the statement that was due belongs
    /// to a later one, and those before it never ran.
    fn go_to_failed_statement(&mut self, failure: &Failure<'_>) {
        let backslash = self.backslash;
        let (Some(position), Some(unit)) = (failure.position, self.queue.front_mut()) else {
            return;
        };
        let Some(at) = byte_of_character(&unit.text, position) else {
            return;
        };
        while let Some(found) = split::next_statement(&unit.text, unit.position, backslash) {
            if at < found.next || split::next_statement(&unit.text, found.next, backslash).is_none() {
                return;
            }
            unit.position = found.next;
        }
    }

    /// After an error the server passes over everything up to the next Sync.
    fn skip_to_sync(&mut self, context: &mut Context<'_>) {
        while let Some(unit) = self.queue.front() {
            match unit.kind {
                Kind::Execute if !unit.published => self.publish_front(context, Outcome::Skipped),
                Kind::Execute | Kind::Prepare => {}
                _ => return,
            }
            self.drop_front();
        }
        self.skips_to_sync = true;
    }

    /// ReadyForQuery: the cycle is over.
    fn ready(&mut self, context: &mut Context<'_>) {
        let Some(last) = self.queue.iter().position(Unit::ends_cycle) else {
            self.aligned |= self.queue.is_empty();
            self.drop_request = self.client_trust == Trust::Nothing;
            self.server_trust = Trust::InStep;
            return;
        };
        let first = &self.queue[0];
        let unanswered = first.kind == Kind::Query && !first.published && first.results == 0;
        if unanswered && !self.aligned && !self.response.has_begun() {
            // The end of a cycle whose beginning was not seen.
            return;
        }
        self.server_trust = Trust::InStep;
        for _ in 0..=last {
            let Some(unit) = self.queue.front() else {
                break;
            };
            let lost = match unit.kind {
                Kind::Execute | Kind::Function => !unit.published,
                Kind::Query => !unit.published && unit.results == 0,
                _ => false,
            };
            if lost {
                self.publish_front(context, Outcome::Lost);
            }
            self.drop_front();
        }
        self.skips_to_sync = false;
        self.aligned |= self.queue.is_empty();
    }
}

/// Where a character stands, counted from 1, in text that is UTF-8 or has one byte a character.
fn byte_of_character(text: &[u8], position: usize) -> Option<usize> {
    let wanted = position.checked_sub(1)?;
    let mut starts = text.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80).map(|(index, _)| index);
    starts.nth(wanted).or_else(|| text.len().checked_sub(1))
}
