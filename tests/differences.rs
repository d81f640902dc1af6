// SPDX-License-Identifier: Apache-2.0
//! `tests/conformance/differences.json`, the list of what the comparison with Packetbeat's recorded answers lets pass: every
//! entry says why, is as narrow as its form allows, names a test that shows it and its row in `docs/differences.md`. The tests of
//! differences of flows are here, as flows have no log of a client. `tests/conformance/strict` holds the entries to all they say.

mod support;

use std::collections::BTreeSet;

use serde_json::Value as Json;
use support::capture::{Capture, SYN};
use support::lane::Laboratory;
use support::project;

#[test]
fn every_entry_names_its_reason_its_test_and_its_row() {
    let rows = rows();
    for entry in entries() {
        let field = |name: &str| {
            let text = entry[name].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "without {name}: {entry}");
            text
        };
        assert!(field("reason").ends_with('.') && !field("reason").starts_with("As above"), "{entry}");
        assert!(rows.contains(field("row")), "no such row in docs/differences.md: {entry}");
        let (file, name) = field("test").split_once("::").unwrap_or_else(|| panic!("FILE::TEST: {entry}"));
        let text = std::fs::read_to_string(project().join(file)).unwrap_or_else(|error| panic!("{error}: {entry}"));
        assert!(text.contains(&format!("#[test]\nfn {name}() {{")), "no such test: {entry}");
    }
}

#[test]
fn every_entry_is_narrow() {
    let forms = ["match", "expected", "actual", "swapped", "sum", "less", "unsigned", "permuted"];
    let common = ["case", "reason", "test", "row"];
    for entry in entries() {
        let names: Vec<&str> = entry.as_object().expect("an object").keys().map(String::as_str).collect();
        let of_type = entry["match"]["type"].as_str().unwrap_or_else(|| panic!("for events of any type: {entry}"));
        if let Some(path) = entry["path"].as_str() {
            assert!(!path.contains(['*', '?', '[']), "a pattern of paths: {entry}");
            let own = path.starts_with(&format!("{of_type}."));
            assert!(own || entry["case"] != ".", "a common field in any case: {entry}");
            let unknown = names.iter().find(|name| **name != "path" && !common.contains(name) && !forms.contains(name));
            assert_eq!(unknown, None, "{entry}");
        } else {
            assert!(["extra", "missing"].contains(&entry["event"].as_str().unwrap_or_default()), "{entry}");
            assert!(entry["match"].as_object().is_some_and(|fields| fields.len() > 1), "all of a type: {entry}");
            let unknown = names.iter().find(|name| !["event", "match"].contains(name) && !common.contains(name));
            assert_eq!(unknown, None, "{entry}");
        }
    }
}

/// Cut to 96 bytes nearly every segment is followed by a gap. The number of connections is that of the SYNs of clients.
#[test]
fn a_connection_with_gaps_is_one_flow() {
    let capture =
        Capture::read(&project().join("tests/recorded/http/methods.pcap")).expect("it is a pcap file").snapped(96);
    let segments = || capture.frames.iter().filter_map(|frame| Some((frame, frame.segment()?)));
    let opened = |flags: u8| flags & SYN != 0 && flags & ACK == 0;
    let connections: BTreeSet<_> =
        segments().filter(|(_, tcp)| opened(tcp.flags)).map(|(frame, _)| frame.ends().ports()).collect();
    let analysis = Laboratory::new(support::PROTOCOLS).analyse(&capture);
    assert!(analysis.counters.stream.gaps > 0, "{:?}", analysis.counters.stream);
    let flows: Vec<&Json> = last_of_flows(&analysis.events);
    assert_eq!(flows.len(), connections.len());
    let packets: u64 = flows.iter().filter_map(|flow| flow["network"]["packets"].as_u64()).sum();
    assert_eq!(packets, segments().count() as u64);
}

/// The same packets twice, with a pause between them that is longer than the time-out of flows, or shorter.
#[test]
fn a_flow_ends_by_the_time_of_its_packets() {
    let capture = Capture::read(&project().join("tests/recorded/dns/edns.pcap")).expect("it is a pcap file");
    let once = capture.conversations().swap_remove(0);
    let lasts_ns = once.frames[once.frames.len() - 1].time_ns - once.frames[0].time_ns;
    for (pause_ns, expected) in [(29_000_000_000, vec![2]), (31_000_000_000, vec![1, 1])] {
        let mut twice = once.clone();
        twice.frames.extend(once.frames.iter().cloned().map(|mut frame| {
            frame.time_ns += lasts_ns + pause_ns;
            frame
        }));
        let analysis = Laboratory::new(support::PROTOCOLS).analyse(&twice);
        let packets =
            last_of_flows(&analysis.events).iter().map(|flow| flow["network"]["packets"].as_u64()).collect::<Vec<_>>();
        let expected: Vec<_> = expected.iter().map(|times| Some(times * once.frames.len() as u64)).collect();
        assert_eq!(packets, expected, "a pause of {pause_ns} ns");
    }
}

const ACK: u8 = 16;

fn last_of_flows(events: &[Json]) -> Vec<&Json> {
    events.iter().filter(|event| event["type"] == "flow" && event["flow"]["final"] == true).collect()
}

fn entries() -> Vec<Json> {
    let text = std::fs::read_to_string(project().join("tests/conformance/differences.json")).expect("it can be read");
    serde_json::from_str(&text).expect("a list")
}

/// `section: first cell` of every row.
fn rows() -> BTreeSet<String> {
    let text = std::fs::read_to_string(project().join("docs/differences.md")).expect("it can be read");
    let mut section = "";
    let mut rows = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            section = name;
        } else if let Some((cell, _)) = line.strip_prefix("| ").and_then(|line| line.split_once(" | ")) {
            rows.insert(format!("{section}: {cell}"));
        }
    }
    rows
}
