// SPDX-License-Identifier: Apache-2.0
//! Requests of one connection that wait for their responses, which a server sends in any order: paired by stream id.
//!
//! A response whose request was not seen is counted only. It cannot wait for one: stream ids are used again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::event::{self, Outcome};
use super::names;
use super::request::{Message, Request};
use crate::protocols::{Context, Direction, ProtocolCounter};

/// Requests of a connection that may wait for their responses; drivers send 1,024 or 2,048 at most unless told otherwise.
pub const MAX_WAITING: usize = 4096;
/// Bytes of their queries.
pub const MAX_WAITING_BYTES: usize = 4 << 20;
/// Requests that keep the buffer of their query for the next one, and how much of it; less after the connection.
const SPARE: usize = 64;
const SPARE_BYTES: usize = 4 << 10;
const IDLE_SPARE_BYTES: usize = 1 << 10;

pub struct Session {
    options: Arc<Options>,
    /// In the order in which they came: small, since a response may take one out of the middle.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Requests at their slots, in use or not.
    slots: Vec<Request>,
    unused: Vec<u16>,
}

#[derive(Clone, Copy)]
struct Waiting {
    stream: u16,
    slot: u16,
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        Session { options, waiting: VecDeque::new(), waiting_bytes: 0, slots: Vec::new(), unused: Vec::new() }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        self.waiting.clear();
        self.waiting.shrink_to(MAX_WAITING / 16);
        self.waiting_bytes = 0;
        self.slots.truncate(SPARE);
        self.slots.shrink_to(SPARE);
        for request in &mut self.slots {
            request.query.clear();
            request.query.shrink_to(IDLE_SPARE_BYTES);
        }
        self.unused.clear();
        self.unused.extend(0..self.slots.len() as u16);
        self.unused.shrink_to(MAX_WAITING / 16);
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.slots.iter().map(|request| request.query.capacity() + size_of::<Request>()).sum::<usize>()
            + self.waiting.capacity() * size_of::<Waiting>()
            + self.unused.capacity() * size_of::<u16>()
    }

    pub fn request(&mut self, context: &mut Context<'_>, message: &Message<'_>) {
        let stream = message.header.stream;
        if let Some(old) = self.take(stream, message.direction) {
            context.count(ProtocolCounter::DuplicateRequests, 1);
            self.unanswered(context, old, Outcome::NoResponse);
        }
        let slot = match self.unused.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Request::new());
                (self.slots.len() - 1) as u16
            }
        };
        let Some(request) = self.slots.get_mut(usize::from(slot)) else { return };
        request.read(message);
        request.due_ns = request.start_ns.saturating_add(self.options.common.transaction_timeout_ns);
        self.waiting_bytes += request.query.len();
        self.waiting.push_back(Waiting { stream, slot });
        while self.waiting.len() > MAX_WAITING || (self.waiting_bytes > MAX_WAITING_BYTES && self.waiting.len() > 1) {
            let Some(oldest) = self.waiting.pop_front() else { break };
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.unanswered(context, oldest.slot, Outcome::NoResponse);
        }
    }

    pub fn response(&mut self, context: &mut Context<'_>, message: &Message<'_>) {
        if message.header.op == names::EVENT {
            event::publish(context, &self.options, None, Some(message), Outcome::Answered);
            return;
        }
        match self.take(message.header.stream, message.direction.opposite()) {
            Some(slot) => {
                let request = self.slots.get(usize::from(slot));
                event::publish(context, &self.options, request, Some(message), Outcome::Answered);
                self.free(slot);
            }
            None => context.count(ProtocolCounter::UnmatchedResponses, 1),
        }
    }

    /// Bytes of the direction in which responses come were lost.
    pub fn lost_responses(&mut self, responses: Direction) {
        for waiting in &self.waiting {
            if let Some(request) = self.slots.get_mut(usize::from(waiting.slot)) {
                request.response_is_lost |= request.direction == responses.opposite();
            }
        }
    }

    /// The direction in which responses come has ended: those to requests of the other one will not come.
    pub fn ended(&mut self, context: &mut Context<'_>, responses: Direction) {
        self.end_all(context, |request| request.direction == responses.opposite());
    }

    /// Publishes what waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|due_ns| due_ns <= context.now_ns) {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.unanswered(context, oldest.slot, Outcome::NoResponse);
        }
    }

    pub fn deadline_ns(&self) -> Option<i64> {
        // All wait equally long.
        let oldest = self.waiting.front()?;
        self.slots.get(usize::from(oldest.slot)).map(|request| request.due_ns)
    }

    /// The connection is over.
    pub fn finish(&mut self, context: &mut Context<'_>) {
        self.end_all(context, |_| true);
        self.reset();
    }

    fn end_all(&mut self, context: &mut Context<'_>, which: impl Fn(&Request) -> bool) {
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { break };
            if self.slots.get(usize::from(waiting.slot)).is_some_and(&which) {
                self.unanswered(context, waiting.slot, Outcome::Ended);
            } else {
                self.waiting.push_back(waiting);
            }
        }
    }

    /// The slot of the request of a stream id, which does not wait any more.
    fn take(&mut self, stream: u16, direction: Direction) -> Option<u16> {
        let place = self.waiting.iter().position(|waiting| {
            waiting.stream == stream
                && self.slots.get(usize::from(waiting.slot)).is_some_and(|request| request.direction == direction)
        })?;
        self.waiting.remove(place).map(|waiting| waiting.slot)
    }

    fn unanswered(&mut self, context: &mut Context<'_>, slot: u16, outcome: Outcome) {
        context.count(ProtocolCounter::UnmatchedRequests, 1);
        event::publish(context, &self.options, self.slots.get(usize::from(slot)), None, outcome);
        self.free(slot);
    }

    fn free(&mut self, slot: u16) {
        if let Some(request) = self.slots.get_mut(usize::from(slot)) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(request.query.len());
            request.query.clear();
            request.query.shrink_to(if usize::from(slot) < SPARE { SPARE_BYTES } else { 0 });
        }
        self.unused.push(slot);
    }
}
