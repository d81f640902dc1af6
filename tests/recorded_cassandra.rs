// SPDX-License-Identifier: Apache-2.0
//! The program's Cassandra events against the logs of the clients that sent the requests.

mod recorded_support;

use std::collections::BTreeMap;

use recorded_support::{Recorded, run};
use serde_json::{Value as Json, json};

const PROTOCOLS: &str = "- type: cassandra\n  ports: [9042]\n";

/// Themes with their version and with how their bodies are compressed.
const THEMES: &[(&str, &str)] =
    &[("errors", "4"), ("lz4", "4"), ("prepared", "4"), ("queries", "4"), ("snappy", "4"), ("v3", "3"), ("v5", "5")];

#[test]
fn every_operation_is_an_event_in_order() {
    for (theme, version) in THEMES {
        let Recorded { events, operations } = run("cassandra", theme, PROTOCOLS);
        // Requests that are sent together are logged in another order than sent.
        let mut together = [Vec::new(), Vec::new()];
        let mut of_the_client = events.iter().filter(|event| !is_of_the_driver(event));
        for operation in &operations {
            let context = || format!("{theme}: {operation}");
            let event = of_the_client.next().unwrap_or_else(|| panic!("no event: {}", context()));
            assert_eq!(event["cassandra"]["request"]["headers"]["version"], *version, "{}", context());
            agrees(theme, event, operation);
            if operation.get("note").is_some() {
                together[0].push(rows(event));
                together[1].push(operation["rows"].as_u64());
            } else if operation["op"] != "SELECT paged" && rows(event).is_some() {
                assert_eq!(rows(event), operation["rows"].as_u64(), "{}", context());
            }
            if operation["op"] == "SELECT paged" {
                // A page is a request.
                let mut rows = rows(event).expect("a page has rows");
                let mut last = event;
                while last["cassandra"]["response"]["result"]["rows"]["meta"]["paging_state"].is_string() {
                    last = of_the_client.next().expect("another page");
                    rows += self::rows(last).expect("a page has rows");
                }
                assert_eq!(Some(rows), operation["rows"].as_u64(), "{}", context());
            }
        }
        assert_eq!(of_the_client.count(), 0, "{theme}");
        together.iter_mut().for_each(|rows| rows.sort());
        assert_eq!(together[0], together[1], "{theme}");
    }
}

#[test]
fn every_request_has_its_own_response() {
    for (theme, _) in THEMES {
        let Recorded { events, .. } = run("cassandra", theme, PROTOCOLS);
        for event in &events {
            let (request, response) = (&event["cassandra"]["request"], &event["cassandra"]["response"]);
            assert_eq!(event["error"], Json::Null, "{theme}: {event:#}");
            if response["headers"]["op"] == "EVENT" {
                assert_eq!(event["cassandra"]["no_request"], true, "{theme}: {event:#}");
                assert_eq!(response["event"]["type"], "SCHEMA_CHANGE", "{theme}: {event:#}");
                continue;
            }
            assert_eq!(request["headers"]["stream"], response["headers"]["stream"], "{theme}: {event:#}");
            let query = text(&request["query"]).to_ascii_lowercase();
            if let Some(table) = response["result"]["rows"]["meta"]["table"].as_str() {
                assert!(query.is_empty() || query.contains(table), "{theme}: {event:#}");
            }
            assert!(event["event"]["duration"].as_i64() >= Some(0), "{theme}: {event:#}");
            for (end, message) in [("source", request), ("destination", response)] {
                let length = message["headers"]["length"].as_u64().expect("a length");
                assert_eq!(event[end]["bytes"], length + 9, "{theme}: {event:#}");
            }
        }
    }
}

/// The four captures are of one program with another connection: the same operations, the same rows, the same errors.
#[test]
fn versions_and_compressions_say_the_same() {
    let summary = |theme: &str| -> BTreeMap<String, usize> {
        let Recorded { events, .. } = run("cassandra", theme, PROTOCOLS);
        let mut counts = BTreeMap::new();
        for event in &events {
            let cassandra = &event["cassandra"];
            let mut result = cassandra["response"]["result"].clone();
            result["prepared"]["prepared_id"] = Json::Null;
            // Version 4 names the partition key.
            result["prepared"]["req_meta"]["pkey_columns"] = Json::Null;
            let what = json!([
                cassandra["request"]["headers"]["op"],
                cassandra["request"]["query"],
                result,
                cassandra["response"]["error"],
                cassandra["response"]["event"],
            ]);
            *counts.entry(what.to_string()).or_insert(0) += 1;
        }
        counts
    };
    let expected = summary("v3");
    assert!(expected.len() > 15);
    for theme in ["lz4", "snappy", "v5"] {
        assert_eq!(summary(theme), expected, "{theme}");
    }
}

#[test]
fn operations_that_are_ignored_have_no_event() {
    let protocols = format!("{PROTOCOLS}  ignored_ops: [options, STARTUP, ERROR, EVENT]\n  send_request: false\n");
    let Recorded { events, .. } = run("cassandra", "errors", &protocols);
    let ops: Vec<&str> = events.iter().map(|event| text(&event["cassandra"]["response"]["headers"]["op"])).collect();
    assert!(!ops.is_empty() && ops.iter().all(|op| matches!(*op, "RESULT" | "READY" | "AUTH_SUCCESS")), "{ops:?}");
    assert!(events.iter().all(|event| event["status"] == "OK" && event["cassandra"]["request"].is_null()));
}

/// What the driver sends by itself, by the log's `not_logged`.
fn is_of_the_driver(event: &Json) -> bool {
    let request = &event["cassandra"]["request"];
    match text(&request["headers"]["op"]) {
        "" | "OPTIONS" | "STARTUP" | "REGISTER" => true,
        "AUTH_RESPONSE" => event["status"] == "OK",
        _ => text(&request["query"]).contains("system") || text(&request["query"]) == "USE \"rec\"",
    }
}

fn agrees(theme: &str, event: &Json, operation: &Json) {
    let context = || format!("{theme}: {operation} {event:#}");
    let request = &event["cassandra"]["request"];
    let response = &event["cassandra"]["response"];
    let op = match text(&operation["op"]) {
        op @ ("PREPARE" | "EXECUTE" | "BATCH") => op,
        "AUTH" => "AUTH_RESPONSE",
        _ => "QUERY",
    };
    assert_eq!(request["headers"]["op"], op, "{}", context());
    if op == "QUERY" {
        // `sent` is the text on the wire where it is not the statement.
        let statement = operation.get("sent").unwrap_or(&operation["statement"]);
        let query = text(&request["query"]);
        match text(statement).split_once("%s") {
            None => assert_eq!(query, text(statement), "{}", context()),
            Some((before, _)) => assert!(query.starts_with(before), "{}", context()),
        }
    }
    if operation["outcome"] != "ok" {
        assert_eq!(event["status"], "Error", "{}", context());
        assert_eq!(response["headers"]["op"], "ERROR", "{}", context());
        let error = &response["error"];
        if let Some(code) = text(&operation["message"]).split_once("code=").map(|(_, rest)| &rest[..4]) {
            assert_eq!(format!("{:04x}", error["code"].as_i64().expect("a code")), code, "{}", context());
            assert!(text(&operation["message"]).contains(&text(&error["msg"])[..20]), "{}", context());
        }
        let expected = match text(&operation["error"]) {
            "AlreadyExists" => "errAlreadyExists",
            "SyntaxException" => "errSyntax",
            "Unauthorized" => "errUnauthorized",
            "InvalidRequest" => "errInvalid",
            _ if op == "AUTH_RESPONSE" => "errCredentials",
            _ => "errUnavailable",
        };
        assert_eq!(error["type"], expected, "{}", context());
        return;
    }
    assert_eq!(event["status"], "OK", "{}", context());
    let kind = match (op, operation["rows"].as_u64(), text(&operation["statement"]).split(' ').next()) {
        ("PREPARE", ..) => "prepared",
        (_, _, Some("USE")) => "set_keyspace",
        (_, _, Some("CREATE" | "DROP" | "ALTER")) if !text(&operation["statement"]).contains(" ROLE ") => {
            "schemaChanged"
        }
        (_, _, Some("SELECT")) | (_, Some(1..), _) => "rows",
        _ => "void",
    };
    assert_eq!(response["result"]["type"], kind, "{}", context());
}

fn rows(event: &Json) -> Option<u64> {
    event["cassandra"]["response"]["result"]["rows"]["num_rows"].as_u64()
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
