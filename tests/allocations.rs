// SPDX-License-Identifier: Apache-2.0
//! No allocation a packet: a lane runs recorded traffic again and again, each time with fresh addresses and later times, so that
//! flows, connections and parsers come and go. After the first passes nothing may be allocated any more.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use support::capture::Capture;
use support::lane::Laboratory;
use support::repeated::{Repeated, Turn};
use support::{name_of, recorded};
use wirebeat::capture::BURST;
use wirebeat::pipeline::worker::Worker;

/// Bursts until every table and buffer has its size, and bursts that are counted. Housekeeping comes every 32 bursts.
const WARM_UP_BURSTS: u64 = 3_000;
const COUNTED_BURSTS: u64 = 500;
/// Longer than any time-out: the flows of a pass end in the next one.
const PASS_NS: i64 = 700_000_000_000;

/// Allocations a thousand packets that protocols still make here; of those that are not named, none. In MongoDB, PostgreSQL and Redis these
/// are buffers of pooled parsers that grow until each has seen the longest message, in MySQL tables of statements whose size is
/// of chance. They may become fewer, never more.
const ALLOWED: &[(&str, f64)] =
    &[("express/", 1.0), ("mysql/", 1.0), ("mongodb/", 1.0), ("pgsql/", 1.0), ("redis/", 1.0)];

/// Stacks cost much: so many are looked at for each capture, the others are counted.
const LOOKED_AT: u64 = 500;

#[test]
fn nothing_is_allocated_in_the_steady_state() {
    let mut report = String::new();
    let mut wrong = Vec::new();
    for path in recorded() {
        let capture = Capture::read(&path).expect("it is a pcap file");
        let packets = capture.frames.len() as u64 * passes(&capture, COUNTED_BURSTS);
        let sites = allocations(&capture);
        let of_protocols = |site: &str| site.contains("wirebeat::protocols");
        let (mut protocols, mut others) = (0, 0);
        for (site, count) in &sites {
            match of_protocols(site) {
                true => protocols += count,
                false => others += count,
            }
            report += &format!("{}: {count} in {packets} packets: {site}\n", name_of(&path));
        }
        let name = name_of(&path);
        let allowed = ALLOWED.iter().find(|(folder, _)| name.starts_with(folder)).map_or(0.0, |(_, allowed)| *allowed);
        let found = protocols as f64 * 1_000.0 / packets as f64;
        if others > 0 || found > allowed {
            wrong.push(format!("{name}: {others} outside the protocols, {found:.1} a thousand packets in them"));
        }
    }
    println!("{report}");
    assert!(wrong.is_empty(), "{}\n{report}", wrong.join("\n"));
}

/// Passes that take so many bursts.
fn passes(capture: &Capture, bursts: u64) -> u64 {
    bursts.div_ceil((capture.frames.len() as u64).div_ceil(BURST as u64))
}

/// Where the lane allocates after the warm-up, and how often.
fn allocations(capture: &Capture) -> BTreeMap<String, u64> {
    let laboratory = Laboratory::new(support::PROTOCOLS);
    let (lane, rings) = laboratory.lane();
    let warm_up = passes(capture, WARM_UP_BURSTS);
    let last = warm_up + passes(capture, COUNTED_BURSTS);
    let source = Repeated::new(capture, last, PASS_NS, rings, |turn| match turn {
        Turn::Begins(pass) => COUNTING.set(pass > warm_up),
        Turn::Ends(_) => COUNTING.set(false),
    });
    let mut worker = Worker { source, lane };
    SITES.with_borrow_mut(BTreeMap::clear);
    worker.run(&AtomicBool::new(false)).expect("memory does not fail");
    assert!(worker.lane.counters.flows_closed > warm_up, "flows come and go");
    let counters = &worker.lane.counters;
    assert_eq!(
        counters.events_dropped_no_chunk,
        0,
        "{} frames, {last} passes: the rings are large enough: {counters:#?}",
        capture.frames.len()
    );
    SITES.take()
}

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static SITES: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts what a thread allocates while it counts, by the functions of the program that are on the stack.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is the system allocator's, with its own arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the pointer came from the system allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn note() {
    if !COUNTING.replace(false) {
        return;
    }
    if SITES.with_borrow(|sites| sites.values().sum::<u64>()) >= LOOKED_AT {
        SITES.with_borrow_mut(|sites| *sites.entry("wirebeat::protocols: not looked at".to_string()).or_default() += 1);
        return COUNTING.set(true);
    }
    let stack = Backtrace::force_capture().to_string();
    let ours: Vec<&str> = stack
        .lines()
        .filter_map(|line| line.trim().split_once(": ").map(|(_, name)| name))
        .filter(|name| name.contains("wirebeat::") && !name.contains("wirebeat::pipeline::worker"))
        .take(6)
        .collect();
    let site = if ours.is_empty() { "outside".to_string() } else { ours.join(" < ") };
    SITES.with_borrow_mut(|sites| *sites.entry(site).or_default() += 1);
    COUNTING.set(true);
}
