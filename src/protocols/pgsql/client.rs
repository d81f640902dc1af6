// SPDX-License-Identifier: Apache-2.0
//! What the client's messages do: a Query, or the Parse, Bind, Describe, Execute and Close messages that make up one unit
//! each time, and the Sync behind them.

use std::io::Write as _;

use super::event::{self, Named, Outcome};
use super::frames::{Message, UNTYPED};
use super::message::{Bind, MAX_TEXT_BYTES, Reader, Startup, Trust};
use super::response::Response;
use super::session::{MAX_WAITING_BYTES, Session};
use super::unit::{Kind, Unit};
use crate::protocols::{Context, ProtocolCounter};

/// What is kept of a text when others that wait take all the room.
const MAX_BYTES_WITHOUT_ROOM: usize = 1024;
/// Longest name that stands for a statement that was not seen, longest login.
const MAX_NAME_BYTES: usize = 1024;

impl Session {
    /// Takes a message of the client.
    pub fn client_message(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        let done = match message.kind {
            UNTYPED => self.startup(context, message, start_ns),
            b'Q' => self.query(context, message, start_ns),
            b'P' => self.parse(context, message, start_ns),
            b'B' => self.bind(context, message, start_ns),
            b'D' => self.describe(context, message, start_ns),
            b'E' => self.execute(context, message, start_ns),
            b'C' => self.close(context, message, start_ns),
            b'F' => self.function(context, message, start_ns),
            b'S' => {
                self.sync(context, message, start_ns);
                Some(())
            }
            b'H' => {
                self.credit(message.wire_bytes);
                Some(())
            }
            b'd' | b'c' | b'f' => {
                self.copied(context, message);
                Some(())
            }
            b'p' => {
                self.password(context, message);
                Some(())
            }
            // Terminate.
            _ => Some(()),
        };
        if done.is_none() {
            context.count(ProtocolCounter::ParseFailures, 1);
            self.out_of_step = true;
            return;
        }
        self.client_trust = Trust::InStep;
        if !matches!(message.kind, b'd' | b'S' | b'H' | b'X') {
            context.count(ProtocolCounter::Messages, 1);
        }
    }

    /// A request that was lost from somewhere inside it on: what there is of it, as if it were all.
    pub fn partial_message(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        match message.kind {
            b'Q' => {
                self.query(context, message, start_ns);
            }
            b'P' if self.parse(context, message, start_ns).is_some() => {
                if let Some(unit) = self.queue.back_mut() {
                    unit.kind = Kind::Execute;
                    unit.open = false;
                }
                let sync = self.unit(Kind::Sync, start_ns);
                self.push(context, sync);
            }
            _ => {}
        }
    }

    fn startup(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        let startup = Startup::parse(message.payload)?;
        let under_way = self.queue.front().is_some_and(|unit| unit.kind == Kind::Login) && !self.login.started;
        if !under_way && (!self.queue.is_empty() || self.client_trust == Trust::InStep) {
            return None;
        }
        if let Startup::Cancel { process } = startup {
            return self.cancel(context, message, start_ns, process);
        }
        if startup == Startup::Other {
            context.count(ProtocolCounter::SkippedBytes, message.wire_bytes);
            self.not_mine = true;
            return Some(());
        }
        if !under_way {
            let unit = self.unit(Kind::Login, start_ns);
            self.push(context, unit);
        }
        self.login.expects_byte = startup == Startup::Encryption;
        let unit = self.queue.front_mut()?;
        self.queue_bytes = self.queue_bytes.saturating_sub(unit.text.len());
        unit.text.clear();
        unit.bytes += message.wire_bytes;
        unit.sent_ns = context.now_ns;
        unit.text.extend_from_slice(b"CONNECT");
        if let Startup::Login { user, database } = startup {
            self.login.started = true;
            for (before, name) in [(&b" "[..], user), (b" on ", database)] {
                unit.text.extend_from_slice(before);
                unit.text.extend_from_slice(name.get(..MAX_NAME_BYTES).unwrap_or(name));
            }
        }
        self.queue_bytes += unit.text.len();
        Some(())
    }

    /// A connection of its own, which the server closes without an answer.
    fn cancel(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64, process: u32) -> Option<()> {
        let mut unit = self.unit(Kind::Function, start_ns);
        unit.bytes = message.wire_bytes;
        // Writing into a vector cannot fail.
        let _ = write!(unit.text, "CANCEL {process}");
        let named = Named { text: &unit.text, unknown: false, cut: false, damaged: false };
        event::publish(context, &self.options, &unit, &named, &Response::default(), Outcome::Answered);
        self.recycle(unit);
        Some(())
    }

    fn password(&mut self, context: &mut Context<'_>, message: &Message<'_>) {
        if let Some(unit) = self.queue.front_mut().filter(|unit| unit.kind == Kind::Login) {
            unit.bytes += message.wire_bytes;
            unit.sent_ns = context.now_ns;
            self.login.password_sent = true;
        }
    }

    fn query(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        self.close_group();
        let text = message.payload.strip_suffix(b"\0").unwrap_or(message.payload);
        let room = if self.queue_bytes > MAX_WAITING_BYTES { MAX_BYTES_WITHOUT_ROOM } else { MAX_TEXT_BYTES };
        let mut unit = self.unit(Kind::Query, start_ns);
        unit.text.extend_from_slice(text.get(..room).unwrap_or(text));
        unit.cut = unit.text.len() + 1 < message.length;
        unit.damaged = message.damaged;
        unit.bytes = message.wire_bytes;
        self.push(context, unit);
        Some(())
    }

    fn function(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        self.close_group();
        let function = Reader::new(message.payload).u32()?;
        let mut unit = self.unit(Kind::Function, start_ns);
        // Writing into a vector cannot fail.
        let _ = write!(unit.text, "FUNCTION {function}");
        unit.damaged = message.damaged;
        unit.bytes = message.wire_bytes;
        self.push(context, unit);
        Some(())
    }

    fn parse(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        let mut reader = Reader::new(message.payload);
        let name = reader.text()?;
        let text = reader.text_or_part();
        let kept = text.get(..MAX_TEXT_BYTES).unwrap_or(text);
        // A text without its end goes on behind what was kept.
        let cut = kept.len() < text.len() || reader.rest().is_empty() && message.payload.len() < message.length;
        let id = self.statements.parse(name, kept);
        self.statements.mark(id, cut, message.damaged);
        self.statements.hold(id);
        let unit = self.group(context, start_ns, |unit| unit.has_parse || unit.has_bind || unit.statement.is_some())?;
        unit.has_parse = true;
        unit.statement = Some(id);
        add(unit, message, context.now_ns);
        unit.acknowledgements += 1;
        Some(())
    }

    fn bind(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        let bind = Bind::parse(message.payload)?;
        let id = self.statements.find(bind.statement);
        self.statements.bind(bind.portal, id, bind.formats);
        let other = |unit: &Unit| unit.has_bind || unit.statement.is_some() && unit.statement != id;
        let unit = self.group(context, start_ns, other)?;
        unit.has_bind = true;
        unit.formats = bind.formats;
        add(unit, message, context.now_ns);
        unit.acknowledgements += 1;
        let held = std::mem::replace(&mut unit.statement, id).is_some();
        if id.is_none() {
            self.name_back(b"EXECUTE", bind.statement);
        }
        if !held {
            id.into_iter().for_each(|id| self.statements.hold(id));
        }
        Some(())
    }

    fn describe(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        let mut reader = Reader::new(message.payload);
        let kind = reader.u8()?;
        let name = reader.text_or_part();
        let id = match kind {
            b'S' => self.statements.find(name),
            b'P' => self.statements.portal(name).and_then(|portal| portal.statement),
            _ => return None,
        };
        let unit = self.group(context, start_ns, |_| false)?;
        add(unit, message, context.now_ns);
        unit.acknowledgements += 1;
        match (unit.statement, id) {
            (None, Some(id)) => {
                unit.statement = Some(id);
                self.statements.hold(id);
            }
            (None, None) => self.name_back(b"DESCRIBE", name),
            _ => {}
        }
        Some(())
    }

    fn execute(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        let name = Reader::new(message.payload).text_or_part();
        let portal = self.statements.portal(name);
        let id = portal.and_then(|portal| portal.statement);
        let other = |unit: &Unit| unit.statement.is_some() && id.is_some() && unit.statement != id;
        let unit = self.group(context, start_ns, other)?;
        unit.kind = Kind::Execute;
        unit.open = false;
        add(unit, message, context.now_ns);
        if let Some(portal) = portal {
            unit.formats = portal.formats;
        }
        match (unit.statement, id) {
            (None, Some(id)) => {
                unit.statement = Some(id);
                self.statements.hold(id);
            }
            (None, None) => self.name_back(b"EXECUTE", name),
            _ => {}
        }
        if self.skips_to_sync {
            // Nothing else waits after an error whose Sync was not sent.
            self.publish_front(context, Outcome::Skipped);
            self.drop_front();
        }
        Some(())
    }

    /// Gives the last unit a text for a statement or portal that was not seen, unless it has one.
    fn name_back(&mut self, verb: &[u8], name: &[u8]) {
        if let Some(unit) = self.queue.back_mut().filter(|unit| unit.text.is_empty()) {
            unit.text.extend_from_slice(verb);
            unit.text.push(b' ');
            unit.text.extend_from_slice(name.get(..MAX_NAME_BYTES).unwrap_or(name));
            unit.text.truncate(unit.text.trim_ascii_end().len());
            self.queue_bytes += unit.text.len();
        }
    }

    fn close(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) -> Option<()> {
        let mut reader = Reader::new(message.payload);
        let kind = reader.u8()?;
        let name = reader.text_or_part();
        match kind {
            b'S' => self.statements.close(name),
            b'P' => self.statements.close_portal(name),
            _ => return None,
        }
        let before = self.queue.back_mut().filter(|unit| unit.kind == Kind::Execute);
        before.into_iter().for_each(|unit| unit.bytes += message.wire_bytes);
        let unit = self.group(context, start_ns, |_| false)?;
        add(unit, message, context.now_ns);
        unit.acknowledgements += 1;
        Some(())
    }

    fn sync(&mut self, context: &mut Context<'_>, message: &Message<'_>, start_ns: i64) {
        self.close_group();
        self.credit(message.wire_bytes);
        if std::mem::take(&mut self.skips_to_sync) {
            while self.queue.front().is_some_and(|unit| unit.kind == Kind::Prepare) {
                self.drop_front();
            }
        }
        let unit = self.unit(Kind::Sync, start_ns);
        self.push(context, unit);
    }

    /// Copied data, and its end.
    fn copied(&mut self, context: &mut Context<'_>, message: &Message<'_>) {
        let unit = self.queue.front_mut().filter(|unit| matches!(unit.kind, Kind::Query | Kind::Execute));
        if let Some(unit) = unit {
            unit.bytes += message.wire_bytes;
            unit.damaged |= message.damaged;
            self.heard_ns = context.now_ns;
        }
        context.count(ProtocolCounter::SkippedBytes, message.wire_bytes);
    }

    /// The unit that further messages of the extended protocol belong to: the last one, unless a message cannot go there.
    fn group(
        &mut self,
        context: &mut Context<'_>,
        start_ns: i64,
        is_other: impl Fn(&Unit) -> bool,
    ) -> Option<&mut Unit> {
        let open = self.queue.back().is_some_and(|unit| unit.open && !is_other(unit));
        if !open {
            self.close_group();
            let mut unit = self.unit(Kind::Prepare, start_ns);
            unit.open = true;
            self.push(context, unit);
        }
        self.queue.back_mut()
    }

    fn close_group(&mut self) {
        self.queue.back_mut().into_iter().for_each(|unit| unit.open = false);
    }

    /// Counts a Sync or a Flush with the request before it.
    fn credit(&mut self, bytes: u64) {
        for unit in self.queue.iter_mut().rev().take(3) {
            match unit.kind {
                // A Close behind an Execute.
                Kind::Prepare if !unit.has_parse && !unit.has_bind => {}
                Kind::Prepare | Kind::Execute => {
                    unit.bytes += bytes;
                    return;
                }
                _ => return,
            }
        }
    }
}

fn add(unit: &mut Unit, message: &Message<'_>, now_ns: i64) {
    unit.bytes += message.wire_bytes;
    unit.damaged |= message.damaged;
    unit.sent_ns = now_ns;
}
