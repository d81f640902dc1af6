// SPDX-License-Identifier: Apache-2.0
//! The fixed IPv6 header (RFC 8200, section 3).

use super::address::AddressPair;
use super::cursor::Cursor;
use super::decode::enter_protocol;
use super::decoded::{Decoded, IpVersion, Network};
use super::drop_reason::DropReason;
use super::next::Next;

pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let header = cursor.header::<HEADER_BYTES>(DropReason::Ipv6HeaderTruncated, DropReason::Ipv6LengthInvalid)?;
    // Version, traffic class and flow label (4), payload length, next header, hop limit, addresses.
    let &[first, _, _, _, length_0, length_1, next_header, _, ref addresses @ ..] = header;
    if first >> 4 != 6 {
        return Err(DropReason::Ipv6VersionInvalid);
    }
    cursor.advance(HEADER_BYTES, DropReason::Ipv6HeaderTruncated, DropReason::Ipv6LengthInvalid)?;
    let payload_bytes = usize::from(u16::from_be_bytes([length_0, length_1]));
    // Zero in jumbograms (RFC 2675) and when the sender's NIC segments: the frame's length is the only one there is.
    if payload_bytes != 0 || next_header == NO_NEXT_HEADER {
        cursor.limit(payload_bytes);
    }
    let addresses: AddressPair = bytemuck::cast(*addresses);
    decoded.enter_network(Network { addresses, version: IpVersion::V6, protocol: next_header });
    Ok(enter_protocol(decoded, IpVersion::V6, next_header))
}

const HEADER_BYTES: usize = 40;
const NO_NEXT_HEADER: u8 = 59;
