// SPDX-License-Identifier: Apache-2.0
//! Lost, cut and damaged bytes.

use super::*;

const REQUEST_LOSS: &str = "Packet loss while capturing the request";
const RESPONSE_LOSS: &str = "Packet loss while capturing the response";

/// Three calls and replies; `lost` bytes from `at` on are missing in one direction.
fn with_gap(direction: Direction, at: usize, lost: usize) -> Vec<Json> {
    let asked = [1, 2, 3].map(|xid| record(&call(xid, 3, WRITE, &[xid as u8; 60]))).concat();
    let answered = [1, 2, 3].map(|xid| record(&reply(xid, 0, &[0; 60]))).concat();
    let mut bench = tcp();
    for (way, bytes) in [(ToServer, &asked), (ToClient, &answered)] {
        if way != direction {
            bench.send(way, bytes);
            continue;
        }
        bench.send(way, &bytes[..at]);
        bench.lose(way, lost as u32);
        bench.send(way, &bytes[at + lost..]);
    }
    bench.finish();
    bench.events().to_vec()
}

#[test]
fn a_gap_costs_only_what_lies_in_it() {
    let asked_bytes = record(&call(1, 3, WRITE, &[1; 60])).len();
    let answered_bytes = record(&reply(1, 0, &[0; 60])).len();
    for (direction, length, note) in [(ToServer, asked_bytes, REQUEST_LOSS), (ToClient, answered_bytes, RESPONSE_LOSS)]
    {
        for at in 0..length * 3 {
            for lost in [1, 4, 30, length] {
                if at + lost >= length * 3 {
                    continue;
                }
                let events = with_gap(direction, at, lost);
                for xid in 1..=3 {
                    let (start, end) = ((xid - 1) * length, xid * length);
                    let hit = at < end && at + lost > start;
                    let event = events.iter().find(|event| event["rpc"]["xid"] == format!("{xid:08x}"));
                    let context = format!("{direction:?} {lost} bytes at {at}: {event:?}");
                    match (hit, event) {
                        (false, event) => {
                            let event = event.unwrap_or_else(|| panic!("xid {xid} is missing, {context}"));
                            assert_eq!(event["status"], "OK", "{context}");
                            assert!(event.get("error").is_none(), "{context}");
                            assert_eq!(event["nfs"]["status"], "NFS_OK", "{context}");
                            assert_eq!(event["destination"]["bytes"], answered_bytes - 4, "{context}");
                        }
                        (true, Some(event)) => assert_eq!(event["error"]["message"], note, "{context}"),
                        // A call that was lost wholly, or without its fixed part.
                        (true, None) => assert_eq!(direction, ToServer, "{context}"),
                    }
                }
            }
        }
    }
}

#[test]
fn data_may_be_missing() {
    let mut bench = tcp();
    let asked = record(&call(1, 3, WRITE, &[7; 20_000]));
    bench.send(ToServer, &asked[..300]);
    bench.lose(ToServer, 10_000);
    bench.send(ToServer, &[&asked[10_300..], &record(&call(2, 3, LOOKUP, &[]))].concat());
    bench.send(ToClient, &[record(&reply(1, 0, &words(&[28]))), record(&reply(2, 0, &words(&[0])))].concat());
    let seen: Vec<_> = bench.events().iter().map(|event| &event["nfs"]["status"]).collect();
    assert_eq!(seen, ["NFSERR_NOSPC", "NFS_OK"]);
    assert_eq!(bench.events()[0]["error"]["message"], REQUEST_LOSS);
    assert_eq!(bench.events()[0]["source"]["bytes"], asked.len() - 4);
    assert!(bench.events()[1].get("error").is_none());
}

#[test]
fn a_connection_is_joined_in_the_middle() {
    let mut bench = tcp();
    let asked = [record(&call(1, 3, WRITE, &[7; 500])), record(&call(2, 3, LOOKUP, &[]))].concat();
    bench.send(ToServer, &asked[200..]);
    bench.send(ToClient, &[record(&reply(1, 0, &words(&[0]))), record(&reply(2, 0, &words(&[0])))].concat());
    bench.finish();
    assert_eq!(bench.events().len(), 1);
    assert_eq!(bench.events()[0]["nfs"], json!({"version": 3, "opcode": "LOOKUP", "status": "NFS_OK"}));
}

#[test]
fn datagrams_that_the_capture_cut_say_what_they_can() {
    let asked = call(1, 4, COMPOUND, &compound("tag", 1, 1, &words(&[25])));
    let fixed = 24;
    for length in 0..asked.len() {
        let mut bench = udp();
        bench.cut_datagram(ToServer, &asked[..length], asked.len());
        bench.finish();
        let Some(event) = bench.events().first() else {
            assert!(length < fixed, "{length}");
            assert_eq!(bench.count(ProtocolCounter::ParseFailures), 1);
            continue;
        };
        assert_eq!(event["error"]["message"], REQUEST_LOSS, "{length}");
        assert_eq!((&event["source"]["bytes"], &event["nfs"]["version"]), (&json!(asked.len()), &json!(4)));
    }
    let mut bench = udp();
    let long = call(1, 3, WRITE, &[0; 1000]);
    bench.cut_datagram(ToServer, &long[..120], long.len());
    bench.finish();
    assert!(bench.events()[0].get("error").is_none());
}

#[test]
fn every_prefix_and_every_state_may_end() {
    let asked = record(&call(1, 4, COMPOUND, &compound("tag", 1, 1, &words(&[25]))));
    let answered = record(&reply(1, 0, &words(&[0, 0, 0])));
    for length in 0..=asked.len() + answered.len() {
        for size in [1, usize::MAX] {
            for end in 0..5 {
                let mut bench = tcp();
                bench.send_in(ToServer, &asked[..length.min(asked.len())], size);
                bench.send_in(ToClient, &answered[..length.saturating_sub(asked.len())], size);
                match end {
                    0 => bench.fin(ToServer),
                    1 => bench.fin(ToClient),
                    2 => bench.reset(ToServer),
                    3 => bench.reset(ToClient),
                    _ => {}
                }
                bench.finish();
                let context = format!("{length} {size} {end}");
                assert!(bench.events().len() <= 1, "{context}");
                let is_whole = length == asked.len() + answered.len();
                if length >= asked.len() {
                    assert_eq!(bench.events().len(), 1, "{context}");
                    let notes = bench.events()[0].get("error").is_some();
                    // Of an answer's fixed part, 12 bytes show whose it is.
                    assert!(!is_whole || !notes, "{context}");
                    assert_eq!(bench.events()[0]["status"] == "OK", length >= asked.len() + 12, "{context}");
                }
            }
        }
    }
}

#[test]
fn a_parser_is_as_new_after_its_end() {
    let (mut bench, parser) = watched(Carrier::Tcp);
    bench.send(ToServer, &record(&call(1, 3, LOOKUP, &[])));
    bench.send(ToServer, &record(&call(2, 3, WRITE, &[7; 9000]))[..8000]);
    assert!(parser.borrow().held_bytes() > 8000 - 4);
    assert!(bench.parser.deadline_ns().is_some());
    bench.finish();
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.events()[1]["error"]["message"], REQUEST_LOSS);
    assert_eq!((parser.borrow().held_bytes(), bench.parser.deadline_ns()), (0, None));
}

#[test]
fn mutations_are_harmless() {
    let streams = [
        [1, 2, 3, 4].map(|xid| record(&call(xid, 3, WRITE, &[xid as u8; 40]))).concat(),
        [5, 6, 7].map(|xid| fragments(&call(xid, 4, COMPOUND, &compound("tag", 1, 2, &words(&[24, 25]))), 30)).concat(),
    ]
    .concat();
    let answers = (1..8).flat_map(|xid| record(&reply(xid, 0, &[0; 24]))).collect::<Vec<u8>>();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut events = 0;
    for _ in 0..1000 {
        let mut sides = [streams.clone(), answers.clone()];
        for side in &mut sides {
            for _ in 0..=random(4) {
                let at = random(side.len());
                side[at] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
            }
        }
        let size = [1, 7, 100, usize::MAX][random(4)];
        let mut bench = tcp();
        bench.send_in(ToServer, &sides[0], size);
        bench.send_in(ToClient, &sides[1], size);
        bench.finish();
        events += bench.events().len();
        let mut bench = udp();
        for (direction, side) in [ToServer, ToClient].into_iter().zip(&sides) {
            for part in side.chunks(random(200) + 20) {
                bench.datagram(direction, part.get(4..).unwrap_or(part));
            }
        }
        bench.finish();
    }
    assert!(events > 5000, "{events}");
}

#[test]
fn truncated_messages_are_read_as_far_as_they_go() {
    let asked = call(1, 4, COMPOUND, &compound("tag", 1, 1, &words(&[25])));
    for length in 0..=asked.len() {
        match Message::parse(&asked[..length]) {
            Some(Message::Call(call)) => {
                assert!(length >= 24);
                assert_eq!((call.xid, call.version, call.ends_early), (1, 4, length < asked.len()), "{length}");
            }
            other => assert!(length < 24, "{other:?}"),
        }
    }
}
