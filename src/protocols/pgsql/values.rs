// SPDX-License-Identifier: Apache-2.0
//! Values of binary columns as PostgreSQL would have written them as text (the `…send` and `…out` functions of its types,
//! with the settings of ISO dates and hexadecimal bytea).
//!
//! Limits: times with time zone are shown in UTC. A type that is not known here is shown as text when it is some, else as
//! `\x` and hexadecimal digits, as bytea is.

use std::io::Write as _;

use super::message::Reader;

/// How the values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
    Unknown,
}

impl Format {
    pub fn of(binary: Option<bool>) -> Format {
        match binary {
            Some(true) => Format::Binary,
            Some(false) => Format::Text,
            None => Format::Unknown,
        }
    }
}

/// Object identifiers of types (`pg_type.dat`); they never change.
mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const REGPROC: u32 = 24;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const XID: u32 = 28;
    pub const CID: u32 = 29;
    pub const JSON: u32 = 114;
    pub const XML: u32 = 142;
    pub const CIDR: u32 = 650;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const MONEY: u32 = 790;
    pub const INET: u32 = 869;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const INTERVAL: u32 = 1186;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

/// Array types whose header is read; the type of the elements stands in the value.
const ARRAYS: &[u32] = &[
    199, 143, 651, 1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1041, 1115,
    1182, 1183, 1185, 1187, 1231, 2951, 3807,
];

const DAY_US: i64 = 86_400_000_000;
/// 2000-01-01 in days since 1970.
const EPOCH_DAYS: i64 = 10_957;

/// Appends a value as text, at most about `room` bytes of it. `whole` says that all of its bytes are there.
pub fn write(out: &mut Vec<u8>, value: &[u8], type_oid: u32, format: Format, whole: bool, room: usize) {
    let start = out.len();
    if format == Format::Binary && whole {
        if binary(out, value, type_oid, room).is_some() {
            return;
        }
        out.truncate(start);
    }
    if is_text(type_oid) || type_oid != oid::BYTEA && is_readable(value, whole) {
        out.extend_from_slice(value.get(..room).unwrap_or(value));
    } else if format == Format::Binary && type_oid == oid::JSONB && value.first() == Some(&1) {
        out.extend_from_slice(&value[1..]);
    } else {
        hexadecimal(out, value, room);
    }
}

fn is_text(type_oid: u32) -> bool {
    matches!(
        type_oid,
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::JSON | oid::XML | oid::UNKNOWN
    )
}

/// Printable UTF-8; of a value that is cut off, its last character may be as well.
fn is_readable(value: &[u8], whole: bool) -> bool {
    let valid = match std::str::from_utf8(value) {
        Ok(text) => text,
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(&value[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

fn binary(out: &mut Vec<u8>, value: &[u8], type_oid: u32, room: usize) -> Option<()> {
    let mut reader = Reader::new(value);
    match type_oid {
        oid::BOOL => out.push(if reader.u8()? == 0 { b'f' } else { b't' }),
        oid::INT2 => print(out, format_args!("{}", reader.u16()? as i16)),
        oid::INT4 => print(out, format_args!("{}", reader.u32()? as i32)),
        oid::INT8 => print(out, format_args!("{}", reader.u64()? as i64)),
        oid::OID | oid::XID | oid::CID | oid::REGPROC => print(out, format_args!("{}", reader.u32()?)),
        oid::MONEY => {
            let cents = reader.u64()? as i64;
            let sign = if cents < 0 { "-" } else { "" };
            print(out, format_args!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100));
        }
        oid::FLOAT4 => {
            let value = f32::from_bits(reader.u32()?);
            float(out, f64::from(value), format_args!("{value}"), format_args!("{value:e}"), 1e6);
        }
        oid::FLOAT8 => {
            let value = f64::from_bits(reader.u64()?);
            float(out, value, format_args!("{value}"), format_args!("{value:e}"), 1e15);
        }
        oid::NUMERIC => numeric(out, &mut reader, room)?,
        oid::DATE => match reader.u32()? as i32 {
            i32::MAX => print(out, format_args!("infinity")),
            i32::MIN => print(out, format_args!("-infinity")),
            days => print_day(out, i64::from(days)),
        },
        oid::TIME => print_clock(out, reader.u64()? as i64),
        oid::TIMESTAMP => print_timestamp(out, reader.u64()? as i64, ""),
        oid::TIMESTAMPTZ => print_timestamp(out, reader.u64()? as i64, "+00"),
        oid::INTERVAL => interval(out, &mut reader)?,
        oid::UUID => uuid(out, reader.take(16)?),
        oid::INET | oid::CIDR => inet(out, &mut reader, type_oid)?,
        oid::JSONB => {
            let version = reader.u8()?;
            let text = reader.take(reader.rest().len())?;
            (version == 1).then(|| out.extend_from_slice(text.get(..room).unwrap_or(text)))?;
        }
        other if ARRAYS.contains(&other) => return array(out, &mut reader, room),
        _ => return None,
    }
    reader.rest().is_empty().then_some(())
}

fn print(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing into a vector cannot fail.
    let _ = out.write_fmt(arguments);
}

fn hexadecimal(out: &mut Vec<u8>, value: &[u8], room: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    for byte in value.iter().take(room.div_ceil(2)) {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// `1.5`, `1e+20`: from `exponent_from` on, and below 0.0001, with an exponent of two digits or more.
fn float(
    out: &mut Vec<u8>,
    value: f64,
    plain: std::fmt::Arguments<'_>,
    scientific: std::fmt::Arguments<'_>,
    exponent_from: f64,
) {
    let magnitude = value.abs();
    if value.is_nan() {
        print(out, format_args!("NaN"));
    } else if value.is_infinite() {
        print(out, format_args!("{}Infinity", if value < 0.0 { "-" } else { "" }));
    } else if magnitude != 0.0 && !(1e-4..exponent_from).contains(&magnitude) {
        let start = out.len();
        print(out, scientific);
        let Some(mark) = out[start..].iter().position(|byte| *byte == b'e').map(|at| start + at + 1) else {
            return;
        };
        let negative = out.get(mark) == Some(&b'-');
        let digits = out.split_off(mark + usize::from(negative));
        if !negative {
            out.push(b'+');
        }
        if digits.len() < 2 {
            out.push(b'0');
        }
        out.extend_from_slice(&digits);
    } else {
        print(out, plain);
    }
}

/// Digits to the base 10,000: their number, the weight of the first, sign, digits after the point.
fn numeric(out: &mut Vec<u8>, reader: &mut Reader<'_>, room: usize) -> Option<()> {
    let count = usize::from(reader.u16()?);
    let weight = i32::from(reader.u16()? as i16);
    let sign = reader.u16()?;
    let scale = usize::from(reader.u16()?);
    let digits = reader.take(2 * count)?;
    match sign {
        0 => {}
        0x4000 => out.push(b'-'),
        special => {
            out.extend_from_slice(match special {
                0xc000 => &b"NaN"[..],
                0xd000 => b"Infinity",
                0xf000 => b"-Infinity",
                _ => return None,
            });
            return Some(());
        }
    }
    let digit = |place: i32| {
        let index = usize::try_from(weight - place).ok()?;
        Some(u16::from_be_bytes([*digits.get(2 * index)?, *digits.get(2 * index + 1)?]))
    };
    let start = out.len();
    if weight < 0 {
        out.push(b'0');
    }
    for place in (0..=weight).rev() {
        let value = digit(place).unwrap_or(0);
        if place == weight {
            print(out, format_args!("{value}"))
        } else {
            print(out, format_args!("{value:04}"))
        }
        if out.len() - start > room {
            return Some(());
        }
    }
    if scale > 0 {
        out.push(b'.');
        let point = out.len();
        let mut place = -1;
        while out.len() - point < scale && out.len() - start <= room {
            print(out, format_args!("{:04}", digit(place).unwrap_or(0)));
            place -= 1;
        }
        out.truncate(point + scale);
    }
    Some(())
}

fn print_day(out: &mut Vec<u8>, days_since_2000: i64) {
    let (year, month, day) = civil(days_since_2000 + EPOCH_DAYS);
    if year > 0 {
        print(out, format_args!("{year:04}-{month:02}-{day:02}"));
    } else {
        print(out, format_args!("{:04}-{month:02}-{day:02} BC", 1 - year));
    }
}

/// Year, month and day of a day counted from 1970 in the Gregorian calendar: the year is thought to begin in March, so that
/// the leap day is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn print_clock(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros / 1_000_000;
    print(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    print_fraction(out, micros.rem_euclid(1_000_000));
}

/// Without zeros at its end.
fn print_fraction(out: &mut Vec<u8>, micros: i64) {
    if micros != 0 {
        print(out, format_args!(".{micros:06}"));
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn print_timestamp(out: &mut Vec<u8>, micros: i64, zone: &str) {
    match micros {
        i64::MAX => print(out, format_args!("infinity")),
        i64::MIN => print(out, format_args!("-infinity")),
        micros => {
            let start = out.len();
            print_day(out, micros.div_euclid(DAY_US));
            let before_christ = out[start..].ends_with(b" BC");
            if before_christ {
                out.truncate(out.len() - 3);
            }
            out.push(b' ');
            print_clock(out, micros.rem_euclid(DAY_US));
            out.extend_from_slice(zone.as_bytes());
            if before_christ {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

/// Microseconds, days, months: `1 year 2 mons 3 days 04:05:06`.
fn interval(out: &mut Vec<u8>, reader: &mut Reader<'_>) -> Option<()> {
    let micros = reader.u64()? as i64;
    let days = reader.u32()? as i32;
    let months = reader.u32()? as i32;
    let start = out.len();
    for (value, name) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value != 0 {
            let space = if out.len() > start { " " } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            print(out, format_args!("{space}{value} {name}{plural}"));
        }
    }
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(b' ');
        }
        if micros < 0 {
            out.push(b'-');
        }
        print_clock(out, micros.saturating_abs());
    }
    Some(())
}

fn uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        print(out, format_args!("{byte:02x}"));
    }
}

/// Family (2 is IPv4, 3 is IPv6), bits of the network, whether it is a cidr, length, address.
fn inet(out: &mut Vec<u8>, reader: &mut Reader<'_>, type_oid: u32) -> Option<()> {
    let (_family, bits, _is_cidr, length) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let address: std::net::IpAddr = match length {
        4 => <[u8; 4]>::try_from(reader.take(4)?).ok()?.into(),
        16 => <[u8; 16]>::try_from(reader.take(16)?).ok()?.into(),
        _ => return None,
    };
    print(out, format_args!("{address}"));
    if type_oid == oid::CIDR || usize::from(bits) != usize::from(length) * 8 {
        print(out, format_args!("/{bits}"));
    }
    Some(())
}

/// Number of dimensions, whether there are nulls, type; length and lower bound of each dimension; the elements.
fn array(out: &mut Vec<u8>, reader: &mut Reader<'_>, room: usize) -> Option<()> {
    let dimensions = reader.u32()?;
    let _has_nulls = reader.u32()?;
    let type_oid = reader.u32()?;
    if dimensions == 0 {
        out.extend_from_slice(b"{}");
        return Some(());
    }
    let mut lengths = [1u32; 6];
    let lengths = lengths.get_mut(..usize::try_from(dimensions).ok()?)?;
    for length in lengths.iter_mut() {
        *length = reader.u32()?;
        let _lower_bound = reader.u32()?;
    }
    if ARRAYS.contains(&type_oid) || lengths.contains(&0) {
        return None;
    }
    let start = out.len();
    let mut element = Vec::new();
    let mut index = 0u32;
    loop {
        // A bracket opens where all dimensions further in are at their beginning.
        let mut size = 1u32;
        let mut brackets = 0;
        for length in lengths.iter().rev() {
            size = size.checked_mul(*length)?;
            brackets += usize::from(index.is_multiple_of(size));
        }
        let total = size;
        if index > 0 {
            out.resize(out.len() + brackets, b'}');
            if index == total {
                break;
            }
            out.push(b',');
        }
        out.resize(out.len() + brackets, b'{');
        if out.len() - start > room {
            return Some(());
        }
        match reader.length()? {
            None => out.extend_from_slice(b"NULL"),
            Some(length) => {
                element.clear();
                write(&mut element, reader.take(length)?, type_oid, Format::Binary, true, room);
                write_element(out, &element);
            }
        }
        index += 1;
    }
    Some(())
}

fn write_element(out: &mut Vec<u8>, text: &[u8]) {
    let special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace();
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(special) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
