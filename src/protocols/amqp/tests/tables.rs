// SPDX-License-Identifier: Apache-2.0
//! Field tables and arrays.

use super::*;

/// One entry of a table.
fn entry(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    [&short(name)[..], &[kind], value].concat()
}

/// The event of a queue.declare with these entries as arguments.
fn declared_with(options: Options, entries: &[u8]) -> Json {
    let mut bench = bench_with(options);
    bench.send(ToServer, &method(1, DECLARE, &[&[0, 0][..], &short("q"), &[0b10000], &long(entries)].concat()));
    only(&bench).clone()
}

fn arguments(entries: &[u8]) -> Json {
    declared_with(options(), entries)["amqp"]["arguments"].clone()
}

#[test]
fn every_kind_of_value_is_shown() {
    let inner = entry("deep.er", b'S', &long("x"));
    let array = [&b"I"[..], &[0, 0, 0, 1], b"S", &long("two"), b"V", b"F", &long(&inner)].concat();
    let entries = [
        entry("true", b't', &[1]),
        entry("false", b't', &[0]),
        entry("i8", b'b', &[0xFF]),
        entry("u8", b'B', &[0xFF]),
        entry("i16", b's', &[0xFF, 0xFE]),
        entry("i16-of-0-9-1", b'U', &[0xFF, 0xFE]),
        entry("u16", b'u', &[0xFF, 0xFE]),
        entry("i32", b'I', &[0xFF, 0xFF, 0xFF, 0xFD]),
        entry("u32", b'i', &[0xFF, 0xFF, 0xFF, 0xFD]),
        entry("i64", b'l', &(-4i64).to_be_bytes()),
        entry("i64-of-0-9-1", b'L', &i64::MIN.to_be_bytes()),
        entry("float", b'f', &0.1f32.to_be_bytes()),
        entry("double", b'd', &1.5e300f64.to_be_bytes()),
        entry("nan", b'd', &f64::NAN.to_be_bytes()),
        entry("decimal", b'D', &[2, 0, 0, 0x30, 0x39]),
        entry("small", b'D', &[6, 0, 0, 0x30, 0x39]),
        entry("whole", b'D', &[0, 0, 0, 0x30, 0x39]),
        entry("text", b'S', &long("β")),
        entry("bytes", b'x', &long([1, 2, 255])),
        entry("time", b'T', &1_453_837_934u64.to_be_bytes()),
        entry("none", b'V', &[]),
        entry("array", b'A', &long(&array)),
        entry("table", b'F', &long(&inner)),
        entry("empty", b'F', &long("")),
    ]
    .concat();
    let expected = json!({
        "true": true, "false": false, "i8": -1, "u8": 255, "i16": -2, "i16-of-0-9-1": -2, "u16": 65534, "i32": -3,
        "u32": 4_294_967_293u64, "i64": -4, "i64-of-0-9-1": i64::MIN, "float": 0.1, "double": 1.5e300, "nan": null,
        "decimal": "123.45", "small": "0.012345", "whole": "12345", "text": "β", "bytes": "[1, 2, 255]",
        "time": "January 26 19:52:14 2016",
        "array": {"0": 1, "1": "two", "3": {"deep.er": "x"}},
        "table": {"deep.er": "x"}, "empty": {},
    });
    assert_eq!(arguments(&entries), expected);
}

#[test]
fn an_empty_table_is_left_out() {
    assert_eq!(arguments(&[]), Json::Null);
}

#[test]
fn parse_arguments_off_passes_tables_over() {
    let event = declared_with(Options { arguments: Parsing::PassedOver, ..options() }, &entry("a", b'?', &[]));
    assert_eq!((&event["amqp"]["arguments"], &event["error"]), (&Json::Null, &Json::Null));
}

#[test]
fn broken_tables_are_noted() {
    let good = entry("a", b't', &[1]);
    for broken in [
        [&good[..], &entry("b", b'?', &[])].concat(),
        [&good[..], &[9, b'b']].concat(),
        entry("b", b'l', &[0; 7]),
        entry("b", b'S', &[0, 0, 0, 9, b'x']),
        entry("b", b'F', &long(entry("c", b'?', &[]))),
        short("b"),
    ] {
        let event = declared_with(options(), &broken);
        assert_eq!(event["error"]["message"], "Failed to parse additional arguments", "{broken:?}");
        assert_eq!((&event["amqp"]["arguments"], &event["amqp"]["queue"]), (&Json::Null, &json!("q")));
    }
}

#[test]
fn a_key_that_comes_again_counts_once() {
    let entries = [entry("a", b'B', &[1]), entry("b", b'B', &[2]), entry("a", b'B', &[3])].concat();
    assert_eq!(arguments(&entries), json!({"a": 1, "b": 2}));
}

#[test]
fn depth_keys_and_values_are_bounded() {
    let nested = |levels: usize| (0..levels).fold(entry("x", b'B', &[1]), |inner, _| entry("x", b'F', &long(inner)));
    assert!(arguments(&nested(15)).is_object());
    let event = declared_with(options(), &nested(16));
    assert_eq!(event["error"]["message"], "Failed to parse additional arguments");
    let keys: Vec<u8> = (0..300).flat_map(|number| entry(&format!("k{number}"), b'B', &[1])).collect();
    assert_eq!(arguments(&keys).as_object().unwrap().len(), 256);
    let array = entry("a", b'A', &long(b"B\x01".repeat(2000)));
    assert_eq!(arguments(&array)["a"].as_object().unwrap().len(), 1023);
}

#[test]
fn times_of_any_year_have_a_text() {
    let text = |seconds: i64| table::Timestamp(seconds).to_string();
    assert_eq!(text(0), "January  1 00:00:00 1970");
    assert_eq!(text(-1), "December 31 23:59:59 1969");
    assert_eq!(text(951_782_399), "February 28 23:59:59 2000");
    // Milliseconds that a client took for seconds.
    assert_eq!(text(1_767_225_600_000), "February 25 00:00:00 57971");
    for seconds in [i64::MIN, i64::MAX] {
        assert!(text(seconds).contains(':'));
    }
}
