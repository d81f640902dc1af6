// SPDX-License-Identifier: Apache-2.0
//! Calls of one connection that wait for their replies.
//!
//! A reply repeats the sequence number and the method of its call, so replies may come in any order. Old clients send one-way
//! calls like others. Where no IDL file tells, a call without reply counts as one-way when the client sent another after it,
//! or closed the connection, and did not wait.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::event::{self, Ending};
use super::header::MessageType;
use super::message::{Extent, Message};
use crate::protocols::text::Text;
use crate::protocols::{Context, Direction, End, ProtocolCounter};

/// Calls of one connection that may wait, and bytes of their texts.
pub const MAX_WAITING: usize = 1024;
pub const MAX_WAITING_BYTES: usize = 1 << 20;

/// Places for waiting calls that a parser keeps.
const SPARE_PLACES: usize = 64;

/// A call: what its event says.
pub struct Call {
    pub name: Text,
    pub params: Text,
    pub sequence: i32,
    pub requests: Direction,
    pub start_ns: i64,
    pub bytes: u64,
    pub extent: Extent,
    /// Number of the method in the IDL.
    pub method: Option<usize>,
    /// The client sent another call after it.
    is_followed: bool,
    /// Bytes from the server were lost while it waited.
    reply_may_be_lost: bool,
    /// Bytes from the client were lost while it waited, and maybe later calls.
    calls_may_be_lost: bool,
}

impl Call {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.params.len()
    }

    /// Whether a reply with this method may be its own. A multiplexed call has the service before a colon, its reply not.
    fn is_of(&self, name: &[u8]) -> bool {
        *self.name == *name || self.name.strip_suffix(name).is_some_and(|service| service.ends_with(b":"))
    }
}

pub struct Session {
    options: Arc<Options>,
    waiting: VecDeque<Call>,
    waiting_bytes: usize,
    /// The client closed its direction, and so waits for nothing; of either direction.
    has_closed: [bool; 2],
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        Session { options, waiting: VecDeque::new(), waiting_bytes: 0, has_closed: [false; 2] }
    }

    /// Number of the method that a message is of.
    pub fn method(&self, direction: Direction, kind: MessageType, name: &[u8], sequence: i32) -> Option<usize> {
        if kind.is_call() {
            return self.options.idl.find(name);
        }
        match self.find(direction.opposite(), name, sequence) {
            Some(index) => self.waiting.get(index)?.method,
            None => self.options.idl.find(name),
        }
    }

    /// A call went in a direction. Its texts are taken.
    pub fn call(&mut self, context: &mut Context<'_>, requests: Direction, message: &mut Message) {
        context.count(ProtocolCounter::Messages, 1);
        if let Some(before) = self.waiting.iter_mut().rev().find(|call| call.requests == requests) {
            before.is_followed = true;
        }
        if message.is_dropped {
            context.count(ProtocolCounter::SkippedBytes, message.bytes);
            return;
        }
        let name = std::mem::take(&mut message.name);
        let call = Call {
            method: self.options.idl.find(&name),
            name,
            params: std::mem::take(&mut message.value),
            sequence: message.sequence,
            requests,
            start_ns: message.start_ns,
            bytes: message.bytes,
            extent: message.extent,
            is_followed: false,
            reply_may_be_lost: false,
            calls_may_be_lost: false,
        };
        if message.kind == MessageType::Oneway || self.is_two_way(&call) == Some(false) {
            return event::publish(context, &self.options, &call, None, Ending::Oneway);
        }
        self.waiting_bytes += call.text_bytes();
        self.waiting.push_back(call);
        while self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES && self.waiting.len() > 1 {
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.give_up(context, 0, Ending::NoResponse);
        }
    }

    /// A reply to calls that go in a direction.
    pub fn reply(&mut self, context: &mut Context<'_>, requests: Direction, message: &Message) {
        context.count(ProtocolCounter::Messages, 1);
        let mut index = self.find(requests, &message.name, message.sequence);
        // Many clients give every call the same number: a later one was sent because the reply had come, and is lost here.
        while let Some(older) = index.filter(|older| self.is_overtaken(*older)) {
            self.give_up(context, older, Ending::ReplyLost);
            index = self.find(requests, &message.name, message.sequence);
        }
        let call = index.and_then(|index| self.take(index));
        let Some(call) = call else { return context.count(ProtocolCounter::UnmatchedResponses, 1) };
        let shown = Some(message).filter(|message| !message.is_dropped);
        event::publish(context, &self.options, &call, shown, Ending::Answered);
    }

    /// Whether the reply to a waiting call may be lost, and a call that looks the same was sent since, or may have been.
    fn is_overtaken(&self, index: usize) -> bool {
        let Some(call) = self.waiting.get(index).filter(|call| call.reply_may_be_lost) else { return false };
        call.calls_may_be_lost
            || self.waiting.iter().skip(index + 1).any(|later| {
                !later.reply_may_be_lost
                    && later.requests == call.requests
                    && later.sequence == call.sequence
                    && *later.name == *call.name
            })
    }

    /// Bytes are missing among the replies to calls that go in a direction.
    pub fn replies_may_be_lost(&mut self, requests: Direction) {
        let calls = self.waiting.iter_mut().filter(|call| call.requests == requests);
        calls.for_each(|call| call.reply_may_be_lost = true);
    }

    /// Bytes are missing among the calls that go in a direction.
    pub fn calls_may_be_lost(&mut self, requests: Direction) {
        let calls = self.waiting.iter_mut().filter(|call| call.requests == requests);
        calls.for_each(|call| call.calls_may_be_lost = true);
    }

    /// A direction ended: its sender waits for no reply, or gives none any more.
    pub fn ended(&mut self, context: &mut Context<'_>, direction: Direction, end: End) {
        if end == End::Fin {
            self.has_closed[direction as usize] = true;
        }
        while let Some(index) = self.waiting.iter().position(|call| call.requests == direction.opposite()) {
            self.give_up(context, index, Ending::ConnectionEnded);
        }
    }

    /// When the oldest call is given up; `heard_ns`: the last bytes of a reply that has begun.
    pub fn deadline_ns(&self, heard_ns: Option<i64>) -> Option<i64> {
        let since = self.waiting.front()?.start_ns;
        let since = heard_ns.map_or(since, |heard| heard.max(since));
        Some(since.saturating_add(self.options.common.transaction_timeout_ns))
    }

    /// Publishes what has waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>, heard_ns: Option<i64>) {
        while self.deadline_ns(heard_ns).is_some_and(|deadline| deadline <= context.now_ns) {
            self.give_up(context, 0, Ending::NoResponse);
        }
    }

    /// Publishes all that waits.
    pub fn finish(&mut self, context: &mut Context<'_>) {
        while !self.waiting.is_empty() {
            self.give_up(context, 0, Ending::NoResponse);
        }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        self.waiting.shrink_to(SPARE_PLACES);
        self.waiting_bytes = 0;
        self.has_closed = [false; 2];
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let calls = self.waiting.iter();
        calls.map(|call| call.name.capacity() + call.params.capacity()).sum::<usize>()
            + self.waiting.capacity() * size_of::<Call>()
    }

    /// The oldest call with this number and method. A server that does not repeat numbers answers with 0.
    fn find(&self, requests: Direction, name: &[u8], sequence: i32) -> Option<usize> {
        let is_of = |call: &&Call| call.requests == requests && call.is_of(name);
        let position =
            |has_number: &dyn Fn(&Call) -> bool| self.waiting.iter().position(|call| is_of(&call) && has_number(call));
        position(&|call| call.sequence == sequence).or_else(|| match sequence {
            0 => position(&|_| true),
            _ => None,
        })
    }

    /// Whether the IDL says that a call is answered. None: it does not know the method.
    fn is_two_way(&self, call: &Call) -> Option<bool> {
        Some(!self.options.idl.method(call.method?)?.is_oneway)
    }

    fn give_up(&mut self, context: &mut Context<'_>, index: usize, ending: Ending) {
        let Some(call) = self.take(index) else { return };
        let has_closed = self.has_closed[call.requests as usize];
        let ending = match self.is_two_way(&call) {
            _ if call.reply_may_be_lost => Ending::ReplyLost,
            None if call.is_followed || has_closed => Ending::Oneway,
            _ => ending,
        };
        if ending != Ending::Oneway {
            context.count(ProtocolCounter::UnmatchedRequests, 1);
        }
        event::publish(context, &self.options, &call, None, ending);
    }

    fn take(&mut self, index: usize) -> Option<Call> {
        let call = self.waiting.remove(index)?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(call.text_bytes());
        Some(call)
    }
}
