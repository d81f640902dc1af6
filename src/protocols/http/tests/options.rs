// SPDX-License-Identifier: Apache-2.0
//! Every option changes what it says.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value as Json, json};

use super::super::{Options, SendHeaders, config};
use super::{ToClient, ToServer, bench_of, defaults};
use crate::config::Configuration;

/// The event of one transaction.
fn event(options: Options, request: &[u8], response: &[u8]) -> Json {
    let mut bench = bench_of(options);
    bench.send(ToServer, request);
    bench.send(ToClient, response);
    bench.fin(ToClient);
    assert_eq!(bench.events().len(), 1);
    bench.events()[0].clone()
}

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A response with one more header field and a body.
fn response(field: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=x\r\n{field}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn headers_are_sent_when_listed_or_all() {
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nX-Twice: one\r\nx-one:1\r\nX-TWICE: two\r\nX-Folded: a\r\n  b\r\n\tc\r\nX-Empty:\r\nno colon\r\n\r\n";
    let none = event(defaults(), request, NO_CONTENT);
    assert_eq!(none["http"]["request"]["headers"], json!({"content-length": 0}));
    let listed = SendHeaders::Listed(vec!["x-twice".into(), "host".into(), "content-length".into()]);
    let some = event(Options { send_headers: listed, ..defaults() }, request, NO_CONTENT);
    let headers = &some["http"]["request"]["headers"];
    assert_eq!(*headers, json!({"content-length": 0, "host": "h", "x-twice": "one, two"}));
    let all = event(Options { send_headers: SendHeaders::All, ..defaults() }, request, NO_CONTENT);
    assert_eq!(
        all["http"]["request"]["headers"],
        json!({"content-length": 0, "host": "h", "x-twice": "one, two", "x-one": "1", "x-folded": "a b c", "x-empty": ""})
    );
}

#[test]
fn fields_of_the_trailer_are_sent_too() {
    let answer =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 99\r\nContent-Length: 7\r\n\r\n";
    let event = event(Options { send_headers: SendHeaders::All, ..defaults() }, b"GET / HTTP/1.1\r\n\r\n", answer);
    let headers = &event["http"]["response"]["headers"];
    assert_eq!(*headers, json!({"content-length": 1, "transfer-encoding": "chunked", "x-sum": "99"}));
}

#[test]
fn cookies_are_split() {
    let options = Options { send_headers: SendHeaders::All, split_cookie: true, ..defaults() };
    let event = event(
        options,
        b"GET / HTTP/1.1\r\nCookie: Session=\"s 1\"; theme=dark; empty=; nothing; theme=light\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nSet-Cookie: session=s3; HttpOnly\r\nSet-Cookie: Theme=dark; Path=/\r\n\r\n",
    );
    assert_eq!(event["http"]["request"]["headers"]["cookie"], json!({"session": "s 1", "theme": "light", "empty": ""}));
    // Each field on its own: Packetbeat joins them first and finds a cookie "httponly, theme".
    assert_eq!(
        event["http"]["response"]["headers"]["set-cookie"],
        json!({"session": "s3", "theme": "dark", "path": "/"})
    );
}

#[test]
fn credentials_are_redacted() {
    let request = b"GET / HTTP/1.1\r\nAUTHORIZATION: Basic YW5uOnNlY3JldA==\r\nProxy-Authorization: Basic\r\n  YW5uOnNlY3JldA==\r\nX: 1\r\n\r\n";
    let mut options = Options { send_headers: SendHeaders::All, ..defaults() };
    options.common.send_request = true;
    let open = event(options.clone(), request, NO_CONTENT);
    assert_eq!(open["user.name"], "ann");
    assert_eq!(open["related"]["user"], json!(["ann"]));
    assert_eq!(open["request"].as_str().unwrap().as_bytes(), request);
    options.redact_authorization = true;
    let closed = event(options.clone(), request, NO_CONTENT);
    assert!(closed.get("user.name").is_none() && closed["related"].get("user").is_none());
    assert_eq!(closed["http"]["request"]["headers"]["authorization"], "*");
    assert_eq!(closed["http"]["request"]["headers"]["proxy-authorization"], "*");
    assert!(!closed.to_string().contains("YW5u"));
    assert!(closed["request"].as_str().unwrap().ends_with("*\r\nX: 1\r\n\r\n"));
    // Without sent headers there is no user either.
    let unsent = event(defaults(), request, NO_CONTENT);
    assert!(unsent.get("user.name").is_none());
}

#[test]
fn listed_headers_are_redacted_in_both_directions() {
    let options = Options {
        send_headers: SendHeaders::All,
        redact_headers: vec!["x-secret".into(), "authorization".into()],
        ..defaults()
    };
    let request = b"GET / HTTP/1.1\r\nX-Secret: a\r\nX-Secret: b\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n";
    let event = event(options, request, b"HTTP/1.1 204 No Content\r\nX-Secret: c\r\nX-Open: d\r\n\r\n");
    assert_eq!(event["http"]["request"]["headers"]["x-secret"], "REDACTED");
    assert_eq!(event["http"]["request"]["headers"]["authorization"], "REDACTED");
    assert_eq!(event["http"]["response"]["headers"]["x-secret"], "REDACTED");
    assert_eq!(event["http"]["response"]["headers"]["x-open"], "d");
    assert_eq!(event["user.name"], "ann");
}

#[test]
fn the_real_address_is_the_first_of_the_list() {
    let options = Options { real_ip_header: Some("x-forwarded-for".into()), ..defaults() };
    let send = |value: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: 192.0.2.7\r\nX-Forwarded-For: {value}\r\n\r\n");
        event(options.clone(), request.as_bytes(), NO_CONTENT)
    };
    let event = send("2001:db8::9, 198.51.100.1");
    assert_eq!(event["network"]["forwarded_ip"], "2001:db8::9");
    assert_eq!(event["related"]["ip"], json!(["10.0.0.1", "10.0.0.2", "192.0.2.7", "2001:db8::9"]));
    assert!(send("unknown")["network"].get("forwarded_ip").is_none());
}

#[test]
fn the_port_of_the_host_header_should_be_the_servers() {
    let request = b"GET / HTTP/1.1\r\nHost: h:65535\r\n\r\n";
    let event = event(defaults(), request, NO_CONTENT);
    assert_eq!(event["error"]["message"], "Host header port number mismatch");
    assert_eq!(event["url"]["full"], "http://h:65535/");
    assert_eq!(event["url"]["port"], 65535);
    assert_eq!(event["destination"]["domain"], "h");
    assert_eq!(event["status"], "OK");
}

#[test]
fn raw_messages_are_sent_with_included_bodies() {
    let mut options = defaults();
    options.common.send_request = true;
    options.common.send_response = true;
    let request = b"PUT / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
    let answer = response("X: y", b"hello");
    let bare = event(options.clone(), request, &answer);
    assert_eq!(bare["request"].as_str().unwrap().as_bytes(), &request[..request.len() - 2]);
    assert_eq!(bare["response"].as_str().unwrap().as_bytes(), &answer[..answer.len() - 5]);
    options.include_request_body_for = vec!["plain".into()];
    options.include_response_body_for = vec!["PLAIN".into()];
    let whole = event(options, request, &answer);
    assert_eq!(whole["request"].as_str().unwrap().as_bytes(), request);
    assert_eq!(whole["response"].as_str().unwrap().as_bytes(), answer);
    assert_eq!(whole["http"]["request"]["body"], json!({"bytes": 2, "content": "hi"}));
    assert_eq!(whole["http"]["response"]["body"], json!({"bytes": 5, "content": "hello"}));
    let neither = event(defaults(), request, &answer);
    assert!(neither.get("request").is_none() && neither.get("response").is_none());
}

#[test]
fn bodies_are_included_for_one_direction() {
    let request = b"PUT / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
    let answer = response("X: y", b"hello");
    let requests = Options { include_request_body_for: vec!["text/".into()], ..defaults() };
    let event_of_requests = event(requests, request, &answer);
    assert_eq!(event_of_requests["http"]["request"]["body"]["content"], "hi");
    assert!(event_of_requests["http"]["response"]["body"].get("content").is_none());
    let responses = Options { include_response_body_for: vec!["json".into(), "charset=x".into()], ..defaults() };
    let event_of_responses = event(responses, request, &answer);
    assert!(event_of_responses["http"]["request"]["body"].get("content").is_none());
    assert_eq!(event_of_responses["http"]["response"]["body"]["content"], "hello");
}

#[test]
fn forms_become_parameters() {
    let request = b"POST /f?user=x&a=1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 22\r\n\r\nuser=ann&pass=sec%20ret";
    let options = Options { hide_keywords: vec!["pass".into()], ..defaults() };
    let event = event(options, &request[..request.len() - 1], NO_CONTENT);
    assert_eq!(event["url"]["query"], "a=1&pass=xxxxx&user=ann");
    assert!(event["http"]["request"]["body"].get("content").is_none());
}

fn packed<W: Write>(mut encoder: W, finish: impl FnOnce(W) -> std::io::Result<Vec<u8>>, text: &[u8]) -> Vec<u8> {
    encoder.write_all(text).unwrap();
    finish(encoder).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    packed(GzEncoder::new(Vec::new(), Compression::default()), GzEncoder::finish, text)
}

#[test]
fn bodies_are_decoded() {
    let text = "the same words again and again, ".repeat(50);
    let zlib = packed(ZlibEncoder::new(Vec::new(), Compression::default()), ZlibEncoder::finish, text.as_bytes());
    let raw = packed(DeflateEncoder::new(Vec::new(), Compression::default()), DeflateEncoder::finish, text.as_bytes());
    let gzip_twice = gzip(&gzip(text.as_bytes()));
    for (coding, body) in [
        ("gzip", gzip(text.as_bytes())),
        ("X-GZIP", gzip(text.as_bytes())),
        ("deflate", zlib.clone()),
        ("deflate", raw.clone()),
        ("x-deflate", raw),
        ("identity", text.clone().into_bytes()),
        ("gzip, gzip", gzip_twice),
        ("deflate, gzip", gzip(&zlib)),
    ] {
        let options = Options { include_response_body_for: vec!["text".into()], ..defaults() };
        let answer = response(&format!("Content-Encoding: {coding}"), &body);
        let event = event(options.clone(), b"GET / HTTP/1.1\r\n\r\n", &answer);
        assert_eq!(event["http"]["response"]["body"], json!({"bytes": text.len(), "content": text}), "{coding}");
        assert_eq!(event["http"]["response"]["headers"]["content-length"], body.len());
        let undecoded =
            super::options::event(Options { decode_body: false, ..options }, b"GET / HTTP/1.1\r\n\r\n", &answer);
        assert_eq!(undecoded["http"]["response"]["body"]["bytes"], body.len());
    }
}

#[test]
fn transfer_codings_are_undone_before_content_codings() {
    let options = Options { include_response_body_for: vec!["text".into()], ..defaults() };
    let body = gzip(&packed(ZlibEncoder::new(Vec::new(), Compression::fast()), ZlibEncoder::finish, b"inside"));
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/a\r\nTransfer-Encoding: gzip, chunked\r\nContent-Encoding: deflate\r\n\r\n{:x}\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer.extend_from_slice(b"\r\n0\r\n\r\n");
    let event = event(options, b"GET / HTTP/1.1\r\n\r\n", &answer);
    assert_eq!(event["http"]["response"]["body"]["content"], "inside");
}

#[test]
fn bodies_that_cannot_be_decoded_leave_a_note() {
    let options = Options { include_response_body_for: vec!["text".into()], ..defaults() };
    let packed = gzip(b"a text that is long enough to be cut in its middle, surely");
    let large = gzip(&vec![b'x'; 100_000]);
    for (coding, body, limit, note, content) in [
        ("br", &b"??"[..], 10_000, "unable to decode body using br encoding: decoder not found", None),
        (
            "gzip",
            &packed[..packed.len() - 20],
            10_000,
            "unable to decode body using gzip encoding: unexpected EOF",
            Some("a text"),
        ),
        ("gzip", b"no gzip at all", 10_000, "unable to decode body using gzip encoding: invalid data", None),
        (
            "gzip",
            &large,
            1000,
            "unable to decode body using gzip encoding: body truncated due to size limitation",
            Some("xxxx"),
        ),
    ] {
        let options = Options { max_message_size: limit, ..options.clone() };
        let answer = response(&format!("Content-Encoding: {coding}"), body);
        let event = event(options, b"GET / HTTP/1.1\r\n\r\n", &answer);
        assert_eq!(event["error"]["message"], note);
        assert_eq!(event["status"], "OK");
        let body = &event["http"]["response"]["body"];
        match content {
            Some(content) => assert!(body["content"].as_str().unwrap().starts_with(content), "{body}"),
            None => assert!(body.get("content").is_none(), "{body}"),
        }
        assert!(body["content"].as_str().unwrap_or_default().len() <= limit);
    }
}

#[test]
fn a_message_keeps_no_more_than_its_limit() {
    let options = Options { include_response_body_for: vec!["text".into()], max_message_size: 200, ..defaults() };
    let answer = response("X: y", &[b'z'; 5000]);
    let header_bytes = answer.len() - 5000;
    for size in [1, 37, 10_000] {
        let mut bench = bench_of(options.clone());
        bench.send(ToServer, b"GET / HTTP/1.1\r\n\r\n");
        bench.send_in(ToClient, &answer, size);
        let body = &bench.events()[0]["http"]["response"]["body"];
        assert_eq!(body["content"].as_str().unwrap().len(), 200 - header_bytes);
        assert_eq!(body["bytes"], 5000);
    }
}

#[test]
fn options_are_read_from_a_section() {
    let text = "
include_body_for: [text/html]
include_request_body_for: json
include_response_body_for: [xml]
hide_keywords: [Pass, token]
redact_authorization: true
redact_headers: [X-Api-Key]
send_headers: [User-Agent, host]
split_cookie: true
real_ip_header: X-Forwarded-For
decode_body: false
max_message_size: 2048
";
    let read = |text: &str| {
        let configuration = Configuration::from_text("test.yml", text).unwrap();
        let options = config::read(&configuration.root(), &defaults().common).map_err(|error| error.to_string());
        (options, configuration.unused())
    };
    let (options, unused) = read(text);
    let options = options.unwrap();
    assert!(unused.is_empty(), "{unused:?}");
    assert_eq!(options.hide_keywords, ["pass", "token"]);
    assert_eq!(options.redact_headers, ["x-api-key"]);
    assert_eq!(options.send_headers, SendHeaders::Listed(vec!["user-agent".into(), "host".into()]));
    assert_eq!(options.real_ip_header.as_deref(), Some("x-forwarded-for"));
    assert_eq!(options.include_request_body_for, ["json", "text/html"]);
    assert_eq!(options.include_response_body_for, ["xml", "text/html"]);
    assert!(options.redact_authorization && options.split_cookie && !options.decode_body);
    assert_eq!(options.max_message_size, 2048);
    assert_eq!(read("send_all_headers: true").0.unwrap().send_headers, SendHeaders::All);
    let error = read("max_message_size: much").0.unwrap_err();
    assert!(error.contains("test.yml") && error.contains("max_message_size") && error.contains("much"), "{error}");
}
