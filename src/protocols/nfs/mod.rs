// SPDX-License-Identifier: Apache-2.0
//! NFS over ONC RPC (RFC 5531, RFC 1813, RFC 7530, RFC 8881, RFC 7862): a call and its reply are one event.
//!
//! Over TCP, records of any number of fragments; over UDP, a message a datagram. Calls and replies meet by their xid,
//! whoever is the caller. Of a message the first [`record::HEAD_BYTES`] are read, the data of reads and writes is counted.
//! Limits: of an NFSv4 compound only the main operation is shown; what RPCSEC_GSS encrypts is not seen; RPC over TLS ends
//! the analysis of a connection; callbacks (another RPC program), mount and lock services are passed over.

mod compound;
mod config;
mod event;
mod message;
mod names;
mod parser;
mod record;
#[cfg(test)]
mod tests;
mod waiting;
mod xdr;

use super::{Descriptor, Factory, Parser, Transports};
use parser::NfsParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "nfs",
    transports: Transports::TcpAndUdp,
    default_ports: &[2049],
    recognise: None,
    configure: |section, common| Ok(Box::new(Nfs { options: config::read(section, common)? })),
};

/// Options of an `nfs` section. `send_request` and `send_response` have no effect, as in Packetbeat.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a call waits for its reply.
    pub transaction_timeout_ns: i64,
}

struct Nfs {
    options: Options,
}

impl Factory for Nfs {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(NfsParser::new(self.options))
    }
}
