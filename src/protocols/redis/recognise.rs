// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin a Redis connection: a command as an array of bulk strings (RESP specification).

use crate::protocols::detect::{Carried, Recognition};

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    if carried == Carried::Datagram {
        return Recognition::No;
    }
    // *COUNT CR LF $LENGTH CR LF
    match number(bytes, b'*') {
        Number::Whole(rest) => match number(rest, b'$') {
            Number::Whole(_) => Recognition::Client,
            Number::Short => Recognition::Undecided,
            Number::No => Recognition::No,
        },
        Number::Short => Recognition::Undecided,
        Number::No => Recognition::No,
    }
}

enum Number<'a> {
    /// And what stands behind it.
    Whole(&'a [u8]),
    Short,
    No,
}

/// A mark, 1 to 9 digits, CR LF.
fn number(bytes: &[u8], mark: u8) -> Number<'_> {
    match bytes.split_first() {
        None => return Number::Short,
        Some((first, _)) if *first != mark => return Number::No,
        _ => {}
    }
    let digits = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (&bytes[1 + digits..], digits) {
        (_, 10..) => Number::No,
        ([b'\r', b'\n', rest @ ..], 1..) => Number::Whole(rest),
        ([b'\r'], 1..) | ([], _) => Number::Short,
        _ => Number::No,
    }
}
