// SPDX-License-Identifier: Apache-2.0
//! Values of XDR (RFC 4506) in a slice: everything is big-endian and takes a multiple of four bytes.

/// The position in a message. Every answer is None past its end.
#[derive(Clone, Copy, Debug)]
pub struct Xdr<'a> {
    rest: &'a [u8],
}

impl<'a> Xdr<'a> {
    pub fn new(bytes: &'a [u8]) -> Xdr<'a> {
        Xdr { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*word))
    }

    pub fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    /// Bytes of variable length (RFC 4506, section 4.10). Padding may be missing at the very end.
    pub fn opaque(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.word()?).ok()?;
        let (opaque, rest) = self.rest.split_at_checked(length)?;
        let padding = length.wrapping_neg() % 4;
        self.rest = rest.get(padding..).unwrap_or_default();
        Some(opaque)
    }

    /// An array of words of variable length, such as a bit map of attributes or the groups of a user.
    pub fn words(&mut self) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let bytes = usize::try_from(self.word()?).ok()?.checked_mul(4)?;
        let (words, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(words.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)))
    }

    /// Moves past such an array.
    pub fn skip_words(&mut self) -> Option<()> {
        self.words().map(|_| ())
    }
}
