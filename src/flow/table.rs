// SPDX-License-Identifier: Apache-2.0
//! The flow table of one worker: bounded, keyed by the worker's secret, expiring by packet time. All of it lies in address
//! space for as many flows as there may be, and takes memory for as many as there have been at once.

use bytemuck::Zeroable;

use super::identity::{Identity, KeptIdentity, Unusual};
use super::index::Index;
use super::key::{FlowKey, Orientation, Secret};
use super::wheel::{Link, Wheel};
use crate::arch::{Memory, prefetch};

pub(super) const NONE: u32 = u32::MAX;

/// A flow's place in the table, valid until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowIndex(u32);

/// Packets and bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Zeroable)]
#[repr(C)]
pub struct Count {
    pub packets: u64,
    /// Whole frames as they were on the wire.
    pub bytes: u64,
}

/// One flow: what every packet touches, in two cache lines that lie side by side.
#[derive(Clone, Copy, Zeroable)]
#[repr(C, align(128))]
pub struct FlowEntry {
    /// [`FlowKey::NOTHING`] where there is no flow.
    pub key: FlowKey,
    /// Number of the identity of its first packet.
    pub identity: u64,
    /// The parser's state, in a table of the owner; [`FlowEntry::NO_CONNECTION`] for none.
    pub connection: u32,
    pub(super) slot: u16,
    /// Whether a record is open: packets were counted since the last final report.
    pub record: Record,
    /// Number of the protocol that the first bytes told; 0 for none.
    pub protocol: u8,
    /// From the first packet's sender, and to it.
    pub counts: [Count; 2],
    pub last_ns: i64,
    /// When the next periodic report is due; i64::MAX without one.
    pub next_report_ns: i64,
    pub(super) timer: Link,
}

/// What only a flow's begin, its reports and few packets touch.
#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
pub struct Details {
    /// Of the first packet of the present record.
    pub first_ns: i64,
    identity: KeptIdentity,
    /// Type and code of the last ICMP message from the source; 0 without one.
    pub icmp: (u8, u8),
}

const _: () = assert!(size_of::<FlowEntry>() == 128);
const _: () = assert!(std::mem::offset_of!(FlowEntry, counts) == 64, "what tells a flow is one cache line");
const _: () = assert!(size_of::<Details>() == 32);

/// State of a flow's record, and from which end its first packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Zeroable)]
#[repr(u8)]
pub enum Record {
    Closed = 0,
    LowToHigh = 1,
    HighToLow = 2,
}

/// Whether a packet goes as the flow's first one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sense {
    Forward = 0,
    Reverse = 1,
}

impl Record {
    pub fn open(orientation: Orientation) -> Record {
        match orientation {
            Orientation::LowToHigh => Record::LowToHigh,
            Orientation::HighToLow => Record::HighToLow,
        }
    }

    #[inline]
    pub fn is_open(self) -> bool {
        self != Record::Closed
    }
}

impl FlowEntry {
    pub const NO_CONNECTION: u32 = u32::MAX;

    /// When its timer looks at it again; i64::MAX while it is out of the wheel.
    #[inline]
    pub fn wakes_ns(&self) -> i64 {
        self.timer.deadline_ns
    }

    #[inline]
    pub fn sense(&self, orientation: Orientation) -> Sense {
        if self.record == Record::open(orientation) { Sense::Forward } else { Sense::Reverse }
    }
}

pub struct FlowTable {
    index: Index,
    entries: Memory<FlowEntry>,
    /// Cold part of each entry, at the same place.
    details: Memory<Details>,
    unusual: Unusual,
    /// Entries from here on have never been used.
    fresh: u32,
    /// The first of the entries that were freed; each one's timer names the next.
    free: u32,
    wheel: Wheel,
    secret: Secret,
}

impl FlowTable {
    /// A table for at most `limit` flows. It grows as flows come. The error is a sentence.
    pub fn new(limit: usize, secret: Secret) -> Result<FlowTable, String> {
        let limit = limit.min(NONE as usize - 1);
        Ok(FlowTable {
            index: Index::new(limit)?,
            entries: Memory::new(limit)?,
            details: Memory::new(limit)?,
            unusual: Unusual::default(),
            fresh: 0,
            free: NONE,
            wheel: Wheel::new(),
            secret,
        })
    }

    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        self.secret.hash(key)
    }

    /// First of three steps, each for all packets of a burst before the next one, so that their waits for memory overlap:
    /// asks for the index at a hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.index.prefetch(hash as u32);
    }

    /// Second step: asks for the entry that is most likely the flow's.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<FlowIndex> {
        let place = self.index.likely(hash as u32)?;
        prefetch(&self.entries[place as usize]);
        Some(FlowIndex(place))
    }

    /// Third step: the flow, if it is there.
    #[inline]
    pub fn find(&self, hash: u64, key: &FlowKey) -> Option<FlowIndex> {
        self.index.find(hash as u32, |place| self.entries[place as usize].key == *key).map(FlowIndex)
    }

    /// Whether a place is that of a flow.
    #[inline]
    pub fn holds(&self, flow: FlowIndex, key: &FlowKey) -> bool {
        self.entry(flow).key == *key
    }

    /// A new flow. None when the table is full.
    pub fn insert(&mut self, hash: u64, key: FlowKey, identity: (&Identity, u64), now_ns: i64) -> Option<FlowIndex> {
        let place = match self.free {
            NONE if (self.fresh as usize) < self.entries.len() => self.fresh,
            place => place,
        };
        if place == NONE || !self.index.insert(hash as u32, place) {
            return None;
        }
        match self.free {
            NONE => self.fresh += 1,
            _ => {
                self.free = self.entries[place as usize].timer.next;
                // The next new flow's.
                if let (Some(entry), Some(details)) =
                    (self.entries.get(self.free as usize), self.details.get(self.free as usize))
                {
                    prefetch(entry);
                    prefetch(details);
                }
            }
        }
        self.entries[place as usize] = FlowEntry {
            key,
            identity: identity.1,
            connection: FlowEntry::NO_CONNECTION,
            slot: Wheel::OUT,
            record: Record::Closed,
            protocol: 0,
            counts: [Count::default(); 2],
            last_ns: now_ns,
            next_report_ns: i64::MAX,
            timer: Link::OUT,
        };
        let identity = self.unusual.keep(identity.0);
        self.details[place as usize] = Details { first_ns: now_ns, identity, icmp: (0, 0) };
        Some(FlowIndex(place))
    }

    pub fn remove(&mut self, flow: FlowIndex) {
        let hash = self.hash(&self.entry(flow).key);
        if self.entry(flow).key == FlowKey::NOTHING || !self.index.remove(hash as u32, flow.0) {
            return;
        }
        self.wheel.remove(&mut self.entries, flow.0);
        self.unusual.forget(&mut self.details[flow.0 as usize].identity);
        let entry = &mut self.entries[flow.0 as usize];
        entry.key = FlowKey::NOTHING;
        entry.timer.next = std::mem::replace(&mut self.free, flow.0);
    }

    #[inline]
    pub fn entry(&self, flow: FlowIndex) -> &FlowEntry {
        &self.entries[flow.0 as usize]
    }

    #[inline]
    pub fn entry_mut(&mut self, flow: FlowIndex) -> &mut FlowEntry {
        &mut self.entries[flow.0 as usize]
    }

    pub fn details(&self, flow: FlowIndex) -> &Details {
        &self.details[flow.0 as usize]
    }

    pub fn details_mut(&mut self, flow: FlowIndex) -> &mut Details {
        &mut self.details[flow.0 as usize]
    }

    pub fn identity(&self, flow: FlowIndex) -> Identity {
        self.unusual.identity(&self.details(flow).identity)
    }

    pub fn set_identity(&mut self, flow: FlowIndex, identity: &Identity, number: u64) {
        let details = &mut self.details[flow.0 as usize];
        self.unusual.forget(&mut details.identity);
        details.identity = self.unusual.keep(identity);
        self.entries[flow.0 as usize].identity = number;
    }

    /// When the flow wants to be looked at again. Cheap when that is not earlier than what is set: the entry is then put in
    /// again when its old time comes.
    #[inline]
    pub fn schedule(&mut self, flow: FlowIndex, deadline_ns: i64, now_ns: i64) {
        if deadline_ns < self.entries[flow.0 as usize].timer.deadline_ns {
            self.wheel.schedule(&mut self.entries, flow.0, deadline_ns, now_ns);
        }
    }

    /// A flow whose time has come; the caller schedules or removes it. Each flow and each slot of the wheel that is looked at
    /// takes one from `budget`; none when that is used up.
    pub fn next_due(&mut self, now_ns: i64, budget: &mut usize) -> Option<FlowIndex> {
        let place = self.wheel.next_due(&mut self.entries, now_ns, budget)?;
        // Most that are due are removed.
        self.prefetch_removal(FlowIndex(place));
        Some(FlowIndex(place))
    }

    /// Asks for what the last report and the removal of a flow need.
    #[inline]
    pub fn prefetch_removal(&self, flow: FlowIndex) {
        prefetch(self.details(flow));
        self.prefetch(self.hash(&self.entry(flow).key));
    }

    /// Any flow, for the end: the caller removes each. By the time of their first packets.
    pub fn all(&self) -> Vec<FlowIndex> {
        let used = self.entries[..self.fresh as usize].iter().zip(&self.details[..]).zip(0..);
        let flows = used.filter(|((entry, _), _)| entry.key != FlowKey::NOTHING);
        let mut all: Vec<(i64, u32)> = flows.map(|((_, details), place)| (details.first_ns, place)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, place)| FlowIndex(place)).collect()
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
