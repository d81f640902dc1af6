// SPDX-License-Identifier: Apache-2.0
//! Fields that the events of every protocol have (Packetbeat behaviour, section 3.1).

use std::net::IpAddr;

use super::{Carrier, Direction, FlowView};
use crate::event::{Event, field};
use crate::flow::{CommunityId, Selector, community_id};
use crate::wire::{AddressPair, IpAddress};

/// `status` of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Ok,
    Error,
    ClientError,
    ServerError,
    NoReply,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Error => "Error",
            Status::ClientError => "Client Error",
            Status::ServerError => "Server Error",
            Status::NoReply => "NO_REPLY",
        }
    }
}

/// `error.message`: one note is a string, several are a list.
pub type Notes<'a> = &'a [&'a str];

/// What a parser says of a transaction besides its own fields.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// `type`, `event.dataset`.
    pub name: &'static str,
    /// `network.protocol`; None for ICMP.
    pub network_protocol: Option<&'static str>,
    /// The direction in which the request went: its sender is `source` and `client`.
    pub requests: Direction,
    /// Time of the request's first packet. None for a response without request.
    pub start_ns: Option<i64>,
    /// Time of the response. None without one.
    pub end_ns: Option<i64>,
    /// Bytes from source; 0 is left out.
    pub source_bytes: u64,
    /// Bytes from destination; 0 is left out.
    pub destination_bytes: u64,
    pub status: Status,
    pub notes: Notes<'a>,
    /// Type and code of an ICMP request (of the response when there was no request), for the community id.
    pub icmp: Option<(u8, u8)>,
}

impl Common<'_> {
    pub(super) fn fill(&self, event: &mut Event, flow: &FlowView) {
        if let Some(time) = self.start_ns.or(self.end_ns) {
            event.time(field::_TIMESTAMP, time);
        }
        event.constant(field::TYPE, self.name);
        event.constant(field::STATUS, self.status.name());
        event.constant(field::EVENT_KIND, "event");
        event.constant(field::EVENT_DATASET, self.name);
        event.list(field::EVENT_CATEGORY, |list| list.constant("network"));
        event.list(field::EVENT_TYPE, |list| {
            list.constant("connection");
            if !matches!(flow.carrier, Carrier::Icmp | Carrier::Icmp6) {
                list.constant("protocol");
            }
        });
        if let Some(start) = self.start_ns {
            event.time(field::EVENT_START, start);
        }
        if let Some(end) = self.end_ns {
            event.time(field::EVENT_END, end);
        }
        match (self.start_ns, self.end_ns) {
            (Some(start), Some(end)) if end >= start => event.signed(field::EVENT_DURATION, end - start),
            _ => {}
        }
        let source = flow.sender(self.requests);
        let destination = flow.sender(self.requests.opposite());
        event.address(field::SOURCE_IP, source.address);
        event.address(field::CLIENT_IP, source.address);
        event.address(field::DESTINATION_IP, destination.address);
        event.address(field::SERVER_IP, destination.address);
        event.unsigned_if_any(field::SOURCE_PORT, u64::from(source.port));
        event.unsigned_if_any(field::CLIENT_PORT, u64::from(source.port));
        event.unsigned_if_any(field::DESTINATION_PORT, u64::from(destination.port));
        event.unsigned_if_any(field::SERVER_PORT, u64::from(destination.port));
        event.unsigned_if_any(field::SOURCE_BYTES, self.source_bytes);
        event.unsigned_if_any(field::CLIENT_BYTES, self.source_bytes);
        event.unsigned_if_any(field::DESTINATION_BYTES, self.destination_bytes);
        event.unsigned_if_any(field::SERVER_BYTES, self.destination_bytes);
        event.unsigned_if_any(field::NETWORK_BYTES, self.source_bytes + self.destination_bytes);
        let version = match source.address {
            IpAddr::V4(_) => "ipv4",
            IpAddr::V6(_) => "ipv6",
        };
        event.constant(field::NETWORK_TYPE, version);
        event.constant(field::NETWORK_TRANSPORT, flow.carrier.name());
        if let Some(protocol) = self.network_protocol {
            event.constant(field::NETWORK_PROTOCOL, protocol);
        }
        if let Some(community_id) = self.community_id(flow) {
            event.text(field::NETWORK_COMMUNITY_ID, community_id.as_str());
        }
        event.append_address(field::RELATED_IP, source.address);
        event.append_address(field::RELATED_IP, destination.address);
        match self.notes {
            [] => {}
            [note] => event.text(field::ERROR_MESSAGE, note),
            notes => event.list(field::ERROR_MESSAGE, |list| notes.iter().for_each(|note| list.text(note))),
        }
    }

    /// That of the flow; for ICMP made of the message's type and code.
    fn community_id(&self, flow: &FlowView) -> Option<CommunityId> {
        let (kind, code) = match self.icmp {
            None => return flow.community_id,
            Some(icmp) => icmp,
        };
        let addresses = AddressPair {
            source: IpAddress::from(flow.sender(self.requests).address),
            destination: IpAddress::from(flow.sender(self.requests.opposite()).address),
        };
        let (protocol, selector) = match flow.carrier {
            Carrier::Icmp6 => (58, Selector::Icmp6 { kind, code }),
            _ => (1, Selector::Icmp { kind, code }),
        };
        Some(community_id(&addresses, protocol, selector, 0))
    }
}
