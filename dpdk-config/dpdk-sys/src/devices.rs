// SPDX-License-Identifier: Apache-2.0
//! PCI network devices and the drivers they are bound to, from sysfs. Needs neither EAL nor privileges.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// PCI class of network controllers, the first byte of `class`.
const NETWORK_CLASS: u32 = 0x02;

/// A PCI device of class network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciNetworkDevice {
    /// Domain, bus, device and function, such as `0000:03:00.0`.
    pub address: String,
    /// PCI vendor number.
    pub vendor: u16,
    /// PCI device number.
    pub device: u16,
    /// The kernel driver it is bound to, such as `ixgbe` or `vfio-pci`; none when it is bound to none.
    pub driver: Option<String>,
    /// The kernel's interfaces on it, in alphabetical order, with their addresses as the kernel prints them.
    pub interfaces: Vec<KernelInterface>,
    /// NUMA node, when known.
    pub numa_node: Option<u32>,
    /// IOMMU group, without which `vfio-pci` takes the device only in its no-IOMMU mode.
    pub iommu_group: Option<String>,
}

/// A network interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelInterface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its Ethernet address as the kernel prints it.
    pub mac: Option<String>,
    /// Whether its link is up (`operstate`).
    pub is_up: bool,
}

impl PciNetworkDevice {
    /// Whether the device is bound to a driver that leaves it to user space.
    pub fn is_bound_for_user_space(&self) -> bool {
        matches!(self.driver.as_deref(), Some("vfio-pci" | "igb_uio" | "uio_pci_generic"))
    }
}

/// All PCI network devices in the order of their addresses. A machine without a PCI bus has none.
///
/// # Errors
/// When sysfs is there and cannot be read.
pub fn pci_network_devices() -> io::Result<Vec<PciNetworkDevice>> {
    pci_network_devices_below(Path::new("/sys/bus/pci/devices"))
}

/// The same of the devices whose folders are in `directory`.
///
/// # Errors
/// When it is there and cannot be read.
pub fn pci_network_devices_below(directory: &Path) -> io::Result<Vec<PciNetworkDevice>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut devices = Vec::new();
    for entry in entries {
        // A device that is unplugged meanwhile has no files any more and is left out.
        devices.extend(read_device(&entry?.path()));
    }
    devices.sort_by(|one: &PciNetworkDevice, other| one.address.cmp(&other.address));
    Ok(devices)
}

/// One device's directory; none when it is of another class.
fn read_device(directory: &Path) -> Option<PciNetworkDevice> {
    if read_hexadecimal(&directory.join("class"))? >> 16 != NETWORK_CLASS {
        return None;
    }
    Some(PciNetworkDevice {
        address: directory.file_name()?.to_str()?.to_owned(),
        vendor: u16::try_from(read_hexadecimal(&directory.join("vendor"))?).ok()?,
        device: u16::try_from(read_hexadecimal(&directory.join("device"))?).ok()?,
        driver: link_name(directory.join("driver")),
        interfaces: interfaces(directory),
        // The kernel says -1 when it does not know.
        numa_node: read_text(&directory.join("numa_node")).and_then(|text| text.parse().ok()),
        iommu_group: link_name(directory.join("iommu_group")),
    })
}

/// The kernel interfaces of a device. Virtio's are one level lower.
fn interfaces(directory: &Path) -> Vec<KernelInterface> {
    let mut places = vec![directory.join("net")];
    if let Ok(children) = fs::read_dir(directory) {
        let virtio = children.flatten().filter(|child| child.file_name().to_string_lossy().starts_with("virtio"));
        places.extend(virtio.map(|child| child.path().join("net")));
    }
    let mut interfaces: Vec<KernelInterface> = places
        .iter()
        .filter_map(|place| fs::read_dir(place).ok())
        .flat_map(Iterator::flatten)
        .map(|entry| KernelInterface {
            name: entry.file_name().to_string_lossy().into_owned(),
            mac: read_text(&entry.path().join("address")).filter(|mac| !mac.is_empty()),
            is_up: read_text(&entry.path().join("operstate")).as_deref() == Some("up"),
        })
        .collect();
    interfaces.sort_by(|one, other| one.name.cmp(&other.name));
    interfaces
}

fn read_text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn read_hexadecimal(path: &Path) -> Option<u32> {
    u32::from_str_radix(read_text(path)?.strip_prefix("0x")?, 16).ok()
}

/// The last part of a symbolic link's target.
fn link_name(path: PathBuf) -> Option<String> {
    Some(fs::read_link(path).ok()?.file_name()?.to_string_lossy().into_owned())
}

/// A PCI address with its domain, in lower case, as DPDK and sysfs name the device; none when `text` is no PCI address.
pub fn normalise_pci_address(text: &str) -> Option<String> {
    let mut parts = text.rsplitn(3, ':');
    let (device, function) = parts.next()?.split_once('.')?;
    let bus = parts.next()?;
    let domain = parts.next().unwrap_or("0");
    let domain = hexadecimal(domain, 8, u32::MAX)?;
    let bus = hexadecimal(bus, 2, 0xff)?;
    let device = hexadecimal(device, 2, 0x1f)?;
    let function = hexadecimal(function, 1, 7)?;
    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.{function:x}"))
}

fn hexadecimal(text: &str, digits_max: usize, value_max: u32) -> Option<u32> {
    let is_number = (1..=digits_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(text, 16).ok().filter(|&value| is_number && value <= value_max)
}

#[cfg(test)]
mod tests;
