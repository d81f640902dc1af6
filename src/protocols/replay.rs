// SPDX-License-Identifier: Apache-2.0
//! Plays the flows of a capture to parsers, each in a test bench. For tests only.
//!
//! Limits: classic little-endian pcap files with microseconds; TCP segments are taken as they come, fragments are left out.

use std::net::IpAddr;
use std::path::Path;

use serde_json::Value as Json;

use super::bench::Bench;
use super::{Carrier, Direction, Endpoint, Factory, FlowView};
use crate::flow::community_id::{Selector, community_id};
use crate::wire::{LinkType, Transport, decode};

/// The events of every flow of a capture in which `port` (for ICMP: none) takes part, in the order of their times.
pub fn events(path: &Path, factory: &dyn Factory, port: Option<u16>, segment_bytes: usize) -> Vec<Json> {
    let mut flows: Vec<Bench> = Vec::new();
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(&file, 0), 0xa1b2_c3d4, "{}", path.display());
    let link = LinkType::from_dlt(word(&file, 20)).expect("a supported link type");
    let mut position = 24;
    while position < file.len() {
        let header = &file[position..position + 16];
        let time_ns = i64::from(word(header, 0)) * 1_000_000_000 + i64::from(word(header, 4)) * 1_000;
        let frame = &file[position + 16..position + 16 + word(header, 8) as usize];
        position += 16 + frame.len();
        let Ok(decoded) = decode(link, frame, word(header, 12)) else { continue };
        let Some(network) = decoded.network else { continue };
        let payload = decoded.payload(frame);
        let (ports, carrier, payload) = match decoded.transport {
            Transport::Tcp(tcp) => ([tcp.source_port, tcp.destination_port], Carrier::Tcp, payload),
            Transport::Udp { source_port, destination_port } => {
                ([source_port, destination_port], Carrier::Udp, payload)
            }
            // The payload of ICMP begins behind the checksum.
            Transport::Icmp { .. } | Transport::Icmp6 { .. } => {
                let start = decoded.payload_offset as usize - 4;
                let carrier =
                    if matches!(decoded.transport, Transport::Icmp { .. }) { Carrier::Icmp } else { Carrier::Icmp6 };
                ([0, 0], carrier, &frame[start..start + 4 + payload.len()])
            }
            _ => continue,
        };
        if port.is_none() != matches!(carrier, Carrier::Icmp | Carrier::Icmp6)
            || port.is_some_and(|port| !ports.contains(&port))
        {
            continue;
        }
        let source = Endpoint { address: IpAddr::from(network.addresses.source), port: ports[0] };
        let destination = Endpoint { address: IpAddr::from(network.addresses.destination), port: ports[1] };
        let index = flows
            .iter()
            .position(|bench| {
                bench.flow.carrier == carrier
                    && ([bench.flow.client, bench.flow.server] == [source, destination]
                        || [bench.flow.server, bench.flow.client] == [source, destination])
            })
            .unwrap_or_else(|| {
                let mut bench = Bench::new(factory.parser(), carrier, 0);
                let community_id = (ports != [0, 0]).then(|| {
                    let selector = Selector::Ports { source: ports[0], destination: ports[1] };
                    community_id(&network.addresses, network.protocol, selector, 0)
                });
                bench.flow = FlowView { client: source, server: destination, carrier, community_id };
                flows.push(bench);
                flows.len() - 1
            });
        let bench = &mut flows[index];
        let direction = if bench.flow.client == source { Direction::ToServer } else { Direction::ToClient };
        // The bench moves its clock by a millisecond before it gives anything.
        let at = time_ns - 1_000_000;
        match decoded.transport {
            Transport::Tcp(tcp) => {
                for part in payload.chunks(segment_bytes) {
                    bench.now_ns = at;
                    bench.send(direction, part);
                }
                if tcp.flags.fin() {
                    bench.now_ns = time_ns;
                    bench.fin(direction);
                }
                if tcp.flags.rst() {
                    bench.now_ns = time_ns;
                    bench.reset(direction);
                }
            }
            _ => {
                bench.now_ns = at;
                bench.datagram(direction, payload);
            }
        }
    }
    let mut events = Vec::new();
    for bench in &mut flows {
        bench.finish();
        events.extend_from_slice(bench.events());
    }
    events.sort_by_key(|event| event["@timestamp"].as_str().map(str::to_owned));
    events
}

/// The events that Packetbeat printed, without what the parser does not set.
pub fn printed(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| comparable(serde_json::from_str(line).expect("an event is JSON"))).collect()
}

/// Without the fields of the program and the perimeter; times in milliseconds.
pub fn comparable(mut event: Json) -> Json {
    let root = event.as_object_mut().expect("an event is an object");
    root.remove("@metadata");
    root.remove("ecs");
    root["network"].as_object_mut().expect("network is an object").remove("direction");
    let cut = |time: &mut Json| {
        if let Some(text) = time.as_str() {
            *time = Json::from(format!("{}Z", &text[..23]));
        }
    };
    cut(&mut root["@timestamp"]);
    for key in ["start", "end"] {
        if let Some(time) = root["event"].get_mut(key) {
            cut(time);
        }
    }
    event
}
