// SPDX-License-Identifier: Apache-2.0
//! PPP (RFC 1661), with or without address and control (RFC 1662), its protocol field in two bytes or compressed to one.

use super::cursor::Cursor;
use super::drop_reason::DropReason;
use super::next::Next;

/// Moves to what PPP carries. None, without moving, when that is not IP or MPLS.
pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Option<Next>, DropReason> {
    let mut inside = cursor.clone();
    if inside.remaining() >= 2
        && *inside.header::<2>(DropReason::PppTruncated, DropReason::PppInvalid)? == ADDRESS_AND_CONTROL
    {
        inside.advance(2, DropReason::PppTruncated, DropReason::PppInvalid)?;
    }
    let &[first] = inside.header(DropReason::PppTruncated, DropReason::PppInvalid)?;
    // The last byte of a protocol number is odd, the one before it even.
    let (protocol, bytes) = match first & 1 {
        1 => (u16::from(first), 1),
        _ => (u16::from_be_bytes(*inside.header(DropReason::PppTruncated, DropReason::PppInvalid)?), 2),
    };
    inside.advance(bytes, DropReason::PppTruncated, DropReason::PppInvalid)?;
    let next = match protocol {
        PROTOCOL_IPV4 => Next::Ipv4,
        PROTOCOL_IPV6 => Next::Ipv6,
        PROTOCOL_MPLS | PROTOCOL_MPLS_MULTICAST => Next::Mpls,
        _ => return Ok(None),
    };
    *cursor = inside;
    Ok(Some(next))
}

const ADDRESS_AND_CONTROL: [u8; 2] = [0xff, 0x03];
const PROTOCOL_IPV4: u16 = 0x0021;
const PROTOCOL_IPV6: u16 = 0x0057;
const PROTOCOL_MPLS: u16 = 0x0281;
const PROTOCOL_MPLS_MULTICAST: u16 = 0x0283;
