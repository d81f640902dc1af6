// SPDX-License-Identifier: Apache-2.0
//! Compressed bodies.

use super::*;
use crate::protocols::cassandra::compression::{self, MAX_UNPACKED_BYTES};

/// An LZ4 block that holds the bytes as they are.
pub fn lz4_block(bytes: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    match bytes.len() {
        short @ 0..15 => block.push((short as u8) << 4),
        long => {
            block.push(0xf0);
            block.extend(std::iter::repeat_n(255, (long - 15) / 255));
            block.push(((long - 15) % 255) as u8);
        }
    }
    block.extend(bytes);
    block
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    [int(bytes.len() as i32), lz4_block(bytes)].concat()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("it is small")
}

/// A named way to compress.
type Way = (&'static str, fn(&[u8]) -> Vec<u8>);

const BOTH: [Way; 2] = [("lz4", lz4), ("snappy", snappy)];

fn agrees(bench: &Bench, message: &str) {
    let event = bench.events().last().expect("an event");
    assert_eq!(event["cassandra"]["request"]["query"], "SELECT * FROM users", "{event:#}");
    assert_eq!(event["cassandra"]["request"]["headers"]["flags"], "Compress");
    assert_eq!(event["cassandra"]["response"]["error"]["msg"], message);
    assert!(event.get("error").is_none());
}

#[test]
fn the_startup_says_how() {
    for (name, compress) in BOTH {
        let mut bench = bench();
        bench.send(ToServer, &startup(4, Some(name)));
        bench.send(ToClient, &frame(0x84, COMPRESSED, 0, READY, &compress(b"")));
        let request = compress(&query_body("SELECT * FROM users"));
        let message = "no ".repeat(100);
        let response = compress(&[int(0x2200), string(&message)].concat());
        bench.send_in(ToServer, &frame(4, COMPRESSED, 1, QUERY, &request), 3);
        bench.send_in(ToClient, &frame(0x84, COMPRESSED, 1, ERROR, &response), 3);
        agrees(&bench, &message);
        let event = &bench.events()[1];
        // Lengths are those of the wire.
        assert_eq!(event["cassandra"]["request"]["headers"]["length"], request.len());
        assert_eq!(event["source"]["bytes"], 9 + request.len());
        assert_eq!(event["destination"]["bytes"], 9 + response.len());
        // A body that is not compressed may come at any time.
        bench.send(ToServer, &query(2, "SELECT 2"));
        bench.send(ToClient, &void(2));
        assert_eq!(bench.events()[2]["cassandra"]["request"]["query"], "SELECT 2");
    }
}

#[test]
fn without_the_startup() {
    for (name, compress) in BOTH {
        for compressor in [None, Some(Compressor::Lz4), Some(Compressor::Snappy)] {
            let mut bench = bench_with(Options { compressor, ..Options::default() });
            let request = compress(&query_body("SELECT * FROM users"));
            bench.send(ToServer, &frame(4, COMPRESSED, 1, QUERY, &request));
            bench.send(ToClient, &frame(0x84, COMPRESSED, 1, ERROR, &compress(&[int(0x2200), string("no")].concat())));
            agrees(&bench, "no");
            assert_eq!(bench.count(ProtocolCounter::ParseFailures), 0, "{name} {compressor:?}");
        }
    }
}

#[test]
fn warnings_are_inside() {
    let body = [strings(&["beware"]), int(1)].concat();
    let mut bench = bench();
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send(ToClient, &frame(0x84, COMPRESSED | WARNING, 1, RESULT, &snappy(&body)));
    let response = &bench.events()[0]["cassandra"]["response"];
    assert_eq!(response["warnings"], json!(["beware"]));
    assert_eq!(response["headers"]["flags"], "UnknownFlag_9");
}

#[test]
fn bodies_that_make_no_sense() {
    // A match that reaches before the beginning, a size that is not kept, a size of 2 GiB.
    let bodies = [
        [int(20), vec![0x1f, b'a', 9, 0, 1]].concat(),
        [int(5), lz4_block(b"four")].concat(),
        [int(i32::MAX), lz4_block(b"large")].concat(),
        [vec![0xff; 12]].concat(),
        vec![0x80],
    ];
    for body in bodies {
        let mut bench = bench();
        bench.send(ToServer, &[frame(4, COMPRESSED, 1, QUERY, &body), query(2, "SELECT 2")].concat());
        bench.send(ToClient, &[frame(0x84, COMPRESSED, 1, RESULT, &body), void(2)].concat());
        let [event, next] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(
            event["error"]["message"],
            json!(["The request could not be read completely", UNREADABLE_RESPONSE]),
            "{body:?}"
        );
        assert_eq!(event["cassandra"]["request"]["headers"]["op"], "QUERY");
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 2);
        assert_eq!(next["cassandra"]["request"]["query"], "SELECT 2");
    }
}

#[test]
fn output_is_bounded() {
    let mut out = Vec::new();
    for (compressor, (_, compress)) in [Compressor::Lz4, Compressor::Snappy].into_iter().zip(BOTH) {
        let zeros = vec![0; MAX_UNPACKED_BYTES];
        assert!(compression::unpack(compressor, &compress(&zeros), &mut out).is_some());
        assert_eq!(out.len(), MAX_UNPACKED_BYTES);
        let zeros = vec![0; MAX_UNPACKED_BYTES + 1];
        assert!(compression::unpack(compressor, &compress(&zeros), &mut out).is_none());
        assert!(out.capacity() <= MAX_UNPACKED_BYTES);
    }
}

#[test]
fn large_bodies_are_counted() {
    let body = vec![1; 5 << 20];
    let mut bench = bench();
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send_in(ToClient, &frame(0x84, COMPRESSED, 1, RESULT, &body), 100_000);
    bench.send(ToServer, &query(2, "SELECT 2"));
    bench.send(ToClient, &void(2));
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.events()[0]["error"]["message"], CUT_RESPONSE);
    assert_eq!(bench.events()[0]["destination"]["bytes"], 9 + body.len());
    assert_eq!(bench.count(ProtocolCounter::SkippedBytes), body.len() as u64);
}

#[test]
fn a_gap_inside_a_compressed_body() {
    let request = frame(4, COMPRESSED, 1, QUERY, &snappy(&query_body("SELECT * FROM users")));
    let mut bench = bench();
    bench.send(ToServer, &request[..20]);
    bench.lose(ToServer, 5);
    bench.send(ToServer, &[&request[25..], &query(2, "SELECT 2")].concat());
    bench.send(ToClient, &[void(1), void(2)].concat());
    let [event, next] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(event["error"]["message"], LOST_REQUEST);
    assert!(event["cassandra"]["request"].get("query").is_none());
    assert!(next.get("error").is_none());
}
