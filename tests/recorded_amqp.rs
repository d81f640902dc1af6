// SPDX-License-Identifier: Apache-2.0
//! The program's AMQP events against the logs of the clients that called the methods.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::{Value as Json, json};

const PROTOCOLS: &str = "- type: amqp\n  ports: [5672]\n  send_request: true\n  send_response: true\n  \
                         hide_connection_information: false\n  max_body_length: -1\n";

/// What the log calls an operation is one event of that method, in the order of the log; a client logs its deliveries when it
/// takes them, so that only those of one method are in order.
#[test]
fn every_operation_is_one_event_in_order() {
    for theme in ["topology", "publish", "consume", "transactions", "large"] {
        let Recorded { events, operations } = run("amqp", theme, PROTOCOLS);
        let mut left = events;
        for operation in &operations {
            let place = left.iter().position(|event| is_named(event, operation) && is_of_client(event));
            let event = left.remove(place.unwrap_or_else(|| panic!("{theme}: {operation}")));
            assert_eq!(event["status"], "OK", "{theme}: {operation} {event:#}");
            assert_eq!(event["error"], Json::Null, "{theme}: {operation} {event:#}");
            assert_carried_out(&event, operation);
        }
        // What the client's library does by itself, and what the broker does: confirmations.
        for event in left {
            let method = text(&event["method"]);
            let is_of_library = matches!(method, "connection.start" | "connection.tune" | "channel.close");
            assert!(is_of_library || !is_of_client(&event), "{theme}: not in the log: {event:#}");
        }
    }
}

#[test]
fn every_error_is_seen() {
    let Recorded { events, operations } = run("amqp", "errors", PROTOCOLS);
    let failures = || events.iter().filter(|event| event["status"] == "Error");
    for operation in operations.iter().filter(|operation| operation["outcome"] == "error") {
        let op = text(&operation["op"]);
        match (op, operation["code"].as_u64()) {
            // The method has failed, and the broker's close names it.
            (_, Some(code)) => {
                let reply = |event: &&Json| {
                    event["amqp"]["reply-code"] == code && event["amqp"]["reply-text"] == operation["text"]
                };
                let failed = failures().filter(reply).find(|event| event["method"] == op);
                let failed = failed.unwrap_or_else(|| panic!("{operation}"));
                assert_eq!(failed["error"]["message"], "Closed by the other end instead of an answer");
                assert_eq!(failed["response"], operation["text"], "{failed:#}");
                let ids = [&failed["method"]].map(|method| numbers(text(method)));
                let closes = failures().filter(reply).filter(|event| event["method"] == "channel.close");
                assert!(closes.map(about).any(|about| ids.contains(&about)), "{operation}");
            }
            ("basic.publish", None) if operation["routing_key"] == "nobody" => {
                let returned: Vec<_> = failures().filter(|event| event["method"] == "basic.return").collect();
                assert_eq!(returned.len(), 1);
                assert_eq!(returned[0]["amqp"]["reply-code"], 312);
                assert_eq!(returned[0]["amqp"]["routing-key"], "nobody");
            }
            ("basic.publish", None) => {
                let closes = failures().filter(|event| event["method"] == "channel.close");
                assert_eq!(closes.map(about).filter(|about| *about == (60, 40)).count(), 1, "{operation}");
            }
            ("connection.open", None) => {
                let code = if operation["error"] == "ProbableAuthenticationError" { 403 } else { 530 };
                let closes: Vec<_> = failures()
                    .filter(|event| event["method"] == "connection.close" && event["amqp"]["reply-code"] == code)
                    .collect();
                assert_eq!(closes.len(), 1, "{operation}");
                assert_eq!(closes[0]["error"]["message"], "Close-ok method not received by sender");
            }
            _ => panic!("{operation}"),
        }
    }
    // A vhost that is not there is the answer to connection.open.
    let refused: Vec<_> = failures().filter(|event| event["method"] == "connection.open").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (&refused[0]["amqp"]["virtual-host"], &refused[0]["amqp"]["reply-code"]),
        (&json!("missing"), &json!(530))
    );
    // Six methods and seven channel closes, a returned message, a vhost, two closed connections.
    assert_eq!(failures().count(), 17);
    let opened =
        |method: &str| events.iter().filter(|event| event["method"] == method && event["status"] == "OK").count();
    let logged = |op: &str| operations.iter().filter(|o| o["op"] == op && o["outcome"] == "ok").count();
    for op in ["connection.open", "channel.open", "connection.close"] {
        assert_eq!(opened(op), logged(op), "{op}");
    }
}

/// With the settings of the shipped file connection information is hidden, and refused connections are seen all the same.
#[test]
fn hidden_connection_information_leaves_errors() {
    let Recorded { events, .. } = run("amqp", "errors", "- type: amqp\n  ports: [5672]\n");
    let closes = events.iter().filter(|event| event["method"] == "connection.close");
    assert_eq!(closes.map(|event| event["amqp"]["reply-code"].clone()).collect::<Vec<_>>(), [json!(403), json!(530)]);
    let hidden = ["connection.start", "connection.tune", "connection.open", "channel.open"];
    assert!(events.iter().all(|event| !hidden.contains(&text(&event["method"]))));
    assert!(events.iter().all(|event| event.get("request").is_none() && event.get("response").is_none()));
}

/// Class and method number of what fails here.
fn numbers(method: &str) -> (u64, u64) {
    match method {
        "queue.declare" => (50, 10),
        "queue.bind" => (50, 20),
        "basic.get" => (60, 70),
        "exchange.declare" => (40, 10),
        "exchange.delete" => (40, 20),
        other => panic!("{other}"),
    }
}

fn about(event: &Json) -> (u64, u64) {
    let number = |key: &str| event["amqp"][key].as_u64().expect("a number");
    (number("class-id"), number("method-id"))
}

fn is_named(event: &Json, operation: &Json) -> bool {
    match text(&operation["op"]) {
        "basic.get" if operation["outcome"] == "empty" => event["method"] == "basic.get-empty",
        op => event["method"] == op,
    }
}

/// Messages that the broker delivers have the client as their source, too.
fn is_of_client(event: &Json) -> bool {
    event["destination"]["port"] == 5672
}

/// What the log says of an operation stands in the event.
fn assert_carried_out(event: &Json, operation: &Json) {
    let case = || format!("{operation} {event:#}");
    let amqp = &event["amqp"];
    for (logged, field) in [
        ("exchange", "exchange"),
        ("kind", "exchange-type"),
        ("routing_key", "routing-key"),
        ("source", "source"),
        ("destination", "destination"),
        ("delivery_tag", "delivery-tag"),
        ("passive", "passive"),
        ("redelivered", "redelivered"),
        ("answered", "queue"),
    ] {
        if let Some(value) = operation.get(logged) {
            let is_of_message = logged == "routing_key" && operation["op"] == "basic.get";
            assert!(is_of_message || amqp[field] == *value, "{logged}: {}", case());
        }
    }
    if let Some(queue) = operation.get("queue").filter(|_| operation.get("answered").is_none()) {
        assert_eq!(amqp["queue"], *queue, "{}", case());
    }
    if let Some(bytes) = operation["bytes"].as_u64() {
        let (side, body) =
            if operation["op"] == "basic.publish" { ("source", "request") } else { ("destination", "response") };
        assert_eq!(event[side]["bytes"].as_u64().unwrap_or_default(), bytes, "{}", case());
        let body = text(&event[body]);
        // A body that is no text is numbers with blanks between them.
        let is_text = amqp["content-type"].as_str().is_some_and(|kind| kind.contains("text"));
        let length = if is_text { body.len() } else { body.split_whitespace().count() };
        assert_eq!(length as u64, bytes, "{}", case());
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
