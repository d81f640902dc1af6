// SPDX-License-Identifier: Apache-2.0
//! Strays on their way from one worker to another: a bounded ring of copied packets for each pair of workers, and a bell
//! that wakes a worker which sleeps.
//!
//! Limits: a ring holds [`RING_PACKETS`] packets and about [`RING_BYTES`] bytes; what does not fit is lost and counted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

use super::{Origin, Packet};
use crate::wire::LinkType;

const RING_PACKETS: usize = 512;
const RING_BYTES: usize = 4 << 20;
/// A larger buffer is not kept for the next packet.
const KEPT_BUFFER_BYTES: usize = 16 << 10;

/// A copied packet.
#[derive(Debug)]
pub struct Handed {
    bytes: Vec<u8>,
    wire_length: u32,
    time_ns: i64,
    link: LinkType,
    from: u16,
}

impl Handed {
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            data: &self.bytes,
            more: &[],
            wire_length: self.wire_length,
            time_ns: self.time_ns,
            link: self.link,
            origin: Origin::Worker,
        }
    }
}

/// One worker's end of the rings to and from all others of its group.
pub struct Desk {
    worker: u16,
    exchange: Arc<Exchange>,
    /// Packets that did not fit.
    lost: u64,
}

struct Exchange {
    workers: u16,
    /// From each to each.
    rings: Vec<Ring>,
    bells: Vec<Bell>,
}

struct Ring {
    full: ArrayQueue<Handed>,
    /// Buffers on their way back.
    empty: ArrayQueue<Vec<u8>>,
    bytes: AtomicUsize,
}

struct Bell {
    event: OwnedFd,
    sleeps: AtomicBool,
}

impl Desk {
    /// The desks of a group of workers.
    pub fn group(workers: u16) -> io::Result<Vec<Desk>> {
        let bell = || -> io::Result<Bell> {
            let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
            Ok(Bell { event, sleeps: AtomicBool::new(false) })
        };
        let ring = || Ring {
            full: ArrayQueue::new(RING_PACKETS),
            empty: ArrayQueue::new(RING_PACKETS),
            bytes: AtomicUsize::new(0),
        };
        let exchange = Arc::new(Exchange {
            workers,
            rings: (0..usize::from(workers).pow(2)).map(|_| ring()).collect(),
            bells: (0..workers).map(|_| bell()).collect::<io::Result<_>>()?,
        });
        Ok((0..workers).map(|worker| Desk { worker, exchange: Arc::clone(&exchange), lost: 0 }).collect())
    }

    /// Copies a packet to another worker.
    pub fn send(&mut self, home: u16, packet: &Packet<'_>) {
        let Some(ring) = self.exchange.ring(self.worker, home) else { return };
        let length = packet.data.len() + packet.more.iter().map(|part| part.len()).sum::<usize>();
        // One worker alone adds to this ring: what it sees can only have become less.
        if ring.bytes.load(Ordering::Relaxed) + length > RING_BYTES {
            self.lost += 1;
            return;
        }
        let mut bytes = ring.empty.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(packet.data);
        packet.more.iter().for_each(|part| bytes.extend_from_slice(part));
        let handed = Handed {
            bytes,
            wire_length: packet.wire_length,
            time_ns: packet.time_ns,
            link: packet.link,
            from: self.worker,
        };
        ring.bytes.fetch_add(length, Ordering::Relaxed);
        if let Err(handed) = ring.full.push(handed) {
            ring.bytes.fetch_sub(length, Ordering::Relaxed);
            ring.keep(handed.bytes);
            self.lost += 1;
        }
        self.exchange.ring_bell(home);
    }

    /// Takes packets of other workers until `taken` has `limit`.
    pub fn take(&mut self, taken: &mut Vec<Handed>, limit: usize) {
        for from in (0..self.exchange.workers).filter(|from| *from != self.worker) {
            let Some(ring) = self.exchange.ring(from, self.worker) else { continue };
            while taken.len() < limit {
                let Some(handed) = ring.full.pop() else { break };
                ring.bytes.fetch_sub(handed.bytes.len(), Ordering::Relaxed);
                taken.push(handed);
            }
        }
    }

    /// Gives the buffer of a packet back to its sender.
    pub fn give_back(&mut self, handed: Handed) {
        if let Some(ring) = self.exchange.ring(handed.from, self.worker) {
            ring.keep(handed.bytes);
        }
    }

    /// Packets that were lost because a ring was full.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Readable when a packet comes while this worker [sleeps](Desk::falls_asleep).
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.exchange.bells[usize::from(self.worker)].event.as_fd()
    }

    /// Announces that this worker is about to wait for its bell. False: a packet is there already, it must not.
    pub fn falls_asleep(&mut self) -> bool {
        self.exchange.bells[usize::from(self.worker)].sleeps.store(true, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
        let waiting = (0..self.exchange.workers)
            .filter_map(|from| self.exchange.ring(from, self.worker))
            .any(|ring| !ring.full.is_empty());
        if waiting {
            self.wakes_up();
        }
        !waiting
    }

    /// The end of a sleep.
    pub fn wakes_up(&mut self) {
        let bell = &self.exchange.bells[usize::from(self.worker)];
        bell.sleeps.store(false, Ordering::SeqCst);
        // Whoever is about to ring makes the next sleep short, no more.
        let _ = rustix::io::read(&bell.event, &mut [0; 8]);
    }
}

impl Exchange {
    fn ring(&self, from: u16, to: u16) -> Option<&Ring> {
        self.rings.get(usize::from(from) * usize::from(self.workers) + usize::from(to))
    }

    fn ring_bell(&self, worker: u16) {
        std::sync::atomic::fence(Ordering::SeqCst);
        let Some(bell) = self.bells.get(usize::from(worker)) else { return };
        if bell.sleeps.load(Ordering::Relaxed) && bell.sleeps.swap(false, Ordering::SeqCst) {
            let _ = rustix::io::write(&bell.event, &1_u64.to_ne_bytes());
        }
    }
}

impl Ring {
    fn keep(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BUFFER_BYTES {
            let _ = self.empty.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests;
