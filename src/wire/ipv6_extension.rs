// SPDX-License-Identifier: Apache-2.0
//! The IPv6 extension headers that share one layout (hop-by-hop, routing, destination options: RFC 8200; mobility: RFC
//! 6275; HIP: RFC 7401; shim6: RFC 5533), and the fragment header. Options and routes are stepped over: addresses are
//! those of the fixed header. The order of extension headers is not checked.

use super::cursor::Cursor;
use super::decode::enter_protocol;
use super::decoded::{Decoded, FragmentInfo, IpVersion, Transport};
use super::drop_reason::DropReason;
use super::next::Next;

/// Next header, length in units of eight bytes without the first eight, contents.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[next_header, length] = cursor.header(DropReason::Ipv6ExtensionTruncated, DropReason::Ipv6ExtensionInvalid)?;
    let header_bytes = (usize::from(length) + 1) * 8;
    cursor.advance(header_bytes, DropReason::Ipv6ExtensionTruncated, DropReason::Ipv6ExtensionInvalid)?;
    Ok(enter_protocol(decoded, IpVersion::V6, next_header))
}

/// Next header, reserved, offset and more-fragments bit (2), identification (4): RFC 8200, section 4.5.
pub(super) fn decode_fragment(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[next_header, _, place_0, place_1, id_0, id_1, id_2, id_3] =
        cursor.header::<FRAGMENT_HEADER_BYTES>(DropReason::Ipv6ExtensionTruncated, DropReason::Ipv6ExtensionInvalid)?;
    cursor.advance(FRAGMENT_HEADER_BYTES, DropReason::Ipv6ExtensionTruncated, DropReason::Ipv6ExtensionInvalid)?;
    let next = enter_protocol(decoded, IpVersion::V6, next_header);
    let place = u16::from_be_bytes([place_0, place_1]);
    let offset_bytes = place & OFFSET_BYTES_MASK;
    let more = place & MORE_FRAGMENTS != 0;
    // An atomic fragment is a whole datagram (RFC 6946).
    if offset_bytes == 0 && !more {
        return Ok(next);
    }
    if usize::from(offset_bytes) + cursor.remaining() > DATAGRAM_MAXIMUM_BYTES {
        return Err(DropReason::Ipv6FragmentInvalid);
    }
    decoded.transport = Transport::Fragment(FragmentInfo {
        identification: u32::from_be_bytes([id_0, id_1, id_2, id_3]),
        offset_bytes: u32::from(offset_bytes),
        more,
        protocol: next_header,
    });
    Ok(Next::Payload)
}

const FRAGMENT_HEADER_BYTES: usize = 8;
/// The offset is in units of eight bytes and stands three bits to the left.
const OFFSET_BYTES_MASK: u16 = 0xfff8;
const MORE_FRAGMENTS: u16 = 1;
const DATAGRAM_MAXIMUM_BYTES: usize = 65_535;
