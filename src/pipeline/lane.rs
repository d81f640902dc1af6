// SPDX-License-Identifier: Apache-2.0
//! The stages that a worker's packets go through, and the state behind them. The order of the stages stands in `worker.rs`.

mod accounting;
mod housekeeping;
mod reassembly;

use std::sync::Arc;

use super::connections::{Bench, Connections, Finding};
use super::counters::{Counters, SharedCounters};
use super::exchange::Exchange;
use super::look::{Assembled, Look, PacketSpan, Payload};
use super::publisher::EventWriter;
use crate::capture::{BURST, Packet, Placement, Pressure, Share, Stray};
use crate::flow::table::FlowEntry;
use crate::flow::{FlowIndex, FlowKey, FlowTable, KeyParts, Orientation, RecordSettings, Secret, realm};
use crate::stream::fragments::{FragmentLimits, Fragments};
use crate::wire::{self, Decoded, DropReason, Transport, Tunneling};

/// What the lanes of a run have in common.
#[derive(Clone)]
pub struct LaneSettings {
    /// None: no flow reports (`packetbeat.flows` absent or disabled).
    pub records: Option<RecordSettings>,
    pub max_flows: usize,
    pub fragments: FragmentLimits,
    pub tunneling: Tunneling,
    pub key_parts: KeyParts,
    pub workers: u16,
    pub secret: Secret,
    /// How long an event waits in a chunk that is not full, in packet time.
    pub chunk_age_ns: i64,
    /// Section number of flow events.
    pub flow_section: usize,
}

/// What a lane shares with the other threads.
pub struct Common {
    pub shared: Arc<SharedCounters>,
    pub exchange: Arc<Exchange>,
    pub pressure: Pressure,
}

pub struct Lane {
    settings: LaneSettings,
    worker: u16,
    share: Share,
    placement: Placement,
    table: FlowTable,
    connections: Connections,
    fragments: Fragments<FlowKey>,
    assembled: Vec<u8>,
    /// The same for a datagram made of datagrams.
    assembled_inner: Vec<u8>,
    /// A frame of several buffers, in one piece.
    linear: Vec<u8>,
    writer: EventWriter,
    pub counters: Counters,
    shared: Arc<SharedCounters>,
    exchange: Arc<Exchange>,
    pressure: Pressure,
    /// Datagrams of other workers that are later than what has been received here.
    early: Vec<(Assembled, Look)>,
    /// How often nothing came since they began to wait.
    idle_turns: u32,
    /// Packet time: the latest seen.
    now_ns: i64,
    bursts: u32,
    strays: Vec<Stray>,
    /// Of the packets of a burst.
    looks: Vec<Look>,
}

/// A datagram that came early waits for so many turns in which nothing else came.
const EARLY_IDLE_TURNS: u32 = 2_100;
/// … as long as not so many wait.
const EARLY_DATAGRAMS: usize = 256;

impl Lane {
    /// The error is a sentence: there is no memory for so many flows.
    pub fn new(
        settings: LaneSettings,
        worker: u16,
        (share, placement): (Share, Placement),
        connections: Connections,
        writer: EventWriter,
        sections: usize,
        common: Common,
    ) -> Result<Lane, String> {
        Ok(Lane {
            table: FlowTable::new(settings.max_flows, settings.secret)
                .map_err(|reason| format!("wirebeat.flows.max: {reason}"))?,
            fragments: Fragments::new(settings.fragments),
            settings,
            worker,
            share,
            placement,
            connections,
            assembled: Vec::new(),
            assembled_inner: Vec::new(),
            linear: Vec::new(),
            writer,
            counters: Counters::new(sections),
            shared: common.shared,
            exchange: common.exchange,
            pressure: common.pressure,
            early: Vec::new(),
            idle_turns: 0,
            now_ns: i64::MIN,
            bursts: 0,
            strays: Vec::with_capacity(BURST),
            looks: vec![Look::NOTHING; BURST],
        })
    }

    pub fn strays(&self) -> &[Stray] {
        &self.strays
    }

    /// Lends the places for the looks of a burst.
    pub(super) fn begin_burst(&mut self) -> Vec<Look> {
        self.strays.clear();
        std::mem::take(&mut self.looks)
    }

    pub(super) fn end_burst(&mut self, looks: Vec<Look>) {
        self.looks = looks;
    }

    /// Advances the packet clock, which never goes back.
    pub(super) fn clock(&mut self, time_ns: i64) {
        self.now_ns = self.now_ns.max(time_ns);
    }

    /// Decodes a packet. Answers whether it goes on: not when it is dropped, or another worker's.
    #[inline]
    pub(super) fn look(&mut self, packet: &Packet<'_>, place: usize, look: &mut Look) -> bool {
        look.decoded = Decoded::new();
        look.flow = None;
        match self.decode(packet, &mut look.decoded) {
            Ok(joined) => look.joined = joined,
            Err(reason) => {
                // Nothing is known of where it belongs: the first worker counts it.
                if self.share == Share::Queue || self.worker == 0 {
                    self.count_received(packet);
                    self.counters.dropped.0[reason.index()] += 1;
                }
                self.clock(packet.time_ns);
                return false;
            }
        }
        let Some((key, orientation)) = self.key(&look.decoded) else {
            if self.share == Share::Queue || self.worker == 0 {
                self.count_received(packet);
                self.counters.dropped_no_address += 1;
            }
            self.clock(packet.time_ns);
            return false;
        };
        look.hash = self.table.hash(&key);
        self.table.prefetch(look.hash);
        look.key = key;
        look.orientation = orientation;
        let home = self.home(&look.key, look.hash);
        if home != self.worker {
            match self.share {
                Share::Everything if matches!(look.decoded.transport, Transport::Fragment(_)) => {}
                Share::Everything => {
                    self.clock(packet.time_ns);
                    return false;
                }
                Share::Queue => {
                    self.counters.resharded += 1;
                    self.strays.push(Stray { place: place as u8, home });
                    return false;
                }
            }
        } else {
            self.count_received(packet);
        }
        true
    }

    /// Asks for the entry of a packet's flow, the index at its hash being there by now.
    #[inline]
    pub(super) fn prefetch_flow(&self, look: &mut Look) {
        if look.goes_on && !matches!(look.decoded.transport, Transport::Fragment(_)) {
            look.flow = self.table.likely(look.hash);
        }
    }

    /// Asks for the parser's state of a packet's flow, whose entry is there by now.
    #[inline]
    pub(super) fn prefetch_connection(&self, look: &Look) {
        if let (true, Some(flow)) = (look.goes_on, look.flow) {
            self.connections.prefetch(self.table.entry(flow).connection);
        }
    }

    fn count_received(&mut self, packet: &Packet<'_>) {
        self.counters.received += 1;
        self.counters.received_bytes += u64::from(packet.wire_length);
        self.counters.in_several_buffers += u64::from(!packet.more.is_empty());
    }

    /// Answers whether the headers were read from the joined buffers.
    #[inline]
    fn decode(&mut self, packet: &Packet<'_>, decoded: &mut Decoded) -> Result<bool, DropReason> {
        let tunneling = &self.settings.tunneling;
        match wire::decode_with(tunneling, packet.link, packet.data, packet.wire_length, decoded) {
            Err(reason) if reason.is_truncation() && !packet.more.is_empty() => {
                self.join(packet);
                *decoded = Decoded::new();
                let (tunneling, linear) = (&self.settings.tunneling, &self.linear);
                wire::decode_with(tunneling, packet.link, linear, packet.wire_length, decoded).map(|()| true)
            }
            outcome => outcome.map(|()| false),
        }
    }

    /// The key in the realm of the packet's tunnel.
    #[inline]
    fn key(&self, decoded: &Decoded) -> Option<(FlowKey, Orientation)> {
        let (key, orientation) = FlowKey::of(decoded)?;
        Some((key.within(realm(decoded, self.settings.key_parts)), orientation))
    }

    fn join(&mut self, packet: &Packet<'_>) {
        self.linear.clear();
        self.linear.extend_from_slice(packet.data);
        packet.more.iter().for_each(|part| self.linear.extend_from_slice(part));
        self.counters.linearised += 1;
        self.counters.stream.copied_bytes += self.linear.len() as u64;
    }

    fn home(&self, key: &FlowKey, hash: u64) -> u16 {
        let workers = self.settings.workers;
        match &self.placement {
            Placement::KeyedHash => (((hash >> 32) * u64::from(workers)) >> 32) as u16,
            // What has no IP address is given to the first.
            Placement::Sums(_) if key.is_link() => 0,
            Placement::Sums(sums) => sums.home(&key.low, &key.high, [key.low_port, key.high_port], workers),
            Placement::AsItCame => self.worker,
        }
    }

    pub(super) fn span(packet: &Packet<'_>) -> PacketSpan {
        PacketSpan { packets: 1, bytes: u64::from(packet.wire_length), time_ns: packet.time_ns }
    }

    pub(super) fn give_back(&mut self, assembled: Assembled) {
        self.assembled = assembled.bytes;
    }

    /// The payload of a packet where it is. None when its parts must be joined first: headers or a datagram in several buffers.
    pub(super) fn payload_in_place<'a>(packet: &Packet<'a>, look: &Look) -> Option<Payload<'a>> {
        if look.joined {
            return None;
        }
        let payload = Payload::new(packet.data, packet.more, &look.decoded);
        if packet.more.is_empty() {
            return Some(payload);
        }
        // What follows the payload, such as padding or the end of a tunnel's packet, is none.
        let fits = payload.captured_bytes() <= look.decoded.payload_length as usize;
        (fits && matches!(look.decoded.transport, Transport::Tcp(_))).then_some(payload)
    }

    /// A frame in one piece, in a buffer of the lane.
    pub(super) fn joined(&mut self, packet: &Packet<'_>) -> Assembled {
        self.join(packet);
        Assembled {
            bytes: std::mem::replace(&mut self.linear, std::mem::take(&mut self.assembled)),
            span: Lane::span(packet),
        }
    }

    /// Gives a payload to its flow's parser.
    pub(super) fn payload(&mut self, flow: FlowIndex, look: &Look, payload: &Payload<'_>, time_ns: i64) {
        let captured = payload.captured_bytes();
        let transport = look.decoded.transport;
        if matches!(transport, Transport::Tcp(_) | Transport::Udp { .. }) {
            self.counters.payload_bytes += captured as u64;
            self.counters.payload_cut_bytes += u64::from(payload.cut_bytes);
        }
        if let Transport::Tcp(tcp) = &transport {
            let connection = self.table.entry(flow).connection;
            if connection != FlowEntry::NO_CONNECTION && self.connections.begins_anew(connection, look.orientation, tcp)
            {
                self.renew(flow, look, time_ns);
            }
        }
        let connection = self.table.entry(flow).connection;
        if connection == FlowEntry::NO_CONNECTION {
            if matches!(transport, Transport::Tcp(_) | Transport::Udp { .. }) {
                self.counters.payload_no_protocol_bytes += captured as u64;
            }
            return;
        }
        let mut bench = Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns };
        let finding = match &transport {
            Transport::Tcp(tcp) => {
                let parts = (payload.first, payload.more);
                self.connections.segment(connection, look.orientation, tcp, parts, payload.cut_bytes, &mut bench)
            }
            Transport::Udp { .. } => {
                bench.counters.payload_datagram_bytes += captured as u64;
                let length = captured + payload.cut_bytes as usize;
                match captured {
                    0 => Finding::Nothing,
                    _ => self.connections.datagram(connection, look.orientation, payload.first, length, &mut bench),
                }
            }
            Transport::Icmp { .. } | Transport::Icmp6 { .. } => {
                let length = payload.icmp.len() + payload.cut_bytes as usize;
                self.connections.datagram(connection, look.orientation, payload.icmp, length, &mut bench)
            }
            _ => Finding::Nothing,
        };
        if finding != Finding::Nothing {
            self.found(flow, finding, time_ns);
        }
        let connection = self.table.entry(flow).connection;
        let deadline_ns = self.connections.deadline_ns(connection);
        self.table.schedule(flow, deadline_ns, self.now_ns);
    }

    /// The first bytes told the protocol of a flow, or nothing. A flow that has a report needs no more state then.
    fn found(&mut self, flow: FlowIndex, finding: Finding, time_ns: i64) {
        let (Finding::Analysed(protocol) | Finding::Unanalysed(protocol)) = finding else { return };
        self.table.entry_mut(flow).protocol = protocol.0;
        if matches!(finding, Finding::Unanalysed(_)) && self.settings.records.is_some() {
            let connection = std::mem::replace(&mut self.table.entry_mut(flow).connection, FlowEntry::NO_CONNECTION);
            let mut bench = Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns };
            self.connections.close(connection, &mut bench);
        }
    }

    /// Another connection between the same ports: the old one ends, its record too.
    fn renew(&mut self, flow: FlowIndex, look: &Look, time_ns: i64) {
        let Some(owner) = self.connections.owner_of(&look.decoded) else { return };
        let connection = self.table.entry(flow).connection;
        let mut bench = Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns };
        self.connections.close(connection, &mut bench);
        self.open(flow, owner, look);
        self.reschedule(flow);
    }
}
