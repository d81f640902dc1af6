// SPDX-License-Identifier: Apache-2.0
//! The program's SIP events against the logs of the clients: a message is an event.

mod recorded_support;

use std::collections::BTreeMap;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: sip\n  ports: [5060]\n";

/// Every operation is a request, its provisional answers and its final one.
#[test]
fn every_request_has_the_answers_of_the_log() {
    let Recorded { events, operations } = run("sip", "answers", PROTOCOLS);
    let mut of_operations = 0;
    for operation in &operations {
        let context = format!("{operation}");
        let own: Vec<&Json> = events.iter().filter(|event| is_of(event, operation)).collect();
        of_operations += own.len();
        let requests: Vec<&&Json> = own.iter().filter(|event| event["sip"]["type"] == "request").collect();
        let [request] = requests[..] else { panic!("{context}: {requests:#?}") };
        assert_eq!(request["sip"]["uri"]["original"], operation["uri"], "{context}");
        assert_eq!(request["event"]["action"], format!("sip-{}", text(&operation["op"]).to_lowercase()), "{context}");
        assert_eq!(request["status"], "OK", "{context}");
        let answers: Vec<&Json> = own.iter().filter(|event| event["sip"]["type"] == "response").copied().collect();
        assert_eq!(codes(&answers), expected_codes(operation), "{context}");
        answers.iter().for_each(|answer| assert_answer(answer, &context));
    }
    assert_eq!(of_operations, events.len());
    assert_logins(&events);
}

#[test]
fn calls_over_udp_and_tcp_are_those_of_the_log() {
    for (theme, transport) in [("calls", "udp"), ("tcp", "tcp")] {
        let Recorded { events, operations } = run("sip", theme, PROTOCOLS);
        let mut calls: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
        for event in &events {
            assert_eq!(event["network"]["transport"], transport);
            assert_eq!(event["network"]["iana_number"], if transport == "tcp" { "6" } else { "17" });
            calls.entry(text(&event["sip"]["call_id"])).or_default().push(event);
        }
        assert_eq!(calls.len() * 3, operations.len(), "{theme}");
        for (call, messages) in calls {
            let number: u64 = call.split('-').next().and_then(|number| number.parse().ok()).expect("a number");
            let mut expected = Vec::new();
            for operation in operations.iter().filter(|operation| operation["call"] == number) {
                expected.push(format!("{} request", text(&operation["op"])));
                let codes = expected_codes(operation);
                expected.extend(codes.iter().map(|code| format!("{} {code}", text(&operation["op"]))));
            }
            let seen: Vec<String> = messages
                .iter()
                .map(|event| {
                    let answer = event["sip"]["code"].as_u64().map_or("request".to_owned(), |code| code.to_string());
                    format!("{} {answer}", text(&event["sip"]["cseq"]["method"]))
                })
                .collect();
            // What has one time has no order.
            assert_eq!(sorted(seen), sorted(expected), "{theme} {call}");
            let media = messages.iter().filter(|event| event["sip"]["sdp"]["media"]["description"].is_array());
            assert_eq!(media.count(), 2, "{theme} {call}");
        }
    }
}

fn is_of(event: &Json, operation: &Json) -> bool {
    let sip = &event["sip"];
    sip["call_id"] == operation["call_id"]
        && sip["cseq"]["code"] == operation["cseq"]
        && sip["cseq"]["method"] == operation["op"]
}

/// Codes of the answers in ascending order. An operation that only has provisional ones has the last as its outcome.
fn expected_codes(operation: &Json) -> Vec<u64> {
    let mut codes: Vec<u64> =
        operation["provisional"].as_array().into_iter().flatten().filter_map(Json::as_u64).collect();
    codes.extend(text(&operation["outcome"]).parse::<u64>());
    codes.sort_unstable();
    codes
}

fn codes(answers: &[&Json]) -> Vec<u64> {
    let mut codes: Vec<u64> = answers.iter().filter_map(|answer| answer["sip"]["code"].as_u64()).collect();
    codes.sort_unstable();
    codes
}

fn assert_answer(answer: &Json, context: &str) {
    let code = answer["sip"]["code"].as_u64().expect("a code");
    assert_eq!(answer["status"], if code < 400 { "OK" } else { "Error" }, "{context}");
    let outcome = match code {
        ..200 => Json::Null,
        200..300 => "success".into(),
        _ => "failure".into(),
    };
    assert_eq!(answer["event"]["outcome"], outcome, "{context}");
    assert_eq!(answer["event"]["reason"], answer["sip"]["status"], "{context}");
}

/// The second request of each registration has credentials.
fn assert_logins(events: &[Json]) {
    let logins: Vec<&Json> = events.iter().filter(|event| event["sip"].get("auth").is_some()).collect();
    let names: Vec<&str> = logins.iter().map(|event| text(&event["event"]["action"])).collect();
    assert_eq!(names, ["sip-register"; 2]);
    for login in logins {
        assert_eq!(login["event"]["category"], serde_json::json!(["network", "authentication"]));
        assert_eq!(login["sip"]["auth"]["scheme"], "Digest");
        assert!(text(&login["user"]["name"]).len() > 1 && login["sip"]["auth"]["realm"].is_string());
    }
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
