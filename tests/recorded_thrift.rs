// SPDX-License-Identifier: Apache-2.0
//! The program's Thrift events against the log of the client that made the calls.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

/// Theme, port and transport of each recording.
const THEMES: [(&str, u16, &str); 3] =
    [("framed-binary", 9090, "framed"), ("framed-compact", 9092, "framed"), ("unframed-binary", 9091, "socket")];

fn protocols(port: u16, transport_type: &str, more: &str) -> String {
    let idl = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded/thrift/users.thrift");
    format!(
        "- type: thrift\n  ports: [{port}]\n  transport_type: {transport_type}\n  idl_files: ['{idl}']\n  \
         send_request: true\n  send_response: true\n{more}"
    )
}

#[test]
fn every_call_is_one_event_in_order() {
    for (theme, port, transport_type) in THEMES {
        let Recorded { events, operations } = run("thrift", theme, &protocols(port, transport_type, ""));
        assert_eq!(events.len(), operations.len(), "{theme}");
        for (event, operation) in events.iter().zip(&operations) {
            let case = format!("{theme}: {operation} {event:#}");
            assert_eq!(event["method"], operation["op"], "{case}");
            assert_eq!(event["path"], if operation["op"] == "ping" { "Base" } else { "Users" }, "{case}");
            assert_eq!(event["path"], event["thrift"]["service"], "{case}");
            assert_eq!(event["error"], Json::Null, "{case}");
            assert_parameters(event, operation, &case);
            assert_result(event, operation, &case);
        }
    }
}

#[test]
fn transport_type_auto_is_enough_for_all() {
    for (theme, port, transport_type) in THEMES {
        let set = run("thrift", theme, &protocols(port, transport_type, "")).events;
        let auto = run("thrift", theme, &protocols(port, "auto", "")).events;
        let shown = |events: &[Json]| events.iter().map(shown).collect::<Vec<_>>();
        assert_eq!(shown(&auto), shown(&set), "{theme}");
    }
}

/// With `compat_values` all is as Packetbeat prints it, but for the replies that it misses when calls are pipelined.
#[test]
fn compat_values_gives_packetbeats_values() {
    for (theme, port, transport_type) in [THEMES[0], THEMES[2]] {
        let events = run("thrift", theme, &protocols(port, transport_type, "  compat_values: true\n")).events;
        let file = format!("{}/tests/recorded/thrift/{theme}.packetbeat.ndjson", env!("CARGO_MANIFEST_DIR"));
        let printed = std::fs::read_to_string(file).expect("it is recorded");
        let mut printed: Vec<[String; 9]> =
            printed.lines().map(|line| shown(&serde_json::from_str(line).expect("an event is JSON"))).collect();
        let mut others = Vec::new();
        for event in events.iter().map(shown) {
            match printed.iter().position(|printed| *printed == event) {
                Some(index) => drop(printed.remove(index)),
                None => others.push(event),
            }
        }
        let queries = |events: &[[String; 9]]| events.iter().map(|event| event[0].clone()).collect::<Vec<_>>();
        assert_eq!(queries(&others), ["\"ping()\"", "\"add(a: 2, b: 3)\""], "{theme}");
        assert_eq!(queries(&printed), queries(&others), "{theme}");
        assert!(printed.iter().all(|event| event[2] == "null"), "{theme}: no response");
    }
}

/// What the parser makes of an event.
fn shown(event: &Json) -> [String; 9] {
    let thrift = &event["thrift"];
    [
        &event["query"],
        &event["request"],
        &event["response"],
        &event["status"],
        &event["path"],
        &thrift["params"],
        &thrift["return_value"],
        &thrift["exceptions"],
        &thrift["service"],
    ]
    .map(Json::to_string)
}

/// The first parameter is the client's, as far as the two notations agree.
fn assert_parameters(event: &Json, operation: &Json, case: &str) {
    let Some(arguments) = operation["arguments"].as_str() else { return };
    let params = text(&event["thrift"]["params"]);
    match text(&operation["op"]) {
        "ping" => assert_eq!(params, arguments, "{case}"),
        "get" | "touch" => assert_eq!(params, format!("(id: {})", between(arguments, "(", ",)")), "{case}"),
        "blob" => assert_eq!(params, format!("(size: {})", between(arguments, "(", ",)")), "{case}"),
        "fail" => assert_eq!(params, format!("(how: \"{}\")", between(arguments, "('", "',)")), "{case}"),
        "names" => assert_eq!(params, format!("(ids: {})", between(arguments, "(", ",)")), "{case}"),
        "log" => {
            let (line, severity) = between(arguments, "('", ")").split_once("', ").expect(case);
            assert_eq!(params, format!("(line: \"{line}\", severity: {severity})"), "{case}");
        }
        "add" => {
            let (a, b) = between(arguments, "(", ")").split_once(", ").expect(case);
            assert_eq!(params, format!("(a: {a}, b: {b})"), "{case}");
        }
        "search" => {
            let (text, rest) = between(arguments, "('", ")").split_once("', ").expect(case);
            let (limit, exact) = rest.split_once(", ").expect(case);
            let exact = exact.to_lowercase();
            assert_eq!(params, format!("(text: \"{text}\", limit: {limit}, exact: {exact})"), "{case}");
        }
        "store" => {
            let id = between(arguments, "User(id=", ", name=");
            let name = between(arguments, "name='", "', role=");
            let role = between(arguments, "role=", ", addresses=");
            let start = format!("(user: (1: {id}, 2: \"{name}\", 3: {role}");
            assert!(params.starts_with(&start), "{start}: {case}");
            if arguments.contains("level=") && !arguments.contains("level=None") {
                let level = between(arguments, "level=", ", history=");
                assert!(params.ends_with(&format!(", 9: {level}))")), "{case}");
            }
        }
        op => panic!("{op} is not known: {case}"),
    }
}

fn assert_result(event: &Json, operation: &Json, case: &str) {
    let thrift = &event["thrift"];
    let result = text(&operation["result"]);
    let outcome = text(&operation["outcome"]);
    if outcome != "ok" {
        assert_eq!(event["status"], "Error", "{case}");
        let exceptions = text(&thrift["exceptions"]);
        let shown = match outcome {
            "NotFound" => {
                format!(
                    "(missing: (1: {}, 2: \"{}\"))",
                    between(result, "id=", ", m"),
                    between(result, "message='", "')")
                )
            }
            "Refused" => {
                format!(
                    "(refused: (1: {}, 2: \"{}\"))",
                    between(result, "code=", ", w"),
                    between(result, "why='", "')")
                )
            }
            _ => format!("(1: \"{result}\", 2: 6)"),
        };
        assert_eq!(exceptions, shown, "{case}");
        assert_eq!(text(&event["response"]), format!("Exceptions: {exceptions}"), "{case}");
        return;
    }
    assert_eq!(event["status"], "OK", "{case}");
    assert_eq!(thrift["exceptions"], Json::Null, "{case}");
    if operation["op"] == "log" {
        assert_eq!((&thrift["return_value"], &event["event"]["end"]), (&Json::Null, &Json::Null), "{case}");
        return;
    }
    assert_eq!(event["response"], thrift["return_value"], "{case}");
    assert!(event["event"]["end"].is_string(), "{case}");
    let value = text(&thrift["return_value"]);
    match text(&operation["op"]) {
        "ping" => assert_eq!(value, result.replace('\'', "\""), "{case}"),
        "store" | "names" => assert_eq!(value, result.replace('\'', "\""), "{case}"),
        "touch" => assert_eq!(value, "", "{case}"),
        "add" => assert_eq!(value.parse::<f64>(), result.parse::<f64>(), "{case}"),
        "get" => assert!(value.starts_with(&format!("(1: {}, 2: ", between(result, "id=", ", name="))), "{case}"),
        "search" if result == "[]" => assert_eq!(value, "[]", "{case}"),
        "search" => assert_eq!(value.matches(", 2: \"user ").count(), 3, "{case}"),
        "blob" if result.len() < 100 => {
            assert!(value.starts_with("\"\\x00\\x01") && value.ends_with("\\x13\""), "{case}")
        }
        "blob" => assert!(value.starts_with("000102") && value.ends_with("c6c7...") && value.len() == 403, "{case}"),
        op => panic!("{op} is not known: {case}"),
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let text = text.split_once(start).map_or("", |(_, rest)| rest);
    text.split_once(end).map_or(text, |(before, _)| before)
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
