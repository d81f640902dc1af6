// SPDX-License-Identifier: Apache-2.0
//! The frames of Lumberjack version 2. Every number is 32 bits, big-endian.
//!
//! | frame | bytes |
//! |---|---|
//! | window | `2W`, count of the events that follow and are acknowledged together |
//! | JSON | `2J`, sequence number from 1 on in each window, length, the event |
//! | compressed | `2C`, length, JSON frames in zlib form |
//! | acknowledgement | `2A`, sequence number of the last event that is safe; 0 says "still at work" |

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::event::chunk::Slice;

/// Bytes of an acknowledgement.
pub const ACKNOWLEDGEMENT_BYTES: usize = 6;

/// Appends a window with these events. Level 0 writes the frames as they are.
pub fn write_window(slices: &[Slice], level: u32, out: &mut Vec<u8>) -> io::Result<()> {
    let events: usize = slices.iter().map(Slice::len).sum();
    out.extend_from_slice(b"2W");
    out.extend_from_slice(&number(events)?);
    if level == 0 {
        return write_events(slices, out);
    }
    out.extend_from_slice(b"2C");
    let place = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut encoder = ZlibEncoder::new(&mut *out, Compression::new(level));
    write_events(slices, &mut encoder)?;
    encoder.finish()?;
    let length = number(out.len() - place - 4)?;
    out[place..place + 4].copy_from_slice(&length);
    Ok(())
}

/// The sequence number of an acknowledgement, or none when it is none.
pub fn read_acknowledgement(frame: [u8; ACKNOWLEDGEMENT_BYTES]) -> Option<u32> {
    let [b'2', b'A', a, b, c, d] = frame else { return None };
    Some(u32::from_be_bytes([a, b, c, d]))
}

fn write_events(slices: &[Slice], out: &mut impl Write) -> io::Result<()> {
    let mut sequence = 0u32;
    for slice in slices {
        for event in slice.events() {
            sequence += 1;
            let body = slice.bytes(event.body);
            out.write_all(b"2J")?;
            out.write_all(&sequence.to_be_bytes())?;
            out.write_all(&number(body.len())?)?;
            out.write_all(body)?;
        }
    }
    Ok(())
}

fn number(length: usize) -> io::Result<[u8; 4]> {
    u32::try_from(length).map(u32::to_be_bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}
