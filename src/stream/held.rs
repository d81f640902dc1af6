// SPDX-License-Identifier: Apache-2.0
//! Memory for segments that came early and for messages that straddle segments: one pool a worker, bounded, its buffers reused.

/// Index of a held segment; [`NONE`] for none.
pub type HeldIndex = u32;
pub const NONE: HeldIndex = u32::MAX;

pub struct Held {
    pub sequence: u32,
    /// What its sender had received of the other direction.
    pub acknowledgement: Option<u32>,
    /// When it came.
    pub time_ns: i64,
    pub bytes: Vec<u8>,
    /// Next of the same direction, by sequence number.
    pub next: HeldIndex,
}

/// Bytes of buffers for straddling messages that wait for their next use.
const SPARE_BYTES: usize = 4 << 20;
/// Of the pool's bytes a segment counts for at least so many: many small ones cost memory and time of their own.
const LEAST_SHARE_BYTES: usize = 512;

pub struct HeldPool {
    slots: Vec<Held>,
    free: HeldIndex,
    /// Capacity of the buffers of free slots.
    free_bytes: usize,
    /// Capacity of all buffers.
    used_bytes: usize,
    limit_bytes: usize,
    spares: Vec<Vec<u8>>,
    spare_bytes: usize,
    /// The fewest spares there were since the last [`HeldPool::tidy`].
    fewest_spares: usize,
}

impl HeldPool {
    pub fn new(limit_bytes: usize) -> HeldPool {
        HeldPool {
            slots: Vec::new(),
            free: NONE,
            free_bytes: 0,
            used_bytes: 0,
            limit_bytes,
            spares: Vec::new(),
            spare_bytes: 0,
            fewest_spares: 0,
        }
    }

    /// Copies a segment. None when the pool is full.
    pub fn hold(
        &mut self,
        sequence: u32,
        acknowledgement: Option<u32>,
        time_ns: i64,
        bytes: &[u8],
    ) -> Option<HeldIndex> {
        let index = match self.free {
            NONE => {
                let is_full = self.slots.len() > self.limit_bytes / LEAST_SHARE_BYTES;
                if is_full || self.used_bytes + bytes.len() > self.limit_bytes {
                    return None;
                }
                self.slots.push(Held { sequence, acknowledgement, time_ns, bytes: Vec::new(), next: NONE });
                (self.slots.len() - 1) as HeldIndex
            }
            index => index,
        };
        let capacity = |pool: &HeldPool| pool.slots[index as usize].bytes.capacity();
        let fits = |pool: &HeldPool| pool.used_bytes + bytes.len().saturating_sub(capacity(pool)) <= pool.limit_bytes;
        if !fits(self) {
            self.shed();
            if !fits(self) {
                return None;
            }
        }
        let slot = &mut self.slots[index as usize];
        let next_free = slot.next;
        let before = slot.bytes.capacity();
        slot.bytes.clear();
        slot.bytes.extend_from_slice(bytes);
        self.used_bytes += slot.bytes.capacity() - before;
        slot.sequence = sequence;
        slot.acknowledgement = acknowledgement;
        slot.time_ns = time_ns;
        slot.next = NONE;
        if self.free == index {
            self.free = next_free;
            self.free_bytes -= before;
        }
        Some(index)
    }

    /// Gives up the buffers of free slots: each may be too small for what comes while all together fill the pool. Those with a
    /// buffer are before those that lost theirs here earlier, so that no slot is passed twice for one release.
    pub fn shed(&mut self) {
        let mut index = self.free;
        while self.free_bytes > 0 && index != NONE {
            let slot = &mut self.slots[index as usize];
            let capacity = std::mem::take(&mut slot.bytes).capacity();
            self.free_bytes -= capacity;
            self.used_bytes -= capacity;
            index = slot.next;
        }
    }

    /// Gives up what was not used since the last time: buffers of free slots, spare ones, and the slots when all are free.
    pub fn tidy(&mut self) {
        self.shed();
        let unused = self.spares.drain(..self.fewest_spares.min(self.spares.len()));
        self.spare_bytes -= unused.map(|buffer| buffer.capacity()).sum::<usize>();
        self.fewest_spares = self.spares.len();
        if self.count() == 0 {
            (self.slots, self.free) = (Vec::new(), NONE);
        }
    }

    pub fn release(&mut self, index: HeldIndex) {
        let slot = &mut self.slots[index as usize];
        // A buffer of a jumbo segment is not kept for small ones.
        if slot.bytes.capacity() > 16 * 1024 {
            self.used_bytes -= slot.bytes.capacity();
            slot.bytes = Vec::new();
        }
        slot.bytes.clear();
        self.free_bytes += slot.bytes.capacity();
        slot.next = self.free;
        self.free = index;
    }

    pub fn get(&self, index: HeldIndex) -> &Held {
        &self.slots[index as usize]
    }

    pub fn get_mut(&mut self, index: HeldIndex) -> &mut Held {
        &mut self.slots[index as usize]
    }

    /// Takes the buffer out, so that it can be read while the pool is in use; [`HeldPool::put_back`] returns it.
    pub fn take_bytes(&mut self, index: HeldIndex) -> Vec<u8> {
        std::mem::take(&mut self.slots[index as usize].bytes)
    }

    pub fn put_back(&mut self, index: HeldIndex, bytes: Vec<u8>) {
        self.slots[index as usize].bytes = bytes;
        self.release(index);
    }

    /// An empty buffer for a straddling message.
    pub fn take_spare(&mut self) -> Vec<u8> {
        let spare = self.spares.pop().unwrap_or_default();
        self.spare_bytes -= spare.capacity();
        self.fewest_spares = self.fewest_spares.min(self.spares.len());
        spare
    }

    /// Keeps a buffer for the next message, as long as there are not too many.
    pub fn give_spare(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > 0 && self.spare_bytes + capacity <= SPARE_BYTES {
            buffer.clear();
            self.spare_bytes += capacity;
            self.spares.push(buffer);
        }
    }

    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Segments that are held now.
    pub fn count(&self) -> usize {
        let mut free = 0;
        let mut index = self.free;
        while index != NONE {
            free += 1;
            index = self.slots[index as usize].next;
        }
        self.slots.len() - free
    }
}
