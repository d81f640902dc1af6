// SPDX-License-Identifier: Apache-2.0
//! Tests of DNS: recorded captures, and messages written by hand.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::message::{Extent, Message, Section};
use super::waiting::MAX_WAITING;
use super::{DnsFactory, Options, domain};
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Factory, ProtocolCounter, replay};

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const IXFR: u16 = 251;
const AXFR: u16 = 252;

const RESPONSE: u16 = 0x8000;

const ORPHAN: &str = "Response: received without an associated Query";
const NO_RESPONSE: &str = "No response to this query was received";
const DUPLICATE: &str = "Another query with the same DNS ID from this client was received so this query was closed \
                         without receiving a response";
const INCOMPLETE: &str = "Response: Message's data is incomplete";

mod recorded {
    use super::*;

    #[test]
    fn where_packetbeat_is_right_events_are_the_same() {
        for theme in ["dig", "edns", "ipv6", "types"] {
            let expected = replay::printed(&path(&format!("{theme}.packetbeat.ndjson")));
            assert!(!expected.is_empty());
            for segment_bytes in [usize::MAX, 1] {
                let mut events = replayed(theme, segment_bytes);
                for wanted in &expected {
                    let place = events.iter().position(|event| event == wanted);
                    let place = place.unwrap_or_else(|| panic!("{theme}: no {wanted}\nin {events:#?}"));
                    events.remove(place);
                }
                assert_eq!(events, Vec::<Json>::new(), "{theme}");
            }
        }
    }

    #[test]
    fn queries_in_one_segment_and_in_many_are_answered() {
        let whole = replayed("tcp", usize::MAX);
        assert_eq!(whole, replayed("tcp", 1));
        for (id, code, answers) in [
            (5876, "NOERROR", 1),
            (31295, "NOERROR", 2),
            (28851, "NXDOMAIN", 0),
            (18837, "NOERROR", 30),
            (40972, "NOERROR", 2),
        ] {
            let event = by_id(&whole, id);
            assert_eq!(event["dns"]["response_code"], code);
            assert_eq!(event["dns"]["answers_count"], answers);
            assert_eq!(event["status"], if code == "NOERROR" { "OK" } else { "Error" });
            assert!(event.get("error").is_none(), "{event}");
        }
        assert_eq!(whole.len(), 11);
    }

    #[test]
    fn every_response_code_and_opcode() {
        let events = replayed("rcodes", usize::MAX);
        assert_eq!(events.len(), 15);
        assert_eq!(by_id(&events, 38442)["dns"]["response_code"], "BADVERS");
        assert_eq!(by_id(&events, 38442)["dns"]["opt"]["ext_rcode"], "BADVERS");
        let status = by_id(&events, 28572);
        assert_eq!((&status["method"], &status["dns"]["response_code"]), (&json!("STATUS"), &json!("NOTIMP")));
        // The response is a header alone: the question is the query's.
        assert_eq!(status["dns"]["question"]["name"], "rec.test");
        let without_question = by_id(&events, 21743);
        assert_eq!(without_question["dns"]["response_code"], "FORMERR");
        assert!(without_question.get("query").is_none() && without_question["dns"].get("question").is_none());
    }

    #[test]
    fn queries_without_answer_are_told() {
        let events = replayed("unanswered", usize::MAX);
        assert_eq!(events.len(), 9);
        let unanswered: Vec<&Json> = events.iter().filter(|event| event["dns"]["type"] == "query").collect();
        assert_eq!(unanswered.len(), 6);
        for event in unanswered {
            assert_eq!((&event["status"], &event["error"]["message"]), (&json!("Error"), &json!(NO_RESPONSE)));
        }
    }

    fn path(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/dns").join(name)
    }

    fn replayed(theme: &str, segment_bytes: usize) -> Vec<Json> {
        let factory = DnsFactory::new(options());
        replay::events(&path(&format!("{theme}.pcap")), &factory, Some(53), segment_bytes)
            .into_iter()
            .map(replay::comparable)
            .collect()
    }

    fn by_id(events: &[Json], id: u16) -> &Json {
        events.iter().find(|event| event["dns"]["id"] == id).unwrap_or_else(|| panic!("no event with id {id}"))
    }
}

mod pairing {
    use super::*;

    #[test]
    fn a_response_over_udp() {
        let mut bench = udp();
        bench.datagram(ToServer, &query(1, "example.org", A));
        bench.datagram(ToClient, &response(1, "example.org", A, &[record("example.org", A, &[192, 0, 2, 1])]));
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(event["status"], "OK");
        assert_eq!(event["dns"]["answers"][0]["data"], "192.0.2.1");
        assert_eq!(event["dns"]["resolved_ip"], json!(["192.0.2.1"]));
        assert_eq!(event["related"]["ip"], json!(["10.0.0.1", "10.0.0.2", "192.0.2.1"]));
        assert_eq!(event["event"]["duration"], 1_000_000);
        assert_eq!(event["query"], "class IN, type A, example.org");
        assert_eq!(
            event["response"],
            "ID 1; QR response; OPCODE QUERY; FLAGS rd; RCODE NOERROR; QUESTION class IN, type A, example.org; ANSWER \
             192.0.2.1"
        );
        assert_eq!(bench.parser.deadline_ns(), None);
        bench.finish();
        assert_eq!(bench.events().len(), 1);
    }

    #[test]
    fn the_bit_says_what_is_a_response_not_the_direction() {
        let mut bench = udp();
        // The first packet of the flow that was seen is a response.
        bench.datagram(ToServer, &response(1, "example.org", A, &[]));
        bench.datagram(ToClient, &query(2, "example.org", A));
        bench.datagram(ToServer, &response(2, "example.org", A, &[]));
        let [orphan, pair] = bench.events() else { panic!("{:#?}", bench.events()) };
        for event in [orphan, pair] {
            assert_eq!((&event["source"]["ip"], &event["destination"]["port"]), (&json!("10.0.0.2"), &json!(40_000)));
        }
        assert_eq!(notes(orphan), json!(ORPHAN));
        assert!(orphan["event"].get("start").is_none() && orphan["source"].get("bytes").is_none());
        assert_eq!(orphan["dns"]["type"], "answer");
        assert_eq!(pair["status"], "OK");
        assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
    }

    #[test]
    fn both_directions_may_use_an_id() {
        let mut bench = udp();
        bench.datagram(ToServer, &query(1, "to.server", A));
        bench.datagram(ToClient, &query(1, "to.client", A));
        bench.datagram(ToServer, &response(1, "to.client", A, &[]));
        bench.datagram(ToClient, &response(1, "to.server", A, &[]));
        let names: Vec<&Json> = bench.events().iter().map(|event| &event["resource"]).collect();
        assert_eq!(names, ["to.client", "to.server"]);
        assert!(bench.events().iter().all(|event| event["status"] == "OK"));
    }

    #[test]
    fn a_repeated_id_ends_the_query_before() {
        let mut bench = udp();
        bench.datagram(ToServer, &query(1, "first.example.org", A));
        bench.datagram(ToServer, &query(1, "second.example.org", A));
        bench.datagram(ToClient, &response(1, "second.example.org", A, &[]));
        let [first, second] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!((&first["resource"], notes(first)), (&json!("first.example.org"), json!(DUPLICATE)));
        assert_eq!((&second["resource"], &second["status"]), (&json!("second.example.org"), &json!("OK")));
        assert_eq!(bench.count(ProtocolCounter::DuplicateRequests), 1);
    }

    #[test]
    fn a_query_without_response_expires_by_packet_time() {
        let mut bench = udp();
        bench.datagram(ToServer, &query(1, "example.org", A));
        let deadline_ns = bench.parser.deadline_ns().expect("a query waits");
        assert_eq!(deadline_ns, bench.now_ns + 10_000_000_000);
        bench.wait(9_999_999_999);
        assert_eq!(bench.events().len(), 0);
        // Nobody called expire in time: a late response is still late.
        bench.datagram(ToClient, &response(1, "example.org", A, &[]));
        let [unanswered, orphan] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(notes(unanswered), json!(NO_RESPONSE));
        assert_eq!(unanswered["dns"]["type"], "query");
        assert!(unanswered["event"].get("end").is_none());
        assert_eq!(notes(orphan), json!(ORPHAN));
        assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 1);
    }

    #[test]
    fn the_end_tells_what_waits() {
        let mut bench = udp();
        bench.datagram(ToServer, &query(1, "one.example.org", A));
        bench.datagram(ToServer, &query(2, "two.example.org", A));
        bench.finish();
        let names: Vec<&Json> = bench.events().iter().map(|event| &event["resource"]).collect();
        assert_eq!(names, ["one.example.org", "two.example.org"]);
        assert!(bench.events().iter().all(|event| notes(event) == json!(NO_RESPONSE)));
        assert_eq!(bench.parser.deadline_ns(), None);
    }

    #[test]
    fn waiting_queries_are_bounded() {
        let mut bench = udp();
        let count = 3 * MAX_WAITING as u16;
        for id in 0..count {
            bench.now_ns -= 1_000_000;
            bench.datagram(ToServer, &query(id, "example.org", A));
        }
        assert_eq!(bench.events().len(), 2 * MAX_WAITING);
        assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 2 * MAX_WAITING as u64);
        assert_eq!(bench.events()[0]["dns"]["id"], 0);
        bench.datagram(ToClient, &response(count - 1, "example.org", A, &[]));
        assert_eq!(bench.events()[2 * MAX_WAITING]["status"], "OK");
        bench.finish();
        assert_eq!(bench.events().len(), 3 * MAX_WAITING);
    }

    #[test]
    fn bytes_of_waiting_queries_are_bounded() {
        let mut bench = udp();
        let mut large = query(1, "example.org", A);
        large.resize(60_000, 0);
        for id in 0..20 {
            large[1] = id;
            bench.datagram(ToServer, &large);
        }
        // Four of them are less than 256 KiB.
        assert_eq!(bench.events().len(), 16);
    }

    #[test]
    fn sizes_and_edns_are_noted() {
        let long: Vec<Vec<u8>> = (0..40).map(|last| record("example.org", A, &[192, 0, 2, last])).collect();
        let opt = opt(0, &[]);
        let mut bench = udp();
        let mut padded = query(1, "example.org", A);
        padded.resize(600, 0);
        bench.datagram(ToServer, &padded);
        bench.datagram(ToClient, &response(1, "example.org", A, &long));
        bench.datagram(ToServer, &with_additional(query(2, "example.org", A), &opt));
        bench.datagram(ToClient, &response(2, "example.org", A, &[]));
        bench.datagram(ToServer, &query(3, "example.org", A));
        bench.datagram(ToClient, &with_additional(response(3, "example.org", A, &long), &opt));
        let [large, unsupported, unexpected] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(
            notes(large),
            json!(["Non-EDNS packet has size greater than 512", "Response: Non-EDNS packet has size greater than 512"])
        );
        assert_eq!(large["status"], "OK");
        assert_eq!(notes(unsupported), json!("Responder does not support EDNS"));
        assert_eq!(notes(unexpected), json!("Unexpected EDNS answer"));
        assert_eq!(unexpected["dns"]["additionals_count"], 0);
    }

    #[test]
    fn what_is_no_message_is_counted() {
        let mut bench = udp();
        for datagram in [
            &[0x12, 0x34][..],
            &query(1, "example.org", A)[..12],
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff",
            b"GET / HTTP/1.1\r\n\r\n",
            &[0; 13],
        ] {
            bench.datagram(ToServer, datagram);
        }
        bench.finish();
        assert_eq!(bench.events().len(), 0);
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 5);
    }

    #[test]
    fn a_cut_datagram_tells_what_is_there() {
        let whole = response(
            1,
            "example.org",
            A,
            &[record("example.org", A, &[192, 0, 2, 1]), record("example.org", A, &[192, 0, 2, 2])],
        );
        let mut bench = udp();
        bench.cut_datagram(ToServer, &query(1, "example.org", A), 60);
        bench.cut_datagram(ToClient, &whole[..whole.len() - 3], whole.len());
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(60), &json!(whole.len())));
        assert_eq!(event["dns"]["answers_count"], 1);
    }

    #[test]
    fn a_parser_that_is_used_again_is_as_new() {
        let mut bench = udp();
        bench.datagram(ToServer, &query(1, "example.org", A));
        bench.parser.reset();
        assert_eq!(bench.parser.deadline_ns(), None);
        bench.datagram(ToClient, &response(1, "example.org", A, &[]));
        assert_eq!(notes(&bench.events()[0]), json!(ORPHAN));
        bench.finish();
        assert_eq!(bench.events().len(), 1);
    }
}

mod streams {
    use super::*;

    #[test]
    fn messages_may_lie_in_any_segments() {
        let queries = [framed(&query(1, "one.org", A)), framed(&query(2, "two.org", A))].concat();
        let responses = [framed(&response(2, "two.org", A, &[])), framed(&response(1, "one.org", A, &[]))].concat();
        for size in [1, 2, 3, 7, 30, usize::MAX] {
            let mut bench = tcp();
            bench.send_in(ToServer, &queries, size);
            bench.send_in(ToClient, &responses, size);
            let names: Vec<&Json> = bench.events().iter().map(|event| &event["resource"]).collect();
            assert_eq!(names, ["two.org", "one.org"], "{size}");
            assert!(bench.events().iter().all(|event| event["status"] == "OK"));
            // The two bytes of length count.
            assert_eq!(bench.events()[0]["source"]["bytes"], query(2, "two.org", A).len() + 2);
        }
    }

    #[test]
    fn a_gap_in_a_response_costs_this_response_alone() {
        let answer = framed(&response(1, "one.org", A, &[record("one.org", A, &[192, 0, 2, 1])]));
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(1, "one.org", A)));
        bench.send(ToServer, &framed(&query(2, "two.org", A)));
        bench.send(ToClient, &answer[..10]);
        bench.lose(ToClient, 5);
        bench.send(ToClient, &[&answer[15..], &framed(&response(2, "two.org", A, &[]))].concat());
        let [one, two] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!((&one["resource"], notes(one)), (&json!("one.org"), json!(INCOMPLETE)));
        assert_eq!((&two["resource"], &two["status"]), (&json!("two.org"), &json!("OK")));
    }

    #[test]
    fn a_gap_over_several_messages_starts_anew() {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(1, "one.org", A)));
        bench.send(ToServer, &framed(&query(2, "two.org", A)));
        bench.send(ToClient, &framed(&response(1, "one.org", A, &[]))[..3]);
        bench.lose(ToClient, 1000);
        bench.send(ToClient, &framed(&response(2, "two.org", A, &[])));
        let outcomes: Vec<(&Json, Json)> =
            bench.events().iter().map(|event| (&event["resource"], notes(event))).collect();
        // Only the length of the broken message was there, no id: the last query has to do.
        assert_eq!(outcomes, [(&json!("two.org"), json!(INCOMPLETE)), (&json!("two.org"), json!(ORPHAN))]);
    }

    #[test]
    fn behind_a_gap_what_is_no_message_is_passed_over() {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(1, "one.org", A)));
        bench.send(ToClient, &framed(&response(1, "one.org", A, &[])));
        bench.send(ToServer, &framed(&query(2, "two.org", A)));
        bench.lose(ToClient, 1_000);
        // The rest of a message: its first two bytes as a length would swallow what follows.
        bench.send(ToClient, b"zzzz the rest of a lost message");
        bench.send_in(ToClient, &framed(&response(2, "two.org", A, &[])), 5);
        let outcomes: Vec<&Json> = bench.events().iter().map(|event| &event["status"]).collect();
        assert_eq!(outcomes, ["OK", "OK"]);
    }

    #[test]
    fn a_response_that_ends_early_is_noted() {
        let answer = framed(&response(1, "one.org", A, &[]));
        for cut in 0..answer.len() {
            for reset in [false, true] {
                let mut bench = tcp();
                bench.send(ToServer, &framed(&query(1, "one.org", A)));
                bench.send(ToClient, &answer[..cut]);
                if reset {
                    bench.reset(ToClient)
                } else {
                    bench.fin(ToClient)
                }
                let note = if cut == 0 { NO_RESPONSE } else { INCOMPLETE };
                assert_eq!(bench.events().iter().map(notes).collect::<Vec<_>>(), [json!(note)], "{cut}");
                bench.finish();
                assert_eq!(bench.events().len(), 1);
            }
        }
    }

    #[test]
    fn a_client_that_ends_first_still_gets_its_response() {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(1, "one.org", A)));
        bench.fin(ToServer);
        bench.send(ToClient, &framed(&response(1, "one.org", A, &[])));
        bench.fin(ToClient);
        assert_eq!(bench.events().iter().map(|event| &event["status"]).collect::<Vec<_>>(), ["OK"]);
    }

    #[test]
    fn responses_that_cannot_be_read() {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(1, "one.org", A)));
        bench.send(ToClient, &framed(&[0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff]));
        bench.send(ToServer, &framed(&query(2, "two.org", A)));
        bench.send(ToClient, &[0, 0]);
        bench.send(ToServer, &framed(&query(3, "three.org", A)));
        bench.send(ToClient, &framed(&response(3, "three.org", A, &[])));
        let outcomes: Vec<Json> = bench.events().iter().map(notes).collect();
        assert_eq!(
            outcomes,
            [
                json!("Response: Message's data could not be decoded as DNS"),
                json!("Response: Message's length was set to zero"),
                Json::Null
            ]
        );
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), 2);
    }

    #[test]
    fn another_protocol_is_left_alone() {
        let mut bench = tcp();
        for _ in 0..8 {
            bench.send(ToServer, &framed(b"no message"));
        }
        bench.send(ToServer, &framed(&query(1, "one.org", A)));
        bench.finish();
        assert_eq!(bench.events().len(), 0);
        assert!(bench.stream_counters().ignored_bytes > 0);
    }

    #[test]
    fn a_zone_transfer_of_many_messages_is_one_event() {
        let messages: Vec<Vec<u8>> = [
            vec![soa("zone.org", 7), record("zone.org", NS, &name("ns.zone.org"))],
            vec![record("a.zone.org", A, &[192, 0, 2, 1]), record("b.zone.org", A, &[192, 0, 2, 2])],
            vec![record("c.zone.org", A, &[192, 0, 2, 3]), soa("zone.org", 7)],
        ]
        .iter()
        .map(|records| framed(&response(9, "zone.org", AXFR, records)))
        .collect();
        let all = messages.concat();
        for size in [1, 100, usize::MAX] {
            let mut bench = tcp();
            bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
            bench.send_in(ToClient, &all, size);
            let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
            assert_eq!(event["status"], "OK");
            assert_eq!(event["destination"]["bytes"], all.len());
            assert_eq!(event["dns"]["answers_count"], 6);
            let types: Vec<&Json> =
                event["dns"]["answers"].as_array().expect("a list").iter().map(|answer| &answer["type"]).collect();
            assert_eq!(types, ["SOA", "NS", "A", "A", "A", "SOA"]);
            assert_eq!(event["dns"]["resolved_ip"], json!(["192.0.2.1", "192.0.2.2", "192.0.2.3"]));
            assert!(
                event["response"].as_str().expect("a text").ends_with("192.0.2.2; 192.0.2.3; rname admin, ns"),
                "{}",
                event["response"]
            );
        }
    }

    #[test]
    fn a_zone_transfer_that_is_broken_off_tells_its_part() {
        let part =
            framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7), record("zone.org", A, &[192, 0, 2, 1])]));
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
        bench.send(ToClient, &part);
        bench.wait(9_000_000_000);
        bench.send(ToClient, &framed(&response(9, "", AXFR, &[record("zone.org", A, &[192, 0, 2, 2])])));
        bench.wait(9_000_000_000);
        assert_eq!(bench.events().len(), 0, "the transfer was going on");
        bench.fin(ToClient);
        let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
        assert_eq!(notes(event), json!(INCOMPLETE));
        assert_eq!(event["dns"]["answers_count"], 3);
        assert_eq!((&event["dns"]["type"], &event["status"]), (&json!("answer"), &json!("Error")));
    }

    #[test]
    fn a_zone_transfer_with_a_hole_is_one_event_that_says_so() {
        let messages = [
            framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7), record("a.zone.org", A, &[192, 0, 2, 1])])),
            framed(&response(9, "zone.org", AXFR, &[record("b.zone.org", A, &[192, 0, 2, 2])])),
            framed(&response(9, "zone.org", AXFR, &[record("c.zone.org", A, &[192, 0, 2, 3]), soa("zone.org", 7)])),
        ];
        let all = messages.concat();
        let ends = [messages[0].len(), messages[0].len() + messages[1].len()];
        // Within a message, a whole message, over a boundary, and the beginning.
        for (from, to) in
            [(ends[0] + 5, ends[0] + 20), (ends[0], ends[1]), (ends[0] - 7, ends[1]), (0, ends[0]), (0, ends[1])]
        {
            let mut bench = tcp();
            bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
            // Something came before, so that a hole is seen as one.
            bench.send(ToServer, &framed(&query(8, "zone.org", A)));
            bench.send(ToClient, &framed(&response(8, "zone.org", A, &[])));
            bench.send(ToClient, &all[..from]);
            bench.lose(ToClient, (to - from) as u32);
            bench.send(ToClient, &all[to..]);
            bench.finish();
            let transfers: Vec<&Json> = bench.events().iter().filter(|event| event["dns"]["id"] == 9).collect();
            let [event] = transfers[..] else { panic!("{from}..{to}: {transfers:#?}") };
            assert_eq!(event["dns"]["question"]["type"], "AXFR");
            assert_eq!((&event["status"], notes(event)), (&json!("Error"), json!(INCOMPLETE)), "{from}..{to}");
        }
    }

    #[test]
    fn a_large_zone_transfer_is_counted_and_not_kept() {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
        let record = record("zone.org", A, &[192, 0, 2, 1]);
        let middle = framed(&response(9, "zone.org", AXFR, &vec![record; 2000]));
        bench.send(ToClient, &framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7)])));
        for _ in 0..50 {
            bench.send(ToClient, &middle);
        }
        bench.send(ToClient, &framed(&response(9, "zone.org", AXFR, &[soa("zone.org", 7)])));
        let [event] = bench.events() else { panic!("{} events", bench.events().len()) };
        assert_eq!(event["dns"]["answers_count"], 100_002);
        assert_eq!(event["dns"]["answers"].as_array().expect("a list").len(), 2_001);
        assert_eq!(event["related"]["ip"], json!(["10.0.0.1", "10.0.0.2", "192.0.2.1"]));
        assert_eq!(event["status"], "OK");
    }

    #[test]
    fn an_incremental_transfer_ends_with_its_third_serial() {
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(9, "zone.org", IXFR)));
        let records =
            [soa("zone.org", 9), soa("zone.org", 7), soa("zone.org", 9), record("zone.org", A, &[192, 0, 2, 1])];
        for record in &records[..] {
            bench.send(ToClient, &framed(&response(9, "zone.org", IXFR, std::slice::from_ref(record))));
        }
        // A lone SOA in the first message: the client is up to date.
        assert_eq!(bench.events().len(), 1 + 3);
        let mut bench = tcp();
        bench.send(ToServer, &framed(&query(9, "zone.org", IXFR)));
        bench.send(ToClient, &framed(&response(9, "zone.org", IXFR, &records)));
        assert_eq!(bench.events().len(), 0);
        bench.send(ToClient, &framed(&response(9, "zone.org", IXFR, &[soa("zone.org", 9)])));
        assert_eq!(bench.events().iter().map(|event| &event["dns"]["answers_count"]).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_refused_transfer_is_over_at_once() {
        let mut bench = tcp();
        let mut refused = response(9, "zone.org", AXFR, &[]);
        refused[3] |= 5;
        bench.send(ToServer, &framed(&query(9, "zone.org", AXFR)));
        bench.send(ToClient, &framed(&refused));
        assert_eq!(bench.events()[0]["dns"]["response_code"], "REFUSED");
        assert_eq!(bench.events()[0]["status"], "Error");
    }
}

mod content {
    use super::*;

    #[test]
    fn records_of_every_type() {
        // 00 44 32 14 C7 are the eight digits 0 to 7 of five bits.
        let nsec3 = [&[1, 1, 0, 10, 2, 0xab, 0xcd, 5][..], b"\x00\x44\x32\x14\xc7", &[0, 1, 0x40, 1, 1, 0x80]].concat();
        for (kind, data, expected) in [
            (A, vec![192, 0, 2, 1], json!({"data": "192.0.2.1"})),
            (28, vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], json!({"data": "2001:db8::1"})),
            (CNAME, name("x.org"), json!({"data": "x.org"})),
            (NS, name(""), json!({"data": "."})),
            (12, name("a b.x.org"), json!({"data": "a\\ b.x.org"})),
            (15, [&[0, 10][..], &name("mx.org")].concat(), json!({"data": "mx.org", "preference": 10})),
            (16, b"\x03a\"b\x00\x02\\\x01".to_vec(), json!({"data": "a\\\"b  \\\\\\001"})),
            (
                33,
                [&[0, 1, 0, 2, 0, 53][..], &name("srv.org")].concat(),
                json!({"data": "srv.org", "priority": 1, "weight": 2, "port": 53}),
            ),
            (
                43,
                vec![0x30, 0x39, 13, 2, 0xab, 0xcd],
                json!({"data": "ABCD", "key_tag": "12345", "algorithm": "ECDSAP256SHA256", "digest_type": "SHA256"}),
            ),
            (
                46,
                [
                    &[0, 1, 8, 2, 0, 0, 1, 44, 0x5f, 0xee, 0x66, 0, 0x5f, 0xec, 0xc3, 0x80, 0, 7][..],
                    &name("x.org"),
                    b"sig",
                ]
                .concat(),
                json!({"data": "c2ln", "type_covered": "A", "algorithm": "RSASHA256", "labels": "2",
                    "original_ttl": "300", "expiration": "20210101000000", "inception": "20201230181424",
                    "key_tag": "7", "signer_name": "x.org"}),
            ),
            (47, [&name("n.org")[..], &[0, 1, 0x40]].concat(), json!({"data": "n.org.", "type_bits": "A"})),
            (48, vec![1, 1, 3, 99, 0xff], json!({"data": "/w==", "flags": "257", "protocol": "3", "algorithm": "99"})),
            (
                50,
                nsec3,
                json!({"data": "01234567", "hash": "SHA1", "flags": "1", "iterations": "10", "salt": "ABCD",
                    "type_bits": "A URI"}),
            ),
            (51, vec![1, 0, 0, 5, 0], json!({"data": "-", "hash": "SHA1", "flags": "0", "iterations": "5"})),
            (257, b"\x00\x05issueca.org".to_vec(), json!({"data": "\\000\\005issueca.org"})),
            (65400, b"a\tb\r\n\"\\\x7f".to_vec(), json!({"data": "a\\tb\\r\\n\\\"\\\\\\127"})),
            // Broken data of a known type is shown as it is.
            (15, vec![0], json!({"data": "\\000"})),
            (A, vec![1, 2, 3], json!({"data": "\\001\\002\\003"})),
            (16, vec![9, b'x'], json!({"data": "\\tx"})),
            (47, [&name("n.org")[..], &[0, 0]].concat(), json!({"data": "\\001n\\003org\\000\\000\\000"})),
            (NS, vec![], json!({"data": ""})),
        ] {
            let answer = answered(record("owner.org", kind, &data));
            let mut expected = expected;
            expected["name"] = json!("owner.org");
            expected["class"] = json!("IN");
            expected["ttl"] = json!("300");
            expected["type"] = answer["type"].clone();
            assert_eq!(answer, expected, "type {kind}");
        }
    }

    #[test]
    fn compressed_names_in_old_types_are_written_in_full() {
        // The owner begins at 12 in the question: MINFO with two pointers to it.
        let answer = answered(record("owner.org", 14, &[0xc0, 12, 1, b'x', 0xc0, 12]));
        assert_eq!(answer["data"], "\\005owner\\003org\\000\\001x\\005owner\\003org\\000");
        assert_eq!(answer["type"], "MINFO");
    }

    #[test]
    fn edns_and_its_options() {
        let options = [
            option(1, &[0, 1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5]),
            option(2, &[0, 0, 0, 6, 0, 0, 0, 7]),
            option(3, b"ns"),
            option(5, &[8, 99]),
            option(6, &[1]),
            option(7, &[1, 2]),
            option(8, &[0, 1, 24, 0, 192, 0, 2]),
            option(10, &[0xab, 0xcd]),
            option(12, &[0; 8]),
            option(65001, &[1, 2]),
        ]
        .concat();
        let mut bench = udp();
        bench.datagram(ToServer, &with_additional(query(1, "x.org", A), &opt(0x0000_8000, &options)));
        bench.finish();
        let dns = &bench.events()[0]["dns"];
        assert_eq!(
            dns["opt"],
            json!({"do": true, "version": "0", "udp_size": 1232, "ext_rcode": "NOERROR", "llq": "1 2 3 4 5",
                "ul": "6 7", "nsid": "6e73", "dau": " RSASHA256 99", "dhu": " SHA1", "n3u": " SHA1 SHA256",
                "subnet": "192.0.2.0/24/0", "cookie": "abcd", "local": "65001:0x0102"})
        );
        assert_eq!(dns["header_flags"], json!(["RD", "DO"]));
        assert_eq!(dns["additionals_count"], 0);
        assert!(dns.get("additionals").is_none());
    }

    #[test]
    fn malformed_options_are_passed_over() {
        for options in [
            option(8, &[0, 1, 33, 0, 1, 2, 3, 4]),
            option(8, &[0, 3, 0, 0]),
            option(8, &[0]),
            option(1, &[1]),
            option(2, &[1]),
            vec![0, 3, 0, 9, 1],
            vec![0],
        ] {
            let mut bench = udp();
            bench.datagram(ToServer, &with_additional(query(1, "x.org", A), &opt(0, &options)));
            bench.finish();
            assert_eq!(bench.events()[0]["dns"]["opt"].as_object().expect("a map").len(), 4, "{options:?}");
        }
    }

    #[test]
    fn what_the_options_leave_out() {
        let exchange = |options: Options| {
            let mut bench = Bench::new(DnsFactory::new(options).parser(), Carrier::Udp, 53);
            bench.datagram(ToServer, &query(1, "x.org", A));
            bench
                .datagram(ToClient, &with_additional(response(1, "x.org", A, &[]), &record("x.org", A, &[1, 2, 3, 4])));
            bench.events()[0].clone()
        };
        let all = exchange(options());
        assert!(all.get("request").is_some() && all.get("response").is_some());
        assert_eq!(all["dns"]["additionals"][0]["data"], "1.2.3.4");
        let none = exchange(Options {
            send_request: false,
            send_response: false,
            include_authorities: false,
            include_additionals: false,
            ..options()
        });
        assert!(none.get("request").is_none() && none.get("response").is_none());
        assert_eq!(none["dns"]["additionals_count"], 1);
        assert!(none["dns"].get("additionals").is_none());
    }

    #[test]
    fn names_that_loop_or_are_too_long_are_refused() {
        let parse = |tail: &[u8]| {
            let mut message = query(1, "", A);
            message.truncate(12);
            message.extend_from_slice(tail);
            message.extend_from_slice(&[0, 1, 0, 1]);
            Message::parse(&message, Extent::Whole).is_some()
        };
        assert!(parse(&[0]));
        assert!(!parse(&[0xc0, 12]), "a pointer to itself");
        assert!(!parse(&[1, b'a', 0xc0, 12]), "a label and a pointer back to it");
        assert!(!parse(&[0x40, 0]) && !parse(&[0x80, 0]), "reserved");
        let long = |labels: usize| [[&[62][..], &[b'x'; 62]].concat().repeat(labels), vec![0]].concat();
        assert!(parse(&long(4)) && !parse(&long(5)), "252 + 1 and 315 + 1 octets");
    }

    #[test]
    fn printed_names() {
        let label = b"a.b\\ \x00\xff";
        let mut message = query(1, "", A);
        message.truncate(12);
        message.push(label.len() as u8);
        message.extend_from_slice(label);
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        let message = Message::parse(&message, Extent::Whole).expect("a message");
        let question = message.questions().next().expect("a question");
        assert_eq!(question.name.to_string(), "a\\.b\\\\\\ \\000\\255");
    }

    #[test]
    fn parts_of_names() {
        let parts = |name| {
            let parts = domain::parts(name)?;
            Some((parts.listed == domain::Listed::Registrable, parts.registered, parts.top_level, parts.subdomain))
        };
        assert_eq!(parts("www.example.co.uk"), Some((true, "example.co.uk", "co.uk", "www")));
        assert_eq!(parts("WWW.Example.CO.UK"), Some((true, "Example.CO.UK", "CO.UK", "WWW")));
        assert_eq!(parts("a.b.example.org"), Some((true, "example.org", "org", "a.b")));
        assert_eq!(parts("example.invalid"), Some((true, "example.invalid", "invalid", "")));
        assert_eq!(parts("co.uk"), Some((false, "co.uk", "uk", "")));
        assert_eq!(parts("localhost"), None);
        assert_eq!(parts("."), None);
    }

    #[test]
    fn many_long_records_do_not_make_an_endless_event() {
        // Every owner is a pointer to a name of 250 octets that print as four bytes each.
        let mut message = response(1, "", A, &[]);
        message.truncate(12);
        message.extend_from_slice(&[[&[49][..], &[0xff; 49]].concat().repeat(5), vec![0, 0, 16, 0, 1]].concat());
        let records = 5_000u16;
        for _ in 0..records {
            message.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12]);
        }
        message[6..8].copy_from_slice(&records.to_be_bytes());
        let mut bench = udp();
        bench.datagram(ToClient, &message);
        let event = &bench.events()[0];
        assert_eq!(event["dns"]["answers_count"], records);
        let listed = event["dns"]["answers"].as_array().expect("a list").len();
        assert!((500..600).contains(&listed), "{listed}");
        let text = event["response"].as_str().expect("a text").len();
        assert!(text < super::super::event::MAX_TEXT_BYTES + 2_048, "{text}");
    }

    /// The only answer, when `record` is.
    fn answered(record: Vec<u8>) -> Json {
        let mut bench = udp();
        bench.datagram(ToClient, &response(1, "owner.org", A, &[record]));
        bench.events()[0]["dns"]["answers"][0].clone()
    }
}

mod robustness {
    use super::*;

    /// Messages with everything in them.
    fn samples() -> Vec<Vec<u8>> {
        let records = [
            record("x.org", SOA, &[&name("ns.x.org")[..], &name("admin.x.org"), &[0; 20]].concat()),
            record("x.org", 16, b"\x05hello\x05world"),
            record("x.org", 46, &[&[0; 18][..], &name("x.org"), b"signature"].concat()),
            record("x.org", 50, &[1, 1, 0, 10, 2, 0xab, 0xcd, 3, 1, 2, 3, 0, 1, 0x40]),
            record("x.org", 35, &[&[0; 4][..], b"\x01u\x03sip\x00", &name("x.org")].concat()),
            record("x.org", 26, &[0, 1, 0xc0, 12, 0xc0, 12]),
        ];
        let options = [option(8, &[0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0]), option(10, &[1; 24])].concat();
        vec![
            query(1, "www.x.org", A),
            with_additional(response(1, "www.x.org", A, &records), &opt(0x8000, &options)),
            response(1, "x.org", AXFR, &[soa("x.org", 1), record("x.org", A, &[192, 0, 2, 1])]),
            query(1, "x.org", AXFR),
        ]
    }

    #[test]
    fn every_length() {
        for sample in samples() {
            for length in 0..=sample.len() {
                let mut bench = udp();
                bench.datagram(ToServer, &sample[..length]);
                bench.cut_datagram(ToClient, &sample[..length], sample.len());
                bench.finish();
                let mut bench = tcp();
                bench.send(ToServer, &framed(&sample[..length]));
                bench.send(ToServer, &framed(&sample)[..length]);
                bench.finish();
            }
        }
    }

    #[test]
    fn mutations() {
        let mut random = fastrand::Rng::with_seed(0x0d25);
        let samples = samples();
        let (mut udp, mut tcp) = (udp(), tcp());
        for _ in 0..1_000 {
            let mut message = samples[random.usize(..samples.len())].clone();
            for _ in 0..random.usize(1..6) {
                let place = random.usize(..message.len());
                message[place] = random.u8(..);
            }
            let direction = if random.bool() { ToServer } else { ToClient };
            udp.datagram(direction, &message);
            tcp.send_in(direction, &framed(&message), random.usize(1..80));
        }
        udp.finish();
        tcp.finish();
        assert!(udp.events().len() > 300, "{}", udp.events().len());
        assert_eq!((udp.parser.deadline_ns(), tcp.parser.deadline_ns()), (None, None));
    }

    #[test]
    fn counts_that_lie_cost_nothing() {
        let mut message = response(1, "x.org", A, &[]);
        message[6..12].fill(0xff);
        let parsed = Message::parse(&message, Extent::Whole).expect("records that are not there are not counted");
        assert_eq!(parsed.count(Section::Answers), 0);
        message[4..6].fill(0xff);
        assert!(Message::parse(&message, Extent::Whole).is_none());
    }
}

fn options() -> Options {
    Options {
        send_request: true,
        send_response: true,
        include_authorities: true,
        include_additionals: true,
        transaction_timeout_ns: 10_000_000_000,
    }
}

fn udp() -> Bench {
    Bench::new(DnsFactory::new(options()).parser(), Carrier::Udp, 53)
}

fn tcp() -> Bench {
    Bench::new(DnsFactory::new(options()).parser(), Carrier::Tcp, 53)
}

/// `error.message`; null when there is none.
fn notes(event: &Json) -> Json {
    event.pointer("/error/message").cloned().unwrap_or(Json::Null)
}

/// A query with RD set.
fn query(id: u16, of: &str, kind: u16) -> Vec<u8> {
    message(id, 0x0100, of, kind, &[])
}

/// A response with RD set and its answers.
fn response(id: u16, of: &str, kind: u16, answers: &[Vec<u8>]) -> Vec<u8> {
    message(id, RESPONSE | 0x0100, of, kind, answers)
}

fn message(id: u16, bits: u16, of: &str, kind: u16, answers: &[Vec<u8>]) -> Vec<u8> {
    let mut message = Vec::new();
    for word in [id, bits, 1, answers.len() as u16, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(&name(of));
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    answers.iter().for_each(|answer| message.extend_from_slice(answer));
    message
}

/// Labels with their lengths, and the root.
fn name(of: &str) -> Vec<u8> {
    let mut name = Vec::new();
    for label in of.split('.').filter(|label| !label.is_empty()) {
        name.push(label.len() as u8);
        name.extend_from_slice(label.as_bytes());
    }
    name.push(0);
    name
}

/// A record of class IN with 300 seconds to live.
fn record(of: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = name(of);
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1, 0, 0, 1, 44]);
    record.extend_from_slice(&(data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

fn soa(of: &str, serial: u32) -> Vec<u8> {
    let data = [&name("ns")[..], &name("admin"), &serial.to_be_bytes(), &[0; 16]].concat();
    record(of, SOA, &data)
}

/// An OPT record for 1,232 bytes (RFC 6891, section 6.1.2).
fn opt(ttl: u32, options: &[u8]) -> Vec<u8> {
    let length = (options.len() as u16).to_be_bytes();
    [&[0, 0, 41, 4, 208][..], &ttl.to_be_bytes(), &length, options].concat()
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn with_additional(mut message: Vec<u8>, record: &[u8]) -> Vec<u8> {
    message[11] += 1;
    message.extend_from_slice(record);
    message
}

/// A message with its length before it, as over TCP.
fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}
