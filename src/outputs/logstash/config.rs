// SPDX-License-Identifier: Apache-2.0
//! Options of `output.logstash` with Packetbeat's defaults.

use std::time::Duration;

use crate::outputs::batch_sink::{Backoff, HostBalance};
use crate::outputs::peer::Host;
use crate::outputs::socks::SocksProxy;
use crate::outputs::tls::TlsOptions;

/// Where Logstash listens when nothing else is said.
pub const DEFAULT_PORT: u16 = 5044;

/// Options of `output.logstash`.
#[derive(Clone, Debug)]
pub struct LogstashOptions {
    /// Never empty.
    pub hosts: Vec<Host>,
    /// One host and the next when it fails, unless `loadbalance` is on.
    pub balance: HostBalance,
    /// Connections to every host.
    pub workers: usize,
    /// Windows in flight on a connection; 0 waits for each, as 1 does.
    pub pipelining: usize,
    /// Events in a window, at most.
    pub bulk_max_size: usize,
    /// Events that are worth a window before anybody flushes (`queue.mem.flush.min_events`).
    pub flush_min_events: usize,
    pub start: Start,
    /// 0 sends plain frames, 1 to 9 zlib.
    pub compression_level: u32,
    /// For connecting, and without any progress of writing or acknowledging.
    pub timeout: Duration,
    /// How long a connection is used; `None` without end.
    pub time_to_live: Option<Duration>,
    pub backoff: Backoff,
    /// TLS when there is one.
    pub tls: Option<TlsOptions>,
    pub proxy: Option<SocksProxy>,
}

/// How many events the first windows have (`slow_start`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// As many as there are.
    #[default]
    Full,
    /// Few; more as windows succeed, half as many when one fails.
    Slow,
}

impl LogstashOptions {
    pub fn new(hosts: Vec<Host>) -> LogstashOptions {
        LogstashOptions {
            hosts,
            balance: HostBalance::One,
            workers: 1,
            pipelining: 2,
            bulk_max_size: 2048,
            flush_min_events: 1600,
            start: Start::Full,
            compression_level: 3,
            timeout: Duration::from_secs(30),
            time_to_live: None,
            backoff: Backoff::default(),
            tls: None,
            proxy: None,
        }
    }
}
