// SPDX-License-Identifier: Apache-2.0
//! Pools of packet buffers. A pool's memory is freed by EAL's cleanup alone, so its handle can be copied and mbufs need
//! no lifetime.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use crate::{Burst, Eal, Error, Mbuf, sys};

/// Longest name DPDK takes for a pool (`RTE_MEMPOOL_NAMESIZE`), less the prefix it adds.
const NAME_BYTES_MAX: usize = 24;

/// What a pool is to be like.
#[derive(Clone, Debug)]
pub struct MempoolConfiguration<'a> {
    /// Unique in the process, at most 24 bytes.
    pub name: &'a str,
    /// Number of mbufs. DPDK uses memory best at a power of two less one.
    pub count: u32,
    /// Mbufs each lcore keeps to itself, at most 512 and two thirds of `count`.
    pub cache: u32,
    /// Bytes of data each mbuf holds, without the headroom of [`Mempool::HEADROOM_BYTES`], which is added.
    pub data_bytes: u16,
    /// NUMA socket, or any.
    pub socket: Option<u32>,
    /// How threads share the pool.
    pub handler: MempoolHandler,
}

/// How a pool's common ring is shared by the threads that miss their caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MempoolHandler {
    /// `ring_mp_mc`: fastest when every thread has a CPU to itself; a preempted thread holds up all others.
    #[default]
    Default,
    /// `ring_mt_rts`: for more workers than CPUs; a preempted thread holds up none.
    RelaxedTail,
}

/// A pool of mbufs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mempool {
    pool: NonNull<sys::rte_mempool>,
    count: u32,
    data_bytes: u16,
}

// SAFETY: DPDK's pools may be used by several threads at once; each has its own cache or uses the ring, which
// synchronises.
unsafe impl Send for Mempool {}
// SAFETY: as above.
unsafe impl Sync for Mempool {}

impl Mempool {
    /// Bytes in front of a received packet's data, which drivers leave free.
    pub const HEADROOM_BYTES: u16 = sys::SHIM_MBUF_HEADROOM_BYTES as u16;

    /// Creates a pool, which stays until EAL is cleaned up.
    ///
    /// # Errors
    /// When a number is out of DPDK's bounds, the name is taken, or EAL has no memory left for it.
    pub fn create(_eal: &Eal, configuration: &MempoolConfiguration<'_>) -> Result<Self, Error> {
        let MempoolConfiguration { name, count, cache, data_bytes, socket, handler } = *configuration;
        let c_name = check_name(name)?;
        let cache_max = (sys::SHIM_MEMPOOL_CACHE_MAX as u32).min(count.saturating_mul(2) / 3);
        if count == 0 || cache > cache_max {
            return Err(Error::new(format!(
                "mempool {name}: {count} mbufs with a cache of {cache}; accepted are at least 1 mbuf and, for this number, a cache up to {cache_max}"
            )));
        }
        let Some(room_bytes) = data_bytes.checked_add(Self::HEADROOM_BYTES).filter(|_| data_bytes > 0) else {
            return Err(Error::new(format!(
                "mempool {name}: {data_bytes} bytes of data per mbuf; accepted are 1 to {}",
                u16::MAX - Self::HEADROOM_BYTES
            )));
        };
        let socket = match socket {
            None => -1,
            Some(socket) => {
                i32::try_from(socket).map_err(|_| Error::new(format!("mempool {name}: {socket} is no NUMA socket")))?
            }
        };
        let handler: &CStr = match handler {
            MempoolHandler::Default => c"ring_mp_mc",
            MempoolHandler::RelaxedTail => c"ring_mt_rts",
        };
        // SAFETY: EAL is up; the strings live through the call, which copies them.
        let pool = unsafe {
            sys::rte_pktmbuf_pool_create_by_ops(c_name.as_ptr(), count, cache, 0, room_bytes, socket, handler.as_ptr())
        };
        match NonNull::new(pool) {
            Some(pool) => Ok(Self { pool, count, data_bytes }),
            None => Err(Error::from_rte_errno(format!(
                "mempool {name} of {count} mbufs of {data_bytes} bytes (about {} MB) cannot be created; with too little memory, raise \
                 the number of huge pages or EAL's -m",
                approximate_megabytes(count, room_bytes)
            ))),
        }
    }

    /// Mbufs that are out of the pool: with a driver, in a ring, or owned by the program. Walks all caches; not for
    /// every packet.
    ///
    /// While other threads take and give back mbufs this is an estimate; it is exact when they are at rest.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool lives until cleanup.
        unsafe { sys::rte_mempool_in_use_count(self.pool.as_ptr()) }
    }

    /// Number of mbufs of the pool.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of data that fit into one mbuf, without its headroom.
    pub fn data_bytes(&self) -> u16 {
        self.data_bytes
    }

    /// Takes one empty mbuf, or none when the pool is exhausted.
    pub fn allocate(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives until cleanup; the mbuf is new and has no other owner.
        unsafe { Mbuf::from_raw(sys::shim_mbuf_alloc(self.pool.as_ptr())) }
    }

    /// Fills the free places of a burst with empty mbufs, all or none. Returns whether it did.
    pub fn allocate_burst(&self, burst: &mut Burst) -> bool {
        let (places, count) = burst.free_places();
        // SAFETY: `places` has room for `count` pointers; on success all are filled with new mbufs that have no other
        // owner.
        unsafe {
            if sys::shim_mbuf_alloc_bulk(self.pool.as_ptr(), places, count as u32) != 0 {
                return false;
            }
            burst.grow(count);
        }
        true
    }

    /// DPDK's own pointer. Valid until EAL is cleaned up.
    pub fn as_raw(&self) -> *mut sys::rte_mempool {
        self.pool.as_ptr()
    }
}

/// The name as a C string, when DPDK can take it.
fn check_name(name: &str) -> Result<CString, Error> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Error::new(format!(
            "mempool name {name:?} is {} bytes long; accepted are 1 to {NAME_BYTES_MAX}",
            name.len()
        )));
    }
    CString::new(name).map_err(|_| Error::new(format!("mempool name {name:?} contains a zero byte")))
}

fn approximate_megabytes(count: u32, room_bytes: u16) -> u64 {
    // DPDK's header and trailer of each object round up to about a cache line.
    let each_bytes = sys::SHIM_MBUF_BYTES + 64 + u64::from(room_bytes);
    u64::from(count) * each_bytes / (1024 * 1024) + 1
}
