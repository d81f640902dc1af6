// SPDX-License-Identifier: Apache-2.0
//! The program's PostgreSQL events against the logs of the clients that sent the statements.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: pgsql\n  ports: [5432]\n  send_request: true\n  send_response: true\n";

#[test]
fn every_operation_is_one_event() {
    for theme in ["copy", "errors", "extended", "node-pg", "psql", "session", "simple"] {
        let Recorded { events, operations } = run("pgsql", theme, PROTOCOLS);
        let mut used = vec![false; events.len()];
        let mut last = 0;
        for operation in operations.iter().filter(|operation| is_event(operation)) {
            // Statements of a pool are logged in the order of their answers; a cancelled one behind its cancellation.
            let op = text(&operation["op"]);
            let from = if op.starts_with("pool") || op == "cancel" { 0 } else { last };
            for wanted in expected(operation) {
                let place = (from..events.len())
                    .find(|place| !used[*place] && agrees(&events[*place], &wanted))
                    .unwrap_or_else(|| panic!("{theme}: no event for {wanted:?} of {operation} in {events:#?}"));
                used[place] = true;
                if op != "cancel" {
                    last = place;
                }
            }
        }
        let extra: Vec<&Json> = events.iter().zip(&used).filter(|(_, used)| !**used).map(|(event, _)| event).collect();
        assert!(extra.is_empty(), "{theme}: events that nobody caused: {extra:#?}");
    }
}

/// Logins that succeed and the end of a connection are no events.
fn is_event(operation: &Json) -> bool {
    let op = text(&operation["op"]);
    op != "terminate" && !(op == "connect" && operation["outcome"] == "ok")
}

/// What an event must say.
#[derive(Debug)]
struct Expected {
    /// The beginning of `query`.
    query: String,
    method: Option<String>,
    failed: bool,
    code: Option<String>,
    message: Option<String>,
    rows: Option<u64>,
    fields: Option<u64>,
}

/// The events of an operation; several for several statements.
fn expected(operation: &Json) -> Vec<Expected> {
    let op = text(&operation["op"]);
    let failed = operation["outcome"] == "error";
    let statement = text(operation.get("sent").unwrap_or(&operation["statement"]));
    // Statements are cut in the log; the log of a driver has its own place holders.
    let beginning = |statement: &str| {
        let cut = statement.split('…').next().unwrap_or_default();
        cut.split("%s").next().unwrap_or_default().trim().to_owned()
    };
    let number = |key: &str| operation.get(key).and_then(Json::as_u64);
    let word = |text: &str| text.split_whitespace().next().map(str::to_uppercase);
    let one = Expected {
        query: beginning(statement),
        method: word(statement),
        failed,
        code: operation["sqlstate"].as_str().map(str::to_owned),
        // What the client says of a connection that is gone is its own.
        message: operation["message"].as_str().filter(|_| operation.get("sqlstate").is_some()).map(str::to_owned),
        rows: number("rows").filter(|_| op != "DELETE"),
        fields: number("fields"),
    };
    let plain = |query: &str, failed: bool| Expected {
        query: query.to_owned(),
        method: word(query),
        failed,
        code: None,
        message: None,
        rows: None,
        fields: None,
    };
    match (op, statement) {
        // Several statements in one message; an error ends the rest.
        (_, "SELECT 1; SELECT 2, 3; SELECT 'x;y'") => {
            vec![plain("SELECT 1", false), plain("SELECT 2, 3", false), plain("SELECT 'x;y'", false)]
        }
        (_, "SELECT 1; SELECT 1/0; SELECT 3") => {
            vec![plain("SELECT 1", false), Expected { query: "SELECT 1/0".to_owned(), ..one }]
        }
        ("MULTI", _) => vec![
            plain("SELECT 1", false),
            plain("SELECT 'two;three', 2", false),
            plain("INSERT INTO users (name) VALUES ('semi;colon')", false),
            plain("DELETE FROM users WHERE name = 'semi;colon'", false),
        ],
        ("EMPTY", _) => vec![Expected { method: None, ..one }],
        ("connect", _) => match operation["user"].as_str() {
            Some(user) => vec![Expected {
                message: operation["message"].as_str().map(str::to_owned),
                ..plain(&format!("CONNECT {user} on {}", text(&operation["database"])), true)
            }],
            None => vec![plain("CONNECT", true)],
        },
        ("cancel", _) => vec![plain("CANCEL ", false)],
        ("EXECUTEMANY", _) => (0..number("times").unwrap_or(0)).map(|_| plain(&beginning(statement), false)).collect(),
        // A cursor on the server.
        ("DECLARE+FETCH", _) => {
            let fetch = |rows| Expected { rows: Some(rows), ..plain("FETCH FORWARD 20", false) };
            vec![plain("DECLARE ", false), fetch(20), fetch(20), fetch(10), plain("CLOSE ", false)]
        }
        _ => vec![one],
    }
}

fn agrees(event: &Json, wanted: &Expected) -> bool {
    let pgsql = &event["pgsql"];
    (event["status"] == "Error") == wanted.failed
        && text(&event["query"]).starts_with(&wanted.query)
        && wanted.method.as_deref().is_none_or(|method| event["method"] == method)
        && wanted.code.as_deref().is_none_or(|code| pgsql["error_code"] == code)
        && wanted.message.as_deref().is_none_or(|message| pgsql["error_message"] == message)
        && wanted.rows.is_none_or(|rows| pgsql["num_rows"] == rows)
        && wanted.fields.is_none_or(|fields| pgsql["num_fields"] == fields)
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_terminated_backend_says_why() {
    let Recorded { events, .. } = run("pgsql", "session", PROTOCOLS);
    let last = events.iter().find(|event| text(&event["query"]).contains("nobody there")).expect("an event");
    assert_eq!(last["pgsql"]["error_code"], "57P01");
}

#[test]
fn binary_columns_are_values() {
    let Recorded { events, .. } = run("pgsql", "extended", PROTOCOLS);
    let event = events.iter().find(|event| text(&event["query"]).starts_with("SELECT $1::int8")).expect("an event");
    let values = "1099511627776,1.5,binary ünï,2026-01-02 03:04:05+00,\\x0001ff,t,\"{1,2,3}\"\n";
    assert_eq!(event["response"], format!("int8,float8,text,timestamptz,bytea,bool,int4\n{values}"));
}
