// SPDX-License-Identifier: Apache-2.0
//! What a port is asked for, and what it says of itself.

use std::fmt;

use super::text;
use crate::sys;

/// What a port is to do.
#[derive(Clone, Debug)]
pub struct PortConfiguration {
    /// Receive queues, one a worker.
    pub rx_queues: u16,
    /// Descriptors of each receive queue; adjusted to what the driver takes.
    pub rx_descriptors: u16,
    /// Transmit queues. None: as many as receive queues, or as the device has if fewer, since some drivers (net_tap)
    /// insist on it.
    pub tx_queues: Option<u16>,
    /// Largest layer-3 packet in bytes; none leaves the driver's. Frames above the pool's buffers need a device that
    /// can scatter.
    pub mtu: Option<u16>,
    /// How packets are spread over several queues; none leaves that to the driver.
    pub rss: Option<RssConfiguration>,
    /// Whether [`crate::RxQueue::wait_for_interrupt`] is to work.
    pub rx_interrupts: bool,
    /// Whether the device is to stamp packets, where it can.
    pub timestamps: bool,
}

impl PortConfiguration {
    /// A capture port with this many queues: 1024 descriptors each, symmetric RSS over addresses and ports, timestamps
    /// where there are any.
    pub fn new(rx_queues: u16) -> Self {
        Self {
            rx_queues,
            rx_descriptors: 1024,
            tx_queues: None,
            mtu: None,
            rss: Some(RssConfiguration::default()),
            rx_interrupts: false,
            timestamps: true,
        }
    }
}

/// How a device hashes packets to queues. The key is always the symmetric one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RssConfiguration {
    /// `RTE_ETH_RSS_*` functions; those the device lacks are left out.
    pub functions: u64,
}

impl Default for RssConfiguration {
    /// IP addresses, and the ports of TCP, UDP and SCTP.
    fn default() -> Self {
        Self { functions: sys::SHIM_RSS_IP | sys::SHIM_RSS_TCP | sys::SHIM_RSS_UDP | sys::SHIM_RSS_SCTP }
    }
}

/// Why both directions of a flow meet in one queue, or that they need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RssSymmetry {
    /// Nothing makes them meet: no RSS, or a driver that takes no key.
    None,
    /// Toeplitz with a key whose 16-bit words are all alike.
    Key,
    /// The device sorts addresses and ports before it hashes (DPDK 23.11 and later).
    SortedTuple,
}

/// What is in force on a configured port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSetup {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors of each receive queue.
    pub rx_descriptors: u16,
    /// Whether frames above the pool's buffers come as several segments.
    pub scatter: bool,
    /// Whether the device was asked to stamp packets. A file's driver stamps them without being asked.
    pub timestamps: bool,
    /// RSS functions in force, 0 without RSS.
    pub rss_functions: u64,
    /// What makes both directions of a flow meet.
    pub rss_symmetry: RssSymmetry,
    /// Whether the redirection table was spread over the queues by us; otherwise it is as the driver has it. Known
    /// after the start.
    pub redirection_spread: bool,
    /// Whether the device takes VLAN tags out although it was not asked to. Known after the start.
    pub vlan_stripped: bool,
}

impl PortSetup {
    /// Does what needs a started port and notes the outcome.
    pub(super) fn complete_after_start(&mut self, port: u16) {
        // SAFETY: the port is valid and started; the calls change its redirection table or read its state.
        unsafe {
            if self.rss_functions != 0 {
                let mut device = std::mem::MaybeUninit::<sys::shim_device_info>::uninit();
                if sys::shim_device_info(port, device.as_mut_ptr()) == 0 {
                    let reta_size = device.assume_init().reta_size;
                    self.redirection_spread = sys::shim_reta_spread(port, reta_size, self.rx_queues) == 0;
                }
                match sys::shim_rss_functions(port) {
                    0 => {}
                    functions => self.rss_functions = functions,
                }
            }
            let vlan = sys::rte_eth_dev_get_vlan_offload(port);
            self.vlan_stripped = vlan >= 0 && u64::from(vlan.unsigned_abs()) & sys::SHIM_VLAN_STRIP_IN_FORCE != 0;
        }
    }
}

/// What a driver says of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInformation {
    /// DPDK's number of the port.
    pub id: u16,
    /// A PCI address or a virtual device's name.
    pub name: String,
    /// Name of the driver, such as `net_ixgbe`.
    pub driver: String,
    /// Name of the bus: `pci`, `vdev`, …
    pub bus: String,
    /// The device's address.
    pub mac: MacAddress,
    /// NUMA socket, when known.
    pub socket: Option<u32>,
    /// The kernel's interface number for a driver that shares the device with the kernel.
    pub interface_index: Option<u32>,
    /// State of the link.
    pub link: Link,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Fewest descriptors of a receive queue.
    pub min_rx_descriptors: u16,
    /// Most descriptors of a receive queue.
    pub max_rx_descriptors: u16,
    /// Smallest MTU in bytes.
    pub min_mtu: u16,
    /// Largest MTU in bytes.
    pub max_mtu: u16,
    /// Smallest receive buffer in bytes.
    pub min_rx_buffer_bytes: u32,
    /// Largest frame in bytes.
    pub max_rx_packet_bytes: u32,
    /// Receive offloads the device can do (`RTE_ETH_RX_OFFLOAD_*`).
    pub rx_offloads: u64,
    /// RSS functions the device can do (`RTE_ETH_RSS_*`), 0 without RSS.
    pub rss_functions: u64,
    /// Entries of the redirection table, 0 without one.
    pub reta_size: u16,
    /// Bytes of the RSS key, 0 when the driver does not say.
    pub hash_key_bytes: u8,
    /// Whether the device can sort addresses and ports before it hashes.
    pub sorts_tuples: bool,
}

impl PortInformation {
    pub(super) fn from_raw(id: u16, raw: &sys::shim_device_info, link: Link) -> Self {
        Self {
            id,
            name: text(&raw.name),
            driver: text(&raw.driver),
            bus: text(&raw.bus),
            mac: MacAddress(raw.mac),
            socket: u32::try_from(raw.socket).ok(),
            interface_index: (raw.interface_index != 0).then_some(raw.interface_index),
            link,
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            min_rx_descriptors: raw.min_rx_descriptors,
            max_rx_descriptors: raw.max_rx_descriptors,
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            min_rx_buffer_bytes: raw.min_rx_buffer_bytes,
            max_rx_packet_bytes: raw.max_rx_packet_bytes,
            rx_offloads: raw.rx_offloads,
            rss_functions: raw.rss_functions,
            reta_size: raw.reta_size,
            hash_key_bytes: raw.hash_key_bytes,
            sorts_tuples: raw.symmetric_toeplitz_sort != 0,
        }
    }
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Link {
    /// Whether it is up.
    pub is_up: bool,
    /// Speed in megabits a second, 0 or `u32::MAX` when unknown.
    pub speed_mbps: u32,
    /// Whether both sides may send at once.
    pub full_duplex: bool,
}

/// A device's counters (`rte_eth_stats`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PortStatistics {
    /// Packets received.
    pub ipackets: u64,
    /// Bytes received.
    pub ibytes: u64,
    /// Packets dropped by the device since its receive queues were full.
    pub imissed: u64,
    /// Packets received with errors.
    pub ierrors: u64,
    /// Packets for which the pool had no mbuf.
    pub rx_nombuf: u64,
    /// Packets sent.
    pub opackets: u64,
    /// Bytes sent.
    pub obytes: u64,
    /// Packets that could not be sent.
    pub oerrors: u64,
}

impl PortStatistics {
    pub(super) fn from_raw(raw: &sys::shim_statistics) -> Self {
        Self {
            ipackets: raw.ipackets,
            ibytes: raw.ibytes,
            imissed: raw.imissed,
            ierrors: raw.ierrors,
            rx_nombuf: raw.rx_nombuf,
            opackets: raw.opackets,
            obytes: raw.obytes,
            oerrors: raw.oerrors,
        }
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}
