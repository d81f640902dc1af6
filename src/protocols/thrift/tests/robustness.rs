// SPDX-License-Identifier: Apache-2.0
//! Bytes in pieces, cut, changed; the memory that stays.

use std::path::PathBuf;
use std::time::Instant;

use super::*;
use crate::event::{Event, Schema};
use crate::protocols::{Context, Publisher, replay};

const THEMES: &[(&str, u16, TransportType)] = &[
    ("framed-binary", 9090, TransportType::Auto),
    ("framed-compact", 9092, TransportType::Auto),
    ("unframed-binary", 9091, TransportType::Auto),
    ("framed-binary", 9090, TransportType::Framed),
    ("framed-compact", 9092, TransportType::Framed),
    ("unframed-binary", 9091, TransportType::Socket),
];

const TRANSPORT_TYPES: [TransportType; 3] = [TransportType::Socket, TransportType::Framed, TransportType::Auto];

#[test]
fn segmentation_changes_nothing() {
    for (theme, port, transport_type) in THEMES {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/thrift");
        let file = folder.join(format!("{theme}.pcap"));
        let factory = Thrift { options: Arc::new(Options { transport_type: *transport_type, ..options() }) };
        let whole = replay::events(&file, &factory, Some(*port), usize::MAX);
        assert_eq!(whole.len(), 27, "{theme}");
        for size in [1, 2, 7, 100] {
            assert_eq!(replay::events(&file, &factory, Some(*port), size), whole, "{theme} in pieces of {size}");
        }
    }
}

/// A conversation with something of everything.
fn conversation(transport_type: TransportType) -> Vec<(Direction, Vec<u8>)> {
    let list = field(LIST, 3, &[&[STRUCT, 0, 0, 0, 2][..], &i32_field(1, 1), &[0, 0]].concat());
    let map = field(MAP, 4, &[&[STRING, SET, 0, 0, 0, 1][..], &string("k"), &[I16, 0, 0, 0, 1, 0, 9]].concat());
    let exception = field(STRUCT, 1, &[&string_field(1, "why")[..], &[0]].concat());
    let compact = |kind: u8| {
        vec![0x82, kind << 5 | 1, 9, 1, b'c', 0x18, 2, b'h', b'i', 0x19, 0x25, 2, 4, 0x1b, 1, 0x58, 2, 1, b'v', 0x11, 0]
    };
    let messages = vec![
        (ToServer, call("put", 1, &[&string_field(1, "text"), &i32_field(2, -1), &list, &map])),
        (ToServer, call("get", 2, &[])),
        (ToClient, reply("get", 2, &[&exception])),
        (ToServer, message(ONEWAY, "log", 3, &[&string_field(1, "line")])),
        (ToClient, reply("put", 1, &[&list])),
        (ToServer, compact(CALL)),
        (ToClient, compact(REPLY)),
        (ToServer, call("fail", 5, &[])),
        (ToClient, message(EXCEPTION, "fail", 5, &[&string_field(1, "no"), &i32_field(2, 6)])),
        (ToServer, call("last", 6, &[])),
    ];
    let in_transport = |(direction, message): (Direction, Vec<u8>)| match transport_type {
        TransportType::Framed => (direction, in_frame(&message)),
        TransportType::Socket | TransportType::Auto => (direction, message),
    };
    messages.into_iter().map(in_transport).collect()
}

fn play(transport_type: TransportType, length: usize, size: usize) -> Bench {
    let mut bench = bench_with(Options { transport_type, ..options() });
    let mut left = length;
    for (direction, bytes) in conversation(transport_type) {
        let part = &bytes[..bytes.len().min(left)];
        left -= part.len();
        bench.send_in(direction, part, size);
    }
    bench.finish();
    bench
}

#[test]
fn every_prefix_of_a_conversation() {
    for transport_type in TRANSPORT_TYPES {
        let total = conversation(transport_type).iter().map(|(_, bytes)| bytes.len()).sum();
        let mut events = 0;
        for length in 0..=total {
            let whole = play(transport_type, length, usize::MAX);
            let pieces = play(transport_type, length, 1);
            assert_eq!(pairs(&whole), pairs(&pieces), "{length}");
            assert!(whole.events().len() >= events, "{length}");
            events = whole.events().len();
            assert_eq!(whole.parser.deadline_ns(), None);
        }
        assert_eq!(events, 6);
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x0074_6872_6966);
    for round in 0..3000 {
        let transport_type = TRANSPORT_TYPES[round % 3];
        let mut bench = bench_with(Options { transport_type, ..options() });
        for (direction, bytes) in conversation(transport_type) {
            let payload = bench.damaged(&mut random, (direction, &bytes), 3, |random| random.u8(..));
            bench.send(direction, &payload);
            match random.u8(..60) {
                0 => bench.fin(direction),
                1 => bench.reset(direction),
                2 => bench.wait(11_000_000_000),
                _ => {}
            }
        }
        bench.wait(20_000_000_000);
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn random_bytes_are_harmless() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..1000 {
        let transport_type = TRANSPORT_TYPES[round % 3];
        let mut bench = bench_with(Options { transport_type, ..options() });
        for _ in 0..20 {
            let starts: [&[u8]; 4] =
                [&[0x80, 1, 0, 1, 0, 0, 0, 1, b'm', 0, 0, 0, 0], &[0x82, 0x21, 0, 1, b'm'], &[0, 0, 0], b""];
            let mut bytes = starts[random.usize(..4)].to_vec();
            bytes.extend((0..random.usize(..60)).map(|_| if random.bool() { random.u8(..16) } else { random.u8(..) }));
            bench.send(if random.bool() { ToServer } else { ToClient }, &bytes);
        }
        bench.finish();
    }
}

#[test]
fn nesting_is_bounded() {
    let mut deep = call("m", 1, &[]);
    deep.pop();
    for _ in 0..100_000 {
        deep.extend(field(STRUCT, 1, &[]));
    }
    let mut bench = bench();
    bench.send(ToServer, &deep);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
    bench.finish();
    assert_eq!(only(&bench)["error"]["message"][0], "The request is not valid");
}

#[test]
fn a_large_message_in_small_pieces_is_read_once() {
    let text = "x".repeat(1 << 20);
    let numbers = [&[I32][..], &(1_u32 << 18).to_be_bytes(), &vec![0; 1 << 20]].concat();
    let message = call("put", 1, &[&string_field(1, &text), &field(LIST, 2, &numbers)]);
    let begun = Instant::now();
    let mut bench = bench();
    bench.send_in(ToServer, &message, 10);
    bench.send(ToClient, &reply("put", 1, &[]));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let event = only(&bench);
    assert_eq!(event["source"]["bytes"], message.len());
    assert!(event["query"].as_str().unwrap().len() < 300);
}

#[test]
fn memory_returns_to_its_base() {
    struct Nobody(Event);
    impl Publisher for Nobody {
        fn begin(&mut self) -> &mut Event {
            self.0.clear();
            &mut self.0
        }
        fn publish(&mut self) {}
        fn count(&mut self, _: ProtocolCounter, _: u64) {}
    }
    let mut nobody = Nobody(Event::new(Arc::new(Schema::new([]))));
    let flow = bench().flow;
    let mut parser = ThriftParser::new(Arc::new(Options { string_max_size: usize::MAX, ..options() }));
    let mut random = fastrand::Rng::with_seed(5);
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut context = Context { now_ns: 0, flow, publisher: &mut nobody };
        let text = "x".repeat(random.usize(..100_000));
        for number in 0..1100 {
            parser.data(&mut context, ToServer, &call("put", number, &[&i32_field(1, number)]));
        }
        parser.data(&mut context, ToServer, &call("put", 7, &[&string_field(1, &text)]));
        parser.data(&mut context, ToClient, &reply("put", 7, &[&string_field(0, &text), &string_field(1, &text)]));
        parser.data(&mut context, ToClient, &reply("put", 9, &[&string_field(0, &text)])[..15]);
        assert!(parser.deadline_ns().is_some());
        parser.finish(&mut context);
        held.push(parser.held_bytes());
    }
    // The places of the calls.
    assert!(held.iter().all(|bytes| *bytes < 16 << 10), "{held:?}");
}
