// SPDX-License-Identifier: Apache-2.0
//! MPLS label stacks (RFC 3032) and what they carry: IP, or Ethernet with or without a control word (RFC 4448). Nothing says
//! which; the first bytes are judged as RFC 4928 and RFC 7325 describe.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::{TunnelKind, Tunneling};

/// Words of label (20 bits), traffic class (3), bottom of the stack (1) and time to live (8).
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    decoded: &mut Decoded,
    tunneling: &Tunneling,
) -> Result<Next, DropReason> {
    if !tunneling.admits(TunnelKind::Mpls, &decoded.tunnels) {
        return Ok(Next::Payload);
    }
    let mut inside = cursor.clone();
    let mut bottom = None;
    for _ in 0..LABELS_MAXIMUM {
        let word = inside.header::<LABEL_BYTES>(DropReason::MplsTruncated, DropReason::MplsInvalid)?;
        inside.advance(LABEL_BYTES, DropReason::MplsTruncated, DropReason::MplsInvalid)?;
        let word = u32::from_be_bytes(*word);
        if word & BOTTOM != 0 {
            bottom = Some(word >> LABEL_SHIFT);
            break;
        }
    }
    let label = bottom.ok_or(DropReason::MplsInvalid)?;
    let (next, control_word_bytes) = contents(&inside)?;
    if next == Next::Payload {
        return Ok(Next::Payload);
    }
    inside.advance(control_word_bytes, DropReason::MplsTruncated, DropReason::MplsInvalid)?;
    *cursor = inside;
    decoded.enter_tunnel(TunnelKind::Mpls, Some(label));
    Ok(next)
}

/// What begins here, and how many bytes of control word are before it.
fn contents(cursor: &Cursor<'_>) -> Result<(Next, usize), DropReason> {
    let stated = cursor.remaining();
    let bytes = cursor.rest();
    let at = |place: usize| bytes.get(place..place + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    // A cut capture does not show enough to judge.
    let wanted = JUDGED_BYTES.min(stated);
    if bytes.len() < wanted {
        return Err(DropReason::MplsTruncated);
    }
    let Some(first) = bytes.first() else { return Ok((Next::Payload, 0)) };
    let word = |place: usize| at(place).map_or(usize::MAX, usize::from);
    match first >> 4 {
        4 if first & 0x0f >= 5 && word(2) <= stated => return Ok((Next::Ipv4, 0)),
        6 if word(4).saturating_add(IPV6_BYTES) <= stated => return Ok((Next::Ipv6, 0)),
        _ => {}
    }
    let known = |type_place: usize| at(type_place).is_some_and(is_known_type);
    if first >> 4 == 0 && known(TYPE_PLACE + CONTROL_WORD_BYTES) {
        return Ok((Next::InnerEthernet, CONTROL_WORD_BYTES));
    }
    Ok(match known(TYPE_PLACE) {
        true => (Next::InnerEthernet, 0),
        // A length instead of a type: spanning tree and the like.
        false if first >> 4 == 0 && at(TYPE_PLACE + CONTROL_WORD_BYTES).is_some_and(|length| length <= 1500) => {
            (Next::InnerEthernet, CONTROL_WORD_BYTES)
        }
        false => (Next::Payload, 0),
    })
}

/// An EtherType that is no coincidence.
fn is_known_type(value: u16) -> bool {
    Next::from_ethertype(value) != Next::Payload || value == ARP
}

const LABEL_BYTES: usize = 4;
const LABEL_SHIFT: u32 = 12;
const BOTTOM: u32 = 0x100;
const LABELS_MAXIMUM: usize = 16;
const CONTROL_WORD_BYTES: usize = 4;
const IPV6_BYTES: usize = 40;
/// Where the type of an Ethernet frame is.
const TYPE_PLACE: usize = 12;
const JUDGED_BYTES: usize = TYPE_PLACE + CONTROL_WORD_BYTES + 2;
const ARP: u16 = 0x0806;
