// SPDX-License-Identifier: Apache-2.0
//! Batches: what goes out together, in one request or window.

use crate::event::chunk::Slice;

/// Largest sum of bodies in a batch. Elasticsearch refuses requests over 100 MB by default.
pub const MAXIMUM_BYTES: u64 = 32 * 1024 * 1024;

/// Slices that go out together.
#[derive(Default)]
pub struct Batch {
    pub slices: Vec<Slice>,
    pub events: usize,
    pub bytes: u64,
}

impl Batch {
    /// Takes the front of the slice, up to the limits; at least one event into an empty batch. Answers the rest.
    pub fn fill(&mut self, mut slice: Slice, maximum_events: usize) -> Option<Slice> {
        let mut count = 0;
        for event in slice.events() {
            let bytes = u64::from(event.body.length);
            let events = self.events + count;
            if events >= maximum_events || (events > 0 && self.bytes + bytes > MAXIMUM_BYTES) {
                break;
            }
            self.bytes += bytes;
            count += 1;
        }
        let taken = slice.split_first(count);
        if !taken.is_empty() {
            self.events += count;
            self.slices.push(taken);
        }
        (!slice.is_empty()).then_some(slice)
    }

    pub fn is_full(&self, maximum_events: usize) -> bool {
        self.events >= maximum_events || self.bytes >= MAXIMUM_BYTES
    }

    /// Two batches of half the events each, in order.
    pub fn halves(self) -> (Batch, Batch) {
        let middle = self.events / 2;
        let (mut first, mut second) = (Batch::default(), Batch::default());
        for mut slice in self.slices {
            let part = slice.split_first(middle.saturating_sub(first.events));
            first.add(part);
            second.add(slice);
        }
        (first, second)
    }

    fn add(&mut self, slice: Slice) {
        if !slice.is_empty() {
            self.events += slice.len();
            self.bytes += slice.events().iter().map(|event| u64::from(event.body.length)).sum::<u64>();
            self.slices.push(slice);
        }
    }
}
