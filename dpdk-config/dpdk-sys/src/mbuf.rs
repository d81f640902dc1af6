// SPDX-License-Identifier: Apache-2.0
//! A packet in DPDK's memory.
//!
//! Fields are read in place at the offsets of `constants.h`, which the compiler took from the headers of the DPDK this
//! is built against.

use std::fmt;
use std::mem::{ManuallyDrop, size_of};
use std::ptr::NonNull;
use std::slice;

use crate::{Eal, Error, sys};

/// One received or new packet: a chain of one or more segments, owned.
///
/// Its drop frees it. On the packet path let a [`crate::Burst`] free many at once.
#[repr(transparent)]
pub struct Mbuf {
    mbuf: NonNull<sys::rte_mbuf>,
}

// SAFETY: an mbuf has one owner, and pools and their caches may be used from any thread.
unsafe impl Send for Mbuf {}
// SAFETY: `&Mbuf` only reads, and nothing writes to an mbuf behind its owner's back.
unsafe impl Sync for Mbuf {}

impl Mbuf {
    /// Takes ownership of a raw mbuf, null giving none.
    ///
    /// # Safety
    /// The pointer is null, or the head of a valid chain of segments that nothing else owns or frees.
    pub unsafe fn from_raw(mbuf: *mut sys::rte_mbuf) -> Option<Self> {
        NonNull::new(mbuf).map(|mbuf| Self { mbuf })
    }

    /// Gives ownership away; who takes the pointer frees it.
    pub fn into_raw(self) -> *mut sys::rte_mbuf {
        ManuallyDrop::new(self).mbuf.as_ptr()
    }

    /// DPDK's own pointer, still owned by this.
    pub fn as_raw(&self) -> *mut sys::rte_mbuf {
        self.mbuf.as_ptr()
    }

    /// The bytes of the first segment, which for most packets is all of it.
    #[inline]
    pub fn data(&self) -> &[u8] {
        // SAFETY: the head is a valid segment for as long as `self` is borrowed.
        unsafe { segment_data(self.mbuf) }
    }

    /// The segments behind the first.
    #[inline]
    pub fn further_segments(&self) -> Segments<'_> {
        // SAFETY: the head is a valid segment, and DPDK keeps `next` null in the last one.
        Segments { next: unsafe { next_segment(self.mbuf) }, owner: std::marker::PhantomData }
    }

    /// Whether the whole packet is in [`Mbuf::data`].
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.segment_count() <= 1
    }

    /// Number of segments.
    #[inline]
    pub fn segment_count(&self) -> u16 {
        self.field::<u16, { sys::SHIM_MBUF_NB_SEGS_OFFSET }>()
    }

    /// Bytes of the whole packet over all segments.
    #[inline]
    pub fn packet_bytes(&self) -> u32 {
        self.field::<u32, { sys::SHIM_MBUF_PKT_LEN_OFFSET }>()
    }

    /// The port the packet came in by. A ring port of DPDK 22.11 does not set it; a receive queue knows its own.
    #[inline]
    pub fn port(&self) -> u16 {
        self.field::<u16, { sys::SHIM_MBUF_PORT_OFFSET }>()
    }

    /// The driver's RSS hash of the packet, when it gave one.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        (self.flags() & sys::SHIM_RX_RSS_HASH != 0).then(|| self.field::<u32, { sys::SHIM_MBUF_HASH_RSS_OFFSET }>())
    }

    /// The VLAN tag's control information that the driver took out of the packet, when it did (stripping is off unless
    /// a driver insists).
    #[inline]
    pub fn stripped_vlan(&self) -> Option<u16> {
        let stripped = sys::SHIM_RX_VLAN | sys::SHIM_RX_VLAN_STRIPPED;
        (self.flags() & stripped == stripped).then(|| self.field::<u16, { sys::SHIM_MBUF_VLAN_TCI_OFFSET }>())
    }

    /// The driver's offload flags (`RTE_MBUF_F_*`).
    #[inline]
    pub fn flags(&self) -> u64 {
        self.field::<u64, { sys::SHIM_MBUF_OL_FLAGS_OFFSET }>()
    }

    /// The receive timestamp, when the driver gave this packet one. Its unit is the driver's: microseconds since 1970
    /// (net_pcap), or ticks of the device's clock.
    #[inline]
    pub fn timestamp(&self, field: &TimestampField) -> Option<u64> {
        if self.flags() & field.flag == 0 {
            return None;
        }
        // SAFETY: `field` came from DPDK's registry of dynamic fields, which are 8 bytes inside the mbuf for this one.
        Some(unsafe { self.mbuf.as_ptr().cast::<u8>().add(field.offset).cast::<u64>().read_unaligned() })
    }

    /// Asks the CPU to fetch the mbuf's second cache line and the first line of its data.
    #[inline]
    pub fn prefetch(&self) {
        // SAFETY: the pointers are valid, and a prefetch changes nothing.
        unsafe { sys::shim_mbuf_prefetch(self.mbuf.as_ptr()) }
    }

    /// The first segment's bytes, to be changed; none when the segment's memory is shared with another mbuf.
    pub fn data_mut(&mut self) -> Option<&mut [u8]> {
        // SAFETY: the head is a valid segment.
        if unsafe { sys::shim_mbuf_refcount(self.mbuf.as_ptr()) } != 1 || self.is_attached() {
            return None;
        }
        let data = self.data();
        // SAFETY: the same bytes, which no other mbuf shares, borrowed mutably from their only owner.
        Some(unsafe { slice::from_raw_parts_mut(data.as_ptr().cast_mut(), data.len()) })
    }

    /// Copies `bytes` behind the packet's last byte; false when the last segment has no room for them, and nothing is
    /// done then.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let Ok(count) = u16::try_from(bytes.len()) else { return false };
        // SAFETY: the chain is valid and owned; a pointer that is not null leads to `count` free bytes, apart from
        // `bytes`.
        unsafe {
            let target = sys::shim_mbuf_append(self.mbuf.as_ptr(), count);
            if target.is_null() {
                return false;
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.cast::<u8>(), bytes.len());
        }
        true
    }

    /// Puts another packet's segments behind this one's.
    ///
    /// # Errors
    /// Gives the other packet back when the chain would exceed DPDK's number of segments.
    pub fn chain(&mut self, tail: Self) -> Result<(), Self> {
        // SAFETY: both chains are valid and owned, and distinct since `tail` is owned apart from `self`.
        match unsafe { sys::shim_mbuf_chain(self.mbuf.as_ptr(), tail.mbuf.as_ptr()) } {
            0 => {
                tail.into_raw();
                Ok(())
            }
            _ => Err(tail),
        }
    }

    /// Whether the head's data is elsewhere: in another mbuf or in memory of the driver's.
    fn is_attached(&self) -> bool {
        self.flags() & (sys::SHIM_MBUF_INDIRECT | sys::SHIM_MBUF_EXTERNAL) != 0
    }

    #[inline]
    fn field<T: Copy, const OFFSET: u64>(&self) -> T {
        // SAFETY: the offset and type of the field are those of the headers (checked at compile time below), and the
        // mbuf is valid.
        unsafe { self.mbuf.as_ptr().cast::<u8>().add(OFFSET as usize).cast::<T>().read() }
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        // SAFETY: the chain is valid and this is its only owner.
        unsafe { sys::shim_mbuf_free(self.mbuf.as_ptr()) }
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Mbuf({} bytes in {} segments)", self.packet_bytes(), self.segment_count())
    }
}

/// The bytes of each segment behind a packet's first.
#[derive(Clone)]
pub struct Segments<'a> {
    next: Option<NonNull<sys::rte_mbuf>>,
    owner: std::marker::PhantomData<&'a Mbuf>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let segment = self.next?;
        // SAFETY: the segment belongs to a chain whose owner is borrowed for 'a.
        unsafe {
            self.next = next_segment(segment);
            Some(segment_data(segment))
        }
    }
}

/// # Safety
/// The segment is valid, and unchanged for 'a.
#[inline]
unsafe fn segment_data<'a>(segment: NonNull<sys::rte_mbuf>) -> &'a [u8] {
    let base = segment.as_ptr().cast::<u8>();
    // SAFETY: the offsets are the headers'; the driver's data_off and data_len lie inside the buffer.
    unsafe {
        let buffer = base.add(sys::SHIM_MBUF_BUF_ADDR_OFFSET as usize).cast::<*const u8>().read();
        let data_offset = base.add(sys::SHIM_MBUF_DATA_OFF_OFFSET as usize).cast::<u16>().read();
        let data_bytes = base.add(sys::SHIM_MBUF_DATA_LEN_OFFSET as usize).cast::<u16>().read();
        slice::from_raw_parts(buffer.add(usize::from(data_offset)), usize::from(data_bytes))
    }
}

/// # Safety
/// The segment is valid.
#[inline]
unsafe fn next_segment(segment: NonNull<sys::rte_mbuf>) -> Option<NonNull<sys::rte_mbuf>> {
    // SAFETY: the offset is the headers'.
    unsafe {
        let base = segment.as_ptr().cast::<u8>();
        NonNull::new(base.add(sys::SHIM_MBUF_NEXT_OFFSET as usize).cast::<*mut sys::rte_mbuf>().read())
    }
}

/// Where drivers of this process put a packet's receive timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampField {
    offset: usize,
    flag: u64,
}

impl TimestampField {
    /// Looks the field up, after the ports were started: drivers register it on configuration or start. None when no
    /// driver did.
    pub fn lookup(_eal: &Eal) -> Option<Self> {
        let (mut offset, mut flag) = (0, 0);
        // SAFETY: both pointers are valid for the call.
        if unsafe { sys::shim_timestamp_lookup(&raw mut offset, &raw mut flag) } != 0 {
            return None;
        }
        let offset = usize::try_from(offset).ok()?;
        (offset + size_of::<u64>() <= sys::SHIM_MBUF_BYTES as usize).then_some(Self { offset, flag })
    }

    /// Registers the field in this process, for mbufs that the program itself fills.
    ///
    /// # Errors
    /// When mbufs have no room left for it.
    pub fn register(eal: &Eal) -> Result<Self, Error> {
        // SAFETY: EAL is up; null pointers say that the place is not asked for.
        let code = unsafe { sys::rte_mbuf_dyn_rx_timestamp_register(std::ptr::null_mut(), std::ptr::null_mut()) };
        match Self::lookup(eal) {
            Some(field) if code == 0 => Ok(field),
            _ => Err(Error::from_rte_errno("mbufs have no room for a receive timestamp")),
        }
    }

    /// Gives a packet a timestamp.
    pub fn write(&self, mbuf: &mut Mbuf, timestamp: u64) {
        let base = mbuf.mbuf.as_ptr().cast::<u8>();
        // SAFETY: the field's place lies inside the mbuf (see lookup), the flags' place is the headers', and the mbuf
        // is owned.
        unsafe {
            base.add(self.offset).cast::<u64>().write_unaligned(timestamp);
            let flags = base.add(sys::SHIM_MBUF_OL_FLAGS_OFFSET as usize).cast::<u64>();
            flags.write(flags.read() | self.flag);
        }
    }
}

// The types with which fields are read are those of the headers.
const _: () = {
    assert!(size_of::<Mbuf>() == size_of::<*mut sys::rte_mbuf>());
    assert!(sys::SHIM_MBUF_BUF_ADDR_BYTES == size_of::<*const u8>() as u64);
    assert!(sys::SHIM_MBUF_NEXT_BYTES == size_of::<*const u8>() as u64);
    assert!(sys::SHIM_MBUF_DATA_OFF_BYTES == 2 && sys::SHIM_MBUF_DATA_LEN_BYTES == 2);
    assert!(sys::SHIM_MBUF_NB_SEGS_BYTES == 2 && sys::SHIM_MBUF_PORT_BYTES == 2 && sys::SHIM_MBUF_VLAN_TCI_BYTES == 2);
    assert!(sys::SHIM_MBUF_PKT_LEN_BYTES == 4 && sys::SHIM_MBUF_HASH_RSS_BYTES == 4);
    assert!(sys::SHIM_MBUF_OL_FLAGS_BYTES == 8);
};
