// SPDX-License-Identifier: Apache-2.0
//! Traffic in memory as a worker's source: as fast as it is taken, or at a rate with a receive ring that overflows.
//!
//! Time is read at the ends of passes, and at a rate once a poll, never for each packet. A rate needs no second core: the
//! packets that would have come in the meantime are counted, and those that find the ring full are lost, as at a NIC.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpdk_sys::clock;
use rustix::time::{ClockId, clock_gettime};

use super::mixed::Mixed;
use super::replay::Replay;
use super::scenario::SourcePlan;
use super::synthetic::Synthetic;
use crate::capture::dpdk::Frames;
use crate::capture::{
    BURST, Burst, Origin, Packet, Placement, Pressure, Received, Share, Source, SourceStatistics, Stray,
};
use crate::wire::{self, Decoded, LinkType, Tunneling};

/// What a source gives.
pub trait Traffic: Send {
    /// Makes up to so many next frames ready; answers how many, never none. They never cross the end of a pass.
    fn prepare(&mut self, count: usize) -> usize;
    /// One of them.
    fn frame(&self, place: usize) -> Frame<'_>;
    /// At the end of a pass: how many have ended.
    fn passes(&self) -> Option<u64>;
    /// Whether all that is there at a time has been given once.
    fn is_warm(&self) -> bool;
    /// Flows that were made on purpose, and must be found; 0 where that is not known.
    fn flows(&self) -> u64;
}

pub struct Frame<'a> {
    pub data: &'a [u8],
    pub wire_length: u32,
    pub time_ns: i64,
    pub link: LinkType,
}

/// Opens the traffic of a plan for one worker.
pub fn open(plan: &SourcePlan, worker: u16, workers: u16) -> Result<Box<dyn Traffic>, String> {
    match plan {
        SourcePlan::Replay(replay) => Ok(Box::new(Replay::load(replay, worker, workers)?)),
        SourcePlan::Synthetic(synthetic) => Ok(Box::new(Synthetic::new(synthetic, worker)?)),
        SourcePlan::Mixed(mixed) => Ok(Box::new(Mixed::open(mixed, worker, workers)?)),
        SourcePlan::Wire(wire) => open(&wire.traffic, worker, workers),
        SourcePlan::Live { device } => Err(format!("{device} is a port and no traffic")),
    }
}

/// What was measured between two moments, and what was given in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    pub packets: u64,
    pub bytes: u64,
    /// With preamble, check sum and gap between frames, as on Ethernet.
    pub wire_bytes: u64,
    pub wall_ns: u64,
    pub cpu_ns: u64,
    pub ticks: u64,
    /// From the beginning, warm-up included.
    pub total_packets: u64,
    pub total_passes: u64,
    pub total_flows: u64,
    /// At a rate: what would have come, and what of it found the ring full.
    pub offered: u64,
    pub lost: u64,
}

/// How long a source runs and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Duty {
    pub warm_up: Duration,
    pub counted: Duration,
    /// None: as fast as they are taken.
    pub packets_per_second: Option<f64>,
    /// Packets that wait for the worker at most.
    pub ring_packets: u64,
}

/// Descriptors of a receive queue, as Wirebeat configures them.
pub const RING_PACKETS: u64 = 1024;
/// Preamble, start, check sum and gap of an Ethernet frame.
pub const WIRE_BYTES: u64 = 24;
const MINIMUM_FRAME_BYTES: u64 = 60;
/// The clock is read after so many packets at the earliest.
const CHECKED_PACKETS: u64 = 4096;

/// The source of one worker.
pub struct BenchSource {
    traffic: Box<dyn Traffic>,
    duty: Duty,
    meter: Meter,
    pace: Option<Pace>,
    /// Where the result goes.
    window: Arc<Mutex<Option<Window>>>,
}

impl BenchSource {
    pub fn new(traffic: Box<dyn Traffic>, duty: Duty, window: Arc<Mutex<Option<Window>>>) -> BenchSource {
        BenchSource { traffic, duty, meter: Meter::default(), pace: None, window }
    }

    /// At the end of a pass, or anywhere at a rate: whether it is all over.
    fn is_over(&mut self) -> bool {
        let at_rate = self.duty.packets_per_second.is_some();
        let Some(passes) = self.traffic.passes().or(at_rate.then_some(0)) else { return false };
        let meter = &mut self.meter;
        if meter.unchecked < CHECKED_PACKETS && meter.begun.is_some() && !at_rate {
            return false;
        }
        meter.unchecked = 0;
        let begun = *meter.begun.get_or_insert_with(Instant::now);
        let elapsed = begun.elapsed();
        match &meter.start {
            None if elapsed >= self.duty.warm_up && (at_rate || self.traffic.is_warm()) => {
                meter.start = Some(Moment::now(meter, self.pace.as_ref()));
                false
            }
            Some(start) if start.instant.elapsed() >= self.duty.counted => {
                let end = Moment::now(meter, self.pace.as_ref());
                let mut window = end.since(start);
                window.total_packets = meter.packets;
                window.total_passes = passes;
                window.total_flows = self.traffic.flows();
                *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Some(window);
                true
            }
            _ => false,
        }
    }
}

impl Source for BenchSource {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        let mut limit = BURST;
        if let Some(rate) = self.duty.packets_per_second {
            let pace = self.pace.get_or_insert_with(|| Pace::new(rate));
            let (due, lost) = pace.due(self.duty.ring_packets);
            if due == 0 {
                return if self.is_over() { Received::End } else { Received::Idle };
            }
            // Holes in the traffic; where much is lost it is the rest that counts, not how large they are.
            for _ in 0..lost.min(self.duty.ring_packets) {
                self.traffic.prepare(1);
            }
            limit = limit.min(due as usize);
        }
        if self.is_over() {
            return Received::End;
        }
        let count = self.traffic.prepare(limit);
        let mut bytes = 0;
        let mut wire_bytes = 0;
        for place in 0..count {
            let frame = self.traffic.frame(place);
            bytes += u64::from(frame.wire_length);
            wire_bytes += u64::from(frame.wire_length).max(MINIMUM_FRAME_BYTES) + WIRE_BYTES;
            burst.push(Packet {
                data: frame.data,
                more: &[],
                wire_length: frame.wire_length,
                time_ns: match &self.pace {
                    Some(pace) => pace.time_ns(place as u64),
                    None => frame.time_ns,
                },
                link: frame.link,
                origin: Origin::Source,
            });
        }
        if let Some(pace) = &mut self.pace {
            pace.taken += count as u64;
        }
        self.meter.unchecked += count as u64;
        self.meter.packets += count as u64;
        self.meter.bytes += bytes;
        self.meter.wire_bytes += wire_bytes;
        Received::Packets
    }

    fn release(&mut self, _strays: &[Stray]) {}

    fn share(&self) -> Share {
        Share::Queue
    }

    fn placement(&self) -> Placement {
        Placement::AsItCame
    }

    fn pressure(&self) -> Pressure {
        match self.duty.packets_per_second {
            Some(_) => Pressure::Live,
            None => Pressure::Lossless,
        }
    }

    fn wall_ns(&mut self) -> Option<i64> {
        self.pace.as_ref().map(|pace| pace.time_ns(0))
    }

    fn statistics(&mut self) -> SourceStatistics {
        SourceStatistics { missed: self.pace.as_ref().map_or(0, |pace| pace.lost), ..SourceStatistics::default() }
    }
}

/// Traffic for a generator, one frame after another.
pub struct Endless {
    traffic: Box<dyn Traffic>,
}

impl Endless {
    /// Only frames of Ethernet can be sent.
    pub fn new(mut traffic: Box<dyn Traffic>) -> Result<Endless, String> {
        traffic.prepare(1);
        match traffic.frame(0).link {
            LinkType::Ethernet => Ok(Endless { traffic }),
            other => Err(format!("frames of {other:?} cannot be sent over a wire of Ethernet")),
        }
    }
}

impl Frames for Endless {
    fn next(&mut self, give: &mut dyn FnMut(&[u8])) {
        self.traffic.prepare(1);
        give(self.traffic.frame(0).data);
    }
}

#[derive(Default)]
struct Meter {
    packets: u64,
    bytes: u64,
    wire_bytes: u64,
    unchecked: u64,
    begun: Option<Instant>,
    start: Option<Moment>,
}

/// The clocks and counts at one moment.
struct Moment {
    instant: Instant,
    cpu_ns: u64,
    ticks: u64,
    counts: [u64; 5],
}

impl Moment {
    fn now(meter: &Meter, pace: Option<&Pace>) -> Moment {
        let (offered, lost) = pace.map_or((0, 0), |pace| (pace.taken, pace.lost));
        Moment {
            instant: Instant::now(),
            cpu_ns: thread_cpu_ns(),
            ticks: clock::ticks(),
            counts: [meter.packets, meter.bytes, meter.wire_bytes, offered, lost],
        }
    }

    fn since(&self, start: &Moment) -> Window {
        let counts: [u64; 5] = std::array::from_fn(|place| self.counts[place] - start.counts[place]);
        Window {
            packets: counts[0],
            bytes: counts[1],
            wire_bytes: counts[2],
            offered: counts[3],
            lost: counts[4],
            wall_ns: (self.instant - start.instant).as_nanos() as u64,
            cpu_ns: self.cpu_ns - start.cpu_ns,
            ticks: self.ticks.wrapping_sub(start.ticks),
            ..Window::default()
        }
    }
}

/// When packets are due.
struct Pace {
    start_ticks: u64,
    start_ns: i64,
    ticks_per_packet: f64,
    packet_ns: f64,
    /// Packets given or lost.
    taken: u64,
    lost: u64,
}

impl Pace {
    fn new(packets_per_second: f64) -> Pace {
        Pace {
            ticks_per_packet: ticks_per_second() / packets_per_second,
            packet_ns: 1e9 / packets_per_second,
            start_ticks: clock::ticks(),
            start_ns: wall_ns(),
            taken: 0,
            lost: 0,
        }
    }

    /// Packets that wait, and those that found no room.
    fn due(&mut self, ring_packets: u64) -> (u64, u64) {
        let elapsed = clock::ticks().saturating_sub(self.start_ticks) as f64;
        let come = (elapsed / self.ticks_per_packet) as u64;
        let waiting = come.saturating_sub(self.taken);
        let lost = waiting.saturating_sub(ring_packets);
        self.taken += lost;
        self.lost += lost;
        (waiting - lost, lost)
    }

    /// When the packet so many places further on was due.
    fn time_ns(&self, place: u64) -> i64 {
        self.start_ns + ((self.taken + place) as f64 * self.packet_ns) as i64
    }
}

/// Ticks of the time stamp counter a second, measured.
pub fn ticks_per_second() -> f64 {
    let (begun, ticks) = (Instant::now(), clock::ticks());
    std::thread::sleep(Duration::from_millis(20));
    clock::ticks().saturating_sub(ticks) as f64 / begun.elapsed().as_secs_f64()
}

pub fn wall_ns() -> i64 {
    jiff::Timestamp::now().as_nanosecond() as i64
}

/// CPU time of this thread.
pub fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of all threads.
pub fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Takes everything a source gives, and decodes it if a decoder's settings are given.
pub fn drain(mut source: BenchSource, tunneling: Option<&Tunneling>) {
    loop {
        let mut burst = Burst::new();
        if source.receive(&mut burst) == Received::End {
            return;
        }
        if let Some(tunneling) = tunneling {
            for packet in &burst {
                let mut decoded = Decoded::new();
                let _ =
                    black_box(wire::decode_with(tunneling, packet.link, packet.data, packet.wire_length, &mut decoded));
                black_box(&decoded);
            }
        }
        black_box(&burst);
    }
}
