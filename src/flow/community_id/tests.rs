// SPDX-License-Identifier: Apache-2.0
//! The vectors of the specification and of Packetbeat's own tests.

use std::net::IpAddr;

use super::*;
use crate::wire::address::IpAddress;

/// Source, destination, protocol, source port or ICMP type, destination port or ICMP code, expected.
const VECTORS: &[(&str, &str, u8, u16, u16, &str)] = &[
    ("192.168.0.89", "192.168.0.1", 1, 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    ("192.168.0.1", "192.168.0.89", 1, 0, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    ("128.232.110.120", "66.35.250.204", 6, 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ("66.35.250.204", "128.232.110.120", 6, 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ("192.168.1.52", "8.8.8.8", 17, 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    ("8.8.8.8", "192.168.1.52", 17, 53, 54585, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    ("192.168.170.8", "192.168.170.56", 132, 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    ("192.168.170.56", "192.168.170.8", 132, 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    (
        "2607:f8b0:400c:c03::1a",
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        6,
        25,
        63943,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
    ),
    ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 58, 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
    ("fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 58, 136, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
    ("fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 58, 135, 0, "1:zavyT/cezQr1fmImYCwYnMXbgck="),
    ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 58, 136, 0, "1:zavyT/cezQr1fmImYCwYnMXbgck="),
    ("3ffe:507::1:260:97ff:fe07:69ea", "3ffe:507::1:200:86ff:fe05:80da", 58, 3, 0, "1:NdobDX8PQNJbAyfkWxhtL2Pqp5w="),
    ("3ffe:501::1802:260:97ff:feb6:7ff0", "3ffe:507::1:200:86ff:fe05:80da", 58, 3, 0, "1:bnQKq8A2r//dWnkRW2EYcMhShjc="),
    ("3ffe:501:1800:2345::2", "3ffe:507::1:200:86ff:fe05:80da", 58, 3, 0, "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="),
    ("3ffe:501:410::2c0:dfff:fe47:33e", "3ffe:507::1:200:86ff:fe05:80da", 58, 1, 4, "1:hLZd0XGWojozrvxqE0dWB1iM6R0="),
    ("3ffe:507::1:200:86ff:fe05:80da", "3ffe:501:0:1001::2", 58, 128, 0, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
    ("3ffe:501:0:1001::2", "3ffe:507::1:200:86ff:fe05:80da", 58, 129, 0, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
    ("fe80::200:86ff:fe05:80da", "ff02::2", 58, 133, 0, "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="),
    ("fe80::260:97ff:fe07:69ea", "ff02::1", 58, 134, 0, "1:pkvHqCL88/tg1k4cPigmZXUtL00="),
    ("3ffe:507::1:200:86ff:fe05:80da", "3ffe:501:4819::42", 58, 1, 4, "1:jwuBy9UWZK1KUFqJV5cHdVpfrlY="),
    ("3ffe:507::1:200:86ff:fe05:80da", "ff02::1:ff07:69ea", 58, 135, 0, "1:MEixa66kuz0OMvlQqnAIzP3n2xg="),
    ("3ffe:507::1:200:86ff:fe05:80da", "3ffe:507::1:260:97ff:fe07:69ea", 58, 128, 0, "1:GpbEQrKqfWtsfsFiqg8fufoZe5Y="),
];

#[test]
fn known_vectors() {
    for &(source, destination, protocol, first, second, expected) in VECTORS {
        let id = community_id(&pair(source, destination), protocol, selector(protocol, first, second), 0);
        assert_eq!(id.as_str(), expected, "{source} {destination} {protocol} {first} {second}");
    }
}

#[test]
fn both_directions_are_one_flow() {
    let forward = Selector::Ports { source: 1000, destination: 1001 };
    let reverse = Selector::Ports { source: 1001, destination: 1000 };
    let same_host = pair("10.0.0.1", "10.0.0.1");
    assert_eq!(community_id(&same_host, 6, forward, 0), community_id(&same_host, 6, reverse, 0));
    let there = community_id(&pair("10.0.0.1", "10.0.0.2"), 47, Selector::None, 0);
    assert_eq!(there, community_id(&pair("10.0.0.2", "10.0.0.1"), 47, Selector::None, 0));
}

#[test]
fn seed_and_protocol_count() {
    let addresses = pair("10.0.0.1", "10.0.0.2");
    let ports = Selector::Ports { source: 1, destination: 2 };
    let id = community_id(&addresses, 6, ports, 0);
    assert_ne!(id, community_id(&addresses, 6, ports, 1));
    assert_ne!(id, community_id(&addresses, 17, ports, 0));
}

#[test]
fn answers_that_packetbeat_does_not_pair() {
    let there = pair("10.0.0.1", "10.0.0.2");
    let back = pair("10.0.0.2", "10.0.0.1");
    let icmp = |kind| Selector::Icmp { kind, code: 0 };
    let icmp6 = |kind| Selector::Icmp6 { kind, code: 0 };
    for (request, reply) in [(8, 0), (13, 14), (10, 9), (17, 18)] {
        assert_eq!(community_id(&there, 1, icmp(request), 0), community_id(&back, 1, icmp(reply), 0));
    }
    for (request, reply) in [(128, 129), (133, 134), (135, 136), (139, 140), (144, 145)] {
        assert_eq!(community_id(&there, 58, icmp6(request), 0), community_id(&back, 58, icmp6(reply), 0));
    }
    assert_ne!(community_id(&there, 1, icmp(15), 0), community_id(&back, 1, icmp(16), 0));
    assert_ne!(community_id(&there, 58, icmp6(130), 0), community_id(&back, 58, icmp6(131), 0));
}

fn pair(source: &str, destination: &str) -> AddressPair {
    let parse = |text: &str| IpAddress::from(text.parse::<IpAddr>().expect("a literal address"));
    AddressPair { source: parse(source), destination: parse(destination) }
}

fn selector(protocol: u8, first: u16, second: u16) -> Selector {
    match protocol {
        1 => Selector::Icmp { kind: first as u8, code: second as u8 },
        58 => Selector::Icmp6 { kind: first as u8, code: second as u8 },
        _ => Selector::Ports { source: first, destination: second },
    }
}
