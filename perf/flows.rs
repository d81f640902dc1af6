// SPDX-License-Identifier: Apache-2.0
//! What decoding and flow accounting cost: `cargo bench --bench flows [-- [NAME…] [--once] [--rounds=N]]`.
//!
//! 64-byte frames come from memory, as a NIC leaves them there: from a random flow of those that are open, one in so many
//! the first of a new flow, which takes the place of the oldest. A stage's time is the difference of whole runs that go one stage
//! further each: the source alone, with decoding, with flows whose events are dropped before they are encoded. Times are of the
//! thread's CPU clock, the least of rounds in which the runs alternate. `--once` makes one run with flows of each scenario and reads
//! no clock: for callgrind.
//!
//! Limits: one worker; nothing of a NIC, a kernel or an output is in it. Scenarios of 10 million flows need 4 GB and are run
//! by their name only.

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use rustix::time::{ClockId, clock_gettime};
use support::lane::Laboratory;
use wirebeat::capture::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, Stray};
use wirebeat::pipeline::counters::Counters;
use wirebeat::pipeline::publisher::ChunkRings;
use wirebeat::pipeline::worker::Worker;
use wirebeat::wire::{self, Decoded, LinkType, Tunneling};

struct Scenario {
    name: &'static str,
    /// Flows that send packets at any time.
    open: u64,
    /// One packet in so many begins a flow; 0 for none.
    new_every: u64,
    /// Between packets.
    step_ns: i64,
    timeout_s: i64,
    packets: u64,
    events: Events,
    /// Whether it runs when no scenario is named.
    usual: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Events {
    Dropped,
    Encoded,
}

const fn steady(name: &'static str, open: u64, usual: bool) -> Scenario {
    let events = Events::Dropped;
    Scenario { name, open, new_every: 0, step_ns: 100, timeout_s: 30, packets: 8_000_000, events, usual }
}

const SCENARIOS: &[Scenario] = &[
    steady("1k", 1_000, true),
    steady("100k", 100_000, true),
    steady("1m", 1_000_000, true),
    // 100,000 new flows a second at 10 Mpps; half a million are open, as many wait for their end.
    Scenario { new_every: 100, timeout_s: 5, packets: 110_000_000, ..steady("1m-new", 500_000, false) },
    Scenario { new_every: 100, timeout_s: 1, packets: 25_000_000, ..steady("200k-new", 100_000, true) },
    // A storm: a million new flows a second, each of one packet.
    Scenario { new_every: 1, step_ns: 1000, timeout_s: 1, packets: 3_000_000, ..steady("storm", 1, true) },
    Scenario {
        new_every: 1,
        step_ns: 1000,
        timeout_s: 1,
        packets: 3_000_000,
        events: Events::Encoded,
        ..steady("storm-events", 1, true)
    },
    Scenario { packets: 20_000_000, ..steady("10m", 10_000_000, false) },
];

/// Frames of the source's memory, as a NIC's ring has them.
const FRAMES: usize = 1024;
const FRAME_BYTES: usize = 64;
const LINK: LinkType = LinkType::Ethernet;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (flags, names): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|argument| argument.starts_with("--"));
    let (mut rounds, mut once) = (3, false);
    for flag in &flags {
        match (flag.as_str(), flag.strip_prefix("--rounds=").map(str::parse)) {
            ("--once", _) => once = true,
            (_, Some(Ok(number))) if number > 0 => rounds = number,
            _ => refuse(&format!("found {flag}; accepted are --once and --rounds=N")),
        }
    }
    if let Some(unknown) = names.iter().find(|name| SCENARIOS.iter().all(|scenario| scenario.name != *name)) {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        refuse(&format!("there is no scenario {unknown}; there are {}", known.join(", ")));
    }
    let chosen = SCENARIOS.iter().filter(|scenario| match names.is_empty() {
        true => scenario.usual,
        false => names.iter().any(|name| name == scenario.name),
    });
    if !once {
        println!(
            "{:<14}{:>10}{:>10}   {:>8}{:>8}{:>8}{:>8}{:>10}{:>10}",
            "ns a packet", "flows", "new", "source", "decode", "flows", "own", "ns a close", "B a flow"
        );
    }
    for scenario in chosen {
        match once {
            true => {
                scenario.lane(&Stopwatch::default());
            }
            false => scenario.measure(rounds),
        }
    }
}

fn refuse(sentence: &str) -> ! {
    eprintln!("perf/flows: {sentence}");
    std::process::exit(2);
}

impl Scenario {
    fn measure(&self, rounds: usize) {
        let mut best = [f64::MAX; 4];
        let mut bytes_per_flow = 0.0;
        for _ in 0..rounds {
            let lane_clock = Stopwatch::default();
            let counters = self.lane(&lane_clock);
            // What is still there from an earlier run would hide what this one took.
            if bytes_per_flow == 0.0 {
                bytes_per_flow = lane_clock.grown_bytes() / self.table() as f64;
            }
            let ends = [self.source(Depth::Source), self.source(Depth::Decode), lane_clock.per_packet(self.packets)];
            for (best, now) in best.iter_mut().zip(ends) {
                *best = best.min(now);
            }
            let closed = lane_clock.closing_ns.get() as f64 / counters.flows_created.min(self.table()) as f64;
            best[3] = best[3].min(closed);
        }
        let [source, decode, flows, close] = best;
        println!(
            "{:<14}{:>10}{:>10}   {source:>8.1}{decode:>8.1}{flows:>8.1}{:>8.1}{close:>10.0}{bytes_per_flow:>10.0}",
            self.name,
            self.table(),
            if self.new_every == 0 { 0 } else { 1_000_000_000 / (self.step_ns as u64 * self.new_every) },
            flows - source,
        );
    }

    /// Flows in the table at the end.
    fn table(&self) -> u64 {
        match self.new_every {
            0 => self.open,
            every => self.open + self.timeout_s as u64 * 1_000_000_000 / (self.step_ns as u64 * every),
        }
    }

    fn source(&self, depth: Depth) -> f64 {
        let (_, rings) = Laboratory::new("packetbeat.flows: {}\n").lane();
        let clock = Stopwatch::default();
        let mut source = Synthetic::new(self, rings, &clock);
        loop {
            let mut burst = Burst::new();
            if source.receive(&mut burst) == Received::End {
                return clock.per_packet(self.packets);
            }
            for packet in burst.iter().filter(|_| depth == Depth::Decode) {
                let mut decoded = Decoded::new();
                let tunneling = &Tunneling::STANDARD;
                let _ =
                    black_box(wire::decode_with(tunneling, packet.link, packet.data, packet.wire_length, &mut decoded));
                black_box(&decoded);
            }
            black_box(&burst);
        }
    }

    fn lane(&self, clock: &Stopwatch) -> Counters {
        let laboratory = Laboratory::new(&format!(
            "packetbeat.flows: {{timeout: {}s, period: -1s}}\nwirebeat.flows.max: {}\n{}",
            self.timeout_s,
            self.table() * 3 / 2 + 1024,
            match self.events {
                Events::Dropped => "processors: [{drop_event: {}}]\n",
                Events::Encoded => "",
            }
        ));
        clock.begun_bytes.set(resident_bytes());
        let (lane, rings) = laboratory.lane();
        let mut worker = Worker { source: Synthetic::new(self, rings, clock), lane };
        worker.run(&AtomicBool::new(false)).expect("memory does not fail");
        clock.closing_ns.set(cpu_ns() - clock.ended_ns.get());
        let counters = worker.lane.counters.clone();
        // A run with other counts is not the scenario's. The rings are too small for the events of the end.
        assert_eq!(counters.dropped_flow_table_full, 0, "{}", self.name);
        assert_eq!(counters.received, self.open + self.packets, "{}", self.name);
        let new = self.packets.checked_div(self.new_every).unwrap_or_default();
        assert_eq!(
            (counters.flows_created, counters.flows_closed),
            (self.open + new, self.open + new),
            "{}",
            self.name
        );
        counters
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Source,
    Decode,
}

/// Gives a packet of every open flow first, and then those that are counted.
struct Synthetic<'s> {
    scenario: &'s Scenario,
    frames: Vec<[u8; FRAME_BYTES]>,
    given: u64,
    /// The oldest flow that sends.
    oldest: u64,
    until_new: u64,
    random: u64,
    rings: ChunkRings,
    clock: &'s Stopwatch,
}

impl<'s> Synthetic<'s> {
    fn new(scenario: &'s Scenario, rings: ChunkRings, clock: &'s Stopwatch) -> Synthetic<'s> {
        let mut frame = [0; FRAME_BYTES];
        frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        frame[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, 6]);
        frame[46..48].copy_from_slice(&[0x50, 0x10]);
        Synthetic {
            scenario,
            frames: vec![frame; FRAMES],
            given: 0,
            oldest: 0,
            until_new: scenario.new_every,
            random: 0x9e37_79b9_7f4a_7c15,
            rings,
            clock,
        }
    }

    fn next_flow(&mut self) -> u64 {
        let open = self.scenario.open;
        if self.given <= open {
            return self.given - 1;
        }
        if self.scenario.new_every > 0 {
            self.until_new -= 1;
            if self.until_new == 0 {
                self.until_new = self.scenario.new_every;
                self.oldest += 1;
                return self.oldest + open - 1;
            }
        }
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.oldest + (((self.random >> 32) * open) >> 32)
    }
}

/// The packet of a flow: three in four over TCP; half of the packets go one way.
fn write(frame: &mut [u8; FRAME_BYTES], flow: u64, given: u64) {
    let [.., n0, n1, n2, n3] = flow.to_be_bytes();
    let (near, far) = ([10, n1, n2, n3], [192, 168, n0, 1]);
    let (near_port, far_port) = ((40_000 + (flow % 20_000) as u16).to_be_bytes(), [0, 9]);
    let there = given & 1 == 0 || flow & 1 == 0;
    let (source, destination, source_port, destination_port) = match there {
        true => (near, far, near_port, far_port),
        false => (far, near, far_port, near_port),
    };
    // As a mirror between two routers has them.
    (frame[5], frame[11]) = if there { (1, 2) } else { (2, 1) };
    frame[23] = if flow & 3 == 0 { 17 } else { 6 };
    frame[26..30].copy_from_slice(&source);
    frame[30..34].copy_from_slice(&destination);
    frame[34..36].copy_from_slice(&source_port);
    frame[36..38].copy_from_slice(&destination_port);
    // Of UDP the length, of TCP a part of the sequence number.
    frame[38..40].copy_from_slice(&[0, 30]);
}

impl Source for Synthetic<'_> {
    fn receive<'b>(&'b mut self, burst: &mut Burst<'b>) -> Received {
        while let Some(mut chunk) = self.rings.full.pop() {
            chunk.clear();
            let _ = self.rings.empty.push(chunk);
        }
        if self.given == self.scenario.open {
            self.clock.begun_ns.set(cpu_ns());
        }
        let last = self.scenario.open + self.scenario.packets;
        if self.given == last {
            self.clock.ended_ns.set(cpu_ns());
            self.clock.ended_bytes.set(resident_bytes());
            return Received::End;
        }
        // A burst is of one part, so that the clock is read between them.
        let part = if self.given < self.scenario.open { self.scenario.open } else { last };
        let count = (part - self.given).min(BURST as u64) as usize;
        let from = self.given as usize / BURST * BURST % FRAMES;
        let given = self.given;
        for place in 0..count {
            self.given += 1;
            let flow = self.next_flow();
            write(&mut self.frames[from + place], flow, self.given);
        }
        for (place, frame) in self.frames[from..from + count].iter().enumerate() {
            burst.push(Packet {
                data: frame,
                more: &[],
                wire_length: FRAME_BYTES as u32,
                time_ns: 1_760_000_000_000_000_000 + (given + place as u64) as i64 * self.scenario.step_ns,
                link: LINK,
                origin: Origin::Source,
            });
        }
        Received::Packets
    }

    fn release(&mut self, _strays: &[Stray]) {}

    fn share(&self) -> Share {
        Share::Everything
    }

    fn pressure(&self) -> Pressure {
        Pressure::Lossless
    }
}

#[derive(Default)]
struct Stopwatch {
    begun_ns: Cell<i64>,
    ended_ns: Cell<i64>,
    closing_ns: Cell<i64>,
    begun_bytes: Cell<u64>,
    ended_bytes: Cell<u64>,
}

impl Stopwatch {
    fn per_packet(&self, packets: u64) -> f64 {
        (self.ended_ns.get() - self.begun_ns.get()) as f64 / packets as f64
    }

    fn grown_bytes(&self) -> f64 {
        self.ended_bytes.get().saturating_sub(self.begun_bytes.get()) as f64
    }
}

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a line of RSS");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is in kB");
    kilobytes * 1024
}
