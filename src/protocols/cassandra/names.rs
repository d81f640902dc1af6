// SPDX-License-Identifier: Apache-2.0
//! Numbers of the protocol and the names that events have for them (native protocol v5, sections 2.4, 3 and 9; Packetbeat
//! behaviour, section 4.6).

use std::fmt;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response,
}

pub const ERROR: u8 = 0x00;
pub const STARTUP: u8 = 0x01;
pub const READY: u8 = 0x02;
pub const AUTHENTICATE: u8 = 0x03;
/// Of version 1 only.
const CREDENTIALS: u8 = 0x04;
pub const SUPPORTED: u8 = 0x06;
pub const QUERY: u8 = 0x07;
pub const RESULT: u8 = 0x08;
pub const EVENT: u8 = 0x0c;
pub const AUTH_CHALLENGE: u8 = 0x0e;
pub const AUTH_SUCCESS: u8 = 0x10;

/// Name and direction of every opcode, in the order of the opcodes.
const OPS: [(&str, Kind); 17] = [
    ("ERROR", Kind::Response),
    ("STARTUP", Kind::Request),
    ("READY", Kind::Response),
    ("AUTHENTICATE", Kind::Response),
    // Packetbeat has no name for CREDENTIALS.
    ("UNKNOWN_OP_4", Kind::Request),
    ("OPTIONS", Kind::Request),
    ("SUPPORTED", Kind::Response),
    ("QUERY", Kind::Request),
    ("RESULT", Kind::Response),
    ("PREPARE", Kind::Request),
    ("EXECUTE", Kind::Request),
    ("REGISTER", Kind::Request),
    ("EVENT", Kind::Response),
    ("BATCH", Kind::Request),
    ("AUTH_CHALLENGE", Kind::Response),
    ("AUTH_RESPONSE", Kind::Request),
    ("AUTH_SUCCESS", Kind::Response),
];

/// None: there is no such opcode.
pub fn kind_of(op: u8) -> Option<Kind> {
    OPS.get(usize::from(op)).map(|(_, kind)| *kind)
}

pub fn op(op: u8) -> &'static str {
    OPS.get(usize::from(op)).map_or("", |(name, _)| name)
}

/// The opcode of a name in the configuration.
pub fn op_named(name: &str) -> Option<u8> {
    let place = OPS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name.trim()))?;
    u8::try_from(place).ok().filter(|op| *op != CREDENTIALS)
}

/// All names that [`op_named`] knows.
pub fn op_names() -> impl Iterator<Item = &'static str> {
    OPS.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("UNKNOWN"))
}

/// A set of opcodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpSet(u32);

impl OpSet {
    pub fn insert(&mut self, op: u8) {
        self.0 |= 1u32.checked_shl(u32::from(op)).unwrap_or(0);
    }

    pub fn contains(self, op: u8) -> bool {
        self.0.checked_shr(u32::from(op)).is_some_and(|bits| bits & 1 != 0)
    }
}

/// A name, or a number where there is none.
pub enum Name {
    Known(&'static str),
    Decimal(&'static str, i64),
    Hexadecimal(&'static str, i64),
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Known(name) => formatter.write_str(name),
            Name::Decimal(prefix, number) => write!(formatter, "{prefix}{number}"),
            Name::Hexadecimal(prefix, number) => write!(formatter, "{prefix}{number:x}"),
        }
    }
}

/// Flags of a frame. Packetbeat has names for single flags only.
pub fn header_flags(flags: u8) -> Name {
    Name::Known(match flags {
        0 => "Default",
        1 => "Compress",
        2 => "Tracing",
        4 => "CustomPayload",
        8 => "Warning",
        flags => return Name::Decimal("UnknownFlag_", i64::from(flags)),
    })
}

/// Flags of a result's metadata. Packetbeat has names for single flags only.
pub fn row_flags(flags: i32) -> Name {
    Name::Known(match flags {
        1 => "GlobalTableSpec",
        2 => "HasMorePages",
        4 => "NoMetaData",
        flags => return Name::Decimal("FLAG_", i64::from(flags)),
    })
}

pub fn consistency(level: u16) -> Name {
    Name::Known(match level {
        0 => "ANY",
        1 => "ONE",
        2 => "TWO",
        3 => "THREE",
        4 => "QUORUM",
        5 => "ALL",
        6 => "LOCAL_QUORUM",
        7 => "EACH_QUORUM",
        8 => "SERIAL",
        9 => "LOCAL_SERIAL",
        10 => "LOCAL_ONE",
        level => return Name::Hexadecimal("UNKNOWN_CONS_0x", i64::from(level)),
    })
}

pub const UNAVAILABLE: i32 = 0x1000;
pub const WRITE_TIMEOUT: i32 = 0x1100;
pub const READ_TIMEOUT: i32 = 0x1200;
pub const READ_FAILURE: i32 = 0x1300;
pub const FUNCTION_FAILURE: i32 = 0x1400;
pub const WRITE_FAILURE: i32 = 0x1500;
pub const CAS_WRITE_UNKNOWN: i32 = 0x1700;
pub const ALREADY_EXISTS: i32 = 0x2400;
pub const UNPREPARED: i32 = 0x2500;

pub fn error(code: i32) -> &'static str {
    match code {
        0x0000 => "errServer",
        0x000a => "errProtocol",
        0x0100 => "errCredentials",
        UNAVAILABLE => "errUnavailable",
        0x1001 => "errOverloaded",
        0x1002 => "errBootstrapping",
        0x1003 => "errTruncate",
        WRITE_TIMEOUT => "errWriteTimeout",
        READ_TIMEOUT => "errReadTimeout",
        READ_FAILURE => "errReadFailure",
        FUNCTION_FAILURE => "errFunctionFailure",
        WRITE_FAILURE => "errWriteFailure",
        0x1600 => "errCDCWriteFailure",
        CAS_WRITE_UNKNOWN => "errCASWriteUnknown",
        0x2000 => "errSyntax",
        0x2100 => "errUnauthorized",
        0x2200 => "errInvalid",
        0x2300 => "errConfig",
        ALREADY_EXISTS => "errAlreadyExists",
        UNPREPARED => "errUnprepared",
        _ => "ErrUnknown",
    }
}
