// SPDX-License-Identifier: Apache-2.0
//! Segments, which version 5 puts around frames (native protocol v5, section 2; the document calls these frames and what is
//! in them envelopes).
//!
//! All integers are little-endian. The checksum of a header also tells a segment from a frame.

/// Bytes behind the payload: its CRC-32.
pub const TRAILER_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 3;
/// A length has 17 bits.
const LENGTH_MASK: u64 = (1 << LENGTH_BITS) - 1;
const LENGTH_BITS: u32 = 17;
/// Bytes that go into the CRC-32 before the payload.
const CRC32_PREFIX: [u8; 4] = [0xfa, 0x2d, 0x55, 0xca];

/// Whether payloads are LZ4 blocks; the same for all segments of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Plain,
    Lz4,
}

impl Format {
    pub const ALL: [Format; 2] = [Format::Plain, Format::Lz4];

    pub fn header_bytes(self) -> usize {
        self.length_bytes() + CHECKSUM_BYTES
    }

    fn length_bytes(self) -> usize {
        match self {
            Format::Plain => 3,
            Format::Lz4 => 5,
        }
    }
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    pub format: Format,
    /// Bytes of the payload as it is sent.
    pub payload_bytes: usize,
    /// Bytes of the payload when it is unpacked; None: it is not compressed.
    pub unpacked_bytes: Option<usize>,
    pub content: Content,
}

/// What a payload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// One or more frames.
    WholeFrames,
    /// A part of a frame.
    Part,
}

impl SegmentHeader {
    /// None: these bytes are no header of this format, or too few.
    pub fn read(format: Format, bytes: &[u8]) -> Option<SegmentHeader> {
        let lengths = bytes.get(..format.length_bytes())?;
        let checksum = bytes.get(format.length_bytes()..format.header_bytes())?;
        let mut bits = little_endian(lengths);
        if u64::from(crc24(lengths)) != little_endian(checksum) {
            return None;
        }
        let payload_bytes = (bits & LENGTH_MASK) as usize;
        bits >>= LENGTH_BITS;
        let mut unpacked_bytes = None;
        if format == Format::Lz4 {
            unpacked_bytes = Some((bits & LENGTH_MASK) as usize).filter(|size| *size != 0);
            bits >>= LENGTH_BITS;
        }
        let content = match bits {
            0 => Content::Part,
            1 => Content::WholeFrames,
            // Padding is zero.
            _ => return None,
        };
        Some(SegmentHeader { format, payload_bytes, unpacked_bytes, content })
    }

    pub fn segment_bytes(&self) -> usize {
        self.format.header_bytes() + self.payload_bytes + TRAILER_BYTES
    }

    /// The payload of a whole segment. None: its checksum is wrong.
    pub fn payload<'a>(&self, segment: &'a [u8]) -> Option<&'a [u8]> {
        let (payload, trailer) = segment.get(self.format.header_bytes()..)?.split_at_checked(self.payload_bytes)?;
        (trailer.get(..TRAILER_BYTES)? == crc32(payload).to_le_bytes()).then_some(payload)
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The checksum of headers: generator 0x1974f0b, start 0x875060.
pub fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x0087_5060, |mut crc, byte| {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0197_4f0b;
            }
        }
        crc
    })
}

/// The checksum of payloads.
pub fn crc32(payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&CRC32_PREFIX);
    hasher.update(payload);
    hasher.finalize()
}
