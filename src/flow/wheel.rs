// SPDX-License-Identifier: Apache-2.0
//! A timer wheel over packet time, its lists threaded through the flow entries.
//!
//! A slot is about 67 ms. What is due later than the wheel is long waits in its last slot and is put in again.

use bytemuck::Zeroable;

use super::table::{FlowEntry, NONE};
use crate::arch::prefetch;

const SLOTS: usize = 4096;
const _: () = assert!(SLOTS < Wheel::OUT as usize);
const SLOT_SHIFT: u32 = 26;

pub(super) struct Wheel {
    heads: Vec<u32>,
    /// The slot that is emptied next, counted from time 0.
    tick: i64,
}

/// An entry's place in the wheel.
#[derive(Clone, Copy, Debug, Zeroable)]
#[repr(C)]
pub(super) struct Link {
    pub deadline_ns: i64,
    pub next: u32,
    previous: u32,
}

impl Link {
    pub const OUT: Link = Link { deadline_ns: i64::MAX, next: NONE, previous: NONE };
}

impl Wheel {
    /// The slot of an entry that is in none.
    pub const OUT: u16 = u16::MAX;

    pub fn new() -> Wheel {
        Wheel { heads: vec![NONE; SLOTS], tick: i64::MIN }
    }

    /// Puts an entry in for a time, wherever it was before.
    pub fn schedule(&mut self, entries: &mut [FlowEntry], index: u32, deadline_ns: i64, now_ns: i64) {
        self.remove(entries, index);
        let now = self.tick.max(now_ns >> SLOT_SHIFT);
        if self.tick == i64::MIN {
            self.tick = now;
        }
        // Never a slot that is still to be emptied before `now`: it would be found again at once.
        let tick = (deadline_ns >> SLOT_SHIFT).clamp(now, now.max(self.tick.saturating_add(SLOTS as i64 - 1)));
        let slot = tick as usize & (SLOTS - 1);
        let head = self.heads[slot];
        entries[index as usize].timer = Link { deadline_ns, next: head, previous: NONE };
        entries[index as usize].slot = slot as u16;
        if head != NONE {
            entries[head as usize].timer.previous = index;
        }
        self.heads[slot] = index;
    }

    pub fn remove(&mut self, entries: &mut [FlowEntry], index: u32) {
        let FlowEntry { timer, slot, .. } = entries[index as usize];
        if slot == Wheel::OUT {
            return;
        }
        match timer.previous {
            NONE => self.heads[usize::from(slot)] = timer.next,
            previous => entries[previous as usize].timer.next = timer.next,
        }
        if timer.next != NONE {
            entries[timer.next as usize].timer.previous = timer.previous;
        }
        entries[index as usize].timer = Link::OUT;
        entries[index as usize].slot = Wheel::OUT;
    }

    /// Takes one entry out whose time is over. The caller puts it in again or removes it. Each entry and each slot that is
    /// looked at takes one from `budget`; none when that is used up.
    pub fn next_due(&mut self, entries: &mut [FlowEntry], now_ns: i64, budget: &mut usize) -> Option<u32> {
        let now = now_ns >> SLOT_SHIFT;
        if self.tick == i64::MIN {
            self.tick = now;
        }
        // After a jump of more than a turn one visit to every slot finds all.
        self.tick = self.tick.max(now.saturating_sub(SLOTS as i64 - 2));
        while self.tick < now && *budget > 0 {
            *budget -= 1;
            let slot = self.tick as usize & (SLOTS - 1);
            let index = self.heads[slot];
            if index == NONE {
                self.tick += 1;
                continue;
            }
            let Link { deadline_ns, next, .. } = entries[index as usize].timer;
            if let Some(next) = entries.get(next as usize) {
                prefetch(next);
            }
            if deadline_ns <= now_ns {
                self.remove(entries, index);
                return Some(index);
            }
            self.schedule(entries, index, deadline_ns, now_ns);
        }
        None
    }
}
