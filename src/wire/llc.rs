// SPDX-License-Identifier: Apache-2.0
//! IEEE 802.2 logical link control, as far as it leads to IP: the SNAP header with an EtherType (RFC 1042). Everything
//! else (spanning tree, IS-IS, NetBEUI, …) is a frame without IP, however short it is.

use super::cursor::Cursor;
use super::drop_reason::DropReason;
use super::next::Next;

/// By the two bytes after MAC addresses or a VLAN tag: an EtherType or, up to 1500, the length of an LLC frame
/// (IEEE 802.3, 3.2.6), after which padding follows.
#[inline]
pub(super) fn next_by_type_or_length(cursor: &mut Cursor<'_>, value: u16) -> Next {
    if value > LENGTH_MAXIMUM_BYTES {
        return Next::from_ethertype(value);
    }
    cursor.limit(usize::from(value));
    Next::Llc
}

pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Next, DropReason> {
    match cursor.header(DropReason::EthernetTruncated, DropReason::EthernetTruncated) {
        // Both service access points 0xaa, unnumbered information, and the organisation code of encapsulated Ethernet.
        Ok(&[0xaa, 0xaa, 0x03, 0, 0, 0, type_0, type_1]) => {
            cursor.advance(SNAP_BYTES, DropReason::EthernetTruncated, DropReason::EthernetTruncated)?;
            Ok(Next::from_ethertype(u16::from_be_bytes([type_0, type_1])))
        }
        _ => Ok(Next::Payload),
    }
}

const LENGTH_MAXIMUM_BYTES: u16 = 1500;
const SNAP_BYTES: usize = 8;
