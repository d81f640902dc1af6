// SPDX-License-Identifier: Apache-2.0
//! Values of the binary protocol (rows of prepared statements and their parameters) as text.
//!
//! Rows look as the text protocol would have sent them. Parameters keep Packetbeat's form of dates, `2017/7/28 0:0:0`.

use std::io::Write as _;

use super::wire::{Column, Reader};

/// How dates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `2017-07-28 00:00:00`
    Row,
    /// `2017/7/28 0:0:0`
    Parameter,
}

/// `enum_field_types`.
pub mod kind {
    pub const TINY: u8 = 0x01;
    pub const SHORT: u8 = 0x02;
    pub const LONG: u8 = 0x03;
    pub const FLOAT: u8 = 0x04;
    pub const DOUBLE: u8 = 0x05;
    pub const NULL: u8 = 0x06;
    pub const TIMESTAMP: u8 = 0x07;
    pub const LONGLONG: u8 = 0x08;
    pub const INT24: u8 = 0x09;
    pub const DATE: u8 = 0x0a;
    pub const TIME: u8 = 0x0b;
    pub const DATETIME: u8 = 0x0c;
    pub const YEAR: u8 = 0x0d;
}

/// Decimals of a column that has no fixed number of them.
const ANY_DECIMALS: u8 = 31;

/// Reads one value and appends it as text. None: it is not all there, or of no known form.
pub fn write_value(out: &mut Vec<u8>, reader: &mut Reader<'_>, column: Column, style: Style) -> Option<()> {
    let unsigned = column.unsigned;
    match column.kind {
        kind::NULL => out.extend_from_slice(b"NULL"),
        kind::TINY => {
            let value = reader.u8()?;
            integer(out, if unsigned { i128::from(value) } else { i128::from(value as i8) });
        }
        kind::SHORT | kind::YEAR => {
            let value = reader.u16()?;
            integer(out, if unsigned { i128::from(value) } else { i128::from(value as i16) });
        }
        kind::LONG | kind::INT24 => {
            let value = reader.u32()?;
            integer(out, if unsigned { i128::from(value) } else { i128::from(value as i32) });
        }
        kind::LONGLONG => {
            let value = reader.u64()?;
            integer(out, if unsigned { i128::from(value) } else { i128::from(value as i64) });
        }
        kind::FLOAT => {
            let value = f32::from_bits(reader.u32()?);
            float(out, f64::from(value), format_args!("{value}"), format_args!("{value:e}"), column.decimals);
        }
        kind::DOUBLE => {
            let value = f64::from_bits(reader.u64()?);
            float(out, value, format_args!("{value}"), format_args!("{value:e}"), column.decimals);
        }
        kind::DATE | kind::DATETIME | kind::TIMESTAMP => date(out, reader, column, style)?,
        kind::TIME => time(out, reader, column.decimals)?,
        // Decimals, strings, blobs, JSON, bits, geometry: all length-encoded.
        _ => out.extend_from_slice(reader.text_or_part()?),
    }
    Some(())
}

fn integer(out: &mut Vec<u8>, value: i128) {
    write(out, format_args!("{value}"));
}

fn float(
    out: &mut Vec<u8>,
    value: f64,
    plain: std::fmt::Arguments<'_>,
    exponential: std::fmt::Arguments<'_>,
    decimals: u8,
) {
    let magnitude = value.abs();
    if decimals < ANY_DECIMALS {
        write(out, format_args!("{value:.*}", usize::from(decimals)));
    } else if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        write(out, exponential);
    } else {
        write(out, plain);
    }
}

/// Length 0, 4, 7 or 11: nothing, a date, with time, with microseconds.
fn date(out: &mut Vec<u8>, reader: &mut Reader<'_>, column: Column, style: Style) -> Option<()> {
    let length = usize::from(reader.u8()?);
    let mut parts = Reader::new(reader.take(length)?);
    let (mut year, mut month, mut day, mut clock, mut micros) = (0, 0, 0, [0u8; 3], 0);
    if length >= 4 {
        (year, month, day) = (parts.u16()?, parts.u8()?, parts.u8()?);
    }
    if length >= 7 {
        clock = [parts.u8()?, parts.u8()?, parts.u8()?];
    }
    if length >= 11 {
        micros = parts.u32()?;
    }
    let [hour, minute, second] = clock;
    match style {
        Style::Parameter => write(out, format_args!("{year}/{month}/{day} {hour}:{minute}:{second}")),
        Style::Row => {
            write(out, format_args!("{year:04}-{month:02}-{day:02}"));
            if column.kind == kind::DATE {
                return Some(());
            }
            write(out, format_args!(" {hour:02}:{minute:02}:{second:02}"));
        }
    }
    fraction(out, micros, column.decimals);
    Some(())
}

/// Length 0, 8 or 12: nothing; sign, days and time of day; with microseconds.
fn time(out: &mut Vec<u8>, reader: &mut Reader<'_>, decimals: u8) -> Option<()> {
    let length = usize::from(reader.u8()?);
    let mut parts = Reader::new(reader.take(length)?);
    let (mut negative, mut hours, mut minute, mut second, mut micros) = (0, 0, 0, 0, 0);
    if length >= 8 {
        negative = parts.u8()?;
        let days = u64::from(parts.u32()?);
        hours = days * 24 + u64::from(parts.u8()?);
        (minute, second) = (parts.u8()?, parts.u8()?);
    }
    if length >= 12 {
        micros = parts.u32()?;
    }
    let sign = if negative == 0 { "" } else { "-" };
    write(out, format_args!("{sign}{hours:02}:{minute:02}:{second:02}"));
    fraction(out, micros, decimals);
    Some(())
}

fn fraction(out: &mut Vec<u8>, micros: u32, decimals: u8) {
    match decimals {
        1..=6 => {
            let scaled = micros.min(999_999) / 10u32.pow(6 - u32::from(decimals));
            write(out, format_args!(".{scaled:0width$}", width = usize::from(decimals)));
        }
        _ if micros != 0 => write(out, format_args!(".{micros:06}")),
        _ => {}
    }
}

fn write(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing into a vector cannot fail.
    let _ = out.write_fmt(arguments);
}
