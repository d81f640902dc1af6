// SPDX-License-Identifier: Apache-2.0
//! Methods, their answers, and those that have none.

use super::*;

#[test]
fn a_method_and_its_answer_are_one_event() {
    let mut bench = bench();
    // passive, exclusive
    let arguments = [&[0, 0][..], &short(""), &[0b00101], &[0; 4]].concat();
    bench.send(ToServer, &method(1, DECLARE, &arguments));
    bench.send(ToClient, &declare_ok(1, "amq.gen-1"));
    let event = only(&bench);
    assert_eq!(event["method"], "queue.declare");
    assert_eq!(event["event"]["action"], "amqp.queue.declare");
    assert_eq!(event["event"]["duration"], 1_000_000);
    assert_eq!(event["status"], "OK");
    // Frames: 8 bytes around class, number and arguments.
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(20), &json!(30)));
    assert_eq!(event["source"]["port"], 40_000);
    assert_eq!((&event["request"], &event["response"]), (&json!("queue.declare"), &json!("OK")));
    let expected = json!({
        "queue": "amq.gen-1", "passive": true, "durable": false, "exclusive": true, "auto-delete": false,
        "no-wait": false, "message-count": 0, "consumer-count": 1,
    });
    assert_eq!(event["amqp"], expected);
}

#[test]
fn request_and_response_are_shown_when_asked_for() {
    let mut bench = bench_with(Options::default());
    bench.send(ToServer, &declare(1, "q"));
    bench.send(ToClient, &declare_ok(1, "q"));
    let event = only(&bench);
    assert_eq!((&event["request"], &event["response"]), (&Json::Null, &Json::Null));
}

/// Method, arguments, answer, its arguments; then `request` and the fields.
type Pair = ((u16, u16), Vec<u8>, (u16, u16), Vec<u8>, &'static str, Json);

fn pairs() -> Vec<Pair> {
    let names = |names: &[&str]| [vec![0, 0], names.iter().flat_map(|name| short(name)).collect()].concat();
    let with = |mut bytes: Vec<u8>, more: &[u8]| {
        bytes.extend_from_slice(more);
        bytes
    };
    let two = [0, 0, 0, 2];
    let table = long([&short("k")[..], b"I", &[0xff, 0xff, 0xff, 0xff]].concat());
    vec![
        (
            (40, 10),
            with(with(names(&["logs", ""]), &[0b00010]), &table),
            (40, 11),
            vec![],
            "exchange.declare logs",
            json!({"exchange": "logs", "exchange-type": "direct", "passive": false, "durable": true, "no-wait": false,
                   "arguments": {"k": -1}}),
        ),
        (
            (40, 20),
            with(names(&["logs"]), &[1]),
            (40, 21),
            vec![],
            "exchange.delete logs",
            json!({"exchange": "logs", "if-unused": true, "no-wait": false}),
        ),
        (
            (40, 30),
            with(names(&["to", "from", "key"]), &[0, 0, 0, 0, 0]),
            (40, 31),
            vec![],
            "exchange.bind from to",
            json!({"destination": "to", "source": "from", "routing-key": "key", "no-wait": false}),
        ),
        (
            (40, 40),
            with(names(&["to", "from", "key"]), &[0, 0, 0, 0, 0]),
            (40, 51),
            vec![],
            "exchange.unbind from to",
            json!({"destination": "to", "source": "from", "routing-key": "key", "no-wait": false}),
        ),
        (
            (50, 20),
            with(names(&["q", "", "key"]), &[0, 0, 0, 0, 0]),
            (50, 21),
            vec![],
            "queue.bind q ",
            json!({"queue": "q", "routing-key": "key", "no-wait": false}),
        ),
        (
            (50, 50),
            with(names(&["q", "logs", ""]), &[0, 0, 0, 0]),
            (50, 51),
            vec![],
            "queue.unbind q logs",
            json!({"queue": "q", "exchange": "logs", "routing-key": ""}),
        ),
        (
            (50, 30),
            with(names(&["q"]), &[0]),
            (50, 31),
            two.to_vec(),
            "queue.purge q",
            json!({"queue": "q", "no-wait": false, "message-count": 2}),
        ),
        (
            (50, 40),
            with(names(&["q"]), &[0b11]),
            (50, 41),
            two.to_vec(),
            "queue.delete q",
            json!({"queue": "q", "if-unused": true, "if-empty": true, "no-wait": false, "message-count": 2}),
        ),
        (
            (60, 20),
            with(names(&["q", ""]), &[0b0011, 0, 0, 0, 0]),
            (60, 21),
            short("tag"),
            "basic.consume q",
            json!({"queue": "q", "consumer-tag": "tag", "no-local": true, "no-ack": true, "exclusive": false,
                   "no-wait": false}),
        ),
        (
            (60, 30),
            with(short("tag"), &[0]),
            (60, 31),
            short("tag"),
            "basic.cancel tag",
            json!({"consumer-tag": "tag", "no-wait": false}),
        ),
        ((60, 110), vec![1], (60, 111), vec![], "basic.recover", json!({"requeue": true})),
        ((85, 10), vec![0], (85, 11), vec![], "confirm.select", json!({"no-wait": false})),
        ((90, 10), vec![], (90, 11), vec![], "tx.select", json!({})),
        ((90, 20), vec![], (90, 21), vec![], "tx.commit", json!({})),
        ((90, 30), vec![], (90, 31), vec![], "tx.rollback", json!({})),
    ]
}

#[test]
fn every_synchronous_method_has_its_fields() {
    for (asked, arguments, answered, answer, request, fields) in pairs() {
        let mut bench = bench();
        bench.send(ToServer, &method(3, asked, &arguments));
        bench.send(ToClient, &method(3, answered, &answer));
        let event = only(&bench);
        assert_eq!(event["request"], request);
        assert_eq!(event["method"], request.split(' ').next().unwrap());
        assert_eq!(event["amqp"], fields, "{request}");
        assert_eq!(event["error"], Json::Null, "{request}");
    }
}

#[test]
fn connection_information_is_shown_when_asked_for() {
    let properties = long([&short("product")[..], b"S", &long("RabbitMQ")].concat());
    let start = [&[0, 9][..], &properties, &long("PLAIN AMQPLAIN"), &long("en_US")].concat();
    let start_ok = [&properties[..], &short("PLAIN"), &long("\0guest\0secret"), &short("en_US")].concat();
    let tune = [&2047u16.to_be_bytes()[..], &131_072u32.to_be_bytes(), &60u16.to_be_bytes()].concat();
    let tune_ok = [&100u16.to_be_bytes()[..], &4096u32.to_be_bytes(), &0u16.to_be_bytes()].concat();
    let play = |options| {
        let mut bench = bench_with(options);
        bench.send(ToServer, b"AMQP\0\0\x09\x01");
        bench.send(ToClient, &method(0, (10, 10), &start));
        bench.send(ToServer, &method(0, (10, 11), &start_ok));
        bench.send(ToClient, &method(0, (10, 20), &long("challenge")));
        bench.send(ToServer, &method(0, (10, 21), &long("secret")));
        bench.send(ToClient, &method(0, (10, 30), &tune));
        bench.send(ToServer, &[method(0, (10, 31), &tune_ok), method(0, (10, 40), b"\x01/\0\0")].concat());
        bench.send(ToClient, &method(0, (10, 41), &[0]));
        bench.send(ToServer, &method(1, (20, 10), &[0]));
        bench.send(ToClient, &method(1, (20, 11), &[0; 4]));
        bench.send(ToServer, &method(1, (60, 10), &[0, 0, 0, 0, 0, 3, 1]));
        bench.send(ToClient, &method(1, (60, 11), &[]));
        bench.send(ToClient, &method(1, (20, 20), &[0]));
        bench.send(ToServer, &method(1, (20, 21), &[0]));
        bench.send(ToClient, &method(0, (10, 60), &short("low on memory")));
        bench.send(ToClient, &method(0, (10, 61), &[]));
        bench.send(ToServer, &method(0, (10, 70), &[long("new secret"), short("expiry")].concat()));
        bench.send(ToClient, &method(0, (10, 71), &[]));
        bench.send(ToServer, &close(0, CONNECTION_CLOSE, 200, "bye", (0, 0)));
        bench.send(ToClient, &method(0, (10, 51), &[]));
        bench.finish();
        bench
    };
    let hidden = play(options());
    assert_eq!(told(&hidden), [""; 0]);
    assert_eq!(hidden.count(ProtocolCounter::UnmatchedResponses), 0);
    let shown = play(open());
    let fields: Vec<(&str, &Json)> =
        shown.events().iter().map(|event| (event["method"].as_str().unwrap(), &event["amqp"])).collect();
    let expected = [
        (
            "connection.start",
            json!({"version-major": 0, "version-minor": 9, "server-properties": {"product": "RabbitMQ"},
                   "client-properties": {"product": "RabbitMQ"}, "mechanisms": "PLAIN AMQPLAIN", "mechanism": "PLAIN",
                   "locales": "en_US", "locale": "en_US"}),
        ),
        ("connection.secure", json!({})),
        ("connection.tune", json!({"channel-max": 100, "frame-max": 4096, "heartbeat": 0})),
        ("connection.open", json!({"virtual-host": "/"})),
        ("channel.open", json!({})),
        ("basic.qos", json!({"prefetch-size": 0, "prefetch-count": 3, "global": true})),
        ("channel.flow", json!({"active": false})),
        ("connection.blocked", json!({"reason": "low on memory"})),
        ("connection.unblocked", json!({})),
        ("connection.update-secret", json!({"reason": "expiry"})),
        ("connection.close", json!({"reply-code": 200, "reply-text": "bye", "class-id": 0, "method-id": 0})),
    ];
    assert_eq!(fields, expected.iter().map(|(name, fields)| (*name, fields)).collect::<Vec<_>>());
    assert!(!format!("{:?}", shown.events()).contains("guest"), "what proves the identity is not shown");
    // The broker asks: it is the source.
    assert_eq!(shown.events()[0]["source"]["port"], 5672);
    assert_eq!(shown.events()[0]["event"]["duration"], 1_000_000);
}

#[test]
fn methods_without_an_answer_are_events_at_once() {
    let mut bench = bench();
    let tag = 5u64.to_be_bytes();
    let with = |bits: u8| [&tag[..], &[bits]].concat();
    let no_wait = [&[0, 0][..], &short("q"), &[0b10000], &[0; 4]].concat();
    bench.send(ToServer, &method(1, DECLARE, &no_wait));
    bench.send(ToServer, &[method(1, (60, 80), &with(1)), method(1, (60, 120), &with(0b10))].concat());
    bench.send(ToServer, &method(1, (60, 90), &with(1)));
    bench.send(ToServer, &method(1, (60, 100), &[1]));
    // A broker confirms.
    bench.send(ToClient, &method(1, (60, 80), &with(0)));
    assert_eq!(bench.parser.deadline_ns(), None);
    let expected = ["queue.declare OK", "basic.ack OK", "basic.nack OK", "basic.reject OK", "basic.recover-async OK"];
    assert_eq!(told(&bench)[..5], expected);
    let events = bench.events();
    assert_eq!(events[0]["amqp"]["no-wait"], true);
    assert_eq!(events[1]["amqp"], json!({"delivery-tag": 5, "multiple": true}));
    assert_eq!(events[2]["amqp"], json!({"delivery-tag": 5, "multiple": false, "requeue": true}));
    assert_eq!(events[3]["amqp"], json!({"delivery-tag": 5, "requeue": true}));
    assert_eq!((&events[3]["request"], &events[3]["response"]), (&json!("basic.reject 5"), &json!("")));
    assert_eq!(events[5]["source"]["port"], 5672);
    assert!(events.iter().all(|event| event["event"].get("end").is_none()));
}

#[test]
fn compat_reject_restores_packetbeat() {
    let mut bench = bench_with(Options { rejects: Rejects::Packetbeat, ..options() });
    bench.send(ToServer, &method(1, (60, 90), &[0, 0, 0, 0, 0, 0, 0, 5, 1]));
    let event = only(&bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(event["amqp"], json!({"delivery-tag": 5, "multiple": true}));
}

#[test]
fn each_channel_and_each_end_waits_for_itself() {
    let mut bench = bench();
    bench.send(ToServer, &[declare(1, "a"), declare(2, "b"), declare(1, "c")].concat());
    // The broker cancels a consumer meanwhile.
    bench.send(ToClient, &method(1, (60, 30), &[&short("tag")[..], &[0]].concat()));
    bench.send(ToClient, &[declare_ok(2, "b"), declare_ok(1, "a"), declare_ok(1, "c")].concat());
    bench.send(ToServer, &method(1, (60, 31), &short("tag")));
    let told: Vec<_> = bench.events().iter().map(|event| event["request"].as_str().unwrap()).collect();
    assert_eq!(told, ["queue.declare b", "queue.declare a", "queue.declare c", "basic.cancel tag"]);
    assert_eq!(bench.events()[3]["source"]["port"], 5672);
}

#[test]
fn answers_that_nobody_waits_for_are_counted() {
    let mut bench = bench();
    bench.send(ToClient, &declare_ok(1, "q"));
    bench.send(ToServer, &declare(1, "q"));
    bench.send(ToClient, &declare_ok(2, "q"));
    assert_eq!(told(&bench), [""; 0]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 2);
}

#[test]
fn unanswered_methods_are_reported() {
    let mut bench = bench();
    bench.send(ToServer, &declare(1, "a"));
    bench.wait(9_000_000_000);
    assert_eq!(told(&bench), [""; 0]);
    bench.wait(1_000_000_000);
    assert_eq!(told(&bench), [format!("queue.declare Error: {NO_RESPONSE}")]);
    assert_eq!(bench.events()[0]["response"], "");
    // Nobody gets the late answer.
    bench.send(ToClient, &declare_ok(1, "a"));
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
    bench.send(ToServer, &declare(1, "b"));
    bench.fin(ToServer);
    assert_eq!(bench.events().len(), 1);
    bench.fin(ToClient);
    assert_eq!(told(&bench)[1..], [format!("queue.declare Error: {ENDED}")]);
    for end in [Bench::finish, |bench: &mut Bench| bench.reset(ToClient)] {
        let mut bench = super::bench();
        bench.send(ToServer, &method(1, TX_SELECT, &[]));
        end(&mut bench);
        assert_eq!(told(&bench), [format!("tx.select Error: {ENDED}")]);
        assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 1);
    }
}

#[test]
fn a_frame_of_many_segments_has_the_time_of_its_first_byte() {
    let mut bench = bench();
    bench.send_in(ToServer, &method(1, TX_SELECT, &[]), 1);
    bench.send_in(ToClient, &method(1, TX_SELECT_OK, &[]), 1);
    // Twelve bytes, one each millisecond, from first byte to first byte.
    assert_eq!(only(&bench)["event"]["duration"], 12_000_000);
}

#[test]
fn too_many_waiting_methods_push_out_the_oldest() {
    let mut bench = bench();
    for channel in 0..1030 {
        bench.send(ToServer, &method(channel, TX_SELECT, &[]));
    }
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 6);
    assert_eq!(bench.events().len(), 6);
    bench.send(ToClient, &method(1029, TX_SELECT_OK, &[]));
    assert_eq!(bench.events()[6]["status"], "OK");
}

#[test]
fn arguments_that_end_too_early_are_noted() {
    let mut bench = bench();
    bench.send(ToServer, &method(1, DECLARE, &[&[0, 0][..], &short("q")].concat()));
    bench.send(ToClient, &declare_ok(1, "q"));
    assert_eq!(told(&bench), ["queue.declare OK: The method's arguments are not complete"]);
    assert_eq!(only(&bench)["amqp"]["queue"], "q");
}

#[test]
fn methods_that_are_unknown_are_passed_over() {
    let mut bench = bench();
    bench.send(ToServer, b"AMQP\0\0\x09\x01");
    let bytes = [method(1, (60, 999), &[1, 2, 3]), frame(1, 1, &[0, 60]), method(1, TX_SELECT, &[])].concat();
    bench.send(ToServer, &bytes);
    bench.send(ToClient, &method(1, TX_SELECT_OK, &[]));
    assert_eq!(told(&bench), ["tx.select OK"]);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 2);
}
