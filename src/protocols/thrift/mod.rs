// SPDX-License-Identifier: Apache-2.0
//! Apache Thrift: calls and replies in the binary protocol (with and without version) and the compact protocol, unframed or
//! framed.
//!
//! One event is one call with its reply, paired by sequence number and method; a one-way call is an event alone. Values are
//! shown as they are read, so nothing of a message is stored but the text of its event. Names of parameters and services
//! come from IDL files. Limits: not the JSON protocol, not the header transport, not Thrift in HTTP, not Finagle's upgraded
//! protocol; of a message's text 1 MiB is shown; structures nested deeper than 64 are refused, as Thrift's own limit is.

mod config;
mod event;
mod header;
mod idl;
mod message;
mod parser;
mod render;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use idl::Idl;
use parser::ThriftParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "thrift",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: None,
    configure: |section, common| Ok(Box::new(Thrift { options: Arc::new(config::read(section, common)?) })),
};

/// How messages lie in the stream (`transport_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportType {
    /// One after the other.
    Socket,
    /// Each behind its length in four bytes.
    Framed,
    /// Each shows by its version whether it is behind its length; what has no version is unframed. Not in Packetbeat.
    Auto,
}

/// Whether a reply's contents are shown (`capture_reply`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    Shown,
    /// Only that there was one.
    Passed,
}

/// Whether texts are shown (`obfuscate_strings`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strings {
    Shown,
    Obfuscated,
}

/// How values look where Packetbeat's form is not what was sent (`compat_values`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    AsSent,
    /// Integers of 8, 16 and 32 bits without sign, empty lists and sets as nothing, and hexadecimal with its dots as `2e2e2e`.
    Packetbeat,
}

/// Options of a `thrift` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    pub transport_type: TransportType,
    /// Bytes of a string that are shown.
    pub string_max_size: usize,
    /// Elements of a list, set or map, and fields of a structure, that are shown.
    pub collection_max_size: usize,
    /// A message with a structure (below its parameters) of so many fields is left out.
    pub drop_after_n_struct_fields: usize,
    pub replies: Replies,
    pub strings: Strings,
    pub values: Values,
    pub idl: Idl,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            common: CommonOptions {
                ports: Vec::new(),
                send_request: false,
                send_response: false,
                transaction_timeout_ns: 10_000_000_000,
            },
            transport_type: TransportType::Socket,
            string_max_size: 200,
            collection_max_size: 15,
            drop_after_n_struct_fields: 500,
            replies: Replies::Shown,
            strings: Strings::Shown,
            values: Values::AsSent,
            idl: Idl::default(),
        }
    }
}

struct Thrift {
    options: Arc<Options>,
}

impl Factory for Thrift {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(ThriftParser::new(Arc::clone(&self.options)))
    }
}
