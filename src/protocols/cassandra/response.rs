// SPDX-License-Identifier: Apache-2.0
//! Responses: their bodies become fields of the event as they are read (native protocol v4 and v5, section 4.2).
//!
//! Rows are not looked at, and of lists the first [`MAX_ELEMENTS`] are shown.

use std::fmt;
use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::metadata;
use super::names::{self, Name};
use super::request::{Message, skip_custom_payload};
use super::wire::{FIRST_SEGMENTED_VERSION, FLAG_TRACING, FLAG_WARNING, Header, Reader};
use crate::event::{Event, Field, ListWriter, field};

/// Elements of a list that are shown.
pub const MAX_ELEMENTS: u16 = 1024;
/// Options of a SUPPORTED that are shown.
const MAX_OPTIONS: usize = 32;
/// Whether the body of a response has fields.
pub fn has_fields(op: u8) -> bool {
    op != names::READY
}

/// Sets the fields of a response's body. None: it ends too early, or something in it makes no sense.
pub fn fill(event: &mut Event, message: &Message<'_>) -> Option<()> {
    let header = &message.header;
    let mut reader = Reader::new(message.body);
    if header.has(FLAG_TRACING) {
        reader.take(16)?;
    }
    if header.has(FLAG_WARNING) {
        strings(event, field::CASSANDRA_RESPONSE_WARNINGS, &mut reader)?;
    }
    skip_custom_payload(header, &mut reader)?;
    match header.op {
        names::ERROR => error(event, header, &mut reader),
        names::RESULT => result(event, header, &mut reader),
        names::SUPPORTED => supported(event, &mut reader),
        names::AUTHENTICATE => {
            event.text(field::CASSANDRA_RESPONSE_AUTHENTICATION_CLASS, reader.string()?);
            Some(())
        }
        names::AUTH_CHALLENGE | names::AUTH_SUCCESS => {
            let data = Quoted(reader.bytes()?);
            event.format(field::CASSANDRA_RESPONSE_AUTHENTICATION_DATA, format_args!("{data}"));
            Some(())
        }
        names::EVENT => pushed(event, header, &mut reader),
        _ => Some(()),
    }
}

/// ERROR (sections 4.2.1 and 9).
fn error(event: &mut Event, header: &Header, reader: &mut Reader<'_>) -> Option<()> {
    use field as f;
    let code = reader.i32()?;
    event.signed(f::CASSANDRA_RESPONSE_ERROR_CODE, i64::from(code));
    event.constant(f::CASSANDRA_RESPONSE_ERROR_TYPE, names::error(code));
    event.text(f::CASSANDRA_RESPONSE_ERROR_MSG, reader.string()?);
    match code {
        names::UNAVAILABLE => {
            level(event, reader)?;
            number(event, f::CASSANDRA_RESPONSE_ERROR_DETAILS_REQUIRED, reader)?;
            number(event, f::CASSANDRA_RESPONSE_ERROR_DETAILS_ALIVE, reader)?;
        }
        names::WRITE_TIMEOUT => {
            replicas(event, reader)?;
            event.text(f::CASSANDRA_RESPONSE_ERROR_DETAILS_WRITE_TYPE, reader.string()?);
        }
        names::READ_TIMEOUT => {
            replicas(event, reader)?;
            event.boolean(f::CASSANDRA_RESPONSE_ERROR_DETAILS_DATA_PRESENT, reader.u8()? != 0);
        }
        names::READ_FAILURE => {
            replicas(event, reader)?;
            failures(event, header, reader)?;
            event.boolean(f::CASSANDRA_RESPONSE_ERROR_DETAILS_DATA_PRESENT, reader.u8()? != 0);
        }
        names::WRITE_FAILURE => {
            replicas(event, reader)?;
            failures(event, header, reader)?;
            event.text(f::CASSANDRA_RESPONSE_ERROR_DETAILS_WRITE_TYPE, reader.string()?);
        }
        names::CAS_WRITE_UNKNOWN => replicas(event, reader)?,
        names::FUNCTION_FAILURE => {
            event.text(f::CASSANDRA_RESPONSE_ERROR_DETAILS_KEYSPACE, reader.string()?);
            event.text(f::CASSANDRA_RESPONSE_ERROR_DETAILS_FUNCTION, reader.string()?);
            strings(event, f::CASSANDRA_RESPONSE_ERROR_DETAILS_ARG_TYPES, reader)?;
        }
        names::ALREADY_EXISTS => {
            event.text(f::CASSANDRA_RESPONSE_ERROR_DETAILS_KEYSPACE, reader.string()?);
            event.text(f::CASSANDRA_RESPONSE_ERROR_DETAILS_TABLE, reader.string()?);
        }
        names::UNPREPARED => {
            let id = Identifier(reader.string()?);
            event.format(f::CASSANDRA_RESPONSE_ERROR_DETAILS_STMT_ID, format_args!("{id}"));
        }
        _ => {}
    }
    Some(())
}

fn level(event: &mut Event, reader: &mut Reader<'_>) -> Option<()> {
    let name = names::consistency(reader.u16()?);
    name_of(event, field::CASSANDRA_RESPONSE_ERROR_DETAILS_READ_CONSISTENCY, name);
    Some(())
}

fn replicas(event: &mut Event, reader: &mut Reader<'_>) -> Option<()> {
    level(event, reader)?;
    number(event, field::CASSANDRA_RESPONSE_ERROR_DETAILS_RECEIVED, reader)?;
    number(event, field::CASSANDRA_RESPONSE_ERROR_DETAILS_BLOCKFOR, reader)
}

/// Version 5 names each replica that failed, with the reason.
fn failures(event: &mut Event, header: &Header, reader: &mut Reader<'_>) -> Option<()> {
    let count = reader.i32()?;
    event.signed(field::CASSANDRA_RESPONSE_ERROR_DETAILS_NUM_FAILURES, i64::from(count));
    if header.version >= FIRST_SEGMENTED_VERSION {
        for _ in 0..count {
            let length = usize::from(reader.u8()?);
            reader.take(length)?;
            reader.u16()?;
        }
    }
    Some(())
}

fn number(event: &mut Event, field: Field, reader: &mut Reader<'_>) -> Option<()> {
    event.signed(field, i64::from(reader.i32()?));
    Some(())
}

pub fn name_of(event: &mut Event, field: Field, name: Name) {
    match name {
        Name::Known(name) => event.constant(field, name),
        name => event.format(field, format_args!("{name}")),
    }
}

/// RESULT (section 4.2.5).
fn result(event: &mut Event, header: &Header, reader: &mut Reader<'_>) -> Option<()> {
    use field as f;
    match reader.i32()? {
        1 => event.constant(f::CASSANDRA_RESPONSE_RESULT_TYPE, "void"),
        2 => {
            event.constant(f::CASSANDRA_RESPONSE_RESULT_TYPE, "rows");
            metadata::read(event, header, &metadata::ROWS, reader)?;
            number(event, f::CASSANDRA_RESPONSE_RESULT_ROWS_NUM_ROWS, reader)?;
        }
        3 => {
            event.constant(f::CASSANDRA_RESPONSE_RESULT_TYPE, "set_keyspace");
            event.text(f::CASSANDRA_RESPONSE_RESULT_KEYSPACE, reader.string()?);
        }
        4 => {
            event.constant(f::CASSANDRA_RESPONSE_RESULT_TYPE, "prepared");
            let id = Identifier(reader.string()?);
            event.format(f::CASSANDRA_RESPONSE_RESULT_PREPARED_PREPARED_ID, format_args!("{id}"));
            if header.version >= FIRST_SEGMENTED_VERSION {
                // Identifier of the result's metadata.
                reader.string()?;
            }
            metadata::read(event, header, &metadata::VARIABLES, reader)?;
            if header.version >= 2 {
                metadata::read(event, header, &metadata::COLUMNS, reader)?;
            }
        }
        5 => {
            event.constant(f::CASSANDRA_RESPONSE_RESULT_TYPE, "schemaChanged");
            schema_change(event, header, &RESULT_CHANGE, reader)?;
        }
        // The object is there also when it is empty.
        _ => event.map(f::CASSANDRA_RESPONSE_RESULT, |_| {}),
    }
    Some(())
}

/// Where a change of the schema goes.
struct ChangeFields {
    change: Field,
    target: Field,
    keyspace: Field,
    table: Field,
    object: Field,
    name: Field,
    args: Field,
}

const RESULT_CHANGE: ChangeFields = ChangeFields {
    change: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_CHANGE,
    target: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_TARGET,
    keyspace: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_KEYSPACE,
    table: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_TABLE,
    object: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_OBJECT,
    name: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_NAME,
    args: field::CASSANDRA_RESPONSE_RESULT_SCHEMA_CHANGE_ARGS,
};

const EVENT_CHANGE: ChangeFields = ChangeFields {
    change: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_CHANGE,
    target: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_TARGET,
    keyspace: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_KEYSPACE,
    table: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_TABLE,
    object: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_OBJECT,
    name: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_NAME,
    args: field::CASSANDRA_RESPONSE_EVENT_SCHEMA_CHANGE_ARGS,
};

/// Schema_change (section 4.2.5.5).
fn schema_change(event: &mut Event, header: &Header, fields: &ChangeFields, reader: &mut Reader<'_>) -> Option<()> {
    event.text(fields.change, reader.string()?);
    if header.version <= 2 {
        event.text(fields.keyspace, reader.string()?);
        event.text(fields.table, reader.string()?);
        return Some(());
    }
    let target = reader.string()?;
    event.text(fields.target, target);
    match target {
        b"KEYSPACE" => event.text(fields.keyspace, reader.string()?),
        b"TABLE" | b"TYPE" => {
            event.text(fields.keyspace, reader.string()?);
            event.text(fields.object, reader.string()?);
        }
        b"FUNCTION" | b"AGGREGATE" => {
            event.text(fields.keyspace, reader.string()?);
            event.text(fields.name, reader.string()?);
            strings(event, fields.args, reader)?;
        }
        _ => {}
    }
    Some(())
}

/// SUPPORTED (section 4.2.4): a \[string multimap\].
fn supported(event: &mut Event, reader: &mut Reader<'_>) -> Option<()> {
    let count = reader.u16()?;
    let mut whole = Some(());
    event.map(field::CASSANDRA_RESPONSE_SUPPORTED, |map| {
        let mut seen: ArrayVec<&[u8], MAX_OPTIONS> = ArrayVec::new();
        for _ in 0..count {
            let Some(name) = reader.string().filter(|name| !seen.contains(name)) else {
                whole = None;
                return;
            };
            if seen.try_push(name).is_err() {
                return;
            }
            map.key(name).list(|list| whole = each_string(reader, list));
            if whole.is_none() {
                return;
            }
        }
    });
    whole
}

/// EVENT (section 4.2.6).
fn pushed(event: &mut Event, header: &Header, reader: &mut Reader<'_>) -> Option<()> {
    let kind = reader.string()?;
    event.text(field::CASSANDRA_RESPONSE_EVENT_TYPE, kind);
    match kind {
        b"TOPOLOGY_CHANGE" | b"STATUS_CHANGE" => {
            event.text(field::CASSANDRA_RESPONSE_EVENT_CHANGE, reader.string()?);
            let length = usize::from(reader.u8()?);
            let address = reader.take(length)?;
            let address = <[u8; 4]>::try_from(address)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from))
                .ok()?;
            event.address(field::CASSANDRA_RESPONSE_EVENT_HOST, address);
            number(event, field::CASSANDRA_RESPONSE_EVENT_PORT, reader)
        }
        b"SCHEMA_CHANGE" => schema_change(event, header, &EVENT_CHANGE, reader),
        _ => Some(()),
    }
}

/// A \[string list\] as a field.
fn strings(event: &mut Event, field: Field, reader: &mut Reader<'_>) -> Option<()> {
    list(event, field, |list| each_string(reader, list))
}

fn each_string(reader: &mut Reader<'_>, list: &mut ListWriter<'_>) -> Option<()> {
    for place in 0..reader.u16()? {
        let text = reader.string()?;
        if place < MAX_ELEMENTS {
            list.text(text);
        }
    }
    Some(())
}

/// A list that may break off.
pub fn list(event: &mut Event, field: Field, fill: impl FnOnce(&mut ListWriter<'_>) -> Option<()>) -> Option<()> {
    let mut whole = None;
    event.list(field, |list| whole = fill(list));
    whole
}

/// An identifier, as Packetbeat shows it: 16 bytes have the form of a UUID.
struct Identifier<'a>(&'a [u8]);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_uuid = self.0.len() == 16;
        for (place, byte) in self.0.iter().enumerate() {
            if is_uuid && matches!(place, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Bytes in quotes, as a string literal of Go.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' | '\\' => write!(formatter, "\\{character}")?,
                    '\x07' => formatter.write_str("\\a")?,
                    '\x08' => formatter.write_str("\\b")?,
                    '\x0b' => formatter.write_str("\\v")?,
                    '\x0c' => formatter.write_str("\\f")?,
                    '\n' => formatter.write_str("\\n")?,
                    '\r' => formatter.write_str("\\r")?,
                    '\t' => formatter.write_str("\\t")?,
                    '\0'..='\x1f' | '\x7f' => write!(formatter, "\\x{:02x}", u32::from(character))?,
                    '\u{80}'..='\u{9f}' => write!(formatter, "\\u{:04x}", u32::from(character))?,
                    _ => write!(formatter, "{character}")?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(formatter, "\\x{byte:02x}"))?;
        }
        formatter.write_str("\"")
    }
}
