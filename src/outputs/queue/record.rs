// SPDX-License-Identifier: Apache-2.0
//! The format of a segment: a head, then records, each one chunk with a checksum of its head and one of its contents.
//! All numbers are little-endian.
//!
//! A record's mark holds bytes that no UTF-8 text has, so that no event can hold what looks like a record.

use std::io::{self, IoSlice};

use crc32fast::Hasher;

use crate::event::chunk::{Chunk, EncodedEvent, Span};

/// Version of the format. A folder of another one is refused.
pub const VERSION: u32 = 1;

/// Size of a segment's head.
pub const SEGMENT_HEAD_BYTES: u64 = 32;
/// Size of a record's head.
pub const RECORD_HEAD_BYTES: usize = 40;
/// What a record has for each event beside its bytes.
pub const EVENT_BYTES: usize = 48;

const SEGMENT_MARK: [u8; 8] = *b"WBQUEUE\xff";
/// Begins every record.
pub const RECORD_MARK: [u8; 4] = [0xf5, b'W', 0x00, 0xfe];

/// No event has a number from here on, so that sums stay in their type.
const NUMBERS_END: u64 = 1 << 62;

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    pub number: u64,
    /// Number of the first event that is or would be in it.
    pub first: u64,
}

/// What the head of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headed {
    Segment(SegmentHead),
    OtherVersion(u32),
    /// Too short, or its checksum is wrong.
    Damaged,
}

impl SegmentHead {
    pub fn bytes(&self) -> [u8; SEGMENT_HEAD_BYTES as usize] {
        let mut bytes = [0; SEGMENT_HEAD_BYTES as usize];
        bytes[..8].copy_from_slice(&SEGMENT_MARK);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.first.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    pub fn read(bytes: &[u8]) -> Headed {
        let Some(bytes) = bytes.get(..SEGMENT_HEAD_BYTES as usize).filter(|bytes| is_sealed(bytes)) else {
            return Headed::Damaged;
        };
        let head = SegmentHead { number: u64_at(bytes, 12), first: u64_at(bytes, 20) };
        match (bytes[..8] == SEGMENT_MARK, u32_at(bytes, 8)) {
            (true, VERSION) if head.first < NUMBERS_END => Headed::Segment(head),
            (false, _) | (true, VERSION) => Headed::Damaged,
            (true, other) => Headed::OtherVersion(other),
        }
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHead {
    /// Number of the first event, counted since the queue was made.
    pub first: u64,
    pub events: u32,
    /// Bytes of the chunk.
    pub chunk_bytes: u32,
    /// Of the descriptors and the chunk's bytes.
    pub checksum: u32,
    /// Wall time at which the queue was given it, nanoseconds since 1970.
    pub time_ns: i64,
    pub worker: u16,
}

impl RecordHead {
    fn bytes(&self) -> [u8; RECORD_HEAD_BYTES] {
        let mut bytes = [0; RECORD_HEAD_BYTES];
        bytes[..4].copy_from_slice(&RECORD_MARK);
        bytes[4..8].copy_from_slice(&self.events.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.chunk_bytes.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[32..34].copy_from_slice(&self.worker.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    /// None when it is damaged or no head.
    pub fn read(bytes: &[u8]) -> Option<RecordHead> {
        let bytes = bytes.get(..RECORD_HEAD_BYTES).filter(|bytes| bytes[..4] == RECORD_MARK && is_sealed(bytes))?;
        let head = RecordHead {
            events: u32_at(bytes, 4),
            first: u64_at(bytes, 8),
            time_ns: u64_at(bytes, 16) as i64,
            chunk_bytes: u32_at(bytes, 24),
            checksum: u32_at(bytes, 28),
            worker: u16::from_le_bytes([bytes[32], bytes[33]]),
        };
        Some(head).filter(|head| head.end() < NUMBERS_END)
    }

    /// Number of the event after the last one.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.events))
    }

    /// Bytes of the descriptors.
    pub fn descriptor_bytes(&self) -> u64 {
        u64::from(self.events) * EVENT_BYTES as u64
    }

    /// Size of the whole record.
    pub fn record_bytes(&self) -> u64 {
        RECORD_HEAD_BYTES as u64 + self.descriptor_bytes() + u64::from(self.chunk_bytes)
    }
}

/// Size of the record that a chunk becomes.
pub fn record_bytes(chunk: &Chunk) -> u64 {
    (RECORD_HEAD_BYTES + chunk.len() * EVENT_BYTES + chunk.used_bytes()) as u64
}

/// A chunk as a record, ready to be written without a copy of its events.
pub struct Record<'a> {
    head: [u8; RECORD_HEAD_BYTES],
    descriptors: Vec<u8>,
    chunk: &'a Chunk,
}

impl<'a> Record<'a> {
    pub fn new(chunk: &'a Chunk, first: u64, time_ns: i64) -> Record<'a> {
        let mut descriptors = Vec::with_capacity(chunk.len() * EVENT_BYTES);
        chunk.events().iter().for_each(|event| write_event(event, &mut descriptors));
        let mut hasher = Hasher::new();
        hasher.update(&descriptors);
        hasher.update(chunk.all_bytes());
        let head = RecordHead {
            first,
            events: chunk.len() as u32,
            chunk_bytes: chunk.used_bytes() as u32,
            checksum: hasher.finalize(),
            time_ns,
            worker: chunk.worker,
        };
        Record { head: head.bytes(), descriptors, chunk }
    }

    pub fn parts(&self) -> [IoSlice<'_>; 3] {
        [IoSlice::new(&self.head), IoSlice::new(&self.descriptors), IoSlice::new(self.chunk.all_bytes())]
    }
}

/// Reads a record's contents into an empty chunk. False when they are damaged.
pub fn read_contents(
    head: &RecordHead,
    chunk: &mut Chunk,
    descriptors: &mut Vec<u8>,
    mut read: impl FnMut(u64, u64, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<bool> {
    let start = RECORD_HEAD_BYTES as u64;
    descriptors.clear();
    read(start, head.descriptor_bytes(), descriptors)?;
    read(start + head.descriptor_bytes(), u64::from(head.chunk_bytes), chunk.buffer())?;
    let mut hasher = Hasher::new();
    hasher.update(descriptors);
    hasher.update(chunk.all_bytes());
    if hasher.finalize() != head.checksum {
        return Ok(false);
    }
    descriptors.chunks_exact(EVENT_BYTES).for_each(|bytes| chunk.finish(read_event(bytes)));
    chunk.worker = head.worker;
    Ok(true)
}

fn write_event(event: &EncodedEvent, out: &mut Vec<u8>) {
    for span in [event.body, event.destination, event.pipeline, event.key, event.id] {
        out.extend_from_slice(&span.start.to_le_bytes());
        out.extend_from_slice(&span.length.to_le_bytes());
    }
    out.extend_from_slice(&event.time_ns.to_le_bytes());
}

fn read_event(bytes: &[u8]) -> EncodedEvent {
    let span = |place: usize| Span { start: u32_at(bytes, place * 8), length: u32_at(bytes, place * 8 + 4) };
    EncodedEvent {
        body: span(0),
        destination: span(1),
        pipeline: span(2),
        key: span(3),
        id: span(4),
        time_ns: u64_at(bytes, 40) as i64,
    }
}

/// Writes the checksum of a head into its last four bytes.
pub fn seal(bytes: &mut [u8]) {
    let (contents, checksum) = bytes.split_at_mut(bytes.len() - 4);
    checksum.copy_from_slice(&crc32fast::hash(contents).to_le_bytes());
}

pub fn is_sealed(bytes: &[u8]) -> bool {
    let (contents, checksum) = bytes.split_at(bytes.len() - 4);
    checksum == crc32fast::hash(contents).to_le_bytes()
}

/// The number at a place that is there.
pub fn u64_at(bytes: &[u8], place: usize) -> u64 {
    bytes.get(place..place + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The number at a place that is there.
pub fn u32_at(bytes: &[u8], place: usize) -> u32 {
    bytes.get(place..place + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}
