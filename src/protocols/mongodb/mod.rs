// SPDX-License-Identifier: Apache-2.0
//! The MongoDB wire protocol: OP_MSG, the operations before it, and OP_COMPRESSED around either.
//!
//! One event is one request and its reply, paired by requestID and responseTo; what has no reply (moreToCome, OP_INSERT, …)
//! is an event alone, and so is each further reply of an exhaust cursor. BSON is read in place and shown as the JSON that
//! Packetbeat prints. Limits: of a message 4 MiB are looked at and the rest is counted; 16 MiB of a compressed one; checksums
//! are not verified; OP_COMMAND of MongoDB 3.2 to 4.0 is not known; TLS ends the analysis.

mod bson;
mod commands;
mod compressed;
mod config;
mod event;
mod exchange;
mod json;
mod message;
mod parser;
mod recognise;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::MongodbParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "mongodb",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: |section, common| Ok(Box::new(Mongodb { options: Arc::new(config::read(section, common)?) })),
};

/// How the event of an OP_MSG names what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpMsgNames {
    /// `method` is the command, `resource` its database and collection.
    Command,
    /// `method` is `msg`, `resource` empty, as in Packetbeat (`compat_op_msg_method`).
    Packetbeat,
}

/// Options of a `mongodb` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Documents that `response` shows. None: all.
    pub max_docs: Option<usize>,
    /// Bytes of a document that `response` shows. None: all.
    pub max_doc_length: Option<usize>,
    pub op_msg_names: OpMsgNames,
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
            max_docs: Some(10),
            max_doc_length: Some(5000),
            op_msg_names: OpMsgNames::Command,
        }
    }
}

struct Mongodb {
    options: Arc<Options>,
}

impl Factory for Mongodb {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(MongodbParser::new(Arc::clone(&self.options)))
    }
}
