// SPDX-License-Identifier: Apache-2.0
//! Arguments of methods and properties of messages, read by their description.

use super::wire::Reader;
use crate::event::Field;

/// One argument as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    Unused16,
    UnusedLong,
    U8(Field),
    U16(Field),
    U32(Field),
    U64(Field),
    Short(Field),
    /// Left out when it is empty.
    ShortIfAny(Field),
    /// With a value that stands for empty.
    ShortOr(Field, &'static str),
    Long(Field),
    /// Bits that share a byte, the lowest first; None has no field.
    Bits(&'static [Option<Field>]),
    Table(Field),
    /// 1 or 2.
    DeliveryMode(Field),
    /// Seconds since 1970.
    Timestamp(Field),
}

/// The value of an argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument<'a> {
    Number(u64),
    Flag(bool),
    Text(&'a [u8]),
    Constant(&'static str),
    /// The entries of a table that is not empty.
    Table(&'a [u8]),
    /// Seconds since 1970.
    Seconds(i64),
}

/// Gives the arguments to `visit` in their order. None when they end too early; those before have been given.
pub fn walk<'a>(items: &[Item], arguments: &'a [u8], mut visit: impl FnMut(Field, Argument<'a>)) -> Option<()> {
    let mut reader = Reader::new(arguments);
    items.iter().try_for_each(|item| read(*item, &mut reader, &mut visit))
}

/// The number of one argument.
pub fn number(items: &[Item], arguments: &[u8], wanted: Field) -> Option<u64> {
    let mut found = None;
    // What stands behind the argument may be missing.
    let _ = walk(items, arguments, |field, argument| match argument {
        Argument::Number(number) if field == wanted => found = Some(number),
        _ => {}
    });
    found
}

/// Whether a bit is set.
pub fn flag(items: &[Item], arguments: &[u8], wanted: Field) -> bool {
    let mut found = false;
    // What stands behind the argument may be missing.
    let _ = walk(items, arguments, |field, argument| found |= field == wanted && argument == Argument::Flag(true));
    found
}

/// Reads one argument.
pub fn read<'a>(item: Item, reader: &mut Reader<'a>, visit: &mut impl FnMut(Field, Argument<'a>)) -> Option<()> {
    match item {
        Item::Unused16 => {
            reader.u16()?;
        }
        Item::UnusedLong => {
            reader.long_string()?;
        }
        Item::U8(field) => visit(field, Argument::Number(reader.u8()?.into())),
        Item::U16(field) => visit(field, Argument::Number(reader.u16()?.into())),
        Item::U32(field) => visit(field, Argument::Number(reader.u32()?.into())),
        Item::U64(field) => visit(field, Argument::Number(reader.u64()?)),
        Item::Short(field) => visit(field, Argument::Text(reader.short_string()?)),
        Item::ShortIfAny(field) => match reader.short_string()? {
            [] => {}
            text => visit(field, Argument::Text(text)),
        },
        Item::ShortOr(field, default) => match reader.short_string()? {
            [] => visit(field, Argument::Constant(default)),
            text => visit(field, Argument::Text(text)),
        },
        Item::Long(field) => visit(field, Argument::Text(reader.long_string()?)),
        Item::Bits(fields) => {
            let bits = reader.u8()?;
            for (place, field) in fields.iter().enumerate().take(8) {
                if let Some(field) = field {
                    visit(*field, Argument::Flag(bits >> place & 1 == 1));
                }
            }
        }
        Item::Table(field) => match reader.long_string()? {
            [] => {}
            table => visit(field, Argument::Table(table)),
        },
        Item::DeliveryMode(field) => match reader.u8()? {
            1 => visit(field, Argument::Constant("non-persistent")),
            2 => visit(field, Argument::Constant("persistent")),
            _ => {}
        },
        Item::Timestamp(field) => visit(field, Argument::Seconds(reader.u64()? as i64)),
    }
    Some(())
}
