// SPDX-License-Identifier: Apache-2.0
//! Recorded conversations: cut, mutated, in pieces of every size. `tests/recorded_mysql.rs` holds them against the clients'
//! logs.

use super::*;
use crate::protocols::captured;

/// Conversations of every theme: connection, direction, bytes.
fn recorded(theme: &str) -> Vec<captured::Captured> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/mysql").join(format!("{theme}.pcap"));
    captured::segments(&file, 3306)
}

const THEMES: &[&str] = &["commands", "deprecate-eof", "large", "mariadb-cli", "node-mysql2", "prepared", "statements"];

/// All events of a capture; payloads are fed in pieces of `size` bytes.
fn replay(segments: &[captured::Captured], size: usize) -> Vec<Json> {
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
        for size in if *theme == "large" { vec![1000] } else { vec![1, 2, 7] } {
            assert_eq!(replay(&segments, size), whole, "{theme} in pieces of {size}");
        }
    }
}

#[test]
fn every_prefix_of_a_conversation_is_harmless() {
    for theme in ["commands", "deprecate-eof", "prepared"] {
        let segments = recorded(theme);
        for connection in 0..=segments.iter().map(|segment| segment.connection).max().unwrap() {
            let own: Vec<_> = segments.iter().filter(|segment| segment.connection == connection).collect();
            let total: usize = own.iter().map(|segment| segment.payload.len()).sum();
            let mut events = 0;
            for length in (0..=total).step_by(if total > 4000 { 13 } else { 1 }) {
                let mut bench = bench();
                let mut left = length;
                for segment in &own {
                    let part = &segment.payload[..segment.payload.len().min(left)];
                    left -= part.len();
                    bench.send(segment.direction, part);
                }
                bench.finish();
                assert!(bench.events().len() >= events, "{theme} {length}");
                // A command that is cut off waits for an answer; the longest prefix has no more events than commands.
                events = bench.events().len().saturating_sub(1);
                assert_eq!(bench.parser.deadline_ns(), None);
            }
        }
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x006d_7973_716c);
    let conversations: Vec<_> = ["prepared", "statements", "node-mysql2", "commands"].map(recorded).into();
    for _ in 0..1000 {
        let segments = &conversations[random.usize(..conversations.len())];
        let connection = random.usize(..3).min(segments.last().unwrap().connection);
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
