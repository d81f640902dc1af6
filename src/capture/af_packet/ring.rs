// SPDX-License-Identifier: Apache-2.0
//! The receive ring that a packet socket shares with the kernel (TPACKET_V3, Linux `Documentation/networking/packet_mmap.rst`).
//!
//! The kernel fills a block, then leaves it to us until we give it back. What it wrote is checked against the block's
//! bounds all the same.
#![allow(unsafe_code)]

use std::mem::offset_of;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};

use crate::wire::LinkType;

/// Bytes of a block. The largest frame (64 KiB and headers) must fit.
pub const BLOCK_BYTES: usize = 256 << 10;
/// Room in front of a frame for the VLAN tag that the kernel took off.
pub const HEADROOM_BYTES: usize = 16;

/// The mapped blocks.
pub struct Ring {
    base: NonNull<u8>,
    blocks: usize,
}

// SAFETY: the mapping belongs to this value alone, and nothing in it is tied to a thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps the ring of `blocks` blocks that was set up on `socket`.
    pub fn map(socket: BorrowedFd<'_>, blocks: usize) -> std::io::Result<Ring> {
        use std::os::fd::AsRawFd;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses, of a descriptor that is open during the call.
        let mapped = unsafe {
            libc::mmap(std::ptr::null_mut(), blocks * BLOCK_BYTES, protection, libc::MAP_SHARED, socket.as_raw_fd(), 0)
        };
        if mapped == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        match NonNull::new(mapped.cast()) {
            Some(base) => Ok(Ring { base, blocks }),
            None => Err(std::io::Error::other("a ring at address 0")),
        }
    }

    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Whether the kernel has left a block to us.
    pub fn is_ready(&self, block: usize) -> bool {
        self.status(block).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The bytes of a block that is ours.
    pub fn block(&self, block: usize) -> &[u8] {
        if !self.is_ready(block) {
            return &[];
        }
        // SAFETY: the block lies in the mapping, and the kernel writes nothing to it until `give_back`, which needs this
        // value exclusively, as `block_mut` does.
        unsafe { std::slice::from_raw_parts(self.start(block).as_ptr(), BLOCK_BYTES) }
    }

    /// The same, to restore VLAN tags.
    pub fn block_mut(&mut self, block: usize) -> &mut [u8] {
        if !self.is_ready(block) {
            return &mut [];
        }
        // SAFETY: as `block`; the exclusive borrow of this value makes it the only slice.
        unsafe { std::slice::from_raw_parts_mut(self.start(block).as_ptr(), BLOCK_BYTES) }
    }

    /// Leaves a block to the kernel again.
    pub fn give_back(&mut self, block: usize) {
        self.status(block).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    fn status(&self, block: usize) -> &AtomicU32 {
        // SAFETY: the word lies in the mapping, is aligned (blocks are pages), and both sides write it as a whole.
        unsafe { AtomicU32::from_ptr(self.start(block).add(BLOCK_STATUS).cast().as_ptr()) }
    }

    fn start(&self, block: usize) -> NonNull<u8> {
        assert!(block < self.blocks);
        // SAFETY: inside the mapping, as was just checked.
        unsafe { self.base.add(block * BLOCK_BYTES) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nothing borrows it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.blocks * BLOCK_BYTES) };
    }
}

/// A frame in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub data: Range<usize>,
    pub wire_length: u32,
    pub time_ns: i64,
    pub link: LinkType,
}

/// The frames of a block, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    left: u32,
    next: usize,
}

impl Frames {
    /// The frames of a block that has just come.
    pub fn of(block: &[u8]) -> Frames {
        let left = u32_at(block, BLOCK_HEADER + offset_of!(tpacket_hdr_v1, num_pkts)).unwrap_or(0);
        let next = u32_at(block, BLOCK_HEADER + offset_of!(tpacket_hdr_v1, offset_to_first_pkt)).unwrap_or(0);
        Frames { left, next: next as usize }
    }

    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next frame that is to be analysed, with its VLAN tag restored in place.
    pub fn next(&mut self, block: &mut [u8]) -> Option<Frame> {
        while self.left > 0 {
            self.left -= 1;
            let start = self.next;
            let Some(header) = block.get(start..).and_then(Header::read) else {
                self.left = 0;
                return None;
            };
            self.next = start.saturating_add(header.next_bytes as usize);
            if header.next_bytes == 0 {
                self.left = 0;
            }
            // The loopback device shows every packet as sent and as received.
            if header.hardware == libc::ARPHRD_LOOPBACK && header.direction == libc::PACKET_OUTGOING {
                continue;
            }
            if let Some(frame) = header.frame(start, block) {
                return Some(frame);
            }
        }
        None
    }
}

/// What the kernel says of a frame (`tpacket3_hdr` and the `sockaddr_ll` behind it).
struct Header {
    next_bytes: u32,
    seconds: u32,
    nanoseconds: u32,
    captured: u32,
    wire_length: u32,
    status: u32,
    link_offset: u16,
    network_offset: u16,
    tag: u16,
    tag_type: u16,
    hardware: u16,
    direction: u8,
}

impl Header {
    fn read(frame: &[u8]) -> Option<Header> {
        let variant = offset_of!(tpacket3_hdr, hv1);
        Some(Header {
            next_bytes: u32_at(frame, offset_of!(tpacket3_hdr, tp_next_offset))?,
            seconds: u32_at(frame, offset_of!(tpacket3_hdr, tp_sec))?,
            nanoseconds: u32_at(frame, offset_of!(tpacket3_hdr, tp_nsec))?,
            captured: u32_at(frame, offset_of!(tpacket3_hdr, tp_snaplen))?,
            wire_length: u32_at(frame, offset_of!(tpacket3_hdr, tp_len))?,
            status: u32_at(frame, offset_of!(tpacket3_hdr, tp_status))?,
            link_offset: u16_at(frame, offset_of!(tpacket3_hdr, tp_mac))?,
            network_offset: u16_at(frame, offset_of!(tpacket3_hdr, tp_net))?,
            tag: u32_at(frame, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci))? as u16,
            tag_type: u16_at(frame, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid))?,
            hardware: u16_at(frame, ADDRESS + offset_of!(libc::sockaddr_ll, sll_hatype))?,
            direction: *frame.get(ADDRESS + offset_of!(libc::sockaddr_ll, sll_pkttype))?,
        })
    }

    fn frame(&self, start: usize, block: &mut [u8]) -> Option<Frame> {
        let time_ns = i64::from(self.seconds) * 1_000_000_000 + i64::from(self.nanoseconds);
        let begin = start + usize::from(self.link_offset);
        let end = begin.checked_add(self.captured as usize).filter(|end| *end <= block.len())?;
        let wire_length = self.wire_length.max(self.captured);
        if !matches!(self.hardware, libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK) {
            // Tunnels and the like: what stands before the network header is the device's own.
            let skipped = self.network_offset.saturating_sub(self.link_offset);
            let begin = (begin + usize::from(skipped)).min(end);
            let wire_length = wire_length.saturating_sub(u32::from(skipped));
            return Some(Frame { data: begin..end, wire_length, time_ns, link: LinkType::RawIp });
        }
        let begin = match self.status & libc::TP_STATUS_VLAN_VALID {
            0 => begin,
            _ => self.restore_tag(start, begin..end, block).unwrap_or(begin),
        };
        let wire_length = wire_length.saturating_add((end - begin) as u32 - self.captured);
        Some(Frame { data: begin..end, wire_length, time_ns, link: LinkType::Ethernet })
    }

    /// Puts the tag behind the MAC addresses, which move into the headroom. Answers where the frame begins now.
    fn restore_tag(&self, start: usize, frame: Range<usize>, block: &mut [u8]) -> Option<usize> {
        let begin = frame.start.checked_sub(TAG_BYTES).filter(|begin| *begin >= start + ADDRESS + ADDRESS_BYTES)?;
        if frame.len() < MAC_ADDRESSES_BYTES {
            return None;
        }
        block.copy_within(frame.start..frame.start + MAC_ADDRESSES_BYTES, begin);
        let tag_type = match self.status & libc::TP_STATUS_VLAN_TPID_VALID {
            0 => libc::ETH_P_8021Q as u16,
            _ => self.tag_type,
        };
        let tag = block.get_mut(begin + MAC_ADDRESSES_BYTES..begin + MAC_ADDRESSES_BYTES + TAG_BYTES)?;
        tag[..2].copy_from_slice(&tag_type.to_be_bytes());
        tag[2..].copy_from_slice(&self.tag.to_be_bytes());
        Some(begin)
    }
}

const BLOCK_HEADER: usize = offset_of!(tpacket_block_desc, hdr);
const BLOCK_STATUS: usize = BLOCK_HEADER + offset_of!(tpacket_hdr_v1, block_status);
/// The address stands behind the header, aligned to `TPACKET_ALIGNMENT`.
const ADDRESS: usize = size_of::<tpacket3_hdr>().next_multiple_of(16);
const ADDRESS_BYTES: usize = size_of::<libc::sockaddr_ll>();
const MAC_ADDRESSES_BYTES: usize = 12;
const TAG_BYTES: usize = 4;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_ne_bytes(*half))
}
