// SPDX-License-Identifier: Apache-2.0
//! The flow table of one worker: bounded, keyed by the worker's secret, expiring by packet time.

use hashbrown::HashTable;

use super::identity::Identity;
use super::key::{FlowKey, Orientation, Secret};
use super::wheel::{Link, Wheel};

pub(super) const NONE: u32 = u32::MAX;

/// A flow's place in the table, valid until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowIndex(u32);

/// Packets and bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    /// Whole frames as they were on the wire.
    pub bytes: u64,
}

/// One flow: what every packet touches.
pub struct FlowEntry {
    pub key: FlowKey,
    hash: u64,
    /// Number of the identity of its first packet.
    pub identity: u64,
    /// From the first packet's sender, and to it.
    pub counts: [Count; 2],
    /// Of the first packet of the present record.
    pub first_ns: i64,
    pub last_ns: i64,
    pub(super) timer: Link,
    /// When the next periodic report is due; i64::MAX without one.
    pub next_report_ns: i64,
    /// The parser's state, in a table of the owner; [`FlowEntry::NO_CONNECTION`] for none.
    pub connection: u32,
    /// From which end the present record's first packet came.
    pub forward: Orientation,
    /// Whether a record is open: packets were counted since the last final report.
    pub record: Record,
    /// Type and code of the last ICMP message from the source.
    pub icmp: Option<(u8, u8)>,
    /// Number of the protocol that the first bytes told; 0 for none.
    pub protocol: u8,
}

/// State of a flow's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    Closed,
    Open,
}

/// Whether a packet goes as the flow's first one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sense {
    Forward = 0,
    Reverse = 1,
}

impl FlowEntry {
    pub const NO_CONNECTION: u32 = u32::MAX;

    pub fn sense(&self, orientation: Orientation) -> Sense {
        if orientation == self.forward { Sense::Forward } else { Sense::Reverse }
    }
}

pub struct FlowTable {
    index: HashTable<u32>,
    entries: Vec<FlowEntry>,
    /// Cold part of each entry, at the same place.
    identities: Vec<Identity>,
    free: Vec<u32>,
    wheel: Wheel,
    secret: Secret,
    limit: usize,
}

impl FlowTable {
    /// A table for at most `limit` flows. It grows as flows come.
    pub fn new(limit: usize, secret: Secret) -> FlowTable {
        FlowTable {
            index: HashTable::new(),
            entries: Vec::new(),
            identities: Vec::new(),
            free: Vec::new(),
            wheel: Wheel::new(),
            secret,
            limit: limit.min(NONE as usize - 1),
        }
    }

    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        self.secret.hash(key)
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &FlowKey) -> Option<FlowIndex> {
        self.index.find(hash, |index| self.entries[*index as usize].key == *key).map(|index| FlowIndex(*index))
    }

    /// Whether a place still is that of a flow.
    #[inline]
    pub fn holds(&self, flow: FlowIndex, hash: u64, key: &FlowKey) -> bool {
        self.entries.get(flow.0 as usize).is_some_and(|entry| entry.hash == hash && entry.key == *key)
    }

    /// A new flow. None when the table is full.
    pub fn insert(
        &mut self,
        hash: u64,
        key: FlowKey,
        orientation: Orientation,
        identity: (Identity, u64),
        now_ns: i64,
    ) -> Option<FlowIndex> {
        if self.len() >= self.limit {
            return None;
        }
        let entry = FlowEntry {
            key,
            hash,
            identity: identity.1,
            counts: [Count::default(); 2],
            first_ns: now_ns,
            last_ns: now_ns,
            timer: Link::OUT,
            next_report_ns: i64::MAX,
            connection: FlowEntry::NO_CONNECTION,
            forward: orientation,
            record: Record::Closed,
            icmp: None,
            protocol: 0,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place as usize] = entry;
                self.identities[place as usize] = identity.0;
                place
            }
            None => {
                self.entries.push(entry);
                self.identities.push(identity.0);
                (self.entries.len() - 1) as u32
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, place, |place| entries[*place as usize].hash);
        Some(FlowIndex(place))
    }

    pub fn remove(&mut self, flow: FlowIndex) {
        self.wheel.remove(&mut self.entries, flow.0);
        let hash = self.entries[flow.0 as usize].hash;
        if let Ok(occupied) = self.index.find_entry(hash, |place| *place == flow.0) {
            occupied.remove();
            // The place is nobody's.
            self.entries[flow.0 as usize].hash = !hash;
            self.free.push(flow.0);
        }
    }

    #[inline]
    pub fn entry(&self, flow: FlowIndex) -> &FlowEntry {
        &self.entries[flow.0 as usize]
    }

    #[inline]
    pub fn entry_mut(&mut self, flow: FlowIndex) -> &mut FlowEntry {
        &mut self.entries[flow.0 as usize]
    }

    pub fn identity(&self, flow: FlowIndex) -> &Identity {
        &self.identities[flow.0 as usize]
    }

    pub fn set_identity(&mut self, flow: FlowIndex, identity: Identity, number: u64) {
        self.identities[flow.0 as usize] = identity;
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

    /// A flow whose time has come; the caller schedules or removes it.
    pub fn next_due(&mut self, now_ns: i64) -> Option<FlowIndex> {
        self.wheel.next_due(&mut self.entries, now_ns).map(FlowIndex)
    }

    /// Any flow, for the end: the caller removes each.
    pub fn all(&self) -> Vec<FlowIndex> {
        let mut all: Vec<FlowIndex> = self.index.iter().map(|place| FlowIndex(*place)).collect();
        all.sort_by_key(|flow| (self.entry(*flow).first_ns, flow.0));
        all
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
