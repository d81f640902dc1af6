// SPDX-License-Identifier: Apache-2.0
//! Live capture through libpcap, for link types that the other sources do not know. Every worker has a handle of its own
//! and sees everything.
//!
//! Limit: libpcap lends one packet at a time, so the packets of a burst are copied.

use std::ops::Range;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::pcap::{Active, Capture, Error, Precision};
use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bpf::sentence;
use super::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, SourceStatistics, Stray};
use crate::wire::LinkType;

/// How a handle is opened.
#[derive(Clone, Debug)]
pub struct Options {
    pub device: String,
    pub snap_bytes: u32,
    /// Of libpcap's buffer.
    pub buffer_bytes: usize,
    pub promiscuous: bool,
    pub filter: Option<String>,
}

/// One worker's handle.
pub struct PcapSource {
    handle: Capture<Active>,
    link: LinkType,
    device: String,
    /// The packets of the burst, one behind the other.
    bytes: Vec<u8>,
    records: ArrayVec<Record, BURST>,
    /// What the handle counted, and its counter when it was read last: it has 32 bits.
    missed: u64,
    counted: u32,
}

struct Record {
    data: Range<usize>,
    wire_length: u32,
    time_ns: i64,
}

/// Why a handle could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// A sentence about the device.
    Device(String),
    /// libpcap's sentence about the filter.
    Filter(String),
}

impl PcapSource {
    pub fn open(options: &Options) -> Result<PcapSource, OpenError> {
        let refused = |error: Error| OpenError::Device(explain(sentence(error)));
        let inactive = Capture::from_device(options.device.as_str()).map_err(refused)?;
        let handle = inactive
            .buffer_size(i32::try_from(options.buffer_bytes).unwrap_or(i32::MAX))
            .snaplen(i32::try_from(options.snap_bytes).unwrap_or(i32::MAX))
            .promisc(options.promiscuous)
            .timeout(TIMEOUT_MILLISECONDS)
            .precision(Precision::Nano)
            .open();
        let mut handle = handle.map_err(refused)?.setnonblock().map_err(refused)?;
        let number = handle.get_datalink();
        let link = u32::try_from(number.0).ok().and_then(LinkType::from_dlt).ok_or_else(|| {
            let name = number.get_name().unwrap_or_else(|_| number.0.to_string());
            OpenError::Device(format!("unsupported link type: {name}"))
        })?;
        if let Some(filter) = &options.filter {
            handle.filter(filter, true).map_err(|error| OpenError::Filter(sentence(error)))?;
        }
        Ok(PcapSource {
            handle,
            link,
            device: options.device.clone(),
            bytes: Vec::with_capacity(BURST * 2048),
            records: ArrayVec::new(),
            missed: 0,
            counted: 0,
        })
    }

    fn wait(&self) {
        let socket = self.handle.as_fd();
        let longest = Timespec { tv_sec: 0, tv_nsec: SLEEP.as_nanos() as _ };
        // An interrupted sleep is a short one.
        let _ = poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&longest));
    }
}

/// How long libpcap's ring keeps a block that is not full. Immediate mode would have no such wait, but a ring with a slot of
/// the snapshot length for each packet, which a short burst fills.
const TIMEOUT_MILLISECONDS: i32 = 20;
/// Longest sleep without a packet: a request to stop is seen after it.
const SLEEP: Duration = Duration::from_millis(50);
/// A packet is read this long after its time at the latest.
const DELAY: Duration = Duration::from_millis(200);

/// libpcap's sentence, and what to do about it.
fn explain(sentence: String) -> String {
    match sentence.contains("permission") || sentence.contains("not permitted") {
        true => format!("{} ({})", super::af_packet::NO_PERMISSION, sentence.trim_end_matches('.')),
        false => sentence,
    }
}

impl Source for PcapSource {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        let mut outcome = Received::Packets;
        while !self.records.is_full() {
            match self.handle.next_packet() {
                Ok(packet) => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(packet.data);
                    self.records.push(Record {
                        data: start..self.bytes.len(),
                        wire_length: packet.header.len.max(packet.header.caplen),
                        // The handle was asked for nanoseconds in the place of microseconds.
                        time_ns: packet.header.ts.tv_sec * 1_000_000_000 + packet.header.ts.tv_usec,
                    });
                }
                Err(Error::TimeoutExpired | Error::NoMorePackets) => {
                    if self.records.is_empty() {
                        self.wait();
                        outcome = Received::Idle;
                    }
                    break;
                }
                Err(error) => {
                    if self.records.is_empty() {
                        outcome = Received::Failed(format!("{}: {}", self.device, sentence(error)));
                    }
                    break;
                }
            }
        }
        burst.extend(self.records.iter().map(|record| Packet {
            data: self.bytes.get(record.data.clone()).unwrap_or_default(),
            more: &[],
            wire_length: record.wire_length,
            time_ns: record.time_ns,
            link: self.link,
            origin: Origin::Source,
        }));
        outcome
    }

    fn release(&mut self, _strays: &[Stray]) {
        self.records.clear();
        self.bytes.clear();
    }

    fn share(&self) -> Share {
        Share::Everything
    }

    fn pressure(&self) -> Pressure {
        Pressure::Live
    }

    fn wall_ns(&mut self) -> Option<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(now.saturating_sub(DELAY).as_nanos()).ok()
    }

    fn statistics(&mut self) -> SourceStatistics {
        if let Ok(statistics) = self.handle.stats() {
            self.missed += u64::from(statistics.dropped.wrapping_sub(self.counted));
            self.counted = statistics.dropped;
        }
        SourceStatistics { missed: self.missed, ..SourceStatistics::default() }
    }
}
