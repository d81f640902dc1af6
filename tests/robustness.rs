// SPDX-License-Identifier: Apache-2.0
//! Broken packets through the whole pipeline: cut at every length, others' captures mutated, random bytes. Nothing panics,
//! everything ends, the balances hold, and flows, parsers and held segments are gone at the end. What is done to the captures
//! of each protocol is in `bad_traffic.rs`.
//!
//! `WIREBEAT_TEST_ALL=1` does more of each.

mod support;

use std::sync::mpsc;
use std::time::Duration;

use fastrand::Rng;
use support::capture::{Capture, ETHERNET, Frame};
use support::lane::Laboratory;
use support::{borrowed, everything, name_of, recorded};

#[test]
fn captures_cut_at_every_length() {
    within(Duration::from_secs(300), || {
        let laboratory = Laboratory::new(support::PROTOCOLS);
        for path in recorded() {
            let capture = Capture::read(&path).expect("it is a pcap file");
            for bytes in (0..=128).chain([160, 256, 512, 1024]) {
                let what = format!("{} cut to {bytes} bytes", name_of(&path));
                laboratory.analyse(&capture.snapped(bytes)).assert_sound(&what);
            }
        }
    });
}

#[test]
fn captures_that_end_at_every_frame() {
    within(Duration::from_secs(300), || {
        let laboratory = Laboratory::new(support::PROTOCOLS);
        for path in recorded() {
            let mut capture = Capture::read(&path).expect("it is a pcap file");
            let step = if everything() { 1 } else { capture.frames.len() / 20 + 1 };
            while !capture.frames.is_empty() {
                capture.frames.truncate(capture.frames.len().saturating_sub(step));
                let what = format!("{} after {} frames", name_of(&path), capture.frames.len());
                laboratory.analyse(&capture).assert_sound(&what);
            }
        }
    });
}

#[test]
fn captures_of_others_mutated() {
    let rounds = if everything() { 500 } else { 4 };
    within(Duration::from_secs(if everything() { 3_600 } else { 300 }), move || {
        let laboratory = Laboratory::new(support::PROTOCOLS);
        for path in borrowed() {
            // Files of other formats and link types are for the tests of the reader.
            let Some(capture) = Capture::read(&path).filter(Laboratory::knows) else { continue };
            laboratory.analyse(&capture).assert_sound(&name_of(&path));
            for seed in 0..rounds {
                let mutated = capture.mutated(&mut Rng::with_seed(seed));
                laboratory.analyse(&mutated).assert_sound(&format!("{} with seed {seed}", name_of(&path)));
            }
        }
    });
}

#[test]
fn random_frames() {
    let rounds = if everything() { 20_000 } else { 500 };
    within(Duration::from_secs(300), move || {
        let laboratory = Laboratory::new(support::PROTOCOLS);
        for link in [ETHERNET, 0, 101, 113, 276] {
            for seed in 0..rounds {
                let mut random = Rng::with_seed(seed);
                let frames = (0..64).map(|number| random_frame(&mut random, number)).collect();
                let what = format!("random frames of link type {link}, seed {seed}");
                laboratory.analyse(&Capture { link, frames }).assert_sound(&what);
            }
        }
    });
}

/// A frame whose beginning often looks like something.
fn random_frame(random: &mut Rng, number: i64) -> Frame {
    let heads: [&[u8]; 6] = [
        &[],
        &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0],
        &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0],
        &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 1, 8, 0, 0x46, 0],
        &[0x45, 0],
        &[2, 0, 0, 0, 0x60, 0],
    ];
    let mut data = heads[random.usize(..heads.len())].to_vec();
    let length = random.usize(..200);
    data.extend((0..length).map(|_| random.u8(..)));
    let wire_length = data.len() as u32 + if random.bool() { 0 } else { random.u32(..3_000) };
    Frame { time_ns: 1_700_000_000_000_000_000 + number * 1_000_000, data, wire_length }
}

/// Runs a test that must not take longer.
fn within(limit: Duration, test: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        // Nobody waits any more when the limit is over.
        let _ = done.send(());
    });
    match wait.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it did not end in {limit:?}"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
