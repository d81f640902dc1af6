// SPDX-License-Identifier: Apache-2.0
//! Field tables and arrays (specification, section 4.2.5.5), with the kinds of values that RabbitMQ writes.
//!
//! Where specification and brokers disagree the brokers count: `s` is a signed number of 16 bits, `l` a signed one of 64.
//! Limits: 16 levels; of a table 256 keys are shown and of a value 1,024 values; of keys that are there twice the first.

use std::fmt;

use super::wire::Reader;
use crate::event::json::civil;
use crate::event::{MapWriter, Value};

/// Levels of tables and arrays inside each other.
pub const MAX_DEPTH: usize = 16;
/// Keys of one table that are shown.
pub const MAX_KEYS: usize = 256;
/// Values that are shown of a table and of those inside it.
pub const MAX_VALUES: usize = 1024;

/// Whether entries can be read to their end.
pub fn is_valid(entries: &[u8]) -> bool {
    is_valid_at(entries, Kind::Table, MAX_DEPTH).is_some()
}

/// Writes the entries of a table.
pub fn write(map: &mut MapWriter<'_>, entries: &[u8]) {
    let mut budget = MAX_VALUES;
    write_at(map, entries, Kind::Table, MAX_DEPTH, &mut budget);
}

/// Seconds since 1970 as `January  2 15:04:05 2006`, in UTC.
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(86_400));
        let second = self.0.rem_euclid(86_400);
        let month = (month as usize).checked_sub(1).and_then(|month| MONTHS.get(month)).unwrap_or(&"");
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(formatter, "{month} {day:2} {hour:02}:{minute:02}:{second:02} {year:04}")
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Whether entries have names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Array,
}

enum Entry<'a> {
    Plain(Value),
    Text(&'a [u8]),
    Decimal(Decimal),
    Time(Timestamp),
    Bytes(Bytes<'a>),
    Inner(Kind, &'a [u8]),
}

fn is_valid_at(entries: &[u8], kind: Kind, depth: usize) -> Option<()> {
    let inner_depth = depth.checked_sub(1)?;
    let mut reader = Reader::new(entries);
    while !reader.is_empty() {
        if kind == Kind::Table {
            reader.short_string()?;
        }
        if let Entry::Inner(kind, entries) = entry(&mut reader)? {
            is_valid_at(entries, kind, inner_depth)?;
        }
    }
    Some(())
}

fn write_at(map: &mut MapWriter<'_>, entries: &[u8], kind: Kind, depth: usize, budget: &mut usize) {
    let Some(inner_depth) = depth.checked_sub(1) else { return };
    let mut reader = Reader::new(entries);
    let mut names: [&[u8]; MAX_KEYS] = [&[]; MAX_KEYS];
    let mut count = 0;
    while !reader.is_empty() && *budget > 0 {
        let name = if kind == Kind::Table { reader.short_string() } else { Some(&[][..]) };
        let (Some(name), Some(entry)) = (name, entry(&mut reader)) else { return };
        *budget -= 1;
        let mut digits = itoa::Buffer::new();
        let name = match kind {
            Kind::Array => digits.format(count).as_bytes(),
            Kind::Table => {
                if names.iter().take(count).any(|other| *other == name) {
                    continue;
                }
                let Some(place) = names.get_mut(count) else { return };
                *place = name;
                name
            }
        };
        count += 1;
        // Packetbeat leaves out what is null.
        if matches!(entry, Entry::Plain(Value::Null)) {
            continue;
        }
        let place = map.key(name);
        match entry {
            Entry::Plain(value) => place.value(value),
            Entry::Text(text) => place.text(text),
            Entry::Decimal(decimal) => place.format(format_args!("{decimal}")),
            Entry::Time(time) => place.format(format_args!("{time}")),
            Entry::Bytes(bytes) => place.format(format_args!("{bytes}")),
            Entry::Inner(kind, entries) => place.map(|map| write_at(map, entries, kind, inner_depth, budget)),
        }
    }
}

/// The next value, behind the letter of its kind.
fn entry<'a>(reader: &mut Reader<'a>) -> Option<Entry<'a>> {
    let signed = |number: i64| Entry::Plain(Value::Signed(number));
    let unsigned = |number: u64| Entry::Plain(Value::Unsigned(number));
    Some(match reader.u8()? {
        b't' => Entry::Plain(Value::Boolean(reader.u8()? != 0)),
        b'b' => signed(i8::from_be_bytes(reader.array()?).into()),
        b'B' => unsigned(reader.u8()?.into()),
        b's' | b'U' => signed(i16::from_be_bytes(reader.array()?).into()),
        b'u' => unsigned(reader.u16()?.into()),
        b'I' => signed(i32::from_be_bytes(reader.array()?).into()),
        b'i' => unsigned(reader.u32()?.into()),
        b'l' | b'L' => signed(i64::from_be_bytes(reader.array()?)),
        b'f' => Entry::Plain(Value::Float(shortest(f32::from_be_bytes(reader.array()?)))),
        b'd' => Entry::Plain(Value::Float(f64::from_be_bytes(reader.array()?))),
        b'D' => Entry::Decimal(Decimal { scale: reader.u8()?, digits: reader.u32()? }),
        b'S' => Entry::Text(reader.long_string()?),
        b'A' => Entry::Inner(Kind::Array, reader.long_string()?),
        b'F' => Entry::Inner(Kind::Table, reader.long_string()?),
        b'T' => Entry::Time(Timestamp(reader.u64()? as i64)),
        b'V' => Entry::Plain(Value::Null),
        b'x' => Entry::Bytes(Bytes(reader.long_string()?)),
        _ => return None,
    })
}

/// The number of 64 bits that is written as the one of 32 bits is, without the digits that the conversion adds.
fn shortest(number: f32) -> f64 {
    use std::io::Write as _;
    let mut text = [0u8; 32];
    let mut rest = &mut text[..];
    let written = write!(rest, "{number:e}").is_ok();
    let unwritten = rest.len();
    let length = text.len() - unwritten;
    text.get(..length)
        .filter(|_| written)
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .unwrap_or_else(|| f64::from(number))
}

struct Decimal {
    scale: u8,
    digits: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.digits);
        let scale = usize::from(self.scale);
        match digits.len().checked_sub(scale).and_then(|place| digits.split_at_checked(place)) {
            _ if scale == 0 => formatter.write_str(digits),
            Some((whole, fraction)) if !whole.is_empty() => write!(formatter, "{whole}.{fraction}"),
            _ => write!(formatter, "0.{digits:0>scale$}"),
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[")?;
        for (place, byte) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(formatter, "{comma}{byte}")?;
        }
        formatter.write_str("]")
    }
}
