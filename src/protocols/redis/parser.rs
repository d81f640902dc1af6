// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: reads both directions and gives commands and answers to the session.

use std::sync::Arc;

use super::Options;
use super::request::{self, RequestReader};
use super::response::{self, Response, ResponseReader};
use super::session::Session;
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// The parser of one connection.
pub struct RedisParser {
    requests: RequestReader,
    responses: ResponseReader,
    session: Session,
    /// What the server sends means nothing before the next command: where the capture begins, and after lost bytes.
    is_deaf: bool,
    /// The answer under way belongs to nobody.
    discards_answer: bool,
    /// When bytes of the answer under way came last.
    heard_ns: i64,
}

impl RedisParser {
    pub fn new(options: Arc<Options>) -> RedisParser {
        RedisParser {
            requests: RequestReader::default(),
            responses: ResponseReader::default(),
            session: Session::new(options),
            is_deaf: true,
            discards_answer: false,
            heard_ns: 0,
        }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.requests.request.held_bytes() + self.responses.held_bytes() + self.session.held_bytes()
    }

    fn client_bytes(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Step {
        if self.requests.is_out_of_step() && bytes.starts_with(&TLS_HANDSHAKE) {
            self.session.not_mine = true;
            return Step::NotMine;
        }
        let mut position = 0;
        loop {
            match self.requests.next(bytes, &mut position, context.now_ns) {
                request::Found::Request => self.command(context),
                request::Found::Need { more: 0 } => return Step::All,
                request::Found::Need { more } => return Step::Consumed { bytes: position, need: more },
                request::Found::Skipped { bytes } => context.count(ProtocolCounter::SkippedBytes, bytes as u64),
                request::Found::Invalid => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    self.command(context);
                }
            }
        }
    }

    fn command(&mut self, context: &mut Context<'_>) {
        let settled = self.session.command(context, &mut self.requests.request);
        if std::mem::take(&mut self.is_deaf) {
            self.responses.reset();
            self.discards_answer = false;
        } else if settled {
            self.discards_answer = self.responses.is_inside();
        }
    }

    fn server_bytes(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Step {
        if self.is_deaf {
            context.count(ProtocolCounter::SkippedBytes, bytes.len() as u64);
            return Step::All;
        }
        self.heard_ns = context.now_ns;
        let mut position = 0;
        loop {
            if !self.responses.is_inside() {
                // Line ends before an answer are a master's signs of life.
                position += bytes.iter().skip(position).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if bytes.get(position) == Some(&b'$') && self.session.expects_stream() {
                    self.session.stream_begins(context);
                    self.session.give_up(context, None);
                    return Step::NotMine;
                }
            }
            match self.responses.next(bytes, &mut position, context.now_ns) {
                response::Found::Response if std::mem::take(&mut self.discards_answer) => {
                    context.count(ProtocolCounter::UnmatchedResponses, 1);
                }
                response::Found::Response => self.session.response(context, &self.responses.response),
                response::Found::Need { more: 0 } => return Step::All,
                response::Found::Need { more } => return Step::Consumed { bytes: position, need: more },
                response::Found::Invalid => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    self.lost_answers(context, usize::MAX);
                    return Step::Resynchronise;
                }
            }
            if self.session.not_mine {
                self.session.give_up(context, None);
                return Step::NotMine;
            }
        }
    }

    fn lost_answers(&mut self, context: &mut Context<'_>, most: usize) {
        let partial = under_way(&self.responses, self.discards_answer);
        self.session.lost_answers(context, partial, most);
        self.responses.reset();
        self.discards_answer = false;
        self.is_deaf = true;
    }
}

/// The answer that has begun and belongs to the command at the front.
fn under_way(responses: &ResponseReader, discards_answer: bool) -> Option<&Response> {
    (responses.is_inside() && !discards_answer).then_some(&responses.response)
}

/// `+` and a line end.
const SHORTEST_ANSWER_BYTES: u64 = 3;

/// How a TLS client begins: a handshake record of version 3.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

impl Parser for RedisParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.session.not_mine {
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
        match direction {
            Direction::ToServer => {
                if self.requests.bridge(missing_bytes) {
                    return AfterGap::Continue;
                }
                let cut = self.requests.abandon().is_some();
                if cut {
                    self.command(context);
                }
                self.session.lost_commands(context.now_ns);
            }
            Direction::ToClient => {
                if !self.is_deaf && self.responses.bridge(missing_bytes) {
                    return AfterGap::Continue;
                }
                // The answer that was cut, and what fits into the gap; what is behind it begins somewhere.
                let most = missing_bytes.div_ceil(SHORTEST_ANSWER_BYTES).saturating_add(2);
                self.lost_answers(context, usize::try_from(most).unwrap_or(usize::MAX));
            }
        }
        AfterGap::Restart
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], _end: End) {
        match direction {
            Direction::ToServer => self.requests.reset(),
            Direction::ToClient => {
                self.session.give_up(context, under_way(&self.responses, self.discards_answer));
                self.responses.reset();
                self.discards_answer = false;
                self.is_deaf = true;
            }
        }
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        let partial = under_way(&self.responses, self.discards_answer);
        self.session.expire(context, partial, partial.map(|_| self.heard_ns));
    }

    fn deadline_ns(&self) -> Option<i64> {
        let partial = under_way(&self.responses, self.discards_answer);
        self.session.deadline_ns(partial.map(|_| self.heard_ns))
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.session.give_up(context, under_way(&self.responses, self.discards_answer));
        self.reset();
    }

    fn reset(&mut self) {
        self.requests.reset();
        self.responses.reset();
        self.session.reset();
        self.is_deaf = true;
        self.discards_answer = false;
        self.heard_ns = 0;
    }
}
