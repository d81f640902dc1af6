// SPDX-License-Identifier: Apache-2.0
//! Geneve (RFC 8926): Ethernet or IP in UDP. Options are stepped over.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::TunnelKind;

/// Version and length of options, flags, type of the contents (2), virtual network identifier (3), reserved.
/// [`Next::Done`] when it is something else on the port, or a control message.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    if cursor.remaining() < FIXED_BYTES {
        return Ok(Next::Done);
    }
    let &[version, flags, type_0, type_1, v0, v1, v2, _] =
        cursor.header::<FIXED_BYTES>(DropReason::GeneveTruncated, DropReason::GeneveInvalid)?;
    let next = Next::from_tunnel_protocol(u16::from_be_bytes([type_0, type_1]));
    if version >> 6 != 0 || flags & (CONTROL | RESERVED) != 0 || next == Next::Payload {
        return Ok(Next::Done);
    }
    let header_bytes = FIXED_BYTES + usize::from(version & OPTIONS_MASK) * 4;
    cursor.advance(header_bytes, DropReason::GeneveTruncated, DropReason::GeneveInvalid)?;
    decoded.enter_tunnel(TunnelKind::Geneve, Some(u32::from_be_bytes([0, v0, v1, v2])));
    Ok(next)
}

const FIXED_BYTES: usize = 8;
/// In units of four bytes.
const OPTIONS_MASK: u8 = 0x3f;
const CONTROL: u8 = 0x80;
const RESERVED: u8 = 0x3f;
