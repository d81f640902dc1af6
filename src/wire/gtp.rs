// SPDX-License-Identifier: Apache-2.0
//! GTP-U version 1 (3GPP TS 29.281), user data alone. Its IP packet has no type: the version tells. Extension headers are
//! stepped over.

use super::cursor::Cursor;
use super::decoded::Decoded;
use super::drop_reason::DropReason;
use super::next::Next;
use super::tunnel::TunnelKind;

/// Flags, message type, length behind the eighth byte (2), tunnel endpoint identifier (4), and with any of three flags sequence
/// number (2), N-PDU number, type of the first extension header. [`Next::Done`] when it is something else.
pub(super) fn decode(cursor: &mut Cursor<'_>, decoded: &mut Decoded) -> Result<Next, DropReason> {
    if cursor.remaining() < FIXED_BYTES {
        return Ok(Next::Done);
    }
    let &[flags, message, length_0, length_1, t0, t1, t2, t3] =
        cursor.header::<FIXED_BYTES>(DropReason::GtpTruncated, DropReason::GtpInvalid)?;
    let length = usize::from(u16::from_be_bytes([length_0, length_1]));
    let fits = FIXED_BYTES + length <= cursor.remaining();
    if flags & VERSION_AND_TYPE_MASK != VERSION_1_GTP || message != USER_DATA || !fits {
        return Ok(Next::Done);
    }
    let mut inside = cursor.clone();
    inside.advance(FIXED_BYTES, DropReason::GtpTruncated, DropReason::GtpInvalid)?;
    inside.limit(length);
    if flags & ANY_OPTION != 0 {
        let &[_, _, _, mut extension] =
            inside.header::<OPTION_BYTES>(DropReason::GtpTruncated, DropReason::GtpInvalid)?;
        inside.advance(OPTION_BYTES, DropReason::GtpTruncated, DropReason::GtpInvalid)?;
        for _ in 0..EXTENSIONS_MAXIMUM {
            if flags & EXTENSION == 0 || extension == 0 {
                break;
            }
            // Length in units of four bytes, contents, type of the next one.
            let &[units] = inside.header(DropReason::GtpTruncated, DropReason::GtpInvalid)?;
            let last = (usize::from(units) * 4).checked_sub(1).ok_or(DropReason::GtpInvalid)?;
            inside.advance(last, DropReason::GtpTruncated, DropReason::GtpInvalid)?;
            let &[next] = inside.header(DropReason::GtpTruncated, DropReason::GtpInvalid)?;
            inside.advance(1, DropReason::GtpTruncated, DropReason::GtpInvalid)?;
            extension = next;
        }
        if flags & EXTENSION != 0 && extension != 0 {
            return Err(DropReason::GtpInvalid);
        }
    }
    if inside.remaining() == 0 {
        return Ok(Next::Done);
    }
    let &[first] = inside.header(DropReason::GtpTruncated, DropReason::GtpInvalid)?;
    let next = match first >> 4 {
        4 => Next::Ipv4,
        6 => Next::Ipv6,
        // Ethernet and unstructured sessions (5G) cannot be told apart.
        _ => return Ok(Next::Done),
    };
    *cursor = inside;
    decoded.enter_tunnel(TunnelKind::GtpU, Some(u32::from_be_bytes([t0, t1, t2, t3])));
    Ok(next)
}

const FIXED_BYTES: usize = 8;
const OPTION_BYTES: usize = 4;
/// Version, and GTP rather than GTP'.
const VERSION_AND_TYPE_MASK: u8 = 0xf0;
const VERSION_1_GTP: u8 = 0x30;
const USER_DATA: u8 = 255;
const ANY_OPTION: u8 = 0x07;
const EXTENSION: u8 = 0x04;
const EXTENSIONS_MAXIMUM: usize = 8;
