// SPDX-License-Identifier: Apache-2.0
//! Commands and answers of the binary protocol.

use serde_json::json;

use super::*;

const NONE: [&[u8]; 3] = [b"", b"", b""];

/// What one command and its answer give, as `request` and `response`.
fn exchange(opcode: u8, status: u16, sent: [&[u8]; 3], got: [&[u8]; 3]) -> (Json, Json) {
    let mut bench = bench_with(showing(), Carrier::Tcp);
    bench.send(ToServer, &binary(0x80, opcode, 3, 9, 0, sent));
    bench.send(ToClient, &binary(0x81, opcode, status, 9, 17, got));
    bench.finish();
    let memcache = &only(&bench)["memcache"];
    assert_eq!(memcache["protocol_type"], "binary");
    let (mut request, mut response) = (memcache["request"].clone(), memcache["response"].clone());
    let opcodes = |end: &Json| (end["opcode"].clone(), end["opcode_value"].clone(), end["opaque"].clone());
    assert_eq!(opcodes(&request), opcodes(&response));
    assert_eq!(
        (&request["opcode_value"], &request["opaque"], &request["vbucket"]),
        (&json!(opcode), &json!(9), &json!(3))
    );
    assert_eq!((&response["status_code"], &response["cas_unique"]), (&json!(status), &json!(17)));
    for key in ["opcode_value", "opaque", "vbucket", "status_code", "cas_unique"] {
        request.as_object_mut().unwrap().remove(key);
        response.as_object_mut().unwrap().remove(key);
    }
    (request, response)
}

#[test]
fn storage_commands() {
    for (opcode, name, command, quiet) in [
        (0x01, "Set", "set", false),
        (0x02, "Add", "add", false),
        (0x03, "Replace", "replace", false),
        (0x11, "SetQ", "set", true),
        (0x12, "AddQ", "add", true),
        (0x13, "ReplaceQ", "replace", true),
    ] {
        let (request, response) = exchange(opcode, 0, [&[0, 0, 0, 5, 0, 0, 1, 0], b"key", b"abc"], NONE);
        assert_eq!(
            request,
            json!({"command": command, "type": "Store", "opcode": name, "quiet": quiet, "keys": ["key"], "flags": 5,
                   "exptime": 256, "bytes": 3, "count_values": 1, "values": ["YWJj"]})
        );
        assert_eq!(response, json!({"command": command, "type": "Store", "opcode": name, "status": "Success"}));
    }
    for (opcode, name, command) in [(0x0e, "Append", "append"), (0x1a, "PrependQ", "prepend")] {
        let (request, response) = exchange(opcode, 5, [b"", b"key", b"abc"], [b"", b"", b"Not stored."]);
        assert_eq!(
            request,
            json!({"command": command, "type": "Store", "opcode": name, "quiet": opcode == 0x1a, "keys": ["key"],
                   "bytes": 3, "count_values": 1, "values": ["YWJj"]})
        );
        assert_eq!((&response["status"], &response["bytes"]), (&json!("Item not stored"), &json!(11)));
    }
    let (request, _) = exchange(0x1c, 0, [&[0, 0, 0, 60], b"key", b""], [&[0; 4], b"", b""]);
    assert_eq!((&request["command"], &request["exptime"]), (&json!("touch"), &json!(60)));
}

#[test]
fn retrieval_commands() {
    for (opcode, name, quiet, key) in
        [(0x00, "Get", false, ""), (0x09, "GetQ", true, ""), (0x0c, "GetK", false, "key"), (0x0d, "GetKQ", true, "key")]
    {
        let (request, response) = exchange(opcode, 0, [b"", b"key", b""], [&[0, 0, 0, 7], key.as_bytes(), b"xy"]);
        assert_eq!(request, json!({"command": "get", "type": "Load", "opcode": name, "quiet": quiet, "keys": ["key"]}));
        let mut expected = json!({"command": "get", "type": "Load", "opcode": name, "status": "Success", "flags": 7,
                                  "bytes": 2, "count_values": 1, "values": ["eHk="]});
        if !key.is_empty() {
            expected["keys"] = json!([key]);
        }
        assert_eq!(response, expected);
    }
    for (opcode, name) in [(0x1d, "GAT"), (0x1e, "GATQ"), (0x23, "GatK"), (0x24, "GatKQ")] {
        let (request, response) = exchange(opcode, 0, [&[0, 0, 0, 9], b"key", b""], [&[0, 0, 0, 7], b"", b"xy"]);
        assert_eq!((&request["command"], &request["exptime"]), (&json!("gat"), &json!(9)));
        assert_eq!((&response["opcode"], &response["flags"]), (&json!(name), &json!(7)));
    }
}

#[test]
fn other_commands() {
    let delta = [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255];
    let (request, response) = exchange(0x05, 0, [&delta, b"n", b""], [b"", b"", &[0, 0, 0, 0, 0, 0, 1, 0]]);
    assert_eq!(
        request,
        json!({"command": "incr", "type": "Counter", "opcode": "Increment", "quiet": false, "keys": ["n"], "delta": 2,
               "initial": 1, "exptime": u32::MAX})
    );
    assert_eq!(
        response,
        json!({"command": "incr", "type": "Counter", "opcode": "Increment", "status": "Success", "value": 256})
    );
    // The text of an error is no number.
    let (_, response) = exchange(0x06, 6, [&delta, b"n", b""], [b"", b"", b"Non-numeric server-side value"]);
    assert_eq!(
        response,
        json!({"command": "decr", "type": "Counter", "opcode": "Decrement", "status": "Incr/Decr on non-numeric value."})
    );
    let (request, response) = exchange(0x0b, 0, NONE, [b"", b"", b"1.6.18"]);
    assert_eq!(request, json!({"command": "version", "type": "Info", "opcode": "Version", "quiet": false}));
    assert_eq!(response["version"], "1.6.18");
    let (request, _) = exchange(0x08, 0, [&[0, 0, 0, 3], b"", b""], NONE);
    assert_eq!(
        (&request["command"], &request["type"], &request["exptime"]),
        (&json!("flush_all"), &json!("Delete"), &json!(3))
    );
    let (request, _) = exchange(0x1b, 0, [&[0, 0, 0, 3], b"", b""], NONE);
    assert_eq!((&request["command"], &request["verbosity"]), (&json!("verbosity"), &json!(3)));
    for (opcode, command) in [(0x04, "delete"), (0x14, "delete"), (0x07, "quit"), (0x0a, "noop")] {
        assert_eq!(exchange(opcode, 0, NONE, NONE).0["command"], command);
    }
    let (request, response) = exchange(0x77, 0x81, NONE, [b"", b"", b"Unknown command"]);
    assert_eq!(request, json!({"command": "UNKNOWN", "type": "UNKNOWN", "opcode": "", "quiet": false}));
    assert_eq!(response["status"], "Unknown command");
    for (opcode, name) in [(0x30, "RGet"), (0x3c, "RDecrQ"), (0x3d, "Set VBucket"), (0x47, "TAP Checkpoint End")] {
        assert_eq!(exchange(opcode, 0, NONE, NONE).0["opcode"], name);
    }
}

#[test]
fn passwords_are_not_kept() {
    let (request, response) = exchange(0x21, 0x20, [b"", b"PLAIN", b"\0user\0secret"], [b"", b"", b"Auth failure"]);
    assert_eq!(
        request,
        json!({"command": "sasl_auth", "type": "Auth", "opcode": "SASL Auth", "quiet": false, "keys": ["PLAIN"],
               "bytes": 12, "count_values": 1})
    );
    assert_eq!(response["status"], "Authentication error");
}

#[test]
fn statistics_are_one_answer() {
    let mut bench = bench();
    bench.send(ToServer, &asked(0x10, 4, [b"", b"items", b""]));
    for (name, value) in [("pid", "17"), ("empty", ""), ("uptime", "99")] {
        bench.send(ToClient, &answered(0x10, 4, 0, [b"", name.as_bytes(), value.as_bytes()]));
    }
    assert_eq!(bench.events().len(), 0);
    bench.send(ToClient, &answered(0x10, 4, 0, NONE));
    let event = only(&bench);
    assert_eq!(event["memcache"]["request"]["keys"], json!(["items"]));
    let response = &event["memcache"]["response"];
    assert_eq!(
        response["stats"],
        json!([{"name": "pid", "value": "17"}, {"name": "empty", "value": ""}, {"name": "uptime", "value": "99"}])
    );
    // As Packetbeat has it.
    assert_eq!(response["keys"], json!(["pid"]));
    assert_eq!(event["destination"]["bytes"], 4 * 24 + 5 + 5 + 8);
}

#[test]
fn quiet_commands_before_an_answer_have_none() {
    let mut bench = bench();
    let mut sent = Vec::new();
    for (opcode, key) in [(0x0d, "a"), (0x0d, "b"), (0x0d, "c"), (0x11, "d")] {
        // Some clients use the same opaque for all: the key says whose answer it is.
        sent.extend(asked(opcode, 0, [b"", key.as_bytes(), b""]));
    }
    sent.extend(asked(0x0a, 0, NONE));
    bench.send(ToServer, &sent);
    bench.send(ToClient, &answered(0x0d, 0, 0, [&[0; 4], b"b", b"x"]));
    bench.send(ToClient, &answered(0x0a, 0, 0, NONE));
    assert_eq!(shown(&bench), ["get -: OK", "get get: OK", "get -: OK", "set -: OK", "noop noop: OK"]);
    assert!(bench.events().iter().all(|event| event.get("error").is_none()));
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 0);
}

#[test]
fn a_command_whose_answer_is_missing_gets_a_note() {
    let mut bench = bench();
    bench.send(ToServer, &[asked(0x00, 1, [b"", b"a", b""]), asked(0x00, 2, [b"", b"b", b""])].concat());
    bench.send(ToClient, &answered(0x00, 2, 0, [&[0; 4], b"", b"x"]));
    bench.send(ToClient, &answered(0x00, 7, 0, [&[0; 4], b"", b"x"]));
    assert_eq!(shown(&bench), ["get -: Server Error", "get get: OK", "- get: Client Error"]);
    assert_eq!(note(&bench.events()[0]), "Missing response for non-quiet request");
    assert_eq!(note(&bench.events()[2]), "Invalid transaction. Request missing");
}

#[test]
fn status_is_that_of_the_answer() {
    for (code, status, compatible) in [
        (0x00, "OK", "OK"),
        (0x01, "OK", "Error"),
        (0x02, "OK", "Error"),
        (0x03, "Error", "Error"),
        (0x05, "OK", "Error"),
        (0x20, "Error", "Error"),
        (0x21, "OK", "Error"),
        (0x81, "Server Error", "Server Error"),
        (0x85, "Server Error", "Server Error"),
    ] {
        for compat_status in [false, true] {
            let mut bench = bench_with(Options { compat_status, ..Options::default() }, Carrier::Tcp);
            bench.send(ToServer, &asked(0x02, 1, NONE));
            bench.send(ToClient, &answered(0x02, 1, code, NONE));
            let event = only(&bench);
            assert_eq!(event["status"], if compat_status { compatible } else { status }, "{code}");
            let outcome = match (compat_status, status) {
                (true, _) => (code == 0).then_some("success"),
                (false, "OK") => Some("success"),
                (false, _) => Some("failure"),
            };
            assert_eq!(event.get("event.outcome").and_then(Json::as_str), outcome, "{code}");
        }
    }
}

#[test]
fn quitq_does_not_wait() {
    let mut bench = bench();
    bench.send(ToServer, &asked(0x17, 1, NONE));
    assert_eq!(shown(&bench), ["quit -: OK"]);
}
