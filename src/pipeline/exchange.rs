// SPDX-License-Identifier: Apache-2.0
//! Datagrams that one worker put together from fragments and that belong to another: a rare, bounded side path.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use super::look::{Assembled, Look};

/// Datagrams that wait for one worker, at most.
const CAPACITY: usize = 256;

/// One for all workers of a run.
pub struct Exchange {
    queues: Vec<ArrayQueue<Box<(Assembled, Look)>>>,
    /// Workers that receive no more packets.
    ended: AtomicUsize,
    /// The latest packet time of those workers.
    latest_ns: AtomicI64,
}

impl Exchange {
    pub fn new(workers: usize) -> Exchange {
        Exchange {
            queues: (0..workers).map(|_| ArrayQueue::new(CAPACITY)).collect(),
            ended: AtomicUsize::new(0),
            latest_ns: AtomicI64::new(i64::MIN),
        }
    }

    /// Gives a datagram to its home; comes back when that worker's queue is full.
    pub(super) fn give(&self, home: u16, datagram: Box<(Assembled, Look)>) -> Result<(), Box<(Assembled, Look)>> {
        match self.queues.get(usize::from(home)) {
            Some(queue) => queue.push(datagram),
            None => Err(datagram),
        }
    }

    /// The next datagram for a worker.
    pub(super) fn take(&self, worker: u16) -> Option<Box<(Assembled, Look)>> {
        self.queues.get(usize::from(worker))?.pop()
    }

    /// A worker receives no more packets and so gives no more datagrams.
    pub fn end(&self, now_ns: i64) {
        self.latest_ns.fetch_max(now_ns, Ordering::AcqRel);
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether nothing more will be given.
    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) >= self.queues.len()
    }

    /// The latest packet time of the workers that have ended.
    pub(super) fn latest_ns(&self) -> i64 {
        self.latest_ns.load(Ordering::Acquire)
    }
}
