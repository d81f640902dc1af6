// SPDX-License-Identifier: Apache-2.0
//! Events: fields, values, the writer.

use std::net::IpAddr;
use std::sync::Arc;

use super::json::{Encoder, Metadata, Precision, civil, write_text};
use super::*;

fn event(names: &[&str]) -> Event {
    Event::new(Arc::new(Schema::new(names.iter().copied())))
}

fn encoded(event: &Event) -> serde_json::Value {
    let mut out = Vec::new();
    Encoder::new(Precision::Millisecond, Metadata::Written).write_event(event, &mut out);
    assert!(out.len() <= event.encoded_bound_bytes());
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

#[test]
fn nested_objects_are_written_once() {
    let mut event = event(&["source.geo.name", "fresh"]);
    event.unsigned(field::SOURCE_PORT, 80);
    event.text(field::TYPE, "http");
    event.address(field::SOURCE_IP, IpAddr::from([10, 0, 0, 1]));
    event.time(field::_TIMESTAMP, 1_437_000_000_123_456_789);
    let geo = event.schema().field("source.geo.name").unwrap();
    event.text(geo, "attic");
    event.list(field::EVENT_CATEGORY, |list| list.constant("network"));
    event.boolean(event.schema().field("fresh").unwrap(), true);
    assert_eq!(
        encoded(&event),
        serde_json::json!({
            "@timestamp": "2015-07-15T22:40:00.123Z", "type": "http", "event": {"category": ["network"]},
            "source": {"port": 80, "ip": "10.0.0.1", "geo": {"name": "attic"}}, "fresh": true
        })
    );
}

#[test]
fn a_free_form_value_and_fields_below_it_share_one_object() {
    let mut event = event(&["fields.c"]);
    event.map(field::FIELDS, |map| {
        map.text("a", "1");
        map.list("b", |list| {
            list.map(|map| map.unsigned("x", 1));
            list.list(|list| list.value(Value::Null));
            list.text("end");
        });
    });
    let inside = event.schema().field("fields.c").unwrap();
    event.signed(inside, -3);
    event.text(field::STATUS, "OK");
    assert_eq!(
        encoded(&event),
        serde_json::json!({"fields": {"a": "1", "b": [{"x": 1}, [null], "end"], "c": -3}, "status": "OK"})
    );
    let path = event.schema().path("fields.a").unwrap();
    assert_eq!(event.resolve(&path).and_then(|value| event.text_of(value)), Some(&b"1"[..]));
}

#[test]
fn lists_grow_and_stay_without_duplicates() {
    let mut event = event(&[]);
    event.append_unique(field::TAGS, b"a");
    event.append_unique(field::TAGS, b"b");
    event.append_unique(field::TAGS, b"a");
    event.text(field::ERROR_MESSAGE, "one");
    event.append(field::ERROR_MESSAGE, |list| list.text("two"));
    event.append(field::ERROR_MESSAGE, |list| list.map(|map| map.unsigned("n", 3)));
    event.append(field::ERROR_MESSAGE, |list| list.text("four"));
    assert_eq!(
        encoded(&event),
        serde_json::json!({"tags": ["a", "b"], "error": {"message": ["one", "two", {"n": 3}, "four"]}})
    );
}

#[test]
fn literal_dotted_keys_stay_one_key() {
    let mut event = event(&[]);
    event.text(field::USER_NAME, "ann");
    assert_eq!(encoded(&event), serde_json::json!({"user.name": "ann"}));
}

#[test]
fn text_is_escaped_and_wrong_utf8_replaced_byte_by_byte() {
    let mut out = Vec::new();
    write_text(&mut out, b"a\"\\\n\x01\xe2\x82z\xff\xc3\xa9");
    assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"\\\\\\n\\u0001\u{fffd}\u{fffd}z\u{fffd}é\"");
}

#[test]
fn times_follow_the_precision() {
    let render = |precision, time| {
        let mut out = Vec::new();
        Encoder::new(precision, Metadata::Written).write_time(time, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(render(Precision::Millisecond, 0), "1970-01-01T00:00:00.000Z");
    assert_eq!(render(Precision::Microsecond, 1_500_000), "1970-01-01T00:00:00.001500Z");
    assert_eq!(render(Precision::Nanosecond, 900_657_000), "1970-01-01T00:00:00.900657Z");
    assert_eq!(render(Precision::Nanosecond, 719_151_140), "1970-01-01T00:00:00.719151140Z");
    assert_eq!(render(Precision::Nanosecond, 1_437_000_000_100_000_001), "2015-07-15T22:40:00.100000001Z");
    assert_eq!(render(Precision::Nanosecond, -1), "1969-12-31T23:59:59.999999999Z");
    assert_eq!(civil(-719_162), (1, 1, 1));
    assert_eq!(civil(19_782), (2024, 2, 29));
}

#[test]
fn metadata_can_be_left_out() {
    let mut event = event(&[]);
    event.text(field::_METADATA_BEAT, "packetbeat");
    event.text(field::TYPE, "dns");
    let mut out = Vec::new();
    Encoder::new(Precision::Millisecond, Metadata::LeftOut).write_event(&event, &mut out);
    assert_eq!(out, br#"{"type":"dns"}"#);
}

#[test]
fn texts_of_any_length_are_escaped() {
    let mut random = fastrand::Rng::with_seed(7);
    let alphabet = b"abcdefghijklm nop\"\\\n\x01\x1f<>&\x7f\xc3\xa4\xe2\x82\xac\xff";
    for round in 0..20_000 {
        let length = random.usize(..40);
        // Most letters are plain, so that whole words are.
        let letters = if round % 2 == 0 { alphabet.len() } else { 14 };
        let text: Vec<u8> = (0..length).map(|_| alphabet[random.usize(..letters)]).collect();
        let mut written = Vec::new();
        json::write_text(&mut written, &text);
        let expected: String = text
            .utf8_chunks()
            .flat_map(|chunk| [chunk.valid().to_owned(), "\u{fffd}".repeat(chunk.invalid().len())])
            .collect();
        assert!(written.iter().all(|byte| *byte >= 0x20), "{written:?}");
        assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), expected, "{text:?}");
    }
}
