// SPDX-License-Identifier: Apache-2.0
//! The events of a capture do not depend on how it is read nor on the number of workers. One process a run: EAL starts once.
//!
//! A part of the captures by default, all of them, and those of others, with `WIREBEAT_TEST_ALL=1`.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use support::capture::{Capture, Unit};
use support::events::{Flows, difference, normalised};
use support::program::{Outcome, Program};
use support::{borrowed, everything, name_of, project, recorded};

/// Captures that stand for the others: what is special in them comes in no other.
const CHOSEN: &[&str] = &[
    "dns/dig.pcap",
    "dns/ipv6.pcap",
    "dns/unanswered.pcap",
    "express/users.pcap",
    "express/users-impaired.pcap",
    "http/connections.pcap",
    "http/bodies.pcap",
    "icmp/echo.pcap",
    "icmp/echo-v6.pcap",
    "icmp/errors.pcap",
    "mysql/statements.pcap",
];

/// Two processes at once would only make each other slow.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn files_with_any_number_of_workers() {
    let _alone = ALONE.lock();
    let mut compared = 0;
    for path in captures() {
        let expected = file(&path, 1);
        // A file that is refused, as broken ones are, is refused by all.
        for workers in [2, 4] {
            let found = file(&path, workers);
            let what = format!("{} with {workers} workers", name_of(&path));
            assert_eq!(found.code, expected.code, "{what}: {}", found.stderr);
            if expected.code == Some(0) {
                found.assert_good(&what);
                same(&expected, &found, &what);
                compared += 1;
            }
        }
    }
    assert!(compared > 0, "nothing was compared");
}

#[test]
fn replay_through_a_ring_port() {
    let _alone = ALONE.lock();
    for path in captures() {
        let Some(capture) = Capture::read(&path) else { continue };
        if capture.frames.is_empty() || !is_replayable(&capture) {
            continue;
        }
        let expected = file(&path, 1);
        let what = format!("{} replayed to 2 workers", name_of(&path));
        let interface = format!("packetbeat.interfaces: {{type: replay, file: {path:?}}}\n");
        let found = dpdk(&interface, 2, "");
        found.assert_good(&what);
        same(&expected, &found, &what);
    }
}

#[test]
fn ethernet_through_the_pcap_driver() {
    let _alone = ALONE.lock();
    for path in captures() {
        let Some(capture) = Capture::read(&path) else { continue };
        // The driver wants a name without commas, and buffers that a frame fits into.
        if !capture.is_ethernet()
            || capture.frames.is_empty()
            || !capture.frames.iter().all(support::capture::Frame::is_whole)
        {
            continue;
        }
        let expected = file(&path, 1);
        let interface = format!("packetbeat.interfaces: {{device: \"net_pcap0,rx_pcap={}\"}}\n", path.display());
        let lcores = "wirebeat.dpdk.eal_arguments: [\"--lcores\", \"0@0,1@0,2@1\"]\n";
        for (workers, arguments) in [(1, ""), (2, ""), (2, lcores)] {
            if !everything() && workers == 1 && name_of(&path).contains('2') {
                continue;
            }
            let what = format!("{} through net_pcap to {workers} workers {arguments}", name_of(&path));
            let found = dpdk(&interface, workers, arguments);
            found.assert_good(&what);
            same(&expected, &found, &what);
        }
    }
}

#[test]
fn two_workers_share_mixed_traffic() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("mixed.pcap");
    let mut mixed = Capture { link: support::capture::ETHERNET, frames: Vec::new() };
    let mut packets = 0;
    let captures = recorded();
    // Every capture as if of several pairs of hosts, so that no connection is a large part of the whole.
    for (number, recorded) in (0..8).flat_map(|_| &captures).enumerate() {
        let capture = Capture::read(recorded).expect("it is a pcap file");
        packets += capture.frames.len() as u64;
        let moved = capture.readdressed(|address| {
            let last = address.len() - 2;
            address[last] ^= number as u8;
        });
        mixed = if mixed.frames.is_empty() { moved } else { mixed.merged(&moved) };
    }
    mixed.write(&path, Unit::Nanoseconds);
    let interface = format!("packetbeat.interfaces: {{type: replay, file: {path:?}}}\n");
    let expected = file(&path, 1);
    for (what, outcome) in [("from a file", file(&path, 2)), ("replayed", dpdk(&interface, 2, ""))] {
        outcome.assert_good(what);
        same(&expected, &outcome, what);
        let analysed = outcome.analysed_by_workers();
        assert_eq!(analysed.len(), 2, "{what}");
        let sum: u64 = analysed.iter().sum();
        assert!(sum > packets * 9 / 10, "{what}: {analysed:?} of {packets} packets");
        for of_worker in &analysed {
            assert!(of_worker * 10 >= sum * 3, "{what}: one worker does most of the work: {analysed:?}");
        }
    }
}

fn captures() -> Vec<PathBuf> {
    if everything() {
        let empty: &[u8] = &[];
        let readable = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes != empty);
        return recorded().into_iter().chain(borrowed()).filter(readable).collect();
    }
    CHOSEN.iter().map(|name| project().join("tests/recorded").join(name)).collect()
}

/// Frames that a NIC could have received.
fn is_replayable(capture: &Capture) -> bool {
    [1, 113, 276, 0, 101].contains(&capture.link)
}

fn file(path: &Path, workers: u16) -> Outcome {
    let configuration = format!("{}wirebeat.workers: {workers}\n", support::PROTOCOLS);
    Program::new(&configuration).arguments(&["-e", "-t", "-I"]).argument(path).run_into_file()
}

fn dpdk(interface: &str, workers: u16, more: &str) -> Outcome {
    let configuration = format!("{}wirebeat.workers: {workers}\n{interface}{more}", support::PROTOCOLS);
    Program::new(&configuration).arguments(&["-e", "-t"]).run_into_file()
}

fn same(expected: &Outcome, found: &Outcome, what: &str) {
    let [expected, found] = [expected, found].map(|outcome| normalised(&outcome.events, Flows::Kept, &[]));
    if let Some(difference) = difference(&expected, &found) {
        panic!("{what}: {difference}");
    }
}
