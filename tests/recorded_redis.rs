// SPDX-License-Identifier: Apache-2.0
//! The program's Redis events against the logs of the clients that sent the commands.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: redis\n  ports: [6379]\n  send_request: true\n  send_response: true\n";

#[test]
fn every_command_is_one_event_in_order() {
    let themes = ["commands", "errors", "inline", "large", "pipeline", "pubsub", "redis-cli", "resp3", "transactions"];
    for theme in themes {
        let Recorded { events, operations } = run("redis", theme, PROTOCOLS);
        assert_eq!(events.len(), operations.len(), "{theme}");
        for (event, operation) in events.iter().zip(&operations) {
            let case = format!("{theme}: {operation} {event:#}");
            assert_named(event, operation, &case);
            assert_answered(event, operation, &case);
            assert_eq!(event["request"], event["query"], "{case}");
        }
    }
}

/// The command is the client's.
fn assert_named(event: &Json, operation: &Json, case: &str) {
    let sent = text(&operation["command"]);
    let query = text(&event["query"]);
    match sent.rsplit_once('…') {
        // Long commands are cut in the log, which gives their length; bytes that are no UTF-8 are replaced here, and there
        // taken for Latin-1.
        Some((start, length)) => {
            assert!(query.starts_with(start.split('\u{80}').next().unwrap_or_default()), "{case}");
            assert_eq!(format!("[{}]", query.chars().count()), length, "{case}");
        }
        None => assert_eq!(query, sent, "{case}"),
    }
    match text(&operation["op"]) {
        "(invalid)" => assert_eq!(event["method"], Json::Null, "{case}"),
        op => {
            assert_eq!(text(&event["method"]).split(' ').next(), Some(op), "{case}");
            let action = format!("redis.{}", text(&event["method"]).to_lowercase());
            assert_eq!(event["event"]["action"], action, "{case}");
        }
    }
}

/// The answer is what the client got.
fn assert_answered(event: &Json, operation: &Json, case: &str) {
    let redis = &event["redis"];
    if operation["outcome"] == "error" {
        assert_eq!(event["status"], "Error", "{case}");
        assert_eq!(event["event"]["outcome"], "failure", "{case}");
        assert_eq!(redis["error"], event["response"], "{case}");
        let error = operation["error"].as_str().unwrap_or_default().trim_start_matches('-');
        assert!(text(&redis["error"]).contains(error), "{case}");
        return;
    }
    assert_eq!(event["status"], "OK", "{case}");
    assert_eq!(redis["return_value"], event["response"], "{case}");
    assert_eq!(event["error"], Json::Null, "{case}");
    let value = text(&redis["return_value"]);
    let Some(answer) = operation["answer"].as_str() else { return };
    match answer.split_once('[').map(|(kind, rest)| (kind, rest.trim_end_matches(']'))) {
        // Bytes that are no UTF-8 are replaced by one character each.
        Some(("bytes", length)) => assert_eq!(value.chars().count().to_string(), length, "{case}"),
        Some(("list", _)) => assert!(value.starts_with('[') && value.ends_with(']'), "{case}"),
        Some(("dict", _)) => assert!(value.starts_with('{') && value.ends_with('}'), "{case}"),
        _ if answer == "None" => assert_eq!(value, "nil", "{case}"),
        _ => assert_eq!(value, answer, "{case}"),
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
