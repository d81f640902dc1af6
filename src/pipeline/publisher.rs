// SPDX-License-Identifier: Apache-2.0
//! A worker's events: completed, processed, encoded into the current chunk, and sent to the I/O core in full chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;

use super::counters::Counters;
use super::processes::{Form, Processes};
use crate::capture::Pressure;
use crate::event::chunk::{Chunk, EncodedEvent};
use crate::event::json::Encoder;
use crate::event::{Constants, Event, Value, field};
use crate::flow::Passage;
use crate::outputs::config::Routing;
use crate::outputs::router::{ROOM_BYTES, Router};
use crate::processors::{Chain, Outcome};
use crate::protocols::{Perimeter, ProtocolCounter, Publisher};

/// What happens to the events of one protocol section, or of flows, before they are encoded.
#[derive(Default)]
pub struct Treatment {
    /// `fields` and `index` of the section.
    pub constants: Constants,
    pub tags: Vec<String>,
    pub processors: Chain,
}

/// What all workers share.
pub struct EventSettings {
    /// By section number; the last one is for flows.
    pub treatments: Vec<Treatment>,
    /// The general `fields`.
    pub constants: Constants,
    /// `agent`, `ecs`, `host`, `@metadata`: set after a section's processors, before the general ones.
    pub sensor: Constants,
    pub tags: Vec<String>,
    pub processors: Chain,
    pub perimeter: Perimeter,
    /// `packetbeat.ignore_outgoing`.
    pub outgoing: Outgoing,
    pub max_event_bytes: usize,
    pub chunk_bytes: usize,
    pub routing: Routing,
    /// What the ids of this start's events begin with (`wirebeat.event_id`); None: events get no id.
    pub ids: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    Published,
    Ignored,
}

/// The two queues between a worker and the I/O core.
#[derive(Clone)]
pub struct ChunkRings {
    pub full: Arc<ArrayQueue<Chunk>>,
    pub empty: Arc<ArrayQueue<Chunk>>,
    /// Set when nobody waits for the output any more: events without room are dropped by name, also those of a file.
    pub abandoned: Arc<AtomicBool>,
}

impl ChunkRings {
    /// Rings with `count` empty chunks.
    pub fn new(worker: u16, count: usize, chunk_bytes: usize) -> ChunkRings {
        let rings = ChunkRings {
            full: Arc::new(ArrayQueue::new(count + 8)),
            empty: Arc::new(ArrayQueue::new(count)),
            abandoned: Arc::default(),
        };
        for _ in 0..count {
            let _ = rings.empty.push(Chunk::new(worker, chunk_bytes));
        }
        rings
    }
}

/// The publishing half of a worker.
pub struct EventWriter {
    settings: Arc<EventSettings>,
    event: Event,
    encoder: Encoder,
    router: Router,
    rings: ChunkRings,
    worker: u16,
    pressure: Pressure,
    /// `packetbeat.procs` of a live source.
    processes: Option<Arc<Processes>>,
    current: Option<Chunk>,
    /// Number of the next event in its id: without gaps, since what is not encoded has none.
    sequence: u64,
    /// Packet time of the oldest event in the current chunk.
    oldest_ns: i64,
}

impl EventWriter {
    pub fn new(
        settings: Arc<EventSettings>,
        event: Event,
        encoder: Encoder,
        rings: ChunkRings,
        worker: u16,
        pressure: Pressure,
    ) -> EventWriter {
        let router = Router::new(&settings.routing, event.schema());
        EventWriter {
            settings,
            event,
            encoder,
            router,
            rings,
            worker,
            pressure,
            processes: None,
            current: None,
            sequence: 0,
            oldest_ns: 0,
        }
    }

    /// Names the processes of this machine in events.
    pub fn with_processes(mut self, processes: Option<Arc<Processes>>) -> EventWriter {
        self.processes = processes;
        self
    }

    pub fn processes(&self) -> Option<&Processes> {
        self.processes.as_deref()
    }

    /// Lends the writer to the events of a section.
    pub fn section<'a>(&'a mut self, section: usize, now_ns: i64, counters: &'a mut Counters) -> SectionWriter<'a> {
        SectionWriter { writer: self, section, now_ns, counters, passage: None }
    }

    /// Sends a chunk that is not full when its first event has waited long enough.
    pub fn send_older_than(&mut self, time_ns: i64) {
        if self.current.is_some() && self.oldest_ns < time_ns {
            self.send();
        }
    }

    /// Sends what there is.
    pub fn send(&mut self) {
        if let Some(chunk) = self.current.take() {
            if chunk.is_empty() {
                self.current = Some(chunk);
                return;
            }
            // The ring has room for every chunk of the pool and some oversized ones.
            let mut chunk = chunk;
            while let Err(back) = self.rings.full.push(chunk) {
                chunk = back;
                std::thread::yield_now();
            }
        }
    }

    fn finish_event(&mut self, section: usize, now_ns: i64, counters: &mut Counters) {
        counters.events_made += 1;
        let settings = Arc::clone(&self.settings);
        let event = &mut self.event;
        // General tags and fields come first, then the section's, as libbeat merges them.
        settings.constants.apply(event);
        settings.tags.iter().for_each(|tag| event.append_unique(field::TAGS, tag.as_bytes()));
        if let Some(treatment) = settings.treatments.get(section) {
            treatment.constants.apply(event);
            treatment.tags.iter().for_each(|tag| event.append_unique(field::TAGS, tag.as_bytes()));
            if treatment.processors.process(event) == Outcome::Drop {
                counters.events_dropped_by_processor += 1;
                return;
            }
        }
        settings.sensor.apply(event);
        if settings.processors.process(event) == Outcome::Drop {
            counters.events_dropped_by_processor += 1;
            return;
        }
        if let Some(start) = &settings.ids
            && event.get(field::_METADATA__ID).is_none()
        {
            event.format(field::_METADATA__ID, format_args!("{start}-{}-{}", self.worker, self.sequence));
        }
        let encoded = counters.events_encoded;
        self.encode(now_ns, counters);
        self.sequence += counters.events_encoded - encoded;
    }

    fn encode(&mut self, now_ns: i64, counters: &mut Counters) {
        let bound = self.event.encoded_bound_bytes() + ROOM_BYTES;
        if bound > self.settings.chunk_bytes {
            return self.encode_oversized(now_ns, counters);
        }
        if self.current.as_ref().is_some_and(|chunk| chunk.free_bytes() < bound) {
            self.send();
        }
        if self.current.is_none() {
            self.current = self.empty_chunk();
            self.oldest_ns = now_ns;
        }
        match &mut self.current {
            Some(chunk) => write(&mut self.encoder, &mut self.router, &self.event, chunk, now_ns, counters),
            None => counters.events_dropped_no_chunk += 1,
        }
    }

    /// An event that may be larger than a chunk gets an empty one, which grows when it has to.
    fn encode_oversized(&mut self, now_ns: i64, counters: &mut Counters) {
        self.send();
        let Some(mut chunk) = self.current.take().or_else(|| self.empty_chunk()) else {
            counters.events_dropped_no_chunk += 1;
            return;
        };
        let encoded_bytes = counters.events_encoded_bytes;
        write(&mut self.encoder, &mut self.router, &self.event, &mut chunk, now_ns, counters);
        self.oldest_ns = now_ns;
        if chunk.used_bytes() > self.settings.max_event_bytes {
            counters.events_encoded -= 1;
            counters.events_encoded_bytes = encoded_bytes;
            counters.events_dropped_too_large += 1;
            chunk.clear();
            // The pool gets a chunk of its own size back.
            let _ = self.rings.empty.push(self.of_size(chunk));
            return;
        }
        self.current = Some(chunk);
        self.send();
    }

    /// A chunk of the size of the pool's: one that has grown is given up.
    fn of_size(&self, chunk: Chunk) -> Chunk {
        match chunk.capacity_bytes() > self.settings.chunk_bytes {
            true => Chunk::new(self.worker, self.settings.chunk_bytes),
            false => chunk,
        }
    }

    fn empty_chunk(&mut self) -> Option<Chunk> {
        loop {
            if let Some(chunk) = self.rings.empty.pop() {
                return Some(self.of_size(chunk));
            }
            match self.pressure {
                Pressure::Live => return None,
                Pressure::Lossless if self.rings.abandoned.load(Ordering::Relaxed) => return None,
                Pressure::Lossless => std::thread::sleep(std::time::Duration::from_micros(200)),
            }
        }
    }
}

fn write(
    encoder: &mut Encoder,
    router: &mut Router,
    event: &Event,
    chunk: &mut Chunk,
    now_ns: i64,
    counters: &mut Counters,
) {
    let start = chunk.used_bytes();
    encoder.write_event(event, chunk.buffer());
    let body = chunk.span_since(start);
    let time_ns = match event.get(field::_TIMESTAMP) {
        Some(Value::Time(time_ns)) => time_ns,
        _ => now_ns,
    };
    let mut encoded = EncodedEvent { body, time_ns: now_ns, ..EncodedEvent::default() };
    router.route(event, time_ns, chunk, &mut encoded);
    chunk.finish(encoded);
    counters.events_encoded += 1;
    counters.events_encoded_bytes += u64::from(body.length);
}

/// The writer while it belongs to one section's parser.
pub struct SectionWriter<'a> {
    writer: &'a mut EventWriter,
    section: usize,
    now_ns: i64,
    counters: &'a mut Counters,
    passage: Option<&'a Passage>,
}

impl Publisher for SectionWriter<'_> {
    fn begin(&mut self) -> &mut Event {
        self.writer.event.clear();
        &mut self.writer.event
    }

    fn publish(&mut self) {
        let event = &mut self.writer.event;
        if let Some(passage) = self.passage {
            passage.fill(event);
        }
        let ends = (event.get(field::SOURCE_IP), event.get(field::DESTINATION_IP));
        if let (Some(Value::Address(source)), Some(Value::Address(destination))) = ends {
            let direction = self.writer.settings.perimeter.direction(source, destination);
            if direction == "egress" && self.writer.settings.outgoing == Outgoing::Ignored {
                self.counters.events_made += 1;
                self.counters.events_dropped_ignored_outgoing += 1;
                return;
            }
            event.constant(field::NETWORK_DIRECTION, direction);
        }
        if let Some(processes) = &self.writer.processes {
            processes.enrich(event, Form::Transaction);
        }
        self.writer.finish_event(self.section, self.now_ns, self.counters);
    }

    fn count(&mut self, counter: ProtocolCounter, amount: u64) {
        if let Some(section) = self.counters.protocols.get_mut(self.section) {
            section[counter as usize] += amount;
        }
    }
}

impl<'a> SectionWriter<'a> {
    /// Events say through which tunnel the flow came.
    pub fn through(self, passage: Option<&'a Passage>) -> SectionWriter<'a> {
        SectionWriter { passage, ..self }
    }

    /// Completes the event of a flow, which has no direction.
    pub fn publish_flow(&mut self) {
        self.counters.flow_reports += 1;
        if let Some(processes) = &self.writer.processes {
            processes.enrich(&mut self.writer.event, Form::Flow);
        }
        self.writer.finish_event(self.section, self.now_ns, self.counters);
    }
}
