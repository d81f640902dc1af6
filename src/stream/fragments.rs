// SPDX-License-Identifier: Apache-2.0
//! IPv4 and IPv6 fragments put together (RFC 791, RFC 8200 section 4.5, overlaps refused as RFC 5722 asks).
//!
//! Bounds: datagrams at once, fragments and bytes of one, time between its first fragment and its last.

use std::collections::VecDeque;

use hashbrown::HashTable;

/// Bounds of reassembly (`wirebeat.fragments.*`).
#[derive(Clone, Copy, Debug)]
pub struct FragmentLimits {
    pub datagrams: usize,
    pub fragments_per_datagram: usize,
    pub timeout_ns: i64,
}

impl Default for FragmentLimits {
    fn default() -> FragmentLimits {
        FragmentLimits { datagrams: 1024, fragments_per_datagram: 64, timeout_ns: 30_000_000_000 }
    }
}

const MAX_DATAGRAM_BYTES: usize = 65_535;
/// Memory of free slots that waits for the next datagrams.
const SPARE_BYTES: usize = 256 << 10;

/// A part of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    pub offset_bytes: u32,
    pub more: bool,
    pub data: &'a [u8],
    /// Packets that it came in: one, more when it is inside of a datagram that came in fragments.
    pub packets: u64,
    /// Length of these frames on the wire.
    pub frame_bytes: u64,
    pub time_ns: i64,
    /// Of these packets, the ones that are counted here, not by another worker.
    pub counted: u64,
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The datagram is complete: it is in the buffer that the caller lent.
    Complete(Datagram),
    /// Kept until the others come.
    Kept,
    /// Seen already.
    Repeated,
    /// The datagram was given up: overlap, size or number of fragments.
    Refused,
}

/// A complete datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub packets: u64,
    /// Of these, the ones that are counted here.
    pub counted: u64,
    /// Bytes of all frames on the wire.
    pub frame_bytes: u64,
}

/// Datagrams in the making; `K` tells them apart (addresses, protocol, identification).
pub struct Fragments<K> {
    limits: FragmentLimits,
    index: HashTable<u32>,
    slots: Vec<Slot<K>>,
    free: Vec<u32>,
    /// Capacity of the buffers of free slots.
    free_bytes: usize,
    /// Slots by the time of their first fragment, with their generation.
    ages: VecDeque<(u32, u32)>,
}

struct Slot<K> {
    key: K,
    hash: u64,
    generation: u32,
    first_ns: i64,
    /// Parts by offset: offset and range of `bytes`.
    parts: Vec<(u32, u32, u32)>,
    bytes: Vec<u8>,
    received_bytes: u32,
    /// Length of the datagram, when the last fragment came.
    total_bytes: Option<u32>,
    packets: u64,
    counted: u64,
    frame_bytes: u64,
}

impl<K: Copy + PartialEq> Fragments<K> {
    pub fn new(limits: FragmentLimits) -> Fragments<K> {
        Fragments {
            limits,
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            free_bytes: 0,
            ages: VecDeque::new(),
        }
    }

    /// Takes a fragment in. Answers what became of it and how many counted packets were given up with
    /// their datagrams.
    pub fn add(&mut self, key: K, hash: u64, fragment: &Fragment<'_>, datagram: &mut Vec<u8>) -> (Outcome, u64) {
        let mut given_up = self.expire(fragment.time_ns);
        let found = self.index.find(hash, |place| self.slots[*place as usize].key == key).copied();
        let place = match found {
            Some(place) => place,
            None => {
                while self.index.len() >= self.limits.datagrams {
                    given_up += self.drop_oldest();
                }
                self.insert(key, hash, fragment.time_ns)
            }
        };
        let slot = &mut self.slots[place as usize];
        let outcome = slot.add(fragment, self.limits.fragments_per_datagram);
        match outcome {
            Outcome::Complete(_) => {
                datagram.clear();
                slot.parts.sort_unstable();
                for (_, start, length) in &slot.parts {
                    let start = *start as usize;
                    datagram.extend_from_slice(&slot.bytes[start..start + *length as usize]);
                }
                self.remove(place);
            }
            Outcome::Refused => {
                // The packets that were kept for it are lost with it; the caller counts this one.
                given_up += self.slots[place as usize].counted;
                self.remove(place);
            }
            Outcome::Kept | Outcome::Repeated => {}
        }
        (outcome, given_up)
    }

    /// Gives up what is too old; answers its packets.
    pub fn expire(&mut self, now_ns: i64) -> u64 {
        let mut given_up = 0;
        while let Some((place, generation)) = self.ages.front().copied() {
            let slot = &self.slots[place as usize];
            if slot.generation == generation && now_ns.saturating_sub(slot.first_ns) <= self.limits.timeout_ns {
                break;
            }
            given_up += self.drop_oldest();
        }
        given_up
    }

    /// Gives up everything.
    pub fn clear(&mut self) -> u64 {
        let mut given_up = 0;
        while !self.ages.is_empty() {
            given_up += self.drop_oldest();
        }
        given_up
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Memory behind the slots and the ages that wait.
    #[cfg(test)]
    pub fn kept(&self) -> (usize, usize) {
        (self.slots.iter().map(|slot| slot.bytes.capacity()).sum(), self.ages.len())
    }

    fn drop_oldest(&mut self) -> u64 {
        let Some((place, generation)) = self.ages.pop_front() else { return 0 };
        if self.slots[place as usize].generation != generation {
            return 0;
        }
        let packets = self.slots[place as usize].counted;
        self.remove(place);
        packets
    }

    fn insert(&mut self, key: K, hash: u64, time_ns: i64) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                key,
                hash,
                generation: 0,
                first_ns: 0,
                parts: Vec::new(),
                bytes: Vec::new(),
                received_bytes: 0,
                total_bytes: None,
                packets: 0,
                counted: 0,
                frame_bytes: 0,
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[place as usize];
        self.free_bytes -= slot.bytes.capacity();
        slot.key = key;
        slot.hash = hash;
        slot.first_ns = time_ns;
        slot.parts.clear();
        slot.bytes.clear();
        slot.received_bytes = 0;
        slot.total_bytes = None;
        slot.packets = 0;
        slot.counted = 0;
        slot.frame_bytes = 0;
        let generation = slot.generation;
        let slots = &self.slots;
        // Behind a datagram that stays incomplete the ages of those that came and went pile up.
        if self.ages.len() > 2 * self.limits.datagrams {
            self.ages.retain(|(place, generation)| slots[*place as usize].generation == *generation);
        }
        self.ages.push_back((place, generation));
        self.index.insert_unique(hash, place, |place| slots[*place as usize].hash);
        place
    }

    fn remove(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        slot.generation = slot.generation.wrapping_add(1);
        if let Ok(occupied) = self.index.find_entry(slot.hash, |other| *other == place) {
            occupied.remove();
            self.free.push(place);
            if self.free_bytes + slot.bytes.capacity() > SPARE_BYTES {
                slot.bytes = Vec::new();
            }
            self.free_bytes += slot.bytes.capacity();
        }
        // Keys that were completed leave their age behind: drop those at the front so that the queue stays short.
        while let Some((place, generation)) = self.ages.front() {
            if self.slots[*place as usize].generation == *generation {
                break;
            }
            self.ages.pop_front();
        }
    }
}

impl<K> Slot<K> {
    fn add(&mut self, fragment: &Fragment<'_>, limit: usize) -> Outcome {
        let (start, length) = (fragment.offset_bytes, fragment.data.len() as u32);
        let Some(end) = start.checked_add(length).filter(|end| *end as usize <= MAX_DATAGRAM_BYTES) else {
            return Outcome::Refused;
        };
        if self.parts.iter().any(|(offset, _, part)| *offset == start && *part == length) {
            self.packets += fragment.packets;
            self.counted += fragment.counted;
            self.frame_bytes += fragment.frame_bytes;
            return Outcome::Repeated;
        }
        let overlaps = self.parts.iter().any(|(offset, _, part)| start < offset + part && *offset < end);
        let contradicts = match (self.total_bytes, fragment.more) {
            (Some(total), true) => end > total,
            (Some(total), false) => end != total,
            (None, _) => false,
        };
        if overlaps || contradicts || self.parts.len() >= limit || (fragment.more && length == 0) {
            return Outcome::Refused;
        }
        if !fragment.more {
            if self.parts.iter().any(|(offset, _, part)| offset + part > end) {
                return Outcome::Refused;
            }
            self.total_bytes = Some(end);
        }
        self.parts.push((start, self.bytes.len() as u32, length));
        self.bytes.extend_from_slice(fragment.data);
        self.received_bytes += length;
        self.packets += fragment.packets;
        self.counted += fragment.counted;
        self.frame_bytes += fragment.frame_bytes;
        match self.total_bytes {
            Some(total) if total == self.received_bytes => Outcome::Complete(Datagram {
                packets: self.packets,
                counted: self.counted,
                frame_bytes: self.frame_bytes,
            }),
            _ => Outcome::Kept,
        }
    }
}
