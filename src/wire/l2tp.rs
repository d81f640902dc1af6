// SPDX-License-Identifier: Apache-2.0
//! L2TP version 2 over UDP (RFC 2661): data messages, which carry PPP.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::ppp;
use super::tunnel::TunnelKind;

/// Flags and version (2), length (2, optional), tunnel (2), session (2), sequence numbers (4, optional), size of padding
/// (2, optional) and padding. [`Next::Done`] for control messages, PPP without IP, and what is no L2TP.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    if cursor.remaining() < LEAST_BYTES {
        return Ok(Next::Done);
    }
    let mut inside = cursor.clone();
    let mut word = || -> Result<u16, DropReason> {
        let &bytes = inside.header::<2>(DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
        inside.advance(2, DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
        Ok(u16::from_be_bytes(bytes))
    };
    let flags = word()?;
    if flags & (CONTROL | RESERVED | VERSION_MASK) != VERSION_2 {
        return Ok(Next::Done);
    }
    let length = if flags & LENGTH != 0 { Some(word()?) } else { None };
    let (tunnel, session) = (word()?, word()?);
    if flags & SEQUENCE != 0 {
        word()?;
        word()?;
    }
    let padding = if flags & OFFSET != 0 { word()? } else { 0 };
    inside.advance(usize::from(padding), DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
    if let Some(length) = length {
        // Counted from the first byte.
        let passed = cursor.remaining().saturating_sub(inside.remaining());
        inside.limit(usize::from(length).checked_sub(passed).ok_or(DropReason::L2tpInvalid)?);
    }
    if inside.remaining() == 0 {
        return Ok(Next::Done);
    }
    let Some(next) = ppp::decode(&mut inside)? else { return Ok(Next::Done) };
    *cursor = inside;
    decoded.enter_tunnel(TunnelKind::L2tp, Some(u32::from(tunnel) << 16 | u32::from(session)));
    Ok(next)
}

/// Flags, tunnel and session.
const LEAST_BYTES: usize = 6;
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const RESERVED: u16 = 0x34f0;
const VERSION_MASK: u16 = 0x000f;
const VERSION_2: u16 = 2;
