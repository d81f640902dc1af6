// SPDX-License-Identifier: Apache-2.0
//! Texts that grow, in memory that the parsers of a worker lend each other.
//!
//! A parser that keeps its largest buffer costs its memory in every flow, one that gives it back allocates the next time.
//! So buffers of a few sizes go round in each thread, which is a worker's. Limit: a text longer than the largest size has
//! memory of its own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::ops::Deref;

/// Sizes of buffers in bytes, and how many of each a thread keeps.
const SIZES: [(usize, usize); 5] = [(128, 2048), (1 << 10, 256), (8 << 10, 64), (64 << 10, 16), (1 << 20, 8)];

thread_local! {
    static KEPT: RefCell<[Vec<Vec<u8>>; SIZES.len()]> = const { RefCell::new([const { Vec::new() }; SIZES.len()]) };
}

/// A text under construction. Its memory is lent until it is cleared or dropped.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl Text {
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.0.len() == self.0.capacity() {
            self.grow(self.0.len() + 1);
        }
        self.0.push(byte);
    }

    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if bytes.len() > self.0.capacity() - self.0.len() {
            self.grow(self.0.len() + bytes.len());
        }
        self.0.extend_from_slice(bytes);
    }

    /// Appends a number in decimal digits.
    pub fn number(&mut self, number: impl itoa::Integer) {
        self.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Makes it empty and gives its memory back.
    #[inline]
    pub fn clear(&mut self) {
        if self.0.capacity() > 0 {
            give(std::mem::take(&mut self.0));
        }
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let Some(mut larger) = take(length) else { return };
        larger.extend_from_slice(&self.0);
        give(std::mem::replace(&mut self.0, larger));
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Text with U+FFFD in place of what is not UTF-8. Faster than the standard library's where all of it is.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Appends two lower-case hexadecimal digits a byte.
pub fn hexadecimal(out: &mut impl io::Write, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    for byte in bytes {
        // Writing into memory does not fail.
        let _ = out.write_all(&[digit(byte >> 4), digit(*byte)]);
    }
}

/// An empty buffer for so many bytes. None: they are more than the largest size.
fn take(length: usize) -> Option<Vec<u8>> {
    let place = SIZES.iter().position(|(size, _)| *size >= length)?;
    let kept = KEPT.try_with(|kept| kept.borrow_mut().get_mut(place)?.pop()).ok().flatten();
    Some(kept.unwrap_or_else(|| Vec::with_capacity(SIZES.get(place).map_or(length, |(size, _)| *size))))
}

/// Keeps a buffer, if it is of one of the sizes and there is a place.
fn give(mut buffer: Vec<u8>) {
    let Some(place) = SIZES.iter().position(|(size, _)| *size == buffer.capacity()) else { return };
    buffer.clear();
    // A thread that ends has nothing to keep it in.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        let (Some(kept), Some((_, most))) = (kept.get_mut(place), SIZES.get(place)) else { return };
        if kept.len() < *most {
            kept.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The buffers of a thread that no other test uses.
    fn alone(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().expect("the test passes");
    }

    #[test]
    fn memory_goes_round() {
        alone(|| {
            let mut text = Text::default();
            assert_eq!(text.capacity(), 0);
            for round in 0..3 {
                for (size, _) in SIZES {
                    text.extend_from_slice(&vec![b'x'; size - text.len()]);
                    assert_eq!((text.len(), text.capacity()), (size, size), "{round}");
                }
                let place = text.as_ptr();
                text.clear();
                assert_eq!(text.capacity(), 0);
                text.extend_from_slice(&vec![b'y'; (64 << 10) + 1]);
                assert_eq!(text.as_ptr(), place);
                text.clear();
            }
            assert!(KEPT.with_borrow(|kept| kept.iter().all(|kept| kept.len() == 1)));
        });
    }

    #[test]
    fn texts_of_any_length_are_what_was_appended() {
        let mut text = Text::default();
        let mut expected = Vec::new();
        for number in 0..400_000_u32 {
            text.extend_from_slice(&number.to_be_bytes());
            expected.extend_from_slice(&number.to_be_bytes());
        }
        text.push(7);
        expected.push(7);
        assert_eq!(*text, *expected);
        text.clear();
        assert!(text.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_is_said() {
        alone(|| {
            drop((0..100).map(|_| take(1 << 20).map(Text)).collect::<Vec<_>>());
            assert_eq!(KEPT.with_borrow(|kept| kept[4].len()), 8);
        });
    }
}
