// SPDX-License-Identifier: Apache-2.0
//! Tests of DNS: recorded captures, and messages written by hand.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::message::{Extent, Message, Section};
use super::name::Print;
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

mod streams;

mod content;

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
