// SPDX-License-Identifier: Apache-2.0
//! Gaps, ends, cuts and mutations of conversations; memory.

use std::path::PathBuf;

use super::*;
use crate::event::{Event, Schema};
use crate::protocols::cassandra::session::{MAX_WAITING, MAX_WAITING_BYTES};
use crate::protocols::{Parser as _, Publisher, Step, replay};

const THEMES: [&str; 7] = ["errors", "lz4", "prepared", "queries", "snappy", "v3", "v5"];

fn recorded(theme: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/cassandra").join(format!("{theme}.pcap"))
}

fn factory() -> Cassandra {
    Cassandra { options: Arc::new(Options::default()) }
}

/// A conversation with each kind of message, in turns.
fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let prepared = [int(4), string("0123456789abcdef"), int(4), int(0), int(0), int(4), int(0)].concat();
    vec![
        (ToServer, startup(4, None)),
        (ToClient, response(0, AUTHENTICATE, &string("org.example.Authenticator"))),
        (ToServer, [query(1, "SELECT 1"), query(2, "SELECT 2")].concat()),
        (ToClient, [response(2, RESULT, &rows_body(3, b"rows")), failure(1, "no")].concat()),
        (ToClient, response(-1, EVENT, &[string("SCHEMA_CHANGE"), string("CREATED"), string("OTHER")].concat())),
        (ToServer, request(3, PREPARE, &query_body("SELECT 3"))),
        (ToClient, frame(0x84, WARNING, 3, RESULT, &[strings(&["beware"]), prepared].concat())),
    ]
}

const EVENTS: usize = 5;

#[test]
fn segmentation_changes_nothing() {
    for theme in THEMES {
        let all = |size| replay::events(&recorded(theme), &factory(), Some(9042), size);
        let whole = all(usize::MAX);
        assert!(whole.len() >= 30);
        for size in [1, 2, 7, 100] {
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
            for event in &bench.events()[complete..] {
                // What a server sends by itself is no request that fails.
                assert!(event["status"] == "Error", "{length}: {event:#}");
            }
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
            let waiting = [0, 1, 0, 2, 0, 0, 1, 0][end];
            let expected = [0, 0, 1, 1, 3, 4, 4, 5][end] + waiting;
            assert_eq!(bench.events().len(), expected, "{end} {kind}");
            let noted = bench.events().iter().filter(|event| event["error"]["message"] == ENDED).count();
            assert_eq!(noted, waiting, "{end} {kind}");
            assert_eq!(bench.parser.deadline_ns(), None);
        }
    }
}

#[test]
fn an_end_inside_a_response() {
    let mut bench = bench();
    let response = failure(1, "no");
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send(ToClient, &response[..response.len() - 1]);
    bench.fin(ToClient);
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(event["status"], "Error");
    assert_eq!(event["error"]["message"], "The connection ended before the response was complete");
    assert_eq!(event["destination"]["bytes"], response.len());
    assert_eq!(event["cassandra"]["response"]["error"]["code"], 0x2200);
}

#[test]
fn gaps_in_every_position() {
    let request = query(1, &format!("SELECT {}", "x".repeat(50)));
    let response = response(1, RESULT, &rows_body(1, &[7; 50]));
    // Inside a frame behind its header: the frame is what came of it, and the next one is found.
    for start in 9..request.len() - 1 {
        let lost = 7.min(request.len() - start);
        let mut bench = bench();
        bench.send(ToServer, &request[..start]);
        bench.lose(ToServer, lost as u32);
        bench.send(ToServer, &[&request[start + lost..], &query(9, "SELECT 9")].concat());
        bench.send(ToClient, &[response.clone(), void(9)].concat());
        assert_eq!(bench.events().len(), 2, "{start}");
        assert_eq!(bench.events()[0]["error"]["message"], LOST_REQUEST, "{start}");
        assert_eq!(bench.events()[0]["source"]["bytes"], request.len());
        assert!(bench.events()[1].get("error").is_none());
    }
    for start in 9..response.len() - 1 {
        let lost = 7.min(response.len() - start);
        let mut bench = bench();
        bench.send(ToServer, &[request.clone(), query(9, "SELECT 9")].concat());
        bench.send(ToClient, &response[..start]);
        bench.lose(ToClient, lost as u32);
        bench.send(ToClient, &[&response[start + lost..], &void(9)].concat());
        assert_eq!(bench.events().len(), 2, "{start}");
        assert_eq!(bench.events()[0]["error"]["message"], LOST_RESPONSE, "{start}");
        assert_eq!(bench.events()[0]["status"], "OK");
        assert!(bench.events()[1].get("error").is_none());
    }
    // A header that is not there: in step again with the next segment that begins a frame.
    for start in 0..9 {
        let mut bench = bench();
        bench.send(ToServer, &query(9, "SELECT 9"));
        bench.send(ToServer, &request[..start]);
        bench.lose(ToServer, 20);
        bench.send(ToServer, &request[start + 20..]);
        bench.send(ToServer, &query(8, "SELECT 8"));
        bench.send(ToClient, &[void(9), void(8)].concat());
        let [first, second] = bench.events() else { panic!("{start}: {:#?}", bench.events()) };
        assert_eq!(first["cassandra"]["request"]["query"], "SELECT 9");
        assert_eq!(second["cassandra"]["request"]["query"], "SELECT 8");
    }
}

#[test]
fn responses_that_were_lost_are_noted() {
    let mut bench = bench();
    bench.send(ToServer, &[query(1, "SELECT 1"), query(2, "SELECT 2"), query(3, "SELECT 3")].concat());
    bench.send(ToClient, &void(1)[..5]);
    bench.lose(ToClient, 8 + void(2).len() as u32);
    bench.send(ToClient, &void(3));
    bench.wait(20_000_000_000);
    let messages: Vec<&Json> = bench.events().iter().map(|event| &event["error"]["message"]).collect();
    assert_eq!(messages, [&Json::Null, &json!(LOST_RESPONSE), &json!(LOST_RESPONSE)]);
    assert_eq!(bench.events()[1]["status"], "Error");
}

#[test]
fn large_responses_are_counted() {
    let response = response(1, RESULT, &rows_body(9, &vec![1; 6_000_000]));
    let mut bench = bench();
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send_in(ToClient, &response, 100_000);
    bench.send(ToServer, &query(2, "SELECT 2"));
    bench.send(ToClient, &void(2));
    assert_eq!(bench.events().len(), 2);
    let event = &bench.events()[0];
    assert_eq!(event["cassandra"]["response"]["result"]["rows"]["num_rows"], 9);
    assert_eq!(event["destination"]["bytes"], response.len());
    assert!(event.get("error").is_none(), "nobody asked for the rows");
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), (response.len() - 9 - (256 << 10)) as u64);
    // Bytes that are lost where nothing was looked at cost nothing.
    let mut bench = super::bench();
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send_in(ToClient, &response[..3_000_000], 100_000);
    bench.lose(ToClient, 500_000);
    bench.send_in(ToClient, &response[3_500_000..], 100_000);
    bench.send(ToServer, &query(2, "SELECT 2"));
    bench.send(ToClient, &void(2));
    assert_eq!(bench.events().len(), 2);
    assert!(bench.events().iter().all(|event| event.get("error").is_none()));
    // Metadata that does not end within what is looked at.
    let columns = [string(&"c".repeat(1000)), short(9)].concat().repeat(400);
    let wide = [int(2), int(1), int(400), string("k"), string("t"), columns, int(1)].concat();
    let mut bench = super::bench();
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send(ToClient, &super::response(1, RESULT, &wide));
    assert_eq!(bench.events()[0]["error"]["message"], CUT_RESPONSE);
    assert_eq!(bench.events()[0]["cassandra"]["response"]["result"]["rows"]["meta"]["col_count"], 400);
}

#[test]
fn what_is_no_cql() {
    let mut bench = bench();
    bench.send(ToServer, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a client hello of TLS");
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.finish();
    assert!(bench.events().is_empty());
    // Unknown versions, flags, operations, directions and impossible lengths are passed over by segment.
    let header =
        |first: u8, flags: u8, op: u8, length: u32| [&[first, flags, 0, 1, op][..], &length.to_be_bytes()].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        header(0, 0, QUERY, 0),
        header(7, 0, QUERY, 0),
        header(4, 0x20, QUERY, 0),
        header(4, 0, 17, 0),
        header(4, 0, RESULT, 0),
        header(0x84, 0, QUERY, 0),
        header(4, 0, QUERY, (256 << 20) + 1),
        header(4, 0, QUERY, u32::MAX),
    ] {
        let mut bench = super::bench();
        bench.send(ToServer, &bytes);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1, "{bytes:?}");
        bench.send(ToServer, &query(3, "SELECT 3"));
        bench.send(ToClient, &void(3));
        assert_eq!(bench.events().len(), 1);
    }
}

#[test]
fn queues_are_bounded() {
    let mut bench = bench();
    let total = MAX_WAITING as i16 + 500;
    for stream in 0..total {
        bench.send(ToServer, &query(stream, "SELECT"));
    }
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 500);
    assert_eq!(bench.events().len(), 500);
    bench.finish();
    assert_eq!(bench.events().len(), total as usize);
    // By bytes, too.
    let mut bench = super::bench();
    let text = "x".repeat(500_000);
    for stream in 0..20 {
        bench.send(ToServer, &query(stream, &text));
    }
    let kept = MAX_WAITING_BYTES / text.len();
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 20 - kept as u64);
}

/// Takes events and forgets them.
pub struct Sink(Event);

impl Sink {
    pub fn new() -> Sink {
        Sink(Event::new(Arc::new(Schema::new([]))))
    }
}

impl Publisher for Sink {
    fn begin(&mut self) -> &mut Event {
        self.0.clear();
        &mut self.0
    }

    fn publish(&mut self) {}

    fn count(&mut self, _counter: ProtocolCounter, _amount: u64) {}
}

#[test]
fn memory_is_given_back() {
    let mut sink = Sink::new();
    let mut parser = CassandraParser::new(Arc::new(Options::default()));
    let mut context = Context { now_ns: 1, flow: bench().flow, publisher: &mut sink };
    let text = "x".repeat(1 << 20);
    for round in 0..3 {
        for stream in 0..2000 {
            assert_eq!(parser.data(&mut context, ToServer, &query(stream, "SELECT")), Step::All);
        }
        for stream in 2000..2003 {
            assert_eq!(parser.data(&mut context, ToServer, &query(stream, &text)), Step::All);
        }
        assert!(parser.kept_bytes() > 3 << 20, "{round}");
        parser.finish(&mut context);
        assert!(parser.kept_bytes() < 128 << 10, "{}", parser.kept_bytes());
        assert_eq!(parser.deadline_ns(), None);
    }
    for round in 0..100 {
        parser.data(&mut context, ToServer, &query(round, "SELECT"));
        parser.data(&mut context, ToClient, &void(round));
    }
    assert!(parser.kept_bytes() < 128 << 10);
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x6361_7373_616e_6472);
    let conversation = conversation();
    for _ in 0..1000 {
        let mut bench = bench();
        for (direction, bytes) in &conversation {
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
    let mut random = fastrand::Rng::with_seed(0x0063_716c);
    let bodies = [
        rows_body(3, b"rows"),
        [int(5), string("CREATED"), string("FUNCTION"), string("k"), string("f"), strings(&["int", "text"])].concat(),
        [int(4), string("0123456789abcdef"), rows_body(1, b"")].concat(),
        [int(0x1500), string("no"), short(1), int(0), int(1), int(1), string("SIMPLE")].concat(),
        [short(2), string("A"), strings(&["1", "2"]), string("B"), strings(&["3"])].concat(),
        [string("STATUS_CHANGE"), string("UP"), vec![4, 10, 0, 0, 1], int(9042)].concat(),
    ];
    let operations = [ERROR, SUPPORTED, RESULT, EVENT, AUTHENTICATE, AUTH_CHALLENGE];
    for round in 0..2000 {
        let mut body = bodies[round % bodies.len()].clone();
        for _ in 0..1 + random.usize(..6) {
            let at = random.usize(..body.len());
            body[at] = random.u8(..);
        }
        body.truncate(random.usize(..body.len() + 1));
        let op = operations[random.usize(..operations.len())];
        let version = 0x80 | random.u8(3..6);
        let mut bench = bench();
        bench.send(ToServer, &query(1, "SELECT 1"));
        bench.send(ToClient, &frame(version, random.u8(..0x20), 1, op, &body));
        bench.finish();
        assert!((1..=2).contains(&bench.events().len()), "{:#?}", bench.events());
    }
}
