// SPDX-License-Identifier: Apache-2.0
//! Scalars of the MySQL client/server protocol over a slice, and the small packets made of them: OK, EOF, ERR, column
//! definition, answer to a prepare. Every read is checked; None means that the bytes are no such thing.

/// `SERVER_MORE_RESULTS_EXISTS`: another result follows.
pub const STATUS_MORE_RESULTS: u16 = 0x0008;
/// `SERVER_STATUS_CURSOR_EXISTS`: rows are fetched with COM_STMT_FETCH.
pub const STATUS_CURSOR_EXISTS: u16 = 0x0040;

/// Payload length of a frame that continues in the next one.
pub const MAX_FRAME_BYTES: usize = 0xff_ffff;

/// A cursor over the bytes of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    /// Bytes before a zero, which is passed over; all of the rest when there is none.
    pub fn until_zero(&mut self) -> &'a [u8] {
        let end = memchr::memchr(0, self.rest).unwrap_or(self.rest.len());
        let text = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        text
    }

    /// A length-encoded integer. 0xfb (NULL) and 0xff are none.
    pub fn length_encoded(&mut self) -> Option<u64> {
        match self.u8()? {
            value @ 0..=0xfa => Some(u64::from(value)),
            0xfc => Some(u64::from(self.u16()?)),
            0xfd => {
                let [a, b, c] = self.array()?;
                Some(u64::from(u32::from_le_bytes([a, b, c, 0])))
            }
            0xfe => self.u64(),
            _ => None,
        }
    }

    /// A length-encoded string that lies wholly in the packet.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.length_encoded()?).ok()?;
        self.take(length)
    }

    /// A length-encoded string, or as much of it as is there when the packet was kept in part.
    pub fn text_or_part(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.length_encoded()?).unwrap_or(usize::MAX);
        self.take(length.min(self.rest.len()))
    }
}

/// An OK packet, or an EOF packet, whose counts are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Okay {
    pub affected_rows: u64,
    pub insert_id: u64,
    pub status: u16,
}

impl Okay {
    /// Header 0x00, or 0xfe: then five bytes are an EOF packet and more are an OK packet (`CLIENT_DEPRECATE_EOF`).
    pub fn parse(payload: &[u8]) -> Option<Okay> {
        let mut reader = Reader::new(payload);
        let header = reader.u8()?;
        if is_eof(payload) {
            reader.u16()?;
            return Some(Okay { status: reader.u16()?, ..Okay::default() });
        }
        if header != 0 && header != 0xfe {
            return None;
        }
        if reader.is_empty() {
            // MySQL before 4.1 ended result sets with a lone 0xfe.
            return Some(Okay::default());
        }
        let affected_rows = reader.length_encoded()?;
        let insert_id = reader.length_encoded()?;
        Some(Okay { affected_rows, insert_id, status: reader.u16().unwrap_or(0) })
    }
}

/// An EOF packet: 0xfe, warnings, status. No row and no OK packet looks like it.
pub fn is_eof(payload: &[u8]) -> bool {
    payload.len() == 5 && payload[0] == 0xfe
}

/// An ERR packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    pub code: u16,
    /// SQLSTATE; empty in errors before the login.
    pub state: &'a [u8],
    pub message: &'a [u8],
}

impl<'a> Failure<'a> {
    /// The code of MariaDB's progress reports, which are no errors.
    pub const PROGRESS: u16 = 0xffff;

    pub fn parse(payload: &'a [u8]) -> Option<Failure<'a>> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != 0xff {
            return None;
        }
        let code = reader.u16()?;
        let state = match reader.rest().first() {
            Some(b'#') => reader.take(6).map_or(&[][..], |state| &state[1..]),
            _ => &[],
        };
        Some(Failure { code, state, message: reader.rest() })
    }
}

/// How values of a column are written in binary rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// `enum_field_types`.
    pub kind: u8,
    pub unsigned: bool,
    /// Digits after the point; 31 is none in particular.
    pub decimals: u8,
}

/// A column definition (`ColumnDefinition41`).
#[derive(Clone, Copy, Debug)]
pub struct Definition<'a> {
    pub database: &'a [u8],
    pub table: &'a [u8],
    pub name: &'a [u8],
    pub column: Column,
}

impl<'a> Definition<'a> {
    pub fn parse(payload: &'a [u8]) -> Option<Definition<'a>> {
        let mut reader = Reader::new(payload);
        let _catalog = reader.text()?;
        let database = reader.text()?;
        let table = reader.text()?;
        let _original_table = reader.text()?;
        let name = reader.text()?;
        let _original_name = reader.text()?;
        if reader.rest().first() != Some(&0x0c) || reader.rest().len() < 13 {
            // MariaDB's extended type information.
            reader.text()?;
        }
        let fixed = reader.length_encoded()?;
        if fixed < 10 {
            return None;
        }
        let _character_set = reader.u16()?;
        let _length = reader.u32()?;
        let kind = reader.u8()?;
        let flags = reader.u16()?;
        let decimals = reader.u8()?;
        Some(Definition { database, table, name, column: Column { kind, unsigned: flags & 0x20 != 0, decimals } })
    }
}

/// The answer to COM_STMT_PREPARE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub statement: u32,
    pub columns: u16,
    pub parameters: u16,
    /// Definitions of parameters and columns follow.
    pub definitions: bool,
}

impl Prepared {
    pub fn parse(payload: &[u8]) -> Option<Prepared> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != 0 {
            return None;
        }
        let statement = reader.u32()?;
        let columns = reader.u16()?;
        let parameters = reader.u16()?;
        // Filler, warnings, and with CLIENT_OPTIONAL_RESULTSET_METADATA whether definitions follow.
        let definitions = payload.get(12) != Some(&0);
        Some(Prepared { statement, columns, parameters, definitions })
    }
}
