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
use support::damage::Sender;
use support::lane::Laboratory;
use support::{borrowed, everything, name_of, project, recorded};

#[test]
fn captures_cut_at_every_length() {
    within(Duration::from_secs(300), || {
        let laboratory = Laboratory::new(support::PROTOCOLS);
        for path in recorded() {
            let capture = Capture::read(&path).expect("it is a pcap file");
            for bytes in (0..=128).chain([160, 256, 512, 1024]) {
                let what = format!("{} cut to {bytes} bytes", name_of(&path));
                laboratory.check(&capture.snapped(bytes), &what);
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
                laboratory.check(&capture, &what);
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
            laboratory.check(&capture, &name_of(&path));
            for seed in 0..rounds {
                let mutated = capture.mutated(&mut Rng::with_seed(seed));
                laboratory.check(&mutated, &format!("{} with seed {seed}", name_of(&path)));
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
                laboratory.check(&Capture { link, frames }, &what);
            }
        }
    });
}

/// Segments of one byte with holes between them, as one sends who wants each to cost more than the one before.
#[test]
fn many_early_segments_cost_no_more_each() {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let capture = Capture::read(&project().join("tests/recorded/http/methods.pcap")).expect("it is a pcap file");
    let opened = capture.conversations().swap_remove(0);
    let place = opened.first_from(Sender::LowToHigh).expect("it sends something");
    let place = place.min(opened.first_from(Sender::HighToLow).expect("it answers"));
    for order in [Order::Ascending, Order::Descending, Order::Random] {
        let cost = |count: usize| {
            let early = early_segments(&opened, place, order, count);
            let begun = cpu_time();
            laboratory.check(&early, &format!("{count} early segments, {order:?}"));
            cpu_time() - begun
        };
        let (few, many) = (cost(3_000), cost(24_000));
        println!("{order:?}: 3,000 in {few:?}, 24,000 in {many:?}");
        assert!(many < few * 20, "{order:?}: 3,000 took {few:?}, 24,000 took {many:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Ascending,
    Descending,
    Random,
}

fn early_segments(opened: &Capture, place: usize, order: Order, count: usize) -> Capture {
    let frame = &opened.frames[place];
    let segment = frame.segment().expect("it is TCP");
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    match order {
        Order::Ascending => {}
        Order::Descending => numbers.reverse(),
        Order::Random => Rng::with_seed(7).shuffle(&mut numbers),
    }
    let mut frames = opened.frames[..place].to_vec();
    frames.extend(numbers.into_iter().map(|number| {
        let mut early = frame.part(&segment, 0..1);
        let sequence = segment.sequence.wrapping_add(1_000 + 2 * number);
        early.data[segment.tcp + 4..segment.tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        early
    }));
    Capture { link: opened.link, frames }
}

/// What this thread has used so far; other load on the machine does not count.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
