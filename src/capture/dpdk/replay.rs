// SPDX-License-Identifier: Apache-2.0
//! A capture file fed into the queues of a ring port as a NIC would: by a symmetric hash, paced or at full speed.
//!
//! From the second pass on addresses are rewritten, so that every pass makes fresh flows.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use dpdk_sys::ring::Producer;
use dpdk_sys::thread::Registration;
use dpdk_sys::{Burst as MbufBurst, Eal, Mbuf, Mempool, Port, PortConfiguration, RingPort, RxQueue, TimestampField};

use crate::capture::file::{FileSource, Pace};
use crate::capture::{Burst, Received, Source};
use crate::flow::{FlowKey, Secret};
use crate::wire::{self, Decoded, LinkType};

/// Packets a queue of the ring port holds.
const QUEUE_PACKETS: u32 = 2048;

/// What is replayed.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    pub path: PathBuf,
    /// With the file's gaps and the wall clock's time, or as fast as the workers take it, with the file's time.
    pub pace: ReplayPace,
    /// 0 for ever.
    pub passes: u64,
    /// The secret of the run's flow hash, so that a packet comes to the queue of its home.
    pub secret: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayPace {
    FullSpeed,
    RealTime,
}

impl ReplayPlan {
    /// Opens the ring port and the file. The feed starts when the workers run.
    pub(super) fn open(
        &self,
        eal: &Eal,
        number: usize,
        workers: u16,
        pool: Mempool,
        ports: &mut Vec<Port>,
    ) -> Result<(Vec<RxQueue>, Feed), String> {
        let ring = RingPort::create(eal, &format!("replay{number}"), workers, QUEUE_PACKETS, None)
            .map_err(|error| error.to_string())?;
        let mut port = ring.port;
        port.configure(&PortConfiguration { rss: None, ..PortConfiguration::new(workers) }, &[pool])
            .map_err(|error| error.to_string())?;
        let (queues, _transmit) = port.start().map_err(|error| error.to_string())?;
        ports.push(port);
        let pace = match self.pace {
            ReplayPace::FullSpeed => Pace::TopSpeed,
            ReplayPace::RealTime => Pace::RealTime { start_ns: jiff::Timestamp::now().as_nanosecond() as i64 },
        };
        let source =
            FileSource::open(&self.path, pace, 1).map_err(|error| format!("{}: {error}", self.path.display()))?;
        let feeder = Feeder {
            eal: eal.share(),
            plan: self.clone(),
            producers: ring.feeders,
            pool,
            secret: self.secret,
            field: TimestampField::register(eal).map_err(|error| error.to_string())?,
            stop: Arc::new(AtomicBool::new(false)),
            done: Arc::new(AtomicBool::new(false)),
        };
        let (stop, done) = (Arc::clone(&feeder.stop), Arc::clone(&feeder.done));
        Ok((queues, Feed { feeder: Some((feeder, source)), thread: None, stop, done }))
    }
}

/// The feeding thread of a replay.
pub struct Feed {
    feeder: Option<(Feeder, FileSource)>,
    thread: Option<JoinHandle<Result<(), String>>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl Feed {
    /// Set when everything has been fed.
    pub(super) fn done(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.done)
    }

    pub(super) fn start(&mut self) {
        if let Some((mut feeder, source)) = self.feeder.take() {
            let done = Arc::clone(&self.done);
            let thread = std::thread::Builder::new().name("replay".to_string()).spawn(move || {
                let outcome = feeder.run(source);
                feeder.done.store(true, Ordering::Release);
                outcome
            });
            match thread {
                Ok(thread) => self.thread = Some(thread),
                Err(_) => done.store(true, Ordering::Release),
            }
        }
    }

    pub(super) fn stop(mut self) -> Result<(), String> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err("the replay ended in a panic".to_string()),
            None => Ok(()),
        }
    }
}

struct Feeder {
    eal: Eal,
    plan: ReplayPlan,
    producers: Vec<Producer>,
    pool: Mempool,
    secret: Secret,
    field: TimestampField,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl Feeder {
    fn run(&mut self, first: FileSource) -> Result<(), String> {
        let _registration = Registration::of_current_thread(&self.eal).map_err(|error| error.to_string())?;
        let mut source = first;
        let mut pass = 0u64;
        while self.pass(&mut source, pass)? {
            pass += 1;
            if self.plan.passes != 0 && pass >= self.plan.passes {
                break;
            }
            let pace = match self.plan.pace {
                ReplayPace::FullSpeed => Pace::TopSpeed,
                ReplayPace::RealTime => Pace::RealTime { start_ns: jiff::Timestamp::now().as_nanosecond() as i64 },
            };
            source = FileSource::open(&self.plan.path, pace, 1)?;
        }
        Ok(())
    }

    /// Feeds the file once. Answers false when the feed is stopped.
    fn pass(&mut self, source: &mut FileSource, pass: u64) -> Result<bool, String> {
        let mut waiting: Vec<MbufBurst> = self.producers.iter().map(|_| MbufBurst::new()).collect();
        loop {
            let mut burst = Burst::new();
            let received = source.receive(&mut burst);
            for packet in &burst {
                let Some(mut mbuf) = self.mbuf(packet.data, packet.link) else { return Ok(false) };
                self.field.write(&mut mbuf, packet.time_ns as u64);
                if let Some(frame) = mbuf.data_mut().filter(|_| pass > 0) {
                    rewrite_addresses(frame, pass);
                }
                let queue = self.queue(mbuf.data());
                if waiting[queue].is_full() && !self.give(&mut waiting, queue) {
                    return Ok(false);
                }
                // There is room now.
                let _ = waiting[queue].push(mbuf);
            }
            drop(burst);
            for queue in 0..waiting.len() {
                if !self.give(&mut waiting, queue) {
                    return Ok(false);
                }
            }
            match received {
                Received::Packets | Received::Idle => {}
                Received::End => return Ok(true),
                Received::Failed(sentence) => return Err(sentence),
            }
            if self.stop.load(Ordering::Acquire) {
                return Ok(false);
            }
        }
    }

    /// A frame as a NIC would give it: Ethernet, in as many mbufs as it takes. None when the feed is stopped.
    fn mbuf(&self, frame: &[u8], link: LinkType) -> Option<Mbuf> {
        let head = ethernet_head(frame, link);
        let frame = &frame[head.1..];
        let room = usize::from(self.pool.data_bytes());
        let mut first = self.allocate()?;
        let mut head_and_data = Vec::new();
        let data = if head.0.is_empty() {
            frame
        } else {
            head_and_data.extend_from_slice(&head.0);
            head_and_data.extend_from_slice(frame);
            &head_and_data
        };
        let mut parts = data.chunks(room.max(1));
        first.append(parts.next().unwrap_or_default());
        for part in parts {
            let mut next = self.allocate()?;
            next.append(part);
            if first.chain(next).is_err() {
                break;
            }
        }
        Some(first)
    }

    fn allocate(&self) -> Option<Mbuf> {
        loop {
            if let Some(mbuf) = self.pool.allocate() {
                return Some(mbuf);
            }
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// The queue that symmetric RSS would choose: by addresses and ports, of a fragment by its addresses.
    fn queue(&self, frame: &[u8]) -> usize {
        let mut decoded = Decoded::new();
        let key = wire::decode_into(LinkType::Ethernet, frame, frame.len() as u32, &mut decoded)
            .ok()
            .and_then(|()| FlowKey::of(&decoded));
        match key {
            Some((key, _)) => (((self.secret.hash(&key) >> 32) * self.producers.len() as u64) >> 32) as usize,
            None => 0,
        }
    }

    /// Puts a queue's packets into its ring and waits for room. Answers false when the feed is stopped.
    fn give(&mut self, waiting: &mut [MbufBurst], queue: usize) -> bool {
        while !waiting[queue].is_empty() {
            self.producers[queue].enqueue(&mut waiting[queue]);
            if waiting[queue].is_empty() {
                break;
            }
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        true
    }
}

/// An Ethernet header for a frame of another link type, and the bytes of its own header that it replaces.
fn ethernet_head(frame: &[u8], link: LinkType) -> (Vec<u8>, usize) {
    let (skip, ether_type) = match link {
        LinkType::Ethernet => return (Vec::new(), 0),
        LinkType::LinuxCooked => (16, frame.get(14..16)),
        LinkType::LinuxCooked2 => (20, frame.get(0..2)),
        LinkType::NullLoopback => (4, None),
        _ => (0, None),
    };
    let by_version = match frame.get(skip).map(|byte| byte >> 4) {
        Some(6) => [0x86, 0xdd],
        _ => [0x08, 0x00],
    };
    let mut head = vec![0; 12];
    head.extend_from_slice(ether_type.unwrap_or(&by_version));
    (head, skip.min(frame.len()))
}

/// Changes both addresses of the outermost IP header by the number of the pass, so that equal addresses stay equal and
/// different ones different. Checksums are left wrong; nobody looks at them.
fn rewrite_addresses(frame: &mut [u8], pass: u64) {
    let mut offset = 12;
    while matches!(frame.get(offset..offset + 2), Some([0x81, 0x00] | [0x88, 0xa8])) {
        offset += 4;
    }
    let change = |frame: &mut [u8], place: usize| {
        if let Some(bytes) = frame.get_mut(place..place + 2) {
            bytes[0] ^= pass as u8;
            bytes[1] ^= (pass >> 8) as u8;
        }
    };
    let header = offset + 2;
    match frame.get(offset..header) {
        Some([0x08, 0x00]) => [12, 16].map(|place| change(frame, header + place + 1)),
        Some([0x86, 0xdd]) => [8, 24].map(|place| change(frame, header + place + 6)),
        _ => return,
    };
}
