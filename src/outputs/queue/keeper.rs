// SPDX-License-Identifier: Apache-2.0
//! The disk queue's thread, and a helper that waits for the disk to have what was written (fdatasync).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::disk::{Blocked, DiskStatus, RECORDS_OUT, Shared};
use super::options::{DiskOptions, Overload};
use super::store::{Store, Written};
use crate::event::chunk::{Chunk, SealedChunk};
use crate::outputs::metrics::LogSample;
use crate::outputs::threads;

/// How often the position is kept, at most.
const POSITION_INTERVAL: Duration = Duration::from_secs(1);
/// Longest rest.
const REST: Duration = Duration::from_millis(50);
/// Attempts to read at one place before the rest of the segment is given up.
const READ_ATTEMPTS: u32 = 5;
/// Records read in one turn, so that writing goes on meanwhile.
const READS_A_TURN: usize = 16;
/// Empty chunks that are kept for reading.
const SPARE_CHUNKS: usize = 16;

pub struct Keeper {
    store: Store,
    options: DiskOptions,
    overload: Overload,
    memory_bytes: u64,
    shared: Arc<Shared>,
    status: DiskStatus,
    /// Taken and not yet written.
    staged: Vec<Arc<SealedChunk>>,
    spare: Vec<Chunk>,
    writing: Retry,
    reading: Retry,
    syncer: Syncer,
    synced: Instant,
    kept: Instant,
    log: LogSample,
}

impl Keeper {
    pub fn new(
        store: Store,
        options: DiskOptions,
        overload: Overload,
        memory_bytes: u64,
        shared: Arc<Shared>,
        cores: Option<&[usize]>,
    ) -> Result<Keeper, String> {
        let now = Instant::now();
        Ok(Keeper {
            store,
            options,
            overload,
            memory_bytes,
            shared,
            status: DiskStatus::default(),
            staged: Vec::new(),
            spare: Vec::new(),
            writing: Retry::default(),
            reading: Retry::default(),
            syncer: Syncer::start(cores)?,
            synced: now,
            kept: now,
            log: LogSample::default(),
        })
    }

    /// Runs until it is asked to stop and has written what it was given, or cannot.
    pub fn run(mut self) {
        loop {
            let stop = self.shared.stop.load(Ordering::Relaxed);
            let mut busy = self.take_returned();
            busy |= self.write(Instant::now(), stop);
            busy |= !stop && self.read(Instant::now());
            self.keep();
            self.put_status();
            if stop && (self.staged.is_empty() && self.shared.to_write.is_empty() || !busy) {
                break;
            }
            if !busy {
                thread::park_timeout(REST);
            }
        }
        self.end();
    }

    fn take_returned(&mut self) -> bool {
        let mut any = false;
        while let Some(chunk) = self.shared.returned.pop() {
            any = true;
            if let Some(ticket) = chunk.ticket.filter(|_| chunk.is_settled()) {
                self.store.settle(ticket);
            }
            if self.spare.len() < SPARE_CHUNKS {
                self.spare.push(chunk);
            }
        }
        any
    }

    /// Answers whether something was written. At the end a failure is not waited for.
    fn write(&mut self, now: Instant, at_the_end: bool) -> bool {
        let waits = !self.writing.is_due(now) && !at_the_end;
        while let Some(chunk) = self.shared.to_write.pop() {
            self.staged.push(chunk);
        }
        if waits || self.staged.is_empty() {
            return false;
        }
        let chunks: Vec<&Chunk> = self.staged.iter().map(|chunk| chunk.chunk()).collect();
        let written = self.store.append(&chunks, wall_ns());
        match written {
            Written::Chunks(count) => {
                self.unblock();
                self.unstage(count);
                count > 0
            }
            Written::TooLarge => {
                self.status.dropped_too_large += self.staged[0].chunk().len() as u64;
                self.log.warn(format_args!(
                    "disk queue: events of {} bytes are larger than queue.disk.segment_size and are dropped",
                    self.staged[0].chunk().used_bytes()
                ));
                self.unstage(1);
                true
            }
            Written::Full => {
                if self.overload == Overload::DropOldest && self.store.make_room() {
                    return true;
                }
                self.shared.set_blocked(Blocked::Full);
                // Room comes when a segment is settled.
                if self.store.has_settled_segment() { self.keep_position() } else { false }
            }
            Written::Failed(count, error) => {
                self.unstage(count);
                self.status.write_errors += 1;
                let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
                if full && self.overload == Overload::DropOldest && self.store.make_room() {
                    return true;
                }
                self.writing.fail(now, &self.options);
                self.shared.set_blocked(if full { Blocked::Full } else { Blocked::Failing });
                self.log.warn(format_args!("disk queue: writing failed and is tried again: {error}"));
                false
            }
        }
    }

    fn unblock(&mut self) {
        if !self.writing.is_well() {
            log::info!("disk queue: writing works again");
        }
        self.writing = Retry::default();
        self.shared.set_blocked(Blocked::No);
    }

    fn unstage(&mut self, count: usize) {
        let events: usize = self.staged.drain(..count).map(|chunk| chunk.chunk().len()).sum();
        self.shared.unwritten.fetch_sub(events as u64, Ordering::Relaxed);
    }

    /// Reads ahead. Answers whether something was read.
    fn read(&mut self, now: Instant) -> bool {
        let mut any = false;
        if !self.reading.is_due(now) {
            return false;
        }
        for _ in 0..READS_A_TURN {
            let (records, bytes) = self.store.outstanding();
            let room = records < RECORDS_OUT && (records == 0 || bytes < self.memory_bytes);
            let wanted = self.shared.ahead.load(Ordering::Relaxed) < self.options.read_ahead;
            if !room || !wanted || self.shared.reading_ends.load(Ordering::Relaxed) {
                break;
            }
            let mut chunk = self.spare.pop().unwrap_or_else(|| Chunk::new(0, 0));
            match self.store.read(&mut chunk) {
                Ok(true) => {
                    any = true;
                    self.reading = Retry::default();
                    self.shared.ahead.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    let chunk = SealedChunk::new(chunk, Arc::clone(&self.shared.returned));
                    // It has room for all records that may be out.
                    let _ = self.shared.read.push(chunk);
                }
                Ok(false) => {
                    self.spare.push(chunk);
                    break;
                }
                Err(error) => {
                    self.spare.push(chunk);
                    self.read_failed(now, &error);
                    break;
                }
            }
        }
        any
    }

    fn read_failed(&mut self, now: Instant, error: &io::Error) {
        self.status.read_errors += 1;
        self.reading.fail(now, &self.options);
        if self.reading.failures < READ_ATTEMPTS {
            self.log.warn(format_args!("disk queue: reading failed and is tried again: {error}"));
        } else {
            self.log.warn(format_args!("disk queue: the rest of a segment cannot be read and is lost: {error}"));
            self.store.skip_segment();
            self.reading = Retry::default();
        }
    }

    /// What is due: the disk has what was written, the position is kept.
    fn keep(&mut self) {
        let interval = if self.options.sync.is_zero() { POSITION_INTERVAL } else { self.options.sync };
        if self.synced.elapsed() >= interval && self.syncer.is_idle() {
            self.synced = Instant::now();
            self.sync();
        }
        let settled = self.store.has_settled_segment();
        if self.kept.elapsed() >= POSITION_INTERVAL || settled && self.kept.elapsed() >= REST {
            self.keep_position();
        }
    }

    fn sync(&mut self) {
        match self.store.unsynced() {
            // Without syncs they are closed.
            Ok(files) if files.is_empty() || self.options.sync.is_zero() => {}
            Ok(files) => self.syncer.sync(files),
            Err(error) => {
                self.status.sync_errors += 1;
                self.log.warn(format_args!("disk queue: {error}"));
            }
        }
    }

    fn keep_position(&mut self) -> bool {
        self.kept = Instant::now();
        let result = self.store.keep_position();
        if let Err(error) = &result {
            self.status.write_errors += 1;
            self.log.warn(format_args!("disk queue: its position cannot be kept, more may be sent twice: {error}"));
        }
        result.is_ok()
    }

    fn put_status(&mut self) {
        self.status.store = self.store.counters;
        (self.status.used_bytes, self.status.segments) = self.store.size();
        self.status.oldest_ns = self.store.oldest_ns();
        let sync_errors = self.syncer.errors.load(Ordering::Relaxed);
        self.shared.put_status(DiskStatus { sync_errors: self.status.sync_errors + sync_errors, ..self.status });
    }

    fn end(mut self) {
        self.take_returned();
        self.staged.extend(std::iter::from_fn(|| self.shared.to_write.pop()));
        self.status.dropped_unwritten += self.staged.iter().map(|chunk| chunk.chunk().len() as u64).sum::<u64>();
        self.unstage(self.staged.len());
        if !self.options.sync.is_zero() {
            self.syncer.finish();
            let synced = self.store.unsynced().and_then(|files| files.iter().try_for_each(File::sync_data));
            if let Err(error) = synced {
                self.status.sync_errors += 1;
                log::warn!("disk queue: what was written last may not have reached the disk: {error}");
            }
        }
        self.keep_position();
        self.put_status();
    }
}

/// When something that failed is tried again: `retry_interval`, doubled with every failure up to `max_retry_interval`.
#[derive(Default)]
struct Retry {
    failures: u32,
    until: Option<Instant>,
}

impl Retry {
    fn is_well(&self) -> bool {
        self.failures == 0
    }

    fn is_due(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    fn fail(&mut self, now: Instant, options: &DiskOptions) {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let wait = options.retry_interval.saturating_mul(factor).min(options.max_retry_interval);
        self.failures = (self.failures + 1).min(31);
        self.until = now.checked_add(wait);
    }
}

/// Waits for the disk, so that the queue's thread does not.
struct Syncer {
    files: Option<Sender<Vec<File>>>,
    at_work: Arc<AtomicBool>,
    errors: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    fn start(cores: Option<&[usize]>) -> Result<Syncer, String> {
        let (files, receiver) = channel();
        let (at_work, errors) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (flag, counter) = (Arc::clone(&at_work), Arc::clone(&errors));
        let thread = threads::spawn("wb-disk-sync", cores, move || sync_all(&receiver, &flag, &counter))
            .map_err(|error| format!("queue.disk: its thread cannot be made: {error}"))?;
        Ok(Syncer { files: Some(files), at_work, errors, thread: Some(thread) })
    }

    fn is_idle(&self) -> bool {
        !self.at_work.load(Ordering::Acquire)
    }

    /// Only while it is idle, so that files do not pile up.
    fn sync(&mut self, files: Vec<File>) {
        self.at_work.store(true, Ordering::Release);
        if let Some(sender) = &self.files {
            // It lives as long as its sender.
            let _ = sender.send(files);
        }
    }

    fn finish(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("disk queue: the thread that syncs ended in a panic");
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.finish();
    }
}

fn sync_all(receiver: &Receiver<Vec<File>>, at_work: &AtomicBool, errors: &AtomicU64) {
    while let Ok(files) = receiver.recv() {
        for file in &files {
            if let Err(error) = file.sync_data() {
                errors.fetch_add(1, Ordering::Relaxed);
                log::warn!("disk queue: what was written may not have reached the disk: {error}");
            }
        }
        at_work.store(false, Ordering::Release);
    }
}

fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
