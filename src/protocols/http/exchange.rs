// SPDX-License-Identifier: Apache-2.0
//! Requests that wait for their responses, which come in the order of the requests (RFC 9112, section 9.3.2), and the
//! messages that are used again.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::message::{Kind, Message};
use super::{Options, event};
use crate::protocols::{Context, Direction, ProtocolCounter};

/// Requests of a connection that may wait, and what they may keep together.
const MAX_WAITING: usize = 1000;
const MAX_WAITING_BYTES: usize = 16 << 20;
/// Unused messages that a thread keeps.
const MAX_SPARE: usize = 256;
/// Places of the queue that stay when it is empty.
const KEPT_QUEUE: usize = 16;

thread_local! {
    /// Messages that are used again: all connections of a worker share them, as most have one at a time.
    #[expect(clippy::vec_box, reason = "messages move between here and the queues")]
    static SPARE: RefCell<Vec<Box<Message>>> = const { RefCell::new(Vec::new()) };
}

/// What a call of the parser was lent.
pub(super) struct Turn<'a, 'c> {
    pub context: &'a mut Context<'c>,
    pub options: &'a Options,
}

/// A request, and its response when that came before the request was complete.
pub(super) struct Exchange {
    pub request: Box<Message>,
    /// The request has been seen to its end.
    pub complete: bool,
    pub response: Option<Box<Message>>,
    kept_bytes: usize,
}

#[derive(Default)]
pub(super) struct Exchanges {
    queue: VecDeque<Exchange>,
    /// Sum over the queue.
    kept_bytes: usize,
    /// Requests given up whose responses are still to come.
    evicted: usize,
}

impl Exchanges {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// An empty message.
    pub fn new_message(&mut self) -> Box<Message> {
        SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Box::new(Message::new()))
    }

    pub fn recycle(&mut self, mut message: Box<Message>) {
        message.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MAX_SPARE {
                spare.push(message);
            }
        });
    }

    /// Adds a request that has just begun.
    pub fn push(&mut self, turn: &mut Turn<'_, '_>, request: Box<Message>) {
        if self.queue.capacity() == 0 {
            self.queue.reserve(KEPT_QUEUE);
        }
        self.queue.push_back(Exchange { request, complete: false, response: None, kept_bytes: 0 });
        while self.queue.len() > MAX_WAITING || (self.kept_bytes > MAX_WAITING_BYTES && self.queue.len() > 1) {
            turn.context.count(ProtocolCounter::EvictedRequests, 1);
            if self.queue.front().is_some_and(|exchange| exchange.response.is_none()) {
                self.evicted += 1;
            }
            self.publish_first(turn);
        }
    }

    pub fn last(&self) -> Option<&Exchange> {
        self.queue.back()
    }

    /// The request in progress in a direction.
    pub fn in_progress(&mut self, direction: Direction) -> Option<&mut Message> {
        let last = self.queue.back_mut();
        last.filter(|last| !last.complete && last.request.direction == direction).map(|last| &mut *last.request)
    }

    /// The request in progress has come to its end.
    pub fn complete_last(&mut self) {
        if let Some(last) = self.queue.back_mut().filter(|last| !last.complete) {
            last.complete = true;
            last.kept_bytes = last.request.kept_bytes();
            self.kept_bytes += last.kept_bytes;
        }
    }

    /// The request that the next response in a direction answers.
    pub fn answered_by(&self, direction: Direction) -> Option<&Message> {
        let exchange = self.queue.iter().find(|exchange| exchange.response.is_none())?;
        (self.evicted == 0 && exchange.request.direction != direction).then_some(&*exchange.request)
    }

    /// Gives a response to its request, or publishes it alone. Answers whether it came in place of the interim response
    /// that the client waits for before it sends the body.
    pub fn answer(&mut self, turn: &mut Turn<'_, '_>, response: Box<Message>) -> bool {
        // A first line that made no sense to us and was answered with success was no request.
        while response.status < 400
            && self.answered_by(response.direction).is_some_and(|request| request.kind == Kind::MalformedRequest)
        {
            self.remove_unanswered();
        }
        if self.answered_by(response.direction).is_none() {
            self.evicted = self.evicted.saturating_sub(1);
            turn.context.count(ProtocolCounter::UnmatchedResponses, 1);
            event::publish(turn.context, turn.options, None, Some(&response));
            self.recycle(response);
            return false;
        }
        let mut refuses = false;
        if let Some(exchange) = self.queue.iter_mut().find(|exchange| exchange.response.is_none()) {
            refuses = !exchange.complete && exchange.request.expects_continue && exchange.request.body_bytes == 0;
            exchange.complete |= refuses;
            exchange.response = Some(response);
        }
        self.publish_answered(turn);
        refuses
    }

    /// A response is missing in the capture: its request must not be given the next one.
    pub fn lose_answer(&mut self, turn: &mut Turn<'_, '_>, direction: Direction) {
        if self.evicted > 0 {
            self.evicted -= 1;
            return;
        }
        let waits = self.queue.iter().find(|exchange| exchange.response.is_none());
        if waits.is_some_and(|exchange| exchange.complete && exchange.request.direction != direction)
            && let Some(mut request) = self.remove_unanswered()
        {
            request.damage.response_lost = true;
            self.publish_alone(turn, request);
        }
    }

    /// Publishes the transactions that are complete.
    pub fn publish_answered(&mut self, turn: &mut Turn<'_, '_>) {
        while self.queue.front().is_some_and(|exchange| exchange.complete && exchange.response.is_some()) {
            self.publish_first(turn);
        }
    }

    /// Publishes everything that waits.
    pub fn publish_all(&mut self, turn: &mut Turn<'_, '_>) {
        while !self.queue.is_empty() {
            self.publish_first(turn);
        }
        self.queue.shrink_to(KEPT_QUEUE);
        self.evicted = 0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        while let Some(exchange) = self.queue.pop_front() {
            self.recycle(exchange.request);
            exchange.response.into_iter().for_each(|response| self.recycle(response));
        }
        self.queue.shrink_to(KEPT_QUEUE);
        self.kept_bytes = 0;
        self.evicted = 0;
    }

    /// Memory behind the queue.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let waiting = self.queue.iter().flat_map(|exchange| exchange.response.iter().chain([&exchange.request]));
        waiting.map(|message| message.memory_bytes()).sum::<usize>() + self.queue.capacity() * size_of::<Exchange>()
    }

    fn publish_first(&mut self, turn: &mut Turn<'_, '_>) {
        let Some(exchange) = self.queue.pop_front() else { return };
        self.kept_bytes = self.kept_bytes.saturating_sub(exchange.kept_bytes);
        match exchange.response {
            Some(response) => {
                event::publish(turn.context, turn.options, Some(&exchange.request), Some(&response));
                self.recycle(exchange.request);
                self.recycle(response);
            }
            None => self.publish_alone(turn, exchange.request),
        }
    }

    fn publish_alone(&mut self, turn: &mut Turn<'_, '_>, request: Box<Message>) {
        if request.kind == Kind::Request {
            turn.context.count(ProtocolCounter::UnmatchedRequests, 1);
            event::publish(turn.context, turn.options, Some(&request), None);
        }
        self.recycle(request);
    }

    /// Takes the first request that has no response out of the queue.
    fn remove_unanswered(&mut self) -> Option<Box<Message>> {
        let index = self.queue.iter().position(|exchange| exchange.response.is_none())?;
        let exchange = self.queue.remove(index)?;
        self.kept_bytes = self.kept_bytes.saturating_sub(exchange.kept_bytes);
        Some(exchange.request)
    }
}
