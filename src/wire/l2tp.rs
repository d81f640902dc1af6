// SPDX-License-Identifier: Apache-2.0
//! L2TP: data messages of version 2, which carry PPP in UDP (RFC 2661), and of version 3, in IP or UDP (RFC 3931), that carry
//! Ethernet.
//!
//! Limit: of version 3 the control connection alone knows how long cookie and sublayer header are, and what a session carries.
//! Here a frame must be recognised: Ethernet with IP of a length that fits, or ARP, behind one of the possible lengths.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::{TunnelKind, Tunneling};
use super::{ethernet, ppp};

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
    if flags & !RESERVED_3 == VERSION_3 {
        // The rest of the word is reserved.
        inside.advance(2, DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
        let next = session_3(&mut inside, decoded)?.unwrap_or(Next::Done);
        if next != Next::Done {
            *cursor = inside;
        }
        return Ok(next);
    }
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

/// Version 3 in IP: a session, and what is behind it.
pub(super) fn decode_in_ip(
    cursor: &mut Cursor<'_>,
    decoded: &mut Decoded,
    tunneling: &Tunneling,
) -> Result<Next, DropReason> {
    let mut inside = cursor.clone();
    if tunneling.admits(TunnelKind::L2tp, &decoded.tunnels)
        && inside.remaining() >= SESSION_BYTES
        && let Some(next) = session_3(&mut inside, decoded)?
    {
        *cursor = inside;
        return Ok(next);
    }
    Ok(Next::OtherTransport(PROTOCOL))
}

/// Moves to the frame of a session. None when none is recognised; session 0 is the control connection.
fn session_3(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Option<Next>, DropReason> {
    let &session = cursor.header::<SESSION_BYTES>(DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
    cursor.advance(SESSION_BYTES, DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
    let session = u32::from_be_bytes(session);
    if session == 0 {
        return Ok(None);
    }
    let (bytes, stated) = (cursor.rest(), cursor.remaining());
    if bytes.len() < JUDGED_BYTES.min(stated) {
        return Err(DropReason::L2tpTruncated);
    }
    let is_frame =
        |place: &usize| bytes.get(*place..).is_some_and(|bytes| ethernet::is_plausible(bytes, stated - place));
    // The nearest first: a frame with a tag looks like one without that begins four bytes later.
    let Some(place) = [0, 4, 8, 12].into_iter().find(is_frame) else { return Ok(None) };
    cursor.advance(place, DropReason::L2tpTruncated, DropReason::L2tpInvalid)?;
    decoded.enter_tunnel(TunnelKind::L2tp, Some(session));
    Ok(Some(Next::InnerEthernet))
}

/// IANA protocol number.
const PROTOCOL: u8 = 115;
const SESSION_BYTES: usize = 4;
/// Cookie, sublayer header, and of the frame what is judged.
const JUDGED_BYTES: usize = 12 + ethernet::JUDGED_BYTES;
const VERSION_3: u16 = 3;
const RESERVED_3: u16 = 0x7ff0;
/// Flags, tunnel and session.
const LEAST_BYTES: usize = 6;
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const RESERVED: u16 = 0x34f0;
const VERSION_MASK: u16 = 0x000f;
const VERSION_2: u16 = 2;
