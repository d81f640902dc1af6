// SPDX-License-Identifier: Apache-2.0
//! GRE (RFC 2784, key and sequence number of RFC 2890), and its enhanced form with PPP (RFC 2637, PPTP). The type of the
//! contents also leads to ERSPAN, which is a header of its own.
//!
//! Limits: routing of RFC 1701 is not followed; the key of NVGRE (RFC 7637) counts as a whole, flow number included.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::ppp;
use super::tunnel::{TunnelKind, Tunneling};

/// Flags and version (2), type of the contents (2), then as the flags say checksum, key, sequence number, acknowledgement.
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    decoded: &mut Decoded,
    tunneling: &Tunneling,
) -> Result<Next, DropReason> {
    let unopened = Next::OtherTransport(PROTOCOL);
    let &[flags_0, flags_1, type_0, type_1] =
        cursor.header::<FIXED_BYTES>(DropReason::GreTruncated, DropReason::GreInvalid)?;
    let flags = u16::from_be_bytes([flags_0, flags_1]);
    let contents = u16::from_be_bytes([type_0, type_1]);
    let pptp = match flags & VERSION_MASK {
        0 => false,
        1 if contents == TYPE_PPP => true,
        _ => return Ok(unopened),
    };
    let next = match (contents, flags & SEQUENCE != 0) {
        (TYPE_PPP, _) => Next::Payload,
        // Without a sequence number there is no ERSPAN header either: type I.
        (TYPE_ERSPAN_1_OR_2, false) => Next::InnerEthernet,
        (TYPE_ERSPAN_1_OR_2, true) => Next::Erspan2,
        (TYPE_ERSPAN_3, _) => Next::Erspan3,
        _ => Next::from_tunnel_protocol(contents),
    };
    let erspan = matches!(contents, TYPE_ERSPAN_1_OR_2 | TYPE_ERSPAN_3);
    let kind = match (pptp, erspan) {
        (true, _) => TunnelKind::Pptp,
        (_, true) => TunnelKind::Erspan,
        _ => TunnelKind::Gre,
    };
    let unknown = next == Next::Payload && !pptp;
    if flags & ROUTING != 0 || unknown || !tunneling.admits(kind, &decoded.tunnels) {
        return Ok(unopened);
    }
    let mut cursor_after = cursor.clone();
    let mut key = None;
    cursor_after.advance(FIXED_BYTES, DropReason::GreTruncated, DropReason::GreInvalid)?;
    for (flag, is_key) in [(CHECKSUM, false), (KEY, true), (SEQUENCE, false), (ACKNOWLEDGEMENT, false)] {
        if flags & flag == 0 || flag == ACKNOWLEDGEMENT && !pptp {
            continue;
        }
        let word = cursor_after.header::<4>(DropReason::GreTruncated, DropReason::GreInvalid)?;
        cursor_after.advance(4, DropReason::GreTruncated, DropReason::GreInvalid)?;
        key = if is_key { Some(u32::from_be_bytes(*word)) } else { key };
    }
    if pptp {
        // The upper half of the key is the length of the contents.
        let Some(next) = ppp::decode(&mut cursor_after)? else { return Ok(unopened) };
        *cursor = cursor_after;
        decoded.enter_tunnel(TunnelKind::Pptp, key.map(|key| key & 0xffff));
        return Ok(next);
    }
    *cursor = cursor_after;
    match next {
        // They note their session themselves.
        Next::Erspan2 | Next::Erspan3 => {}
        _ => decoded.enter_tunnel(kind, key),
    }
    Ok(next)
}

/// IANA protocol number.
const PROTOCOL: u8 = 47;
const FIXED_BYTES: usize = 4;
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION_MASK: u16 = 0x0007;
const TYPE_PPP: u16 = 0x880b;
const TYPE_ERSPAN_1_OR_2: u16 = 0x88be;
const TYPE_ERSPAN_3: u16 = 0x22eb;
