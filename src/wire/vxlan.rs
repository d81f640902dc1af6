// SPDX-License-Identifier: Apache-2.0
//! VXLAN (RFC 7348), also with the group policy extension (draft-smith-vxlan-group-policy) and the generic protocol
//! extension (draft-ietf-nvo3-vxlan-gpe): Ethernet or IP in UDP.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::TunnelKind;

/// Flags, reserved or group or type of the contents (3), VXLAN network identifier (3), reserved. [`Next::Done`] when it is
/// something else on the port.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    if cursor.remaining() < HEADER_BYTES {
        return Ok(Next::Done);
    }
    let &[flags, r0, r1, r2, v0, v1, v2, r3] =
        cursor.header::<HEADER_BYTES>(DropReason::VxlanTruncated, DropReason::VxlanTruncated)?;
    let next = match (flags, [r0, r1, r2]) {
        (VALID_NETWORK, [0, 0, 0]) | (VALID_NETWORK_AND_GROUP, _) => Next::InnerEthernet,
        (VALID_NETWORK_AND_TYPE, [0, 0, 1]) => Next::Ipv4,
        (VALID_NETWORK_AND_TYPE, [0, 0, 2]) => Next::Ipv6,
        (VALID_NETWORK_AND_TYPE, [0, 0, 3]) => Next::InnerEthernet,
        _ => return Ok(Next::Done),
    };
    if r3 != 0 {
        return Ok(Next::Done);
    }
    cursor.advance(HEADER_BYTES, DropReason::VxlanTruncated, DropReason::VxlanTruncated)?;
    decoded.enter_tunnel(TunnelKind::Vxlan, Some(u32::from_be_bytes([0, v0, v1, v2])));
    Ok(next)
}

const HEADER_BYTES: usize = 8;
const VALID_NETWORK: u8 = 0x08;
const VALID_NETWORK_AND_GROUP: u8 = 0x88;
const VALID_NETWORK_AND_TYPE: u8 = 0x0c;
