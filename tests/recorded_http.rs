// SPDX-License-Identifier: Apache-2.0
//! The program on recordings of real HTTP servers and clients: what it prints is what the client did, in that order.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "
- type: http
  ports: [80, 8080]
  send_all_headers: true
  real_ip_header: X-Forwarded-For
  hide_keywords: [pass, password]
";

#[test]
fn bodies() {
    let events = check("http/bodies");
    let chunked = &events[0]["http"]["response"];
    assert_eq!(chunked["headers"]["content-length"], 1128);
    assert!(chunked["headers"]["x-checksum"].is_string(), "the trailer belongs to the first answer: {chunked}");
}

#[test]
fn connections() {
    let events = check("http/connections");
    let notes: Vec<_> = events
        .iter()
        .filter_map(|event| Some((event["query"].as_str()?, event["error"]["message"].as_str()?)))
        .collect();
    assert_eq!(
        notes,
        [
            ("GET /cut", "Response cut off by the end of the connection"),
            ("GET /reset", "Unmatched request"),
            ("GET /slow", "Unmatched request"),
        ]
    );
}

#[test]
fn curl() {
    check("http/curl");
}

#[test]
fn headers() {
    let events = check("http/headers");
    assert!(events.iter().all(|event| !event["url"].to_string().contains("hunter2")));
    assert_eq!(events.iter().filter(|event| event["user.name"] == "ann").count(), 2);
    let forwarded: Vec<_> = events.iter().filter_map(|event| event["network"]["forwarded_ip"].as_str()).collect();
    assert_eq!(forwarded, ["192.0.2.43", "2001:db8::17"]);
}

#[test]
fn ipv6() {
    check("http/ipv6");
}

#[test]
fn methods() {
    check("http/methods");
}

#[test]
fn websocket() {
    check("http/websocket");
}

#[test]
fn express() {
    check("express/users");
}

#[test]
fn express_over_a_bad_wire() {
    check("express/users-impaired");
}

/// Compares the events of a theme with the client's log; answers the events.
fn check(theme: &str) -> Vec<Json> {
    let (protocol, name) = theme.split_once('/').expect("a folder and a theme");
    let Recorded { events, operations } = run(protocol, name, PROTOCOLS);
    let found: Vec<String> = events.iter().map(describe_event).collect();
    let expected: Vec<String> = operations.iter().map(describe_operation).collect();
    assert_eq!(found, expected, "{theme}");
    for (event, operation) in events.iter().zip(&operations) {
        check_details(event, operation);
    }
    events
}

fn describe_operation(operation: &Json) -> String {
    // Long paths are cut in the log, in their queries.
    let path = operation["path"].as_str().unwrap_or_default().split('?').next().unwrap_or_default();
    let path = path.strip_prefix("http://proxy.example").unwrap_or(path);
    format!(
        "{} {path} {}",
        operation["op"].as_str().unwrap_or_default(),
        operation["outcome"].as_str().unwrap_or_default()
    )
}

fn describe_event(event: &Json) -> String {
    let code = &event["http"]["response"]["status_code"];
    let outcome = if code.is_null() { "no answer".to_owned() } else { code.to_string() };
    let path = event["url"]["path"].as_str().unwrap_or_default();
    format!("{} {path} {outcome}", event["method"].as_str().unwrap_or_default())
}

fn check_details(event: &Json, operation: &Json) {
    let name = describe_event(event);
    let failed = match event["http"]["response"]["status_code"].as_u64() {
        Some(code) => code >= 400 || operation.get("error").is_some(),
        None => true,
    };
    assert_eq!(event["status"], if failed { "Error" } else { "OK" }, "{name}");
    if let Some(port) = operation.get("port") {
        assert_eq!(event["destination"]["port"], *port, "{name}");
    }
    for (logged, message) in [("request_body_bytes", "request"), ("response_body_bytes", "response")] {
        let Some(bytes) = operation[logged].as_u64() else { continue };
        let body = event["http"][message]["body"]["bytes"].as_u64().unwrap_or(0);
        // The client does not count what it sends in chunks.
        let in_chunks = event["http"][message]["headers"]["transfer-encoding"] == "chunked" && message == "request";
        assert!(body == bytes || in_chunks, "{name}: {message} body of {body} bytes, {bytes} in the log");
    }
    if let Some(reason) = operation["reason"].as_str() {
        assert_eq!(event["http"]["response"]["status_phrase"], reason.to_lowercase(), "{name}");
    }
}
