// SPDX-License-Identifier: Apache-2.0
//! Whether bytes are a DNS message (RFC 1035, section 4.1): one question, a name that is well formed, a class that exists.

use crate::protocols::detect::{Carried, Recognition};

const HEADER_BYTES: usize = 12;

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    match carried {
        Carried::Datagram => message(bytes, Recognition::No),
        Carried::Stream => {
            // RFC 1035, section 4.2.2: a length comes first.
            let [high, low, message_bytes @ ..] = bytes else { return Recognition::Undecided };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length < HEADER_BYTES + 5 {
                return Recognition::No;
            }
            message(&message_bytes[..message_bytes.len().min(length)], Recognition::Undecided)
        }
    }
}

/// `short` is the answer when the bytes end too early.
fn message(bytes: &[u8], short: Recognition) -> Recognition {
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER_BYTES) else { return short };
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let opcode = header[2] >> 3 & 15;
    let query = header[2] & 0x80 == 0;
    // A plain query has no answers and no response code; reserved bits are zero, opcodes those of RFC 6895.
    let answered_query = query && opcode == 0 && (count(6) > 0 || header[3] & 15 > 0);
    if opcode > 6 || opcode == 3 || header[3] & 0x40 != 0 || count(4) != 1 || answered_query {
        return Recognition::No;
    }
    loop {
        let Some((&length, after)) = rest.split_first() else { return short };
        rest = after;
        if length == 0 {
            break;
        }
        // RFC 1035, section 2.3.4; the first name of a message has nothing to point back to.
        if length > 63 || bytes.len() - rest.len() > HEADER_BYTES + 256 {
            return Recognition::No;
        }
        let Some(after) = rest.get(usize::from(length)..) else { return short };
        rest = after;
    }
    let [_, _, class_high, class, ..] = rest else { return short };
    match (class_high & 0x7f, class, query) {
        (0, 1 | 3 | 4 | 254 | 255, true) => Recognition::Client,
        (0, 1 | 3 | 4 | 254 | 255, false) => Recognition::Server,
        _ => Recognition::No,
    }
}
