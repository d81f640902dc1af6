// SPDX-License-Identifier: Apache-2.0
//! Lines of RESP: everything but the bodies of bulk strings is one.

use memchr::memchr;

/// A line that begins the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its text without the line end, and its whole length.
    Found {
        text: &'a [u8],
        length: usize,
    },
    /// Its end is not there.
    Incomplete,
    TooLong,
}

/// Finds the end of lines without looking at any byte twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineScanner {
    scanned: usize,
}

impl LineScanner {
    /// Whether no part of a line was looked at.
    pub fn is_fresh(&self) -> bool {
        self.scanned == 0
    }

    /// The line that begins `bytes`, which after [`Line::Incomplete`] must begin with the same line.
    pub fn line<'a>(&mut self, bytes: &'a [u8], max_bytes: usize) -> Line<'a> {
        let seen = self.scanned.min(bytes.len());
        let window = &bytes[..bytes.len().min(max_bytes)];
        match window.get(seen..).and_then(|fresh| memchr(b'\n', fresh)) {
            Some(position) => {
                self.scanned = 0;
                let end = seen + position;
                let text = &window[..end];
                Line::Found { text: text.strip_suffix(b"\r").unwrap_or(text), length: end + 1 }
            }
            None if bytes.len() >= max_bytes => {
                self.scanned = 0;
                Line::TooLong
            }
            None => {
                self.scanned = bytes.len();
                Line::Incomplete
            }
        }
    }

    pub fn reset(&mut self) {
        self.scanned = 0;
    }
}

/// The header of a bulk string or aggregate in its usual form, and its length: a size of up to nine digits behind the type.
/// None: it has another form, or is not there wholly.
#[inline]
pub fn plain_size(line: &[u8]) -> Option<(u32, usize)> {
    let mut size = 0;
    for (index, byte) in line.iter().enumerate().take(11).skip(1) {
        match byte {
            b'0'..=b'9' if index < 10 => size = size * 10 + u32::from(byte - b'0'),
            b'\r' if index > 1 && line.get(index + 1) == Some(&b'\n') => return Some((size, index + 2)),
            _ => return None,
        }
    }
    None
}

/// The decimal number that `text` is.
pub fn number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}
