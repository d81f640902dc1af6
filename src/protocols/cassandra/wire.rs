// SPDX-License-Identifier: Apache-2.0
//! The header of every frame, and a bounds-checked reader of the notations (native protocol v4, sections 2 and 3).

use super::names::{self, Kind};

/// Longest header.
pub const HEADER_BYTES: usize = 9;
/// That of versions 1 and 2, whose stream id is one byte.
const SHORT_HEADER_BYTES: usize = 8;
/// Longest body (section 2.5).
const MAX_BODY_BYTES: usize = 256 << 20;

const VERSION_MASK: u8 = 0x7f;
/// The first version whose frames travel in segments.
pub const FIRST_SEGMENTED_VERSION: u8 = 5;
const LAST_VERSION: u8 = 6;

pub const FLAG_COMPRESSED: u8 = 1;
pub const FLAG_TRACING: u8 = 2;
pub const FLAG_CUSTOM_PAYLOAD: u8 = 4;
pub const FLAG_WARNING: u8 = 8;
pub const FLAG_USE_BETA: u8 = 0x10;
/// Flags that have a meaning.
const KNOWN_FLAGS: u8 = 0x1f;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// Without the bit of the direction.
    pub version: u8,
    pub flags: u8,
    pub stream: u16,
    pub op: u8,
    pub header_bytes: usize,
    pub body_bytes: usize,
}

impl Header {
    /// Bytes that a header has which begins so.
    pub fn length_of(bytes: &[u8]) -> usize {
        match bytes.first().map(|version| version & VERSION_MASK) {
            Some(1 | 2) => SHORT_HEADER_BYTES,
            _ => HEADER_BYTES,
        }
    }

    /// None: these are not the first bytes of a frame, or there are fewer than [`Header::length_of`].
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let mut reader = Reader::new(bytes);
        let first = reader.u8()?;
        let version = first & VERSION_MASK;
        let flags = reader.u8()?;
        let stream = if version <= 2 { u16::from(reader.u8()?) } else { reader.u16()? };
        let op = reader.u8()?;
        let body_bytes = usize::try_from(reader.i32()?).ok()?;
        let header = Header {
            kind: if first == version { Kind::Request } else { Kind::Response },
            version,
            flags,
            stream,
            op,
            header_bytes: reader.position,
            body_bytes,
        };
        let possible = (1..=LAST_VERSION).contains(&version)
            && flags & !KNOWN_FLAGS == 0
            && body_bytes <= MAX_BODY_BYTES
            && names::kind_of(op) == Some(header.kind);
        possible.then_some(header)
    }

    pub fn frame_bytes(&self) -> usize {
        self.header_bytes + self.body_bytes
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Reads a body from front to back.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// \[short\]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// \[int\]
    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// \[string\], \[short bytes\]
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?);
        self.take(length)
    }

    /// \[bytes\]; null is empty.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        match usize::try_from(self.i32()?) {
            Ok(length) => self.take(length),
            Err(_) => Some(b""),
        }
    }

    /// What there is of a \[long string\], and whether it is all of it.
    pub fn long_string(&mut self) -> Option<(&'a [u8], bool)> {
        let length = usize::try_from(self.i32()?).ok()?;
        let rest = self.bytes.get(self.position..)?;
        let text = rest.get(..length).unwrap_or(rest);
        self.position += text.len();
        Some((text, text.len() == length))
    }

    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.position..)?.get(..length)?;
        self.position += length;
        Some(taken)
    }

    fn array<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let bytes = self.bytes.get(self.position..)?.first_chunk::<COUNT>()?;
        self.position += COUNT;
        Some(*bytes)
    }
}
