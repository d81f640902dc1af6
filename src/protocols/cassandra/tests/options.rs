// SPDX-License-Identifier: Apache-2.0
//! The options, and the fields of a request.

use super::*;
use crate::config::Configuration;
use crate::protocols::Registry;
use crate::protocols::registry::Detection;

#[test]
fn a_query_with_everything() {
    let event = exchange(&query(20, "SELECT * FROM users"), &void(20));
    assert_eq!(
        event["cassandra"],
        json!({
            "request": {
                "headers": {"version": "4", "flags": "Default", "stream": 20, "op": "QUERY", "length": 26},
                "query": "SELECT * FROM users",
            },
            "response": {
                "headers": {"version": "4", "flags": "Default", "stream": 20, "op": "RESULT", "length": 4},
                "result": {"type": "void"},
            },
        })
    );
    assert_eq!(event["type"], "cassandra");
    assert_eq!(event["status"], "OK");
    assert_eq!(event["network"]["protocol"], "cassandra");
    assert_eq!(event["source"], json!({"ip": "10.0.0.1", "port": 40000, "bytes": 35}));
    assert_eq!(event["destination"], json!({"ip": "10.0.0.2", "port": 9042, "bytes": 13}));
    assert_eq!(event["event"]["duration"], 1_000_000);
    assert!(event.get("error").is_none());
}

#[test]
fn what_is_sent() {
    for number in 0..16 {
        let is = |bit: u32| number & bit != 0;
        let mut options = Options { send_request_header: is(2), send_response_header: is(8), ..Options::default() };
        options.common.send_request = is(1);
        options.common.send_response = is(4);
        let mut bench = bench_with(options);
        bench.send(ToServer, &query(1, "SELECT 1"));
        bench.send(ToClient, &failure(1, "no"));
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        let cassandra = &event["cassandra"];
        assert_eq!(cassandra["request"]["query"] == "SELECT 1", is(1), "{event:#}");
        assert_eq!(cassandra["request"]["headers"].is_object(), is(1) && is(2), "{event:#}");
        assert_eq!(cassandra["response"]["error"].is_object(), is(4), "{event:#}");
        assert_eq!(cassandra["response"]["headers"].is_object(), is(4) && is(8), "{event:#}");
        assert_eq!(event.get("cassandra").is_some(), is(1) || is(4), "{event:#}");
        assert_eq!(event["status"], "Error");
        assert_eq!(event["source"]["bytes"], 9 + 15);
        // A body that nobody asked for is passed over.
        assert_eq!(bench.count(ProtocolCounter::SkippedBytes) > 0, !is(1) || !is(4));
    }
}

#[test]
fn ignored_operations() {
    let mut options = Options::default();
    options.ignored_ops.insert(OPTIONS);
    options.ignored_ops.insert(ERROR);
    let mut bench = bench_with(options.clone());
    bench.send(ToServer, &[request(1, OPTIONS, b""), query(2, "SELECT 2"), query(3, "SELECT 3")].concat());
    bench.send(ToClient, &[response(1, SUPPORTED, &short(0)), failure(2, "no"), void(3)].concat());
    bench.send(ToServer, &request(4, OPTIONS, b""));
    bench.finish();
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(event["cassandra"]["request"]["query"], "SELECT 3");
    options.ignored_ops.insert(EVENT);
    let mut bench = bench_with(options);
    bench.send(ToClient, &response(-1, EVENT, &string("OTHER")));
    assert!(bench.events().is_empty());
}

fn configured(options: &str) -> Result<Registry, String> {
    let text = format!("packetbeat.protocols:\n- type: cassandra\n  ports: [9042]\n{options}");
    let configuration = Configuration::from_text("packetbeat.yml", &text).expect("YAML");
    let packetbeat = configuration.root().section("packetbeat").expect("a map");
    Registry::read(packetbeat.as_ref(), Detection::Off, &mut Vec::new(), |_, _| Ok(()))
        .map_err(|error| error.to_string())
}

#[test]
fn the_configuration() {
    for accepted in [
        "",
        "  compressor: snappy\n",
        "  compressor: lz4\n",
        "  compressor: ''\n",
        "  ignored_ops: [QUERY, options, ' ERROR ']\n",
        "  ignored_ops: SUPPORTED\n",
        "  send_request: false\n  send_response_header: false\n",
    ] {
        assert!(configured(accepted).is_ok(), "{accepted}: {:?}", configured(accepted).err());
    }
    let refused = |options| configured(options).err().unwrap_or_default();
    let message = refused("  compressor: gzip\n");
    assert!(message.contains("packetbeat.yml:4") && message.contains("snappy, lz4"), "{message}");
    let message = refused("  ignored_ops: [QUERY, SELECT]\n");
    assert!(message.contains("\"SELECT\"") && message.contains("AUTH_CHALLENGE"), "{message}");
    assert!(refused("  ignored_ops: [UNKNOWN_OP_4]\n").contains("UNKNOWN_OP_4"));
    assert!(refused("  send_request_header: perhaps\n").contains("true or false"));
}

#[test]
fn defaults_are_true() {
    let registry = configured("").expect("it is right");
    let mut bench = Bench::new(registry.sections[0].factory.parser(), Carrier::Tcp, 9042);
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send(ToClient, &void(1));
    let cassandra = &bench.events()[0]["cassandra"];
    assert_eq!(cassandra["request"]["headers"]["op"], "QUERY");
    assert_eq!(cassandra["response"]["headers"]["op"], "RESULT");
}

#[test]
fn requests_without_a_query() {
    let operations = [(1, "STARTUP"), (5, "OPTIONS"), (9, "PREPARE"), (10, "EXECUTE"), (11, "REGISTER"), (13, "BATCH")];
    for (op, name) in operations.into_iter().chain([(15, "AUTH_RESPONSE"), (4, "UNKNOWN_OP_4")]) {
        let event = exchange(&request(3, op, &query_body("SELECT 1")), &response(3, READY, b""));
        assert_eq!(event["cassandra"]["request"]["headers"]["op"], name);
        assert_eq!(event["cassandra"]["request"].as_object().map(|request| request.len()), Some(1));
        assert_eq!(event["cassandra"]["response"]["headers"]["op"], "READY");
    }
}

#[test]
fn names_of_flags() {
    for (flags, name) in [
        (TRACING, "Tracing"),
        (CUSTOM_PAYLOAD, "CustomPayload"),
        (WARNING, "Warning"),
        (TRACING | WARNING, "UnknownFlag_10"),
        (0x10, "UnknownFlag_16"),
    ] {
        let payload = match flags & CUSTOM_PAYLOAD {
            0 => Vec::new(),
            // A bytes map: one with a value, one with null.
            _ => [short(2), string("a"), int(3), b"abc".to_vec(), string("b"), int(-1)].concat(),
        };
        let event = exchange(&frame(4, flags, 1, QUERY, &[payload, query_body("SELECT 1")].concat()), &void(1));
        assert_eq!(event["cassandra"]["request"]["headers"]["flags"], name);
        assert_eq!(event["cassandra"]["request"]["query"], "SELECT 1", "{name}");
    }
}

#[test]
fn frames_of_versions_1_and_2() {
    for version in [1, 2] {
        let short_frame = |first: u8, stream: u8, op, body: &[u8]| {
            [&[first, 0, stream, op][..], &int(body.len() as i32), body].concat()
        };
        let change = [int(5), string("CREATED"), string("shop"), string("users")].concat();
        let mut bench = bench();
        bench.send_in(ToServer, &short_frame(version, 1, OPTIONS, b""), 1);
        bench.send_in(ToClient, &short_frame(0x80 | version, 1, SUPPORTED, &short(0)), 1);
        bench.send_in(ToServer, &short_frame(version, 2, QUERY, &query_body("CREATE")), 1);
        bench.send_in(ToClient, &short_frame(0x80 | version, 2, RESULT, &change), 1);
        let [_, event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(event["cassandra"]["request"]["headers"]["version"], version.to_string());
        assert_eq!(event["source"]["bytes"], 8 + 13);
        assert_eq!(
            event["cassandra"]["response"]["result"],
            json!({"type": "schemaChanged", "schema_change": {"change": "CREATED", "keyspace": "shop", "table": "users"}})
        );
    }
}

#[test]
fn a_query_that_is_cut_or_wrong() {
    let text = "x".repeat(2 << 20);
    let mut bench = bench();
    bench.send_in(ToServer, &query(1, &text), 100_000);
    bench.send(ToClient, &void(1));
    let event = &bench.events()[0];
    assert_eq!(event["cassandra"]["request"]["query"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(event["error"]["message"], "The request is longer than what is kept of it");
    assert_eq!(event["source"]["bytes"], 9 + 4 + (2 << 20) + 3);
    // The values behind the text are no part of the query.
    let values = vec![7; 2 << 20];
    let mut bench = super::bench();
    bench.send_in(ToServer, &request(1, QUERY, &[query_body("INSERT"), values].concat()), 100_000);
    bench.send(ToClient, &void(1));
    assert_eq!(bench.events()[0]["cassandra"]["request"]["query"], "INSERT");
    assert!(bench.events()[0].get("error").is_none());
    for body in [[int(100), b"SELECT".to_vec()].concat(), int(-1), vec![0; 3]] {
        let event = exchange(&request(1, QUERY, &body), &void(1));
        assert_eq!(event["error"]["message"], "The request could not be read completely", "{body:?}");
        assert_eq!(event["status"], "OK");
    }
}
