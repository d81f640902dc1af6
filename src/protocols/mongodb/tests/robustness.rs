// SPDX-License-Identifier: Apache-2.0
//! Gaps, ends, cuts and mutations of conversations; memory. `tests/recorded_mongodb.rs` holds the recorded ones against the
//! clients' logs.

use std::path::PathBuf;

use super::*;
use crate::protocols::{Step, replay};

const THEMES: [&str; 5] = ["compression-refused", "crud", "cursors", "errors", "raw"];

fn recorded(theme: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/mongodb").join(format!("{theme}.pcap"))
}

fn factory(options: Options) -> Mongodb {
    Mongodb { options: Arc::new(options) }
}

/// A conversation with each kind of message, in turns.
fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let sections = [
        body_section(&[text("insert", "users"), text("$db", "shop")]),
        sequence_section("documents", &[document(&[int("_id", 1)])]),
    ];
    vec![
        (ToServer, op_query(1, "admin.$cmd", 0, -1, &[document(&[int("isMaster", 1)])])),
        (ToClient, op_reply(1, 8, 0, &[document(&[double("ok", 1.0)])])),
        (ToServer, message(MSG, 2, 0, &msg_body(0, &sections))),
        (ToClient, okay(3, 2)),
        (ToServer, [find(4), find(5)].concat()),
        (ToClient, [okay(6, 4), okay(7, 5)].concat()),
        (ToServer, message(1000, 8, 0, b"hello\0")),
    ]
}

const EVENTS: usize = 5;

#[test]
fn segmentation_changes_nothing() {
    for theme in THEMES {
        let all = |size| replay::events(&recorded(theme), &factory(options()), Some(27017), size);
        let whole = all(usize::MAX);
        assert!(whole.len() >= 10);
        for size in [1, 2, 7, 100] {
            // Times of replies are those of their first bytes.
            assert_eq!(all(size), whole, "{theme} in pieces of {size}");
        }
    }
}

#[test]
fn every_prefix_of_a_conversation() {
    let conversation = conversation();
    let total: usize = conversation.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut events = 0;
    for length in 0..=total {
        for size in [1, usize::MAX] {
            let mut bench = bench();
            let mut left = length;
            for (direction, bytes) in &conversation {
                let part = &bytes[..bytes.len().min(left)];
                left -= part.len();
                bench.send_in(*direction, part, size);
            }
            let complete = bench.events().len();
            bench.finish();
            assert!(bench.events().len() >= events, "{length}");
            assert!(bench.events()[complete..].iter().all(|event| event["status"] == "Error"), "{length}");
            assert_eq!(bench.parser.deadline_ns(), None);
            events = bench.events().len();
        }
    }
    assert_eq!(events, EVENTS);
}

#[test]
fn ends_in_every_state() {
    let conversation = conversation();
    for end in 0..=conversation.len() {
        for kind in 0..3 {
            let mut bench = bench();
            for (direction, bytes) in &conversation[..end] {
                bench.send(*direction, bytes);
            }
            match kind {
                0 => [ToServer, ToClient].iter().for_each(|direction| bench.fin(*direction)),
                1 => bench.reset(ToClient),
                _ => bench.finish(),
            }
            let expected = [0, 0, 1, 1, 2, 2, 4, 5][end] + [0, 1, 0, 1, 0, 2, 0, 0][end];
            assert_eq!(bench.events().len(), expected, "{end} {kind}");
            let ended = "The connection ended before a response was received";
            let noted = bench.events().iter().filter(|event| event["error"]["message"] == ended).count();
            assert_eq!(noted, [0, 1, 0, 1, 0, 2, 0, 0][end], "{end} {kind}");
            assert_eq!(bench.parser.deadline_ns(), None);
        }
    }
}

#[test]
fn an_end_inside_a_reply() {
    let mut bench = bench();
    let reply = okay(2, 1);
    bench.send(ToServer, &find(1));
    bench.send(ToClient, &reply[..reply.len() - 2]);
    bench.fin(ToClient);
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(event["status"], "Error");
    assert_eq!(event["error"]["message"], "The connection ended before the response was complete");
    assert_eq!(event["destination"]["bytes"], reply.len());
}

#[test]
fn gaps_in_every_position() {
    let request = msg(1, 0, &[text("insert", "users"), text("$db", "shop"), text("comment", &"x".repeat(100))]);
    let reply = msg(2, 1, &[text("message", &"y".repeat(100)), double("ok", 1.0)]);
    // Inside a message behind its header: the message is what came of it, and the next one is found.
    for start in 16..request.len() - 1 {
        let mut bench = bench();
        let lost = 7.min(request.len() - start);
        bench.send(ToServer, &request[..start]);
        bench.lose(ToServer, lost as u32);
        bench.send(ToServer, &[&request[start + lost..], &find(9)].concat());
        bench.send(ToClient, &[reply.clone(), okay(10, 9)].concat());
        assert_eq!(bench.events().len(), 2, "{start}");
        assert_eq!(bench.events()[0]["error"]["message"], "Packet loss while capturing the request", "{start}");
        assert_eq!(bench.events()[0]["source"]["bytes"], request.len());
        assert!(bench.events()[1].get("error").is_none());
    }
    for start in 16..reply.len() - 1 {
        let mut bench = bench();
        let lost = 7.min(reply.len() - start);
        bench.send(ToServer, &[request.clone(), find(9)].concat());
        bench.send(ToClient, &reply[..start]);
        bench.lose(ToClient, lost as u32);
        bench.send(ToClient, &[&reply[start + lost..], &okay(10, 9)].concat());
        assert_eq!(bench.events().len(), 2, "{start}");
        assert_eq!(bench.events()[0]["error"]["message"], "Packet loss while capturing the response", "{start}");
        assert!(bench.events()[1].get("error").is_none());
    }
    // A header that is not there: in step again with the next segment that begins a message.
    for start in 0..16 {
        let mut bench = bench();
        bench.send(ToServer, &request[..start]);
        bench.lose(ToServer, 20);
        bench.send(ToServer, &request[start + 20..]);
        bench.send(ToServer, &find(9));
        bench.send(ToClient, &okay(10, 9));
        assert_eq!(bench.events().len(), 1, "{start}");
        assert_eq!(bench.events()[0]["method"], "find");
    }
    // A gap over the end of a message and into the next one.
    let mut bench = bench();
    bench.send(ToServer, &request[..30]);
    bench.lose(ToServer, request.len() as u32);
    bench.send(ToServer, &find(9));
    bench.send(ToClient, &[reply, okay(10, 9)].concat());
    assert_eq!(bench.events().len(), 2);
}

#[test]
fn large_messages_are_counted() {
    // 6 MB of documents behind the command.
    let documents: Vec<Vec<u8>> =
        (0..6000).map(|id| document(&[int("_id", id), text("x", &"x".repeat(1000))])).collect();
    let sections =
        [body_section(&[text("insert", "users"), text("$db", "shop")]), sequence_section("documents", &documents)];
    let request = message(MSG, 1, 0, &msg_body(0, &sections));
    assert!(request.len() > 6_000_000);
    let mut bench = bench_with(Options::default());
    bench.send_in(ToServer, &request, 100_000);
    bench.send(ToServer, &find(2));
    bench.send(ToClient, &[okay(3, 1), okay(4, 2)].concat());
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.events()[0]["query"], "shop.users.insert(null)");
    assert_eq!(bench.events()[0]["source"]["bytes"], request.len());
    assert_eq!(bench.events()[0]["error"]["message"], "The request is longer than what is kept of it");
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), (request.len() - (4 << 20)) as u64);
    // Bytes that are lost where nothing was looked at cost nothing but that.
    let mut bench = bench_with(Options::default());
    bench.send_in(ToServer, &request[..5_000_000], 100_000);
    bench.lose(ToServer, 500_000);
    bench.send_in(ToServer, &request[5_500_000..], 100_000);
    bench.send(ToServer, &find(2));
    bench.send(ToClient, &[okay(3, 1), okay(4, 2)].concat());
    assert_eq!(bench.events().len(), 2);
}

#[test]
fn what_is_no_mongodb() {
    let mut bench = bench();
    bench.send(ToServer, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a client hello of TLS");
    bench.send(ToServer, &find(1));
    bench.finish();
    assert!(bench.events().is_empty());
    // Unknown operations and impossible lengths are passed over by segment.
    for bytes in [
        message(2269, 1, 0, b"what"),
        message(2003, 1, 0, b"reserved"),
        [&48_000_001i32.to_le_bytes()[..], &find(1)[4..]].concat(),
        [&15i32.to_le_bytes()[..], &find(1)[4..]].concat(),
        [&(-1i32).to_le_bytes()[..], &find(1)[4..]].concat(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let mut bench = super::bench();
        bench.send(ToServer, &bytes);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
        bench.send(ToServer, &find(3));
        bench.send(ToClient, &okay(4, 3));
        assert_eq!(bench.events().len(), 1);
    }
}

#[test]
fn queues_are_bounded() {
    let mut bench = bench();
    for id in 1..=1000 {
        bench.send(ToServer, &find(id));
        bench.send(ToClient, &okay(id, id + 5000));
    }
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 1000 - 128);
    assert_eq!(bench.events().len(), 1000 - 128);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1000 - 8);
    bench.finish();
    assert_eq!(bench.events().len(), 1000);
    // By bytes, too: each of these keeps a query of half a megabyte.
    let mut bench = super::bench();
    for id in 1..=20 {
        let comment = text("comment", &"x".repeat(500_000));
        bench.send(ToServer, &msg(id, 0, &[text("find", "users"), text("$db", "shop"), comment]));
    }
    assert!(bench.count(ProtocolCounter::EvictedRequests) >= 15);
}

/// Takes events and forgets them.
struct Sink(crate::event::Event);

impl crate::protocols::Publisher for Sink {
    fn begin(&mut self) -> &mut crate::event::Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {}

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

#[test]
fn memory_is_given_back() {
    let mut sink = Sink(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut parser = MongodbParser::new(Arc::new(options()));
    let mut context = Context { now_ns: 1, flow: bench().flow, publisher: &mut sink };
    let comment = text("comment", &"x".repeat(1 << 20));
    for round in 0..3 {
        for id in 1..4 {
            let request = msg(id, 0, &[text("find", "users"), text("$db", "shop"), comment.clone()]);
            let reply = msg(id, 100 + id, std::slice::from_ref(&comment));
            assert_eq!(parser.data(&mut context, ToServer, &request), Step::All);
            assert_eq!(parser.data(&mut context, ToClient, &reply), Step::All);
        }
        assert!(parser.kept_bytes() > 2 << 20, "{round}");
        parser.finish(&mut context);
        assert!(parser.kept_bytes() < 256 << 10, "{}", parser.kept_bytes());
        assert_eq!(parser.deadline_ns(), None);
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x6d6f_6e67_6f64_6221);
    let conversation = conversation();
    let largest =
        document(&[list("writeErrors", &[document(&[text("errmsg", "no"), sub("keyValue", &[int("a", 1)])])])]);
    for _ in 0..1000 {
        let mut bench = bench();
        let more = [(ToClient, op_reply(5, 0, 0, &[largest.clone(), largest.clone()]))];
        for (direction, bytes) in conversation.iter().chain(&more) {
            let bytes = bench.mutated(&mut random, *direction, bytes);
            bench.send(*direction, &bytes);
            if random.u8(..50) == 0 {
                bench.fin(*direction);
            }
        }
        bench.wait(20_000_000_000);
        bench.finish();
        assert!(bench.events().len() <= 40);
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn mutated_bodies_behind_good_headers() {
    let mut random = fastrand::Rng::with_seed(0x6273_6f6e);
    let operations = [1, 1000, 2001, 2002, 2004, 2005, 2006, 2007, 2012, 2013];
    let seed = [
        &[0; 4][..],
        b"\0",
        &document(&[
            text("a", "b"),
            list("c", &[document(&[element(0x0f, "d", &[0; 20])])]),
            element(0x13, "e", &[255; 16]),
        ]),
    ]
    .concat();
    for round in 0..1000 {
        let mut body = seed.clone();
        for _ in 0..1 + random.usize(..6) {
            let at = random.usize(..body.len());
            body[at] = random.u8(..);
        }
        body.truncate(random.usize(..body.len() + 1));
        let opcode = operations[round % operations.len()];
        let mut bench = bench();
        bench.send(ToServer, &[find(1), message(opcode, 2, 0, &body)].concat());
        bench.send(ToClient, &message(opcode, 3, 1, &body));
        bench.finish();
        assert!((1..=4).contains(&bench.events().len()), "{:#?}", bench.events());
    }
}
