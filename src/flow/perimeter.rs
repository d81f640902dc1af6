// SPDX-License-Identifier: Apache-2.0
//! `network.direction`: where the ends of a transaction lie (Packetbeat behaviour, section 3.2).

use std::net::IpAddr;

use ipnet::IpNet;

/// The machine's own addresses and the networks that count as internal.
#[derive(Clone, Debug, Default)]
pub struct Perimeter {
    /// The machine's addresses, without loopback.
    pub local: Vec<IpAddr>,
    pub internal: Vec<Network>,
}

/// A network by range or by name (Packetbeat's `network` condition).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    Range(IpNet),
    Loopback,
    Unicast,
    GlobalUnicast,
    Multicast,
    InterfaceLocalMulticast,
    LinkLocalUnicast,
    LinkLocalMulticast,
    Private,
    Public,
    Unspecified,
}

impl Perimeter {
    /// The direction from source to destination.
    pub fn direction(&self, source: IpAddr, destination: IpAddr) -> &'static str {
        if is_own(destination) || self.local.contains(&destination) {
            return "ingress";
        }
        if is_own(source) || self.local.contains(&source) {
            return "egress";
        }
        if self.internal.is_empty() {
            return "unknown";
        }
        match (self.is_internal(source), self.is_internal(destination)) {
            (true, true) => "internal",
            (true, false) => "outbound",
            (false, true) => "inbound",
            (false, false) => "external",
        }
    }

    fn is_internal(&self, address: IpAddr) -> bool {
        self.internal.iter().any(|network| network.contains(address))
    }
}

fn is_own(address: IpAddr) -> bool {
    [Network::Loopback, Network::LinkLocalUnicast, Network::LinkLocalMulticast].iter().any(|own| own.contains(address))
}

impl Network {
    pub const NAMES: &'static [&'static str] = &[
        "loopback",
        "unicast",
        "global_unicast",
        "multicast",
        "interface_local_multicast",
        "link_local_unicast",
        "link_local_multicast",
        "private",
        "public",
        "unspecified",
    ];

    /// A name of [`Network::NAMES`] or a range in CIDR notation.
    pub fn parse(text: &str) -> Option<Network> {
        Some(match text {
            "loopback" => Network::Loopback,
            "unicast" => Network::Unicast,
            "global_unicast" => Network::GlobalUnicast,
            "multicast" => Network::Multicast,
            "interface_local_multicast" => Network::InterfaceLocalMulticast,
            "link_local_unicast" => Network::LinkLocalUnicast,
            "link_local_multicast" => Network::LinkLocalMulticast,
            "private" => Network::Private,
            "public" => Network::Public,
            "unspecified" => Network::Unspecified,
            range => Network::Range(range.parse().ok()?),
        })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Network::Range(range) => range.contains(&address),
            Network::Loopback => address.is_loopback(),
            Network::Unicast | Network::GlobalUnicast => is_global_unicast(address),
            Network::Multicast => address.is_multicast(),
            Network::InterfaceLocalMulticast => multicast_scope(address) == Some(1),
            Network::LinkLocalUnicast => match address {
                IpAddr::V4(address) => address.is_link_local(),
                IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
            },
            Network::LinkLocalMulticast => match address {
                IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
                IpAddr::V6(_) => multicast_scope(address) == Some(2),
            },
            Network::Private => is_private(address),
            Network::Public => !is_local_or_private(address),
            Network::Unspecified => address.is_unspecified(),
        }
    }
}

/// Go's `IsGlobalUnicast`: neither unspecified, loopback, multicast, link-local nor broadcast.
fn is_global_unicast(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !Network::LinkLocalUnicast.contains(address)
        && !matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

fn is_local_or_private(address: IpAddr) -> bool {
    is_private(address)
        || address.is_loopback()
        || address.is_unspecified()
        || Network::LinkLocalUnicast.contains(address)
        || Network::LinkLocalMulticast.contains(address)
        || Network::InterfaceLocalMulticast.contains(address)
}

/// Scope of an IPv6 multicast address (RFC 4291, section 2.7).
fn multicast_scope(address: IpAddr) -> Option<u8> {
    match address {
        IpAddr::V6(address) if address.is_multicast() => Some(address.octets()[1] & 15),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(perimeter: &Perimeter, source: &str, destination: &str) -> &'static str {
        perimeter.direction(source.parse().unwrap(), destination.parse().unwrap())
    }

    #[test]
    fn the_tests_come_in_packetbeats_order() {
        let mut perimeter = Perimeter { local: vec!["192.0.2.1".parse().unwrap()], internal: Vec::new() };
        assert_eq!(direction(&perimeter, "127.0.0.1", "127.0.0.1"), "ingress");
        assert_eq!(direction(&perimeter, "192.0.2.1", "8.8.8.8"), "egress");
        assert_eq!(direction(&perimeter, "8.8.8.8", "192.0.2.1"), "ingress");
        assert_eq!(direction(&perimeter, "fe80::1", "2001:db8::1"), "egress");
        assert_eq!(direction(&perimeter, "8.8.8.8", "224.0.0.251"), "ingress");
        assert_eq!(direction(&perimeter, "8.8.8.8", "9.9.9.9"), "unknown");
        perimeter.internal = vec![Network::parse("private").unwrap(), Network::parse("203.0.113.0/24").unwrap()];
        assert_eq!(direction(&perimeter, "10.0.0.1", "203.0.113.9"), "internal");
        assert_eq!(direction(&perimeter, "10.0.0.1", "9.9.9.9"), "outbound");
        assert_eq!(direction(&perimeter, "9.9.9.9", "fd00::1"), "inbound");
        assert_eq!(direction(&perimeter, "9.9.9.9", "8.8.8.8"), "external");
    }

    #[test]
    fn every_name_is_known() {
        for name in Network::NAMES {
            assert!(Network::parse(name).is_some(), "{name}");
        }
        assert_eq!(Network::parse("somewhere"), None);
        assert!(Network::Public.contains("8.8.8.8".parse().unwrap()));
        assert!(!Network::Public.contains("10.1.1.1".parse().unwrap()));
        assert!(Network::Unicast.contains("10.1.1.1".parse().unwrap()));
        assert!(Network::InterfaceLocalMulticast.contains("ff01::1".parse().unwrap()));
    }
}
