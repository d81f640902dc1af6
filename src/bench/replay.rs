// SPDX-License-Identifier: Apache-2.0
//! Captures in memory, given again and again, each pass between hosts of its own: equal addresses stay equal and different
//! ones different, so that every pass makes the flows and events of the first.
//!
//! Frames are given where they are; what changes are two bytes of each address. Limits: 65,536 passes until addresses
//! come again; what is inside of tunnels and of ICMP errors keeps its addresses; check sums are not right any more.

use std::path::Path;

use super::scenario::{Order, ReplayPlan};
use super::source::{Frame, Traffic};
use crate::capture::file::{FileSource, Pace};
use crate::capture::{BURST, Burst, Received, Source};
use crate::wire::LinkType;

/// Between captures, and between passes: many of them are open at once, as flows end after 30 s.
const PAUSE_NS: i64 = 1_000_000_000;
const BEGIN_NS: i64 = 1_760_000_000_000_000_000;
/// How many frames a late one comes after those that it should have come before, at most.
const LATE_FRAMES: u64 = 8;
/// A seed, so that the same frames are lost and late in every run.
const SEED: u64 = 0x5eed;

/// A pass in memory.
pub struct Replay {
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// The burst that is out: first record and number.
    out: (usize, usize),
    next: usize,
    pass: u64,
    /// Passes of the workers do not meet.
    worker: u64,
    workers: u64,
    /// How much later a pass is than the one before.
    later_ns: i64,
}

#[derive(Clone, Copy)]
struct Record {
    start: usize,
    bytes: u32,
    wire_length: u32,
    time_ns: i64,
    link: LinkType,
    /// Where the changing bytes of both addresses are; 0 for none.
    places: [u16; 2],
    /// What stands there in the capture.
    original: [[u8; 2]; 2],
}

impl Replay {
    /// Loads the captures for worker `worker` of `workers`.
    pub fn load(plan: &ReplayPlan, worker: u16, workers: u16) -> Result<Replay, String> {
        let mut bytes = Vec::new();
        let mut records: Vec<Record> = Vec::new();
        let mut begin_ns = BEGIN_NS;
        for (number, path) in plan.captures.iter().enumerate() {
            let from = records.len();
            load(path, number as u8, &mut bytes, &mut records)
                .map_err(|sentence| format!("{}: {sentence}", path.display()))?;
            let own = &mut records[from..];
            let first_ns = own.iter().map(|record| record.time_ns).min().unwrap_or(begin_ns);
            own.iter_mut().for_each(|record| record.time_ns += begin_ns - first_ns);
            let last_ns = own.iter().map(|record| record.time_ns).max().unwrap_or(begin_ns);
            if plan.order == Order::Successive {
                begin_ns = last_ns + PAUSE_NS;
            }
        }
        if plan.order == Order::Interleaved {
            records.sort_by_key(|record| record.time_ns);
        }
        damage(plan, &mut records);
        if records.is_empty() {
            return Err(format!("{}: there are no packets to replay", plan.captures[0].display()));
        }
        let times = || records.iter().map(|record| record.time_ns);
        let span_ns = times().max().unwrap_or_default() - times().min().unwrap_or_default();
        Ok(Replay {
            bytes,
            records,
            out: (0, 0),
            next: 0,
            pass: 0,
            worker: u64::from(worker),
            workers: u64::from(workers),
            later_ns: span_ns + PAUSE_NS,
        })
    }
}

impl Traffic for Replay {
    fn prepare(&mut self, count: usize) -> usize {
        if self.next == self.records.len() {
            self.next = 0;
            self.pass += 1;
        }
        let records = &self.records[self.next..];
        let records = &records[..records.len().min(count)];
        let number = ((self.pass * self.workers + self.worker) as u16).to_be_bytes();
        for record in records {
            for (place, original) in record.places.into_iter().zip(record.original) {
                if place > 0
                    && let Some(bytes) = self.bytes.get_mut(record.start + usize::from(place)..)
                    && let Some(bytes) = bytes.first_chunk_mut::<2>()
                {
                    *bytes = [original[0] ^ number[0], original[1] ^ number[1]];
                }
            }
        }
        self.out = (self.next, records.len());
        self.next += records.len();
        self.out.1
    }

    fn frame(&self, place: usize) -> Frame<'_> {
        let record = &self.records[self.out.0 + place];
        Frame {
            data: &self.bytes[record.start..record.start + record.bytes as usize],
            wire_length: record.wire_length,
            time_ns: record.time_ns + self.later_ns * self.pass as i64,
            link: record.link,
        }
    }

    fn passes(&self) -> Option<u64> {
        (self.next == self.records.len()).then_some(self.pass + 1)
    }

    fn is_warm(&self) -> bool {
        self.passes().map_or(self.pass, |ended| ended) > 0
    }

    fn flows(&self) -> u64 {
        0
    }
}

fn load(path: &Path, number: u8, bytes: &mut Vec<u8>, records: &mut Vec<Record>) -> Result<(), String> {
    let mut source = FileSource::open(path, Pace::TopSpeed, 1)?;
    loop {
        let mut burst = Burst::new();
        let received = source.receive(&mut burst);
        for packet in &burst {
            let start = bytes.len();
            bytes.extend_from_slice(packet.data);
            let places = address_places(packet.link, packet.data);
            let data = &mut bytes[start..];
            // Captures of one scenario are between hosts of their own: their last byte differs.
            for place in places.into_iter().filter(|place| *place > 0) {
                if let Some(byte) = data.get_mut(usize::from(place) + 2) {
                    *byte ^= number << 3;
                }
            }
            let original = |place: u16| {
                let two = data.get(usize::from(place)..).and_then(|bytes| bytes.first_chunk::<2>());
                two.copied().unwrap_or_default()
            };
            records.push(Record {
                start,
                bytes: packet.data.len() as u32,
                wire_length: packet.wire_length,
                time_ns: packet.time_ns,
                link: packet.link,
                places,
                original: places.map(original),
            });
        }
        debug_assert!(burst.len() <= BURST);
        drop(burst);
        match received {
            Received::Packets | Received::Idle => {}
            Received::End => return Ok(()),
            Received::Failed(sentence) => return Err(sentence),
        }
    }
}

/// Where the second and third byte of both IPv4 addresses are, of IPv6 addresses the third and fourth from their end's
/// network half; the byte after them may be changed too.
fn address_places(link: LinkType, frame: &[u8]) -> [u16; 2] {
    let ether_type = |place: usize| frame.get(place..).and_then(|bytes| bytes.first_chunk::<2>()).copied();
    let (kind, header) = match link {
        LinkType::Ethernet => {
            let mut place = 12;
            while matches!(ether_type(place), Some([0x81, 0x00] | [0x88, 0xa8])) {
                place += 4;
            }
            (ether_type(place), place + 2)
        }
        LinkType::LinuxCooked => (ether_type(14), 16),
        LinkType::LinuxCooked2 => (ether_type(0), 20),
        _ => (None, 0),
    };
    let places = match kind {
        Some([0x08, 0x00]) => [header + 13, header + 17],
        Some([0x86, 0xdd]) => [header + 10, header + 26],
        _ => return [0, 0],
    };
    places.map(|place| u16::try_from(place).unwrap_or(0))
}

/// Loses and delays frames, the same ones in every run.
fn damage(plan: &ReplayPlan, records: &mut Vec<Record>) {
    let mut state = SEED;
    let mut random = move || {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut chance = |share: f64| share > 0.0 && (random() >> 11) as f64 / ((1u64 << 53) as f64) < share;
    records.retain(|_| !chance(plan.lost));
    let late: Vec<bool> = records.iter().map(|_| chance(plan.reordered)).collect();
    let mut distance = 0;
    for place in (0..records.len()).rev().filter(|place| late[*place]) {
        distance = distance % LATE_FRAMES + 1;
        let end = (place + distance as usize).min(records.len() - 1);
        // It arrives late: the times of arrival stay in order.
        let times: Vec<i64> = records[place..=end].iter().map(|record| record.time_ns).collect();
        records[place..=end].rotate_left(1);
        records[place..=end].iter_mut().zip(times).for_each(|(record, time_ns)| record.time_ns = time_ns);
    }
}
