// SPDX-License-Identifier: Apache-2.0
//! Requests and replies between two addresses, paired by type, identifier and sequence number.
//!
//! Limit: [`MAX_WAITING`] requests wait at once; the oldest is given up for a new one.

use std::collections::VecDeque;

use super::Options;
use super::event::{self, Seen};
use super::message::{Message, Role, Version};
use crate::protocols::{Carrier, Context, Direction, Parser, ProtocolCounter};

/// Requests between two addresses that may wait: one second of a ping flood.
pub const MAX_WAITING: usize = 1024;

/// Requests for which memory is kept.
const MAX_SPARE: usize = 16;

/// What Packetbeat says in `error.message`.
mod note {
    pub const DUPLICATE: &str = "Another request with the same Id and Seq was received so this request was closed \
                                 without receiving a response.";
    pub const NO_RESPONSE: &str = "Request was received without an associated response.";
    pub const ORPHAN: &str = "Response was received without an associated request.";
}

/// State of one pair of addresses.
pub struct IcmpParser {
    options: Options,
    /// In the order of their times.
    waiting: VecDeque<(Key, Seen)>,
}

/// What a reply must have to be a request's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    identity: u32,
    /// Type of the reply.
    reply: u8,
    requests: Direction,
}

impl IcmpParser {
    pub fn new(options: Options) -> IcmpParser {
        IcmpParser { options, waiting: VecDeque::new() }
    }

    fn take(&mut self, key: Key) -> Option<Seen> {
        let index = self.waiting.iter().rposition(|(other, _)| *other == key)?;
        Some(self.waiting.remove(index)?.1)
    }

    fn give_up(&mut self, context: &mut Context<'_>, counter: ProtocolCounter) {
        if let Some((key, request)) = self.waiting.pop_front() {
            context.count(counter, 1);
            event::publish(context, key.requests, Some(request), None, &[note::NO_RESPONSE]);
        }
    }
}

impl Parser for IcmpParser {
    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.expire(context);
        let version = if context.flow.carrier == Carrier::Icmp6 { Version::V6 } else { Version::V4 };
        let Some(message) = Message::parse(version, payload, wire_length) else {
            context.count(ProtocolCounter::ParseFailures, 1);
            return;
        };
        context.count(ProtocolCounter::Messages, 1);
        let seen = Seen { message, time_ns: context.now_ns };
        match message.role() {
            Role::Alone => event::publish(context, direction, Some(seen), None, &[]),
            Role::Request { reply } => {
                let key = Key { identity: message.identity, reply, requests: direction };
                if let Some(old) = self.take(key) {
                    context.count(ProtocolCounter::DuplicateRequests, 1);
                    event::publish(context, direction, Some(old), None, &[note::DUPLICATE]);
                }
                if self.waiting.len() >= MAX_WAITING {
                    self.give_up(context, ProtocolCounter::EvictedRequests);
                }
                self.waiting.push_back((key, seen));
            }
            Role::Reply => {
                // Of a machine that talks to itself all messages go one way.
                let to_itself = context.flow.client.address == context.flow.server.address;
                let requests = if to_itself { direction } else { direction.opposite() };
                let request = self.take(Key { identity: message.identity, reply: message.kind, requests });
                if request.is_none() {
                    context.count(ProtocolCounter::UnmatchedResponses, 1);
                }
                let notes: &[&str] = if request.is_some() { &[] } else { &[note::ORPHAN] };
                event::publish(context, requests, request, Some(seen), notes);
            }
        }
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            self.give_up(context, ProtocolCounter::UnmatchedRequests);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        Some(self.waiting.front()?.1.time_ns.saturating_add(self.options.transaction_timeout_ns))
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        while !self.waiting.is_empty() {
            self.give_up(context, ProtocolCounter::UnmatchedRequests);
        }
    }

    fn reset(&mut self) {
        self.waiting.clear();
        self.waiting.shrink_to(MAX_SPARE);
    }
}
