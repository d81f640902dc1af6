// SPDX-License-Identifier: Apache-2.0
//! Conversations in frames of 9,000 bytes: HTTP over TCP, DNS over UDP, and ICMP.

/// Ethernet's header and a payload of so many bytes make a jumbo frame.
const PACKET_BYTES: usize = 9_000;

/// The frames, in order.
pub fn frames() -> Vec<Vec<u8>> {
    let mut frames = http();
    frames.extend(dns());
    frames.extend([8, 0].map(|kind| {
        let mut message = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 1];
        message.resize(PACKET_BYTES - 20, b'p');
        ipv4(if kind == 8 { Way::There } else { Way::Back }, 1, &message)
    }));
    frames
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// A POST of 20,000 bytes and its answer of as many.
fn http() -> Vec<Vec<u8>> {
    let body = |letter: u8| vec![letter; 20_000];
    let request =
        [b"POST /jumbo HTTP/1.1\r\nHost: jumbo.test\r\nContent-Length: 20000\r\n\r\n", &body(b'q')[..]].concat();
    let response = [b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", &body(b'a')[..]].concat();
    let mut next = [1_000_u32, 7_000];
    let mut frames = Vec::new();
    let mut segment = |way: Way, flags: u8, data: &[u8]| {
        let (own, other) = if way == Way::There { (0, 1) } else { (1, 0) };
        let ports: [u16; 2] = if way == Way::There { [40_000, 80] } else { [80, 40_000] };
        let mut tcp: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        tcp.extend(next[own].to_be_bytes());
        tcp.extend(next[other].to_be_bytes());
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(data);
        next[own] += data.len() as u32 + u32::from(flags & 3 != 0);
        frames.push(ipv4(way, 6, &tcp));
    };
    const ACK: u8 = 0x10;
    segment(Way::There, 2, &[]);
    segment(Way::Back, 2 | ACK, &[]);
    request.chunks(PACKET_BYTES - 40).for_each(|data| segment(Way::There, ACK, data));
    response.chunks(PACKET_BYTES - 40).for_each(|data| segment(Way::Back, ACK, data));
    segment(Way::There, 1 | ACK, &[]);
    segment(Way::Back, 1 | ACK, &[]);
    segment(Way::There, ACK, &[]);
    frames
}

/// A query for texts and an answer with as many as fit.
fn dns() -> Vec<Vec<u8>> {
    let texts = (PACKET_BYTES - 20 - 8 - 12 - 20) / 268;
    let head = |flags: u16, answers: u16| -> Vec<u8> {
        [0x4a4a, flags, 1, answers, 0, 0].iter().flat_map(|field: &u16| field.to_be_bytes()).collect()
    };
    let question = b"\x05jumbo\x04test\x00\x00\x10\x00\x01";
    let mut answer = [&head(0x8180, texts as u16)[..], question].concat();
    for text in 0..texts {
        answer.extend(b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x01\x00\xff");
        answer.extend([b'a' + text as u8 % 26; 255]);
    }
    let datagram = |way: Way, data: &[u8]| {
        let ports: [u16; 2] = if way == Way::There { [40_001, 53] } else { [53, 40_001] };
        let mut udp: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        udp.extend((8 + data.len() as u16).to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(data);
        ipv4(way, 17, &udp)
    };
    vec![datagram(Way::There, &[&head(0x0100, 0)[..], question].concat()), datagram(Way::Back, &answer)]
}

fn ipv4(way: Way, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut ends: [(u8, [u8; 6]); 2] = [(1, [2, 0, 0, 0, 0, 1]), (2, [2, 0, 0, 0, 0, 2])];
    if way == Way::Back {
        ends.swap(0, 1);
    }
    let [(from, from_mac), (to, to_mac)] = ends;
    let mut frame = [&to_mac[..], &from_mac, &[8, 0, 0x45, 0]].concat();
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 198, 51, 100, from, 198, 51, 100, to]);
    frame.extend(payload);
    assert!(frame.len() <= 14 + PACKET_BYTES);
    frame
}
