// SPDX-License-Identifier: Apache-2.0
//! ERSPAN, mirrored Ethernet frames in GRE (draft-foschiano-erspan): type II and III. Type I has no header.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::TunnelKind;

/// Version and VLAN (2), class of service, encapsulation of the trunk, truncation, session (2), index (4).
pub(super) fn decode_type_2(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[vlan_0, vlan_1, session_0, session_1, _, _, _, _] =
        cursor.header::<TYPE_2_BYTES>(DropReason::ErspanTruncated, DropReason::ErspanInvalid)?;
    if vlan_0 >> 4 != VERSION_TYPE_2 {
        return Ok(Next::OtherTransport(GRE));
    }
    cursor.advance(TYPE_2_BYTES, DropReason::ErspanTruncated, DropReason::ErspanInvalid)?;
    let session = u16::from_be_bytes([session_0, session_1]);
    decoded.enter_tunnel(TunnelKind::Erspan, Some(u32::from(session & SESSION_MASK)));
    // The tag was taken off the frame and is here alone.
    if matches!(session >> ENCAPSULATION_SHIFT & 3, ENCAPSULATION_ISL | ENCAPSULATION_802_1Q) {
        decoded.vlans.push(u16::from_be_bytes([vlan_0, vlan_1]) & VLAN_MASK);
    }
    Ok(Next::InnerEthernet)
}

/// Version and VLAN (2), session as above (2), time (4), security group (2), frame type, hardware, direction, granularity
/// (2) with a bit for a further header of eight bytes.
pub(super) fn decode_type_3(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[version, _, session_0, session_1, _, _, _, _, _, _, frame_type, flags] =
        cursor.header::<TYPE_3_BYTES>(DropReason::ErspanTruncated, DropReason::ErspanInvalid)?;
    if version >> 4 != VERSION_TYPE_3 {
        return Ok(Next::OtherTransport(GRE));
    }
    let header_bytes = TYPE_3_BYTES + if flags & FURTHER_HEADER != 0 { FURTHER_HEADER_BYTES } else { 0 };
    cursor.advance(header_bytes, DropReason::ErspanTruncated, DropReason::ErspanInvalid)?;
    let session = u16::from_be_bytes([session_0, session_1]);
    decoded.enter_tunnel(TunnelKind::Erspan, Some(u32::from(session & SESSION_MASK)));
    Ok(match frame_type >> FRAME_TYPE_SHIFT & FRAME_TYPE_MASK {
        FRAME_TYPE_IP => Next::AnyIp,
        _ => Next::InnerEthernet,
    })
}

/// IANA protocol number.
const GRE: u8 = 47;
const TYPE_2_BYTES: usize = 8;
const TYPE_3_BYTES: usize = 12;
const FURTHER_HEADER: u8 = 1;
const FURTHER_HEADER_BYTES: usize = 8;
const VERSION_TYPE_2: u8 = 1;
const VERSION_TYPE_3: u8 = 2;
const VLAN_MASK: u16 = 0x0fff;
const SESSION_MASK: u16 = 0x03ff;
const ENCAPSULATION_SHIFT: u16 = 11;
const ENCAPSULATION_ISL: u16 = 1;
const ENCAPSULATION_802_1Q: u16 = 2;
const FRAME_TYPE_SHIFT: u8 = 2;
const FRAME_TYPE_MASK: u8 = 0x1f;
const FRAME_TYPE_IP: u8 = 2;
