// SPDX-License-Identifier: Apache-2.0
//! Bytes in pieces, cut, changed; the memory that stays.

use super::*;
use crate::event::{Event, Schema};
use crate::protocols::memcache::session::MAX_WAITING;
use crate::protocols::{Context, Parser, Publisher};

fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let stat = |name: &[u8], value: &[u8]| answered(0x10, 3, 0, [b"", name, value]);
    vec![
        (ToServer, b"set k 0 0 5\r\na\r\nbc\r\n".to_vec()),
        (ToClient, b"STORED\r\n".to_vec()),
        (ToServer, b"get k x\r\nincr k 1\r\nstats\r\nmg k v q\r\nmn\r\n".to_vec()),
        (ToClient, b"VALUE k 0 5\r\na\r\nbc\r\nVALUE x 1 0\r\n\r\nEND\r\nCLIENT_ERROR non-numeric\r\n".to_vec()),
        (ToClient, b"STAT pid 1\r\nSTAT version 1.6\r\nEND\r\nVA 2 t1\r\nhi\r\nMN\r\n".to_vec()),
        (ToServer, b"set k 0 0 3\r\ntoo long\r\nset q 0 0 1 noreply\r\nx\r\n".to_vec()),
        (ToClient, b"CLIENT_ERROR bad data chunk\r\nERROR\r\n".to_vec()),
        (ToServer, [asked(0x01, 1, [&[0; 8], b"k", b"value"]), asked(0x0d, 2, [b"", b"k", b""])].concat()),
        (ToServer, [asked(0x0d, 2, [b"", b"no", b""]), asked(0x10, 3, [b"", b"", b""])].concat()),
        (ToClient, [answered(0x01, 1, 0, [b"", b"", b""]), answered(0x0d, 2, 0, [&[0; 4], b"k", b"value"])].concat()),
        (ToClient, [stat(b"pid", b"17"), stat(b"up", b"9"), stat(b"", b"")].concat()),
    ]
}

const EVENTS: usize = 12;

/// The first `left` bytes of the conversation, in segments of `size`.
fn play(conversation: &[(Direction, Vec<u8>)], mut left: usize, size: usize) -> Bench {
    let mut bench = bench_with(showing(), Carrier::Tcp);
    for (direction, bytes) in conversation {
        let part = &bytes[..bytes.len().min(left)];
        left -= part.len();
        bench.send_in(*direction, part, size);
    }
    bench.finish();
    bench
}

fn total(conversation: &[(Direction, Vec<u8>)]) -> usize {
    conversation.iter().map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn segments_of_every_size_give_the_same() {
    let conversation = conversation();
    let content =
        |bench: &Bench| -> Vec<Json> { bench.events().iter().map(|event| event["memcache"].clone()).collect() };
    let whole = play(&conversation, usize::MAX, usize::MAX);
    assert_eq!(whole.events().len(), EVENTS, "{:?}", shown(&whole));
    for size in 1..60 {
        assert_eq!(content(&play(&conversation, usize::MAX, size)), content(&whole), "{size}");
    }
}

#[test]
fn every_prefix_of_a_conversation() {
    let conversation = conversation();
    let mut events = 0;
    for length in 0..=total(&conversation) {
        let whole = play(&conversation, length, usize::MAX);
        let pieces = play(&conversation, length, 1);
        assert_eq!(shown(&whole), shown(&pieces), "{length}");
        events = events.max(whole.events().len());
        assert_eq!(whole.parser.deadline_ns(), None);
    }
    assert_eq!(events, EVENTS);
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x006d_656d_6361_6368);
    let conversation = conversation();
    for round in 0..1_000 {
        let carrier = if round % 4 == 0 { Carrier::Udp } else { Carrier::Tcp };
        let mut bench = bench_with(showing(), carrier);
        for (direction, bytes) in &conversation {
            let payload = bench
                .damaged(&mut random, (*direction, bytes), 3, |random| b" \r\n0123456789\x80\x81"[random.usize(..15)]);
            if carrier == Carrier::Udp {
                let frame = [random.u16(..3), random.u16(..3), 1 + random.u16(..3), 0].map(u16::to_be_bytes).concat();
                bench.datagram(*direction, &[frame, payload].concat());
            } else {
                bench.send(*direction, &payload);
            }
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
fn random_bytes_are_harmless() {
    let mut random = fastrand::Rng::with_seed(7);
    let words: [&[u8]; 12] = [
        b"get ",
        b"set k 0 0 5\r\n",
        b"VALUE k 0 9\r\n",
        b"END\r\n",
        b"\r\n",
        b"STAT ",
        b"\x80\x00\x00\x01",
        b"\x81\x10\0\0",
        b"ms k 3\r\n",
        b"ERROR\r\n",
        b"\0\0\0\0\0\0\0",
        b"17\r\n",
    ];
    for _ in 0..1_000 {
        let mut bench = bench_with(showing(), Carrier::Tcp);
        for _ in 0..20 {
            let direction = if random.bool() { ToServer } else { ToClient };
            let payload: Vec<u8> = (0..random.usize(1..6)).flat_map(|_| words[random.usize(..12)].to_vec()).collect();
            bench.send(direction, &payload);
        }
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn large_messages_byte_by_byte_are_not_quadratic() {
    let mut bench = bench_with(showing(), Carrier::Tcp);
    let keys = "key ".repeat(20_000);
    bench.send_in(ToServer, format!("get {keys}\r\n").as_bytes(), 1);
    bench.send_in(ToServer, format!("set k 0 0 400000\r\n{}\r\n", "x".repeat(400_000)).as_bytes(), 64);
    bench.send(ToClient, b"END\r\nSTORED\r\n");
    assert_eq!(shown(&bench), ["get END: OK", "set STORED: OK"]);
    let [get, set] = bench.events() else { panic!("two events") };
    assert_eq!(note(get), "The message is longer than what is kept of it");
    assert_eq!(get["memcache"]["request"]["keys"].as_array().map(Vec::len), Some(16_384));
    assert_eq!(set["memcache"]["request"]["bytes"], 400_000);
}

#[test]
fn lines_without_an_end_are_given_up() {
    let mut bench = bench();
    bench.send(ToServer, &vec![b'a'; 3 << 20]);
    bench.send(ToServer, b"\r\nget a\r\n");
    bench.send(ToServer, b"get b\r\n");
    bench.send(ToClient, b"END\r\n");
    assert_eq!(shown(&bench), ["get END: OK"]);
    assert_eq!(bench.count(ProtocolCounter::ParseFailures), 2);
}

#[test]
fn commands_that_wait_are_bounded() {
    let mut bench = bench();
    let commands = MAX_WAITING + 100;
    bench.send(ToServer, &b"get a\r\n".repeat(commands));
    assert_eq!(bench.events().len(), 100);
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 100);
    // Answers to those given up are not given to others.
    bench.send(ToClient, &b"END\r\n".repeat(commands));
    assert_eq!(bench.events().len(), commands);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 100);
    // Answers that fit nothing do not make every further one search through all.
    let mut bench = super::bench();
    bench.send(ToServer, &asked(0x00, 1, [b"", b"k", b""]).repeat(1_000));
    bench.send(ToClient, &answered(0x00, 2, 0, [b"", b"", b""]).repeat(10));
    assert_eq!(bench.events().len(), 1_010);
}

struct Nobody(Event);

impl Publisher for Nobody {
    fn begin(&mut self) -> &mut Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {}

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

#[test]
fn memory_returns_to_its_base() {
    let mut parser = MemcacheParser::new(Arc::new(showing()));
    let mut nobody = Nobody(Event::new(Arc::new(Schema::new([]))));
    let flow = bench().flow;
    let mut context = Context { now_ns: 1, flow, publisher: &mut nobody };
    let request = format!("set k 0 0 900000\r\n{}\r\n", "x".repeat(900_000));
    for _ in 0..20 {
        parser.data(&mut context, ToServer, request.as_bytes());
        parser.data(&mut context, ToServer, &b"get a\r\n".repeat(5_000));
        assert!(parser.kept_bytes() < 12 << 20, "{}", parser.kept_bytes());
    }
    let answer = format!("VALUE a 0 900000\r\n{}\r\nEND\r\n", "x".repeat(900_000));
    parser.data(&mut context, ToClient, answer.as_bytes());
    parser.finish(&mut context);
    assert!(parser.kept_bytes() < 256 << 10, "{}", parser.kept_bytes());
    assert_eq!(parser.deadline_ns(), None);
}
