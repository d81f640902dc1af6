// SPDX-License-Identifier: Apache-2.0
//! PPPoE sessions (RFC 2516). Discovery has an EtherType of its own and no user data.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::ppp;
use super::tunnel::{TunnelKind, Tunneling};

/// Version and type, code, session (2), length (2), then PPP.
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    decoded: &mut Decoded,
    tunneling: &Tunneling,
) -> Result<Next, DropReason> {
    if !tunneling.admits(TunnelKind::Pppoe, &decoded.tunnels) {
        return Ok(Next::Payload);
    }
    let &[version, code, session_0, session_1, length_0, length_1] =
        cursor.header::<HEADER_BYTES>(DropReason::PppoeTruncated, DropReason::PppoeInvalid)?;
    if version != VERSION_1_TYPE_1 || code != SESSION_DATA {
        return Ok(Next::Payload);
    }
    let mut inside = cursor.clone();
    inside.advance(HEADER_BYTES, DropReason::PppoeTruncated, DropReason::PppoeInvalid)?;
    inside.limit(usize::from(u16::from_be_bytes([length_0, length_1])));
    // Negotiation and keepalives of PPP are frames without IP.
    let Some(next) = ppp::decode(&mut inside)? else { return Ok(Next::Payload) };
    *cursor = inside;
    decoded.enter_tunnel(TunnelKind::Pppoe, Some(u32::from(u16::from_be_bytes([session_0, session_1]))));
    Ok(next)
}

const HEADER_BYTES: usize = 6;
const VERSION_1_TYPE_1: u8 = 0x11;
const SESSION_DATA: u8 = 0;
