// SPDX-License-Identifier: Apache-2.0
//! Headers, extras and keys of the binary protocol (memcached, `doc/protocol-binary.txt`).

use super::message::{Class, Form, Message};

pub const HEADER_BYTES: usize = 24;

const REQUEST_MAGIC: u8 = 0x80;
const RESPONSE_MAGIC: u8 = 0x81;

pub const STAT: u8 = 0x10;
const QUIT_QUIETLY: u8 = 0x17;

/// Which end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Request,
    Response,
}

impl Role {
    fn magic(self) -> u8 {
        match self {
            Role::Request => REQUEST_MAGIC,
            Role::Response => RESPONSE_MAGIC,
        }
    }
}

/// What the bytes behind extras and key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Value,
    /// Of a counter.
    Number,
    Version,
    /// Value of a statistic.
    Stat,
    /// A secret: counted, never kept.
    Hidden,
    /// Neither counted nor kept: the text of a counter's error.
    Ignored,
}

/// A header that is possible.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub opcode: u8,
    pub extras_bytes: usize,
    pub key_bytes: usize,
    pub value_bytes: u64,
    pub opaque: u32,
    status: u16,
    cas: u64,
}

/// Whether a byte begins a message of the binary protocol.
pub fn is_magic(byte: u8) -> bool {
    matches!(byte, REQUEST_MAGIC | RESPONSE_MAGIC)
}

impl Header {
    /// None: too few bytes, the other end's magic, or a body shorter than its parts.
    pub fn read(bytes: &[u8], role: Role) -> Option<Header> {
        let [magic, opcode, k0, k1, extras, _, s0, s1, t0, t1, t2, t3, o0, o1, o2, o3, cas @ ..] =
            bytes.first_chunk::<HEADER_BYTES>()?;
        let key_bytes = u16::from_be_bytes([*k0, *k1]);
        let total = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
        let value_bytes = total.checked_sub(u32::from(key_bytes) + u32::from(*extras))?;
        (*magic == role.magic()).then_some(Header {
            opcode: *opcode,
            extras_bytes: usize::from(*extras),
            key_bytes: usize::from(key_bytes),
            value_bytes: u64::from(value_bytes),
            opaque: u32::from_be_bytes([*o0, *o1, *o2, *o3]),
            status: u16::from_be_bytes([*s0, *s1]),
            cas: u64::from_be_bytes(*cas),
        })
    }

    /// Bytes up to the value.
    pub fn head_bytes(&self) -> usize {
        HEADER_BYTES + self.extras_bytes + self.key_bytes
    }

    /// Whether an answer is one of several to a Stat request; the last has no key.
    pub fn continues(&self, role: Role) -> bool {
        role == Role::Response && self.opcode == STAT && self.key_bytes > 0 && self.status == 0
    }

    /// Whether a message is likely, after the step was lost.
    pub fn is_likely(&self) -> bool {
        !opcode_name(self.opcode).is_empty() && self.value_bytes <= 1 << 30 && self.key_bytes <= 250
    }

    /// Sets what header, extras and key say. Answers what the value is.
    pub fn fill(&self, message: &mut Message, role: Role, extras: &[u8], key: &[u8]) -> Purpose {
        message.form = Form::Binary;
        (message.command, message.class) = command(self.opcode);
        message.opcode = self.opcode;
        message.opaque = self.opaque;
        message.status = self.status;
        message.cas = (self.cas != 0).then_some(self.cas);
        if !key.is_empty() {
            message.add_key(key);
        }
        let word = |at: usize| extras.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
        let long = |at: usize| extras.get(at..)?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        match role {
            Role::Request => {
                message.quiet = is_quiet(self.opcode);
                // A command without its extras has zeros, as in Packetbeat.
                match message.command {
                    "set" | "add" | "replace" => {
                        message.flags = Some(word(0).unwrap_or(0));
                        message.exptime = Some(i64::from(word(4).unwrap_or(0)));
                    }
                    "incr" | "decr" => {
                        message.number = Some(long(0).unwrap_or(0));
                        message.initial = Some(long(8).unwrap_or(0));
                        message.exptime = Some(i64::from(word(16).unwrap_or(0)));
                    }
                    "touch" | "gat" | "flush_all" => message.exptime = Some(i64::from(word(0).unwrap_or(0))),
                    "verbosity" => message.number = Some(u64::from(word(0).unwrap_or(0))),
                    _ => {}
                }
                if message.class == Class::Auth { Purpose::Hidden } else { Purpose::Value }
            }
            Role::Response => {
                if message.class == Class::Load {
                    message.flags = Some(word(0).unwrap_or(0));
                }
                match message.class {
                    Class::Counter if self.status == 0 => Purpose::Number,
                    Class::Counter => Purpose::Ignored,
                    Class::Auth => Purpose::Hidden,
                    Class::Stats if self.status == 0 => Purpose::Stat,
                    Class::Info if message.command == "version" => Purpose::Version,
                    _ => Purpose::Value,
                }
            }
        }
    }
}

/// Whether a command has no answer at all.
pub fn is_silent(opcode: u8) -> bool {
    opcode == QUIT_QUIETLY
}

/// Name and type of an opcode's command in the text protocol.
fn command(opcode: u8) -> (&'static str, Class) {
    match opcode {
        0x00 | 0x09 | 0x0c | 0x0d => ("get", Class::Load),
        0x01 | 0x11 => ("set", Class::Store),
        0x02 | 0x12 => ("add", Class::Store),
        0x03 | 0x13 => ("replace", Class::Store),
        0x04 | 0x14 => ("delete", Class::Delete),
        0x05 | 0x15 => ("incr", Class::Counter),
        0x06 | 0x16 => ("decr", Class::Counter),
        0x07 | 0x17 => ("quit", Class::Info),
        0x08 | 0x18 => ("flush_all", Class::Delete),
        0x0a => ("noop", Class::Info),
        0x0b => ("version", Class::Info),
        0x0e | 0x19 => ("append", Class::Store),
        0x0f | 0x1a => ("prepend", Class::Store),
        STAT => ("stats", Class::Stats),
        0x1b => ("verbosity", Class::Info),
        0x1c => ("touch", Class::Store),
        0x1d | 0x1e | 0x23 | 0x24 => ("gat", Class::Load),
        0x20 => ("sasl_list", Class::Auth),
        0x21 => ("sasl_auth", Class::Auth),
        0x22 => ("sasl_step", Class::Auth),
        _ => ("UNKNOWN", Class::Unknown),
    }
}

fn is_quiet(opcode: u8) -> bool {
    matches!(opcode, 0x09 | 0x0d | 0x11..=0x1a | 0x1e | 0x24 | 0x32 | 0x34 | 0x36 | 0x38 | 0x3a | 0x3c)
}

/// `opcode`; empty for an unknown one.
pub fn opcode_name(opcode: u8) -> &'static str {
    let (first, names): (u8, &[&str]) = match opcode {
        0x00..=0x1e => (0x00, BASE_OPCODES),
        0x20..=0x24 => (0x20, SASL_OPCODES),
        0x30..=0x47 => (0x30, RANGE_OPCODES),
        _ => return "",
    };
    names.get(usize::from(opcode - first)).copied().unwrap_or("")
}

/// `status`; empty for an unknown one.
pub fn status_name(status: u16) -> &'static str {
    match status {
        0x00 => "Success",
        0x01 => "Key not found",
        0x02 => "Key exists",
        0x03 => "Value too large",
        0x04 => "Invalid arguments",
        0x05 => "Item not stored",
        0x06 => "Incr/Decr on non-numeric value.",
        0x07 => "The vbucket belongs to another server",
        0x20 => "Authentication error",
        0x21 => "Authentication continue",
        0x81 => "Unknown command",
        0x82 => "Out of memory",
        0x83 => "Not supported",
        0x84 => "Internal error",
        0x85 => "Busy",
        0x86 => "Temporary failure",
        _ => "",
    }
}

const BASE_OPCODES: &[&str] = &[
    "Get",
    "Set",
    "Add",
    "Replace",
    "Delete",
    "Increment",
    "Decrement",
    "Quit",
    "Flush",
    "GetQ",
    "No-op",
    "Version",
    "GetK",
    "GetKQ",
    "Append",
    "Prepend",
    "Stat",
    "SetQ",
    "AddQ",
    "ReplaceQ",
    "DeleteQ",
    "IncrementQ",
    "DecrementQ",
    "QuitQ",
    "FlushQ",
    "AppendQ",
    "PrependQ",
    "Verbosity",
    "Touch",
    "GAT",
    "GATQ",
];

const SASL_OPCODES: &[&str] = &["SASL list mechs", "SASL Auth", "SASL Step", "GatK", "GatKQ"];

const RANGE_OPCODES: &[&str] = &[
    "RGet",
    "RSet",
    "RSetQ",
    "RAppend",
    "RAppendQ",
    "RPrepend",
    "RPrependQ",
    "RDelete",
    "RDeleteQ",
    "RIncr",
    "RIncrQ",
    "RDecr",
    "RDecrQ",
    "Set VBucket",
    "Get VBucket",
    "Del VBucket",
    "TAP Connect",
    "TAP Mutation",
    "TAP Delete",
    "TAP Flush",
    "TAP Opaque",
    "TAP VBucket Set",
    "TAP Checkpoint Start",
    "TAP Checkpoint End",
];
