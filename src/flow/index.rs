// SPDX-License-Identifier: Apache-2.0
//! Finds the place of a flow by its hash: an index of cache lines that can be asked for before they are read, which a table of
//! `hashbrown` cannot.
//!
//! A bucket is one cache line of seven places. It grows by one bucket at a time (linear hashing, W. Litwin 1980), so no packet
//! waits for the whole to be made anew, and nothing is ever marked as removed. An entry that does not fit goes to one of the
//! next buckets; each bucket counts how many went past it, which is where a search ends.
//!
//! Limit: an entry is refused when the next [`REACH`] buckets are full; with a keyed hash nobody can bring that about.

use arrayvec::ArrayVec;
use bytemuck::{Pod, Zeroable};

use crate::arch::{Memory, prefetch};

pub(super) struct Index {
    /// As many as there can be, and [`REACH`] behind them.
    buckets: Memory<Bucket>,
    /// How many buckets are the home of hashes.
    count: u32,
    /// Covers the numbers of twice the buckets that there were when the present round of growing began.
    mask: u32,
    length: usize,
}

/// Hashes and places of up to [`SLOTS`] entries, and in the eighth lanes what concerns the bucket itself.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Bucket {
    hashes: [u32; LANES],
    /// Plus one; 0 where there is none.
    places: [u32; LANES],
}

const LANES: usize = 8;
const SLOTS: usize = 7;
/// The lane of `places` that counts the entries that went past the bucket.
const PASSED: usize = 7;

/// So far from its home an entry may be.
const REACH: usize = 32;
const FIRST_BUCKETS: u32 = 16;
/// Entries for two buckets, on average. Towards the end of a round of growing, the buckets that are not yet split have twice as
/// many and lie side by side: they must not be full, or what does not fit in one would go far.
const FILL_OF_TWO: usize = 5;

const _: () = assert!(size_of::<Bucket>() == 64 && align_of::<Bucket>() == 64);

impl Index {
    /// For at most `limit` entries. The error is a sentence.
    pub fn new(limit: usize) -> Result<Index, String> {
        let buckets = (limit * 2 / FILL_OF_TWO + 1).max(FIRST_BUCKETS as usize);
        let buckets = Memory::new(buckets + REACH)?;
        Ok(Index { buckets, count: FIRST_BUCKETS, mask: 2 * FIRST_BUCKETS - 1, length: 0 })
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// Asks for the memory of a hash.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        prefetch(&self.buckets[self.home(hash)]);
    }

    /// A place that is most likely the one; it must be compared.
    #[inline]
    pub fn likely(&self, hash: u32) -> Option<u32> {
        let bucket = &self.buckets[self.home(hash)];
        let slot = bucket.equal(hash).trailing_zeros() as usize;
        bucket.places.get(slot)?.checked_sub(1)
    }

    /// The place with this hash that `is_it` accepts.
    #[inline]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.search(hash, &mut is_it).map(|(_, _, place)| place)
    }

    /// Adds a place. False when there is no room near its home.
    pub fn insert(&mut self, hash: u32, place: u32) -> bool {
        if !self.put(hash, place) {
            return false;
        }
        self.length += 1;
        if self.length * 2 > self.count as usize * FILL_OF_TWO && (self.count as usize) < self.buckets.len() - REACH {
            self.grow();
        }
        true
    }

    /// Removes a place. False when it is not there.
    pub fn remove(&mut self, hash: u32, place: u32) -> bool {
        let Some((at, slot, _)) = self.search(hash, &mut |found| found == place) else { return false };
        self.clear(self.home(hash), at, slot);
        self.length -= 1;
        true
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        let number = hash & self.mask;
        // Numbers that have no bucket yet still share that of the round before.
        (if number < self.count { number } else { number & (self.mask >> 1) }) as usize
    }

    #[inline]
    fn search(&self, hash: u32, is_it: &mut impl FnMut(u32) -> bool) -> Option<(usize, usize, u32)> {
        let home = self.home(hash);
        for (distance, bucket) in self.buckets[home..].iter().take(REACH).enumerate() {
            let mut equal = bucket.equal(hash);
            while equal != 0 {
                let slot = equal.trailing_zeros() as usize;
                if let Some(place) = bucket.places[slot % LANES].checked_sub(1)
                    && is_it(place)
                {
                    return Some((home + distance, slot, place));
                }
                equal &= equal - 1;
            }
            if bucket.places[PASSED] == 0 {
                return None;
            }
        }
        None
    }

    fn put(&mut self, hash: u32, place: u32) -> bool {
        let home = self.home(hash);
        let near = &mut self.buckets[home..home + REACH];
        let free = near.iter().enumerate().find_map(|(distance, bucket)| Some((distance, bucket.free()?)));
        let Some((distance, slot)) = free else { return false };
        near[..distance].iter_mut().for_each(|bucket| bucket.places[PASSED] += 1);
        near[distance].hashes[slot] = hash;
        near[distance].places[slot] = place + 1;
        true
    }

    fn clear(&mut self, home: usize, at: usize, slot: usize) {
        self.buckets[home..at].iter_mut().for_each(|bucket| bucket.places[PASSED] -= 1);
        self.buckets[at].places[slot] = 0;
    }

    /// One more bucket: it takes its part of the entries of the bucket that its hashes were in.
    fn grow(&mut self) {
        let split = (self.count & (self.mask >> 1)) as usize;
        let mut moved = ArrayVec::<(u32, u32), { REACH * SLOTS }>::new();
        for at in split..split + REACH {
            for slot in 0..SLOTS {
                let bucket = &self.buckets[at];
                let (hash, place) = (bucket.hashes[slot], bucket.places[slot]);
                if place != 0 && self.home(hash) == split {
                    self.clear(split, at, slot);
                    moved.push((hash, place - 1));
                }
            }
            if self.buckets[split].places[PASSED] == 0 {
                break;
            }
        }
        self.count += 1;
        if self.count > self.mask {
            self.mask = self.mask << 1 | 1;
        }
        for (hash, place) in moved {
            // There is room: those that stay were there before, the others find an empty bucket or one that few reach.
            let put = self.put(hash, place);
            debug_assert!(put);
        }
    }
}

impl Bucket {
    /// A bit for each slot with this hash, which may be empty.
    #[inline]
    fn equal(&self, hash: u32) -> u32 {
        let bits = self.hashes.iter().enumerate().fold(0, |bits, (lane, it)| bits | u32::from(*it == hash) << lane);
        bits & ((1 << SLOTS) - 1)
    }

    fn free(&self) -> Option<usize> {
        self.places[..SLOTS].iter().position(|place| *place == 0)
    }
}

#[cfg(test)]
mod tests;
