// SPDX-License-Identifier: Apache-2.0
//! `wirebeat.tunnels`: which tunnels are opened, on which ports, and what of them belongs to the key of the flows inside.

use crate::config::{ConfigError, Section};
use crate::flow::KeyParts;
use crate::wire::tunnel::{LAYERS_MAXIMUM, PORTS_MAXIMUM};
use crate::wire::{TunnelKind, Tunneling};

/// `wirebeat` is that section, if there is one. Without settings every kind is opened on its standard ports.
pub fn read(wirebeat: Option<&Section<'_>>) -> Result<(Tunneling, KeyParts), ConfigError> {
    let Some(section) = wirebeat.map(|wirebeat| wirebeat.section("tunnels")).transpose()?.flatten() else {
        return Ok((Tunneling::STANDARD, KeyParts::STANDARD));
    };
    let enabled = section.enabled()?;
    let depth = section.unsigned("depth", 1..=LAYERS_MAXIMUM as u64)?.unwrap_or(LAYERS_MAXIMUM as u64);
    let mut tunneling = Tunneling::CLOSED.with_depth(depth as u8);
    for kind in TunnelKind::ALL {
        let ports = ports(&section, kind, &tunneling)?;
        if let Some(ports) = ports.filter(|_| enabled) {
            tunneling = tunneling.opened(kind, &ports).ok_or_else(|| {
                section.refuse_key(kind.name(), format!("tunnels can have {PORTS_MAXIMUM} ports in all"))
            })?;
        }
    }
    Ok((tunneling, key_parts(&section)?))
}

/// Terms of a packet filter that let the packets of opened tunnels in; what is inside is not looked at. As with Packetbeat's
/// own terms, of a fragmented datagram the first part alone has ports.
pub fn filter_terms(tunneling: &Tunneling) -> Vec<String> {
    let mut terms: Vec<String> = tunneling.udp_ports().map(|(port, _)| format!("udp port {port}")).collect();
    for kind in TunnelKind::ALL.into_iter().filter(|kind| tunneling.opens(*kind)) {
        let more: &[&str] = match kind {
            TunnelKind::IpInIp => &["proto 4", "proto 41"],
            TunnelKind::Gre | TunnelKind::Erspan | TunnelKind::Pptp => &["proto 47"],
            TunnelKind::Mpls => &["ether proto 0x8847", "ether proto 0x8848", "proto 137"],
            TunnelKind::Pppoe => &["ether proto 0x8864"],
            TunnelKind::L2tp => &["proto 115"],
            TunnelKind::Vxlan | TunnelKind::Geneve | TunnelKind::GtpU => &[],
        };
        for term in more {
            if !terms.iter().any(|known| known == term) {
                terms.push(term.to_string());
            }
        }
    }
    terms
}

/// The ports of a kind; None when it is switched off, by `KIND: false` or `KIND.enabled: false`.
fn ports(section: &Section<'_>, kind: TunnelKind, others: &Tunneling) -> Result<Option<Vec<u16>>, ConfigError> {
    let name = kind.name();
    let standard = || Ok(kind.standard_ports().to_vec());
    let switch = section.list(name)?;
    let Some(first) = switch.first() else { return standard().map(Some) };
    if !first.is_map() {
        return match section.boolean(name)?.unwrap_or(true) {
            true => standard().map(Some),
            false => Ok(None),
        };
    }
    let enabled = first.enabled()?;
    // Those without UDP have none.
    let ports = match kind.standard_ports() {
        [] => Vec::new(),
        standard => first.ports("ports")?.unwrap_or_else(|| standard.to_vec()),
    };
    for (place, port) in ports.iter().enumerate() {
        if *port == 0 {
            return Err(first.refuse_key("ports", "found 0, which is no port"));
        }
        let taken = others.udp_ports().find(|(known, _)| known == port).map(|(_, kind)| kind.name());
        if let Some(taken) = taken.or(ports[..place].contains(port).then_some(name)) {
            return Err(first.refuse_key("ports", format!("port {port} is {taken}'s already")));
        }
    }
    Ok(enabled.then_some(ports))
}

/// `key`: a list of parts.
fn key_parts(section: &Section<'_>) -> Result<KeyParts, ConfigError> {
    let Some(names) = section.strings("key")? else { return Ok(KeyParts::STANDARD) };
    let mut parts = KeyParts { id: false, vlan: false, outer: false, plain_vlan: false };
    for name in names {
        match name.as_str() {
            "id" => parts.id = true,
            "vlan" => parts.vlan = true,
            "outer" => parts.outer = true,
            "plain_vlan" => parts.plain_vlan = true,
            other => {
                let message = format!("found {other:?}, expected a list of id, vlan, outer and plain_vlan");
                return Err(section.refuse_key("key", message));
            }
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    fn settings(text: &str) -> Result<(Tunneling, KeyParts), String> {
        let text = format!("wirebeat.tunnels:\n{text}");
        let configuration = Configuration::from_text("test.yml", &text).expect("it is YAML");
        let root = configuration.root();
        let wirebeat = root.section("wirebeat").expect("it is a map");
        let read = read(wirebeat.as_ref()).map_err(|error| error.to_string());
        let warnings = configuration.warnings();
        assert!(read.is_err() || warnings.is_empty(), "{warnings:?}");
        read
    }

    #[test]
    fn everything_is_opened_by_default() {
        let (tunneling, parts) = settings("  enabled: true\n").expect("good settings");
        assert_eq!(parts, KeyParts::STANDARD);
        for kind in TunnelKind::ALL {
            assert!(tunneling.opens(kind), "{kind:?}");
        }
        let ports = |tunneling: Tunneling| {
            let mut ports: Vec<(u16, TunnelKind)> = tunneling.udp_ports().collect();
            ports.sort_unstable_by_key(|(port, _)| *port);
            ports
        };
        assert_eq!(ports(tunneling), ports(Tunneling::STANDARD));
        let expected = [
            (1701, TunnelKind::L2tp),
            (2152, TunnelKind::GtpU),
            (4789, TunnelKind::Vxlan),
            (4790, TunnelKind::Vxlan),
            (6081, TunnelKind::Geneve),
        ];
        assert_eq!(ports(tunneling), expected);
    }

    #[test]
    fn each_kind_is_switched_off_alone() {
        for kind in TunnelKind::ALL {
            for form in [format!("  {}: false\n", kind.name()), format!("  {}.enabled: false\n", kind.name())] {
                let (tunneling, _) = settings(&form).expect("good settings");
                for other in TunnelKind::ALL {
                    assert_eq!(tunneling.opens(other), other != kind, "{form} {other:?}");
                }
                assert!(tunneling.udp_ports().all(|(_, other)| other != kind));
            }
        }
        let (tunneling, _) = settings("  enabled: false\n  vxlan.ports: [1]\n").expect("good settings");
        assert!(TunnelKind::ALL.iter().all(|kind| !tunneling.opens(*kind)) && tunneling.udp_ports().count() == 0);
    }

    #[test]
    fn ports_and_key_can_be_chosen() {
        let (tunneling, parts) =
            settings("  vxlan.ports: [4789, 8472]\n  depth: 2\n  key: [id, plain_vlan]\n").expect("good settings");
        assert!(tunneling.udp_ports().any(|port| port == (8472, TunnelKind::Vxlan)));
        assert_eq!(parts, KeyParts { id: true, vlan: false, outer: false, plain_vlan: true });
        assert_eq!(settings("  key: []\n").map(|(_, parts)| parts.id || parts.vlan || parts.outer), Ok(false));
    }

    #[test]
    fn a_filter_lets_opened_tunnels_in() {
        let terms = filter_terms(&Tunneling::STANDARD);
        for expected in ["udp port 4789", "proto 47", "proto 4", "ether proto 0x8864", "ether proto 0x8847"] {
            assert_eq!(terms.iter().filter(|term| *term == expected).count(), 1, "{expected}");
        }
        let filter = format!("tcp port 80 or {}", terms.join(" or "));
        let filters = [
            (1, format!("{filter} or (vlan and ({filter}))")),
            (crate::capture::bpf::DLT_RAW, filter.clone()),
            (113, filter),
        ];
        for (link, filter) in filters {
            crate::capture::bpf::compile(&filter, link).unwrap_or_else(|problem| panic!("{link}: {problem}"));
        }
        assert_eq!(filter_terms(&Tunneling::CLOSED), Vec::<String>::new());
    }

    #[test]
    fn wrong_settings_are_sentences() {
        let cases = [
            ("  geneve.ports: [4789]\n", "test.yml:2: wirebeat.tunnels.geneve.ports: port 4789 is vxlan's already"),
            ("  vxlan.ports: [5, 5]\n", "test.yml:2: wirebeat.tunnels.vxlan.ports: port 5 is vxlan's already"),
            ("  vxlan.ports: 0\n", "test.yml:2: wirebeat.tunnels.vxlan.ports: found 0, which is no port"),
            ("  gre: maybe\n", "test.yml:2: wirebeat.tunnels.gre: found \"maybe\", expected true or false"),
            ("  depth: 9\n", "test.yml:2: wirebeat.tunnels.depth: found 9, expected an integer from 1 to 4"),
            (
                "  key: [vni]\n",
                "test.yml:2: wirebeat.tunnels.key: found \"vni\", expected a list of id, vlan, outer and plain_vlan",
            ),
            (
                "  vxlan.ports: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]\n",
                "test.yml:2: wirebeat.tunnels.vxlan: tunnels can have 16 ports in all",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(settings(text).expect_err(text), expected);
        }
    }
}
