// SPDX-License-Identifier: Apache-2.0
//! Every operation, pairing, options.

use super::*;
use crate::config::Configuration;

const SECOND_NS: i64 = 1_000_000_000;

#[test]
fn insert_with_a_document_sequence() {
    let sections = [
        body_section(&[text("insert", "users"), element(8, "ordered", &[1]), text("$db", "shop")]),
        sequence_section("documents", &[document(&[int("_id", 1)]), document(&[int("_id", 2)])]),
    ];
    for order in [[0, 1], [1, 0]] {
        let sections: Vec<Vec<u8>> = order.iter().map(|place| sections[*place].clone()).collect();
        for flags in [0, CHECKSUM] {
            let checksum: &[u8] = if flags == CHECKSUM { b"\x01\x02\x03\x04" } else { b"" };
            let request = message(MSG, 5, 0, &[&msg_body(flags, &sections), checksum].concat());
            let event = exchange(&request, &msg(6, 5, &[int("n", 2), double("ok", 1.0)]));
            assert_eq!(event["method"], "insert");
            assert_eq!(event["resource"], "shop.users");
            assert_eq!(event["query"], r#"shop.users.insert({"ordered":true})"#);
            assert_eq!(event["request"], r#"shop.users.insert({"documents":[{"_id":1},{"_id":2}],"ordered":true})"#);
            assert_eq!(event["response"], r#"{"n":2,"ok":1}"#);
            assert_eq!(event["status"], "OK");
            assert_eq!(event["mongodb"], json!({"database": "shop", "collection": "users", "message": "documents"}));
            assert_eq!(event["source"]["bytes"], request.len());
            assert_eq!(event["event"]["duration"], 1_000_000);
            assert!(event.get("error").is_none());
        }
    }
}

#[test]
fn commands_and_what_they_name() {
    let event = |elements: &[Vec<u8>]| exchange(&msg(1, 0, elements), &okay(2, 1));
    let db = text("$db", "shop");
    let parts = |event: &Json| {
        let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
        [text(&event["resource"]), text(&event["mongodb"]["collection"]), text(&event["query"])]
    };
    let ping = event(&[int("ping", 1), sub("lsid", &[int("id", 3)]), db.clone()]);
    assert_eq!(parts(&ping), ["shop.$cmd", "-", "shop.$cmd.ping(null)"]);
    let more = event(&[long("getMore", 99), text("collection", "users"), db.clone()]);
    assert_eq!(parts(&more), ["shop.users", "users", r#"shop.users.getMore({"collection":"users","getMore":99})"#]);
    assert_eq!(more["mongodb"]["cursorId"], 99);
    let explain = event(&[sub("explain", &[text("find", "users")]), db.clone()]);
    assert_eq!(parts(&explain), ["shop.users", "users", r#"shop.users.explain({"explain":{"find":"users"}})"#]);
    let user = event(&[text("dropUser", "bob"), db.clone()]);
    assert_eq!(parts(&user), ["shop.$cmd", "-", r#"shop.$cmd.dropUser({"dropUser":"bob"})"#]);
    let rename = event(&[text("renameCollection", "a.b.c"), text("to", "a.d"), text("$db", "admin")]);
    assert_eq!(parts(&rename), ["a.b.c", "b.c", r#"a.b.c.renameCollection({"to":"a.d"})"#]);
    let update = event(&[text("update", "users"), list("updates", &[document(&[])]), db.clone()]);
    assert_eq!(parts(&update), ["shop.users", "users", "shop.users.update(null)"]);
    let modify = event(&[text("findAndModify", "users"), sub("update", &[]), sub("query", &[]), db.clone()]);
    assert_eq!(parts(&modify)[2], r#"shop.users.findAndModify({"query":{}})"#);
    let delete = event(&[text("delete", "users"), list("deletes", &[document(&[int("q", 1)])]), db]);
    assert_eq!(parts(&delete)[2], r#"shop.users.delete({"deletes":[{"q":1}]})"#);
}

#[test]
fn names_as_packetbeat_has_them() {
    let options = Options { op_msg_names: OpMsgNames::Packetbeat, ..options() };
    let sections = [
        body_section(&[text("insert", "users"), sub("lsid", &[]), list("documents", &[]), text("$db", "shop")]),
        sequence_section("documents", &[document(&[int("_id", 1)])]),
    ];
    let cursor = sub("cursor", &[long("id", 4), list("firstBatch", &[document(&[])])]);
    let reply = msg(6, 5, &[cursor, double("ok", 1.0)]);
    let event = exchange_with(options.clone(), &message(MSG, 5, 0, &msg_body(0, &sections)), &reply);
    assert_eq!((&event["method"], &event["resource"]), (&json!("msg"), &json!("")));
    assert_eq!(event["query"], r#".msg({"$db":"shop","insert":"users"})"#);
    assert_eq!(event["request"], r#".msg({"$db":"shop","documents":[],"insert":"users"})"#);
    assert_eq!(event["mongodb"], json!({}));
    let turned = [sections[1].clone(), sections[0].clone()];
    let event = exchange_with(options, &message(MSG, 5, 0, &msg_body(0, &turned)), &reply);
    assert_eq!(event["query"], r#".msg({"_id":1})"#);
    assert_eq!(event["mongodb"], json!({"message": "documents"}));
}

#[test]
fn errors_of_op_msg() {
    let event = |elements: &[Vec<u8>]| exchange(&find(1), &msg(2, 1, elements));
    let ok = || double("ok", 1.0);
    let refused = event(&[double("ok", 0.0), text("errmsg", "no"), int("code", 59), text("codeName", "X")]);
    assert_eq!(refused["status"], "Error");
    assert_eq!(refused["mongodb"]["error"], r#"{"code":59,"codeName":"X","errmsg":"no"}"#);
    for zero in [int("ok", 0), long("ok", 0), element(8, "ok", &[0])] {
        assert_eq!(event(&[zero])["mongodb"]["error"], "null");
    }
    let duplicate = event(&[ok(), list("writeErrors", &[document(&[int("code", 11000)])])]);
    assert_eq!(
        (&duplicate["status"], &duplicate["mongodb"]["error"]),
        (&json!("Error"), &json!(r#"[{"code":11000}]"#))
    );
    let concern = event(&[ok(), sub("writeConcernError", &[int("code", 64)])]);
    assert_eq!((&concern["status"], &concern["mongodb"]["error"]), (&json!("Error"), &json!(r#"{"code":64}"#)));
    assert_eq!(event(&[ok(), int("nErrors", 2)])["status"], "Error");
    for fine in [vec![ok()], vec![ok(), list("writeErrors", &[])], vec![ok(), int("nErrors", 0)], vec![]] {
        let fine = event(&fine);
        assert_eq!(fine["status"], "OK");
        assert!(fine["mongodb"].get("error").is_none());
    }
}

#[test]
fn a_cursor_says_how_many() {
    let batch = list("nextBatch", &[document(&[int("a", 1)]), document(&[int("a", 2)])]);
    let reply = msg(2, 1, &[sub("cursor", &[batch, long("id", -5), text("ns", "shop.users")]), double("ok", 1.0)]);
    let event = exchange(&find(1), &reply);
    assert_eq!((&event["mongodb"]["numberReturned"], &event["mongodb"]["cursorId"]), (&json!(2), &json!(-5)));
}

#[test]
fn op_query_and_op_reply() {
    let query = [document(&[text("z", "<1>"), int("a", 2)]), document(&[int("name", 1)])];
    let reply = op_reply(1, 8, 77, &[document(&[int("ok", 0)]), document(&[int("b", 1)])]);
    let event = exchange(&op_query(1, "shop.users", 20, 3, &query), &reply);
    assert_eq!((&event["method"], &event["resource"]), (&json!("find"), &json!("shop.users")));
    assert_eq!(event["query"], "shop.users.find(null)");
    assert_eq!(event["request"], r#"shop.users.find({"a":2,"z":"\u003c1\u003e"})"#);
    assert_eq!(event["response"], "{\"ok\":0}\n{\"b\":1}");
    // A document of a user may have a key `ok`.
    assert_eq!(event["status"], "OK");
    assert_eq!(
        event["mongodb"],
        json!({
            "fullCollectionName": "shop.users", "numberToSkip": 20, "numberToReturn": 3, "numberReturned": 2,
            "startingFrom": 7, "cursorId": 77, "returnFieldsSelector": r#"{"name":1}"#,
        })
    );
}

#[test]
fn commands_of_op_query() {
    let event = |elements: &[Vec<u8>]| {
        let request = op_query(1, "shop.$cmd", 0, -1, &[document(elements)]);
        exchange(&request, &op_reply(1, 8, 0, &[document(&[double("ok", 1.0)])]))
    };
    let insert = event(&[text("insert", "users"), list("documents", &[document(&[])]), element(8, "ordered", &[1])]);
    assert_eq!((&insert["method"], &insert["resource"]), (&json!("insert"), &json!("shop.users")));
    assert_eq!(insert["query"], r#"shop.users.insert({"ordered":true})"#);
    assert_eq!(insert["request"], r#"shop.users.insert({"documents":[{}],"ordered":true})"#);
    assert!(insert["mongodb"].get("database").is_none());
    let modify = event(&[text("findandmodify", "users"), sub("update", &[]), element(8, "new", &[0])]);
    assert_eq!(modify["query"], r#"shop.users.findandmodify({"new":false})"#);
    let master = event(&[int("isMaster", 1), element(8, "helloOk", &[1])]);
    assert_eq!(master["query"], "shop.$cmd.isMaster(null)");
    assert_eq!(master["request"], r#"shop.$cmd.isMaster({"helloOk":true})"#);
    let wrapped = event(&[sub("$query", &[int("isMaster", 1)]), sub("$readPreference", &[])]);
    assert_eq!(wrapped["request"], "shop.$cmd.isMaster(null)");
    assert_eq!(event(&[])["query"], "shop.$cmd.otherCommand(null)");
}

#[test]
fn errors_of_op_reply() {
    let find = op_query(1, "shop.users", 0, 0, &[document(&[])]);
    let command = op_query(1, "shop.$cmd", 0, -1, &[document(&[text("insert", "users")])]);
    let status = |request: &[u8], reply: &[u8]| {
        let event = exchange(request, reply);
        (event["status"].as_str().unwrap().to_owned(), event["mongodb"]["error"].as_str().unwrap_or("").to_owned())
    };
    let error = |text: &str| ("Error".to_owned(), text.to_owned());
    let reply = |elements: &[Vec<u8>]| op_reply(1, 0, 0, &[document(elements)]);
    assert_eq!(status(&find, &reply(&[text("$err", "bad")])), error("\"bad\""));
    assert_eq!(status(&find, &op_reply(1, 1, 0, &[])), error("\"CursorNotFound\""));
    let write_errors = reply(&[list("writeErrors", &[document(&[int("index", 0)])])]);
    assert_eq!(status(&command, &write_errors), error(r#"[{"index":0}]"#));
    assert_eq!(status(&find, &write_errors).0, "OK");
    assert_eq!(status(&command, &reply(&[double("ok", 0.0), text("errmsg", "no")])), error(r#"{"errmsg":"no"}"#));
}

#[test]
fn operations_without_a_reply() {
    let name = b"\0\0\0\0shop.users\0";
    let selector = document(&[int("a", 1)]);
    let change = document(&[int("b", 2)]);
    let flags = [0; 4];
    let cases: [(i32, Vec<u8>, &str, Json); 6] = [
        (1000, b"hello\0".to_vec(), ".msg(null)", json!({"message": "hello"})),
        (
            2001,
            [&name[..], &flags, &selector, &change].concat(),
            r#"shop.users.update({"a":1},{"b":2})"#,
            json!({"fullCollectionName": "shop.users", "selector": r#"{"a":1}"#, "update": r#"{"b":2}"#}),
        ),
        (
            2002,
            [&name[..], &selector, &change].concat(),
            r#"shop.users.insert([{"a":1},{"b":2}])"#,
            json!({"fullCollectionName": "shop.users"}),
        ),
        (
            2006,
            [&name[..], &flags, &selector].concat(),
            r#"shop.users.delete({"a":1})"#,
            json!({"fullCollectionName": "shop.users", "selector": r#"{"a":1}"#}),
        ),
        (
            2007,
            [&[0; 4][..], &1i32.to_le_bytes(), &55i64.to_le_bytes()].concat(),
            ".killCursors(null)",
            json!({"cursorId": 55}),
        ),
        (2007, [&[0; 4][..], &2i32.to_le_bytes(), &[0; 16]].concat(), ".killCursors(null)", json!({})),
    ];
    for (opcode, body, request, fields) in cases {
        let mut bench = bench();
        bench.send(ToServer, &message(opcode, 1, 0, &body));
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(event["request"], request);
        assert_eq!(event["mongodb"], fields);
        assert_eq!(event["status"], "OK");
        assert!(event["event"].get("end").is_none() && event.get("error").is_none(), "{event:#}");
        // The same, cut: an event with a note, never more.
        for length in 0..body.len() {
            let mut bench = super::bench();
            bench.send(ToServer, &message(opcode, 1, 0, &body[..length]));
            let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
            // What is left of an OP_INSERT may be whole documents.
            assert!(opcode == 2002 || event["error"]["message"].is_string(), "{opcode} {length} {event:#}");
        }
    }
}

#[test]
fn op_get_more() {
    let body = [&b"\0\0\0\0shop.users\0"[..], &5i32.to_le_bytes(), &66i64.to_le_bytes()].concat();
    let event = exchange(&message(2005, 4, 0, &body), &op_reply(4, 0, 0, &[document(&[])]));
    assert_eq!(event["query"], "shop.users.getMore(null)");
    assert_eq!(event["mongodb"]["numberToReturn"], 5);
    assert_eq!(event["mongodb"]["cursorId"], 0);
    let mut bench = bench();
    bench.send(ToServer, &message(2005, 4, 0, &body));
    bench.finish();
    assert_eq!(bench.events()[0]["mongodb"]["cursorId"], 66);
}

#[test]
fn more_to_come() {
    let mut bench = bench();
    let request = |id, flags| {
        let section = body_section(&[text("insert", "users"), text("$db", "shop"), long("maxAwaitTimeMS", 5_000)]);
        message(MSG, id, 0, &msg_body(flags, &[section]))
    };
    bench.send(ToServer, &request(1, MORE_TO_COME));
    assert_eq!(bench.events().len(), 1);
    assert!(bench.events()[0].get("response").is_none());
    // An exhaust cursor: each reply answers the one before.
    let reply = |id, to, flags| message(MSG, id, to, &msg_body(flags, &[body_section(&[double("ok", 1.0)])]));
    bench.send(ToServer, &request(2, 1 << 16));
    bench.send(ToClient, &reply(100, 2, MORE_TO_COME));
    assert_eq!(bench.parser.idle_limit_ns(), 16 * SECOND_NS);
    bench.send(ToClient, &reply(101, 100, MORE_TO_COME));
    bench.send(ToClient, &reply(102, 101, 0));
    assert_eq!(bench.parser.idle_limit_ns(), 0);
    bench.send(ToClient, &reply(103, 102, 0));
    assert_eq!(bench.events().len(), 4);
    for event in &bench.events()[2..] {
        assert_eq!((&event["method"], &event["status"]), (&json!("insert"), &json!("OK")));
        assert!(event["event"].get("start").is_none() && event["source"].get("bytes").is_none(), "{event:#}");
        assert!(event["destination"]["bytes"].is_u64());
    }
    bench.finish();
    assert_eq!(bench.events().len(), 4);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn replies_find_their_requests() {
    let mut bench = bench();
    bench.send(ToServer, &[find(1), find(2), find(3)].concat());
    bench.send(ToClient, &[okay(10, 3), okay(11, 1)].concat());
    bench.send(ToClient, &okay(12, 2));
    // The reply overtakes its request.
    bench.send(ToClient, &okay(13, 4));
    assert_eq!(bench.events().len(), 3);
    bench.send(ToServer, &find(4));
    assert_eq!(bench.events().len(), 4);
    assert!(bench.events()[3]["event"].get("duration").is_none(), "the reply was first");
    // A requestID of 0.
    bench.send(ToServer, &find(0));
    bench.send(ToClient, &okay(14, 0));
    assert_eq!(bench.events().len(), 5);
    // The same id again while the first waits.
    bench.send(ToServer, &find(5));
    bench.send(ToServer, &find(5));
    assert_eq!(bench.count(ProtocolCounter::DuplicateRequests), 1);
    bench.send(ToClient, &okay(15, 5));
    assert_eq!(bench.events().len(), 7);
    assert_eq!(bench.events()[5]["error"]["message"], "No response to this request was received");
    bench.finish();
    assert_eq!(bench.events().len(), 7);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 0);
}

#[test]
fn unanswered_requests() {
    let mut bench = bench();
    bench.send(ToServer, &find(1));
    bench.send(ToServer, &msg(2, 0, &[text("find", "log"), text("$db", "shop"), int("maxTimeMS", 30_000)]));
    bench.wait(9 * SECOND_NS);
    assert!(bench.events().is_empty());
    bench.wait(2 * SECOND_NS);
    assert_eq!(bench.events().len(), 1);
    assert_eq!(bench.events()[0]["status"], "Error");
    assert_eq!(bench.events()[0]["error"]["message"], "No response to this request was received");
    assert!(bench.parser.idle_limit_ns() > 40 * SECOND_NS);
    // This one asked the server to wait.
    bench.wait(28 * SECOND_NS);
    assert_eq!(bench.events().len(), 1);
    bench.send(ToServer, &find(3));
    bench.wait(2 * SECOND_NS);
    assert_eq!(bench.events().len(), 2);
    // A late reply is nobody's, and forgotten in its turn.
    bench.send(ToClient, &okay(9, 1));
    bench.fin(ToServer);
    assert_eq!(bench.events().len(), 2);
    bench.fin(ToClient);
    assert_eq!(bench.events().len(), 3);
    assert_eq!(bench.events()[2]["error"]["message"], "The connection ended before a response was received");
    bench.wait(11 * SECOND_NS);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 3);
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn documents_of_the_response() {
    let documents: Vec<Vec<u8>> = (0..12).map(|number| document(&[text("key", "é value"), int("n", number)])).collect();
    let response = |max_docs, max_doc_length| {
        let options = Options { max_docs, max_doc_length, ..options() };
        let query = op_query(1, "shop.users", 0, 0, &[document(&[])]);
        let event = exchange_with(options, &query, &op_reply(1, 0, 0, &documents));
        assert_eq!(event["mongodb"]["numberReturned"], 12);
        event["response"].as_str().unwrap().to_owned()
    };
    let all = response(None, None);
    assert_eq!(all.lines().count(), 12);
    assert_eq!(all.lines().last().unwrap(), r#"{"key":"é value","n":11}"#);
    let ten = response(Some(10), Some(5000));
    assert_eq!(ten.lines().count(), 11);
    assert_eq!(ten.lines().last().unwrap(), "[...]");
    assert_eq!(response(Some(1), Some(4)), "{\"ke ...\n[...]");
    // A character that is cut in two cannot be shown.
    assert_eq!(response(Some(12), Some(9)).lines().next().unwrap(), "{\"key\":\"\u{fffd} ...");
    assert_eq!(response(Some(12), Some(25)).lines().next().unwrap(), r#"{"key":"é value","n":0}"#);
    let mut quiet = options();
    quiet.common.send_request = false;
    quiet.common.send_response = false;
    let event = exchange_with(quiet, &find(1), &okay(2, 1));
    assert!(event.get("request").is_none() && event.get("response").is_none());
    // No documents, no text.
    let empty = exchange(&op_query(1, "shop.users", 0, 0, &[document(&[])]), &op_reply(1, 0, 0, &[]));
    assert!(empty.get("response").is_none());
}

#[test]
fn configuration() {
    let read = |text: &str| {
        let configuration = Configuration::from_text("test.yml", text).expect("YAML");
        config::read(&configuration.root(), &Options::default().common).map_err(|error| error.to_string())
    };
    let defaults = read("{}").unwrap();
    assert_eq!((defaults.max_docs, defaults.max_doc_length), (Some(10), Some(5000)));
    assert_eq!(defaults.op_msg_names, OpMsgNames::Command);
    let all = read("max_docs: 0\nmax_doc_length: -1\ncompat_op_msg_method: true").unwrap();
    assert_eq!((all.max_docs, all.max_doc_length, all.op_msg_names), (None, None, OpMsgNames::Packetbeat));
    let some = read("max_docs: 3\nmax_doc_length: 70").unwrap();
    assert_eq!((some.max_docs, some.max_doc_length), (Some(3), Some(70)));
    assert!(read("max_docs: many").unwrap_err().contains("max_docs"));
    assert!(read("compat_op_msg_method: maybe").unwrap_err().contains("compat_op_msg_method"));
}
