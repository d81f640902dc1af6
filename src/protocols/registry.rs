// SPDX-License-Identifier: Apache-2.0
//! The configured protocol sections and the ports they own (`packetbeat.protocols`).

#[cfg(test)]
mod tests;

use super::detect::{Candidates, Others};
use super::{CommonOptions, DESCRIPTORS, Descriptor, Factory, Transports};
use crate::config::{ConfigError, Section};

/// One configured protocol.
pub struct Configured {
    pub descriptor: &'static Descriptor,
    pub options: CommonOptions,
    pub factory: Box<dyn Factory>,
    /// `interface.device`: only packets of the interface whose `device` is this text.
    pub device: Option<String>,
    /// Where the section was written.
    pub origin: String,
}

/// Number of a configured protocol.
pub type SectionNumber = u8;

/// Who analyses a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Section(SectionNumber),
    /// Whose the first bytes are.
    Detected(Candidates),
}

/// Whether protocols are told by their first bytes (`wirebeat.detect`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detection {
    #[default]
    Off,
    On,
}

/// In a table of ports: numbers of sections, then from here numbers of shared ports' candidates.
const SHARED: u8 = 64;
const NOBODY: u8 = u8::MAX;

/// All configured protocols.
pub struct Registry {
    pub sections: Vec<Configured>,
    pub detection: Detection,
}

/// Which sections analyse what comes from one interface.
pub struct PortTable {
    tcp: Vec<u8>,
    udp: Vec<u8>,
    /// Sets of sections that share a port.
    shared: Vec<u64>,
    /// Who is asked for a port that nobody owns.
    any: Option<Candidates>,
    icmp: Option<SectionNumber>,
}

impl Registry {
    /// Reads `packetbeat.protocols`, a list or a map. `each` is given the section of every protocol that is taken, in the
    /// order of [`Registry::sections`], to read what belongs to its events.
    pub fn read(
        packetbeat: Option<&Section<'_>>,
        detection: Detection,
        warnings: &mut Vec<String>,
        mut each: impl FnMut(&Section<'_>, &mut Vec<String>) -> Result<(), ConfigError>,
    ) -> Result<Registry, ConfigError> {
        let mut taken: Vec<(&'static Descriptor, Section<'_>, Option<String>)> = Vec::new();
        for (name, section) in protocol_sections(packetbeat)? {
            if !section.enabled()? {
                continue;
            }
            let Some(descriptor) = DESCRIPTORS.iter().find(|descriptor| descriptor.name == name) else {
                let origin = section.origin();
                section.ignore_rest();
                let known: Vec<&str> = DESCRIPTORS.iter().map(|descriptor| descriptor.name).collect();
                warnings.push(format!("{origin}: unknown protocol {name:?}; known are {}", known.join(", ")));
                continue;
            };
            let device = match section.section("interface")? {
                Some(interface) => interface.string("device")?.filter(|device| !device.is_empty()),
                None => None,
            };
            let twice = |other: &Option<String>| meet(other.as_deref(), device.as_deref());
            if descriptor.transports == Transports::Icmp
                && taken.iter().any(|(other, _, pin)| other.name == name && twice(pin))
            {
                return Err(section.refuse("more than one icmp configuration found"));
            }
            match taken.iter_mut().find(|(other, _, pin)| other.name == name && *pin == device) {
                Some(earlier) => {
                    earlier.1.ignore_rest();
                    warnings.push(format!(
                        "{}: protocol {name} is configured twice, the second replaces the first",
                        section.origin()
                    ));
                    earlier.1 = section;
                }
                None => taken.push((descriptor, section, device)),
            }
        }
        taken.sort_by_key(|(descriptor, ..)| DESCRIPTORS.iter().position(|other| other.name == descriptor.name));

        let mut registry = Registry { sections: Vec::new(), detection };
        for (descriptor, section, device) in taken {
            each(&section, warnings)?;
            let options = common_options(descriptor, &section)?;
            let factory = (descriptor.configure)(&section, &options)?;
            let origin = section.origin().to_string();
            registry.add(Configured { descriptor, options, factory, device, origin }, &section)?;
        }
        Ok(registry)
    }

    fn add(&mut self, configured: Configured, section: &Section<'_>) -> Result<(), ConfigError> {
        if self.sections.len() >= usize::from(SHARED) {
            return Err(section.refuse(format!("found more than {SHARED} protocol sections")));
        }
        let name = configured.descriptor.name;
        for other in &self.sections {
            if other.descriptor.name == name || !meet(other.device.as_deref(), configured.device.as_deref()) {
                continue;
            }
            let (own, others) = (configured.descriptor.transports, other.descriptor.transports);
            let together = own.tcp() && others.tcp() || own.udp() && others.udp();
            if !together || self.detection == Detection::On {
                continue;
            }
            if let Some(port) = configured.options.ports.iter().find(|port| other.options.ports.contains(port)) {
                let other = other.descriptor.name;
                return Err(section.refuse_key(
                    "ports",
                    format!(
                        "duplicate port ({port}) exists in {other} and {name} protocols; with wirebeat.detect: true \
                         they may share it"
                    ),
                ));
            }
        }
        self.sections.push(configured);
        Ok(())
    }

    /// The sections for packets of the interface with this `device`; None for files. As in Packetbeat, a section that is
    /// pinned to another interface is not there, and of several of one protocol the last counts.
    pub fn on_interface(&self, device: Option<&str>) -> PortTable {
        let mut table = PortTable {
            tcp: vec![NOBODY; 65_536],
            udp: vec![NOBODY; 65_536],
            shared: Vec::new(),
            any: None,
            icmp: None,
        };
        let mut all = 0;
        for (number, configured) in self.sections_on(device) {
            let transports = configured.descriptor.transports;
            all |= 1 << number;
            if transports == Transports::Icmp {
                table.icmp = Some(number);
            }
            for (carried, owners) in [(transports.tcp(), &mut table.tcp), (transports.udp(), &mut table.udp)] {
                if carried {
                    let ports = configured.options.ports.iter();
                    ports.for_each(|port| share(&mut owners[usize::from(*port)], number, &mut table.shared));
                }
            }
        }
        if self.detection == Detection::On {
            table.any = Some(Candidates { sections: all, others: Others::Named });
        }
        table
    }

    /// A sentence for each section that none of these interfaces gives packets to.
    pub fn idle_sections(&self, devices: &[Option<&str>]) -> Vec<String> {
        let busy: Vec<SectionNumber> =
            devices.iter().flat_map(|device| self.sections_on(*device)).map(|(number, _)| number).collect();
        let idle = (0..).zip(&self.sections).filter(|(number, _)| !busy.contains(number));
        idle.map(|(_, Configured { descriptor, device, origin, .. })| match device {
            Some(device) => format!(
                "{origin}: protocol {} is pinned to the interface {device:?}, from which nothing is captured, and has no effect",
                descriptor.name
            ),
            None => format!("{origin}: protocol {} is replaced on every interface, and has no effect", descriptor.name),
        })
        .collect()
    }

    fn sections_on<'a>(&'a self, device: Option<&'a str>) -> impl Iterator<Item = (SectionNumber, &'a Configured)> {
        let sees =
            move |configured: &&Configured| configured.device.is_none() || configured.device.as_deref() == device;
        (0..).zip(&self.sections).filter(move |(number, configured)| {
            let later = self.sections.iter().skip(usize::from(*number) + 1).filter(sees);
            sees(configured) && !later.into_iter().any(|later| later.descriptor.name == configured.descriptor.name)
        })
    }

    /// The BPF filter that Packetbeat makes of the ports when flows are off (section 5.3). None when nothing is configured.
    /// `tunnels` are terms that let tunnels in.
    pub fn bpf_filter(&self, device: Option<&str>, with_vlans: bool, tunnels: &[String]) -> Option<String> {
        let mut terms = Vec::new();
        for (_, configured) in self.sections_on(device) {
            let word = match configured.descriptor.transports {
                Transports::Icmp => {
                    terms.extend(["icmp".to_string(), "icmp6".to_string()]);
                    continue;
                }
                Transports::Tcp => "tcp port",
                Transports::Udp => "udp port",
                Transports::TcpAndUdp => "port",
            };
            terms.extend(port_terms(&configured.options.ports, word));
        }
        if terms.is_empty() {
            return None;
        }
        terms.extend_from_slice(tunnels);
        let filter = terms.join(" or ");
        Some(match with_vlans {
            false => filter,
            true => format!("{filter} or (vlan and ({filter}))"),
        })
    }
}

/// A term for each port, or for a long run of them.
fn port_terms(ports: &[u16], word: &str) -> Vec<String> {
    const LONG_RUN: usize = 8;
    let runs = ports.chunk_by(|port, next| port.checked_add(1) == Some(*next));
    let term = |run: &[u16]| match run {
        [first, .., last] if run.len() >= LONG_RUN => vec![format!("{word}range {first}-{last}")],
        run => run.iter().map(|port| format!("{word} {port}")).collect(),
    };
    runs.flat_map(term).collect()
}

impl PortTable {
    /// Who owns a TCP port.
    #[inline]
    pub fn tcp_port(&self, port: u16) -> Option<Owner> {
        self.owner(self.tcp[usize::from(port)])
    }

    /// Who owns a UDP port.
    #[inline]
    pub fn udp_port(&self, port: u16) -> Option<Owner> {
        self.owner(self.udp[usize::from(port)])
    }

    #[inline]
    fn owner(&self, number: u8) -> Option<Owner> {
        match number {
            NOBODY => None,
            SHARED.. => {
                let sections = self.shared[usize::from(number - SHARED)];
                Some(Owner::Detected(Candidates { sections, others: Others::LeftOut }))
            }
            section => Some(Owner::Section(section)),
        }
    }

    /// Who is asked for a port that nobody owns.
    #[inline]
    pub fn any_port(&self) -> Option<Owner> {
        self.any.map(Owner::Detected)
    }

    /// The section that analyses ICMP.
    #[inline]
    pub fn icmp(&self) -> Option<SectionNumber> {
        self.icmp
    }
}

/// Makes a section an owner of a port, the only one or one of several.
fn share(owner: &mut u8, number: SectionNumber, shared: &mut Vec<u64>) {
    let others = match *owner {
        NOBODY => {
            *owner = number;
            return;
        }
        SHARED.. => shared[usize::from(*owner - SHARED)],
        one => 1 << one,
    };
    let all = others | 1 << number;
    let place = shared.iter().position(|set| *set == all).unwrap_or_else(|| {
        shared.push(all);
        shared.len() - 1
    });
    // Where there are too many different sets, the last one asks for all of theirs.
    let last = usize::from(NOBODY - SHARED) - 1;
    if place > last {
        shared.truncate(last + 1);
        shared[last] |= all;
    }
    *owner = SHARED + place.min(last) as u8;
}

/// Whether two sections with these pins may see the same packets.
fn meet(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// Name and section of every protocol, of both forms.
fn protocol_sections<'a>(packetbeat: Option<&Section<'a>>) -> Result<Vec<(String, Section<'a>)>, ConfigError> {
    let Some(packetbeat) = packetbeat else { return Ok(Vec::new()) };
    if !packetbeat.has("protocols") {
        return Ok(Vec::new());
    }
    let mut sections = Vec::new();
    let as_map = packetbeat.section("protocols").ok().flatten().filter(Section::is_map);
    if let Some(map) = as_map {
        for (name, section) in map.entries() {
            sections.push((name.to_string(), section));
        }
        return Ok(sections);
    }
    for section in packetbeat.list("protocols")? {
        match section.string("type")? {
            Some(name) => sections.push((name, section)),
            None => {
                // A list of maps keyed by name is accepted as well.
                for (name, section) in section.entries() {
                    if !section.is_map() {
                        return Err(section.refuse("a protocol needs a type, such as http"));
                    }
                    sections.push((name.to_string(), section));
                }
            }
        }
    }
    Ok(sections)
}

fn common_options(descriptor: &Descriptor, section: &Section<'_>) -> Result<CommonOptions, ConfigError> {
    let default_timeout_ns = if descriptor.name == "nfs" { 60_000_000_000 } else { 10_000_000_000 };
    Ok(CommonOptions {
        ports: match descriptor.transports {
            Transports::Icmp => Vec::new(),
            _ => section.ports("ports")?.unwrap_or_else(|| descriptor.default_ports.to_vec()),
        },
        send_request: section.boolean("send_request")?.unwrap_or(false),
        send_response: section.boolean("send_response")?.unwrap_or(false),
        transaction_timeout_ns: section.duration_ns("transaction_timeout")?.unwrap_or(default_timeout_ns),
    })
}
