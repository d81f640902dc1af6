// SPDX-License-Identifier: Apache-2.0
//! Events as lines: many bodies, each with its line end, in one vectored write, straight from the chunk.
//!
//! Limit: one writer's errors are told, never handled here.

use std::io::{self, ErrorKind, IoSlice, Write};

use arrayvec::ArrayVec;

use crate::event::chunk::{EncodedEvent, Slice};

/// What a write brought out.
#[derive(Debug, Default)]
pub struct Written {
    /// Events that are out with their line end.
    pub events: usize,
    /// Bytes of those events.
    pub bytes: u64,
    /// Bytes of the next event that are out: half a line.
    pub torn_bytes: u64,
    /// Why it ended early.
    pub error: Option<io::Error>,
}

/// Writes every event of the slice as a line, as far as the writer takes them.
pub fn write_events(writer: &mut impl Write, slice: &Slice) -> Written {
    let mut written = Written::default();
    // Two parts an event, and Linux takes 1024 parts a call (IOV_MAX).
    for events in slice.events().chunks(512) {
        let mut parts: ArrayVec<IoSlice<'_>, 1024> = ArrayVec::new();
        for event in events {
            parts.push(IoSlice::new(slice.bytes(event.body)));
            parts.push(IoSlice::new(b"\n"));
        }
        let (bytes, error) = write_parts(writer, &mut parts);
        count(events, bytes, &mut written);
        if error.is_some() {
            written.error = error;
            break;
        }
    }
    written
}

/// Writes all parts. Answers the bytes that went out, and why no more did.
pub fn write_parts(writer: &mut impl Write, mut parts: &mut [IoSlice<'_>]) -> (u64, Option<io::Error>) {
    let mut bytes = 0u64;
    // Takes empty parts away, so that a write of nothing is not mistaken for a full device.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match writer.write_vectored(parts) {
            Ok(0) => return (bytes, Some(ErrorKind::WriteZero.into())),
            Ok(count) => {
                bytes += count as u64;
                IoSlice::advance_slices(&mut parts, count);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

/// Length of an event's line.
pub fn line_bytes(event: &EncodedEvent) -> u64 {
    u64::from(event.body.length) + 1
}

fn count(events: &[EncodedEvent], mut bytes: u64, written: &mut Written) {
    for event in events {
        let line_bytes = line_bytes(event);
        if bytes < line_bytes {
            break;
        }
        bytes -= line_bytes;
        written.events += 1;
        written.bytes += line_bytes;
    }
    written.torn_bytes = bytes;
}

#[cfg(test)]
mod tests;
