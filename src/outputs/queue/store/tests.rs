// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::event::chunk::SealedChunk;
use crate::outputs::bench::{append, chunk_with};

fn chunk(first: usize, count: usize) -> std::sync::Arc<SealedChunk> {
    let bodies: Vec<String> = (first..first + count).map(|number| format!("{{\"n\":{number}}}")).collect();
    chunk_with(&bodies, |chunk, event| {
        event.destination = append(chunk, "own-index");
        event.pipeline = append(chunk, "pipe");
        event.key = append(chunk, "1:abc=");
        event.id = append(chunk, &format!("id-{}", event.body.start));
        event.time_ns = 7;
    })
}

fn options(path: &Path) -> DiskOptions {
    DiskOptions { segment_bytes: 1000, ..DiskOptions::new(path.to_owned(), 10_000) }
}

/// Memory, because a file is synced for each opening.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn write(store: &mut Store, first: usize, count: usize) -> Written {
    store.append(&[chunk(first, count).chunk()], 99)
}

/// What can be read, by number; each record is settled when `settle` says so.
fn read_all(store: &mut Store, settle: bool) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut chunk = Chunk::new(0, 0);
    while store.read(&mut chunk).unwrap() {
        for event in chunk.events() {
            let body = std::str::from_utf8(chunk.bytes(event.body)).unwrap();
            let number = body.strip_prefix("{\"n\":").and_then(|rest| rest.strip_suffix('}')).unwrap();
            numbers.push(number.parse().unwrap());
            assert_eq!(chunk.bytes(event.destination), b"own-index");
            assert_eq!((chunk.bytes(event.pipeline), chunk.bytes(event.key)), (&b"pipe"[..], &b"1:abc="[..]));
            assert_eq!(chunk.bytes(event.id), format!("id-{}", event.body.start).as_bytes());
            assert_eq!(event.time_ns, 7);
        }
        if settle {
            store.settle(chunk.ticket.unwrap());
        }
    }
    numbers
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "wbq"));
    files.sort();
    files
}

#[test]
fn what_is_written_is_read_in_order_with_all_that_belongs_to_it() {
    let home = folder();
    let mut store = Store::open(&options(home.path())).unwrap();
    for first in [0, 3, 6, 9, 12] {
        assert!(matches!(write(&mut store, first, 3), Written::Chunks(1)));
    }
    assert!(store.size().1 > 1, "one segment holds it all");
    assert_eq!(read_all(&mut store, true), (0..15).collect::<Vec<u64>>());
    assert!(matches!(write(&mut store, 15, 1), Written::Chunks(1)));
    assert_eq!(read_all(&mut store, false), [15]);
    assert_eq!(store.oldest_ns(), Some(99));
    let counters = store.counters;
    assert_eq!((counters.written, counters.read, counters.settled, counters.corrupt), (16, 16, 15, 0));
}

#[test]
fn what_is_not_settled_is_there_after_a_restart_and_what_is_settled_is_not() {
    let home = folder();
    let mut store = Store::open(&options(home.path())).unwrap();
    for first in (0..30).step_by(3) {
        write(&mut store, first, 3);
    }
    let before = files(home.path()).len();
    let mut tickets = Vec::new();
    let mut chunk = Chunk::new(0, 0);
    while store.read(&mut chunk).unwrap() {
        tickets.push(chunk.ticket.unwrap());
    }
    // All but the fifth record, in a wild order.
    for place in [1, 9, 0, 3, 2, 8, 7, 5, 6] {
        store.settle(tickets[place]);
    }
    store.keep_position().unwrap();
    assert!(files(home.path()).len() < before, "settled segments are deleted");
    drop(store);
    let mut store = Store::open(&options(home.path())).unwrap();
    assert_eq!(store.counters.recovered, 18);
    assert_eq!(read_all(&mut store, true), (12..30).collect::<Vec<u64>>());
    store.keep_position().unwrap();
    drop(store);
    let mut store = Store::open(&options(home.path())).unwrap();
    assert_eq!((store.counters.recovered, read_all(&mut store, true).len()), (0, 0));
    write(&mut store, 30, 2);
    assert_eq!(read_all(&mut store, true), [30, 31]);
    assert_eq!(store.counters.corrupt, 0);
}

#[test]
fn without_a_position_all_is_sent_again() {
    let home = folder();
    let mut store = Store::open(&options(home.path())).unwrap();
    write(&mut store, 0, 3);
    read_all(&mut store, true);
    store.keep_position().unwrap();
    drop(store);
    for damage in [&b"short"[..], &[0; 44]] {
        fs::write(home.path().join("position"), damage).unwrap();
        let mut store = Store::open(&options(home.path())).unwrap();
        assert_eq!(store.counters.recovered, 3);
        assert_eq!(read_all(&mut store, false), [0, 1, 2]);
    }
}

#[test]
fn damage_at_any_byte_costs_the_record_and_is_counted() {
    let home = folder();
    let mut store = Store::open(&DiskOptions { segment_bytes: 4000, ..options(home.path()) }).unwrap();
    for first in [0, 2, 4, 6] {
        write(&mut store, first, 2);
    }
    drop(store);
    let file = files(home.path()).remove(0);
    let good = fs::read(&file).unwrap();
    let record = (good.len() - SEGMENT_HEAD_BYTES as usize) / 4;
    assert_eq!(SEGMENT_HEAD_BYTES as usize + record * 4, good.len(), "records of one size");
    for place in 0..good.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[place] ^= bits;
            let (numbers, counters) = after_damage(home.path(), &file, &bad);
            let hit = place.checked_sub(SEGMENT_HEAD_BYTES as usize).map(|place| (place / record) as u64);
            let expected: Vec<u64> = (0..8).filter(|number| Some(number / 2) != hit).collect();
            assert_eq!(numbers, expected, "byte {place} ^ {bits:#x}");
            // What nothing speaks of any more, the last record's head, cannot be missed.
            assert!(counters.corrupt <= 2 && numbers.len() as u64 + counters.corrupt == counters.recovered);
            assert_eq!(counters.corrupt_records + counters.skipped_bytes > 0, hit.is_some());
        }
    }
    for length in 0..good.len() {
        let (numbers, counters) = after_damage(home.path(), &file, &good[..length]);
        let whole = (length.saturating_sub(SEGMENT_HEAD_BYTES as usize) / record) as u64;
        assert_eq!(numbers, (0..whole * 2).collect::<Vec<u64>>(), "cut to {length}");
        assert_eq!((counters.corrupt, counters.recovered), (0, whole * 2));
    }
}

/// What is read of a damaged segment, with a good one after it that a run wrote since.
fn after_damage(home: &Path, file: &Path, bytes: &[u8]) -> (Vec<u64>, StoreCounters) {
    files(home).iter().for_each(|file| fs::remove_file(file).unwrap());
    fs::write(file, bytes).unwrap();
    let mut store = Store::open(&options(home)).unwrap();
    assert!(matches!(write(&mut store, 100, 1), Written::Chunks(1)));
    let mut numbers = read_all(&mut store, true);
    assert_eq!(numbers.pop(), Some(100));
    assert_eq!(store.counters.settled, numbers.len() as u64 + 1);
    (numbers, store.counters)
}

#[test]
fn a_segment_that_is_missing_is_counted_event_by_event() {
    let home = folder();
    let mut store = Store::open(&options(home.path())).unwrap();
    for first in (0..30).step_by(3) {
        write(&mut store, first, 3);
    }
    drop(store);
    let mut files = files(home.path());
    assert!(files.len() >= 3);
    fs::remove_file(files.remove(1)).unwrap();
    let mut store = Store::open(&options(home.path())).unwrap();
    let read = read_all(&mut store, true);
    assert_eq!(read.len() as u64 + store.counters.corrupt, 30);
    assert!(store.counters.corrupt >= 3 && read.first() == Some(&0) && read.last() == Some(&29));
}

#[test]
fn a_full_queue_says_so_and_has_room_again_when_a_segment_is_settled() {
    let home = folder();
    let mut store = Store::open(&options(home.path())).unwrap();
    let mut written = 0;
    while let Written::Chunks(1) = write(&mut store, written, 3) {
        written += 3;
    }
    assert!(matches!(write(&mut store, written, 3), Written::Full));
    assert!(store.size().0 <= 10_000);
    assert_eq!(read_all(&mut store, true).len(), written);
    assert!(store.has_settled_segment());
    store.keep_position().unwrap();
    assert!(matches!(write(&mut store, written, 3), Written::Chunks(1)));
    assert!(matches!(store.append(&[chunk(0, 60).chunk()], 0), Written::TooLarge));
}

#[test]
fn the_oldest_segment_makes_room_and_what_nobody_read_of_it_is_counted() {
    let home = folder();
    let mut store = Store::open(&options(home.path())).unwrap();
    let mut written = 0;
    while let Written::Chunks(1) = write(&mut store, written, 3) {
        written += 3;
    }
    let mut chunk = Chunk::new(0, 0);
    assert!(store.read(&mut chunk).unwrap());
    assert!(store.make_room());
    assert!(store.counters.dropped_oldest > 0);
    assert!(matches!(write(&mut store, written, 3), Written::Chunks(1)));
    let rest = read_all(&mut store, true);
    assert_eq!(rest.len() as u64 + store.counters.dropped_oldest + 3, written as u64 + 3);
    assert_eq!((rest.last(), store.counters.corrupt), (Some(&(written as u64 + 2)), 0));
    store.settle(chunk.ticket.unwrap());
    store.keep_position().unwrap();
    assert_eq!(store.outstanding(), (0, 0));
}

#[test]
fn folders_of_others_are_refused_in_a_sentence() {
    let home = folder();
    let path = home.path().join("queue");
    let refused = |path: &Path| Store::open(&options(path)).err().expect("it is refused");
    let store = Store::open(&options(&path)).unwrap();
    assert!(refused(&path).contains("is in use by another process"), "{}", refused(&path));
    drop(store);
    fs::write(path.join("0.seg"), "x").unwrap();
    assert!(refused(&path).contains("holds 0.seg, which is no file of a disk queue"), "{}", refused(&path));
    fs::remove_file(path.join("0.seg")).unwrap();

    let mut head = SegmentHead { number: 1, first: 0 }.bytes();
    head[8] = 2;
    super::super::record::seal(&mut head);
    fs::write(path.join(format!("{:020}.wbq", 1)), head).unwrap();
    assert!(refused(&path).contains("is of version 2 of the disk queue, and this program knows version 1"));

    fs::write(home.path().join("file"), "x").unwrap();
    assert!(refused(&home.path().join("file")).contains("cannot be made"));
    fs::create_dir(home.path().join("other")).unwrap();
    fs::create_dir(home.path().join("other").join(format!("{:020}.wbq", 1))).unwrap();
    assert!(refused(&home.path().join("other")).contains("cannot be read"));
}
