// SPDX-License-Identifier: Apache-2.0
//! ICMP and ICMPv6 (RFC 792, RFC 4443): a request and its reply are one event, every other message is one alone.
//!
//! A parser sees all messages between two addresses. Limit: the packet that an error message quotes is not analysed, so an
//! error and the request that it answers are two events, as in Packetbeat.

mod config;
mod event;
mod message;
mod parser;
#[cfg(test)]
mod tests;

pub use config::configure;
use parser::IcmpParser;

use super::{Descriptor, Factory, Parser, Transports};

pub const DESCRIPTOR: Descriptor =
    Descriptor { name: "icmp", transports: Transports::Icmp, default_ports: &[], recognise: None, configure };

/// Options of the section (Packetbeat behaviour, section 4.1). `send_request` and `send_response` have no effect.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a request waits for its reply.
    pub transaction_timeout_ns: i64,
}

/// Makes the parsers of the section.
pub struct IcmpFactory {
    options: Options,
}

impl IcmpFactory {
    pub fn new(options: Options) -> IcmpFactory {
        IcmpFactory { options }
    }
}

impl Factory for IcmpFactory {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(IcmpParser::new(self.options))
    }
}
