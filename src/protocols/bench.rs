// SPDX-License-Identifier: Apache-2.0
//! A test bench for parsers: feeds one flow and keeps the events as JSON. For tests only.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{AfterGap, Carrier, Context, Direction, End, Endpoint, FlowView, Parser, ProtocolCounter, Publisher, Step};
use crate::event::json::{Encoder, Metadata, Precision};
use crate::event::{Event, Schema};
use crate::stream::held::HeldPool;
use crate::stream::tcp::{Connection, Lent, Segment};
use crate::stream::{Limits, Receiver, StreamCounters};

pub struct Bench {
    pub parser: Box<dyn Parser>,
    pub flow: FlowView,
    pub now_ns: i64,
    recorder: Recorder,
    connection: Connection,
    pool: HeldPool,
    counters: StreamCounters,
    sequences: [u32; 2],
}

struct Recorder {
    event: Event,
    events: Vec<Json>,
    counts: [u64; ProtocolCounter::ALL.len()],
}

impl Publisher for Recorder {
    fn begin(&mut self) -> &mut Event {
        self.event.clear();
        &mut self.event
    }

    fn publish(&mut self) {
        let mut out = Vec::new();
        Encoder::new(Precision::Nanosecond, Metadata::Written).write_event(&self.event, &mut out);
        assert!(out.len() <= self.event.encoded_bound_bytes());
        self.events.push(serde_json::from_slice(&out).expect("an event is JSON"));
    }

    fn count(&mut self, counter: ProtocolCounter, amount: u64) {
        self.counts[counter as usize] += amount;
    }
}

impl Bench {
    /// A flow from 10.0.0.1:40000 to 10.0.0.2 at `port`.
    pub fn new(parser: Box<dyn Parser>, carrier: Carrier, port: u16) -> Bench {
        let endpoint = |last, port| Endpoint { address: IpAddr::from([10, 0, 0, last]), port };
        Bench {
            parser,
            flow: FlowView { client: endpoint(1, 40_000), server: endpoint(2, port), carrier, community_id: None },
            now_ns: 1_700_000_000_000_000_000,
            recorder: Recorder {
                event: Event::new(Arc::new(Schema::new([]))),
                events: Vec::new(),
                counts: [0; ProtocolCounter::ALL.len()],
            },
            connection: Connection::default(),
            pool: HeldPool::new(1 << 24),
            counters: StreamCounters::default(),
            sequences: [1; 2],
        }
    }

    /// The next bytes of a direction, in one segment, one millisecond after the last.
    pub fn send(&mut self, direction: Direction, bytes: &[u8]) {
        self.now_ns += 1_000_000;
        self.segment(direction, bytes, false, false);
    }

    /// The same in segments of `size` bytes.
    pub fn send_in(&mut self, direction: Direction, bytes: &[u8], size: usize) {
        for part in bytes.chunks(size) {
            self.send(direction, part);
        }
    }

    /// Loses `bytes` of a direction: the next segment comes behind a gap.
    pub fn lose(&mut self, direction: Direction, bytes: u32) {
        self.sequences[direction as usize] = self.sequences[direction as usize].wrapping_add(bytes);
    }

    /// A message as it may come in a faulty capture or from a faulty peer: one in `share` has one fault. Where bytes are
    /// lost it is whole, and the gap lies before it.
    pub fn damaged(
        &mut self,
        random: &mut fastrand::Rng,
        (direction, bytes): (Direction, &[u8]),
        share: u8,
        insert: impl Fn(&mut fastrand::Rng) -> u8,
    ) -> Vec<u8> {
        let mut payload = bytes.to_vec();
        if random.u8(..share) == 0 {
            let at = random.usize(..payload.len());
            match random.u8(..5) {
                0 => payload[at] = random.u8(..),
                1 => payload.truncate(at),
                2 => payload.insert(at, insert(random)),
                3 => self.lose(direction, 1 + random.u32(..200)),
                _ => payload.extend_from_slice(&bytes[at..]),
            }
        }
        payload
    }

    /// A message with up to three faults, such as numbers at the ends of their range; never empty.
    pub fn mutated(&mut self, random: &mut fastrand::Rng, direction: Direction, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..5) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.usize(..5)],
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, random.u8(..)),
                _ => self.lose(direction, 1 + random.u32(..40)),
            }
        }
        bytes
    }

    pub fn fin(&mut self, direction: Direction) {
        self.segment(direction, b"", true, false);
    }

    pub fn reset(&mut self, direction: Direction) {
        self.segment(direction, b"", false, true);
    }

    pub fn datagram(&mut self, direction: Direction, payload: &[u8]) {
        self.cut_datagram(direction, payload, payload.len());
    }

    /// A datagram of which the capture kept less than its `wire_length`.
    pub fn cut_datagram(&mut self, direction: Direction, payload: &[u8], wire_length: usize) {
        self.now_ns += 1_000_000;
        let mut context = Context { now_ns: self.now_ns, flow: self.flow, publisher: &mut self.recorder };
        self.parser.datagram(&mut context, direction, payload, wire_length);
    }

    /// Lets time pass and calls `expire` when the parser's deadline is over.
    pub fn wait(&mut self, time_ns: i64) {
        self.now_ns += time_ns;
        if self.parser.deadline_ns().is_some_and(|deadline| deadline <= self.now_ns) {
            let mut context = Context { now_ns: self.now_ns, flow: self.flow, publisher: &mut self.recorder };
            self.parser.expire(&mut context);
        }
    }

    /// Ends the capture.
    pub fn finish(&mut self) {
        let mut receiver = Adapter {
            parser: &mut *self.parser,
            context: Context { now_ns: self.now_ns, flow: self.flow, publisher: &mut self.recorder },
        };
        let mut lent = Lent {
            receiver: &mut receiver,
            pool: &mut self.pool,
            limits: &Limits::default(),
            counters: &mut self.counters,
        };
        self.connection.finish(&mut lent);
        let mut context = Context { now_ns: self.now_ns, flow: self.flow, publisher: &mut self.recorder };
        self.parser.finish(&mut context);
    }

    pub fn events(&self) -> &[Json] {
        &self.recorder.events
    }

    pub fn count(&self, counter: ProtocolCounter) -> u64 {
        self.recorder.counts[counter as usize]
    }

    pub fn stream_counters(&self) -> StreamCounters {
        self.counters
    }

    fn segment(&mut self, direction: Direction, payload: &[u8], fin: bool, reset: bool) {
        let sequence = self.sequences[direction as usize];
        self.sequences[direction as usize] = sequence.wrapping_add(payload.len() as u32 + u32::from(fin));
        let mut receiver = Adapter {
            parser: &mut *self.parser,
            context: Context { now_ns: self.now_ns, flow: self.flow, publisher: &mut self.recorder },
        };
        // A zero time for lost holes: a gap is told at once, as the bench knows that nothing comes late.
        let limits = Limits { unacknowledged_ns: 0, ..Limits::default() };
        let mut lent =
            Lent { receiver: &mut receiver, pool: &mut self.pool, limits: &limits, counters: &mut self.counters };
        let segment = Segment {
            direction,
            sequence,
            acknowledgement: None,
            syn: false,
            fin,
            reset,
            payload,
            cut_bytes: 0,
            time_ns: self.now_ns,
        };
        self.connection.segment(&segment, &mut lent);
    }
}

struct Adapter<'a> {
    parser: &'a mut dyn Parser,
    context: Context<'a>,
}

impl Receiver for Adapter<'_> {
    fn data(&mut self, direction: Direction, bytes: &[u8], time_ns: i64) -> Step {
        self.context.now_ns = time_ns;
        self.parser.data(&mut self.context, direction, bytes)
    }

    fn gap(&mut self, direction: Direction, pending: &[u8], missing_bytes: u64, _after_ns: i64) -> AfterGap {
        self.parser.gap(&mut self.context, direction, pending, missing_bytes)
    }

    fn end(&mut self, direction: Direction, pending: &[u8], end: End) {
        self.parser.end(&mut self.context, direction, pending, end);
    }
}
