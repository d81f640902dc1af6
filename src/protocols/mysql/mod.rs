// SPDX-License-Identifier: Apache-2.0
//! The MySQL client/server protocol, version 10, as MySQL and MariaDB speak it.
//!
//! One event is one command and its whole answer, however many result sets that has. Read are the text protocol, prepared
//! statements with every type, cursors, several statements in one command, local files, packets over 16 MB, classic and
//! deprecated EOF packets, and connections that are joined in the middle. The login is passed over unless it fails.
//! Limits: TLS and compression end the analysis of a connection; replication streams are not decoded; of a statement's
//! text 1 MiB is kept.

mod config;
mod event;
mod login;
mod packet;
mod parser;
mod recognise;
mod request;
mod response;
mod session;
mod statements;
#[cfg(test)]
mod tests;
mod values;
mod wire;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::MysqlParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "mysql",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: |section, common| Ok(Box::new(Mysql { options: Arc::new(config::read(section, common)?) })),
};

/// Options of a `mysql` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Rows of a result set that `response` shows.
    pub max_rows: usize,
    /// Bytes of a row's values that `response` shows.
    pub max_row_length: usize,
    /// How long a prepared statement that is not used is remembered.
    pub statement_timeout_ns: i64,
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
            statement_timeout_ns: 3_600_000_000_000,
        }
    }
}

struct Mysql {
    options: Arc<Options>,
}

impl Factory for Mysql {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(MysqlParser::new(Arc::clone(&self.options)))
    }
}
