// SPDX-License-Identifier: Apache-2.0
//! The body of every kind of response.

use super::*;

#[test]
fn every_error() {
    let cases: &[(i32, &str, Vec<u8>, Json)] = &[
        (0x0000, "errServer", vec![], Json::Null),
        (0x000a, "errProtocol", vec![], Json::Null),
        (0x0100, "errCredentials", vec![], Json::Null),
        (
            0x1000,
            "errUnavailable",
            [short(4), int(3), int(1)].concat(),
            json!({"read_consistency": "QUORUM", "required": 3, "alive": 1}),
        ),
        (0x1001, "errOverloaded", vec![], Json::Null),
        (0x1002, "errBootstrapping", vec![], Json::Null),
        (0x1003, "errTruncate", vec![], Json::Null),
        (
            0x1100,
            "errWriteTimeout",
            [short(6), int(1), int(2), string("BATCH_LOG")].concat(),
            json!({"read_consistency": "LOCAL_QUORUM", "received": 1, "blockfor": 2, "write_type": "BATCH_LOG"}),
        ),
        (
            0x1200,
            "errReadTimeout",
            [short(10), int(1), int(2), vec![0]].concat(),
            json!({"read_consistency": "LOCAL_ONE", "received": 1, "blockfor": 2, "data_present": false}),
        ),
        (
            0x1300,
            "errReadFailure",
            [short(5), int(1), int(3), int(2), vec![1]].concat(),
            json!({"read_consistency": "ALL", "received": 1, "blockfor": 3, "num_failures": 2, "data_present": true}),
        ),
        (
            0x1400,
            "errFunctionFailure",
            [string("shop"), string("price"), strings(&["int", "text"])].concat(),
            json!({"keyspace": "shop", "function": "price", "arg_types": ["int", "text"]}),
        ),
        (
            0x1500,
            "errWriteFailure",
            [short(0), int(0), int(1), int(1), string("SIMPLE")].concat(),
            json!({
                "read_consistency": "ANY", "received": 0, "blockfor": 1, "num_failures": 1, "write_type": "SIMPLE",
            }),
        ),
        (0x1600, "errCDCWriteFailure", vec![], Json::Null),
        (
            0x1700,
            "errCASWriteUnknown",
            [short(8), int(1), int(2)].concat(),
            json!({"read_consistency": "SERIAL", "received": 1, "blockfor": 2}),
        ),
        (0x2000, "errSyntax", vec![], Json::Null),
        (0x2100, "errUnauthorized", vec![], Json::Null),
        (0x2200, "errInvalid", vec![], Json::Null),
        (0x2300, "errConfig", vec![], Json::Null),
        (0x2400, "errAlreadyExists", [string("shop"), string("")].concat(), json!({"keyspace": "shop", "table": ""})),
        (
            0x2500,
            "errUnprepared",
            [short(16), (0..16).collect()].concat(),
            json!({"stmt_id": "00010203-0405-0607-0809-0a0b0c0d0e0f"}),
        ),
        (0x2500, "errUnprepared", [short(2), vec![0xab, 0xcd]].concat(), json!({"stmt_id": "abcd"})),
        (0x7777, "ErrUnknown", vec![], Json::Null),
    ];
    for (code, name, details, expected) in cases {
        let (mut response, note) = read(4, 0, ERROR, &[int(*code), string("it failed"), details.clone()].concat());
        assert_eq!(response["error"]["details"].take(), *expected, "{name}");
        response["error"].as_object_mut().expect("an error").remove("details");
        assert_eq!(response, json!({"error": {"code": code, "type": name, "msg": "it failed"}}));
        assert_eq!(note, Json::Null);
    }
    assert_eq!(exchange(&query(1, "SELECT"), &failure(1, "no"))["status"], "Error");
}

#[test]
fn failures_of_version_5_name_the_replicas() {
    let replicas = [int(2), vec![4, 10, 0, 0, 1], short(1), [&[16][..], &[0; 16]].concat(), short(2)].concat();
    let levels = [short(1), int(0), int(1), replicas].concat();
    let (response, note) = read(5, 0, ERROR, &[int(0x1300), string(""), levels.clone(), vec![1]].concat());
    assert_eq!(response["error"]["details"]["num_failures"], 2);
    assert_eq!(response["error"]["details"]["data_present"], true);
    assert_eq!(note, Json::Null);
    let (response, note) = read(5, 0, ERROR, &[int(0x1500), string(""), levels, string("CAS")].concat());
    assert_eq!(response["error"]["details"]["write_type"], "CAS");
    assert_eq!(note, Json::Null);
}

#[test]
fn every_consistency() {
    let names = [
        "ANY",
        "ONE",
        "TWO",
        "THREE",
        "QUORUM",
        "ALL",
        "LOCAL_QUORUM",
        "EACH_QUORUM",
        "SERIAL",
        "LOCAL_SERIAL",
        "LOCAL_ONE",
    ];
    for (level, name) in names.into_iter().chain(["UNKNOWN_CONS_0xb"]).enumerate() {
        let body = [int(0x1000), string(""), short(level as u16), int(1), int(0)].concat();
        assert_eq!(read(4, 0, ERROR, &body).0["error"]["details"]["read_consistency"], name);
    }
}

#[test]
fn results() {
    let (response, note) = read(4, 0, RESULT, &rows_body(3, b"what is not looked at"));
    let meta = json!({"keyspace": "shop", "table": "users", "flags": "GlobalTableSpec", "col_count": 2});
    assert_eq!(response, json!({"result": {"type": "rows", "rows": {"num_rows": 3, "meta": meta}}}));
    assert_eq!(note, Json::Null);
    let (response, _) = read(4, 0, RESULT, &[int(3), string("shop")].concat());
    assert_eq!(response, json!({"result": {"type": "set_keyspace", "keyspace": "shop"}}));
    assert_eq!(read(4, 0, RESULT, &int(1)).0, json!({"result": {"type": "void"}}));
    assert_eq!(read(4, 0, RESULT, &int(99)).0, json!({"result": {}}));
}

#[test]
fn rows_with_more_pages_and_without_metadata() {
    let paged =
        [int(2), int(3), int(1), int(2), vec![0xab, 1], string("shop"), string("users"), string("id"), short(9)];
    let (response, _) = read(4, 0, RESULT, &[paged.concat(), int(100)].concat());
    let meta = json!({
        "keyspace": "shop", "table": "users", "flags": "FLAG_3", "col_count": 1, "paging_state": "AB01",
    });
    assert_eq!(response["result"]["rows"], json!({"num_rows": 100, "meta": meta}));
    let bare = [int(2), int(4), int(13), int(8)].concat();
    let (response, _) = read(4, 0, RESULT, &bare);
    assert_eq!(response["result"]["rows"], json!({"num_rows": 8, "meta": {"flags": "NoMetaData", "col_count": 13}}));
    let bare = [int(2), int(6), int(13), int(0), int(8)].concat();
    let (response, _) = read(4, 0, RESULT, &bare);
    assert_eq!(response["result"]["rows"]["meta"]["paging_state"], "");
    // Version 5: the identifier of new metadata.
    let changed =
        [int(2), int(9), int(0), string("0123456789abcdef"), string("shop"), string("users"), int(5)].concat();
    let (response, note) = read(5, 0, RESULT, &changed);
    assert_eq!(response["result"]["rows"]["num_rows"], 5);
    assert_eq!(note, Json::Null);
}

#[test]
fn types_are_passed_over() {
    let user_type = [short(0x30), string("shop"), string("address"), short(2), string("zip"), short(9), string("to")];
    let types: Vec<Vec<u8>> = vec![
        [short(0), string("org.example.Custom")].concat(),
        [short(0x20), short(9)].concat(),
        [short(0x21), short(13), short(0x22), short(12)].concat(),
        [user_type.concat(), short(0x20), short(13)].concat(),
        [short(0x31), short(3), short(9), short(0x20), short(9), short(13)].concat(),
        short(0x15),
    ];
    let columns: Vec<u8> =
        types.iter().flat_map(|kind| [string("shop"), string("t"), string("column"), kind.clone()].concat()).collect();
    let body = [int(2), int(0), int(types.len() as i32), columns, int(42)].concat();
    let (response, note) = read(4, 0, RESULT, &body);
    assert_eq!(response["result"]["rows"], json!({"num_rows": 42, "meta": {"flags": "FLAG_0", "col_count": 6}}));
    assert_eq!(note, Json::Null);
    // Lists of lists of lists.
    let deep =
        [int(2), int(1), int(1), string("k"), string("t"), string("c"), short(0x20).repeat(40), short(9), int(1)];
    let (response, note) = read(4, 0, RESULT, &deep.concat());
    assert!(response["result"]["rows"].get("num_rows").is_none());
    assert_eq!(note, UNREADABLE_RESPONSE);
    let many = [int(2), int(1), int(i32::MAX), string("k"), string("t")].concat();
    assert_eq!(read(4, 0, RESULT, &many).1, UNREADABLE_RESPONSE);
}

#[test]
fn prepared_statements() {
    let id = [short(16), (0..16).collect()].concat();
    let columns = [string("id"), short(9), string("tags"), short(0x22), short(13)].concat();
    let result = [int(1), int(2), string("shop"), string("items"), columns.clone()].concat();
    for version in [3, 4, 5] {
        let keys = if version >= 4 { [int(2), short(0), short(1)].concat() } else { Vec::new() };
        let result_id = if version >= 5 { string("0123456789abcdef") } else { Vec::new() };
        let variables = [int(1), int(2), keys, string("shop"), string("users"), columns.clone()].concat();
        let body = [int(4), id.clone(), result_id, variables, result.clone()].concat();
        let (mut response, note) = read(version, 0, RESULT, &body);
        assert_eq!(note, Json::Null, "{version}");
        let prepared = response["result"]["prepared"].as_object_mut().expect("a prepared statement");
        let keys = prepared["req_meta"].as_object_mut().expect("metadata").remove("pkey_columns");
        assert_eq!(keys, (version >= 4).then(|| json!([0, 1])));
        let meta = |table| json!({"keyspace": "shop", "table": table, "flags": "GlobalTableSpec", "col_count": 2});
        assert_eq!(
            response,
            json!({"result": {"type": "prepared", "prepared": {
                "prepared_id": "00010203-0405-0607-0809-0a0b0c0d0e0f",
                "req_meta": meta("users"),
                "resp_meta": meta("items"),
            }}})
        );
    }
}

#[test]
fn changes_of_the_schema() {
    let cases = [
        (
            [strings(&["CREATED", "KEYSPACE", "shop"])[2..].to_vec(), vec![]],
            json!({"change": "CREATED", "target": "KEYSPACE", "keyspace": "shop"}),
        ),
        (
            [strings(&["UPDATED", "TABLE", "shop", "users"])[2..].to_vec(), vec![]],
            json!({"change": "UPDATED", "target": "TABLE", "keyspace": "shop", "object": "users"}),
        ),
        (
            [strings(&["DROPPED", "TYPE", "shop", "address"])[2..].to_vec(), vec![]],
            json!({"change": "DROPPED", "target": "TYPE", "keyspace": "shop", "object": "address"}),
        ),
        (
            [strings(&["CREATED", "FUNCTION", "shop", "price"])[2..].to_vec(), strings(&["int"])],
            json!({"change": "CREATED", "target": "FUNCTION", "keyspace": "shop", "name": "price", "args": ["int"]}),
        ),
        (
            [strings(&["CREATED", "AGGREGATE", "shop", "sum"])[2..].to_vec(), strings(&[])],
            json!({"change": "CREATED", "target": "AGGREGATE", "keyspace": "shop", "name": "sum", "args": []}),
        ),
        (
            [strings(&["CREATED", "SOMETHING"])[2..].to_vec(), vec![]],
            json!({"change": "CREATED", "target": "SOMETHING"}),
        ),
    ];
    for (body, expected) in cases {
        let (response, note) = read(4, 0, RESULT, &[int(5), body.concat()].concat());
        assert_eq!(response, json!({"result": {"type": "schemaChanged", "schema_change": expected}}));
        assert_eq!(note, Json::Null);
        let mut bench = bench();
        bench.send(ToClient, &response_event("SCHEMA_CHANGE", &body.concat()));
        assert_eq!(bench.events()[0]["cassandra"]["response"]["event"]["schema_change"], expected);
    }
}

fn response_event(kind: &str, rest: &[u8]) -> Vec<u8> {
    response(-1, EVENT, &[string(kind), rest.to_vec()].concat())
}

#[test]
fn events_of_nodes() {
    let node = |address: &[u8]| [string("UP"), vec![address.len() as u8], address.to_vec(), int(9042)].concat();
    for (kind, address, host) in [
        ("STATUS_CHANGE", &[192, 0, 2, 1][..], json!("192.0.2.1")),
        ("TOPOLOGY_CHANGE", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], json!("2001:db8::1")),
    ] {
        let mut bench = bench();
        bench.send(ToClient, &response_event(kind, &node(address)));
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(event["cassandra"]["no_request"], true);
        assert_eq!(
            event["cassandra"]["response"],
            json!({
                "headers": {
                    "version": "4", "flags": "Default", "stream": 65535, "op": "EVENT", "length": event["destination"]["bytes"].as_u64().map(|bytes| bytes - 9),
                },
                "event": {"type": kind, "change": "UP", "host": host, "port": 9042},
            })
        );
        assert_eq!(event["status"], "OK");
        assert!(event["event"].get("start").is_none() && event["event"].get("end").is_some());
        assert!(event["source"].get("bytes").is_none());
        assert_eq!(event["client"]["ip"], "10.0.0.1");
        assert!(event["cassandra"].get("request").is_none() && event.get("error").is_none());
    }
    let mut bench = bench();
    bench.send(ToClient, &response_event("STATUS_CHANGE", &node(&[1, 2, 3])));
    assert_eq!(bench.events()[0]["error"]["message"], UNREADABLE_RESPONSE);
}

#[test]
fn what_a_server_supports() {
    let body =
        [short(2), string("COMPRESSION"), strings(&["snappy", "lz4"]), string("CQL_VERSION"), strings(&["3.4.6"])];
    let (response, _) = read(4, 0, SUPPORTED, &body.concat());
    assert_eq!(response, json!({"supported": {"COMPRESSION": ["snappy", "lz4"], "CQL_VERSION": ["3.4.6"]}}));
    // A key that comes twice would be no JSON.
    let twice = [short(2), string("A"), strings(&["1"]), string("A"), strings(&["2"])].concat();
    let (response, note) = read(4, 0, SUPPORTED, &twice);
    assert_eq!(response, json!({"supported": {"A": ["1"]}}));
    assert_eq!(note, UNREADABLE_RESPONSE);
    let many: Vec<u8> = (0..1000).flat_map(|key| [string(&format!("K{key}")), strings(&[])].concat()).collect();
    let (response, _) = read(4, 0, SUPPORTED, &[short(1000), many].concat());
    assert_eq!(response["supported"].as_object().map(|options| options.len()), Some(32));
}

#[test]
fn authentication() {
    let (response, _) = read(4, 0, AUTHENTICATE, &string("org.example.Authenticator"));
    assert_eq!(response, json!({"authentication": {"class": "org.example.Authenticator"}}));
    for (data, shown) in [
        (int(-1), r#""""#),
        ([int(3), b"a\"\\".to_vec()].concat(), r#""a\"\\""#),
        ([int(8), b"\0\x07\n\r\t\x7f\xff\x1b".to_vec()].concat(), r#""\x00\a\n\r\t\x7f\xff\x1b""#),
        ([int(4), "é\u{85}".as_bytes().to_vec()].concat(), "\"é\\u0085\""),
    ] {
        for op in [AUTH_CHALLENGE, AUTH_SUCCESS] {
            assert_eq!(read(4, 0, op, &data).0, json!({"authentication": {"data": shown}}));
        }
    }
}

#[test]
fn what_stands_in_front_of_a_body() {
    let payload = [short(1), string("key"), int(2), vec![1, 2]].concat();
    let front = [vec![9; 16], strings(&["beware", "of this"]), payload].concat();
    let flags = TRACING | WARNING | CUSTOM_PAYLOAD;
    let (response, note) = read(4, flags, RESULT, &[front, rows_body(1, b"")].concat());
    assert_eq!(response["warnings"], json!(["beware", "of this"]));
    assert_eq!(response["result"]["rows"]["num_rows"], 1);
    assert_eq!(note, Json::Null);
    let (response, _) = read(4, WARNING, RESULT, &[strings(&["beware"]), int(1)].concat());
    assert_eq!(response, json!({"warnings": ["beware"], "result": {"type": "void"}}));
}

#[test]
fn lists_are_bounded() {
    let long: Vec<&str> = vec!["w"; 5000];
    let (response, note) = read(4, WARNING, RESULT, &[strings(&long), int(1)].concat());
    assert_eq!(response["warnings"].as_array().map(Vec::len), Some(1024));
    assert_eq!(response["result"]["type"], "void");
    assert_eq!(note, Json::Null);
}

#[test]
fn every_body_may_end_early() {
    let bodies = [
        (ERROR, [int(0x1500), string("no"), short(0), int(0), int(1), int(1), string("SIMPLE")].concat()),
        (RESULT, rows_body(1, b"")),
        (RESULT, [int(5), string("CREATED"), string("FUNCTION"), string("k"), string("f"), strings(&["int"])].concat()),
        (SUPPORTED, [short(1), string("A"), strings(&["1", "2"])].concat()),
        (AUTHENTICATE, string("class")),
        (AUTH_SUCCESS, [int(3), b"abc".to_vec()].concat()),
    ];
    for (op, body) in bodies {
        for length in 0..body.len() {
            let (_, note) = read(4, 0, op, &body[..length]);
            assert_eq!(note, UNREADABLE_RESPONSE, "{op} {length}");
        }
        assert_eq!(read(4, 0, op, &body).1, Json::Null, "{op}");
    }
}
