// SPDX-License-Identifier: Apache-2.0
//! Options of `queue.*` and `wirebeat.queue.*`.

use std::path::PathBuf;
use std::time::Duration;

/// How events wait for the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// `queue.mem.events`: events that may wait in memory; None: as many as the bytes allow.
    pub events: Option<u64>,
    /// Smallest number of events that is worth sending before the time-out.
    pub flush_min_events: usize,
    pub flush_timeout: Duration,
    /// `wirebeat.queue.max_bytes`: bytes of events in memory; None: those of the workers' chunks.
    pub max_bytes: Option<u64>,
    /// `wirebeat.queue.overload`; None: a live source drops the newest, files wait.
    pub overload: Option<Overload>,
    /// `queue.disk.*`
    pub disk: Option<DiskOptions>,
}

impl Default for QueueOptions {
    fn default() -> QueueOptions {
        QueueOptions {
            events: None,
            flush_min_events: 1600,
            flush_timeout: Duration::from_secs(10),
            max_bytes: None,
            overload: None,
            disk: None,
        }
    }
}

/// What happens to events when the queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// Those that come are dropped.
    DropNewest,
    /// Those that have waited longest and are not at the output are dropped.
    DropOldest,
    /// What has no room in memory goes to the disk queue.
    Spool,
    /// The source waits; what a live source loses then is counted as missed packets.
    Wait,
}

/// `queue.disk.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    pub path: PathBuf,
    /// Sum of the segments.
    pub max_bytes: u64,
    pub segment_bytes: u64,
    /// Events that are read before the output asks for them.
    pub read_ahead: u64,
    /// Events that may wait for being written.
    pub write_ahead: u64,
    /// How long a failed write waits for the next attempt: at first, and at most.
    pub retry_interval: Duration,
    pub max_retry_interval: Duration,
    /// `wirebeat.queue.sync`: how long what is written may be without having reached the disk; zero: never.
    pub sync: Duration,
}

impl DiskOptions {
    /// Packetbeat's defaults.
    pub fn new(path: PathBuf, max_bytes: u64) -> DiskOptions {
        DiskOptions {
            path,
            max_bytes,
            segment_bytes: max_bytes / 10,
            read_ahead: 512,
            write_ahead: 2048,
            retry_interval: Duration::from_secs(1),
            max_retry_interval: Duration::from_secs(30),
            sync: Duration::from_secs(1),
        }
    }
}
