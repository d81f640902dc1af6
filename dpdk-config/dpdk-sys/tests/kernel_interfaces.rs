// SPDX-License-Identifier: Apache-2.0
//! Drivers over kernel interfaces, in a network namespace of the test's own: net_af_packet on a veth pair, and net_tap.
//!
//! Needs root; as another user, or where interfaces cannot be created, it says so and ends.

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{pool, push_frame, start_eal, udp_frame};
use dpdk_sys::{Burst, Eal, Mempool, Port, PortConfiguration, RxQueue, TxQueue};

#[test]
fn frames_cross_kernel_interfaces() {
    // SAFETY: gives the current thread, and what it starts, a network namespace of its own.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        println!("skipped: no network namespace ({})", std::io::Error::last_os_error());
        return;
    }
    if !ip("link add wb0 type veth peer name wb1") {
        println!("skipped: no veth pair can be created");
        return;
    }
    assert!(ip("link set wb0 up") && ip("link set wb1 up"));
    let directory = tempfile::tempdir().unwrap();
    let eal = start_eal(directory.path(), &["--lcores", "0@0"]);
    let packets = pool(&eal, "packets", 4095, 2048);

    let (left, _, mut send) = open(&eal, "net_af_packet0,iface=wb0", &packets);
    let (mut right, mut receive, _) = open(&eal, "net_af_packet1,iface=wb1", &packets);
    let information = right.information().unwrap();
    assert_eq!((information.name.as_str(), information.driver.as_str()), ("net_af_packet1", "net_af_packet"));
    assert_ne!(information.mac, left.information().unwrap().mac);
    assert!(information.mac.to_string().len() == 17 && information.link.is_up);
    right.set_promiscuous(true).unwrap();
    assert!(right.is_promiscuous());
    right.set_promiscuous(false).unwrap();
    assert!(!right.is_promiscuous());
    exchange(&packets, &mut send, &mut receive);
    drop((send, receive));
    left.close().unwrap();
    right.close().unwrap();

    if !std::path::Path::new("/dev/net/tun").exists() {
        println!("skipped in part: no /dev/net/tun for net_tap");
        return;
    }
    // What the kernel sends by the interface of a tap is received from the tap.
    let (tap, mut receive, _) = open(&eal, "net_tap0,iface=wbtap", &packets);
    assert!(ip("link set wbtap up"));
    let (outside, _, mut send) = open(&eal, "net_af_packet2,iface=wbtap", &packets);
    exchange(&packets, &mut send, &mut receive);
    drop((send, receive));
    outside.close().unwrap();
    tap.close().unwrap();
    assert_eq!(packets.in_use(), 0);
}

/// Attaches and starts a device with one queue.
fn open(eal: &Eal, device: &str, packets: &Mempool) -> (Port, RxQueue, TxQueue) {
    eal.attach(device).unwrap();
    let mut port = Port::open(eal, device).unwrap();
    port.configure(&PortConfiguration::new(1), &[*packets]).unwrap();
    let (mut receive, mut send) = port.start().unwrap();
    (port, receive.remove(0), send.remove(0))
}

/// Sends frames of several sizes and finds each of them, among what the kernel says of its own accord.
fn exchange(packets: &Mempool, send: &mut TxQueue, receive: &mut RxQueue) {
    let frames: Vec<Vec<u8>> = (0..30).map(|number| udp_frame(4000 + number, usize::from(number) * 40)).collect();
    let mut burst = Burst::new();
    for frame in &frames {
        push_frame(packets, &mut burst, frame);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !burst.is_empty() {
        send.transmit(&mut burst);
        assert!(Instant::now() < deadline);
    }
    let mut next = 0;
    while next < frames.len() {
        assert!(Instant::now() < deadline, "{next} frames came");
        receive.receive(&mut burst);
        next += burst.iter().filter(|packet| frames.iter().any(|frame| frame == packet.data())).count();
        burst.clear();
    }
    assert_eq!(next, frames.len());
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).status().is_ok_and(|status| status.success())
}
