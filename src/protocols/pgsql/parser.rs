// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: cuts both directions into messages and gives them to the session.

use std::sync::Arc;

use super::Options;
use super::event::Outcome;
use super::frames::{MessageReader, Next};
use super::message::{self, Trust};
use super::session::Session;
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// The parser of one connection.
pub struct PgsqlParser {
    readers: [MessageReader; 2],
    /// When the first bytes of the message under way came.
    begun_ns: [Option<i64>; 2],
    /// Bytes that were given and not consumed; they come again.
    left_bytes: [usize; 2],
    session: Session,
}

impl PgsqlParser {
    pub fn new(options: Arc<Options>) -> PgsqlParser {
        PgsqlParser {
            readers: Default::default(),
            begun_ns: [None; 2],
            left_bytes: [0; 2],
            session: Session::new(options),
        }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.readers.iter().map(MessageReader::held_bytes).sum::<usize>() + self.session.held_bytes()
    }

    fn messages(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8], start: usize) -> Step {
        let PgsqlParser { readers, begun_ns, session, .. } = self;
        let reader = &mut readers[direction as usize];
        let begun_ns = &mut begun_ns[direction as usize];
        let mut position = start;
        while position < bytes.len() || reader.has_finished() {
            if direction == Direction::ToClient && session.login.expects_byte && reader.is_idle() {
                let byte = bytes.get(position).copied().unwrap_or_default();
                if session.encryption_answer(byte) {
                    position += 1;
                    if session.not_mine {
                        return Step::NotMine;
                    }
                    continue;
                }
            }
            if reader.is_idle() && !message::may_begin(direction, bytes.get(position..).unwrap_or_default()) {
                *begun_ns = None;
                session.refused(context, direction);
                return Step::Resynchronise;
            }
            let start_ns = *begun_ns.get_or_insert(context.now_ns);
            let wanted = |head| match direction {
                Direction::ToServer => message::wanted_from_client(head, session.client_trust),
                Direction::ToClient => {
                    message::wanted_from_server(head, session.server_trust, session.response.row_bytes(&session.wanted))
                }
            };
            let message = match reader.next(bytes, &mut position, wanted) {
                Next::Message(message) => message,
                Next::Need(need) => return Step::Consumed { bytes: position, need },
                Next::Refused => {
                    *begun_ns = None;
                    reader.reset();
                    session.refused(context, direction);
                    return Step::Resynchronise;
                }
            };
            *begun_ns = None;
            match direction {
                Direction::ToServer => session.client_message(context, &message, start_ns),
                Direction::ToClient => session.server_message(context, &message, start_ns),
            }
            if session.not_mine {
                return Step::NotMine;
            }
            if std::mem::take(&mut session.out_of_step) {
                reader.reset();
                return Step::Resynchronise;
            }
        }
        Step::All
    }
}

impl Session {
    /// Bytes are no message where they stand.
    fn refused(&mut self, context: &mut Context<'_>, direction: Direction) {
        context.count(ProtocolCounter::ParseFailures, 1);
        match direction {
            Direction::ToServer => {
                self.client_trust = Trust::Nothing;
                self.lost_requests();
            }
            Direction::ToClient => {
                self.server_trust = Trust::Nothing;
                if self.response.has_begun() {
                    self.lost_answer(context);
                }
            }
        }
    }
}

impl Parser for PgsqlParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let reader = &mut self.readers[direction as usize];
        let before_login = self.session.is_new() || self.session.login.expects_byte;
        if before_login && reader.is_idle() && message::is_tls(bytes) {
            self.session.leave();
        }
        if self.session.not_mine {
            return Step::NotMine;
        }
        let mut start = 0;
        let drop = match direction {
            Direction::ToServer => &mut self.session.drop_request,
            Direction::ToClient => &mut self.session.drop_answer,
        };
        if std::mem::take(drop) {
            reader.reset();
            self.begun_ns[direction as usize] = None;
            start = self.left_bytes[direction as usize].min(bytes.len());
        }
        let step = self.messages(context, direction, bytes, start);
        self.left_bytes[direction as usize] = match step {
            Step::Consumed { bytes: consumed, .. } => bytes.len().saturating_sub(consumed),
            _ => 0,
        };
        step
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        let PgsqlParser { readers, begun_ns, session, .. } = self;
        let reader = &mut readers[direction as usize];
        let bridged = match direction {
            Direction::ToServer => session.client_trust == Trust::InStep && reader.bridge(pending, missing_bytes),
            Direction::ToClient => session.response.is_in_rows() && reader.bridge(pending, missing_bytes),
        };
        if bridged {
            if direction == Direction::ToServer {
                session.lost_requests();
            }
            self.left_bytes[direction as usize] = 0;
            begun_ns[direction as usize].get_or_insert(context.now_ns);
            return AfterGap::Continue;
        }
        let start_ns = begun_ns[direction as usize].take().unwrap_or(context.now_ns);
        match direction {
            Direction::ToServer => {
                session.lost_requests();
                if let Some(message) = reader.abandon(pending) {
                    session.partial_message(context, &message, start_ns);
                }
            }
            Direction::ToClient => session.lost_bytes_of_answers(context, missing_bytes),
        }
        reader.reset();
        self.left_bytes[direction as usize] = 0;
        AfterGap::Restart
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], end: End) {
        self.readers[direction as usize].reset();
        self.begun_ns[direction as usize] = None;
        match direction {
            Direction::ToServer if end != End::Expired => self.session.client_ended(context),
            Direction::ToServer => {}
            Direction::ToClient => self.session.server_ended(context),
        }
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        self.session.expire(context);
    }

    fn deadline_ns(&self) -> Option<i64> {
        self.session.deadline_ns()
    }

    fn idle_limit_ns(&self) -> i64 {
        self.session.idle_limit_ns()
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.session.give_up(context, Outcome::Ended);
        self.reset();
    }

    fn reset(&mut self) {
        self.readers.iter_mut().for_each(MessageReader::reset);
        self.begun_ns = [None; 2];
        self.left_bytes = [0; 2];
        self.session.reset();
    }
}
