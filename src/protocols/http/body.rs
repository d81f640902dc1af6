// SPDX-License-Identifier: Apache-2.0
//! Where a body ends: counted, chunked (RFC 9112, section 7.1) or at the end of the connection.

use memchr::memchr;

/// Longest line of chunk framing, with its extensions.
const MAX_CHUNK_LINE_BYTES: usize = 16 << 10;
/// Longest trailer.
const MAX_TRAILER_BYTES: usize = 256 << 10;

/// What comes next of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes, at least one.
    Length { remaining: u64 },
    /// The line with a chunk's size.
    ChunkSize,
    /// The data of a chunk, at least one byte.
    ChunkData { remaining: u64 },
    /// The line end behind a chunk's data.
    ChunkEnd,
    /// The lines behind the last chunk.
    Trailer,
    /// All until the connection ends.
    UntilClose,
}

/// What the first bytes of a slice are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `bytes` of the body; then `next`. None: the message is complete.
    Data { bytes: usize, next: Option<Framing> },
    /// `bytes` of framing.
    Frame { bytes: usize, next: Framing },
    /// `bytes` of trailer; the message is complete.
    Trailer { bytes: usize },
    /// Not enough bytes are there.
    Wait,
    /// This is no chunk framing.
    Broken,
}

impl Framing {
    /// Takes the next piece of `rest`, which is not empty. `scanned` is how many bytes of it have been searched before; the
    /// caller keeps it for the next call and sets it to 0 when bytes were taken.
    pub fn next(self, rest: &[u8], scanned: &mut usize) -> Piece {
        match self {
            Framing::UntilClose => Piece::Data { bytes: rest.len(), next: Some(Framing::UntilClose) },
            Framing::Length { remaining } => {
                let bytes = at_most(rest.len(), remaining);
                let left = remaining - bytes as u64;
                let next = (left > 0).then_some(Framing::Length { remaining: left });
                Piece::Data { bytes, next }
            }
            Framing::ChunkData { remaining } => {
                let bytes = at_most(rest.len(), remaining);
                let left = remaining - bytes as u64;
                let next = if left > 0 { Framing::ChunkData { remaining: left } } else { Framing::ChunkEnd };
                Piece::Data { bytes, next: Some(next) }
            }
            Framing::ChunkEnd => match rest {
                [b'\r', b'\n', ..] => Piece::Frame { bytes: 2, next: Framing::ChunkSize },
                [b'\n', ..] => Piece::Frame { bytes: 1, next: Framing::ChunkSize },
                [b'\r'] => Piece::Wait,
                _ => Piece::Broken,
            },
            Framing::ChunkSize => chunk_size(rest, scanned),
            Framing::Trailer => trailer(rest, scanned),
        }
    }
}

fn at_most(length: usize, remaining: u64) -> usize {
    usize::try_from(remaining).map_or(length, |remaining| length.min(remaining))
}

fn chunk_size(rest: &[u8], scanned: &mut usize) -> Piece {
    let Some(end) = memchr(b'\n', rest.get(*scanned..).unwrap_or_default()) else {
        *scanned = rest.len();
        return if rest.len() > MAX_CHUNK_LINE_BYTES { Piece::Broken } else { Piece::Wait };
    };
    let end = *scanned + end;
    let line = rest.get(..end).unwrap_or_default();
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let size = Some(size)
        .filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit))
        .and_then(|digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
    match size {
        None => Piece::Broken,
        Some(0) => Piece::Frame { bytes: end + 1, next: Framing::Trailer },
        Some(remaining) => Piece::Frame { bytes: end + 1, next: Framing::ChunkData { remaining } },
    }
}

/// The trailer section ends with an empty line, as a header does; it may be that line alone.
fn trailer(rest: &[u8], scanned: &mut usize) -> Piece {
    if let [b'\r', b'\n', ..] = rest {
        return Piece::Trailer { bytes: 2 };
    }
    if let [b'\n', ..] = rest {
        return Piece::Trailer { bytes: 1 };
    }
    match find_empty_line(rest, scanned) {
        Some(bytes) => Piece::Trailer { bytes },
        None if rest.len() > MAX_TRAILER_BYTES => Piece::Broken,
        None => Piece::Wait,
    }
}

/// The offset behind the first line end that an empty line follows directly, with that empty line. `scanned` bytes were
/// searched in an earlier call.
pub fn find_empty_line(bytes: &[u8], scanned: &mut usize) -> Option<usize> {
    let mut position = (*scanned).min(bytes.len());
    while let Some(end) = memchr(b'\n', &bytes[position..]) {
        let end = position + end;
        match bytes.get(end + 1..) {
            Some([b'\n', ..]) => return Some(end + 2),
            Some([b'\r', b'\n', ..]) => return Some(end + 3),
            // What follows this line end is not there yet: look at it again.
            Some([] | [b'\r']) | None => {
                *scanned = end;
                return None;
            }
            Some(_) => position = end + 1,
        }
    }
    *scanned = bytes.len();
    None
}
