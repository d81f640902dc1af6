// SPDX-License-Identifier: Apache-2.0
//! Single-producer single-consumer rings of mbufs (`rte_ring`): lock-free, bounded, burst by burst.

use std::ffi::CString;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::eal::live;
use crate::{Burst, Eal, Error, sys};

/// Largest capacity of a ring (`RTE_RING_SZ_MASK`, less one for the power of two above).
const CAPACITY_MAX: u32 = 0x3fff_ffff;
/// Longest name DPDK takes for a ring (`RTE_RING_NAMESIZE`), less the prefix it adds.
const NAME_BYTES_MAX: usize = 24;

/// Creates a ring for `capacity` packets, with a name that is unique in the process and at most 24 bytes long.
///
/// # Errors
/// When the capacity is 0 or too large, the name is taken, or EAL has no memory left for it.
pub fn create(eal: &Eal, name: &str, capacity: u32, socket: Option<u32>) -> Result<(Producer, Consumer), Error> {
    let ring = Arc::new(Ring::create(eal, name, capacity, socket)?);
    Ok((Producer { ring: Arc::clone(&ring) }, Consumer { ring }))
}

/// The end of a ring that packets are put in.
#[derive(Debug)]
pub struct Producer {
    ring: Arc<Ring>,
}

impl Producer {
    /// The one producer of a ring whose consumer is elsewhere.
    pub(crate) fn new(ring: Arc<Ring>) -> Self {
        Self { ring }
    }

    /// Puts packets from the front of the burst into the ring and removes them from it. Never waits. Returns how many
    /// went in; the others stay in the burst.
    #[inline]
    pub fn enqueue(&mut self, burst: &mut Burst) -> usize {
        let (places, count) = burst.filled_places();
        // SAFETY: the ring lives as long as `self.ring`, its one producer is borrowed mutably, and the first `taken`
        // mbufs belong to the ring afterwards.
        unsafe {
            let taken = sys::shim_ring_enqueue_burst_sp(self.ring.ring.as_ptr(), places.cast(), count as u32);
            let taken = (taken as usize).min(count);
            burst.forget_front(taken);
            taken
        }
    }

    /// Packets in the ring now.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether the consumer has taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets the ring can hold.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether the consumer is gone, so that what is put in is only freed with the ring.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.ring) == 1
    }
}

/// The end of a ring that packets are taken from.
#[derive(Debug)]
pub struct Consumer {
    ring: Arc<Ring>,
}

impl Consumer {
    /// Takes packets out, up to the burst's free places, behind those the burst holds. Never waits. Returns how many
    /// were added.
    #[inline]
    pub fn dequeue(&mut self, burst: &mut Burst) -> usize {
        // SAFETY: the one consumer is borrowed mutably.
        unsafe { self.ring.dequeue(burst) }
    }

    /// Packets in the ring now.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the producer is gone: once the ring is empty too, nothing comes any more.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.ring) == 1
    }
}

/// A ring, freed with the packets left in it when its last end is dropped.
pub(crate) struct Ring {
    ring: NonNull<sys::rte_ring>,
}

// SAFETY: a ring's two ends may be on two threads; each end is used through `&mut` of its one owner.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    pub(crate) fn create(_eal: &Eal, name: &str, capacity: u32, socket: Option<u32>) -> Result<Self, Error> {
        if capacity == 0 || capacity > CAPACITY_MAX {
            return Err(Error::new(format!("ring {name} for {capacity} packets; accepted are 1 to {CAPACITY_MAX}")));
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Error::new(format!(
                "ring name {name:?} is {} bytes long; accepted are 1 to {NAME_BYTES_MAX}",
                name.len()
            )));
        }
        let c_name = CString::new(name).map_err(|_| Error::new(format!("ring name {name:?} contains a zero byte")))?;
        let socket = socket.and_then(|socket| i32::try_from(socket).ok()).unwrap_or(-1);
        let flags = sys::SHIM_RING_SINGLE_PRODUCER | sys::SHIM_RING_SINGLE_CONSUMER | sys::SHIM_RING_EXACT_SIZE;
        // SAFETY: EAL is up and the name lives through the call, which copies it.
        let ring = unsafe { sys::rte_ring_create(c_name.as_ptr(), capacity, socket, flags as u32) };
        let ring = NonNull::new(ring)
            .ok_or_else(|| Error::from_rte_errno(format!("ring {name} for {capacity} packets cannot be created")))?;
        live::add();
        Ok(Self { ring })
    }

    pub(crate) fn as_raw(&self) -> *mut sys::rte_ring {
        self.ring.as_ptr()
    }

    /// # Safety
    /// No other thread takes from the ring meanwhile.
    #[inline]
    unsafe fn dequeue(&self, burst: &mut Burst) -> usize {
        let (places, count) = burst.free_places();
        // SAFETY: `places` has room for `count` pointers; the ring holds only mbufs that were given to it, and those
        // come out once.
        unsafe {
            let taken = sys::shim_ring_dequeue_burst_sc(self.ring.as_ptr(), places.cast(), count as u32);
            let taken = (taken as usize).min(count);
            burst.grow(taken);
            taken
        }
    }

    fn len(&self) -> usize {
        // SAFETY: the ring is alive; the call reads its two indices.
        unsafe { sys::shim_ring_count(self.ring.as_ptr()) as usize }
    }

    fn capacity(&self) -> usize {
        // SAFETY: the ring is alive; the call reads a constant of it.
        unsafe { sys::shim_ring_capacity(self.ring.as_ptr()) as usize }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut burst = Burst::new();
        // SAFETY: the last owner is here, so nothing else takes from the ring, or puts anything in.
        while unsafe { self.dequeue(&mut burst) } > 0 {
            burst.clear();
        }
        // SAFETY: the ring was created by rte_ring_create and is used by nothing any more.
        unsafe { sys::rte_ring_free(self.ring.as_ptr()) };
        live::remove();
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ring({} of {})", self.len(), self.capacity())
    }
}
