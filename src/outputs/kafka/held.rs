// SPDX-License-Identifier: Apache-2.0
//! The events that librdkafka has: a message carries two numbers, and here is what they mean.

use crate::event::chunk::Slice;
use crate::outputs::Verdict;

/// What a message carries through librdkafka: a slot and an event's place in the slot's slice.
pub type Ticket = usize;

// A ticket is two numbers of 32 bits in one word.
const _: () = assert!(usize::BITS == 64);

/// Slices in librdkafka's hands.
#[derive(Default)]
pub struct Held {
    slots: Vec<Option<HeldSlice>>,
    free: Vec<u32>,
    events: usize,
}

struct HeldSlice {
    slice: Slice,
    open: usize,
}

impl Held {
    /// Events whose fate is open.
    pub fn events(&self) -> usize {
        self.events
    }

    /// The slot that the next [`Held::insert`] takes.
    pub fn next_slot(&self) -> u32 {
        self.free.last().copied().unwrap_or(u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// The ticket of an event in a slot.
    pub fn ticket(slot: u32, place: usize) -> Ticket {
        (slot as usize) << 32 | (place & 0xFFFF_FFFF)
    }

    /// Keeps a slice whose events were all handed over with the tickets of [`Held::next_slot`].
    pub fn insert(&mut self, slice: Slice) {
        if slice.is_empty() {
            return;
        }
        self.events += slice.len();
        let held = HeldSlice { open: slice.len(), slice };
        match self.free.pop().map(|slot| slot as usize) {
            Some(slot) => self.slots[slot] = Some(held),
            None => self.slots.push(Some(held)),
        }
    }

    /// Passes on what became of events, neighbours of equal fate together. Empties `reports`.
    pub fn settle(&mut self, reports: &mut Vec<(Ticket, Verdict)>, settle: &mut dyn FnMut(Slice, Verdict)) {
        reports.sort_unstable_by_key(|(ticket, _)| *ticket);
        for run in reports.chunk_by(|(a, a_verdict), (b, b_verdict)| a + 1 == *b && a_verdict == b_verdict) {
            let (ticket, verdict) = &run[0];
            let (slot, place) = (ticket >> 32, ticket & 0xFFFF_FFFF);
            let Some(Some(held)) = self.slots.get_mut(slot) else { continue };
            let mut part = held.slice.clone();
            part.split_first(place);
            let part = part.split_first(run.len());
            held.open = held.open.saturating_sub(part.len());
            self.events -= part.len();
            if held.open == 0 {
                self.slots[slot] = None;
                self.free.push(u32::try_from(slot).unwrap_or(u32::MAX));
            }
            settle(part, verdict.clone());
        }
        reports.clear();
    }
}
