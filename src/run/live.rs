// SPDX-License-Identifier: Apache-2.0
//! From an interface's settings to its live sources, without DPDK.

use std::sync::Arc;
use std::thread::available_parallelism;

use log::{info, warn};

use super::interface::{Interface, Kind, Promiscuous};
use super::settings::Settings;
use super::{Post, identity, route};
use crate::capture::af_packet::{self, ANY};
use crate::capture::bpf::{self, Program};
use crate::capture::fallback::AnySource;
use crate::capture::follow::Following;
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
    let random: [u8; 24] = identity::random();
    let opening = Opening {
        interface: interface.clone(),
        backend,
        filter: filter(interface, settings),
        workers: settings.bounds.workers.unwrap_or_else(|| backend.default_workers()),
        random: std::array::from_fn(|word| u32::from_le_bytes(std::array::from_fn(|byte| random[word * 4 + byte]))),
    };
    let workers = opening.workers;
    let ports = Arc::new(settings.registry.on_interface(Some(interface.pin())));
    let asked = interface.device.as_deref().and_then(|device| route::asked(device).ok().flatten());
    let sources = match (asked, interface.route_interval) {
        (Some(family), Some(interval)) => {
            let find = Box::new(move || route::interface(family));
            let open = Box::new(move |device: &str| opening.open(device));
            let following = Following::group(&device, interval, find, open)?;
            following.into_iter().map(|source| AnySource::Following(Box::new(source))).collect()
        }
        _ => opening.open(&device)?,
    };
    let name = if backend == Backend::AfPacket { "af_packet" } else { "libpcap" };
    info!("capturing on {device} with {name} and {workers} workers: {reason}");
    let name: Arc<str> = device.into();
    let post =
        |(source, worker)| Post { source, worker, workers, ports: Arc::clone(&ports), device: Some(Arc::clone(&name)) };
    Ok((sources.into_iter().zip(0..)).map(post).collect())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    AfPacket,
    Pcap,
}

impl Backend {
    fn default_workers(self) -> u16 {
        match self {
            // One for each CPU, within reason: the kernel's own work for a packet stays where it is.
            Backend::AfPacket => available_parallelism().map_or(1, |cpus| cpus.get().min(4) as u16),
            // Each sees everything.
            Backend::Pcap => 1,
        }
    }
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

/// What it takes to open an interface, again when the default route moves.
struct Opening {
    interface: Interface,
    backend: Backend,
    filter: Option<String>,
    workers: u16,
    /// The same for every device, so that flows keep their homes.
    random: [u32; 6],
}

impl Opening {
    fn open(&self, device: &str) -> Result<Vec<AnySource>, String> {
        match self.backend {
            Backend::AfPacket => self.af_packet(device),
            Backend::Pcap => self.pcap(device),
        }
    }

    fn af_packet(&self, device: &str) -> Result<Vec<AnySource>, String> {
        let interface = &self.interface;
        if device != ANY && !route::interfaces().iter().any(|name| name == device) {
            return Err(unknown(interface, device));
        }
        let promiscuous = interface.promiscuous == Promiscuous::On;
        if promiscuous && device == ANY {
            warn!("auto_promisc_mode has no effect on `any`");
        }
        let options = af_packet::Options {
            device: device.to_string(),
            workers: self.workers,
            buffer_bytes: (interface.buffer_megabytes as usize).saturating_mul(1 << 20),
            snap_bytes: interface.snap_bytes,
            promiscuous,
            filter: self.socket_filter(device)?,
            group: interface.fanout_group,
            random: self.random,
        };
        let sources = af_packet::open(&options);
        let sources = sources.map_err(|error| format!("{}{device}: {error}", interface.places.device))?;
        Ok(sources.into_iter().map(|source| AnySource::AfPacket(Box::new(source))).collect())
    }

    /// The filter of a packet socket, on which frames of several kinds of devices may come.
    fn socket_filter(&self, device: &str) -> Result<Program, String> {
        let Some(filter) = &self.filter else { return Ok(Program::everything()) };
        let candidates = match device {
            ANY => route::interfaces(),
            device => vec![device.to_string()],
        };
        let ethernet = bpf::compile_for_socket(filter, bpf::DLT_ETHERNET, &candidates)
            .map_err(|sentence| refused_filter(&self.interface, filter, &sentence))?;
        // What has no meaning without an Ethernet header matches nothing there.
        let other = bpf::compile(filter, bpf::DLT_RAW).unwrap_or_else(|_| Program::nothing());
        Ok(Program::by_hardware(ethernet, other))
    }

    fn pcap(&self, device: &str) -> Result<Vec<AnySource>, String> {
        let interface = &self.interface;
        let options = pcap::Options {
            device: device.to_string(),
            snap_bytes: interface.snap_bytes,
            buffer_bytes: (interface.buffer_megabytes as usize).saturating_mul(1 << 20),
            // libpcap from 1.10.5 on refuses what has no meaning there.
            promiscuous: interface.promiscuous != Promiscuous::Off && device != ANY,
            filter: self.filter.clone(),
        };
        let open = |_| match PcapSource::open(&options) {
            Ok(source) => Ok(AnySource::Pcap(Box::new(source))),
            Err(OpenError::Filter(sentence)) => {
                Err(refused_filter(interface, options.filter.as_deref().unwrap_or_default(), &sentence))
            }
            Err(OpenError::Device(sentence)) if sentence.contains("No such device") => {
                Err(format!("{} ({sentence})", unknown(interface, device)))
            }
            Err(OpenError::Device(sentence)) => Err(format!("{}{device}: {sentence}", interface.places.device)),
        };
        (0..self.workers).map(open).collect()
    }
}
