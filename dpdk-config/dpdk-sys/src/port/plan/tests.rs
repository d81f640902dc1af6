// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::{Link, MacAddress};

/// A NIC with eight queues, RSS over IP and TCP with a 52-byte key, and scatter.
fn nic() -> PortInformation {
    PortInformation {
        id: 0,
        name: "0000:03:00.0".to_owned(),
        driver: "net_test".to_owned(),
        bus: "pci".to_owned(),
        mac: MacAddress::default(),
        socket: None,
        interface_index: None,
        link: Link::default(),
        max_rx_queues: 8,
        max_tx_queues: 4,
        min_rx_descriptors: 32,
        max_rx_descriptors: 4096,
        min_mtu: 68,
        max_mtu: 9710,
        min_rx_buffer_bytes: 1024,
        max_rx_packet_bytes: 9728,
        rx_offloads: sys::SHIM_OFFLOAD_SCATTER | sys::SHIM_OFFLOAD_RSS_HASH,
        rss_functions: sys::SHIM_RSS_IP | sys::SHIM_RSS_TCP,
        reta_size: 128,
        hash_key_bytes: 52,
        sorts_tuples: false,
    }
}

#[test]
fn rss_has_the_symmetric_key_at_the_devices_length() {
    let plan = Plan::new(&nic(), &PortConfiguration::new(8), 2048).unwrap();
    assert_eq!((plan.raw.rx_queues, plan.raw.tx_queues, plan.raw.rss_key_bytes), (8, 4, 52));
    assert!(plan.key[..52].chunks(2).all(|pair| pair == SYMMETRIC_KEY_PAIR));
    let setup = plan.setup(1024);
    assert_eq!(setup.rss_functions, sys::SHIM_RSS_IP | sys::SHIM_RSS_TCP);
    assert_eq!((setup.rss_symmetry, setup.scatter, setup.timestamps), (RssSymmetry::Key, false, false));
    assert_eq!(plan.raw.rx_offloads, sys::SHIM_OFFLOAD_RSS_HASH);
}

#[test]
fn a_device_that_sorts_tuples_is_told_to() {
    let device = PortInformation { sorts_tuples: true, hash_key_bytes: 0, ..nic() };
    let plan = Plan::new(&device, &PortConfiguration::new(2), 2048).unwrap();
    assert_eq!((plan.raw.symmetric_toeplitz_sort, plan.raw.rss_key_bytes), (1, 0));
    assert_eq!(plan.setup(1).rss_symmetry, RssSymmetry::SortedTuple);
}

#[test]
fn nothing_makes_directions_meet_without_rss_or_a_key() {
    let plan =
        |device: &PortInformation, queues| Plan::new(device, &PortConfiguration::new(queues), 2048).unwrap().setup(1);
    let one_queue = plan(&nic(), 1);
    assert_eq!((one_queue.rss_functions, one_queue.rss_symmetry), (0, RssSymmetry::None));
    let no_rss = plan(&PortInformation { rss_functions: 0, ..nic() }, 2);
    assert_eq!((no_rss.rss_functions, no_rss.rss_symmetry), (0, RssSymmetry::None));
    let no_key = plan(&PortInformation { hash_key_bytes: 0, ..nic() }, 2);
    assert_ne!(no_key.rss_functions, 0);
    assert_eq!(no_key.rss_symmetry, RssSymmetry::None);
}

#[test]
fn frames_above_the_buffers_are_scattered_where_the_device_can() {
    let wanted = PortConfiguration { mtu: Some(9000), timestamps: true, ..PortConfiguration::new(1) };
    let device = PortInformation { rx_offloads: sys::SHIM_OFFLOAD_SCATTER | sys::SHIM_OFFLOAD_TIMESTAMP, ..nic() };
    let plan = Plan::new(&device, &wanted, 2048).unwrap();
    assert_eq!(plan.raw.rx_offloads, sys::SHIM_OFFLOAD_SCATTER | sys::SHIM_OFFLOAD_TIMESTAMP);
    assert_eq!(plan.raw.mtu, 9000);
    assert!(!Plan::new(&device, &wanted, 9018).unwrap().scatter);
    assert!(!Plan::new(&PortInformation { rx_offloads: 0, ..nic() }, &wanted, 2048).unwrap().scatter);
    let error = Plan::new(&nic(), &PortConfiguration { mtu: Some(9711), ..wanted }, 2048).err().unwrap();
    assert_eq!(error, "was given an MTU of 9711; it has 68 to 9710");
}
