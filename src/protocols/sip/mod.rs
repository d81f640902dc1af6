// SPDX-License-Identifier: Apache-2.0
//! SIP over UDP and TCP (RFC 3261): each message is one event, whether request or response.
//!
//! Over TCP messages are put together by their Content-Length; over UDP a datagram is a message. Of the body the session
//! description (SDP, RFC 8866) is read. Limits: no dialogs or transactions are formed; a header has at most 1 MiB and 1 MiB of
//! a body is kept, the rest is counted; bodies that are encoded or of several parts are not read; SIP over TLS, SCTP and
//! WebSocket is not seen.

mod address;
mod config;
mod event;
mod message;
mod parser;
mod recognise;
mod sdp;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Descriptor, Factory, Parser, Transports};
use parser::SipParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "sip",
    transports: Transports::TcpAndUdp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: |section, _| Ok(Box::new(Sip { options: Arc::new(config::read(section)?) })),
};

/// What `sip.contact` and `sip.private` are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// The headers Contact and P-Associated-URI.
    AsSent,
    /// To, and P-Associated-URI with its angle brackets, as in Packetbeat (`compat_addresses`).
    Packetbeat,
}

/// Options of a `sip` section (Packetbeat behaviour, section 2.4).
#[derive(Clone, Debug)]
pub struct Options {
    /// `sip.auth`, `user.name`
    pub parse_authorization: bool,
    /// `sip.sdp`
    pub parse_body: bool,
    /// `event.original`
    pub keep_original: bool,
    pub addresses: Addresses,
}

impl Default for Options {
    fn default() -> Options {
        Options { parse_authorization: true, parse_body: true, keep_original: true, addresses: Addresses::AsSent }
    }
}

struct Sip {
    options: Arc<Options>,
}

impl Factory for Sip {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(SipParser::new(Arc::clone(&self.options)))
    }
}
