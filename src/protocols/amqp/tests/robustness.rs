// SPDX-License-Identifier: Apache-2.0
//! Bytes in pieces, cut, changed; the memory that stays.

use std::time::Instant;

use super::*;
use crate::protocols::{Context, Parser, Publisher};

/// A conversation with something of everything.
fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let table = long([&short("a")[..], b"A", &long(b"t\x01I\0\0\0\x02"), &short("s"), b"S", &long("text")].concat());
    let consume = [&[0, 0][..], &short("q"), &short("tag"), &[0], &table].concat();
    let properties = [&[0xA0, 0][..], &short("text/plain"), &table].concat();
    vec![
        (ToServer, b"AMQP\0\0\x09\x01".to_vec()),
        (ToClient, method(0, (10, 30), &[0, 1, 0, 2, 0, 0, 0, 60])),
        (ToServer, method(0, (10, 31), &[0, 1, 0, 2, 0, 0, 0, 60])),
        (ToServer, [declare(1, "q"), method(2, TX_SELECT, &[])].concat()),
        (ToClient, [method(2, TX_SELECT_OK, &[]), declare_ok(1, "q")].concat()),
        (ToServer, method(1, (60, 20), &consume)),
        (ToClient, method(1, (60, 21), &short("tag"))),
        (ToServer, [publish(1, "q"), header(1, 6, &properties), frame(3, 1, b"one"), frame(3, 1, b"two")].concat()),
        (ToClient, [deliver(1, 1, "q"), text(1, "hi"), frame(8, 0, b"")].concat()),
        (ToServer, [method(1, (60, 80), &[0, 0, 0, 0, 0, 0, 0, 1, 0]), get(1, "q")].concat()),
        (ToClient, [get_ok(1, "q"), text(1, "got")].concat()),
        (ToServer, declare(1, "missing")),
        (ToClient, close(1, CHANNEL_CLOSE, 404, "NOT_FOUND", DECLARE)),
        (ToServer, method(1, CHANNEL_CLOSE_OK, &[])),
        (ToServer, close(0, CONNECTION_CLOSE, 200, "bye", (0, 0))),
        (ToClient, method(0, (10, 51), &[])),
    ]
}

fn play(conversation: &[(Direction, Vec<u8>)], length: usize, size: usize) -> Bench {
    let mut bench = bench_with(open());
    let mut left = length;
    for (direction, bytes) in conversation {
        let part = &bytes[..bytes.len().min(left)];
        left -= part.len();
        bench.send_in(*direction, part, size);
    }
    bench.finish();
    bench
}

#[test]
fn every_prefix_of_a_conversation() {
    let conversation = conversation();
    let total = conversation.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut events = 0;
    for length in 0..=total {
        let whole = play(&conversation, length, usize::MAX);
        let pieces = play(&conversation, length, 1);
        assert_eq!(told(&whole), told(&pieces), "{length}");
        assert!(whole.events().len() >= events, "{length}");
        events = whole.events().len();
        assert_eq!(whole.parser.deadline_ns(), None);
    }
    let whole = play(&conversation, total, usize::MAX);
    let names: Vec<_> = whole.events().iter().map(|event| event["method"].as_str().unwrap()).collect();
    let expected = [
        "connection.tune",
        "tx.select",
        "queue.declare",
        "basic.consume",
        "basic.publish",
        "basic.deliver",
        "basic.ack",
        "basic.get",
        "queue.declare",
        "channel.close",
        "connection.close",
    ];
    assert_eq!(names, expected);
}

/// The conversation, in which `lost` bytes from `at` on are missing.
fn play_with_gap(conversation: &[(Direction, Vec<u8>)], at: usize, lost: usize) -> Bench {
    let mut bench = bench_with(open());
    let mut passed = 0;
    for (direction, bytes) in conversation {
        let start = at.saturating_sub(passed).min(bytes.len());
        let end = (at + lost).saturating_sub(passed).min(bytes.len());
        passed += bytes.len();
        bench.send(*direction, &bytes[..start]);
        bench.lose(*direction, (end - start) as u32);
        bench.send(*direction, &bytes[end..]);
    }
    bench.finish();
    bench
}

#[test]
fn a_gap_anywhere_costs_no_more_than_the_methods_it_touches() {
    let conversation = conversation();
    let total = conversation.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let whole = play(&conversation, total, usize::MAX);
    for at in 0..total {
        // A close is also the answer to what failed.
        for (lost, most) in [(1, 2), (20, 3)] {
            let bench = play_with_gap(&conversation, at, lost);
            let untouched = whole.events().iter().filter(|event| {
                bench.events().iter().any(|other| {
                    other["method"] == event["method"]
                        && other["amqp"] == event["amqp"]
                        && other["status"] == event["status"]
                })
            });
            let untouched = untouched.count();
            assert!(untouched + most >= whole.events().len(), "{lost} at {at}: {untouched}, {:#?}", told(&bench));
            assert_eq!(bench.parser.deadline_ns(), None);
        }
    }
}

#[test]
fn an_end_in_every_state_leaves_nothing_waiting() {
    let conversation = conversation();
    for turn in 0..conversation.len() {
        for end in [Bench::fin, Bench::reset] {
            for direction in [ToServer, ToClient] {
                let mut bench = bench_with(open());
                for (way, bytes) in &conversation[..turn] {
                    bench.send(*way, bytes);
                }
                let (way, bytes) = &conversation[turn];
                bench.send(*way, &bytes[..bytes.len() / 2]);
                end(&mut bench, direction);
                end(&mut bench, direction.opposite());
                assert_eq!(bench.parser.deadline_ns(), None, "{turn}");
                let before = bench.events().len();
                bench.finish();
                assert_eq!(bench.events().len(), before, "{turn}");
            }
        }
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x0061_6d71_7000);
    let conversation = conversation();
    for _ in 0..1000 {
        let mut bench = bench_with(open());
        for (direction, bytes) in &conversation {
            let payload = bench.damaged(&mut random, (*direction, bytes), 4, |random| {
                b"\x00\x01\x02\x03\x08\xCE\xFFASF"[random.usize(..10)]
            });
            bench.send(*direction, &payload);
            match random.u8(..60) {
                0 => bench.fin(*direction),
                1 => bench.wait(11_000_000_000),
                _ => {}
            }
        }
        bench.wait(20_000_000_000);
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn random_frames_are_harmless() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..1000 {
        let mut bench = bench_with(open());
        for _ in 0..20 {
            let direction = if random.bool() { ToServer } else { ToClient };
            let class = [10, 20, 30, 40, 50, 60, 85, 90][random.usize(..8)];
            let number = u16::from(random.u8(..13)) * 10 + u16::from(random.u8(..3));
            let arguments: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
            let channel = random.u16(..3);
            let bytes = match random.u8(..4) {
                0 => {
                    frame(2, channel, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, random.u8(..40)], &arguments[..]].concat())
                }
                1 => frame(3, channel, &arguments),
                _ => method(channel, (class, number), &arguments),
            };
            bench.send(direction, &bytes);
        }
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn large_frames_in_single_bytes_are_not_quadratic() {
    let begun = Instant::now();
    let mut bench = bench();
    bench.send(ToServer, b"AMQP\0\0\x09\x01");
    let entries = [&short("x")[..], b"S", &long([b'x'; 200_000])].concat();
    let arguments = [&[0, 0][..], &short("q"), &[0b10000], &long(entries)].concat();
    bench.send_in(ToServer, &method(1, DECLARE, &arguments), 1);
    bench.send_in(ToServer, &[publish(1, "q"), text(1, &"y".repeat(500_000))].concat(), 1);
    // What looks like the begin of a frame, again and again, where the next one is searched for.
    bench.lose(ToServer, 10);
    bench.send_in(ToServer, &[1, 0, 1, 0, 0, 0x3F, 0, 0, 90, 0, 10].repeat(10_000), 1);
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.events()[1]["source"]["bytes"], 500_000);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

struct Nobody(crate::event::Event);

impl Publisher for Nobody {
    fn begin(&mut self) -> &mut crate::event::Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {}

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

#[test]
fn memory_is_bounded_and_returns_to_its_base() {
    let mut parser = AmqpParser::new(Arc::new(Options { max_body_bytes: 1 << 20, ..options() }));
    let flow = bench().flow;
    let mut publisher = Nobody(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut context = Context { now_ns: 1, flow, publisher: &mut publisher };
    let mut most = 0;
    for channel in 0..200u16 {
        let arguments = [&[0, 0][..], &short("q"), &[0], &long(vec![0; 60_000])].concat();
        for bytes in [
            method(channel, DECLARE, &arguments),
            publish(channel, "q"),
            header(channel, 2_000_000, &text_plain()),
            frame(3, channel, &[0; 1_500_000]),
        ] {
            parser.data(&mut context, ToServer, &bytes);
            most = most.max(parser.held_bytes());
        }
    }
    assert!((1 << 20..16 << 20).contains(&most), "{most}");
    parser.finish(&mut context);
    assert!(parser.held_bytes() <= 32 * 4096, "{}", parser.held_bytes());
}
