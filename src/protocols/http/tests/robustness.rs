// SPDX-License-Identifier: Apache-2.0
//! Any bytes, in any pieces, with any end: the same events, bounded memory, no panic.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;

use super::super::parser::HttpParser;
use super::super::{Options, SendHeaders};
use super::{ToClient, ToServer, bench, bench_of, defaults, factory, line, summary};
use crate::event::{Event, Schema};
use crate::protocols::{
    Carrier, Context, Direction, Endpoint, FlowView, Parser, ProtocolCounter, Publisher, Step, replay,
};

/// Everything that can be asked for.
fn everything() -> Options {
    let mut options = defaults();
    options.common.send_request = true;
    options.common.send_response = true;
    Options {
        send_headers: SendHeaders::All,
        split_cookie: true,
        real_ip_header: Some("x-forwarded-for".into()),
        include_request_body_for: vec!["".into()],
        include_response_body_for: vec!["".into()],
        hide_keywords: vec!["password".into()],
        redact_authorization: true,
        redact_headers: vec!["etag".into()],
        ..options
    }
}

/// A conversation with every kind of framing.
fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let text = |direction, text: &str| (direction, text.as_bytes().to_vec());
    vec![
        text(
            ToServer,
            "GET /a?x=1&y=%20 HTTP/1.1\r\nHost: h:81\r\nCookie: a=b; c=\"d\"\r\nX-Forwarded-For: 192.0.2.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\n",
        ),
        text(
            ToClient,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: 1\r\n\r\n5;x\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ),
        text(
            ToServer,
            "POST /c HTTP/1.1\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic YTpi\r\nContent-Length: 8\r\n\r\n",
        ),
        text(ToClient, "HTTP/1.1 100 Continue\r\n\r\n"),
        text(ToServer, "p=%41&q="),
        text(
            ToClient,
            "HTTP/1.1 302 Found\r\nSet-Cookie: s=1; Path=/\r\nFolded: a\r\n b\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\u{1f}b\u{0}.",
        ),
        text(ToServer, "CONNECT h:1 HTTP/1.1\r\n\r\n"),
        text(ToClient, "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"),
        text(ToServer, "GET /z HTTP/1.0\r\n\r\n"),
        text(ToClient, "HTTP/1.0 500 Bad\r\nContent-Type: text/plain\r\n\r\nuntil the end"),
    ]
}

/// Without times, which depend on the pieces.
fn timeless(event: &Json) -> Json {
    let mut event = event.clone();
    event.as_object_mut().unwrap().remove("@timestamp");
    for key in ["start", "end", "duration"] {
        event["event"].as_object_mut().unwrap().remove(key);
    }
    event
}

fn whole() -> Vec<Json> {
    let mut bench = bench_of(everything());
    for (direction, bytes) in conversation() {
        bench.send(direction, &bytes);
    }
    bench.fin(ToClient);
    bench.events().iter().map(timeless).collect()
}

#[test]
fn pieces_do_not_matter() {
    let expected = whole();
    assert_eq!(
        expected.iter().map(line).map(|line| line.split(" (").next().unwrap().to_owned()).collect::<Vec<_>>(),
        ["GET /a OK 200", "HEAD /b OK 200", "POST /c OK 302", "CONNECT h:1 Error 407", "GET /z Error 500"]
    );
    for size in [1, 2, 3, 7, 50] {
        let mut bench = bench_of(everything());
        for (direction, bytes) in conversation() {
            bench.send_in(direction, &bytes, size);
        }
        bench.fin(ToClient);
        let events: Vec<Json> = bench.events().iter().map(timeless).collect();
        assert_eq!(events, expected, "{size} bytes a segment");
    }
}

#[test]
fn every_prefix_ends_well() {
    let conversation = conversation();
    for (step, (direction, bytes)) in conversation.iter().enumerate() {
        for cut in 0..bytes.len() {
            for end in 0..4 {
                let mut bench = bench_of(everything());
                for (direction, bytes) in &conversation[..step] {
                    bench.send(*direction, bytes);
                }
                match end {
                    0 => bench.send_in(*direction, &bytes[..cut], 1),
                    _ => bench.send(*direction, &bytes[..cut]),
                }
                match end {
                    1 => bench.fin(*direction),
                    2 => bench.reset(*direction),
                    3 => {
                        bench.lose(*direction, 5);
                        bench.send(*direction, &bytes[cut..]);
                    }
                    _ => {}
                }
                bench.finish();
                assert!(bench.parser.deadline_ns().is_none(), "step {step}, {cut} bytes, end {end}");
                // Five transactions at most; what a gap tears apart counts twice.
                assert!(bench.events().len() <= 9, "step {step}, {cut} bytes, end {end}: {:?}", summary(&bench));
            }
        }
    }
}

#[test]
fn changed_bytes_do_no_harm() {
    let mut random = fastrand::Rng::with_seed(0x4854_5450);
    for round in 0..1_000 {
        let mut bench = bench_of(everything());
        let size = random.usize(1..40);
        for (direction, mut bytes) in conversation() {
            for _ in 0..random.usize(0..4) {
                let at = random.usize(0..bytes.len());
                match random.u8(0..4) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes[at] = b"\r\n: \t,;=%0f\""[random.usize(0..12)],
                    2 => drop(bytes.drain(at..)),
                    _ => bytes.insert(at, random.u8(..)),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            if random.u8(0..8) == 0 {
                bench.lose(direction, random.u32(1..200));
            }
            bench.send_in(direction, &bytes, size);
        }
        match random.u8(0..4) {
            0 => bench.fin(ToServer),
            1 => bench.fin(ToClient),
            2 => bench.reset(ToServer),
            _ => {}
        }
        bench.finish();
        assert!(bench.parser.deadline_ns().is_none(), "round {round}");
    }
}

#[test]
fn many_waiting_requests_are_bounded() {
    let mut bench = bench();
    for _ in 0..1_100 {
        bench.send(ToServer, b"GET /n HTTP/1.1\r\n\r\n");
    }
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 100);
    assert_eq!(bench.events().len(), 100);
    // The answers to those that were given up are not given to others.
    for _ in 0..101 {
        bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    let lines = summary(&bench);
    assert_eq!(lines[199], "- Error 200 (Unmatched response)");
    assert_eq!(lines[200], "GET /n OK 200");
    bench.finish();
    assert_eq!(bench.events().len(), 1_200);
}

#[test]
fn large_waiting_requests_are_bounded() {
    let mut bench = bench_of(everything());
    let request = format!("GET /n HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for _ in 0..20 {
        bench.send(ToServer, request.as_bytes());
    }
    assert!(bench.count(ProtocolCounter::EvictedRequests) >= 10);
}

#[test]
fn a_long_header_is_read_once() {
    let mut request = b"GET / HTTP/1.1\r\n".to_vec();
    while request.len() < 300_000 {
        request.extend_from_slice(b"X-Filler: some value that is not very long\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let begin = Instant::now();
    let mut bench = bench();
    bench.send_in(ToServer, &request, 1);
    let mut second = super::bench();
    let long_line = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(300_000));
    second.send_in(ToServer, long_line.as_bytes(), 1);
    // Were every byte searched again with each segment this would be 90,000,000,000 bytes.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    for bench in [&mut bench, &mut second] {
        bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(bench.events().len(), 1);
    }
    assert_eq!(bench.events()[0]["source"]["bytes"], request.len());
}

#[test]
fn an_endless_header_is_given_up() {
    let mut bench = bench();
    bench.send(ToServer, b"GET / HTTP/1.1\r\n");
    for _ in 0..9 {
        bench.send(ToServer, &[b'x'; 1 << 20]);
    }
    assert!(bench.count(ProtocolCounter::ParseFailures) > 0);
    bench.send(ToServer, b"GET /after HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["GET /after OK 200"]);
}

#[test]
fn recordings_give_the_same_events_in_any_pieces() {
    for theme in ["bodies", "connections", "curl", "headers", "ipv6", "methods", "websocket"] {
        for port in [80, 8080] {
            let events = |size| {
                let mut events: Vec<String> =
                    replay::events(&recorded(theme), &factory(everything()), Some(port), size)
                        .iter()
                        .map(|event| timeless(event).to_string())
                        .collect();
                events.sort();
                events
            };
            let expected = events(usize::MAX);
            for size in [1, 13] {
                assert_eq!(events(size), expected, "{theme}, port {port}, {size} bytes a segment");
            }
        }
    }
}

fn recorded(theme: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/http/{theme}.pcap"))
}

#[test]
fn text_behind_a_gap_is_not_kept_for_long() {
    let mut bench = bench();
    bench.send(ToServer, b"POST / HTTP/1.1\r\n");
    bench.lose(ToServer, 1_000);
    bench.send(ToServer, b"text ");
    for _ in 0..17 {
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 0);
        bench.send(ToServer, &[b'x'; 1_000]);
    }
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
    bench.send(ToClient, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    bench.send(ToServer, b"GET /after HTTP/1.1\r\n\r\n");
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(summary(&bench), ["- Error 201 (Unmatched response)", "GET /after OK 200"]);
}

#[test]
fn large_forms_are_cut() {
    let mut bench = bench();
    let form = "a=1&".repeat(1 << 19);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    bench.send(ToServer, request.as_bytes());
    bench.send(ToServer, form.as_bytes());
    bench.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(bench.events()[0]["http"]["request"]["body"]["bytes"], 2 << 20);
    let query = bench.events()[0]["url"]["query"].as_str().unwrap();
    assert_eq!(query.len(), (1 << 16) * 4 - 1, "65,536 parameters");
    assert!(bench.count(ProtocolCounter::SkippedBytes) > 1 << 20);
}

/// Counts events and forgets them.
struct Forgetful {
    event: Event,
    events: usize,
}

impl Publisher for Forgetful {
    fn begin(&mut self) -> &mut Event {
        self.event.clear();
        &mut self.event
    }

    fn publish(&mut self) {
        self.events += 1;
    }

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

#[test]
fn memory_goes_back_when_nothing_waits() {
    const BASE_BYTES: usize = 64 << 10;
    let mut parser = HttpParser::new(Arc::new(everything()));
    let mut publisher = Forgetful { event: Event::new(Arc::new(Schema::new([]))), events: 0 };
    let endpoint = Endpoint { address: [10, 0, 0, 1].into(), port: 80 };
    let flow = FlowView { client: endpoint, server: endpoint, carrier: Carrier::Tcp, community_id: None };
    let large = "x".repeat(3 << 20);
    let request = format!("PUT /n HTTP/1.1\r\nX: {large}\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", large.len() + 1, large);
    for _ in 0..3 {
        let mut context = Context { now_ns: 1, flow, publisher: &mut publisher };
        for _ in 0..2 {
            assert_eq!(parser.data(&mut context, ToServer, request.as_bytes()), Step::All);
        }
        assert_eq!(parser.data(&mut context, ToClient, response.as_bytes()), Step::All);
        assert!(parser.memory_bytes() > 6 << 20);
        parser.finish(&mut context);
        assert!(parser.memory_bytes() < BASE_BYTES, "{} bytes", parser.memory_bytes());
        parser.reset();
        assert!(parser.memory_bytes() < BASE_BYTES);
    }
    assert_eq!(publisher.events, 6);
}
