// SPDX-License-Identifier: Apache-2.0
//! Frames that are made: so many flows at a time in turn, so many new ones a second, of a size or of IMIX.
//!
//! A ring of buffers stands for a NIC's: each frame is made in the next one, so that a frame is as warm in the cache as one
//! that a NIC has written. Packet time goes at a nominal rate. Every flow has addresses and ports that no other one has,
//! so as many flows must be found as were made. Limit: TCP flows are met in the middle and carry no protocol.

use super::scenario::{FrameSizes, Segments, SyntheticPlan};
use super::source::{Frame, Traffic};
use crate::wire::LinkType;

/// Buffers of the ring.
const BUFFERS: usize = 1024;
/// What is counted as a pass.
const PASS_PACKETS: u64 = 4096;
const BEGIN_NS: i64 = 1_760_000_000_000_000_000;
/// Visits the flows in an order that no prefetcher follows.
const STRIDE: u64 = 0x9e37_79b1;
/// 7 small frames, 4 medium ones, 1 large one, spread.
const IMIX: [u16; 12] = [60, 590, 60, 60, 590, 60, 60, 1514, 590, 60, 60, 590];

const ETHERNET: usize = 14;
const IPV4: usize = 20;

pub struct Synthetic {
    plan: SyntheticPlan,
    buffers: Vec<u8>,
    buffer_bytes: usize,
    /// Packets made, and the first one of the burst that is out.
    made: u64,
    out: u64,
    /// The flow's place whose turn is next, and how often all have had theirs.
    slot: u64,
    position: u64,
    round: u64,
    /// A place gets a new flow after so many turns, each place at another time; None: never.
    turns: Option<u64>,
    flows: u64,
    worker: u8,
    sizes: &'static [u16],
    fixed: u16,
    /// Nanoseconds between packets, in units of 2^-32.
    packet_time: u64,
}

impl Synthetic {
    pub fn new(plan: &SyntheticPlan, worker: u16) -> Result<Synthetic, String> {
        let rate = plan.packets_per_second;
        if plan.new_flows_per_second > rate {
            return Err(format!(
                "source.synthetic.new_flows_per_second: found {}, more than the {rate} packets a second; each new flow needs one",
                plan.new_flows_per_second
            ));
        }
        let (sizes, fixed): (&'static [u16], u16) = match plan.frames {
            FrameSizes::Fixed(bytes) => (&[], bytes),
            FrameSizes::Imix => (&IMIX, 1514),
        };
        let buffer_bytes = usize::from(fixed).next_multiple_of(128);
        let mut buffers = vec![b'.'; buffer_bytes * BUFFERS];
        for buffer in buffers.chunks_exact_mut(buffer_bytes) {
            buffer[..ETHERNET].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
            buffer[ETHERNET..ETHERNET + IPV4]
                .copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 0, 172, 16, 0, 0]);
        }
        Ok(Synthetic {
            buffers,
            buffer_bytes,
            made: 0,
            out: 0,
            slot: 0,
            position: 0,
            round: 0,
            turns: rate.checked_div(plan.new_flows_per_second),
            flows: 0,
            worker: worker as u8,
            sizes,
            fixed,
            packet_time: (1_000_000_000 << 32) / rate,
            plan: plan.clone(),
        })
    }

    fn frame_bytes(&self, number: u64) -> u16 {
        match self.sizes {
            [] => self.fixed,
            sizes => sizes[number as usize % sizes.len()],
        }
    }

    /// The next packet's flow, by a number that no other flow has.
    fn flow(&mut self) -> u64 {
        let (flows, slot) = (self.plan.flows, self.slot);
        let age = self.turns.map_or(0, |turns| self.round + slot % turns);
        let generation = self.turns.map_or(0, |turns| age / turns);
        self.flows += u64::from(self.round == 0 || self.turns.is_some_and(|turns| age.is_multiple_of(turns)));
        self.slot = (slot + STRIDE % flows) % flows;
        self.position += 1;
        if self.position == flows {
            (self.position, self.round) = (0, self.round + 1);
        }
        generation * flows + slot
    }

    fn write(&mut self, number: u64) {
        let flow = self.flow();
        let length = usize::from(self.frame_bytes(number));
        let start = (number as usize % BUFFERS) * self.buffer_bytes;
        let plan = &self.plan;
        let frame = &mut self.buffers[start..start + length];
        // Spread over the percentages, whatever the order of flows.
        let percent = flow.wrapping_mul(61) % 100;
        let ip = &mut frame[ETHERNET..];
        let ip_length = (length - ETHERNET) as u16;
        ip[2..4].copy_from_slice(&ip_length.to_be_bytes());
        let is_tcp = percent < plan.tcp_percent;
        let is_udp = !is_tcp && percent < plan.tcp_percent + plan.udp_percent;
        ip[9] = if is_tcp {
            6
        } else if is_udp {
            17
        } else {
            1
        };
        // 24 bits in the client's address, 16 in the server's.
        ip[13..16].copy_from_slice(&(flow as u32).to_be_bytes()[1..]);
        ip[17] = self.worker;
        ip[18..20].copy_from_slice(&((flow >> 24) as u16).to_be_bytes());
        let source_port = 49_152 + (flow % 16_000) as u16;
        let transport = &mut ip[IPV4..];
        let destination_port = plan.port.unwrap_or(if is_tcp { 40_443 } else { 40_053 });
        if is_tcp {
            let flags: u8 = if plan.segments == Segments::Syn { 0x02 } else { 0x10 };
            transport[..2].copy_from_slice(&source_port.to_be_bytes());
            transport[2..4].copy_from_slice(&destination_port.to_be_bytes());
            // The sequence number is the flow's place in time, so that streams advance.
            let sequence = (number as u32).wrapping_mul(u32::from(ip_length) - 40);
            transport[4..8].copy_from_slice(&sequence.to_be_bytes());
            transport[8..12].copy_from_slice(&[0; 4]);
            transport[12..20].copy_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        } else if is_udp {
            transport[..2].copy_from_slice(&source_port.to_be_bytes());
            transport[2..4].copy_from_slice(&destination_port.to_be_bytes());
            transport[4..6].copy_from_slice(&(ip_length - IPV4 as u16).to_be_bytes());
            transport[6..8].copy_from_slice(&[0, 0]);
        } else {
            // An echo request; the identifier is no part of a flow's key.
            transport[..8].copy_from_slice(&[8, 0, 0, 0, 0, 1, 0, 1]);
        }
    }
}

impl Traffic for Synthetic {
    fn prepare(&mut self, count: usize) -> usize {
        // A burst ends with its pass.
        let left = PASS_PACKETS - self.made % PASS_PACKETS;
        let count = count.min(left as usize);
        self.out = self.made;
        for _ in 0..count {
            self.write(self.made);
            self.made += 1;
        }
        count
    }

    fn frame(&self, place: usize) -> Frame<'_> {
        let number = self.out + place as u64;
        let start = (number as usize % BUFFERS) * self.buffer_bytes;
        let length = self.frame_bytes(number);
        let elapsed_ns = (u128::from(number) * u128::from(self.packet_time)) >> 32;
        Frame {
            data: &self.buffers[start..start + usize::from(length)],
            wire_length: u32::from(length),
            time_ns: BEGIN_NS + elapsed_ns as i64,
            link: LinkType::Ethernet,
        }
    }

    fn passes(&self) -> Option<u64> {
        self.made.is_multiple_of(PASS_PACKETS).then_some(self.made / PASS_PACKETS)
    }

    fn is_warm(&self) -> bool {
        self.round > 0
    }

    fn flows(&self) -> u64 {
        self.flows
    }
}
