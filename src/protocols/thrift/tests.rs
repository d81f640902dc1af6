// SPDX-License-Identifier: Apache-2.0
//! Tests on literal bytes and on recorded conversations.

use std::sync::Arc;

use serde_json::Value as Json;

use super::parser::ThriftParser;
use super::*;
use crate::config::{ConfigError, Configuration};
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Direction, ProtocolCounter};

mod exchanges;
mod idl;
mod loss;
mod robustness;
mod values;

const CALL: u8 = 1;
const REPLY: u8 = 2;
const EXCEPTION: u8 = 3;
const ONEWAY: u8 = 4;

const BOOL: u8 = 2;
const I16: u8 = 6;
const I32: u8 = 8;
const STRING: u8 = 11;
const STRUCT: u8 = 12;
const MAP: u8 = 13;
const SET: u8 = 14;
const LIST: u8 = 15;

fn options() -> Options {
    let mut options = Options::default();
    options.common.send_request = true;
    options.common.send_response = true;
    options
}

fn framed() -> Options {
    Options { transport_type: TransportType::Framed, ..options() }
}

fn with_idl(text: &str) -> Options {
    let mut options = options();
    options.idl.add("test.thrift", text).expect("the IDL is right");
    options
}

fn bench_with(options: Options) -> Bench {
    Bench::new(Box::new(ThriftParser::new(Arc::new(options))), Carrier::Tcp, 9090)
}

fn bench() -> Bench {
    bench_with(options())
}

/// A message of the binary protocol with version; its last structure ends here.
fn message(kind: u8, name: &str, sequence: i32, fields: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0x80, 1, 0, kind];
    out.extend(string(name));
    out.extend(sequence.to_be_bytes());
    fields.iter().for_each(|field| out.extend_from_slice(field));
    out.push(0);
    out
}

fn call(name: &str, sequence: i32, fields: &[&[u8]]) -> Vec<u8> {
    message(CALL, name, sequence, fields)
}

fn reply(name: &str, sequence: i32, fields: &[&[u8]]) -> Vec<u8> {
    message(REPLY, name, sequence, fields)
}

fn field(kind: u8, id: i16, value: &[u8]) -> Vec<u8> {
    [&[kind], &id.to_be_bytes()[..], value].concat()
}

fn i32_field(id: i16, value: i32) -> Vec<u8> {
    field(I32, id, &value.to_be_bytes())
}

fn string_field(id: i16, value: &str) -> Vec<u8> {
    field(STRING, id, &string(value))
}

fn string(text: &str) -> Vec<u8> {
    binary(text.as_bytes())
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn in_frame(message: &[u8]) -> Vec<u8> {
    binary(message)
}

fn only(bench: &Bench) -> &Json {
    assert_eq!(bench.events().len(), 1, "{:#?}", bench.events());
    &bench.events()[0]
}

/// `query` and what came back of every event: a value, an exception after an exclamation mark, or a dash.
fn pairs(bench: &Bench) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    bench
        .events()
        .iter()
        .map(|event| {
            let thrift = &event["thrift"];
            let exceptions = text(&thrift["exceptions"]).map(|exceptions| format!("!{exceptions}"));
            let answer = exceptions.or_else(|| text(&thrift["return_value"])).unwrap_or_else(|| "-".to_owned());
            (text(&event["query"]).unwrap(), answer)
        })
        .collect()
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(query, answer)| ((*query).to_owned(), (*answer).to_owned())).collect()
}

/// What is shown of one call's parameters.
fn params(options: Options, fields: &[&[u8]]) -> String {
    let mut bench = bench_with(options);
    bench.send(ToServer, &message(ONEWAY, "m", 0, fields));
    only(&bench)["thrift"]["params"].as_str().unwrap().to_owned()
}

fn section(text: &str) -> Result<Options, ConfigError> {
    let file = Configuration::from_text("packetbeat.yml", text).expect("YAML");
    config::read(&file.root(), &Options::default().common)
}

#[test]
fn options_are_read() {
    let defaults = section("type: thrift").unwrap();
    assert_eq!(defaults.transport_type, TransportType::Socket);
    assert_eq!(
        (defaults.string_max_size, defaults.collection_max_size, defaults.drop_after_n_struct_fields),
        (200, 15, 500)
    );
    assert_eq!((defaults.replies, defaults.strings, defaults.values), (Replies::Shown, Strings::Shown, Values::AsSent));
    let set = section(
        "transport_type: framed\nprotocol_type: compact\nstring_max_size: 3\ncollection_max_size: 1\n\
         drop_after_n_struct_fields: 2\ncapture_reply: false\nobfuscate_strings: true\ncompat_values: true",
    )
    .unwrap();
    assert_eq!(set.transport_type, TransportType::Framed);
    assert_eq!((set.string_max_size, set.collection_max_size, set.drop_after_n_struct_fields), (3, 1, 2));
    assert_eq!((set.replies, set.strings, set.values), (Replies::Passed, Strings::Obfuscated, Values::Packetbeat));
}

#[test]
fn wrong_options_are_refused_with_what_is_accepted() {
    for (text, words) in [
        ("transport_type: pipe", ["packetbeat.yml:1", "transport_type", "pipe", "socket, framed, auto"]),
        ("protocol_type: json", ["packetbeat.yml:1", "protocol_type", "json", "binary, compact"]),
        ("string_max_size: -1", ["packetbeat.yml:1", "string_max_size", "-1", "0 or more"]),
        ("a: 1\nidl_files: [no.thrift]", ["packetbeat.yml:2", "idl_files", "no.thrift", "cannot be read"]),
    ] {
        let error = section(text).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
