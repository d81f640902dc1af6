// SPDX-License-Identifier: Apache-2.0
//! Tests of who owns which port on which interface.

use super::*;
use crate::config::Configuration;

/// Two `http` sections, each for an interface of its own, and `mysql` for all.
const PINNED: &str = "packetbeat.protocols:\n\
    - {type: http, ports: [80], interface.device: eth0}\n\
    - {type: http, ports: [8080, 3307], interface.device: eth1}\n\
    - {type: mysql, ports: [3306]}\n\
    - {type: icmp, interface.device: eth1}\n";

fn read(text: &str) -> Result<(Registry, Vec<String>), String> {
    let configuration = Configuration::from_text("test.yml", text).map_err(|error| error.to_string())?;
    let packetbeat = configuration.section("packetbeat").map_err(|error| error.to_string())?;
    let mut warnings = Vec::new();
    let registry = Registry::read(packetbeat.as_ref(), Detection::Off, &mut warnings, |_, _| Ok(()));
    registry.map(|registry| (registry, warnings)).map_err(|error| error.to_string())
}

fn owner(registry: &Registry, device: Option<&str>, port: u16) -> Option<String> {
    let Some(Owner::Section(number)) = registry.on_interface(device).tcp_port(port) else { return None };
    let section = &registry.sections[usize::from(number)];
    Some(format!("{} {:?}", section.descriptor.name, section.options.ports))
}

#[test]
fn a_pinned_section_sees_its_interface_only() {
    let (registry, warnings) = read(PINNED).unwrap();
    assert_eq!(warnings, [""; 0]);
    let owners = |device| [80, 8080, 3306].map(|port| owner(&registry, device, port).is_some());
    assert_eq!(owners(Some("eth0")), [true, false, true]);
    assert_eq!(owners(Some("eth1")), [false, true, true]);
    assert_eq!(owners(Some("eth2")), [false, false, true]);
    // A file is no interface.
    assert_eq!(owners(None), [false, false, true]);
    let icmp = |device| registry.on_interface(device).icmp().is_some();
    assert_eq!([icmp(Some("eth0")), icmp(Some("eth1")), icmp(None)], [false, true, false]);
    assert_eq!(registry.bpf_filter(Some("eth0"), false, &[]).as_deref(), Some("tcp port 80 or tcp port 3306"));
    assert_eq!(registry.bpf_filter(Some("eth2"), false, &[]).as_deref(), Some("tcp port 3306"));
}

#[test]
fn of_several_sections_that_an_interface_has_the_last_counts() {
    let both =
        "packetbeat.protocols:\n- {type: http, ports: [80, 81]}\n- {type: http, ports: [80], interface.device: eth0}\n";
    let (registry, _) = read(both).unwrap();
    assert_eq!(owner(&registry, Some("eth0"), 80).as_deref(), Some("http [80]"));
    assert_eq!(owner(&registry, Some("eth0"), 81), None);
    assert_eq!(owner(&registry, Some("eth1"), 81).as_deref(), Some("http [80, 81]"));
    let idle = registry.idle_sections(&[Some("eth0")]);
    assert_eq!(idle.len(), 1, "{idle:?}");
    assert!(idle[0].starts_with("test.yml:2") && idle[0].contains("http is replaced on every interface"), "{idle:?}");
    assert_eq!(registry.idle_sections(&[Some("eth0"), None]), [""; 0]);
    let idle = registry.idle_sections(&[Some("eth9")]);
    assert!(
        idle.len() == 1 && idle[0].contains("http is pinned to the interface \"eth0\", from which nothing"),
        "{idle:?}"
    );
}

#[test]
fn ports_collide_where_interfaces_meet() {
    let of = |http: &str, mysql: &str| {
        read(&format!(
            "packetbeat.protocols:\n- {{type: http, ports: [80]{http}}}\n- {{type: mysql, ports: [80]{mysql}}}\n"
        ))
    };
    let pin = |name: &str| format!(", interface.device: {name}");
    for (http, mysql) in [("", ""), ("", "eth0"), ("eth0", ""), ("eth0", "eth0")] {
        let pinned = |name: &str| if name.is_empty() { String::new() } else { pin(name) };
        let refused = of(&pinned(http), &pinned(mysql)).err().unwrap_or_default();
        assert!(
            refused.contains("duplicate port (80) exists in http and mysql protocols"),
            "{http} {mysql}: {refused}"
        );
    }
    assert!(of(&pin("eth0"), &pin("eth1")).is_ok());
    let icmp = |pin: &str| read(&format!("packetbeat.protocols:\n- {{type: icmp}}\n- {{type: icmp{pin}}}\n"));
    assert!(icmp("").is_err_and(|error| error.contains("more than one icmp")));
    assert!(icmp(", interface.device: eth0").is_err_and(|error| error.contains("more than one icmp")));
}

#[test]
fn more_sections_than_have_numbers_are_refused() {
    let sections: String =
        (0..300).map(|number| format!("- {{type: http, ports: [80], interface.device: eth{number}}}\n")).collect();
    let refused = read(&format!("packetbeat.protocols:\n{sections}")).err().unwrap_or_default();
    assert!(refused.contains("more than 64 protocol sections"), "{refused}");
}

#[test]
fn with_detection_ports_are_shared_and_ranges_are_ports() {
    let text = "packetbeat.protocols:\n- {type: http, ports: [80, \"8000-8002\"]}\n- {type: mysql, ports: [8001]}\n";
    assert!(read(text).is_err_and(|error| error.contains("duplicate port (8001)")));
    let configuration = Configuration::from_text("test.yml", text).unwrap();
    let packetbeat = configuration.section("packetbeat").unwrap();
    let registry = Registry::read(packetbeat.as_ref(), Detection::On, &mut Vec::new(), |_, _| Ok(())).unwrap();
    let table = registry.on_interface(None);
    assert_eq!(table.tcp_port(8000), Some(Owner::Section(0)));
    let both = Candidates { sections: 0b11, others: Others::LeftOut };
    assert_eq!(table.tcp_port(8001), Some(Owner::Detected(both)));
    assert_eq!(table.tcp_port(9), None);
    assert_eq!(table.any_port(), Some(Owner::Detected(Candidates { others: Others::Named, ..both })));
    assert_eq!(registry.sections[0].options.ports, [80, 8000, 8001, 8002]);
}
