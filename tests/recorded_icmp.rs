// SPDX-License-Identifier: Apache-2.0
//! The program's ICMP events against the logs of the clients that sent the pings.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: icmp\n";

const NO_RESPONSE: &str = "Request was received without an associated response.";

#[test]
fn every_ping_is_one_event_in_its_order() {
    for theme in ["echo", "echo-v6"] {
        let Recorded { mut events, operations } = run("icmp", theme, PROTOCOLS);
        events.retain(|event| !is_discovery(event));
        assert_eq!(events.len(), operations.len(), "{theme}");
        for (operation, event) in operations.iter().zip(&events) {
            let context = format!("{theme}: {operation}\n{event:#}");
            assert_eq!(event["path"], operation["target"], "{context}");
            let name = event["icmp"]["request"]["message"].as_str().expect("a request").to_lowercase();
            assert_eq!(name, format!("{}request", operation["op"].as_str().expect("an operation")), "{context}");
            check_ping(operation["outcome"] == "reply", event, &context);
        }
    }
}

#[test]
fn every_error_is_told_and_the_request_that_it_answers() {
    for theme in ["errors", "errors-v6"] {
        let Recorded { mut events, operations } = run("icmp", theme, PROTOCOLS);
        let mut take = |what: &dyn Fn(&Json) -> bool, operation: &Json| {
            let place = events.iter().position(what).unwrap_or_else(|| panic!("{theme}: no event for {operation}"));
            events.remove(place)
        };
        let mut too_large = 0;
        for operation in &operations {
            let outcome = operation["outcome"].as_str().expect("an outcome");
            if outcome.contains("mtu") {
                too_large += 1;
                if too_large == 2 {
                    // The kernel has learnt the MTU: this ping never left.
                    continue;
                }
            }
            if operation["op"] == "echo" {
                let ping = |event: &Json| {
                    event["path"] == operation["target"] && event["icmp"]["request"]["message"] == "EchoRequest"
                };
                let event = take(&ping, operation);
                check_ping(outcome == "reply", &event, &format!("{theme}: {operation}\n{event:#}"));
            }
            if let Some((kind, code)) = error(theme, outcome) {
                let event = take(
                    &|event| {
                        let request = &event["icmp"]["request"];
                        request["type"] == kind && request["code"] == code
                    },
                    operation,
                );
                assert_eq!(event["status"], "Error", "{theme}: {operation}");
                assert!(event.get("error").is_none(), "{theme}: {operation}");
            }
        }
        events.retain(|event| !is_discovery(event));
        assert_eq!(events, Vec::<Json>::new(), "{theme}: events that nobody caused");
    }
}

fn check_ping(answered: bool, event: &Json, context: &str) {
    if answered {
        assert_eq!(event["status"], "OK", "{context}");
        assert!(event["icmp"].get("response").is_some(), "{context}");
        assert_eq!(event["source"].get("bytes"), event["destination"].get("bytes"), "{context}");
        assert!(event.get("error").is_none(), "{context}");
    } else {
        assert_eq!(event["status"], "Error", "{context}");
        assert!(event["icmp"].get("response").is_none(), "{context}");
        assert_eq!(event["error"]["message"], NO_RESPONSE, "{context}");
    }
}

/// Type and code of the error that the client's words mean.
fn error(theme: &str, outcome: &str) -> Option<(u64, u64)> {
    if let Some(numbers) = outcome.strip_prefix("ICMP type ") {
        let (kind, code) = numbers.split_once(" code ")?;
        return Some((kind.parse().ok()?, code.parse().ok()?));
    }
    let error = match (theme, outcome) {
        ("errors", "Destination Net Unreachable") => (3, 0),
        ("errors", "Packet filtered") => (3, 13),
        ("errors", "Time to live exceeded") => (11, 0),
        ("errors", _) if outcome.starts_with("Frag needed") => (3, 4),
        ("errors-v6", "Destination unreachable: No route") => (1, 0),
        ("errors-v6", "Destination unreachable: Administratively prohibited") => (1, 1),
        ("errors-v6", "Time exceeded: Hop limit") => (3, 0),
        ("errors-v6", _) if outcome.starts_with("Packet too big") => (2, 0),
        (_, "reply" | "no answer") => return None,
        _ => panic!("{theme}: {outcome} is not known here"),
    };
    Some(error)
}

/// Neighbour discovery, which the hosts did beside the client.
fn is_discovery(event: &Json) -> bool {
    let message = event["icmp"]["request"]["message"].as_str().unwrap_or_default();
    message.starts_with("Neighbor") || message.starts_with("Router")
}
