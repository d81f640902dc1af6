// SPDX-License-Identifier: Apache-2.0
//! `community_id`: computes `network.community_id` from an event's addresses, ports and transport.

use super::add_network_direction::address;
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value};
use crate::flow::community_id::{CommunityId, Selector, community_id};
use crate::wire::address::AddressPair;

/// Option, and the ECS field that it is by default.
const FIELDS: [(&str, &str); 8] = [
    ("source_ip", "source.ip"),
    ("source_port", "source.port"),
    ("destination_ip", "destination.ip"),
    ("destination_port", "destination.port"),
    ("iana_number", "network.iana_number"),
    ("transport", "network.transport"),
    ("icmp_type", "icmp.type"),
    ("icmp_code", "icmp.code"),
];

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let fields = options.section("fields")?;
    let mut names = FIELDS.map(|(_, default)| default.to_owned());
    if let Some(fields) = fields {
        for (name, (option, _)) in names.iter_mut().zip(FIELDS) {
            if let Some(other) = fields.string(option)? {
                *name = other;
            }
        }
    }
    let target = options.string("target")?.unwrap_or_else(|| "network.community_id".to_owned());
    let seed = options.unsigned("seed", 0..=u64::from(u16::MAX))?.unwrap_or(0) as u16;
    let all = names.iter().cloned().chain([target.clone()]).collect();
    Ok(Prepared::new(all, move |schema| Processing {
        places: names.map(|name| Place::new(schema, &name)),
        target: Place::new(schema, &target),
        seed,
    }))
}

struct Processing {
    /// In the order of [`FIELDS`].
    places: [Place; 8],
    target: Place,
    seed: u16,
}

impl Processing {
    /// None when the event does not say enough.
    fn compute(&self, event: &Event) -> Option<CommunityId> {
        let [source_ip, source_port, destination_ip, destination_port, iana_number, transport, icmp_type, icmp_code] =
            &self.places;
        let addresses = AddressPair {
            source: address(event, source_ip)?.into(),
            destination: address(event, destination_ip)?.into(),
        };
        let number = |place: &Place| number(event, event.at(place)?);
        let protocol = match number(iana_number) {
            Some(number) => u8::try_from(number).ok()?,
            None => protocol(event.text_of(event.at(transport)?)?)?,
        };
        let byte = |place: &Place| number(place).and_then(|number| u8::try_from(number).ok());
        let selector = match protocol {
            1 => Selector::Icmp { kind: byte(icmp_type)?, code: byte(icmp_code).unwrap_or(0) },
            58 => Selector::Icmp6 { kind: byte(icmp_type)?, code: byte(icmp_code).unwrap_or(0) },
            6 | 17 | 132 => {
                let port = |place| number(place).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
                Selector::Ports { source: port(source_port)?, destination: port(destination_port)? }
            }
            _ => Selector::None,
        };
        Some(community_id(&addresses, protocol, selector, self.seed))
    }
}

impl Processor for Processing {
    fn process(&self, event: &mut Event) -> Outcome {
        if let Some(id) = self.compute(event) {
            let value = event.store(id.as_str().as_bytes());
            // Only a value above the target that is no object refuses; then there is no id.
            let _ = event.put(&self.target, value);
        }
        Outcome::Keep
    }
}

fn number(event: &Event, value: Value) -> Option<u64> {
    match value {
        Value::Unsigned(number) => Some(number),
        Value::Signed(number) => u64::try_from(number).ok(),
        other => std::str::from_utf8(event.text_of(other)?).ok()?.parse().ok(),
    }
}

fn protocol(name: &[u8]) -> Option<u8> {
    Some(match name.to_ascii_lowercase().as_slice() {
        b"icmp" => 1,
        b"igmp" => 2,
        b"tcp" => 6,
        b"egp" => 8,
        b"udp" => 17,
        b"dccp" => 33,
        b"gre" => 47,
        b"icmpv6" | b"ipv6-icmp" | b"icmp6" => 58,
        b"eigrp" => 88,
        b"ospf" => 89,
        b"pim" => 103,
        b"vrrp" => 112,
        b"sctp" => 132,
        _ => return None,
    })
}
