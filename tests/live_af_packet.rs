// SPDX-License-Identifier: Apache-2.0
//! Packet sockets as a source: who gets which packet, tags, cut packets, drops, the loopback device, the end of an interface.

mod live_support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use live_support::{Namespace, RECEIVING, SENDING, frames, recorded};
use wirebeat::capture::af_packet::{self, AfPacketSource, Options};
use wirebeat::capture::bpf::{self, Program};
use wirebeat::capture::{Burst, Placement, Received, Source, Stray};
use wirebeat::flow::FlowKey;
use wirebeat::wire::{self, LinkType};

fn options(device: &str, workers: u16) -> Options {
    Options {
        device: device.to_string(),
        workers,
        buffer_bytes: 16 << 20,
        snap_bytes: 65_535,
        promiscuous: false,
        filter: Program::everything(),
        group: None,
        random: [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1, 0x7feb_352d],
    }
}

fn open(namespace: &Namespace, options: Options) -> Vec<AfPacketSource> {
    namespace.inside(move || af_packet::open(&options)).expect("a packet socket")
}

/// A packet that came: data, wire length, link type.
type Arrived = (Vec<u8>, u32, LinkType);

/// Takes what there is until nothing has come for a while.
fn drain(source: &mut AfPacketSource) -> Vec<Arrived> {
    drain_with(source, |_| Vec::new())
}

fn drain_with(source: &mut AfPacketSource, strays: impl Fn(&[u8]) -> Vec<u16>) -> Vec<Arrived> {
    let mut arrived = Vec::new();
    let mut quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(400) {
        let mut burst = Burst::new();
        let received = source.receive(&mut burst);
        assert!(!matches!(received, Received::Failed(_) | Received::End), "{received:?}");
        if !burst.is_empty() {
            quiet = Instant::now();
        }
        let mut leaving = Vec::new();
        for (place, packet) in burst.iter().enumerate() {
            leaving.extend(strays(packet.data).into_iter().map(|home| Stray { place: place as u8, home }));
            arrived.push((packet.data.to_vec(), packet.wire_length, packet.link));
        }
        drop(burst);
        source.release(&leaving);
    }
    arrived
}

fn key(frame: &[u8]) -> FlowKey {
    let decoded = wire::decode(LinkType::Ethernet, frame, frame.len() as u32).expect("a recorded frame");
    FlowKey::of(&decoded).expect("addresses").0
}

fn home(placement: Placement, key: &FlowKey, workers: u16) -> u16 {
    let Placement::Sums(sums) = placement else { panic!("{placement:?}") };
    sums.home(&key.low, &key.high, [key.low_port, key.high_port], workers)
}

/// A frame with a header of zeros for MAC addresses.
fn ethernet(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &ethertype.to_be_bytes()[..], packet].concat()
}

fn udp4(source: [u8; 4], destination: [u8; 4], ports: [u16; 2], options: usize) -> Vec<u8> {
    let header = 20 + options;
    let mut packet = vec![0; header + 8 + 10];
    packet[0] = 0x40 | (header / 4) as u8;
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[8..10].copy_from_slice(&[64, 17]);
    packet[12..16].copy_from_slice(&source);
    packet[16..20].copy_from_slice(&destination);
    packet[20..header].fill(1);
    packet[header..header + 2].copy_from_slice(&ports[0].to_be_bytes());
    packet[header + 2..header + 4].copy_from_slice(&ports[1].to_be_bytes());
    packet[header + 4..header + 6].copy_from_slice(&18_u16.to_be_bytes());
    packet
}

#[test]
fn the_kernel_gives_each_packet_to_its_home() {
    let Some(namespace) = Namespace::new() else { return };
    for workers in [2, 3] {
        let mut sources = open(&namespace, options(RECEIVING, workers));
        let mut sent = Vec::new();
        for capture in
            ["http/connections.pcap", "http/ipv6.pcap", "dns/types.pcap", "icmp/echo.pcap", "icmp/echo-v6.pcap"]
        {
            sent.extend(frames(&recorded(capture)));
        }
        for port in 1..200_u16 {
            let packet =
                udp4([10, 0, 0, 1], [10, 9, (port % 7) as u8, port as u8], [port * 31, 53], usize::from(port % 3) * 4);
            let answer = udp4([10, 9, (port % 7) as u8, port as u8], [10, 0, 0, 1], [53, port * 31], 0);
            sent.push(ethernet(0x0800, &packet));
            sent.push(ethernet(0x0800, &answer));
            // One tag, which the kernel takes off, and two, of which one stays in the frame.
            sent.push(ethernet(0x8100, &[&[0, 5, 8, 0][..], &packet].concat()));
            sent.push(ethernet(0x88a8, &[&[0, 5, 0x81, 0, 0, 6, 8, 0][..], &packet].concat()));
        }
        let count = sent.len();
        namespace.send(SENDING, sent);
        let mut shares = Vec::new();
        for (worker, source) in sources.iter_mut().enumerate() {
            let placement = source.placement();
            let arrived = drain(source);
            for (frame, ..) in &arrived {
                assert_eq!(home(placement, &key(frame), workers), worker as u16, "{frame:02x?}");
            }
            shares.push(arrived.len());
        }
        assert_eq!(shares.iter().sum::<usize>(), count, "{shares:?}");
        assert!(shares.iter().all(|share| share * usize::from(workers) * 10 > count * 6), "{shares:?}");
    }
}

#[test]
fn a_stray_comes_to_its_home_while_that_sleeps() {
    let Some(namespace) = Namespace::new() else { return };
    let mut sources = open(&namespace, options(RECEIVING, 2));
    let placement = sources[0].placement();
    // IP in IP: the kernel places by the outer addresses.
    let inner: Vec<Vec<u8>> =
        (0..100).map(|port| udp4([172, 16, 0, 1], [172, 16, 0, 2], [4000 + port, 53], 0)).collect();
    let sent: Vec<Vec<u8>> = inner
        .iter()
        .map(|inner| {
            let mut outer = udp4([10, 0, 0, 1], [10, 0, 0, 2], [0, 0], 0);
            outer.truncate(20);
            outer[9] = 4;
            outer[2..4].copy_from_slice(&((20 + inner.len()) as u16).to_be_bytes());
            ethernet(0x0800, &[&outer[..], inner].concat())
        })
        .collect();
    let second = sources.pop().expect("two");
    let first = sources.pop().expect("two");
    let threads: Vec<_> = [first, second]
        .into_iter()
        .zip(0..)
        .map(|(mut source, worker)| {
            std::thread::spawn(move || {
                let mut arrived = Vec::new();
                let mut quiet = Instant::now();
                while quiet.elapsed() < Duration::from_secs(1) {
                    let mut burst = Burst::new();
                    source.receive(&mut burst);
                    let mut strays = Vec::new();
                    for (place, packet) in burst.iter().enumerate() {
                        quiet = Instant::now();
                        let home = home(placement, &key(packet.data), 2);
                        match home == worker {
                            true => arrived.push(packet.data.to_vec()),
                            false => strays.push(Stray { place: place as u8, home }),
                        }
                    }
                    drop(burst);
                    source.release(&strays);
                }
                assert_eq!(source.statistics().handover_lost, 0);
                arrived
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    namespace.send(SENDING, sent.clone());
    let arrived: Vec<Vec<Vec<u8>>> = threads.into_iter().map(|thread| thread.join().expect("a worker")).collect();
    assert!(arrived.iter().all(|arrived| arrived.len() > 20), "{:?}", arrived.iter().map(Vec::len).collect::<Vec<_>>());
    let all: BTreeSet<Vec<u8>> = arrived.iter().flatten().cloned().collect();
    assert_eq!(all, sent.into_iter().collect());
}

#[test]
fn tags_are_restored_and_long_packets_cut() {
    let Some(namespace) = Namespace::new() else { return };
    let mut whole = open(&namespace, options(RECEIVING, 1)).remove(0);
    let mut cut = open(&namespace, Options { snap_bytes: 30, ..options(RECEIVING, 1) }).remove(0);
    let packet = udp4([10, 0, 0, 1], [10, 0, 0, 2], [1000, 2000], 0);
    let sent = vec![
        ethernet(0x8100, &[&[0x20, 0x64, 8, 0][..], &packet].concat()),
        ethernet(0x88a8, &[&[0, 1, 0x81, 0, 0, 2, 8, 0][..], &packet].concat()),
        ethernet(0x0800, &packet),
    ];
    namespace.send(SENDING, sent.clone());
    let arrived = drain(&mut whole);
    for ((data, wire_length, link), frame) in arrived.iter().zip(&sent) {
        assert_eq!((data, *wire_length as usize, *link), (frame, frame.len(), LinkType::Ethernet));
    }
    assert_eq!(arrived.len(), 3);
    let arrived = drain(&mut cut);
    assert_eq!((arrived[2].0.len(), arrived[2].1 as usize), (30, sent[2].len()));
    assert_eq!((&arrived[0].0[..], arrived[0].1 as usize), (&sent[0][..34], sent[0].len()));
}

#[test]
fn only_what_the_filter_lets_through_comes() {
    let Some(namespace) = Namespace::new() else { return };
    let sent: Vec<Vec<u8>> = [53, 80, 53]
        .map(|port| ethernet(0x0800, &udp4([10, 0, 0, 1], [10, 0, 0, 2], [1000, port], 0)))
        .into_iter()
        .chain([ethernet(0x8100, &[&[0, 9, 8, 0][..], &udp4([10, 0, 0, 1], [10, 0, 0, 2], [7, 53], 0)].concat())])
        .collect();
    let program = |namespace: &Namespace, filter: &'static str| {
        let ethernet = namespace.inside(move || {
            bpf::compile_for_socket(filter, bpf::DLT_ETHERNET, &[RECEIVING.to_string()]).expect("a filter")
        });
        Program::by_hardware(ethernet, bpf::compile(filter, bpf::DLT_RAW).unwrap_or_else(|_| Program::nothing()))
    };
    for (filter, count) in
        [("udp port 53", 2), ("vlan 9 and udp port 53", 1), ("ether host 02:00:00:00:00:02", 4), ("tcp", 0)]
    {
        let filtered = Options { filter: program(&namespace, filter), ..options(RECEIVING, 2) };
        let mut sources = open(&namespace, filtered);
        namespace.send(SENDING, sent.clone());
        let arrived: usize = sources.iter_mut().map(|source| drain(source).len()).sum();
        // The kernel takes the tag off, so that the filter sees the packet behind it.
        let count = if filter == "udp port 53" { count + 1 } else { count };
        assert_eq!(arrived, count, "{filter}");
    }
}

#[test]
fn what_nobody_takes_is_counted() {
    let Some(namespace) = Namespace::new() else { return };
    let mut source = open(&namespace, Options { buffer_bytes: 1, ..options(RECEIVING, 1) }).remove(0);
    let mut large = udp4([10, 0, 0, 1], [10, 0, 0, 2], [1000, 2000], 0);
    large.resize(60_000, 0);
    let sent: Vec<Vec<u8>> = (0..100).map(|_| ethernet(0x0800, &large)).collect();
    namespace.send(SENDING, sent);
    let arrived = drain(&mut source).len() as u64;
    let missed = source.statistics().missed;
    assert!(arrived > 0 && missed > 0, "{arrived} arrived, {missed} missed");
    assert_eq!(arrived + missed, 100);
    assert_eq!(source.statistics().missed, missed, "the sum does not forget");
}

#[test]
fn the_loopback_device_shows_a_packet_once_and_any_sees_all_devices() {
    let Some(namespace) = Namespace::new() else { return };
    let mut loopback = open(&namespace, options("lo", 1)).remove(0);
    let mut any = open(&namespace, options("any", 1)).remove(0);
    namespace.inside(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for _ in 0..5 {
            socket.send_to(b"hello", receiver.local_addr().expect("an address")).expect("sent");
        }
    });
    assert_eq!(drain(&mut loopback).len(), 5);
    namespace.send(SENDING, vec![ethernet(0x0800, &udp4([10, 0, 0, 1], [10, 0, 0, 2], [1, 2], 0))]);
    let arrived = drain(&mut any);
    // Five of the loopback device; one that left an interface and arrived at another.
    assert_eq!(arrived.len(), 5 + 2);
    assert!(arrived.iter().all(|(_, _, link)| *link == LinkType::Ethernet));
}

#[test]
fn a_tunnel_interface_gives_raw_ip() {
    let Some(namespace) = Namespace::new() else { return };
    namespace.command("ip", &["addr", "add", "10.1.0.1/24", "dev", "lo"]);
    let made = std::process::Command::new("ip")
        .args(["netns", "exec", &namespace.name, "ip", "tuntap", "add", "wbtun", "mode", "tun"])
        .output()
        .expect("ip is installed");
    if !made.status.success() {
        println!("skipped: no tun device here: {}", String::from_utf8_lossy(&made.stderr));
        return;
    }
    namespace.command("ip", &["link", "set", "wbtun", "up"]);
    namespace.command("ip", &["addr", "add", "10.2.0.1/24", "dev", "wbtun"]);
    let filter = Program::by_hardware(
        bpf::compile("udp port 9999", bpf::DLT_ETHERNET).expect("a filter"),
        bpf::compile("udp port 9999", bpf::DLT_RAW).expect("a filter"),
    );
    let mut source = open(&namespace, Options { filter, ..options("wbtun", 1) }).remove(0);
    namespace.inside(|| {
        let socket = std::net::UdpSocket::bind("10.2.0.1:0").expect("a socket");
        // Nobody reads the tunnel; what is sent is seen on its way all the same, or refused for want of a carrier.
        let _ = socket.send_to(b"hello", "10.2.0.2:9999");
        let _ = socket.send_to(b"hello", "10.2.0.2:9998");
    });
    let arrived = drain(&mut source);
    assert!(arrived.len() <= 1);
    for (data, _, link) in arrived {
        assert_eq!((data[0] >> 4, link), (4, LinkType::RawIp));
    }
}

#[test]
fn promiscuous_mode_ends_with_the_socket() {
    let Some(namespace) = Namespace::new() else { return };
    let promiscuity = |namespace: &Namespace| {
        let text = namespace.command("ip", &["-d", "link", "show", RECEIVING]);
        let number = text.split("promiscuity ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        number.unwrap_or_else(|| panic!("{text}"))
    };
    assert_eq!(promiscuity(&namespace), 0);
    let sources = open(&namespace, Options { promiscuous: true, ..options(RECEIVING, 1) });
    assert_eq!(promiscuity(&namespace), 1);
    drop(sources);
    assert_eq!(promiscuity(&namespace), 0);
    let sources = open(&namespace, options(RECEIVING, 1));
    assert_eq!(promiscuity(&namespace), 0);
    drop(sources);
}

#[test]
fn an_interface_that_goes_down_is_said() {
    let Some(namespace) = Namespace::new() else { return };
    let mut source = open(&namespace, options(RECEIVING, 1)).remove(0);
    namespace.command("ip", &["link", "set", RECEIVING, "down"]);
    let begin = Instant::now();
    let sentence = loop {
        let mut burst = Burst::new();
        match source.receive(&mut burst) {
            Received::Failed(sentence) => break sentence,
            _ => assert!(begin.elapsed() < Duration::from_secs(5)),
        }
    };
    assert_eq!(sentence, format!("{RECEIVING}: the interface is down or gone"));
    let down = options(RECEIVING, 1);
    let refused = namespace.inside(move || af_packet::open(&down).map(|_| ()));
    assert_eq!(refused, Err("the interface is down or gone".to_string()));
}

#[test]
fn a_shared_group_divides_the_flows_of_several_processes() {
    let Some(namespace) = Namespace::new() else { return };
    let shared = Options { group: Some(4711), ..options(RECEIVING, 1) };
    let mut sources = [open(&namespace, shared.clone()).remove(0), open(&namespace, shared).remove(0)];
    assert_eq!(sources[0].placement(), Placement::AsItCame);
    let sent = frames(&recorded("http/connections.pcap"));
    let count = sent.len();
    namespace.send(SENDING, sent);
    let keys = sources.each_mut().map(|source| {
        let arrived = drain(source);
        (arrived.len(), arrived.iter().map(|(frame, ..)| bytes(&key(frame))).collect::<BTreeSet<_>>())
    });
    assert_eq!(keys[0].0 + keys[1].0, count);
    assert!(keys[0].1.is_disjoint(&keys[1].1), "a flow's directions came to different processes");
    assert!(keys.iter().all(|(count, _)| *count > 0));
}

fn bytes(key: &FlowKey) -> Vec<u8> {
    [&key.low.octets()[..], key.high.octets(), &key.low_port.to_be_bytes(), &key.high_port.to_be_bytes()].concat()
}
