// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin a PostgreSQL connection: a start-up packet (PostgreSQL documentation, section 53.7).

use crate::protocols::detect::{Carried, Recognition};

const VERSION_3: u32 = 3 << 16;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSAPI_REQUEST: u32 = 80_877_104;
/// Servers refuse a longer start-up packet.
const LONGEST_BYTES: u32 = 10_000;

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    if carried == Carried::Datagram {
        return Recognition::No;
    }
    let Some((head, _)) = bytes.split_first_chunk::<8>() else {
        // The length's first half is zero in all of them.
        let plausible = bytes.iter().take(2).all(|byte| *byte == 0);
        return if plausible { Recognition::Undecided } else { Recognition::No };
    };
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    match u32::from_be_bytes([head[4], head[5], head[6], head[7]]) {
        SSL_REQUEST | GSSAPI_REQUEST if length == 8 => Recognition::Client,
        CANCEL_REQUEST if length == 16 => Recognition::Client,
        // 3.0, and 3.2 since PostgreSQL 18.
        VERSION_3..=0x0003_00ff if (9..=LONGEST_BYTES).contains(&length) => Recognition::Client,
        _ => Recognition::No,
    }
}
