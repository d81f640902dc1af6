// SPDX-License-Identifier: Apache-2.0
//! Tunnels: what is inside, what is remembered of the outside, what is no tunnel, what is switched off.

use super::builder::*;
use crate::wire::tunnel::PORTS_MAXIMUM;
use crate::wire::{
    AddressPair, Decoded, DropReason, IpAddress, LinkType, MacAddress, Transport, TunnelKind, Tunneling, decode,
    decode_transport, decode_with,
};

use TunnelKind::*;

#[test]
fn every_tunnel_is_opened() {
    // Name, tunnels, whether there are outer addresses, whether an Ethernet header is inside, VLANs.
    type Case = (&'static str, Vec<(TunnelKind, Option<u32>)>, bool, bool, &'static [u16]);
    let cases: [Case; 20] = [
        ("l2tp 3", vec![(L2tp, Some(9))], true, true, &[]),
        ("l2tp 3 in udp", vec![(L2tp, Some(9))], true, true, &[]),
        ("vxlan with a group", vec![(Vxlan, Some(7))], true, true, &[]),
        ("vxlan of ip", vec![(Vxlan, Some(7))], true, false, &[]),
        ("vxlan", vec![(Vxlan, Some(7))], true, true, &[]),
        ("geneve", vec![(Geneve, Some(7))], true, true, &[]),
        ("gtp", vec![(GtpU, Some(0x0102_0304))], true, false, &[]),
        ("gtp with options", vec![(GtpU, Some(0x0102_0304))], true, false, &[]),
        ("l2tp", vec![(L2tp, Some(0x0003_0004))], true, false, &[]),
        ("gre", vec![(Gre, None)], true, false, &[]),
        ("keyed gre", vec![(Gre, Some(9))], true, true, &[]),
        ("pptp", vec![(Pptp, Some(5))], true, false, &[]),
        ("erspan 1", vec![(Erspan, None)], true, true, &[]),
        ("erspan 2", vec![(Erspan, Some(77))], true, true, &[100]),
        ("erspan 3", vec![(Erspan, Some(78))], true, true, &[]),
        ("mpls", vec![(Mpls, Some(32))], false, false, &[]),
        ("mpls ethernet", vec![(Mpls, Some(32))], false, true, &[]),
        ("mpls in ip", vec![(Mpls, Some(32))], true, false, &[]),
        ("pppoe", vec![(Pppoe, Some(0x1234))], false, false, &[]),
        ("vxlan in gre", vec![(Gre, None), (Vxlan, Some(7))], true, true, &[]),
    ];
    for (name, tunnels, outer, ethernet, vlans) in cases {
        let (_, _, frame) = frames().into_iter().find(|frame| frame.0 == name).expect("a frame of that name");
        let decoded = good(&frame);
        assert_eq!(decoded.tunnels.iter().collect::<Vec<_>>(), tunnels, "{name}");
        assert_eq!(decoded.outer, outer.then(outer_pair), "{name}");
        assert_eq!(decoded.network.map(|network| network.addresses), Some(super::pair_v4()), "{name}");
        let last = if ethernet { 0x11 } else { 1 };
        let source = decoded.ethernet.map(|ethernet| ethernet.source);
        assert_eq!(source, Some(MacAddress([2, 0, 0, 0, 0, last])), "{name}");
        assert!(matches!(decoded.transport, Transport::Tcp(_)), "{name}");
        assert_eq!(decoded.payload(&frame), b"data", "{name}");
        assert_eq!(decoded.vlans.ids(), vlans, "{name}");
    }
}

#[test]
fn a_frame_without_ip_in_a_tunnel_is_one_without_ip() {
    let decoded = good(&in_udp(4789, &VXLAN_7, &inner_ethernet(0x0806, &[0; 28])));
    assert_eq!((decoded.network, decoded.transport), (None, Transport::None));
    assert_eq!(decoded.outer, Some(outer_pair()));
    assert_eq!(decoded.ethernet.map(|ethernet| ethernet.source), Some(MacAddress([2, 0, 0, 0, 0, 0x11])));
}

#[test]
fn vlans_are_told_apart_by_the_tunnel() {
    let inner = inner_ethernet(0x8100, &vlan(30, 0x0800, &ipv4(17, &udp(b"data"))));
    let packet = in_udp(4789, &VXLAN_7, &inner);
    let tagged = ethernet(0x88a8, &vlan(10, 0x8100, &vlan(20, 0x0800, &packet[14..])));
    let decoded = good(&tagged);
    assert_eq!((decoded.vlans.ids(), decoded.tunnels.outside_vlans()), (&[10, 20, 30][..], 2));
    // PPPoE belongs to its VLANs.
    let session = pppoe(&[0, 0x57], &ipv6(17, &udp(b"data")));
    let decoded = good(&ethernet(0x88a8, &vlan(10, 0x8100, &vlan(20, 0x8864, &session))));
    assert_eq!((decoded.vlans.ids(), decoded.tunnels.outside_vlans()), (&[10, 20][..], 0));
    // The tag of an ERSPAN frame that still has it is not told twice.
    let mut header = ERSPAN_2;
    header[2] = 0x18;
    let mirrored = [&header[..], &inner].concat();
    assert_eq!(good(&in_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &mirrored)).vlans.ids(), [30]);
}

#[test]
fn mpls_contents_are_judged_by_their_first_bytes() {
    let stack = |contents: &[u8]| good(&ethernet(0x8848, &[&[0, 1, 0x11, 64][..], contents].concat()));
    let packet = ipv4(17, &udp(b"data"));
    let kinds = |decoded: Decoded| (decoded.tunnels.iter().count(), decoded.ethernet.expect("MACs").destination.0[0]);
    // Ethernet without a control word, with addresses that begin as a control word, IPv4 or IPv6 would.
    for first in [0x00, 0x02, 0x44, 0x45, 0x60, 0x6c, 0x9a] {
        let mut frame = ethernet(0x0800, &packet);
        (frame[0], frame[2], frame[4]) = (first, 0xff, 0xff);
        assert_eq!(kinds(stack(&frame)), (1, first), "{first:#x}");
    }
    // With one: also a frame with a length.
    let mut frame = ethernet(40, &[0x42; 40]);
    frame[0] = 0xce;
    assert_eq!(kinds(stack(&[&[0, 0, 0, 9][..], &frame].concat())), (1, 0xce));
    // An associated channel is neither; the frame is as one without IP.
    let decoded = stack(&[&[0x10, 0, 0, 0x21][..], &[7; 40]].concat());
    assert_eq!((decoded.tunnels.is_empty(), decoded.network), (true, None));
    assert!(stack(&[]).tunnels.is_empty());
    assert_eq!(decode_frame(&ethernet(0x8847, &[0, 1, 0, 64].repeat(30))), Err(DropReason::MplsInvalid));
    assert_eq!(decode_frame(&ethernet(0x8847, &[0, 1, 0, 64, 0, 1])), Err(DropReason::MplsTruncated));
    // Explicit null labels above the one at the bottom.
    let decoded = good(&ethernet(0x8847, &[&[0, 0, 0, 1, 0x12, 0x34, 0x51, 1][..], &ipv6(17, &udp(b"data"))].concat()));
    assert_eq!(decoded.tunnels.iter().next(), Some((Mpls, Some(0x12345))));
}

#[test]
fn a_frame_is_recognised_behind_any_cookie() {
    let tagged = inner_ethernet(0x8100, &vlan(30, 0x86dd, &ipv6(17, &udp(b"data"))));
    let twice = inner_ethernet(0x88a8, &vlan(30, 0x8100, &vlan(31, 0x86dd, &ipv6(17, &udp(b"data")))));
    for frame in [
        inner_ethernet(0x0800, &ipv4(17, &udp(b"data"))),
        inner_ethernet(0x0806, &[&[0, 1][..], &[0; 26]].concat()),
        tagged,
        twice,
    ] {
        for cookie in [0, 4, 8, 12] {
            let message = |session: u8| [&[0, 0, 0, session][..], &vec![0x5a; cookie], &frame].concat();
            let decoded = good(&ethernet(0x0800, &outer_ipv4(115, &message(9))));
            assert_eq!(decoded.tunnels.iter().next(), Some((L2tp, Some(9))), "{cookie}");
            assert_eq!(decoded.ethernet.map(|ethernet| ethernet.source.0[5]), Some(0x11));
            // Session 0 is the control connection.
            let decoded = good(&ethernet(0x0800, &outer_ipv4(115, &message(0))));
            assert_eq!((decoded.tunnels.is_empty(), decoded.transport), (true, Transport::Other(115)));
        }
    }
    for other in [&[][..], &[0, 0, 0], &[0, 0, 0, 9], &[0, 0, 0, 9, 0x45], &[9; 64]] {
        assert_eq!(good(&ethernet(0x0800, &outer_ipv4(115, other))).transport, Transport::Other(115), "{other:02x?}");
    }
}

#[test]
fn what_is_no_tunnel_is_a_packet_of_the_outer_addresses() {
    let packet = ipv4(17, &udp(b"data"));
    let inside = inner_ethernet(0x0800, &packet);
    let udp_cases: [(u16, Vec<u8>, &[u8]); 14] = [
        (2152, gtp(0, packet.len() + 1), &packet),
        (4789, b"\x08\0\0".to_vec(), &[]),
        (4789, [0, 0, 0, 0, 0, 0, 7, 0].to_vec(), &inside),
        (4789, [8, 0, 0, 1, 0, 0, 7, 0].to_vec(), &inside),
        (4789, [8, 0, 0, 0, 0, 0, 7, 1].to_vec(), &inside),
        (6081, [0x40, 0, 0x65, 0x58, 0, 0, 7, 0].to_vec(), &inside),
        (6081, [0, 0x80, 0x65, 0x58, 0, 0, 7, 0].to_vec(), &inside),
        (6081, [0, 0, 0x12, 0x34, 0, 0, 7, 0].to_vec(), &inside),
        (2152, [0x50, 255, 0, 40, 1, 2, 3, 4].to_vec(), &packet),
        // An echo request, and data that is no IP.
        (2152, [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0].to_vec(), &[]),
        (2152, gtp(0, inside.len()), &inside),
        // A control message, another version, and negotiation of PPP.
        (1701, [0xc8, 2, 0, 12, 0, 3, 0, 4, 0, 0, 0, 1].to_vec(), &[]),
        (1701, [0, 3, 0, 0, 0, 0, 0, 9].to_vec(), &packet),
        (1701, l2tp(8), &[0xff, 3, 0xc0, 0x21, 1, 1, 0, 4]),
    ];
    for (port, head, contents) in udp_cases {
        let frame = in_udp(port, &head, contents);
        let decoded = good(&frame);
        assert!(decoded.tunnels.is_empty(), "{port} {head:02x?}");
        assert_eq!(decoded.transport, Transport::Udp { source_port: 40000, destination_port: port });
        assert_eq!((decoded.payload_offset, decoded.payload(&frame).len()), (42, head.len() + contents.len()));
    }
    // Routing, another version, unknown contents, PPP without IP, ERSPAN of an unknown version.
    let gre_cases: [&[u8]; 6] = [
        &[0x40, 0, 8, 0, 0, 0, 0, 0],
        &[0, 2, 8, 0],
        &[0, 0, 0x12, 0x34],
        &[0x20, 1, 0x88, 0x0b, 0, 4, 0, 5, 0xff, 3, 0xc0, 0x21],
        &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x70, 0, 0, 0, 0, 0, 0, 0],
        &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for head in gre_cases {
        let decoded = good(&in_gre(head, &packet));
        assert!(decoded.tunnels.is_empty(), "{head:02x?}");
        assert_eq!((decoded.transport, decoded.outer), (Transport::Other(47), None), "{head:02x?}");
    }
    // PPPoE of another version, in discovery, and its negotiation.
    for session in [
        [&[0x12, 0, 0, 1, 0, 2, 0, 0x21][..], &packet].concat(),
        [&[0x11, 9, 0, 1, 0, 2, 0, 0x21][..], &packet].concat(),
        pppoe(&[0xc0, 0x21], &[9, 0, 0, 8, 1, 2, 3, 4]),
    ] {
        let decoded = good(&ethernet(0x8864, &session));
        assert_eq!((decoded.tunnels.is_empty(), decoded.network), (true, None));
    }
}

#[test]
fn headers_that_contradict_their_packet_have_names() {
    let short_pppoe = inner_ethernet(0x8864, &[0x11, 0, 0]);
    let cases: [(Vec<u8>, DropReason); 13] = [
        (in_udp(4789, &VXLAN_7, &short_pppoe), DropReason::PppoeInvalid),
        (in_gre(&[0, 0, 8], &[]), DropReason::GreInvalid),
        (in_gre(&[0xb0, 0, 8, 0, 1, 2, 3, 4], &[]), DropReason::GreInvalid),
        (in_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0], &[]), DropReason::ErspanInvalid),
        (
            in_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[&ERSPAN_2[..], &[1; 13]].concat()),
            DropReason::InnerEthernetInvalid,
        ),
        (in_udp(4789, &VXLAN_7, &[1; 13]), DropReason::InnerEthernetInvalid),
        (in_udp(6081, &[0x3f, 0, 8, 0, 0, 0, 7, 0], &[0x45; 40]), DropReason::GeneveInvalid),
        (in_udp(2152, &gtp(4, 8), &[0, 0, 0, 0x85, 0, 0, 0, 0]), DropReason::GtpInvalid),
        (
            in_udp(2152, &gtp(4, 164), &[&[0, 0, 0, 0x85][..], &[1, 0, 0, 0x85].repeat(40)].concat()),
            DropReason::GtpInvalid,
        ),
        (in_udp(1701, &[0x42, 2, 0xff, 0, 0, 3, 0, 4, 0xff, 0], &[]), DropReason::L2tpInvalid),
        (in_udp(1701, &[0x40, 2, 0, 5, 0, 3, 0, 4], &[0, 0x21]), DropReason::L2tpInvalid),
        (ethernet(0x8864, &[0x11, 0, 0, 1, 0, 0]), DropReason::PppInvalid),
        (in_udp(4789, &VXLAN_7, &inner_ethernet(0x0800, &[0x45; 10])), DropReason::Ipv4LengthInvalid),
    ];
    for (frame, expected) in cases {
        assert_eq!(decode_frame(&frame), Err(expected), "{frame:02x?}");
    }
}

#[test]
fn each_kind_can_be_switched_off() {
    for (name, link, frame) in frames() {
        let kinds: Vec<TunnelKind> = good_on(link, &frame).tunnels.iter().map(|(kind, _)| kind).collect();
        for (place, off) in kinds.iter().enumerate() {
            let others = TunnelKind::ALL.into_iter().filter(|kind| kind != off);
            let tunneling = others.fold(Tunneling::CLOSED, |tunneling, kind| {
                tunneling.opened(kind, kind.standard_ports()).expect("there is room")
            });
            let mut decoded = Decoded::new();
            decode_with(&tunneling, link, &frame, frame.len() as u32, &mut decoded).expect(name);
            assert_eq!(decoded.tunnels.iter().count(), place, "{name} without {off:?}");
        }
        let mut decoded = Decoded::new();
        decode_with(&Tunneling::CLOSED, link, &frame, frame.len() as u32, &mut decoded).expect(name);
        assert!(decoded.tunnels.is_empty() && decoded.outer.is_none(), "{name}");
        // Depth.
        let mut decoded = Decoded::new();
        let shallow = Tunneling::STANDARD.with_depth(1);
        decode_with(&shallow, link, &frame, frame.len() as u32, &mut decoded).expect(name);
        assert_eq!(decoded.tunnels.iter().count(), kinds.len().min(1), "{name}");
    }
}

#[test]
fn ports_can_be_others() {
    let frame = in_udp(8472, &VXLAN_7, &inner_ethernet(0x0800, &ipv4(17, &udp(b"data"))));
    assert!(good(&frame).tunnels.is_empty());
    let tunneling = Tunneling::STANDARD.opened(Vxlan, &[8472]).expect("there is room");
    let mut decoded = Decoded::new();
    decode_with(&tunneling, LinkType::Ethernet, &frame, frame.len() as u32, &mut decoded).expect("a good frame");
    assert_eq!(decoded.tunnels.iter().next(), Some((Vxlan, Some(7))));
    // An L2TP server answers from its port to any, and so do some of GTP-U.
    let mut frame = in_udp(1701, &l2tp(64), &[&[0x21][..], &ipv4(17, &udp(b"data"))].concat());
    let (source, destination) = (14 + 20, 14 + 22);
    frame.copy_within(destination..destination + 2, source);
    frame[destination..destination + 2].copy_from_slice(&[0x9c, 0x40]);
    assert_eq!(good(&frame).tunnels.iter().next().map(|tunnel| tunnel.0), Some(L2tp));
    let packet = ipv4(17, &udp(b"data"));
    let mut frame = in_udp(2152, &gtp(0, packet.len()), &packet);
    frame.copy_within(destination..destination + 2, source);
    frame[destination..destination + 2].copy_from_slice(&[0x9c, 0x40]);
    assert_eq!(good(&frame).tunnels.iter().next().map(|tunnel| tunnel.0), Some(GtpU));
    let ports: Vec<u16> = (1..=PORTS_MAXIMUM as u16).collect();
    assert!(Tunneling::CLOSED.opened(Vxlan, &ports).is_some());
    assert!(Tunneling::STANDARD.opened(Vxlan, &ports).is_none());
}

#[test]
fn a_tunnel_in_fragments_is_read_when_it_is_whole() {
    let inner = inner_ethernet(0x0800, &ipv4(17, &udp(b"data")));
    let datagram = udp_to(4789, &[&VXLAN_7[..], &inner].concat());
    let mut decoded = good(&ethernet(0x0800, &ipv4_with(17, 0x2000, &[], &datagram[..16])));
    assert!(matches!(decoded.transport, Transport::Fragment(_)));
    decode_transport(&Tunneling::STANDARD, &mut decoded, 17, &datagram).expect("a good datagram");
    assert_eq!(decoded.tunnels.iter().next(), Some((Vxlan, Some(7))));
    assert_eq!(decoded.transport, Transport::Udp { source_port: 40000, destination_port: 53 });
    assert_eq!(decoded.payload(&datagram), b"data");
}

fn good(frame: &[u8]) -> Decoded {
    good_on(LinkType::Ethernet, frame)
}

fn good_on(link: LinkType, frame: &[u8]) -> Decoded {
    decode(link, frame, frame.len() as u32).unwrap_or_else(|reason| panic!("{reason:?}: {frame:02x?}"))
}

fn decode_frame(frame: &[u8]) -> Result<Decoded, DropReason> {
    decode(LinkType::Ethernet, frame, frame.len() as u32)
}

fn outer_pair() -> AddressPair {
    AddressPair { source: IpAddress::from_ipv4(OUTER_SOURCE), destination: IpAddress::from_ipv4(OUTER_DESTINATION) }
}
