// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin a MongoDB message: its header (MongoDB wire protocol, "Standard Message Header").

use crate::protocols::detect::{Carried, Recognition};

const OP_REPLY: u32 = 1;
const OP_QUERY: u32 = 2004;
const OP_COMPRESSED: u32 = 2012;
const OP_MSG: u32 = 2013;
const HEADER_BYTES: u32 = 16;
/// Servers refuse a longer message.
const LONGEST_BYTES: u32 = 48_000_000;

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    if carried == Carried::Datagram {
        return Recognition::No;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else { return Recognition::Undecided };
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (length, response_to, opcode) = (number(0), number(8), number(12));
    if !(HEADER_BYTES + 5..=LONGEST_BYTES).contains(&length) {
        return Recognition::No;
    }
    let sender = if response_to == 0 { Recognition::Client } else { Recognition::Server };
    match opcode {
        OP_QUERY => Recognition::Client,
        OP_REPLY if response_to != 0 => Recognition::Server,
        OP_COMPRESSED => sender,
        // Of the flag bits only three are in use.
        OP_MSG => match rest.split_first_chunk::<4>() {
            Some((flags, _)) if u32::from_le_bytes(*flags) & !0x1_0003 == 0 => sender,
            Some(_) => Recognition::No,
            None => Recognition::Undecided,
        },
        _ => Recognition::No,
    }
}
