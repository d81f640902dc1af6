// SPDX-License-Identifier: Apache-2.0
//! Where a worker's packets come in: the RX queues of its ports, each with its port's filter, and of capture files those of
//! several ports in the order of their time stamps.
//!
//! Limit: files are merged, replays are not: their feeders run at their own pace.

use std::sync::Arc;

use dpdk_sys::{Burst, Filter, Mbuf, RxQueue, TimestampField};

/// A file's driver that gives nothing so many times has nothing more.
const ENDED_POLLS: u32 = 256;

/// One RX queue and its port's filter.
pub struct Inlet {
    queue: RxQueue,
    filter: Option<Arc<Filter>>,
}

impl Inlet {
    pub fn new(queue: RxQueue, filter: Option<Arc<Filter>>) -> Inlet {
        Inlet { queue, filter }
    }

    /// Receives into an empty burst. Answers how many packets came, and how many of them the filter rejected.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> (usize, u64) {
        let came = self.queue.receive(burst);
        let Some(filter) = self.filter.as_ref().filter(|_| came > 0) else { return (came, 0) };
        if burst.iter().all(|mbuf| filter.matches(mbuf)) {
            return (came, 0);
        }
        let mut all = std::mem::take(burst);
        for mbuf in all.drain_all().filter(|mbuf| filter.matches(mbuf)) {
            // As many as came out go in.
            let _ = burst.push(mbuf);
        }
        (came, (came - burst.len()) as u64)
    }
}

/// The queues of ports that read files once, merged by time: a tap's two directions in two files are one conversation.
#[derive(Default)]
pub struct FileInlets {
    files: Vec<FileInlet>,
}

struct FileInlet {
    inlet: Inlet,
    /// What was received, the last packet first.
    ahead: Burst,
    empty_polls: u32,
}

impl FileInlets {
    pub fn push(&mut self, inlet: Inlet) {
        self.files.push(FileInlet { inlet, ahead: Burst::new(), empty_polls: 0 });
    }

    /// Whether every file was read to its end.
    pub fn is_over(&self) -> bool {
        self.files.iter().all(FileInlet::is_over)
    }

    /// Fills the burst with the earliest packets, as far as all files that go on are known to have none earlier. Answers
    /// how many the filters rejected.
    pub fn receive(&mut self, burst: &mut Burst, stamps: &Stamps) -> u64 {
        let mut filtered = 0;
        while !burst.is_full() {
            for file in &mut self.files {
                filtered += file.look_ahead();
            }
            if self.files.iter().any(|file| file.ahead.is_empty() && !file.is_over()) {
                break;
            }
            let earliest = self.files.iter_mut().filter_map(|file| {
                let time_ns = stamps.time_ns(file.ahead.last()?).unwrap_or(i64::MIN);
                Some((time_ns, file))
            });
            // Of equal ones the first, as the interfaces are listed.
            let Some(mbuf) = earliest.min_by_key(|(time_ns, _)| *time_ns).and_then(|(_, file)| file.ahead.pop()) else {
                break;
            };
            // There is room.
            let _ = burst.push(mbuf);
        }
        filtered
    }
}

impl FileInlet {
    fn is_over(&self) -> bool {
        self.ahead.is_empty() && self.empty_polls > ENDED_POLLS
    }

    fn look_ahead(&mut self) -> u64 {
        if !self.ahead.is_empty() || self.empty_polls > ENDED_POLLS {
            return 0;
        }
        let (came, filtered) = self.inlet.receive(&mut self.ahead);
        self.empty_polls = if came > 0 { 0 } else { self.empty_polls + 1 };
        self.ahead.reverse();
        filtered
    }
}

/// How the ports of a run stamp packets.
#[derive(Clone, Default)]
pub struct Stamps {
    field: Option<TimestampField>,
    /// Nanoseconds in a unit of a port's stamps, by the port's number; 0: it has the wall clock's time.
    unit_ns: Vec<i64>,
    /// Of packets without a port, which are those of replays.
    portless_unit_ns: i64,
    any_wall: bool,
}

impl Stamps {
    /// A port whose packets have the time at which they are received.
    pub fn add_wall(&mut self, port: u16) {
        self.any_wall = true;
        self.set(port, 0);
    }

    /// A port whose packets bring their time.
    pub fn add_stamped(&mut self, port: u16, field: TimestampField, unit_ns: i64) {
        self.field = Some(field);
        self.set(port, unit_ns);
    }

    /// As above, for a ring port, whose driver may leave the port's number out.
    pub fn add_replay(&mut self, port: u16, field: TimestampField) {
        self.add_stamped(port, field, 1);
        self.portless_unit_ns = 1;
    }

    /// Whether some port has the wall clock's time.
    #[inline]
    pub fn any_wall(&self) -> bool {
        self.any_wall
    }

    /// The time that a packet brings.
    #[inline]
    pub fn time_ns(&self, mbuf: &Mbuf) -> Option<i64> {
        let field = self.field.as_ref()?;
        match self.unit_ns.get(usize::from(mbuf.port())).copied().unwrap_or(self.portless_unit_ns) {
            0 => None,
            unit_ns => mbuf.timestamp(field).map(|stamp| (stamp as i64).saturating_mul(unit_ns)),
        }
    }

    fn set(&mut self, port: u16, unit_ns: i64) {
        let place = usize::from(port);
        if self.unit_ns.len() <= place {
            self.unit_ns.resize(place + 1, 0);
        }
        self.unit_ns[place] = unit_ns;
    }
}
