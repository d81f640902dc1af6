// SPDX-License-Identifier: Apache-2.0
//! What Packetbeat tells flows of the same addresses and ports apart by: MAC addresses, VLANs, outer addresses.

use super::key::{Orientation, folded};
use super::realm::{self, KeyParts};
use crate::wire::{AddressPair, Decoded, EthernetAddresses, TunnelLayers, Vlans};

/// The parts of a packet that belong to its flow besides the key; as the flow's first packet had them.
#[derive(Clone, Copy, Debug)]
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

    /// A number that both directions share; never 0.
    #[inline]
    pub fn number(&self, orientation: Orientation) -> u64 {
        let mut number = 0x9e37_79b9_7f4a_7c15_u64;
        let mut add = |word: u64| number = folded(number ^ word, 0xff51_afd7_ed55_8ccd) ^ word.rotate_left(17);
        if let Some(ethernet) = &self.ethernet {
            let wide = |mac: [u8; 6]| u64::from_be_bytes([0, 0, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]]);
            let (low, high) = orientation.ordered(wide(ethernet.source.0), wide(ethernet.destination.0));
            add(low);
            add(high);
        }
        if !self.tunnels.is_empty() || !self.vlans.ids().is_empty() {
            add(realm::number(&self.tunnels, &self.vlans, self.outer.as_ref(), KeyParts::ALL));
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
