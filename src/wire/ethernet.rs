// SPDX-License-Identifier: Apache-2.0
//! Ethernet II and IEEE 802.3: two addresses and a type or length. No preamble, no frame check sequence.

use super::address::MacAddress;
use super::cursor::Cursor;
use super::decoded::{Decoded, EthernetAddresses};
use super::drop_reason::DropReason;
use super::llc;
use super::next::Next;

#[inline]
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, type_0, type_1] =
        cursor.header::<HEADER_BYTES>(DropReason::EthernetTruncated, DropReason::EthernetTruncated)?;
    cursor.advance(HEADER_BYTES, DropReason::EthernetTruncated, DropReason::EthernetTruncated)?;
    decoded.ethernet = Some(EthernetAddresses {
        source: MacAddress([s0, s1, s2, s3, s4, s5]),
        destination: MacAddress([d0, d1, d2, d3, d4, d5]),
    });
    Ok(llc::next_by_type_or_length(cursor, u16::from_be_bytes([type_0, type_1])))
}

/// The Ethernet header of a frame in a tunnel, whose addresses are the ones that count.
pub(super) fn decode_inner(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    cursor.header::<HEADER_BYTES>(DropReason::EthernetTruncated, DropReason::InnerEthernetInvalid)?;
    decoded.enter_ethernet();
    decode(cursor, decoded)
}

const HEADER_BYTES: usize = 14;
