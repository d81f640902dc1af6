// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: cuts both directions into packets and gives them to the session.

use std::sync::Arc;

use super::Options;
use super::event::Outcome;
use super::login;
use super::packet::{Next, PacketReader};
use super::session::Session;
use crate::protocols::{AfterGap, Context, Direction, End, Parser, Step};

/// The parser of one connection.
pub struct MysqlParser {
    readers: [PacketReader; 2],
    /// When the first bytes of the packet under way came.
    begun_ns: [Option<i64>; 2],
    session: Session,
}

impl MysqlParser {
    pub fn new(options: Arc<Options>) -> MysqlParser {
        MysqlParser { readers: Default::default(), begun_ns: [None; 2], session: Session::new(options) }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.readers.iter().map(PacketReader::held_bytes).sum::<usize>() + self.session.held_bytes()
    }

    fn packets(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let MysqlParser { readers, begun_ns, session } = self;
        let reader = &mut readers[direction as usize];
        let begun_ns = &mut begun_ns[direction as usize];
        let mut position = 0;
        while position < bytes.len() || reader.has_finished() {
            let start_ns = *begun_ns.get_or_insert(context.now_ns);
            let packet = match reader.next(bytes, &mut position, |head| session.wanted_bytes(direction, head)) {
                Next::Packet(packet) => packet,
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
                Direction::ToServer => session.client_packet(context, &packet, start_ns),
                Direction::ToClient => session.server_packet(context, &packet, start_ns),
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

impl Parser for MysqlParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if !self.session.is_in_step() && self.readers[direction as usize].is_idle() && login::is_tls(bytes) {
            self.session.not_mine = true;
        }
        if self.session.not_mine {
            return Step::NotMine;
        }
        if direction == Direction::ToClient && std::mem::take(&mut self.session.drop_answer) {
            self.readers[direction as usize].reset();
        }
        self.packets(context, direction, bytes)
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        let MysqlParser { readers, begun_ns, session } = self;
        let reader = &mut readers[direction as usize];
        let bridged = match direction {
            Direction::ToServer => reader.bridge(pending, missing_bytes),
            Direction::ToClient => session.response.is_in_rows() && reader.bridge(pending, missing_bytes),
        };
        if bridged {
            if direction == Direction::ToClient {
                session.response.damaged = true;
            }
            return AfterGap::Continue;
        }
        let start_ns = begun_ns[direction as usize].take().unwrap_or(context.now_ns);
        match direction {
            Direction::ToServer => {
                session.lost_commands();
                if let Some(packet) = reader.abandon(pending).filter(|packet| session.begins_command(packet)) {
                    session.client_packet(context, &packet, start_ns);
                }
            }
            Direction::ToClient => session.lost_bytes_of_answers(context, missing_bytes),
        }
        reader.reset();
        AfterGap::Restart
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], _end: End) {
        self.readers[direction as usize].reset();
        self.begun_ns[direction as usize] = None;
        if direction == Direction::ToClient {
            self.session.give_up(context, Outcome::Ended);
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
        self.readers.iter_mut().for_each(PacketReader::reset);
        self.begun_ns = [None; 2];
        self.session.reset();
    }
}
