// SPDX-License-Identifier: Apache-2.0
//! Pairs messages with their echoes, in order.

use std::collections::VecDeque;

use super::Options;
use super::event::{self, Outcome};
use super::message::{self, Found};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Messages of a flow that may wait for their echoes.
const MAX_WAITING: usize = 1_024;
/// Buffers of answered messages that are kept for the next ones.
const SPARE: usize = 4;

/// A message that waits.
#[derive(Default)]
pub struct Message {
    /// The first bytes, as many as the options keep.
    pub text: Vec<u8>,
    pub bytes: u64,
    pub start_ns: i64,
}

pub struct EchoParser {
    options: Options,
    waiting: VecDeque<Message>,
    spare: Vec<Message>,
    /// By direction: bytes of the unfinished line that were searched, and when it began.
    searched: [usize; 2],
    begun_ns: [Option<i64>; 2],
}

impl EchoParser {
    pub fn new(options: Options) -> EchoParser {
        EchoParser { options, waiting: VecDeque::new(), spare: Vec::new(), searched: [0; 2], begun_ns: [None; 2] }
    }

    fn message(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8], length: usize, start_ns: i64) {
        context.count(ProtocolCounter::Messages, 1);
        let text = &bytes[..bytes.len().min(self.options.max_length)];
        match direction {
            Direction::ToServer => {
                if self.waiting.len() == MAX_WAITING {
                    context.count(ProtocolCounter::EvictedRequests, 1);
                    self.give_up(context, Outcome::Unanswered);
                }
                let mut message = self.spare.pop().unwrap_or_default();
                message.text.extend_from_slice(text);
                message.bytes = length as u64;
                message.start_ns = start_ns;
                self.waiting.push_back(message);
            }
            Direction::ToClient => match self.waiting.pop_front() {
                Some(message) => {
                    let outcome = match message.text == text && message.bytes == length as u64 {
                        true => Outcome::Echoed,
                        false => Outcome::Changed,
                    };
                    event::publish(context, &self.options, &message, Some(length as u64), outcome);
                    self.recycle(message);
                }
                None => context.count(ProtocolCounter::UnmatchedResponses, 1),
            },
        }
    }

    /// Publishes the oldest message without its echo.
    fn give_up(&mut self, context: &mut Context<'_>, outcome: Outcome) {
        if let Some(message) = self.waiting.pop_front() {
            context.count(ProtocolCounter::UnmatchedRequests, 1);
            event::publish(context, &self.options, &message, None, outcome);
            self.recycle(message);
        }
    }

    fn recycle(&mut self, mut message: Message) {
        if self.spare.len() < SPARE {
            message.text.clear();
            self.spare.push(message);
        }
    }
}

impl Parser for EchoParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let side = direction as usize;
        let mut position = 0;
        while position < bytes.len() {
            let rest = &bytes[position..];
            let start_ns = *self.begun_ns[side].get_or_insert(context.now_ns);
            match message::line(rest, self.searched[side]) {
                Found::Line(length) => {
                    self.message(context, direction, &rest[..length], length, start_ns);
                    position += length;
                    (self.searched[side], self.begun_ns[side]) = (0, None);
                }
                Found::Unfinished => {
                    self.searched[side] = rest.len();
                    break;
                }
                Found::TooLong => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    return Step::NotMine;
                }
            }
        }
        Step::Consumed { bytes: position, need: 1 }
    }

    fn gap(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        _pending: &[u8],
        _missing_bytes: u64,
    ) -> AfterGap {
        // How many messages are missing is unknown, and with it which echo is whose.
        while !self.waiting.is_empty() {
            self.give_up(context, Outcome::Lost);
        }
        (self.searched[direction as usize], self.begun_ns[direction as usize]) = (0, None);
        AfterGap::Restart
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], _end: End) {
        if direction == Direction::ToClient {
            self.finish(context);
        }
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.message(context, direction, payload, wire_length, context.now_ns);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            self.give_up(context, Outcome::Unanswered);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        let oldest = self.waiting.front()?;
        Some(oldest.start_ns.saturating_add(self.options.common.transaction_timeout_ns))
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        while !self.waiting.is_empty() {
            self.give_up(context, Outcome::Unanswered);
        }
    }

    fn reset(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            self.recycle(message);
        }
        (self.searched, self.begun_ns) = ([0; 2], [None; 2]);
    }
}
