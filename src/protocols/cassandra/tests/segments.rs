// SPDX-License-Identifier: Apache-2.0
//! Segments of version 5.

use super::compressed::lz4_block;
use super::*;
use crate::protocols::cassandra::segment::{Content, Format, SegmentHeader, crc24, crc32};

fn query5(stream: i16, text: &str) -> Vec<u8> {
    frame(5, 0, stream, QUERY, &query_body(text))
}

fn void5(stream: i16) -> Vec<u8> {
    frame(0x85, 0, stream, RESULT, &int(1))
}

/// A segment, its payload compressed or not.
fn segment(format: Format, content: Content, payload: &[u8]) -> Vec<u8> {
    let is_whole = u64::from(content == Content::WholeFrames);
    let (bits, sent) = match format {
        Format::Plain => (payload.len() as u64 | is_whole << 17, payload.to_vec()),
        Format::Lz4 => {
            let block = lz4_block(payload);
            (block.len() as u64 | (payload.len() as u64) << 17 | is_whole << 34, block)
        }
    };
    let length_bytes = format.header_bytes() - 3;
    let mut segment = bits.to_le_bytes()[..length_bytes].to_vec();
    let checksum = crc24(&segment).to_le_bytes();
    segment.extend(&checksum[..3]);
    segment.extend(&sent);
    segment.extend(crc32(&sent).to_le_bytes());
    segment
}

fn whole(format: Format, payload: &[u8]) -> Vec<u8> {
    segment(format, Content::WholeFrames, payload)
}

/// A large frame in segments of `size` bytes of payload.
fn parts(format: Format, frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    frame.chunks(size).map(|part| segment(format, Content::Part, part)).collect()
}

fn compression_of(format: Format) -> Option<&'static str> {
    (format == Format::Lz4).then_some("lz4")
}

/// A bench behind a handshake.
fn started(format: Format) -> Bench {
    let mut bench = bench();
    bench.send(ToServer, &frame(5, 0, 0, OPTIONS, b""));
    bench.send(ToClient, &frame(0x85, 0, 0, SUPPORTED, &short(0)));
    bench.send(ToServer, &startup(5, compression_of(format)));
    bench.send(ToClient, &frame(0x85, 0, 0, READY, b""));
    assert_eq!(bench.events().len(), 2);
    bench
}

fn queries(bench: &Bench) -> Vec<String> {
    let queries = bench.events().iter().filter_map(|event| event["cassandra"]["request"]["query"].as_str());
    queries.map(str::to_owned).collect()
}

/// Checksums of a recorded segment (`tests/recorded/cassandra/v5.pcap`) are covered there; these are known values.
#[test]
fn checksums() {
    // Empty input gives the start value.
    assert_eq!(crc24(b""), 0x0087_5060);
    // CRC-32 of the four bytes before the payload alone.
    assert_eq!(crc32(b""), crc32fast::hash(&[0xfa, 0x2d, 0x55, 0xca]));
    for format in Format::ALL {
        let segment = whole(format, &query5(1, "SELECT 1"));
        let header = SegmentHeader::read(format, &segment).expect("a header");
        assert_eq!(header.segment_bytes(), segment.len());
        assert_eq!(header.content, Content::WholeFrames);
        assert!(header.payload(&segment).is_some());
        for bit in 0..segment.len() * 8 {
            let mut wrong = segment.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let header = SegmentHeader::read(format, &wrong);
            assert!(header.and_then(|header| header.payload(&wrong)).is_none(), "{format:?} {bit}");
        }
    }
}

#[test]
fn frames_in_segments() {
    for format in Format::ALL {
        for size in [1, 7, usize::MAX] {
            let mut bench = started(format);
            let requests = [query5(1, "SELECT 1"), query5(2, "SELECT 2")].concat();
            bench.send_in(ToServer, &whole(format, &requests), size);
            bench.send_in(ToServer, &whole(format, &query5(3, "SELECT 3")), size);
            let pushed = frame(0x85, 0, -1, EVENT, &string("OTHER"));
            bench.send_in(ToClient, &whole(format, &[void5(3), pushed, void5(1)].concat()), size);
            bench.send_in(ToClient, &whole(format, &void5(2)), size);
            assert_eq!(queries(&bench), ["SELECT 3", "SELECT 1", "SELECT 2"], "{format:?} {size}");
            let event = &bench.events()[2];
            // Bytes are those of the frames.
            assert_eq!(event["source"]["bytes"], 9 + 15);
            assert_eq!(event["cassandra"]["request"]["headers"]["version"], "5");
            assert!(bench.events().iter().all(|event| event["status"] == "OK" && event.get("error").is_none()));
            assert_eq!(bench.parser.deadline_ns(), None);
        }
    }
}

#[test]
fn a_payload_that_is_not_compressed_among_others() {
    let mut bench = started(Format::Lz4);
    let payload = query5(1, "SELECT 1");
    let mut segment = (payload.len() as u64 | 1 << 34).to_le_bytes()[..5].to_vec();
    let checksum = crc24(&segment).to_le_bytes();
    segment.extend(&checksum[..3]);
    segment.extend(&payload);
    segment.extend(crc32(&payload).to_le_bytes());
    bench.send(ToServer, &segment);
    bench.send(ToClient, &whole(Format::Lz4, &void5(1)));
    assert_eq!(queries(&bench), ["SELECT 1"]);
}

#[test]
fn large_frames_in_parts() {
    let text = format!("INSERT {}", "x".repeat(300_000));
    let request = query5(1, &text);
    let response = frame(0x85, 0, 1, RESULT, &rows_body(7, &vec![1; 500_000]));
    for format in Format::ALL {
        let mut bench = started(format);
        parts(format, &request, 100_000).iter().for_each(|part| bench.send(ToServer, part));
        bench.send(ToServer, &whole(format, &query5(2, "SELECT 2")));
        parts(format, &response, 100_000).iter().for_each(|part| bench.send(ToClient, part));
        bench.send(ToClient, &whole(format, &void5(2)));
        assert_eq!(queries(&bench), [text.as_str(), "SELECT 2"]);
        let event = &bench.events()[2];
        assert_eq!(event["cassandra"]["response"]["result"]["rows"]["num_rows"], 7);
        assert_eq!(event["source"]["bytes"], request.len());
        assert_eq!(event["destination"]["bytes"], response.len());
        assert!(event.get("error").is_none());
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 0);
    }
}

#[test]
fn a_capture_that_begins_anywhere() {
    for format in Format::ALL {
        let mut bench = bench();
        // The end of a segment, then whole ones.
        bench.send(ToServer, &whole(format, &query5(9, "SELECT 9"))[11..]);
        bench.send(ToServer, &whole(format, &query5(1, "SELECT 1")));
        bench.send(ToClient, &whole(format, &void5(1)));
        assert_eq!(queries(&bench), ["SELECT 1"], "{format:?}");
    }
}

#[test]
fn a_startup_that_is_refused() {
    // The server knows version 4 only; the client begins anew on the same connection.
    let mut bench = bench();
    bench.send(ToServer, &startup(5, None));
    bench.send(
        ToClient,
        &response(0, ERROR, &[int(0x000a), string("Invalid or unsupported protocol version")].concat()),
    );
    bench.send(ToServer, &startup(4, None));
    bench.send(ToClient, &response(0, READY, b""));
    bench.send(ToServer, &query(1, "SELECT 1"));
    bench.send(ToClient, &void(1));
    assert_eq!(bench.events().len(), 3);
    assert_eq!(bench.events()[0]["status"], "Error");
    assert_eq!(queries(&bench), ["SELECT 1"]);
    // A server of the beta of version 5, which had no segments.
    let mut bench = super::bench();
    let mut beta = startup(5, None);
    beta[1] = 0x10;
    bench.send(ToServer, &beta);
    bench.send(ToClient, &frame(0x85, 0, 0, READY, b""));
    bench.send(ToServer, &query5(1, "SELECT 1"));
    bench.send(ToClient, &void5(1));
    assert_eq!(queries(&bench), ["SELECT 1"]);
}

#[test]
fn a_wrong_checksum() {
    for format in Format::ALL {
        let mut bench = started(format);
        let mut wrong = whole(format, &query5(1, "SELECT 1"));
        let last = wrong.len() - 1;
        wrong[last] ^= 1;
        bench.send(ToServer, &[wrong.clone(), whole(format, &query5(2, "SELECT 2"))].concat());
        bench.send(ToClient, &whole(format, &[void5(1), void5(2)].concat()));
        assert_eq!(queries(&bench), ["SELECT 2"]);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
        // A wrong header leads nowhere: in step again with the next segment that begins well.
        wrong[0] ^= 1;
        bench.send(ToServer, &wrong);
        bench.send(ToServer, &whole(format, &query5(3, "SELECT 3")));
        bench.send(ToClient, &whole(format, &void5(3)));
        assert_eq!(queries(&bench), ["SELECT 2", "SELECT 3"]);
    }
}

#[test]
fn parts_that_break_off() {
    let response = frame(0x85, 0, 1, RESULT, &rows_body(7, &vec![1; 500_000]));
    let early = parts(Format::Plain, &response, 100_000);
    let mut bench = started(Format::Plain);
    bench.send(ToServer, &whole(Format::Plain, &[query5(1, "SELECT 1"), query5(2, "SELECT 2")].concat()));
    bench.send(ToClient, &early[0]);
    // The next segment is whole: the frame has no end.
    bench.send(ToClient, &whole(Format::Plain, &void5(2)));
    let [.., first, second] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(first["error"]["message"], LOST_RESPONSE);
    assert_eq!(first["cassandra"]["response"]["result"]["rows"]["num_rows"], 7);
    assert!(second.get("error").is_none());
    // Parts without a beginning are passed over.
    bench.send(ToServer, &whole(Format::Plain, &query5(3, "SELECT 3")));
    early[1..].iter().for_each(|part| bench.send(ToClient, part));
    bench.send(ToClient, &whole(Format::Plain, &void5(3)));
    assert_eq!(queries(&bench), ["SELECT 1", "SELECT 2", "SELECT 3"]);
}

#[test]
fn gaps_in_every_position() {
    let requests = [query5(1, "SELECT 1"), query5(2, "SELECT 2")].concat();
    let responses = [void5(1), frame(0x85, 0, 2, ERROR, &[int(0x2200), string("a message")].concat())].concat();
    for format in Format::ALL {
        let (sent, received) = (whole(format, &requests), whole(format, &responses));
        for direction in [ToServer, ToClient] {
            let length = if direction == ToServer { sent.len() } else { received.len() };
            for start in 0..length - 4 {
                let mut bench = started(format);
                for (way, segment) in [(ToServer, &sent), (ToClient, &received)] {
                    if way == direction {
                        bench.send(way, &segment[..start]);
                        bench.lose(way, 4);
                        bench.send(way, &segment[start + 4..]);
                    } else {
                        bench.send(way, segment);
                    }
                }
                bench.send(ToServer, &whole(format, &query5(3, "SELECT 3")));
                bench.send(ToClient, &whole(format, &void5(3)));
                let third = bench.events().iter().find(|event| event["cassandra"]["request"]["query"] == "SELECT 3");
                let third = third.unwrap_or_else(|| panic!("{format:?} {start}: {:#?}", bench.events()));
                assert!(third.get("error").is_none());
                bench.finish();
                let found = queries(&bench);
                if direction == ToClient {
                    // Every request has its event, with its response or with a note.
                    assert_eq!(found.len(), 3, "{format:?} {start}: {found:?}");
                    let lost = bench.events().iter().filter(|event| event["error"]["message"] == LOST_RESPONSE);
                    let ended = bench.events().iter().filter(|event| event["error"]["message"] == ENDED);
                    assert!(lost.count() + ended.count() <= 2);
                }
                // The first frame ends before the gap: it is not lost with the others.
                if direction == ToServer && format == Format::Plain && start >= 6 + 24 {
                    assert!(found.iter().any(|query| query == "SELECT 1"), "{start} {found:?}");
                }
            }
        }
    }
}

#[test]
fn ends_inside_a_segment() {
    let response = whole(Format::Plain, &[void5(1), frame(0x85, 0, 2, RESULT, &rows_body(1, &[7; 100]))].concat());
    for end in [0, 1] {
        let mut bench = started(Format::Plain);
        bench.send(ToServer, &whole(Format::Plain, &[query5(1, "SELECT 1"), query5(2, "SELECT 2")].concat()));
        bench.send(ToClient, &response[..response.len() - 40]);
        match end {
            0 => bench.fin(ToClient),
            _ => bench.reset(ToServer),
        }
        let [.., first, second] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(first["status"], "OK");
        assert_eq!(second["status"], "Error");
        assert_eq!(second["error"]["message"], "The connection ended before the response was complete");
        assert_eq!(bench.events().len(), 4);
    }
}

#[test]
fn memory_of_a_large_frame_is_bounded() {
    let mut parser = CassandraParser::new(Arc::new(Options::default()));
    let mut sink = robustness::Sink::new();
    let mut context = Context { now_ns: 1, flow: bench().flow, publisher: &mut sink };
    use crate::protocols::Parser as _;
    parser.data(&mut context, ToServer, &startup(5, None));
    parser.data(&mut context, ToServer, &whole(Format::Plain, &query5(1, "SELECT 1")));
    let response = frame(0x85, 0, 1, RESULT, &vec![1; 8 << 20]);
    for part in parts(Format::Plain, &response, 100_000) {
        parser.data(&mut context, ToClient, &part);
        assert!(parser.kept_bytes() < 1 << 20, "{}", parser.kept_bytes());
    }
    parser.finish(&mut context);
    assert!(parser.kept_bytes() < 256 << 10);
}

/// Segments as cassandra-driver 3.30 for Python encodes them, with the LZ4 library of lz4 for Python: a QUERY, and an OPTIONS
/// that is too short to be compressed.
#[test]
fn segments_of_a_driver() {
    let plain = [
        "8400024d287605000001070000007b0000007153454c454354202a2046524f4d207573657273205748455245206e616d65203d202761616161",
        "6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161",
        "616161616161616161616161616161616161270001000000001ef3dba7090002a4c8c10500000205000000001b27e000",
    ];
    let lz4 = [
        "3d0008010431c23fff2105000001070000007b0000007153454c454354202a2046524f4d207573657273205748455245206e616d65203d2027",
        "6101003a7027000100000000547c7f940900000004c2b8950500000205000000001b27e000",
    ];
    for (format, digits) in [(Format::Plain, plain.concat()), (Format::Lz4, lz4.concat())] {
        let segments = data_encoding::HEXLOWER.decode(digits.as_bytes()).expect("hexadecimal digits");
        for mut bench in [started(format), bench()] {
            let begun = bench.events().len();
            bench.send(ToServer, &segments);
            bench.send(ToClient, &whole(format, &[void5(1), frame(0x85, 0, 2, SUPPORTED, &short(0))].concat()));
            let [query, options] = &bench.events()[begun..] else { panic!("{format:?} {:#?}", bench.events()) };
            let expected = format!("SELECT * FROM users WHERE name = '{}'", "a".repeat(78));
            assert_eq!(query["cassandra"]["request"]["query"], expected);
            assert_eq!(options["cassandra"]["request"]["headers"]["op"], "OPTIONS");
            assert_eq!(bench.count(ProtocolCounter::ParseFailures), 0);
        }
    }
}
