// SPDX-License-Identifier: Apache-2.0
//! Tests on literal bytes and on recorded conversations.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::AmqpParser;
use super::*;
use crate::config::Configuration;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Direction, ProtocolCounter};

mod closes;
mod loss;
mod messages;
mod methods;
mod recorded;
mod robustness;
mod tables;

const NO_RESPONSE: &str = "No response to this request was received";
const ENDED: &str = "The connection ended before a response was received";
const CLOSED: &str = "Closed by the other end instead of an answer";
const NO_CLOSE_OK: &str = "Close-ok method not received by sender";

/// A method without arguments: class and number on a channel.
const TX_SELECT: (u16, u16) = (90, 10);
const TX_SELECT_OK: (u16, u16) = (90, 11);
const CHANNEL_CLOSE: (u16, u16) = (20, 40);
const CHANNEL_CLOSE_OK: (u16, u16) = (20, 41);
const CONNECTION_CLOSE: (u16, u16) = (10, 50);
const PUBLISH: (u16, u16) = (60, 40);
const DELIVER: (u16, u16) = (60, 60);
const DECLARE: (u16, u16) = (50, 10);
const DECLARE_OK: (u16, u16) = (50, 11);
const GET: (u16, u16) = (60, 70);

fn options() -> Options {
    let mut options = Options::default();
    options.common.send_request = true;
    options.common.send_response = true;
    options
}

/// Everything is shown.
fn open() -> Options {
    Options { connection_information: Visibility::Shown, ..options() }
}

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(AmqpParser::new(Arc::new(options))), Carrier::Tcp, 5672)
}

fn bench() -> Bench {
    bench_with(options())
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u32).to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xCE]].concat()
}

fn method(channel: u16, (class, number): (u16, u16), arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &number.to_be_bytes(), arguments].concat())
}

/// Text behind a length of one byte.
fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8][..], text.as_bytes()].concat()
}

/// Text, or the entries of a table, behind a length of four bytes.
fn long(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

/// queue.declare without options.
fn declare(channel: u16, queue: &str) -> Vec<u8> {
    method(channel, DECLARE, &[&[0, 0][..], &short(queue), &[0], &[0; 4]].concat())
}

/// Its answer: no message, one consumer.
fn declare_ok(channel: u16, queue: &str) -> Vec<u8> {
    method(channel, DECLARE_OK, &[&short(queue)[..], &[0, 0, 0, 0], &[0, 0, 0, 1]].concat())
}

fn close(channel: u16, numbers: (u16, u16), code: u16, text: &str, (class, number): (u16, u16)) -> Vec<u8> {
    let about = [class.to_be_bytes(), number.to_be_bytes()].concat();
    method(channel, numbers, &[&code.to_be_bytes()[..], &short(text), &about].concat())
}

/// basic.publish to the default exchange.
fn publish(channel: u16, key: &str) -> Vec<u8> {
    method(channel, PUBLISH, &[&[0, 0, 0][..], &short(key), &[0]].concat())
}

/// basic.deliver from the default exchange.
fn deliver(channel: u16, tag: u64, key: &str) -> Vec<u8> {
    method(channel, DELIVER, &[&short("consumer")[..], &tag.to_be_bytes(), &[0, 0], &short(key)].concat())
}

fn get(channel: u16, queue: &str) -> Vec<u8> {
    method(channel, GET, &[&[0, 0][..], &short(queue), &[0]].concat())
}

/// basic.get-ok: delivery 7, two more messages in the queue.
fn get_ok(channel: u16, key: &str) -> Vec<u8> {
    method(channel, (60, 71), &[&7u64.to_be_bytes()[..], &[0, 0], &short(key), &[0, 0, 0, 2]].concat())
}

/// A content header.
fn header(channel: u16, body_bytes: u64, properties: &[u8]) -> Vec<u8> {
    frame(2, channel, &[&[0, 60, 0, 0][..], &body_bytes.to_be_bytes(), properties].concat())
}

/// The properties of a text.
fn text_plain() -> Vec<u8> {
    [&[0x80, 0][..], &short("text/plain")].concat()
}

/// Header and body of a text in one frame.
fn text(channel: u16, body: &str) -> Vec<u8> {
    [header(channel, body.len() as u64, &text_plain()), frame(3, channel, body.as_bytes())].concat()
}

fn only(bench: &Bench) -> &Json {
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    &bench.events()[0]
}

/// Method, status and notes of every event.
fn told(bench: &Bench) -> Vec<String> {
    let line = |event: &Json| {
        let note = match &event["error"]["message"] {
            Json::Null => String::new(),
            Json::String(note) => format!(": {note}"),
            notes => format!(": {notes}"),
        };
        format!("{} {}{note}", event["method"].as_str().unwrap(), event["status"].as_str().unwrap())
    };
    bench.events().iter().map(line).collect()
}

fn section(text: &str) -> Result<Options, crate::config::ConfigError> {
    let file = Configuration::from_text("packetbeat.yml", text).expect("YAML");
    config::read(&file.root(), &Options::default().common)
}

#[test]
fn options_are_read() {
    let defaults = section("type: amqp").unwrap();
    assert_eq!(defaults.max_body_bytes, 1000);
    assert_eq!((defaults.headers, defaults.arguments), (Parsing::Read, Parsing::Read));
    assert_eq!((defaults.connection_information, defaults.rejects), (Visibility::Hidden, Rejects::Decision));
    let set = section(
        "max_body_length: 20\nparse_headers: false\nparse_arguments: false\nhide_connection_information: false\n\
         compat_reject: true",
    )
    .unwrap();
    assert_eq!(set.max_body_bytes, 20);
    assert_eq!((set.headers, set.arguments), (Parsing::PassedOver, Parsing::PassedOver));
    assert_eq!((set.connection_information, set.rejects), (Visibility::Shown, Rejects::Packetbeat));
    assert_eq!(section("max_body_length: -1").unwrap().max_body_bytes, 1 << 20);
    assert_eq!(section("max_body_length: 9000000").unwrap().max_body_bytes, 1 << 20);
    let error = section("max_body_length: all").unwrap_err().to_string();
    assert!(error.contains("max_body_length") && error.contains("all"), "{error}");
}
