// SPDX-License-Identifier: Apache-2.0
//! MAC and IP addresses as plain bytes: small, comparable, without padding, so that a flow key can be hashed as bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

/// An IPv4 or IPv6 address in 16 bytes; an IPv4 address is kept as IPv4-mapped (RFC 4291, section 2.5.5.2).
///
/// An IPv6 header that carries an IPv4-mapped address is therefore the IPv4 address, which is also how Packetbeat
/// prints one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct IpAddress([u8; 16]);

impl IpAddress {
    /// `::`, which also stands for "no address".
    pub const UNSPECIFIED: Self = Self([0; 16]);

    /// From the four bytes of an IPv4 header, in network order.
    #[inline]
    pub const fn from_ipv4(octets: [u8; 4]) -> Self {
        // As a number, so that it is written in words and can be read in words at once.
        Self((0xffff_0000_0000 | u32::from_be_bytes(octets) as u128).to_be_bytes())
    }

    /// From the sixteen bytes of an IPv6 header, in network order.
    #[inline]
    pub const fn from_ipv6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub fn is_ipv4(&self) -> bool {
        self.0[..12] == IPV4_MAPPED_PREFIX
    }

    /// The four bytes of an IPv4 address.
    #[inline]
    pub fn as_ipv4(&self) -> Option<[u8; 4]> {
        let [.., a, b, c, d] = self.0;
        self.is_ipv4().then_some([a, b, c, d])
    }

    /// All sixteen bytes, an IPv4 address as IPv4-mapped.
    #[inline]
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

const IPV4_MAPPED_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl From<IpAddress> for IpAddr {
    fn from(address: IpAddress) -> Self {
        match address.as_ipv4() {
            Some(octets) => Self::V4(Ipv4Addr::from(octets)),
            None => Self::V6(Ipv6Addr::from(address.0)),
        }
    }
}

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::from_ipv4(address.octets()),
            IpAddr::V6(address) => Self::from_ipv6(address.octets()),
        }
    }
}

impl fmt::Display for IpAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(formatter)
    }
}

impl fmt::Debug for IpAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The two addresses of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub struct AddressPair {
    /// Who sent the packet.
    pub source: IpAddress,
    /// Who it is for.
    pub destination: IpAddress,
}

/// A 48-bit MAC address in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    /// `AA-BB-CC-DD-EE-FF`, as the ECS fields `source.mac` and `destination.mac` want it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{f:02X}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
