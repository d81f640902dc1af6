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
    udp_to(53, payload)
}

/// From port 40000.
pub fn udp_to(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram that fits");
    [&[0x9c, 0x40][..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
}

/// Addresses that are not those of [`ipv4`].
pub const OUTER_SOURCE: [u8; 4] = [192, 0, 2, 1];
pub const OUTER_DESTINATION: [u8; 4] = [192, 0, 2, 2];

/// The packet around a tunnel.
pub fn outer_ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(protocol, payload);
    packet[12..16].copy_from_slice(&OUTER_SOURCE);
    packet[16..20].copy_from_slice(&OUTER_DESTINATION);
    packet
}

/// An Ethernet frame with this packet in the tunnel, its MAC addresses ending with 11 and 12.
pub fn inner_ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(ethertype, payload);
    (frame[5], frame[11]) = (0x12, 0x11);
    frame
}

/// VXLAN, Geneve, GTP-U and L2TP stand in UDP.
pub fn in_udp(port: u16, head: &[u8], contents: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &outer_ipv4(17, &udp_to(port, &[head, contents].concat())))
}

/// GRE and ERSPAN stand in IP, with this head from the flags on.
pub fn in_gre(head: &[u8], contents: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &outer_ipv4(47, &[head, contents].concat()))
}

/// PPPoE session 0x1234.
pub fn pppoe(protocol: &[u8], contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(protocol.len() + contents.len()).expect("a frame that fits");
    [&[0x11, 0, 0x12, 0x34][..], &length.to_be_bytes(), protocol, contents].concat()
}

pub const VXLAN_7: [u8; 8] = [8, 0, 0, 0, 0, 0, 7, 0];
/// With an option of four bytes of data.
pub const GENEVE_7: [u8; 16] = [2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 9, 9, 9, 9];
/// With a sequence number and a PDU session container.
pub const GTP_OPTIONS: [u8; 8] = [0, 1, 0, 0x85, 1, 0, 9, 0];
/// Session 77 in VLAN 100, from a trunk.
pub const ERSPAN_2: [u8; 8] = [0x10, 100, 0x10, 77, 0, 0, 0, 3];
/// Session 78 with the further header.
pub const ERSPAN_3: [u8; 20] = [0x20, 0, 0, 78, 1, 2, 3, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
/// Length, tunnel 3, session 4, sequence numbers, two bytes of padding; the length is that with `contents` bytes behind.
pub fn l2tp(contents: u8) -> Vec<u8> {
    vec![0x4a, 2, 0, 16 + contents, 0, 3, 0, 4, 0, 0, 0, 1, 0, 2, 0xee, 0xee]
}

/// GTP-U for a message of this length behind the eighth byte, TEID 0x01020304.
pub fn gtp(flags: u8, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).expect("a message that fits");
    [&[0x30 | flags, 255][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat()
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
    let packet = ipv4(6, &tcp(&[], b"data"));
    let frame = inner_ethernet(0x0800, &packet);
    vec![
        ("tcp over ipv4", Ethernet, ethernet(0x0800, &ipv4(6, &tcp(&[1; 12], b"data")))),
        ("udp over ipv4 with options", Ethernet, ethernet(0x0800, &ipv4_with(17, 0, &[1; 8], &udp(b"data")))),
        ("icmp", Ethernet, ethernet(0x0800, &ipv4(1, &echo(8, b"data")))),
        ("icmp6", Ethernet, ethernet(0x86dd, &ipv6(58, &echo(128, b"data")))),
        ("ipv4 fragment", Ethernet, ethernet(0x0800, &ipv4_with(17, 0x2000, &[], &udp(b"data")))),
        ("ipv6 fragment", Ethernet, ethernet(0x86dd, &ipv6(44, &ipv6_fragment(17, 1, &udp(b"data"))))),
        ("late ipv6 fragment", Ethernet, ethernet(0x86dd, &ipv6(44, &ipv6_fragment(17, 0xfff1, &udp(b"data"))))),
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
        ("vxlan", Ethernet, in_udp(4789, &VXLAN_7, &frame)),
        ("vxlan with a group", Ethernet, in_udp(4789, &[0x88, 0, 1, 2, 0, 0, 7, 0], &frame)),
        ("vxlan of ip", Ethernet, in_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 7, 0], &packet)),
        ("geneve", Ethernet, in_udp(6081, &GENEVE_7, &frame)),
        ("gtp", Ethernet, in_udp(2152, &gtp(0, packet.len()), &packet)),
        (
            "gtp with options",
            Ethernet,
            in_udp(2152, &[gtp(6, 8 + packet.len()), GTP_OPTIONS.to_vec()].concat(), &packet),
        ),
        ("l2tp", Ethernet, in_udp(1701, &l2tp(4 + packet.len() as u8), &[&[0xff, 3, 0, 0x21][..], &packet].concat())),
        ("l2tp 3", Ethernet, ethernet(0x0800, &outer_ipv4(115, &[&[0, 0, 0, 9, 0, 0, 0, 0][..], &frame].concat()))),
        ("l2tp 3 in udp", Ethernet, in_udp(1701, &[0, 3, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8], &frame)),
        ("gre", Ethernet, in_gre(&[0, 0, 8, 0], &packet)),
        ("keyed gre", Ethernet, in_gre(&[0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], &frame)),
        ("pptp", Ethernet, in_gre(&[0x30, 0x81, 0x88, 0x0b, 0, 40, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0x21], &packet)),
        ("erspan 1", Ethernet, in_gre(&[0, 0, 0x88, 0xbe], &frame)),
        ("erspan 2", Ethernet, in_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[&ERSPAN_2[..], &frame].concat())),
        ("erspan 3", Ethernet, in_gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &[&ERSPAN_3[..], &frame].concat())),
        ("mpls", Ethernet, ethernet(0x8847, &[&[0, 1, 0, 64, 0, 2, 1, 64][..], &packet].concat())),
        ("mpls ethernet", Ethernet, ethernet(0x8847, &[&[0, 2, 1, 64, 0, 0, 0, 0][..], &frame].concat())),
        ("mpls in ip", Ethernet, ethernet(0x0800, &outer_ipv4(137, &[&[0, 2, 1, 64][..], &packet].concat()))),
        ("pppoe", Ethernet, ethernet(0x8864, &pppoe(&[0, 0x21], &packet))),
        ("vxlan in gre", Ethernet, in_gre(&[0, 0, 8, 0], &in_udp(4789, &VXLAN_7, &frame)[14..])),
        ("pppoe in vxlan", Ethernet, in_udp(4789, &VXLAN_7, &inner_ethernet(0x8864, &pppoe(&[0, 0x21], &packet)))),
        ("arp in vxlan", Ethernet, in_udp(4789, &VXLAN_7, &inner_ethernet(0x0806, &[0; 28]))),
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
