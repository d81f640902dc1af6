// SPDX-License-Identifier: Apache-2.0
//! What must not change the transactions of a capture: other cuts, orders and repetitions of TCP segments, other addresses,
//! IPv6 instead of IPv4, tags around the packets.
//!
//! Each seed that fails is named and gives the same frames again. `WIREBEAT_TEST_ALL=1` tries more seeds.

mod support;

use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde_json::Value as Json;
use support::capture::Capture;
use support::events::{Flows, difference, normalised, rewrite};
use support::lane::Laboratory;
use support::tunnels::tunnel;
use support::{borrowed, everything, name_of, recorded};
use wirebeat::pipeline::counters::Counters;

/// What a change of the packets changes in events rightly.
const ASIDE: &[&str] = &["event.duration", "network.community_id"];

#[test]
fn segments_cut_anew() {
    tcp_captures(|capture, random| capture.resegmented(random), |counters| counters.stream.copied_bytes);
}

#[test]
fn segments_in_another_order() {
    tcp_captures(|capture, random| capture.reordered(random, 8), |counters| counters.stream.early_segments);
}

#[test]
fn answers_before_what_they_answer() {
    // Forged segments, of which others' captures are full, acknowledge what they like.
    change_captures(
        recorded().into_iter(),
        |capture, random| capture.crossed(random),
        |counters| counters.stream.early_segments,
    );
}

#[test]
fn segments_that_come_twice() {
    tcp_captures(|capture, random| capture.duplicated(random), |counters| counters.stream.repeated_bytes);
}

#[test]
fn segments_cut_reordered_and_repeated() {
    tcp_captures(
        |capture, random| capture.resegmented(random).reordered(random, 8).duplicated(random),
        |counters| counters.stream.early_segments.min(counters.stream.repeated_bytes),
    );
}

#[test]
fn other_addresses() {
    let laboratory = laboratory();
    for path in recorded() {
        let capture = Capture::read(&path).expect("it is a pcap file");
        // Loopback, multicast and link-local addresses mean something and stay.
        let other = capture.readdressed(|address| match address.len() {
            4 if (1..224).contains(&address[0]) && address[0] != 127 => address[1] ^= 0x10,
            16 if address[0] != 0xff && address[0] != 0xfe => address[5] ^= 0x5d,
            _ => {}
        });
        same(&laboratory, &path, &capture, &other, "other addresses");
    }
}

#[test]
fn ipv6_instead_of_ipv4() {
    let laboratory = laboratory();
    let mut moved = 0;
    for path in recorded() {
        let capture = Capture::read(&path).expect("it is a pcap file");
        let Some(other) = capture.as_ipv6() else { continue };
        moved += 1;
        same(&laboratory, &path, &capture, &other, "IPv6");
    }
    assert!(moved >= 15, "only {moved} captures could be moved to IPv6");
}

#[test]
fn tags_around_the_packets() {
    let laboratory = laboratory();
    let vlan = [[0x81, 0, 0x20, 100]];
    let stacked = [[0x88, 0xa8, 0, 7], [0x81, 0, 0, 100]];
    for path in recorded() {
        let capture = Capture::read(&path).expect("it is a pcap file");
        same(&laboratory, &path, &capture, &capture.tagged(&vlan), "VLAN");
        same(&laboratory, &path, &capture, &capture.tagged(&stacked), "QinQ");
    }
}

#[test]
fn vxlan_around_the_packets() {
    let laboratory = laboratory();
    let mut wrapped = 0;
    for path in recorded() {
        let capture = Capture::read(&path).expect("it is a pcap file");
        if !capture.is_ethernet() {
            continue;
        }
        wrapped += 1;
        let tunnelled = tunnel("vxlan").around(&capture, 7);
        same(&laboratory, &path, &capture, &tunnelled, "VXLAN");
        let tags = [[0x81, 0, 0x20, 100]];
        same(&laboratory, &path, &capture, &tunnelled.tagged(&tags), "VXLAN in a VLAN");
        same(&laboratory, &path, &capture, &tunnel("vxlan").around(&capture.tagged(&tags), 7), "a VLAN in VXLAN");
    }
    assert!(wrapped >= 15, "only {wrapped} captures could be wrapped");
}

fn laboratory() -> Laboratory {
    Laboratory::new(support::PROTOCOLS)
}

/// Every capture in which TCP carries something, changed with several seeds. `sign` counts what the change gives the streams to
/// do, which must be more than the capture itself does.
fn tcp_captures(change: impl Fn(&Capture, &mut Rng) -> Capture, sign: impl Fn(&Counters) -> u64) {
    change_captures(recorded().into_iter().chain(borrowed()), change, sign);
}

fn change_captures(
    captures: impl Iterator<Item = PathBuf>,
    change: impl Fn(&Capture, &mut Rng) -> Capture,
    sign: impl Fn(&Counters) -> u64,
) {
    let laboratory = laboratory();
    let seeds = if everything() { 200 } else { 5 };
    let mut failures = Vec::new();
    let (mut transactions, mut before, mut after) = (0, 0, 0);
    for path in captures {
        let Some(capture) = Capture::read(&path) else { continue };
        if !capture.is_ethernet() || !capture.frames.iter().any(|frame| frame.segment().is_some()) {
            continue;
        }
        let expected = laboratory.analyse(&capture);
        expected.assert_sound(&name_of(&path));
        if expected.counters.stream.gaps > 0 {
            // A hole that nothing fills is told when its time is over; what was published by then depends on what else came.
            continue;
        }
        before += sign(&expected.counters);
        let expected = normalised(&expected.events, Flows::LeftOut, ASIDE);
        transactions += expected.len();
        for seed in 0..seeds {
            let changed = change(&capture, &mut Rng::with_seed(seed));
            let what = format!("{} with seed {seed}", name_of(&path));
            let found = laboratory.analyse(&changed);
            found.assert_sound(&what);
            after += if seed == 0 { sign(&found.counters) } else { 0 };
            if let Some(difference) = difference(&expected, &normalised(&found.events, Flows::LeftOut, ASIDE)) {
                failures.push(format!("{what}: {difference}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(transactions > 500, "only {transactions} transactions were compared");
    assert!(after > before, "the change shows nowhere: {before} before, {after} after");
}

/// Compares the events of a capture with those of a changed one, in which the addresses are turned back first.
fn same(laboratory: &Laboratory, path: &Path, capture: &Capture, changed: &Capture, what: &str) {
    let what = format!("{} with {what}", name_of(path));
    let renamed = capture.renamed(changed);
    let back = |text: &mut String| {
        for (new, old) in renamed.iter().filter(|(new, old)| new != old) {
            if text.contains(new.as_str()) {
                *text = text.replace(&format!("[{new}]"), old).replace(new.as_str(), old);
            }
        }
    };
    let mut expected = laboratory.analyse(capture);
    let mut found = laboratory.analyse(changed);
    found.assert_sound(&what);
    found.events.iter_mut().for_each(|event| rewrite(event, &back));
    expected.events.iter_mut().chain(&mut found.events).for_each(unite_related);
    let aside = [ASIDE, &["network.type", "network.vlan", "network.direction", "tunnel"]].concat();
    let expected = normalised(&expected.events, Flows::LeftOut, &aside);
    let found = normalised(&found.events, Flows::LeftOut, &aside);
    assert!(!expected.is_empty(), "{what}: a capture without transactions shows nothing");
    if let Some(difference) = difference(&expected, &found) {
        panic!("{what}: {difference}");
    }
}

/// `related.ip` is a set, into which answers may bring the addresses of the ends.
fn unite_related(event: &mut Json) {
    if let Some(addresses) = event.pointer_mut("/related/ip").and_then(Json::as_array_mut) {
        addresses.sort_by_key(Json::to_string);
        addresses.dedup();
    }
}
