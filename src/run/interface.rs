// SPDX-License-Identifier: Apache-2.0
//! `packetbeat.interfaces`: a map or a list (Packetbeat behaviour, section 2.3).

use std::time::Duration;

use crate::capture::af_packet::ANY;
use crate::config::{ConfigError, Section};
use crate::flow::perimeter::Network;

/// One capture source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interface {
    pub device: Option<String>,
    pub kind: Kind,
    pub file: Option<String>,
    pub with_vlans: bool,
    pub bpf_filter: Option<String>,
    pub snap_bytes: u32,
    pub buffer_megabytes: u64,
    pub promiscuous: Promiscuous,
    pub internal_networks: Vec<Network>,
    pub fanout_group: Option<u16>,
    /// How often a default route is looked up again.
    pub route_interval: Option<Duration>,
    pub places: Places,
}

impl Interface {
    /// The text that a protocol's `interface.device` names it by.
    pub fn pin(&self) -> &str {
        self.device.as_deref().filter(|device| !device.is_empty()).unwrap_or(ANY)
    }
}

/// Where settings were written, as errors about them begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    pub device: String,
    pub bpf_filter: String,
}

/// `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// By the device: DPDK for a PCI address or a vdev, AF_PACKET for a kernel interface.
    #[default]
    Auto,
    Dpdk,
    AfPacket,
    Pcap,
    Replay,
}

/// Whether a port takes frames for other stations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promiscuous {
    /// As the backend does by itself: DPDK and libpcap on, AF_PACKET off.
    #[default]
    Default,
    On,
    Off,
}

pub fn read(packetbeat: Option<&Section<'_>>) -> Result<Vec<Interface>, ConfigError> {
    let Some(packetbeat) = packetbeat.filter(|packetbeat| packetbeat.has("interfaces")) else {
        let places = Places {
            device: "packetbeat.interfaces.device: ".to_string(),
            bpf_filter: "packetbeat.interfaces.bpf_filter: ".to_string(),
        };
        return Ok(vec![Interface { snap_bytes: 65_535, buffer_megabytes: 24, places, ..Interface::default() }]);
    };
    let sections = packetbeat.list("interfaces")?;
    let mut interfaces: Vec<Interface> = Vec::new();
    for section in &sections {
        let interface = one(section)?;
        let bare = |interface: &Interface| Interface { places: Places::default(), ..interface.clone() };
        if interfaces.iter().any(|other| bare(other) == bare(&interface)) {
            continue;
        }
        if interfaces.iter().any(|other| other.device.is_some() && other.device == interface.device) {
            let device = interface.device.unwrap_or_default();
            return Err(section.refuse(format!("duplicated device configurations: {device}")));
        }
        interfaces.push(interface);
    }
    Ok(interfaces)
}

fn one(section: &Section<'_>) -> Result<Interface, ConfigError> {
    let kinds = [
        ("pcap", Kind::Pcap),
        ("af_packet", Kind::AfPacket),
        ("dpdk", Kind::Dpdk),
        ("replay", Kind::Replay),
        ("autodetect", Kind::Auto),
        ("", Kind::Auto),
    ];
    let kind = section.choice("type", &kinds)?.unwrap_or_default();
    let mut internal_networks = Vec::new();
    for text in section.strings("internal_networks")?.unwrap_or_default() {
        internal_networks.push(Network::parse(&text).ok_or_else(|| {
            let names = Network::NAMES.join(", ");
            section.refuse_key(
                "internal_networks",
                format!("found {text:?}, expected a network such as 10.0.0.0/8 or one of {names}"),
            )
        })?);
    }
    let fanout_group = section.unsigned("fanout_group", 0..=65_535)?.map(|group| group as u16);
    if fanout_group.is_some() && kind != Kind::AfPacket {
        return Err(section.refuse_key("fanout_group", "fanout_group is only valid with af_packet type"));
    }
    Ok(Interface {
        // A virtual device's arguments are divided by commas, which references and -E read as a list.
        device: section.strings("device")?.map(|parts| parts.join(",")),
        kind,
        file: section.string("file")?.filter(|file| !file.is_empty()),
        with_vlans: section.boolean("with_vlans")?.unwrap_or(false),
        bpf_filter: section.string("bpf_filter")?.filter(|filter| !filter.is_empty()),
        snap_bytes: section.unsigned("snaplen", 0..=i32::MAX as u64)?.filter(|bytes| *bytes > 0).unwrap_or(65_535)
            as u32,
        buffer_megabytes: section.integer("buffer_size_mb")?.filter(|size| *size > 0).unwrap_or(24) as u64,
        promiscuous: match section.boolean("auto_promisc_mode")? {
            None => Promiscuous::Default,
            Some(true) => Promiscuous::On,
            Some(false) => Promiscuous::Off,
        },
        internal_networks,
        fanout_group,
        // Packetbeat does not look more often than every second.
        route_interval: (section.duration("poll_default_route")?)
            .filter(|interval| !interval.is_zero())
            .map(|interval| interval.max(Duration::from_secs(1))),
        places: Places {
            device: section.refuse_key("device", "").to_string(),
            bpf_filter: section.refuse_key("bpf_filter", "").to_string(),
        },
    })
}
