// SPDX-License-Identifier: Apache-2.0
//! Apache Cassandra's native protocol (CQL), versions 1 to 6, as Cassandra, ScyllaDB and their relatives speak it.
//!
//! One event is one request and its response, paired by stream id, since a server answers in any order; a message that the
//! server sends by itself (EVENT) is an event alone. Bodies compressed with LZ4 or Snappy are unpacked, and so are the
//! segments of version 5, whose checksums are verified. Limits: of a response the beginning is looked at (256 KiB), of a
//! query 1 MiB is kept, of compressed bodies those up to 4 MiB are unpacked; `bytes` of frames in segments are those of the
//! frames. TLS ends the analysis.

mod compression;
mod config;
mod event;
mod inside;
mod metadata;
mod names;
mod parser;
mod request;
mod response;
mod segment;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use compression::Compressor;
use names::OpSet;
use parser::CassandraParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "cassandra",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: None,
    configure: |section, common| Ok(Box::new(Cassandra { options: Arc::new(config::read(section, common)?) })),
};

/// Options of a `cassandra` section.
#[derive(Clone, Debug)]
pub struct Options {
    /// `send_request` and `send_response` say whether `cassandra.request` and `cassandra.response` are written.
    pub common: CommonOptions,
    /// Whether `cassandra.request.headers` is part of `cassandra.request`.
    pub send_request_header: bool,
    pub send_response_header: bool,
    /// How bodies are compressed where the STARTUP that says it was not seen.
    pub compressor: Option<Compressor>,
    /// A transaction is not published when its request or its response is one of these.
    pub ignored_ops: OpSet,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            common: CommonOptions {
                ports: Vec::new(),
                send_request: true,
                send_response: true,
                transaction_timeout_ns: 10_000_000_000,
            },
            send_request_header: true,
            send_response_header: true,
            compressor: None,
            ignored_ops: OpSet::default(),
        }
    }
}

struct Cassandra {
    options: Arc<Options>,
}

impl Factory for Cassandra {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(CassandraParser::new(Arc::clone(&self.options)))
    }
}
