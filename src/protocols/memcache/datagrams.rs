// SPDX-License-Identifier: Apache-2.0
//! Memcache over UDP (memcached, `doc/protocol.txt`, "UDP protocol"): datagrams of a message are put together, and
//! messages of one request id belong together.
//!
//! Limits: [`MAX_EXCHANGES`] request ids wait in a flow, with [`MAX_HELD_BYTES`] of datagrams; the oldest is given up.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::binary::Role;
use super::reader::{Found, Reader};
use super::session::{Session, Silence};
use crate::protocols::{Context, Direction, ProtocolCounter};

/// Request ids of one flow that may wait.
pub const MAX_EXCHANGES: usize = 1024;

/// Bytes of incomplete messages of one flow.
pub const MAX_HELD_BYTES: usize = 4 << 20;

/// Datagrams of one message.
const MAX_DATAGRAMS: u16 = 1024;

/// Request id, number, total, and two bytes that mean nothing yet.
const FRAME_BYTES: usize = 8;

const SPARE_EXCHANGES: usize = 8;
const SPARE_BYTES: usize = 8192;

/// The datagrams of one flow.
pub struct Datagrams {
    options: Arc<Options>,
    /// In the order of their last activity.
    exchanges: VecDeque<Exchange>,
    held_bytes: usize,
    spare: Vec<Exchange>,
    readers: [Reader; 2],
    assembled: Vec<u8>,
}

/// What is known of one request id.
struct Exchange {
    id: u16,
    activity_ns: i64,
    session: Session,
    parts: [Parts; 2],
}

/// Datagrams of a message of which some are missing.
#[derive(Default)]
struct Parts {
    /// 0: there are none.
    total: u16,
    start_ns: i64,
    bytes: Vec<u8>,
    /// Number of each, and where its payload begins and ends.
    places: Vec<(u16, usize, usize)>,
}

impl Parts {
    fn clear(&mut self) {
        self.total = 0;
        self.bytes.clear();
        self.bytes.shrink_to(SPARE_BYTES);
        self.places.clear();
    }
}

impl Datagrams {
    pub fn new(options: Arc<Options>) -> Datagrams {
        Datagrams {
            options,
            exchanges: VecDeque::new(),
            held_bytes: 0,
            spare: Vec::new(),
            readers: [Reader::new(Role::Request), Reader::new(Role::Response)],
            assembled: Vec::new(),
        }
    }

    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        let exchanges = self.exchanges.iter().chain(&self.spare);
        exchanges
            .map(|exchange| {
                exchange.session.kept_bytes() + exchange.parts.iter().map(|parts| parts.bytes.capacity()).sum::<usize>()
            })
            .sum::<usize>()
            + self.readers.iter().map(|reader| reader.message.capacity_bytes()).sum::<usize>()
            + self.assembled.capacity()
    }

    pub fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.expire(context);
        let Some((&[i0, i1, n0, n1, t0, t1, _, _], content)) = payload.split_first_chunk::<FRAME_BYTES>() else {
            context.count(ProtocolCounter::ParseFailures, 1);
            return;
        };
        let id = u16::from_be_bytes([i0, i1]);
        let number = u16::from_be_bytes([n0, n1]);
        let total = u16::from_be_bytes([t0, t1]);
        if number >= total || total > MAX_DATAGRAMS {
            context.count(ProtocolCounter::ParseFailures, 1);
            return;
        }
        let mut exchange = self.take(context, id);
        if total == 1 {
            let missing = wire_length.saturating_sub(payload.len());
            self.message(context, &mut exchange.session, direction, content, missing, context.now_ns);
        } else if self.add(context, &mut exchange, direction, content, number, total) {
            self.complete(context, &mut exchange, direction, context.now_ns);
        }
        self.put_back(exchange, context.now_ns);
        while self.held_bytes > MAX_HELD_BYTES {
            self.evict(context);
        }
    }

    /// Publishes what waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            self.give_up_oldest(context);
        }
    }

    pub fn deadline_ns(&self) -> Option<i64> {
        Some(self.exchanges.front()?.activity_ns.saturating_add(self.options.udp_transaction_timeout_ns))
    }

    pub fn finish(&mut self, context: &mut Context<'_>) {
        while !self.exchanges.is_empty() {
            self.give_up_oldest(context);
        }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        while let Some(exchange) = self.exchanges.pop_front() {
            self.recycle(exchange);
        }
        self.exchanges.shrink_to(SPARE_EXCHANGES);
        self.held_bytes = 0;
        self.readers.iter_mut().for_each(Reader::reset);
        self.assembled.clear();
        self.assembled.shrink_to(SPARE_BYTES);
    }

    /// What is known of a request id, or something new, taken out of the list.
    fn take(&mut self, context: &mut Context<'_>, id: u16) -> Exchange {
        let known = self.exchanges.iter().rposition(|exchange| exchange.id == id);
        if let Some(exchange) = known.and_then(|place| self.exchanges.remove(place)) {
            return exchange;
        }
        if self.exchanges.len() >= MAX_EXCHANGES {
            self.evict(context);
        }
        let mut exchange = self.spare.pop().unwrap_or_else(|| Exchange {
            id,
            activity_ns: 0,
            session: Session::new(Arc::clone(&self.options)),
            parts: Default::default(),
        });
        exchange.id = id;
        exchange
    }

    fn put_back(&mut self, mut exchange: Exchange, now_ns: i64) {
        if exchange.session.is_empty() && exchange.parts.iter().all(|parts| parts.total == 0) {
            self.recycle(exchange);
        } else {
            exchange.activity_ns = now_ns;
            self.exchanges.push_back(exchange);
        }
    }

    fn recycle(&mut self, mut exchange: Exchange) {
        for parts in &mut exchange.parts {
            self.held_bytes = self.held_bytes.saturating_sub(parts.bytes.len());
            parts.clear();
        }
        if self.spare.len() < SPARE_EXCHANGES {
            exchange.session.reset();
            self.spare.push(exchange);
        }
    }

    fn evict(&mut self, context: &mut Context<'_>) {
        context.count(ProtocolCounter::EvictedRequests, 1);
        self.give_up_oldest(context);
    }

    /// Publishes what there is of the oldest exchange: first the parts of messages, up to the first that is missing.
    fn give_up_oldest(&mut self, context: &mut Context<'_>) {
        let Some(mut exchange) = self.exchanges.pop_front() else {
            self.held_bytes = 0;
            return;
        };
        let activity_ns = exchange.activity_ns;
        for direction in [Direction::ToServer, Direction::ToClient] {
            if exchange.parts[direction as usize].total > 0 {
                self.complete(context, &mut exchange, direction, activity_ns);
            }
        }
        exchange.session.give_up(context, None, Silence::Meant);
        self.recycle(exchange);
    }

    /// Keeps a datagram of a message. Answers whether the message is complete.
    fn add(
        &mut self,
        context: &mut Context<'_>,
        exchange: &mut Exchange,
        direction: Direction,
        content: &[u8],
        number: u16,
        total: u16,
    ) -> bool {
        let parts = &mut exchange.parts[direction as usize];
        if parts.total == 0 {
            parts.total = total;
            parts.start_ns = context.now_ns;
        }
        if parts.total != total || parts.places.iter().any(|(known, ..)| *known == number) {
            context.count(ProtocolCounter::ParseFailures, u64::from(parts.total != total));
            return false;
        }
        let start = parts.bytes.len();
        parts.bytes.extend_from_slice(content);
        parts.places.push((number, start, parts.bytes.len()));
        self.held_bytes += content.len();
        parts.places.len() == usize::from(total)
    }

    /// Reads a message of several datagrams, as far as they follow each other.
    fn complete(&mut self, context: &mut Context<'_>, exchange: &mut Exchange, direction: Direction, end_ns: i64) {
        let parts = &mut exchange.parts[direction as usize];
        parts.places.sort_unstable_by_key(|(number, ..)| *number);
        let mut assembled = std::mem::take(&mut self.assembled);
        assembled.clear();
        for (index, (number, start, end)) in parts.places.iter().enumerate() {
            if usize::from(*number) != index {
                break;
            }
            assembled.extend_from_slice(parts.bytes.get(*start..*end).unwrap_or_default());
        }
        // The answer is there when its last datagram is.
        let time_ns = if direction == Direction::ToServer { parts.start_ns } else { end_ns };
        self.held_bytes = self.held_bytes.saturating_sub(parts.bytes.len());
        parts.clear();
        self.message(context, &mut exchange.session, direction, &assembled, 0, time_ns);
        assembled.shrink_to(SPARE_BYTES);
        self.assembled = assembled;
    }

    /// Reads the messages of one request id in one direction; `missing_bytes` at the end are not in the capture.
    fn message(
        &mut self,
        context: &mut Context<'_>,
        session: &mut Session,
        direction: Direction,
        bytes: &[u8],
        missing_bytes: usize,
        time_ns: i64,
    ) {
        let reader = &mut self.readers[direction as usize];
        reader.reset();
        let mut position = 0;
        let mut deliver = |context: &mut Context<'_>, reader: &mut Reader| match direction {
            Direction::ToServer => session.request(context, &mut reader.message),
            Direction::ToClient => session.response(context, &mut reader.message),
        };
        loop {
            match reader.next(bytes, &mut position, time_ns, &self.options) {
                Found::Message => deliver(context, reader),
                Found::Invalid => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    return;
                }
                Found::Need { .. } => break,
            }
        }
        // The rest of a message that is not whole.
        let rest = bytes.get(position..).unwrap_or_default();
        if reader.is_inside() {
            reader.abandon();
            reader.message.bytes += missing_bytes as u64;
            deliver(context, reader);
        } else if reader.broken_line(rest, time_ns, &self.options) {
            deliver(context, reader);
        } else if !rest.is_empty() {
            context.count(ProtocolCounter::ParseFailures, 1);
        }
    }
}
