// SPDX-License-Identifier: Apache-2.0
//! A burst of packets: the unit in which packets are received, passed on and freed.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::slice;

use crate::{Mbuf, sys};

/// Packets of one burst, DPDK's usual number: enough to hide memory latency, few enough to stay in the first-level
/// cache.
pub const BURST_CAPACITY: usize = 32;

/// Up to [`BURST_CAPACITY`] packets, freed together.
pub struct Burst {
    /// The first `count` are initialised.
    mbufs: [MaybeUninit<Mbuf>; BURST_CAPACITY],
    count: usize,
}

impl Burst {
    /// An empty burst.
    pub const fn new() -> Self {
        Self { mbufs: [const { MaybeUninit::uninit() }; BURST_CAPACITY], count: 0 }
    }

    /// Frees all packets, in bulk.
    #[inline]
    pub fn clear(&mut self) {
        let count = std::mem::take(&mut self.count);
        if count > 0 {
            // SAFETY: the first `count` places hold owned mbufs, which are forgotten by the count of 0.
            unsafe { sys::shim_mbuf_free_bulk(self.mbufs.as_mut_ptr().cast(), count as u32) }
        }
    }

    /// Adds a packet at the end.
    ///
    /// # Errors
    /// Gives the packet back when the burst is full.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        match self.mbufs.get_mut(self.count) {
            Some(place) => {
                place.write(mbuf);
                self.count += 1;
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Takes the last packet out.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.count = self.count.checked_sub(1)?;
        // SAFETY: the place was initialised and is beyond the count now.
        Some(unsafe { self.mbufs[self.count].assume_init_read() })
    }

    /// Takes a packet out and puts the last one in its place; none when there is no packet at `index`.
    #[inline]
    pub fn swap_remove(&mut self, index: usize) -> Option<Mbuf> {
        let last = self.count.checked_sub(1)?;
        if index > last {
            return None;
        }
        self.mbufs.swap(index, last);
        self.pop()
    }

    /// Takes all packets out in order, one by one. What is left when the iterator is dropped is freed.
    pub fn drain_all(&mut self) -> impl Iterator<Item = Mbuf> {
        let mut taken = std::mem::take(self);
        taken.reverse();
        std::iter::from_fn(move || taken.pop())
    }

    /// Whether no place is free.
    pub fn is_full(&self) -> bool {
        self.count == BURST_CAPACITY
    }

    /// The free places as DPDK's functions take them, and their number.
    #[inline]
    pub(crate) fn free_places(&mut self) -> (*mut *mut sys::rte_mbuf, usize) {
        let free = &mut self.mbufs[self.count..];
        (free.as_mut_ptr().cast(), free.len())
    }

    /// # Safety
    /// The first `count` free places were filled with mbufs that have no other owner, and `count` is at most their
    /// number.
    #[inline]
    pub(crate) unsafe fn grow(&mut self, count: usize) {
        self.count += count;
    }

    /// The packets as DPDK's functions take them, and their number.
    #[inline]
    pub(crate) fn filled_places(&mut self) -> (*mut *mut sys::rte_mbuf, usize) {
        (self.mbufs.as_mut_ptr().cast(), self.count)
    }

    /// Forgets the first `count` packets and moves the others to the front.
    ///
    /// # Safety
    /// Those packets have got another owner, and `count` is at most the number of packets.
    #[inline]
    pub(crate) unsafe fn forget_front(&mut self, count: usize) {
        let base = self.mbufs.as_mut_ptr();
        // SAFETY: both ranges are inside the array; what they move to is not dropped, since it is another's or
        // uninitialised.
        unsafe { std::ptr::copy(base.add(count), base, self.count - count) };
        self.count -= count;
    }
}

impl Deref for Burst {
    type Target = [Mbuf];

    #[inline]
    fn deref(&self) -> &[Mbuf] {
        // SAFETY: the first `count` places are initialised.
        unsafe { slice::from_raw_parts(self.mbufs.as_ptr().cast(), self.count) }
    }
}

impl DerefMut for Burst {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Mbuf] {
        // SAFETY: the first `count` places are initialised.
        unsafe { slice::from_raw_parts_mut(self.mbufs.as_mut_ptr().cast(), self.count) }
    }
}

impl Default for Burst {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
