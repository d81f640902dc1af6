// SPDX-License-Identifier: Apache-2.0
//! Each processor and condition on an event, from YAML to JSON.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::*;
use crate::config::Configuration;
use crate::event::field;
use crate::event::json::{Encoder, Metadata, Precision};

mod settings;

/// Reads a list of processors, fills an event, and answers what becomes of it.
struct Run {
    warnings: Vec<String>,
    outcome: Outcome,
    event: Json,
}

fn read_text(text: &str) -> (Result<Vec<Prepared>, ConfigError>, Vec<String>) {
    let configuration = Configuration::from_text("test.yml", text).unwrap();
    let mut warnings = Vec::new();
    let prepared = read(&configuration.root(), &mut warnings);
    (prepared, warnings)
}

fn run_on(text: &str, fill: impl FnOnce(&mut Event)) -> Run {
    let (prepared, warnings) = read_text(text);
    let prepared = prepared.unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<String> = prepared.iter().flat_map(|prepared| prepared.names.clone()).collect();
    let schema = Arc::new(Schema::new(names.iter().map(String::as_str)));
    let chain = Chain::bind(prepared, &schema);
    let mut event = Event::new(Arc::clone(&schema));
    fill(&mut event);
    let outcome = chain.process(&mut event);
    let mut out = Vec::new();
    Encoder::new(Precision::Nanosecond, Metadata::Written).write_event(&event, &mut out);
    assert!(out.len() <= event.encoded_bound_bytes(), "the bound holds");
    let event =
        serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)));
    Run { warnings, outcome, event }
}

/// The event after the processors of `text`, started from a small HTTP event.
fn after(text: &str) -> Json {
    let run = run_on(&format!("processors:\n{text}"), http_event);
    assert_eq!(run.outcome, Outcome::Keep);
    run.event
}

fn outcome(text: &str) -> Outcome {
    run_on(&format!("processors:\n{text}"), http_event).outcome
}

fn http_event(event: &mut Event) {
    event.time(field::_TIMESTAMP, 1_437_000_000_123_000_000);
    event.constant(field::_METADATA_BEAT, "packetbeat");
    event.constant(field::TYPE, "http");
    event.text(field::STATUS, "OK");
    event.text(field::METHOD, "GET");
    event.text(field::QUERY, "GET /a%20b+c");
    event.address(field::SOURCE_IP, IpAddr::from([10, 0, 0, 1]));
    event.unsigned(field::SOURCE_PORT, 40_000);
    event.address(field::DESTINATION_IP, IpAddr::from([192, 0, 2, 9]));
    event.unsigned(field::DESTINATION_PORT, 80);
    event.constant(field::NETWORK_TRANSPORT, "tcp");
    event.unsigned(field::NETWORK_BYTES, 304);
    event.text(field::URL_DOMAIN, "www.example.co.uk");
    event.list(field::TAGS, |list| list.text("forwarded"));
    // Stands for any object with free-form keys.
    event.map(field::FIELDS, |map| {
        map.key("content-type").text("text/plain");
        map.map("deep", |map| {
            map.unsigned("n", 7);
            map.text("dur", "1m30s");
        });
        map.list("items", |list| {
            list.text("one");
            list.text("");
        });
    });
}

fn start() -> Json {
    json!({
        "@timestamp": "2015-07-15T22:40:00.123Z", "@metadata": {"beat": "packetbeat"}, "type": "http", "status": "OK",
        "method": "GET", "query": "GET /a%20b+c",
        "source": {"ip": "10.0.0.1", "port": 40000}, "destination": {"ip": "192.0.2.9", "port": 80},
        "network": {"transport": "tcp", "bytes": 304}, "url": {"domain": "www.example.co.uk"}, "tags": ["forwarded"],
        "fields": {"content-type": "text/plain", "deep": {"n": 7, "dur": "1m30s"}, "items": ["one", ""]}
    })
}

/// The start with some values set by JSON pointer; null removes one.
fn start_with(changes: &[(&str, Json)]) -> Json {
    let mut event = start();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut here = &mut event;
        for part in parent.split('/').skip(1) {
            here = here.as_object_mut().unwrap().entry(part).or_insert_with(|| json!({}));
        }
        let object = here.as_object_mut().unwrap();
        match value {
            Json::Null => object.remove(key),
            value => object.insert(key.to_owned(), value.clone()),
        };
    }
    event
}

#[test]
fn the_start_is_what_the_tests_say() {
    assert_eq!(run_on("", http_event).event, start());
}

#[test]
fn drop_fields_by_name_and_expression() {
    assert_eq!(
        after(
            "  - drop_fields: {fields: [source, query, type, '@timestamp', none, fields.deep.n, fields.content-type]}"
        ),
        start_with(&[
            ("/source", json!(null)),
            ("/query", json!(null)),
            ("/fields/deep/n", json!(null)),
            ("/fields/content-type", json!(null)),
        ])
    );
    // An object that loses its last value stays.
    assert_eq!(
        after("  - drop_fields: {fields: ['/^url\\..*/', '/^fields\\.deep\\.d/', '/type/']}"),
        start_with(&[("/url", json!({})), ("/fields/deep/dur", json!(null)), ("/fields/content-type", json!(null)),])
    );
}

#[test]
fn include_fields_keeps_what_every_event_needs() {
    assert_eq!(
        after("  - include_fields: {fields: [source.ip, fields.deep.n, none]}"),
        json!({"@timestamp": "2015-07-15T22:40:00.123Z", "@metadata": {"beat": "packetbeat"}, "type": "http",
               "source": {"ip": "10.0.0.1"}, "fields": {"deep": {"n": 7}}})
    );
    assert_eq!(
        after("  - include_fields: {fields: []}"),
        json!({"@timestamp": "2015-07-15T22:40:00.123Z", "@metadata": {"beat": "packetbeat"}, "type": "http"})
    );
    assert_eq!(
        after("  - include_fields: {fields: ['/\\.ip$/', '/dur/']}"),
        json!({"@timestamp": "2015-07-15T22:40:00.123Z", "@metadata": {"beat": "packetbeat"}, "type": "http",
               "source": {"ip": "10.0.0.1"}, "destination": {"ip": "192.0.2.9"}, "fields": {"deep": {"dur": "1m30s"}}})
    );
}

#[test]
fn add_fields_merges_and_overwrites() {
    assert_eq!(
        after("  - add_fields: {target: project, fields: {name: x, id: 574, list: [1, a], deep.er: true}}"),
        start_with(&[("/project", json!({"name": "x", "id": 574, "list": [1, "a"], "deep": {"er": true}}))])
    );
    assert_eq!(
        after("  - add_fields: {fields: {deep: {n: 8, m: 1.5}, content-type: {x: 1}}}"),
        start_with(&[
            ("/fields/deep/n", json!(8)),
            ("/fields/deep/m", json!(1.5)),
            ("/fields/content-type", json!({"x": 1})),
        ])
    );
    assert_eq!(
        after("  - add_fields: {target: '', fields: {status: {a: 1}, '@timestamp': x, env: prod}}"),
        start_with(&[("/status", json!({"a": 1})), ("/env", json!("prod"))])
    );
}

#[test]
fn labels_stay_flat() {
    assert_eq!(
        after("  - add_labels: {labels: {a: b, c.d: e, c: {f: 2}}}\n  - add_labels: {labels: {c.d: z, a: w}}"),
        start_with(&[("/labels", json!({"a": "w", "c.d": "z", "c.f": 2}))])
    );
}

#[test]
fn tags_are_appended() {
    assert_eq!(after("  - add_tags: {tags: [x, z]}"), start_with(&[("/tags", json!(["forwarded", "x", "z"]))]));
    assert_eq!(after("  - add_tags: {tags: [x], target: marks.a}"), start_with(&[("/marks", json!({"a": ["x"]}))]));
    assert_eq!(after("  - add_tags: {tags: [x], target: status}"), start_with(&[("/status", json!(["OK", "x"]))]));
}

#[test]
fn rename_moves_values_and_objects() {
    assert_eq!(
        after("  - rename: {fields: [{from: source, to: fields.deep.from}, {from: fields.items, to: items}]}"),
        start_with(&[
            ("/source", json!(null)),
            ("/fields/deep/from", json!({"ip": "10.0.0.1", "port": 40000})),
            ("/fields/items", json!(null)),
            ("/items", json!(["one", ""])),
        ])
    );
    // a becomes a.b
    assert_eq!(
        after("  - rename: {fields: [{from: query, to: query.text}]}"),
        start_with(&[("/query", json!({"text": "GET /a%20b+c"}))])
    );
}

#[test]
fn a_failed_rename_undoes_all_and_says_so() {
    assert_eq!(
        after("  - rename: {fields: [{from: query, to: q}, {from: none, to: x}]}"),
        start_with(&[(
            "/error",
            json!({"message": "failed to rename fields in processor: could not fetch value for key: none, Error: key not found"})
        )])
    );
    assert_eq!(
        after("  - rename: {fields: [{from: query, to: q}, {from: none, to: x}], ignore_missing: true}"),
        start_with(&[("/query", json!(null)), ("/q", json!("GET /a%20b+c"))])
    );
    assert_eq!(
        after("  - rename: {fields: [{from: query, to: q}, {from: method, to: status}], fail_on_error: false}"),
        start_with(&[("/query", json!(null)), ("/q", json!("GET /a%20b+c"))])
    );
    assert_eq!(
        after("  - rename: {fields: [{from: method, to: query.below}]}")["error"]["message"],
        json!(
            "failed to rename fields in processor: could not put a value at query.below: a value above it is not an object"
        )
    );
}

#[test]
fn copy_and_move() {
    assert_eq!(
        after("  - copy_fields: {fields: [{from: source, to: copied}, {from: fields.deep, to: deep}]}"),
        start_with(&[
            ("/copied", json!({"ip": "10.0.0.1", "port": 40000})),
            ("/deep", json!({"n": 7, "dur": "1m30s"})),
        ])
    );
    assert_eq!(
        after("  - move_fields: {from: source, fields: [port, none], to: moved., ignore_missing: true}"),
        start_with(&[("/source/port", json!(null)), ("/moved", json!({"port": 40000}))])
    );
    assert_eq!(
        after("  - move_fields: {from: fields, exclude: [items], to: x_}"),
        start_with(&[
            ("/fields", json!({"items": ["one", ""]})),
            ("/x_content-type", json!("text/plain")),
            ("/x_deep", json!({"n": 7, "dur": "1m30s"})),
        ])
    );
    assert_eq!(after("  - move_fields: {from: source, fields: [port, none], to: moved.}"), start());
}

#[test]
fn convert_types() {
    assert_eq!(
        after(
            "  - convert:\n      fields:\n        - {from: source.port, type: string}\n        - {from: source.ip, to: ip, type: ip}\n        - {from: network.bytes, to: double, type: double}\n        - {from: network.bytes, to: copy}"
        ),
        start_with(&[
            ("/source/port", json!("40000")),
            ("/ip", json!("10.0.0.1")),
            ("/double", json!(304)),
            ("/copy", json!(304)),
        ])
    );
    let texts = "  - add_fields: {target: '', fields: {hex: '0x1f', ok: T, big: '3000000000', f: '1.1'}}\n";
    let converted = after(&format!(
        "{texts}  - convert: {{fields: [{{from: hex, type: long}}, {{from: ok, type: boolean}}, {{from: f, type: float}}]}}"
    ));
    assert_eq!((&converted["hex"], &converted["ok"], &converted["f"]), (&json!(31), &json!(true), &json!(1.1)));
    // The first conversion is undone with the second, which does not fit.
    let failed =
        after(&format!("{texts}  - convert: {{fields: [{{from: hex, type: long}}, {{from: big, type: integer}}]}}"));
    assert_eq!((&failed["hex"], &failed["big"]), (&json!("0x1f"), &json!("3000000000")));
    assert_eq!(
        after("  - convert: {fields: [{from: query, to: q, type: string}], mode: rename}"),
        start_with(&[("/query", json!(null)), ("/q", json!("GET /a%20b+c"))])
    );
}

#[test]
fn truncate_and_replace() {
    assert_eq!(
        after("  - truncate_fields: {fields: [query, method], max_characters: 4}"),
        start_with(&[("/query", json!("GET ")), ("/log", json!({"flags": ["truncated"]}))])
    );
    let umlauts = "  - add_fields: {target: '', fields: {text: äöü}}\n";
    assert_eq!(
        after(&format!("{umlauts}  - truncate_fields: {{fields: [text], max_characters: 2}}"))["text"],
        json!("äö")
    );
    assert_eq!(after(&format!("{umlauts}  - truncate_fields: {{fields: [text], max_bytes: 4}}"))["text"], json!("äö"));
    assert_eq!(after("  - truncate_fields: {fields: [query, none], max_bytes: 2}"), start());
    assert_eq!(
        after(
            "  - replace: {fields: [{field: query, pattern: '([a-z])%20', replacement: '$1_$$'}, {field: source.ip, pattern: '^10\\.', replacement: '11.'}]}"
        ),
        start_with(&[("/query", json!("GET /$b+c")), ("/source/ip", json!("11.0.0.1"))])
    );
    assert_eq!(
        after("  - replace: {fields: [{field: query, pattern: '([a-z])%20', replacement: '$${1}-$$$$'}]}")["query"],
        json!("GET /a-$b+c")
    );
}

#[test]
fn append_values_of_fields_and_constants() {
    assert_eq!(
        after("  - append: {target_field: seen, values: [v, 3], fields: [source.ip, fields.items]}"),
        start_with(&[("/seen", json!(["10.0.0.1", "one", "", "v", 3]))])
    );
    assert_eq!(
        after(
            "  - append: {target_field: tags, values: ['', forwarded, x], fields: [none], ignore_missing: true, ignore_empty_values: true, allow_duplicate: false}"
        ),
        start_with(&[("/tags", json!(["forwarded", "x"]))])
    );
    assert_eq!(
        after("  - append: {target_field: tags, fields: [none]}")["error"]["message"],
        json!("failed to append fields in append processor: could not fetch value for key: none, Error: key not found")
    );
}

#[test]
fn the_case_of_names_changes() {
    assert_eq!(
        after("  - uppercase: {fields: [Source.ip, type, status]}"),
        start_with(&[
            ("/source", json!(null)),
            ("/SOURCE", json!({"IP": "10.0.0.1", "port": 40000})),
            ("/status", json!(null)),
            ("/STATUS", json!("OK")),
        ])
    );
    assert_eq!(
        after("  - uppercase: {fields: [source.ip], alter_full_field: false}"),
        start_with(&[("/source", json!({"IP": "10.0.0.1", "port": 40000}))])
    );
    assert_eq!(after("  - lowercase: {fields: [method, none], ignore_missing: true}"), start());
    assert!(after("  - lowercase: {fields: [none]}")["error"]["message"].is_string());
}

#[test]
fn extract_array_takes_elements() {
    assert_eq!(
        after("  - extract_array: {field: fields.items, mappings: {first.one: 0, second: 1}, omit_empty: true}"),
        start_with(&[("/first", json!({"one": "one"}))])
    );
    assert_eq!(after("  - extract_array: {field: fields.items, mappings: {a: 0, b: 2}}"), start());
    assert_eq!(
        after("  - extract_array: {field: fields.items, mappings: {a: 0, b: 2}, fail_on_error: false}"),
        start_with(&[("/a", json!("one"))])
    );
    assert_eq!(after("  - extract_array: {field: fields.items, mappings: {status: 0}}"), start());
    assert_eq!(
        after("  - extract_array: {field: fields.items, mappings: {status: 0}, overwrite_keys: true}"),
        start_with(&[("/status", json!("one"))])
    );
}

fn after_json(text: &str, options: &str) -> Json {
    let run = run_on(&format!("processors:\n  - decode_json_fields: {{fields: [query], {options}}}"), |event| {
        http_event(event);
        event.text(field::QUERY, text);
    });
    run.event
}

#[test]
fn decode_json_in_place_at_a_field_and_at_the_root() {
    let text = r#"{"a": {"b": 1}, "c": "[1, {\"d\": 2.5}]", "status": "no", "id": "x1", "e.f": null}"#;
    let decoded = json!({"a": {"b": 1}, "c": "[1, {\"d\": 2.5}]", "status": "no", "id": "x1", "e.f": null});
    assert_eq!(after_json(text, ""), start_with(&[("/query", decoded.clone())]));
    let deep = after_json(text, "max_depth: 3, target: json, expand_keys: true, document_id: id");
    assert_eq!(deep["json"], json!({"a": {"b": 1}, "c": [1, {"d": 2.5}], "status": "no", "e": {"f": null}}));
    assert_eq!(deep["@metadata"]["_id"], json!("x1"));
    let root = after_json(text, "target: ''");
    assert_eq!((&root["a"], &root["status"], &root["id"]), (&json!({"b": 1}), &json!("OK"), &json!("x1")));
    let root = after_json(r#"{"status": "no", "source": {"new": 1, "port": 2}}"#, "target: '', overwrite_keys: true");
    assert_eq!(root["status"], json!("no"));
    assert_eq!(root["source"], json!({"ip": "10.0.0.1", "port": 2, "new": 1}));
    let failed = after_json("{", "add_error_key: true");
    assert_eq!(failed["query"], json!("{"));
    assert_eq!(failed["error"]["type"], json!("json"));
    assert_eq!(failed["error"]["field"], json!("query"));
}

#[test]
fn broken_json_is_no_trouble() {
    let text = r#"{"a": [1, {"b": "c"}], "d": "{\"e\": 1}"}"#;
    for length in 0..text.len() {
        assert_eq!(
            after_json(&text[..length], "max_depth: 5, target: ''"),
            start_with(&[("/query", json!(text[..length]))])
        );
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let mut bytes = text.as_bytes().to_vec();
        let place = random.usize(..bytes.len());
        bytes[place] = random.u8(32..127);
        let mutated = String::from_utf8(bytes).unwrap();
        assert_eq!(after_json(&mutated, "max_depth: 5, target: '', overwrite_keys: true")["type"], json!("http"));
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(after_json(&deep, "")["query"], json!(deep));
}

#[test]
fn decode_base64_gzip_and_urls() {
    let add = "  - add_fields: {target: '', fields: {b: aGVsbG8=, u: aGVsbG8, g: H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA==, bad: '*'}}\n";
    let base64 = after(&format!(
        "{add}  - decode_base64_field: {{field: {{from: b, to: c}}}}\n  - decode_base64_field: {{field: {{from: u}}}}"
    ));
    assert_eq!((&base64["c"], &base64["u"]), (&json!("hello"), &json!("hello")));
    let failed = after(&format!("{add}  - decode_base64_field: {{field: {{from: bad}}}}"));
    assert_eq!(
        failed["error"]["message"],
        json!("failed to decode base64 fields in processor: error trying to decode bad: not base64")
    );
    assert_eq!(after("  - urldecode: {fields: [{from: query}]}"), start_with(&[("/query", json!("GET /a b c"))]));
    let bad = after("  - add_fields: {target: '', fields: {x: 'a%2'}}\n  - urldecode: {fields: [{from: x, to: y}]}");
    assert_eq!(
        bad["error"]["message"],
        json!("failed to decode fields in urldecode processor: invalid URL escape in x")
    );
}

#[test]
fn decompress_gzip() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"hello hello hello").unwrap();
    let packed = encoder.finish().unwrap();
    let text = "processors:\n  - decompress_gzip_field: {field: {from: query, to: plain}}";
    let run = run_on(text, |event| event.text(field::QUERY, &packed));
    assert_eq!(run.event["plain"], json!("hello hello hello"));
    for length in 0..packed.len() {
        let run = run_on(text, |event| event.text(field::QUERY, &packed[..length]));
        assert!(run.event["plain"].is_null());
        assert!(run.event["error"]["message"].is_string());
    }
    // Much from little: refused, not stored.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 11 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(run_on(text, |event| event.text(field::QUERY, &bomb)).event["plain"].is_null());
}

#[test]
fn fingerprints_are_those_of_packetbeat() {
    // sha256 of "|method|GET|source.port|40000|".
    use sha2::Digest as _;
    let expected = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(b"|method|GET|source.port|40000|"));
    assert_eq!(
        after("  - fingerprint: {fields: [source.port, method]}"),
        start_with(&[("/fingerprint", json!(expected))])
    );
    let time = after("  - fingerprint: {fields: ['@timestamp'], method: md5, encoding: base64, target_field: h.f}");
    let digest = md5::Md5::digest(b"|@timestamp|2015-07-15 22:40:00.123 +0000 UTC|");
    assert_eq!(time["h"]["f"], json!(data_encoding::BASE64.encode(&digest)));
    let xxhash = after("  - fingerprint: {fields: [method], method: xxhash}")["fingerprint"].clone();
    assert_eq!(xxhash, json!(format!("{:016x}", twox_hash::XxHash64::oneshot(0, b"|method|GET|"))));
    assert_eq!(after("  - fingerprint: {fields: [none]}"), start());
    assert_eq!(after("  - fingerprint: {fields: [tags], ignore_missing: true}"), start());
    for (method, length) in [("sha1", 40), ("sha384", 96), ("sha512", 128)] {
        let text = format!("  - fingerprint: {{fields: [method], method: {method}}}");
        assert_eq!(after(&text)["fingerprint"].as_str().unwrap().len(), length);
    }
}

#[test]
fn dissect_takes_texts_apart() {
    let all = |pattern: &str, text: &str| {
        dissect::dissected(pattern, text)
            .map(|parts| parts.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";"))
    };
    assert_eq!(all("%{a} - %{b}", "x - y z").as_deref(), Some("a=x;b=y z"));
    assert_eq!(all("[%{a}] %{?skip} %{}", "[x] y z").as_deref(), Some("a=x"));
    assert_eq!(all("%{a->} %{b}", "x     y").as_deref(), Some("a=x;b=y"));
    assert_eq!(all("%{b} %{+a/2}-%{+a/1}", "z x-y").as_deref(), Some("b=z;a=y x"));
    assert_eq!(all("%{?k}=%{&k}", "name=value").as_deref(), Some("name=value"));
    assert_eq!(all("%{a#2}%{b}", "xyz").as_deref(), Some("a=xy;b=z"));
    assert_eq!(all("%{a},%{b}", "xyz"), None);
    assert_eq!(
        after("  - dissect: {field: query, tokenizer: '%{verb} /%{path}+%{rest}', trim_values: all, trim_chars: 'c'}"),
        start_with(&[("/dissect", json!({"verb": "GET", "path": "a%20b", "rest": ""}))])
    );
    assert_eq!(
        after("  - dissect: {field: source.ip, tokenizer: '%{a|integer}.%{b}', target_prefix: ''}"),
        start_with(&[("/a", json!(10)), ("/b", json!("0.0.1"))])
    );
    assert_eq!(
        after("  - dissect: {field: query, tokenizer: '%{a}~%{b}'}"),
        start_with(&[("/log", json!({"flags": ["dissect_parsing_error"]}))])
    );
    assert_eq!(after("  - dissect: {field: query, tokenizer: '%{a}~%{b}', ignore_failure: true}"), start());
    assert_eq!(
        after("  - dissect: {field: query, tokenizer: '%{method} %{x}', target_prefix: '', ignore_failure: true}"),
        start()
    );
    assert_eq!(
        after("  - dissect: {field: query, tokenizer: '%{method} %{?x}', target_prefix: '', overwrite_keys: true}"),
        start()
    );
}

#[test]
fn ids_are_unique_and_time_is_local() {
    let id = |event: Json| event["@metadata"]["_id"].as_str().unwrap().to_owned();
    let (first, second) = (id(after("  - add_id:")), id(after("  - add_id: ~")));
    assert_eq!(first.len(), 20);
    assert_ne!(first, second);
    assert!(after("  - add_id: {target_field: uid}")["uid"].is_string());
    let zone = after("  - add_locale:")["event"]["timezone"].as_str().unwrap().to_owned();
    assert!(zone.len() == 6 && zone.as_bytes()[3] == b':', "{zone}");
    let zone = after("  - add_locale: {format: abbreviation}")["event"]["timezone"].as_str().unwrap().to_owned();
    assert!(!zone.is_empty());
    let now = after("  - now: {field: processed.at}")["processed"]["at"].as_str().unwrap().to_owned();
    assert!(now.as_str() > "2026-01-01" && now.ends_with('Z'), "{now}");
}

#[test]
fn network_processors() {
    let id = after("  - community_id:")["network"]["community_id"].clone();
    let run = run_on("processors:\n  - community_id: {target: cid, fields: {source_ip: a, source_port: b}}", |event| {
        http_event(event);
        let schema = Arc::clone(event.schema());
        event.text(schema.field("a").unwrap(), "10.0.0.1");
        event.text(schema.field("b").unwrap(), "40000");
    });
    assert_eq!(run.event["cid"], id);
    // The specification's test vector for TCP.
    let run = run_on("processors:\n  - community_id:", |event| {
        event.address(field::SOURCE_IP, IpAddr::from([128, 232, 110, 120]));
        event.unsigned(field::SOURCE_PORT, 34_855);
        event.address(field::DESTINATION_IP, IpAddr::from([66, 35, 250, 204]));
        event.unsigned(field::DESTINATION_PORT, 80);
        event.constant(field::NETWORK_TRANSPORT, "tcp");
    });
    assert_eq!(run.event["network"]["community_id"], json!("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
    let direction = "  - add_network_direction: {source: source.ip, destination: destination.ip, target: direction, internal_networks: [private]}";
    assert_eq!(after(direction), start_with(&[("/direction", json!("outbound"))]));
    assert_eq!(
        after(
            "  - registered_domain: {field: url.domain, target_field: url.registered, target_etld_field: url.tld, target_subdomain_field: url.sub}"
        ),
        start_with(&[(
            "/url",
            json!({"domain": "www.example.co.uk", "registered": "example.co.uk", "tld": "co.uk", "sub": "www"})
        )])
    );
    assert_eq!(
        after("  - registered_domain: {field: query, target_field: x, ignore_missing: true}")["url"],
        start()["url"]
    );
}

#[test]
fn durations_become_numbers() {
    assert_eq!(
        after("  - decode_duration: {field: fields.deep.dur, format: minutes}"),
        start_with(&[("/fields/deep/dur", json!(1.5))])
    );
    assert_eq!(after("  - decode_duration: {field: query}"), start());
}

#[test]
fn media_types_have_packetbeats_names() {
    let cases: &[(&[u8], Option<&str>)] = &[
        (b"<html>Test</html>", Some("text/html; charset=utf-8")),
        (b"  <!DOCTYPE html>\n<html>", Some("text/html; charset=utf-8")),
        (b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff", Some("application/vnd.microsoft.portable-executable")),
        (b"{}", Some("application/json")),
        (b"<test></test>", Some("text/xml")),
        (b"<?xml version=\"1.0\"?><a/>", Some("text/xml; charset=utf-8")),
        (b"Hello world!", Some("text/plain; charset=utf-8")),
        (b"user=monica&telephon=8932784368", Some("text/plain; charset=utf-8")),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some("image/png")),
        (b"\x1f\x8b\x08\0", Some("application/gzip")),
        (b"%PDF-1.7", Some("application/pdf")),
        (b"\x00\x02\x03binary", None),
    ];
    for (content, expected) in cases {
        assert_eq!(sniff::media_type(content), *expected, "{}", String::from_utf8_lossy(content));
    }
    assert_eq!(
        after("  - detect_mime_type: {field: query, target: kind.of}"),
        start_with(&[("/kind", json!({"of": "text/plain; charset=utf-8"}))])
    );
    assert_eq!(after("  - detect_mime_type: {field: none, target: kind}"), start());
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..random.usize(..600)).map(|_| random.u8(..)).collect();
        sniff::media_type(&bytes);
    }
    for (content, _) in cases {
        for length in 0..content.len() {
            sniff::media_type(&content[..length]);
        }
    }
}

#[test]
fn rates_are_limited_by_packet_time() {
    assert_eq!(rate_limit::interval_and_burst_ns("5/s"), Some((200_000_000, 1_000_000_000)));
    assert_eq!(rate_limit::interval_and_burst_ns("0/s"), None);
    assert_eq!(rate_limit::interval_and_burst_ns("5/d"), None);
    let count = |text: &str, addresses: u8| {
        let (prepared, _) = read_text(text);
        let prepared = prepared.unwrap();
        let names: Vec<String> = prepared.iter().flat_map(|prepared| prepared.names.clone()).collect();
        let schema = Arc::new(Schema::new(names.iter().map(String::as_str)));
        let chain = Chain::bind(prepared, &schema);
        let mut event = Event::new(schema);
        let mut kept = 0;
        // 100 events in one second.
        for number in 0..100u32 {
            event.clear();
            event.time(field::_TIMESTAMP, 1_437_000_000_000_000_000 + i64::from(number) * 10_000_000);
            event.address(field::SOURCE_IP, IpAddr::from([10, 0, 0, (number % u32::from(addresses)) as u8]));
            kept += u32::from(chain.process(&mut event) == Outcome::Keep);
        }
        kept
    };
    // Ten at once, then one every 100 ms.
    assert_eq!(count("processors: [{rate_limit: {limit: 10/s}}]", 1), 19);
    assert_eq!(count("processors: [{rate_limit: {limit: 10/s, fields: [source.ip]}}]", 2), 38);
    assert_eq!(count("processors: [{rate_limit: {limit: 6000/m}}]", 1), 100);
}

#[test]
fn host_and_observer_are_this_machine() {
    let event = after(
        "  - add_host_metadata: {netinfo.enabled: true, cache.ttl: 5m, geo: {name: attic, location: '40.7, -74.0'}}",
    );
    let hostname = host::name();
    assert_eq!(event["host"]["hostname"], json!(hostname));
    assert_eq!(event["host"]["name"], json!(hostname.to_lowercase()));
    assert_eq!(event["host"]["os"]["type"], json!("linux"));
    assert_eq!(event["host"]["geo"], json!({"name": "attic", "location": "40.7, -74.0"}));
    assert!(event["host"]["ip"].is_array() && event["host"]["mac"].is_array());
    let event = after("  - add_host_metadata: {netinfo: {enabled: false}}");
    assert!(event["host"]["ip"].is_null());
    let kept = "  - add_fields: {target: host, fields: {id: x}}\n  - add_host_metadata: {replace_fields: false}";
    assert_eq!(after(kept)["host"], json!({"id": "x"}));
    let event = after("  - add_observer_metadata:");
    assert_eq!(event["observer"]["hostname"], json!(hostname));
    let release = "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n";
    assert_eq!(host::os_release_value(release, "ID").as_deref(), Some("debian"));
    assert_eq!(host::os_release_value(release, "NAME").as_deref(), Some("Debian GNU/Linux"));
}
