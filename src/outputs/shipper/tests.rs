// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeSet;

use super::*;
use crate::outputs::bench::{bodies, chunk_of, numbered};

const SECOND: i64 = 1_000_000_000;

/// Does everything a bad peer can do, at random: takes parts, settles in pieces and out of order, refuses, gives up.
struct Faulty {
    random: fastrand::Rng,
    held: Vec<Slice>,
    room: usize,
    stored: Vec<String>,
    given_up: Vec<String>,
    attempts: HashMap<String, u32>,
    flushed: bool,
    healthy: bool,
}

impl Faulty {
    fn new(seed: u64) -> Box<Faulty> {
        Box::new(Faulty {
            random: fastrand::Rng::with_seed(seed),
            held: Vec::new(),
            room: 40,
            stored: Vec::new(),
            given_up: Vec::new(),
            attempts: HashMap::new(),
            flushed: false,
            healthy: false,
        })
    }
}

impl Sink for Faulty {
    fn offer(&mut self, mut slice: Slice) -> Option<Slice> {
        let free = self.room - self.in_flight();
        let taken = slice.split_first(self.random.usize(0..=free));
        for body in bodies(&taken) {
            *self.attempts.entry(body).or_default() += 1;
        }
        if !taken.is_empty() {
            self.held.push(taken);
        }
        Some(slice)
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        self.random.shuffle(&mut self.held);
        let mut kept = Vec::new();
        while let Some(mut slice) = self.held.pop() {
            let part = slice.split_first(self.random.usize(0..=slice.len()));
            if !slice.is_empty() {
                kept.push(slice);
            }
            if part.is_empty() {
                continue;
            }
            match self.random.u8(0..10) {
                0..5 if !self.healthy => settle(part, Verdict::Retry("busy")),
                5 if !self.healthy => {
                    self.given_up.extend(bodies(&part));
                    settle(part, Verdict::Dropped("mapping"));
                }
                _ => {
                    self.stored.extend(bodies(&part));
                    settle(part, Verdict::Acknowledged);
                }
            }
        }
        self.held = kept;
    }

    fn flush(&mut self) {
        self.flushed = true;
    }

    fn in_flight(&self) -> usize {
        self.held.iter().map(Slice::len).sum()
    }
}

fn assert_balanced(shipper: &Shipper<Faulty>) {
    let counters = shipper.counters();
    assert_eq!(counters.received, counters.acknowledged + counters.dropped_total() + counters.queued);
    assert_eq!(counters.in_flight, shipper.sink().in_flight() as u64);
    assert_eq!(counters.acknowledged, shipper.sink().stored.len() as u64);
}

#[test]
fn every_event_is_stored_once_or_dropped_under_a_name() {
    for seed in 0..200 {
        let max_retries = [Some(0), Some(1), Some(3), None][seed as usize % 4];
        let mut shipper = Shipper::new(Faulty::new(seed), ShipperOptions { max_retries, ..ShipperOptions::default() });
        let mut expected = BTreeSet::new();
        let mut bytes = 0;
        for chunk in 0..6 {
            let bodies = numbered(chunk * 100, (seed as usize * 7 + chunk * 13) % 60);
            bytes += bodies.iter().map(String::len).sum::<usize>() as u64;
            expected.extend(bodies.iter().cloned());
            shipper.accept(chunk_of(&bodies));
        }
        let mut now = 0;
        let mut turns = 0;
        while !shipper.is_idle() {
            let progress = shipper.turn(now);
            assert_balanced(&shipper);
            now = if progress.is_idle() { progress.wake_ns.unwrap_or(now + 1).max(now + 1) } else { now + 1 };
            turns += 1;
            assert!(turns < 100_000, "seed {seed}: {:?}", shipper.counters());
        }
        let counters = shipper.counters().clone();
        assert!(shipper.attempts.is_empty(), "seed {seed}: attempts are forgotten when events are settled");
        assert_eq!((counters.received, counters.received_bytes), (expected.len() as u64, bytes));
        assert_eq!((counters.queued, counters.queued_bytes, counters.in_flight), (0, 0, 0));
        let sink = shipper.sink();
        let exhausted = counters.dropped.get(RETRIES_EXHAUSTED).copied().unwrap_or(0);
        assert_eq!(counters.dropped.get("mapping").copied().unwrap_or(0), sink.given_up.len() as u64);
        let stored: BTreeSet<String> = sink.stored.iter().cloned().collect();
        assert_eq!(stored.len(), sink.stored.len(), "nothing is acknowledged twice");
        let settled: BTreeSet<String> = sink.stored.iter().chain(&sink.given_up).cloned().collect();
        assert!(settled.is_subset(&expected));
        assert_eq!(expected.len() - settled.len(), exhausted as usize);
        match max_retries {
            None => assert_eq!(exhausted, 0),
            Some(limit) => {
                for lost in expected.difference(&settled) {
                    assert_eq!(sink.attempts[lost], limit + 1, "seed {seed}");
                }
                assert!(sink.attempts.values().all(|attempts| *attempts <= limit + 1));
            }
        }
    }
}

/// Takes everything and answers with one verdict.
struct Uniform {
    verdict: Verdict,
    held: Vec<Slice>,
    offers: Vec<usize>,
    holds: bool,
    flushes: usize,
}

impl Uniform {
    fn new(verdict: Verdict) -> Box<Uniform> {
        Box::new(Uniform { verdict, held: Vec::new(), offers: Vec::new(), holds: false, flushes: 0 })
    }
}

impl Sink for Uniform {
    fn offer(&mut self, slice: Slice) -> Option<Slice> {
        self.offers.push(slice.len());
        self.held.push(slice);
        None
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        if !self.holds {
            self.held.drain(..).for_each(|slice| settle(slice, self.verdict.clone()));
        }
    }

    fn flush(&mut self) {
        self.flushes += 1;
    }

    fn in_flight(&self) -> usize {
        self.held.iter().map(Slice::len).sum()
    }
}

#[test]
fn back_off_doubles_up_to_its_maximum() {
    let options = ShipperOptions {
        max_retries: None,
        backoff_initial_ns: SECOND as u64,
        backoff_maximum_ns: 5 * SECOND as u64,
        ..ShipperOptions::default()
    };
    let mut shipper = Shipper::new(Uniform::new(Verdict::Retry("down")), options);
    shipper.accept(chunk_of(&numbered(0, 3)));
    let mut waits = Vec::new();
    let mut now = 100;
    for _ in 0..5 {
        let progress = shipper.turn(now);
        assert_eq!(progress.offered, 3);
        let wake = progress.wake_ns.expect("a refused slice waits for a time");
        assert_eq!(shipper.turn(wake - 1).offered, 0, "not before its time");
        waits.push((wake - now) / SECOND);
        now = wake;
    }
    assert_eq!(waits, [1, 2, 4, 5, 5]);
    assert_eq!(shipper.counters().retried, BTreeMap::from([("down", 15)]));
    shipper.sink.verdict = Verdict::Acknowledged;
    shipper.turn(now);
    assert!(shipper.is_idle());
    shipper.sink.verdict = Verdict::Retry("down");
    shipper.accept(chunk_of(&numbered(0, 1)));
    let wake = shipper.turn(now).wake_ns;
    assert_eq!(wake, Some(now + SECOND), "success begins the back-off anew");
}

#[test]
fn refused_events_go_before_new_ones() {
    let mut shipper = Shipper::new(Uniform::new(Verdict::Retry("down")), ShipperOptions::default());
    shipper.accept(chunk_of(&numbered(0, 2)));
    shipper.turn(0);
    shipper.accept(chunk_of(&numbered(2, 5)));
    shipper.turn(SECOND);
    assert_eq!(shipper.sink().offers, [2, 2, 5]);
}

#[test]
fn partial_batches_are_flushed_after_the_interval_or_on_request() {
    let options = ShipperOptions { flush_interval_ns: 10 * SECOND as u64, ..ShipperOptions::default() };
    let mut shipper = Shipper::new(Uniform::new(Verdict::Acknowledged), options);
    shipper.sink.holds = true;
    shipper.turn(SECOND);
    shipper.accept(chunk_of(&numbered(0, 2)));
    assert_eq!(shipper.turn(2 * SECOND).wake_ns, Some(11 * SECOND));
    assert_eq!(shipper.sink().flushes, 0);
    shipper.turn(11 * SECOND);
    assert_eq!(shipper.sink().flushes, 1);
    shipper.flush();
    shipper.turn(12 * SECOND);
    assert_eq!(shipper.sink().flushes, 2);
    shipper.sink.holds = false;
    shipper.turn(13 * SECOND);
    assert!(shipper.is_idle());
}

#[test]
fn closing_counts_what_was_not_settled() {
    let mut shipper = Shipper::new(Uniform::new(Verdict::Acknowledged), ShipperOptions::default());
    shipper.accept(chunk_of(&numbered(0, 4)));
    shipper.turn(0);
    shipper.sink.holds = true;
    shipper.accept(chunk_of(&numbered(4, 5)));
    shipper.turn(1);
    shipper.accept(chunk_of(&numbered(9, 2)));
    let counters = shipper.close("shutdown");
    assert_eq!((counters.received, counters.acknowledged, counters.queued), (11, 4, 0));
    assert_eq!(counters.dropped, BTreeMap::from([("shutdown", 7)]));
}

#[test]
fn chunks_come_back_empty_when_settled() {
    let home = Arc::new(crossbeam_queue::ArrayQueue::new(1));
    let mut chunk = crate::event::chunk::Chunk::new(3, 256);
    let body = crate::outputs::bench::append(&mut chunk, "{}");
    chunk.finish(crate::event::chunk::EncodedEvent { body, ..Default::default() });
    let mut shipper = Shipper::new(Uniform::new(Verdict::Retry("busy")), ShipperOptions::default());
    shipper.accept(SealedChunk::new(chunk, Arc::clone(&home)));
    shipper.turn(0);
    assert!(home.is_empty());
    shipper.sink.verdict = Verdict::Acknowledged;
    shipper.turn(SECOND);
    let chunk = home.pop().expect("the worker gets its chunk back");
    assert!(chunk.is_empty() && chunk.worker == 3);
}
