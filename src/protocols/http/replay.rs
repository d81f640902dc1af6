// SPDX-License-Identifier: Apache-2.0
//! For tests: the TCP connections of a capture file, fed to parsers. Classic pcap, Ethernet, loopback and cooked frames.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Direction, Endpoint, FlowView};

pub struct Packet {
    pub time_ns: i64,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub sequence: u32,
    pub fin: bool,
    pub reset: bool,
    pub payload: Vec<u8>,
}

/// A file of the recordings that lie in this repository.
pub fn recorded(theme: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/http").join(format!("{theme}.pcap"))
}

/// TCP packets of a file.
pub fn packets(file: &Path) -> Vec<Packet> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xa1b2_c3d4, "{}: not a little-endian pcap", file.display());
    let link_type = word(20);
    let mut packets = Vec::new();
    let mut at = 24;
    while at + 16 <= bytes.len() {
        let time_ns = i64::from(word(at)) * 1_000_000_000 + i64::from(word(at + 4)) * 1000;
        let length = word(at + 8) as usize;
        let frame = &bytes[at + 16..at + 16 + length];
        at += 16 + length;
        let network = match link_type {
            0 => &frame[4..],
            1 => {
                let mut start = 12;
                while frame[start..start + 2] == [0x81, 0] {
                    start += 4;
                }
                &frame[start + 2..]
            }
            113 => &frame[16..],
            other => panic!("link type {other}"),
        };
        packets.extend(tcp(time_ns, network));
    }
    packets
}

/// Feeds every connection with a server on one of `ports`; answers the benches in the order of the connections' starts.
pub fn replay(packets: &[Packet], ports: &[u16], bench: &dyn Fn() -> Bench) -> Vec<Bench> {
    let mut connections: BTreeMap<(IpAddr, u16, IpAddr, u16), usize> = BTreeMap::new();
    let mut benches: Vec<(Bench, [Option<u32>; 2])> = Vec::new();
    for packet in packets {
        let to_server = ports.contains(&packet.destination.port) && !ports.contains(&packet.source.port);
        if !to_server && !ports.contains(&packet.source.port) {
            continue;
        }
        let (client, server, direction) = match to_server {
            true => (packet.source, packet.destination, Direction::ToServer),
            false => (packet.destination, packet.source, Direction::ToClient),
        };
        let key = (client.address, client.port, server.address, server.port);
        let index = *connections.entry(key).or_insert_with(|| {
            let mut new = bench();
            new.flow = FlowView { client, server, carrier: Carrier::Tcp, community_id: None };
            benches.push((new, [None; 2]));
            benches.len() - 1
        });
        let (bench, next) = &mut benches[index];
        bench.now_ns = packet.time_ns - 1_000_000;
        let next = &mut next[direction as usize];
        let mut payload = packet.payload.as_slice();
        if !payload.is_empty() {
            let expected = next.unwrap_or(packet.sequence);
            let ahead = packet.sequence.wrapping_sub(expected) as i32;
            if ahead > 0 {
                bench.lose(direction, ahead as u32);
            } else {
                payload = payload.get(ahead.unsigned_abs() as usize..).unwrap_or_default();
            }
            if !payload.is_empty() {
                *next = Some(packet.sequence.wrapping_add(packet.payload.len() as u32));
                bench.send(direction, payload);
            }
        }
        bench.now_ns = packet.time_ns;
        if packet.reset {
            bench.reset(direction);
        } else if packet.fin {
            bench.fin(direction);
        }
    }
    benches.into_iter().map(|(bench, _)| bench).collect()
}

fn tcp(time_ns: i64, network: &[u8]) -> Option<Packet> {
    let (source, destination, segment): (IpAddr, IpAddr, &[u8]) = match network[0] >> 4 {
        4 => {
            let header = usize::from(network[0] & 15) * 4;
            let total = usize::from(u16::from_be_bytes([network[2], network[3]]));
            if network[9] != 6 {
                return None;
            }
            let address = |at: usize| <[u8; 4]>::try_from(&network[at..at + 4]).unwrap().into();
            let end = if total == 0 { network.len() } else { total.min(network.len()) };
            (address(12), address(16), &network[header..end])
        }
        6 if network[6] == 6 => {
            let length = usize::from(u16::from_be_bytes([network[4], network[5]]));
            let address = |at: usize| <[u8; 16]>::try_from(&network[at..at + 16]).unwrap().into();
            (address(8), address(24), &network[40..40 + length])
        }
        _ => return None,
    };
    let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    Some(Packet {
        time_ns,
        source: Endpoint { address: source, port: port(0) },
        destination: Endpoint { address: destination, port: port(2) },
        sequence: u32::from_be_bytes(segment[4..8].try_into().unwrap()),
        fin: segment[13] & 1 != 0,
        reset: segment[13] & 4 != 0,
        payload: segment[usize::from(segment[12] >> 4) * 4..].to_vec(),
    })
}
