// SPDX-License-Identifier: Apache-2.0
//! What sinks count besides the fate of events, which the shipper counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Plain counters of a sink, since it was made. What a sink has no word for stays 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkMetrics {
    /// Requests, or produced messages' deliveries, that the other side answered well.
    pub requests: u64,
    /// Requests that failed as a whole.
    pub failed_requests: u64,
    /// Bytes of bodies as they went out, compressed ones included.
    pub written_bytes: u64,
    /// Bytes of answers.
    pub read_bytes: u64,
    /// Events that the other side had already, by their id.
    pub duplicates: u64,
    /// Times that a peer was reached.
    pub connections: u64,
    /// Attempts to reach a peer that failed.
    pub failed_connections: u64,
}

/// [`SinkMetrics`] that a thread writes and the I/O core reads.
#[derive(Default)]
pub struct SharedMetrics {
    pub requests: Counter,
    pub failed_requests: Counter,
    pub written_bytes: Counter,
    pub read_bytes: Counter,
    pub duplicates: Counter,
    pub connections: Counter,
    pub failed_connections: Counter,
}

impl SharedMetrics {
    pub fn snapshot(&self) -> SinkMetrics {
        SinkMetrics {
            requests: self.requests.get(),
            failed_requests: self.failed_requests.get(),
            written_bytes: self.written_bytes.get(),
            read_bytes: self.read_bytes.get(),
            duplicates: self.duplicates.get(),
            connections: self.connections.get(),
            failed_connections: self.failed_connections.get(),
        }
    }
}

/// A number that only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets one log line through every ten seconds and says how many were held back.
#[derive(Default)]
pub struct LogSample {
    last: Option<Instant>,
    held_back: u64,
}

impl LogSample {
    /// Writes a warning, or counts it.
    pub fn warn(&mut self, message: std::fmt::Arguments<'_>) {
        const INTERVAL: Duration = Duration::from_secs(10);
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            self.held_back += 1;
            return;
        }
        match self.held_back {
            0 => log::warn!("{message}"),
            count => log::warn!("{message} (and {count} more like it)"),
        }
        self.last = Some(Instant::now());
        self.held_back = 0;
    }
}
