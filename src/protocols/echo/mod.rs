// SPDX-License-Identifier: Apache-2.0
//! The Echo protocol (RFC 862): what a client sends comes back. The smallest whole protocol: copy this folder to begin a new
//! one, as `CONTRIBUTING.md` says.
//!
//! One event is one message and its echo. Over TCP a message is a line, over UDP a datagram. Limits: Packetbeat does not
//! know it, so it has no default port and is off unless it is configured; of a message `max_length` bytes are kept.

mod config;
mod event;
mod message;
mod parser;
#[cfg(test)]
mod tests;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::EchoParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "echo",
    transports: Transports::TcpAndUdp,
    default_ports: &[],
    recognise: None,
    configure: |section, common| Ok(Box::new(Echo { options: config::read(section, common)? })),
};

/// Options of an `echo` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Bytes of a message that are kept and shown.
    pub max_length: usize,
}

struct Echo {
    options: Options,
}

impl Factory for Echo {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(EchoParser::new(self.options.clone()))
    }
}
