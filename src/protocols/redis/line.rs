// SPDX-License-Identifier: Apache-2.0
//! Lines of RESP: everything but the bodies of bulk strings is one.

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
    /// The line that begins `bytes`, which after [`Line::Incomplete`] must begin with the same line.
    pub fn line<'a>(&mut self, bytes: &'a [u8], max_bytes: usize) -> Line<'a> {
        let seen = self.scanned.min(bytes.len());
        let window = &bytes[..bytes.len().min(max_bytes)];
        match window.get(seen..).and_then(|fresh| fresh.iter().position(|byte| *byte == b'\n')) {
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
