// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin a TLS handshake: a record (RFC 8446, section 5.1) with a hello of either end, or an alert.

use crate::protocols::detect::{Carried, Recognition};

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    match (carried, bytes) {
        (Carried::Stream, [22, 3, 0..=4, high, low, hello, high_24, ..])
            if (4..=16_384 + 256).contains(&u16::from_be_bytes([*high, *low])) && *high_24 == 0 =>
        {
            match hello {
                1 => Recognition::Client,
                2 => Recognition::Server,
                _ => Recognition::No,
            }
        }
        // A server that cannot read what it was sent says no more than an alert.
        (Carried::Stream, [21, 3, 0..=4, 0, 2, 1 | 2, _]) => Recognition::Server,
        (Carried::Stream, [21] | [21, 3] | [21, 3, 0..=4] | [21, 3, 0..=4, 0] | [21, 3, 0..=4, 0, 2, ..])
            if bytes.len() < 7 =>
        {
            Recognition::Undecided
        }
        (Carried::Stream, [] | [22] | [22, 3] | [22, 3, 0..=4] | [22, 3, 0..=4, _] | [22, 3, 0..=4, _, _]) => {
            Recognition::Undecided
        }
        (Carried::Stream, [22, 3, 0..=4, _, _, 1 | 2]) => Recognition::Undecided,
        _ => Recognition::No,
    }
}
