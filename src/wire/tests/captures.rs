// SPDX-License-Identifier: Apache-2.0
//! Every capture at hand is decoded: nothing panics, and what Packetbeat printed as Community ID comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::flow::community_id::{Selector, community_id};
use crate::wire::{Decoded, LinkType, Transport, decode};

#[test]
fn every_capture_is_decoded() {
    let Some(shared) = shared_folder() else { return };
    let mut counts = BTreeMap::<String, u32>::new();
    let mut files = 0;
    for folder in ["conformance/captures", "captures"] {
        for path in pcap_files(&shared.join(folder)) {
            files += 1;
            for_each_packet(&path, |link_number, frame, wire_length| {
                let name = match LinkType::from_dlt(link_number) {
                    None => "link type not supported",
                    Some(link) => match decode(link, frame, wire_length) {
                        Err(reason) => reason.name(),
                        Ok(decoded) => {
                            assert!(decoded.payload_offset as usize <= frame.len());
                            transport_name(&decoded)
                        }
                    },
                };
                *counts.entry(name.to_owned()).or_default() += 1;
            });
        }
    }
    println!("{files} captures: {counts:#?}");
    assert!(files > 200);
    assert!(counts["tcp"] > 1000 && counts["udp"] > 100);
}

#[test]
fn community_ids_as_packetbeat_prints_them() {
    let Some(shared) = shared_folder() else { return };
    for name in ["icmp", "tcp", "udp"] {
        let expected = shared.join(format!("conformance/cases/flows/community_id_{name}/expected.ndjson"));
        let expected: BTreeSet<String> = std::fs::read_to_string(&expected)
            .unwrap_or_else(|error| panic!("{}: {error}", expected.display()))
            .lines()
            .filter_map(|line| Some(line.split_once("\"community_id\": \"")?.1.split_once('"')?.0.to_owned()))
            .collect();
        assert!(!expected.is_empty());
        let mut found = BTreeSet::new();
        for_each_packet(
            &shared.join(format!("conformance/captures/community-id/{name}.pcap")),
            |link, frame, length| {
                let link = LinkType::from_dlt(link).expect("a link type that is supported");
                let decoded = decode(link, frame, length).expect("a good packet");
                let network = decoded.network.expect("an IP packet");
                let selector = match decoded.transport {
                    Transport::Tcp(tcp) => {
                        Selector::Ports { source: tcp.source_port, destination: tcp.destination_port }
                    }
                    Transport::Udp { source_port, destination_port } => {
                        Selector::Ports { source: source_port, destination: destination_port }
                    }
                    Transport::Icmp { kind, code } => Selector::Icmp { kind, code },
                    Transport::Icmp6 { kind, code } => Selector::Icmp6 { kind, code },
                    _ => Selector::None,
                };
                found.insert(community_id(&network.addresses, network.protocol, selector, 0).as_str().to_owned());
            },
        );
        assert_eq!(found, expected, "{name}");
    }
}

/// The recorded captures beside the project (or one level up, for a work tree), if they are there.
fn shared_folder() -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = project.ancestors().skip(1).take(2).map(|parent| parent.join("shared")).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("skipped: there is no ../shared");
    }
    found
}

fn pcap_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            files.extend(pcap_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "pcap") {
            files.push(path);
        }
    }
    files
}

/// Calls `visit` with link type number, captured bytes and length on the wire. Files that are no classic pcap have no
/// packets, a cut record ends the file.
fn for_each_packet(path: &Path, mut visit: impl FnMut(u32, &[u8], u32)) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let word: fn([u8; 4]) -> u32 = match bytes.first_chunk() {
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => u32::from_le_bytes,
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => u32::from_be_bytes,
        _ => return,
    };
    let word_at = |offset: usize| bytes.get(offset..)?.first_chunk().map(|bytes| word(*bytes));
    let Some(link) = word_at(20) else { return };
    let mut offset = 24;
    while let (Some(captured), Some(wire_length)) = (word_at(offset + 8), word_at(offset + 12)) {
        let begin = offset + 16;
        let Some(frame) = bytes.get(begin..begin + captured as usize) else { return };
        visit(link & 0xffff, frame, wire_length);
        offset = begin + captured as usize;
    }
}

fn transport_name(decoded: &Decoded) -> &'static str {
    match decoded.transport {
        Transport::Tcp(_) => "tcp",
        Transport::Udp { .. } => "udp",
        Transport::Icmp { .. } => "icmp",
        Transport::Icmp6 { .. } => "icmp6",
        Transport::Fragment(_) => "fragment",
        Transport::Other(_) => "other transport",
        Transport::None => "no IP",
    }
}
