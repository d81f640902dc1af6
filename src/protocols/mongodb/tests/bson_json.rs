// SPDX-License-Identifier: Apache-2.0
//! Every BSON type as JSON, and the bounds of reading and writing.

use super::super::bson::{Document, Span};
use super::super::json::Renderer;
use super::*;

fn render(document: &[u8]) -> String {
    let mut out = Vec::new();
    assert!(!Renderer::default().document(document, Span::new(0, document.len()), &mut out, 1 << 20));
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn value(kind: u8, bytes: &[u8]) -> String {
    let json = render(&document(&[element(kind, "v", bytes)]));
    json.strip_prefix("{\"v\":").and_then(|json| json.strip_suffix('}')).expect("one member").to_owned()
}

#[test]
fn every_type() {
    let id = [0x55, 0x47, 0x69, 0xb1, 0x93, 0x70, 0xaf, 0x25, 0x2b, 0x76, 0x1f, 0xe4];
    assert_eq!(value(2, &string_value(b"text")), r#""text""#);
    assert_eq!(value(3, &document(&[int("a", 1)])), r#"{"a":1}"#);
    assert_eq!(value(4, &document(&[int("0", 1), int("1", 2)])), "[1,2]");
    // Subtype 4 is a UUID; subtype 2 has its length twice.
    assert_eq!(value(5, b"\x03\0\0\0\x04\x01\x02\x03"), r#"{"Subtype":4,"Data":"AQID"}"#);
    assert_eq!(value(5, b"\x06\0\0\0\x02\x02\0\0\0\x01\x02"), r#"{"Subtype":2,"Data":"AQI="}"#);
    assert_eq!(value(5, b"\0\0\0\0\0"), r#"{"Subtype":0,"Data":""}"#);
    assert_eq!(value(6, b""), "{}");
    assert_eq!(value(7, &id), r#""554769b19370af252b761fe4""#);
    assert_eq!((value(8, &[0]), value(8, &[1])), ("false".into(), "true".into()));
    assert_eq!(value(0x0a, b""), "null");
    assert_eq!(value(0x0b, b"^a\"\0im\0"), r#"{"Pattern":"^a\"","Options":"im"}"#);
    assert_eq!(
        value(0x0c, &[&string_value(b"db.c")[..], &id].concat()),
        r#"{"DB":"db.c","Pointer":"554769b19370af252b761fe4"}"#
    );
    assert_eq!(value(0x0d, &string_value(b"f()")), r#""f()""#);
    assert_eq!(value(0x0e, &string_value(b"symbol")), r#""symbol""#);
    let scoped = [string_value(b"g()"), document(&[int("x", 1)])].concat();
    let scoped = [&(scoped.len() as i32 + 4).to_le_bytes()[..], &scoped].concat();
    assert_eq!(value(0x0f, &scoped), r#"{"Code":"g()","Scope":{"x":1}}"#);
    assert_eq!(value(0x10, &(-7i32).to_le_bytes()), "-7");
    assert_eq!(value(0x11, b"\x01\0\0\0\xff\xff\xff\xff"), r#"{"T":4294967295,"I":1}"#);
    assert_eq!(value(0x12, &i64::MIN.to_le_bytes()), "-9223372036854775808");
    assert_eq!((value(0x7f, b""), value(0xff, b"")), ("{}".into(), "{}".into()));
}

#[test]
fn dates() {
    let date = |milliseconds: i64| value(9, &milliseconds.to_le_bytes());
    assert_eq!(date(0), r#""1970-01-01T00:00:00Z""#);
    assert_eq!(date(1_430_743_592_092), r#""2015-05-04T12:46:32.092Z""#);
    assert_eq!(date(951_782_400_500), r#""2000-02-29T00:00:00.5Z""#);
    assert_eq!(date(-1), r#""1969-12-31T23:59:59.999Z""#);
    assert_eq!(date(-62_167_219_200_000), r#""0000-01-01T00:00:00Z""#);
    assert_eq!(date(i64::MAX), "9223372036854775807");
    assert_eq!(date(-62_167_219_200_001), "-62167219200001");
}

#[test]
fn numbers_as_go_writes_them() {
    let number = |number: f64| value(1, &number.to_le_bytes());
    for (value, text) in [
        (1.0, "1"),
        (-0.0, "-0"),
        (-73.856077, "-73.856077"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (f64::NAN, "\"NaN\""),
        (f64::NEG_INFINITY, "\"-Infinity\""),
    ] {
        assert_eq!(number(value), text);
    }
}

#[test]
fn decimals() {
    // Sign, biased exponent and coefficient, as in the examples of the decimal128 specification.
    let decimal = |high: u64, low: u64| value(0x13, &[low.to_le_bytes(), high.to_le_bytes()].concat());
    assert_eq!(decimal(0x3040_0000_0000_0000, 1), r#""1""#);
    assert_eq!(decimal(0xb040_0000_0000_0000, 0), r#""-0""#);
    assert_eq!(decimal(0x303e_0000_0000_0000, 123), r#""12.3""#);
    assert_eq!(decimal(0x3036_0000_0000_0000, 42), r#""0.00042""#);
    assert_eq!(decimal(0x3030_0000_0000_0000, 1), r#""1E-8""#);
    assert_eq!(decimal(0x3042_0000_0000_0000, 12), r#""1.2E+2""#);
    assert_eq!(decimal(0x7c00_0000_0000_0000, 0), r#""NaN""#);
    assert_eq!(decimal(0xf800_0000_0000_0000, 0), r#""-Infinity""#);
    assert_eq!(decimal(0x6c10_0000_0000_0000, 0), r#""0""#);
    // The largest number: 34 nines.
    let largest = decimal(0x5fff_ed09_bead_87c0, 0x378d_8e63_ffff_ffff);
    assert_eq!(largest, format!("\"9.{}E+6144\"", "9".repeat(33)));
    // One more than 34 digits hold counts as 0.
    assert_eq!(decimal(0x3041_ed09_bead_87c0, 0x378d_8e64_0000_0000), r#""0""#);
}

#[test]
fn texts_as_go_writes_them() {
    let text = |bytes: &[u8]| value(2, &string_value(bytes));
    assert_eq!(text(b"a\"\\/\n\r\t\x08\x0c\x01\x7f"), "\"a\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\u{7f}\"");
    assert_eq!(text(b"<b>&"), r#""\u003cb\u003e\u0026""#);
    assert_eq!(text("\u{2028}\u{2029}€é".as_bytes()), "\"\\u2028\\u2029€é\"");
    assert_eq!(text(b"a\xffb\xe2\x82"), r#""a\ufffdb\ufffd\ufffd""#);
    assert_eq!(text(b"with\0zero"), r#""with\u0000zero""#);
}

#[test]
fn keys_are_sorted_and_the_last_of_two_counts() {
    let json = render(&document(&[int("b", 1), int("a", 2), int("B", 3), int("a", 4), int("", 5), int("aa", 6)]));
    assert_eq!(json, r#"{"":5,"B":3,"a":4,"aa":6,"b":1}"#);
}

#[test]
fn depth_and_size_are_bounded() {
    let mut nested = document(&[]);
    for _ in 0..5000 {
        nested = document(&[element(3, "a", &nested)]);
    }
    let json = render(&nested);
    assert!(json.contains("null") && json.len() < 1000, "{}", json.len());
    let mut nested = document(&[]);
    for _ in 0..5000 {
        nested = document(&[element(4, "0", &nested)]);
    }
    assert!(render(&nested).len() < 1000);
    let many = document(&vec![element(0x0a, "", b""); 100_000]);
    assert_eq!(render(&many), r#"{"":null}"#);
    for long in [
        document(&[text("a", &"x".repeat(3 << 20))]),
        document(&[element(5, "a", &[&(3i32 << 20).to_le_bytes()[..], &[0], &vec![1; 3 << 20]].concat())]),
        document(&[element(4, "a", &document(&vec![int("0", 1); 300_000]))]),
    ] {
        let mut out = b"before".to_vec();
        assert!(Renderer::default().document(&long, Span::new(0, long.len()), &mut out, 1000));
        assert_eq!(out.len(), 1006);
        assert!(out.capacity() < 100_000, "{}", out.capacity());
    }
}

#[test]
fn a_document_that_is_cut_shows_what_came() {
    let whole = document(&[
        int("a", 1),
        text("b", "text"),
        sub("c", &[int("d", 2), text("e", "more")]),
        element(0x0b, "f", b"x\0y\0"),
        element(5, "g", b"\x01\0\0\0\0\x01"),
    ]);
    assert!(!Document::at(&whole, 0, whole.len()).0.broken);
    let mut before = 0;
    for length in 0..whole.len() {
        let part = &whole[..length];
        assert!(Document::at(part, 0, length).0.broken);
        let json = render(part);
        let json: Json = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{length} {json}: {error}"));
        let members = json.as_object().unwrap().len();
        assert!(members >= before, "{length}: {json}");
        before = members;
    }
    // Without its closing zero byte the document has all its elements.
    assert_eq!(before, 5);
}

#[test]
fn lengths_that_lie() {
    for length in [i32::MIN, -1, 0, 1, 4, i32::MAX] {
        for kind in [2, 3, 4, 5, 0x0c, 0x0d, 0x0e, 0x0f] {
            let bytes = document(&[element(kind, "a", &length.to_le_bytes()), int("b", 1)]);
            let json = render(&bytes);
            assert!(serde_json::from_str::<Json>(&json).is_ok(), "{kind} {length} {json}");
        }
        let json = render(&[&length.to_le_bytes()[..], &int("b", 1), b"\0"].concat());
        assert!(serde_json::from_str::<Json>(&json).is_ok(), "{length} {json}");
    }
    // A child that claims to be longer than its parent ends with it.
    let child = element(3, "c", &[&100i32.to_le_bytes()[..], &int("x", 1)].concat());
    assert_eq!(render(&document(&[child])), r#"{"c":{"x":1}}"#);
}
