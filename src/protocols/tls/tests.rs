// SPDX-License-Identifier: Apache-2.0
//! Tests on literal handshakes, on certificates and on recorded connections.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::TlsParser;
use super::*;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Context, Direction, ProtocolCounter, Status};

mod certificates;
mod formats;
mod outcomes;
mod recorded;

const CHANGE: &[u8] = &[20, 3, 3, 0, 1, 1];
const SESSION: [u8; 32] = [7; 32];

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(TlsParser::new(Arc::new(options))), Carrier::Tcp, 443)
}

fn bench() -> Bench {
    bench_with(Options::default())
}

/// The only event, after the capture's end.
fn only_event(mut bench: Bench) -> Json {
    bench.finish();
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    bench.events()[0].clone()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &message(kind, body))
}

fn vector16(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

fn extension(code: u16, body: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &vector16(body)].concat()
}

fn codes(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

/// `server_name` with one host name.
fn server_name(name: &str) -> Vec<u8> {
    extension(0, &vector16(&[&[0][..], &vector16(name.as_bytes())].concat()))
}

/// ALPN.
fn protocols(names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| [&[name.len() as u8][..], name.as_bytes()].concat()).collect();
    extension(16, &vector16(&list))
}

fn client_hello_body(session: &[u8], ciphers: &[u16], extensions: &[Vec<u8>]) -> Vec<u8> {
    [
        &[3, 3][..],
        &[0xc1; 32],
        &[session.len() as u8],
        session,
        &vector16(&codes(ciphers)),
        &[1, 0],
        &vector16(&extensions.concat()),
    ]
    .concat()
}

fn server_hello_body(random: &[u8; 32], session: &[u8], cipher: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let cipher = cipher.to_be_bytes();
    [&[3, 3][..], random, &[session.len() as u8], session, &cipher, &[0], &vector16(&extensions.concat())].concat()
}

/// A hello for TLS 1.2 and 1.3, with GREASE everywhere.
fn client_hello() -> Vec<u8> {
    handshake(1, &client_hello_body(&SESSION, &[0x0a0a, 0x1301, 0xc02f], &usual_extensions()))
}

fn usual_extensions() -> Vec<Vec<u8>> {
    vec![
        extension(0x1a1a, b""),
        server_name("www.rec.test"),
        extension(10, &vector16(&codes(&[0x2a2a, 29, 23]))),
        extension(11, &[1, 0]),
        extension(13, &vector16(&codes(&[0x0403, 0x0804, 0x0809]))),
        protocols(&["h2", "http/1.1"]),
        extension(43, &[6, 0x3a, 0x3a, 3, 4, 3, 3]),
        extension(51, b"\x00\x00"),
    ]
}

/// The server's hello in TLS 1.3, with a share of x25519.
fn server_hello_13(more: &[Vec<u8>]) -> Vec<u8> {
    let extensions = [&[extension(43, &[3, 4]), extension(51, &[0, 29, 0, 1, 9])], more].concat();
    handshake(2, &server_hello_body(&[0x5e; 32], &SESSION, 0x1301, &extensions))
}

fn server_hello_12(session: &[u8]) -> Vec<u8> {
    handshake(2, &server_hello_body(&[0x5e; 32], session, 0xc02f, &[protocols(&["h2"])]))
}

fn certificate_message(certificates: &[&[u8]]) -> Vec<u8> {
    let vector24 = |body: &[u8]| [&(body.len() as u32).to_be_bytes()[1..], body].concat();
    let list: Vec<u8> = certificates.iter().flat_map(|certificate| vector24(certificate)).collect();
    handshake(11, &vector24(&list))
}

const ODD: &[u8] = include_bytes!("tests/odd.der");
const NEVER: &[u8] = include_bytes!("tests/never.der");

/// A whole handshake of TLS 1.2, flight by flight.
fn conversation_12() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, client_hello()),
        (
            ToClient,
            [
                server_hello_12(&[]),
                certificate_message(&[ODD, NEVER]),
                // CertificateStatus: OCSP, successful.
                handshake(22, &[1, 0, 0, 5, 0x30, 3, 0x0a, 1, 0]),
                // ServerKeyExchange on the named curve secp256r1.
                handshake(12, &[3, 0, 23, 1, 2, 3]),
                handshake(13, b""),
                handshake(14, b""),
            ]
            .concat(),
        ),
        (ToServer, [handshake(16, &[5; 33]), CHANGE.to_vec(), record(22, &[9; 40])].concat()),
        (ToClient, [CHANGE.to_vec(), record(22, &[9; 40])].concat()),
    ]
}

/// A whole handshake of TLS 1.3 in compatibility mode.
fn conversation_13() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, client_hello()),
        (ToClient, [server_hello_13(&[]), CHANGE.to_vec(), record(23, &[9; 900])].concat()),
        (ToServer, [CHANGE.to_vec(), record(23, &[9; 53])].concat()),
    ]
}

fn play(conversation: &[(Direction, Vec<u8>)], segment_bytes: usize) -> Bench {
    let mut bench = bench();
    for (direction, bytes) in conversation {
        bench.now_ns += 1_000_000_000;
        let start_ns = bench.now_ns;
        for part in bytes.chunks(segment_bytes) {
            bench.now_ns = start_ns - 1_000_000;
            bench.send(*direction, part);
        }
    }
    bench
}
