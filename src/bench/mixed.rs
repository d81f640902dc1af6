// SPDX-License-Identifier: Apache-2.0
//! Captures among frames that are made: bursts of both in turn, in the shares that were asked for, at the time of what is
//! made. So transactions of captures take other times than when they were recorded, in the same order.

use super::replay::Replay;
use super::scenario::MixedPlan;
use super::source::{Frame, Traffic};
use super::synthetic::Synthetic;

pub struct Mixed {
    replay: Replay,
    synthetic: Synthetic,
    synthetic_percent: i64,
    /// Packets that are due of the captures, in hundredths.
    debt: i64,
    from: From,
    /// Of the last frame that was made.
    time_ns: i64,
}

/// Whose the burst is that is out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Replay,
    Synthetic,
}

impl Mixed {
    pub fn open(plan: &MixedPlan, worker: u16, workers: u16) -> Result<Mixed, String> {
        let mut synthetic = Synthetic::new(&plan.synthetic, worker)?;
        // The first frame's time is that of captures that come before it.
        synthetic.prepare(1);
        let time_ns = synthetic.frame(0).time_ns;
        Ok(Mixed {
            replay: Replay::load(&plan.replay, worker, workers)?,
            synthetic: Synthetic::new(&plan.synthetic, worker)?,
            synthetic_percent: plan.synthetic_percent as i64,
            debt: 0,
            from: From::Synthetic,
            time_ns,
        })
    }
}

impl Traffic for Mixed {
    fn prepare(&mut self, count: usize) -> usize {
        if self.debt > 0 {
            self.from = From::Replay;
            let count = self.replay.prepare(count);
            self.debt -= count as i64 * self.synthetic_percent;
            return count;
        }
        self.from = From::Synthetic;
        let count = self.synthetic.prepare(count);
        self.debt += count as i64 * (100 - self.synthetic_percent);
        self.time_ns = self.synthetic.frame(count - 1).time_ns;
        count
    }

    fn frame(&self, place: usize) -> Frame<'_> {
        match self.from {
            From::Replay => Frame { time_ns: self.time_ns, ..self.replay.frame(place) },
            From::Synthetic => self.synthetic.frame(place),
        }
    }

    fn passes(&self) -> Option<u64> {
        self.replay.passes().filter(|_| self.from == From::Replay)
    }

    fn is_warm(&self) -> bool {
        self.replay.is_warm() && self.synthetic.is_warm()
    }

    fn flows(&self) -> u64 {
        self.synthetic.flows()
    }
}
