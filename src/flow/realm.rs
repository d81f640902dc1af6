// SPDX-License-Identifier: Apache-2.0
//! What keeps flows of equal inner addresses apart: the tunnels and VLANs that they came through. Ids that both directions
//! share count; of tunnels whose ids belong to one direction the pair of outer addresses does, in no order, because a mirror sends
//! both directions one way.

use super::key::folded;
use crate::event::{Event, Value, field};
use crate::wire::{AddressPair, Decoded, IpAddress, TunnelKind, TunnelLayers, Vlans};

/// Which parts of a tunnel belong to the key of the flows inside (`wirebeat.tunnels.key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyParts {
    /// VNI, GRE key, ERSPAN and PPPoE session.
    pub id: bool,
    /// VLAN tags inside the innermost tunnel, and around PPPoE.
    pub vlan: bool,
    /// The outer addresses, where a tunnel has no id that both directions share.
    pub outer: bool,
    /// VLAN tags of packets that came through no tunnel, or from a mirror in one (ERSPAN). Packetbeat's transactions do not
    /// know them: request and response may be mirrored from different VLANs.
    pub plain_vlan: bool,
}

impl KeyParts {
    /// All of a tunnel.
    pub const STANDARD: KeyParts = KeyParts { plain_vlan: false, ..KeyParts::ALL };

    /// Everything: what tells flow reports apart.
    pub(super) const ALL: KeyParts = KeyParts { id: true, vlan: true, outer: true, plain_vlan: true };
}

impl Default for KeyParts {
    fn default() -> KeyParts {
        KeyParts::STANDARD
    }
}

/// The number of the realm of a packet's inner addresses; 0 without a tunnel, else even.
#[inline]
pub fn realm(decoded: &Decoded, parts: KeyParts) -> u64 {
    if decoded.tunnels.is_empty() && !parts.plain_vlan {
        return 0;
    }
    number(&decoded.tunnels, &decoded.vlans, decoded.outer.as_ref(), parts)
}

pub(super) fn number(tunnels: &TunnelLayers, vlans: &Vlans, outer: Option<&AddressPair>, parts: KeyParts) -> u64 {
    let (mut number, mut counted) = (0x6a09_e667_f3bc_c909_u64, false);
    let mut add = |word: u64| {
        number = folded(number ^ word, 0xff51_afd7_ed55_8ccd) ^ word.rotate_left(17);
        counted = true;
    };
    let mut by_outer = false;
    for (kind, id) in tunnels.iter() {
        match id.filter(|_| kind.has_shared_id()) {
            Some(id) if parts.id => add((kind as u64) << 32 | u64::from(id)),
            Some(_) => {}
            None => by_outer = true,
        }
    }
    let plain = tunnels.is_empty() || tunnels.end_in_mirror();
    if if plain { parts.plain_vlan } else { parts.vlan } {
        vlans.ids().iter().skip(tunnels.outside_vlans()).for_each(|vlan| add(u64::from(*vlan) | 1 << 48));
    }
    if let Some(outer) = outer.filter(|_| by_outer && parts.outer) {
        let (low, high) = match outer.source <= outer.destination {
            true => (outer.source, outer.destination),
            false => (outer.destination, outer.source),
        };
        for address in [low, high] {
            let words: [u64; 2] = bytemuck::cast(address);
            words.into_iter().for_each(&mut add);
        }
    }
    if counted { (number | 3) ^ 1 } else { 0 }
}

/// The tunnel of a flow as its first packet had it, for events.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    tunnels: TunnelLayers,
    outer: Option<AddressPair>,
    /// Who sent that packet.
    inner_source: IpAddress,
}

impl Passage {
    /// None without a tunnel.
    pub fn of(decoded: &Decoded) -> Option<Passage> {
        let inner_source = decoded.network.map_or(IpAddress::UNSPECIFIED, |network| network.addresses.source);
        (!decoded.tunnels.is_empty()).then_some(Passage {
            tunnels: decoded.tunnels,
            outer: decoded.outer,
            inner_source,
        })
    }

    /// Sets the fields of the tunnel in a transaction, after its ends are set.
    pub fn fill(&self, event: &mut Event) {
        let source = match event.get(field::SOURCE_IP) {
            Some(Value::Address(source)) => IpAddress::from(source),
            _ => self.inner_source,
        };
        let outer = self.outer.map(|outer| match source == self.inner_source {
            true => outer,
            false => AddressPair { source: outer.destination, destination: outer.source },
        });
        fill(event, &self.tunnels, outer.as_ref());
    }
}

/// Sets the fields of the tunnels around a flow, whose `outer` addresses stand in the order of its ends.
pub(super) fn fill(event: &mut Event, tunnels: &TunnelLayers, outer: Option<&AddressPair>) {
    let mut layers = tunnels.iter();
    let Some((first, first_id)) = layers.next() else { return };
    if layers.next().is_none() {
        event.constant(field::TUNNEL_TYPE, first.name());
        if let Some(id) = first_id {
            event.unsigned(field::TUNNEL_ID, u64::from(id));
        }
    } else {
        event.list(field::TUNNEL_TYPE, |list| tunnels.iter().for_each(|(kind, _)| list.constant(kind.name())));
        if tunnels.iter().any(|(_, id)| id.is_some()) {
            let ids = |layer: (TunnelKind, Option<u32>)| layer.1;
            event.list(field::TUNNEL_ID, |list| {
                tunnels.iter().filter_map(ids).for_each(|id| list.value(Value::Unsigned(u64::from(id))));
            });
        }
    }
    if let Some(outer) = outer {
        event.address(field::TUNNEL_SOURCE_IP, outer.source.into());
        event.address(field::TUNNEL_DESTINATION_IP, outer.destination.into());
    }
}
