// SPDX-License-Identifier: Apache-2.0
//! Memcache: the text and the binary protocol over TCP and UDP, as memcached and its relatives speak them.
//!
//! One event is one command and its answer. Answers of the text protocol carry no number and are given out in order, to
//! the first command that they fit; those of the binary protocol have the command's opaque, opcode and key. Datagrams have
//! a request id. What a client sends is a command, known or not. Limits: of a message's keys and values 1 MiB is kept;
//! a connection that TLS or `watch` has taken over is left alone; ranges and TAP are named, but their extras not read.

mod binary;
mod config;
mod datagrams;
mod event;
mod message;
mod parser;
mod reader;
mod session;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use super::{Descriptor, Factory, Parser, Transports};
use parser::MemcacheParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "memcache",
    transports: Transports::TcpAndUdp,
    default_ports: &[],
    recognise: None,
    configure: |section, common| Ok(Box::new(Memcache { options: Arc::new(config::read(section, common)?) })),
};

/// Options of a `memcache` section (Packetbeat behaviour, section 4.7). `send_request` and `send_response` have no effect.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a quiet connection keeps commands waiting.
    pub transaction_timeout_ns: i64,
    /// How long commands and parts of messages wait over UDP.
    pub udp_transaction_timeout_ns: i64,
    /// Show the line of an unknown command or answer.
    pub parse_unknown: bool,
    /// Values of a message that are shown.
    pub max_values: usize,
    /// Bytes of each that are shown.
    pub max_bytes_per_value: usize,
    /// `source.bytes` is the size of the answer, as in Packetbeat.
    pub compat_swapped_bytes: bool,
    /// `status` and `event.outcome` by Packetbeat's rules.
    pub compat_status: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            transaction_timeout_ns: 10_000_000_000,
            udp_transaction_timeout_ns: 10_000_000_000,
            parse_unknown: false,
            max_values: 0,
            max_bytes_per_value: usize::MAX,
            compat_swapped_bytes: false,
            compat_status: false,
        }
    }
}

struct Memcache {
    options: Arc<Options>,
}

impl Factory for Memcache {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(MemcacheParser::new(Arc::clone(&self.options)))
    }
}
