// SPDX-License-Identifier: Apache-2.0
//! OP_COMPRESSED with every compressor, whole, cut, and hostile.

use std::io::Write as _;

use super::*;

const COMPRESSED: i32 = 2012;
const COMPRESSORS: [u8; 4] = [0, 1, 2, 3];

fn pack(compressor: u8, content: &[u8]) -> Vec<u8> {
    match compressor {
        0 => content.to_vec(),
        1 => snap::raw::Encoder::new().compress_vec(content).expect("snappy"),
        2 => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).expect("zlib");
            encoder.finish().expect("zlib")
        }
        _ => zstd::encode_all(content, 6).expect("zstd"),
    }
}

/// The same message, compressed.
fn compressed(plain: &[u8], compressor: u8) -> Vec<u8> {
    let (header, body) = plain.split_at(16);
    let number = |place: usize| i32::from_le_bytes(header[place..place + 4].try_into().unwrap());
    wrapped(number(4), number(8), number(12), body.len() as i32, compressor, &pack(compressor, body))
}

fn wrapped(id: i32, to: i32, opcode: i32, size: i32, compressor: u8, packed: &[u8]) -> Vec<u8> {
    let body = [&opcode.to_le_bytes()[..], &size.to_le_bytes(), &[compressor], packed].concat();
    message(COMPRESSED, id, to, &body)
}

#[test]
fn every_compressor() {
    let plain = exchange(&find(1), &okay(2, 1));
    for compressor in COMPRESSORS {
        let (request, reply) = (compressed(&find(1), compressor), compressed(&okay(2, 1), compressor));
        let event = exchange(&request, &reply);
        for field in ["method", "resource", "query", "request", "response", "status", "mongodb"] {
            assert_eq!(event[field], plain[field], "{compressor}");
        }
        // Bytes are those of the wire.
        assert_eq!(event["source"]["bytes"], request.len());
        assert_eq!(event["destination"]["bytes"], reply.len());
        assert!(event.get("error").is_none());
        let failed = msg(2, 1, &[double("ok", 0.0), int("code", 13)]);
        assert_eq!(exchange(&request, &compressed(&failed, compressor))["status"], "Error");
        let old = op_query(1, "shop.users", 0, 0, &[document(&[])]);
        let event = exchange(&compressed(&old, compressor), &compressed(&op_reply(1, 0, 0, &[]), compressor));
        assert_eq!(event["method"], "find");
    }
}

#[test]
fn what_cannot_be_unpacked_is_paired_and_noted() {
    let hostile = [
        wrapped(1, 0, MSG, 100, 1, b"\xff\xff\xff\xff\xff\x0fgarbage"),
        wrapped(1, 0, MSG, 100, 2, b"garbage"),
        wrapped(1, 0, MSG, 100, 3, b"garbage"),
        wrapped(1, 0, MSG, 100, 9, b"garbage"),
        wrapped(1, 0, MSG, -1, 0, b"garbage"),
        wrapped(1, 0, COMPRESSED, 7, 0, b"garbage"),
        wrapped(1, 0, 4711, 7, 0, b"garbage"),
        message(COMPRESSED, 1, 0, b"\xdd"),
    ];
    for request in hostile {
        let event = exchange(&request, &okay(2, 1));
        assert_eq!(event["method"], "msg");
        assert_eq!(event["error"]["message"], "The request could not be read completely");
        let mut reply = request.clone();
        reply[8] = 5;
        let event = exchange(&find(5), &reply);
        assert_eq!(event["error"]["message"], "The response could not be read completely");
        assert_eq!(event["status"], "OK");
    }
}

#[test]
fn cut_at_every_byte() {
    let plain = find(1);
    for compressor in COMPRESSORS {
        let packed = pack(compressor, &plain[16..]);
        for length in 0..packed.len() {
            let request = wrapped(1, 0, MSG, plain.len() as i32 - 16, compressor, &packed[..length]);
            let event = exchange(&request, &okay(2, 1));
            // The end of a frame may only hold what ends it.
            let is_whole = event["query"] == "shop.users.find(null)";
            assert!(is_whole || event["error"]["message"].is_string(), "{compressor} {length} {event:#}");
        }
    }
}

#[test]
fn bombs_are_bounded() {
    // 40 MB of one text in a document, which claims to be what it is.
    let big = document(&[text("find", "users"), text("$db", "shop"), text("x", &"a".repeat(40_000_000))]);
    let body = [&[0; 4][..], &[0], &big].concat();
    for compressor in [2, 3] {
        let request = wrapped(1, 0, MSG, body.len() as i32, compressor, &pack(compressor, &body));
        assert!(request.len() < 100_000);
        let event = exchange(&request, &okay(2, 1));
        assert_eq!(event["resource"], "shop.users");
        assert_eq!(event["error"]["message"], "The request is longer than what is kept of it");
    }
    // Snappy is unpacked whole or not at all.
    let request = wrapped(1, 0, MSG, body.len() as i32, 1, &pack(1, &body));
    let event = exchange(&request, &okay(2, 1));
    assert_eq!(event["error"]["message"], "The request could not be read completely");
}
