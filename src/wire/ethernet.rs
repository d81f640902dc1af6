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

/// Whether bytes look like a frame of this length, where nothing says that one begins: IP whose length fits, or ARP, also
/// behind one or two VLAN tags.
pub(super) fn is_plausible(bytes: &[u8], length: usize) -> bool {
    let word = |place: usize| match bytes.get(place..place + 2) {
        Some(pair) => u16::from_be_bytes([pair[0], pair[1]]),
        None => 0,
    };
    let is_tag = |place: &usize| Next::from_ethertype(word(*place)) == Next::Vlan;
    let type_place = 12 + 4 * [12, 16].iter().take_while(|place| is_tag(place)).count();
    let packet = type_place + 2;
    let left = length.saturating_sub(packet);
    let version = word(packet) >> 12;
    match word(type_place) {
        0x0800 => version == 4 && (20..=left).contains(&usize::from(word(packet + 2))),
        0x86dd => version == 6 && usize::from(word(packet + 4)) + 40 <= left,
        0x0806 => word(packet) == 1 && left >= 28,
        _ => false,
    }
}

/// How many bytes [`is_plausible`] looks at.
pub(super) const JUDGED_BYTES: usize = 28;

const HEADER_BYTES: usize = 14;
