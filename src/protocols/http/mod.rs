// SPDX-License-Identifier: Apache-2.0
//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112) over TCP: one event for each request and its response.
//!
//! Limits: no HTTP/0.9, no HTTP/2 or later (a connection that becomes one, a WebSocket or a tunnel is left alone from there
//! on), no TLS. Bodies are counted; they are kept only for `include_*_body_for` and for forms, up to `max_message_size`.

mod body;
mod config;
mod decode;
mod event;
mod exchange;
mod message;
mod parser;
mod recognise;
mod syntax;
#[cfg(test)]
mod tests;
mod url;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "http",
    transports: Transports::Tcp,
    default_ports: &[],
    recognise: Some(recognise::recognise),
    configure: config::configure,
};

/// `type` of events, `event.dataset` and `network.protocol`.
const NAME: &str = "http";

/// Options of one `http` section (Packetbeat behaviour, sections 2.4 and 4.4). Names of headers and keywords are in lower
/// case here.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Parameters whose values become `xxxxx` in `url.query` and `url.full`.
    pub hide_keywords: Vec<String>,
    pub redact_authorization: bool,
    /// Headers whose values become `REDACTED`.
    pub redact_headers: Vec<String>,
    pub send_headers: SendHeaders,
    pub split_cookie: bool,
    pub real_ip_header: Option<String>,
    /// Parts of content types whose bodies are sent, for requests and for responses.
    pub include_request_body_for: Vec<String>,
    pub include_response_body_for: Vec<String>,
    pub decode_body: bool,
    /// Bytes of header and body that are kept of a message.
    pub max_message_size: usize,
}

/// Which header fields go into events, besides content-length and content-type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SendHeaders {
    #[default]
    None,
    Listed(Vec<String>),
    All,
}

impl SendHeaders {
    /// Whether a field of this name, in any case, is sent.
    fn includes(&self, name: &[u8]) -> bool {
        match self {
            SendHeaders::None => false,
            SendHeaders::Listed(names) => names.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(name)),
            SendHeaders::All => true,
        }
    }
}

impl Options {
    /// Packetbeat's defaults.
    pub fn new(common: CommonOptions) -> Options {
        Options {
            common,
            hide_keywords: Vec::new(),
            redact_authorization: false,
            redact_headers: Vec::new(),
            send_headers: SendHeaders::None,
            split_cookie: false,
            real_ip_header: None,
            include_request_body_for: Vec::new(),
            include_response_body_for: Vec::new(),
            decode_body: true,
            max_message_size: 10 << 20,
        }
    }
}

struct HttpFactory {
    options: Arc<Options>,
}

impl Factory for HttpFactory {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(parser::HttpParser::new(self.options.clone()))
    }
}
