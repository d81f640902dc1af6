// SPDX-License-Identifier: Apache-2.0
//! Ethernet captures put into tunnels, as a switch, a gateway or a mirror would.
//!
//! Limits: outer headers are IPv4; frames too long for one have the length 0, as of a NIC that segments.

use super::capture::{Capture, Frame, IPV4, IPV6};

/// A way to wrap packets.
#[derive(Clone, Copy)]
pub struct Tunnel {
    /// `tunnel.type`, of nested ones outermost first.
    pub kinds: &'static [&'static str],
    carries: Carries,
    wrap: fn(&Inner) -> Vec<u8>,
}

/// What a tunnel transports. Frames without IP stay outside of those for IP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Ethernet,
    Ip,
}

/// Which way a packet goes: from the lower inner address to the higher, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// What is wrapped.
struct Inner {
    /// Bytes on the wire.
    length: usize,
    ether_type: u16,
    way: Way,
    /// Number of the network, or of the pair of outer addresses.
    number: u8,
}

/// One of each kind, and two nested ones.
pub const TUNNELS: &[Tunnel] = &[
    Tunnel { kinds: &["vxlan"], carries: Carries::Ethernet, wrap: vxlan },
    Tunnel { kinds: &["geneve"], carries: Carries::Ethernet, wrap: geneve },
    Tunnel { kinds: &["gre"], carries: Carries::Ethernet, wrap: keyed_gre },
    Tunnel { kinds: &["gre"], carries: Carries::Ip, wrap: gre },
    Tunnel { kinds: &["erspan"], carries: Carries::Ethernet, wrap: erspan_1 },
    Tunnel { kinds: &["erspan"], carries: Carries::Ethernet, wrap: erspan_2 },
    Tunnel { kinds: &["erspan"], carries: Carries::Ethernet, wrap: erspan_3 },
    Tunnel { kinds: &["mpls"], carries: Carries::Ip, wrap: mpls },
    Tunnel { kinds: &["mpls"], carries: Carries::Ethernet, wrap: mpls_ethernet },
    Tunnel { kinds: &["gtp"], carries: Carries::Ip, wrap: gtp },
    Tunnel { kinds: &["pppoe"], carries: Carries::Ip, wrap: pppoe },
    Tunnel { kinds: &["l2tp"], carries: Carries::Ip, wrap: l2tp },
    Tunnel { kinds: &["l2tp"], carries: Carries::Ethernet, wrap: l2tp_3 },
    Tunnel { kinds: &["ipip"], carries: Carries::Ip, wrap: ip_in_ip },
    Tunnel { kinds: &["gre", "vxlan"], carries: Carries::Ethernet, wrap: vxlan_in_gre },
    Tunnel { kinds: &["mpls", "gtp"], carries: Carries::Ip, wrap: gtp_in_mpls },
];

/// The one of [`TUNNELS`] with this kind that comes first.
pub fn tunnel(kind: &str) -> Tunnel {
    *TUNNELS.iter().find(|tunnel| tunnel.kinds == [kind]).expect("a kind of tunnel that is known")
}

impl Tunnel {
    /// A capture of the tunnel with this number, whose frames are this capture's.
    pub fn around(&self, capture: &Capture, number: u8) -> Capture {
        assert!(capture.is_ethernet(), "tunnels hold Ethernet or IP");
        let frames = capture.frames.iter().map(|frame| self.frame(frame, way(frame), number)).collect();
        Capture { link: capture.link, frames }
    }

    /// The same of a mirror, which sends both directions one way.
    pub fn mirror(&self, capture: &Capture) -> Capture {
        let frames = capture.frames.iter().map(|frame| self.frame(frame, Way::Up, 1)).collect();
        Capture { link: capture.link, frames }
    }

    fn frame(&self, frame: &Frame, way: Way, number: u8) -> Frame {
        let ether_type = frame.ether_type();
        let skipped = match self.carries {
            Carries::Ethernet => 0,
            Carries::Ip if ether_type == IPV4 || ether_type == IPV6 => 14,
            Carries::Ip => return frame.clone(),
        };
        let length = frame.wire_length as usize - skipped;
        let mut data = (self.wrap)(&Inner { length, ether_type, way, number });
        let wire_length = (data.len() + length) as u32;
        data.extend_from_slice(&frame.data[skipped..]);
        Frame { time_ns: frame.time_ns, data, wire_length }
    }
}

/// IPv4 Ethernet frames without options, not fragmented, in two fragments each, the later one first every other time.
pub fn fragmented(capture: &Capture) -> Capture {
    let mut frames = Vec::new();
    for (number, frame) in capture.frames.iter().enumerate() {
        let end = frame.data.len();
        if frame.ether_type() != IPV4 || !frame.is_whole() || end < 14 + 20 + 24 {
            frames.push(frame.clone());
            continue;
        }
        let cut = (end - 34) / 2 / 8 * 8;
        let part = |from: usize, to: usize, place: usize, more: u16| {
            let mut data = frame.data[..34].to_vec();
            data[18..20].copy_from_slice(&(number as u16).to_be_bytes());
            data[20..22].copy_from_slice(&(more | (place / 8) as u16).to_be_bytes());
            data[16..18].copy_from_slice(&((20 + to - from) as u16).to_be_bytes());
            data.extend_from_slice(&frame.data[from..to]);
            Frame { time_ns: frame.time_ns, wire_length: data.len() as u32, data }
        };
        let mut parts = [part(34, 34 + cut, 0, 0x2000), part(34 + cut, end, cut, 0)];
        if number % 2 == 1 {
            parts.reverse();
        }
        frames.extend(parts);
    }
    Capture { link: capture.link, frames }
}

fn way(frame: &Frame) -> Way {
    let (source, destination) = match frame.ether_type() {
        IPV4 => (26..30, 30..34),
        IPV6 => (22..38, 38..54),
        _ => return Way::Up,
    };
    let ports = match frame.ether_type() {
        IPV4 => (34..36, 36..38),
        _ => (54..56, 56..58),
    };
    let end = |address, port| (frame.data.get::<std::ops::Range<usize>>(address), frame.data.get(port));
    if end(source, ports.0) <= end(destination, ports.1) { Way::Up } else { Way::Down }
}

/// An id that the receiver chose.
fn directional(inner: &Inner) -> u8 {
    match inner.way {
        Way::Up => 40,
        Way::Down => 80,
    }
}

fn ethernet(ether_type: u16, way: Way) -> Vec<u8> {
    let mut head = vec![2, 9, 9, 9, 9, 1, 2, 9, 9, 9, 9, 2];
    if way == Way::Down {
        head.rotate_left(6);
    }
    head.extend(ether_type.to_be_bytes());
    head
}

/// With what follows up to the inner packet.
fn ip(inner: &Inner, protocol: u8, then: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + then.len() + inner.length).unwrap_or(0);
    let mut head = vec![0x45, 0];
    head.extend(length.to_be_bytes());
    head.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    let (low, high) = ([100, 66, 0, inner.number], [100, 67, 0, inner.number]);
    let (source, destination) = if inner.way == Way::Up { (low, high) } else { (high, low) };
    head.extend(source);
    head.extend(destination);
    head.extend(then);
    head
}

fn udp(inner: &Inner, port: u16, then: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + then.len() + inner.length).unwrap_or(0);
    let mut head = 50_000_u16.to_be_bytes().to_vec();
    head.extend(port.to_be_bytes());
    head.extend(length.to_be_bytes());
    head.extend([0, 0]);
    head.extend(then);
    ip(inner, 17, &head)
}

fn outside(inner: &Inner, ether_type: u16, packet: Vec<u8>) -> Vec<u8> {
    [ethernet(ether_type, inner.way), packet].concat()
}

fn vxlan(inner: &Inner) -> Vec<u8> {
    outside(inner, IPV4, udp(inner, 4789, &[8, 0, 0, 0, 0, 0, inner.number, 0]))
}

fn geneve(inner: &Inner) -> Vec<u8> {
    outside(inner, IPV4, udp(inner, 6081, &[1, 0, 0x65, 0x58, 0, 0, inner.number, 0, 1, 2, 3, 0]))
}

fn keyed_gre(inner: &Inner) -> Vec<u8> {
    outside(inner, IPV4, ip(inner, 47, &[0x20, 0, 0x65, 0x58, 0, 0, 0, inner.number]))
}

fn gre(inner: &Inner) -> Vec<u8> {
    let [high, low] = inner.ether_type.to_be_bytes();
    outside(inner, IPV4, ip(inner, 47, &[0, 0, high, low]))
}

fn erspan_1(inner: &Inner) -> Vec<u8> {
    outside(inner, IPV4, ip(inner, 47, &[0, 0, 0x88, 0xbe]))
}

fn erspan_2(inner: &Inner) -> Vec<u8> {
    let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 9, 0x10, inner.number, 0, 0, 0, 1];
    outside(inner, IPV4, ip(inner, 47, &head))
}

fn erspan_3(inner: &Inner) -> Vec<u8> {
    let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 9, 0, inner.number, 1, 2, 3, 4, 0, 0, 0, 0];
    outside(inner, IPV4, ip(inner, 47, &head))
}

fn mpls(inner: &Inner) -> Vec<u8> {
    outside(inner, 0x8847, vec![0, 1, 0, 64, 0, directional(inner), 1, 64])
}

fn mpls_ethernet(inner: &Inner) -> Vec<u8> {
    outside(inner, 0x8847, vec![0, directional(inner), 1, 64, 0, 0, 0, 0])
}

fn gtp_head(inner: &Inner) -> Vec<u8> {
    // A number that does not fit has no meaning; such frames stay as they are.
    let [high, low] = u16::try_from(inner.length + 4).unwrap_or(0).to_be_bytes();
    udp(inner, 2152, &[0x32, 255, high, low, 0, 0, 0, directional(inner), 0, 1, 0, 0])
}

fn gtp(inner: &Inner) -> Vec<u8> {
    outside(inner, IPV4, gtp_head(inner))
}

fn gtp_in_mpls(inner: &Inner) -> Vec<u8> {
    [mpls(inner), gtp_head(inner)].concat()
}

fn pppoe(inner: &Inner) -> Vec<u8> {
    let [high, low] = u16::try_from(inner.length + 2).unwrap_or(u16::MAX).to_be_bytes();
    outside(inner, 0x8864, vec![0x11, 0, 0, inner.number, high, low, 0, ppp_protocol(inner)])
}

fn l2tp(inner: &Inner) -> Vec<u8> {
    let way = directional(inner);
    outside(inner, IPV4, udp(inner, 1701, &[0, 2, 0, way, 0, way, 0xff, 3, 0, ppp_protocol(inner)]))
}

fn l2tp_3(inner: &Inner) -> Vec<u8> {
    let session = directional(inner);
    outside(inner, IPV4, ip(inner, 115, &[0, 0, 0, session, 1, 2, 3, 4, 0, 0, 0, 0]))
}

fn ppp_protocol(inner: &Inner) -> u8 {
    if inner.ether_type == IPV4 { 0x21 } else { 0x57 }
}

fn ip_in_ip(inner: &Inner) -> Vec<u8> {
    outside(inner, IPV4, ip(inner, if inner.ether_type == IPV4 { 4 } else { 41 }, &[]))
}

fn vxlan_in_gre(inner: &Inner) -> Vec<u8> {
    let inside = udp(inner, 4789, &[8, 0, 0, 0, 0, 0, inner.number, 0]);
    outside(inner, IPV4, ip(inner, 47, &[&[0, 0, 8, 0][..], &inside].concat()))
}
