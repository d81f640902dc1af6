// SPDX-License-Identifier: Apache-2.0
//! The main path: packets where the PMD put them, from the RX queues of DPDK ports.
//!
//! A worker polls its queues, and takes from rings the packets that another worker received but whose home is here. Mbufs
//! are freed in bulk when their burst is done; those of strays go to their homes instead.

#![allow(unsafe_code)]

mod hardware;
mod replay;

pub use hardware::{Device, Hardware, HardwarePlan, MemoryPlan};
pub use replay::{ReplayPace, ReplayPlan};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use dpdk_sys::ring::{Consumer, Producer};
use dpdk_sys::thread::{CpuSet, Registration};
use dpdk_sys::{Eal, Filter, RxQueue, TimestampField, clock};

use super::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, SourceStatistics, Stray};
use crate::wire::LinkType;

const _: () = assert!(BURST == dpdk_sys::BURST_CAPACITY);

/// Empty polls after which a worker pauses, and after which it sleeps.
const SPIN_POLLS: u32 = 64;
const PAUSE_POLLS: u32 = 2_000;
const IDLE_SLEEP: Duration = Duration::from_micros(100);
/// A file's driver that gives nothing so many times has nothing more.
const ENDED_POLLS: u32 = 256;

/// The packets of one worker.
pub struct DpdkSource {
    eal: Eal,
    cpus: Option<CpuSet>,
    queues: Vec<RxQueue>,
    /// From every other worker.
    inward: Vec<Consumer>,
    /// To every worker; none to this one.
    outward: Vec<Option<Producer>>,
    /// Strays that found the ring to their home full.
    leaving: Vec<dpdk_sys::Burst>,
    burst: dpdk_sys::Burst,
    /// Packets at the front of the burst that came from other workers.
    handed: usize,
    /// Segments of packets in several mbufs, and where each packet's begin.
    parts: Vec<&'static [u8]>,
    part_ends: [(u32, u32); BURST],
    times: Times,
    wall: WallClock,
    filter: Option<Arc<Filter>>,
    ending: Ending,
    fleet: Arc<Fleet>,
    pressure: Pressure,
    empty_polls: u32,
    feeding: bool,
    statistics: SourceStatistics,
}

/// What the workers of a run know of each other.
pub struct Fleet {
    /// Workers whose own queues may still bring something.
    feeding: AtomicI64,
    /// Packets handed over and not yet done.
    in_flight: AtomicI64,
}

/// Where a packet's time comes from.
#[derive(Clone, Copy)]
enum Times {
    /// The wall clock, once a burst.
    Wall,
    /// What the driver or the replay wrote, in units of so many nanoseconds.
    Stamped { field: TimestampField, unit_ns: i64 },
}

/// When a source has nothing more.
#[derive(Clone)]
enum Ending {
    Never,
    /// The driver reads a file once.
    File,
    /// A feeder says so.
    Fed(Arc<AtomicBool>),
}

impl DpdkSource {
    /// Sends strays that waited. Answers whether some still wait.
    fn flush_leaving(&mut self) -> bool {
        let mut waiting = false;
        for (producer, leaving) in self.outward.iter_mut().zip(&mut self.leaving) {
            let Some(producer) = producer else { continue };
            if leaving.is_empty() {
                continue;
            }
            let count = leaving.len() as i64;
            self.fleet.in_flight.fetch_add(count, Ordering::AcqRel);
            let sent = producer.enqueue(leaving) as i64;
            self.fleet.in_flight.fetch_sub(count - sent, Ordering::AcqRel);
            if !leaving.is_empty() {
                match self.pressure {
                    Pressure::Lossless => waiting = true,
                    Pressure::Live => {
                        self.statistics.handover_lost += leaving.len() as u64;
                        leaving.clear();
                    }
                }
            }
        }
        waiting
    }

    fn poll(&mut self) {
        for consumer in &mut self.inward {
            consumer.dequeue(&mut self.burst);
        }
        self.handed = self.burst.len();
        // Vector drivers want an empty burst; one queue a poll, in turn.
        if self.handed == 0 && !self.queues.is_empty() {
            self.queues.rotate_left(1);
            for queue in &mut self.queues {
                if queue.receive(&mut self.burst) > 0 {
                    break;
                }
            }
            if let Some(filter) = &self.filter {
                let before = self.burst.len();
                if self.burst.iter().any(|mbuf| !filter.matches(mbuf)) {
                    let all = std::mem::take(&mut self.burst);
                    let mut all = all;
                    for mbuf in all.drain_all().filter(|mbuf| filter.matches(mbuf)) {
                        // As many as came out go in.
                        let _ = self.burst.push(mbuf);
                    }
                }
                self.statistics.filtered += (before - self.burst.len()) as u64;
            }
        }
    }

    /// Nothing came: whether that is the end.
    fn nothing(&mut self) -> Received {
        self.empty_polls = self.empty_polls.saturating_add(1);
        let over = match &self.ending {
            Ending::Never => false,
            Ending::File => self.empty_polls > ENDED_POLLS,
            Ending::Fed(done) => done.load(Ordering::Acquire) && self.empty_polls > 2,
        };
        if over && self.feeding {
            self.feeding = false;
            self.fleet.feeding.fetch_sub(1, Ordering::AcqRel);
        }
        if !self.feeding
            && self.fleet.feeding.load(Ordering::Acquire) <= 0
            && self.fleet.in_flight.load(Ordering::Acquire) <= 0
        {
            return Received::End;
        }
        if self.empty_polls > PAUSE_POLLS {
            self.wall.adjust();
            std::thread::sleep(IDLE_SLEEP);
        } else if self.empty_polls > SPIN_POLLS {
            std::thread::yield_now();
        } else {
            clock::pause();
        }
        Received::Idle
    }
}

impl Source for DpdkSource {
    fn enter(&mut self) -> Result<Box<dyn std::any::Any>, String> {
        if let Some(cpus) = &self.cpus {
            cpus.pin_current_thread().map_err(|error| format!("a worker cannot be put on CPUs {cpus}: {error}"))?;
        }
        Ok(Box::new(Registration::of_current_thread(&self.eal).map_err(|error| error.to_string())?))
    }

    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        let stuck = self.flush_leaving();
        if stuck {
            for consumer in &mut self.inward {
                consumer.dequeue(&mut self.burst);
            }
            self.handed = self.burst.len();
        } else {
            self.poll();
        }
        if self.burst.is_empty() {
            return if stuck { Received::Idle } else { self.nothing() };
        }
        self.empty_polls = 0;

        let wall_ns = match self.times {
            Times::Wall => self.wall.now_ns(),
            Times::Stamped { .. } => 0,
        };
        self.parts.clear();
        for (mbuf, ends) in self.burst.iter().zip(&mut self.part_ends) {
            let start = self.parts.len() as u32;
            if !mbuf.is_contiguous() {
                for part in mbuf.further_segments() {
                    // SAFETY: the mbuf stays in `self.burst` until `release`, which needs `&mut self` and so comes after the
                    // end of the borrow that the parts are lent for; they are cleared before the next burst.
                    self.parts.push(unsafe { std::mem::transmute::<&[u8], &'static [u8]>(part) });
                }
            }
            *ends = (start, self.parts.len() as u32);
        }
        for (place, (mbuf, (start, end))) in self.burst.iter().zip(&self.part_ends).enumerate() {
            let time_ns = match self.times {
                Times::Wall => wall_ns,
                Times::Stamped { field, unit_ns } => {
                    mbuf.timestamp(&field).map_or(wall_ns, |stamp| (stamp as i64).saturating_mul(unit_ns))
                }
            };
            burst.push(Packet {
                data: mbuf.data(),
                more: &self.parts[*start as usize..*end as usize],
                wire_length: mbuf.packet_bytes(),
                time_ns,
                link: LinkType::Ethernet,
                origin: if place < self.handed { Origin::Worker } else { Origin::Source },
            });
        }
        Received::Packets
    }

    fn release(&mut self, strays: &[Stray]) {
        let handed = std::mem::take(&mut self.handed) as i64;
        // From the last to the first, so that the places before stay what they are; then turned round for each home.
        for stray in strays.iter().rev() {
            let Some(mbuf) = self.burst.swap_remove(usize::from(stray.place)) else { continue };
            let Some(leaving) = self.leaving.get_mut(usize::from(stray.home)) else { continue };
            // There is room: nothing new is received while strays of an earlier burst wait.
            let _ = leaving.push(mbuf);
        }
        if !strays.is_empty() {
            self.leaving.iter_mut().for_each(|leaving| leaving.reverse());
        }
        self.burst.clear();
        if handed > 0 {
            self.fleet.in_flight.fetch_sub(handed, Ordering::AcqRel);
        }
    }

    fn share(&self) -> Share {
        Share::Queue
    }

    fn pressure(&self) -> Pressure {
        self.pressure
    }

    fn wall_ns(&mut self) -> Option<i64> {
        match self.times {
            Times::Wall => Some(self.wall.now_ns()),
            // A stamped source's time stands still when nothing comes.
            Times::Stamped { .. } => None,
        }
    }

    fn statistics(&mut self) -> SourceStatistics {
        self.statistics
    }
}

impl Drop for DpdkSource {
    fn drop(&mut self) {
        if self.feeding {
            self.fleet.feeding.fetch_sub(1, Ordering::AcqRel);
        }
        let handed = self.handed as i64;
        if handed > 0 {
            self.fleet.in_flight.fetch_sub(handed, Ordering::AcqRel);
        }
    }
}

/// Wall time from the time stamp counter, without a system call.
struct WallClock {
    base_ns: i64,
    base_ticks: u64,
    ticks_per_second: u64,
}

impl WallClock {
    fn new(eal: &Eal) -> WallClock {
        let mut clock = WallClock { base_ns: 0, base_ticks: 0, ticks_per_second: clock::ticks_per_second(eal).max(1) };
        clock.adjust();
        clock
    }

    fn now_ns(&self) -> i64 {
        let ticks = clock::ticks().saturating_sub(self.base_ticks);
        let elapsed = u128::from(ticks) * 1_000_000_000 / u128::from(self.ticks_per_second);
        self.base_ns.saturating_add(elapsed as i64)
    }

    /// Takes the system's time again: the counter drifts.
    fn adjust(&mut self) {
        self.base_ns = jiff::Timestamp::now().as_nanosecond() as i64;
        self.base_ticks = clock::ticks();
    }
}
