// SPDX-License-Identifier: Apache-2.0
//! The machine as sysfs and procfs show it. Whatever is not there is empty: a container has little of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dpdk_sys::devices::{PciNetworkDevice, pci_network_devices_below};
use procfs_core::{CpuInfo, FromBufRead, MountEntry};

use super::guard::{self, Guarded};

/// Kernel drivers that share the NIC with DPDK: nothing is bound.
const BIFURCATED: [&str; 2] = ["mlx4_core", "mlx5_core"];

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Folder that `sys`, `proc`, `dev` and `lib` are in.
    pub root: PathBuf,
    /// Release of the kernel (`uname -r`).
    pub kernel: String,
    pub cpu_flags: BTreeSet<String>,
    pub online_cpus: Vec<usize>,
    /// CPUs that the scheduler leaves alone (`isolcpus`).
    pub isolated_cpus: Vec<usize>,
    pub clock_source: String,
    pub nodes: Vec<Node>,
    /// All huge pages; those of the nodes are the same ones.
    pub huge_pages: Vec<HugePages>,
    /// Where hugetlbfs is mounted.
    pub huge_mounts: Vec<String>,
    pub iommu_groups: usize,
    /// Whether vfio takes devices without an IOMMU.
    pub unsafe_no_iommu: bool,
    pub cards: Vec<PciNetworkDevice>,
    /// Interfaces that must not be taken away.
    pub guarded: Vec<Guarded>,
    /// Bytes this process may lock; None without a limit.
    pub memory_lock_bytes: Option<u64>,
    pub is_root: bool,
}

/// A NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub number: u32,
    pub cpus: Vec<usize>,
    pub huge_pages: Vec<HugePages>,
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    pub page_kilobytes: u64,
    pub total: u64,
    pub free: u64,
}

/// What the kernel knows of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    Loaded,
    /// It is on the disk.
    Available,
    Absent,
}

impl Machine {
    /// Reads everything below `root`, which is `/` but in tests.
    pub fn read(root: &Path) -> Machine {
        let text = |path: &str| read(&root.join(path));
        let pci = root.join("sys/bus/pci/devices");
        let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock);
        Machine {
            kernel: text("proc/sys/kernel/osrelease"),
            cpu_flags: cpu_flags(&root.join("proc/cpuinfo")),
            online_cpus: cpu_list(&text("sys/devices/system/cpu/online")),
            isolated_cpus: cpu_list(&text("sys/devices/system/cpu/isolated")),
            clock_source: text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            nodes: nodes(&root.join("sys/devices/system/node")),
            huge_pages: huge_pages(&root.join("sys/kernel/mm/hugepages")),
            huge_mounts: huge_mounts(&root.join("proc/mounts")),
            iommu_groups: entries(&root.join("sys/kernel/iommu_groups")).len(),
            unsafe_no_iommu: text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y",
            cards: pci_network_devices_below(&pci).unwrap_or_default(),
            guarded: guard::read(root),
            memory_lock_bytes: limit.current,
            is_root: rustix::process::geteuid().is_root(),
            root: root.to_path_buf(),
        }
    }

    pub fn card(&self, address: &str) -> Option<&PciNetworkDevice> {
        self.cards.iter().find(|card| card.address == address)
    }

    /// The card of a PCI address, or of a kernel interface.
    pub fn find(&self, name: &str) -> Option<&PciNetworkDevice> {
        let address = dpdk_sys::devices::normalise_pci_address(name);
        self.cards.iter().find(|card| {
            Some(&card.address) == address.as_ref() || card.interfaces.iter().any(|interface| interface.name == name)
        })
    }

    pub fn module(&self, name: &str) -> Module {
        // The kernel writes both names of a module.
        let underscored = name.replace('-', "_");
        if self.root.join("sys/module").join(&underscored).exists()
            || self.root.join("sys/bus/pci/drivers").join(name).exists()
        {
            return Module::Loaded;
        }
        let folder = self.root.join("lib/modules").join(&self.kernel);
        let is_listed = |list: &str| {
            read(&folder.join(list)).lines().any(|line| {
                let path = line.split(':').next().unwrap_or_default();
                let file = path.rsplit('/').next().unwrap_or_default();
                file.split(".ko").next().unwrap_or_default().replace('-', "_") == underscored
            })
        };
        if is_listed("modules.dep") || is_listed("modules.builtin") { Module::Available } else { Module::Absent }
    }

    /// Bytes of huge pages: all, and those free.
    pub fn huge_bytes(&self) -> (u64, u64) {
        let sum = |count: fn(&HugePages) -> u64| {
            self.huge_pages.iter().map(|pages| count(pages) * (pages.page_kilobytes << 10)).sum()
        };
        (sum(|pages| pages.total), sum(|pages| pages.free))
    }
}

/// Whether DPDK shares the card with its kernel driver.
pub fn is_bifurcated(card: &PciNetworkDevice) -> bool {
    card.driver.as_deref().is_some_and(|driver| BIFURCATED.contains(&driver))
}

/// CPUs of a list such as `0-3,8`.
pub fn cpu_list(text: &str) -> Vec<usize> {
    const MOST: usize = 1 << 16;
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>())
            && last < MOST
        {
            cpus.extend(first..=last);
        }
    }
    cpus
}

fn cpu_flags(path: &Path) -> BTreeSet<String> {
    let cpus = CpuInfo::from_buf_read(read(path).as_bytes());
    let flags = cpus.ok().and_then(|cpus| {
        // aarch64 calls them features.
        let features = || cpus.get_field(0, "Features").map(|text| text.split_whitespace().collect());
        cpus.flags(0).or_else(features).map(|flags| flags.iter().map(|flag| (*flag).to_owned()).collect())
    });
    flags.unwrap_or_default()
}

fn huge_mounts(path: &Path) -> Vec<String> {
    let mounts: Vec<MountEntry> = FromBufRead::from_buf_read(read(path).as_bytes()).unwrap_or_default();
    mounts.into_iter().filter(|mount| mount.fs_vfstype == "hugetlbfs").map(|mount| mount.fs_file).collect()
}

fn nodes(folder: &Path) -> Vec<Node> {
    let mut nodes: Vec<Node> = entries(folder)
        .iter()
        .filter_map(|name| {
            let number = name.strip_prefix("node")?.parse().ok()?;
            let node = folder.join(name);
            Some(Node {
                number,
                cpus: cpu_list(&read(&node.join("cpulist"))),
                huge_pages: huge_pages(&node.join("hugepages")),
            })
        })
        .collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn huge_pages(folder: &Path) -> Vec<HugePages> {
    let mut pages: Vec<HugePages> = entries(folder)
        .iter()
        .filter_map(|name| {
            let number = |file: &str| read(&folder.join(name).join(file)).parse().unwrap_or_default();
            Some(HugePages {
                page_kilobytes: name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?,
                total: number("nr_hugepages"),
                free: number("free_hugepages"),
            })
        })
        .collect();
    pages.sort_by_key(|pages| pages.page_kilobytes);
    pages
}

fn entries(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}
