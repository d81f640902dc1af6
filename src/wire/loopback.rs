// SPDX-License-Identifier: Apache-2.0
//! BSD loopback (LINKTYPE_NULL, LINKTYPE_LOOP): four bytes of address family, in the byte order of the machine that
//! captured or in network order.

use super::cursor::Cursor;
use super::drop_reason::DropReason;
use super::next::Next;

pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Next, DropReason> {
    let &bytes = cursor.header::<HEADER_BYTES>(DropReason::LoopbackTruncated, DropReason::LoopbackTruncated)?;
    cursor.advance(HEADER_BYTES, DropReason::LoopbackTruncated, DropReason::LoopbackTruncated)?;
    // A family is a small number, so the order in which it is small is the right one.
    let family = u32::from_le_bytes(bytes).min(u32::from_be_bytes(bytes));
    Ok(match family {
        FAMILY_INET => Next::Ipv4,
        FAMILY_INET6_LINUX | FAMILY_INET6_NETBSD_OPENBSD | FAMILY_INET6_FREEBSD | FAMILY_INET6_DARWIN => Next::Ipv6,
        _ => Next::Payload,
    })
}

const HEADER_BYTES: usize = 4;
const FAMILY_INET: u32 = 2;
const FAMILY_INET6_LINUX: u32 = 10;
const FAMILY_INET6_NETBSD_OPENBSD: u32 = 24;
const FAMILY_INET6_FREEBSD: u32 = 28;
const FAMILY_INET6_DARWIN: u32 = 30;
