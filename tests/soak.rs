// SPDX-License-Identifier: Apache-2.0
//! Soak: a lane runs all recorded captures at once, again and again, with fresh addresses, every eighth pass with broken packets.
//! Flows, connections and parsers come and go by the ten thousand; whenever all have ended, the memory is where it was the first
//! times.
//!
//! `SOAK_PACKETS` sets the number of packets: 10^8 in `make soak`, some hundred thousand by default.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fastrand::Rng;
use support::capture::{Capture, Frame, IPV4, IPV6};
use support::damage::interesting;
use support::lane::Laboratory;
use support::recorded;
use wirebeat::capture::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, Stray};
use wirebeat::pipeline::publisher::ChunkRings;
use wirebeat::pipeline::worker::Worker;
use wirebeat::wire::LinkType;

/// Time between two packets: with the time-out of flows this makes tens of thousands live at once.
const PACKET_NS: i64 = 20_000;
/// Rounds of passes, at whose end everything ends. The first ones set the base.
const ROUNDS: usize = 20;
const BASE_ROUNDS: usize = 5;
/// Turns without packets at the end of a round, and the time between them: nothing lives longer without packets, and
/// parsers that nobody needs go.
const QUIET_TURNS: u32 = 4_000;
const QUIET_NS: i64 = 10_000_000_000;
/// How much more than at the base there may be: buffers that are kept for reuse grow until each has seen the largest message.
const GROWTH_PERCENT: usize = 5;
const GROWTH_BYTES: usize = 1 << 20;

#[test]
fn memory_returns_to_its_base() {
    let packets = std::env::var("SOAK_PACKETS").ok().map(|value| value.parse().expect("SOAK_PACKETS is a number"));
    let packets: usize = packets.unwrap_or(200_000);
    let (lane, rings) = Laboratory::new(support::PROTOCOLS).lane();
    let originals = originals();
    let passes = packets.div_ceil(ROUNDS * originals.len()).max(1);
    let mut worker = Worker { source: Soak::new(originals, rings), lane };
    let mut ends = Vec::new();
    for _ in 0..ROUNDS {
        worker.source.begin_round(passes);
        // The lane is finished as at the end of a file, and goes on with the next round.
        worker.run(&AtomicBool::new(false)).expect("memory does not fail");
        let counters = &worker.lane.counters;
        for balance in [counters.packets_balance(), counters.payload_balance(), counters.events_balance()] {
            balance.unwrap_or_else(|problem| panic!("a balance does not hold: {problem}"));
        }
        assert_eq!(worker.lane.occupancy(), (0, 0, 0), "flows, parsers or segments were left behind");
        assert_eq!(counters.flows_created, counters.flows_closed);
        assert_eq!(counters.events_dropped_no_chunk, 0, "the rings are large enough");
        ends.push(HEAP_BYTES.load(Ordering::Relaxed));
        println!(
            "{:>10} packets, {:>9} flows, {:>9} events; heap {:>7} KiB at the most, {:>6} KiB now; resident {:>7} KiB",
            counters.received,
            counters.flows_closed,
            counters.events_encoded,
            worker.source.most_bytes >> 10,
            ends[ends.len() - 1] >> 10,
            resident_kib()
        );
    }
    let base = ends[..BASE_ROUNDS].iter().max().copied().unwrap_or_default();
    let end = ends[ROUNDS - 1];
    assert!(end <= base + base * GROWTH_PERCENT / 100 + GROWTH_BYTES, "memory grew from {base} to {end} bytes");
}

/// The frames of all captures by their time from the first of each, with the number of the capture.
fn originals() -> Vec<(usize, Frame)> {
    let mut frames = Vec::new();
    for (number, path) in recorded().iter().enumerate() {
        let capture = Capture::read(path).expect("it is a pcap file");
        let first_ns = capture.frames.first().map_or(0, |frame| frame.time_ns);
        if capture.is_ethernet() {
            let moved = capture.frames.into_iter();
            frames.extend(moved.map(|frame| (number, Frame { time_ns: frame.time_ns - first_ns, ..frame })));
        }
    }
    frames.sort_by_key(|(_, frame)| frame.time_ns);
    frames
}

struct Soak {
    originals: Vec<(usize, Frame)>,
    frames: Vec<Frame>,
    next: usize,
    pass: usize,
    last_pass: usize,
    quiet_turns: u32,
    time_ns: i64,
    random: Rng,
    rings: ChunkRings,
    /// The most that was on the heap in this round.
    most_bytes: usize,
}

impl Soak {
    fn new(originals: Vec<(usize, Frame)>, rings: ChunkRings) -> Soak {
        Soak {
            frames: originals.iter().map(|(_, frame)| frame.clone()).collect(),
            next: originals.len(),
            originals,
            pass: 0,
            last_pass: 0,
            quiet_turns: 0,
            time_ns: 1_700_000_000_000_000_000,
            random: Rng::with_seed(1),
            rings,
            most_bytes: 0,
        }
    }

    fn begin_round(&mut self, passes: usize) {
        self.last_pass = self.pass + passes;
        self.quiet_turns = QUIET_TURNS;
        self.most_bytes = 0;
    }

    fn begin_pass(&mut self) {
        self.pass += 1;
        self.next = 0;
        self.most_bytes = self.most_bytes.max(HEAP_BYTES.load(Ordering::Relaxed));
        let broken = self.pass.is_multiple_of(8);
        for (frame, (capture, original)) in self.frames.iter_mut().zip(&self.originals) {
            self.time_ns += PACKET_NS;
            frame.time_ns = self.time_ns;
            frame.data.clone_from(&original.data);
            // All but the first byte of an IPv4 address, three of the network of an IPv6 address.
            let places: [usize; 2] = match original.ether_type() {
                IPV4 => [27, 31],
                IPV6 => [24, 40],
                _ => continue,
            };
            let [_, change @ ..] = ((self.pass * 128 + capture) as u32).to_be_bytes();
            for place in places {
                let bytes = frame.data.iter_mut().skip(place).zip(change);
                bytes.for_each(|(byte, change)| *byte ^= change);
            }
            if broken && self.random.u8(..) < 8 {
                let place = self.random.usize(14..frame.data.len());
                frame.data[place] = interesting(&mut self.random);
            }
        }
    }
}

impl Source for Soak {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        while let Some(mut chunk) = self.rings.full.pop() {
            chunk.clear();
            // A chunk of one large event is not the pool's.
            let _ = self.rings.empty.push(chunk);
        }
        if self.next == self.frames.len() {
            if self.pass == self.last_pass {
                self.quiet_turns -= 1;
                return if self.quiet_turns == 0 { Received::End } else { Received::Idle };
            }
            self.begin_pass();
        }
        let frames = &self.frames[self.next..];
        let frames = &frames[..frames.len().min(BURST)];
        self.next += frames.len();
        for frame in frames {
            burst.push(Packet {
                data: &frame.data,
                more: &[],
                wire_length: frame.wire_length,
                time_ns: frame.time_ns,
                link: LinkType::Ethernet,
                origin: Origin::Source,
            });
        }
        Received::Packets
    }

    fn wall_ns(&mut self) -> Option<i64> {
        self.time_ns += QUIET_NS;
        Some(self.time_ns)
    }

    fn release(&mut self, _strays: &[Stray]) {}

    fn share(&self) -> Share {
        Share::Everything
    }

    fn pressure(&self) -> Pressure {
        Pressure::Lossless
    }
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has the resident set");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Bytes that are allocated now.
static HEAP_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is the system allocator's, with its own arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HEAP_BYTES.fetch_add(size, Ordering::Relaxed);
        HEAP_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from the system allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
