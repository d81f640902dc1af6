// SPDX-License-Identifier: Apache-2.0
//! The program's MongoDB events against the logs of the clients that sent the commands.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: mongodb\n  ports: [27017]\n  send_request: true\n  send_response: true\n  \
                         max_doc_length: 0\n";

#[test]
fn every_operation_is_one_event_in_order() {
    for theme in ["compression-refused", "crud", "cursors", "errors", "raw"] {
        let Recorded { events, operations } = run("mongodb", theme, PROTOCOLS);
        let events: Vec<&Json> = events.iter().filter(|event| theme == "raw" || !is_of_the_driver(event)).collect();
        assert_eq!(events.len(), operations.len(), "{theme}: {events:#?}");
        for (event, operation) in events.iter().zip(&operations) {
            agrees(theme, event, operation);
        }
    }
}

#[test]
fn names_of_packetbeat_can_be_had() {
    let protocols = format!("{PROTOCOLS}  compat_op_msg_method: true\n");
    let Recorded { events, .. } = run("mongodb", "errors", &protocols);
    for event in &events {
        assert_eq!((text(&event["method"]), text(&event["resource"])), ("msg", ""), "{event:#}");
        assert!(text(&event["query"]).starts_with(".msg({"), "{event:#}");
        assert!(event["mongodb"].as_object().expect("an object").keys().all(|key| key == "error"), "{event:#}");
    }
}

/// What the driver sends by itself when it connects.
fn is_of_the_driver(event: &Json) -> bool {
    matches!(text(&event["method"]), "hello" | "ismaster")
}

fn agrees(theme: &str, event: &Json, operation: &Json) {
    let context = || format!("{theme}: {operation} {event:#}");
    let mongodb = &event["mongodb"];
    let response = text(&event["response"]);
    // The client's log says isMaster for both spellings.
    assert!(text(&event["method"]).eq_ignore_ascii_case(text(&operation["op"])), "{}", context());
    for name in ["database", "collection"] {
        if let Some(logged) = operation.get(name) {
            assert_eq!(&mongodb[name], logged, "{}", context());
            assert!(text(&event["resource"]).contains(text(logged)), "{}", context());
        }
    }
    assert_eq!(event["status"], if operation["outcome"] == "ok" { "OK" } else { "Error" }, "{}", context());
    if let Some(returned) = operation["returned"].as_u64() {
        assert_eq!(mongodb["numberReturned"].as_u64(), Some(returned), "{}", context());
    }
    if let Some(n) = operation["n"].as_u64() {
        assert!(response.contains(&format!("\"n\":{n},")), "{}", context());
    }
    if let Some(documents) = operation["documents"].as_u64() {
        let request = text(&event["request"]);
        let sent = request.split_once('(').expect("an opening bracket").1.trim_end_matches(')');
        let sent: Json = serde_json::from_str(sent).unwrap_or_else(|error| panic!("{error}: {}", context()));
        assert_eq!(sent["documents"].as_array().map(Vec::len), Some(documents as usize), "{}", context());
    }
    let error: Json = mongodb["error"].as_str().map_or(Json::Null, |text| serde_json::from_str(text).expect("JSON"));
    match text(&operation["outcome"]) {
        "ok" => assert_eq!(error, Json::Null, "{}", context()),
        "writeErrors" => assert!(error[0]["code"].is_u64(), "{}", context()),
        _ => {
            assert_eq!(error["code"], operation["code"], "{}", context());
            assert_eq!(error["errmsg"], operation["error"], "{}", context());
        }
    }
    assert!(event["event"]["duration"].as_i64().expect("a duration") >= 0, "{}", context());
    assert!(event["source"]["bytes"].as_u64() > Some(15) && event["destination"]["bytes"].as_u64() > Some(15));
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
