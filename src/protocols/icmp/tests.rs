// SPDX-License-Identifier: Apache-2.0
//! Tests of ICMP: recorded captures, and messages written by hand.

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::message::{Message, Role, Version};
use super::parser::MAX_WAITING;
use super::{IcmpFactory, Options};
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Endpoint, Factory, ProtocolCounter, replay};

const ORPHAN: &str = "Response was received without an associated request.";
const NO_RESPONSE: &str = "Request was received without an associated response.";
const DUPLICATE: &str = "Another request with the same Id and Seq was received so this request was closed without \
                         receiving a response.";

#[test]
fn recorded_captures_give_what_packetbeat_says_and_the_unanswered() {
    // Fragments are put together by the pipeline, not by the replay: those of `echo` are left out here.
    for (theme, unanswered, fragmented) in [("echo", 2, 4), ("echo-v6", 2, 0), ("errors", 7, 0), ("errors-v6", 7, 0)] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/icmp");
        let expected = replay::printed(&folder.join(format!("{theme}.packetbeat.ndjson")));
        let mut events: Vec<Json> = replay::events(&folder.join(format!("{theme}.pcap")), &factory(), None, usize::MAX)
            .into_iter()
            .map(replay::comparable)
            .collect();
        let mut missing = Vec::new();
        for wanted in &expected {
            match events.iter().position(|event| event == wanted) {
                Some(place) => drop(events.remove(place)),
                None => missing.push(wanted),
            }
        }
        assert!(missing.iter().all(|event| event["source"]["bytes"].as_u64() > Some(1_472)), "{theme}: {missing:#?}");
        assert_eq!(missing.len(), fragmented, "{theme}");
        assert_eq!(events.len(), unanswered, "{theme}");
        assert!(events.iter().all(|event| event["error"]["message"] == NO_RESPONSE), "{theme}");
    }
}

#[test]
fn an_echo_and_its_reply() {
    let mut bench = bench(Carrier::Icmp);
    bench.datagram(ToServer, &message(8, 0, 1, 1, 56));
    bench.datagram(ToClient, &message(0, 0, 1, 1, 56));
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(event["icmp"]["request"], json!({"message": "EchoRequest", "type": 8, "code": 0}));
    assert_eq!(event["icmp"]["response"], json!({"message": "EchoReply", "type": 0, "code": 0}));
    assert_eq!(
        (&event["icmp"]["version"], &event["path"], &event["status"]),
        (&json!(4), &json!("10.0.0.2"), &json!("OK"))
    );
    assert_eq!((&event["source"]["bytes"], &event["destination"]["bytes"]), (&json!(56), &json!(56)));
    assert_eq!(event["event"]["type"], json!(["connection"]));
    assert!(event["network"].get("protocol").is_none());
    assert_eq!(event["network"]["transport"], "icmp");
    assert_eq!(event["event"]["duration"], 1_000_000);
}

#[test]
fn a_machine_that_talks_to_itself() {
    let mut bench = bench(Carrier::Icmp);
    bench.flow.server = bench.flow.client;
    bench.datagram(ToServer, &message(8, 0, 1, 1, 56));
    bench.datagram(ToServer, &message(0, 0, 1, 1, 56));
    let [event] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!((&event["status"], &event["source"]["bytes"]), (&json!("OK"), &json!(56)));
}

#[test]
fn pairs_are_of_the_same_kind_and_direction() {
    let mut bench = bench(Carrier::Icmp);
    for kind in [8, 13, 15, 17] {
        bench.datagram(ToServer, &message(kind, 0, 7, 7, 0));
        bench.datagram(ToClient, &message(kind, 0, 7, 7, 0));
    }
    for reply in [0, 14, 16, 18] {
        bench.datagram(ToServer, &message(reply, 0, 7, 7, 0));
        bench.datagram(ToClient, &message(reply, 0, 7, 7, 0));
    }
    assert_eq!(bench.events().len(), 8);
    for (index, event) in bench.events().iter().enumerate() {
        assert_eq!(event["status"], "OK");
        assert_eq!(event["source"]["ip"], if index % 2 == 0 { "10.0.0.2" } else { "10.0.0.1" });
    }
    assert_eq!(bench.count(ProtocolCounter::DuplicateRequests), 0);
}

#[test]
fn a_reply_without_request_has_the_addresses_swapped() {
    let mut bench = bench(Carrier::Icmp);
    bench.datagram(ToServer, &message(0, 0, 1, 1, 8));
    let event = &bench.events()[0];
    assert_eq!((&event["source"]["ip"], &event["path"]), (&json!("10.0.0.2"), &json!("10.0.0.1")));
    assert_eq!((&event["error"]["message"], &event["status"]), (&json!(ORPHAN), &json!("Error")));
    assert!(event["icmp"].get("request").is_none() && event["event"].get("start").is_none());
    assert_eq!(event["destination"]["bytes"], 8);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
}

#[test]
fn errors_are_told_at_once() {
    let mut bench = bench(Carrier::Icmp);
    bench.datagram(ToClient, &message(3, 1, 0, 0, 28));
    bench.datagram(ToClient, &message(5, 0, 0, 0, 28));
    let [error, redirect] = bench.events() else { panic!("{:#?}", bench.events()) };
    assert_eq!(
        (&error["status"], &error["icmp"]["request"]["message"]),
        (&json!("Error"), &json!("DestinationUnreachable(Host)"))
    );
    assert_eq!(error["source"]["ip"], "10.0.0.2");
    assert!(error.get("error").is_none());
    assert_eq!(redirect["status"], "OK");
}

#[test]
fn repeated_late_and_lost_requests() {
    let mut bench = bench(Carrier::Icmp6);
    bench.datagram(ToServer, &message(128, 0, 1, 1, 0));
    bench.datagram(ToServer, &message(128, 0, 1, 1, 0));
    bench.wait(11_000_000_000);
    bench.datagram(ToClient, &message(129, 0, 1, 1, 0));
    bench.datagram(ToServer, &message(128, 0, 1, 2, 0));
    bench.finish();
    let notes: Vec<&Json> = bench.events().iter().map(|event| &event["error"]["message"]).collect();
    assert_eq!(notes, [DUPLICATE, NO_RESPONSE, ORPHAN, NO_RESPONSE]);
    assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 2);
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn requests_that_wait_are_bounded() {
    let mut bench = bench(Carrier::Icmp);
    for sequence in 0..MAX_WAITING as u16 + 100 {
        bench.now_ns -= 1_000_000;
        bench.datagram(ToServer, &message(8, 0, 1, sequence, 0));
    }
    assert_eq!(bench.events().len(), 100);
    assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 100);
    bench.parser.reset();
    assert_eq!(bench.parser.deadline_ns(), None);
}

#[test]
fn names_of_types_and_codes() {
    let name = |version, kind, code| Message { version, kind, code, identity: 0, body_bytes: 0 }.to_string();
    for (kind, code, expected) in [
        (0, 0, "EchoReply"),
        (0, 3, "EchoReply(Code: 3)"),
        (3, 4, "DestinationUnreachable(FragmentationNeeded)"),
        (3, 15, "DestinationUnreachable(PrecedenceCutoff)"),
        (3, 16, "DestinationUnreachable(Code: 16)"),
        (5, 2, "Redirect(TOS+Net)"),
        (11, 0, "TimeExceeded(TTLExceeded)"),
        (12, 2, "ParameterProblem(BadLength)"),
        (30, 1, "30(1)"),
    ] {
        assert_eq!(name(Version::V4, kind, code), expected);
    }
    for (kind, code, expected) in [
        (1, 6, "DestinationUnreachable(RejectRouteToDst)"),
        (2, 0, "PacketTooBig"),
        (3, 1, "TimeExceeded(FragmentReassemblyTimeExceeded)"),
        (135, 0, "NeighborSolicitation"),
        (200, 7, "200(7)"),
    ] {
        assert_eq!(name(Version::V6, kind, code), expected);
    }
}

#[test]
fn short_and_odd_messages() {
    let whole = message(8, 0, 1, 1, 4);
    for length in 0..=whole.len() {
        let mut bench = bench(Carrier::Icmp);
        bench.cut_datagram(ToServer, &whole[..length], 1_000);
        bench.finish();
        assert_eq!(bench.events().len(), usize::from(length >= 8));
        assert_eq!(bench.count(ProtocolCounter::ParseFailures), u64::from(length < 8));
    }
    let mut random = fastrand::Rng::with_seed(0x1c);
    let (mut v4, mut v6) = (bench(Carrier::Icmp), bench(Carrier::Icmp6));
    for _ in 0..1_000 {
        let mut bytes = vec![0; random.usize(..40)];
        bytes.fill_with(|| random.u8(..));
        if let Some(kind) = bytes.first_mut().filter(|_| random.bool()) {
            *kind %= 20;
        }
        let direction = if random.bool() { ToServer } else { ToClient };
        v4.datagram(direction, &bytes);
        v6.datagram(direction, &bytes);
    }
    v4.finish();
    v6.finish();
    assert!(v4.events().len() > 500);
}

#[test]
fn identity_matters_only_for_pairs() {
    let parse = |kind| Message::parse(Version::V4, &message(kind, 0, 5, 6, 0), 8).expect("eight bytes");
    assert_eq!((parse(8).identity, parse(3).identity), (5 << 16 | 6, 0));
    assert_eq!((parse(8).role(), parse(9).role()), (Role::Request { reply: 0 }, Role::Alone));
}

fn factory() -> IcmpFactory {
    IcmpFactory::new(Options { transaction_timeout_ns: 10_000_000_000 })
}

/// Messages between 10.0.0.1 and 10.0.0.2, or between fd00::1 and fd00::2.
fn bench(carrier: Carrier) -> Bench {
    let mut bench = Bench::new(factory().parser(), carrier, 0);
    let endpoint = |last: u16| {
        let address = match carrier {
            Carrier::Icmp6 => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]),
            _ => IpAddr::from([10, 0, 0, last as u8]),
        };
        Endpoint { address, port: 0 }
    };
    (bench.flow.client, bench.flow.server) = (endpoint(1), endpoint(2));
    bench
}

/// Type, code, a checksum that nobody checks, identifier, sequence number, and a body.
fn message(kind: u8, code: u8, identifier: u16, sequence: u16, body_bytes: usize) -> Vec<u8> {
    let [a, b] = identifier.to_be_bytes();
    let [c, d] = sequence.to_be_bytes();
    let mut message = vec![kind, code, 0xff, 0xff, a, b, c, d];
    message.resize(8 + body_bytes, 0);
    message
}
