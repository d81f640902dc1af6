// SPDX-License-Identifier: Apache-2.0
//! The names under which packets that cannot be decoded are counted.

macro_rules! drop_reasons {
    ($($(#[$documentation:meta])+ $variant:ident => $name:literal,)+) => {
        /// Why a packet could not be decoded.
        ///
        /// `…_truncated`: the captured bytes end inside this header (snaplen, or a first segment that is too short).
        /// `…_invalid`: the header's fields contradict each other, or what the header around it says about its length;
        /// more bytes would not help.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$documentation])+ $variant,)+
        }

        impl DropReason {
            /// Every reason, in the order of their numbers: `ALL[reason.index()] == reason`.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name of this reason in counters and logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

drop_reasons! {
    /// Frames of this link type are not decoded.
    LinkTypeUnsupported => "link_type_unsupported",
    /// More headers inside each other than any honest frame has.
    NestingTooDeep => "nesting_too_deep",
    /// Shorter than the 14 bytes of an Ethernet header.
    EthernetTruncated => "ethernet_truncated",
    /// The capture ends inside a VLAN tag.
    VlanTruncated => "vlan_truncated",
    /// The capture ends inside a Linux cooked header.
    LinuxCookedTruncated => "linux_cooked_truncated",
    /// Shorter than the 4 bytes of a BSD loopback header.
    LoopbackTruncated => "loopback_truncated",
    /// A raw IP frame without a single byte.
    RawIpTruncated => "raw_ip_truncated",
    /// A raw IP frame that is neither version 4 nor 6.
    IpVersionUnknown => "ip_version_unknown",
    /// The capture ends inside the IPv4 header or its options.
    Ipv4HeaderTruncated => "ipv4_header_truncated",
    /// The version field of an IPv4 header is not 4.
    Ipv4VersionInvalid => "ipv4_version_invalid",
    /// The header length is less than 20 bytes, or more than the datagram.
    Ipv4HeaderLengthInvalid => "ipv4_header_length_invalid",
    /// The total length is less than the header, or the packet around it has no room for an IPv4 header.
    Ipv4LengthInvalid => "ipv4_length_invalid",
    /// A fragment that would end past the largest datagram, 65535 bytes.
    Ipv4FragmentInvalid => "ipv4_fragment_invalid",
    /// The capture ends inside the IPv6 header.
    Ipv6HeaderTruncated => "ipv6_header_truncated",
    /// The version field of an IPv6 header is not 6.
    Ipv6VersionInvalid => "ipv6_version_invalid",
    /// The packet around it has no room for an IPv6 header.
    Ipv6LengthInvalid => "ipv6_length_invalid",
    /// The capture ends inside an IPv6 extension header.
    Ipv6ExtensionTruncated => "ipv6_extension_truncated",
    /// An extension header that is longer than the datagram.
    Ipv6ExtensionInvalid => "ipv6_extension_invalid",
    /// A fragment that would end past the largest datagram, 65535 bytes.
    Ipv6FragmentInvalid => "ipv6_fragment_invalid",
    /// The capture ends inside an IP authentication header.
    AuthenticationHeaderTruncated => "authentication_header_truncated",
    /// An authentication header shorter than its fixed part or longer than the datagram.
    AuthenticationHeaderInvalid => "authentication_header_invalid",
    /// The capture ends inside the TCP header or its options.
    TcpHeaderTruncated => "tcp_header_truncated",
    /// The datagram has no room for a TCP header, or the data offset is less than 20 bytes or more than the datagram.
    TcpHeaderLengthInvalid => "tcp_header_length_invalid",
    /// The capture ends inside the UDP header.
    UdpHeaderTruncated => "udp_header_truncated",
    /// The datagram has no room for a UDP header, or the UDP length is less than 8 bytes.
    UdpLengthInvalid => "udp_length_invalid",
    /// The capture ends before the ICMP type, code and checksum do.
    IcmpTruncated => "icmp_truncated",
    /// The datagram has no room for an ICMP header.
    IcmpLengthInvalid => "icmp_length_invalid",
    /// A tunnel has no room for the Ethernet header of its frame.
    InnerEthernetInvalid => "inner_ethernet_invalid",
    /// The capture ends inside a GRE header.
    GreTruncated => "gre_truncated",
    /// A GRE header that is longer than the datagram.
    GreInvalid => "gre_invalid",
    /// The capture ends inside an ERSPAN header.
    ErspanTruncated => "erspan_truncated",
    /// An ERSPAN header that is longer than the datagram.
    ErspanInvalid => "erspan_invalid",
    /// The capture ends inside a VXLAN header.
    VxlanTruncated => "vxlan_truncated",
    /// The capture ends inside a Geneve header or its options.
    GeneveTruncated => "geneve_truncated",
    /// Geneve options that are longer than the datagram.
    GeneveInvalid => "geneve_invalid",
    /// The capture ends inside a GTP-U header or its extension headers.
    GtpTruncated => "gtp_truncated",
    /// GTP-U extension headers that are longer than the message, of no length, or more than eight.
    GtpInvalid => "gtp_invalid",
    /// The capture ends inside an MPLS label stack, or before it shows what is behind.
    MplsTruncated => "mpls_truncated",
    /// A label stack that does not end within the packet or within sixteen labels.
    MplsInvalid => "mpls_invalid",
    /// The capture ends inside a PPPoE header.
    PppoeTruncated => "pppoe_truncated",
    /// The packet around it has no room for a PPPoE header.
    PppoeInvalid => "pppoe_invalid",
    /// The capture ends inside a PPP header.
    PppTruncated => "ppp_truncated",
    /// The tunnel has no room for a PPP header.
    PppInvalid => "ppp_invalid",
    /// The capture ends inside an L2TP header.
    L2tpTruncated => "l2tp_truncated",
    /// An L2TP header that is longer than the datagram or than its own length says.
    L2tpInvalid => "l2tp_invalid",
}

impl DropReason {
    /// This reason's place in an array of counters.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the packet might decode if more of it were at hand: the caller that has further segments joins them and
    /// tries again.
    #[inline]
    pub const fn is_truncation(self) -> bool {
        matches!(
            self,
            Self::EthernetTruncated
                | Self::VlanTruncated
                | Self::LinuxCookedTruncated
                | Self::LoopbackTruncated
                | Self::RawIpTruncated
                | Self::Ipv4HeaderTruncated
                | Self::Ipv6HeaderTruncated
                | Self::Ipv6ExtensionTruncated
                | Self::AuthenticationHeaderTruncated
                | Self::TcpHeaderTruncated
                | Self::UdpHeaderTruncated
                | Self::IcmpTruncated
                | Self::GreTruncated
                | Self::ErspanTruncated
                | Self::VxlanTruncated
                | Self::GeneveTruncated
                | Self::GtpTruncated
                | Self::MplsTruncated
                | Self::PppoeTruncated
                | Self::PppTruncated
                | Self::L2tpTruncated
        )
    }
}
