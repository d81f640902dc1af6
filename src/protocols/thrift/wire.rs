// SPDX-License-Identifier: Apache-2.0
//! How the two protocols write numbers, types, fields and sizes (Thrift binary and compact protocol encoding).
//!
//! Every function takes what is there and answers with the value and its length, or with how many bytes it needs.

/// Longest string and largest collection that is believed; beyond it the stream is out of step.
pub const MAX_SIZE: u32 = 256 << 20;

/// The encoding of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Binary,
    Compact,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Double,
    String,
    Uuid,
    Struct,
    List,
    Set,
    Map,
}

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// So many bytes are needed, from the start of the value.
    Needs(usize),
    Invalid,
}

/// What begins a field of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldHeader {
    Stop,
    Field {
        id: i16,
        kind: Kind,
        /// The compact protocol has the value of a bool here.
        flag: Option<bool>,
    },
}

/// A value and its length in bytes.
pub type Read<T> = Result<(T, usize), Failure>;

/// The first `N` bytes.
pub fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Failure> {
    bytes.first_chunk::<N>().copied().ok_or(Failure::Needs(N))
}

/// A number in groups of seven bits, the lowest first.
pub fn varint(bytes: &[u8]) -> Read<u64> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(MAX_VARINT_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    if bytes.len() < MAX_VARINT_BYTES { Err(Failure::Needs(bytes.len() + 1)) } else { Err(Failure::Invalid) }
}

const MAX_VARINT_BYTES: usize = 10;

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl Kind {
    /// None: no type of a value.
    pub fn from_binary(byte: u8) -> Option<Kind> {
        Some(match byte {
            2 => Kind::Bool,
            3 => Kind::I8,
            4 => Kind::Double,
            6 => Kind::I16,
            8 => Kind::I32,
            10 => Kind::I64,
            11 => Kind::String,
            12 => Kind::Struct,
            13 => Kind::Map,
            14 => Kind::Set,
            15 => Kind::List,
            16 => Kind::Uuid,
            _ => return None,
        })
    }

    /// None: no type of a value.
    pub fn from_compact(nibble: u8) -> Option<Kind> {
        Some(match nibble {
            1 | 2 => Kind::Bool,
            3 => Kind::I8,
            4 => Kind::I16,
            5 => Kind::I32,
            6 => Kind::I64,
            7 => Kind::Double,
            8 => Kind::String,
            9 => Kind::List,
            10 => Kind::Set,
            11 => Kind::Map,
            12 => Kind::Struct,
            13 => Kind::Uuid,
            _ => return None,
        })
    }

    /// Bytes that every value of the type has in this protocol. None: they differ.
    pub fn fixed_bytes(self, protocol: Protocol) -> Option<u64> {
        match (self, protocol) {
            (Kind::Bool | Kind::I8, _) => Some(1),
            (Kind::I16, Protocol::Binary) => Some(2),
            (Kind::I32, Protocol::Binary) => Some(4),
            (Kind::I64, Protocol::Binary) | (Kind::Double, _) => Some(8),
            (Kind::Uuid, _) => Some(16),
            _ => None,
        }
    }
}

impl Protocol {
    pub fn i16(self, bytes: &[u8]) -> Read<i16> {
        match self {
            Protocol::Binary => Ok((i16::from_be_bytes(array(bytes)?), 2)),
            Protocol::Compact => narrow(zigzagged(bytes)?),
        }
    }

    pub fn i32(self, bytes: &[u8]) -> Read<i32> {
        match self {
            Protocol::Binary => Ok((i32::from_be_bytes(array(bytes)?), 4)),
            Protocol::Compact => narrow(zigzagged(bytes)?),
        }
    }

    pub fn i64(self, bytes: &[u8]) -> Read<i64> {
        match self {
            Protocol::Binary => Ok((i64::from_be_bytes(array(bytes)?), 8)),
            Protocol::Compact => zigzagged(bytes),
        }
    }

    pub fn double(self, bytes: &[u8]) -> Read<f64> {
        let bytes = array(bytes)?;
        Ok((if self == Protocol::Binary { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }, 8))
    }

    /// A bool that is no field.
    pub fn boolean(self, bytes: &[u8]) -> Read<bool> {
        let [byte] = array(bytes)?;
        Ok((if self == Protocol::Binary { byte != 0 } else { byte == 1 }, 1))
    }

    /// Length of a string.
    pub fn length(self, bytes: &[u8]) -> Read<u32> {
        let (length, taken) = match self {
            Protocol::Binary => (u64::from(u32::from_be_bytes(array(bytes)?)), 4),
            Protocol::Compact => varint(bytes)?,
        };
        Ok((believable(length)?, taken))
    }

    /// What begins a field; `last_id` is that of the field before.
    pub fn field(self, bytes: &[u8], last_id: i16) -> Read<FieldHeader> {
        let [first] = array(bytes)?;
        if first == 0 {
            return Ok((FieldHeader::Stop, 1));
        }
        if self == Protocol::Binary {
            let kind = Kind::from_binary(first).ok_or(Failure::Invalid)?;
            let [_, high, low] = array(bytes)?;
            return Ok((FieldHeader::Field { id: i16::from_be_bytes([high, low]), kind, flag: None }, 3));
        }
        let kind = Kind::from_compact(first & 0x0f).ok_or(Failure::Invalid)?;
        let flag = (kind == Kind::Bool).then_some(first & 0x0f == 1);
        let (id, taken) = match first >> 4 {
            0 => after(1, self.i16(bytes.get(1..).unwrap_or_default()))?,
            delta => (last_id.wrapping_add(i16::from(delta)), 1),
        };
        Ok((FieldHeader::Field { id, kind, flag }, taken))
    }

    /// Type and number of the elements of a list or set; the type of none may be any.
    pub fn elements(self, bytes: &[u8]) -> Read<(Kind, u32)> {
        let [first] = array(bytes)?;
        let (kind, count, taken) = match self {
            Protocol::Binary => {
                let [_, count @ ..] = array::<5>(bytes)?;
                (Kind::from_binary(first), u32::from_be_bytes(count), 5)
            }
            Protocol::Compact if first >> 4 < 15 => (Kind::from_compact(first & 0x0f), u32::from(first >> 4), 1),
            Protocol::Compact => {
                let (count, taken) = after(1, varint(bytes.get(1..).unwrap_or_default()))?;
                (Kind::from_compact(first & 0x0f), believable(count)?, taken)
            }
        };
        let kind = if count == 0 { kind.unwrap_or(Kind::I8) } else { kind.ok_or(Failure::Invalid)? };
        Ok(((kind, believable(u64::from(count))?), taken))
    }

    /// Types of keys and values of a map, and their number; the types of none may be any.
    pub fn entries(self, bytes: &[u8]) -> Read<(Kind, Kind, u32)> {
        let (key, value, count, taken) = match self {
            Protocol::Binary => {
                let [key, value, count @ ..] = array::<6>(bytes)?;
                (Kind::from_binary(key), Kind::from_binary(value), u64::from(u32::from_be_bytes(count)), 6)
            }
            Protocol::Compact => match varint(bytes)? {
                (0, taken) => (None, None, 0, taken),
                (count, taken) => {
                    let ([kinds], taken) =
                        after(taken, array(bytes.get(taken..).unwrap_or_default()).map(|kinds| (kinds, 1)))?;
                    (Kind::from_compact(kinds >> 4), Kind::from_compact(kinds & 0x0f), count, taken)
                }
            },
        };
        let count = believable(count)?;
        match (key, value) {
            (Some(key), Some(value)) => Ok(((key, value, count), taken)),
            _ if count == 0 => Ok(((Kind::I8, Kind::I8, 0), taken)),
            _ => Err(Failure::Invalid),
        }
    }
}

fn zigzagged(bytes: &[u8]) -> Read<i64> {
    varint(bytes).map(|(value, taken)| (zigzag(value), taken))
}

fn narrow<T: TryFrom<i64>>((value, taken): (i64, usize)) -> Read<T> {
    T::try_from(value).map(|value| (value, taken)).map_err(|_| Failure::Invalid)
}

fn believable(size: u64) -> Result<u32, Failure> {
    u32::try_from(size).ok().filter(|size| *size <= MAX_SIZE).ok_or(Failure::Invalid)
}

/// What was read behind `before` bytes, counted from their start.
pub fn after<T>(before: usize, read: Read<T>) -> Read<T> {
    match read {
        Ok((value, taken)) => Ok((value, before + taken)),
        Err(Failure::Needs(bytes)) => Err(Failure::Needs(before + bytes)),
        Err(Failure::Invalid) => Err(Failure::Invalid),
    }
}
