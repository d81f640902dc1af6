// SPDX-License-Identifier: Apache-2.0
//! The program on a live interface answers as it does on the capture file of the same packets.

mod live_support;

use std::path::PathBuf;

use live_support::{Finished, Namespace, RECEIVING, Running, SENDING, frames, recorded, settle, write_capture};

const PROTOCOLS: &str = "packetbeat.flows: {timeout: 300s, period: -1s}
packetbeat.protocols:
- {type: icmp}
- {type: dns, ports: [53], include_authorities: true, include_additionals: true}
- {type: http, ports: [80, 8080, 8081], send_headers: true}
- {type: mysql, ports: [3306]}
";

const KINDS: [(&str, u16); 5] = [("af_packet", 1), ("af_packet", 2), ("af_packet", 3), ("pcap", 1), ("pcap", 2)];

fn start(namespace: &Namespace, kind: &str, workers: u16, more: &str) -> Running {
    let mut running = namespace.start(&format!(
        "{PROTOCOLS}packetbeat.interfaces: {{device: {RECEIVING}, type: {kind}{more}}}\nwirebeat.workers: {workers}\n"
    ));
    running.wait_for("capturing on");
    running
}

#[test]
fn the_same_events_as_from_the_file() {
    let Some(namespace) = Namespace::new() else { return };
    let captures = [
        "dns/types.pcap",
        "dns/tcp.pcap",
        "http/connections.pcap",
        "http/ipv6.pcap",
        "http/bodies.pcap",
        "icmp/echo.pcap",
        "icmp/errors-v6.pcap",
        "mysql/node-mysql2.pcap",
    ];
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut paths: Vec<PathBuf> = captures.iter().map(|capture| recorded(capture)).collect();
    // What the kernel's steering does not follow, so that workers hand packets over.
    let dns = frames(&recorded("dns/types.pcap"));
    for (name, made) in [
        ("tunnel.pcap", dns.iter().map(|frame| in_tunnel(frame)).collect::<Vec<_>>()),
        ("fragments.pcap", dns.iter().flat_map(|frame| in_fragments(frame)).collect()),
        ("tagged.pcap", dns.iter().map(|frame| [&frame[..12], &[0x81, 0, 0, 7], &frame[12..]].concat()).collect()),
    ] {
        paths.push(folder.path().join(name));
        write_capture(&folder.path().join(name), &made);
    }
    for path in paths {
        let capture = path.display();
        let sent = frames(&path);
        let file =
            namespace.start_with(&format!("{PROTOCOLS}packetbeat.interfaces.file: {path:?}\n"), &["-t"]).finish();
        assert!(file.success && !file.events.is_empty(), "{}", file.log);
        let running: Vec<Running> = KINDS.iter().map(|(kind, workers)| start(&namespace, kind, *workers, "")).collect();
        let count = sent.len() as u64;
        namespace.send(SENDING, sent);
        settle();
        for (running, (kind, workers)) in running.into_iter().zip(KINDS) {
            let live = running.stop();
            assert!(live.success, "{}", live.log);
            assert!(!live.log.contains("a balance does not hold"), "{}", live.log);
            let all = live.summary("received") + live.summary("missed");
            assert_eq!(all, count, "{capture} through {kind} with {workers} workers: {}", live.log);
            assert_eq!(live.summary("missed"), 0, "{capture} through {kind} with {workers} workers: {}", live.log);
            assert_same(&live, &file, &format!("{capture} through {kind} with {workers} workers"));
        }
    }
}

fn assert_same(live: &Finished, file: &Finished, what: &str) {
    let (live, file) = (live.multiset(), file.multiset());
    for (event, count) in &file {
        assert_eq!(live.get(event), Some(count), "{what}: {event}");
    }
    for (event, count) in &live {
        assert_eq!(file.get(event), Some(count), "{what}: {event} is too much");
    }
}

/// An Ethernet frame with IPv4 in another IPv4 packet (RFC 2003).
fn in_tunnel(frame: &[u8]) -> Vec<u8> {
    assert_eq!(frame[12..14], [8, 0]);
    let length = (20 + frame.len() - 14) as u16;
    let mut outer = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    outer[2..4].copy_from_slice(&length.to_be_bytes());
    // Back on the same path.
    if frame[26..30] > frame[30..34] {
        outer[12..].rotate_left(4);
    }
    [&frame[..14], &outer, &frame[14..]].concat()
}

/// An Ethernet frame with IPv4 as two fragments, when there is enough in it.
fn in_fragments(frame: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(frame[12..15], [8, 0, 0x45]);
    let length = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let payload = &frame[34..14 + length];
    if payload.len() < 48 {
        return vec![frame.to_vec()];
    }
    [(0, &payload[..24], 0x2000_u16), (3, &payload[24..], 0)]
        .map(|(offset, data, more)| {
            let mut head = frame[..34].to_vec();
            head[16..18].copy_from_slice(&(20 + data.len() as u16).to_be_bytes());
            head[20..22].copy_from_slice(&(more | offset).to_be_bytes());
            [&head[..], data].concat()
        })
        .to_vec()
}
