// SPDX-License-Identifier: Apache-2.0
use std::time::{Duration, Instant};

use super::*;
use crate::event::chunk::{Chunk, EncodedEvent};
use crate::outputs::Verdict;
use crate::outputs::bench::{append, bodies, chunk_of, numbered};
use crate::outputs::shipper::ShipperOptions;

const ENOUGH: Supply = Supply { empty: 8, chunks: 8 };

/// Takes what it may, and settles when it may.
#[derive(Default)]
struct Gate {
    room: usize,
    settles: bool,
    held: Vec<Slice>,
    stored: Vec<String>,
}

impl Sink for Gate {
    fn offer(&mut self, mut slice: Slice) -> Option<Slice> {
        let taken = slice.split_first(self.room);
        self.room -= taken.len();
        self.held.push(taken);
        Some(slice)
    }

    fn poll(&mut self, settle: &mut dyn FnMut(Slice, Verdict)) {
        if self.settles {
            for slice in self.held.drain(..) {
                self.stored.extend(bodies(&slice));
                settle(slice, Verdict::Acknowledged);
            }
        }
    }

    fn flush(&mut self) {}

    fn in_flight(&self) -> usize {
        self.held.iter().map(Slice::len).sum()
    }
}

fn shipper(room: usize, settles: bool) -> Shipper<Gate> {
    Shipper::new(Box::new(Gate { room, settles, ..Gate::default() }), ShipperOptions::default())
}

fn memory(events: u64, overload: Option<Overload>, source: Source) -> Queue {
    let options = QueueOptions { events: Some(events), overload, ..QueueOptions::default() };
    let mut queue = Queue::open(&options, None).unwrap();
    queue.begin(source, 1 << 20);
    queue
}

fn dropped(shipper: &Shipper<Gate>) -> Vec<(&'static str, u64)> {
    shipper.counters().dropped.iter().map(|(name, count)| (*name, *count)).collect()
}

#[test]
fn memory_holds_as_many_events_as_it_may_and_a_live_source_loses_the_newest() {
    let mut shipper = shipper(0, false);
    let mut queue = memory(32, None, Source::Live);
    queue.take(chunk_of(&numbered(0, 20)), ENOUGH, &mut shipper);
    queue.take(chunk_of(&numbered(20, 20)), ENOUGH, &mut shipper);
    assert!(queue.has_room());
    assert_eq!((shipper.counters().queued, dropped(&shipper)), (32, vec![(QUEUE_FULL, 8)]));
}

#[test]
fn files_wait_for_room() {
    let mut shipper = shipper(0, false);
    let mut queue = memory(32, None, Source::Patient);
    queue.take(chunk_of(&numbered(0, 40)), ENOUGH, &mut shipper);
    assert!(!queue.has_room() && !queue.turn(&mut shipper));
    assert_eq!((shipper.counters().queued, dropped(&shipper)), (32, vec![]));
    (shipper.sink_mut().room, shipper.sink_mut().settles) = (100, true);
    shipper.turn(0);
    assert!(queue.turn(&mut shipper) && queue.has_room());
    shipper.turn(1);
    assert_eq!(shipper.sink().stored, numbered(0, 40));
    let rest = queue.close(&mut shipper, "closed");
    assert_eq!((rest, dropped(&shipper)), (Remainder::default(), vec![]));
}

#[test]
fn what_waits_at_the_end_is_counted() {
    let mut shipper = shipper(0, false);
    let mut queue = memory(32, Some(Overload::Wait), Source::Live);
    queue.take(chunk_of(&numbered(0, 40)), ENOUGH, &mut shipper);
    queue.close(&mut shipper, "closed");
    let counters = shipper.close("closed");
    assert_eq!((counters.received, counters.dropped.get("closed")), (40, Some(&40)));
}

#[test]
fn the_oldest_go_when_it_is_asked_for() {
    let mut shipper = shipper(5, false);
    let mut queue = memory(32, Some(Overload::DropOldest), Source::Live);
    queue.take(chunk_of(&numbered(0, 20)), ENOUGH, &mut shipper);
    shipper.turn(0);
    queue.take(chunk_of(&numbered(20, 20)), ENOUGH, &mut shipper);
    assert_eq!((shipper.counters().queued, dropped(&shipper)), (25, vec![(QUEUE_OLDEST, 15)]));
    (shipper.sink_mut().room, shipper.sink_mut().settles) = (100, true);
    shipper.turn(1);
    let expected: Vec<String> = numbered(0, 5).into_iter().chain(numbered(20, 20)).collect();
    assert_eq!(shipper.sink().stored, expected);
    // The worker has hardly an empty chunk left: it gets one back.
    let mut queue = memory(1000, Some(Overload::DropOldest), Source::Live);
    shipper.sink_mut().room = 0;
    queue.take(chunk_of(&numbered(0, 3)), Supply { empty: 0, chunks: 8 }, &mut shipper);
    assert_eq!(dropped(&shipper), [(QUEUE_OLDEST, 18)]);
}

#[test]
fn memory_is_bounded_in_bytes_too() {
    let mut shipper = shipper(0, false);
    let body = numbered(0, 1)[0].len() as u64;
    let options = QueueOptions { max_bytes: Some(3 * body), ..QueueOptions::default() };
    let mut queue = Queue::open(&options, None).unwrap();
    queue.begin(Source::Live, u64::MAX);
    queue.take(chunk_of(&numbered(0, 5)), ENOUGH, &mut shipper);
    assert_eq!((shipper.counters().queued_bytes, dropped(&shipper)), (3 * body, vec![(QUEUE_FULL, 2)]));
    // Alone, even an event that is larger than the bound is sent.
    let mut shipper = self::shipper(0, false);
    queue.take(chunk_of(&[&"x".repeat(1000)]), ENOUGH, &mut shipper);
    assert_eq!(shipper.counters().queued, 1);
}

fn disk(path: &std::path::Path, overload: Option<Overload>) -> Queue {
    let disk = DiskOptions { segment_bytes: 20_000, write_ahead: 50, ..DiskOptions::new(path.to_owned(), 50_000) };
    let options = QueueOptions { disk: Some(disk), overload, ..QueueOptions::default() };
    let mut queue = Queue::open(&options, None).unwrap();
    queue.begin(Source::Live, 1 << 20);
    queue
}

/// Turns until something holds.
fn until(queue: &mut Queue, shipper: &mut Shipper<Gate>, holds: impl Fn(&Queue, &Shipper<Gate>) -> bool) {
    let begin = Instant::now();
    while !holds(queue, shipper) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", queue.disk().map(DiskQueue::status));
        queue.turn(shipper);
        shipper.turn(begin.elapsed().as_nanos() as i64);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_balanced(shipper: Shipper<Gate>, rest: &Remainder, given: u64) {
    let counters = shipper.close("closed");
    let by_disk: u64 = rest.status.dropped().iter().map(|(_, events)| events).sum();
    let gone = counters.acknowledged + counters.dropped_total() + by_disk + rest.left;
    assert_eq!(given + rest.recovered, gone, "{counters:?} {rest:?}");
}

#[test]
fn what_is_on_the_disk_goes_out_and_what_does_not_is_there_for_the_next_run() {
    let home = tempfile::tempdir().unwrap();
    let mut queue = disk(home.path(), None);
    let mut shipper = self::shipper(30, true);
    for first in (0..100).step_by(10) {
        until(&mut queue, &mut shipper, |queue, _| queue.has_room());
        queue.take(chunk_of(&numbered(first, 10)), ENOUGH, &mut shipper);
    }
    until(&mut queue, &mut shipper, |queue, shipper| queue.is_safe() && shipper.sink().stored.len() == 30);
    assert_eq!(shipper.sink().stored, numbered(0, 30));
    assert!(!queue.is_idle());
    shipper.settle_last();
    let rest = queue.close(&mut shipper, "closed");
    assert_eq!((rest.recovered, rest.left), (0, 70));
    is_balanced(shipper, &rest, 100);

    let mut queue = disk(home.path(), None);
    let mut shipper = self::shipper(1000, true);
    queue.take(chunk_of(&numbered(100, 5)), ENOUGH, &mut shipper);
    until(&mut queue, &mut shipper, |queue, shipper| queue.is_idle() && shipper.is_idle());
    assert_eq!(shipper.sink().stored, numbered(30, 75));
    let rest = queue.close(&mut shipper, "closed");
    assert_eq!((rest.recovered, rest.left), (70, 0));
    is_balanced(shipper, &rest, 5);
}

#[test]
fn half_a_chunk_that_was_settled_is_sent_again_and_the_books_are_right() {
    let home = tempfile::tempdir().unwrap();
    let mut queue = disk(home.path(), None);
    let mut shipper = self::shipper(4, true);
    queue.take(chunk_of(&numbered(0, 10)), ENOUGH, &mut shipper);
    until(&mut queue, &mut shipper, |_, shipper| shipper.sink().stored.len() == 4);
    let rest = queue.close(&mut shipper, "closed");
    assert_eq!(rest.left, 6);
    is_balanced(shipper, &rest, 10);
    let mut queue = disk(home.path(), None);
    let mut shipper = self::shipper(1000, true);
    until(&mut queue, &mut shipper, |queue, shipper| queue.is_idle() && shipper.is_idle());
    assert_eq!(shipper.sink().stored, numbered(0, 10));
    let rest = queue.close(&mut shipper, "closed");
    is_balanced(shipper, &rest, 0);
}

#[test]
fn a_full_disk_queue_drops_the_newest_or_the_oldest_or_waits() {
    for overload in [None, Some(Overload::DropOldest), Some(Overload::Wait)] {
        let home = tempfile::tempdir().unwrap();
        let mut queue = disk(home.path(), overload);
        let mut shipper = self::shipper(0, true);
        let mut given = 0;
        let refused = |shipper: &Shipper<Gate>| shipper.counters().dropped.get(DISK_FULL).copied().unwrap_or(0);
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < Duration::from_secs(60), "{overload:?}: {:?}", queue.disk().unwrap().status());
            if queue.has_room() {
                queue.take(chunk_of(&numbered(given, 10)), ENOUGH, &mut shipper);
                given += 10;
            }
            queue.turn(&mut shipper);
            shipper.turn(begin.elapsed().as_nanos() as i64);
            let (disk, status) = (queue.disk().unwrap(), queue.disk().unwrap().status());
            assert!(status.used_bytes <= 50_000, "{status:?}");
            let done = match overload {
                None => refused(&shipper) > 100,
                Some(Overload::Wait) => disk.blocked() == Blocked::Full && !queue.has_room(),
                _ => status.store.dropped_oldest > 500,
            };
            if done {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let status = queue.disk().unwrap().status();
        assert_eq!(refused(&shipper) > 0, overload.is_none(), "{overload:?}");
        assert_eq!(status.store.dropped_oldest > 0, overload == Some(Overload::DropOldest), "{status:?}");
        let rest = queue.close(&mut shipper, "closed");
        is_balanced(shipper, &rest, given as u64);
    }
}

#[test]
fn a_spool_uses_the_disk_only_for_what_memory_has_no_room_for() {
    let home = tempfile::tempdir().unwrap();
    let mut queue = disk(home.path(), Some(Overload::Spool));
    let mut shipper = self::shipper(0, true);
    for first in (0..40).step_by(10) {
        queue.take(chunk_of(&numbered(first, 10)), ENOUGH, &mut shipper);
    }
    assert_eq!((shipper.counters().queued, queue.disk().unwrap().left()), (40, 0));
    let low = Supply { empty: 1, chunks: 8 };
    queue.take(chunk_of(&numbered(40, 10)), low, &mut shipper);
    // Behind it, for the order.
    queue.take(chunk_of(&numbered(50, 10)), ENOUGH, &mut shipper);
    assert_eq!((shipper.counters().queued, queue.disk().unwrap().left()), (40, 20));
    shipper.sink_mut().room = 1000;
    until(&mut queue, &mut shipper, |queue, shipper| queue.is_idle() && shipper.is_idle());
    assert_eq!(shipper.sink().stored, numbered(0, 60));
    queue.take(chunk_of(&numbered(60, 10)), ENOUGH, &mut shipper);
    assert_eq!(shipper.counters().queued, 10, "in memory again");
    let rest = queue.close(&mut shipper, "closed");
    is_balanced(shipper, &rest, 70);
}

#[test]
fn chunks_of_workers_go_back_when_they_are_written() {
    let home = tempfile::tempdir().unwrap();
    let mut queue = disk(home.path(), None);
    let mut shipper = self::shipper(0, true);
    let pool = Arc::new(crossbeam_queue::ArrayQueue::new(1));
    let mut chunk = Chunk::new(3, 256);
    let body = append(&mut chunk, "{}");
    chunk.finish(EncodedEvent { body, ..EncodedEvent::default() });
    queue.take(SealedChunk::new(chunk, Arc::clone(&pool)), ENOUGH, &mut shipper);
    until(&mut queue, &mut shipper, |_, _| !pool.is_empty());
    until(&mut queue, &mut shipper, |_, shipper| shipper.has_fresh());
    assert_eq!(shipper.counters().kept, 1);
}
