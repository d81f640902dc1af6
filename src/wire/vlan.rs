// SPDX-License-Identifier: Apache-2.0
//! VLAN tags, IEEE 802.1Q and 802.1ad, any number of them: priority and id, then a type or length.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::llc;
use super::next::Next;

#[inline]
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[control_0, control_1, type_0, type_1] =
        cursor.header::<TAG_BYTES>(DropReason::VlanTruncated, DropReason::VlanTruncated)?;
    cursor.advance(TAG_BYTES, DropReason::VlanTruncated, DropReason::VlanTruncated)?;
    decoded.vlans.push(u16::from_be_bytes([control_0, control_1]) & ID_MASK);
    Ok(llc::next_by_type_or_length(cursor, u16::from_be_bytes([type_0, type_1])))
}

/// The tag behind the type that announced it, with the type that follows.
const TAG_BYTES: usize = 4;
/// The other four bits are priority and drop eligibility.
const ID_MASK: u16 = 0x0fff;
