// SPDX-License-Identifier: Apache-2.0
//! Recorded traffic inside of tunnels: the same transactions and flows as outside, whatever the tunnel, in fragments, from a mirror,
//! in networks with the same addresses, with any number of workers; and none of it when the tunnel is not opened.

mod support;

use std::path::PathBuf;

use fastrand::Rng;
use serde_json::Value as Json;
use support::capture::{Capture, ETHERNET, Frame, Unit};
use support::events::{Flows, difference, normalised};
use support::lane::{Analysis, Laboratory};
use support::program::{Outcome, Program};
use support::tunnels::{TUNNELS, Tunnel, fragmented, tunnel};
use support::{everything, name_of, project, recorded};

#[test]
fn every_tunnel_shows_what_is_inside() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let mut compared = 0;
    for (name, capture) in captures() {
        let plain = laboratory.analyse(&capture);
        for tunnel in TUNNELS {
            let what = format!("{name} in {:?}", tunnel.kinds);
            let found = laboratory.analyse(&tunnel.around(&capture, 7));
            found.assert_sound(&what);
            assert_eq!(found.counters.analysed, plain.counters.analysed, "{what}");
            assert_eq!(found.counters.packets_dropped(), plain.counters.packets_dropped(), "{what}");
            same_transactions(&plain, &found, &what);
            // As many flows, of as many packets.
            let flows = |analysis: &Analysis| {
                let flows =
                    analysis.events.iter().filter(|event| event["type"] == "flow" && event["flow"]["final"] == true);
                let mut packets: Vec<String> = flows.map(|flow| flow["network"]["packets"].to_string()).collect();
                packets.sort();
                packets
            };
            // Hosts without an address yet are told apart by their MAC addresses, which not every tunnel carries.
            if !name.starts_with("dhcpv4/") {
                assert_eq!(flows(&found), flows(&plain), "{what}");
            }
            for event in found.events.iter().filter(|event| is_inside(event)) {
                let kinds: Vec<&str> = match &event["tunnel"]["type"] {
                    Json::String(kind) => vec![kind],
                    kinds => kinds.as_array().into_iter().flatten().filter_map(Json::as_str).collect(),
                };
                assert_eq!(kinds, tunnel.kinds, "{what}: {event}");
            }
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn the_event_has_the_outside() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let capture = chosen("icmp/echo.pcap");
    let of = |tunnel: Tunnel| {
        let events = laboratory.analyse(&tunnel.around(&capture, 7)).events;
        ["icmp", "flow"].map(|kind| events.iter().find(|event| event["type"] == kind).expect("it is there").clone())
    };
    for event in of(tunnel("vxlan")) {
        assert_eq!(event["tunnel"]["id"], 7, "{event}");
        assert_eq!(event["tunnel"]["type"], "vxlan");
        // Source and destination stand on the side of theirs.
        let (own, outer) = (event["source"]["ip"].as_str(), event["tunnel"]["source"]["ip"].as_str());
        let other = event["tunnel"]["destination"]["ip"].as_str();
        let is_low = own < event["destination"]["ip"].as_str();
        let expected = if is_low { ("100.66.0.7", "100.67.0.7") } else { ("100.67.0.7", "100.66.0.7") };
        assert_eq!((outer, other), (Some(expected.0), Some(expected.1)), "{event}");
        assert_eq!(event["network"]["type"], "ipv4");
    }
    for event in of(tunnel("pppoe")) {
        assert_eq!(event["tunnel"]["id"], 7, "{event}");
        assert!(event["tunnel"]["source"].is_null(), "{event}");
    }
    // Packetbeat describes the outer packet of IP in IP in flows.
    let [transaction, flow] = of(tunnel("ipip"));
    assert_eq!(flow["source"]["ip"].as_array().map(Vec::len), Some(2), "{flow}");
    assert!(transaction["source"]["ip"].is_string() && transaction["tunnel"]["id"].is_null(), "{transaction}");
}

#[test]
fn equal_addresses_in_different_networks_do_not_merge() {
    let all = Laboratory::new(support::PROTOCOLS);
    let none = Laboratory::new(&format!("{}wirebeat.tunnels.key: []\n", support::PROTOCOLS));
    let mut merged = 0;
    for (name, capture) in ["icmp/echo.pcap", "dns/dig.pcap", "http/connections.pcap"].map(|name| (name, chosen(name)))
    {
        let twice = twice(all.analyse(&capture));
        for tunnel in TUNNELS.iter().filter(|tunnel| tunnel.kinds != ["mpls"]) {
            let what = format!("{name} twice in {:?}", tunnel.kinds);
            let both = tunnel.around(&capture, 7).merged(&tunnel.around(&capture, 8));
            let found = all.analyse(&both);
            found.assert_sound(&what);
            let [expected, inside] =
                [&twice, &found.events].map(|events| normalised(events, Flows::LeftOut, &["tunnel"]));
            assert_eq!(difference(&expected, &inside), None, "{what}");
            let found = none.analyse(&both);
            found.assert_sound(&what);
            merged += usize::from(normalised(&found.events, Flows::LeftOut, &["tunnel"]) != expected);
            let ids = |events: &[Json]| {
                let flows = events.iter().filter(|event| event["type"] == "flow" && is_inside(event));
                let ids: std::collections::BTreeSet<String> =
                    flows.map(|flow| flow["flow"]["id"].to_string()).collect();
                ids.len()
            };
            let one = all.analyse(&tunnel.around(&capture, 7)).events;
            assert_eq!(ids(&all.analyse(&both).events), 2 * ids(&one), "{what}");
        }
    }
    assert!(merged > 20, "the setting shows nowhere: {merged}");
}

#[test]
fn vlans_in_a_tunnel_are_networks_of_their_own() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let capture = chosen("http/connections.pcap");
    let twice = twice(laboratory.analyse(&capture));
    let expected = normalised(&twice, Flows::LeftOut, &["tunnel"]);
    let tagged = |vlan: u8| capture.tagged(&[[0x81, 0, 0, vlan]]);
    let vxlan = tunnel("vxlan");
    let both = vxlan.around(&tagged(5), 7).merged(&vxlan.around(&tagged(6), 7));
    let found = normalised(&laboratory.analyse(&both).events, Flows::LeftOut, &["tunnel"]);
    assert_eq!(difference(&expected, &found), None);
    // Without a tunnel only when it is asked for.
    let both = tagged(5).merged(&tagged(6));
    assert_ne!(normalised(&laboratory.analyse(&both).events, Flows::LeftOut, &["tunnel"]), expected);
    let asked =
        Laboratory::new(&format!("{}wirebeat.tunnels.key: [id, vlan, outer, plain_vlan]\n", support::PROTOCOLS));
    let found = normalised(&asked.analyse(&both).events, Flows::LeftOut, &["tunnel"]);
    assert_eq!(difference(&expected, &found), None);
}

#[test]
fn a_mirror_sends_both_directions_one_way() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    for (name, capture) in captures() {
        let plain = laboratory.analyse(&capture);
        for tunnel in TUNNELS {
            let what = format!("{name} mirrored in {:?}", tunnel.kinds);
            let found = laboratory.analyse(&tunnel.mirror(&capture));
            found.assert_sound(&what);
            same_transactions(&plain, &found, &what);
        }
    }
}

#[test]
fn a_frame_may_be_in_several_buffers() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let capture = chosen("http/connections.pcap").merged(&chosen("icmp/echo-v6.pcap")).merged(&chosen("dns/dig.pcap"));
    let plain = laboratory.analyse(&capture);
    let wrapped = TUNNELS.iter().map(|tunnel| (tunnel.kinds, tunnel.around(&capture, 7)));
    for (kinds, wrapped) in wrapped.chain([(&["no tunnel"][..], capture.clone())]) {
        for bytes in [1, 7, 20, 41, 64, 100, 128] {
            // Data behind the inner packet is no payload.
            let mut wrapped = wrapped.clone();
            for frame in &mut wrapped.frames {
                frame.data.extend([0x77; 9]);
                frame.wire_length += 9;
            }
            let what = format!("{kinds:?} in buffers of {bytes} bytes");
            let found = laboratory.analyse_in_parts(&wrapped, bytes);
            found.assert_sound(&what);
            same_transactions(&plain, &found, &what);
        }
    }
}

#[test]
fn a_tunnel_in_fragments() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    for (name, capture) in captures() {
        let plain = laboratory.analyse(&capture);
        for tunnel in TUNNELS.iter().filter(|tunnel| !["mpls", "pppoe"].contains(&tunnel.kinds[0])) {
            let what = format!("{name} in {:?} in fragments", tunnel.kinds);
            let wrapped = tunnel.around(&capture, 7);
            let found = laboratory.analyse(&fragmented(&wrapped));
            found.assert_sound(&what);
            if found.counters.datagrams_reassembled == 0 {
                continue;
            }
            same_transactions(&plain, &found, &what);
        }
    }
}

#[test]
fn a_tunnel_that_is_not_opened_is_traffic_like_any_other() {
    for tunnel in TUNNELS.iter().filter(|tunnel| tunnel.kinds.len() == 1) {
        let kind = tunnel.kinds[0];
        let laboratory = Laboratory::new(&format!("{}wirebeat.tunnels.{kind}: false\n", support::PROTOCOLS));
        for (name, capture) in captures() {
            let what = format!("{name} in {kind}, which is off");
            let found = laboratory.analyse(&tunnel.around(&capture, 7));
            found.assert_sound(&what);
            assert!(found.events.iter().all(|event| event["tunnel"].is_null()), "{what}");
            // What was there besides, such as ARP, has no address to take part in transactions.
            assert!(found.events.iter().all(|event| event["type"] == "flow"), "{what}");
            assert_eq!(found.counters.packets_dropped(), 0, "{what}");
        }
    }
}

#[test]
fn the_answer_does_not_depend_on_the_workers() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = chosen("icmp/echo-v6.pcap").merged(&chosen("icmp/echo.pcap")).merged(&chosen("dns/dig.pcap"));
    let capture = capture.merged(&chosen("express/users.pcap"));
    let mut all = Capture { link: ETHERNET, frames: Vec::new() };
    for (place, tunnel) in TUNNELS.iter().enumerate() {
        let wrapped = tunnel.around(&capture, place as u8);
        let wrapped = if place % 3 == 0 { fragmented(&wrapped) } else { wrapped };
        all = if all.frames.is_empty() { wrapped } else { all.merged(&wrapped) };
    }
    let path = folder.path().join("tunnels.pcap");
    all.write(&path, Unit::Nanoseconds);
    let run = |workers: u16, more: &str| -> Outcome {
        let settings = format!("{}wirebeat.workers: {workers}\n{more}", support::PROTOCOLS);
        let program = Program::new(&settings).arguments(&["-e", "-t"]);
        let program = if more.is_empty() { program.argument("-I").argument(&path) } else { program };
        program.run_into_file()
    };
    let expected = run(1, "");
    expected.assert_good("one worker");
    assert!(expected.events.len() > 100, "{}", expected.events.len());
    let replay = format!("packetbeat.interfaces: {{type: replay, file: {path:?}}}\n");
    for (workers, more) in [(2, ""), (4, ""), (2, replay.as_str())] {
        let what = format!("{workers} workers {more}");
        let found = run(workers, more);
        found.assert_good(&what);
        let [expected, found] = [&expected, &found].map(|outcome| normalised(&outcome.events, Flows::Kept, &[]));
        assert_eq!(difference(&expected, &found), None, "{what}");
    }
}

/// A fragment of IPv6 may hold a fragment, and so on: what completes one then completes all. That ends.
#[test]
fn fragments_in_fragments_end() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    for (levels, analysed) in [(1, true), (4, true), (5, false), (300, false)] {
        let datagram = [&[0x9c, 0x40, 0x27, 0x10, 0, 24, 0, 0][..], &[7; 16]].concat();
        let (mut payload, mut protocol) = (datagram, 17);
        let mut capture = Capture { link: ETHERNET, frames: Vec::new() };
        for level in 0..levels {
            let part = |place: u16, data: &[u8]| {
                let [id_0, id_1] = u16::to_be_bytes(level);
                [&[protocol, 0][..], &place.to_be_bytes(), &[0, 0, id_0, id_1], data].concat()
            };
            capture.frames.push(ipv6_frame(&part(1, &payload[..8])));
            payload = part(8, &payload[8..]);
            protocol = 44;
        }
        capture.frames.push(ipv6_frame(&payload));
        let found = laboratory.analyse(&capture);
        found.assert_sound(&format!("{levels} levels"));
        let is_there = found.events.iter().any(|event| event["destination"]["port"] == 10_000);
        assert_eq!((is_there, found.counters.analysed > 0), (analysed, analysed), "{levels} levels");
    }
}

fn ipv6_frame(fragment: &[u8]) -> Frame {
    let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
    data.extend((fragment.len() as u16).to_be_bytes());
    data.extend([44, 64]);
    data.extend([0x20; 16]);
    data.extend([0x21; 16]);
    data.extend(fragment);
    Frame { time_ns: 1_700_000_000_000_000_000, wire_length: data.len() as u32, data }
}

#[test]
fn mutated_tunnels() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let capture = chosen("icmp/echo-v6.pcap").merged(&chosen("dns/dig.pcap")).merged(&chosen("http/connections.pcap"));
    for tunnel in TUNNELS {
        let wrapped = tunnel.around(&capture, 7);
        let wrapped = [fragmented(&wrapped), wrapped];
        for seed in 0..if everything() { 10_000 } else { 1_000 } {
            let random = &mut Rng::with_seed(seed);
            let source = &wrapped[random.usize(..2)];
            let start = random.usize(..source.frames.len());
            let mut mutated = Capture { link: ETHERNET, frames: Vec::new() };
            mutated.frames.extend(source.frames.iter().skip(start).take(12).cloned());
            for frame in &mut mutated.frames {
                let length = frame.data.len();
                match random.u8(..4) {
                    0 => frame.data[random.usize(..length)] = random.u8(..),
                    1 => frame.data[random.usize(12..length.min(90))] ^= 1 << random.u8(..8),
                    2 => frame.data.truncate(random.usize(14..length)),
                    _ => frame.wire_length = random.u32(..2_000).max(length as u32),
                }
            }
            laboratory.analyse(&mutated).assert_sound(&format!("{:?} with seed {seed}", tunnel.kinds));
        }
    }
}

/// Recorded Ethernet captures, by name; large ones only when all is asked for.
fn captures() -> Vec<(String, Capture)> {
    let read = |path: PathBuf| Capture::read(&path).map(|capture| (name_of(&path), capture));
    let captures = recorded().into_iter().filter_map(read).filter(|(_, capture)| capture.is_ethernet());
    captures.filter(|(_, capture)| everything() || capture.frames.len() < 500).collect()
}

fn twice(analysis: Analysis) -> Vec<Json> {
    [analysis.events.clone(), analysis.events].concat()
}

fn chosen(name: &str) -> Capture {
    Capture::read(&project().join("tests/recorded").join(name)).expect("it is a pcap file")
}

/// Whether an event is of IP, which every tunnel carries.
fn is_inside(event: &Json) -> bool {
    !event["source"]["ip"].is_null()
}

fn same_transactions(plain: &Analysis, found: &Analysis, what: &str) {
    let [expected, found] = [plain, found].map(|analysis| normalised(&analysis.events, Flows::LeftOut, &["tunnel"]));
    if let Some(difference) = difference(&expected, &found) {
        panic!("{what}: {difference}");
    }
}
