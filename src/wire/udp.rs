// SPDX-License-Identifier: Apache-2.0
//! UDP (RFC 768).

use super::cursor::Cursor;
use super::decoded::{Decoded, Transport};
use super::drop_reason::DropReason;
use super::next::Next;

#[inline]
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[s0, s1, d0, d1, length_0, length_1, _, _] =
        cursor.header::<HEADER_BYTES>(DropReason::UdpHeaderTruncated, DropReason::UdpLengthInvalid)?;
    let length_bytes = usize::from(u16::from_be_bytes([length_0, length_1]));
    // Zero in jumbograms (RFC 2675) and when the sender's NIC segments: the datagram's length is the only one there is.
    if length_bytes != 0 {
        if length_bytes < HEADER_BYTES {
            return Err(DropReason::UdpLengthInvalid);
        }
        cursor.limit(length_bytes);
    }
    cursor.advance(HEADER_BYTES, DropReason::UdpHeaderTruncated, DropReason::UdpLengthInvalid)?;
    decoded.transport =
        Transport::Udp { source_port: u16::from_be_bytes([s0, s1]), destination_port: u16::from_be_bytes([d0, d1]) };
    cursor.payload_begins(decoded);
    Ok(Next::Done)
}

const HEADER_BYTES: usize = 8;
