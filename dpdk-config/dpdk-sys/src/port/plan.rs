// SPDX-License-Identifier: Apache-2.0
//! Works a port's configuration out: what was wanted, less what the device cannot do.

use super::{PortConfiguration, PortInformation, PortSetup, RssConfiguration, RssSymmetry};
use crate::sys;

/// Most bytes of an RSS key that any driver takes.
const RSS_KEY_BYTES_MAX: usize = 64;
/// The RSS key's repeated two bytes: with every 16 bits alike, Toeplitz gives both directions of a flow the same value.
const SYMMETRIC_KEY_PAIR: [u8; 2] = [0x6d, 0x5a];
/// A configuration worked out for a device.
pub(super) struct Plan {
    pub(super) raw: sys::shim_port_configuration,
    key: [u8; RSS_KEY_BYTES_MAX],
    symmetry: RssSymmetry,
    scatter: bool,
    timestamps: bool,
}

impl Plan {
    pub(super) fn new(device: &PortInformation, wanted: &PortConfiguration, buffer_bytes: u16) -> Result<Self, String> {
        if wanted.rx_queues == 0 || wanted.rx_queues > device.max_rx_queues {
            return Err(format!("was given {} receive queues; it has 1 to {}", wanted.rx_queues, device.max_rx_queues));
        }
        let tx_queues = wanted.tx_queues.unwrap_or_else(|| wanted.rx_queues.min(device.max_tx_queues));
        if tx_queues > device.max_tx_queues {
            return Err(format!("was given {tx_queues} transmit queues; it has 0 to {}", device.max_tx_queues));
        }
        if let Some(mtu) = wanted.mtu
            && (mtu < device.min_mtu || (device.max_mtu != 0 && mtu > device.max_mtu))
        {
            return Err(format!("was given an MTU of {mtu}; it has {} to {}", device.min_mtu, device.max_mtu));
        }
        let frame_bytes = u64::from(wanted.mtu.unwrap_or(1500)) + sys::SHIM_MTU_OVERHEAD_BYTES;
        let scatter = frame_bytes > u64::from(buffer_bytes) && device.rx_offloads & sys::SHIM_OFFLOAD_SCATTER != 0;
        let timestamps = wanted.timestamps && device.rx_offloads & sys::SHIM_OFFLOAD_TIMESTAMP != 0;
        let mut plan = Self {
            raw: sys::shim_port_configuration {
                rx_offloads: 0,
                rss_functions: 0,
                rss_key: std::ptr::null(),
                rss_key_bytes: 0,
                symmetric_toeplitz_sort: 0,
                rx_interrupts: u8::from(wanted.rx_interrupts),
                rx_queues: wanted.rx_queues,
                tx_queues,
                mtu: u32::from(wanted.mtu.unwrap_or(0)),
            },
            key: [0; RSS_KEY_BYTES_MAX],
            symmetry: RssSymmetry::None,
            scatter,
            timestamps,
        };
        for (in_force, offload) in [(scatter, sys::SHIM_OFFLOAD_SCATTER), (timestamps, sys::SHIM_OFFLOAD_TIMESTAMP)] {
            plan.raw.rx_offloads |= if in_force { offload } else { 0 };
        }
        if let Some(rss) = &wanted.rss {
            plan.add_rss(device, rss);
        }
        Ok(plan)
    }

    fn add_rss(&mut self, device: &PortInformation, wanted: &RssConfiguration) {
        self.raw.rss_functions = wanted.functions & device.rss_functions;
        if self.raw.rss_functions == 0 || self.raw.rx_queues < 2 {
            self.raw.rss_functions = 0;
            return;
        }
        self.raw.rx_offloads |= device.rx_offloads & sys::SHIM_OFFLOAD_RSS_HASH;
        let key_bytes = usize::from(device.hash_key_bytes);
        if (1..=RSS_KEY_BYTES_MAX).contains(&key_bytes) {
            for (place, byte) in self.key.iter_mut().zip(SYMMETRIC_KEY_PAIR.iter().cycle()) {
                *place = *byte;
            }
            self.raw.rss_key_bytes = device.hash_key_bytes;
            self.symmetry = RssSymmetry::Key;
        }
        if device.sorts_tuples {
            self.raw.symmetric_toeplitz_sort = 1;
            self.symmetry = RssSymmetry::SortedTuple;
        }
    }

    pub(super) fn apply(&self, port: u16) -> i32 {
        let mut raw = self.raw;
        if raw.rss_key_bytes > 0 {
            raw.rss_key = self.key.as_ptr();
        }
        // SAFETY: the structure and the key live through the call.
        unsafe { sys::shim_port_configure(port, &raw const raw) }
    }

    pub(super) fn setup(&self, rx_descriptors: u16) -> PortSetup {
        PortSetup {
            rx_queues: self.raw.rx_queues,
            tx_queues: self.raw.tx_queues,
            rx_descriptors,
            scatter: self.scatter,
            timestamps: self.timestamps,
            rss_functions: self.raw.rss_functions,
            rss_symmetry: self.symmetry,
            redirection_spread: false,
            vlan_stripped: false,
        }
    }
}

#[cfg(test)]
mod tests;
