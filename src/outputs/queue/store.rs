// SPDX-License-Identifier: Apache-2.0
//! The segments of a disk queue: records are written at the end, read in order, and settled in any order.
//!
//! Events are numbered since the queue was made. Whatever is missing between two records that are read is counted as
//! lost; a segment is deleted when the position behind which all is settled has left it. Nothing here waits or starts a
//! thread. A run never appends to a segment of an earlier one, so that half a record at its end does no harm.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;

use memchr::memmem;

use super::folder::{Folder, Found, Position};
use super::options::DiskOptions;
use super::record::{
    RECORD_HEAD_BYTES, RECORD_MARK, Record, RecordHead, SEGMENT_HEAD_BYTES, SegmentHead, read_contents, record_bytes,
};
use crate::event::chunk::Chunk;
use crate::outputs::lines::write_parts;

/// Records of one write at most; Linux takes 1024 parts a call (IOV_MAX), and a record has three.
const RECORDS_A_WRITE: usize = 256;
/// Bytes of one write, about.
const BYTES_A_WRITE: u64 = 4 << 20;

/// What a store counted since it was opened; events unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Of earlier runs.
    pub recovered: u64,
    pub written: u64,
    pub written_bytes: u64,
    pub read: u64,
    pub read_bytes: u64,
    /// Acknowledged or given up by name, by way of the store.
    pub settled: u64,
    /// In records that are damaged or missing.
    pub corrupt: u64,
    /// Dropped unread to make room.
    pub dropped_oldest: u64,
    /// Records whose contents have a wrong checksum.
    pub corrupt_records: u64,
    /// Bytes that belong to no record: half a record that a killed run left, or damage.
    pub skipped_bytes: u64,
}

/// See the module's head.
pub struct Store {
    folder: Folder,
    options: DiskOptions,
    /// Oldest first.
    segments: VecDeque<Segment>,
    used_bytes: u64,
    /// The last segment, when this run made it.
    open: Option<File>,
    /// Something was written into it since it was last asked for.
    is_dirty: bool,
    /// Segments that were left since they were last asked for.
    finished: Vec<(u64, File)>,
    /// Number of the next event to be written.
    next: u64,
    next_segment: u64,
    reader: Reader,
    outstanding: VecDeque<Outstanding>,
    outstanding_bytes: u64,
    kept: Position,
    pub counters: StoreCounters,
}

struct Segment {
    number: u64,
    bytes: u64,
    /// Number of its first event; None when the head is damaged.
    first: Option<u64>,
}

struct Reader {
    file: Option<(u64, File)>,
    segment: u64,
    offset: u64,
    /// Number of the next event, if nothing is missing.
    expected: u64,
    descriptors: Vec<u8>,
}

/// A record that was read, or events that are missing.
struct Outstanding {
    first: u64,
    events: u64,
    segment: u64,
    offset: u64,
    bytes: u64,
    time_ns: i64,
    settled: bool,
}

/// What became of an attempt to write.
#[derive(Debug)]
pub enum Written {
    /// So many chunks, from the first on.
    Chunks(usize),
    /// `queue.disk.max_size` is reached.
    Full,
    /// The first chunk is larger than a segment.
    TooLarge,
    /// Nothing but so many chunks, and why no more.
    Failed(usize, io::Error),
}

impl Store {
    /// Opens the folder and finds what earlier runs left. The error is a sentence.
    pub fn open(options: &DiskOptions) -> Result<Store, String> {
        let folder = Folder::open(&options.path)?;
        let position = folder.position()?;
        let mut found = folder.segments()?;
        let known = position.unwrap_or_default();
        found.retain(|segment| segment.number >= known.segment || folder.delete(segment.number).is_err());
        found.retain(|segment| segment.number >= known.segment);
        let failed = |error: io::Error| format!("the folder {} cannot be read: {error}", options.path.display());
        let next = end_of(&folder, &found).map_err(failed)?.max(known.end).max(known.event);
        let first = found.first();
        let begin = match first {
            _ if position.is_some() => known.event,
            Some(first) => first_event(&folder, first).map_err(failed)?.unwrap_or(next).min(next),
            None => next,
        };
        let resumed = first.filter(|first| first.number == known.segment && known.offset <= first.bytes);
        let offset = resumed.map_or(SEGMENT_HEAD_BYTES, |_| known.offset.max(SEGMENT_HEAD_BYTES));
        let next_segment = found.last().map_or(0, |last| last.number).max(known.segment).saturating_add(1);
        let segments: VecDeque<Segment> = found
            .iter()
            .map(|found| Segment { number: found.number, bytes: found.bytes, first: found.head.map(|head| head.first) })
            .collect();
        Ok(Store {
            options: options.clone(),
            used_bytes: segments.iter().map(|segment| segment.bytes).sum(),
            reader: Reader {
                file: None,
                segment: segments.front().map_or(next_segment, |segment| segment.number),
                offset,
                expected: begin,
                descriptors: Vec::new(),
            },
            segments,
            folder,
            open: None,
            is_dirty: false,
            finished: Vec::new(),
            next,
            next_segment,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            kept: known,
            counters: StoreCounters { recovered: next - begin, ..StoreCounters::default() },
        })
    }

    /// Writes as many of the chunks as go into one segment and one write. `time_ns` is the wall time.
    pub fn append(&mut self, chunks: &[&Chunk], time_ns: i64) -> Written {
        let Some(first) = chunks.first() else { return Written::Chunks(0) };
        let size = record_bytes(first);
        if size > self.options.segment_bytes.saturating_sub(SEGMENT_HEAD_BYTES) {
            return Written::TooLarge;
        }
        if let Err(problem) = self.open_for(size) {
            return problem.map_or(Written::Full, |error| Written::Failed(0, error));
        }
        let (Some(file), Some(segment)) = (&mut self.open, self.segments.back_mut()) else { return Written::Full };
        let mut room = self.options.segment_bytes - segment.bytes;
        room = room.min(self.options.max_bytes.saturating_sub(self.used_bytes)).min(BYTES_A_WRITE.max(size));
        let mut records = Vec::new();
        let mut next = self.next;
        for chunk in chunks.iter().take(RECORDS_A_WRITE) {
            let size = record_bytes(chunk);
            if size > room {
                break;
            }
            room -= size;
            records.push(Record::new(chunk, next, time_ns));
            next += chunk.len() as u64;
        }
        if records.is_empty() {
            return Written::Full;
        }
        let mut parts: Vec<IoSlice<'_>> = records.iter().flat_map(Record::parts).collect();
        self.is_dirty = true;
        let (mut bytes, error) = write_parts(file, &mut parts);
        drop(records);
        let mut done = 0;
        for chunk in chunks {
            let size = record_bytes(chunk);
            if size > bytes {
                break;
            }
            bytes -= size;
            done += 1;
            segment.bytes += size;
            self.used_bytes += size;
            self.next += chunk.len() as u64;
            self.counters.written += chunk.len() as u64;
            self.counters.written_bytes += size;
            if bytes == 0 {
                break;
            }
        }
        let Some(error) = error else { return Written::Chunks(done) };
        if bytes > 0 && file.set_len(segment.bytes).is_err() {
            // Half a record stays at its end; the next one begins a segment.
            let number = segment.number;
            self.finished.extend(self.open.take().map(|file| (number, file)));
        }
        Written::Failed(done, error)
    }

    /// Deletes the oldest segment, unless it is the one that is written. What nobody has read of it is dropped. False
    /// when there is none.
    pub fn make_room(&mut self) -> bool {
        let Some(next) = self.segments.get(1) else { return false };
        let (next_number, next_first) = (next.number, next.first);
        if self.reader.segment < next_number {
            let end = next_first.unwrap_or(self.reader.expected).max(self.reader.expected);
            self.counters.dropped_oldest += end - self.reader.expected;
            self.pass_over(end);
            (self.reader.segment, self.reader.offset) = (next_number, SEGMENT_HEAD_BYTES);
        }
        let Some(oldest) = self.segments.pop_front() else { return false };
        self.used_bytes -= oldest.bytes;
        self.let_go(oldest.number);
        if let Err(error) = self.folder.delete(oldest.number) {
            log::warn!("disk queue: segment {} cannot be deleted: {error}", oldest.number);
        }
        true
    }

    /// Reads the next record into an empty chunk. False when all is read.
    pub fn read(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        loop {
            let Some(limit) = self.limit() else { return Ok(false) };
            self.open_for_reading()?;
            let Reader { file: Some((_, file)), offset, expected, descriptors, .. } = &mut self.reader else {
                return Ok(false);
            };
            let found = find_record(file, *offset, limit, self.next)?;
            let begin = found.as_ref().map_or(limit, |(begin, _)| *begin);
            self.counters.skipped_bytes += begin - *offset;
            *offset = begin;
            let Some((_, head)) = found else { continue };
            let after = begin + head.record_bytes();
            if head.first < *expected {
                *offset = after;
                continue;
            }
            chunk.clear();
            let intact = read_contents(&head, chunk, descriptors, |start, length, out| {
                read_exactly(file, begin + start, length, out)
            })?;
            *offset = after;
            if !intact {
                chunk.clear();
                self.counters.corrupt_records += 1;
                continue;
            }
            if head.first > *expected {
                self.lose(head.first);
            }
            chunk.ticket = Some(head.first);
            self.reader.expected = head.end();
            self.counters.read += u64::from(head.events);
            self.counters.read_bytes += head.record_bytes();
            self.outstanding_bytes += head.record_bytes();
            self.outstanding.push_back(Outstanding {
                first: head.first,
                events: u64::from(head.events),
                segment: self.reader.segment,
                offset: begin,
                bytes: head.record_bytes(),
                time_ns: head.time_ns,
                settled: false,
            });
            return Ok(true);
        }
    }

    /// Gives up the rest of the segment that cannot be read.
    pub fn skip_segment(&mut self) {
        if let Some(segment) = self.segments.iter().find(|segment| segment.number == self.reader.segment) {
            self.counters.skipped_bytes += segment.bytes.saturating_sub(self.reader.offset);
            self.reader.offset = segment.bytes.max(self.reader.offset);
        }
    }

    /// All events of the record with this ticket are acknowledged or given up by name.
    pub fn settle(&mut self, ticket: u64) {
        let place = self.outstanding.partition_point(|record| record.first < ticket);
        // Events that are missing stand before the record, and have no bytes.
        let record =
            self.outstanding.iter_mut().skip(place).take(2).find(|record| record.first == ticket && record.bytes > 0);
        if let Some(record) = record.filter(|record| !record.settled) {
            record.settled = true;
            self.counters.settled += record.events;
            self.outstanding_bytes -= record.bytes;
        }
        while self.outstanding.front().is_some_and(|record| record.settled) {
            self.outstanding.pop_front();
        }
    }

    /// Keeps the position on the disk and deletes the segments before it.
    pub fn keep_position(&mut self) -> io::Result<()> {
        let position = self.position();
        if position == self.kept {
            return Ok(());
        }
        self.folder.keep(&position)?;
        self.kept = position;
        while self.segments.front().is_some_and(|oldest| oldest.number < position.segment) {
            let Some(oldest) = self.segments.front() else { break };
            let (number, bytes) = (oldest.number, oldest.bytes);
            self.folder.delete(number)?;
            self.let_go(number);
            self.used_bytes -= bytes;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Files that were written and may not have reached the disk: those that were left, and the one that is written.
    pub fn unsynced(&mut self) -> io::Result<Vec<File>> {
        let dirty = self.open.as_ref().filter(|_| self.is_dirty);
        let current = dirty.map(File::try_clone).transpose()?;
        self.is_dirty = false;
        Ok(self.finished.drain(..).map(|(_, file)| file).chain(current).collect())
    }

    /// Whether the segment before the position could be deleted.
    pub fn has_settled_segment(&self) -> bool {
        self.segments.front().is_some_and(|oldest| oldest.number < self.position().segment)
    }

    /// Records that were read and are not settled, and their bytes.
    pub fn outstanding(&self) -> (usize, u64) {
        (self.outstanding.len(), self.outstanding_bytes)
    }

    /// When the queue was given the oldest event that is not settled, as far as it is known.
    pub fn oldest_ns(&self) -> Option<i64> {
        self.outstanding.iter().find(|record| record.bytes > 0 && !record.settled).map(|record| record.time_ns)
    }

    /// Bytes and number of the segments.
    pub fn size(&self) -> (u64, usize) {
        (self.used_bytes, self.segments.len())
    }

    /// Closes a segment: a file that is open keeps its room on the disk.
    fn let_go(&mut self, number: u64) {
        self.finished.retain(|(finished, _)| *finished != number);
        self.reader.file = self.reader.file.take().filter(|(open, _)| *open != number);
    }

    fn position(&self) -> Position {
        let (event, segment, offset) = match self.outstanding.front() {
            Some(record) => (record.first, record.segment, record.offset),
            None => (self.reader.expected, self.reader.segment, self.reader.offset),
        };
        Position { event, segment, offset, end: self.next }
    }

    /// Makes sure that the segment that is written has room for a record. The error is none when the queue is full.
    fn open_for(&mut self, size: u64) -> Result<(), Option<io::Error>> {
        let fits = |segment: &Segment| segment.bytes + size <= self.options.segment_bytes;
        if self.open.is_some() && self.segments.back().is_some_and(fits) {
            let full = self.used_bytes + size > self.options.max_bytes;
            return if full { Err(None) } else { Ok(()) };
        }
        if self.used_bytes + SEGMENT_HEAD_BYTES + size > self.options.max_bytes {
            return Err(None);
        }
        let head = SegmentHead { number: self.next_segment, first: self.next };
        let file = self.folder.create(&head).map_err(Some)?;
        let before = self.segments.back().map_or(0, |segment| segment.number);
        self.next_segment += 1;
        self.used_bytes += SEGMENT_HEAD_BYTES;
        self.segments.push_back(Segment { number: head.number, bytes: SEGMENT_HEAD_BYTES, first: Some(head.first) });
        self.finished.extend(self.open.replace(file).map(|file| (before, file)));
        Ok(())
    }

    /// Where the reader's segment ends; moves on to the next one at its end. None when all is read.
    fn limit(&mut self) -> Option<u64> {
        loop {
            let place = self.segments.partition_point(|segment| segment.number < self.reader.segment);
            let Some(segment) = self.segments.get(place) else {
                // Whatever was written before and is not there is lost.
                self.lose(self.next);
                return None;
            };
            if segment.number != self.reader.segment {
                (self.reader.segment, self.reader.offset) = (segment.number, SEGMENT_HEAD_BYTES);
            }
            if self.reader.offset < segment.bytes {
                return Some(segment.bytes);
            }
            match self.segments.get(place + 1) {
                Some(next) => {
                    let (number, first) = (next.number, next.first);
                    (self.reader.segment, self.reader.offset) = (number, SEGMENT_HEAD_BYTES);
                    self.lose(first.unwrap_or(0));
                }
                None => {
                    self.lose(self.next);
                    return None;
                }
            }
        }
    }

    fn open_for_reading(&mut self) -> io::Result<()> {
        let segment = self.reader.segment;
        if self.reader.file.as_ref().is_none_or(|(number, _)| *number != segment) {
            self.reader.file = Some((segment, self.folder.read(segment)?));
        }
        Ok(())
    }

    /// Events up to this number are missing.
    fn lose(&mut self, end: u64) {
        if end > self.reader.expected {
            self.counters.corrupt += end - self.reader.expected;
            self.pass_over(end);
        }
    }

    fn pass_over(&mut self, end: u64) {
        let (first, segment, offset) = (self.reader.expected, self.reader.segment, self.reader.offset);
        self.reader.expected = end;
        if !self.outstanding.is_empty() {
            let events = end - first;
            self.outstanding.push_back(Outstanding {
                first,
                events,
                segment,
                offset,
                bytes: 0,
                time_ns: 0,
                settled: true,
            });
        }
    }
}

/// The first record at or behind `offset` that lies wholly before `limit` and holds events before number `end`.
fn find_record(file: &File, offset: u64, limit: u64, end: u64) -> io::Result<Option<(u64, RecordHead)>> {
    const BLOCK_BYTES: u64 = 256 * 1024;
    let at = |offset: u64| -> io::Result<Option<RecordHead>> {
        if limit - offset < RECORD_HEAD_BYTES as u64 {
            return Ok(None);
        }
        let mut bytes = [0; RECORD_HEAD_BYTES];
        match file.read_exact_at(&mut bytes, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        Ok(RecordHead::read(&bytes).filter(|head| head.record_bytes() <= limit - offset && head.end() <= end))
    };
    if let Some(head) = at(offset)? {
        return Ok(Some((offset, head)));
    }
    let mut block = Vec::new();
    let mut start = offset + 1;
    while start < limit {
        block.clear();
        read_at_most(file, start, BLOCK_BYTES.min(limit - start), &mut block)?;
        for place in memmem::find_iter(&block, &RECORD_MARK) {
            if let Some(head) = at(start + place as u64)? {
                return Ok(Some((start + place as u64, head)));
            }
        }
        if block.len() < BLOCK_BYTES as usize {
            break;
        }
        // A mark may lie across two blocks.
        start += block.len() as u64 - (RECORD_MARK.len() as u64 - 1);
    }
    Ok(None)
}

/// Number of the event after the last one that is there; 0 when nothing says it.
fn end_of(folder: &Folder, found: &[Found]) -> io::Result<u64> {
    for segment in found.iter().rev() {
        let file = folder.read(segment.number)?;
        let mut end = segment.head.map(|head| head.first);
        let mut offset = SEGMENT_HEAD_BYTES;
        while offset < segment.bytes
            && let Some((begin, head)) = find_record(&file, offset, segment.bytes, u64::MAX)?
        {
            end = Some(end.unwrap_or(0).max(head.end()));
            offset = begin + head.record_bytes();
        }
        if let Some(end) = end {
            return Ok(end);
        }
    }
    Ok(0)
}

/// Number of the first event of a segment; None when it holds nothing that says it.
fn first_event(folder: &Folder, found: &Found) -> io::Result<Option<u64>> {
    if let Some(head) = found.head {
        return Ok(Some(head.first));
    }
    if found.bytes <= SEGMENT_HEAD_BYTES {
        return Ok(None);
    }
    let record = find_record(&folder.read(found.number)?, SEGMENT_HEAD_BYTES, found.bytes, u64::MAX)?;
    Ok(record.map(|(_, head)| head.first))
}

fn read_exactly(file: &File, offset: u64, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let before = out.len();
    out.resize(before + length as usize, 0);
    file.read_exact_at(&mut out[before..], offset)
}

fn read_at_most(file: &File, offset: u64, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
    out.resize(length as usize, 0);
    let mut done = 0;
    while done < out.len() {
        match file.read_at(&mut out[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.truncate(done);
    Ok(())
}

#[cfg(test)]
mod tests;
