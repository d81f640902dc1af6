// SPDX-License-Identifier: Apache-2.0
//! What a packet and an event of each protocol cost: `cargo bench --bench protocols [-- [NAME…] [--captures] [--goal]]`.
//!
//! Each scenario is the recorded traffic of a protocol's real servers, repeated with fresh addresses and analysed by the
//! program's own worker. A stage's time is the difference of whole runs that go one stage further each: the source alone,
//! with decoding, with flows, with protocols whose events are dropped before they are encoded, with everything. So no clock is
//! read on the way. Times are of the thread's CPU clock, medians of rounds in which the runs alternate.
//!
//! Limits: one worker, memory that is warm; nothing of a NIC, a kernel or an output is in it.

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use rustix::time::{ClockId, clock_gettime};
use support::capture::{Capture, ETHERNET, IPV4, IPV6};
use support::lane::Laboratory;
use support::recorded;
use support::repeated::{Repeated, Turn};
use wirebeat::capture::{Burst, Received, Source};
use wirebeat::pipeline::counters::Counters;
use wirebeat::pipeline::worker::Worker;
use wirebeat::wire::{self, Decoded, Tunneling};

const WARM_UP_PACKETS: u64 = 60_000;
const COUNTED_PACKETS: u64 = 300_000;
const ROUNDS: usize = 5;
/// Between captures of a scenario, and between passes: many of them are open at once, as flows end after 30 s.
const PAUSE_NS: i64 = 1_000_000_000;

/// The project's goals, for everything from the frame to the encoded event.
const GOAL_PACKET_NS: f64 = 500.0;
const GOAL_EVENT_NS: f64 = 2_500.0;
/// They are for traffic whose events stand for so many bytes at most.
const GOAL_EVENT_BYTES: f64 = 2_048.0;

const FLOWS: &str = "packetbeat.flows: {timeout: 30s, period: -1s}\n";
const NO_EVENTS: &str = "processors: [{drop_event: {}}]\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (flags, names): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| !["--captures", "--goal"].contains(&flag.as_str())) {
        eprintln!("perf/protocols: found {unknown}; accepted are --captures, --goal and names of protocols");
        std::process::exit(2);
    }
    let each = flags.iter().any(|flag| flag == "--captures");
    let mut scenarios: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in recorded() {
        let name = support::name_of(&path);
        let protocol = name.split('/').next().unwrap_or_default().to_owned();
        if names.is_empty() || names.contains(&protocol) {
            scenarios.entry(if each { name } else { protocol }).or_default().push(path);
        }
    }
    println!(
        "{:<28}{:>8}{:>9}{:>9}{:>8}   {:>7}{:>7}{:>7}{:>7}",
        "", "bytes", "events", "ns", "ns", "decode", "flow", "parse", "encode"
    );
    println!(
        "{:<28}{:>8}{:>9}{:>9}{:>8}   {:>28}",
        "recorded traffic", "a packet", "a packet", "a packet", "an event", "share of the time"
    );
    let missed = scenarios.iter().filter(|(name, paths)| !measure(name, &joined(paths))).count();
    if missed > 0 {
        println!(
            "{missed} beyond {GOAL_PACKET_NS} ns a packet or {GOAL_EVENT_NS} ns an event of {GOAL_EVENT_BYTES} bytes"
        );
    }
    if missed > 0 && flags.iter().any(|flag| flag == "--goal") {
        std::process::exit(1);
    }
}

/// Measures a scenario and prints its line. Answers whether it meets the goals.
fn measure(name: &str, capture: &Capture) -> bool {
    let count = capture.frames.len() as u64;
    let (warm_up, passes) = (WARM_UP_PACKETS.div_ceil(count), COUNTED_PACKETS.div_ceil(count));
    let run = Run { capture, warm_up, passes };
    let packets = (passes * count) as f64;

    let flow = Laboratory::new(&format!("{FLOWS}{NO_EVENTS}"));
    let configuration = support::PROTOCOLS.replace("period: 10s", "period: -1s");
    let parse = Laboratory::new(&format!("{configuration}{NO_EVENTS}"));
    let encode = Laboratory::new(&configuration);
    let mut times: [Vec<f64>; 5] = Default::default();
    let mut counters = Counters::new(0);
    for _ in 0..ROUNDS {
        times[0].push(run.source(false) / packets);
        times[1].push(run.source(true) / packets);
        times[2].push(run.lane(&flow).0 / packets);
        times[3].push(run.lane(&parse).0 / packets);
        let (time_ns, counted) = run.lane(&encode);
        times[4].push(time_ns / packets);
        counters = counted;
    }
    let [source, decode, flow, parse, encode] = times.map(median);
    let events = counters.events_made as f64 / (counters.received as f64);
    let bytes = counters.received_bytes as f64 / counters.received as f64;
    let total = encode - source;
    let share = |stage: f64| format!("{:.0} %", (stage / total * 100.0).max(0.0));
    let beyond = match (total <= GOAL_PACKET_NS, total / events <= GOAL_EVENT_NS || bytes / events > GOAL_EVENT_BYTES) {
        (true, true) => "",
        (false, true) => "   beyond: packet",
        (true, false) => "   beyond: event",
        (false, false) => "   beyond: packet, event",
    };
    println!(
        "{name:<28}{bytes:>8.0}{events:>9.2}{total:>9.0}{:>8.0}   {:>7}{:>7}{:>7}{:>7}{}",
        total / events,
        share(decode - source),
        share(flow - decode),
        share(parse - flow),
        share(encode - parse),
        beyond
    );
    beyond.is_empty()
}

/// Captures one after another, each between hosts of its own.
fn joined(paths: &[PathBuf]) -> Capture {
    let mut joined = Capture { link: ETHERNET, frames: Vec::new() };
    let mut begin_ns = 1_760_000_000_000_000_000;
    for (index, path) in paths.iter().enumerate() {
        let mut capture = Capture::read(path).expect("it is a pcap file");
        assert!(capture.is_ethernet(), "{}", path.display());
        let first_ns = capture.frames.first().expect("it has frames").time_ns;
        for frame in &mut capture.frames {
            frame.time_ns += begin_ns - first_ns;
            let places: &[usize] = match frame.ether_type() {
                IPV4 => &[29, 33],
                IPV6 => &[25, 41],
                _ => &[],
            };
            for place in places {
                if let Some(byte) = frame.data.get_mut(*place) {
                    *byte ^= (index as u8) << 3;
                }
            }
        }
        begin_ns = capture.frames.iter().map(|frame| frame.time_ns).max().unwrap_or(begin_ns) + PAUSE_NS;
        joined.frames.append(&mut capture.frames);
    }
    joined
}

/// How long the runs of a scenario are.
struct Run<'c> {
    capture: &'c Capture,
    warm_up: u64,
    passes: u64,
}

impl Run<'_> {
    /// CPU time of the counted passes through the source, and through the decoder if it is wanted.
    fn source(&self, decoded: bool) -> f64 {
        let (_, rings) = Laboratory::new(FLOWS).lane();
        let clock = Stopwatch::default();
        let mut source = self.repeated(rings, &clock);
        loop {
            let mut burst = Burst::new();
            if source.receive(&mut burst) == Received::End {
                return clock.taken_ns();
            }
            for packet in burst.iter().filter(|_| decoded) {
                let mut look = Decoded::new();
                let _ = black_box(wire::decode_with(
                    &Tunneling::STANDARD,
                    packet.link,
                    packet.data,
                    packet.wire_length,
                    &mut look,
                ));
                black_box(&look);
            }
            black_box(&burst);
        }
    }

    /// The same through a worker, with what it counted in all passes.
    fn lane(&self, laboratory: &Laboratory) -> (f64, Counters) {
        let (lane, rings) = laboratory.lane();
        let clock = Stopwatch::default();
        let mut worker = Worker { source: self.repeated(rings, &clock), lane };
        worker.run(&AtomicBool::new(false)).expect("memory does not fail");
        assert_eq!(worker.lane.counters.events_dropped_no_chunk, 0, "the rings are large enough");
        (clock.taken_ns(), worker.lane.counters.clone())
    }

    fn repeated<'a>(
        &'a self,
        rings: wirebeat::pipeline::publisher::ChunkRings,
        clock: &'a Stopwatch,
    ) -> Repeated<'a, impl FnMut(Turn) + 'a> {
        let times = || self.capture.frames.iter().map(|frame| frame.time_ns);
        let span_ns = times().max().unwrap_or_default() - times().min().unwrap_or_default();
        let last = self.warm_up + self.passes;
        Repeated::new(self.capture, last, span_ns + PAUSE_NS, rings, move |turn| match turn {
            Turn::Begins(pass) if pass == self.warm_up + 1 => clock.begun_ns.set(cpu_ns()),
            Turn::Ends(pass) if pass == last => clock.ended_ns.set(cpu_ns()),
            _ => {}
        })
    }
}

#[derive(Default)]
struct Stopwatch {
    begun_ns: Cell<i64>,
    ended_ns: Cell<i64>,
}

impl Stopwatch {
    fn taken_ns(&self) -> f64 {
        (self.ended_ns.get() - self.begun_ns.get()) as f64
    }
}

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
