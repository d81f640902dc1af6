// SPDX-License-Identifier: Apache-2.0
//! ICMP messages: what a type is for, and the names that Packetbeat prints.
//!
//! Limits: only the first eight bytes of a message are looked at; checksums are not verified.

use std::fmt::{self, Display, Formatter};

/// Type, code, checksum, and the four bytes that depend on the type.
const HEADER_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V4,
    V6,
}

impl Version {
    pub fn number(self) -> u64 {
        match self {
            Version::V4 => 4,
            Version::V6 => 6,
        }
    }
}

/// What matters of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub version: Version,
    pub kind: u8,
    pub code: u8,
    /// Identifier and sequence number; 0 for types that have no counterpart.
    pub identity: u32,
    /// Bytes behind the header.
    pub body_bytes: u64,
}

/// What a message is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A response of the named type is to come.
    Request {
        reply: u8,
    },
    Reply,
    /// Nothing answers it.
    Alone,
}

impl Message {
    /// None when the message is too short. `wire_length` is its length before the capture cut it.
    pub fn parse(version: Version, bytes: &[u8], wire_length: usize) -> Option<Message> {
        let [kind, code, _, _, identity @ ..] = bytes.first_chunk::<HEADER_BYTES>()?;
        let mut message = Message {
            version,
            kind: *kind,
            code: *code,
            identity: 0,
            body_bytes: wire_length.saturating_sub(HEADER_BYTES) as u64,
        };
        if message.role() != Role::Alone {
            message.identity = u32::from_be_bytes(*identity);
        }
        Some(message)
    }

    pub fn role(&self) -> Role {
        match (self.version, self.kind) {
            (Version::V4, 8) => Role::Request { reply: 0 },
            (Version::V4, 13) => Role::Request { reply: 14 },
            (Version::V4, 15) => Role::Request { reply: 16 },
            (Version::V4, 17) => Role::Request { reply: 18 },
            (Version::V6, 128) => Role::Request { reply: 129 },
            (Version::V4, 0 | 14 | 16 | 18) | (Version::V6, 129) => Role::Reply,
            _ => Role::Alone,
        }
    }

    pub fn is_error(&self) -> bool {
        match self.version {
            Version::V4 => matches!(self.kind, 3 | 4 | 11 | 12),
            Version::V6 => matches!(self.kind, 1..=4),
        }
    }
}

/// `Name`, `Name(Code name)`, `Name(Code: N)`, or `T(C)` for a type without a name.
impl Display for Message {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (name, codes) = match self.version {
            Version::V4 => name_v4(self.kind),
            Version::V6 => name_v6(self.kind),
        };
        match (name, codes.get(usize::from(self.code))) {
            ("", _) => write!(formatter, "{}({})", self.kind, self.code),
            (name, Some(&"")) => formatter.write_str(name),
            (name, Some(code)) => write!(formatter, "{name}({code})"),
            (name, None) => write!(formatter, "{name}(Code: {})", self.code),
        }
    }
}

/// Types with a single code: it has no name of its own.
const ONE: &[&str] = &[""];

/// The name of a type, and those of its codes.
fn name_v4(kind: u8) -> (&'static str, &'static [&'static str]) {
    match kind {
        0 => ("EchoReply", ONE),
        3 => (
            "DestinationUnreachable",
            &[
                "Net",
                "Host",
                "Protocol",
                "Port",
                "FragmentationNeeded",
                "SourceRoutingFailed",
                "NetUnknown",
                "HostUnknown",
                "SourceIsolated",
                "NetAdminProhibited",
                "HostAdminProhibited",
                "NetTOS",
                "HostTOS",
                "CommAdminProhibited",
                "HostPrecedence",
                "PrecedenceCutoff",
            ],
        ),
        4 => ("SourceQuench", ONE),
        5 => ("Redirect", &["Net", "Host", "TOS+Net", "TOS+Host"]),
        8 => ("EchoRequest", ONE),
        9 => ("RouterAdvertisement", ONE),
        10 => ("RouterSolicitation", ONE),
        11 => ("TimeExceeded", &["TTLExceeded", "FragmentReassemblyTimeExceeded"]),
        12 => ("ParameterProblem", &["PointerIndicatesError", "MissingOption", "BadLength"]),
        13 => ("TimestampRequest", ONE),
        14 => ("TimestampReply", ONE),
        15 => ("InfoRequest", ONE),
        16 => ("InfoReply", ONE),
        17 => ("AddressMaskRequest", ONE),
        18 => ("AddressMaskReply", ONE),
        _ => ("", &[]),
    }
}

fn name_v6(kind: u8) -> (&'static str, &'static [&'static str]) {
    match kind {
        1 => (
            "DestinationUnreachable",
            &[
                "NoRouteToDst",
                "AdminProhibited",
                "BeyondScopeOfSrc",
                "AddressUnreachable",
                "PortUnreachable",
                "SrcAddressFailedPolicy",
                "RejectRouteToDst",
            ],
        ),
        2 => ("PacketTooBig", ONE),
        3 => ("TimeExceeded", &["HopLimitExceeded", "FragmentReassemblyTimeExceeded"]),
        4 => ("ParameterProblem", &["ErroneousHeaderField", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"]),
        128 => ("EchoRequest", ONE),
        129 => ("EchoReply", ONE),
        133 => ("RouterSolicitation", ONE),
        134 => ("RouterAdvertisement", ONE),
        135 => ("NeighborSolicitation", ONE),
        136 => ("NeighborAdvertisement", ONE),
        137 => ("Redirect", ONE),
        _ => ("", &[]),
    }
}
