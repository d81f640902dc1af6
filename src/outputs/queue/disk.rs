// SPDX-License-Identifier: Apache-2.0
//! The disk queue: a thread of its own writes, reads, syncs and deletes, so that the I/O core waits for no disk.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_queue::ArrayQueue;

use super::keeper::Keeper;
use super::options::{DiskOptions, Overload};
use super::store::{Store, StoreCounters};
use crate::event::chunk::{Chunk, SealedChunk};
use crate::outputs::threads;

/// Chunks that may wait for the thread, or for the I/O core.
const CHUNKS: usize = 1024;
/// Records that may be with the output at a time.
pub const RECORDS_OUT: usize = 4096;

/// The I/O core's side.
pub struct DiskQueue {
    options: DiskOptions,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Events that it was given.
    taken: u64,
}

/// What the disk queue counted, and what it is like now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStatus {
    pub store: StoreCounters,
    /// Events dropped because one chunk of them is larger than a segment.
    pub dropped_too_large: u64,
    /// Events dropped at the end because they could not be written.
    pub dropped_unwritten: u64,
    pub write_errors: u64,
    pub read_errors: u64,
    pub sync_errors: u64,
    pub used_bytes: u64,
    pub segments: usize,
    /// Wall time at which the queue was given the oldest event, nanoseconds since 1970.
    pub oldest_ns: Option<i64>,
}

impl DiskStatus {
    /// Events dropped, by name.
    pub fn dropped(&self) -> [(&'static str, u64); 4] {
        [
            ("disk_queue_corrupt", self.store.corrupt),
            ("disk_queue_oldest", self.store.dropped_oldest),
            ("disk_queue_too_large", self.dropped_too_large),
            ("disk_queue_unwritten", self.dropped_unwritten),
        ]
    }

    fn gone(&self) -> u64 {
        self.store.settled + self.dropped().iter().map(|(_, events)| events).sum::<u64>()
    }
}

/// Why nothing more can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    No,
    /// `queue.disk.max_size`, or the disk itself.
    Full,
    /// Writing fails in another way.
    Failing,
}

/// What the two sides share.
pub struct Shared {
    pub to_write: ArrayQueue<Arc<SealedChunk>>,
    /// Events given and not yet written.
    pub unwritten: AtomicU64,
    pub read: ArrayQueue<Arc<SealedChunk>>,
    /// Events read and not yet taken.
    pub ahead: AtomicU64,
    pub returned: Arc<ArrayQueue<Chunk>>,
    blocked: AtomicU8,
    /// Nothing more shall be read.
    pub reading_ends: AtomicBool,
    pub stop: AtomicBool,
    status: Mutex<DiskStatus>,
}

impl Shared {
    pub fn set_blocked(&self, blocked: Blocked) {
        self.blocked.store(blocked as u8, Ordering::Relaxed);
    }

    pub fn put_status(&self, status: DiskStatus) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn status(&self) -> DiskStatus {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskQueue {
    /// Opens the folder and starts the threads, on these cores or the caller's. `memory_bytes` bounds what was read and
    /// is not settled. The error is a sentence.
    pub fn start(
        options: &DiskOptions,
        overload: Overload,
        memory_bytes: u64,
        cores: Option<&[usize]>,
    ) -> Result<DiskQueue, String> {
        let failed = |error: String| format!("queue.disk: {error}");
        let store = Store::open(options).map_err(failed)?;
        let status = DiskStatus {
            store: store.counters,
            used_bytes: store.size().0,
            segments: store.size().1,
            ..DiskStatus::default()
        };
        if status.store.recovered > 0 {
            log::info!(
                "disk queue: {} events of an earlier run wait in {}",
                status.store.recovered,
                options.path.display()
            );
        }
        let shared = Arc::new(Shared {
            to_write: ArrayQueue::new(CHUNKS),
            unwritten: AtomicU64::new(0),
            read: ArrayQueue::new(RECORDS_OUT),
            ahead: AtomicU64::new(0),
            returned: Arc::new(ArrayQueue::new(RECORDS_OUT)),
            blocked: AtomicU8::new(Blocked::No as u8),
            reading_ends: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            status: Mutex::new(status),
        });
        let keeper = Keeper::new(store, options.clone(), overload, memory_bytes, Arc::clone(&shared), cores)?;
        let thread = threads::spawn("wb-disk-queue", cores, move || keeper.run())
            .map_err(|error| failed(format!("its thread cannot be made: {error}")))?;
        Ok(DiskQueue { options: options.clone(), shared, thread: Some(thread), taken: 0 })
    }

    /// Takes a chunk, or gives it back when as much as `write_ahead` waits for being written.
    pub fn write(&mut self, chunk: Arc<SealedChunk>) -> Result<(), Arc<SealedChunk>> {
        let events = chunk.chunk().len() as u64;
        let unwritten = self.shared.unwritten.load(Ordering::Relaxed);
        if unwritten > 0 && unwritten + events > self.options.write_ahead {
            return Err(chunk);
        }
        self.shared.unwritten.fetch_add(events, Ordering::Relaxed);
        let result = self.shared.to_write.push(chunk);
        match result {
            Ok(()) => self.taken += events,
            Err(_) => drop(self.shared.unwritten.fetch_sub(events, Ordering::Relaxed)),
        }
        self.wake();
        result
    }

    /// The next chunk that was read.
    pub fn read(&mut self) -> Option<Arc<SealedChunk>> {
        let chunk = self.shared.read.pop()?;
        self.shared.ahead.fetch_sub(chunk.chunk().len() as u64, Ordering::Relaxed);
        self.wake();
        Some(chunk)
    }

    /// Lets the thread go on when there is something for it.
    pub fn turn(&self) {
        if !self.shared.returned.is_empty() {
            self.wake();
        }
    }

    pub fn blocked(&self) -> Blocked {
        match self.shared.blocked.load(Ordering::Relaxed) {
            0 => Blocked::No,
            1 => Blocked::Full,
            _ => Blocked::Failing,
        }
    }

    /// Events that it was given, in this run or an earlier one, and that are neither settled nor dropped.
    pub fn left(&self) -> u64 {
        let status = self.shared.status();
        (self.taken + status.store.recovered).saturating_sub(status.gone())
    }

    /// Everything that it was given is written.
    pub fn is_written(&self) -> bool {
        self.shared.unwritten.load(Ordering::Relaxed) == 0
    }

    pub fn status(&self) -> DiskStatus {
        self.shared.status()
    }

    pub fn options(&self) -> &DiskOptions {
        &self.options
    }

    /// From now on nothing more is read.
    pub fn end_reading(&self) {
        self.shared.reading_ends.store(true, Ordering::Relaxed);
    }

    /// Writes what waits, syncs it and keeps the position. Answers how many events it was given, and the last numbers.
    pub fn close(mut self) -> (u64, DiskStatus) {
        self.stop();
        (self.taken, self.shared.status())
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("disk queue: its thread ended in a panic");
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for DiskQueue {
    fn drop(&mut self) {
        self.stop();
    }
}
