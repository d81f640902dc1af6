// SPDX-License-Identifier: Apache-2.0
//! The kernel's interface behind a virtual device (`net_af_packet0,iface=eth0`).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// `framesz` of net_af_packet unless given.
const DEFAULT_SLOT_BYTES: u64 = 2048;
/// What the kernel keeps in front of a frame in a slot of its ring (packet(7), version 2).
const SLOT_HEAD_BYTES: u64 = 66;
/// The largest power of two that a buffer of a pool has room for.
const LARGEST_SLOT_BYTES: u64 = 32_768;
/// Ethernet with a VLAN tag.
const LINK_HEAD_BYTES: u64 = 18;

/// The interface that a virtual device stands on.
pub fn interface(device: &str) -> Option<&str> {
    let mut arguments = device.split(',');
    let driver = arguments.next()?.trim();
    if !driver.starts_with("net_af_packet") && !driver.starts_with("net_af_xdp") {
        return None;
    }
    arguments.find_map(|argument| argument.trim().strip_prefix("iface="))
}

/// Whether the interface of a virtual device was made promiscuous by hand, as `ip link set eth0 promisc on` does. What
/// sysfs says would count other programs' captures too.
pub fn is_promiscuous(device: &str) -> bool {
    let Some(name) = interface(device).filter(|name| name.len() < libc::IFNAMSIZ) else { return false };
    // SAFETY: a system call without pointers.
    let descriptor = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return false;
    }
    // SAFETY: the descriptor was just opened and belongs to nobody else; all bytes zero is a valid `ifreq`.
    let (socket, mut request) = unsafe { (OwnedFd::from_raw_fd(descriptor), std::mem::zeroed::<libc::ifreq>()) };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    // SAFETY: the request lives during the call, which fills in the flags.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) };
    // SAFETY: after this call the flags are what the union holds.
    answer == 0 && i32::from(unsafe { request.ifr_ifru.ifru_flags }) & libc::IFF_PROMISC != 0
}

/// Says when the driver of a virtual device would cut frames that its interface lets through.
pub fn cut_frames(device: &str) -> Option<String> {
    let argument =
        |name: &str| device.split(',').find_map(|argument| argument.trim().strip_prefix(name)?.strip_prefix('='));
    if !device.starts_with("net_af_packet") {
        return None;
    }
    let mtu_bytes = mtu_bytes(device)?;
    let slot_bytes: u64 = argument("framesz").map_or(Some(DEFAULT_SLOT_BYTES), |size| size.parse().ok())?;
    let frame_bytes = slot_bytes.saturating_sub(SLOT_HEAD_BYTES);
    if mtu_bytes + LINK_HEAD_BYTES <= frame_bytes || slot_bytes >= LARGEST_SLOT_BYTES {
        return None;
    }
    // Slots that do not fill their block are read from the wrong place, and larger ones have no mbuf to fit into.
    let slot_bytes = (mtu_bytes + LINK_HEAD_BYTES + SLOT_HEAD_BYTES).next_power_of_two().min(LARGEST_SLOT_BYTES);
    Some(format!(
        "{device}: the interface's MTU is {mtu_bytes} bytes, and the driver cuts frames over {frame_bytes} bytes; give the device framesz={slot_bytes},blocksz={slot_bytes} and set wirebeat.dpdk.mbuf_size: {slot_bytes}"
    ))
}

/// The largest layer-3 packet of the interface of a virtual device, in bytes.
fn mtu_bytes(device: &str) -> Option<u64> {
    let interface = interface(device).filter(|interface| !interface.contains('/'))?;
    let text = std::fs::read_to_string(Path::new("/sys/class/net").join(interface).join("mtu")).ok()?;
    text.trim().parse().ok()
}
