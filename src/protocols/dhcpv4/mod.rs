// SPDX-License-Identifier: Apache-2.0
//! DHCPv4 over UDP (RFC 2131, RFC 2132): every message is an event, nothing is paired.
//!
//! Limits: BOOTP without DHCP's magic cookie is not read; options of vendors and relay agents are not taken apart.

mod config;
mod event;
mod message;
mod names;
mod parser;
#[cfg(test)]
mod tests;

pub use config::configure;
use parser::Dhcpv4Parser;

use super::{Descriptor, Factory, Parser, Transports};

pub const DESCRIPTOR: Descriptor =
    Descriptor { name: "dhcpv4", transports: Transports::Udp, default_ports: &[67, 68], recognise: None, configure };

/// Makes the parsers of the section, which has no options of its own (Packetbeat behaviour, section 4.2).
pub struct Dhcpv4Factory;

impl Factory for Dhcpv4Factory {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(Dhcpv4Parser::default())
    }
}
