// SPDX-License-Identifier: Apache-2.0
//! From an interface's settings to its live sources, without DPDK.

use std::thread::available_parallelism;

use log::{info, warn};

use super::interface::{Interface, Kind, Promiscuous};
use super::settings::Settings;
use super::{Post, identity, route};
use crate::capture::af_packet::{self, ANY};
use crate::capture::bpf::{self, Program};
use crate::capture::fallback::AnySource;
use crate::capture::pcap::{self, OpenError, PcapSource};

/// Checks what can be checked without opening: a device that is missing is fine, as in Packetbeat.
pub fn check(interface: &Interface, settings: &Settings) -> Result<(), String> {
    if let Some(device) = &interface.device {
        route::asked(device).map_err(|sentence| format!("{}{sentence}", interface.places.device))?;
    }
    match filter(interface, settings) {
        Some(filter) => {
            let compiled = bpf::compile(&filter, bpf::DLT_ETHERNET);
            compiled.map(|_| ()).map_err(|sentence| refused_filter(interface, &filter, &sentence))
        }
        None => Ok(()),
    }
}

/// Opens the sources of all workers of an interface.
pub fn open(interface: &Interface, settings: &Settings) -> Result<Vec<Post<AnySource>>, String> {
    check(interface, settings)?;
    let device = device(interface)?;
    let (backend, reason) = backend(interface, &device)?;
    let posts = match backend {
        Backend::AfPacket => af_packet(interface, &device, settings)?,
        Backend::Pcap => pcap(interface, &device, settings)?,
    };
    let name = if backend == Backend::AfPacket { "af_packet" } else { "libpcap" };
    info!("capturing on {device} with {name} and {} workers: {reason}", posts.len());
    Ok(posts)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    AfPacket,
    Pcap,
}

/// Which backend a device gets, and why.
fn backend(interface: &Interface, device: &str) -> Result<(Backend, &'static str), String> {
    match interface.kind {
        Kind::AfPacket => Ok((Backend::AfPacket, "as `type` says")),
        Kind::Pcap => Ok((Backend::Pcap, "as `type` says")),
        Kind::Auto if device == ANY => Ok((Backend::AfPacket, "no `type` is set, and all interfaces are the kernel's")),
        Kind::Auto => Ok((Backend::AfPacket, "no `type` is set, and it is an interface of the kernel")),
        Kind::Dpdk | Kind::Replay => Err(format!("{}{device} is left to DPDK", interface.places.device)),
    }
}

/// The name of the device, which may be given as a number or as a default route.
fn device(interface: &Interface) -> Result<String, String> {
    let refuse = |sentence: String| format!("{}{sentence}", interface.places.device);
    let Some(device) = interface.device.as_deref().filter(|device| !device.is_empty()) else {
        return Ok(ANY.to_string());
    };
    if let Some(family) = route::asked(device).map_err(refuse)? {
        let found = route::interface(family).ok_or_else(|| refuse(format!("{device}: there is no default route")))?;
        info!("{device} is {found}");
        return Ok(found);
    }
    if !device.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(device.to_string());
    }
    let devices = ::pcap::Device::list()
        .map_err(|error| refuse(format!("Error getting devices list: {}", bpf::sentence(error))))?;
    let place = device.parse::<usize>().ok();
    match place.and_then(|place| devices.get(place)) {
        Some(found) => Ok(found.name.clone()),
        None => Err(refuse(format!(
            "looking for device index {device}, but there are only {} devices; `wirebeat devices` lists them",
            devices.len()
        ))),
    }
}

/// The filter: the user's, or without flows that of the protocols' ports.
fn filter(interface: &Interface, settings: &Settings) -> Option<String> {
    interface.bpf_filter.clone().or_else(|| settings.generated_filter(interface))
}

fn refused_filter(interface: &Interface, filter: &str, sentence: &str) -> String {
    format!("{}{filter:?} is no packet filter: {sentence}", interface.places.bpf_filter)
}

fn unknown(interface: &Interface, device: &str) -> String {
    let mut names = route::interfaces();
    names.insert(0, ANY.to_string());
    format!("{}there is no interface {device:?}; there are {}", interface.places.device, names.join(", "))
}

fn af_packet(interface: &Interface, device: &str, settings: &Settings) -> Result<Vec<Post<AnySource>>, String> {
    if device != ANY && !route::interfaces().iter().any(|name| name == device) {
        return Err(unknown(interface, device));
    }
    let promiscuous = interface.promiscuous == Promiscuous::On;
    if promiscuous && device == ANY {
        warn!("auto_promisc_mode has no effect on `any`");
    }
    let workers = settings.bounds.workers.unwrap_or_else(default_workers);
    let random: [u8; 24] = identity::random();
    let options = af_packet::Options {
        device: device.to_string(),
        workers,
        buffer_bytes: (interface.buffer_megabytes as usize) << 20,
        snap_bytes: interface.snap_bytes,
        promiscuous,
        filter: socket_filter(interface, device, settings)?,
        group: interface.fanout_group,
        random: std::array::from_fn(|word| u32::from_le_bytes(std::array::from_fn(|byte| random[word * 4 + byte]))),
    };
    let sources = af_packet::open(&options).map_err(|error| format!("{}{device}: {error}", interface.places.device))?;
    let posts = sources.into_iter().zip(0..).map(|(source, worker)| Post {
        source: AnySource::AfPacket(Box::new(source)),
        worker,
        workers,
    });
    Ok(posts.collect())
}

/// One for each CPU, within reason: the kernel's own work for a packet stays where it is.
fn default_workers() -> u16 {
    available_parallelism().map_or(1, |cpus| cpus.get().min(4) as u16)
}

/// The filter of a packet socket, on which frames of several kinds of devices may come.
fn socket_filter(interface: &Interface, device: &str, settings: &Settings) -> Result<Program, String> {
    let Some(filter) = filter(interface, settings) else { return Ok(Program::everything()) };
    let candidates = match device {
        ANY => route::interfaces(),
        device => vec![device.to_string()],
    };
    let ethernet = bpf::compile_for_socket(&filter, bpf::DLT_ETHERNET, &candidates)
        .map_err(|sentence| refused_filter(interface, &filter, &sentence))?;
    // What has no meaning without an Ethernet header matches nothing there.
    let other = bpf::compile(&filter, bpf::DLT_RAW).unwrap_or_else(|_| Program::nothing());
    Ok(Program::by_hardware(ethernet, other))
}

fn pcap(interface: &Interface, device: &str, settings: &Settings) -> Result<Vec<Post<AnySource>>, String> {
    let workers = settings.bounds.workers.unwrap_or(1);
    let options = pcap::Options {
        device: device.to_string(),
        snap_bytes: interface.snap_bytes,
        buffer_bytes: usize::try_from(interface.buffer_megabytes << 20).ok(),
        promiscuous: interface.promiscuous != Promiscuous::Off,
        filter: filter(interface, settings),
    };
    let open = |worker| match PcapSource::open(&options) {
        Ok(source) => Ok(Post { source: AnySource::Pcap(Box::new(source)), worker, workers }),
        Err(OpenError::Filter(sentence)) => {
            Err(refused_filter(interface, options.filter.as_deref().unwrap_or_default(), &sentence))
        }
        Err(OpenError::Device(sentence)) if sentence.contains("No such device") => {
            Err(format!("{} ({sentence})", unknown(interface, device)))
        }
        Err(OpenError::Device(sentence)) => Err(format!("{}{device}: {sentence}", interface.places.device)),
    };
    (0..workers).map(open).collect()
}
