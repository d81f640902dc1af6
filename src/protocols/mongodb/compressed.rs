// SPDX-License-Identifier: Apache-2.0
//! OP_COMPRESSED: a message inside another (MongoDB specification "Wire Compression in Drivers").
//!
//! Output is bounded by [`MAX_UNPACKED_BYTES`]; of what is larger, or was cut by the capture, the beginning is used. Snappy
//! cannot be unpacked in part.

use std::io::{self, Read};

use flate2::bufread::ZlibDecoder;

use super::wire::{Opcode, Reader};

/// Bytes of a message that are unpacked.
pub const MAX_UNPACKED_BYTES: usize = 16 << 20;
/// 2 to this power bytes is the largest window that a zstd frame may ask for.
const MAX_ZSTD_WINDOW: u32 = 24;

/// What an OP_COMPRESSED holds.
pub struct Unpacked {
    pub opcode: Opcode,
    /// All of the message is there.
    pub is_whole: bool,
}

/// Unpacks the body of an OP_COMPRESSED into `out`. None: it makes no sense.
pub fn unpack(body: &[u8], out: &mut Vec<u8>) -> Option<Unpacked> {
    out.clear();
    let mut reader = Reader::new(body);
    let opcode = Opcode::of(reader.i32()?).filter(|opcode| *opcode != Opcode::Compressed)?;
    let size = usize::try_from(reader.i32()?).ok()?;
    let method = reader.u8()?;
    let input = body.get(reader.position..)?;
    let wanted = size.min(MAX_UNPACKED_BYTES);
    match method {
        0 => out.extend_from_slice(input.get(..wanted.min(input.len()))?),
        1 => {
            let length = snap::raw::decompress_len(input).ok().filter(|length| *length <= wanted)?;
            out.resize(length, 0);
            let written = snap::raw::Decoder::new().decompress(input, out).unwrap_or(0);
            out.truncate(written);
        }
        2 => read(ZlibDecoder::new(input), out, wanted),
        3 => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input).ok()?;
            decoder.window_log_max(MAX_ZSTD_WINDOW).ok()?;
            read(decoder, out, wanted);
        }
        _ => return None,
    }
    (!out.is_empty()).then_some(Unpacked { opcode, is_whole: out.len() == size })
}

/// Reads until the end, an error, or `wanted` bytes.
fn read(mut decoder: impl Read, out: &mut Vec<u8>, wanted: usize) {
    let mut buffer = [0; 8 << 10];
    while out.len() < wanted {
        let room = (wanted - out.len()).min(buffer.len());
        let Some(place) = buffer.get_mut(..room) else { return };
        match decoder.read(place) {
            Ok(0) => return,
            Ok(count) => out.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
