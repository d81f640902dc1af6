// SPDX-License-Identifier: Apache-2.0
//! Where a message ends.

use memchr::memchr;

/// A line may have so many bytes; what is longer is no message.
pub const LONGEST_BYTES: usize = 65_535;

/// What stands at the beginning of a stream's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A line of so many bytes, its end included.
    Line(usize),
    /// Its end is not there yet.
    Unfinished,
    TooLong,
}

/// Looks for the end of a line. The first `searched` bytes are known to have none.
pub fn line(bytes: &[u8], searched: usize) -> Found {
    let rest = bytes.get(searched..).unwrap_or_default();
    match memchr(b'\n', rest) {
        Some(end) if searched + end < LONGEST_BYTES => Found::Line(searched + end + 1),
        None if bytes.len() < LONGEST_BYTES => Found::Unfinished,
        _ => Found::TooLong,
    }
}
