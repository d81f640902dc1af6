// SPDX-License-Identifier: Apache-2.0
//! Builds frames from the inside out.

pub const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const DESTINATION_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const SOURCE_V4: [u8; 4] = [10, 1, 2, 3];
pub const DESTINATION_V4: [u8; 4] = [10, 4, 5, 6];
pub const SOURCE_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub const DESTINATION_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&DESTINATION_MAC[..], &SOURCE_MAC, &ethertype.to_be_bytes(), payload].concat()
}

/// What follows the EtherType 0x8100.
pub fn vlan(id: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &ethertype.to_be_bytes(), payload].concat()
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, 0, &[], payload)
}

/// `place` is the word of flags and fragment offset.
pub fn ipv4_with(protocol: u8, place: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_bytes = 20 + options.len();
    let total = u16::try_from(header_bytes + payload.len()).expect("a datagram that fits");
    let mut packet = vec![0x40 | (header_bytes / 4) as u8, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(place.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(SOURCE_V4);
    packet.extend(DESTINATION_V4);
    packet.extend(options);
    packet.extend(payload);
    packet
}

pub fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a payload that fits");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(SOURCE_V6);
    packet.extend(DESTINATION_V6);
    packet.extend(payload);
    packet
}

/// An extension header of `units` times eight bytes, at least one.
pub fn extension(next_header: u8, units: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; usize::from(units) * 8];
    packet[0] = next_header;
    packet[1] = units - 1;
    packet.extend(payload);
    packet
}

/// `place` is the word of offset and more-fragments bit.
pub fn ipv6_fragment(next_header: u8, place: u16, payload: &[u8]) -> Vec<u8> {
    [&[next_header, 0][..], &place.to_be_bytes(), &[0xde, 0xad, 0xbe, 0xef], payload].concat()
}

/// An authentication header with an integrity check value of twelve bytes.
pub fn authentication_header(next_header: u8, payload: &[u8]) -> Vec<u8> {
    [&[next_header, 4][..], &[0; 22], payload].concat()
}

/// Ports 40000 to 80, PSH and ACK.
pub fn tcp(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8];
    segment.extend([((20 + options.len()) / 4 * 16) as u8, 0x18, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(options);
    segment.extend(payload);
    segment
}

/// Ports 40000 to 53.
pub fn udp(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram that fits");
    [&[0x9c, 0x40, 0, 53][..], &length.to_be_bytes(), &[0, 0], payload].concat()
}

/// An echo request, type 8 or 128, with identifier and sequence number.
pub fn echo(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0, 7, 0, 1][..], payload].concat()
}

/// One frame for each header and combination worth cutting and mutating, by name.
pub fn frames() -> Vec<(&'static str, crate::wire::LinkType, Vec<u8>)> {
    use crate::wire::LinkType::{Ethernet, LinuxCooked, LinuxCooked2, NullLoopback, RawIp};
    let extensions = [0, 43, 60, 135, 139, 140]
        .into_iter()
        .rev()
        .fold((6, tcp(&[], b"data")), |(next, payload), header| (header, extension(next, 2, &payload)));
    let cooked = [&[0, 0, 0, 1, 0, 6][..], &SOURCE_MAC, &[0, 0, 8, 0], &ipv4(17, &udp(b"data"))].concat();
    let cooked_2 =
        [&[0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6][..], &SOURCE_MAC, &[0, 0], &ipv6(17, &udp(b"data"))].concat();
    vec![
        ("tcp over ipv4", Ethernet, ethernet(0x0800, &ipv4(6, &tcp(&[1; 12], b"data")))),
        ("udp over ipv4 with options", Ethernet, ethernet(0x0800, &ipv4_with(17, 0, &[1; 8], &udp(b"data")))),
        ("icmp", Ethernet, ethernet(0x0800, &ipv4(1, &echo(8, b"data")))),
        ("icmp6", Ethernet, ethernet(0x86dd, &ipv6(58, &echo(128, b"data")))),
        ("ipv4 fragment", Ethernet, ethernet(0x0800, &ipv4_with(17, 0x2000, &[], &udp(b"data")))),
        ("ipv6 fragment", Ethernet, ethernet(0x86dd, &ipv6(44, &ipv6_fragment(17, 1, &udp(b"data"))))),
        ("ipv6 atomic fragment", Ethernet, ethernet(0x86dd, &ipv6(44, &ipv6_fragment(17, 0, &udp(b"data"))))),
        ("ipv6 extensions", Ethernet, ethernet(0x86dd, &ipv6(extensions.0, &extensions.1))),
        ("ipv6 ah", Ethernet, ethernet(0x86dd, &ipv6(51, &authentication_header(6, &tcp(&[], b"data"))))),
        ("ipv4 ah", Ethernet, ethernet(0x0800, &ipv4(51, &authentication_header(17, &udp(b"data"))))),
        ("two vlans", Ethernet, ethernet(0x88a8, &vlan(7, 0x8100, &vlan(9, 0x0800, &ipv4(17, &udp(b"data")))))),
        ("ipip", Ethernet, ethernet(0x0800, &ipv4(4, &ipv4(6, &tcp(&[], b"data"))))),
        ("6in4", Ethernet, ethernet(0x0800, &ipv4(41, &ipv6(6, &tcp(&[], b"data"))))),
        ("4in6", Ethernet, ethernet(0x86dd, &ipv6(4, &ipv4(17, &udp(b"data"))))),
        ("6in6", Ethernet, ethernet(0x86dd, &ipv6(41, &ipv6(17, &udp(b"data"))))),
        ("snap", Ethernet, ethernet(40, &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &ipv4(17, &udp(b"data"))].concat())),
        ("arp", Ethernet, ethernet(0x0806, &[0; 28])),
        ("sctp", Ethernet, ethernet(0x0800, &ipv4(132, &[0; 16]))),
        ("cooked", LinuxCooked, cooked),
        ("cooked 2", LinuxCooked2, cooked_2),
        ("null", NullLoopback, [&[2, 0, 0, 0][..], &ipv4(17, &udp(b"data"))].concat()),
        ("loop", NullLoopback, [&[0, 0, 0, 30][..], &ipv6(17, &udp(b"data"))].concat()),
        ("raw ipv4", RawIp, ipv4(6, &tcp(&[], b"data"))),
        ("raw ipv6", RawIp, ipv6(6, &tcp(&[], b"data"))),
    ]
}
