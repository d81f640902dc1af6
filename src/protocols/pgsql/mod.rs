// SPDX-License-Identifier: Apache-2.0
//! The PostgreSQL frontend/backend protocol, version 3.
//!
//! One event is one statement and its answer: each statement of a simple query, and each Execute of the extended
//! protocol, under the text that its Parse had. Read are pipelines, named statements and portals, COPY in both directions,
//! function calls, errors and what they skip, cancel requests, and rows in text and binary format. A login is passed over
//! unless it fails. Limits: an accepted TLS or GSSAPI encryption ends the analysis of a connection; protocol 2 is not read;
//! of a text 1 MiB is kept; copied data and the changes of replication are counted, not shown.

mod client;
mod config;
mod event;
mod frames;
mod message;
mod parser;
mod recognise;
mod response;
mod server;
mod session;
mod split;
mod statements;
#[cfg(test)]
mod tests;
mod unit;
mod values;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::PgsqlParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "pgsql",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: |section, common| Ok(Box::new(Pgsql { options: Arc::new(config::read(section, common)?) })),
};

/// Options of a `pgsql` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Rows of a result that `response` shows.
    pub max_rows: usize,
    /// Bytes of a row's values that `response` shows.
    pub max_row_length: usize,
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
            max_rows: 10,
            max_row_length: 1024,
        }
    }
}

struct Pgsql {
    options: Arc<Options>,
}

impl Factory for Pgsql {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(PgsqlParser::new(Arc::clone(&self.options)))
    }
}
