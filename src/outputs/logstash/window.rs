// SPDX-License-Identifier: Apache-2.0
//! How many events a window may have (`slow_start`): few at first, half as many again after each full window that was
//! acknowledged, half after each failure.

use super::config::Start;

/// Packetbeat's first window.
const FIRST: usize = 10;

/// The size of windows on one connection and its successors.
#[derive(Debug)]
pub struct WindowSize {
    now: usize,
    maximum: usize,
    start: Start,
}

impl WindowSize {
    pub fn new(start: Start, maximum: usize) -> WindowSize {
        let now = if start == Start::Slow { FIRST.min(maximum) } else { maximum };
        WindowSize { now, maximum, start }
    }

    /// Events that the next window may have.
    pub fn events(&self) -> usize {
        self.now
    }

    /// A window of so many events was acknowledged whole.
    pub fn succeeded(&mut self, events: usize) {
        if events >= self.now {
            self.now = self.now.saturating_add(self.now.div_ceil(2)).min(self.maximum);
        }
    }

    /// A window was lost.
    pub fn failed(&mut self) {
        if self.start == Start::Slow {
            self.now = (self.now / 2).max(1);
        }
    }
}
