// SPDX-License-Identifier: Apache-2.0
//! Datagrams: messages put together, request ids, time-outs.

use serde_json::json;

use super::*;
use crate::protocols::memcache::datagrams::MAX_EXCHANGES;

fn udp() -> Bench {
    bench_with(Options { udp_transaction_timeout_ns: 50_000_000, ..showing() }, Carrier::Udp)
}

/// A datagram: request id, number, total, two reserved bytes, content.
fn frame(id: u16, number: u16, total: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = [id, number, total, 0].map(u16::to_be_bytes).concat();
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn a_command_and_its_answer() {
    let mut bench = udp();
    bench.datagram(ToServer, &frame(7, 0, 1, b"get a\r\n"));
    assert!(bench.parser.deadline_ns().is_some());
    bench.datagram(ToClient, &frame(7, 0, 1, b"VALUE a 0 2\r\nhi\r\nEND\r\n"));
    let event = only(&bench);
    assert_eq!(event["memcache"]["response"]["values"], json!(["aGk="]));
    // Without the frame's eight bytes.
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(7), &json!(22)));
    assert_eq!(event["network"]["transport"], "udp");
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn request_ids_tell_answers_apart() {
    let mut bench = udp();
    bench.datagram(ToServer, &frame(1, 0, 1, b"get a\r\n"));
    bench.datagram(ToServer, &frame(2, 0, 1, b"incr b 1\r\n"));
    bench.datagram(ToServer, &frame(3, 0, 1, &asked(0x0a, 9, [b"", b"", b""])));
    bench.datagram(ToClient, &frame(3, 0, 1, &answered(0x0a, 9, 0, [b"", b"", b""])));
    bench.datagram(ToClient, &frame(2, 0, 1, b"5\r\n"));
    bench.datagram(ToClient, &frame(1, 0, 1, b"END\r\n"));
    assert_eq!(shown(&bench), ["noop noop: OK", "incr <counter_op_res>: OK", "get END: OK"]);
}

#[test]
fn datagrams_in_any_order_and_twice() {
    let mut bench = udp();
    let answer = b"VALUE a 0 10\r\n0123456789\r\nEND\r\n";
    bench.datagram(ToServer, &frame(9, 1, 2, b"a\r\n"));
    bench.datagram(ToServer, &frame(9, 0, 2, b"get "));
    for number in [2, 0, 2, 3, 1] {
        let start = usize::from(number) * 8;
        bench.datagram(ToClient, &frame(9, number, 4, &answer[start..answer.len().min(start + 8)]));
    }
    let event = only(&bench);
    assert_eq!(shown(&bench), ["get VALUE: OK"]);
    assert_eq!(event["memcache"]["response"]["values"], json!(["MDEyMzQ1Njc4OQ=="]));
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(7), &json!(31)));
    // From the first datagram of the request to the last one of the answer.
    assert_eq!(event["event"]["duration"], 6_000_000);
}

#[test]
fn noreply_and_quiet_commands() {
    let mut bench = udp();
    bench.datagram(ToServer, &frame(1, 0, 1, b"set a 0 0 1 noreply\r\nx\r\n"));
    assert_eq!(shown(&bench), ["set -: OK"]);
    bench.datagram(ToServer, &frame(2, 0, 1, &asked(0x11, 1, [&[0; 8], b"a", b"x"])));
    assert_eq!(bench.events().len(), 1);
    bench.wait(50_000_000);
    assert_eq!(shown(&bench), ["set -: OK", "set -: OK"]);
    assert!(bench.events().iter().all(|event| event.get("error").is_none()));
}

#[test]
fn the_time_out_publishes_what_there_is() {
    let mut bench = udp();
    bench.datagram(ToServer, &frame(1, 0, 1, b"get a\r\n"));
    bench.datagram(ToServer, &frame(2, 0, 2, b"set b 0 0 9\r\nhalf"));
    bench.datagram(ToServer, &frame(3, 0, 2, b"get c d"));
    bench.datagram(ToServer, &frame(4, 0, 1, b"get e\r\n"));
    bench.datagram(ToClient, &frame(4, 0, 3, b"VALUE e 0 9\r\nhalf"));
    bench.datagram(ToClient, &frame(4, 2, 3, b"END\r\n"));
    bench.datagram(ToClient, &frame(5, 0, 1, b"STORED\r\n"));
    assert_eq!(shown(&bench), ["- STORED: Client Error"]);
    bench.wait(60_000_000);
    let expected = [
        "- STORED: Client Error",
        "get -: Server Error",
        "set -: Server Error",
        "get -: Server Error",
        "get VALUE: OK",
    ];
    assert_eq!(shown(&bench), expected);
    assert_eq!(note(&bench.events()[1]), "Unfinished transaction");
    let lost = json!(["Packet loss while capturing the request", "Unfinished transaction"]);
    assert_eq!(bench.events()[2]["error"]["message"], lost);
    assert_eq!(bench.events()[3]["error"]["message"], lost);
    assert_eq!(bench.events()[3]["memcache"]["request"]["keys"], json!(["c", "d"]));
    assert_eq!(note(&bench.events()[4]), "Packet loss while capturing the response");
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn a_datagram_that_the_capture_cut() {
    let mut bench = udp();
    bench.datagram(ToServer, &frame(1, 0, 1, b"get a\r\n"));
    let answer = frame(1, 0, 1, b"VALUE a 0 100\r\nxx");
    bench.cut_datagram(ToClient, &answer, 8 + 15 + 100 + 2 + 5);
    let event = only(&bench);
    assert_eq!((&event["status"], &event["destination"]["bytes"]), (&json!("OK"), &json!(122)));
    assert_eq!(note(event), "Packet loss while capturing the response");
    assert_eq!(event["memcache"]["response"].get("values"), None);
    assert_eq!(event["memcache"]["response"]["bytes"], 100);
}

#[test]
fn malformed_datagrams_are_counted() {
    let mut bench = udp();
    let malformed: [&[u8]; 6] = [
        b"",
        b"\0\0\0\0\0\0\0",
        &frame(1, 0, 0, b"get a\r\n"),
        &frame(1, 1, 1, b"get a\r\n"),
        &frame(1, 0, 1025, b"get a\r\n"),
        &frame(1, 0, 1, b"\x01\x02\n"),
    ];
    malformed.iter().for_each(|datagram| bench.datagram(ToServer, datagram));
    bench.datagram(ToServer, &frame(2, 0, 2, b"get "));
    bench.datagram(ToServer, &frame(2, 1, 3, b"a\r\n"));
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 7);
    assert_eq!(bench.events().len(), 0);
}

#[test]
fn memory_is_bounded_and_returns() {
    let parser = MemcacheParser::new(Arc::new(showing()));
    let mut bench = Bench::new(Box::new(parser), Carrier::Udp, 11_211);
    for id in 0..3_000 {
        bench.datagram(ToServer, &frame(id, 0, 1, b"get a\r\n"));
    }
    assert_eq!(bench.events().len(), 3_000 - MAX_EXCHANGES);
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), (3_000 - MAX_EXCHANGES) as u64);
    // 16 MiB of datagrams that never become messages.
    let content = vec![b'x'; 16 << 10];
    for id in 0..1_024 {
        bench.datagram(ToClient, &frame(id, 0, 2, &content));
    }
    bench.finish();
    assert_eq!(bench.parser.deadline_ns(), None);

    let mut parser = MemcacheParser::new(Arc::new(showing()));
    let flow = bench.flow;
    struct Nobody(crate::event::Event);
    impl crate::protocols::Publisher for Nobody {
        fn begin(&mut self) -> &mut crate::event::Event {
            self.0.clear();
            &mut self.0
        }
        fn publish(&mut self) {}
        fn count(&mut self, _: ProtocolCounter, _: u64) {}
    }
    let mut nobody = Nobody(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut context = crate::protocols::Context { now_ns: 1, flow, publisher: &mut nobody };
    for id in 0..1_024 {
        crate::protocols::Parser::datagram(&mut parser, &mut context, ToClient, &frame(id, 0, 2, &content), 0);
        assert!(parser.kept_bytes() < 24 << 20, "{}", parser.kept_bytes());
    }
    crate::protocols::Parser::finish(&mut parser, &mut context);
    assert!(parser.kept_bytes() < 256 << 10, "{}", parser.kept_bytes());
}
