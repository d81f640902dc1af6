// SPDX-License-Identifier: Apache-2.0
//! TCP (RFC 9293, section 3.1). Options are stepped over.

use super::cursor::Cursor;
use super::decoded::{Decoded, Transport};
use super::drop_reason::DropReason;
use super::next::Next;

/// What ordering a stream needs of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader {
    /// ECS `source.port`.
    pub source_port: u16,
    /// ECS `destination.port`.
    pub destination_port: u16,
    /// The number of the first byte of payload, or of the SYN.
    pub sequence: u32,
    /// The number of the next byte expected from the other side, when the ACK flag is set.
    pub acknowledgement: u32,
    /// The eight control bits.
    pub flags: TcpFlags,
    /// Receive window, not scaled.
    pub window: u16,
}

/// The control bits of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender is finished.
    #[inline]
    pub const fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// The sender starts, and the sequence number is its first.
    #[inline]
    pub const fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// The connection is aborted.
    #[inline]
    pub const fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// The data is to be handed on at once.
    #[inline]
    pub const fn psh(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// The acknowledgement number counts.
    #[inline]
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The urgent pointer counts.
    #[inline]
    pub const fn urg(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Congestion was experienced (RFC 3168).
    #[inline]
    pub const fn ece(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// The sender reduced its congestion window (RFC 3168).
    #[inline]
    pub const fn cwr(self) -> bool {
        self.0 & 0x80 != 0
    }
}

#[inline]
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    // Ports, sequence number, acknowledgement number, data offset, flags, window, checksum, urgent pointer.
    let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, data_offset, flags, w0, w1, _, _, _, _] =
        cursor.header::<FIXED_BYTES>(DropReason::TcpHeaderTruncated, DropReason::TcpHeaderLengthInvalid)?;
    let header_bytes = usize::from(data_offset >> 4) * 4;
    if header_bytes < FIXED_BYTES {
        return Err(DropReason::TcpHeaderLengthInvalid);
    }
    cursor.advance(header_bytes, DropReason::TcpHeaderTruncated, DropReason::TcpHeaderLengthInvalid)?;
    decoded.transport = Transport::Tcp(TcpHeader {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        sequence: u32::from_be_bytes([q0, q1, q2, q3]),
        acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
        flags: TcpFlags(flags),
        window: u16::from_be_bytes([w0, w1]),
    });
    cursor.payload_begins(decoded);
    Ok(Next::Done)
}

const FIXED_BYTES: usize = 20;
