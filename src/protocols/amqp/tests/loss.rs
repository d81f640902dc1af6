// SPDX-License-Identifier: Apache-2.0
//! Lost bytes, captures that begin in the middle, what is no AMQP 0-9-1.

use super::*;

const REQUEST_LOSS: &str = "Packet loss while capturing the request";
const RESPONSE_LOSS: &str = "Packet loss while capturing the response";
const MESSAGE_LOSS: &str = "Packet loss while capturing the message";

/// Three declarations, the first and the last whole, and their answers; `lost` bytes from `at` on are missing in one
/// direction.
fn with_gap(direction: Direction, at: usize, lost: usize) -> Bench {
    let asked = ["one", "two", "six"].map(|queue| declare(1, queue)).concat();
    let answered = ["one", "two", "six"].map(|queue| declare_ok(1, queue)).concat();
    let mut bench = bench();
    for (way, bytes) in [(ToServer, &asked), (ToClient, &answered)] {
        if way != direction {
            bench.send(way, bytes);
            continue;
        }
        bench.send(way, &bytes[..at]);
        bench.lose(way, lost as u32);
        bench.send(way, &bytes[at + lost..]);
    }
    bench.finish();
    bench
}

#[test]
fn a_gap_in_requests_costs_only_what_lies_in_it() {
    let length = declare(1, "one").len();
    for at in 1..length * 2 {
        for lost in [1, 3, 9, length] {
            let bench = with_gap(ToServer, at, lost);
            // What ends before the gap, and the last one when the gap ends before it, are whole.
            for (place, queue) in ["one", "two", "six"].iter().enumerate() {
                let hit = at < (place + 1) * length && at + lost > place * length;
                let request = format!("queue.declare {queue}");
                let found = bench.events().iter().find(|event| event["request"] == request && event["status"] == "OK");
                if !hit {
                    let context = || format!("{queue}, {lost} at {at}: {:#?}", told(&bench));
                    assert_eq!(found.unwrap_or_else(|| panic!("{}", context()))["error"], Json::Null, "{}", context());
                }
            }
        }
    }
}

#[test]
fn a_gap_in_answers_leaves_no_request_out() {
    let length = declare_ok(1, "one").len();
    for at in 1..length * 2 {
        for lost in [1, 3, 9, length] {
            let bench = with_gap(ToClient, at, lost);
            let mut asked: Vec<_> = bench.events().iter().map(|event| event["request"].as_str().unwrap()).collect();
            asked.sort_unstable();
            assert_eq!(asked, ["queue.declare one", "queue.declare six", "queue.declare two"], "{lost} at {at}");
        }
    }
}

#[test]
fn a_gap_inside_a_frame_is_bridged() {
    let mut bench = bench();
    bench.send(ToServer, b"AMQP\0\0\x09\x01");
    bench.send(ToClient, &method(0, (10, 41), &[0]));
    let bytes = declare(1, "a long name");
    bench.send(ToServer, &bytes[..16]);
    bench.lose(ToServer, 4);
    bench.send(ToServer, &[&bytes[20..], &method(1, TX_SELECT, &[])].concat());
    bench.send(ToClient, &[declare_ok(1, "a long name"), method(1, TX_SELECT_OK, &[])].concat());
    assert_eq!(told(&bench), [format!("queue.declare OK: {REQUEST_LOSS}"), "tx.select OK".to_owned()]);
    let bytes = declare_ok(1, "other");
    bench.send(ToServer, &declare(1, "other"));
    bench.send(ToClient, &bytes[..12]);
    bench.lose(ToClient, 10);
    bench.send(ToClient, &bytes[22..]);
    assert_eq!(told(&bench)[2..], [format!("queue.declare OK: {RESPONSE_LOSS}")]);
}

#[test]
fn a_gap_inside_a_body_is_bridged() {
    for (at, lost) in [(0, 1), (3, 40), (10, 90), (10, 91)] {
        let mut bench = bench();
        let body = frame(3, 1, &[b'x'; 100]);
        let begin = [publish(1, "a"), header(1, 100, &text_plain())].concat();
        bench.send(ToServer, &[&begin, &body[..7 + at]].concat());
        bench.lose(ToServer, lost as u32);
        bench.send(ToServer, &[&body[7 + at + lost..], &method(1, TX_SELECT, &[])].concat());
        bench.send(ToClient, &method(1, TX_SELECT_OK, &[]));
        assert_eq!(
            told(&bench),
            [format!("basic.publish OK: {MESSAGE_LOSS}"), "tx.select OK".to_owned()],
            "{at} {lost}"
        );
        let event = &bench.events()[0];
        assert_eq!(
            (&event["source"]["bytes"], &event["request"]),
            (&json!(100), &json!(format!("{} [...]", "x".repeat(at))))
        );
    }
}

#[test]
fn behind_lost_frames_the_next_one_is_found() {
    let mut bench = bench();
    bench.send(ToServer, &[declare(1, "a"), publish(2, "x"), header(2, 1000, &text_plain())].concat());
    bench.lose(ToServer, 500);
    // The rest of a body with bytes in it that look like the begin of frames.
    let rest = [&[1u8, 0, 1, 0, 0, 0, 4, 0, 60, 0, 40, 9, 9, 2, 8, 3][..], b"AMQ"].concat();
    bench.send_in(ToServer, &[&rest[..], &[0xCE], &method(1, TX_SELECT, &[])].concat(), 5);
    bench.send(ToClient, &[declare_ok(1, "a"), method(1, TX_SELECT_OK, &[])].concat());
    let expected =
        [format!("basic.publish OK: {MESSAGE_LOSS}"), "queue.declare OK".to_owned(), "tx.select OK".to_owned()];
    assert_eq!(told(&bench), expected);
}

#[test]
fn a_lost_answer_is_noticed_at_the_next_method() {
    let mut bench = bench();
    bench.send(ToServer, &declare(1, "a"));
    bench.send(ToClient, &method(2, (60, 80), &[0; 9]));
    bench.lose(ToClient, 30);
    bench.send(ToClient, &method(2, (60, 80), &[0; 9]));
    bench.send(ToServer, &declare(1, "b"));
    bench.send(ToClient, &declare_ok(1, "b"));
    let expected = [
        "basic.ack OK".to_owned(),
        "basic.ack OK".to_owned(),
        format!("queue.declare Error: {RESPONSE_LOSS}"),
        "queue.declare OK".to_owned(),
    ];
    assert_eq!(told(&bench), expected);
    assert_eq!(bench.events()[3]["amqp"]["queue"], "b");
}

#[test]
fn a_frame_with_a_wrong_end_costs_itself() {
    let mut bench = bench();
    let mut bytes = method(1, TX_SELECT, &[]);
    *bytes.last_mut().unwrap() = 0;
    bench.send(ToServer, b"AMQP\0\0\x09\x01");
    bench.send(ToServer, &[bytes, declare(1, "a")].concat());
    bench.send(ToClient, &declare_ok(1, "a"));
    assert_eq!(told(&bench), ["queue.declare OK"]);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
}

#[test]
fn frames_too_large_are_passed_over() {
    let mut bench = bench();
    bench.send(ToServer, b"AMQP\0\0\x09\x01");
    bench.send_in(ToServer, &[method(1, DECLARE, &vec![0; 300_000]), declare(1, "a")].concat(), 1400);
    bench.send(ToClient, &declare_ok(1, "a"));
    assert_eq!(told(&bench), ["queue.declare OK"]);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
}

#[test]
fn a_capture_may_begin_in_the_middle() {
    let mut bench = bench();
    let body = frame(3, 1, &[7; 3000]);
    bench.send(ToClient, &[&body[1500..], &deliver(1, 1, "a")[..], &text(1, "hi")].concat());
    bench.send(ToServer, &[&declare(1, "long")[5..], &declare(1, "b")[..]].concat());
    bench.send(ToClient, &declare_ok(1, "b"));
    assert_eq!(told(&bench), ["basic.deliver OK", "queue.declare OK"]);
}

#[test]
fn other_protocols_end_the_analysis() {
    for first in [&b"AMQP\0\x01\0\0"[..], b"AMQP\x03\x01\0\0", b"AMQP\x01\x01\x08\0", b"\x16\x03\x01\x02\0\x01"] {
        let mut bench = bench();
        bench.send(ToServer, first);
        bench.send(ToServer, &method(1, TX_SELECT, &[]));
        bench.send(ToClient, &method(1, TX_SELECT_OK, &[]));
        assert_eq!(told(&bench), [""; 0], "{first:?}");
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}
