// SPDX-License-Identifier: Apache-2.0
//! Community ID, version 1: the same short text for both directions of a flow, in every tool that knows it (ECS
//! `network.community_id`; the specification is Corelight's). Where Packetbeat departs from it, so does this file.

use sha1::{Digest as _, Sha1};

use super::base64;
use crate::wire::address::{AddressPair, IpAddress};

/// Computes the Community ID of a flow.
///
/// `protocol` is the IANA number. The addresses are those the flow is identified by: in a tunnel Packetbeat takes the
/// outer ones. Packetbeat's seed is 0 unless the processor of that name sets another.
pub fn community_id(addresses: &AddressPair, protocol: u8, selector: Selector, seed: u16) -> CommunityId {
    let (selectors, direction) = selector.values();
    let mut source = (addresses.source, selectors.map(|(source, _)| source));
    let mut destination = (addresses.destination, selectors.map(|(_, destination)| destination));
    if direction == Direction::Both && source > destination {
        std::mem::swap(&mut source, &mut destination);
    }
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    update_with_address(&mut hash, &source.0);
    update_with_address(&mut hash, &destination.0);
    hash.update([protocol, PADDING]);
    if let (Some(source), Some(destination)) = (source.1, destination.1) {
        hash.update(source.to_be_bytes());
        hash.update(destination.to_be_bytes());
    }
    CommunityId::new(hash.finalize().into())
}

/// What tells flows between the same two addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// TCP, UDP, SCTP.
    Ports {
        /// Of the source.
        source: u16,
        /// Of the destination.
        destination: u16,
    },
    /// ICMP: the type of one packet of the flow, and its code.
    Icmp {
        /// Message type.
        kind: u8,
        /// Code within the type.
        code: u8,
    },
    /// ICMPv6, likewise.
    Icmp6 {
        /// Message type.
        kind: u8,
        /// Code within the type.
        code: u8,
    },
    /// Any other protocol.
    None,
}

/// A Community ID as text, `1:` and 28 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommunityId([u8; TEXT_BYTES]);

impl CommunityId {
    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // It is ASCII by construction, so the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn new(digest: [u8; 20]) -> Self {
        let mut text = *b"1:0000000000000000000000000000";
        base64::encode(&digest, &mut text[2..]);
        Self(text)
    }
}

impl std::fmt::Debug for CommunityId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(formatter)
    }
}

const TEXT_BYTES: usize = 30;
const PADDING: u8 = 0;

/// Whether answers belong to the same flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Both,
    One,
}

impl Selector {
    /// The two numbers that are hashed as ports. For ICMP these are a type and the type of its answer; without an answer,
    /// type and code, and the flow has one direction.
    fn values(self) -> (Option<(u16, u16)>, Direction) {
        let (kind, code, counterpart) = match self {
            Self::None => return (None, Direction::Both),
            Self::Ports { source, destination } => return (Some((source, destination)), Direction::Both),
            Self::Icmp { kind, code } => (kind, code, icmp_counterpart(kind)),
            Self::Icmp6 { kind, code } => (kind, code, icmp6_counterpart(kind)),
        };
        match counterpart {
            Some(counterpart) => (Some((kind.into(), counterpart.into())), Direction::Both),
            None => (Some((kind.into(), code.into())), Direction::One),
        }
    }
}

/// Information reply (16) has none: Packetbeat maps only the request, unlike the specification.
const fn icmp_counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        0 => 8,
        8 => 0,
        9 => 10,
        10 => 9,
        13 => 14,
        14 => 13,
        15 => 16,
        17 => 18,
        18 => 17,
        _ => return None,
    })
}

/// Multicast listener report (131) has none: Packetbeat maps only the query, unlike the specification.
const fn icmp6_counterpart(kind: u8) -> Option<u8> {
    Some(match kind {
        128 => 129,
        129 => 128,
        130 => 131,
        133 => 134,
        134 => 133,
        135 => 136,
        136 => 135,
        139 => 140,
        140 => 139,
        144 => 145,
        145 => 144,
        _ => return None,
    })
}

/// An IPv4 address counts with its four bytes.
fn update_with_address(hash: &mut Sha1, address: &IpAddress) {
    match address.as_ipv4() {
        Some(octets) => hash.update(octets),
        None => hash.update(address.octets()),
    }
}

#[cfg(test)]
mod tests;
