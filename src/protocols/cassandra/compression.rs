// SPDX-License-Identifier: Apache-2.0
//! Compressed bodies (native protocol v4, section 5): Snappy's raw format, and LZ4 blocks with the size in front.
//!
//! Output is bounded by [`MAX_UNPACKED_BYTES`] and input by [`MAX_COMPRESSED_BYTES`]; neither format is unpacked in part.

/// Bytes of a compressed body that is unpacked.
pub const MAX_COMPRESSED_BYTES: usize = 4 << 20;
/// Bytes that may come out.
pub const MAX_UNPACKED_BYTES: usize = 16 << 20;

/// How the bodies of a connection are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressor {
    Lz4,
    Snappy,
}

impl Compressor {
    /// The value of COMPRESSION in a STARTUP.
    pub fn named(name: &[u8]) -> Option<Compressor> {
        [(&b"lz4"[..], Compressor::Lz4), (b"snappy", Compressor::Snappy)]
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, compressor)| compressor)
    }

    fn other(self) -> Compressor {
        match self {
            Compressor::Lz4 => Compressor::Snappy,
            Compressor::Snappy => Compressor::Lz4,
        }
    }
}

/// Unpacks a body into `out`, with `first` or else with the other compressor, since a configuration may be wrong. None: it
/// makes no sense, or is too large.
pub fn unpack(first: Compressor, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
    unpack_with(first, body, out).or_else(|| unpack_with(first.other(), body, out))
}

fn unpack_with(compressor: Compressor, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    match compressor {
        Compressor::Snappy => {
            let size = snap::raw::decompress_len(body).ok().filter(|size| *size <= MAX_UNPACKED_BYTES)?;
            out.resize(size, 0);
            let written = snap::raw::Decoder::new().decompress(body, out).ok()?;
            (written == size).then_some(())
        }
        Compressor::Lz4 => {
            let (size, block) = body.split_first_chunk::<4>()?;
            let size = usize::try_from(i32::from_be_bytes(*size)).ok().filter(|size| *size <= MAX_UNPACKED_BYTES)?;
            unpack_lz4_block(block, size, out)
        }
    }
}

/// Unpacks an LZ4 block that holds exactly `size` bytes.
pub fn unpack_lz4_block(block: &[u8], size: usize, out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    out.resize(size, 0);
    if size == 0 {
        return Some(());
    }
    let written = lz4_flex::block::decompress_into(block, out).ok()?;
    (written == size).then_some(())
}
