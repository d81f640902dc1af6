// SPDX-License-Identifier: Apache-2.0
//! The program's memcache events against the logs of the clients that sent the commands.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: memcache\n  ports: [11211]\n";

#[test]
fn every_command_is_one_event_in_order() {
    for (theme, count) in [("binary", 50), ("large", 7), ("text", 68), ("text-errors", 21), ("udp", 14)] {
        let Recorded { events, operations } = run("memcache", theme, PROTOCOLS);
        assert_eq!((events.len(), operations.len()), (count, count), "{theme}");
        for (event, operation) in events.iter().zip(&operations) {
            let case = format!("{theme}: {operation} {event:#}");
            assert_named(theme, event, operation, &case);
            assert_answered(theme, event, operation, &case);
        }
    }
}

/// Command and key are the client's, and sizes are on the side that sent them.
fn assert_named(theme: &str, event: &Json, operation: &Json, case: &str) {
    let memcache = &event["memcache"];
    let request = &memcache["request"];
    let op = operation["op"].as_str().expect("an operation");
    if theme == "binary" {
        let opcode = request["opcode"].as_str().expect("an opcode").to_lowercase().replace('-', "");
        assert_eq!(opcode, if op == "0x77" { "" } else { op }, "{case}");
        assert_eq!(memcache["protocol_type"], "binary", "{case}");
    } else {
        assert_eq!(request["command"], if op == "nonsense" { "UNKNOWN" } else { op }, "{case}");
        assert_eq!(memcache["protocol_type"], "text", "{case}");
    }
    if let Some(key) = operation["key"].as_str() {
        assert_eq!(request["keys"][0], key, "{case}");
    }
    if let Some(opaque) = operation["opaque"].as_u64() {
        assert_eq!(request["opaque"], opaque, "{case}");
    }
    if let (Some(sent), None) = (operation["request"].as_str(), operation["note"].as_str())
        && op != "nonsense"
        && operation["outcome"] != "no answer"
    {
        // Long ones are cut in the log.
        assert!(sent.starts_with(op), "{case}");
        assert!(event["source"]["bytes"].as_u64() >= Some(sent.len() as u64), "{case}");
    }
    if let Some(bytes) = operation["bytes"].as_u64() {
        let carrier = if op == "set" { "source" } else { "destination" };
        assert!(event[carrier]["bytes"].as_u64() >= Some(bytes), "{case}");
        let end = if op == "set" { "request" } else { "response" };
        assert_eq!(memcache[end]["bytes"], bytes, "{case}");
    }
}

/// The answer is what the client got.
fn assert_answered(theme: &str, event: &Json, operation: &Json, case: &str) {
    let response = &event["memcache"]["response"];
    let outcome = operation["outcome"].as_str().expect("an outcome");
    let silent = operation["noreply"] == true
        || operation["answer"] == ""
        || operation["op"] == "quit" && theme != "binary"
        || operation["op"] == "setq";
    match outcome {
        "ok" => assert_eq!(event["status"], "OK", "{case}"),
        "error" => assert!(event["status"].as_str().is_some_and(|status| status.contains("Error")), "{case}"),
        "no answer" => assert!(response.is_null(), "{case}"),
        status => {
            let code = status.strip_prefix("status ").and_then(|code| code.parse::<u64>().ok());
            assert_eq!(response["status_code"].as_u64(), code, "{case}");
        }
    }
    if outcome == "error" {
        assert_eq!(event["event.outcome"], "failure", "{case}");
    }
    if silent {
        assert!(response.is_null(), "{case}");
    }
    if let Some(hits) = operation["hits"].as_u64() {
        assert_eq!(response["count_values"].as_u64().unwrap_or(0), hits, "{case}");
    }
    if let Some(stored) = operation["stored"].as_bool() {
        assert_eq!(response["command"] == "STORED", stored, "{case}");
    }
    if let Some(answer) = operation["answer"].as_str().filter(|_| theme == "text-errors" || theme == "udp")
        && !answer.is_empty()
    {
        let word = answer.split([' ', '\r']).next().unwrap_or_default();
        assert_eq!(response["command"], word, "{case}");
        if answer.ends_with("\r\n") {
            assert_eq!(event["destination"]["bytes"], answer.len() as u64, "{case}");
        }
    }
    if outcome != "no answer" && !silent && theme != "binary" {
        assert!(event.get("error").is_none(), "{case}");
    }
}
