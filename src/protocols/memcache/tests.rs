// SPDX-License-Identifier: Apache-2.0
//! Tests on literal bytes and on recorded conversations.

use std::sync::Arc;

use serde_json::Value as Json;

use super::parser::MemcacheParser;
use super::*;
use crate::config::Configuration;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Direction, ProtocolCounter};

mod binary_protocol;
mod loss;
mod recorded;
mod robustness;
mod text_protocol;
mod udp;

fn bench_with(options: Options, carrier: Carrier) -> Bench {
    Bench::new(Box::new(MemcacheParser::new(Arc::new(options))), carrier, 11_211)
}

fn bench() -> Bench {
    bench_with(Options::default(), Carrier::Tcp)
}

/// Shows all values.
fn showing() -> Options {
    Options { max_values: usize::MAX, ..Options::default() }
}

fn section(yaml: &str) -> Options {
    let text = format!("memcache:\n  ports: [11211]\n{yaml}");
    let configuration = Configuration::from_text("test.yml", &text).expect("the configuration is good");
    let section = configuration.root().section("memcache").expect("a section").expect("it is there");
    let common = crate::protocols::CommonOptions {
        ports: vec![11_211],
        send_request: false,
        send_response: false,
        transaction_timeout_ns: 5,
    };
    config::read(&section, &common).expect("the options are good")
}

/// The only event.
fn only(bench: &Bench) -> &Json {
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    event
}

/// Command, status and the answer's command of every event; no answer is a dash.
fn shown(bench: &Bench) -> Vec<String> {
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    bench
        .events()
        .iter()
        .map(|event| {
            let memcache = &event["memcache"];
            let [asked, answered] = ["request", "response"].map(|end| text(&memcache[end]["command"]));
            format!("{asked} {answered}: {}", text(&event["status"]))
        })
        .collect()
}

fn note(event: &Json) -> &str {
    event["error"]["message"].as_str().unwrap_or_default()
}

/// A message of the binary protocol. `status` is the virtual bucket of a request.
fn binary(magic: u8, opcode: u8, status: u16, opaque: u32, cas: u64, [extras, key, value]: [&[u8]; 3]) -> Vec<u8> {
    let total = (extras.len() + key.len() + value.len()) as u32;
    let mut bytes = vec![magic, opcode];
    bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[extras.len() as u8, 0]);
    bytes.extend_from_slice(&status.to_be_bytes());
    bytes.extend_from_slice(&total.to_be_bytes());
    bytes.extend_from_slice(&opaque.to_be_bytes());
    bytes.extend_from_slice(&cas.to_be_bytes());
    [extras, key, value].iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn asked(opcode: u8, opaque: u32, parts: [&[u8]; 3]) -> Vec<u8> {
    binary(0x80, opcode, 0, opaque, 0, parts)
}

fn answered(opcode: u8, opaque: u32, status: u16, parts: [&[u8]; 3]) -> Vec<u8> {
    binary(0x81, opcode, status, opaque, 0, parts)
}

#[test]
fn options_are_read() {
    let options = section("");
    assert_eq!((options.max_values, options.max_bytes_per_value, options.parse_unknown), (0, usize::MAX, false));
    assert_eq!((options.transaction_timeout_ns, options.udp_transaction_timeout_ns), (5, 10_000_000_000));
    assert!(!options.compat_swapped_bytes && !options.compat_status);
    let options = section(
        "  parseunknown: true\n  maxvalues: -1\n  maxbytespervalue: 7\n  udptransactiontimeout: 10ms\n  \
         compat_swapped_bytes: true\n  compat_status: true\n",
    );
    assert_eq!((options.max_values, options.max_bytes_per_value, options.parse_unknown), (usize::MAX, 7, true));
    assert_eq!(options.udp_transaction_timeout_ns, 10_000_000);
    assert!(options.compat_swapped_bytes && options.compat_status);
    let options = section("  maxvalues: 3\n  maxbytespermessage: 9\n");
    assert_eq!((options.max_values, options.max_bytes_per_value), (3, 9));
    assert_eq!(section("  maxbytespervalue: 0\n").max_bytes_per_value, usize::MAX);
}
