// SPDX-License-Identifier: Apache-2.0
//! The answer to one command, packet by packet: OK, ERR, result sets in text or binary, one after another, with EOF
//! packets between (classic) or without (`CLIENT_DEPRECATE_EOF`). Which of the two is seen from the bytes: an EOF packet
//! has five, an OK packet in its place has seven or more, and no row begins with 0xfe unless it is longer than 16 MB.

use super::packet::{Head, Packet};
use super::request::{Answer, Request, Rows};
use super::statements::Statements;
use super::values::{self, Style};
use super::wire::{Column, Definition, Failure, MAX_FRAME_BYTES, Okay, Prepared, Reader, is_eof};
use super::wire::{STATUS_CURSOR_EXISTS, STATUS_MORE_RESULTS};
use crate::protocols::csv;

/// Answers are counted in bytes, and their text kept, up to here; rows are counted to the end (Packetbeat's limit).
const MAX_COUNTED_BYTES: u64 = 100 << 10;
/// MySQL allows 4,096 columns in a table.
const MAX_COLUMNS: u64 = 4096;
const MAX_PATH_BYTES: usize = 4 << 10;
const MAX_MESSAGE_BYTES: usize = 4096;
/// Of packets that are no rows.
const WANTED_BYTES: usize = 64 << 10;

/// What of the answer goes into events.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whether `response` is asked for.
    pub text: bool,
    pub max_rows: usize,
    pub max_row_length: usize,
}

/// Whether definitions and rows are followed by EOF packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EofStyle {
    #[default]
    Unknown,
    Classic,
    Deprecated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    Complete,
    /// The client now sends a file.
    LocalFile,
    /// Not what can come here: bytes are missing, or it is no such answer.
    Broken,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    First,
    Columns {
        left: u64,
    },
    ColumnsEnd,
    Rows,
    /// Definitions of a prepare's parameters, then of its columns.
    Parameters {
        left: u64,
        columns: u64,
    },
    ParametersEnd {
        columns: u64,
    },
    PreparedColumns {
        left: u64,
    },
    PreparedEnd,
}

#[derive(Default)]
pub struct Response {
    /// Time of its first bytes. None: it has not begun.
    pub start_ns: Option<i64>,
    pub bytes: u64,
    pub affected_rows: u64,
    pub insert_id: u64,
    pub fields: u64,
    pub rows: u64,
    /// Results that are complete: sets and OK packets.
    pub results: u64,
    pub error_code: Option<u16>,
    pub error_message: Vec<u8>,
    /// `db.table` of the columns, each once.
    pub path: Vec<u8>,
    pub text: Vec<u8>,
    /// Bytes inside were lost.
    pub damaged: bool,
    /// An EOF packet may follow the answer that was called complete.
    pub eof_may_follow: bool,
    phase: Phase,
    /// Sequence of the next packet. None: any.
    sequence: Option<u8>,
    full: bool,
    rows_of_set: usize,
    /// Statement that a prepare's answer names.
    prepared: u32,
    columns: Vec<Column>,
    cell: Vec<u8>,
}

impl Response {
    pub fn clear(&mut self) {
        for buffer in [&mut self.error_message, &mut self.path, &mut self.text, &mut self.cell] {
            buffer.clear();
            buffer.shrink_to(64 << 10);
        }
        self.columns.clear();
        self.start_ns = None;
        (self.bytes, self.affected_rows, self.insert_id, self.fields, self.rows, self.results) = (0, 0, 0, 0, 0, 0);
        self.error_code = None;
        (self.damaged, self.eof_may_follow, self.full) = (false, false, false);
        self.phase = Phase::First;
        self.sequence = None;
        self.rows_of_set = 0;
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.text.capacity() + self.path.capacity() + self.error_message.capacity() + self.cell.capacity()
    }

    pub fn has_begun(&self) -> bool {
        self.start_ns.is_some()
    }

    /// Whether rows are being read: a hole inside a row does no harm.
    pub fn is_in_rows(&self) -> bool {
        self.phase == Phase::Rows
    }

    /// How much of a packet that begins is of use; None: it does not belong to the answer.
    pub fn wanted_bytes(&self, head: Head, request: &Request, wanted: &Wanted) -> Option<usize> {
        let expected = self.sequence.unwrap_or(request.sequence.wrapping_add(1));
        let free = request.command.answer() == Answer::Authentication;
        // A server may end a connection with an ERR packet that is no answer and counts from 0.
        let notice = head.sequence == 0 && head.first == Some(0xff);
        if head.sequence != expected && !free && !notice {
            return None;
        }
        let last = matches!(head.first, Some(0xfe | 0xff));
        if self.is_rows_packet(request) && !last {
            return Some(if self.row_is_wanted(wanted) {
                wanted.max_row_length.saturating_add(10 * (self.columns.len() + 1)).min(MAX_COUNTED_BYTES as usize)
            } else {
                1
            });
        }
        Some(WANTED_BYTES)
    }

    fn is_rows_packet(&self, request: &Request) -> bool {
        self.phase == Phase::Rows || self.phase == Phase::First && request.command.answer() == Answer::Fetched
    }

    fn row_is_wanted(&self, wanted: &Wanted) -> bool {
        wanted.text && !self.full && self.rows_of_set < wanted.max_rows
    }

    /// Takes the next packet.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        start_ns: i64,
        request: &Request,
        style: &mut EofStyle,
        statements: &mut Statements,
        wanted: &Wanted,
    ) -> Progress {
        self.start_ns.get_or_insert(start_ns);
        self.sequence = Some(packet.last_sequence.wrapping_add(1));
        if let Some(failure) = Failure::parse(packet.payload).filter(|_| packet.length < MAX_FRAME_BYTES as u64) {
            self.count(packet.wire_bytes);
            if failure.code == Failure::PROGRESS {
                return Progress::More;
            }
            self.fail(&failure);
            return Progress::Complete;
        }
        // Packetbeat reports the first packet of a prepare's answer; its definitions say nothing of the traffic.
        let definitions = self.phase != Phase::First && request.command.answer() == Answer::Prepared;
        if !definitions {
            self.count(packet.wire_bytes);
        }
        self.damaged |= packet.damaged;
        let progress = match self.phase {
            Phase::First => self.first(packet, request, statements, wanted, start_ns),
            Phase::Columns { left } => self.definition(packet.payload, left, wanted),
            Phase::ColumnsEnd => self.columns_end(packet, request, style, statements, wanted),
            Phase::Rows => self.row(packet, request, wanted),
            Phase::Parameters { left, columns } => {
                self.phase = match left {
                    0 | 1 => Phase::ParametersEnd { columns },
                    left => Phase::Parameters { left: left - 1, columns },
                };
                Some(Progress::More)
            }
            Phase::ParametersEnd { columns } => self.parameters_end(packet, columns, style),
            Phase::PreparedColumns { left } => self.prepared_column(packet.payload, left),
            Phase::PreparedEnd => is_eof(packet.payload).then_some(Progress::Complete),
        };
        self.full |= self.bytes > MAX_COUNTED_BYTES;
        let progress = match progress {
            Some(Progress::More) => self.prepared_progress(*style),
            Some(progress) => progress,
            None => Progress::Broken,
        };
        if progress == Progress::Complete && request.command.answer() == Answer::Prepared {
            let columns = &self.columns;
            statements.change(self.prepared, |statement| statement.columns.clone_from(columns));
        }
        progress
    }

    fn count(&mut self, bytes: u64) {
        if !self.full {
            self.bytes += bytes;
        }
    }

    fn fail(&mut self, failure: &Failure<'_>) {
        self.error_code = Some(failure.code);
        if !failure.state.is_empty() {
            self.error_message.extend_from_slice(failure.state);
            self.error_message.extend_from_slice(b": ");
        }
        self.error_message.extend_from_slice(&failure.message[..failure.message.len().min(MAX_MESSAGE_BYTES)]);
    }

    fn first(
        &mut self,
        packet: &Packet<'_>,
        request: &Request,
        statements: &mut Statements,
        wanted: &Wanted,
        now_ns: i64,
    ) -> Option<Progress> {
        match request.command.answer() {
            Answer::Results(rows) => self.first_of_result(packet, request, rows, statements, wanted),
            Answer::Prepared => {
                let prepared = Prepared::parse(packet.payload)?;
                self.prepare(&prepared, request, statements, now_ns);
                Some(Progress::More)
            }
            Answer::Fetched => {
                statements.change(request.statement, |statement| self.columns.clone_from(&statement.columns));
                self.fields = self.columns.len() as u64;
                self.phase = Phase::Rows;
                self.row(packet, request, wanted)
            }
            Answer::Definitions => {
                if packet.payload.first() == Some(&0xfe) {
                    return Some(Progress::Complete);
                }
                self.fields += 1;
                Some(Progress::More)
            }
            Answer::Authentication => match packet.payload.first()? {
                0 => Some(Progress::Complete),
                // More to do: another method, a challenge.
                _ => Some(Progress::More),
            },
            Answer::Text => Some(Progress::Complete),
            Answer::Single => {
                let okay = Okay::parse(packet.payload)?;
                self.affected_rows = okay.affected_rows;
                self.insert_id = okay.insert_id;
                Some(Progress::Complete)
            }
            Answer::None => None,
        }
    }

    fn first_of_result(
        &mut self,
        packet: &Packet<'_>,
        request: &Request,
        rows: Rows,
        statements: &mut Statements,
        wanted: &Wanted,
    ) -> Option<Progress> {
        match packet.payload.first()? {
            0x00 | 0xfe => self.okay(packet.payload),
            0xfb if rows == Rows::Text => {
                // What follows the file counts from where the client ended.
                self.sequence = None;
                Some(Progress::LocalFile)
            }
            _ => {
                let mut reader = Reader::new(packet.payload);
                let count = reader.length_encoded().filter(|count| (1..=MAX_COLUMNS).contains(count))?;
                // CLIENT_OPTIONAL_RESULTSET_METADATA and MariaDB's metadata cache: 0 says that definitions are left out.
                let definitions = reader.u8() != Some(0);
                if !reader.is_empty() {
                    return None;
                }
                if self.fields == 0 {
                    self.fields = count;
                }
                self.columns.clear();
                self.rows_of_set = 0;
                self.phase = Phase::Columns { left: count };
                if !definitions {
                    statements.change(request.statement, |statement| self.columns.clone_from(&statement.columns));
                    self.end_header(wanted);
                    self.phase = Phase::ColumnsEnd;
                }
                Some(Progress::More)
            }
        }
    }

    fn okay(&mut self, payload: &[u8]) -> Option<Progress> {
        let okay = Okay::parse(payload)?;
        self.affected_rows = self.affected_rows.saturating_add(okay.affected_rows);
        if okay.insert_id != 0 {
            self.insert_id = okay.insert_id;
        }
        Some(self.end_of_result(okay.status))
    }

    fn end_of_result(&mut self, status: u16) -> Progress {
        self.results += 1;
        self.phase = Phase::First;
        if status & STATUS_MORE_RESULTS != 0 { Progress::More } else { Progress::Complete }
    }

    fn definition(&mut self, payload: &[u8], left: u64, wanted: &Wanted) -> Option<Progress> {
        let definition = Definition::parse(payload)?;
        self.add_column(&definition);
        if wanted.text && !self.full {
            if self.columns.len() > 1 {
                self.text.push(b',');
            }
            csv::write_value(&mut self.text, definition.name);
        }
        self.phase = match left {
            0 | 1 => {
                self.end_header(wanted);
                Phase::ColumnsEnd
            }
            left => Phase::Columns { left: left - 1 },
        };
        Some(Progress::More)
    }

    fn end_header(&mut self, wanted: &Wanted) {
        if wanted.text && !self.full && !self.columns.is_empty() {
            self.text.push(b'\n');
        }
    }

    fn add_column(&mut self, definition: &Definition<'_>) {
        self.columns.push(definition.column);
        let (database, table) = (definition.database, definition.table);
        let length = database.len() + 1 + table.len();
        let known = split_path(&self.path).any(|place| {
            place.len() == length
                && place.starts_with(database)
                && place[database.len()] == b'.'
                && place.ends_with(table)
        });
        if !known && self.path.len() + length + 2 <= MAX_PATH_BYTES {
            if !self.path.is_empty() {
                self.path.extend_from_slice(b", ");
            }
            self.path.extend_from_slice(database);
            self.path.push(b'.');
            self.path.extend_from_slice(table);
        }
    }

    fn columns_end(
        &mut self,
        packet: &Packet<'_>,
        request: &Request,
        style: &mut EofStyle,
        statements: &mut Statements,
        wanted: &Wanted,
    ) -> Option<Progress> {
        if request.command.answer() == Answer::Results(Rows::Binary) {
            let columns = &self.columns;
            statements.change(request.statement, |statement| {
                if statement.columns != *columns {
                    statement.columns.clone_from(columns);
                }
            });
        }
        self.phase = Phase::Rows;
        if is_eof(packet.payload) {
            *style = EofStyle::Classic;
            let okay = Okay::parse(packet.payload)?;
            return Some(if okay.status & STATUS_CURSOR_EXISTS != 0 {
                self.end_of_result(okay.status)
            } else {
                Progress::More
            });
        }
        *style = EofStyle::Deprecated;
        self.row(packet, request, wanted)
    }

    fn row(&mut self, packet: &Packet<'_>, request: &Request, wanted: &Wanted) -> Option<Progress> {
        if packet.payload.first() == Some(&0xfe) && packet.length < MAX_FRAME_BYTES as u64 {
            let okay = Okay::parse(packet.payload)?;
            return Some(self.end_of_result(okay.status));
        }
        if self.row_is_wanted(wanted) && !packet.damaged {
            let binary = matches!(request.command.answer(), Answer::Results(Rows::Binary) | Answer::Fetched);
            let start = self.text.len();
            let written = if binary {
                self.write_binary_row(packet.payload, wanted)
            } else {
                self.write_text_row(packet.payload, wanted)
            };
            if written.is_none() && packet.length == packet.payload.len() as u64 {
                self.text.truncate(start);
                return None;
            }
            self.text.push(b'\n');
        }
        self.rows += 1;
        self.rows_of_set += 1;
        Some(Progress::More)
    }

    fn write_text_row(&mut self, payload: &[u8], wanted: &Wanted) -> Option<()> {
        let mut reader = Reader::new(payload);
        let mut room = wanted.max_row_length;
        let mut first = true;
        while !reader.is_empty() && room > 0 {
            let value: &[u8] = if reader.rest().first() == Some(&0xfb) {
                reader.u8();
                b"NULL"
            } else {
                reader.text_or_part()?
            };
            let value = &value[..value.len().min(room)];
            room -= value.len();
            write_cell(&mut self.text, &mut first, value);
        }
        Some(())
    }

    /// 0x00, a bit map of nulls that begins at its third bit, and the values that are none.
    fn write_binary_row(&mut self, payload: &[u8], wanted: &Wanted) -> Option<()> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != 0 {
            return None;
        }
        if self.columns.is_empty() {
            // Fetched rows of a statement that was not seen: they are counted.
            return Some(());
        }
        let nulls = reader.take((self.columns.len() + 2).div_ceil(8))?;
        let mut room = wanted.max_row_length;
        let mut first = true;
        for (index, column) in self.columns.iter().enumerate() {
            if room == 0 {
                break;
            }
            self.cell.clear();
            let bit = index + 2;
            if nulls.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0) {
                self.cell.extend_from_slice(b"NULL");
            } else {
                values::write_value(&mut self.cell, &mut reader, *column, Style::Row)?;
            }
            let value = &self.cell[..self.cell.len().min(room)];
            room -= value.len();
            write_cell(&mut self.text, &mut first, value);
        }
        Some(())
    }

    fn prepare(&mut self, prepared: &Prepared, request: &Request, statements: &mut Statements, now_ns: i64) {
        self.prepared = prepared.statement;
        statements.remove(prepared.statement);
        if !request.published {
            // The text of a request that was published because its answer came late is gone.
            statements.insert(prepared.statement, &request.text, prepared.parameters, now_ns);
        }
        let (columns, parameters) = (u64::from(prepared.columns), u64::from(prepared.parameters));
        self.fields = columns;
        // Packetbeat counts the packets between the first and the last EOF; kept, as dashboards may show it.
        self.rows = match (parameters, columns) {
            (0, _) => 0,
            (parameters, 0) => parameters,
            (_, columns) => columns,
        };
        self.results = 1;
        self.phase = match (parameters, columns) {
            _ if !prepared.definitions => Phase::PreparedColumns { left: 0 },
            (0, columns) => Phase::PreparedColumns { left: columns },
            (parameters, columns) => Phase::Parameters { left: parameters, columns },
        };
    }

    fn parameters_end(&mut self, packet: &Packet<'_>, columns: u64, style: &mut EofStyle) -> Option<Progress> {
        if is_eof(packet.payload) {
            *style = EofStyle::Classic;
            if columns == 0 {
                return Some(Progress::Complete);
            }
            self.phase = Phase::PreparedColumns { left: columns };
            return Some(Progress::More);
        }
        *style = EofStyle::Deprecated;
        self.prepared_column(packet.payload, columns)
    }

    fn prepared_column(&mut self, payload: &[u8], left: u64) -> Option<Progress> {
        self.add_column(&Definition::parse(payload)?);
        self.phase = match left {
            0 | 1 => Phase::PreparedEnd,
            left => Phase::PreparedColumns { left: left - 1 },
        };
        Some(Progress::More)
    }

    /// An answer to a prepare is complete with its last definition, unless an EOF packet must follow.
    fn prepared_progress(&mut self, style: EofStyle) -> Progress {
        let last = match self.phase {
            Phase::PreparedColumns { left: 0 } => return Progress::Complete,
            Phase::ParametersEnd { columns: 0 } | Phase::PreparedEnd => true,
            _ => false,
        };
        if !last || style == EofStyle::Classic {
            return Progress::More;
        }
        self.eof_may_follow = style == EofStyle::Unknown;
        Progress::Complete
    }
}

fn write_cell(text: &mut Vec<u8>, first: &mut bool, value: &[u8]) {
    if !*first {
        text.push(b',');
    }
    *first = false;
    csv::write_value(text, value);
}

fn split_path(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path).filter(|path| !path.is_empty());
    std::iter::from_fn(move || {
        let path = rest?;
        match memchr::memmem::find(path, b", ") {
            Some(end) => {
                rest = Some(&path[end + 2..]);
                Some(&path[..end])
            }
            None => {
                rest = None;
                Some(path)
            }
        }
    })
}
