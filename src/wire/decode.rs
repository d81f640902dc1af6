// SPDX-License-Identifier: Apache-2.0
//! The loop over the headers of a frame.

use super::cursor::Cursor;
use super::decoded::{Decoded, IpVersion, Transport};
use super::drop_reason::DropReason;
use super::link_type::LinkType;
use super::next::Next;
use super::tunnel::{TunnelKind, Tunneling};
use super::{
    authentication_header, erspan, ethernet, geneve, gre, gtp, icmp, ipv4, ipv6, ipv6_extension, l2tp, linux_cooked,
    llc, loopback, mpls, pppoe, raw_ip, tcp, udp, vlan, vxlan,
};

/// How many headers behind the link header a frame may have. Eight VLAN tags, and in each of five layers of tunnels two
/// VLAN tags, an IP header with every extension header, and UDP fit.
const HEADERS_MAXIMUM: usize = 64;

/// Decodes a frame, of which `frame` is what was captured and `wire_length` what was on the wire.
///
/// If the packet has several segments, `frame` is the first of them. When the answer is a truncation
/// ([`DropReason::is_truncation`]) and there are more, join them and decode again.
#[inline]
pub fn decode(link: LinkType, frame: &[u8], wire_length: u32) -> Result<Decoded, DropReason> {
    let mut decoded = Decoded::new();
    decode_into(link, frame, wire_length, &mut decoded).map(|()| decoded)
}

/// Like [`decode`], and keeps what was decoded before an error: Packetbeat counts a malformed packet for the flow of the
/// layers that were fine.
///
/// `decoded` is [`Decoded::new`], with the VLAN tag in it if the NIC or the kernel stripped one. Every tunnel is opened
/// on its standard ports.
#[inline]
pub fn decode_into(link: LinkType, frame: &[u8], wire_length: u32, decoded: &mut Decoded) -> Result<(), DropReason> {
    decode_with(&Tunneling::STANDARD, link, frame, wire_length, decoded)
}

/// Like [`decode_into`], with the tunnels that the settings open.
#[inline]
pub fn decode_with(
    tunneling: &Tunneling,
    link: LinkType,
    frame: &[u8],
    wire_length: u32,
    decoded: &mut Decoded,
) -> Result<(), DropReason> {
    let mut cursor = Cursor::new(frame, wire_length);
    let mut next = match link {
        LinkType::Ethernet => ethernet::decode(&mut cursor, decoded)?,
        LinkType::LinuxCooked => linux_cooked::decode_version_1(&mut cursor)?,
        LinkType::LinuxCooked2 => linux_cooked::decode_version_2(&mut cursor)?,
        LinkType::NullLoopback => loopback::decode(&mut cursor)?,
        LinkType::RawIp => raw_ip::decode(&cursor)?,
    };
    // The straight path: most frames are done here, without a jump through the table below.
    if next == Next::Ipv4 {
        next = ipv4::decode(&mut cursor, decoded)?;
        if next == Next::Tcp {
            return tcp::decode(&mut cursor, decoded).map(|_done| ());
        }
    }
    decode_headers(&mut cursor, decoded, next, tunneling)
}

/// Decodes the datagram that was put together from fragments, of which `decoded` describes one and `protocol` is
/// [`FragmentInfo::protocol`](super::FragmentInfo).
///
/// The payload offset is then relative to `datagram`. The datagram can hold a tunnel with a further fragment in it; the
/// caller bounds how often it goes round.
pub fn decode_transport(
    tunneling: &Tunneling,
    decoded: &mut Decoded,
    protocol: u8,
    datagram: &[u8],
) -> Result<(), DropReason> {
    let version = decoded.network.map_or(IpVersion::V4, |network| network.version);
    decoded.transport = Transport::None;
    decoded.payload_offset = 0;
    decoded.payload_length = 0;
    let mut cursor = Cursor::new(datagram, 0);
    cursor.limit(datagram.len());
    let next = enter_protocol(decoded, version, protocol);
    decode_headers(&mut cursor, decoded, next, tunneling)
}

/// Notes which protocol the analysed IP header carries, as far as known by now, and answers its header.
#[inline]
pub(super) fn enter_protocol(decoded: &mut Decoded, version: IpVersion, protocol: u8) -> Next {
    if let Some(network) = &mut decoded.network {
        network.protocol = protocol;
    }
    Next::from_protocol(version, protocol)
}

fn decode_headers(
    cursor: &mut Cursor<'_>,
    decoded: &mut Decoded,
    first: Next,
    tunneling: &Tunneling,
) -> Result<(), DropReason> {
    let mut next = first;
    for _ in 0..HEADERS_MAXIMUM {
        next = match next {
            Next::Ipv4 => ipv4::decode(cursor, decoded)?,
            Next::Tcp => tcp::decode(cursor, decoded)?,
            Next::Udp => udp::decode(cursor, decoded, tunneling)?,
            Next::Ipv6 => ipv6::decode(cursor, decoded)?,
            Next::Vlan => vlan::decode(cursor, decoded)?,
            Next::Llc => llc::decode(cursor)?,
            Next::Icmp | Next::Icmp6 => icmp::decode(cursor, decoded, next)?,
            Next::Ipv6Extension => ipv6_extension::decode(cursor, decoded)?,
            Next::Ipv6Fragment => ipv6_extension::decode_fragment(cursor, decoded)?,
            Next::AuthenticationHeader => authentication_header::decode(cursor, decoded)?,
            Next::Ipv4InIp | Next::Ipv6InIp => enter_ip_in_ip(decoded, tunneling, next),
            Next::AnyIp => raw_ip::decode(cursor)?,
            Next::InnerEthernet => ethernet::decode_inner(cursor, decoded)?,
            Next::Vxlan => vxlan::decode(cursor, decoded)?,
            Next::Geneve => geneve::decode(cursor, decoded)?,
            Next::GtpU => gtp::decode(cursor, decoded)?,
            Next::L2tp => l2tp::decode(cursor, decoded)?,
            Next::L2tpInIp => l2tp::decode_in_ip(cursor, decoded, tunneling)?,
            Next::Gre => gre::decode(cursor, decoded, tunneling)?,
            Next::Erspan2 => erspan::decode_type_2(cursor, decoded)?,
            Next::Erspan3 => erspan::decode_type_3(cursor, decoded)?,
            Next::Mpls => mpls::decode(cursor, decoded, tunneling)?,
            Next::MplsInIp => match mpls::decode(cursor, decoded, tunneling)? {
                Next::Payload => Next::OtherTransport(MPLS_PROTOCOL),
                next => next,
            },
            Next::Pppoe => pppoe::decode(cursor, decoded, tunneling)?,
            Next::OtherTransport(protocol) => {
                decoded.transport = Transport::Other(protocol);
                Next::Payload
            }
            Next::Payload => {
                cursor.payload_begins(decoded);
                Next::Done
            }
            Next::Done => return Ok(()),
        };
    }
    Err(DropReason::NestingTooDeep)
}

/// IP directly in IP has no header of its own.
fn enter_ip_in_ip(decoded: &mut Decoded, tunneling: &Tunneling, which: Next) -> Next {
    let (next, protocol) = match which {
        Next::Ipv4InIp => (Next::Ipv4, IPV4_PROTOCOL),
        _ => (Next::Ipv6, IPV6_PROTOCOL),
    };
    if !tunneling.admits(TunnelKind::IpInIp, &decoded.tunnels) {
        return Next::OtherTransport(protocol);
    }
    decoded.enter_tunnel(TunnelKind::IpInIp, None);
    next
}

const IPV4_PROTOCOL: u8 = 4;
const IPV6_PROTOCOL: u8 = 41;
const MPLS_PROTOCOL: u8 = 137;
