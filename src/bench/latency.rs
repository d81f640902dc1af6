// SPDX-License-Identifier: Apache-2.0
//! How long it takes from a packet to its event in the sink's hands: a sink around another one, and a histogram.

use std::sync::{Arc, Mutex, PoisonError};

use super::source::wall_ns;
use crate::event::chunk::Slice;
use crate::outputs::metrics::SinkMetrics;
use crate::outputs::{Sink, Verdict};

/// Values of each power of two fall into so many classes, so that a value is known to 3 %.
const CLASSES: usize = 32;

/// Counts of latencies by class.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    maximum_ns: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; 64 * CLASSES], count: 0, maximum_ns: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, value_ns: u64) {
        self.counts[class(value_ns)] += 1;
        self.count += 1;
        self.maximum_ns = self.maximum_ns.max(value_ns);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn maximum_ns(&self) -> u64 {
        self.maximum_ns
    }

    /// The value that this share of all does not exceed.
    pub fn quantile_ns(&self, share: f64) -> u64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return upper_ns(class).min(self.maximum_ns);
            }
        }
        self.maximum_ns
    }
}

fn class(value: u64) -> usize {
    let classes = CLASSES as u64;
    if value < classes {
        return value as usize;
    }
    let shift = value.ilog2() - CLASSES.ilog2();
    (shift as usize + 1) * CLASSES + ((value >> shift) - classes) as usize
}

/// The largest value of a class.
fn upper_ns(class: usize) -> u64 {
    let (power, place) = ((class / CLASSES) as u32, (class % CLASSES) as u64);
    match power {
        0 => place,
        _ => ((u128::from(place + CLASSES as u64 + 1) << (power - 1)) - 1) as u64,
    }
}

/// Measures what goes to another sink. The clock is read once for a slice of events.
pub struct LatencySink {
    pub inner: Box<dyn Sink>,
    pub histogram: Arc<Mutex<Histogram>>,
}

impl Sink for LatencySink {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        let now_ns = wall_ns();
        let mut histogram = self.histogram.lock().unwrap_or_else(PoisonError::into_inner);
        for event in slice.events() {
            histogram.add(u64::try_from(now_ns - event.time_ns).unwrap_or(0));
        }
        drop(histogram);
        self.inner.offer(slice)
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        self.inner.poll(settle);
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }

    fn metrics(&self) -> SinkMetrics {
        self.inner.metrics()
    }
}
