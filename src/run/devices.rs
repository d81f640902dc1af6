// SPDX-License-Identifier: Apache-2.0
//! `wirebeat devices`: libpcap's list as Packetbeat prints it, then the PCI network cards with their drivers.

use std::fmt::Write;

use dpdk_sys::devices::{PciNetworkDevice, pci_network_devices};

/// The text of the command.
pub fn list() -> Result<String, String> {
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
    Ok(text)
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
