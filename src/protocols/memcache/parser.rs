// SPDX-License-Identifier: Apache-2.0
//! The parser of one flow: a TCP connection, or the datagrams between two ports.

use std::sync::Arc;

use super::Options;
use super::binary::Role;
use super::datagrams::Datagrams;
use super::message::{Class, Form, Message};
use super::reader::{Found, Reader};
use super::session::{Session, Silence};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// How a TLS client begins: a handshake record of version 3.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// The parser of one flow.
pub struct MemcacheParser {
    options: Arc<Options>,
    requests: Reader,
    responses: Reader,
    session: Session,
    /// An error that came while its command was still being sent.
    early: Option<Box<Message>>,
    datagrams: Datagrams,
    /// The answer under way belongs to a command that was given up.
    discards_answer: bool,
    not_mine: bool,
}

impl MemcacheParser {
    pub fn new(options: Arc<Options>) -> MemcacheParser {
        MemcacheParser {
            requests: Reader::new(Role::Request),
            responses: Reader::new(Role::Response),
            session: Session::new(Arc::clone(&options)),
            early: None,
            datagrams: Datagrams::new(Arc::clone(&options)),
            discards_answer: false,
            not_mine: false,
            options,
        }
    }

    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.requests.message.capacity_bytes()
            + self.responses.message.capacity_bytes()
            + self.session.kept_bytes()
            + self.datagrams.kept_bytes()
    }

    fn client_bytes(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Step {
        let mut position = 0;
        loop {
            match self.requests.next(bytes, &mut position, context.now_ns, &self.options) {
                Found::Message => self.command(context),
                Found::Need { more: 0 } => return Step::All,
                Found::Need { more } => return Step::Consumed { bytes: position, need: more },
                Found::Invalid => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    if bytes.starts_with(&TLS_HANDSHAKE) {
                        self.not_mine = true;
                        return Step::NotMine;
                    }
                    self.requests.lose_step();
                    return Step::Resynchronise;
                }
            }
        }
    }

    fn command(&mut self, context: &mut Context<'_>) {
        match self.early.take() {
            Some(response) => self.session.early(context, &self.requests.message, &response),
            None => self.session.request(context, &mut self.requests.message),
        }
    }

    fn server_bytes(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Step {
        self.session.touch(context.now_ns);
        let mut position = 0;
        loop {
            match self.responses.next(bytes, &mut position, context.now_ns, &self.options) {
                Found::Message => {
                    self.answer(context);
                    if self.session.is_watching() {
                        self.not_mine = true;
                        return Step::NotMine;
                    }
                }
                Found::Need { more: 0 } => return Step::All,
                Found::Need { more } => return Step::Consumed { bytes: position, need: more },
                Found::Invalid => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    self.lost_answers(context);
                    return Step::Resynchronise;
                }
            }
        }
    }

    fn answer(&mut self, context: &mut Context<'_>) {
        if std::mem::take(&mut self.discards_answer) {
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            return;
        }
        let response = &mut self.responses.message;
        let is_early = self.session.is_empty()
            && self.early.is_none()
            && self.requests.is_inside()
            && response.form == Form::Text
            && response.class == Class::Fail;
        if is_early {
            self.early = Some(Box::new(std::mem::take(response)));
        } else {
            self.session.response(context, response);
        }
    }

    /// Bytes of the server are missing: no answer that is still to come can be told from another.
    fn lost_answers(&mut self, context: &mut Context<'_>) {
        self.give_up(context, Silence::Doubtful);
        self.responses.lose_step();
    }

    /// The command under way will not be complete.
    fn lost_command(&mut self, context: &mut Context<'_>) {
        if self.requests.is_inside() && self.requests.abandon() {
            self.command(context);
        }
        self.requests.lose_step();
    }

    /// Publishes what waits, with what came of the answer under way.
    fn give_up(&mut self, context: &mut Context<'_>, silence: Silence) {
        let partial = self.responses.is_inside() && self.responses.abandon() && !self.discards_answer;
        self.discards_answer = false;
        self.session.give_up(context, partial.then_some(&self.responses.message), silence);
    }
}

impl Parser for MemcacheParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.not_mine {
            return Step::NotMine;
        }
        match direction {
            Direction::ToServer => self.client_bytes(context, bytes),
            Direction::ToClient => self.server_bytes(context, bytes),
        }
    }

    fn gap(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        _pending: &[u8],
        missing_bytes: u64,
    ) -> AfterGap {
        let reader = match direction {
            Direction::ToServer => &mut self.requests,
            Direction::ToClient => &mut self.responses,
        };
        if reader.bridge(missing_bytes) {
            if reader.next(&[], &mut 0, context.now_ns, &self.options) == Found::Message {
                match direction {
                    Direction::ToServer => self.command(context),
                    Direction::ToClient => self.answer(context),
                }
            }
            return AfterGap::Continue;
        }
        match direction {
            Direction::ToServer => self.lost_command(context),
            Direction::ToClient => self.lost_answers(context),
        }
        AfterGap::Restart
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], _end: End) {
        match direction {
            Direction::ToServer => {
                self.lost_command(context);
                self.requests.reset();
            }
            Direction::ToClient => {
                self.give_up(context, Silence::Meant);
                self.responses.reset();
            }
        }
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.datagrams.datagram(context, direction, payload, wire_length);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        self.datagrams.expire(context);
        let since = self.session.waiting_since_ns();
        if since.is_some_and(|since| since.saturating_add(self.options.transaction_timeout_ns) <= context.now_ns) {
            // The rest of the answer may still come, and tells where the next one begins.
            self.discards_answer = self.responses.is_inside();
            self.session.give_up(context, None, Silence::Meant);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        let stream = self.session.waiting_since_ns().map(|ns| ns.saturating_add(self.options.transaction_timeout_ns));
        stream.into_iter().chain(self.datagrams.deadline_ns()).min()
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.lost_command(context);
        self.give_up(context, Silence::Meant);
        self.datagrams.finish(context);
        self.reset();
    }

    fn reset(&mut self) {
        self.requests.reset();
        self.responses.reset();
        self.session.reset();
        self.early = None;
        self.datagrams.reset();
        self.discards_answer = false;
        self.not_mine = false;
    }
}
