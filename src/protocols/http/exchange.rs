// SPDX-License-Identifier: Apache-2.0
//! Requests that wait for their responses, which come in the order of the requests (RFC 9112, section 9.3.2), and the
//! messages that are used again.
//!
//! Where bytes are missing it is not known how many requests or responses they were. From there on a response is given to a
//! request only where no other is possible, until the client begins anew; what waited until then is reported with a note.

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

/// How many responses are among missing bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    AtLeastOne,
    Unknown,
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
    doubt: Option<Doubt>,
    /// A response came since the last request.
    answered: bool,
    /// The client has sent requests while it was getting responses to others: when it begins anew cannot be seen.
    overlaps: bool,
}

/// Bytes are missing, so that it is not known which response is whose.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// The first requests without a response, whose responses are certain all the same.
    sure: usize,
    /// Responses, at most, that are still to come to the requests behind those; None: requests are missing.
    most: Option<usize>,
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
        let answered = std::mem::take(&mut self.answered);
        match &mut self.doubt {
            Some(doubt) if doubt.sure > 0 || !answered || self.overlaps => {
                doubt.most = doubt.most.map(|most| most.saturating_add(1));
            }
            Some(_) => self.settle(turn),
            None => self.overlaps |= answered && self.unanswered() > 0,
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
        let mut unanswered = self.queue.iter().filter(|exchange| exchange.response.is_none());
        let exchange = match self.doubt {
            Some(Doubt { sure: 0, most: Some(1) }) => unanswered.next_back()?,
            Some(Doubt { sure: 0, .. }) => return None,
            _ => unanswered.next()?,
        };
        (self.evicted == 0 && exchange.request.direction != direction).then_some(&*exchange.request)
    }

    /// A response begins; answers which request it is to.
    pub fn response_begins(&mut self, direction: Direction) -> Option<&Message> {
        self.answered = true;
        self.answered_by(direction)
    }

    /// Gives a response to its request, or publishes it alone. Answers whether it came in place of the interim response
    /// that the client waits for before it sends the body.
    pub fn answer(&mut self, turn: &mut Turn<'_, '_>, response: Box<Message>) -> bool {
        // A first line that made no sense to us and was answered with success was no request.
        while !response.damage.orphaned
            && response.status < 400
            && self.answered_by(response.direction).is_some_and(|request| request.kind == Kind::MalformedRequest)
        {
            self.remove_unanswered();
        }
        if response.damage.orphaned || self.answered_by(response.direction).is_none() {
            self.evicted = self.evicted.saturating_sub(1);
            turn.context.count(ProtocolCounter::UnmatchedResponses, 1);
            event::publish(turn.context, turn.options, None, Some(&response));
            self.recycle(response);
            if let Some(Doubt { sure: 0, most: Some(most) }) = &mut self.doubt {
                *most = most.saturating_sub(1);
                self.settle_answered(turn);
            }
            return false;
        }
        match &mut self.doubt {
            Some(Doubt { sure: 0, .. }) => {
                while self.unanswered() > 1 {
                    self.lose_first(turn);
                }
                self.doubt = None;
            }
            Some(doubt) => doubt.sure -= 1,
            None => {}
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

    /// Bytes of requests are missing in the capture.
    pub fn lose_requests(&mut self) {
        let sure = self.doubt.map_or_else(|| self.unanswered(), |doubt| doubt.sure);
        self.doubt = Some(Doubt { sure, most: None });
        self.answered = false;
    }

    /// Bytes of responses in a direction are missing in the capture: no request must be given the response to another.
    pub fn lose_answers(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, lost: Lost) {
        self.answered = true;
        let mut waiting = self.queue.iter().filter(|exchange| exchange.response.is_none());
        if waiting.clone().any(|exchange| exchange.request.direction == direction) {
            return;
        }
        // What came while the request was being sent may have been an interim response.
        let at_least = usize::from(lost == Lost::AtLeastOne && waiting.all(|exchange| exchange.complete));
        let known = self.unanswered() + std::mem::take(&mut self.evicted);
        let most = match self.doubt {
            None if known == 0 => return,
            None => Some(known),
            Some(doubt) => doubt.most.map(|most| most.saturating_add(doubt.sure)),
        };
        self.doubt = Some(Doubt { sure: 0, most: most.map(|most| most.saturating_sub(at_least)) });
        self.settle_answered(turn);
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
        self.doubt = None;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        while let Some(exchange) = self.queue.pop_front() {
            self.recycle(exchange.request);
            exchange.response.into_iter().for_each(|response| self.recycle(response));
        }
        self.queue.shrink_to(KEPT_QUEUE);
        *self = Exchanges { queue: std::mem::take(&mut self.queue), ..Exchanges::default() };
    }

    /// Memory behind the queue.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let waiting = self.queue.iter().flat_map(|exchange| exchange.response.iter().chain([&exchange.request]));
        waiting.map(|message| message.memory_bytes()).sum::<usize>() + self.queue.capacity() * size_of::<Exchange>()
    }

    /// Requests that wait for a response.
    fn unanswered(&self) -> usize {
        self.queue.iter().filter(|exchange| exchange.response.is_none()).count()
    }

    /// All responses have come that can come: those in doubt are lost.
    fn settle_answered(&mut self, turn: &mut Turn<'_, '_>) {
        if self.doubt.is_some_and(|doubt| doubt.sure == 0 && doubt.most == Some(0)) {
            self.settle(turn);
        }
    }

    /// From here on it is known again which response is whose.
    fn settle(&mut self, turn: &mut Turn<'_, '_>) {
        while self.unanswered() > 0 {
            self.lose_first(turn);
        }
        self.doubt = None;
    }

    /// Publishes the first request that has no response, which is lost.
    fn lose_first(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(mut request) = self.remove_unanswered() {
            request.damage.response_lost = true;
            self.publish_alone(turn, request);
        }
    }

    fn publish_first(&mut self, turn: &mut Turn<'_, '_>) {
        let Some(mut exchange) = self.queue.pop_front() else { return };
        self.kept_bytes = self.kept_bytes.saturating_sub(exchange.kept_bytes);
        if exchange.response.is_none()
            && let Some(doubt) = &mut self.doubt
        {
            exchange.request.damage.response_lost = doubt.sure == 0;
            doubt.sure = doubt.sure.saturating_sub(1);
        }
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
        if let Some(doubt) = &mut self.doubt {
            doubt.sure = doubt.sure.saturating_sub(1);
        }
        self.kept_bytes = self.kept_bytes.saturating_sub(exchange.kept_bytes);
        Some(exchange.request)
    }
}
