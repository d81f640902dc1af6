// SPDX-License-Identifier: Apache-2.0
//! The header of a message: protocol, type, method and sequence number.

use super::wire::{self, Failure, Protocol, Read};

/// Longest name of a method; what is longer is no message.
pub const MAX_NAME_BYTES: usize = 1024;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageType {
    #[default]
    Call,
    Reply,
    Exception,
    Oneway,
}

impl MessageType {
    fn from_wire(number: u8) -> Result<MessageType, Failure> {
        match number {
            1 => Ok(MessageType::Call),
            2 => Ok(MessageType::Reply),
            3 => Ok(MessageType::Exception),
            4 => Ok(MessageType::Oneway),
            _ => Err(Failure::Invalid),
        }
    }

    /// Whether it asks for something.
    pub fn is_call(self) -> bool {
        matches!(self, MessageType::Call | MessageType::Oneway)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub protocol: Protocol,
    pub kind: MessageType,
    pub name: &'a [u8],
    pub sequence: i32,
}

/// Reads a header. Which protocol it is in shows in its first byte: the binary protocol has its version there or, in its old
/// form, the highest byte of a small length; the compact protocol has its own number.
pub fn read(bytes: &[u8]) -> Read<Header<'_>> {
    match bytes.first() {
        None => Err(Failure::Needs(1)),
        Some(0x80) => binary(bytes),
        Some(&COMPACT_PROTOCOL) => compact(bytes),
        Some(0) => binary_without_version(bytes),
        Some(_) => Err(Failure::Invalid),
    }
}

/// Whether a message of a protocol with version begins with these bytes.
pub fn has_version(first: u8, second: u8) -> bool {
    (first, second) == (0x80, 1) || first == COMPACT_PROTOCOL && second & 0x1f == COMPACT_VERSION
}

const COMPACT_PROTOCOL: u8 = 0x82;
const COMPACT_VERSION: u8 = 1;

fn binary(bytes: &[u8]) -> Read<Header<'_>> {
    let [_, version] = wire::array(bytes)?;
    if version != 1 {
        return Err(Failure::Invalid);
    }
    let [_, _, _, kind] = wire::array(bytes)?;
    let kind = MessageType::from_wire(kind)?;
    let (name, at) = wire::after(4, name(Protocol::Binary, bytes.get(4..).unwrap_or_default()))?;
    let (sequence, at) = wire::after(at, Protocol::Binary.i32(bytes.get(at..).unwrap_or_default()))?;
    Ok((Header { protocol: Protocol::Binary, kind, name, sequence }, at))
}

fn binary_without_version(bytes: &[u8]) -> Read<Header<'_>> {
    let (name, at) = name(Protocol::Binary, bytes)?;
    let (kind, at) = wire::after(at, wire::array::<1>(bytes.get(at..).unwrap_or_default()).map(|[kind]| (kind, 1)))?;
    let kind = MessageType::from_wire(kind)?;
    let (sequence, at) = wire::after(at, Protocol::Binary.i32(bytes.get(at..).unwrap_or_default()))?;
    Ok((Header { protocol: Protocol::Binary, kind, name, sequence }, at))
}

fn compact(bytes: &[u8]) -> Read<Header<'_>> {
    let [_, second] = wire::array(bytes)?;
    if second & 0x1f != COMPACT_VERSION {
        return Err(Failure::Invalid);
    }
    let kind = MessageType::from_wire(second >> 5)?;
    let (sequence, at) = wire::after(2, wire::varint(bytes.get(2..).unwrap_or_default()))?;
    let (name, at) = wire::after(at, name(Protocol::Compact, bytes.get(at..).unwrap_or_default()))?;
    Ok((Header { protocol: Protocol::Compact, kind, name, sequence: sequence as i32 }, at))
}

/// The name of a method: not empty, and without control characters, which tells a message from other bytes.
fn name(protocol: Protocol, bytes: &[u8]) -> Read<&[u8]> {
    let (length, at) = protocol.length(bytes)?;
    let length = length as usize;
    if length == 0 || length > MAX_NAME_BYTES {
        return Err(Failure::Invalid);
    }
    let there = bytes.get(at..).unwrap_or_default();
    let there = there.get(..length.min(there.len())).unwrap_or_default();
    if there.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(Failure::Invalid);
    }
    if there.len() < length { Err(Failure::Needs(at + length)) } else { Ok((there, at + length)) }
}
