// SPDX-License-Identifier: Apache-2.0
//! Messages: published, delivered, returned, got.

use super::*;

#[test]
fn a_published_message_is_one_event() {
    let mut bench = bench();
    bench.send(ToServer, &[publish(1, "hello"), text(1, "hi")].concat());
    let event = only(&bench);
    assert_eq!((&event["method"], &event["event"]["action"]), (&json!("basic.publish"), &json!("amqp.basic.publish")));
    let fields = json!({"routing-key": "hello", "mandatory": false, "immediate": false, "content-type": "text/plain"});
    assert_eq!(event["amqp"], fields);
    assert_eq!((&event["request"], &event["response"]), (&json!("hi"), &json!("")));
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(2), &Json::Null));
    assert_eq!((&event["event"]["end"], &event["error"]), (&Json::Null, &Json::Null));
}

#[test]
fn a_delivery_counts_for_the_destination() {
    let mut bench = bench();
    bench.send(ToClient, &[deliver(1, 9, "key"), text(1, "hi")].concat());
    let event = only(&bench);
    let fields = json!({"consumer-tag": "consumer", "delivery-tag": 9, "redelivered": false, "routing-key": "key",
        "content-type": "text/plain"});
    assert_eq!(event["amqp"], fields);
    assert_eq!((&event["request"], &event["response"]), (&json!(""), &json!("hi")));
    assert_eq!((&event["source"]["port"], &event["destination"]["bytes"]), (&json!(40_000), &json!(2)));
}

#[test]
fn a_returned_message_is_an_error() {
    let arguments = [&312u16.to_be_bytes()[..], &short("NO_ROUTE"), &short(""), &short("key")].concat();
    let mut bench = bench();
    bench.send(ToClient, &[method(1, (60, 50), &arguments), text(1, "hi")].concat());
    assert_eq!(told(&bench), ["basic.return Error"]);
    let fields = json!({"reply-code": 312, "reply-text": "NO_ROUTE", "exchange": "", "routing-key": "key",
        "content-type": "text/plain"});
    assert_eq!(only(&bench)["amqp"], fields);
}

#[test]
fn a_get_is_joined_with_its_message() {
    let mut bench = bench();
    bench.send(ToServer, &get(1, "q"));
    bench.send(ToClient, &[get_ok(1, "key"), text(1, "hi")].concat());
    bench.send(ToServer, &get(1, "q"));
    bench.send(ToClient, &method(1, (60, 72), &short("")));
    assert_eq!(told(&bench), ["basic.get OK", "basic.get-empty OK"]);
    let got = &bench.events()[0];
    let fields = json!({"queue": "q", "no-ack": false, "delivery-tag": 7, "redelivered": false, "routing-key": "key",
        "message-count": 2, "content-type": "text/plain"});
    assert_eq!(got["amqp"], fields);
    assert_eq!((&got["request"], &got["response"]), (&json!("basic.get q"), &json!("hi")));
    assert_eq!((&got["source"]["bytes"], &got["destination"]["bytes"]), (&json!(17), &json!(2)));
    assert_eq!(got["event"]["duration"], 1_000_000);
    assert_eq!(bench.events()[1]["amqp"], json!({"queue": "q", "no-ack": false}));
    assert_eq!(bench.events()[1]["response"], "OK");
}

#[test]
fn a_get_ok_alone_is_an_event_that_says_what_is_missing() {
    let mut bench = bench();
    bench.send(ToClient, &[get_ok(1, "key"), text(1, "hi")].concat());
    assert_eq!(told(&bench), ["basic.get OK: Packet loss while capturing the request"]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn an_empty_message_is_complete_with_its_header() {
    let mut bench = bench();
    bench.send(ToServer, &[publish(1, "a"), header(1, 0, &[0, 0])].concat());
    let event = only(&bench);
    assert_eq!((&event["request"], &event["source"]["bytes"]), (&json!(""), &Json::Null));
}

#[test]
fn bodies_come_in_several_frames_and_channels_take_turns() {
    let mut bench = bench();
    bench.send(ToServer, &[publish(1, "a"), publish(2, "b"), header(2, 4, &text_plain())].concat());
    bench.send(ToServer, &[header(1, 6, &text_plain()), frame(3, 1, b"one"), frame(3, 2, b"two")].concat());
    bench.send(ToServer, &[frame(8, 0, b""), frame(3, 2, b""), frame(3, 2, b"2"), frame(3, 1, b"eno")].concat());
    let bodies: Vec<_> = bench.events().iter().map(|event| event["request"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["two2", "oneeno"]);
}

#[test]
fn max_body_length_cuts_what_is_shown() {
    let body = |length: usize, properties: &[u8], most: usize| {
        let mut bench = bench_with(Options { max_body_bytes: most, ..options() });
        let bytes = vec![b'a'; length];
        bench.send(ToServer, &[publish(1, "a"), header(1, length as u64, properties), frame(3, 1, &bytes)].concat());
        assert_eq!(only(&bench)["source"]["bytes"], length);
        only(&bench)["request"].as_str().unwrap().to_owned()
    };
    assert_eq!(body(4, &text_plain(), 4), "aaaa");
    assert_eq!(body(5, &text_plain(), 4), "aaaa [...]");
    assert_eq!(body(5, &[0, 0], 4), "97 97 97 97 [...]");
    assert_eq!(body(2, &[0, 0], 4), "97 97");
    assert_eq!(body(2, &text_plain(), 0), " [...]");
    assert_eq!(body(1500, &text_plain(), 1000).len(), 1006);
}

#[test]
fn bodies_that_nobody_asked_for_are_counted() {
    for (send_request, send_response) in [(false, true), (true, false)] {
        let mut options = options();
        options.common.send_request = send_request;
        options.common.send_response = send_response;
        let mut bench = bench_with(options);
        bench.send(ToServer, &[publish(1, "a"), text(1, "asked")].concat());
        bench.send(ToClient, &[deliver(1, 1, "a"), text(1, "said")].concat());
        let [published, delivered] = bench.events() else { panic!("two events") };
        let keys = |event: &Json| (event.get("request").cloned(), event.get("response").cloned());
        let shown = |body: &str, other| if other { Some(json!(body)) } else { None };
        assert_eq!(keys(published), (shown("asked", send_request), shown("", send_response)));
        assert_eq!(keys(delivered), (shown("", send_request), shown("said", send_response)));
        assert_eq!(bench.count(ProtocolCounter::SkippedBytes), if send_request { 4 } else { 5 });
    }
}

fn all_properties() -> Vec<u8> {
    [
        &[0xFF, 0xF8][..],
        &short("application/JSON"),
        &short(""),
        &long([&short("x-key")[..], b"t", &[1]].concat()),
        &[2, 9],
        &short("c-1"),
        &short("answers"),
        &short("60000"),
        &short("m-1"),
        &1_767_225_600u64.to_be_bytes(),
        &short("kind"),
        &short("guest"),
        &short("app"),
    ]
    .concat()
}

#[test]
fn every_property_has_its_field() {
    let mut bench = bench();
    bench.send(ToServer, &[publish(1, "a"), header(1, 2, &all_properties()), frame(3, 1, b"{}")].concat());
    let event = only(&bench);
    let fields = json!({
        "routing-key": "a", "mandatory": false, "immediate": false,
        "content-type": "application/JSON", "content-encoding": "", "headers": {"x-key": true},
        "delivery-mode": "persistent", "priority": 9, "correlation-id": "c-1", "reply-to": "answers",
        "expiration": "60000", "message-id": "m-1", "timestamp": "January  1 00:00:00 2026", "type": "kind",
        "user-id": "guest", "app-id": "app",
    });
    assert_eq!(event["amqp"], fields);
    assert_eq!((&event["user.id"], &event["request"]), (&json!("guest"), &json!("{}")));
}

#[test]
fn parse_headers_off_passes_the_properties_over() {
    let mut bench = bench_with(Options { headers: Parsing::PassedOver, ..options() });
    bench.send(ToServer, &[publish(1, "a"), header(1, 2, &all_properties()), frame(3, 1, b"{}")].concat());
    let event = only(&bench);
    assert_eq!(event["amqp"], json!({"routing-key": "a", "mandatory": false, "immediate": false}));
    // Without its type a body is numbers.
    assert_eq!((&event["user.id"], &event["request"]), (&Json::Null, &json!("123 125")));
}

#[test]
fn encoded_text_is_shown_as_numbers() {
    let properties = [&[0xC0, 0][..], &short("text/plain"), &short("gzip")].concat();
    let mut bench = bench();
    bench.send(ToServer, &[publish(1, "a"), header(1, 1, &properties), frame(3, 1, b"a")].concat());
    assert_eq!(only(&bench)["request"], "97");
}

#[test]
fn further_property_flags_are_passed_over() {
    let properties = [&[0x80, 1][..], &[0, 1], &[0, 0], &short("text/plain")].concat();
    let mut bench = bench();
    bench.send(ToServer, &[publish(1, "a"), header(1, 1, &properties), frame(3, 1, b"a")].concat());
    assert_eq!(only(&bench)["request"], "a");
}

#[test]
fn broken_properties_are_noted() {
    let note = "basic.publish OK: Failed to parse the message properties";
    let broken_table = [&[0x20, 0][..], &long([&short("key")[..], b"?"].concat())].concat();
    for properties in [&[0x80, 0, 9, b'a'][..], &broken_table, &[0xFF]] {
        let mut bench = bench();
        bench.send(ToServer, &[publish(1, "a"), header(1, 1, properties), frame(3, 1, b"a")].concat());
        assert_eq!(told(&bench), [note], "{properties:?}");
    }
}

#[test]
fn messages_that_break_off_are_errors() {
    let mut bench = bench();
    bench
        .send(ToServer, &[publish(1, "a"), header(1, 9, &text_plain()), frame(3, 1, b"one"), publish(1, "b")].concat());
    assert_eq!(told(&bench), ["basic.publish Error: The message is not complete"]);
    assert_eq!((&only(&bench)["request"], &only(&bench)["source"]["bytes"]), (&json!("one [...]"), &json!(3)));
    bench.send(ToServer, &header(1, 9, &text_plain()));
    bench.fin(ToServer);
    assert_eq!(told(&bench)[1..], ["basic.publish Error: The connection ended before the message was complete"]);
}

#[test]
fn too_many_messages_under_way_push_out_the_oldest() {
    let mut bench = bench();
    for channel in 1..=17 {
        bench.send(ToServer, &publish(channel, "a"));
    }
    assert_eq!(told(&bench), ["basic.publish Error: The message is not complete"]);
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 1);
}

#[test]
fn sizes_that_cannot_be_are_harmless() {
    let mut bench = bench();
    bench.send(ToServer, &get(1, "q"));
    bench.send(ToClient, &[get_ok(1, "a"), header(1, u64::MAX, &text_plain()), frame(3, 1, b"one")].concat());
    bench.finish();
    let event = only(&bench);
    assert_eq!((&event["response"], &event["network"]["bytes"]), (&json!("one [...]"), &json!(20)));
    assert_eq!(event["status"], "Error");
}
