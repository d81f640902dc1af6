// SPDX-License-Identifier: Apache-2.0
//! Workers inside the test: the same code that the program runs, with a source in memory and without an I/O core.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use serde_json::Value as Json;
use wirebeat::capture::{BURST, Burst, Origin, Packet, Placement, Pressure, Received, Share, Source, Stray};
use wirebeat::config::Configuration;
use wirebeat::event::Event;
use wirebeat::event::chunk::Chunk;
use wirebeat::event::json::{Encoder, Metadata};
use wirebeat::flow::Secret;
use wirebeat::outputs::config::Routing;
use wirebeat::pipeline::connections::Connections;
use wirebeat::pipeline::counters::{Counters, SharedCounters};
use wirebeat::pipeline::exchange::Exchange;
use wirebeat::pipeline::lane::{Common, Lane, LaneSettings};
use wirebeat::pipeline::publisher::{ChunkRings, EventWriter};
use wirebeat::pipeline::worker::Worker;
use wirebeat::run::settings::Settings;
use wirebeat::wire::LinkType;

use super::capture::Capture;

/// Read settings, from which any number of lanes are made.
pub struct Laboratory {
    settings: Settings,
    rings: ChunkRings,
}

/// Nobody empties the rings while a burst is analysed: they hold what the largest capture leaves at its end.
const CHUNKS: usize = 16;
const CHUNK_BYTES: usize = 1 << 20;
/// No conversation takes so long, also on a busy machine: what does hangs.
const HANGING: Duration = Duration::from_secs(20);

/// What a lane made of a capture.
pub struct Analysis {
    /// None of a [`Laboratory::check`].
    pub events: Vec<Json>,
    /// How many came out.
    event_count: u64,
    pub counters: Counters,
    /// Flows, analysed flows and early segments that were left behind.
    pub left_behind: (usize, usize, usize),
}

impl Laboratory {
    pub fn new(configuration: &str) -> Laboratory {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let text = format!("path.home: {}\ntimestamp.precision: nanosecond\n{configuration}", home.path().display());
        let configuration = Configuration::from_text("test.yml", &text).expect("the settings can be read");
        let settings = Settings::read(&configuration, Routing::default()).expect("the settings are right");
        Laboratory { settings, rings: ChunkRings::new(0, CHUNKS, CHUNK_BYTES) }
    }

    /// Whether frames of this link type can be analysed.
    pub fn knows(capture: &Capture) -> bool {
        LinkType::from_dlt(capture.link).is_some()
    }

    /// A lane that is worker 0 of 1, and its rings.
    pub fn lane(&self) -> (Lane, ChunkRings) {
        let settings = &self.settings;
        let sections = settings.registry.sections.len();
        let (writer, rings) = self.writer();
        let bounds = &settings.bounds;
        let ports = Arc::new(settings.registry.on_interface(None));
        let registry = Arc::clone(&settings.registry);
        let connections = Connections::new(registry, ports, bounds.streams, bounds.stream_idle_ns);
        let lane = Lane::new(
            LaneSettings {
                records: settings.records,
                max_flows: bounds.max_flows,
                fragments: bounds.fragments,
                tunneling: bounds.tunneling,
                key_parts: bounds.key_parts,
                workers: 1,
                secret: Secret::new([1, 2, 3, 4]),
                chunk_age_ns: bounds.chunk_age_ns,
                flow_section: sections,
            },
            0,
            (Share::Everything, Placement::KeyedHash),
            connections,
            writer,
            sections,
            Common {
                shared: Arc::new(SharedCounters::new(sections)),
                exchange: Arc::new(Exchange::new(1)),
                pressure: Pressure::Lossless,
            },
        )
        .expect("there is address space");
        (lane, rings)
    }

    /// What a lane publishes with, and its rings.
    pub fn writer(&self) -> (EventWriter, ChunkRings) {
        let settings = &self.settings;
        let rings = self.rings.clone();
        while rings.empty.len() < CHUNKS {
            let _ = rings.empty.push(Chunk::new(0, CHUNK_BYTES));
        }
        let writer = EventWriter::new(
            Arc::clone(&settings.events),
            Event::new(Arc::clone(&settings.schema)),
            Encoder::new(settings.precision, Metadata::LeftOut),
            rings.clone(),
            0,
            Pressure::Live,
        );
        (writer, rings)
    }

    /// Number of the protocols' sections; that of flows follows them.
    pub fn sections(&self) -> usize {
        self.settings.registry.sections.len()
    }

    /// Analyses a capture from its first frame to the end of the file.
    pub fn analyse(&self, capture: &Capture) -> Analysis {
        self.analyse_in_parts(capture, usize::MAX)
    }

    /// Analyses a capture that is of interest only for whether the analysis is sound and comes to an end.
    pub fn check(&self, capture: &Capture, what: &str) {
        let begun = Instant::now();
        self.run(capture, usize::MAX, Events::Counted).assert_sound(what);
        assert!(begun.elapsed() < HANGING, "{what}: it took {:?}", begun.elapsed());
    }

    /// The same with frames in buffers of so many bytes.
    pub fn analyse_in_parts(&self, capture: &Capture, bytes: usize) -> Analysis {
        self.run(capture, bytes, Events::Kept)
    }

    fn run(&self, capture: &Capture, bytes: usize, wanted: Events) -> Analysis {
        let (lane, rings) = self.lane();
        let source = MemorySource {
            link: LinkType::from_dlt(capture.link).expect("a link type that is known"),
            capture,
            parts: capture.frames.iter().map(|frame| frame.data.chunks(bytes).collect()).collect(),
            next: 0,
            rings: rings.clone(),
            wanted,
            events: Vec::new(),
            event_count: 0,
        };
        let mut worker = Worker { source, lane };
        worker.run(&AtomicBool::new(false)).expect("memory does not fail");
        worker.source.collect();
        Analysis {
            events: std::mem::take(&mut worker.source.events),
            event_count: worker.source.event_count,
            counters: worker.lane.counters.clone(),
            left_behind: worker.lane.occupancy(),
        }
    }
}

impl Analysis {
    /// Checks what holds after every capture, however broken.
    pub fn assert_sound(&self, what: &str) {
        let counters = &self.counters;
        for balance in [counters.packets_balance(), counters.payload_balance(), counters.events_balance()] {
            balance.unwrap_or_else(|problem| panic!("{what}: a balance does not hold: {problem}"));
        }
        assert_eq!(counters.events_dropped_no_chunk, 0, "{what}: the test's rings are too small");
        assert_eq!(counters.events_encoded, self.event_count, "{what}: events got lost");
        assert_eq!(self.left_behind, (0, 0, 0), "{what}: flows, parsers or segments were left behind");
    }
}

/// What becomes of events, whose text is always checked. Values of them cost more than all that makes them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Events {
    Kept,
    Counted,
}

/// Gives a capture's frames, and takes the events out of the rings as an I/O core would.
struct MemorySource<'c> {
    capture: &'c Capture,
    /// Of each frame.
    parts: Vec<Vec<&'c [u8]>>,
    link: LinkType,
    next: usize,
    rings: ChunkRings,
    wanted: Events,
    events: Vec<Json>,
    event_count: u64,
}

impl MemorySource<'_> {
    fn collect(&mut self) {
        while let Some(mut chunk) = self.rings.full.pop() {
            for event in chunk.events() {
                let body = chunk.bytes(event.body);
                let text = std::str::from_utf8(body)
                    .unwrap_or_else(|error| panic!("an event is no text: {error}: {}", String::from_utf8_lossy(body)));
                let parsed = match self.wanted {
                    Events::Kept => serde_json::from_str(text).map(|event| self.events.push(event)),
                    Events::Counted => serde_json::from_str(text).map(|IgnoredAny| ()),
                };
                parsed.unwrap_or_else(|error| panic!("an event is not JSON: {error}: {text}"));
                self.event_count += 1;
            }
            chunk.clear();
            // A chunk of one large event is not the pool's.
            let _ = self.rings.empty.push(chunk);
        }
    }
}

impl Source for MemorySource<'_> {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        self.collect();
        let range = self.next..self.capture.frames.len().min(self.next + BURST);
        self.next = range.end;
        for (frame, parts) in self.capture.frames[range.clone()].iter().zip(&self.parts[range]) {
            burst.push(Packet {
                data: parts.first().copied().unwrap_or_default(),
                more: parts.get(1..).unwrap_or_default(),
                wire_length: frame.wire_length,
                time_ns: frame.time_ns,
                link: self.link,
                origin: Origin::Source,
            });
        }
        if burst.is_empty() { Received::End } else { Received::Packets }
    }

    fn release(&mut self, _strays: &[Stray]) {}

    fn share(&self) -> Share {
        Share::Everything
    }

    fn pressure(&self) -> Pressure {
        Pressure::Lossless
    }
}
