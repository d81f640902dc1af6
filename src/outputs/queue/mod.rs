// SPDX-License-Identifier: Apache-2.0
//! Where events wait for the output: in memory, bounded in events and bytes, or in segment files (`queue.disk`), and what
//! happens to them when there is no room (`wirebeat.queue.overload`).
//!
//! `docs/queues.md` says what survives what. The shipper is the memory queue: it holds what is accepted until it is
//! settled; here is decided what it accepts.

mod disk;
mod folder;
mod keeper;
mod options;
pub mod record;
pub mod store;

use std::sync::Arc;

pub use disk::{Blocked, DiskQueue, DiskStatus};
pub use options::{DiskOptions, Overload, QueueOptions};

use super::Sink;
use super::shipper::Shipper;
use crate::event::chunk::{SealedChunk, Slice};

/// Names under which events are dropped that find no room.
pub const QUEUE_FULL: &str = "queue_full";
pub const QUEUE_OLDEST: &str = "queue_oldest";
pub const DISK_FULL: &str = "disk_queue_full";
pub const DISK_FAILING: &str = "disk_queue_failing";

/// Bytes of events that were read from the disk and are not settled, unless `wirebeat.queue.max_bytes` says otherwise.
const DISK_MEMORY_BYTES: u64 = 64 << 20;
/// Chunks that go from the disk to the shipper in one turn.
const FEEDS_A_TURN: usize = 16;

/// See the module's head.
pub struct Queue {
    events: u64,
    bytes: u64,
    overload: Option<Overload>,
    /// What happens when neither memory nor disk has room.
    full: Overload,
    disk: Option<DiskQueue>,
    /// What waits for room.
    held: Option<Slice>,
    /// Events that the shipper was given from the disk.
    fed: u64,
}

/// Whether a source can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Live,
    Patient,
}

/// A worker's supply of empty chunks.
#[derive(Clone, Copy, Debug)]
pub struct Supply {
    pub empty: usize,
    pub chunks: usize,
}

impl Supply {
    fn is_low(self) -> bool {
        self.empty * 4 < self.chunks
    }
}

/// What became of the events of a disk queue at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remainder {
    /// Events of earlier runs.
    pub recovered: u64,
    /// Events that stay for the next run.
    pub left: u64,
    pub status: DiskStatus,
}

impl Queue {
    /// Opens the disk queue, if there is one; its threads run on these cores or the caller's. The error is a sentence.
    pub fn open(options: &QueueOptions, cores: Option<&[usize]>) -> Result<Queue, String> {
        let overload = options.overload.unwrap_or(Overload::DropNewest);
        let memory_bytes = options.max_bytes.unwrap_or(DISK_MEMORY_BYTES);
        let start = |disk| DiskQueue::start(disk, overload, memory_bytes, cores);
        Ok(Queue {
            events: options.events.unwrap_or(u64::MAX),
            bytes: options.max_bytes.unwrap_or(u64::MAX),
            overload: options.overload,
            full: overload,
            disk: options.disk.as_ref().map(start).transpose()?,
            held: None,
            fed: 0,
        })
    }

    /// The source and the bytes of all chunks of its workers are known.
    pub fn begin(&mut self, source: Source, chunk_bytes: u64) {
        self.full = match (self.overload, source) {
            (None | Some(Overload::Spool), Source::Live) => Overload::DropNewest,
            (None | Some(Overload::Spool), Source::Patient) => Overload::Wait,
            (Some(asked), _) => asked,
        };
        if self.bytes == u64::MAX {
            self.bytes = chunk_bytes;
        }
    }

    /// Whether it takes another chunk.
    pub fn has_room(&self) -> bool {
        self.held.is_none()
    }

    /// Takes a worker's chunk.
    pub fn take<S: Sink + ?Sized>(&mut self, chunk: Arc<SealedChunk>, supply: Supply, shipper: &mut Shipper<S>) {
        let worker = chunk.chunk().worker;
        self.held = self.admit(Slice::whole(chunk), supply, shipper);
        if self.disk.is_none() && self.full == Overload::DropOldest && supply.is_low() {
            shipper.drop_oldest(Some(worker), QUEUE_OLDEST);
        }
    }

    /// Moves what waits: into the queue, and from the disk to the shipper. Answers whether anything moved.
    pub fn turn<S: Sink + ?Sized>(&mut self, shipper: &mut Shipper<S>) -> bool {
        let mut busy = false;
        if let Some(held) = self.held.take() {
            let before = held.len();
            self.held = self.admit(held, Supply { empty: 0, chunks: 1 }, shipper);
            busy = self.held.as_ref().is_none_or(|held| held.len() < before);
        }
        let Some(disk) = &mut self.disk else { return busy };
        disk.turn();
        if shipper.has_fresh() {
            return busy;
        }
        for chunk in std::iter::from_fn(|| disk.read()).take(FEEDS_A_TURN) {
            busy = true;
            self.fed += chunk.chunk().len() as u64;
            shipper.accept(chunk);
        }
        busy
    }

    /// The run ends: what is on the disk stays there.
    pub fn end_reading(&self) {
        if let Some(disk) = &self.disk {
            disk.end_reading();
        }
    }

    /// Nothing waits, neither here nor on the disk.
    pub fn is_idle(&self) -> bool {
        self.held.is_none() && self.disk.as_ref().is_none_or(|disk| disk.left() == 0)
    }

    /// Everything that it took is on the disk, or it has none and nothing waits.
    pub fn is_safe(&self) -> bool {
        self.held.is_none() && self.disk.as_ref().is_some_and(DiskQueue::is_written)
    }

    /// `queue.mem.events` and the bound in bytes, as far as there is one.
    pub fn bounds(&self) -> (Option<u64>, Option<u64>) {
        let bound = |limit: u64| (limit != u64::MAX).then_some(limit);
        (bound(self.events), bound(self.bytes))
    }

    /// Events and bytes that the disk queue holds beside what the shipper has, its `max_size`, and its numbers.
    pub fn disk(&self) -> Option<&DiskQueue> {
        self.disk.as_ref()
    }

    /// Gives up what could not be taken, and closes the disk queue.
    pub fn close<S: Sink + ?Sized>(mut self, shipper: &mut Shipper<S>, reason: &'static str) -> Remainder {
        if let Some(held) = self.held.take() {
            shipper.reject(&held, reason);
        }
        let Some(disk) = self.disk.take() else { return Remainder::default() };
        let (taken, status) = disk.close();
        let recovered = status.store.recovered;
        let dropped: u64 = status.dropped().iter().map(|(_, events)| events).sum();
        let settled = self.fed - shipper.counters().kept;
        Remainder { recovered, left: (taken + recovered).saturating_sub(dropped + settled), status }
    }

    /// Answers what has to wait.
    fn admit<S: Sink + ?Sized>(&mut self, slice: Slice, supply: Supply, shipper: &mut Shipper<S>) -> Option<Slice> {
        if self.goes_to_disk(&slice, supply, shipper) {
            return self.admit_to_disk(slice, shipper);
        }
        self.admit_to_memory(slice, shipper)
    }

    fn goes_to_disk<S: Sink + ?Sized>(&self, slice: &Slice, supply: Supply, shipper: &Shipper<S>) -> bool {
        let Some(disk) = &self.disk else { return false };
        // Once something is on the disk, all goes there, so that the order stays.
        self.overload != Some(Overload::Spool)
            || disk.left() > 0
            || supply.is_low()
            || self.fitting(slice, shipper) < slice.len()
    }

    fn admit_to_disk<S: Sink + ?Sized>(&mut self, slice: Slice, shipper: &mut Shipper<S>) -> Option<Slice> {
        let disk = self.disk.as_mut()?;
        let Err(chunk) = disk.write(slice.chunk) else { return None };
        let slice = Slice { chunk, range: slice.range };
        let reason = match disk.blocked() {
            Blocked::Full => DISK_FULL,
            Blocked::Failing => DISK_FAILING,
            // The disk is slower than the events, or at work: the workers' chunks are the buffer.
            Blocked::No => return Some(slice),
        };
        if self.full == Overload::Wait {
            return Some(slice);
        }
        shipper.reject(&slice, reason);
        None
    }

    fn admit_to_memory<S: Sink + ?Sized>(&mut self, mut slice: Slice, shipper: &mut Shipper<S>) -> Option<Slice> {
        loop {
            let part = slice.split_first(self.fitting(&slice, shipper));
            shipper.accept_slice(part);
            if slice.is_empty() {
                return None;
            }
            match self.full {
                Overload::Wait => return Some(slice),
                Overload::DropOldest if shipper.drop_oldest(None, QUEUE_OLDEST) => {}
                _ => {
                    shipper.reject(&slice, QUEUE_FULL);
                    return None;
                }
            }
        }
    }

    /// How many events of the slice memory has room for; at least one when it holds nothing.
    fn fitting<S: Sink + ?Sized>(&self, slice: &Slice, shipper: &Shipper<S>) -> usize {
        let counters = shipper.counters();
        let events = self.events.saturating_sub(counters.queued);
        let mut bytes = self.bytes.saturating_sub(counters.queued_bytes);
        let fits = slice.events().iter().take_while(|event| {
            let body_bytes = u64::from(event.body.length);
            let fits = body_bytes <= bytes;
            bytes = bytes.saturating_sub(body_bytes);
            fits
        });
        let count = fits.take(usize::try_from(events).unwrap_or(usize::MAX)).count();
        count.max(usize::from(counters.queued == 0)).min(slice.len())
    }
}

#[cfg(test)]
mod tests;
