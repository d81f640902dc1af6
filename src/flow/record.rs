// SPDX-License-Identifier: Apache-2.0
//! Flow reports (Packetbeat behaviour, section 6): when they are due and the fields of their event.

use std::net::IpAddr;

use super::identity::{Identity, MacAddresses};
use super::key::{FlowKey, folded};
use super::realm::{self, KeyParts};
use super::table::{Count, Details, FlowEntry, Record};
use super::{Selector, base64, community_id};
use crate::event::{Event, Field, Value, field};
use crate::wire::{AddressPair, IpAddress};

/// `packetbeat.flows.*`.
#[derive(Clone, Copy, Debug)]
pub struct RecordSettings {
    /// Idle time after which a flow ends.
    pub timeout_ns: i64,
    /// Interval of the reports of open flows; None reports only their end.
    pub period_ns: Option<i64>,
    /// `enable_delta_flow_reports`.
    pub counters: Counters,
    pub mac_addresses: MacAddresses,
}

/// Whether a report's counters began with the flow or with the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counters {
    #[default]
    Cumulative,
    Delta,
}

impl RecordSettings {
    /// The first multiple of the period after a time.
    pub fn report_after(&self, time_ns: i64) -> i64 {
        match self.period_ns {
            Some(period) => (time_ns.div_euclid(period) + 1).saturating_mul(period),
            None => i64::MAX,
        }
    }
}

/// Which report of a flow this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Periodic,
    Final,
}

/// Whether a protocol follows the connection; its number is then part of Packetbeat's flow id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    Yes,
    No,
}

/// Sets the fields of a flow's report.
pub fn fill(
    event: &mut Event,
    (entry, details, identity): (&FlowEntry, &Details, &Identity),
    report: Report,
    followed: Followed,
    time_ns: i64,
) {
    let key = &entry.key;
    let ends = [(key.low, key.low_port), (key.high, key.high_port)];
    let [source, destination] = match entry.record {
        Record::HighToLow => [ends[1], ends[0]],
        _ => ends,
    };
    event.time(field::_TIMESTAMP, time_ns);
    event.constant(field::TYPE, "flow");
    event.constant(field::EVENT_KIND, "event");
    event.constant(field::EVENT_DATASET, "flow");
    event.constant(field::EVENT_ACTION, "network_flow");
    event.list(field::EVENT_CATEGORY, |list| list.constant("network"));
    event.list(field::EVENT_TYPE, |list| {
        list.constant("connection");
        if report == Report::Final {
            list.constant("end");
        }
    });
    event.time(field::EVENT_START, details.first_ns);
    event.time(field::EVENT_END, entry.last_ns);
    event.signed(field::EVENT_DURATION, entry.last_ns.saturating_sub(details.first_ns));
    event.boolean(field::FLOW_FINAL, report == Report::Final);
    let id = FlowId::new(entry.key, details.first_ns, identity, (source, destination), followed);
    let mut text = [0; FlowId::TEXT_BYTES];
    let length = base64::encode(id.bytes(), &mut text);
    event.text(field::FLOW_ID, &text[..length]);
    match identity.vlans.ids() {
        [] => {}
        [vlan] => event.unsigned(field::FLOW_VLAN, u64::from(*vlan)),
        vlans => event.list(field::FLOW_VLAN, |list| {
            vlans.iter().for_each(|vlan| list.value(Value::Unsigned(u64::from(*vlan))));
        }),
    }
    if let Some(ethernet) = &identity.ethernet {
        event.set(field::SOURCE_MAC, Value::Mac(ethernet.source.0));
        event.set(field::DESTINATION_MAC, Value::Mac(ethernet.destination.0));
    }
    if key.is_ip() {
        network(event, (key.protocol, details.icmp), identity, source, destination);
    }
    realm::fill(event, &identity.tunnels, identity.outer.as_ref());
    let [forward, reverse] = entry.counts;
    counts(event, forward, field::SOURCE_PACKETS, field::SOURCE_BYTES);
    counts(event, reverse, field::DESTINATION_PACKETS, field::DESTINATION_BYTES);
    event.unsigned(field::NETWORK_PACKETS, forward.packets + reverse.packets);
    event.unsigned(field::NETWORK_BYTES, forward.bytes + reverse.bytes);
}

fn counts(event: &mut Event, count: Count, packets: Field, bytes: Field) {
    if count.packets > 0 {
        event.unsigned(packets, count.packets);
        event.unsigned(bytes, count.bytes);
    }
}

fn network(
    event: &mut Event,
    (protocol, icmp): (u8, (u8, u8)),
    identity: &Identity,
    source: (IpAddress, u16),
    destination: (IpAddress, u16),
) {
    let inner = AddressPair { source: source.0, destination: destination.0 };
    // Packetbeat opens IP in IP alone, and describes the outer packet then.
    let outer = identity.outer.filter(|_| identity.tunnels.is_ip_in_ip());
    let outermost = outer.unwrap_or(inner);
    match &outer {
        None => {
            event.address(field::SOURCE_IP, IpAddr::from(inner.source));
            event.address(field::DESTINATION_IP, IpAddr::from(inner.destination));
        }
        Some(outer) => {
            for (name, outer, inner) in [
                (field::SOURCE_IP, outer.source, inner.source),
                (field::DESTINATION_IP, outer.destination, inner.destination),
            ] {
                event.list(name, |list| {
                    list.value(Value::Address(IpAddr::from(outer)));
                    list.value(Value::Address(IpAddr::from(inner)));
                });
            }
        }
    }
    event.constant(field::NETWORK_TYPE, if outermost.source.is_ipv4() { "ipv4" } else { "ipv6" });
    let (transport, selector) = match protocol {
        6 => (Some("tcp"), Selector::Ports { source: source.1, destination: destination.1 }),
        17 => (Some("udp"), Selector::Ports { source: source.1, destination: destination.1 }),
        1 => ((icmp != (0, 0)).then_some("icmp"), Selector::Icmp { kind: icmp.0, code: icmp.1 }),
        58 => ((icmp != (0, 0)).then_some("ipv6-icmp"), Selector::Icmp6 { kind: icmp.0, code: icmp.1 }),
        _ => return,
    };
    if matches!(protocol, 6 | 17) {
        event.unsigned_if_any(field::SOURCE_PORT, u64::from(source.1));
        event.unsigned_if_any(field::DESTINATION_PORT, u64::from(destination.1));
    }
    if let Some(transport) = transport {
        event.constant(field::NETWORK_TRANSPORT, transport);
        let id = community_id(&outermost, protocol, selector, 0);
        event.text(field::NETWORK_COMMUNITY_ID, id.as_str());
    }
}

/// Packetbeat's `flow.id`: flags and offsets of the parts, then the parts, each with its lower end first in the order that the
/// first unequal part gives. For a followed TCP connection Packetbeat appends a process-wide number; here
/// it is made of the flow's key and start, so that it does not depend on the number of workers. A flow in a tunnel has one too,
/// of the tunnel.
struct FlowId {
    bytes: [u8; FlowId::BYTES],
    length: usize,
}

impl FlowId {
    const BYTES: usize = 160;
    const TEXT_BYTES: usize = Self::BYTES.div_ceil(3) * 4;
    const HEAD: usize = 17;

    fn new(
        key: FlowKey,
        first_ns: i64,
        identity: &Identity,
        (source, destination): ((IpAddress, u16), (IpAddress, u16)),
        followed: Followed,
    ) -> FlowId {
        let mut id = FlowId { bytes: [0; Self::BYTES], length: Self::HEAD };
        id.bytes[2..14].fill(0xff);
        let mut order = std::cmp::Ordering::Equal;
        if let Some(ethernet) = &identity.ethernet {
            id.pair(0, &ethernet.source.0, &ethernet.destination.0, &mut order);
            id.bytes[14] = 1;
        }
        let vlans = identity.vlans.ids();
        if let [outer, .., inner] = vlans {
            id.part(1, &outer.to_le_bytes());
            id.part(2, &inner.to_le_bytes());
        } else if let [vlan] = vlans {
            id.part(2, &vlan.to_le_bytes());
        }
        id.bytes[15] = vlans.len().min(2) as u8;
        if key.is_ip() {
            if let Some(outer) = identity.outer.filter(|_| identity.tunnels.is_ip_in_ip()) {
                id.address(3, 5, outer.source, outer.destination, &mut order);
                id.bytes[16] += 1;
            }
            id.address(4, 6, source.0, destination.0, &mut order);
            id.bytes[16] += 1;
            let ports = match key.protocol {
                17 => Some(9),
                6 => Some(10),
                _ => None,
            };
            if let Some(bit) = ports {
                id.pair(bit, &source.1.to_le_bytes(), &destination.1.to_le_bytes(), &mut order);
            }
            if followed == Followed::Yes && key.protocol == 6 {
                let words: [u64; 6] = bytemuck::cast(key);
                let number =
                    words.iter().fold(first_ns as u64, |sum, word| folded(sum ^ 0x9e37_79b9, word ^ 0x7f4a_7c15));
                id.part(11, &number.to_le_bytes());
            } else if !identity.tunnels.is_empty() && !identity.tunnels.is_ip_in_ip() {
                let (vlans, outer) = (&identity.vlans, identity.outer.as_ref());
                let number = realm::number(&identity.tunnels, vlans, outer, KeyParts::ALL);
                id.part(11, &number.to_le_bytes());
            }
        }
        id
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn address(
        &mut self,
        v4: usize,
        v6: usize,
        source: IpAddress,
        destination: IpAddress,
        order: &mut std::cmp::Ordering,
    ) {
        match (source.as_ipv4(), destination.as_ipv4()) {
            (Some(source), Some(destination)) => self.pair(v4, &source, &destination, order),
            _ => self.pair(v6, source.octets(), destination.octets(), order),
        }
    }

    fn pair(&mut self, bit: usize, source: &[u8], destination: &[u8], order: &mut std::cmp::Ordering) {
        if order.is_eq() {
            *order = source.cmp(destination);
        }
        let (first, second) = if order.is_gt() { (destination, source) } else { (source, destination) };
        self.part(bit, first);
        self.append(second);
    }

    fn part(&mut self, bit: usize, bytes: &[u8]) {
        let flags = u16::from_le_bytes([self.bytes[0], self.bytes[1]]) | 1 << bit;
        self.bytes[..2].copy_from_slice(&flags.to_le_bytes());
        self.bytes[2 + bit] = (self.length - Self::HEAD) as u8;
        self.append(bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}
