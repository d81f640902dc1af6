// SPDX-License-Identifier: Apache-2.0
//! Capture files: pcap (microseconds and nanoseconds, both byte orders, Kuznetzov's variant) and pcapng with several
//! interfaces. Every worker reads all records through a buffer of its own.
//!
//! Limits: a record is at most [`MAX_RECORD_BYTES`]; pcapng's obsolete packet block is read, other block types are skipped.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::enter::EnterKey;
use super::filter::PacketFilter;
use super::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, SourceStatistics, Stray};
use crate::wire::LinkType;

const MAX_RECORD_BYTES: usize = 16 << 20;
/// What was read is still in the cache of the core when it is decoded.
const BUFFER_BYTES: usize = 256 << 10;
/// Records of one call, with those that a filter leaves out.
const MAX_LOOKED_AT: usize = 1024;

/// When a file's packets are given, and with which times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as they are taken, with the file's times (`-t`).
    TopSpeed,
    /// With the file's gaps between them, moved to the wall clock: the first packet comes at this time (ns since 1970).
    RealTime { start_ns: i64 },
    /// One each time Enter is pressed, with the time of the wall clock (`-O`).
    OneAtATime,
}

/// Reads a capture file one or more times.
pub struct FileSource {
    path: PathBuf,
    reader: RecordReader,
    pace: Pace,
    /// Passes left after this one; None goes on for ever.
    passes_left: Option<u64>,
    first_ns: Option<i64>,
    /// Records of the last burst, in the reader's buffer.
    records: Vec<Record>,
    /// A record that is due later than now.
    waiting: Option<Record>,
    failure: Option<String>,
    enter: EnterKey,
    filter: Option<PacketFilter>,
    filtered: u64,
}

impl FileSource {
    /// Opens a file. `passes` 0 reads for ever. Errors are sentences without the path.
    pub fn open(path: &Path, pace: Pace, passes: u64) -> Result<FileSource, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        Ok(FileSource {
            path: path.to_path_buf(),
            reader: RecordReader::new(file)?,
            pace,
            passes_left: passes.checked_sub(1),
            first_ns: None,
            records: Vec::with_capacity(BURST),
            waiting: None,
            failure: None,
            enter: EnterKey::default(),
            filter: None,
            filtered: 0,
        })
    }

    /// Leaves out what does not match a filter.
    pub fn filtered_by(self, filter: Option<PacketFilter>) -> FileSource {
        FileSource { filter, ..self }
    }

    fn failed(&self, failure: &str) -> Received {
        Received::Failed(format!("{}: {failure}", self.path.display()))
    }

    fn rewind(&mut self) -> bool {
        match &mut self.passes_left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        if let Pace::RealTime { start_ns } = &mut self.pace {
            *start_ns = now_ns();
            self.first_ns = None;
        }
        match File::open(&self.path).map_err(|error| error.to_string()).and_then(RecordReader::new) {
            Ok(reader) => {
                self.reader = reader;
                true
            }
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    /// The time a record is given, and whether it is due.
    fn due(&mut self, record: &mut Record) -> bool {
        let start_ns = match self.pace {
            Pace::TopSpeed => return true,
            Pace::OneAtATime => {
                record.time_ns = now_ns();
                return true;
            }
            Pace::RealTime { start_ns } => start_ns,
        };
        let first = *self.first_ns.get_or_insert(record.time_ns);
        let time_ns = start_ns.saturating_add(record.time_ns.saturating_sub(first));
        if time_ns > now_ns() {
            return false;
        }
        record.time_ns = time_ns;
        true
    }
}

impl Source for FileSource {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        self.records.clear();
        if let Some(failure) = self.failure.take() {
            return self.failed(&failure);
        }
        let limit = match self.pace {
            Pace::OneAtATime if !self.enter.pressed() => return Received::Idle,
            Pace::OneAtATime => 1,
            _ => BURST,
        };
        let mut outcome = Received::Packets;
        let mut looked_at = 0;
        self.reader.compact_unless(self.waiting.as_ref());
        while self.records.len() < limit && looked_at < MAX_LOOKED_AT {
            looked_at += 1;
            let next = match self.waiting.take() {
                Some(record) => Ok(Some(record)),
                // Filling the buffer moves it: only before the burst has a record in it.
                None => self.reader.next(self.records.is_empty()),
            };
            match next {
                Ok(Some(mut record)) => {
                    if !self.due(&mut record) {
                        self.waiting = Some(record);
                        if self.records.is_empty() {
                            std::thread::sleep(Duration::from_millis(1));
                            outcome = Received::Idle;
                        }
                        break;
                    }
                    let frame = &self.reader.buffer[record.data.clone()];
                    match self.filter.as_mut().is_none_or(|filter| filter.matches(record.link, frame)) {
                        true => self.records.push(record),
                        false => self.filtered += 1,
                    }
                }
                Ok(None) if self.reader.wants_filling() => break,
                Ok(None) => {
                    if !self.records.is_empty() {
                        break;
                    }
                    if !self.rewind() {
                        outcome = match self.failure.take() {
                            Some(failure) => self.failed(&failure),
                            None => Received::End,
                        };
                    }
                    break;
                }
                Err(failure) => {
                    if self.records.is_empty() {
                        outcome = self.failed(&failure);
                    } else {
                        self.failure = Some(failure);
                    }
                    break;
                }
            }
        }
        let buffer = &self.reader.buffer;
        for record in &self.records {
            burst.push(Packet {
                data: &buffer[record.data.clone()],
                more: &[],
                wire_length: record.wire_length,
                time_ns: record.time_ns,
                link: record.link,
                origin: Origin::Source,
            });
        }
        outcome
    }

    fn release(&mut self, _strays: &[Stray]) {}

    fn share(&self) -> Share {
        Share::Everything
    }

    fn pressure(&self) -> Pressure {
        Pressure::Lossless
    }

    fn statistics(&mut self) -> SourceStatistics {
        SourceStatistics { filtered: self.filtered, ..SourceStatistics::default() }
    }
}

fn now_ns() -> i64 {
    jiff::Timestamp::now().as_nanosecond() as i64
}

/// One record, its data in the reader's buffer.
#[derive(Clone, Debug)]
struct Record {
    data: Range<usize>,
    wire_length: u32,
    time_ns: i64,
    link: LinkType,
}

/// Reads records of either format.
struct RecordReader {
    file: File,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are not yet read as records.
    unread: Range<usize>,
    ended: bool,
    /// Whether the last `next` stopped because the buffer must be filled first.
    starved: bool,
    format: Format,
}

enum Format {
    Pcap { order: Order, header_bytes: usize, nanoseconds_per_unit: i64, link: LinkType },
    Pcapng { order: Order, interfaces: Vec<Interface> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// An interface of a pcapng section.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Option<LinkType>,
    snap_bytes: u32,
    /// Time units in a second.
    units: i128,
    offset_seconds: i64,
}

/// Seconds from here on (the year 2072 as unsigned) are taken for negative ones.
const EARLIEST_NEGATIVE: u32 = 0xc000_0000;

const TRUNCATED: &str = "sniffing error: Read Error: the capture ends in the middle of a packet";

impl RecordReader {
    fn new(file: File) -> Result<RecordReader, String> {
        let mut reader = RecordReader {
            file,
            buffer: vec![0; BUFFER_BYTES],
            unread: 0..0,
            ended: false,
            starved: false,
            format: Format::Pcapng { order: Order::Little, interfaces: Vec::new() },
        };
        reader.fill(24)?;
        let head: [u8; 24] = match reader.buffer[reader.unread.clone()].first_chunk() {
            Some(head) => *head,
            None => return Err(format!("unknown file format: {} bytes are no capture file", reader.unread.len())),
        };
        let magic = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let (order, header_bytes, nanoseconds_per_unit) = match magic {
            0xa1b2_c3d4 => (Order::Little, 16, 1000),
            0xd4c3_b2a1 => (Order::Big, 16, 1000),
            0xa1b2_3c4d => (Order::Little, 16, 1),
            0x4d3c_b2a1 => (Order::Big, 16, 1),
            0xa1b2_cd34 => (Order::Little, 24, 1000),
            0x34cd_b2a1 => (Order::Big, 24, 1000),
            0x0a0d_0d0a => return Ok(reader),
            _ => return Err(format!("unknown file format: it begins with {:02x?}", &head[..4])),
        };
        // Upper bits say whether frames end in a check sum.
        let number = order.u32(&head[20..24]) & 0xffff;
        let link = LinkType::from_dlt(number).ok_or_else(|| format!("unsupported link type: {number}"))?;
        reader.unread.start += 24;
        reader.format = Format::Pcap { order, header_bytes, nanoseconds_per_unit, link };
        Ok(reader)
    }

    fn wants_filling(&self) -> bool {
        self.starved
    }

    /// Moves what is unread to the front, so that there is room to fill; not while a record is still to be given.
    fn compact_unless(&mut self, waiting: Option<&Record>) {
        if waiting.is_none() && self.unread.start > BUFFER_BYTES / 2 {
            self.move_to_front();
        }
    }

    fn move_to_front(&mut self) {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
    }

    /// Makes at least `wanted` bytes unread, or as many as there are.
    fn fill(&mut self, wanted: usize) -> Result<(), String> {
        if self.unread.len() >= wanted || self.ended {
            return Ok(());
        }
        if self.buffer.len() - self.unread.start < wanted {
            self.move_to_front();
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
        }
        while self.unread.len() < wanted && !self.ended {
            match self.file.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.unread.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("sniffing error: Read Error: {error}")),
            }
        }
        Ok(())
    }

    /// Whether `wanted` bytes are unread; `may_fill` says that the buffer may be moved for it.
    fn have(&mut self, wanted: usize, may_fill: bool) -> Result<bool, String> {
        if self.unread.len() >= wanted {
            return Ok(true);
        }
        if !may_fill && !self.ended {
            self.starved = true;
            return Ok(false);
        }
        self.fill(wanted)?;
        Ok(self.unread.len() >= wanted)
    }

    /// The next record. None at the end, or when the buffer must be filled first and may not be.
    fn next(&mut self, may_fill: bool) -> Result<Option<Record>, String> {
        self.starved = false;
        match self.format {
            Format::Pcap { order, header_bytes, nanoseconds_per_unit, link } => {
                self.pcap_record(may_fill, order, header_bytes, nanoseconds_per_unit, link)
            }
            Format::Pcapng { .. } => loop {
                match self.block(may_fill)? {
                    Block::Record(record) => return Ok(Some(record)),
                    Block::Skipped => {}
                    Block::None => return Ok(None),
                }
            },
        }
    }

    fn pcap_record(
        &mut self,
        may_fill: bool,
        order: Order,
        header_bytes: usize,
        nanoseconds_per_unit: i64,
        link: LinkType,
    ) -> Result<Option<Record>, String> {
        if !self.have(header_bytes, may_fill)? {
            return self.none_or_truncated();
        }
        let header = &self.buffer[self.unread.start..self.unread.start + header_bytes];
        let captured = order.u32(&header[8..12]) as usize;
        let wire_length = order.u32(&header[12..16]);
        let seconds = match order.u32(&header[0..4]) {
            // Clocks that were wrong gave times before 1970; libpcap reads seconds as signed, which ends in 2038.
            seconds if seconds >= EARLIEST_NEGATIVE => i64::from(seconds as i32),
            seconds => i64::from(seconds),
        };
        let fraction = i64::from(order.u32(&header[4..8])) * nanoseconds_per_unit;
        if captured > MAX_RECORD_BYTES {
            return Err(format!("sniffing error: a packet of {captured} bytes, more than {MAX_RECORD_BYTES}"));
        }
        if !self.have(header_bytes + captured, may_fill)? {
            return self.none_or_truncated();
        }
        let start = self.unread.start + header_bytes;
        self.unread.start = start + captured;
        Ok(Some(Record {
            data: start..start + captured,
            wire_length: wire_length.max(captured as u32),
            time_ns: seconds * 1_000_000_000 + fraction,
            link,
        }))
    }

    fn none_or_truncated<T>(&self) -> Result<Option<T>, String> {
        if self.starved || self.unread.is_empty() { Ok(None) } else { Err(TRUNCATED.to_string()) }
    }

    /// One block of a pcapng file (draft-ietf-opsawg-pcapng).
    fn block(&mut self, may_fill: bool) -> Result<Block, String> {
        let Format::Pcapng { order, .. } = self.format else { return Ok(Block::None) };
        if !self.have(12, may_fill)? {
            return self.none_or_truncated::<()>().map(|_| Block::None);
        }
        let head = &self.buffer[self.unread.start..self.unread.start + 12];
        let kind = order.u32(&head[0..4]);
        let order = match kind {
            SECTION_HEADER => match u32::from_le_bytes([head[8], head[9], head[10], head[11]]) {
                0x1a2b_3c4d => Order::Little,
                0x4d3c_2b1a => Order::Big,
                magic => return Err(format!("unknown file format: pcapng byte order {magic:08x}")),
            },
            _ => order,
        };
        let length = order.u32(&head[4..8]) as usize;
        if !(12..=MAX_RECORD_BYTES).contains(&length) || !length.is_multiple_of(4) {
            return Err(format!("sniffing error: a pcapng block of {length} bytes"));
        }
        if !self.have(length, may_fill)? {
            return self.none_or_truncated::<()>().map(|_| Block::None);
        }
        let start = self.unread.start;
        self.unread.start += length;
        let body = start + 8..start + length - 4;
        let Format::Pcapng { order: section_order, interfaces } = &mut self.format else { return Ok(Block::None) };
        let bytes = &self.buffer[body.clone()];
        Ok(match kind {
            SECTION_HEADER => {
                *section_order = order;
                interfaces.clear();
                Block::Skipped
            }
            INTERFACE_DESCRIPTION => {
                interfaces.push(interface(order, bytes));
                Block::Skipped
            }
            ENHANCED_PACKET | PACKET if bytes.len() >= 20 => {
                let number = match kind {
                    ENHANCED_PACKET => order.u32(&bytes[0..4]) as usize,
                    _ => usize::from(order.u16(&bytes[0..2])),
                };
                let captured = order.u32(&bytes[12..16]) as usize;
                let Some(interface) = interfaces.get(number) else {
                    return Err(format!("sniffing error: a packet of interface {number}, which is not described"));
                };
                if captured > bytes.len() - 20 {
                    return Err(format!("sniffing error: a packet of {captured} bytes in a smaller block"));
                }
                let units = u64::from(order.u32(&bytes[4..8])) << 32 | u64::from(order.u32(&bytes[8..12]));
                let wire_length = order.u32(&bytes[16..20]);
                interface.record(body.start + 20..body.start + 20 + captured, wire_length, Some(units))?
            }
            SIMPLE_PACKET if bytes.len() >= 4 => {
                let Some(interface) = interfaces.first() else {
                    return Err("sniffing error: a packet before any interface is described".to_string());
                };
                let wire_length = order.u32(&bytes[0..4]);
                let mut captured = (bytes.len() - 4).min(wire_length as usize);
                if interface.snap_bytes > 0 {
                    captured = captured.min(interface.snap_bytes as usize);
                }
                interface.record(body.start + 4..body.start + 4 + captured, wire_length, None)?
            }
            _ => Block::Skipped,
        })
    }
}

enum Block {
    Record(Record),
    Skipped,
    None,
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

fn interface(order: Order, bytes: &[u8]) -> Interface {
    let mut interface = Interface { link: None, snap_bytes: 0, units: 1_000_000, offset_seconds: 0 };
    if bytes.len() < 8 {
        return interface;
    }
    interface.link = LinkType::from_dlt(u32::from(order.u16(&bytes[0..2])));
    interface.snap_bytes = order.u32(&bytes[4..8]);
    let mut options = &bytes[8..];
    while options.len() >= 4 {
        let (code, length) = (order.u16(&options[0..2]), usize::from(order.u16(&options[2..4])));
        let Some(value) = options.get(4..4 + length) else { break };
        match (code, value) {
            (0, _) => break,
            (9, [resolution]) => {
                let exponent = u32::from(resolution & 0x7f);
                interface.units = match resolution & 0x80 {
                    0 => 10i128.checked_pow(exponent.min(18)).unwrap_or(1_000_000),
                    _ => 1i128 << exponent.min(63),
                };
            }
            (14, value) if value.len() == 8 => {
                let (first, second) = (u64::from(order.u32(&value[0..4])), u64::from(order.u32(&value[4..8])));
                interface.offset_seconds = match order {
                    Order::Little => second << 32 | first,
                    Order::Big => first << 32 | second,
                } as i64;
            }
            _ => {}
        }
        options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    interface
}

impl Interface {
    fn record(&self, data: Range<usize>, wire_length: u32, units: Option<u64>) -> Result<Block, String> {
        let link = self.link.ok_or("unsupported link type of a pcapng interface")?;
        let time_ns = units.map_or(0, |units| i128::from(units) * 1_000_000_000 / self.units);
        let time_ns = time_ns + i128::from(self.offset_seconds) * 1_000_000_000;
        Ok(Block::Record(Record {
            wire_length: wire_length.max(data.len() as u32),
            data,
            time_ns: i64::try_from(time_ns).unwrap_or(i64::MAX),
            link,
        }))
    }
}

impl Order {
    fn u16(self, bytes: &[u8]) -> u16 {
        let bytes = [bytes[0], bytes[1]];
        match self {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: &[u8]) -> u32 {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }
}
