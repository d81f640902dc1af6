// SPDX-License-Identifier: Apache-2.0
//! Tests of DNS: recorded captures, and messages written by hand.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::{DnsFactory, Options};
use crate::protocols::replay;

fn options() -> Options {
    Options {
        send_request: true,
        send_response: true,
        include_authorities: true,
        include_additionals: true,
        transaction_timeout_ns: 10_000_000_000,
    }
}

fn recorded(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/dns").join(name)
}

fn replayed(theme: &str) -> Vec<Json> {
    replay::events(&recorded(&format!("{theme}.pcap")), &DnsFactory::new(options()), Some(53), usize::MAX)
        .into_iter()
        .map(replay::comparable)
        .collect()
}

#[test]
fn dev() {
    for theme in ["dig", "edns", "ipv6", "rcodes", "tcp", "types", "unanswered"] {
        let mine = replayed(theme);
        let theirs = replay::printed(&recorded(&format!("{theme}.packetbeat.ndjson")));
        println!("=== {theme}: {} {}", mine.len(), theirs.len());
        for event in mine.iter().filter(|event| !theirs.contains(event)) {
            println!("MINE {event}");
        }
        for event in theirs.iter().filter(|event| !mine.contains(event)) {
            println!("THEIRS {event}");
        }
    }
}
#[test]
fn dev_conformance() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    for (case, capture, send, auth, add) in [
        ("a", "dns_google_com", false, false, false),
        ("a_not_found", "dns_not_found", false, false, false),
        ("additionals_all", "dns_additional", true, true, true),
        ("include_additionals", "dns_additional", false, false, true),
        ("include_authorities", "dns_not_found", false, true, false),
        ("ns", "dns_ns", false, false, false),
        ("ns_send", "dns_ns", true, false, false),
        ("tcp_axfr", "dns_tcp_axfr", true, false, false),
        ("txt", "dns_txt", false, false, false),
        ("txt_send", "dns_txt", true, false, false),
    ] {
        let options = Options {
            send_request: send,
            send_response: send,
            include_authorities: auth,
            include_additionals: add,
            transaction_timeout_ns: 10_000_000_000,
        };
        let mine: Vec<Json> = replay::events(
            &shared.join(format!("captures/{capture}.pcap")),
            &DnsFactory::new(options),
            Some(53),
            usize::MAX,
        )
        .into_iter()
        .map(replay::comparable)
        .collect();
        let theirs = replay::printed(&shared.join(format!("cases/dns/{case}/expected.ndjson")));
        println!("=== {case} {}", mine == theirs);
        if mine != theirs {
            println!("{mine:?}\n{theirs:?}");
        }
    }
}
