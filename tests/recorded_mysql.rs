// SPDX-License-Identifier: Apache-2.0
//! The program's MySQL events against the logs of the clients that sent the statements.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: mysql\n  ports: [3306]\n  send_request: true\n  send_response: true\n";

#[test]
fn every_operation_is_one_event() {
    let themes = ["commands", "deprecate-eof", "large", "mariadb-cli", "node-mysql2", "prepared", "statements"];
    for theme in themes {
        let Recorded { events, operations } = run("mysql", theme, PROTOCOLS);
        let mut used = vec![false; events.len()];
        let mut last = 0;
        for operation in operations.iter().filter(|operation| is_event(operation)) {
            // Statements of a pool are logged in the order of their answers, which is not that of the requests.
            let from = if op_of(operation).starts_with("pool") { 0 } else { last };
            let place = (from..events.len())
                .find(|place| !used[*place] && agrees(&events[*place], operation))
                .unwrap_or_else(|| panic!("{theme}: no event for {operation} in {events:#?}"));
            used[place] = true;
            last = place;
        }
        for (event, _) in events.iter().zip(&used).filter(|(_, used)| !**used) {
            assert!(is_of_the_driver(event), "{theme}: an event that nobody caused: {event:#}");
        }
    }
}

#[test]
fn statements_of_an_application() {
    for theme in ["users", "users-impaired"] {
        let Recorded { events, operations } = run("express", theme, PROTOCOLS);
        let statements: Vec<&Json> = events.iter().filter(|event| !is_of_the_driver(event)).collect();
        let operations: Vec<&Json> =
            operations.iter().filter(|operation| operation.get("statement").is_some()).collect();
        assert_eq!(statements.len(), operations.len(), "{theme}");
        for (event, operation) in statements.iter().zip(operations) {
            // A conflict and a missing table fail in the database; the application answers 409 and 500.
            let failed = operation["outcome"] == "409" || operation["outcome"] == "500";
            assert_eq!(event["status"], if failed { "Error" } else { "OK" }, "{theme}: {operation} {event:#}");
            let query = text(&event["query"]);
            // This capture begins after most statements were prepared.
            let known = query.starts_with(text(&operation["statement"]))
                || theme == "users-impaired" && query == "Request Execute Statement";
            assert!(known, "{theme}: {operation} {event:#}");
        }
    }
}

/// Logins that succeed and the end of a connection are no events.
fn is_event(operation: &Json) -> bool {
    let op = op_of(operation);
    op != "quit" && !(op == "connect" && operation["outcome"] == "ok")
}

/// What drivers send without being asked to: preparations, settings, pings.
fn is_of_the_driver(event: &Json) -> bool {
    let query = text(&event["query"]);
    let own = query == "Request Prepare Statement" || query == "PING" || event["method"] == "SET";
    own && event["status"] == "OK"
}

/// Whether an event is what the client logged.
fn agrees(event: &Json, operation: &Json) -> bool {
    let op = op_of(operation);
    let mysql = &event["mysql"];
    let number = |logged: &str, field: &str| {
        operation.get(logged).and_then(Json::as_u64).is_none_or(|number| mysql[field].as_u64() == Some(number))
    };
    // 2013 is the client's own number for a connection that is gone.
    let code =
        operation["error"].as_u64().or_else(|| operation["error"].as_str()?.parse().ok()).filter(|code| *code != 2013);
    (event["status"] == "Error") == (operation["outcome"] == "error")
        && is_named(event, operation)
        && number("rows", "num_rows")
        // A driver's cursor that has run another statement before shows the columns of that one with an UPDATE.
        && (number("fields", "num_fields") || op.ends_with("UPDATE") || op.ends_with("DELETE"))
        && number("affected", "affected_rows")
        && number("result_sets", "result_sets")
        && code.is_none_or(|code| mysql["error_code"].as_u64() == Some(code))
        && operation["message"].as_str().is_none_or(|message| text(&mysql["error_message"]).contains(message))
}

fn is_named(event: &Json, operation: &Json) -> bool {
    let op = op_of(operation);
    let query = text(&event["query"]);
    match operation.get("sent").or_else(|| operation.get("statement")).and_then(Json::as_str) {
        // Long statements are cut in the log, and the log of one driver has its own place holders.
        Some(statement) => {
            query.starts_with(&statement.split('…').next().unwrap_or_default().trim().replace("%s", "?"))
        }
        None if op == "process_kill" => query.starts_with("KILL "),
        None if op == "connect" => {
            operation["user"].as_str().is_some_and(|user| query.starts_with(&format!("CONNECT {user}")))
        }
        None => text(&event["method"]).eq_ignore_ascii_case(op),
    }
}

fn op_of(operation: &Json) -> &str {
    text(&operation["op"])
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
