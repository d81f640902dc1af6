// SPDX-License-Identifier: Apache-2.0
//! What Packetbeat tells flows of the same addresses and ports apart by: MAC addresses, VLANs, outer addresses.

use bytemuck::Zeroable;

use super::key::{Orientation, folded};
use super::realm::{self, KeyParts};
use crate::wire::{AddressPair, Decoded, EthernetAddresses, MacAddress, TunnelLayers, Vlans};

/// The parts of a packet that belong to its flow besides the key; as the flow's first packet had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub ethernet: Option<EthernetAddresses>,
    pub vlans: Vlans,
    pub tunnels: TunnelLayers,
    pub outer: Option<AddressPair>,
}

impl Identity {
    /// With `allow_mismatched_eth` the MAC addresses are left out, of the key and of the event.
    #[inline]
    pub fn of(decoded: &Decoded, mac: MacAddresses) -> Identity {
        Identity {
            ethernet: match mac {
                MacAddresses::Matched => decoded.ethernet,
                MacAddresses::Ignored => None,
            },
            vlans: decoded.vlans,
            tunnels: decoded.tunnels,
            outer: decoded.outer,
        }
    }

    /// A number of a packet's identity that both directions share; never 0.
    #[inline]
    pub fn number(decoded: &Decoded, mac: MacAddresses, orientation: Orientation) -> u64 {
        let mut number = 0x9e37_79b9_7f4a_7c15_u64;
        let mut add = |word: u64| number = folded(number ^ word, 0xff51_afd7_ed55_8ccd) ^ word.rotate_left(17);
        if let (Some(ethernet), MacAddresses::Matched) = (&decoded.ethernet, mac) {
            let wide = |mac: [u8; 6]| u64::from_be_bytes([0, 0, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]]);
            let (low, high) = orientation.ordered(wide(ethernet.source.0), wide(ethernet.destination.0));
            add(low);
            add(high);
        }
        if !decoded.tunnels.is_empty() || decoded.vlans.depth() > 0 {
            add(realm::number(&decoded.tunnels, &decoded.vlans, decoded.outer.as_ref(), KeyParts::ALL));
        }
        number | 1
    }
}

/// `packetbeat.flows.allow_mismatched_eth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MacAddresses {
    #[default]
    Matched,
    Ignored,
}

/// An identity as a flow's entry keeps it: most have MAC addresses and one VLAN at most.
#[derive(Clone, Copy, Zeroable)]
#[repr(C)]
pub(super) struct KeptIdentity {
    /// Place in [`Unusual`] plus one; 0 for none.
    unusual: u32,
    source: [u8; 6],
    destination: [u8; 6],
    vlan: u16,
    has_ethernet: u8,
    has_vlan: u8,
}

/// The identities with tunnels or several VLANs.
#[derive(Default)]
pub(super) struct Unusual {
    identities: Vec<Identity>,
    free: Vec<u32>,
}

impl Unusual {
    pub fn keep(&mut self, identity: &Identity) -> KeptIdentity {
        if !identity.tunnels.is_empty() || identity.outer.is_some() || identity.vlans.depth() > 1 {
            let place = self.free.pop().unwrap_or(self.identities.len() as u32);
            match self.identities.get_mut(place as usize) {
                Some(free) => *free = *identity,
                None => self.identities.push(*identity),
            }
            return KeptIdentity { unusual: place + 1, ..KeptIdentity::zeroed() };
        }
        let (source, destination) = match &identity.ethernet {
            Some(ethernet) => (ethernet.source.0, ethernet.destination.0),
            None => Default::default(),
        };
        KeptIdentity {
            unusual: 0,
            source,
            destination,
            vlan: identity.vlans.ids().first().copied().unwrap_or_default(),
            has_ethernet: u8::from(identity.ethernet.is_some()),
            has_vlan: identity.vlans.depth() as u8,
        }
    }

    pub fn forget(&mut self, kept: &mut KeptIdentity) {
        if let Some(place) = std::mem::take(&mut kept.unusual).checked_sub(1) {
            self.free.push(place);
        }
    }

    pub fn identity(&self, kept: &KeptIdentity) -> Identity {
        let place = kept.unusual.wrapping_sub(1) as usize;
        if let Some(identity) = self.identities.get(place) {
            return *identity;
        }
        let mut vlans = Vlans::new();
        if kept.has_vlan != 0 {
            vlans.push(kept.vlan);
        }
        let ethernet = EthernetAddresses { source: MacAddress(kept.source), destination: MacAddress(kept.destination) };
        Identity {
            ethernet: (kept.has_ethernet != 0).then_some(ethernet),
            vlans,
            tunnels: TunnelLayers::new(),
            outer: None,
        }
    }
}
