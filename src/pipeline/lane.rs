// SPDX-License-Identifier: Apache-2.0
//! The stages that a worker's packets go through, and the state behind them. The order of the stages stands in `worker.rs`.

mod reassembly;

use std::sync::Arc;

use super::connections::{Bench, Connections, Finding};
use super::counters::{Counters, SharedCounters};
use super::exchange::Exchange;
use super::look::{Assembled, Look, PacketSpan, Payload};
use super::processes::Carrier;
use super::publisher::EventWriter;
use crate::capture::{BURST, Packet, Placement, Pressure, Share, SourceStatistics, Stray};
use crate::flow::identity::MacAddresses;
use crate::flow::record::{self, Counters as RecordCounters, Followed, Report};
use crate::flow::table::{Count, FlowEntry, Record, Sense};
use crate::flow::{FlowIndex, FlowKey, FlowTable, Identity, KeyParts, Orientation, RecordSettings, Secret, realm};
use crate::protocols::detect::ProtocolName;
use crate::protocols::registry::Owner;
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

/// Housekeeping runs every so many bursts.
const HOUSEKEEPING_BURSTS: u32 = 32;
/// A busy source is asked for its statistics every so many bursts.
const STATISTICS_BURSTS: u32 = 2048;
/// A datagram that came early waits for so many turns in which nothing else came.
const EARLY_IDLE_TURNS: u32 = 2_100;
/// … as long as not so many wait.
const EARLY_DATAGRAMS: usize = 256;
/// Flows looked at per housekeeping, at most.
const EXPIRY_BUDGET: usize = 512;

impl Lane {
    pub fn new(
        settings: LaneSettings,
        worker: u16,
        (share, placement): (Share, Placement),
        connections: Connections,
        writer: EventWriter,
        sections: usize,
        common: Common,
    ) -> Lane {
        Lane {
            table: FlowTable::new(settings.max_flows, settings.secret),
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
        }
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
        if !matches!(look.decoded.transport, Transport::Fragment(_)) {
            look.flow = self.table.find(look.hash, &look.key);
        }
        true
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

    /// Finds or makes the flow of a packet and counts the packet in it. None when the packet ends here.
    pub(super) fn flow(&mut self, look: &Look, span: &PacketSpan) -> Option<FlowIndex> {
        let analysed = !matches!(look.decoded.transport, Transport::Fragment(_)) && span.packets == 1;
        let flow = self.find_or_make(look, span)?;
        if analysed {
            self.counters.analysed += 1;
        }
        Some(flow)
    }

    fn find_or_make(&mut self, look: &Look, span: &PacketSpan) -> Option<FlowIndex> {
        let mac = self.settings.records.map_or(MacAddresses::Matched, |records| records.mac_addresses);
        let identity = Identity::of(&look.decoded, mac);
        let number = identity.number(look.orientation);
        let known = look.flow.filter(|flow| self.table.holds(*flow, look.hash, &look.key));
        // An earlier packet of the burst may have made it.
        let flow = match known.or_else(|| self.table.find(look.hash, &look.key)) {
            Some(flow) => {
                self.up_to_date(flow, span.time_ns);
                // Looking may have removed a flow whose time was over.
                match self.table.holds(flow, look.hash, &look.key) {
                    true => flow,
                    false => self.make(look, identity, number, span)?,
                }
            }
            None => self.make(look, identity, number, span)?,
        };
        if self.settings.records.is_none() {
            self.table.entry_mut(flow).last_ns = span.time_ns.max(self.table.entry(flow).last_ns);
            return Some(flow);
        }
        let entry = self.table.entry(flow);
        if entry.record == Record::Open && entry.identity != number {
            // The same conversation with other MAC addresses, VLANs or outer addresses: a flow of its own.
            let variant = look.key.with_variant(number);
            let hash = self.table.hash(&variant);
            let other = match self.table.find(hash, &variant) {
                Some(other) => {
                    self.up_to_date(other, span.time_ns);
                    self.table.find(hash, &variant)
                }
                None => None,
            };
            let made = Look { key: variant, hash, ..*look };
            let other = match other {
                Some(other) => Some(other),
                None => self.insert(&made, identity, number, span.time_ns),
            };
            if let Some(other) = other {
                self.count(other, &made, identity, number, span);
            }
            self.table.entry_mut(flow).last_ns = span.time_ns.max(self.table.entry(flow).last_ns);
        } else {
            self.count(flow, look, identity, number, span);
        }
        Some(flow)
    }

    /// A new flow with its parser. Without flow reports only analysed flows are kept.
    fn make(&mut self, look: &Look, identity: Identity, number: u64, span: &PacketSpan) -> Option<FlowIndex> {
        let owner = self.connections.owner_of(&look.decoded);
        if owner.is_none() && self.settings.records.is_none() {
            self.counters.analysed += u64::from(span.packets == 1);
            self.count_unanalysed(&look.decoded);
            return None;
        }
        let Some(flow) = self.insert(look, identity, number, span.time_ns) else {
            if span.packets == 1 {
                self.counters.dropped_flow_table_full += 1;
            }
            return None;
        };
        if let Some(owner) = owner {
            self.open(flow, owner, look);
        }
        self.reschedule(flow);
        Some(flow)
    }

    fn count_unanalysed(&mut self, decoded: &Decoded) {
        if matches!(decoded.transport, Transport::Tcp(_) | Transport::Udp { .. }) {
            let bytes = u64::from(decoded.payload_length);
            self.counters.payload_bytes += bytes;
            self.counters.payload_no_protocol_bytes += bytes;
        }
    }

    fn insert(&mut self, look: &Look, identity: Identity, number: u64, time_ns: i64) -> Option<FlowIndex> {
        let flow = self.table.insert(look.hash, look.key, look.orientation, (identity, number), time_ns)?;
        self.counters.flows_created += 1;
        if let Some(processes) = self.writer.processes() {
            let carrier = match look.decoded.transport {
                Transport::Tcp(_) => Carrier::Tcp,
                Transport::Udp { .. } => Carrier::Udp,
                _ => return Some(flow),
            };
            let key = &look.key;
            processes.notice(carrier, [(key.low.into(), key.low_port), (key.high.into(), key.high_port)]);
        }
        Some(flow)
    }

    fn open(&mut self, flow: FlowIndex, owner: Owner, look: &Look) {
        self.connections.open(owner, self.table.entry_mut(flow), &look.decoded, look.orientation);
        self.counters.connections_created += 1;
    }

    /// Counts packets in a flow's record, which opens with the first.
    fn count(&mut self, flow: FlowIndex, look: &Look, identity: Identity, number: u64, span: &PacketSpan) {
        let Some(records) = self.settings.records else { return };
        let entry = self.table.entry_mut(flow);
        if entry.record == Record::Closed {
            entry.record = Record::Open;
            entry.forward = look.orientation;
            entry.counts = [Count::default(); 2];
            entry.first_ns = span.time_ns;
            entry.last_ns = span.time_ns;
            entry.next_report_ns = records.report_after(span.time_ns);
            entry.icmp = None;
            self.table.set_identity(flow, identity, number);
            self.reschedule(flow);
        }
        let entry = self.table.entry_mut(flow);
        let sense = entry.sense(look.orientation);
        let count = &mut entry.counts[sense as usize];
        count.packets += span.packets;
        count.bytes += span.bytes;
        entry.first_ns = entry.first_ns.min(span.time_ns);
        entry.last_ns = entry.last_ns.max(span.time_ns);
        match look.decoded.transport {
            Transport::Icmp { kind, code } | Transport::Icmp6 { kind, code } if sense == Sense::Forward => {
                entry.icmp = Some((kind, code));
            }
            _ => {}
        }
    }

    /// Publishes what of a flow was due before `time_ns`: reports, waiting transactions, the end. The flow may be gone after.
    fn up_to_date(&mut self, flow: FlowIndex, time_ns: i64) {
        let connection = self.table.entry(flow).connection;
        if connection != FlowEntry::NO_CONNECTION && self.connections.deadline_ns(connection) <= time_ns {
            self.connections.expire(
                connection,
                &mut Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns },
            );
        }
        if let Some(records) = self.settings.records {
            while self.table.entry(flow).record == Record::Open {
                let entry = self.table.entry(flow);
                let end_ns = entry.last_ns.saturating_add(records.timeout_ns);
                let report_ns = entry.next_report_ns;
                if report_ns < end_ns && report_ns <= time_ns {
                    self.report(flow, Report::Periodic, report_ns);
                    self.table.entry_mut(flow).next_report_ns = records.report_after(report_ns);
                } else if end_ns <= time_ns {
                    self.report(flow, Report::Final, end_ns);
                } else {
                    break;
                }
            }
        }
        let entry = self.table.entry(flow);
        if entry.record == Record::Closed && self.idle_end_ns(flow) <= time_ns {
            self.remove(flow, time_ns);
        }
    }

    /// When a flow without an open record has nothing more to wait for.
    fn idle_end_ns(&self, flow: FlowIndex) -> i64 {
        let entry = self.table.entry(flow);
        match entry.connection {
            FlowEntry::NO_CONNECTION => entry.last_ns,
            connection => entry.last_ns.saturating_add(self.connections.idle_limit_ns(connection)),
        }
    }

    fn remove(&mut self, flow: FlowIndex, time_ns: i64) {
        let connection = self.table.entry(flow).connection;
        if connection != FlowEntry::NO_CONNECTION {
            let mut bench = Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns };
            self.connections.close(connection, &mut bench);
        }
        self.table.remove(flow);
        self.counters.flows_closed += 1;
    }

    /// Publishes a report; the final one closes the record.
    fn report(&mut self, flow: FlowIndex, report: Report, time_ns: i64) {
        let entry = self.table.entry(flow);
        let followed = match entry.connection != FlowEntry::NO_CONNECTION {
            true => Followed::Yes,
            false => Followed::No,
        };
        let mut section = self.writer.section(self.settings.flow_section, time_ns, &mut self.counters);
        let event = crate::protocols::Publisher::begin(&mut section);
        record::fill(event, entry, self.table.identity(flow), report, followed, time_ns);
        if let Some(name) = ProtocolName(entry.protocol).name() {
            event.constant(crate::event::field::NETWORK_PROTOCOL, name);
        }
        section.publish_flow();
        let delta = self.settings.records.is_some_and(|records| records.counters == RecordCounters::Delta);
        let entry = self.table.entry_mut(flow);
        if report == Report::Final {
            entry.record = Record::Closed;
        }
        if delta {
            entry.counts = [Count::default(); 2];
        }
    }

    /// Sets a flow's timer to the earliest thing it waits for.
    fn reschedule(&mut self, flow: FlowIndex) {
        let entry = self.table.entry(flow);
        let mut deadline_ns = match entry.record {
            Record::Closed => self.idle_end_ns(flow),
            Record::Open => {
                let timeout_ns = self.settings.records.map_or(0, |records| records.timeout_ns);
                entry.last_ns.saturating_add(timeout_ns).min(entry.next_report_ns)
            }
        };
        if entry.connection != FlowEntry::NO_CONNECTION {
            deadline_ns = deadline_ns.min(self.connections.deadline_ns(entry.connection));
        }
        self.table.schedule(flow, deadline_ns, self.now_ns);
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

    /// Work that is not for every burst. Answers whether the source's own statistics are due.
    pub(super) fn housekeeping(&mut self) -> bool {
        self.bursts = self.bursts.wrapping_add(1);
        if self.bursts.is_multiple_of(HOUSEKEEPING_BURSTS) {
            self.expire();
        }
        self.bursts.is_multiple_of(STATISTICS_BURSTS)
    }

    /// Nothing came: time goes on by the wall clock on a live source.
    pub(super) fn idle(&mut self, busy: bool) {
        if !busy {
            self.idle_turns = self.idle_turns.saturating_add(1);
            self.expire();
        }
    }

    /// Advances the clock without a packet.
    pub fn advance_clock(&mut self, time_ns: i64) {
        self.clock(time_ns);
    }

    fn expire(&mut self) {
        for _ in 0..EXPIRY_BUDGET {
            let Some(flow) = self.table.next_due(self.now_ns) else { break };
            let key = self.table.entry(flow).key;
            self.up_to_date(flow, self.now_ns);
            let hash = self.table.hash(&key);
            if self.table.find(hash, &key) == Some(flow) {
                self.reschedule(flow);
            }
        }
        self.connections.tidy(self.now_ns);
        self.writer.send_older_than(self.now_ns.saturating_sub(self.settings.chunk_age_ns));
        self.shared.publish(&self.counters);
    }

    pub(super) fn source_statistics(&mut self, statistics: SourceStatistics) {
        self.counters.missed = statistics.missed;
        self.counters.source_errors = statistics.errors;
        self.counters.source_no_buffer = statistics.no_buffer;
        self.counters.handover_lost = statistics.handover_lost;
        // The source keeps these to itself. Where every worker sees every packet the first counts for all.
        if self.share == Share::Everything && self.worker != 0 {
            return;
        }
        let filtered = statistics.filtered - self.counters.filtered.min(statistics.filtered);
        self.counters.filtered += filtered;
        self.counters.received += filtered;
    }

    /// The capture is over: everything that waits is published, every flow gets its last report.
    pub(super) fn finish(&mut self) {
        self.counters.dropped_fragment_timeout += self.fragments.clear();
        let time_ns = self.now_ns;
        for flow in self.table.all() {
            self.up_to_date_at_end(flow, time_ns);
        }
        self.writer.send();
        self.shared.publish(&self.counters);
    }

    fn up_to_date_at_end(&mut self, flow: FlowIndex, time_ns: i64) {
        let key = self.table.entry(flow).key;
        self.up_to_date(flow, time_ns);
        let hash = self.table.hash(&key);
        if self.table.find(hash, &key) != Some(flow) {
            return;
        }
        if self.table.entry(flow).record == Record::Open {
            self.report(flow, Report::Final, time_ns);
        }
        self.remove(flow, time_ns);
    }

    /// Flows, analysed flows and early segments that exist now.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        let (connections, held) = self.connections.occupancy();
        (self.table.len(), connections, held)
    }
}
