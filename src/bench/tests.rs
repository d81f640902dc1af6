// SPDX-License-Identifier: Apache-2.0
//! Tests of traffic, scenarios and the page.

use std::collections::HashSet;
use std::path::Path;

use super::latency::Histogram;
use super::replay::Replay;
use super::scenario::{FrameSizes, Order, ReplayPlan, Scenario, Segments, SyntheticPlan};
use super::source::Traffic;
use super::synthetic::Synthetic;
use crate::flow::FlowKey;
use crate::wire::{self, Decoded, Transport};

fn plan() -> SyntheticPlan {
    SyntheticPlan {
        frames: FrameSizes::Fixed(60),
        flows: 1000,
        new_flows_per_second: 0,
        packets_per_second: 1_000_000,
        tcp_percent: 60,
        udp_percent: 30,
        segments: Segments::Data,
        port: None,
    }
}

/// Flow keys of so many packets, and the last packet's time after the first's.
fn keys(traffic: &mut dyn Traffic, packets: usize) -> (HashSet<String>, [usize; 3], i64) {
    let (mut keys, mut kinds, mut times) = (HashSet::new(), [0; 3], Vec::new());
    let mut left = packets;
    while left > 0 {
        let count = traffic.prepare(left.min(32));
        for place in 0..count {
            let frame = traffic.frame(place);
            let mut decoded = Decoded::new();
            wire::decode_into(frame.link, frame.data, frame.wire_length, &mut decoded).expect("a good frame");
            kinds[match decoded.transport {
                Transport::Tcp(_) => 0,
                Transport::Udp { .. } => 1,
                _ => 2,
            }] += 1;
            keys.insert(format!("{:?}", FlowKey::of(&decoded).expect("it has addresses").0));
            times.push(frame.time_ns);
        }
        left -= count;
    }
    (keys, kinds, times[times.len() - 1] - times[0])
}

#[test]
fn as_many_flows_as_were_asked_for() {
    for flows in [1, 7, 1000, 4096] {
        let mut traffic = Synthetic::new(&SyntheticPlan { flows, ..plan() }, 0).expect("a good plan");
        let (found, _, time_ns) = keys(&mut traffic, 10_000);
        assert_eq!(found.len() as u64, flows);
        assert_eq!(traffic.flows(), flows);
        assert!((9_990_000..10_000_000).contains(&time_ns), "10,000 packets at a million a second: {time_ns}");
    }
}

#[test]
fn new_flows_come_at_their_rate_and_none_twice() {
    for (rate, within) in [(1_000, 80..130), (100_000, 9_000..11_000), (1_000_000, 99_000..100_001)] {
        let plan = SyntheticPlan { new_flows_per_second: rate, ..plan() };
        let mut traffic = Synthetic::new(&plan, 0).expect("a good plan");
        let (found, ..) = keys(&mut traffic, 100_000);
        assert_eq!(traffic.flows(), found.len() as u64, "{rate}");
        let new = found.len() as i32 - 1000;
        assert!(within.contains(&new) || within.contains(&(new + 1000)), "{rate}: {new}");
    }
    let plan = SyntheticPlan { new_flows_per_second: 2_000_000, ..plan() };
    assert!(Synthetic::new(&plan, 0).err().is_some_and(|sentence| sentence.contains("each new flow needs one")));
}

#[test]
fn shares_and_sizes_are_as_asked() {
    let mut traffic = Synthetic::new(&plan(), 0).expect("a good plan");
    let (_, kinds, _) = keys(&mut traffic, 10_000);
    assert_eq!(kinds, [6_000, 3_000, 1_000]);
    let mut traffic = Synthetic::new(&SyntheticPlan { frames: FrameSizes::Imix, ..plan() }, 0).expect("a good plan");
    let mut bytes = 0;
    for _ in 0..12 {
        traffic.prepare(1);
        bytes += traffic.frame(0).data.len();
    }
    assert_eq!(bytes, 7 * 60 + 4 * 590 + 1514);
}

fn replay(lost: f64, reordered: f64) -> Replay {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/http/connections.pcap");
    let plan = ReplayPlan { captures: vec![capture], order: Order::Successive, lost, reordered };
    Replay::load(&plan, 0, 1).expect("a good capture")
}

#[test]
fn every_pass_has_the_same_number_of_other_flows() {
    let mut traffic = replay(0.0, 0.0);
    let mut passes: Vec<HashSet<String>> = Vec::new();
    for pass in 0..3 {
        let mut found = HashSet::new();
        while traffic.passes() != Some(pass + 1) {
            found.extend(keys(&mut traffic, 1).0);
        }
        passes.push(found);
    }
    assert!(passes[0].len() > 3);
    assert!(passes.iter().all(|pass| pass.len() == passes[0].len()));
    assert!(passes[0].is_disjoint(&passes[1]) && passes[1].is_disjoint(&passes[2]));
}

#[test]
fn frames_are_lost_and_late_as_asked() {
    let count = |mut traffic: Replay| {
        let mut frames = Vec::new();
        while traffic.passes() != Some(1) {
            traffic.prepare(1);
            frames.push(traffic.frame(0).data.to_vec());
        }
        frames
    };
    let whole = count(replay(0.0, 0.0));
    let holed = count(replay(0.1, 0.0));
    assert!((0.85..0.95).contains(&(holed.len() as f64 / whole.len() as f64)), "{} of {}", holed.len(), whole.len());
    let late = count(replay(0.0, 0.05));
    assert_eq!(late.len(), whole.len());
    assert_ne!(late, whole);
    let sorted = |mut frames: Vec<Vec<u8>>| {
        frames.sort();
        frames
    };
    assert_eq!(sorted(late), sorted(whole));
}

#[test]
fn quantiles_are_known_to_three_percent() {
    let mut histogram = Histogram::default();
    (1..=1_000_000).for_each(|value| histogram.add(value));
    for (share, exact) in [(0.5, 500_000.0), (0.99, 990_000.0), (0.999, 999_000.0)] {
        let found = histogram.quantile_ns(share) as f64;
        assert!((exact..exact * 1.04).contains(&found), "{share}: {found}");
    }
    assert_eq!((histogram.count(), histogram.maximum_ns()), (1_000_000, 1_000_000));
    histogram.add(u64::MAX);
    assert_eq!(histogram.quantile_ns(1.0), u64::MAX);
}

#[test]
fn every_scenario_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/scenarios");
    let mut read = 0;
    for entry in folder.read_dir().expect("the project's scenarios") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            let scenario = Scenario::read(&path.join("scenario.yml")).unwrap_or_else(|sentence| panic!("{sentence}"));
            assert!(!scenario.description.is_empty(), "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 20, "{read} scenarios");
}
