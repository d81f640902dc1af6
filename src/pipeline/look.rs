// SPDX-License-Identifier: Apache-2.0
//! What the stages of a worker hand on: a packet's look, its span in a flow, its payload.

use crate::flow::{FlowIndex, FlowKey, Orientation};
use crate::wire::Decoded;

/// A decoded packet and its flow key. Written in place: what is copied at once is read before it is in memory.
#[derive(Clone, Copy)]
pub struct Look {
    pub decoded: Decoded,
    pub key: FlowKey,
    pub hash: u64,
    pub orientation: Orientation,
    /// Where its flow was most likely when the burst came.
    pub(super) flow: Option<FlowIndex>,
    /// Whether the packet is to be analysed here.
    pub goes_on: bool,
    /// Whether headers were read from the joined buffers.
    pub(super) joined: bool,
}

impl Look {
    pub const NOTHING: Look = Look {
        decoded: Decoded::new(),
        key: FlowKey::NOTHING,
        hash: 0,
        orientation: Orientation::LowToHigh,
        flow: None,
        goes_on: false,
        joined: false,
    };
}

/// The packets that count in a flow at once.
#[derive(Clone, Copy)]
pub struct PacketSpan {
    pub packets: u64,
    pub bytes: u64,
    pub time_ns: i64,
}

/// A datagram put together from fragments, or a frame joined from several buffers; in a buffer of the lane.
pub struct Assembled {
    pub(super) bytes: Vec<u8>,
    pub span: PacketSpan,
}

/// A payload in one or several parts.
pub struct Payload<'a> {
    pub(super) first: &'a [u8],
    pub(super) more: &'a [&'a [u8]],
    /// Bytes that the capture cut off.
    pub(super) cut_bytes: u32,
    /// The message from its ICMP type on.
    pub(super) icmp: &'a [u8],
}

impl Assembled {
    pub fn payload(&self, look: &Look) -> Payload<'_> {
        Payload::new(&self.bytes, &[], &look.decoded)
    }
}

impl<'a> Payload<'a> {
    pub(super) fn new(frame: &'a [u8], more: &'a [&'a [u8]], decoded: &Decoded) -> Payload<'a> {
        let first = decoded.payload(frame);
        let captured = first.len() + more.iter().map(|part| part.len()).sum::<usize>();
        let message =
            frame.get((decoded.payload_offset as usize).saturating_sub(ICMP_HEAD_BYTES)..).unwrap_or_default();
        Payload {
            first,
            more,
            cut_bytes: decoded.payload_length.saturating_sub(captured as u32),
            icmp: message.get(..decoded.payload_length as usize + ICMP_HEAD_BYTES).unwrap_or(message),
        }
    }
}

impl Payload<'_> {
    pub(super) fn captured_bytes(&self) -> usize {
        self.first.len() + self.more.iter().map(|part| part.len()).sum::<usize>()
    }
}

/// Type, code and checksum, which decoding does not count to an ICMP message's payload.
const ICMP_HEAD_BYTES: usize = 4;
