// SPDX-License-Identifier: Apache-2.0
//! Tests on frames made of literal bytes. `tests/recorded_cassandra.rs` holds recorded connections against the clients' logs.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::CassandraParser;
use super::*;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Context, Direction, ProtocolCounter};

mod compressed;
mod options;
mod pairing;
mod responses;
mod robustness;
mod segments;

const ERROR: u8 = 0;
const STARTUP: u8 = 1;
const READY: u8 = 2;
const AUTHENTICATE: u8 = 3;
const OPTIONS: u8 = 5;
const SUPPORTED: u8 = 6;
const QUERY: u8 = 7;
const RESULT: u8 = 8;
const PREPARE: u8 = 9;
const EVENT: u8 = 12;
const AUTH_CHALLENGE: u8 = 14;
const AUTH_SUCCESS: u8 = 16;

const COMPRESSED: u8 = 1;
const TRACING: u8 = 2;
const CUSTOM_PAYLOAD: u8 = 4;
const WARNING: u8 = 8;

const LOST_REQUEST: &str = "Packet loss while capturing the request";
const LOST_RESPONSE: &str = "Packet loss while capturing the response";
const NO_RESPONSE: &str = "No response to this request was received";
const ENDED: &str = "The connection ended before a response was received";
const CUT_RESPONSE: &str = "The response is longer than what is looked at";
const UNREADABLE_RESPONSE: &str = "The response could not be read completely";

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(CassandraParser::new(Arc::new(options))), Carrier::Tcp, 9042)
}

fn bench() -> Bench {
    bench_with(Options::default())
}

/// A frame of version 3 or later; `version` has the bit of the direction.
fn frame(version: u8, flags: u8, stream: i16, op: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![version, flags];
    frame.extend(stream.to_be_bytes());
    frame.push(op);
    frame.extend((body.len() as u32).to_be_bytes());
    frame.extend(body);
    frame
}

fn request(stream: i16, op: u8, body: &[u8]) -> Vec<u8> {
    frame(4, 0, stream, op, body)
}

fn response(stream: i16, op: u8, body: &[u8]) -> Vec<u8> {
    frame(0x84, 0, stream, op, body)
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn strings(texts: &[&str]) -> Vec<u8> {
    let mut bytes = (texts.len() as u16).to_be_bytes().to_vec();
    texts.iter().for_each(|text| bytes.extend(string(text)));
    bytes
}

fn int(number: i32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn short(number: u16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The body of a QUERY: the text, consistency ONE, no flags.
fn query_body(text: &str) -> Vec<u8> {
    [int(text.len() as i32), text.as_bytes().to_vec(), short(1), vec![0]].concat()
}

fn query(stream: i16, text: &str) -> Vec<u8> {
    request(stream, QUERY, &query_body(text))
}

fn void(stream: i16) -> Vec<u8> {
    response(stream, RESULT, &int(1))
}

fn failure(stream: i16, message: &str) -> Vec<u8> {
    response(stream, ERROR, &[int(0x2200), string(message)].concat())
}

fn startup(version: u8, compression: Option<&str>) -> Vec<u8> {
    let mut options = vec!["CQL_VERSION", "3.0.0"];
    options.extend(compression.iter().flat_map(|name| ["COMPRESSION", name]));
    let pairs = options.iter().flat_map(|text| string(text)).collect::<Vec<u8>>();
    frame(version, 0, 0, STARTUP, &[short(options.len() as u16 / 2), pairs].concat())
}

/// A result with rows of two columns of one table; `rows` is what follows the metadata.
fn rows_body(count: i32, rows: &[u8]) -> Vec<u8> {
    let columns = [string("id"), short(9), string("name"), short(13)].concat();
    [int(2), int(1), int(2), string("shop"), string("users"), columns, int(count), rows.to_vec()].concat()
}

/// The only event of a request and its response.
fn exchange(request: &[u8], response: &[u8]) -> Json {
    let mut bench = bench();
    bench.send(ToServer, request);
    bench.send(ToClient, response);
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    assert_eq!(bench.parser.deadline_ns(), None);
    bench.events()[0].clone()
}

/// What the event of a response says of it besides its header.
fn read(version: u8, flags: u8, op: u8, body: &[u8]) -> (Json, Json) {
    let query = frame(version, 0, 7, QUERY, &query_body("SELECT 1"));
    let mut event = exchange(&query, &frame(0x80 | version, flags, 7, op, body));
    let response = event["cassandra"]["response"].as_object_mut().expect("a response");
    assert!(response.remove("headers").is_some());
    (Json::Object(response.clone()), event["error"]["message"].clone())
}
