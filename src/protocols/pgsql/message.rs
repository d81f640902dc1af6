// SPDX-License-Identifier: Apache-2.0
//! The messages of the protocol (PostgreSQL documentation, "Message Formats"): which may come from whom, of what length,
//! and their contents over a slice. Every read is checked; None means that the bytes are no such thing.

use super::frames::{Head, UNTYPED, WAITED_BYTES};
use crate::protocols::Direction;

/// Bytes of a statement's text that are kept for an event.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Bytes of an error message that are kept.
const MAX_ERROR_BYTES: usize = 8 << 10;
/// Longest name of a statement or portal that is read.
const MAX_NAME_BYTES: usize = 1024;
/// `MaxAllocSize` of the server.
const MAX_MESSAGE_BYTES: usize = 0x3fff_ffff;
/// What a length may be as long as nothing was understood: text taken for a header gives more.
const MAX_FIRST_BYTES: usize = 64 << 20;
/// Server messages that libpq takes to be short (`VALID_LONG_MESSAGE_TYPE`) end here.
const MAX_SHORT_BYTES: usize = 30_000;
/// `MAX_STARTUP_PACKET_LENGTH` of the server.
const MAX_STARTUP_BYTES: usize = 10_000;

/// Whether earlier messages of the direction were understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    InStep,
    Nothing,
}

impl Trust {
    fn allows(self, length: usize) -> bool {
        length <= if self == Trust::InStep { MAX_MESSAGE_BYTES } else { MAX_FIRST_BYTES }
    }
}

/// Types of messages, a bit for each.
const FROM_CLIENT: u128 = bits(b"QPBDCESHXcFdfp");
const FROM_SERVER: u128 = bits(b"123nsIcZRSKvCGHWtTDENAVd");

const fn bits(letters: &[u8]) -> u128 {
    let (mut bits, mut place) = (0, 0);
    while place < letters.len() {
        bits |= 1 << letters[place];
        place += 1;
    }
    bits
}

/// Whether a message may begin so: the rest of one that began unseen is not waited for.
pub fn may_begin(direction: Direction, bytes: &[u8]) -> bool {
    match (direction, bytes) {
        (_, []) => true,
        (Direction::ToServer, [UNTYPED, ..]) => bytes.get(4..8).is_none_or(|code| {
            let code = code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
            matches!((code >> 16, code & 0xffff), (1234, 5678..=5680) | (1 | 2, 0) | (3, 0..=9))
        }),
        (Direction::ToServer, [kind, ..]) => FROM_CLIENT >> (kind & 127) & 1 != 0 && *kind < 128,
        (Direction::ToClient, [kind, ..]) => FROM_SERVER >> (kind & 127) & 1 != 0 && *kind < 128,
    }
}

/// How many bytes of a client's message are of use; None: it is none.
pub fn wanted_from_client(head: Head, trust: Trust) -> Option<usize> {
    let length = head.length;
    let (possible, wanted) = match head.kind {
        UNTYPED => ((4..=MAX_STARTUP_BYTES).contains(&length), length),
        b'Q' => (length >= 1, MAX_TEXT_BYTES + 1),
        b'P' => (length >= 4, MAX_TEXT_BYTES + MAX_NAME_BYTES),
        b'B' => (length >= 8, WAITED_BYTES),
        b'D' | b'C' => ((2..=WAITED_BYTES).contains(&length), MAX_NAME_BYTES),
        b'E' => ((5..=WAITED_BYTES).contains(&length), MAX_NAME_BYTES),
        b'S' | b'H' | b'X' | b'c' => (length == 0, 0),
        b'F' => (length >= 10, 4),
        b'd' => (true, 0),
        b'f' => ((1..=WAITED_BYTES).contains(&length), 0),
        b'p' => (length <= WAITED_BYTES, 0),
        _ => (false, 0),
    };
    (possible && trust.allows(length)).then_some(wanted)
}

/// How many bytes of a server's message are of use; None: it is none. Of a row `row_bytes`.
pub fn wanted_from_server(head: Head, trust: Trust, row_bytes: usize) -> Option<usize> {
    let length = head.length;
    let short = length <= MAX_SHORT_BYTES;
    let (possible, wanted) = match head.kind {
        b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c' => (length == 0, 0),
        b'Z' => (length == 1, 1),
        b'R' => (length >= 4 && short, 4),
        b'S' => (length >= 2 && short, 256),
        b'K' => (length >= 8 && short, 0),
        b'v' => (length >= 8 && short, 0),
        b'C' => (length >= 1 && short, 256),
        b'G' | b'H' | b'W' => (length >= 3 && short, 0),
        b't' => ((2..=2 + 4 * 0xffff).contains(&length), 0),
        b'T' => (length >= 2, 256 << 10),
        b'D' => (length >= 2, row_bytes),
        b'E' => (length >= 1, MAX_ERROR_BYTES),
        b'N' => (length >= 1, 0),
        b'A' => (length >= 6, 0),
        b'V' => (length >= 4, 0),
        b'd' => (true, 0),
        _ => (false, 0),
    };
    (possible && trust.allows(length)).then_some(wanted)
}

/// A cursor over the bytes of one message.
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
        Some(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.array()?))
    }

    /// A length that may be -1, for a null.
    pub fn length(&mut self) -> Option<Option<usize>> {
        Some(usize::try_from(self.u32()? as i32).ok())
    }

    /// Bytes before a zero, which is passed over.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest)?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(text)
    }

    /// The same, or all of the rest when the message was kept in part.
    pub fn text_or_part(&mut self) -> &'a [u8] {
        self.text().unwrap_or_else(|| std::mem::take(&mut self.rest))
    }
}

/// What a client sends before it may send anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Startup<'a> {
    /// SSLRequest or GSSENCRequest: answered with one byte.
    Encryption,
    Cancel {
        process: u32,
    },
    Login {
        user: &'a [u8],
        database: &'a [u8],
    },
    /// Another version of the protocol.
    Other,
}

impl<'a> Startup<'a> {
    pub fn parse(payload: &'a [u8]) -> Option<Startup<'a>> {
        let mut reader = Reader::new(payload);
        let code = reader.u32()?;
        match (code >> 16, code & 0xffff) {
            (1234, 5679 | 5680) => Some(Startup::Encryption),
            (1234, 5678) => Some(Startup::Cancel { process: reader.u32()? }),
            (3, 0..=9) => {
                let (mut user, mut database) = (&[][..], &[][..]);
                while let Some(name) = reader.text().filter(|name| !name.is_empty()) {
                    let value = reader.text()?;
                    match name {
                        b"user" => user = value,
                        b"database" => database = value,
                        _ => {}
                    }
                }
                // A database that is not named has the user's name.
                Some(Startup::Login { user, database: if database.is_empty() { user } else { database } })
            }
            (1 | 2, 0) => Some(Startup::Other),
            _ => None,
        }
    }
}

/// In which format the columns of a result come, as Bind asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// Not seen.
    #[default]
    Unknown,
    Text,
    Binary,
    /// A bit for each of the first 64 columns, set for binary ones.
    Mixed {
        binary: u64,
        columns: u16,
    },
}

impl Formats {
    /// Whether a column is binary; None when that is not known.
    pub fn is_binary(self, column: usize) -> Option<bool> {
        match self {
            Formats::Unknown => None,
            Formats::Text => Some(false),
            Formats::Binary => Some(true),
            Formats::Mixed { binary, columns } => {
                (column < usize::from(columns).min(64)).then(|| binary & (1 << column) != 0)
            }
        }
    }
}

/// A Bind message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    pub portal: &'a [u8],
    pub statement: &'a [u8],
    pub formats: Formats,
}

impl<'a> Bind<'a> {
    pub fn parse(payload: &'a [u8]) -> Option<Bind<'a>> {
        let mut reader = Reader::new(payload);
        let portal = reader.text()?;
        let statement = reader.text()?;
        // The formats stand behind the parameters; of a long message they are not there.
        let formats = Self::formats(&mut reader).unwrap_or_default();
        Some(Bind { portal, statement, formats })
    }

    fn formats(reader: &mut Reader<'_>) -> Option<Formats> {
        let count = usize::from(reader.u16()?);
        reader.take(2 * count)?;
        for _ in 0..reader.u16()? {
            if let Some(length) = reader.length()? {
                reader.take(length)?;
            }
        }
        let columns = reader.u16()?;
        let mut binary = 0;
        for column in 0..columns {
            let is_binary = reader.u16()? != 0;
            if is_binary && column < 64 {
                binary |= 1 << column;
            }
        }
        Some(match (columns, binary) {
            (0, _) | (1, 0) => Formats::Text,
            (1, _) => Formats::Binary,
            (columns, binary) => Formats::Mixed { binary, columns },
        })
    }
}

/// A column of a RowDescription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    pub name: &'a [u8],
    pub type_oid: u32,
    pub binary: bool,
}

/// Number and columns of a RowDescription; of one that was kept in part, those that are there.
pub fn columns(payload: &[u8]) -> Option<(u16, impl Iterator<Item = Column<'_>>)> {
    let mut reader = Reader::new(payload);
    let count = reader.u16()?;
    let columns = (0..count).map_while(move |_| {
        let name = reader.text()?;
        let _table_and_attribute = reader.take(4 + 2)?;
        let type_oid = reader.u32()?;
        let _size_and_modifier = reader.take(2 + 4)?;
        Some(Column { name, type_oid, binary: reader.u16()? != 0 })
    });
    Some((count, columns))
}

/// The fields of an ErrorResponse that events show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure<'a> {
    pub severity: &'a [u8],
    pub code: &'a [u8],
    pub message: &'a [u8],
    /// Where in the text of the query, in characters from 1.
    pub position: Option<usize>,
    /// The server ends the connection.
    pub fatal: bool,
}

impl<'a> Failure<'a> {
    pub fn parse(payload: &'a [u8]) -> Failure<'a> {
        let mut reader = Reader::new(payload);
        let mut failure = Failure::default();
        let mut untranslated: &[u8] = &[];
        while let Some(field) = reader.u8().filter(|field| *field != 0) {
            let value = reader.text_or_part();
            match field {
                b'S' => failure.severity = value,
                b'V' => untranslated = value,
                b'C' => failure.code = value,
                b'M' => failure.message = value,
                b'P' => failure.position = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                _ => {}
            }
        }
        let severity = if untranslated.is_empty() { failure.severity } else { untranslated };
        failure.fatal = matches!(severity, b"FATAL" | b"PANIC");
        failure
    }
}

/// Whether a direction's first bytes are a TLS record and no message: TLS without a request for it, or a capture that
/// begins behind the switch.
pub fn is_tls(bytes: &[u8]) -> bool {
    match bytes.first_chunk::<5>() {
        Some([0x14..=0x17, 3, 0..=4, high, low]) => {
            let length = usize::from(*high) << 8 | usize::from(*low);
            length > 0 && length <= (1 << 14) + 2048
        }
        _ => false,
    }
}
