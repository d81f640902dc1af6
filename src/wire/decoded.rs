// SPDX-License-Identifier: Apache-2.0
//! What decoding a frame found: plain data, no reference into the frame.

use super::address::{AddressPair, MacAddress};
use super::tcp::TcpHeader;
use super::tunnel::{TunnelKind, TunnelLayers};

/// The addresses, ports and payload place of one frame.
///
/// A frame without IP (ARP, LLDP, …) has MAC addresses and VLANs only; Packetbeat makes MAC-only flows of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The innermost Ethernet addresses; none on links that do not have both.
    pub ethernet: Option<EthernetAddresses>,
    /// VLAN ids, outermost first, those inside of tunnels too.
    pub vlans: Vlans,
    /// The tunnels around the analysed headers.
    pub tunnels: TunnelLayers,
    /// The outermost IP addresses, when the analysed headers are inside another IP header.
    pub outer: Option<AddressPair>,
    /// The innermost IP header: the one that is analysed.
    pub network: Option<Network>,
    /// What that header carries.
    pub transport: Transport,
    /// Where the payload begins in the frame: after the TCP or UDP header, after ICMP type, code and checksum, at a
    /// fragment's data, or after the last header that was understood.
    pub payload_offset: u32,
    /// Bytes of payload as the headers say, never more than was on the wire and never Ethernet padding. More than
    /// what follows in the frame when the capture was cut.
    pub payload_length: u32,
}

impl Decoded {
    /// Nothing decoded yet.
    #[inline]
    pub const fn new() -> Self {
        Self {
            ethernet: None,
            vlans: Vlans::new(),
            tunnels: TunnelLayers::new(),
            outer: None,
            network: None,
            transport: Transport::None,
            payload_offset: 0,
            payload_length: 0,
        }
    }

    /// The part of the payload that was captured in `frame`, which must be the bytes that were decoded.
    #[inline]
    pub fn payload<'frame>(&self, frame: &'frame [u8]) -> &'frame [u8] {
        let rest = frame.get(self.payload_offset as usize..).unwrap_or_default();
        rest.get(..self.payload_length as usize).unwrap_or(rest)
    }

    /// Notes a further IP header: it is analysed, and the outermost of those before it is remembered.
    #[inline]
    pub(super) fn enter_network(&mut self, network: Network) {
        if let Some(enclosing) = self.network {
            self.outer.get_or_insert(enclosing.addresses);
        }
        self.network = Some(network);
    }

    /// Notes that what follows is inside of a tunnel.
    pub(super) fn enter_tunnel(&mut self, kind: TunnelKind, id: Option<u32>) {
        self.tunnels.push(kind, id, self.vlans.depth());
    }

    /// Notes that what follows is a frame of its own: it may be without IP.
    pub(super) fn enter_ethernet(&mut self) {
        if let Some(enclosing) = self.network.take() {
            self.outer.get_or_insert(enclosing.addresses);
        }
        self.transport = Transport::None;
    }
}

impl Default for Decoded {
    fn default() -> Self {
        Self::new()
    }
}

/// The two addresses of an Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetAddresses {
    /// ECS `source.mac`.
    pub source: MacAddress,
    /// ECS `destination.mac`.
    pub destination: MacAddress,
}

/// The analysed IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its addresses.
    pub addresses: AddressPair,
    /// Its version, ECS `network.type`.
    pub version: IpVersion,
    /// The IANA protocol number of what it carries, after all extension headers.
    pub protocol: u8,
}

/// The version of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

/// What the analysed IP header carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RFC 9293.
    Tcp(TcpHeader),
    /// RFC 768.
    Udp {
        /// ECS `source.port`.
        source_port: u16,
        /// ECS `destination.port`.
        destination_port: u16,
    },
    /// RFC 792.
    Icmp {
        /// Message type.
        kind: u8,
        /// Code within the type.
        code: u8,
    },
    /// RFC 4443.
    Icmp6 {
        /// Message type.
        kind: u8,
        /// Code within the type.
        code: u8,
    },
    /// A part of a datagram, whose transport header is known when all parts are.
    Fragment(FragmentInfo),
    /// Another protocol, by its IANA number: addresses but no ports.
    Other(u8),
    /// No IP header, or one whose transport header could not be decoded.
    None,
}

/// Where an IP fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Common to the fragments of a datagram: 16 bits in IPv4, 32 in IPv6.
    pub identification: u32,
    /// Where this fragment's data begins in the datagram; with the payload length at most 65535.
    pub offset_bytes: u32,
    /// Whether fragments with a higher offset exist (the more-fragments bit).
    pub more: bool,
    /// The protocol of the datagram's first header: what to give to [`decode_transport`](super::decode_transport).
    pub protocol: u8,
}

/// How many VLAN ids are stored.
const VLAN_CAPACITY: usize = 8;

/// The VLAN ids of a frame, outermost first. Eight are stored, deeper ones counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlans {
    ids: [u16; VLAN_CAPACITY],
    depth: u8,
}

impl Vlans {
    /// No VLAN.
    #[inline]
    pub const fn new() -> Self {
        Self { ids: [0; VLAN_CAPACITY], depth: 0 }
    }

    /// The stored ids, 12 bits each.
    #[inline]
    pub fn ids(&self) -> &[u16] {
        let stored = usize::from(self.depth).min(VLAN_CAPACITY);
        &self.ids[..stored]
    }

    /// How many tags the frame has, stored or not.
    #[inline]
    pub const fn depth(&self) -> usize {
        self.depth as usize
    }

    /// Adds the next inner tag. A source whose NIC or kernel strips the outermost tag adds it before decoding.
    #[inline]
    pub fn push(&mut self, id: u16) {
        if let Some(slot) = self.ids.get_mut(usize::from(self.depth)) {
            *slot = id;
        }
        self.depth = self.depth.saturating_add(1);
    }
}

impl Default for Vlans {
    fn default() -> Self {
        Self::new()
    }
}
