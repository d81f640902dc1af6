// SPDX-License-Identifier: Apache-2.0
//! A packet in its flow: found or made, what the flow owes published before, the packet counted.

use super::{Lane, Look, PacketSpan};
use crate::flow::identity::MacAddresses;
use crate::flow::record::{self, Counters as RecordCounters, Followed, Report};
use crate::flow::table::{Count, FlowEntry, Record, Sense};
use crate::flow::{FlowIndex, Identity};
use crate::pipeline::connections::Bench;
use crate::pipeline::processes::Carrier;
use crate::protocols::detect::ProtocolName;
use crate::protocols::registry::Owner;
use crate::wire::{Decoded, Transport};

impl Lane {
    /// Finds or makes the flow of a packet and counts the packet in it. None when the packet ends here.
    pub(in crate::pipeline) fn flow(&mut self, look: &Look, span: &PacketSpan) -> Option<FlowIndex> {
        let analysed = !matches!(look.decoded.transport, Transport::Fragment(_)) && span.packets == 1;
        let flow = self.find_or_make(look, span)?;
        if analysed {
            self.counters.analysed += 1;
        }
        Some(flow)
    }

    fn find_or_make(&mut self, look: &Look, span: &PacketSpan) -> Option<FlowIndex> {
        let number = Identity::number(&look.decoded, self.mac_addresses(), look.orientation);
        let known = look.flow.filter(|flow| self.table.holds(*flow, &look.key));
        // It may not be the likely one, and an earlier packet of the burst may have made it.
        let flow = match known.or_else(|| self.table.find(look.hash, &look.key)) {
            Some(flow) => {
                self.up_to_date(flow, span.time_ns);
                // Looking may have removed a flow whose time was over.
                match self.table.holds(flow, &look.key) {
                    true => flow,
                    false => self.make(look, number, span)?,
                }
            }
            None => self.make(look, number, span)?,
        };
        let entry = self.table.entry_mut(flow);
        if self.settings.records.is_none() {
            entry.last_ns = span.time_ns.max(entry.last_ns);
            return Some(flow);
        }
        if entry.record.is_open() && entry.identity != number {
            self.count_apart(look, number, span);
            let entry = self.table.entry_mut(flow);
            entry.last_ns = span.time_ns.max(entry.last_ns);
        } else {
            self.count(flow, look, number, span);
        }
        Some(flow)
    }

    /// The same conversation with other MAC addresses, VLANs or outer addresses: a flow of its own.
    #[cold]
    fn count_apart(&mut self, look: &Look, number: u64, span: &PacketSpan) {
        let variant = look.key.with_variant(number);
        let hash = self.table.hash(&variant);
        let found = self.table.find(hash, &variant).and_then(|other| {
            self.up_to_date(other, span.time_ns);
            self.table.holds(other, &variant).then_some(other)
        });
        let made = Look { key: variant, hash, ..*look };
        if let Some(other) = found.or_else(|| self.insert(&made, number, span.time_ns)) {
            self.count(other, &made, number, span);
        }
    }

    fn mac_addresses(&self) -> MacAddresses {
        self.settings.records.map_or(MacAddresses::Matched, |records| records.mac_addresses)
    }

    /// A new flow with its parser. Without flow reports only analysed flows are kept.
    fn make(&mut self, look: &Look, number: u64, span: &PacketSpan) -> Option<FlowIndex> {
        let owner = self.connections.owner_of(&look.decoded);
        if owner.is_none() && self.settings.records.is_none() {
            self.counters.analysed += u64::from(span.packets == 1);
            self.count_unanalysed(&look.decoded);
            return None;
        }
        let Some(flow) = self.insert(look, number, span.time_ns) else {
            if span.packets == 1 {
                self.counters.dropped_flow_table_full += 1;
            }
            return None;
        };
        if let Some(owner) = owner {
            self.open(flow, owner, look);
        }
        // With reports the packet is counted at once, which sets the timer.
        if self.settings.records.is_none() {
            self.reschedule(flow);
        }
        Some(flow)
    }

    fn count_unanalysed(&mut self, decoded: &Decoded) {
        if matches!(decoded.transport, Transport::Tcp(_) | Transport::Udp { .. }) {
            let bytes = u64::from(decoded.payload_length);
            self.counters.payload_bytes += bytes;
            self.counters.payload_no_protocol_bytes += bytes;
        }
    }

    fn insert(&mut self, look: &Look, number: u64, time_ns: i64) -> Option<FlowIndex> {
        let identity = Identity::of(&look.decoded, self.mac_addresses());
        let flow = self.table.insert(look.hash, look.key, (&identity, number), time_ns)?;
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

    pub(super) fn open(&mut self, flow: FlowIndex, owner: Owner, look: &Look) {
        self.connections.open(owner, self.table.entry_mut(flow), &look.decoded, look.orientation);
        self.counters.connections_created += 1;
    }

    /// Counts packets in a flow's record, which opens with the first.
    #[inline]
    fn count(&mut self, flow: FlowIndex, look: &Look, number: u64, span: &PacketSpan) {
        if !self.table.entry(flow).record.is_open() {
            self.begin_record(flow, look, number, span.time_ns);
        }
        let entry = self.table.entry_mut(flow);
        let sense = entry.sense(look.orientation);
        let count = &mut entry.counts[sense as usize];
        count.packets += span.packets;
        count.bytes += span.bytes;
        if span.time_ns >= entry.last_ns {
            entry.last_ns = span.time_ns;
        } else {
            let details = self.table.details_mut(flow);
            details.first_ns = details.first_ns.min(span.time_ns);
        }
        match look.decoded.transport {
            Transport::Icmp { kind, code } | Transport::Icmp6 { kind, code } if sense == Sense::Forward => {
                self.table.details_mut(flow).icmp = (kind, code);
            }
            _ => {}
        }
    }

    fn begin_record(&mut self, flow: FlowIndex, look: &Look, number: u64, time_ns: i64) {
        let Some(records) = self.settings.records else { return };
        let entry = self.table.entry_mut(flow);
        entry.record = Record::open(look.orientation);
        entry.counts = [Count::default(); 2];
        entry.last_ns = time_ns;
        entry.next_report_ns = records.report_after(time_ns);
        let details = self.table.details_mut(flow);
        details.first_ns = time_ns;
        details.icmp = (0, 0);
        // A flow that was just made has it.
        if self.table.entry(flow).identity != number {
            let identity = Identity::of(&look.decoded, self.mac_addresses());
            self.table.set_identity(flow, &identity, number);
        }
        self.reschedule(flow);
    }

    /// Publishes what of a flow was due before `time_ns`: reports, waiting transactions, the end. The flow may be gone after.
    #[inline]
    fn up_to_date(&mut self, flow: FlowIndex, time_ns: i64) {
        // What an open record's flow waits for is never earlier than its timer.
        let entry = self.table.entry(flow);
        if !entry.record.is_open() || entry.wakes_ns() <= time_ns {
            self.publish_due(flow, time_ns);
        }
    }

    pub(super) fn publish_due(&mut self, flow: FlowIndex, time_ns: i64) {
        let connection = self.table.entry(flow).connection;
        if connection != FlowEntry::NO_CONNECTION && self.connections.deadline_ns(connection) <= time_ns {
            self.connections.expire(
                connection,
                &mut Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns },
            );
        }
        if let Some(records) = self.settings.records {
            while self.table.entry(flow).record.is_open() {
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
        if !self.table.entry(flow).record.is_open() && self.idle_end_ns(flow) <= time_ns {
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

    pub(super) fn remove(&mut self, flow: FlowIndex, time_ns: i64) {
        let connection = self.table.entry(flow).connection;
        if connection != FlowEntry::NO_CONNECTION {
            let mut bench = Bench { writer: &mut self.writer, counters: &mut self.counters, now_ns: time_ns };
            self.connections.close(connection, &mut bench);
        }
        self.table.remove(flow);
        self.counters.flows_closed += 1;
    }

    /// Publishes a report; the final one closes the record.
    pub(super) fn report(&mut self, flow: FlowIndex, report: Report, time_ns: i64) {
        let entry = self.table.entry(flow);
        let followed = match entry.connection != FlowEntry::NO_CONNECTION {
            true => Followed::Yes,
            false => Followed::No,
        };
        let mut section = self.writer.section(self.settings.flow_section, time_ns, &mut self.counters);
        let event = crate::protocols::Publisher::begin(&mut section);
        let (details, identity) = (self.table.details(flow), self.table.identity(flow));
        record::fill(event, (entry, details, &identity), report, followed, time_ns);
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
    pub(super) fn reschedule(&mut self, flow: FlowIndex) {
        let entry = self.table.entry(flow);
        let mut deadline_ns = match entry.record.is_open() {
            false => self.idle_end_ns(flow),
            true => {
                let timeout_ns = self.settings.records.map_or(0, |records| records.timeout_ns);
                entry.last_ns.saturating_add(timeout_ns).min(entry.next_report_ns)
            }
        };
        if entry.connection != FlowEntry::NO_CONNECTION {
            deadline_ns = deadline_ns.min(self.connections.deadline_ns(entry.connection));
        }
        self.table.schedule(flow, deadline_ns, self.now_ns);
    }
}
