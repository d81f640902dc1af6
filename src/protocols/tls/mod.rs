// SPDX-License-Identifier: Apache-2.0
//! TLS 1.0 to 1.3 (and SSL 3.0): what a connection's handshake says in clear.
//!
//! One event is one connection: hellos, cipher suite, certificates, alerts, whether the handshake was completed and whether a
//! session was resumed, and the fingerprints JA3, JA3S and JA4. It is published when the handshake is complete, else when the
//! connection ends. Handshake messages are put together over records and segments. What comes before TLS in a connection
//! (STARTTLS, a proxy's CONNECT) is passed over. Limits: nothing is decrypted, so certificates of TLS 1.3 are not seen; of a
//! client hello in the form of SSL 2.0 only the length is read; DTLS and QUIC are not read.

mod cache;
mod certificate;
pub mod ciphers;
mod config;
mod cursor;
mod event;
mod extensions;
mod fingerprint;
mod handshake;
mod hello;
mod name;
mod names;
mod parser;
mod recognise;
mod record;
mod side;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{CommonOptions, Descriptor, Factory, Parser, Transports};
use parser::TlsParser;

pub const DESCRIPTOR: Descriptor = Descriptor {
    name: "tls",
    transports: Transports::Tcp,
    default_ports: &[443, 993, 995, 5223, 8443, 8883, 9243],
    recognise: Some(recognise::recognise),
    configure: |section, common| Ok(Box::new(Tls { options: Arc::new(config::read(section, common)?) })),
};

/// Options of a `tls` section.
#[derive(Clone, Debug)]
pub struct Options {
    pub common: CommonOptions,
    /// Certificates as objects (`x509`, chains).
    pub send_certificates: bool,
    /// Certificates in PEM.
    pub include_raw_certificates: bool,
    /// `tls.detailed` and `x509`.
    pub include_detailed_fields: bool,
    /// Hashes of the leaf certificates.
    pub fingerprints: Fingerprints,
    /// `tls.server.ja3s` as Packetbeat computes it.
    pub compat_ja3s: bool,
}

/// Which hashes of a certificate are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    pub md5: bool,
    pub sha1: bool,
    pub sha256: bool,
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
            send_certificates: true,
            include_raw_certificates: false,
            include_detailed_fields: true,
            fingerprints: Fingerprints { sha1: true, ..Fingerprints::default() },
            compat_ja3s: false,
        }
    }
}

struct Tls {
    options: Arc<Options>,
}

impl Factory for Tls {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(TlsParser::new(Arc::clone(&self.options)))
    }
}
