// SPDX-License-Identifier: Apache-2.0
//! Tests of ICMP.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::{IcmpFactory, Options};
use crate::protocols::replay;

fn factory() -> IcmpFactory {
    IcmpFactory::new(Options { transaction_timeout_ns: 10_000_000_000 })
}

fn recorded(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/icmp").join(name)
}

#[test]
fn dev() {
    for theme in ["echo", "echo-v6", "errors", "errors-v6"] {
        let mine: Vec<Json> = replay::events(&recorded(&format!("{theme}.pcap")), &factory(), None, usize::MAX)
            .into_iter()
            .map(replay::comparable)
            .collect();
        let theirs = replay::printed(&recorded(&format!("{theme}.packetbeat.ndjson")));
        println!("=== {theme}: {} {}", mine.len(), theirs.len());
        for event in mine.iter().filter(|event| !theirs.contains(event)) {
            println!("MINE {event}");
        }
        for event in theirs.iter().filter(|event| !mine.contains(event)) {
            println!("THEIRS {event}");
        }
    }
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    for (case, capture, file) in [
        ("icmp4_ping", "icmp/icmp4_ping", "expected"),
        ("icmp4_ping_over_vlan", "icmp/icmp4_ping_over_vlan", "expected"),
        ("icmp6_ping_over_vlan", "icmp/icmp6_ping_over_vlan", "expected"),
        ("q_in_q", "802.1q-q-in-q-icmp", "late"),
        ("various_icmp4", "community-id/icmp", "expected"),
    ] {
        let mine: Vec<Json> =
            replay::events(&shared.join(format!("captures/{capture}.pcap")), &factory(), None, usize::MAX)
                .into_iter()
                .map(replay::comparable)
                .collect();
        let theirs = replay::printed(&shared.join(format!("cases/icmp/{case}/{file}.ndjson")));
        println!("=== {case} {} {}", mine.len(), theirs.len());
        for event in mine.iter().filter(|event| !theirs.contains(event)) {
            println!("MINE {event}");
        }
        for event in theirs.iter().filter(|event| !mine.contains(event)) {
            println!("THEIRS {event}");
        }
    }
}
