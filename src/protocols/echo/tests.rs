// SPDX-License-Identifier: Apache-2.0
//! Every option and outcome, in one segment and in many, cut at every byte, mutated.

use super::*;
use crate::config::Configuration;
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, ProtocolCounter};

fn options(text: &str) -> Result<Options, crate::config::ConfigError> {
    let file = Configuration::from_text("wirebeat.yml", text).expect("YAML");
    let common = CommonOptions {
        ports: vec![7],
        send_request: true,
        send_response: false,
        transaction_timeout_ns: 10_000_000_000,
    };
    config::read(&file.root(), &common)
}

fn bench(carrier: Carrier) -> Bench {
    Bench::new(Box::new(EchoParser::new(options("max_length: 8").unwrap())), carrier, 7)
}

/// Message and status of every event.
fn events(bench: &Bench) -> Vec<(&str, &str)> {
    bench
        .events()
        .iter()
        .map(|event| (event["echo"]["message"].as_str().unwrap(), event["status"].as_str().unwrap()))
        .collect()
}

#[test]
fn options_are_read() {
    assert_eq!(options("type: echo").unwrap().max_length, 256);
    assert_eq!(options("max_length: 12").unwrap().max_length, 12);
    let error = options("max_length: all").unwrap_err().to_string();
    assert!(error.contains("max_length") && error.contains("all"), "{error}");
}

#[test]
fn lines_in_any_segments() {
    for size in [1, 3, 100] {
        let mut bench = bench(Carrier::Tcp);
        bench.send_in(ToServer, b"one\ntwo\nthree, longer\n", size);
        bench.send_in(ToClient, b"one\nno\nthree, longer\n", size);
        assert_eq!(events(&bench), [("one", "OK"), ("two", "Error"), ("three, l", "OK")]);
        let event = &bench.events()[0];
        assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&4.into(), &4.into()));
        assert_eq!((&event["echo"]["matches"], &event["request"]), (&true.into(), &"one".into()));
        assert_eq!(bench.count(ProtocolCounter::Messages), 6);
    }
}

#[test]
fn datagrams() {
    let mut bench = bench(Carrier::Udp);
    bench.datagram(ToServer, b"ping");
    bench.datagram(ToClient, b"ping");
    bench.datagram(ToClient, b"nobody asked");
    assert_eq!(events(&bench), [("ping", "OK")]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn what_is_not_answered_is_told_in_time_and_at_the_end() {
    let mut bench = bench(Carrier::Tcp);
    bench.send(ToServer, b"late\n");
    bench.wait(10_000_000_000);
    bench.send(ToServer, b"last\n");
    bench.fin(ToClient);
    assert_eq!(events(&bench), [("late", "Error"), ("last", "Error")]);
    bench.finish();
    assert_eq!(bench.events().len(), 2);
}

#[test]
fn a_gap_costs_what_waits() {
    let mut bench = bench(Carrier::Tcp);
    bench.send(ToServer, b"one\n");
    bench.send(ToClient, b"one\n");
    bench.send(ToServer, b"two\n");
    bench.lose(ToClient, 4);
    bench.send(ToServer, b"three\n");
    bench.send(ToClient, b"three\n");
    bench.send(ToServer, b"four\n");
    bench.send(ToClient, b"four\n");
    bench.finish();
    assert_eq!(events(&bench), [("one", "OK"), ("two", "Error"), ("three", "Error"), ("four", "OK")]);
    assert_eq!(bench.events()[1]["error"]["message"], "Packet loss while capturing the response");
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn too_long_is_not_this_protocol() {
    let mut bench = bench(Carrier::Tcp);
    bench.send_in(ToServer, &vec![b'x'; 1 << 20], 1_460);
    bench.finish();
    assert_eq!((bench.events().len(), bench.count(ProtocolCounter::ParseFailures)), (0, 1));
}

#[test]
fn cut_at_every_byte_and_mutated() {
    let sent = b"one\ntwo\nthree\n";
    for length in 0..sent.len() {
        let mut bench = bench(Carrier::Tcp);
        bench.send(ToServer, &sent[..length]);
        bench.send(ToClient, &sent[..length]);
        bench.finish();
        assert_eq!(bench.events().len(), sent[..length].iter().filter(|byte| **byte == b'\n').count());
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..1_000 {
        let mut bench = bench(Carrier::Tcp);
        for direction in [ToServer, ToClient, ToServer, ToClient] {
            let mut bytes = sent.to_vec();
            for _ in 0..random.usize(0..4) {
                let place = random.usize(..bytes.len());
                bytes[place] = random.u8(..);
            }
            if random.u8(..) < 50 {
                bench.lose(direction, random.u32(1..20));
            }
            bench.send_in(direction, &bytes, random.usize(1..20));
        }
        bench.finish();
        let waiting = bench.parser.deadline_ns();
        assert_eq!(waiting, None, "nothing waits after the end");
    }
}
