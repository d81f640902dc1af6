// SPDX-License-Identifier: Apache-2.0
//! The program on a live interface answers as it does on the capture file of the same packets.

mod live_support;

use live_support::{Finished, Namespace, RECEIVING, Running, SENDING, frames, recorded, settle};

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
    for capture in captures {
        let path = recorded(capture);
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
            assert_eq!(all, count, "{capture} through {kind} with {workers} workers");
            assert_eq!(live.summary("missed"), 0, "{capture} through {kind} with {workers} workers");
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
