// SPDX-License-Identifier: Apache-2.0
//! Missing bytes, ends of connections, time-outs.

use serde_json::json;

use super::*;

const REQUEST_LOSS: &str = "Packet loss while capturing the request";
const RESPONSE_LOSS: &str = "Packet loss while capturing the response";

#[test]
fn a_gap_inside_a_value_is_bridged() {
    let mut bench = bench_with(showing(), Carrier::Tcp);
    bench.send(ToServer, b"set k 0 0 100\r\n0123456789");
    bench.lose(ToServer, 80);
    bench.send(ToServer, b"0123456789\r\nget k\r\n");
    bench.send(ToClient, b"STORED\r\nVALUE k 0 100\r\n");
    bench.lose(ToClient, 100);
    bench.send(ToClient, b"\r\nEND\r\n");
    bench.send(ToServer, b"version\r\n");
    bench.send(ToClient, b"VERSION 1\r\n");
    assert_eq!(shown(&bench), ["set STORED: OK", "get VALUE: OK", "version VERSION: OK"]);
    let [set, get, _] = bench.events() else { panic!("three events") };
    assert_eq!((note(set), note(get)), (REQUEST_LOSS, RESPONSE_LOSS));
    assert_eq!((&set["source"]["bytes"], &get["destination"]["bytes"]), (&json!(117), &json!(122)));
    assert_eq!((set["memcache"]["request"].get("values"), get["memcache"]["response"].get("values")), (None, None));
    assert_eq!(get["memcache"]["response"]["count_values"], 1);
}

#[test]
fn a_gap_inside_a_binary_value_is_bridged() {
    let mut bench = bench();
    let set = asked(0x01, 1, [&[0; 8], b"k", &[b'x'; 50]]);
    bench.send(ToServer, &set[..40]);
    bench.lose(ToServer, (set.len() - 40) as u32);
    bench.send(ToServer, &asked(0x0a, 2, [b"", b"", b""]));
    bench.send(ToClient, &[answered(0x01, 1, 0, [b"", b"", b""]), answered(0x0a, 2, 0, [b"", b"", b""])].concat());
    assert_eq!(shown(&bench), ["set set: OK", "noop noop: OK"]);
    assert_eq!((note(&bench.events()[0]), &bench.events()[0]["source"]["bytes"]), (REQUEST_LOSS, &json!(83)));
}

#[test]
fn a_gap_elsewhere_gives_up_what_waits() {
    let mut bench = bench();
    bench.send(ToServer, b"get a\r\nget b\r\n");
    bench.send(ToClient, b"VALUE a 0 5\r\nhe");
    bench.lose(ToClient, 30);
    bench.send(ToClient, b"rest of something\r\nEND\r\n");
    bench.send(ToServer, b"incr n 1\r\n");
    bench.send(ToClient, b"8\r\n");
    assert_eq!(shown(&bench), ["get VALUE: OK", "get -: Server Error", "incr <counter_op_res>: OK"]);
    assert_eq!(note(&bench.events()[0]), RESPONSE_LOSS);
    assert_eq!(note(&bench.events()[1]), "Unfinished transaction");
}

#[test]
fn a_gap_in_a_command_shows_it_in_part() {
    let mut bench = bench();
    bench.send(ToServer, b"set k 0 0 10\r\n012");
    bench.lose(ToServer, 40);
    bench.send(ToServer, b"and so on\r\n");
    bench.send(ToServer, b"get a\r\n");
    bench.send(ToClient, b"STORED\r\nEND\r\n");
    assert_eq!(shown(&bench), ["set STORED: OK", "get END: OK"]);
    assert_eq!(note(&bench.events()[0]), REQUEST_LOSS);
}

/// A gap of every length at every place: nothing breaks, and the connection is in step again afterwards.
#[test]
fn gaps_everywhere() {
    let set = asked(0x01, 1, [&[0; 8], b"k", b"abcdef"]);
    let stored = answered(0x01, 1, 0, [b"", b"", b""]);
    let conversations: [[&[u8]; 2]; 2] =
        [[b"set k 0 0 6\r\nabcdef\r\nget k\r\n", b"STORED\r\nVALUE k 0 6\r\nabcdef\r\nEND\r\n"], [&set, &stored]];
    for [sent, got] in conversations {
        for (direction, bytes) in [(ToServer, sent), (ToClient, got)] {
            for start in 0..bytes.len() {
                for end in start + 1..=bytes.len() {
                    let mut bench = bench();
                    for (other, whole) in [(ToServer, sent), (ToClient, got)] {
                        if other == direction {
                            bench.send(other, &bytes[..start]);
                            bench.lose(other, (end - start) as u32);
                            bench.send(other, &bytes[end..]);
                        } else {
                            bench.send(other, whole);
                        }
                    }
                    bench.wait(60_000_000_000);
                    for _ in 0..2 {
                        bench.send(ToServer, b"version\r\n");
                        bench.send(ToClient, b"VERSION 1\r\n");
                    }
                    bench.finish();
                    let last = shown(&bench).pop();
                    assert_eq!(last.as_deref(), Some("version VERSION: OK"), "{start}..{end} {:?}", shown(&bench));
                    assert_eq!(bench.parser.deadline_ns(), None);
                }
            }
        }
    }
}

#[test]
fn ends_of_the_connection() {
    for close in ["fin", "reset", "finish"] {
        let mut bench = bench();
        bench.send(ToServer, b"get a\r\nget b\r\nset c 0 0 5\r\nhe");
        bench.send(ToClient, b"VALUE a 0 9\r\nabc");
        match close {
            "fin" => {
                bench.fin(ToServer);
                bench.fin(ToClient);
            }
            "reset" => bench.reset(ToClient),
            _ => {}
        }
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
        let mut events = shown(&bench);
        events.sort();
        assert_eq!(events, ["get -: Server Error", "get VALUE: OK", "set -: Server Error"], "{close}");
    }
}

#[test]
fn answers_come_after_the_client_has_closed() {
    let mut bench = bench();
    bench.send(ToServer, b"get a\r\n");
    bench.fin(ToServer);
    bench.send(ToClient, b"END\r\n");
    bench.fin(ToClient);
    bench.finish();
    assert_eq!(shown(&bench), ["get END: OK"]);
}

#[test]
fn an_idle_connection_gives_up_what_waits() {
    let mut bench = bench();
    bench.send(ToServer, b"get a\r\n");
    bench.send(ToClient, b"VALUE a 0 9\r\nabc");
    bench.wait(9_000_000_000);
    bench.send(ToClient, b"def");
    bench.wait(9_000_000_000);
    assert_eq!(bench.events().len(), 0);
    bench.wait(2_000_000_000);
    assert_eq!(shown(&bench), ["get -: Server Error"]);
    assert_eq!(note(only(&bench)), "Unfinished transaction");
    // The rest of the late answer is its own, not the next one's.
    bench.send(ToServer, b"get b\r\n");
    bench.send(ToClient, b"ghi\r\nEND\r\nEND\r\n");
    assert_eq!(shown(&bench), ["get -: Server Error", "get END: OK"]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn answers_without_a_command() {
    let mut bench = bench();
    bench.send(ToClient, b"VALUE a 0 1\r\nx\r\nEND\r\n");
    let event = only(&bench);
    assert_eq!((&event["status"], note(event)), (&json!("Client Error"), "Invalid transaction. Request missing"));
    assert_eq!((event["source"].get("bytes"), &event["destination"]["bytes"]), (None, &json!(21)));
    assert_eq!(event["source"]["ip"], "10.0.0.1");
    assert!(event.get("event.action").is_none());
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}
