// SPDX-License-Identifier: Apache-2.0
//! Decoding of whole frames: literal bytes for each header, contradictions, bounds. What holds for any bytes is in
//! `robustness.rs`, real captures are in `captures.rs`.

mod builder;
mod captures;
mod robustness;
mod tunnels;

use std::net::IpAddr;

use super::*;
use builder::*;

#[test]
fn tcp_over_ipv4_over_ethernet() {
    let frame = [
        0x00, 0x0a, 0x42, 0xcf, 0x6b, 0xfd, // destination 00-0A-42-CF-6B-FD
        0x00, 0x60, 0x97, 0x94, 0x82, 0xdf, // source 00-60-97-94-82-DF
        0x08, 0x00, // IPv4
        0x45, 0x00, 0x00, 0x2b, // version 4, 5 words, total length 43
        0x1d, 0x2c, 0x40, 0x00, // identification, don't fragment
        0x40, 0x06, 0x00, 0x00, // time to live 64, TCP, checksum
        0x80, 0xe8, 0x6e, 0x78, // 128.232.110.120
        0x42, 0x23, 0xfa, 0xcc, // 66.35.250.204
        0x88, 0x27, 0x00, 0x50, // ports 34855, 80
        0x11, 0x22, 0x33, 0x44, // sequence
        0x55, 0x66, 0x77, 0x88, // acknowledgement
        0x50, 0x19, 0x16, 0xd0, // 5 words, ACK PSH FIN, window 5840
        0x00, 0x00, 0x00, 0x00, // checksum, urgent pointer
        0x47, 0x45, 0x54, // "GET"
        0x00, 0x00, 0x00, // padding to 60 bytes
    ];
    let decoded = ethernet_frame(&frame).expect("a good frame");
    let macs = decoded.ethernet.expect("Ethernet addresses");
    assert_eq!(macs.source.to_string(), "00-60-97-94-82-DF");
    assert_eq!(macs.destination.to_string(), "00-0A-42-CF-6B-FD");
    assert_eq!(decoded.vlans.depth(), 0);
    assert_eq!(decoded.outer, None);
    let network = decoded.network.expect("an IP header");
    assert_eq!(network.addresses.source.to_string(), "128.232.110.120");
    assert_eq!(network.addresses.destination.to_string(), "66.35.250.204");
    assert_eq!((network.version, network.protocol), (IpVersion::V4, 6));
    let Transport::Tcp(tcp) = decoded.transport else { panic!("{:?}", decoded.transport) };
    assert_eq!((tcp.source_port, tcp.destination_port), (34855, 80));
    assert_eq!((tcp.sequence, tcp.acknowledgement, tcp.window), (0x11223344, 0x55667788, 5840));
    assert!(tcp.flags.ack() && tcp.flags.psh() && tcp.flags.fin());
    assert!(!tcp.flags.syn() && !tcp.flags.rst() && !tcp.flags.urg() && !tcp.flags.ece() && !tcp.flags.cwr());
    assert_eq!((decoded.payload_offset, decoded.payload_length), (54, 3));
    assert_eq!(decoded.payload(&frame), b"GET");
}

#[test]
fn udp_over_ipv6_over_ethernet() {
    let frame = [
        0x33, 0x33, 0x00, 0x00, 0x00, 0xfb, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, // MAC addresses
        0x86, 0xdd, // IPv6
        0x60, 0x01, 0x23, 0x45, // version 6, traffic class, flow label
        0x00, 0x0a, 0x11, 0xff, // payload length 10, UDP, hop limit
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, // fe80::1
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb, // ff02::fb
        0x14, 0xe9, 0x14, 0xea, // ports 5353, 5354
        0x00, 0x0a, 0x00, 0x00, // length 10, checksum
        0xca, 0xfe, // data
    ];
    let decoded = ethernet_frame(&frame).expect("a good frame");
    let network = decoded.network.expect("an IP header");
    assert_eq!(network.addresses.source.to_string(), "fe80::1");
    assert_eq!(network.addresses.destination.to_string(), "ff02::fb");
    assert_eq!((network.version, network.protocol), (IpVersion::V6, 17));
    assert_eq!(decoded.transport, Transport::Udp { source_port: 5353, destination_port: 5354 });
    assert_eq!(decoded.payload(&frame), [0xca, 0xfe]);
}

#[test]
fn icmp_body_begins_after_the_checksum() {
    let frame = ethernet(0x0800, &ipv4(1, &[3, 13, 0xfc, 0xf2, 0, 0, 0, 0]));
    let decoded = ethernet_frame(&frame).expect("a good frame");
    assert_eq!(decoded.transport, Transport::Icmp { kind: 3, code: 13 });
    assert_eq!((decoded.payload_offset, decoded.payload_length), (14 + 20 + 4, 4));

    let frame = ethernet(0x86dd, &ipv6(58, &[136, 0, 0, 0, 0x60, 0, 0, 0]));
    let decoded = ethernet_frame(&frame).expect("a good frame");
    assert_eq!(decoded.transport, Transport::Icmp6 { kind: 136, code: 0 });
    assert_eq!(decoded.payload(&frame), [0x60, 0, 0, 0]);
}

#[test]
fn vlan_tags_of_any_depth() {
    for depth in 0..=10_u16 {
        let types = [0x8100, 0x88a8, 0x9100, 0x9200];
        let mut inner = (0x0800, ipv4(17, &udp(b"data")));
        for level in (0..depth).rev() {
            // The upper four bits are not part of the id.
            inner = (types[usize::from(level) % 4], vlan(0xf000 | (100 + level), inner.0, &inner.1));
        }
        let frame = ethernet(inner.0, &inner.1);
        let decoded = ethernet_frame(&frame).expect("a good frame");
        let expected: Vec<u16> = (100..100 + depth).take(8).collect();
        assert_eq!(decoded.vlans.ids(), expected);
        assert_eq!(decoded.vlans.depth(), usize::from(depth));
        assert_eq!(decoded.payload(&frame), b"data");
    }
}

#[test]
fn frames_without_ip_have_macs_and_vlans() {
    let arp = ethernet(0x8100, &vlan(5, 0x0806, &[0; 28]));
    let spanning_tree = ethernet(38, &[&[0x42, 0x42, 3][..], &[0; 43]].concat());
    for (frame, vlans, payload_bytes) in [(arp, &[5][..], 28), (spanning_tree, &[], 38)] {
        let decoded = ethernet_frame(&frame).expect("a frame without IP");
        assert_eq!(decoded.ethernet.map(|ethernet| ethernet.source), Some(MacAddress(SOURCE_MAC)));
        assert_eq!(decoded.vlans.ids(), vlans);
        assert_eq!((decoded.network, decoded.transport), (None, Transport::None));
        assert_eq!(decoded.payload_length, payload_bytes);
    }
}

#[test]
fn protocols_without_ports() {
    for protocol in [2, 47, 50, 89, 132, 59] {
        let frame = ethernet(0x0800, &ipv4(protocol, &[0; 12]));
        let decoded = ethernet_frame(&frame).expect("a good frame");
        assert_eq!(decoded.transport, Transport::Other(protocol));
        assert_eq!(decoded.network.map(|network| network.protocol), Some(protocol));
        assert_eq!((decoded.payload_offset, decoded.payload_length), (34, 12));
    }
    // An extension header of IPv6 is an unknown protocol in IPv4.
    let frame = ethernet(0x0800, &ipv4(0, &extension(17, 1, &udp(b"data"))));
    assert_eq!(ethernet_frame(&frame).map(|decoded| decoded.transport), Ok(Transport::Other(0)));
}

#[test]
fn ip_inside_ip_keeps_the_outermost_and_the_innermost() {
    let six_in_four = ethernet(0x0800, &ipv4(41, &ipv6(6, &tcp(&[], b"data"))));
    let decoded = ethernet_frame(&six_in_four).expect("a good frame");
    assert_eq!(decoded.outer, Some(pair_v4()));
    assert_eq!(decoded.network, Some(Network { addresses: pair_v6(), version: IpVersion::V6, protocol: 6 }));
    let three = ethernet(0x86dd, &ipv6(4, &ipv4(4, &ipv4(17, &udp(b"data")))));
    let decoded = ethernet_frame(&three).expect("a good frame");
    assert_eq!(decoded.outer, Some(pair_v6()));
    assert_eq!(decoded.network.map(|network| network.addresses), Some(pair_v4()));
    assert_eq!(decoded.payload(&three), b"data");
}

#[test]
fn inner_lengths_end_where_the_outer_ones_do() {
    let mut frame = ethernet(0x0800, &ipv4(4, &ipv4(17, &udp(b"data"))));
    // The inner datagram says that it is 4000 bytes long, UDP that it is 3000.
    frame[14 + 20 + 2..][..2].copy_from_slice(&4000_u16.to_be_bytes());
    frame[14 + 20 + 20 + 4..][..2].copy_from_slice(&3000_u16.to_be_bytes());
    frame.extend([0; 6]);
    assert_eq!(ethernet_frame(&frame).map(|decoded| decoded.payload_length), Ok(4));
}

#[test]
fn every_ipv6_extension_header_is_followed() {
    for header in [0, 43, 60, 135, 139, 140] {
        for units in [1, 2, 200] {
            let frame = ethernet(0x86dd, &ipv6(header, &extension(17, units, &udp(b"data"))));
            let decoded = ethernet_frame(&frame).expect("a good frame");
            assert_eq!(decoded.transport, Transport::Udp { source_port: 40000, destination_port: 53 });
            assert_eq!(decoded.network.map(|network| network.protocol), Some(17));
            assert_eq!(decoded.payload(&frame), b"data");
        }
    }
}

#[test]
fn authentication_header_is_followed_in_both_versions() {
    let segment = authentication_header(6, &tcp(&[], b"data"));
    for frame in [ethernet(0x0800, &ipv4(51, &segment)), ethernet(0x86dd, &ipv6(51, &segment))] {
        let decoded = ethernet_frame(&frame).expect("a good frame");
        assert!(matches!(decoded.transport, Transport::Tcp(_)));
        assert_eq!(decoded.payload(&frame), b"data");
    }
    let mut short = ethernet(0x0800, &ipv4(51, &segment));
    short[14 + 20 + 1] = 0;
    assert_eq!(ethernet_frame(&short), Err(DropReason::AuthenticationHeaderInvalid));
}

#[test]
fn fragments_end_decoding() {
    let first = ethernet(0x0800, &ipv4_with(17, 0x2000, &[1; 4], &udp(&[0; 16])));
    let decoded = ethernet_frame(&first).expect("a good frame");
    assert_eq!(
        decoded.transport,
        Transport::Fragment(FragmentInfo { identification: 0x1234, offset_bytes: 0, more: true, protocol: 17 })
    );
    assert_eq!((decoded.payload_offset, decoded.payload_length), (38, 24));

    let last = ethernet(0x86dd, &ipv6(0, &extension(44, 1, &ipv6_fragment(6, 1448, &[7; 5]))));
    let decoded = ethernet_frame(&last).expect("a good frame");
    assert_eq!(
        decoded.transport,
        Transport::Fragment(FragmentInfo { identification: 0xdeadbeef, offset_bytes: 1448, more: false, protocol: 6 })
    );
    assert_eq!(decoded.payload(&last), [7; 5]);

    let atomic = ethernet(0x86dd, &ipv6(44, &ipv6_fragment(17, 0, &udp(b"data"))));
    assert_eq!(ethernet_frame(&atomic).map(|decoded| decoded.payload_length), Ok(4));
}

#[test]
fn fragments_past_the_largest_datagram_are_invalid() {
    let ping_of_death = ethernet(0x0800, &ipv4_with(1, 0x1fff, &[], &[0; 8]));
    assert_eq!(ethernet_frame(&ping_of_death), Err(DropReason::Ipv4FragmentInvalid));
    let frame = ethernet(0x86dd, &ipv6(44, &ipv6_fragment(17, 0xfff8, &[0; 8])));
    assert_eq!(ethernet_frame(&frame), Err(DropReason::Ipv6FragmentInvalid));
}

#[test]
fn a_reassembled_datagram_continues() {
    let frame = ethernet(0x0800, &ipv4_with(17, 0x2000, &[], &[0; 8]));
    let mut decoded = ethernet_frame(&frame).expect("a good frame");
    let datagram = udp(b"all of it");
    assert_eq!(decode_transport(&Tunneling::STANDARD, &mut decoded, 17, &datagram), Ok(()));
    assert_eq!(decoded.transport, Transport::Udp { source_port: 40000, destination_port: 53 });
    assert_eq!(decoded.payload(&datagram), b"all of it");

    // A fragmented tunnel: the addresses of the fragments become the outer ones.
    let inner = ipv6(60, &extension(6, 1, &tcp(&[], b"data")));
    let frame = ethernet(0x0800, &ipv4_with(41, 0x2000, &[], &inner[..16]));
    let mut decoded = ethernet_frame(&frame).expect("a good frame");
    assert_eq!(decode_transport(&Tunneling::STANDARD, &mut decoded, 41, &inner), Ok(()));
    assert_eq!(decoded.outer, Some(pair_v4()));
    assert_eq!(decoded.network.map(|network| (network.addresses, network.protocol)), Some((pair_v6(), 6)));
    assert_eq!(decoded.payload(&inner), b"data");

    // Nothing more will come, so a short one is invalid rather than truncated.
    assert_eq!(
        decode_transport(&Tunneling::STANDARD, &mut decoded, 6, &tcp(&[], b"")[..19]),
        Err(DropReason::TcpHeaderLengthInvalid)
    );
    assert_eq!(decoded.transport, Transport::None);
}

#[test]
fn link_headers_without_ethernet_addresses() {
    let cooked = [
        0x00, 0x04, // sent by us
        0x00, 0x01, 0x00, 0x06, // Ethernet device, 6 bytes of address
        0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, // address, padded
        0x81, 0x00, // VLAN
        0x00, 0x2a, 0x86, 0xdd, // id 42, IPv6
    ];
    let frame = [&cooked[..], &ipv6(17, &udp(b"data"))].concat();
    let decoded = whole(LinkType::LinuxCooked, &frame).expect("a good frame");
    assert_eq!((decoded.ethernet, decoded.vlans.ids()), (None, &[42][..]));
    assert_eq!(decoded.payload(&frame), b"data");

    let cooked_2 = [
        0x08, 0x00, 0x00, 0x00, // IPv4, reserved
        0x00, 0x00, 0x00, 0x03, // interface 3
        0x00, 0x01, 0x00, 0x06, // Ethernet device, received, 6 bytes of address
        0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, // address, padded
    ];
    let frame = [&cooked_2[..], &ipv4(17, &udp(b"data"))].concat();
    assert_eq!(whole(LinkType::LinuxCooked2, &frame).expect("a good frame").payload(&frame), b"data");
    // On a netlink device the protocol field is no EtherType.
    let netlink = [&[0x08, 0, 0, 0, 0, 0, 0, 3, 0x03, 0x38][..], &frame[10..]].concat();
    assert_eq!(whole(LinkType::LinuxCooked2, &netlink).map(|decoded| decoded.network), Ok(None));

    for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
        let frame = [&family[..], &ipv4(17, &udp(b"data"))].concat();
        assert_eq!(whole(LinkType::NullLoopback, &frame).expect("a good frame").payload(&frame), b"data");
    }
    for number in [10, 24, 28, 30] {
        for family in [[number, 0, 0, 0], [0, 0, 0, number]] {
            let frame = [&family[..], &ipv6(17, &udp(b"data"))].concat();
            assert_eq!(whole(LinkType::NullLoopback, &frame).expect("a good frame").payload(&frame), b"data");
        }
    }
    assert_eq!(whole(LinkType::NullLoopback, &[7, 0, 0, 0, 1]).map(|decoded| decoded.network), Ok(None));
    assert_eq!(whole(LinkType::RawIp, &[0x50]), Err(DropReason::IpVersionUnknown));
}

#[test]
fn link_types_by_number() {
    let known = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276];
    let found: Vec<u32> = (0..1000).filter(|&number| LinkType::from_dlt(number).is_some()).collect();
    assert_eq!(found, known);
}

#[test]
fn lengths_that_contradict_each_other() {
    use DropReason::*;
    // Frame, byte to change, its new value, what must come of it.
    let ipv4_tcp = ethernet(0x0800, &ipv4(6, &tcp(&[], b"data")));
    let ipv6_extension = ethernet(0x86dd, &ipv6(0, &extension(6, 1, &tcp(&[], b"data"))));
    let ipv4_udp = ethernet(0x0800, &ipv4(17, &udp(b"data")));
    let ipip = ethernet(0x0800, &ipv4(4, &ipv4(17, &udp(b""))));
    let cases: &[(&[u8], usize, u8, DropReason)] = &[
        (&ipv4_tcp, 14, 0x65, Ipv4VersionInvalid),
        (&ipv4_tcp, 14, 0x44, Ipv4HeaderLengthInvalid),
        (&ipv4_tcp, 14, 0x4f, Ipv4LengthInvalid),
        (&ipv4_tcp, 14 + 3, 19, Ipv4LengthInvalid),
        (&ipv4_tcp, 14 + 3, 39, TcpHeaderLengthInvalid),
        (&ipv4_tcp, 14 + 20 + 12, 0x40, TcpHeaderLengthInvalid),
        (&ipv4_tcp, 14 + 20 + 12, 0x70, TcpHeaderLengthInvalid),
        (&ipv6_extension, 14, 0x45, Ipv6VersionInvalid),
        (&ipv6_extension, 14 + 5, 7, Ipv6ExtensionInvalid),
        (&ipv6_extension, 14 + 40 + 1, 9, Ipv6ExtensionInvalid),
        (&ipv4_udp, 14 + 3, 27, UdpLengthInvalid),
        (&ipv4_udp, 14 + 20 + 5, 7, UdpLengthInvalid),
        (&ipip, 14 + 3, 39, Ipv4LengthInvalid),
    ];
    for &(frame, position, value, expected) in cases {
        let mut frame = frame.to_vec();
        frame[position] = value;
        assert_eq!(ethernet_frame(&frame), Err(expected), "byte {position} set to {value}");
    }
}

#[test]
fn lengths_of_zero_mean_the_rest_of_the_frame() {
    let mut frame = ethernet(0x0800, &ipv4(6, &tcp(&[], &[9; 3000])));
    frame[16..18].fill(0);
    assert_eq!(ethernet_frame(&frame).map(|decoded| decoded.payload_length), Ok(3000));
    let mut frame = ethernet(0x86dd, &ipv6(6, &tcp(&[], &[9; 3000])));
    frame[18..20].fill(0);
    assert_eq!(ethernet_frame(&frame).map(|decoded| decoded.payload_length), Ok(3000));
    let mut frame = ethernet(0x0800, &ipv4(17, &udp(&[9; 3000])));
    frame[38..40].fill(0);
    assert_eq!(ethernet_frame(&frame).map(|decoded| decoded.payload_length), Ok(3000));
    // No next header and no payload: what follows is padding.
    let frame = ethernet(0x86dd, &[&ipv6(59, &[])[..], &[0; 6]].concat());
    assert_eq!(ethernet_frame(&frame).map(|decoded| decoded.payload_length), Ok(0));
}

#[test]
fn payload_length_is_that_on_the_wire_when_the_capture_is_cut() {
    let frame = ethernet(0x0800, &ipv4(6, &tcp(&[], &[9; 1000])));
    let decoded = decode(LinkType::Ethernet, &frame[..96], 1054).expect("headers are there");
    assert_eq!((decoded.payload_offset, decoded.payload_length), (54, 1000));
    assert_eq!(decoded.payload(&frame[..96]), [9; 42]);
    // More than the wire carried was never there.
    let decoded = decode(LinkType::Ethernet, &frame[..96], 100).expect("headers are there");
    assert_eq!(decoded.payload_length, 46);
}

#[test]
fn nesting_is_bounded() {
    let mut packet =
        ipv6(0, &(0..100).fold(udp(b"data"), |payload, place| extension(if place == 0 { 17 } else { 0 }, 1, &payload)));
    assert_eq!(ethernet_frame(&ethernet(0x86dd, &packet)), Err(DropReason::NestingTooDeep));
    // Tunnels are opened down to the depth of the settings; a deeper one is a protocol like any other.
    packet = ipv4(17, &udp(b"data"));
    for _ in 0..60 {
        packet = ipv4(4, &packet);
    }
    let decoded = ethernet_frame(&ethernet(0x0800, &packet)).expect("a good frame");
    assert_eq!((decoded.transport, decoded.tunnels.iter().count()), (Transport::Other(4), 4));
    let tags = [0x81, 0, 0, 1].repeat(400);
    assert_eq!(ethernet_frame(&ethernet(0x8100, &tags[2..])), Err(DropReason::NestingTooDeep));
}

#[test]
fn what_was_decoded_before_an_error_is_kept() {
    let frame = ethernet(0x8100, &vlan(9, 0x0800, &ipv4(6, &tcp(&[1; 12], b"data"))));
    let mut decoded = Decoded::new();
    let result = decode_into(LinkType::Ethernet, &frame[..60], frame.len() as u32, &mut decoded);
    assert_eq!(result, Err(DropReason::TcpHeaderTruncated));
    assert_eq!(decoded.vlans.ids(), [9]);
    assert_eq!(decoded.network.map(|network| (network.addresses, network.protocol)), Some((pair_v4(), 6)));
    assert_eq!((decoded.transport, decoded.payload_length), (Transport::None, 0));
}

#[test]
fn drop_reasons_are_numbered_and_named() {
    let mut names: Vec<&str> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
    for (index, reason) in DropReason::ALL.iter().enumerate() {
        assert_eq!(reason.index(), index);
        assert_eq!(reason.is_truncation(), reason.name().ends_with("_truncated"));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DropReason::ALL.len());
}

#[test]
fn addresses_convert() {
    for text in ["10.1.2.3", "255.255.255.255", "2001:db8::1", "::", "::1"] {
        let address: IpAddr = text.parse().expect("a literal address");
        let converted = IpAddress::from(address);
        assert_eq!(converted.is_ipv4(), address.is_ipv4());
        assert_eq!(IpAddr::from(converted), address);
        assert_eq!(converted.to_string(), text);
    }
    assert_eq!(IpAddress::from_ipv4([1, 2, 3, 4]).as_ipv4(), Some([1, 2, 3, 4]));
    assert_eq!(bytemuck::bytes_of(&pair_v4()).len(), 32);
}

#[test]
fn results_are_small() {
    assert!(size_of::<Decoded>() <= 160, "{}", size_of::<Decoded>());
}

fn ethernet_frame(frame: &[u8]) -> Result<Decoded, DropReason> {
    whole(LinkType::Ethernet, frame)
}

fn whole(link: LinkType, frame: &[u8]) -> Result<Decoded, DropReason> {
    decode(link, frame, frame.len() as u32)
}

fn pair_v4() -> AddressPair {
    AddressPair { source: IpAddress::from_ipv4(SOURCE_V4), destination: IpAddress::from_ipv4(DESTINATION_V4) }
}

fn pair_v6() -> AddressPair {
    AddressPair { source: IpAddress::from_ipv6(SOURCE_V6), destination: IpAddress::from_ipv6(DESTINATION_V6) }
}
