// SPDX-License-Identifier: Apache-2.0
//! `wirebeat devices`: libpcap's list as Packetbeat prints it, then the PCI network cards with their drivers, then the virtual
//! devices of DPDK that the configuration names.
//!
//! Limits: cards are looked up in sysfs and not probed, since a card with a driver such as `igb_uio` may be another process's,
//! which probing would take it from. Of virtual devices only those are probed that change nothing by it.

use std::fmt::Write;

use dpdk_sys::devices::{PciNetworkDevice, pci_network_devices};
use dpdk_sys::{Eal, EalArguments, EalLog, Memory, PortInformation};

use super::dpdk::is_dpdk;
use super::interface::{self, Kind};
use crate::config::Configuration;

/// EAL's memory for looking at devices, which have no queues yet.
const PROBE_MEGABYTES: u32 = 64;

/// The text of the command, with the devices of a configuration if there is one.
pub fn list(configuration: Option<&Configuration>) -> Result<String, String> {
    let devices = pcap::Device::list()
        .map_err(|error| format!("Error getting devices list: {}", crate::capture::bpf::sentence(error)))?;
    let mut text = String::new();
    if devices.is_empty() {
        text.push_str("No devices found. You might need sudo?\n");
    }
    for (number, device) in devices.iter().enumerate() {
        let description = device.desc.as_deref().unwrap_or("No description available");
        let addresses: Vec<String> = device.addresses.iter().map(|address| address.addr.to_string()).collect();
        let addresses = match addresses.is_empty() {
            true => "Not assigned ip address".to_string(),
            false => addresses.join(" "),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{number}: {} ({description}) ({addresses})", device.name);
    }
    match pci_network_devices() {
        Ok(cards) => cards.iter().for_each(|card| text.push_str(&line(card))),
        Err(error) => log::warn!("PCI devices cannot be listed: {error}"),
    }
    text.push_str(&virtual_devices(&configuration.map(named).unwrap_or_default()));
    Ok(text)
}

/// The virtual devices among a configuration's interfaces. What is wrong with it is not this command's matter.
fn named(configuration: &Configuration) -> Vec<String> {
    let root = configuration.root();
    let interfaces = root.section("packetbeat").and_then(|packetbeat| interface::read(packetbeat.as_ref()));
    let of_dpdk = interfaces.unwrap_or_default().into_iter().filter(|one| is_dpdk(one) && one.kind != Kind::Replay);
    let names = of_dpdk.filter_map(|interface| interface.device);
    names.filter(|name| dpdk_sys::devices::normalise_pci_address(name).is_none()).collect()
}

/// A line for each, from its driver where that can be asked.
fn virtual_devices(names: &[String]) -> String {
    let mut text = String::new();
    let mut eal = None;
    for name in names {
        let shown = match is_harmless(name) {
            false => "a virtual device of DPDK".to_string(),
            true => {
                let found = match eal.get_or_insert_with(start) {
                    Ok(eal) => probe(eal, name),
                    Err(sentence) => Err(sentence.clone()),
                };
                found.map_or_else(|sentence| format!("not usable: {sentence}"), |port| port_line(&port))
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} ({shown})");
    }
    text
}

/// Whether opening a virtual device makes no interface, file or connection.
fn is_harmless(name: &str) -> bool {
    (name.starts_with("net_pcap") && !name.contains(",tx_")) || name.starts_with("net_af_packet")
}

fn start() -> Result<Eal, String> {
    let memory = Memory::OrdinaryPages { megabytes: PROBE_MEGABYTES };
    let arguments = EalArguments::new("wirebeat").memory(memory).no_pci().extra(["--lcores", "0@0"]);
    Eal::init(&arguments.list(), EalLog::Discard).map_err(|error| error.to_string())
}

fn probe(eal: &Eal, name: &str) -> Result<PortInformation, String> {
    eal.attach(name).map_err(|error| error.to_string())?;
    let port = dpdk_sys::Port::open(eal, name).map_err(|error| error.to_string())?;
    let information = port.information().map_err(|error| error.to_string());
    port.close().map_err(|error| error.to_string())?;
    information
}

fn port_line(port: &PortInformation) -> String {
    let queues = match port.max_rx_queues {
        1 => "1 receive queue".to_string(),
        count => format!("{count} receive queues"),
    };
    format!("driver {}, {queues}, ready for DPDK) ({}", port.driver, port.mac)
}

fn line(card: &PciNetworkDevice) -> String {
    let driver = match (&card.driver, card.is_bound_for_user_space()) {
        (Some(driver), true) => format!("driver {driver}, ready for DPDK"),
        (Some(driver), false) => format!("driver {driver}"),
        (None, _) => "no driver".to_string(),
    };
    let names: Vec<&str> = card.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    let names = match names.is_empty() {
        true => "no kernel interface".to_string(),
        false => names.join(" "),
    };
    format!("{} ({:04x}:{:04x}, {driver}) ({names})\n", card.address, card.vendor, card.device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_nothing_is_probed() {
        for (name, harmless) in [
            ("net_pcap0,rx_pcap=a.pcap", true),
            ("net_af_packet3,iface=eth0,qpairs=2", true),
            ("net_pcap0,rx_pcap=a.pcap,tx_pcap=b.pcap", false),
            ("net_tap0,iface=tap7", false),
            ("net_af_xdp0,iface=eth0", false),
        ] {
            assert_eq!(is_harmless(name), harmless, "{name}");
        }
    }

    #[test]
    fn a_card_is_shown_with_its_driver() {
        let card = PciNetworkDevice {
            address: "0000:03:00.0".to_string(),
            vendor: 0x8086,
            device: 0x1572,
            driver: Some("vfio-pci".to_string()),
            interfaces: Vec::new(),
            numa_node: None,
            iommu_group: None,
        };
        let shown = "0000:03:00.0 (8086:1572, driver vfio-pci, ready for DPDK) (no kernel interface)\n";
        assert_eq!(line(&card), shown);
        let unbound = line(&PciNetworkDevice { driver: None, ..card });
        assert_eq!(unbound, "0000:03:00.0 (8086:1572, no driver) (no kernel interface)\n");
    }
}
