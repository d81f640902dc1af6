// SPDX-License-Identifier: Apache-2.0
//! The configured protocol sections and the ports they own (`packetbeat.protocols`).

use super::detect::{Candidates, Others};
use super::{CommonOptions, DESCRIPTORS, Descriptor, Factory, Transports};
use crate::config::{ConfigError, Section};

/// Protocols of Packetbeat, built here or not.
const KNOWN: &[&str] = &[
    "icmp",
    "amqp",
    "cassandra",
    "dhcpv4",
    "dns",
    "http",
    "memcache",
    "mysql",
    "pgsql",
    "redis",
    "thrift",
    "mongodb",
    "nfs",
    "tls",
    "sip",
];

/// One configured protocol.
pub struct Configured {
    pub descriptor: &'static Descriptor,
    pub options: CommonOptions,
    pub factory: Box<dyn Factory>,
    /// `interface.device`: only packets of this interface.
    pub device: Option<String>,
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
    tcp: Vec<u8>,
    udp: Vec<u8>,
    /// Sets of sections that share a port.
    shared: Vec<u64>,
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
        let mut taken: Vec<(&'static Descriptor, Section<'_>)> = Vec::new();
        for (name, section) in protocol_sections(packetbeat)? {
            if !section.enabled()? {
                continue;
            }
            let Some(descriptor) = DESCRIPTORS.iter().find(|descriptor| descriptor.name == name) else {
                let origin = section.origin();
                section.ignore_rest();
                warnings.push(match KNOWN.contains(&name.as_str()) {
                    true => format!("{origin}: protocol {name} is not built yet and has no effect"),
                    false => format!("{origin}: unknown protocol {name:?}; known are {}", KNOWN.join(", ")),
                });
                continue;
            };
            match taken.iter_mut().find(|(other, _)| other.name == name) {
                Some(_) if descriptor.transports == Transports::Icmp => {
                    return Err(section.refuse("more than one icmp configuration found"));
                }
                Some(earlier) => {
                    earlier.1.ignore_rest();
                    warnings.push(format!(
                        "{}: protocol {name} is configured twice, the second replaces the first",
                        section.origin()
                    ));
                    earlier.1 = section;
                }
                None => taken.push((descriptor, section)),
            }
        }
        taken.sort_by_key(|(descriptor, _)| DESCRIPTORS.iter().position(|other| other.name == descriptor.name));

        let mut registry = Registry {
            sections: Vec::new(),
            detection,
            tcp: vec![NOBODY; 65_536],
            udp: vec![NOBODY; 65_536],
            shared: Vec::new(),
            icmp: None,
        };
        for (descriptor, section) in taken {
            each(&section, warnings)?;
            let options = common_options(descriptor, &section)?;
            let factory = (descriptor.configure)(&section, &options)?;
            let device = match section.section("interface")? {
                Some(interface) => interface.string("device")?,
                None => None,
            };
            registry.add(Configured { descriptor, options, factory, device }, &section)?;
        }
        Ok(registry)
    }

    fn add(&mut self, configured: Configured, section: &Section<'_>) -> Result<(), ConfigError> {
        let number = self.sections.len() as SectionNumber;
        let transports = configured.descriptor.transports;
        if transports == Transports::Icmp {
            self.icmp = Some(number);
        }
        for (carried, table) in [(transports.tcp(), &mut self.tcp), (transports.udp(), &mut self.udp)] {
            if !carried {
                continue;
            }
            for port in &configured.options.ports {
                let owner = &mut table[usize::from(*port)];
                if *owner == NOBODY || *owner == number {
                    *owner = number;
                    continue;
                }
                let others = match owner.checked_sub(SHARED) {
                    Some(place) => self.shared[usize::from(place)],
                    None => 1 << *owner,
                };
                if self.detection == Detection::Off {
                    let other = self.sections[usize::from(*owner)].descriptor.name;
                    let name = configured.descriptor.name;
                    return Err(section.refuse_key(
                        "ports",
                        format!(
                            "duplicate port ({port}) exists in {other} and {name} protocols; with wirebeat.detect: true \
                             they may share it"
                        ),
                    ));
                }
                let all = others | 1 << number;
                let place = self.shared.iter().position(|set| *set == all).unwrap_or_else(|| {
                    self.shared.push(all);
                    self.shared.len() - 1
                });
                if place >= usize::from(NOBODY - SHARED) {
                    return Err(section.refuse_key("ports", "too many different sets of protocols share ports"));
                }
                *owner = SHARED + place as u8;
            }
        }
        self.sections.push(configured);
        Ok(())
    }

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
    pub fn any_port(&self) -> Option<Owner> {
        match self.detection {
            Detection::Off => None,
            Detection::On => {
                let sections = (1u64 << self.sections.len()) - 1;
                Some(Owner::Detected(Candidates { sections, others: Others::Named }))
            }
        }
    }

    /// The section that analyses ICMP.
    #[inline]
    pub fn icmp(&self) -> Option<SectionNumber> {
        self.icmp
    }

    /// The BPF filter that Packetbeat makes of the ports when flows are off (section 5.3). None when nothing is configured.
    /// `tunnels` are terms that let tunnels in.
    pub fn bpf_filter(&self, with_vlans: bool, tunnels: &[String]) -> Option<String> {
        let mut terms = Vec::new();
        for configured in &self.sections {
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
