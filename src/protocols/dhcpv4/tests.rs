// SPDX-License-Identifier: Apache-2.0
//! Tests of DHCPv4: recorded captures, and messages written by hand.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::Dhcpv4Factory;
use super::message::{Extent, Message};
use crate::protocols::Direction::{ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Factory, ProtocolCounter, replay};

const END: &[u8] = &[255];

#[test]
fn recorded_captures_give_what_packetbeat_says() {
    for theme in ["dhclient", "messages", "udhcpc"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/dhcpv4");
        let mut expected = replay::printed(&folder.join(format!("{theme}.packetbeat.ndjson")));
        let events = replay::events(&folder.join(format!("{theme}.pcap")), &Dhcpv4Factory, Some(67), usize::MAX);
        assert_eq!(events.len(), expected.len(), "{theme}");
        for event in events.into_iter().map(replay::comparable) {
            let place = expected.iter().position(|wanted| *wanted == event);
            expected.remove(place.unwrap_or_else(|| panic!("{theme}: Packetbeat has no {event:#}")));
        }
    }
}

#[test]
fn every_field_of_the_header() {
    let mut bytes = message(2, &[END]);
    bytes[1..4].copy_from_slice(&[6, 16, 3]); // IEEE 802, 16 bytes of address, 3 hops
    bytes[4..12].copy_from_slice(&[0, 0, 0x3d, 0x1d, 1, 2, 0x80, 1]); // 258 seconds, broadcast and a reserved bit
    bytes[12..28].copy_from_slice(&[10, 0, 0, 9, 10, 0, 0, 8, 10, 0, 0, 7, 10, 0, 0, 6]);
    bytes[28..44].copy_from_slice(&[0xab; 16]);
    bytes[44..51].copy_from_slice(b"server\0");
    bytes[108..236].copy_from_slice(&[b'f'; 128]);
    let event = single(&bytes);
    assert_eq!(
        event["dhcpv4"],
        json!({
            "op_code": "bootreply", "hardware_type": "IEEE 802", "hops": 3, "transaction_id": "0x00003d1d",
            "seconds": 258, "flags": "broadcast (reserved bits not zeroed)", "client_mac": (["AB"; 16].join("-")),
            "client_ip": "10.0.0.9", "assigned_ip": "10.0.0.8", "relay_ip": "10.0.0.6",
            "server_name": "server", "boot_file_name": "f".repeat(128),
        })
    );
    assert_eq!(event["related"]["ip"], json!(["10.0.0.1", "10.0.0.2", "10.0.0.9", "10.0.0.8", "10.0.0.6"]));
    // The sender of a reply is the server.
    assert_eq!(event["client"], json!({"ip": "10.0.0.2", "port": 67}));
    assert_eq!(event["server"], json!({"ip": "10.0.0.1", "port": 40_000, "bytes": 241}));
    assert_eq!(event["source"], json!({"ip": "10.0.0.1", "port": 40_000, "bytes": 241}));
    assert_eq!(event["destination"], json!({"ip": "10.0.0.2", "port": 67}));
    assert_eq!((&event["status"], &event["network"]["bytes"]), (&json!("OK"), &json!(241)));
    assert!(event["event"].get("end").is_none() && event["event"].get("start").is_some());
}

#[test]
fn every_option() {
    let options: &[&[u8]] = &[
        &[53, 1, 5],
        &[55, 4, 1, 42, 223, 108],
        &[50, 4, 10, 1, 1, 1],
        &[54, 4, 10, 1, 1, 2],
        &[28, 4, 10, 1, 1, 255],
        &[1, 4, 255, 255, 255, 0],
        &[57, 2, 5, 220],
        &[60, 4, b'M', b'S', b'F', b'T'],
        &[15, 5, b'a', b'.', b'b', 0, 0],
        &[12, 2, b'h', 0],
        &[6, 8, 10, 1, 1, 3, 10, 1, 1, 4],
        &[3, 4, 10, 1, 1, 5],
        &[4, 4, 10, 1, 1, 6],
        &[42, 4, 10, 1, 1, 7],
        &[124, 13, 0, 0, 0, 9, 3, 0xca, 0xfe, 1, 0, 0, 1, 0, 0], // enterprise 9 and 256
        &[2, 4, 0xff, 0xff, 0xf1, 0xf0],
        &[51, 4, 0, 0, 14, 16],
        &[58, 4, 0, 0, 7, 8],
        &[59, 4, 0, 0, 12, 78],
        &[56, 2, b'n', b'o'],
        &[67, 2, b'f', 0],
        &[82, 3, 1, 1, 1], // not shown
        &[0, 0],
        END,
        &[1, 2, 3],
    ];
    assert_eq!(
        single(&message(1, options))["dhcpv4"]["option"],
        json!({
            "message_type": "ack",
            "parameter_request_list": ["Subnet Mask", "NTP Servers", "unknown (223)", "IPv6-Only Preferred"],
            "requested_ip_address": "10.1.1.1", "server_identifier": "10.1.1.2", "broadcast_address": "10.1.1.255",
            "subnet_mask": "255.255.255.0", "max_dhcp_message_size": 1500, "class_identifier": "MSFT",
            "domain_name": "a.b", "hostname": "h", "dns_servers": ["10.1.1.3", "10.1.1.4"], "router": ["10.1.1.5"],
            "time_servers": ["10.1.1.6"], "ntp_servers": ["10.1.1.7"],
            "vendor_identifying_options": [{"id": 9, "data": "cafe01"}, {"id": 256, "data": ""}],
            "utc_time_offset_sec": -3600, "ip_address_lease_time_sec": 3600, "renewal_time_sec": 1800,
            "rebinding_time_sec": 3150, "message": "no", "boot_file_name": "f",
        })
    );
}

#[test]
fn message_types_have_their_names() {
    let kind = |kind| single(&message(1, &[&[53, 1, kind], END]))["dhcpv4"].get("option").cloned();
    let names = ["discover", "offer", "request", "decline", "ack", "nak", "release", "inform", "forcerenew"];
    for (index, name) in names.into_iter().enumerate() {
        assert_eq!(kind(index as u8 + 1), Some(json!({"message_type": name})));
    }
    assert_eq!(kind(18), Some(json!({"message_type": "tls"})));
    assert_eq!(kind(19), Some(json!({"message_type": "unknown (19)"})));
    assert_eq!(kind(0), None);
}

#[test]
fn options_of_a_wrong_length_are_left_out() {
    let options: &[&[u8]] = &[
        &[53, 2, 1, 1],
        &[55, 0],
        &[50, 3, 1, 1, 1],
        &[57, 1, 1],
        &[6, 5, 1, 1, 1, 1, 1],
        &[124, 6, 0, 0, 0, 9, 3, 1],
        &[2, 3, 1, 1, 1],
        &[51, 4, 0, 0, 0, 0],
        &[12, 1, 0],
        END,
    ];
    assert!(single(&message(1, options))["dhcpv4"].get("option").is_none());
    assert!(single(&message(1, &[]))["dhcpv4"].get("option").is_none());
}

#[test]
fn values_that_were_split_are_joined() {
    // RFC 3396: the option field, then `file`, then `sname`.
    let mut bytes = message(1, &[&[12, 2, b'a', b'b'], &[52, 1, 3], &[12, 1, b'c'], END]);
    bytes[108..112].copy_from_slice(&[12, 1, b'd', 255]);
    bytes[44..48].copy_from_slice(&[12, 1, b'e', 255]);
    let event = single(&bytes);
    assert_eq!(event["dhcpv4"]["option"], json!({"hostname": "abcde"}));
    // The fields hold options, so they hold no names.
    assert!(event["dhcpv4"].get("server_name").is_none() && event["dhcpv4"].get("boot_file_name").is_none());
}

#[test]
fn what_is_no_dhcp_is_counted() {
    let whole = message(1, &[&[53, 1, 1], END]);
    let mut other_cookie = whole.clone();
    other_cookie[236] ^= 1;
    let without_end = message(1, &[&[53, 1, 1]]);
    let beyond_the_end = message(1, &[&[53, 9, 1], END]);
    let length_missing = message(1, &[&[53]]);
    for bytes in [&whole[..239], b"", &other_cookie, &without_end, &beyond_the_end, &length_missing] {
        let mut bench = bench();
        bench.datagram(ToServer, bytes);
        assert_eq!(bench.events(), <[Json; 0]>::default());
        assert_eq!((bench.count(ProtocolCounter::ParseFailures), bench.count(ProtocolCounter::Messages)), (1, 1));
    }
    let event = single(&message(7, &[END]));
    assert_eq!((&event["dhcpv4"]["op_code"], &event["client"]["ip"]), (&json!("unknown (7)"), &json!("10.0.0.1")));
    let mut unknown = message(1, &[END]);
    unknown[1..3].copy_from_slice(&[0, 0]);
    let event = single(&unknown);
    assert_eq!(event["dhcpv4"]["hardware_type"], "unknown");
    assert!(event["dhcpv4"].get("client_mac").is_none());
}

#[test]
fn a_message_that_the_capture_cut_shows_what_is_there() {
    let bytes = message(1, &[&[53, 1, 3], &[12, 4, b'h', b'o']]);
    let mut bench = bench();
    bench.cut_datagram(ToServer, &bytes, 300);
    let [event] = bench.events() else { panic!("one event") };
    assert_eq!(event["dhcpv4"]["option"], json!({"message_type": "request"}));
    assert_eq!(event["source"]["bytes"], 300);
}

#[test]
fn every_length_and_a_thousand_mutations_do_no_harm() {
    let whole =
        message(2, &[&[52, 1, 3], &[124, 5, 0, 0, 0, 9, 0], &[6, 4, 1, 1, 1, 1], &[12, 3, b'a', b'b', b'c'], END]);
    for length in 0..whole.len() {
        assert!(Message::parse(&whole[..length], Extent::Whole).is_none() || length == 240, "{length}");
        assert_eq!(Message::parse(&whole[..length], Extent::Cut).is_some(), length >= 240, "{length}");
    }
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut bench = bench();
    for round in 0..1_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 4 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let place = random as usize % bytes.len();
            bytes[place] = (random >> 32) as u8;
        }
        bench.cut_datagram(if round % 2 == 0 { ToServer } else { ToClient }, &bytes, bytes.len() + round % 3);
    }
    bench.finish();
    let failures = bench.count(ProtocolCounter::ParseFailures);
    assert_eq!(bench.events().len() as u64 + failures, 1_000);
    assert!(failures > 0 && failures < 500, "{failures}");
}

fn bench() -> Bench {
    Bench::new(Dhcpv4Factory.parser(), Carrier::Udp, 67)
}

fn single(bytes: &[u8]) -> Json {
    let mut bench = bench();
    bench.datagram(ToServer, bytes);
    let [event] = bench.events() else { panic!("one event, not {:#?}", bench.events()) };
    event.clone()
}

/// A message with an empty header and these options.
fn message(op_code: u8, options: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[0..3].copy_from_slice(&[op_code, 1, 6]);
    bytes.extend_from_slice(&[99, 130, 83, 99]);
    options.iter().for_each(|option| bytes.extend_from_slice(option));
    bytes
}
