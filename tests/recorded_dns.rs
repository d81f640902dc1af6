// SPDX-License-Identifier: Apache-2.0
//! The program's DNS events against the logs of the clients that sent the queries.

mod recorded_support;

use recorded_support::{Recorded, run, start};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: dns\n  ports: [53]\n  include_authorities: true\n  include_additionals: true\n";

#[test]
fn every_operation_is_one_event() {
    for theme in ["dig", "edns", "ipv6", "rcodes", "tcp", "types", "unanswered"] {
        let Recorded { mut events, operations } = run("dns", theme, PROTOCOLS);
        let mut last_start = String::new();
        for operation in operations.iter().filter(|operation| operation["op"] != "(malformed)") {
            // Where the log has no id, operations were done one after the other.
            let place = events
                .iter()
                .position(|event| {
                    event["network"]["transport"] == operation["transport"]
                        && operation.get("id").is_none_or(|id| event["dns"]["id"] == *id)
                })
                .unwrap_or_else(|| panic!("{theme}: no event for {operation}"));
            let event = events.remove(place);
            check(theme, operation, &event);
            assert!(start(&event) >= last_start.as_str(), "{theme}: {operation} is out of order");
            last_start = start(&event).to_owned();
        }
        assert_eq!(events, Vec::<Json>::new(), "{theme}: events that nobody caused");
    }
}

fn check(theme: &str, operation: &Json, event: &Json) {
    let context = format!("{theme}: {operation}\n{event:#}");
    let dns = &event["dns"];
    if operation["outcome"] == "no answer" {
        assert_eq!((&dns["type"], &event["status"]), (&Json::from("query"), &Json::from("Error")), "{context}");
        assert_eq!(event["error"]["message"], "No response to this query was received", "{context}");
    } else {
        assert_eq!((&dns["type"], &dns["response_code"]), (&Json::from("answer"), &operation["outcome"]), "{context}");
        let status = if operation["outcome"] == "NOERROR" { "OK" } else { "Error" };
        assert_eq!(event["status"], status, "{context}");
        assert!(event.get("error").is_none(), "{context}");
    }
    if let Some(name) = operation["name"].as_str() {
        // The log writes a space as a number, Packetbeat behind a backslash.
        let name = name.trim_end_matches('.').replace("\\032", "\\ ");
        let kind = operation["type"].as_str().expect("a type").trim_start_matches("TYPE");
        assert_eq!(dns["question"]["name"], name, "{context}");
        assert_eq!(dns["question"]["type"], kind, "{context}");
        assert_eq!(event["resource"], name, "{context}");
    }
    if let Some(method) = operation["op"].as_str().filter(|method| *method != "AXFR") {
        assert_eq!(event["method"], method, "{context}");
    }
    if let Some(flags) = operation["flags"].as_str() {
        let mut seen = vec!["QR"];
        let set = dns["header_flags"].as_array().expect("a list");
        seen.extend(set.iter().filter_map(Json::as_str).filter(|flag| *flag != "DO"));
        assert_eq!(seen.join(" "), flags, "{context}");
    }
    let opt = u64::from(dns.get("opt").is_some());
    for (key, count) in [
        ("answers", dns["answers_count"].as_u64()),
        ("records", dns["answers_count"].as_u64()),
        ("authority", dns["authorities_count"].as_u64()),
        // The log counts the OPT record.
        ("additional", dns["additionals_count"].as_u64().map(|count| count + opt)),
    ] {
        if let Some(expected) = operation.get(key) {
            assert_eq!(expected.as_u64(), count, "{key} in {context}");
        }
    }
    if let Some(types) = operation["answer_types"].as_array() {
        let none = Vec::new();
        let answers = dns["answers"].as_array().unwrap_or(&none);
        for kind in types {
            let kind = kind.as_str().expect("a type").trim_start_matches("TYPE");
            assert!(answers.iter().any(|answer| answer["type"] == kind), "no {kind} in {context}");
        }
    }
}
