// SPDX-License-Identifier: Apache-2.0
//! The header of every message, and a bounds-checked reader (MongoDB Wire Protocol, "Standard Message Header").

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Largest message that a server accepts (`maxMessageSizeBytes`).
pub const MAX_MESSAGE_BYTES: usize = 48_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Reply,
    /// 1000: one C string, sent alone.
    LegacyMessage,
    Update,
    Insert,
    Query,
    GetMore,
    Delete,
    KillCursors,
    Compressed,
    Msg,
}

impl Opcode {
    pub fn of(code: i32) -> Option<Opcode> {
        Some(match code {
            1 => Opcode::Reply,
            1000 => Opcode::LegacyMessage,
            2001 => Opcode::Update,
            2002 => Opcode::Insert,
            2004 => Opcode::Query,
            2005 => Opcode::GetMore,
            2006 => Opcode::Delete,
            2007 => Opcode::KillCursors,
            2012 => Opcode::Compressed,
            2013 => Opcode::Msg,
            _ => return None,
        })
    }
}

/// A message's header whose length and opcode are possible.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Bytes of the message, the header included.
    pub length: usize,
    pub request_id: i32,
    pub response_to: i32,
    pub opcode: Opcode,
}

impl Header {
    /// None: these are not the first bytes of a message, or there are fewer than [`HEADER_BYTES`].
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let mut reader = Reader::new(bytes);
        let length = usize::try_from(reader.i32()?).ok()?;
        let header = Header {
            length,
            request_id: reader.i32()?,
            response_to: reader.i32()?,
            opcode: Opcode::of(reader.i32()?)?,
        };
        (HEADER_BYTES..=MAX_MESSAGE_BYTES).contains(&length).then_some(header)
    }
}

/// Reads a message from front to back. Once something was not there nothing more is.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    pub position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, position: 0 }
    }

    pub fn at(bytes: &'a [u8], position: usize) -> Reader<'a> {
        Reader { bytes, position }
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_le_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    pub fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    pub fn take<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let bytes = self.bytes.get(self.position..)?.first_chunk::<COUNT>()?;
        self.position += COUNT;
        Some(*bytes)
    }

    /// A text that a zero byte ends, without it.
    pub fn c_string(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.position..)?;
        let length = memchr::memchr(0, rest)?;
        self.position += length + 1;
        rest.get(..length)
    }
}
