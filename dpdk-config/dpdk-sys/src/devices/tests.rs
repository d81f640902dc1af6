// SPDX-License-Identifier: Apache-2.0
use std::os::unix::fs::symlink;

use super::*;

/// Writes a device directory as sysfs has it.
fn device(root: &Path, address: &str, class: &str, files: &[(&str, &str)], links: &[(&str, &str)]) {
    let directory = root.join(address);
    fs::create_dir_all(&directory).unwrap();
    for (name, content) in [("class", class), ("vendor", "0x8086\n"), ("device", "0x10fb\n")].iter().chain(files) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    for (name, target) in links {
        symlink(target, directory.join(name)).unwrap();
    }
}

#[test]
fn network_devices_are_listed_with_driver_and_interfaces() {
    let root = tempfile::tempdir().unwrap();
    device(
        root.path(),
        "0000:03:00.1",
        "0x020000\n",
        &[("numa_node", "-1\n")],
        &[("driver", "../../../bus/pci/drivers/vfio-pci"), ("iommu_group", "../../../kernel/iommu_groups/17")],
    );
    device(
        root.path(),
        "0000:03:00.0",
        "0x020000\n",
        &[
            ("numa_node", "1\n"),
            ("net/eth1/address", "02:00:00:00:00:01\n"),
            ("net/eth1/operstate", "up\n"),
            ("net/eth0/operstate", "down\n"),
        ],
        &[("driver", "../../../bus/pci/drivers/ixgbe")],
    );
    device(root.path(), "0000:00:05.0", "0x020000\n", &[("virtio2/net/ens5/address", "02:00:00:00:00:05\n")], &[]);
    device(root.path(), "0000:00:01.0", "0x030000\n", &[], &[]);
    device(root.path(), "0000:00:02.0", "nonsense\n", &[], &[]);
    let devices = pci_network_devices_below(root.path()).unwrap();
    let addresses: Vec<&str> = devices.iter().map(|device| device.address.as_str()).collect();
    assert_eq!(addresses, ["0000:00:05.0", "0000:03:00.0", "0000:03:00.1"]);
    assert_eq!(devices[0].interfaces[0].name, "ens5");
    assert_eq!(devices[0].driver, None);
    let [eth0, eth1] = devices[1].interfaces.as_slice() else { panic!("{:?}", devices[1]) };
    assert_eq!((eth0.name.as_str(), &eth0.mac, eth0.is_up), ("eth0", &None, false));
    assert_eq!((eth1.name.as_str(), eth1.mac.as_deref(), eth1.is_up), ("eth1", Some("02:00:00:00:00:01"), true));
    assert_eq!((devices[1].vendor, devices[1].device, devices[1].numa_node), (0x8086, 0x10fb, Some(1)));
    assert!(!devices[1].is_bound_for_user_space() && devices[2].is_bound_for_user_space());
    assert_eq!((devices[2].numa_node, devices[2].iommu_group.as_deref()), (None, Some("17")));
}

#[test]
fn a_machine_without_pci_has_no_devices() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(pci_network_devices_below(&root.path().join("absent")).unwrap(), []);
    assert!(pci_network_devices().is_ok());
}

#[test]
fn pci_addresses_are_normalised() {
    for (text, expected) in [
        ("0000:03:00.0", "0000:03:00.0"),
        ("03:00.0", "0000:03:00.0"),
        ("3:1F.7", "0000:03:1f.7"),
        ("10000:E1:00.0", "10000:e1:00.0"),
    ] {
        assert_eq!(normalise_pci_address(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        ":",
        "eth0",
        "net_pcap0",
        "03:00",
        "03:20.0",
        "03:00.8",
        "100:00.0",
        "0:0:0:0.0",
        "+3:00.0",
        "03:00.0x",
        "03:é.0",
    ] {
        assert_eq!(normalise_pci_address(text), None, "{text}");
    }
}
