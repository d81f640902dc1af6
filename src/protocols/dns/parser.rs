// SPDX-License-Identifier: Apache-2.0
//! Queries and responses of one flow, paired by id.
//!
//! Limits: [`MAX_WAITING`] queries and [`MAX_WAITING_BYTES`] of them wait at once; the oldest is given up for a new one.

use std::sync::Arc;

use super::Options;
use super::event::{self, Half, Transaction};
use super::message::{Extent, HEADER_BYTES, Kind, Message, u16_at};
use super::transfer::{AXFR, Further, IXFR, Outcome, Progress, Transfer};
use super::waiting::{Query, Waiting};
use crate::protocols::{AfterGap, Carrier, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Largest message over UDP without EDNS (RFC 1035, section 4.2.1).
const MAX_PLAIN_UDP_BYTES: u64 = 512;

/// A stream whose first messages cannot be read is given up.
const MAX_FIRST_FAILURES: u32 = 8;

/// What Packetbeat says in `error.message`.
mod note {
    pub const DUPLICATE: &str = "Another query with the same DNS ID from this client was received so this query was \
                                 closed without receiving a response";
    pub const NO_RESPONSE: &str = "No response to this query was received";
    pub const ORPHAN: &str = "Response: received without an associated Query";
    pub const QUERY_TOO_LARGE: &str = "Non-EDNS packet has size greater than 512";
    pub const RESPONSE_TOO_LARGE: &str = "Response: Non-EDNS packet has size greater than 512";
    pub const EDNS_UNSUPPORTED: &str = "Responder does not support EDNS";
    pub const EDNS_UNEXPECTED: &str = "Unexpected EDNS answer";
    pub const NOT_DNS: &str = "Response: Message's data could not be decoded as DNS";
    pub const ZERO_LENGTH: &str = "Response: Message's length was set to zero";
    pub const INCOMPLETE: &str = "Response: Message's data is incomplete";
}

/// State of one flow.
pub struct DnsParser {
    options: Arc<Options>,
    waiting: Waiting,
    streams: [Stream; 2],
    /// Messages that could not be read before the first that could.
    first_failures: u32,
}

/// One direction of a TCP connection.
#[derive(Clone, Copy, Default)]
struct Stream {
    /// When the message began whose end is not there.
    started_ns: Option<i64>,
    /// Bytes of a message with a hole that are still to come.
    skip_bytes: usize,
    footing: Footing,
}

/// Whether it is known where the next message begins.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Footing {
    #[default]
    Known,
    /// Bytes were lost: what comes next must look like a message.
    Lost,
}

impl DnsParser {
    pub fn new(options: Arc<Options>) -> DnsParser {
        DnsParser { options, waiting: Waiting::default(), streams: Default::default(), first_failures: 0 }
    }
}

impl Parser for DnsParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.expire(context);
        let stream = &mut self.streams[direction as usize];
        let mut consumed = stream.skip_bytes.min(bytes.len());
        stream.skip_bytes -= consumed;
        while let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
            let stream = &mut self.streams[direction as usize];
            let started_ns = *stream.started_ns.get_or_insert(context.now_ns);
            if stream.footing == Footing::Lost {
                let Some(header) = rest.get(..2 + HEADER_BYTES) else {
                    return Step::Consumed { bytes: consumed, need: 2 + HEADER_BYTES };
                };
                if !is_likely(header) {
                    stream.started_ns = None;
                    return Step::Resynchronise;
                }
            }
            let Some(length) = u16_at(rest, 0) else { return Step::Consumed { bytes: consumed, need: 2 } };
            let end = 2 + usize::from(length);
            let Some(message) = rest.get(2..end) else { return Step::Consumed { bytes: consumed, need: end } };
            stream.started_ns = None;
            consumed += end;
            if message.is_empty() {
                self.fail(context, direction, message, note::ZERO_LENGTH);
                return if self.is_foreign() { Step::NotMine } else { Step::Resynchronise };
            }
            let footing = std::mem::take(&mut self.streams[direction as usize].footing);
            match Message::parse(message, Extent::Whole) {
                None if footing == Footing::Lost => {
                    self.streams[direction as usize].footing = Footing::Lost;
                    context.count(ProtocolCounter::ParseFailures, 1);
                    return Step::Resynchronise;
                }
                Some(parsed) => self.message(context, direction, message, &parsed, started_ns, end as u64),
                None => self.fail(context, direction, message, note::NOT_DNS),
            }
            if self.is_foreign() {
                return Step::NotMine;
            }
        }
        Step::Consumed { bytes: consumed, need: 0 }
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        self.expire(context);
        let stream = &mut self.streams[direction as usize];
        stream.started_ns = None;
        if stream.skip_bytes as u64 >= missing_bytes {
            stream.skip_bytes = after(stream.skip_bytes, missing_bytes);
            return AfterGap::Continue;
        }
        // The length of the broken message leads to the next one.
        let left_bytes = u16_at(pending, 0).map_or(0, |length| (2 + usize::from(length)).saturating_sub(pending.len()));
        stream.skip_bytes = after(left_bytes, missing_bytes);
        if left_bytes as u64 != missing_bytes && stream.skip_bytes == 0 {
            stream.footing = Footing::Lost;
            self.waiting.damage_transfers(direction.opposite());
        }
        if pending.is_empty() {
            return AfterGap::Restart;
        }
        self.fail(context, direction, pending.get(2..).unwrap_or_default(), note::INCOMPLETE);
        AfterGap::Restart
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], _end: End) {
        self.expire(context);
        self.streams[direction as usize] = Stream::default();
        if !pending.is_empty() {
            self.fail(context, direction, pending.get(2..).unwrap_or_default(), note::INCOMPLETE);
        }
        // Responses to queries of the other direction cannot come any more.
        while let Some(query) = self.waiting.take_first(direction.opposite()) {
            self.give_up(context, query);
        }
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.expire(context);
        let extent = if wire_length > payload.len() { Extent::Cut } else { Extent::Whole };
        match Message::parse(payload, extent) {
            Some(message) => self.message(context, direction, payload, &message, context.now_ns, wire_length as u64),
            None => context.count(ProtocolCounter::ParseFailures, 1),
        }
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            let Some(query) = self.waiting.take_oldest() else { break };
            self.give_up(context, query);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        Some(self.waiting.oldest_ns()?.saturating_add(self.options.transaction_timeout_ns))
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        while let Some(query) = self.waiting.take_oldest() {
            self.give_up(context, query);
        }
    }

    fn reset(&mut self) {
        self.waiting.clear();
        self.streams = Default::default();
        self.first_failures = 0;
    }
}

/// Whether a length and a header may begin a message.
fn is_likely(header: &[u8]) -> bool {
    let word = |index: usize| u16_at(header, index * 2).unwrap_or_default();
    let (length, bits, questions) = (word(0), word(2), word(3));
    let opcode = bits >> 11 & 0x0f;
    // The bit between RA and AD must be zero (RFC 2535, section 6.1).
    usize::from(length) >= HEADER_BYTES && matches!(opcode, 0..=2 | 4..=6) && bits & 0x0040 == 0 && questions <= 1
}

/// Bytes left of `bytes` after a gap.
fn after(bytes: usize, missing_bytes: u64) -> usize {
    bytes.saturating_sub(usize::try_from(missing_bytes).unwrap_or(usize::MAX))
}

impl DnsParser {
    fn message(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        bytes: &[u8],
        message: &Message<'_>,
        time_ns: i64,
        wire_bytes: u64,
    ) {
        context.count(ProtocolCounter::Messages, 1);
        self.first_failures = 0;
        match message.kind() {
            Kind::Query => self.query(context, direction, bytes, message, time_ns, wire_bytes),
            Kind::Response => self.response(context, direction, bytes, message, time_ns, wire_bytes),
        }
    }

    fn query(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        bytes: &[u8],
        message: &Message<'_>,
        time_ns: i64,
        wire_bytes: u64,
    ) {
        if let Some(old) = self.waiting.take(direction, message.id) {
            context.count(ProtocolCounter::DuplicateRequests, 1);
            self.close(context, old, note::DUPLICATE);
        }
        self.make_room(context, bytes.len());
        let mut query = self.waiting.query(direction, message.id, time_ns);
        query.wire_bytes = wire_bytes;
        query.bytes.extend_from_slice(bytes);
        if context.flow.carrier == Carrier::Tcp {
            query.transfer_kind =
                message.questions().next().map(|question| question.kind).filter(|kind| matches!(*kind, AXFR | IXFR));
        } else if wire_bytes > bytes.len() as u64 {
            query.extent = Extent::Cut;
        }
        self.waiting.push_back(query);
    }

    fn response(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        bytes: &[u8],
        message: &Message<'_>,
        time_ns: i64,
        wire_bytes: u64,
    ) {
        let requests = direction.opposite();
        let udp = context.flow.carrier == Carrier::Udp;
        let edns = message.opt().is_some();
        let too_large = (udp && !edns && wire_bytes > MAX_PLAIN_UDP_BYTES).then_some(note::RESPONSE_TOO_LARGE);
        let Some(mut query) = self.waiting.take(requests, message.id) else {
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            let half = Half::new(*message, time_ns, wire_bytes);
            let notes = [Some(note::ORPHAN), too_large];
            self.publish(context, requests, None, Some(half), notes);
            return;
        };
        if continues(&mut query, bytes, message, time_ns, wire_bytes) == Outcome::More {
            self.waiting.push_back(query);
            self.make_room(context, 0);
            return;
        }
        let Some(request) = query.message() else { return };
        let edns_note = match (request.opt().is_some(), edns) {
            (true, false) if udp => Some(note::EDNS_UNSUPPORTED),
            (false, true) if udp => Some(note::EDNS_UNEXPECTED),
            _ => None,
        };
        let damaged = query.transfer.as_ref().is_some_and(|transfer| transfer.progress.damaged);
        let damage_note = damaged.then_some(note::INCOMPLETE);
        let notes = [query_note(context, &query, &request), too_large, edns_note, damage_note];
        let asked = Half::new(request, query.time_ns, query.wire_bytes);
        let answered = match &query.transfer {
            Some(transfer) => transferred(transfer),
            None => Some(Half::new(*message, time_ns, wire_bytes)),
        };
        self.publish(context, requests, Some(asked), answered, notes);
        self.waiting.recycle(query);
    }

    /// Gives up the oldest queries until there is a place for one more of `bytes`.
    fn make_room(&mut self, context: &mut Context<'_>, bytes: usize) {
        while self.waiting.is_full(bytes) {
            let Some(oldest) = self.waiting.take_oldest() else { break };
            context.count(ProtocolCounter::EvictedRequests, 1);
            let note = if oldest.transfer.is_some() { note::INCOMPLETE } else { note::NO_RESPONSE };
            self.close(context, oldest, note);
        }
    }

    /// A message that cannot be read. A response ends its query with a note, or the last query when its id is unknown.
    fn fail(&mut self, context: &mut Context<'_>, direction: Direction, message: &[u8], note: &'static str) {
        context.count(ProtocolCounter::ParseFailures, 1);
        self.first_failures = self.first_failures.saturating_add(1);
        let requests = direction.opposite();
        let by_id = u16_at(message, 0).and_then(|id| self.waiting.take(requests, id));
        let Some(mut query) = by_id.or_else(|| self.waiting.take_last(requests)) else { return };
        if note != note::ZERO_LENGTH && query.damage_transfer() {
            // There may be more messages of it.
            query.activity_ns = context.now_ns;
            self.waiting.push_back(query);
        } else {
            self.close(context, query, note);
        }
    }

    /// Whether the stream is not DNS.
    fn is_foreign(&self) -> bool {
        self.first_failures >= MAX_FIRST_FAILURES && self.waiting.is_empty()
    }

    /// Publishes a query that got no response in time.
    fn give_up(&mut self, context: &mut Context<'_>, query: Query) {
        context.count(ProtocolCounter::UnmatchedRequests, 1);
        let note = if query.transfer.is_some() { note::INCOMPLETE } else { note::NO_RESPONSE };
        self.close(context, query, note);
    }

    /// Publishes a query without response, or with the part of a zone transfer that came.
    fn close(&mut self, context: &mut Context<'_>, query: Query, note: &'static str) {
        if let Some(request) = query.message() {
            let asked = Half::new(request, query.time_ns, query.wire_bytes);
            let notes = [query_note(context, &query, &request), Some(note)];
            let answered = query.transfer.as_deref().and_then(transferred);
            self.publish(context, query.requests, Some(asked), answered, notes);
        }
        self.waiting.recycle(query);
    }

    fn publish<const N: usize>(
        &mut self,
        context: &mut Context<'_>,
        requests: Direction,
        request: Option<Half<'_>>,
        response: Option<Half<'_>>,
        notes: [Option<&'static str>; N],
    ) {
        let notes: arrayvec::ArrayVec<&'static str, N> = notes.into_iter().flatten().collect();
        let is_partial = notes.contains(&note::INCOMPLETE);
        let transaction = Transaction { requests, request, response, is_partial, notes: &notes };
        event::publish(context, &self.options, &transaction);
    }
}

/// Whether more messages of a zone transfer are to come.
fn continues(query: &mut Query, bytes: &[u8], message: &Message<'_>, time_ns: i64, wire_bytes: u64) -> Outcome {
    let Some(kind) = query.transfer_kind else { return Outcome::Complete };
    let mut progress = query.transfer.as_ref().map_or_else(Progress::default, |transfer| transfer.progress);
    let outcome = progress.take(kind, message);
    if outcome == Outcome::More || query.transfer.is_some() {
        let transfer = query.transfer.get_or_insert_default();
        transfer.progress = progress;
        transfer.add(bytes, message, wire_bytes, time_ns);
        query.activity_ns = time_ns;
    }
    outcome
}

/// The response of a zone transfer.
fn transferred(transfer: &Transfer) -> Option<Half<'_>> {
    let mut further: Further<'_> = transfer.messages();
    let message = further.next()?;
    Some(Half {
        message,
        further,
        time_ns: transfer.time_ns,
        bytes: transfer.bytes,
        answer_count: transfer.answer_count,
    })
}

/// Packetbeat tests for EDNS the wrong way round here.
fn query_note(context: &Context<'_>, query: &Query, request: &Message<'_>) -> Option<&'static str> {
    let too_large =
        context.flow.carrier == Carrier::Udp && query.wire_bytes > MAX_PLAIN_UDP_BYTES && request.opt().is_none();
    too_large.then_some(note::QUERY_TOO_LARGE)
}
