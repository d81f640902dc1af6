// SPDX-License-Identifier: Apache-2.0
//! What stands in front of rows: flags, columns, and their specifications, which are passed over (native protocol v4,
//! sections 4.2.5.2 and 4.2.5.4; version 5 adds identifiers).

use std::fmt;

use super::names;
use super::response::{MAX_ELEMENTS, list, name_of};
use super::wire::{FIRST_SEGMENTED_VERSION, Header, Reader};
use crate::event::{Event, Field, Value, field};

/// Types inside types that are passed over.
const MAX_TYPE_DEPTH: u32 = 32;

const GLOBAL_TABLE_SPEC: i32 = 1;
const HAS_MORE_PAGES: i32 = 2;
const NO_METADATA: i32 = 4;
const METADATA_CHANGED: i32 = 8;

/// Where metadata goes.
pub struct MetadataFields {
    keyspace: Field,
    table: Field,
    flags: Field,
    col_count: Field,
    paging_state: Field,
    /// Of the variables of a prepared statement, since version 4.
    pkey_columns: Option<Field>,
}

pub const ROWS: MetadataFields = MetadataFields {
    keyspace: field::CASSANDRA_RESPONSE_RESULT_ROWS_META_KEYSPACE,
    table: field::CASSANDRA_RESPONSE_RESULT_ROWS_META_TABLE,
    flags: field::CASSANDRA_RESPONSE_RESULT_ROWS_META_FLAGS,
    col_count: field::CASSANDRA_RESPONSE_RESULT_ROWS_META_COL_COUNT,
    paging_state: field::CASSANDRA_RESPONSE_RESULT_ROWS_META_PAGING_STATE,
    pkey_columns: None,
};

pub const VARIABLES: MetadataFields = MetadataFields {
    keyspace: field::CASSANDRA_RESPONSE_RESULT_PREPARED_REQ_META_KEYSPACE,
    table: field::CASSANDRA_RESPONSE_RESULT_PREPARED_REQ_META_TABLE,
    flags: field::CASSANDRA_RESPONSE_RESULT_PREPARED_REQ_META_FLAGS,
    col_count: field::CASSANDRA_RESPONSE_RESULT_PREPARED_REQ_META_COL_COUNT,
    paging_state: field::CASSANDRA_RESPONSE_RESULT_PREPARED_REQ_META_PAGING_STATE,
    pkey_columns: Some(field::CASSANDRA_RESPONSE_RESULT_PREPARED_REQ_META_PKEY_COLUMNS),
};

pub const COLUMNS: MetadataFields = MetadataFields {
    keyspace: field::CASSANDRA_RESPONSE_RESULT_PREPARED_RESP_META_KEYSPACE,
    table: field::CASSANDRA_RESPONSE_RESULT_PREPARED_RESP_META_TABLE,
    flags: field::CASSANDRA_RESPONSE_RESULT_PREPARED_RESP_META_FLAGS,
    col_count: field::CASSANDRA_RESPONSE_RESULT_PREPARED_RESP_META_COL_COUNT,
    paging_state: field::CASSANDRA_RESPONSE_RESULT_PREPARED_RESP_META_PAGING_STATE,
    pkey_columns: None,
};

/// Metadata with the specifications of its columns, which are passed over (sections 4.2.5.2 and 4.2.5.4).
pub fn read(event: &mut Event, header: &Header, fields: &MetadataFields, reader: &mut Reader<'_>) -> Option<()> {
    let flags = reader.i32()?;
    name_of(event, fields.flags, names::row_flags(flags));
    let columns = reader.i32()?;
    event.signed(fields.col_count, i64::from(columns));
    if let Some(pkey_columns) = fields.pkey_columns.filter(|_| header.version >= 4) {
        let count = reader.i32()?;
        list(event, pkey_columns, |list| {
            for place in 0..count {
                let column = reader.u16()?;
                if place < i32::from(MAX_ELEMENTS) {
                    list.value(Value::Unsigned(u64::from(column)));
                }
            }
            Some(())
        })?;
    }
    if flags & HAS_MORE_PAGES != 0 {
        let state = Hexadecimal(reader.bytes()?);
        event.format(fields.paging_state, format_args!("{state:X}"));
    }
    if header.version >= FIRST_SEGMENTED_VERSION && flags & METADATA_CHANGED != 0 {
        // Identifier of the new metadata.
        reader.string()?;
    }
    if flags & NO_METADATA != 0 {
        return Some(());
    }
    let is_global = flags & GLOBAL_TABLE_SPEC != 0;
    if is_global {
        event.text(fields.keyspace, reader.string()?);
        event.text(fields.table, reader.string()?);
    }
    for _ in 0..columns {
        if !is_global {
            reader.string()?;
            reader.string()?;
        }
        reader.string()?;
        skip_type(reader, MAX_TYPE_DEPTH)?;
    }
    Some(())
}

/// Passes over the \[option\] that is a column's type.
fn skip_type(reader: &mut Reader<'_>, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match reader.u16()? {
        // A custom type has its class.
        0x00 => reader.string().map(drop),
        // List and set.
        0x20 | 0x22 => skip_type(reader, depth),
        // Map.
        0x21 => skip_type(reader, depth).and_then(|()| skip_type(reader, depth)),
        // A user's type: keyspace, name, and the fields with their names.
        0x30 => {
            reader.string()?;
            reader.string()?;
            for _ in 0..reader.u16()? {
                reader.string()?;
                skip_type(reader, depth)?;
            }
            Some(())
        }
        // Tuple.
        0x31 => (0..reader.u16()?).try_for_each(|_| skip_type(reader, depth)),
        _ => Some(()),
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl fmt::UpperHex for Hexadecimal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02X}"))
    }
}
