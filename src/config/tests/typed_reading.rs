// SPDX-License-Identifier: Apache-2.0
//! Tests of values with types: conversions, refusals, durations and sizes.

use super::*;

const TEXT: &str = "
flag: on
quoted: 'true'
number: 12
quoted_number: '0x10'
half: 1.5
whole: 1e3
name: 2.10
one: a
many: [a, 1, true]
ports: [80, '443']
port: 53
timeout: 30
short: 1m30.5s
negative: -1s
size: 10GB
binary: 1.5 MiB
mode: Hash
nothing:
section: {a: 1, b.c: x}
list:
- {a: 1}
- {a: 2}
headers: {X-Dotted.Name: a, Other: 3}
";

#[test]
fn conversions() {
    let config = configuration(TEXT);
    let root = config.root();
    assert_eq!(root.boolean("flag").unwrap(), Some(true));
    assert_eq!(root.boolean("quoted").unwrap(), Some(true));
    assert_eq!(root.integer("number").unwrap(), Some(12));
    assert_eq!(root.unsigned("quoted_number", 0..=16).unwrap(), Some(16));
    assert_eq!(root.integer("whole").unwrap(), Some(1000));
    assert_eq!(root.float("half").unwrap(), Some(1.5));
    assert_eq!(root.float("number").unwrap(), Some(12.0));
    assert_eq!(root.string("name").unwrap().unwrap(), "2.1");
    assert_eq!(root.strings("one").unwrap().unwrap(), ["a"]);
    assert_eq!(root.strings("many").unwrap().unwrap(), ["a", "1", "true"]);
    assert_eq!(root.ports("ports").unwrap().unwrap(), [80, 443]);
    assert_eq!(root.ports("port").unwrap().unwrap(), [53]);
    assert_eq!(root.duration("timeout").unwrap(), Some(Duration::from_secs(30)));
    assert_eq!(root.duration("short").unwrap(), Some(Duration::from_millis(90_500)));
    assert_eq!(root.duration_ns("negative").unwrap(), Some(-1_000_000_000));
    assert_eq!(root.duration_with_unit_ns("negative").unwrap(), Some(-1_000_000_000));
    assert_eq!(root.bytes("size").unwrap(), Some(10_000_000_000));
    assert_eq!(root.bytes("binary").unwrap(), Some(1_572_864));
    assert_eq!(root.bytes("number").unwrap(), Some(12));
    assert_eq!(root.choice("mode", &[("hash", 1), ("random", 2)]).unwrap(), Some(1));
    assert_eq!(root.boolean("nothing").unwrap(), None);
    assert_eq!(root.boolean("absent.deeper").unwrap(), None);
    assert!(root.section("nothing").unwrap().is_none());
    let items = root.list("list").unwrap();
    assert_eq!(items[1].path(), "list.1");
    assert_eq!(items[1].integer("a").unwrap(), Some(2));
    assert_eq!(root.list("one").unwrap()[0].text().unwrap(), "a");
    let headers = root.string_map("headers").unwrap().unwrap();
    assert_eq!(headers, [("X-Dotted.Name".into(), "a".into()), ("Other".into(), "3".into())]);
    assert_eq!(root.string("section.b.c").unwrap().unwrap(), "x");
    let keys: Vec<&str> = root.section("section").unwrap().unwrap().entries().iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn each_refusal_says_what_was_found_and_what_is_accepted() {
    let text = "a:\n  b: maybe\n  n: {x: 1}\n  p: [70000]\n  q: [-1, 3]\n  i: 1.5\n  u: 5\n  d: abc\n  m: -1\n";
    let config = configuration(text);
    let a = config.section("a").unwrap().unwrap();
    for (error, expected) in [
        (a.boolean("b").unwrap_err(), "packetbeat.yml:2: a.b: found \"maybe\", expected true or false"),
        (a.string("n").unwrap_err(), "packetbeat.yml:3: a.n: found a map, expected text"),
        (a.strings("n").unwrap_err(), "packetbeat.yml:3: a.n: found a map, expected text or a list of texts"),
        (
            a.ports("p").unwrap_err(),
            "packetbeat.yml:4: a.p: found 70000, expected ports, each an integer from 0 to 65535 or a range such as 8000-8099",
        ),
        (
            a.ports("q").unwrap_err(),
            "packetbeat.yml:5: a.q: found -1, expected ports, each an integer from 0 to 65535 or a range such as 8000-8099",
        ),
        (a.integer("i").unwrap_err(), "packetbeat.yml:6: a.i: found 1.5, expected an integer"),
        (a.unsigned("u", 1..=4).unwrap_err(), "packetbeat.yml:7: a.u: found 5, expected an integer from 1 to 4"),
        (
            a.unsigned("m", 0..=u64::MAX).unwrap_err(),
            "packetbeat.yml:9: a.m: found -1, expected an integer of 0 or more",
        ),
        (a.float("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a number"),
        (
            a.duration_ns("d").unwrap_err(),
            "packetbeat.yml:8: a.d: found \"abc\", expected a duration such as 30s or 1m30s",
        ),
        (
            a.duration("m").unwrap_err(),
            "packetbeat.yml:9: a.m: found -1, expected a duration of 0 or more such as 30s or 1m30s",
        ),
        (
            a.duration_with_unit_ns("m").unwrap_err(),
            "packetbeat.yml:9: a.m: found -1, expected a duration with its unit such as 30s or 1m30s",
        ),
        (a.bytes("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a size such as 4096, 10MB or 1GiB"),
        (
            a.choice("d", &[("x", ()), ("y", ())]).unwrap_err(),
            "packetbeat.yml:8: a.d: found \"abc\", expected one of x, y",
        ),
        (a.section("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a map"),
        (a.string_map("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a map"),
        (a.list("n").unwrap()[0].text().unwrap_err(), "packetbeat.yml:3: a.n: found a map, expected text"),
        (a.refuse_key("u", "too many"), "packetbeat.yml:7: a.u: too many"),
        (a.refuse_key("absent", "is required"), "packetbeat.yml:1: a.absent: is required"),
        (a.refuse("no"), "packetbeat.yml:1: a: no"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn durations_and_sizes() {
    for (text, expected) in [
        ("1h", Some(3_600_000_000_000)),
        ("1h30m", Some(5_400_000_000_000)),
        ("1.5ms", Some(1_500_000)),
        (".5s", Some(500_000_000)),
        ("1µs", Some(1_000)),
        ("-2ns", Some(-2)),
        ("+3us", Some(3_000)),
        ("0", Some(0)),
        ("5", None),
        ("", None),
        ("-", None),
        ("s", None),
        ("1d", None),
        ("1 s", None),
        ("1.2.3s", None),
        ("99999999999h", None),
        ("99999999999999999999999s", None),
    ] {
        assert_eq!(scalar::duration_ns(text), expected, "{text}");
    }
    for (text, expected) in [
        ("0", Some(0)),
        ("512b", Some(512)),
        ("10 MB", Some(10_000_000)),
        ("1KiB", Some(1024)),
        ("2tib", Some(2 << 40)),
        ("x", None),
        ("1XB", None),
        ("-1MB", None),
        ("99999999999999PB", None),
    ] {
        assert_eq!(scalar::size_bytes(text), expected, "{text}");
    }
}
