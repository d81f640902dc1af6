// SPDX-License-Identifier: Apache-2.0
//! IPv4 (RFC 791). Options are stepped over. The checksum is not verified.

use super::address::{AddressPair, IpAddress};
use super::cursor::Cursor;
use super::decode::enter_protocol;
use super::decoded::{Decoded, FragmentInfo, IpVersion, Network, Transport};
use super::drop_reason::DropReason;
use super::next::Next;

#[inline]
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let header = cursor.header::<FIXED_BYTES>(DropReason::Ipv4HeaderTruncated, DropReason::Ipv4LengthInvalid)?;
    // A byte of version and header length, type of service, total length, identification, flags and fragment offset,
    // time to live, protocol, checksum, addresses.
    let &[
        first,
        _,
        length_0,
        length_1,
        id_0,
        id_1,
        place_0,
        place_1,
        _,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = header;
    if first >> 4 != 4 {
        return Err(DropReason::Ipv4VersionInvalid);
    }
    let header_bytes = usize::from(first & 0x0f) * 4;
    let total_bytes = usize::from(u16::from_be_bytes([length_0, length_1]));
    if header_bytes < FIXED_BYTES {
        return Err(DropReason::Ipv4HeaderLengthInvalid);
    }
    // Zero when the sender's NIC segments: the frame's length is the only one there is.
    if total_bytes != 0 {
        if total_bytes < header_bytes {
            return Err(DropReason::Ipv4LengthInvalid);
        }
        cursor.limit(total_bytes);
    }
    cursor.advance(header_bytes, DropReason::Ipv4HeaderTruncated, DropReason::Ipv4HeaderLengthInvalid)?;
    decoded.enter_network(Network {
        addresses: AddressPair {
            source: IpAddress::from_ipv4([s0, s1, s2, s3]),
            destination: IpAddress::from_ipv4([d0, d1, d2, d3]),
        },
        version: IpVersion::V4,
        protocol,
    });
    let place = u16::from_be_bytes([place_0, place_1]);
    if place & (MORE_FRAGMENTS | FRAGMENT_OFFSET_MASK) == 0 {
        return Ok(enter_protocol(decoded, IpVersion::V4, protocol));
    }
    let offset_bytes = u32::from(place & FRAGMENT_OFFSET_MASK) * 8;
    if offset_bytes as usize + total_bytes > DATAGRAM_MAXIMUM_BYTES {
        return Err(DropReason::Ipv4FragmentInvalid);
    }
    decoded.transport = Transport::Fragment(FragmentInfo {
        identification: u32::from(u16::from_be_bytes([id_0, id_1])),
        offset_bytes,
        more: place & MORE_FRAGMENTS != 0,
        protocol,
    });
    Ok(Next::Payload)
}

const FIXED_BYTES: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
/// In units of eight bytes.
const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;
const DATAGRAM_MAXIMUM_BYTES: usize = 65_535;
