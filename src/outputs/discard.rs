// SPDX-License-Identifier: Apache-2.0
//! The discard output: acknowledges everything and keeps nothing. It shows how fast the pipeline is without a sink.

use super::{Sink, Verdict};
use crate::event::chunk::Slice;

/// Takes everything.
#[derive(Default)]
pub struct DiscardSink {
    taken: Vec<Slice>,
}

impl Sink for DiscardSink {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        self.taken.push(slice);
        None
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        self.taken.drain(..).for_each(|slice| settle(slice, Verdict::Acknowledged));
    }

    fn flush(&mut self) {}

    fn in_flight(&self) -> usize {
        self.taken.iter().map(Slice::len).sum()
    }
}
