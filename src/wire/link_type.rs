// SPDX-License-Identifier: Apache-2.0
//! What the first byte of a frame belongs to.

/// The outermost header of the frames of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// Ethernet II or IEEE 802.3.
    Ethernet,
    /// Linux cooked capture, version 1 (`any` device of older libpcap).
    LinuxCooked,
    /// Linux cooked capture, version 2.
    LinuxCooked2,
    /// BSD loopback: four bytes of address family, in either byte order.
    NullLoopback,
    /// An IPv4 or IPv6 header at once.
    RawIp,
}

impl LinkType {
    /// From the number in a pcap or pcapng file (`LINKTYPE_…`) or of a libpcap handle (`DLT_…`).
    ///
    /// The two differ for raw IP alone: 101 in files, 12 or (OpenBSD) 14 from a handle; all are understood. The upper
    /// bits of the field in a pcap file (length of the frame check sequence) are the reader's to cut off.
    pub const fn from_dlt(number: u32) -> Option<Self> {
        match number {
            DLT_NULL | DLT_LOOP => Some(Self::NullLoopback),
            DLT_EN10MB => Some(Self::Ethernet),
            DLT_RAW | DLT_RAW_OPENBSD | LINKTYPE_RAW | DLT_IPV4 | DLT_IPV6 => Some(Self::RawIp),
            DLT_LINUX_SLL => Some(Self::LinuxCooked),
            DLT_LINUX_SLL2 => Some(Self::LinuxCooked2),
            _ => None,
        }
    }

    /// The number in a capture file. A libpcap handle has another for raw IP.
    pub const fn dlt(self) -> u32 {
        match self {
            Self::NullLoopback => DLT_NULL,
            Self::Ethernet => DLT_EN10MB,
            Self::RawIp => LINKTYPE_RAW,
            Self::LinuxCooked => DLT_LINUX_SLL,
            Self::LinuxCooked2 => DLT_LINUX_SLL2,
        }
    }
}

const DLT_NULL: u32 = 0;
const DLT_EN10MB: u32 = 1;
const DLT_RAW: u32 = 12;
const DLT_RAW_OPENBSD: u32 = 14;
const LINKTYPE_RAW: u32 = 101;
const DLT_LOOP: u32 = 108;
const DLT_LINUX_SLL: u32 = 113;
const DLT_IPV4: u32 = 228;
const DLT_IPV6: u32 = 229;
const DLT_LINUX_SLL2: u32 = 276;
