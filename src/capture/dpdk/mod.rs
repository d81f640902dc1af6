// SPDX-License-Identifier: Apache-2.0
//! The main path: packets where the PMD put them, from the RX queues of DPDK ports.
//!
//! A worker polls its queues, and takes from rings the packets that another worker received but whose home is here. Mbufs
//! are freed in bulk when their burst is done; those of strays go to their homes instead.

#![allow(unsafe_code)]

mod generator;
mod hardware;
mod inlet;
mod kernel;
mod replay;

pub use generator::{Frames, Generator, GeneratorPlan, RING, Sent};
pub use hardware::{Device, Hardware, HardwarePlan, MemoryPlan, PortReport, is_finite_file};
pub use replay::{ReplayPace, ReplayPlan};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use dpdk_sys::ring::{Consumer, Producer};
use dpdk_sys::thread::{CpuSet, Registration};
use dpdk_sys::{Eal, clock};
use inlet::{FileInlets, Inlet, Stamps};

use super::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, SourceStatistics, Stray};
use crate::wire::LinkType;

const _: () = assert!(BURST == dpdk_sys::BURST_CAPACITY);

/// Empty polls after which a worker pauses, and after which it sleeps.
const SPIN_POLLS: u32 = 64;
const PAUSE_POLLS: u32 = 2_000;
const IDLE_SLEEP: Duration = Duration::from_micros(100);

/// The packets of one worker.
pub struct DpdkSource {
    eal: Eal,
    cpus: Option<CpuSet>,
    queues: Vec<Inlet>,
    /// Files, which one worker reads for all.
    files: FileInlets,
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
    stamps: Stamps,
    wall: WallClock,
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

/// When a source has nothing more.
#[derive(Clone)]
enum Ending {
    /// Some port is live.
    Never,
    /// The files are read and these feeders say so.
    Fed(Vec<Arc<AtomicBool>>),
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

    /// Receives. Answers whether something came, even if the filter left nothing of it.
    fn poll(&mut self) -> bool {
        for consumer in &mut self.inward {
            consumer.dequeue(&mut self.burst);
        }
        self.handed = self.burst.len();
        if self.handed > 0 {
            return true;
        }
        // Vector drivers want an empty burst; one queue a poll, in turn.
        if self.queues.len() > 1 {
            self.queues.rotate_left(1);
        }
        for inlet in &mut self.queues {
            let (came, filtered) = inlet.receive(&mut self.burst);
            self.statistics.filtered += filtered;
            if came > 0 {
                return true;
            }
        }
        let filtered = self.files.receive(&mut self.burst, &self.stamps);
        self.statistics.filtered += filtered;
        filtered > 0 || !self.burst.is_empty()
    }

    /// Nothing came: whether that is the end.
    fn nothing(&mut self) -> Received {
        self.empty_polls = self.empty_polls.saturating_add(1);
        let over = match &self.ending {
            Ending::Never => false,
            Ending::Fed(feeds) => {
                self.files.is_over() && self.empty_polls > 2 && feeds.iter().all(|done| done.load(Ordering::Acquire))
            }
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
        let came = if stuck {
            for consumer in &mut self.inward {
                consumer.dequeue(&mut self.burst);
            }
            self.handed = self.burst.len();
            true
        } else {
            self.poll()
        };
        if !came {
            return self.nothing();
        }
        self.empty_polls = 0;
        if self.burst.is_empty() {
            return Received::Idle;
        }

        let wall_ns = if self.stamps.any_wall() { self.wall.now_ns() } else { 0 };
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
            burst.push(Packet {
                data: mbuf.data(),
                more: &self.parts[*start as usize..*end as usize],
                wire_length: mbuf.packet_bytes(),
                time_ns: self.stamps.time_ns(mbuf).unwrap_or(wall_ns),
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
        // Where every packet brings its time, time stands still when nothing comes.
        self.stamps.any_wall().then(|| self.wall.now_ns())
    }

    fn statistics(&mut self) -> SourceStatistics {
        // Asked for now and then: a busy worker's clock must not drift either.
        self.wall.adjust_if_old();
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

    /// Adjusts after a second without.
    fn adjust_if_old(&mut self) {
        if clock::ticks().saturating_sub(self.base_ticks) > self.ticks_per_second {
            self.adjust();
        }
    }

    /// Takes the system's time again: the counter drifts.
    fn adjust(&mut self) {
        self.base_ns = jiff::Timestamp::now().as_nanosecond() as i64;
        self.base_ticks = clock::ticks();
    }
}
