// SPDX-License-Identifier: Apache-2.0
//! AMQP 0-9-1 (and 0-9), as RabbitMQ and its relatives speak it.
//!
//! One event is a method and its answer, a method without one (acknowledgements, `no-wait`), or a message: published,
//! delivered, returned, or got. A method waits for its answer on its own channel; when the broker closes the channel or
//! the connection instead, that is its answer. A message is method, content header and bodies of one channel. Arguments
//! are kept as they came and read once, into the event. Limits: method and header frames over 256 KiB are passed over;
//! of a body 1 MiB is kept at most; 1,024 methods wait and 16 messages a direction are under way on a connection;
//! AMQP 1.0, 0-10, 0-8 and TLS end the analysis.

mod config;
mod event;
mod frame;
mod message;
mod methods;
mod parser;
mod properties;
mod recognise;
mod search;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::AmqpParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "amqp",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: |section, common| Ok(Box::new(Amqp { options: Arc::new(config::read(section, common)?) })),
};

/// Whether methods of a kind become events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Shown,
    Hidden,
}

/// Whether a part of a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsing {
    Read,
    PassedOver,
}

/// How a basic.reject is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejects {
    /// A decision of the client, with its `requeue`.
    Decision,
    /// `status: Error`, the requeue bit as `multiple`, as in Packetbeat (`compat_reject`).
    Packetbeat,
}

/// Options of an `amqp` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Bytes of a message that `request` and `response` show.
    pub max_body_bytes: usize,
    /// Properties and `headers` of messages.
    pub headers: Parsing,
    /// `arguments` of declarations, bindings and consumers.
    pub arguments: Parsing,
    /// How connections and channels are set up (`hide_connection_information`).
    pub connection_information: Visibility,
    pub rejects: Rejects,
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
            max_body_bytes: 1000,
            headers: Parsing::Read,
            arguments: Parsing::Read,
            connection_information: Visibility::Hidden,
            rejects: Rejects::Decision,
        }
    }
}

struct Amqp {
    options: Arc<Options>,
}

impl Factory for Amqp {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(AmqpParser::new(Arc::clone(&self.options)))
    }
}
