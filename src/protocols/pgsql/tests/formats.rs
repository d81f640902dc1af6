// SPDX-License-Identifier: Apache-2.0
//! Values of binary columns, splitting, messages one by one, options.

use super::message::{Bind, Failure, Formats};
use super::split::{Backslash, next_statement};
use super::values::{Format, write};
use super::*;

fn shown(type_oid: u32, value: &[u8]) -> String {
    let mut out = Vec::new();
    write(&mut out, value, type_oid, Format::Binary, true, 1024);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn every_binary_type() {
    let day = |days: i32| days.to_be_bytes().to_vec();
    let micros = |micros: i64| micros.to_be_bytes().to_vec();
    let numeric = |parts: &[u16]| parts.iter().flat_map(|part| part.to_be_bytes()).collect::<Vec<u8>>();
    let cases: &[(u32, Vec<u8>, &str)] = &[
        (16, vec![1], "t"),
        (16, vec![0], "f"),
        (21, vec![0xff, 0xfe], "-2"),
        (23, vec![0, 0, 1, 0], "256"),
        (20, vec![0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
        (26, vec![0xff; 4], "4294967295"),
        (700, 1.5f32.to_be_bytes().to_vec(), "1.5"),
        (700, 1e20f32.to_be_bytes().to_vec(), "1e+20"),
        (701, 0.1f64.to_be_bytes().to_vec(), "0.1"),
        (701, 1e15f64.to_be_bytes().to_vec(), "1e+15"),
        (701, 1.25e-7f64.to_be_bytes().to_vec(), "1.25e-07"),
        (701, f64::NAN.to_be_bytes().to_vec(), "NaN"),
        (701, f64::NEG_INFINITY.to_be_bytes().to_vec(), "-Infinity"),
        (25, "ünï".as_bytes().to_vec(), "ünï"),
        (17, vec![0, 1, 0xff], "\\x0001ff"),
        (114, b"{\"a\": 1}".to_vec(), "{\"a\": 1}"),
        (3802, b"\x01{\"a\": 1}".to_vec(), "{\"a\": 1}"),
        (1082, day(0), "2000-01-01"),
        (1082, day(9_557), "2026-03-02"),
        (1082, day(-730_485), "0001-01-01 BC"),
        (1082, day(i32::MAX), "infinity"),
        (1083, micros(11_045_500_000), "03:04:05.5"),
        (1114, micros(-1), "1999-12-31 23:59:59.999999"),
        (1184, micros(820_638_245_000_000), "2026-01-02 03:04:05+00"),
        (1184, micros(i64::MIN), "-infinity"),
        (1186, [micros(14_706_000_000), day(3), day(14)].concat(), "1 year 2 mons 3 days 04:05:06"),
        (1186, [micros(0), day(0), day(0)].concat(), "00:00:00"),
        // 10.50: two digits of 10,000, the first at weight 0, positive, scale 2.
        (1700, numeric(&[2, 0, 0, 2, 10, 5000]), "10.50"),
        (1700, numeric(&[2, 1, 0x4000, 0, 3, 25]), "-30025"),
        (1700, numeric(&[1, 0xffff, 0, 6, 12]), "0.001200"),
        (1700, numeric(&[0, 0, 0xc000, 0]), "NaN"),
        (2950, (0..16).collect(), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        (869, vec![2, 32, 0, 4, 10, 0, 0, 1], "10.0.0.1"),
        (650, vec![2, 8, 1, 4, 10, 0, 0, 0], "10.0.0.0/8"),
        // int4[]: one dimension, no nulls, type, length 3, lower bound 1.
        (
            1007,
            [day(1), day(0), day(23), day(3), day(1), day(4), day(7), vec![0xff; 4], day(4), day(-1)].concat(),
            "{7,NULL,-1}",
        ),
        (1009, [day(1), day(0), day(25), day(2), day(1), day(3), b"a b".to_vec(), day(0)].concat(), "{\"a b\",\"\"}"),
        (
            1000,
            [day(2), day(0), day(16), day(2), day(1), day(1), day(1), day(1), vec![1], day(1), vec![0]].concat(),
            "{{t},{f}}",
        ),
        (1007, [day(0), day(0), day(23)].concat(), "{}"),
        // Unknown types: text if it is some.
        (99_999, b"label".to_vec(), "label"),
        (99_999, vec![0, 1], "\\x0001"),
        // Of the wrong size.
        (23, vec![1, 2, 3], "\\x010203"),
    ];
    for (type_oid, value, expected) in cases {
        assert_eq!(shown(*type_oid, value), *expected, "{type_oid}");
        for end in 0..value.len() {
            // Cut anywhere: anything but a panic.
            shown(*type_oid, &value[..end]);
        }
    }
}

#[test]
fn binary_values_that_mean_nothing_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x7067);
    let types =
        [16, 17, 18, 20, 21, 23, 25, 700, 701, 790, 869, 650, 1007, 1009, 1082, 1083, 1114, 1184, 1186, 1700, 2950];
    for _ in 0..20_000 {
        let value: Vec<u8> = (0..random.usize(..40)).map(|_| if random.bool() { 0 } else { random.u8(..) }).collect();
        let mut out = Vec::new();
        let type_oid = types[random.usize(..types.len())];
        write(&mut out, &value, type_oid, Format::Binary, random.bool(), 64);
        assert!(out.len() < 10_000, "{type_oid} {value:?}");
    }
}

#[test]
fn binary_columns_are_read() {
    let mut bench = bench();
    bench.send(
        ToServer,
        &[&parse("", "SELECT a, b, c")[..], &bind("", "", &[1]), &describe('P', ""), &execute(""), SYNC].concat(),
    );
    let header = columns(&[("a", INT4, 1), ("b", TEXT, 1), ("c", 17, 1)]);
    let values = row(&[Some(&[0, 0, 0, 42]), Some(b"text"), None]);
    bench.send(ToClient, &[PARSED, BOUND, &header, &values, &complete("SELECT 1"), READY].concat());
    assert_eq!(only(&bench)["response"], "a,b,c\n42,text,\n");
    // Described before it was bound, then mixed formats; and without any description.
    let mut bench = super::bench();
    bench.send(
        ToServer,
        &[&parse("s", "SELECT a, b")[..], &describe('S', "s"), &bind("", "s", &[1, 0]), &execute(""), SYNC].concat(),
    );
    let described = [&message(b't', b"\0\0")[..], &columns(&[("a", INT4, 0), ("b", TEXT, 0)])].concat();
    let values = row(&[Some(&[0, 0, 0, 42]), Some(b"7")]);
    bench.send(ToClient, &[PARSED, &described, BOUND, &values, &complete("SELECT 1"), READY].concat());
    assert_eq!(only(&bench)["response"], "a,b\n42,7\n");
    let mut bench = super::bench();
    bench.send(ToServer, &[&bind("", "s", &[1, 0])[..], &execute(""), SYNC].concat());
    bench.send(ToClient, &[BOUND, &values, &complete("SELECT 1"), READY].concat());
    assert_eq!(only(&bench)["response"], "\\x0000002a,7\n");
    assert_eq!(only(&bench)["pgsql"]["num_fields"], 2);
}

fn split(text: &str) -> Vec<&str> {
    split_with(text, Backslash::Plain)
}

fn split_with(text: &str, backslash: Backslash) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut position = 0;
    while let Some(found) = next_statement(text.as_bytes(), position, backslash) {
        statements.push(&text[found.statement]);
        assert!(found.next > position);
        position = found.next;
    }
    statements
}

#[test]
fn statements_of_a_text() {
    let one = [
        "SELECT 'a;b'",
        "SELECT 'it''s; fine'",
        "SELECT \"a;b\" FROM \"c\"\";d\"",
        "SELECT $$dollar; quoted$$",
        "SELECT $tag$ $$ ; $other$ ; $tag$",
        "SELECT 1 /* ; /* ; */ ; */ -- ;\n + 1",
        "SELECT E'a\\'; b'",
        "SELECT e'\\\\', 'a;'",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)",
        "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (1); END",
        "SELECT 'unterminated; ",
        "SELECT $a$ unterminated; ",
        "SELECT /* unterminated; ",
    ];
    for text in one {
        assert_eq!(split(text), [text.trim()], "{text}");
        assert_eq!(split(&format!(";;{text}\n")).len(), 1, "{text}");
    }
    assert_eq!(split("SELECT 1;SELECT 2 ; ; /* nothing */;"), ["SELECT 1", "SELECT 2"]);
    assert_eq!(split("BEGIN; SELECT 1; END;"), ["BEGIN", "SELECT 1", "END"]);
    assert_eq!(split("SELECT $1;SELECT a$b$;SELECT c$b$"), ["SELECT $1", "SELECT a$b$", "SELECT c$b$"]);
    assert_eq!(split("SELECT 'a\\';SELECT 2"), ["SELECT 'a\\'", "SELECT 2"]);
    assert_eq!(split_with("SELECT 'a\\';b';SELECT 2", Backslash::Escape), ["SELECT 'a\\';b'", "SELECT 2"]);
    assert_eq!(split("SELECT name;CREATE TABLE t ()"), ["SELECT name", "CREATE TABLE t ()"]);
    assert!(split("").is_empty() && split(" ; -- x").is_empty());
}

#[test]
fn splitting_ends_whatever_the_text() {
    let pieces = [
        "'",
        "\"",
        "$",
        "$$",
        "$a$",
        ";",
        "--",
        "\n",
        "/*",
        "*/",
        "(",
        ")",
        "E'",
        "\\",
        "a",
        " ",
        "1",
        "ü",
        "begin",
        "end",
        "create function ",
    ];
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..5000 {
        let text: String = (0..random.usize(..30)).map(|_| pieces[random.usize(..pieces.len())]).collect();
        for backslash in [Backslash::Plain, Backslash::Escape] {
            let mut position = 0;
            while let Some(found) = next_statement(text.as_bytes(), position, backslash) {
                assert!(found.next > position && found.statement.end <= text.len(), "{text}");
                assert!(!text.as_bytes()[found.statement].is_empty(), "{text}");
                position = found.next;
            }
        }
    }
}

#[test]
fn formats_of_a_bind() {
    let formats = |codes: &[u16]| Bind::parse(&bind("p", "s", codes)[5..]).map(|bind| bind.formats);
    assert_eq!(formats(&[]), Some(Formats::Text));
    assert_eq!(formats(&[0]), Some(Formats::Text));
    assert_eq!(formats(&[1]), Some(Formats::Binary));
    assert_eq!(formats(&[0, 1, 1]), Some(Formats::Mixed { binary: 6, columns: 3 }));
    let many = formats(&[1; 100]).unwrap();
    assert_eq!((many.is_binary(63), many.is_binary(64), many.is_binary(100)), (Some(true), None, None));
    // Behind parameters, one of them null; cut off in them.
    let payload = b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x03abc\xff\xff\xff\xff\0\x01\0\x01";
    assert_eq!(Bind::parse(payload).map(|bind| bind.formats), Some(Formats::Binary));
    for end in 3..payload.len() {
        assert_eq!(Bind::parse(&payload[..end]).map(|bind| bind.formats), Some(Formats::Unknown), "{end}");
    }
}

#[test]
fn fields_of_an_error() {
    // A translated severity; what is not known is passed over; cut anywhere.
    let payload = "SFATAL\u{a0}!\0VFATAL\0C57P01\0Mgone\0Xunknown\0P12\0\0".as_bytes();
    let failure = Failure::parse(payload);
    assert_eq!(failure.code, b"57P01");
    assert_eq!(failure.message, b"gone");
    assert_eq!(failure.position, Some(12));
    assert!(failure.fatal);
    for end in 0..payload.len() {
        assert!(Failure::parse(&payload[..end]).message.len() <= 4);
    }
}

#[test]
fn options_are_read_from_the_section() {
    let read = |text: &str| {
        let configuration = crate::config::Configuration::from_text("packetbeat.yml", text).unwrap();
        config::read(&configuration.root(), &Options::default().common)
    };
    let options = read("max_rows: 3\nmax_row_length: -1").unwrap();
    assert_eq!((options.max_rows, options.max_row_length), (3, 0));
    let options = read("ports: [5432]").unwrap();
    assert_eq!((options.max_rows, options.max_row_length), (10, 1024));
    let refused = read("max_rows: many").unwrap_err().to_string();
    assert!(refused.contains("max_rows") && refused.contains("many"), "{refused}");
}
