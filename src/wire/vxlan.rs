// SPDX-License-Identifier: Apache-2.0
//! VXLAN (RFC 7348), also with the group policy extension (draft-smith-vxlan-group-policy): an Ethernet frame in UDP.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::TunnelKind;

/// Flags, reserved or group (3), VXLAN network identifier (3), reserved. [`Next::Done`] when it is something else on the port.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    if cursor.remaining() < HEADER_BYTES {
        return Ok(Next::Done);
    }
    let &[flags, r0, r1, r2, v0, v1, v2, r3] =
        cursor.header::<HEADER_BYTES>(DropReason::VxlanTruncated, DropReason::VxlanTruncated)?;
    let group = flags & GROUP_POLICY != 0;
    if flags & !GROUP_POLICY != VALID_NETWORK || r3 != 0 || !group && [r0, r1, r2] != [0; 3] {
        return Ok(Next::Done);
    }
    cursor.advance(HEADER_BYTES, DropReason::VxlanTruncated, DropReason::VxlanTruncated)?;
    decoded.enter_tunnel(TunnelKind::Vxlan, Some(u32::from_be_bytes([0, v0, v1, v2])));
    Ok(Next::InnerEthernet)
}

const HEADER_BYTES: usize = 8;
const VALID_NETWORK: u8 = 0x08;
const GROUP_POLICY: u8 = 0x80;
