// SPDX-License-Identifier: Apache-2.0
//! Redis: RESP2, RESP3 and inline commands, as Redis, Valkey and their relatives speak them.
//!
//! One event is one command and its answer, in the order of the connection. What a client sends is a command, known or
//! not; what a server sends is an answer, or a push: a published message, an invalidation, a line of MONITOR. The answer
//! to a subscription is all of its confirmations. Limits: a connection that becomes a replication stream is left alone, and
//! so is one that begins with TLS; of a command's and of an answer's text 1 MiB is kept. Answers carry no number, so where
//! bytes of a pipeline were lost its commands are reported without their answers until the client begins anew.

mod commands;
mod config;
mod event;
mod inline;
mod line;
mod parser;
mod recognise;
mod request;
mod response;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::RedisParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "redis",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: |section, common| Ok(Box::new(Redis { options: Arc::new(config::read(section, common)?) })),
};

/// Options of a `redis` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Bytes of text that commands may have together while they wait for their answers.
    pub queue_max_bytes: usize,
    /// Commands of a connection that may wait for their answers.
    pub queue_max_messages: usize,
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
            queue_max_bytes: 1 << 20,
            queue_max_messages: 20_000,
        }
    }
}

struct Redis {
    options: Arc<Options>,
}

impl Factory for Redis {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(RedisParser::new(Arc::clone(&self.options)))
    }
}
