// SPDX-License-Identifier: Apache-2.0
//! TCP streams in order, gaps, fragments.

use super::fragments::{Fragment, FragmentLimits, Fragments, Outcome};
use super::held::HeldPool;
use super::tcp::{Connection, Lent, Segment};
use super::*;

/// Takes everything and remembers what it was told, as `>bytes`, `<bytes`, `>gap 3`, `>end Fin`.
#[derive(Default)]
struct Recorder {
    streams: [Vec<u8>; 2],
    log: Vec<String>,
    times_ns: Vec<i64>,
    /// Bytes a message has; 0 takes what comes.
    message_bytes: usize,
}

impl Receiver for Recorder {
    fn data(&mut self, direction: Direction, bytes: &[u8], time_ns: i64) -> Step {
        self.times_ns.push(time_ns);
        let take = match self.message_bytes {
            0 => bytes.len(),
            size => bytes.len() / size * size,
        };
        self.streams[direction as usize].extend_from_slice(&bytes[..take]);
        match self.message_bytes {
            0 => Step::All,
            size => Step::Consumed { bytes: take, need: size },
        }
    }

    fn gap(&mut self, direction: Direction, pending: &[u8], missing_bytes: u64, _after_ns: i64) -> AfterGap {
        self.log.push(format!("{direction:?} gap {missing_bytes} after {}", pending.len()));
        AfterGap::Restart
    }

    fn end(&mut self, direction: Direction, pending: &[u8], end: End) {
        self.log.push(format!("{direction:?} end {end:?} {}", pending.len()));
    }
}

struct Bench {
    connection: Connection,
    recorder: Recorder,
    pool: HeldPool,
    limits: Limits,
    counters: StreamCounters,
}

impl Bench {
    fn new(limits: Limits) -> Bench {
        Bench {
            connection: Connection::default(),
            recorder: Recorder::default(),
            pool: HeldPool::new(limits.held_bytes_per_worker),
            limits,
            counters: StreamCounters::default(),
        }
    }

    fn segment(&mut self, segment: Segment<'_>) {
        let mut lent = Lent {
            receiver: &mut self.recorder,
            pool: &mut self.pool,
            limits: &self.limits,
            counters: &mut self.counters,
        };
        self.connection.segment(&segment, &mut lent);
    }

    fn finish(&mut self) {
        let mut lent = Lent {
            receiver: &mut self.recorder,
            pool: &mut self.pool,
            limits: &self.limits,
            counters: &mut self.counters,
        };
        self.connection.finish(&mut lent);
    }

    fn sent(&self) -> &[u8] {
        &self.recorder.streams[0]
    }
}

fn data(sequence: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        direction: Direction::ToServer,
        sequence,
        acknowledgement: None,
        syn: false,
        fin: false,
        reset: false,
        payload,
        cut_bytes: 0,
        time_ns: 0,
    }
}

fn acknowledge(acknowledgement: u32, time_ns: i64) -> Segment<'static> {
    Segment { direction: Direction::ToClient, acknowledgement: Some(acknowledgement), time_ns, ..data(0, &[]) }
}

#[test]
fn in_order_with_syn_and_fin() {
    let mut bench = Bench::new(Limits::default());
    bench.segment(Segment { syn: true, ..data(99, b"") });
    bench.segment(data(100, b"abc"));
    bench.segment(Segment { fin: true, ..data(103, b"de") });
    assert_eq!(bench.sent(), b"abcde");
    assert_eq!(bench.recorder.log, ["ToServer end Fin 0"]);
    bench.segment(data(105, b"after"));
    assert_eq!(bench.counters.ignored_bytes, 5);
}

#[test]
fn late_overlapping_and_repeated_segments_around_the_wrap() {
    let start = u32::MAX - 4;
    let stream: Vec<u8> = (0..40).collect();
    let at = |offset: usize, length: usize| data(start.wrapping_add(offset as u32), &stream[offset..offset + length]);
    let mut bench = Bench::new(Limits::default());
    for (offset, length) in [(0, 5), (20, 10), (10, 5), (8, 12), (20, 5), (5, 2), (3, 6), (30, 10), (0, 40)] {
        bench.segment(at(offset, length));
    }
    assert_eq!(bench.sent(), stream);
    assert!(bench.recorder.log.is_empty());
    assert_eq!(bench.pool.count(), 0);
    let given: u64 = 5 + 10 + 5 + 12 + 5 + 2 + 6 + 10 + 40;
    assert_eq!(bench.counters.delivered_bytes + bench.counters.repeated_bytes, given);
}

#[test]
fn a_hole_that_was_acknowledged_becomes_a_gap_after_the_time() {
    let mut bench = Bench::new(Limits::default());
    bench.segment(data(0, b"abc"));
    bench.segment(data(10, b"klm"));
    bench.segment(acknowledge(13, 5));
    assert!(bench.recorder.log.is_empty());
    bench.segment(acknowledge(13, 5 + bench.limits.late_ns));
    assert_eq!(bench.recorder.log, ["ToServer gap 7 after 0"]);
    assert_eq!(bench.sent(), b"abcklm");
    assert_eq!((bench.counters.gaps, bench.counters.gap_bytes), (1, 7));
}

/// A mirror that lost a request must not make the answers of the later ones come before them.
#[test]
fn an_answer_to_what_lies_behind_a_hole_opens_it_at_once() {
    let mut bench = Bench::new(Limits::default());
    bench.segment(data(0, b"abc"));
    bench.segment(Segment { time_ns: 1, ..data(10, b"klm") });
    bench.segment(Segment { time_ns: 2, ..data(20, b"uvw") });
    let answer = |acknowledgement| Segment { payload: b"answer", ..acknowledge(acknowledgement, 3) };
    bench.segment(answer(9));
    assert!(bench.recorder.log.is_empty(), "part of the hole may still be on its way");
    bench.segment(Segment { sequence: 6, ..answer(13) });
    assert_eq!(bench.recorder.log, ["ToServer gap 6 after 0", "ToServer gap 1 after 0"], "the answers come between");
    assert_eq!(bench.sent(), b"abcklm");
    bench.segment(Segment { time_ns: 4, ..data(13, b"nopqrst") });
    assert_eq!(bench.sent(), b"abcklmnopqrstuvw");
}

/// Bytes behind a gap have waited for nothing: they came when they came. Those behind a hole that was filled had to wait.
#[test]
fn held_bytes_are_given_with_the_time_at_which_they_were_complete() {
    for (filler, expected) in [(data(3, b"d"), [0, 5, 5]), (acknowledge(7, 5), [0, 1, 5])] {
        let mut bench = Bench::new(Limits::default());
        bench.segment(data(0, b"abc"));
        bench.segment(Segment { time_ns: 1, ..data(4, b"efg") });
        bench.segment(Segment { time_ns: 5, ..filler });
        let answer = Segment { payload: b"answer", ..acknowledge(7, 5) };
        bench.segment(answer);
        let mut times_ns = bench.recorder.times_ns;
        // A byte that fills the hole is given for itself.
        times_ns.truncate(3);
        assert_eq!(times_ns, expected);
    }
}

#[test]
fn a_hole_that_nobody_acknowledged_waits_for_the_retransmission() {
    let mut bench = Bench::new(Limits::default());
    bench.segment(data(0, b"abc"));
    for offset in 1..200u32 {
        bench.segment(data(3 + offset, &[offset as u8]));
    }
    bench.segment(Segment { time_ns: 2_000_000_000, ..data(3, b"d") });
    assert!(bench.recorder.log.is_empty());
    assert_eq!(bench.sent().len(), 203);
}

#[test]
fn the_bound_of_held_bytes_opens_the_hole() {
    let mut bench = Bench::new(Limits { held_bytes_per_direction: 100, ..Limits::default() });
    bench.segment(data(0, b"a"));
    for index in 0..20u32 {
        bench.segment(data(5 + index * 10, &[b'x'; 10]));
    }
    assert_eq!(bench.recorder.log, ["ToServer gap 4 after 0"]);
    assert_eq!(bench.sent().len(), 201);
    assert_eq!(bench.pool.count(), 0);
}

#[test]
fn a_message_over_segments_is_copied_once_and_given_whole() {
    let mut bench = Bench::new(Limits::default());
    bench.recorder.message_bytes = 4;
    let stream: Vec<u8> = (0..103).collect();
    for (index, byte) in stream.iter().enumerate() {
        bench.segment(data(index as u32, std::slice::from_ref(byte)));
    }
    assert_eq!(bench.sent(), &stream[..100]);
    assert_eq!(bench.counters.copied_bytes, 103);
    bench.segment(Segment { reset: true, ..data(103, b"") });
    assert_eq!(bench.recorder.log, ["ToServer end Reset 3", "ToClient end Reset 0"]);
}

#[test]
fn what_the_capture_cut_off_is_a_gap_at_once() {
    let mut bench = Bench::new(Limits::default());
    bench.segment(Segment { cut_bytes: 10, ..data(0, b"abc") });
    bench.segment(data(13, b"xyz"));
    assert_eq!(bench.recorder.log, ["ToServer gap 10 after 0"]);
    assert_eq!(bench.sent(), b"abcxyz");
}

#[test]
fn a_new_syn_on_the_same_ports_is_another_connection() {
    let mut bench = Bench::new(Limits::default());
    let syn = Segment { syn: true, ..data(1000, b"") };
    bench.segment(syn);
    bench.segment(data(1001, b"abc"));
    assert!(!bench.connection.is_new_connection(&syn));
    assert!(bench.connection.is_new_connection(&Segment { syn: true, ..data(900_000_000, b"") }));
    // Also after the end a SYN with the old number is a repeated one.
    bench.segment(Segment { reset: true, ..data(1004, b"") });
    assert!(!bench.connection.is_new_connection(&syn));
    assert!(bench.connection.is_new_connection(&Segment { syn: true, ..data(1005, b"") }));
}

#[test]
fn at_the_end_holes_are_told_and_nothing_stays_held() {
    let mut bench = Bench::new(Limits::default());
    bench.segment(data(0, b"abc"));
    bench.segment(data(5, b"f"));
    bench.finish();
    assert_eq!(bench.recorder.log, ["ToServer gap 2 after 0", "ToServer end Expired 0", "ToClient end Expired 0"]);
    assert_eq!(bench.sent(), b"abcf");
    assert_eq!(bench.pool.count(), 0);
}

#[test]
fn any_order_within_a_window_gives_the_same_bytes() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let stream: Vec<u8> = (0..random.usize(50..3000)).map(|_| random.u8(..)).collect();
        let start = random.u32(..);
        let mut segments = Vec::new();
        let mut offset = 0;
        while offset < stream.len() {
            let length = random.usize(1..=200).min(stream.len() - offset);
            segments.push((offset, length));
            if random.u8(..) < 40 {
                segments.push((offset.saturating_sub(random.usize(0..50)), length));
            }
            offset += length;
        }
        for index in 1..segments.len() {
            let other = (index + random.usize(0..8)).min(segments.len() - 1);
            segments.swap(index, other);
        }
        let first = segments.iter().position(|segment| segment.0 == 0).unwrap_or(0);
        segments.swap(0, first);
        let mut bench = Bench::new(Limits::default());
        for (offset, length) in &segments {
            let end = (offset + length).min(stream.len());
            bench.segment(data(start.wrapping_add(*offset as u32), &stream[*offset..end]));
        }
        assert_eq!(bench.sent(), stream);
        assert_eq!(bench.pool.count(), 0);
    }
}

#[test]
fn garbage_never_panics_and_the_balance_holds() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..200 {
        let mut bench = Bench::new(Limits {
            held_bytes_per_direction: 2000,
            held_bytes_per_worker: 3000,
            pending_bytes: 500,
            ..Limits::default()
        });
        bench.recorder.message_bytes = random.usize(0..700);
        let mut payload_bytes = 0;
        for step in 0..300 {
            let payload = vec![step as u8; random.usize(0..300)];
            payload_bytes += payload.len() as u64;
            bench.segment(Segment {
                direction: if random.bool() { Direction::ToServer } else { Direction::ToClient },
                sequence: random.u32(0..20_000),
                acknowledgement: random.bool().then(|| random.u32(0..20_000)),
                syn: random.u8(..) < 3,
                fin: random.u8(..) < 3,
                reset: random.u8(..) < 1,
                payload: &payload,
                cut_bytes: if random.u8(..) < 10 { random.u32(0..100) } else { 0 },
                time_ns: i64::from(step) * 10_000_000,
            });
        }
        bench.finish();
        let counters = bench.counters;
        assert_eq!(bench.pool.count(), 0);
        assert_eq!(counters.delivered_bytes + counters.repeated_bytes + counters.ignored_bytes, payload_bytes);
    }
}

#[test]
fn buffers_of_small_segments_do_not_keep_large_ones_out() {
    let mut pool = HeldPool::new(10_000);
    let small: Vec<_> = (0..10).map_while(|number| pool.hold(number, None, 0, &[1; 1_000])).collect();
    assert_eq!((small.len(), pool.hold(10, None, 0, &[1])), (10, None), "it is full");
    small.into_iter().for_each(|index| pool.release(index));
    let large = pool.hold(0, None, 0, &[2; 5_000]).expect("all of it is free");
    assert_eq!(pool.get(large).bytes, [2; 5_000]);
    assert!(pool.used_bytes() <= 10_000 && pool.hold(0, None, 0, &[3; 5_001]).is_none());
    pool.release(large);
    assert_eq!(pool.count(), 0);
}

#[test]
fn many_small_segments_count_for_more_than_their_bytes() {
    let mut pool = HeldPool::new(1 << 20);
    let held: Vec<_> = (0..1 << 20).map_while(|number| pool.hold(number, None, 0, &[1])).collect();
    assert!((2_000..3_000).contains(&held.len()), "{}", held.len());
    held.into_iter().for_each(|index| pool.release(index));
    assert!(pool.hold(0, None, 0, &[1; 1_000]).is_some(), "they leave room for others");
}

#[test]
fn buffers_that_nobody_needs_go() {
    let mut pool = HeldPool::new(1 << 20);
    let held = pool.hold(0, None, 0, &[1; 1_000]).expect("there is room");
    (0..10).for_each(|_| pool.give_spare(Vec::with_capacity(1_000)));
    pool.tidy();
    assert_eq!(pool.get(held).bytes.len(), 1_000, "what is held stays");
    pool.release(held);
    // Of ten spare buffers four are needed.
    let taken: Vec<_> = (0..4).map(|_| pool.take_spare()).collect();
    assert!(taken.iter().all(|buffer| buffer.capacity() == 1_000));
    taken.into_iter().for_each(|buffer| pool.give_spare(buffer));
    pool.tidy();
    assert_eq!((pool.used_bytes(), pool.count()), (0, 0));
    assert_eq!((0..10).filter(|_| pool.take_spare().capacity() > 0).count(), 4);
    let again = pool.hold(7, None, 0, b"again").expect("there is room");
    assert_eq!((pool.get(again).sequence, &pool.get(again).bytes[..], pool.count()), (7, &b"again"[..], 1));
}

fn fragment(offset_bytes: u32, more: bool, data: &[u8], time_ns: i64) -> Fragment<'_> {
    Fragment { offset_bytes, more, data, packets: 1, counted: 1, frame_bytes: 0, time_ns }
}

#[test]
fn large_datagrams_leave_little_memory() {
    let mut fragments = Fragments::new(FragmentLimits::default());
    let (data, mut datagram) = (vec![1; 60_000], Vec::new());
    for key in 0..500_u64 {
        let (outcome, _) = fragments.add(key, key, &fragment(0, true, &data, 0), &mut datagram);
        assert_eq!(outcome, Outcome::Kept);
    }
    assert!(fragments.kept().0 >= 500 * 60_000);
    assert_eq!(fragments.expire(i64::MAX), 500);
    assert!(fragments.is_empty() && fragments.kept().0 <= 256 << 10, "{:?}", fragments.kept());
    // And the slots are as good as before.
    fragments.add(1, 1, &fragment(0, true, b"12345678", 0), &mut datagram);
    let (outcome, _) = fragments.add(1, 1, &fragment(8, false, b"9", 0), &mut datagram);
    assert!(matches!(outcome, Outcome::Complete(_)));
    assert_eq!(datagram, b"123456789");
}

#[test]
fn datagrams_behind_one_that_stays_incomplete_leave_nothing() {
    let mut fragments = Fragments::new(FragmentLimits::default());
    let mut datagram = Vec::new();
    fragments.add(0_u64, 0, &fragment(0, true, b"12345678", 0), &mut datagram);
    for key in 1..100_000_u64 {
        fragments.add(key, key, &fragment(0, true, b"12345678", 1), &mut datagram);
        fragments.add(key, key, &fragment(8, false, b"9", 1), &mut datagram);
        assert_eq!(fragments.len(), 1);
    }
    assert!(fragments.kept().1 <= 4096, "{:?}", fragments.kept());
    assert_eq!((fragments.clear(), fragments.len()), (1, 0));
}
