// SPDX-License-Identifier: Apache-2.0
//! The IP authentication header (RFC 4302), in IPv4 and IPv6. What it covers is in clear text, so decoding goes on.

use super::cursor::Cursor;
use super::decode::enter_protocol;
use super::decoded::{Decoded, IpVersion};
use super::drop_reason::DropReason;
use super::next::Next;

/// Next header, length in units of four bytes less two, reserved (2), security parameters index (4), sequence number
/// (4), integrity check value.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    let &[next_header, length] =
        cursor.header(DropReason::AuthenticationHeaderTruncated, DropReason::AuthenticationHeaderInvalid)?;
    let header_bytes = (usize::from(length) + 2) * 4;
    if header_bytes < FIXED_BYTES {
        return Err(DropReason::AuthenticationHeaderInvalid);
    }
    cursor.advance(header_bytes, DropReason::AuthenticationHeaderTruncated, DropReason::AuthenticationHeaderInvalid)?;
    let version = decoded.network.map_or(IpVersion::V4, |network| network.version);
    Ok(enter_protocol(decoded, version, next_header))
}

const FIXED_BYTES: usize = 12;
