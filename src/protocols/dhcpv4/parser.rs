// SPDX-License-Identifier: Apache-2.0
//! Each datagram is a message and an event; there is no state but a buffer.

use super::event;
use super::message::{Extent, Message};
use crate::protocols::{Context, Direction, Parser, ProtocolCounter};

#[derive(Default)]
pub struct Dhcpv4Parser {
    /// An option that was sent in parts.
    joined: Vec<u8>,
}

impl Parser for Dhcpv4Parser {
    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        context.count(ProtocolCounter::Messages, 1);
        let extent = if wire_length > payload.len() { Extent::Cut } else { Extent::Whole };
        match Message::parse(payload, extent) {
            Some(message) => event::publish(context, direction, &message, wire_length as u64, &mut self.joined),
            None => context.count(ProtocolCounter::ParseFailures, 1),
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        None
    }

    fn finish(&mut self, _context: &mut Context<'_>) {}

    fn reset(&mut self) {
        self.joined.clear();
        self.joined.shrink_to(1024);
    }
}
