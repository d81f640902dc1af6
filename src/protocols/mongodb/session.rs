// SPDX-License-Identifier: Apache-2.0
//! Requests and replies of one connection, paired by requestID and responseTo. Either may be seen first: segments of the two
//! directions overtake each other in a capture.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::event::{self, Outcome};
use super::exchange::{Message, Reply, Request};
use super::json::Renderer;
use super::message;
use super::reply;
use super::wire::Opcode;
use crate::protocols::{Context, Direction, ProtocolCounter};

/// Requests of a connection that may wait for their replies; drivers send one at a time.
const MAX_WAITING: usize = 128;
/// Bytes of their texts.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Replies that may wait for their requests.
const MAX_EARLY: usize = 8;
/// Bytes of their texts.
const MAX_EARLY_BYTES: usize = 256 << 10;
/// Exhaust cursors of a connection.
const MAX_EXHAUST: usize = 4;
/// The time-out of a request comes before that of its connection.
const IDLE_MARGIN_NS: i64 = 1_000_000_000;
/// Requests that are kept for use again, and the buffers that they and a reply may keep.
const SPARE: usize = 4;
const SPARE_BYTES: usize = 16 << 10;

pub struct Session {
    options: Arc<Options>,
    renderer: Renderer,
    /// In the order in which they came.
    waiting: VecDeque<Request>,
    waiting_bytes: usize,
    early: VecDeque<Reply>,
    early_bytes: usize,
    /// Requests whose replies go on by themselves, and the requestID of the last reply.
    exhaust: VecDeque<(i32, Request)>,
    spare: Vec<Request>,
    reply: Reply,
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        Session {
            options,
            renderer: Renderer::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            early: VecDeque::new(),
            early_bytes: 0,
            exhaust: VecDeque::new(),
            spare: Vec::new(),
            reply: Reply::default(),
        }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            self.recycle(request);
        }
        while let Some((_, request)) = self.exhaust.pop_front() {
            self.recycle(request);
        }
        self.waiting_bytes = 0;
        self.early.clear();
        self.early_bytes = 0;
        self.clear_reply();
        self.renderer.shrink();
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let requests = self.waiting.iter().chain(self.exhaust.iter().map(|(_, request)| request)).chain(&self.spare);
        requests.map(|request| request.text.capacity()).sum::<usize>()
            + self.early.iter().map(|reply| reply.text.capacity()).sum::<usize>()
            + self.reply.text.capacity()
            + self.renderer.held_bytes()
    }

    /// Takes a message.
    pub fn message(&mut self, context: &mut Context<'_>, message: &Message<'_>) {
        context.count(ProtocolCounter::Messages, 1);
        if self.is_reply(message) {
            let mut reply = std::mem::take(&mut self.reply);
            reply::read(message, &self.options, &mut self.renderer, &mut reply);
            self.reply = reply;
            self.on_reply(context);
        } else {
            let mut request = self.spare.pop().unwrap_or_default();
            message::read(message, &self.options, &mut self.renderer, &mut request);
            self.on_request(context, request);
        }
    }

    /// An OP_MSG is a reply when it answers something. A requestID may be 0, so the direction counts too.
    fn is_reply(&self, message: &Message<'_>) -> bool {
        match message.opcode {
            Some(Opcode::Reply) => true,
            Some(Opcode::Msg) | None => {
                message.response_to != 0
                    || message.direction == Direction::ToClient
                        && self
                            .waiting
                            .iter()
                            .any(|request| request.id == 0 && request.direction == Direction::ToServer)
            }
            Some(_) => false,
        }
    }

    fn on_request(&mut self, context: &mut Context<'_>, mut request: Request) {
        if !request.awaits_reply {
            event::publish(context, &self.options, &request, None, Outcome::Alone);
            self.recycle(request);
            return;
        }
        let place = self
            .early
            .iter()
            .position(|reply| reply.response_to == request.id && reply.requests == Some(request.direction));
        if let Some(reply) = place.and_then(|place| self.early.remove(place)) {
            self.early_bytes = self.early_bytes.saturating_sub(reply.text.len());
            event::publish(context, &self.options, &request, Some(&reply), Outcome::Answered);
            self.recycle(request);
            return;
        }
        if let Some(old) = self.take_waiting(request.id, request.direction) {
            context.count(ProtocolCounter::DuplicateRequests, 1);
            self.unanswered(context, old, Outcome::NoResponse);
        }
        while self.waiting.len() >= MAX_WAITING
            || (self.waiting_bytes + request.text.len() > MAX_WAITING_BYTES && !self.waiting.is_empty())
        {
            let Some(old) = self.waiting.pop_front() else { break };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(old.text.len());
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.unanswered(context, old, Outcome::NoResponse);
        }
        let timeout_ns = self.options.common.transaction_timeout_ns.saturating_add(request.patience_ns);
        request.due_ns = request.start_ns.saturating_add(timeout_ns);
        self.waiting_bytes += request.text.len();
        self.waiting.push_back(request);
    }

    /// Looks for the request of `self.reply`.
    fn on_reply(&mut self, context: &mut Context<'_>) {
        let id = self.reply.response_to;
        let requests = self.reply.requests.unwrap_or(Direction::ToServer);
        if let Some(request) = self.take_waiting(id, requests) {
            event::publish(context, &self.options, &request, Some(&self.reply), Outcome::Answered);
            self.goes_on(request);
            return;
        }
        let place = self.exhaust.iter().position(|(last, request)| *last == id && request.direction == requests);
        if let Some((_, request)) = place.and_then(|place| self.exhaust.remove(place)) {
            event::publish(context, &self.options, &request, Some(&self.reply), Outcome::Continued);
            self.goes_on(request);
            return;
        }
        // Its request may come yet.
        while self.early.len() >= MAX_EARLY
            || (self.early_bytes + self.reply.text.len() > MAX_EARLY_BYTES && !self.early.is_empty())
        {
            let Some(old) = self.early.pop_front() else { break };
            self.early_bytes = self.early_bytes.saturating_sub(old.text.len());
            context.count(ProtocolCounter::UnmatchedResponses, 1);
        }
        self.early_bytes += self.reply.text.len();
        self.early.push_back(std::mem::take(&mut self.reply));
    }

    /// After a reply that says that more of them come, the request is kept.
    fn goes_on(&mut self, request: Request) {
        if self.reply.more_to_come && self.reply.id != 0 {
            if self.exhaust.len() >= MAX_EXHAUST
                && let Some((_, old)) = self.exhaust.pop_front()
            {
                self.recycle(old);
            }
            self.exhaust.push_back((self.reply.id, request));
        } else {
            self.recycle(request);
        }
        self.clear_reply();
    }

    /// The direction in which replies come has ended: those to requests of the other one will not come.
    pub fn ended(&mut self, context: &mut Context<'_>, replies: Direction) {
        for _ in 0..self.waiting.len() {
            let Some(request) = self.waiting.pop_front() else { break };
            if request.direction == replies.opposite() {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(request.text.len());
                self.unanswered(context, request, Outcome::Ended);
            } else {
                self.waiting.push_back(request);
            }
        }
    }

    /// Publishes what waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>) {
        for _ in 0..self.waiting.len() {
            let Some(request) = self.waiting.pop_front() else { break };
            if request.due_ns <= context.now_ns {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(request.text.len());
                self.unanswered(context, request, Outcome::NoResponse);
            } else {
                self.waiting.push_back(request);
            }
        }
        while self.early.front().is_some_and(|reply| self.early_due_ns(reply) <= context.now_ns) {
            self.early_bytes =
                self.early_bytes.saturating_sub(self.early.pop_front().map_or(0, |reply| reply.text.len()));
            context.count(ProtocolCounter::UnmatchedResponses, 1);
        }
    }

    pub fn deadline_ns(&self) -> Option<i64> {
        let waiting = self.waiting.iter().map(|request| request.due_ns);
        waiting.chain(self.early.front().map(|reply| self.early_due_ns(reply))).min()
    }

    /// How long the connection is worth remembering without a packet: an exhaust cursor may wait before each reply.
    pub fn idle_limit_ns(&self) -> i64 {
        let kept = self.waiting.iter().chain(self.exhaust.iter().map(|(_, request)| request));
        kept.map(|request| request.patience_ns).max().map_or(0, |patience_ns| {
            self.options.common.transaction_timeout_ns.saturating_add(patience_ns).saturating_add(IDLE_MARGIN_NS)
        })
    }

    /// The connection is over.
    pub fn finish(&mut self, context: &mut Context<'_>) {
        self.ended(context, Direction::ToClient);
        self.ended(context, Direction::ToServer);
        context.count(ProtocolCounter::UnmatchedResponses, self.early.len() as u64);
        self.reset();
    }

    fn early_due_ns(&self, reply: &Reply) -> i64 {
        reply.start_ns.saturating_add(self.options.common.transaction_timeout_ns)
    }

    fn take_waiting(&mut self, id: i32, direction: Direction) -> Option<Request> {
        let place = self.waiting.iter().position(|request| request.id == id && request.direction == direction)?;
        let request = self.waiting.remove(place)?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(request.text.len());
        Some(request)
    }

    fn unanswered(&mut self, context: &mut Context<'_>, request: Request, outcome: Outcome) {
        context.count(ProtocolCounter::UnmatchedRequests, 1);
        event::publish(context, &self.options, &request, None, outcome);
        self.recycle(request);
    }

    fn recycle(&mut self, mut request: Request) {
        if self.spare.len() < SPARE && request.text.capacity() <= SPARE_BYTES {
            request.clear();
            self.spare.push(request);
        }
    }

    fn clear_reply(&mut self) {
        self.reply.clear();
        if self.reply.text.capacity() > SPARE_BYTES {
            self.reply.text = Vec::new();
        }
        self.renderer.shrink();
    }
}
