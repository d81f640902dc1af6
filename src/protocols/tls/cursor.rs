// SPDX-License-Identifier: Apache-2.0
//! The position in a handshake message: integers in network order and vectors with their length in front (RFC 8446,
//! section 3). All bounds are checked here.

/// What is still to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.bytes(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub fn u24(&mut self) -> Option<usize> {
        self.bytes(3)?.iter().try_fold(0usize, |value, byte| Some(value << 8 | usize::from(*byte)))
    }

    /// A vector whose length is one byte.
    pub fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.bytes(usize::from(length))
    }

    /// A vector whose length is two bytes.
    pub fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// A vector whose length is three bytes.
    pub fn vector24(&mut self) -> Option<&'a [u8]> {
        let length = self.u24()?;
        self.bytes(length)
    }

    /// A vector whose length is two bytes; when it is cut off, what is there of it.
    pub fn cut_vector16(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?).min(self.rest.len());
        self.bytes(length)
    }
}

/// The integers of two bytes that a vector holds.
pub fn codes(vector: &[u8]) -> impl Iterator<Item = u16> + '_ {
    vector.chunks_exact(2).filter_map(|pair| pair.first_chunk().map(|pair| u16::from_be_bytes(*pair)))
}

/// Values that a client sends at random so that peers stay tolerant (RFC 8701).
pub fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}
