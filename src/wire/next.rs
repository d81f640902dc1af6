// SPDX-License-Identifier: Apache-2.0
//! Which header follows, and the numbers that say so.

use super::decoded::IpVersion;

/// The header that comes next in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ipv4,
    Tcp,
    Udp,
    Ipv6,
    Vlan,
    Llc,
    Icmp,
    Icmp6,
    Ipv6Extension,
    Ipv6Fragment,
    AuthenticationHeader,
    /// An Ethernet frame in a tunnel.
    InnerEthernet,
    /// An IP header, whose first four bits tell the version.
    AnyIp,
    /// IPv4 in IP.
    Ipv4InIp,
    /// IPv6 in IP.
    Ipv6InIp,
    Gre,
    Erspan2,
    Erspan3,
    Mpls,
    MplsInIp,
    L2tpInIp,
    Pppoe,
    /// Behind a UDP header whose ports say so.
    Vxlan,
    Geneve,
    GtpU,
    L2tp,
    /// Transport of another protocol, by its IANA number.
    OtherTransport(u8),
    /// Nothing that belongs to IP.
    Payload,
    /// The payload is noted, decoding is over.
    Done,
}

impl Next {
    /// By EtherType (IEEE 802 numbers registry).
    #[inline]
    pub(super) const fn from_ethertype(ethertype: u16) -> Self {
        match ethertype {
            0x0800 => Self::Ipv4,
            0x86dd => Self::Ipv6,
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => Self::Vlan,
            0x8847 | 0x8848 => Self::Mpls,
            0x8864 => Self::Pppoe,
            _ => Self::Payload,
        }
    }

    /// By the EtherType in a tunnel's header, which has one for Ethernet itself (transparent Ethernet bridging, RFC 1701).
    pub(super) const fn from_tunnel_protocol(ethertype: u16) -> Self {
        match ethertype {
            0x6558 => Self::InnerEthernet,
            ethertype => Self::from_ethertype(ethertype),
        }
    }

    /// By protocol number in an IPv4 header, or next-header number in an IPv6 one (IANA protocol numbers).
    ///
    /// The IPv6 extension headers are protocols of their own in IPv4, where nothing is behind them. ICMP is recognised
    /// under either version, as in Packetbeat.
    #[inline]
    pub(super) const fn from_protocol(version: IpVersion, protocol: u8) -> Self {
        match (protocol, version) {
            (6, _) => Self::Tcp,
            (17, _) => Self::Udp,
            (1, _) => Self::Icmp,
            (58, _) => Self::Icmp6,
            (4, _) => Self::Ipv4InIp,
            (41, _) => Self::Ipv6InIp,
            (47, _) => Self::Gre,
            (115, _) => Self::L2tpInIp,
            (137, _) => Self::MplsInIp,
            (51, _) => Self::AuthenticationHeader,
            (44, IpVersion::V6) => Self::Ipv6Fragment,
            // Hop-by-hop, routing, destination options, mobility, HIP, shim6.
            (0 | 43 | 60 | 135 | 139 | 140, IpVersion::V6) => Self::Ipv6Extension,
            _ => Self::OtherTransport(protocol),
        }
    }
}
