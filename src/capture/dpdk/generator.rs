// SPDX-License-Identifier: Apache-2.0
//! Sends frames at a set rate, by the time stamp counter: into the rings of a port of this process, or from a second port.
//!
//! What the receiver has no room for is lost, as on a wire. Where the generator itself falls behind, packets are not sent
//! in a bunch, which no receiver could take, but counted as late: then it is the limit, not the receiver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dpdk_sys::ring::Producer;
use dpdk_sys::thread::Registration;
use dpdk_sys::{
    Burst as MbufBurst, Eal, Mbuf, Mempool, MempoolConfiguration, MempoolHandler, Port, PortConfiguration, RingPort,
    RxQueue, TimestampField, TxQueue, clock,
};

use super::Hardware;
use crate::capture::BURST;
use crate::flow::{FlowKey, Secret};
use crate::wire::{self, Decoded, LinkType};

/// The device of a ring port that a generator fills.
pub const RING: &str = "ring";
/// Packets a queue of the ring holds.
pub const RING_PACKETS: u32 = 1024;
/// Packets that the generator may be behind: as many as half a ring takes.
const BEHIND_PACKETS: u64 = RING_PACKETS as u64 / 2;
const POOL_MBUFS: u32 = 16_383;
const CACHE_MBUFS: u32 = 256;

/// Gives frames of Ethernet without end.
pub trait Frames: Send {
    fn next(&mut self, give: &mut dyn FnMut(&[u8]));
}

/// What is to be sent.
pub struct GeneratorPlan {
    /// The port that sends; None: into the rings of the port [`RING`].
    pub sender: Option<String>,
    pub packets_per_second: f64,
    pub duration: Duration,
    pub frames: Box<dyn Frames>,
    /// The secret of the run's flow hash, so that a packet comes to the queue of its home.
    pub secret: Secret,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets that were due in time, the lost ones included.
    pub offered: u64,
    pub bytes: u64,
    /// Packets for which the receiver, or its port, had no room.
    pub lost: u64,
    /// Packets that were not sent because the generator was behind.
    pub late: u64,
    pub elapsed: Duration,
}

/// Ready to send.
pub struct Generator {
    eal: Eal,
    plan: GeneratorPlan,
    outlet: Outlet,
    pool: Mempool,
    field: TimestampField,
}

enum Outlet {
    Rings(Vec<Producer>),
    Port(TxQueue),
}

/// Opens the ring port that a generator fills; answers its queues and their other ends.
pub(super) fn open_ring(
    eal: &Eal,
    workers: u16,
    pool: Mempool,
    ports: &mut Vec<Port>,
) -> Result<(Vec<RxQueue>, Vec<Producer>), String> {
    let failed = |error: dpdk_sys::Error| format!("device {RING}: {error}");
    let ring = RingPort::create(eal, "bench", workers, RING_PACKETS, None).map_err(failed)?;
    let mut port = ring.port;
    port.configure(&PortConfiguration { rss: None, ..PortConfiguration::new(workers) }, &[pool]).map_err(failed)?;
    let (queues, _transmit) = port.start().map_err(failed)?;
    ports.push(port);
    Ok((queues, ring.feeders))
}

impl Hardware {
    /// Opens what a generator sends through.
    pub fn generator(&mut self, plan: GeneratorPlan) -> Result<Generator, String> {
        let configuration = MempoolConfiguration {
            name: "generator",
            count: POOL_MBUFS,
            cache: CACHE_MBUFS,
            data_bytes: self.pool.data_bytes(),
            socket: None,
            handler: MempoolHandler::RelaxedTail,
        };
        let pool = Mempool::create(&self.eal, &configuration).map_err(|error| error.to_string())?;
        let outlet = match &plan.sender {
            None => Outlet::Rings(std::mem::take(&mut self.rings)),
            Some(device) => {
                let failed = |error: dpdk_sys::Error| format!("device {device}: {error}");
                let mut port = Port::open(&self.eal, device).map_err(failed)?;
                let configuration = PortConfiguration { rss: None, tx_queues: Some(1), ..PortConfiguration::new(1) };
                port.configure(&configuration, &[pool]).map_err(failed)?;
                let (_receive, transmit) = port.start().map_err(failed)?;
                self.senders.push(port);
                let queue = transmit.into_iter().next();
                Outlet::Port(queue.ok_or_else(|| format!("device {device} has no transmit queue"))?)
            }
        };
        let field = TimestampField::register(&self.eal).map_err(|error| error.to_string())?;
        Ok(Generator { eal: self.eal.share(), plan, outlet, pool, field })
    }
}

impl Generator {
    /// Sends for the plan's time, or until it is stopped.
    pub fn run(mut self, stop: &AtomicBool) -> Result<Sent, String> {
        let _registration = Registration::of_current_thread(&self.eal).map_err(|error| error.to_string())?;
        let ticks_per_packet = clock::ticks_per_second(&self.eal) as f64 / self.plan.packets_per_second;
        let packet_ns = 1e9 / self.plan.packets_per_second;
        let queues = match &self.outlet {
            Outlet::Rings(producers) => producers.len(),
            Outlet::Port(_) => 1,
        };
        let mut waiting: Vec<MbufBurst> = (0..queues).map(|_| MbufBurst::new()).collect();
        let mut sent = Sent::default();
        let started = Instant::now();
        let start_ns = jiff::Timestamp::now().as_nanosecond() as i64;
        let start = clock::ticks();
        // Packets whose time has come, sent or not.
        let mut passed = 0u64;
        while started.elapsed() < self.plan.duration && !stop.load(Ordering::Relaxed) {
            let come = (clock::ticks().saturating_sub(start) as f64 / ticks_per_packet) as u64;
            let behind = come.saturating_sub(passed);
            if behind == 0 {
                clock::pause();
                continue;
            }
            let late = behind.saturating_sub(BEHIND_PACKETS);
            passed += late;
            sent.late += late;
            let count = (behind - late).min(BURST as u64);
            for place in 0..count {
                let due_ns = start_ns + ((passed + place) as f64 * packet_ns) as i64;
                sent.offered += 1;
                match self.mbuf(due_ns as u64) {
                    Some(mbuf) => {
                        sent.bytes += u64::from(mbuf.packet_bytes());
                        let queue = self.queue(mbuf.data(), queues);
                        // No queue gets more than the burst.
                        let _ = waiting[queue].push(mbuf);
                    }
                    // The receiver has them all.
                    None => sent.lost += 1,
                }
            }
            passed += count;
            for (queue, burst) in waiting.iter_mut().enumerate() {
                match &mut self.outlet {
                    Outlet::Rings(producers) => producers[queue].enqueue(burst),
                    Outlet::Port(transmit) => transmit.transmit(burst),
                };
                sent.lost += burst.len() as u64;
                burst.clear();
            }
        }
        sent.elapsed = started.elapsed();
        Ok(sent)
    }

    fn mbuf(&mut self, due_ns: u64) -> Option<Mbuf> {
        let (pool, room) = (self.pool, usize::from(self.pool.data_bytes()));
        let mut made = None;
        self.plan.frames.next(&mut |frame| {
            let mut parts = frame.chunks(room);
            let Some(mut first) = pool.allocate() else { return };
            first.append(parts.next().unwrap_or_default());
            for part in parts {
                let Some(mut next) = pool.allocate() else { return };
                next.append(part);
                if first.chain(next).is_err() {
                    return;
                }
            }
            made = Some(first);
        });
        let mut mbuf = made?;
        self.field.write(&mut mbuf, due_ns);
        Some(mbuf)
    }

    /// The queue that symmetric RSS would choose.
    fn queue(&self, frame: &[u8], queues: usize) -> usize {
        if queues == 1 {
            return 0;
        }
        let mut decoded = Decoded::new();
        let key = wire::decode_into(LinkType::Ethernet, frame, frame.len() as u32, &mut decoded)
            .ok()
            .and_then(|()| FlowKey::of(&decoded));
        match key {
            Some((key, _)) => (((self.plan.secret.hash(&key) >> 32) * queues as u64) >> 32) as usize,
            None => 0,
        }
    }
}
