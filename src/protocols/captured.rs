// SPDX-License-Identifier: Apache-2.0
//! Reads the TCP payloads of a capture file, in the order of the file, for tests of whole conversations. Only what the
//! recordings use: pcap with microseconds, Ethernet, cooked or loopback, IPv4 or IPv6 without extensions.

use std::collections::HashMap;
use std::path::Path;

use crate::protocols::Direction;

pub struct Captured {
    pub connection: usize,
    pub direction: Direction,
    pub time_ns: i64,
    pub flags: u8,
    pub payload: Vec<u8>,
}

impl Captured {
    pub fn fin(&self) -> bool {
        self.flags & 1 != 0
    }

    pub fn reset(&self) -> bool {
        self.flags & 4 != 0
    }
}

pub fn segments(file: &Path, server_port: u16) -> Vec<Captured> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xa1b2_c3d4, "a little-endian pcap with microseconds");
    let link_bytes = match word(20) {
        0 => 4,
        1 => 14,
        113 => 16,
        other => panic!("link type {other}"),
    };
    let mut connections = HashMap::new();
    let mut segments = Vec::new();
    let mut position = 24;
    while position < bytes.len() {
        let time_ns = i64::from(word(position)) * 1_000_000_000 + i64::from(word(position + 4)) * 1000;
        let length = word(position + 8) as usize;
        let frame = &bytes[position + 16..position + 16 + length];
        position += 16 + length;
        let packet = &frame[link_bytes..];
        let (header, protocol, total) = match packet[0] >> 4 {
            4 => (usize::from(packet[0] & 15) * 4, packet[9], usize::from(u16::from_be_bytes([packet[2], packet[3]]))),
            6 => (40, packet[6], 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))),
            _ => continue,
        };
        if protocol != 6 {
            continue;
        }
        let tcp = &packet[header..total];
        let ports = [u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]])];
        let (direction, client) = match ports {
            [client, server] if server == server_port => (Direction::ToServer, client),
            [server, client] if server == server_port => (Direction::ToClient, client),
            _ => continue,
        };
        let next = connections.len();
        let connection = *connections.entry(client).or_insert(next);
        segments.push(Captured {
            connection,
            direction,
            time_ns,
            flags: tcp[13],
            payload: tcp[usize::from(tcp[12] >> 4) * 4..].to_vec(),
        });
    }
    segments
}
