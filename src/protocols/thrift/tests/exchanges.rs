// SPDX-License-Identifier: Apache-2.0
//! Calls, replies, and which belongs to which.

use super::*;

#[test]
fn a_call_and_its_reply_are_one_event() {
    let mut bench = bench();
    let call = call("add", 7, &[&i32_field(1, 1), &i32_field(2, -2)]);
    let reply = reply("add", 7, &[&i32_field(0, -1)]);
    bench.send(ToServer, &call);
    bench.send(ToClient, &reply);
    let event = only(&bench);
    assert_eq!(event["type"], "thrift");
    assert_eq!(event["status"], "OK");
    assert_eq!(event["method"], "add");
    assert_eq!(event["path"], "");
    assert_eq!(event["query"], "add(1: 1, 2: -2)");
    assert_eq!(event["request"], event["query"]);
    assert_eq!(event["response"], "-1");
    assert_eq!(event["thrift"], serde_json::json!({"params": "(1: 1, 2: -2)", "return_value": "-1"}));
    assert_eq!(event["source"]["bytes"], call.len());
    assert_eq!(event["destination"]["bytes"], reply.len());
    assert_eq!(event["event"]["duration"], 1_000_000);
    assert_eq!(event["network"]["protocol"], "thrift");
    assert_eq!(event["error"], Json::Null);
}

#[test]
fn request_and_response_are_shown_when_asked_for() {
    let mut bench = bench_with(Options::default());
    bench.send(ToServer, &call("ping", 0, &[]));
    bench.send(ToClient, &reply("ping", 0, &[]));
    let event = only(&bench);
    assert_eq!((&event["request"], &event["response"]), (&Json::Null, &Json::Null));
    assert_eq!(event["thrift"]["return_value"], "");
}

#[test]
fn replies_find_their_calls_by_number_in_any_order() {
    let mut bench = bench();
    let calls: Vec<u8> = (1..=3).flat_map(|number| call("get", number, &[&i32_field(1, number)])).collect();
    bench.send(ToServer, &calls);
    for number in [2, 3, 1] {
        bench.send(ToClient, &reply("get", number, &[&i32_field(0, number * 10)]));
    }
    assert_eq!(pairs(&bench), expected(&[("get(1: 2)", "20"), ("get(1: 3)", "30"), ("get(1: 1)", "10")]));
}

#[test]
fn calls_of_one_number_are_answered_by_name_and_in_order() {
    let mut bench = bench();
    bench.send(ToServer, &[call("a", 0, &[]), call("b", 0, &[&i32_field(1, 1)]), call("b", 0, &[])].concat());
    let replies =
        [reply("b", 0, &[&i32_field(0, 1)]), reply("b", 0, &[&i32_field(0, 2)]), reply("a", 0, &[&i32_field(0, 3)])];
    bench.send(ToClient, &replies.concat());
    assert_eq!(pairs(&bench), expected(&[("b(1: 1)", "1"), ("b()", "2"), ("a()", "3")]));
}

#[test]
fn a_server_that_repeats_no_numbers() {
    let mut bench = bench();
    bench.send(ToServer, &call("a", 5, &[]));
    bench.send(ToClient, &reply("a", 0, &[&i32_field(0, 1)]));
    assert_eq!(pairs(&bench), expected(&[("a()", "1")]));
}

#[test]
fn a_reply_to_nobody_is_counted() {
    let mut bench = bench();
    bench.send(ToServer, &call("a", 5, &[]));
    bench.send(ToClient, &[reply("b", 5, &[]), reply("a", 4, &[]), reply("a", 5, &[])].concat());
    assert_eq!(pairs(&bench), expected(&[("a()", "")]));
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 2);
}

#[test]
fn a_declared_exception_is_an_error() {
    let mut bench = bench();
    let exception = field(STRUCT, 1, &[&i32_field(1, 4)[..], &string_field(2, "no"), &[0]].concat());
    bench.send(ToServer, &call("divide", 1, &[]));
    bench.send(ToClient, &reply("divide", 1, &[&exception]));
    let event = only(&bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(event["thrift"]["exceptions"], "(1: (1: 4, 2: \"no\"))");
    assert_eq!(event["thrift"]["return_value"], "");
    assert_eq!(event["response"], "Exceptions: (1: (1: 4, 2: \"no\"))");
}

#[test]
fn an_application_exception_is_an_error() {
    let idl = "exception E { 1: i32 code } service S { void fail() throws (1: E first, 2: E second) }";
    let mut bench = bench_with(with_idl(idl));
    bench.send(ToServer, &call("fail", 1, &[]));
    bench.send(ToClient, &message(EXCEPTION, "fail", 1, &[&string_field(1, "Internal error"), &i32_field(2, 6)]));
    let event = only(&bench);
    assert_eq!(event["status"], "Error");
    assert_eq!(event["thrift"]["exceptions"], "(1: \"Internal error\", 2: 6)");
}

#[test]
fn a_oneway_call_is_an_event_at_once() {
    let mut bench = bench();
    bench.send(ToServer, &message(ONEWAY, "log", 1, &[&string_field(1, "line")]));
    let event = only(&bench);
    assert_eq!(event["status"], "OK");
    assert_eq!(event["thrift"], serde_json::json!({"params": "(1: \"line\")"}));
    assert_eq!((&event["response"], &event["event"]["end"]), (&Json::Null, &Json::Null));
}

#[test]
fn an_old_oneway_call_is_known_by_the_idl() {
    let mut bench = bench_with(with_idl("service S { oneway void log(1: string line) }"));
    bench.send(ToServer, &call("log", 1, &[&string_field(1, "x")]));
    assert_eq!(pairs(&bench), expected(&[("log(line: \"x\")", "-")]));
}

#[test]
fn an_old_oneway_call_is_known_by_what_the_client_does() {
    let mut bench = bench();
    bench.send(ToServer, &[call("log", 1, &[]), call("get", 2, &[]), call("log", 3, &[])].concat());
    bench.send(ToClient, &reply("get", 2, &[]));
    bench.fin(ToServer);
    bench.fin(ToClient);
    assert_eq!(pairs(&bench), expected(&[("get()", ""), ("log()", "-"), ("log()", "-")]));
    assert!(bench.events().iter().all(|event| event["status"] == "OK" && event["error"] == Json::Null));
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 0);
}

#[test]
fn a_call_without_reply_is_an_error() {
    let idl = with_idl("service S { void get() }");
    type End = fn(&mut Bench);
    let ends: [(End, &str); 4] = [
        (|bench| bench.wait(11_000_000_000), "No response to this request was received"),
        (|bench| bench.fin(ToClient), "The connection ended before a response was received"),
        (|bench| bench.reset(ToServer), "The connection ended before a response was received"),
        (Bench::finish, "The connection ended before a response was received"),
    ];
    for (end, note) in ends {
        for options in [options(), idl.clone()] {
            let mut bench = bench_with(options);
            bench.send(ToServer, &call("get", 1, &[]));
            end(&mut bench);
            let event = only(&bench);
            assert_eq!((&event["status"], &event["error"]["message"]), (&"Error".into(), &note.into()));
            assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 1);
        }
    }
    // Known to be answered: also when the client goes on.
    let mut bench = bench_with(idl);
    bench.send(ToServer, &[call("get", 1, &[]), call("get", 2, &[])].concat());
    bench.send(ToClient, &reply("get", 2, &[]));
    bench.finish();
    assert_eq!(bench.events()[1]["status"], "Error");
}

#[test]
fn a_half_closed_connection_is_still_answered() {
    let mut bench = bench();
    bench.send(ToServer, &call("get", 1, &[]));
    bench.fin(ToServer);
    bench.send(ToClient, &reply("get", 1, &[&i32_field(0, 5)]));
    bench.fin(ToClient);
    assert_eq!(pairs(&bench), expected(&[("get()", "5")]));
}

#[test]
fn time_moves_only_the_deadline_of_calls_that_are_answered_just_now() {
    let mut bench = bench();
    bench.send(ToServer, &call("get", 1, &[]));
    let reply = reply("get", 1, &[&string_field(0, "text")]);
    let (first, second) = reply.split_at(25);
    bench.wait(9_000_000_000);
    bench.send(ToClient, first);
    bench.wait(9_000_000_000);
    bench.send(ToClient, second);
    assert_eq!(pairs(&bench), expected(&[("get()", "\"text\"")]));
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn the_first_form_of_the_binary_protocol() {
    let mut bench = bench();
    let old = |kind: u8| [&string("ping")[..], &[kind, 0, 0, 0, 1, 0]].concat();
    bench.send(ToServer, &old(CALL));
    bench.send(ToClient, &old(REPLY));
    let event = only(&bench);
    assert_eq!((&event["method"], &event["source"]["bytes"]), (&"ping".into(), &14.into()));
    assert_eq!(event["thrift"]["return_value"], "");
}

#[test]
fn the_compact_protocol() {
    let mut bench = bench();
    // Call 300 of `m`: 1 = true, 2 = -3 (i32), 20 = "hé" (id in full), then field 21 = 1.5, little-endian.
    let call = [
        &[0x82, 0x21, 0xac, 0x02, 1, b'm', 0x11, 0x15, 0x05, 0x08, 0x28, 3][..],
        "hé".as_bytes(),
        &[0x17, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0],
    ];
    bench.send(ToServer, &call.concat());
    // Reply: 0 = map of two: 1 → [false, true], 2 → [].
    let reply = [0x82, 0x41, 0xac, 0x02, 1, b'm', 0x0b, 0x00, 2, 0x59, 2, 0x21, 2, 1, 4, 0x01, 0];
    bench.send(ToClient, &reply);
    let event = only(&bench);
    assert_eq!(event["query"], "m(1: true, 2: -3, 20: \"hé\", 21: 1.5)");
    assert_eq!(event["thrift"]["return_value"], "{1: [false, true], 2: []}");
}

#[test]
fn frames_are_counted_without_their_length() {
    let mut bench = bench_with(framed());
    let call = call("get", 1, &[&string_field(1, "key")]);
    let reply = reply("get", 1, &[&string_field(0, "value")]);
    bench.send(ToServer, &in_frame(&call));
    bench.send(ToClient, &in_frame(&reply));
    let event = only(&bench);
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&call.len().into(), &reply.len().into()));
}

#[test]
fn a_frame_that_is_longer_or_shorter_than_its_message() {
    let mut bench = bench_with(framed());
    let longer = [call("a", 1, &[]), b"more".to_vec()].concat();
    let message = call("b", 2, &[&string_field(1, "text")]);
    let shorter = &message[..message.len() - 3];
    bench.send(ToServer, &[in_frame(&longer), in_frame(shorter), in_frame(&call("c", 3, &[]))].concat());
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        bench.send(ToClient, &in_frame(&reply(name, number as i32 + 1, &[])));
    }
    assert_eq!(pairs(&bench), expected(&[("a()", ""), ("b(1: \"te...\", ...)", ""), ("c()", "")]));
    assert_eq!(bench.events()[1]["error"]["message"], "The request is not valid");
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
}

#[test]
fn capture_reply_false_passes_replies_over() {
    let exception = field(STRUCT, 1, &[&i32_field(1, 4)[..], &[0]].concat());
    for (transport_type, bytes) in [(TransportType::Socket, 15), (TransportType::Framed, 30)] {
        let mut bench = bench_with(Options { replies: Replies::Passed, transport_type, ..options() });
        let frame = |message: Vec<u8>| if bytes == 30 { in_frame(&message) } else { message };
        for number in 1..=2 {
            bench.send(ToServer, &frame(call("get", number, &[])));
            bench.send(ToClient, &frame(reply("get", number, &[&string_field(0, "value")])));
        }
        bench.send(ToServer, &frame(call("get", 3, &[])));
        bench.send(ToClient, &frame(reply("get", 3, &[&exception])));
        assert_eq!(pairs(&bench), expected(&[("get()", ""); 3]));
        for event in &bench.events()[..2] {
            assert_eq!((&event["status"], &event["destination"]["bytes"]), (&"OK".into(), &bytes_of(bytes)));
        }
    }
    fn bytes_of(bytes: i32) -> Json {
        // The header of an unframed reply; all of a framed one.
        Json::from(if bytes == 30 { 28 } else { 15 })
    }
}

#[test]
fn drop_after_n_struct_fields_leaves_the_message_out() {
    let mut bench = bench_with(Options { drop_after_n_struct_fields: 2, ..options() });
    let two = [&i32_field(1, 1)[..], &i32_field(2, 2), &[0]].concat();
    let one = [&i32_field(1, 1)[..], &[0]].concat();
    bench.send(ToServer, &call("a", 1, &[&field(STRUCT, 1, &two)]));
    bench.send(ToClient, &reply("a", 1, &[]));
    bench.send(ToServer, &call("b", 2, &[&field(STRUCT, 1, &one), &i32_field(2, 2), &i32_field(3, 3)]));
    bench.send(ToClient, &reply("b", 2, &[&field(STRUCT, 0, &two)]));
    assert_eq!(pairs(&bench), expected(&[("b(1: (1: 1), 2: 2, 3: 3)", "-")]));
    let event = only(&bench);
    assert_eq!((&event["status"], &event["event"]["end"]), (&"OK".into(), &Json::Null));
}

#[test]
fn a_multiplexed_call_names_its_service() {
    let idl = "service A { void get(1: i32 of_a) } service B { void get(1: i32 of_b) }";
    let mut bench = bench_with(with_idl(idl));
    bench.send(ToServer, &call("B:get", 1, &[&i32_field(1, 1)]));
    bench.send(ToClient, &reply("get", 1, &[]));
    let event = only(&bench);
    assert_eq!((&event["query"], &event["path"]), (&"B:get(of_b: 1)".into(), &"B".into()));
    assert_eq!(event["thrift"]["service"], "B");
}

#[test]
fn the_server_may_call_as_well() {
    let mut bench = bench();
    bench.send(ToClient, &call("callback", 1, &[]));
    bench.send(ToServer, &reply("callback", 1, &[&i32_field(0, 1)]));
    let event = only(&bench);
    assert_eq!((&event["client"]["port"], &event["server"]["port"]), (&9090.into(), &40_000.into()));
    assert_eq!(event["thrift"]["return_value"], "1");
}

#[test]
fn too_many_calls_make_the_oldest_go() {
    let mut bench = bench();
    for number in 0..1030 {
        bench.send(ToServer, &call("get", number, &[]));
    }
    assert_eq!(bench.events().len(), 6);
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 6);
    bench.send(ToClient, &reply("get", 1029, &[]));
    assert_eq!(bench.events()[6]["thrift"]["return_value"], "");
}

#[test]
fn transport_type_auto_looks_at_every_message() {
    let mut bench = bench_with(Options { transport_type: TransportType::Auto, ..options() });
    let old = |kind: u8| [&string("old")[..], &[kind, 0, 0, 0, 3, 0]].concat();
    bench.send_in(ToServer, &[in_frame(&call("a", 1, &[])), call("b", 2, &[]), old(CALL)].concat(), 3);
    bench.send_in(ToClient, &[reply("b", 2, &[]), in_frame(&reply("a", 1, &[])), old(REPLY)].concat(), 5);
    assert_eq!(pairs(&bench), expected(&[("b()", ""), ("a()", ""), ("old()", "")]));
}

#[test]
fn transport_types_are_not_guessed_unless_asked_for() {
    for (transport_type, message) in [
        (TransportType::Socket, in_frame(&message(ONEWAY, "log", 1, &[]))),
        (TransportType::Framed, message(ONEWAY, "log", 1, &[])),
    ] {
        let mut bench = bench_with(Options { transport_type, ..options() });
        bench.send(ToServer, &message);
        bench.finish();
        assert_eq!(bench.events().len(), 0);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
    }
}
