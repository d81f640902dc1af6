// SPDX-License-Identifier: Apache-2.0
//! The body of a `_bulk` request: for every event a line that says what to do and the event itself.
//!
//! Always `create`: the only operation of a data stream, and what Packetbeat does with an index of one's own too, so
//! that an id met twice is a duplicate and not a new version.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::config::IndexName;
use crate::event::chunk::{EncodedEvent, Slice};
use crate::outputs::batch::Batch;
use crate::outputs::format_string::{FormatString, OnlyTime};

/// Writes the batch's body into `plain`.
pub fn write(batch: &Batch, index: &IndexName, plain: &mut Vec<u8>) {
    let mut names = IndexNames { format: index, second: i64::MIN, name: String::new() };
    for slice in &batch.slices {
        for event in slice.events() {
            write_action(slice, event, &mut names, plain);
            plain.extend_from_slice(slice.bytes(event.body));
            plain.push(b'\n');
        }
    }
}

/// The body in gzip form.
pub fn compress(plain: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(level));
    encoder.write_all(plain)?;
    encoder.finish()
}

fn write_action(slice: &Slice, event: &EncodedEvent, names: &mut IndexNames<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"create\":{");
    let start = out.len();
    let destination = slice.bytes(event.destination);
    if !destination.is_empty() {
        write_member("_index", destination, start, out);
    } else if let Some(name) = names.at(event.time_ns) {
        write_member("_index", name.as_bytes(), start, out);
    }
    for (key, span) in [("_id", event.id), ("pipeline", event.pipeline)] {
        let value = slice.bytes(span);
        if !value.is_empty() {
            write_member(key, value, start, out);
        }
    }
    out.extend_from_slice(b"}}\n");
}

fn write_member(key: &str, value: &[u8], start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":\"");
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", character as u32).expect("vectors grow"),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Evaluates an index name that depends on the time, once a second of events.
struct IndexNames<'a> {
    format: &'a IndexName,
    second: i64,
    name: String,
}

impl IndexNames<'_> {
    /// The name to write, or none when the request's path has it.
    fn at(&mut self, time_ns: i64) -> Option<&str> {
        let IndexName::Dated(format) = self.format else { return None };
        let second = time_ns.div_euclid(1_000_000_000);
        if second != self.second || self.name.is_empty() {
            self.second = second;
            self.name = dated(format, time_ns);
        }
        Some(&self.name)
    }
}

fn dated(format: &FormatString, time_ns: i64) -> String {
    let mut name = String::new();
    // A time before the year -9999 has no name; the server then refuses the empty one.
    let _ = format.evaluate(&OnlyTime(time_ns), &mut name);
    name.to_lowercase()
}
