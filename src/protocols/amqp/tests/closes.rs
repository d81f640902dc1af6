// SPDX-License-Identifier: Apache-2.0
//! Closing a channel or the connection, and what it means for methods that wait.

use super::*;

#[test]
fn a_channel_close_is_the_answer_to_what_failed() {
    let mut bench = bench();
    bench.send(ToServer, &[declare(1, "missing"), declare(2, "other")].concat());
    bench.send(ToClient, &close(1, CHANNEL_CLOSE, 404, "NOT_FOUND", DECLARE));
    bench.send(ToServer, &method(1, CHANNEL_CLOSE_OK, &[]));
    bench.send(ToClient, &declare_ok(2, "other"));
    let expected =
        [format!("queue.declare Error: {CLOSED}"), "channel.close Error".to_owned(), "queue.declare OK".to_owned()];
    assert_eq!(told(&bench), expected);
    let failed = &bench.events()[0];
    assert_eq!((&failed["amqp"]["reply-code"], &failed["amqp"]["reply-text"]), (&json!(404), &json!("NOT_FOUND")));
    assert_eq!((&failed["amqp"]["queue"], &failed["response"]), (&json!("missing"), &json!("NOT_FOUND")));
    assert_eq!((&failed["event"]["duration"], &failed["destination"]["bytes"]), (&json!(1_000_000), &Json::Null));
    let closing = &bench.events()[1];
    assert_eq!(closing["source"]["port"], 5672);
    let fields = json!({"reply-code": 404, "reply-text": "NOT_FOUND", "class-id": 50, "method-id": 10});
    assert_eq!((&closing["amqp"], &closing["response"]), (&fields, &json!("OK")));
}

#[test]
fn a_connection_close_ends_every_channel() {
    let mut bench = bench();
    bench.send(ToServer, &[declare(1, "a"), declare(2, "b")].concat());
    bench.send(ToClient, &close(0, CONNECTION_CLOSE, 320, "CONNECTION_FORCED", (0, 0)));
    bench.fin(ToServer);
    let failed = format!("queue.declare Error: {CLOSED}");
    assert_eq!(told(&bench), [failed.clone(), failed, format!("connection.close Error: {NO_CLOSE_OK}")]);
    // A refused vhost is the answer to connection.open.
    let mut bench = bench_with(open());
    bench.send(ToServer, &method(0, (10, 40), &[&short("no")[..], &[0, 0]].concat()));
    bench.send(ToClient, &close(0, CONNECTION_CLOSE, 530, "NOT_ALLOWED", (10, 40)));
    bench.fin(ToServer);
    assert_eq!(bench.events()[0]["method"], "connection.open");
    assert_eq!(
        (&bench.events()[0]["status"], &bench.events()[0]["amqp"]["reply-code"]),
        (&json!("Error"), &json!(530))
    );
}

#[test]
fn a_close_without_an_answer_says_so() {
    let note = format!("channel.close Error: {NO_CLOSE_OK}");
    let begin = || {
        let mut bench = bench();
        bench.send(ToClient, &close(1, CHANNEL_CLOSE, 406, "PRECONDITION_FAILED", DECLARE));
        bench
    };
    let mut late = begin();
    late.wait(10_000_000_000);
    assert_eq!(told(&late), [note.as_str()]);
    let mut last = begin();
    last.finish();
    assert_eq!(told(&last), [note.as_str()]);
    let mut reset = begin();
    reset.reset(ToServer);
    assert_eq!(told(&reset), [note]);
}

#[test]
fn ordinary_closes_belong_to_connection_information() {
    for (options, expected) in [(options(), 0), (open(), 1)] {
        let mut bench = bench_with(options);
        bench.send(ToServer, &close(1, CHANNEL_CLOSE, 200, "", (0, 0)));
        bench.send(ToClient, &method(1, CHANNEL_CLOSE_OK, &[]));
        assert_eq!(bench.events().len(), expected);
        assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 0);
    }
}

#[test]
fn who_closes_gets_no_more_answers() {
    let mut bench = bench();
    bench.send(ToServer, &[declare(1, "a"), close(1, CHANNEL_CLOSE, 200, "", (0, 0))].concat());
    bench.send(ToClient, &method(1, CHANNEL_CLOSE_OK, &[]));
    assert_eq!(told(&bench), [format!("queue.declare Error: {NO_RESPONSE}")]);
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn both_ends_may_close() {
    let mut bench = bench_with(open());
    bench.send(ToServer, &close(1, CHANNEL_CLOSE, 200, "", (0, 0)));
    bench.send(ToClient, &close(1, CHANNEL_CLOSE, 404, "NOT_FOUND", PUBLISH));
    bench.send(ToServer, &method(1, CHANNEL_CLOSE_OK, &[]));
    bench.send(ToClient, &method(1, CHANNEL_CLOSE_OK, &[]));
    assert_eq!(told(&bench), ["channel.close Error", "channel.close OK"]);
}
