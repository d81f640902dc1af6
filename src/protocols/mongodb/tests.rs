// SPDX-License-Identifier: Apache-2.0
//! Tests on messages made of literal bytes, and on recorded conversations.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::parser::MongodbParser;
use super::*;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Context, Direction, ProtocolCounter};

mod bson_json;
mod compression;
mod operations;
mod robustness;

const REPLY: i32 = 1;
const QUERY: i32 = 2004;
const MSG: i32 = 2013;
const CHECKSUM: u32 = 1;
const MORE_TO_COME: u32 = 2;

fn options() -> Options {
    let mut options = Options::default();
    options.common.send_request = true;
    options.common.send_response = true;
    options
}

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(MongodbParser::new(Arc::new(options))), Carrier::Tcp, 27017)
}

fn bench() -> Bench {
    bench_with(options())
}

/// One element: its type, its key and its value's bytes.
fn element(kind: u8, key: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], key.as_bytes(), b"\0", value].concat()
}

fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let elements = elements.concat();
    [&(elements.len() as i32 + 5).to_le_bytes()[..], &elements, b"\0"].concat()
}

fn string_value(text: &[u8]) -> Vec<u8> {
    [&(text.len() as i32 + 1).to_le_bytes()[..], text, b"\0"].concat()
}

fn text(key: &str, value: &str) -> Vec<u8> {
    element(2, key, &string_value(value.as_bytes()))
}

fn int(key: &str, value: i32) -> Vec<u8> {
    element(0x10, key, &value.to_le_bytes())
}

fn long(key: &str, value: i64) -> Vec<u8> {
    element(0x12, key, &value.to_le_bytes())
}

fn double(key: &str, value: f64) -> Vec<u8> {
    element(1, key, &value.to_le_bytes())
}

fn sub(key: &str, elements: &[Vec<u8>]) -> Vec<u8> {
    element(3, key, &document(elements))
}

fn list(key: &str, documents: &[Vec<u8>]) -> Vec<u8> {
    let elements: Vec<Vec<u8>> =
        documents.iter().enumerate().map(|(index, value)| element(3, &index.to_string(), value)).collect();
    element(4, key, &document(&elements))
}

fn message(opcode: i32, id: i32, response_to: i32, body: &[u8]) -> Vec<u8> {
    let length = body.len() as i32 + 16;
    let header: Vec<u8> = [length, id, response_to, opcode].iter().flat_map(|part| part.to_le_bytes()).collect();
    [header, body.to_vec()].concat()
}

/// An OP_MSG with one document.
fn msg(id: i32, response_to: i32, elements: &[Vec<u8>]) -> Vec<u8> {
    message(MSG, id, response_to, &msg_body(0, &[body_section(elements)]))
}

fn msg_body(flags: u32, sections: &[Vec<u8>]) -> Vec<u8> {
    [&flags.to_le_bytes()[..], &sections.concat()].concat()
}

fn body_section(elements: &[Vec<u8>]) -> Vec<u8> {
    [&[0][..], &document(elements)].concat()
}

fn sequence_section(identifier: &str, documents: &[Vec<u8>]) -> Vec<u8> {
    let content = [identifier.as_bytes(), b"\0", &documents.concat()].concat();
    [&[1][..], &(content.len() as i32 + 4).to_le_bytes(), &content].concat()
}

fn find(id: i32) -> Vec<u8> {
    msg(id, 0, &[text("find", "users"), text("$db", "shop")])
}

fn okay(id: i32, response_to: i32) -> Vec<u8> {
    msg(id, response_to, &[double("ok", 1.0)])
}

fn op_query(id: i32, collection: &str, skip: i32, limit: i32, documents: &[Vec<u8>]) -> Vec<u8> {
    let body =
        [&[0; 4][..], collection.as_bytes(), b"\0", &skip.to_le_bytes(), &limit.to_le_bytes(), &documents.concat()];
    message(QUERY, id, 0, &body.concat())
}

fn op_reply(response_to: i32, flags: i32, cursor: i64, documents: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &flags.to_le_bytes()[..],
        &cursor.to_le_bytes(),
        &7i32.to_le_bytes(),
        &(documents.len() as i32).to_le_bytes(),
        &documents.concat(),
    ];
    message(REPLY, 900, response_to, &body.concat())
}

/// The only event of a request and its reply.
fn exchange(request: &[u8], reply: &[u8]) -> Json {
    exchange_with(options(), request, reply)
}

fn exchange_with(options: Options, request: &[u8], reply: &[u8]) -> Json {
    let mut bench = bench_with(options);
    bench.send(ToServer, request);
    bench.send(ToClient, reply);
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    assert_eq!(bench.parser.deadline_ns(), None);
    bench.events()[0].clone()
}
