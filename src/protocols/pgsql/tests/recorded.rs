// SPDX-License-Identifier: Apache-2.0
//! Recorded conversations: cut, mutated, in pieces of every size. `tests/recorded_pgsql.rs` holds them against the clients'
//! logs.

use super::*;
use crate::protocols::captured::{self, Captured};

const THEMES: &[&str] = &["copy", "errors", "extended", "node-pg", "psql", "session", "simple"];

fn recorded(theme: &str) -> Vec<Captured> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/pgsql").join(format!("{theme}.pcap"));
    captured::segments(&file, 5432)
}

/// All events of a capture; payloads are fed in pieces of `size` bytes.
fn replay(segments: &[Captured], size: usize) -> Vec<Json> {
    let mut benches: Vec<Bench> = Vec::new();
    for segment in segments {
        while benches.len() <= segment.connection {
            benches.push(bench());
        }
        let bench = &mut benches[segment.connection];
        for part in segment.payload.chunks(size) {
            bench.now_ns = segment.time_ns - 1_000_000;
            bench.send(segment.direction, part);
        }
        if segment.fin() {
            bench.fin(segment.direction);
        }
        if segment.reset() {
            bench.reset(segment.direction);
        }
    }
    benches.iter_mut().for_each(Bench::finish);
    benches.iter().flat_map(|bench| bench.events().iter().cloned()).collect()
}

#[test]
fn segmentation_changes_nothing() {
    for theme in THEMES {
        let segments = recorded(theme);
        let whole = replay(&segments, usize::MAX);
        assert!(!whole.is_empty());
        for size in [1, 2, 7] {
            assert_eq!(replay(&segments, size), whole, "{theme} in pieces of {size}");
        }
    }
}

#[test]
fn every_prefix_of_a_conversation_is_harmless() {
    for theme in ["errors", "psql", "session", "extended"] {
        let segments = recorded(theme);
        for connection in 0..=segments.iter().map(|segment| segment.connection).max().unwrap() {
            let own: Vec<_> = segments.iter().filter(|segment| segment.connection == connection).collect();
            let total: usize = own.iter().map(|segment| segment.payload.len()).sum();
            let mut events = 0;
            for length in (0..=total).step_by(if total > 8000 { 37 } else { 3 }) {
                let mut bench = bench();
                let mut left = length;
                for segment in &own {
                    let part = &segment.payload[..segment.payload.len().min(left)];
                    left -= part.len();
                    bench.send(segment.direction, part);
                }
                bench.finish();
                assert!(bench.events().len() >= events, "{theme} {length}");
                // A request that is cut off waits for an answer, and a pipeline for several.
                events = bench.events().len().saturating_sub(10);
                assert_eq!(bench.parser.deadline_ns(), None);
            }
        }
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x70_6773_716c);
    let conversations: Vec<_> = THEMES.iter().map(|theme| recorded(theme)).collect();
    for _ in 0..1000 {
        let segments = &conversations[random.usize(..conversations.len())];
        let connection = random.usize(..6).min(segments.last().unwrap().connection);
        let mut bench = bench();
        for segment in segments.iter().filter(|segment| segment.connection == connection).take(60) {
            let mut payload = segment.payload.clone();
            if !payload.is_empty() && random.u8(..8) == 0 {
                let at = random.usize(..payload.len());
                match random.u8(..4) {
                    0 => payload[at] = random.u8(..),
                    1 => payload.truncate(at),
                    2 => payload.insert(at, random.u8(..)),
                    _ => bench.lose(segment.direction, 1 + random.u32(..2000)),
                }
            }
            bench.send(segment.direction, &payload);
            if random.u8(..100) == 0 {
                bench.fin(segment.direction);
            }
        }
        bench.wait(20_000_000_000);
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn a_lost_segment_leaves_the_others_right() {
    // Each segment of a conversation in turn is lost: what is published as OK without a note is what it was before.
    for theme in ["simple", "extended", "node-pg"] {
        let segments = recorded(theme);
        let whole = replay(&segments, usize::MAX);
        let known = |event: &Json| {
            whole.iter().any(|other| {
                ["query", "response", "status", "pgsql", "method"].iter().all(|key| event[*key] == other[*key])
            })
        };
        let lossless = segments.iter().filter(|segment| !segment.payload.is_empty()).count();
        for lost in 0..lossless {
            let mut benches: Vec<Bench> = Vec::new();
            let mut number = 0;
            for segment in &segments {
                while benches.len() <= segment.connection {
                    benches.push(bench());
                }
                let bench = &mut benches[segment.connection];
                if segment.payload.is_empty() {
                    continue;
                }
                if number == lost {
                    bench.lose(segment.direction, segment.payload.len() as u32);
                } else {
                    bench.send(segment.direction, &segment.payload);
                }
                number += 1;
            }
            benches.iter_mut().for_each(Bench::finish);
            let events = benches.iter().flat_map(|bench| bench.events());
            for event in events.filter(|event| event["status"] == "OK" && event.get("error").is_none()) {
                assert!(known(event), "{theme}, segment {lost}: {event:#}");
            }
        }
    }
}
