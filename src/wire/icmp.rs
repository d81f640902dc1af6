// SPDX-License-Identifier: Apache-2.0
//! The common start of ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: type, code, checksum. The body, which begins with
//! identifier and sequence number in an echo message, is the payload.

use super::cursor::Cursor;
use super::decoded::{Decoded, Transport};
use super::drop_reason::DropReason;
use super::next::Next;

/// `which` is [`Next::Icmp6`] for ICMPv6.
#[inline]
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded, which: Next) -> Result<Next, DropReason> {
    let &[kind, code, _, _] =
        cursor.header::<HEADER_BYTES>(DropReason::IcmpTruncated, DropReason::IcmpLengthInvalid)?;
    cursor.advance(HEADER_BYTES, DropReason::IcmpTruncated, DropReason::IcmpLengthInvalid)?;
    decoded.transport = match which {
        Next::Icmp6 => Transport::Icmp6 { kind, code },
        _ => Transport::Icmp { kind, code },
    };
    Ok(Next::Payload)
}

const HEADER_BYTES: usize = 4;
