// SPDX-License-Identifier: Apache-2.0
//! Tests on literal messages and on recorded conversations.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::SipParser;
use super::*;
use crate::config::{ConfigError, Configuration};
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, ProtocolCounter};

mod fields;
mod loss;
mod robustness;
mod streams;

fn bench_with(options: Options, carrier: Carrier) -> Bench {
    Bench::new(Box::new(SipParser::new(Arc::new(options))), carrier, 5060)
}

fn udp() -> Bench {
    bench_with(Options::default(), Carrier::Udp)
}

fn tcp() -> Bench {
    bench_with(Options::default(), Carrier::Tcp)
}

/// A request with the fields that it must have, then `more` of them (each with its line end) and a body.
fn request(method: &str, number: u32, more: &str, body: &str) -> Vec<u8> {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    format!(
        "{method} sip:bob@rec.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{number}\r\n\
         From: <sip:ann@rec.test>;tag=1\r\nTo: <sip:bob@rec.test>\r\nCall-ID: call@10.0.0.1\r\n\
         CSeq: {number} {method}\r\n{more}{length}\r\n{body}"
    )
    .into_bytes()
}

fn response(code: u16, phrase: &str, number: u32, body: &str) -> Vec<u8> {
    format!(
        "SIP/2.0 {code} {phrase}\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{number}\r\n\
         From: <sip:ann@rec.test>;tag=1\r\nTo: <sip:bob@rec.test>;tag=2\r\nCall-ID: call@10.0.0.1\r\n\
         CSeq: {number} INVITE\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn only(bench: &Bench) -> &Json {
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    &bench.events()[0]
}

/// The event of one datagram.
fn event_of(message: &[u8]) -> Json {
    let mut bench = udp();
    bench.datagram(ToServer, message);
    only(&bench).clone()
}

/// Action, number and note of every event.
fn summary(bench: &Bench) -> Vec<String> {
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    bench
        .events()
        .iter()
        .map(|event| {
            let (action, number) = (text(&event["event"]["action"]), &event["event"]["sequence"]);
            format!("{action} {number} {}", text(&event["error"]["message"]))
        })
        .collect()
}

fn section(text: &str) -> Result<Options, ConfigError> {
    let file = Configuration::from_text("packetbeat.yml", text).expect("YAML");
    config::read(&file.root())
}

#[test]
fn options_are_read() {
    let defaults = section("type: sip").unwrap();
    assert!(defaults.parse_authorization && defaults.parse_body && defaults.keep_original);
    assert_eq!(defaults.addresses, Addresses::AsSent);
    let set = section(
        "parse_authorization: false\nparse_body: no\nkeep_original: off\ncompat_addresses: true\ntransport_protocol: tcp",
    )
    .unwrap();
    assert!(!set.parse_authorization && !set.parse_body && !set.keep_original);
    assert_eq!(set.addresses, Addresses::Packetbeat);
    assert!(section("transport_protocol: ~").is_ok());
    let error = section("transport_protocol: sctp").unwrap_err().to_string();
    assert!(
        ["packetbeat.yml", "transport_protocol", "sctp", "udp, tcp"].iter().all(|word| error.contains(word)),
        "{error}"
    );
}

#[test]
fn original_body_and_credentials_are_left_out_when_not_asked_for() {
    let options = Options { parse_authorization: false, parse_body: false, keep_original: false, ..Options::default() };
    let mut bench = bench_with(options, Carrier::Udp);
    let more = "Authorization: Digest username=\"ann\"\r\nContent-Type: application/sdp\r\n";
    bench.datagram(ToServer, &request("INVITE", 1, more, "v=0\r\n"));
    let event = only(&bench);
    assert!(event["event"].get("original").is_none() && event.get("user").is_none());
    assert!(event["sip"].get("sdp").is_none() && event["sip"].get("auth").is_none());
    assert_eq!(event["event"]["category"], json!(["network", "authentication"]));
}

#[test]
fn a_body_that_nobody_asked_for_is_counted() {
    let body = "x".repeat(100_000);
    let message = [request("MESSAGE", 1, "Content-Type: text/plain\r\n", &body), request("BYE", 2, "", "")].concat();
    let mut bench = bench_with(Options { keep_original: false, ..Options::default() }, Carrier::Tcp);
    bench.send_in(ToServer, &message, 1000);
    assert_eq!(summary(&bench), ["sip-message 1 -", "sip-bye 2 -"]);
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), 100_000);
    // The first event comes with its header.
    assert_eq!(bench.events()[0]["sip"]["content_length"], 100_000);
    assert!(bench.stream_counters().copied_bytes < 2000);
}

#[test]
fn a_body_beyond_the_limit_is_cut() {
    let body = "x".repeat((1 << 20) + 5);
    let message = [request("MESSAGE", 1, "", &body), request("BYE", 2, "", "")].concat();
    let mut bench = tcp();
    bench.send_in(ToServer, &message, 100_000);
    assert_eq!(summary(&bench), ["sip-message 1 Body of the request is cut", "sip-bye 2 -"]);
    let head = message.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(bench.events()[0]["event"]["original"].as_str().unwrap().len(), head + (1 << 20));
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), 5);
}
