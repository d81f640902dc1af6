// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin a MySQL connection: the server's greeting, HandshakeV10 (MySQL's protocol documentation).

use memchr::memchr;

use crate::protocols::detect::{Carried, Recognition};

/// `5.5.5-10.11.19-MariaDB-…` and longer.
const LONGEST_VERSION_BYTES: usize = 128;

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    match (carried, bytes) {
        (Carried::Stream, [length, _, 0, 0, 10, version @ ..]) if *length >= 40 => match memchr(0, version) {
            Some(end @ 1..LONGEST_VERSION_BYTES)
                if version[0].is_ascii_digit() && version[..end].iter().all(u8::is_ascii_graphic) =>
            {
                Recognition::Server
            }
            None if version.len() < LONGEST_VERSION_BYTES && version.iter().all(u8::is_ascii_graphic) => {
                Recognition::Undecided
            }
            _ => Recognition::No,
        },
        (Carried::Stream, [] | [_] | [_, _] | [_, _, 0] | [_, _, 0, 0]) => Recognition::Undecided,
        _ => Recognition::No,
    }
}
