// SPDX-License-Identifier: Apache-2.0
//! Where events go. The I/O core hands slices of chunks to one sink and is told, later, what became of each event.

pub mod batch;
pub mod batch_sink;
#[cfg(test)]
pub mod bench;
pub mod check;
pub mod config;
pub mod console;
pub mod discard;
pub mod elasticsearch;
pub mod file;
pub mod format_string;
pub mod kafka;
pub mod lines;
pub mod logstash;
pub mod metrics;
pub mod peer;
pub mod pretty;
pub mod queue;
pub mod redis;
pub mod router;
pub mod secret;
pub mod selector;
pub mod shipper;
pub mod socks;
pub mod threads;
pub mod tls;

use crate::event::chunk::Slice;
use metrics::SinkMetrics;

/// What became of events that a sink was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored by the other side.
    Acknowledged,
    /// Not stored; worth another try.
    Retry(&'static str),
    /// Never to be stored; the reason is the counter's name.
    Dropped(&'static str),
}

/// An output. Runs on the I/O core; it never blocks longer than a write to a local file does: what waits for a peer
/// is in flight, on threads or sockets of its own.
pub trait Sink {
    /// Takes the slice, or as much of its front as there is room for. Answers the rest.
    fn offer(&mut self, slice: Slice) -> Option<Slice>;

    /// Reports what was settled since the last call. Every event that was taken is reported exactly once.
    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict));

    /// Sends what has been taken and waits for more company (partial batches), because nothing more comes soon.
    fn flush(&mut self);

    /// Events taken and not yet reported.
    fn in_flight(&self) -> usize;

    /// What the sink counts besides.
    fn metrics(&self) -> SinkMetrics {
        SinkMetrics::default()
    }
}
