// SPDX-License-Identifier: Apache-2.0
//! The parser of one flow: cuts both directions into messages and pairs calls with replies.
//!
//! A retransmitted call is part of its transaction. Replies to calls that were not seen are counted.

use super::Options;
use super::event::{self, Answer};
use super::message::{Call, Message, Reply};
use super::record::{self, Bridge, Extent, HEAD_BYTES, Next, Record, Records, SEARCH_BYTES};
use super::waiting::{Waiter, Waiting};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Bytes of a connection without any RPC message after which it is given up.
const MAX_FOREIGN_BYTES: u64 = 1 << 20;

/// The parser of one flow.
pub struct NfsParser {
    directions: [Stream; 2],
    exchange: Exchange,
    /// Bytes in which no record was found; only counted until one is.
    foreign_bytes: u64,
}

#[derive(Default)]
struct Stream {
    records: Records,
    footing: Footing,
}

/// Whether it is known where the next record begins.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Footing {
    #[default]
    Known,
    Lost,
}

struct Exchange {
    options: Options,
    waiting: Waiting,
    /// Whether any RPC message has been seen.
    is_rpc: bool,
}

impl NfsParser {
    pub fn new(options: Options) -> NfsParser {
        NfsParser {
            directions: Default::default(),
            exchange: Exchange { options, waiting: Waiting::default(), is_rpc: false },
            foreign_bytes: 0,
        }
    }

    /// Bytes that the parser keeps of messages.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.directions.iter().map(|stream| stream.records.held_bytes()).sum::<usize>()
            + self.exchange.waiting.held_bytes()
    }

    /// Moves `position` to the next record. Answers whether there is one.
    fn search(&mut self, direction: Direction, bytes: &[u8], position: &mut usize) -> bool {
        let waiting = &self.exchange.waiting;
        let waits = |xid| waiting.find(direction.opposite(), xid).is_some();
        let stream = &mut self.directions[direction as usize];
        let start = *position;
        match record::search(bytes, start, waits) {
            Some(found) => {
                *position = found;
                stream.footing = Footing::Known;
            }
            None => *position = start.max((bytes.len() + 1).saturating_sub(SEARCH_BYTES)),
        }
        if !self.exchange.is_rpc {
            self.foreign_bytes += (*position - start) as u64;
        }
        stream.footing == Footing::Known
    }
}

impl Parser for NfsParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.expire(context);
        let mut position = 0;
        loop {
            if self.directions[direction as usize].footing == Footing::Lost
                && !self.search(direction, bytes, &mut position)
            {
                if self.foreign_bytes > MAX_FOREIGN_BYTES {
                    return Step::NotMine;
                }
                return Step::Consumed { bytes: position, need: SEARCH_BYTES };
            }
            let stream = &mut self.directions[direction as usize];
            match stream.records.next(bytes, &mut position, context.now_ns) {
                Next::Record(record) => self.exchange.take(context, direction, &record),
                Next::Need(need) => return Step::Consumed { bytes: position, need },
                Next::Foreign => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    if bytes.get(position..).is_some_and(is_tls) {
                        return Step::NotMine;
                    }
                    stream.records.reset();
                    stream.footing = Footing::Lost;
                    position += 1;
                }
            }
        }
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        self.expire(context);
        let stream = &mut self.directions[direction as usize];
        let pending = if stream.footing == Footing::Known { pending } else { &[] };
        match stream.records.gap(pending, missing_bytes, context.now_ns) {
            Bridge::Held(record) => {
                if let Some(record) = record {
                    self.exchange.take(context, direction, &record);
                }
                AfterGap::Continue
            }
            Bridge::Lost(record) => {
                stream.footing = Footing::Lost;
                if let Some(record) = record {
                    self.exchange.take(context, direction, &record);
                }
                self.exchange.waiting.replies_may_be_lost(direction.opposite());
                AfterGap::Restart
            }
        }
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], _end: End) {
        self.expire(context);
        let stream = &mut self.directions[direction as usize];
        let pending = if stream.footing == Footing::Known { pending } else { &[] };
        if let Some(record) = stream.records.end(pending, context.now_ns) {
            self.exchange.take(context, direction, &record);
        }
        stream.footing = Footing::Known;
        stream.records.reset();
        // Replies to calls of the other direction cannot come any more.
        while let Some(call) = self.exchange.waiting.take_first(direction.opposite()) {
            self.exchange.give_up(context, call);
        }
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.expire(context);
        let record = Record {
            head: payload.get(..HEAD_BYTES).unwrap_or(payload),
            bytes: wire_length as u64,
            start_ns: context.now_ns,
            end_ns: context.now_ns,
            extent: if wire_length > payload.len() { Extent::Cut } else { Extent::Whole },
        };
        self.exchange.take(context, direction, &record);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            let Some(call) = self.exchange.waiting.take_oldest() else { break };
            self.exchange.give_up(context, call);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        let oldest_ns = self.exchange.waiting.oldest_ns()?;
        Some(oldest_ns.saturating_add(self.exchange.options.transaction_timeout_ns))
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        while let Some(call) = self.exchange.waiting.take_oldest() {
            self.exchange.give_up(context, call);
        }
        self.reset();
    }

    fn reset(&mut self) {
        for stream in &mut self.directions {
            stream.records.reset();
            stream.footing = Footing::Known;
        }
        self.exchange.waiting.clear();
        self.exchange.is_rpc = false;
        self.foreign_bytes = 0;
    }
}

/// Whether bytes begin a TLS handshake (RFC 9289: RPC with TLS).
fn is_tls(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x16, 0x03])
}

impl Exchange {
    fn take(&mut self, context: &mut Context<'_>, direction: Direction, record: &Record<'_>) {
        let message = Message::parse(record.head);
        self.is_rpc |= message.is_some();
        context.count(if message.is_some() { ProtocolCounter::Messages } else { ProtocolCounter::ParseFailures }, 1);
        match message {
            Some(Message::Call(call)) => self.call(context, direction, &call, record),
            Some(Message::Reply(reply)) => self.reply(context, direction.opposite(), &reply, record),
            Some(Message::OtherCall) => {}
            // Whose reply it was is lost.
            None if record.extent == Extent::Damaged => self.waiting.replies_may_be_lost(direction.opposite()),
            None => {}
        }
    }

    fn call(&mut self, context: &mut Context<'_>, requests: Direction, call: &Call<'_>, record: &Record<'_>) {
        if let Some(earlier) = self.waiting.find(requests, call.xid) {
            context.count(ProtocolCounter::DuplicateRequests, 1);
            if earlier.is_repeated_by(call, record) {
                return;
            }
            if let Some(earlier) = self.waiting.take(requests, call.xid) {
                self.give_up(context, earlier);
            }
        }
        while self.waiting.is_full() {
            let Some(oldest) = self.waiting.take_oldest() else { break };
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.give_up(context, oldest);
        }
        self.waiting.add(requests, call, record);
    }

    fn reply(&mut self, context: &mut Context<'_>, requests: Direction, reply: &Reply<'_>, record: &Record<'_>) {
        let Some(call) = self.waiting.take(requests, reply.xid) else {
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            return;
        };
        let damaged = match record.extent {
            Extent::Whole => false,
            Extent::Cut => reply.verdict.is_none(),
            Extent::Damaged => true,
        };
        let answer = Answer { end_ns: record.end_ns, bytes: record.bytes, verdict: reply.verdict, damaged };
        event::publish(context, &call, Some(&answer));
        self.waiting.recycle(call);
    }

    /// Publishes a call that got no reply.
    fn give_up(&mut self, context: &mut Context<'_>, call: Waiter) {
        context.count(ProtocolCounter::UnmatchedRequests, 1);
        event::publish(context, &call, None);
        self.waiting.recycle(call);
    }
}
