// SPDX-License-Identifier: Apache-2.0
//! DNS over UDP and TCP (RFC 1034, RFC 1035, RFC 6891): a query and its response are one event.
//!
//! The QR bit says what is a response, wherever it comes from. A zone transfer is one transaction with many messages.
//! Limits: DNS over TLS, HTTPS and QUIC is not seen; names are printed as they are on the wire, not decoded from punycode;
//! signatures and TSIG are not checked.

mod codes;
mod config;
mod domain;
mod edns;
mod event;
mod message;
mod name;
mod parser;
mod recognise;
mod record;
#[cfg(test)]
mod tests;
mod text;
mod transfer;
mod waiting;

use std::sync::Arc;

pub use config::configure;
use parser::DnsParser;

use super::{Descriptor, Factory, Parser, Transports};

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "dns",
    transports: Transports::TcpAndUdp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure,
};

/// Options of a section (Packetbeat behaviour, sections 2.4 and 4.3).
#[derive(Clone, Debug)]
pub struct Options {
    /// `request`: the query as text.
    pub send_request: bool,
    /// `response`: the response as text.
    pub send_response: bool,
    /// `dns.authorities`
    pub include_authorities: bool,
    /// `dns.additionals`
    pub include_additionals: bool,
    /// How long a query waits for its response.
    pub transaction_timeout_ns: i64,
}

/// Makes the parsers of one section.
pub struct DnsFactory {
    options: Arc<Options>,
}

impl DnsFactory {
    pub fn new(options: Options) -> DnsFactory {
        DnsFactory { options: Arc::new(options) }
    }
}

impl Factory for DnsFactory {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(DnsParser::new(self.options.clone()))
    }
}
