// SPDX-License-Identifier: Apache-2.0
//! Content and transfer codings of kept bodies (RFC 9110, section 8.4.1; RFC 1950 to 1952), with bounded output.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Why a body could not be decoded; the words are Packetbeat's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    UnknownCoding,
    /// The result is larger than allowed.
    TooLarge,
    /// The body ends too early.
    Cut,
    /// The body is not of that coding.
    Invalid,
}

impl Failure {
    pub fn text(self) -> &'static str {
        match self {
            Failure::UnknownCoding => "decoder not found",
            Failure::TooLarge => "body truncated due to size limitation",
            Failure::Cut => "unexpected EOF",
            Failure::Invalid => "invalid data",
        }
    }
}

/// Undoes one coding: `input` into `output`, which is empty before. On a failure `output` holds what came before it.
pub fn decode(coding: &[u8], input: &[u8], output: &mut Vec<u8>, max_bytes: usize) -> Result<(), Failure> {
    match coding {
        b"identity" => {
            let kept = input.len().min(max_bytes);
            output.extend_from_slice(input.get(..kept).unwrap_or_default());
            if kept < input.len() { Err(Failure::TooLarge) } else { Ok(()) }
        }
        b"gzip" | b"x-gzip" => read(MultiGzDecoder::new(input), output, max_bytes),
        // RFC 9110 means the zlib format; some senders leave its header out.
        b"deflate" | b"x-deflate" if has_zlib_header(input) => read(ZlibDecoder::new(input), output, max_bytes),
        b"deflate" | b"x-deflate" => read(DeflateDecoder::new(input), output, max_bytes),
        _ => Err(Failure::UnknownCoding),
    }
}

fn has_zlib_header(input: &[u8]) -> bool {
    match input {
        [method, flags, ..] => method & 15 == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0,
        _ => false,
    }
}

fn read(mut decoder: impl Read, output: &mut Vec<u8>, max_bytes: usize) -> Result<(), Failure> {
    let mut buffer = [0; 8 << 10];
    loop {
        let count = match decoder.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Failure::Cut),
            Err(_) => return Err(Failure::Invalid),
        };
        let kept = count.min(max_bytes - output.len());
        output.extend_from_slice(buffer.get(..kept).unwrap_or_default());
        if kept < count {
            return Err(Failure::TooLarge);
        }
    }
}
