// SPDX-License-Identifier: Apache-2.0
//! From the settings to what DPDK is started with (`wirebeat.dpdk.*`, interfaces of type `dpdk` and `replay`).

use std::path::PathBuf;

use dpdk_sys::ClassicInstruction;
use dpdk_sys::thread::CpuSet;

use super::interface::{Interface, Kind, Promiscuous};
use super::settings::Settings;
use crate::capture::dpdk::{Device, HardwarePlan, MemoryPlan, ReplayPace, ReplayPlan, is_finite_file};
use crate::capture::{Pressure, bpf};
use crate::cli;
use crate::config::{ConfigError, Section};
use crate::flow::Secret;

/// `wirebeat.dpdk.*`.
#[derive(Clone, Debug)]
pub struct DpdkSettings {
    pub eal_arguments: Vec<String>,
    pub memory: MemoryPlan,
    pub rx_descriptors: u16,
    pub mtu: Option<u16>,
    pub log_level: String,
}

impl DpdkSettings {
    pub fn read(root: &Section<'_>) -> Result<DpdkSettings, ConfigError> {
        let section = match root.section("wirebeat")? {
            Some(wirebeat) => wirebeat.section("dpdk")?,
            None => None,
        };
        let unsigned = |key: &str, range| match &section {
            Some(section) => section.unsigned(key, range),
            None => Ok(None),
        };
        Ok(DpdkSettings {
            eal_arguments: match &section {
                Some(section) => section.strings("eal_arguments")?.unwrap_or_default(),
                None => Vec::new(),
            },
            memory: MemoryPlan {
                mbufs: unsigned("mbufs", 512..=1 << 26)?.map(|count| count as u32),
                data_bytes: unsigned("mbuf_size", 128..=65_280)?.unwrap_or(2048) as u16,
                megabytes: unsigned("memory_mb", 16..=1 << 20)?.map(|size| size as u32),
            },
            rx_descriptors: unsigned("rx_descriptors", 64..=16_384)?.unwrap_or(1024) as u16,
            mtu: unsigned("mtu", 68..=65_535)?.map(|mtu| mtu as u16),
            log_level: match &section {
                Some(section) => section.string("log_level")?,
                None => None,
            }
            .unwrap_or_else(|| "warning".to_string()),
        })
    }
}

/// Whether an interface is DPDK's.
pub fn is_dpdk(interface: &Interface) -> bool {
    match interface.kind {
        Kind::Dpdk | Kind::Replay => true,
        Kind::Auto => interface.device.as_deref().is_some_and(is_dpdk_device),
        Kind::AfPacket | Kind::Pcap => false,
    }
}

/// A PCI address or a virtual device of DPDK (`net_pcap0,rx_pcap=x.pcap`).
fn is_dpdk_device(name: &str) -> bool {
    const DRIVERS: [&str; 8] =
        ["net_af_packet", "net_pcap", "net_tap", "net_memif", "net_ring", "net_null", "net_af_xdp", "net_virtio_user"];
    DRIVERS.iter().any(|driver| name.starts_with(driver)) || dpdk_sys::devices::normalise_pci_address(name).is_some()
}

/// The plan of a run whose interfaces are DPDK's.
pub fn plan(
    settings: &Settings,
    interfaces: &[Interface],
    options: &cli::RunOptions,
    secret: Secret,
) -> Result<HardwarePlan, String> {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
    let workers = settings.bounds.workers.unwrap_or(cpus.saturating_sub(1).clamp(1, 64) as u16);
    let dpdk = &settings.dpdk;
    let mut devices: Vec<Device> = Vec::new();
    let mut pressure = Pressure::Lossless;
    for interface in interfaces {
        let name = interface.device.clone().unwrap_or_default();
        if !is_dpdk(interface) {
            return Err(beside_dpdk(interface, &name));
        }
        let replay = (interface.kind == Kind::Replay).then(|| ReplayPlan {
            path: PathBuf::from(interface.file.as_ref().unwrap_or(&name)),
            pace: match options.pace {
                cli::Pace::TopSpeed => ReplayPace::FullSpeed,
                _ => ReplayPace::RealTime,
            },
            passes: options.loops,
            secret,
        });
        if name.is_empty() && replay.is_none() {
            return Err(format!(
                "{}a DPDK interface needs a device: a PCI address or a virtual device such as net_af_packet0,iface=eth0",
                interface.places.device
            ));
        }
        let same = |device: &&Device| device.replay.is_none() && port_name(&device.name) == port_name(&name);
        if let Some(other) = devices.iter().find(same).filter(|_| replay.is_none()) {
            return Err(format!(
                "{}{name:?} and {:?} are the same port of DPDK; virtual devices of one driver are numbered, as in net_pcap0 and net_pcap1",
                interface.places.device, other.name
            ));
        }
        // One live port keeps the run from waiting.
        if replay.is_none() && !is_finite_file(&name) {
            pressure = Pressure::Live;
        }
        let filter = interface.bpf_filter.clone().or_else(|| settings.generated_filter(interface));
        devices.push(Device {
            promiscuous: interface.promiscuous != Promiscuous::Off,
            mtu: dpdk.mtu,
            rx_descriptors: dpdk.rx_descriptors,
            filter: match filter {
                Some(filter) => compile(&filter)?,
                None => Vec::new(),
            },
            replay,
            name,
        });
    }
    Ok(HardwarePlan {
        devices,
        workers,
        memory: dpdk.memory,
        eal_arguments: dpdk.eal_arguments.clone(),
        log_level: dpdk.log_level.clone(),
        pressure,
        cpus: (0..usize::from(workers))
            .map(|worker| match settings.cpus.get(worker % settings.cpus.len().max(1)) {
                Some(cpu) => *cpu,
                // With a CPU to spare the first one is the I/O core's.
                None => (worker + usize::from(cpus > 1)) % cpus,
            })
            .map(|cpu| std::iter::once(cpu).collect::<CpuSet>())
            .collect(),
        cpu_count: cpus,
    })
}

/// The name that DPDK gives the port of a device.
fn port_name(device: &str) -> String {
    let name = device.split(',').next().unwrap_or_default().trim();
    dpdk_sys::devices::normalise_pci_address(name).unwrap_or_else(|| name.to_string())
}

/// An interface that another one keeps from being captured: the workers of a run are of one kind.
fn beside_dpdk(interface: &Interface, name: &str) -> String {
    let shown = match (&interface.file, name) {
        (Some(file), _) => format!("the file {file}"),
        (None, "") => "any".to_string(),
        (None, name) => name.to_string(),
    };
    let instead = match interface.file {
        Some(_) => "give it the type replay, or the device net_pcap0,rx_pcap=FILE".to_string(),
        None => format!("give it the device net_af_packet0,iface={}", if name.is_empty() { "eth0" } else { name }),
    };
    format!("{}{shown} cannot be captured beside an interface of DPDK; {instead}", interface.places.device)
}

/// Compiles a filter for Ethernet frames.
pub fn compile(filter: &str) -> Result<Vec<ClassicInstruction>, String> {
    let program = bpf::compile(filter, bpf::DLT_ETHERNET)
        .map_err(|sentence| format!("packetbeat.interfaces.bpf_filter: {filter:?}: {sentence}"))?;
    let instructions = program.0.iter().map(|instruction| ClassicInstruction {
        code: instruction.code,
        jump_true: instruction.jump_true,
        jump_false: instruction.jump_false,
        k: instruction.value,
    });
    Ok(instructions.collect())
}
