// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: cuts both directions into frames and gives them to the session.

use std::sync::Arc;

use super::Options;
use super::frame::{Bridge, Frames, Next};
use super::session::Session;
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Bytes of a direction without any frame after which the connection is given up: more than a large message whose
/// beginning is not in the capture.
const MAX_FOREIGN_BYTES: u64 = 64 << 20;

/// How a TLS client begins: a handshake record of version 3.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// The parser of one connection.
pub struct AmqpParser {
    directions: [Frames; 2],
    session: Session,
    /// Another protocol: nothing more is read.
    is_foreign: bool,
    /// Whether no byte has come yet.
    is_fresh: bool,
}

impl AmqpParser {
    pub fn new(options: Arc<Options>) -> AmqpParser {
        AmqpParser { directions: Default::default(), session: Session::new(options), is_foreign: false, is_fresh: true }
    }

    /// Bytes that the parser keeps of methods and messages.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.session.held_bytes()
    }

    fn give_up(&mut self, context: &mut Context<'_>) -> Step {
        self.is_foreign = true;
        self.session.finish(context);
        Step::NotMine
    }
}

impl Parser for AmqpParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.session.expire(context);
        if std::mem::take(&mut self.is_fresh) && bytes.starts_with(&TLS_HANDSHAKE) {
            self.is_foreign = true;
        }
        if self.is_foreign {
            return Step::NotMine;
        }
        let mut position = 0;
        loop {
            match self.directions[direction as usize].next(bytes, &mut position, context.now_ns) {
                Next::Frame(frame) => self.session.frame(context, direction, &frame),
                Next::Body { channel, bytes } => self.session.body(context, direction, channel, bytes, 0),
                Next::BodyEnd { channel } => self.session.body_end(context, direction, channel),
                Next::Protocol(version) if !is_spoken(version) => return self.give_up(context),
                Next::Protocol(_) => {}
                Next::TooLarge { channel } => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    self.session.passed_over(context, direction, channel);
                }
                Next::Foreign => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    self.session.lost(context, direction);
                }
                Next::Need(need) => {
                    if self.directions[direction as usize].foreign_bytes() > MAX_FOREIGN_BYTES {
                        return self.give_up(context);
                    }
                    return if need == 0 { Step::All } else { Step::Consumed { bytes: position, need } };
                }
            }
        }
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        self.session.expire(context);
        self.is_fresh = false;
        match self.directions[direction as usize].gap(pending, missing_bytes) {
            Bridge::Body { channel, bytes } => self.session.body(context, direction, channel, &[], bytes),
            Bridge::BodyEnd { channel, bytes } => {
                self.session.body(context, direction, channel, &[], bytes);
                self.session.body_end(context, direction, channel);
            }
            Bridge::Frame(frame) => self.session.frame(context, direction, &frame),
            Bridge::Nothing => {}
            Bridge::Lost => {
                self.session.lost(context, direction);
                return AfterGap::Restart;
            }
        }
        AfterGap::Continue
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], _end: End) {
        self.session.expire(context);
        self.session.end(context, direction);
        self.directions[direction as usize].reset();
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        self.session.expire(context);
    }

    fn deadline_ns(&self) -> Option<i64> {
        self.session.deadline_ns()
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.session.finish(context);
        self.reset();
    }

    fn reset(&mut self) {
        self.directions.iter_mut().for_each(Frames::reset);
        self.session.reset();
        self.is_foreign = false;
        self.is_fresh = true;
    }
}

/// Whether a version has the frames and methods of this parser: 0-9-1 and 0-9.
fn is_spoken(version: [u8; 4]) -> bool {
    matches!(version, [0, 0, 9, 1] | [1, 1, 0, 9])
}
