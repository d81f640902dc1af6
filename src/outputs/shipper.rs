// SPDX-License-Identifier: Apache-2.0
//! The I/O core's logic: keeps the queue of event slices, gives them to the sink, and accounts for every one of them.
//!
//! The owner runs the loop and the clock: [`Shipper::accept`] whatever the rings hold, then [`Shipper::turn`] with the
//! time, again and again. Nothing here sleeps, reads a clock or starts a thread. At any moment
//! `received = acknowledged + sum(dropped) + queued`; how much may be queued is bounded by the pools of chunks, which
//! come back to the workers only when all their events are settled.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};

use super::{Sink, Verdict};
use crate::event::chunk::{SealedChunk, Slice};

/// Name under which an event is dropped that the sink refused too often.
pub const RETRIES_EXHAUSTED: &str = "output_retries_exhausted";

/// How a shipper treats its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShipperOptions {
    /// Further attempts for an event after the first one failed; `None` for ever. Packetbeat's `max_retries`, where a
    /// negative number means for ever. Time spent waiting for an absent peer is no attempt.
    pub max_retries: Option<u32>,
    /// Packetbeat's `backoff.init`.
    pub backoff_initial_ns: u64,
    /// Packetbeat's `backoff.max`.
    pub backoff_maximum_ns: u64,
    /// Longest time that a partial batch waits in the sink for company; Packetbeat's `queue.mem.flush.timeout`.
    pub flush_interval_ns: u64,
}

impl Default for ShipperOptions {
    fn default() -> ShipperOptions {
        const SECOND_NS: u64 = 1_000_000_000;
        ShipperOptions {
            max_retries: Some(3),
            backoff_initial_ns: SECOND_NS,
            backoff_maximum_ns: 60 * SECOND_NS,
            flush_interval_ns: 10 * SECOND_NS,
        }
    }
}

/// What a shipper counted since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShipperCounters {
    /// Events accepted.
    pub received: u64,
    /// Bytes of their bodies.
    pub received_bytes: u64,
    /// Events that the other side has stored.
    pub acknowledged: u64,
    /// Bytes of their bodies.
    pub acknowledged_bytes: u64,
    /// Events given up, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Further attempts, counted per event, by reason.
    pub retried: BTreeMap<&'static str, u64>,
    /// Events accepted and not settled, those that the sink holds included.
    pub queued: u64,
    /// Bytes of their bodies.
    pub queued_bytes: u64,
    /// Of the queued events, those that the sink holds.
    pub in_flight: u64,
    /// Of the queued events, those that the disk queue keeps until they are settled.
    pub kept: u64,
}

impl ShipperCounters {
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    pub fn retried_total(&self) -> u64 {
        self.retried.values().sum()
    }
}

/// What one turn moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events that the sink took.
    pub offered: usize,
    /// Events acknowledged or dropped.
    pub settled: usize,
    /// When the shipper wants its next turn at the latest, on the clock of [`Shipper::turn`], if it waits for a time.
    pub wake_ns: Option<i64>,
}

impl Progress {
    /// Nothing moved: the owner may sleep a little.
    pub fn is_idle(&self) -> bool {
        self.offered == 0 && self.settled == 0
    }
}

/// See the module's head.
pub struct Shipper<S: Sink + ?Sized = dyn Sink> {
    options: ShipperOptions,
    counters: ShipperCounters,
    /// Refused slices first, then new ones, each in their order.
    refused: VecDeque<Slice>,
    fresh: VecDeque<Slice>,
    /// Failed attempts per event, for chunks with any.
    attempts: HashMap<usize, Attempts>,
    backoff: Backoff,
    /// When the sink was last flushed or held nothing.
    flushed_ns: i64,
    flush_wanted: bool,
    ages: Ages,
    sink: Box<S>,
}

impl<S: Sink + ?Sized> Shipper<S> {
    pub fn new(sink: Box<S>, options: ShipperOptions) -> Shipper<S> {
        Shipper {
            options,
            counters: ShipperCounters::default(),
            refused: VecDeque::new(),
            fresh: VecDeque::new(),
            attempts: HashMap::new(),
            backoff: Backoff { failures: 0, until_ns: i64::MIN },
            flushed_ns: i64::MIN,
            flush_wanted: false,
            ages: Ages::default(),
            sink,
        }
    }

    /// Puts a full chunk at the end of the queue.
    pub fn accept(&mut self, chunk: Arc<SealedChunk>) {
        self.accept_slice(Slice::whole(chunk));
    }

    /// Puts some events of a chunk at the end of the queue.
    pub fn accept_slice(&mut self, slice: Slice) {
        if slice.is_empty() {
            return;
        }
        let bytes = body_bytes(&slice);
        self.counters.received += slice.len() as u64;
        self.counters.received_bytes += bytes;
        self.counters.queued += slice.len() as u64;
        self.counters.queued_bytes += bytes;
        if is_kept(&slice) {
            self.counters.kept += slice.len() as u64;
        }
        self.ages.enter(&slice);
        self.fresh.push_back(slice);
    }

    /// Counts events that come and are dropped at once, under this name.
    pub fn reject(&mut self, slice: &Slice, reason: &'static str) {
        self.counters.received += slice.len() as u64;
        self.counters.received_bytes += body_bytes(slice);
        *self.counters.dropped.entry(reason).or_default() += slice.len() as u64;
        slice.chunk.settle(slice.len());
    }

    /// Drops the events that have waited longest and were not offered yet: one slice, of this worker if one is named.
    /// False when there are none.
    pub fn drop_oldest(&mut self, worker: Option<u16>, reason: &'static str) -> bool {
        let is_his = |slice: &Slice| worker.is_none_or(|worker| slice.chunk.chunk().worker == worker);
        let Some(slice) = self.fresh.iter().position(is_his).and_then(|place| self.fresh.remove(place)) else {
            return false;
        };
        *self.counters.dropped.entry(reason).or_default() += slice.len() as u64;
        settle(&mut self.counters, &slice);
        true
    }

    /// Whether events wait that were not offered yet.
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// When the oldest event that is not settled was accepted, on the clock of [`Shipper::turn`].
    pub fn oldest_ns(&self) -> Option<i64> {
        self.ages.oldest_ns()
    }

    /// One round: learns what became of events, then offers more. `now_ns` never goes back between calls.
    pub fn turn(&mut self, now_ns: i64) -> Progress {
        self.ages.now_ns = now_ns;
        let mut progress = Progress { settled: self.collect(now_ns), ..Progress::default() };
        if now_ns >= self.backoff.until_ns {
            progress.offered = self.offer();
        }
        self.flush_when_due(now_ns);
        // File and console settle in the offer; do not leave that to the next turn.
        progress.settled += self.collect(now_ns);
        progress.wake_ns = self.next_wake_ns(now_ns);
        progress
    }

    /// From now on partial batches are sent at once: at the end of a file or of the program, when nothing more comes
    /// soon. Holds until everything is settled.
    pub fn flush(&mut self) {
        self.flush_wanted = true;
    }

    /// Everything accepted is settled.
    pub fn is_idle(&self) -> bool {
        self.counters.queued == 0
    }

    pub fn counters(&self) -> &ShipperCounters {
        &self.counters
    }

    pub fn sink(&self) -> &S {
        &self.sink
    }

    #[cfg(test)]
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Learns for the last time what became of events, before the disk queue is closed that keeps some.
    pub fn settle_last(&mut self) {
        self.collect(i64::MAX);
    }

    /// Gives up what is not settled, under this name, and the sink with it: the end of a shutdown that took too long.
    /// What the disk queue keeps is not given up.
    pub fn close(mut self, reason: &'static str) -> ShipperCounters {
        self.collect(i64::MAX);
        let counters = &mut self.counters;
        if counters.queued > counters.kept {
            *counters.dropped.entry(reason).or_default() += counters.queued - counters.kept;
        }
        (counters.queued, counters.queued_bytes, counters.in_flight, counters.kept) = (0, 0, 0, 0);
        self.counters
    }

    fn collect(&mut self, now_ns: i64) -> usize {
        let mut ledger = Ledger {
            counters: &mut self.counters,
            attempts: &mut self.attempts,
            refused: &mut self.refused,
            max_retries: self.options.max_retries,
            settled: 0,
            acknowledged: false,
            refusal: false,
        };
        self.sink.poll(&mut |slice, verdict| ledger.enter(slice, verdict));
        let Ledger { settled, acknowledged, refusal, .. } = ledger;
        if acknowledged {
            self.backoff.failures = 0;
        }
        if refusal {
            self.backoff.fail(now_ns, &self.options);
        }
        settled
    }

    fn offer(&mut self) -> usize {
        let mut offered = 0;
        loop {
            let queue = if self.refused.is_empty() { &mut self.fresh } else { &mut self.refused };
            let Some(slice) = queue.pop_front() else { break };
            let length = slice.len();
            let rest = self.sink.offer(slice);
            offered += length - rest.as_ref().map_or(0, Slice::len);
            if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                queue.push_front(rest);
                break;
            }
        }
        self.counters.in_flight += offered as u64;
        offered
    }

    fn flush_when_due(&mut self, now_ns: i64) {
        if self.counters.in_flight == 0 {
            self.flushed_ns = now_ns;
            self.flush_wanted &= self.counters.queued > 0;
        } else if self.flush_wanted || now_ns >= self.flush_due_ns() {
            self.sink.flush();
            self.flushed_ns = now_ns;
        }
    }

    fn flush_due_ns(&self) -> i64 {
        self.flushed_ns.saturating_add(i64::try_from(self.options.flush_interval_ns).unwrap_or(i64::MAX))
    }

    fn next_wake_ns(&self, now_ns: i64) -> Option<i64> {
        let waits_for_sink = !self.refused.is_empty() || !self.fresh.is_empty();
        if waits_for_sink && self.backoff.until_ns > now_ns {
            Some(self.backoff.until_ns)
        } else if self.counters.in_flight > 0 {
            Some(self.flush_due_ns())
        } else {
            None
        }
    }
}

/// Failed attempts of one chunk's events.
struct Attempts {
    /// Keeps the chunk, so that its address names no other.
    _chunk: Arc<SealedChunk>,
    failed: Vec<u32>,
    /// Events with a failed attempt that are not settled.
    open: usize,
}

/// When the chunks that are not settled were accepted, in that order.
#[derive(Default)]
struct Ages {
    now_ns: i64,
    chunks: VecDeque<(i64, Weak<SealedChunk>)>,
    /// How many were alive when it was tidied last.
    alive: usize,
}

impl Ages {
    fn enter(&mut self, slice: &Slice) {
        while self.chunks.front().is_some_and(|(_, chunk)| chunk.strong_count() == 0) {
            self.chunks.pop_front();
        }
        // One that is stuck shall not keep the memory of all that came after it.
        if self.chunks.len() > 2 * self.alive + 64 {
            self.chunks.retain(|(_, chunk)| chunk.strong_count() > 0);
            self.alive = self.chunks.len();
        }
        self.chunks.push_back((self.now_ns, Arc::downgrade(&slice.chunk)));
    }

    fn oldest_ns(&self) -> Option<i64> {
        self.chunks.iter().find(|(_, chunk)| chunk.strong_count() > 0).map(|(time_ns, _)| *time_ns)
    }
}

struct Backoff {
    failures: u32,
    until_ns: i64,
}

impl Backoff {
    /// Refusals of batches that were sent before the present back-off began say nothing new.
    fn fail(&mut self, now_ns: i64, options: &ShipperOptions) {
        if now_ns < self.until_ns {
            return;
        }
        let delay_ns = options
            .backoff_initial_ns
            .saturating_mul(1u64.checked_shl(self.failures).unwrap_or(u64::MAX))
            .min(options.backoff_maximum_ns.max(options.backoff_initial_ns));
        self.failures = (self.failures + 1).min(63);
        self.until_ns = now_ns.saturating_add(i64::try_from(delay_ns).unwrap_or(i64::MAX));
    }
}

/// Enters verdicts into the books.
struct Ledger<'a> {
    counters: &'a mut ShipperCounters,
    attempts: &'a mut HashMap<usize, Attempts>,
    refused: &'a mut VecDeque<Slice>,
    max_retries: Option<u32>,
    settled: usize,
    acknowledged: bool,
    refusal: bool,
}

impl Ledger<'_> {
    fn enter(&mut self, slice: Slice, verdict: Verdict) {
        self.counters.in_flight = self.counters.in_flight.saturating_sub(slice.len() as u64);
        match verdict {
            Verdict::Acknowledged => {
                self.acknowledged = true;
                self.counters.acknowledged += slice.len() as u64;
                self.counters.acknowledged_bytes += body_bytes(&slice);
                self.settle(&slice);
            }
            Verdict::Dropped(reason) => {
                *self.counters.dropped.entry(reason).or_default() += slice.len() as u64;
                self.settle(&slice);
            }
            Verdict::Retry(reason) => {
                self.refusal = true;
                self.retry(slice, reason);
            }
        }
    }

    fn settle(&mut self, slice: &Slice) {
        self.settled += slice.len();
        settle(self.counters, slice);
        self.forget_attempts(slice);
    }

    fn forget_attempts(&mut self, slice: &Slice) {
        if self.attempts.is_empty() {
            return;
        }
        let key = address(slice);
        let Some(entry) = self.attempts.get_mut(&key) else { return };
        for failed in &mut entry.failed[indexes(&slice.range)] {
            entry.open -= usize::from(*failed > 0);
            *failed = 0;
        }
        if entry.open == 0 {
            self.attempts.remove(&key);
        }
    }

    fn retry(&mut self, slice: Slice, reason: &'static str) {
        let Some(max_retries) = self.max_retries else {
            *self.counters.retried.entry(reason).or_default() += slice.len() as u64;
            self.refused.push_back(slice);
            return;
        };
        let entry = self.attempts.entry(address(&slice)).or_insert_with(|| Attempts {
            _chunk: Arc::clone(&slice.chunk),
            failed: vec![0; slice.chunk.chunk().len()],
            open: 0,
        });
        for failed in &mut entry.failed[indexes(&slice.range)] {
            entry.open += usize::from(*failed == 0);
            *failed = failed.saturating_add(1);
        }
        let exhausted: Vec<bool> =
            entry.failed[indexes(&slice.range)].iter().map(|failed| *failed > max_retries).collect();
        let mut rest = slice;
        for run in exhausted.chunk_by(|a, b| a == b) {
            let part = rest.split_first(run.len());
            if run[0] {
                *self.counters.dropped.entry(RETRIES_EXHAUSTED).or_default() += part.len() as u64;
                self.settle(&part);
            } else {
                *self.counters.retried.entry(reason).or_default() += part.len() as u64;
                self.refused.push_back(part);
            }
        }
    }
}

/// Takes events off the books that are acknowledged or dropped.
fn settle(counters: &mut ShipperCounters, slice: &Slice) {
    counters.queued -= slice.len() as u64;
    counters.queued_bytes -= body_bytes(slice);
    if is_kept(slice) {
        counters.kept -= slice.len() as u64;
    }
    slice.chunk.settle(slice.len());
}

fn is_kept(slice: &Slice) -> bool {
    slice.chunk.chunk().ticket.is_some()
}

fn address(slice: &Slice) -> usize {
    Arc::as_ptr(&slice.chunk).addr()
}

fn indexes(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

fn body_bytes(slice: &Slice) -> u64 {
    slice.events().iter().map(|event| u64::from(event.body.length)).sum()
}

#[cfg(test)]
mod tests;
