// SPDX-License-Identifier: Apache-2.0
//! The event of one connection.

use std::cell::RefCell;

use super::Options;
use super::certificate::{self, LeafFields, Shown};
use super::cursor::{codes, is_grease};
use super::extensions::{self, Sender, write_name};
use super::fingerprint::{self, Scratch};
use super::hello::{ClientHello, ServerHello, extension};
use super::names::{self, Version};
use super::parser::Handshake;
use super::side::{Alert, Side};
use crate::event::{Event, ListWriter, field};
use crate::protocols::{Common, Context, ProtocolCounter, Status};

/// How the handshake went.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub start_ns: i64,
    /// When it was complete.
    pub end_ns: Option<i64>,
    pub established: bool,
    /// There was no certificate and no key exchange.
    pub abbreviated: bool,
    /// The client hello is not complete.
    pub broken_hello: bool,
    /// Bytes of the handshake are missing in the capture.
    pub damaged: bool,
}

const LOSS: &str = "Packet loss while capturing the handshake";
const BROKEN_HELLO: &str = "The connection ended within the client hello";

/// Publishes one connection.
pub fn publish(context: &mut Context<'_>, options: &Options, facts: &Facts, handshake: &Handshake, sides: &[Side; 2]) {
    let notes: &[&str] = match facts {
        Facts { damaged: true, .. } => &[LOSS],
        Facts { broken_hello: true, .. } => &[BROKEN_HELLO],
        _ => &[],
    };
    let common = Common {
        name: "tls",
        network_protocol: Some("tls"),
        requests: handshake.client,
        start_ns: Some(facts.start_ns),
        end_ns: facts.end_ns,
        source_bytes: 0,
        destination_bytes: 0,
        status: if facts.established { Status::Ok } else { Status::Error },
        notes,
        icmp: None,
    };
    let connection = Connection {
        facts,
        handshake,
        client: &sides[handshake.client as usize],
        server: &sides[handshake.client.opposite() as usize],
        client_hello: ClientHello::read(&handshake.client_hello),
        server_hello: ServerHello::read(&handshake.server_hello),
    };
    let mut failures = 0;
    SCRATCH.with_borrow_mut(|scratch| {
        context.publish(&common, |event| failures = connection.fill(event, options, scratch));
    });
    context.count(ProtocolCounter::ParseFailures, failures);
}

thread_local! {
    /// Of a worker.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

struct Connection<'a> {
    facts: &'a Facts,
    handshake: &'a Handshake,
    client: &'a Side,
    server: &'a Side,
    client_hello: Option<ClientHello<'a>>,
    server_hello: Option<ServerHello<'a>>,
}

impl Connection<'_> {
    /// Answers how many certificates could not be read.
    fn fill(&self, event: &mut Event, options: &Options, scratch: &mut Scratch) -> u64 {
        let version = self.version();
        if let Some(version) = &version {
            event.constant(field::TLS_VERSION_PROTOCOL, version.protocol());
            match version.number() {
                Some((major, minor)) => event.format(field::TLS_VERSION, format_args!("{major}.{minor}")),
                None => event.format(field::TLS_VERSION, format_args!("{version}")),
            }
        }
        let resumption = self.resumption_method();
        event.boolean(field::TLS_ESTABLISHED, self.facts.established);
        event.boolean(field::TLS_RESUMED, resumption.is_some());
        if let Some(hello) = &self.client_hello {
            fill_client(event, hello, scratch);
        }
        if let Some(hello) = &self.server_hello {
            set_name(event, field::TLS_CIPHER, &names::cipher(hello.cipher));
            if let Some(protocol) = hello.extensions.protocol() {
                event.text_if_any(field::TLS_NEXT_PROTOCOL, protocol);
            }
            let sum = match options.compat_ja3s {
                false => fingerprint::ja3s(hello, scratch),
                true => fingerprint::packetbeat_ja3s(hello, scratch),
            };
            event.text(field::TLS_SERVER_JA3S, sum);
        }
        if let Some(curve) = self.handshake.curve {
            set_name(event, field::TLS_CURVE, &names::curve(curve));
        }
        let shown = Shown {
            fingerprints: options.fingerprints,
            objects: options.send_certificates && options.include_detailed_fields,
            raw: options.include_raw_certificates,
        };
        let failures = certificate::fill(event, &self.client.certificates, &CLIENT_FIELDS, shown)
            + certificate::fill(event, &self.server.certificates, &SERVER_FIELDS, shown);
        if options.include_detailed_fields {
            self.fill_detailed(event, version, resumption);
        }
        failures
    }

    fn fill_detailed(&self, event: &mut Event, version: Option<Version>, resumption: Option<&'static str>) {
        if let Some(version) = version {
            event.format(field::TLS_DETAILED_VERSION, format_args!("{version}"));
        }
        if let Some(method) = resumption {
            event.constant(field::TLS_DETAILED_RESUMPTION_METHOD, method);
        }
        event.boolean(field::TLS_DETAILED_CLIENT_CERTIFICATE_REQUESTED, self.handshake.certificate_requested);
        if let Some(status) = self.handshake.ocsp_status {
            match names::ocsp_status(status) {
                Some(name) => event.constant(field::TLS_DETAILED_OCSP_RESPONSE, name),
                None => event.format(field::TLS_DETAILED_OCSP_RESPONSE, format_args!("{status}")),
            }
        }
        if let Some(hello) = &self.client_hello {
            let [major, minor] = hello.version.to_be_bytes();
            event.format(field::TLS_DETAILED_CLIENT_HELLO_VERSION, format_args!("{major}.{minor}"));
            event.text(field::TLS_DETAILED_CLIENT_HELLO_RANDOM, fingerprint::hexadecimal::<64>(hello.random));
            set_session_id(event, field::TLS_DETAILED_CLIENT_HELLO_SESSION_ID, hello.session_id);
            if !hello.compressions.is_empty() {
                event.list(field::TLS_DETAILED_CLIENT_HELLO_SUPPORTED_COMPRESSION_METHODS, |list| {
                    hello.compressions.iter().for_each(|code| write_name(list, &names::compression(u16::from(*code))));
                });
            }
            if hello.extensions.any {
                event.map(field::TLS_DETAILED_CLIENT_HELLO_EXTENSIONS, |map| {
                    extensions::write(map, &hello.extensions, Sender::Client);
                });
            }
        }
        if let Some(hello) = &self.server_hello {
            let [major, minor] = hello.version.to_be_bytes();
            event.format(field::TLS_DETAILED_SERVER_HELLO_VERSION, format_args!("{major}.{minor}"));
            event.text(field::TLS_DETAILED_SERVER_HELLO_RANDOM, fingerprint::hexadecimal::<64>(hello.random));
            set_session_id(event, field::TLS_DETAILED_SERVER_HELLO_SESSION_ID, hello.session_id);
            let compression = names::compression(u16::from(hello.compression));
            set_name(event, field::TLS_DETAILED_SERVER_HELLO_SELECTED_COMPRESSION_METHOD, &compression);
            if hello.extensions.any {
                event.map(field::TLS_DETAILED_SERVER_HELLO_EXTENSIONS, |map| {
                    extensions::write(map, &hello.extensions, Sender::Server);
                });
            }
        }
        if !self.client.alerts.is_empty() || !self.server.alerts.is_empty() {
            event.list(field::TLS_DETAILED_ALERTS, |list| {
                self.client.alerts.iter().for_each(|alert| write_alert(list, *alert, "client"));
                self.server.alerts.iter().for_each(|alert| write_alert(list, *alert, "server"));
            });
            event.list(field::TLS_DETAILED_ALERT_TYPES, |list| {
                let alerts = self.client.alerts.iter().chain(&self.server.alerts);
                alerts.for_each(|alert| write_name(list, &names::alert(alert.code)));
            });
        }
    }

    /// That which the server chose, else what the client hello says.
    fn version(&self) -> Option<Version> {
        let chosen = self.server_hello.as_ref().map(ServerHello::selected_version);
        chosen.or(self.client_hello.as_ref().map(|hello| hello.version)).map(Version)
    }

    /// How the session was resumed, if it was. TLS 1.3: by the server's `pre_shared_key` alone, as the session id is echoed
    /// always (RFC 8446, section 4.1.3). Before: without a key exchange; a server that takes a ticket echoes the session id
    /// too (RFC 5077, section 3.4).
    fn resumption_method(&self) -> Option<&'static str> {
        let server = self.server_hello.as_ref()?;
        if server.is_encrypted_from_here() {
            return server.extensions.find(extension::PRE_SHARED_KEY).map(|_| "psk");
        }
        if !self.facts.abbreviated {
            return None;
        }
        let client = self.client_hello.as_ref()?;
        let ticket = client.extensions.find(extension::SESSION_TICKET).is_some_and(|ticket| !ticket.is_empty());
        let same_id = !client.session_id.is_empty() && client.session_id == server.session_id;
        match (ticket, same_id) {
            (true, _) => Some("ticket"),
            (false, true) => Some("id"),
            (false, false) => None,
        }
    }
}

fn fill_client(event: &mut Event, hello: &ClientHello<'_>, scratch: &mut Scratch) {
    event.text(field::TLS_CLIENT_JA3, fingerprint::ja3(hello, scratch));
    event.text(field::TLS_CLIENT_JA4, fingerprint::ja4(hello, scratch));
    if let Some(name) = hello.extensions.server_name() {
        event.text(field::TLS_CLIENT_SERVER_NAME, name);
        event.text(field::DESTINATION_DOMAIN, name);
        event.text(field::SERVER_DOMAIN, name);
    }
    let mut ciphers = codes(hello.ciphers).filter(|code| !is_grease(*code)).peekable();
    if ciphers.peek().is_some() {
        event.list(field::TLS_CLIENT_SUPPORTED_CIPHERS, |list| {
            ciphers.for_each(|code| write_name(list, &names::cipher(code)));
        });
    }
}

fn write_alert(list: &mut ListWriter<'_>, alert: Alert, source: &'static str) {
    list.map(|map| {
        match alert.severity {
            1 => map.constant("severity", "warning"),
            2 => map.constant("severity", "fatal"),
            other => map.format("severity", format_args!("(unknown:0x{other:02x})")),
        }
        map.unsigned("code", u64::from(alert.code));
        map.format("type", format_args!("{}", names::alert(alert.code)));
        map.constant("source", source);
    });
}

fn set_name(event: &mut Event, field: crate::event::Field, name: &names::Named) {
    match name.constant() {
        Some(constant) => event.constant(field, constant),
        None => event.format(field, format_args!("{name}")),
    }
}

fn set_session_id(event: &mut Event, field: crate::event::Field, session_id: &[u8]) {
    if !session_id.is_empty() {
        let digits = fingerprint::hexadecimal::<510>(session_id);
        event.text(field, digits.get(..session_id.len() * 2).unwrap_or_default());
    }
}

const CLIENT_FIELDS: LeafFields = LeafFields {
    subject: field::TLS_CLIENT_SUBJECT,
    issuer: field::TLS_CLIENT_ISSUER,
    not_before: field::TLS_CLIENT_NOT_BEFORE,
    not_after: field::TLS_CLIENT_NOT_AFTER,
    md5: field::TLS_CLIENT_HASH_MD5,
    sha1: field::TLS_CLIENT_HASH_SHA1,
    sha256: field::TLS_CLIENT_HASH_SHA256,
    x509: field::TLS_CLIENT_X509,
    certificate_chain: field::TLS_CLIENT_CERTIFICATE_CHAIN,
    detailed_chain: field::TLS_DETAILED_CLIENT_CERTIFICATE_CHAIN,
};

const SERVER_FIELDS: LeafFields = LeafFields {
    subject: field::TLS_SERVER_SUBJECT,
    issuer: field::TLS_SERVER_ISSUER,
    not_before: field::TLS_SERVER_NOT_BEFORE,
    not_after: field::TLS_SERVER_NOT_AFTER,
    md5: field::TLS_SERVER_HASH_MD5,
    sha1: field::TLS_SERVER_HASH_SHA1,
    sha256: field::TLS_SERVER_HASH_SHA256,
    x509: field::TLS_SERVER_X509,
    certificate_chain: field::TLS_SERVER_CERTIFICATE_CHAIN,
    detailed_chain: field::TLS_DETAILED_SERVER_CERTIFICATE_CHAIN,
};
