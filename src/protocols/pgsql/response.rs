// SPDX-License-Identifier: Apache-2.0
//! The answer to the first unit that waits, as far as it has come: counts, the error, and what `response` will show.

use super::frames::Message;
use super::message::{self, Failure, Formats, Reader};
use super::values::{self, Format};
use crate::protocols::csv;

/// Bytes of `response` that are kept, whatever the options ask for.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Bytes of one row that are read.
const MAX_ROW_BYTES: usize = 1 << 20;
/// Columns of a result whose types are remembered. PostgreSQL allows 1,664.
const MAX_COLUMNS: usize = 1664;

/// What of an answer is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub text: bool,
    pub max_rows: usize,
    pub max_row_length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    type_oid: u32,
    format: Format,
}

/// The error of an answer.
#[derive(Debug, Default)]
pub struct Error {
    pub severity: Vec<u8>,
    pub code: Vec<u8>,
    pub message: Vec<u8>,
}

impl Error {
    pub fn set(&mut self, failure: &Failure<'_>) {
        for (own, given) in [
            (&mut self.severity, failure.severity),
            (&mut self.code, failure.code),
            (&mut self.message, failure.message),
        ] {
            own.clear();
            own.extend_from_slice(given);
        }
    }
}

#[derive(Debug, Default)]
pub struct Response {
    pub start_ns: Option<i64>,
    pub bytes: u64,
    pub rows: u64,
    pub fields: u64,
    pub text: Vec<u8>,
    /// Command tag of CommandComplete.
    pub tag: Vec<u8>,
    pub failed: bool,
    pub error: Error,
    /// The client sends data to be copied.
    pub copies_in: bool,
    /// Bytes of rows were lost in a gap.
    pub damaged: bool,
    /// ParameterDescription came: the RowDescription behind it describes a statement, whose formats are not known yet.
    pub of_statement: bool,
    described: bool,
    columns: Vec<Column>,
    cell: Vec<u8>,
}

impl Response {
    pub fn clear(&mut self) {
        self.start_ns = None;
        self.bytes = 0;
        self.rows = 0;
        self.fields = 0;
        self.text.clear();
        self.text.shrink_to(64 << 10);
        self.tag.clear();
        self.failed = false;
        self.copies_in = false;
        self.damaged = false;
        self.of_statement = false;
        self.described = false;
        self.columns.clear();
        self.cell.clear();
        self.cell.shrink_to(16 << 10);
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.text.capacity() + self.cell.capacity() + self.columns.capacity() * size_of::<Column>()
    }

    /// Whether anything of the answer has come.
    pub fn has_begun(&self) -> bool {
        self.start_ns.is_some()
    }

    /// Whether rows are coming, or copied data.
    pub fn is_in_rows(&self) -> bool {
        self.has_begun() && !self.failed
    }

    /// Counts a message that belongs to the answer.
    pub fn count(&mut self, message: &Message<'_>, start_ns: i64) {
        self.start_ns.get_or_insert(start_ns);
        self.bytes += message.wire_bytes;
        self.damaged |= message.damaged;
    }

    /// Bytes of the next row that are of use.
    pub fn row_bytes(&self, wanted: &Wanted) -> usize {
        if !self.shows_row(wanted) {
            return 2;
        }
        let columns = usize::try_from(self.fields).unwrap_or(usize::MAX).clamp(16, MAX_COLUMNS);
        // A binary value may be longer than its text.
        wanted.max_row_length.saturating_mul(2).saturating_add(64 * (columns + 1)).min(MAX_ROW_BYTES)
    }

    fn shows_row(&self, wanted: &Wanted) -> bool {
        wanted.text && self.rows < wanted.max_rows as u64 && self.text.len() < MAX_TEXT_BYTES
    }

    /// Takes a RowDescription. Its formats hold for the rows, unless it describes a statement: then `formats` do.
    pub fn describe(&mut self, description: &[u8], formats: Option<Formats>, wanted: &Wanted) -> Option<()> {
        let (count, columns) = message::columns(description)?;
        self.fields = u64::from(count);
        self.described = true;
        self.columns.clear();
        self.text.clear();
        for (index, column) in columns.enumerate() {
            if index < MAX_COLUMNS {
                let binary = formats.map_or(Some(column.binary), |formats| formats.is_binary(index));
                self.columns.push(Column { type_oid: column.type_oid, format: Format::of(binary) });
            }
            if wanted.text && self.text.len() < MAX_TEXT_BYTES {
                if index > 0 {
                    self.text.push(b',');
                }
                csv::write_value(&mut self.text, column.name);
            }
        }
        if wanted.text {
            self.text.push(b'\n');
        }
        Some(())
    }

    /// Whether rows can be read without a RowDescription from an earlier execution.
    pub fn is_described(&self) -> bool {
        self.described
    }

    /// Takes a DataRow.
    pub fn row(&mut self, payload: &[u8], formats: Formats, wanted: &Wanted) -> Option<()> {
        let mut reader = Reader::new(payload);
        let count = reader.u16()?;
        if !self.described {
            self.fields = u64::from(count);
        }
        if self.shows_row(wanted) {
            let mut room = wanted.max_row_length;
            for index in 0..usize::from(count) {
                if room == 0 {
                    break;
                }
                if index > 0 {
                    self.text.push(b',');
                }
                let length = match reader.length() {
                    Some(Some(length)) => length,
                    Some(None) => continue,
                    // Of a long row only the beginning is there.
                    None => break,
                };
                let value = reader.take(length.min(reader.rest().len()))?;
                let column = self.columns.get(index).copied();
                let column = column.unwrap_or(Column { type_oid: 0, format: Format::of(formats.is_binary(index)) });
                let text = match column.format {
                    Format::Text => value,
                    format => {
                        self.cell.clear();
                        let whole = value.len() == length;
                        values::write(&mut self.cell, value, column.type_oid, format, whole, room);
                        &self.cell
                    }
                };
                let shown = text.len().min(room);
                room -= shown;
                csv::write_value(&mut self.text, &text[..shown]);
            }
            self.text.push(b'\n');
        }
        self.rows += 1;
        Some(())
    }

    /// Takes the command tag, which says how many rows were copied.
    pub fn complete(&mut self, payload: &[u8]) {
        let end = memchr::memchr(0, payload).unwrap_or(payload.len());
        self.tag.clear();
        self.tag.extend_from_slice(&payload[..end]);
        let copied = self.tag.strip_prefix(b"COPY ").and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        if let Some(copied) = copied {
            self.rows = copied;
        }
    }

    pub fn fail(&mut self, failure: &Failure<'_>) {
        self.failed = true;
        self.error.set(failure);
    }
}
