// SPDX-License-Identifier: Apache-2.0
//! Tests on literal bytes and on recorded conversations.

use std::sync::Arc;

use serde_json::Value as Json;

use super::parser::RedisParser;
use super::*;
use crate::config::Configuration;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Direction, ProtocolCounter};

mod exchanges;
mod loss;
mod robustness;
mod values;

fn options() -> Options {
    let mut options = Options::default();
    options.common.send_request = true;
    options.common.send_response = true;
    options
}

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(RedisParser::new(Arc::new(options))), Carrier::Tcp, 6379)
}

fn bench() -> Bench {
    bench_with(options())
}

/// A command as an array.
fn command(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    out
}

fn only(bench: &Bench) -> &Json {
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    &bench.events()[0]
}

/// `query` and answer of every event; an error has an exclamation mark before it, no answer is a dash.
fn pairs(bench: &Bench) -> Vec<(&str, String)> {
    bench
        .events()
        .iter()
        .map(|event| {
            let redis = &event["redis"];
            let value = redis["return_value"].as_str().map(str::to_owned);
            let error = || redis["error"].as_str().map(|error| format!("!{error}"));
            (event["query"].as_str().unwrap(), value.or_else(error).unwrap_or_else(|| "-".to_owned()))
        })
        .collect()
}

/// Owned pairs to compare with.
fn expected<'a>(pairs: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    pairs.iter().map(|(query, answer)| (*query, (*answer).to_owned())).collect()
}

fn section(text: &str) -> Result<Options, crate::config::ConfigError> {
    let file = Configuration::from_text("packetbeat.yml", text).expect("YAML");
    config::read(&file.root(), &Options::default().common)
}

#[test]
fn options_are_read() {
    let defaults = section("type: redis").unwrap();
    assert_eq!((defaults.queue_max_bytes, defaults.queue_max_messages), (1_048_576, 20_000));
    let set = section("queue_max_bytes: 200\nqueue_max_messages: 3").unwrap();
    assert_eq!((set.queue_max_bytes, set.queue_max_messages), (200, 3));
    let unlimited = section("queue_max_bytes: 0\nqueue_max_messages: -1").unwrap();
    assert_eq!((unlimited.queue_max_bytes, unlimited.queue_max_messages), (64 << 20, 1 << 20));
    let error = section("queue_max_bytes: many").unwrap_err().to_string();
    assert!(error.contains("queue_max_bytes") && error.contains("many"), "{error}");
}

#[test]
fn queue_max_messages_drops_the_oldest_with_its_answer() {
    let mut bench = bench_with(Options { queue_max_messages: 2, ..options() });
    bench.send(ToServer, &[command("GET a"), command("GET b"), command("GET c")].concat());
    bench.send(ToClient, b"+1\r\n+2\r\n+3\r\n");
    assert_eq!(pairs(&bench), expected(&[("GET b", "2"), ("GET c", "3")]));
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 1);
}

#[test]
fn queue_max_bytes_keeps_the_newest_however_long() {
    let mut bench = bench_with(Options { queue_max_bytes: 8, ..options() });
    bench.send(ToServer, &[command("GET a"), command("SET long value"), command("GET b")].concat());
    bench.send(ToClient, b"+1\r\n+2\r\n+3\r\n");
    assert_eq!(pairs(&bench), expected(&[("GET b", "3")]));
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 2);
    let mut bench = bench_with(Options { queue_max_bytes: 8, ..options() });
    bench.send(ToServer, &command("SET long value"));
    bench.send(ToClient, b"+OK\r\n");
    assert_eq!(pairs(&bench), expected(&[("SET long value", "OK")]));
}

#[test]
fn request_and_response_are_shown_when_asked_for() {
    let mut bench = bench_with(Options::default());
    bench.send(ToServer, &command("get Key"));
    bench.send(ToClient, b"$2\r\nme\r\n");
    let event = only(&bench);
    assert_eq!((&event["request"], &event["response"]), (&Json::Null, &Json::Null));
    assert_eq!(event["redis"]["return_value"], "me");
}
