// SPDX-License-Identifier: Apache-2.0
//! Raw IP (LINKTYPE_RAW, LINKTYPE_IPV4, LINKTYPE_IPV6): no link header, the first four bits tell the version.

use super::cursor::Cursor;
use super::drop_reason::DropReason;
use super::next::Next;

pub(super) fn decode(cursor: &Cursor<'_>) -> Result<Next, DropReason> {
    let &[version_and_more] = cursor.header(DropReason::RawIpTruncated, DropReason::RawIpTruncated)?;
    match version_and_more >> 4 {
        4 => Ok(Next::Ipv4),
        6 => Ok(Next::Ipv6),
        _ => Err(DropReason::IpVersionUnknown),
    }
}
