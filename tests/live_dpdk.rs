// SPDX-License-Identifier: Apache-2.0
//! DPDK's ports on interfaces of the kernel (net_af_packet), in a network namespace of the test's own: every recorded
//! capture, two ports at once, jumbo frames, promiscuous mode.

mod live_support;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use live_support::{Finished, Namespace, RECEIVING, Running, SENDING, settle, write_capture};
use support::capture::{Capture, IPV4, IPV6};
use support::{name_of, recorded};

/// Reports at the end alone: what is sent has another pace than what is read.
fn protocols() -> String {
    support::PROTOCOLS.replace("timeout: 30s", "timeout: 300s").replace("period: 10s", "period: -1s")
}

fn start(namespace: &Namespace, interfaces: &str, workers: u16, more: &str) -> Running {
    let mut running = namespace
        .start(&format!("{}packetbeat.interfaces: {interfaces}\nwirebeat.workers: {workers}\n{more}", protocols()));
    running.wait_for("capturing on");
    running
}

fn from_file(namespace: &Namespace, path: &Path) -> Finished {
    let configuration = format!("{}packetbeat.interfaces.file: {path:?}\n", protocols());
    let finished = namespace.start_with(&configuration, &["-t"]).finish();
    assert!(finished.success && !finished.events.is_empty(), "{}", finished.log);
    finished
}

#[test]
fn every_recorded_capture_gives_the_events_of_the_file() {
    let Some(namespace) = Namespace::new() else { return };
    let (fragmented, all): (Vec<Capture>, Vec<Capture>) = captures().into_iter().partition(has_fragments);
    let dpdk = format!("{{device: \"net_af_packet0,iface={RECEIVING},framecnt=8192\"}}");
    let kernel = format!("{{device: {RECEIVING}, type: af_packet, buffer_size_mb: 64}}");
    compare(&namespace, &all, &[(&dpdk, 1), (&dpdk, 2), (&kernel, 1), (&kernel, 2)], "", Finished::multiset);
    compare(&namespace, &fragmented, &[(&kernel, 1), (&kernel, 2)], "", Finished::multiset);

    // The driver has the kernel put datagrams together (PACKET_FANOUT_FLAG_DEFRAG): flows count other packets, and two
    // such sockets at once spoil each other's.
    let large = format!("{{device: \"net_af_packet0,iface={RECEIVING},framesz=32768,blocksz=32768,framecnt=512\"}}");
    let memory = "wirebeat.dpdk: {mbuf_size: 32768, mbufs: 2047}\n";
    let without_flows = |finished: &Finished| {
        let mut events = finished.multiset();
        events.retain(|event, _| !event.contains("\"type\":\"flow\""));
        events
    };
    for workers in [1, 2] {
        compare(&namespace, &fragmented, &[(&large, workers)], memory, without_flows);
    }
}

/// Sends captures to the program in each of several ways at once, and compares with what it says of the file.
fn compare(
    namespace: &Namespace,
    captures: &[Capture],
    kinds: &[(&String, u16)],
    more: &str,
    events: impl Fn(&Finished) -> BTreeMap<String, u32>,
) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let frames = captures.iter().flat_map(|capture| &capture.frames).map(|frame| frame.data.clone());
    let frames: Vec<Vec<u8>> = frames.collect();
    let path = folder.path().join("all.pcap");
    write_capture(&path, &frames);
    let expected = from_file(namespace, &path);
    assert_eq!(expected.summary("received"), frames.len() as u64);
    let running: Vec<Running> =
        kinds.iter().map(|(interface, workers)| start(namespace, interface, *workers, more)).collect();
    namespace.send_paced(SENDING, frames);
    settle();
    for (running, (interface, workers)) in running.into_iter().zip(kinds) {
        let what = format!("{interface} with {workers} workers");
        let live = running.stop();
        assert_good(&live, &what);
        assert_same(&events(&live), &events(&expected), &what);
    }
}

/// The recorded captures, as if each were of hosts of its own, so that one start does for all.
fn captures() -> Vec<Capture> {
    let mut captures = Vec::new();
    for (number, path) in recorded().iter().enumerate() {
        let Some(capture) = Capture::read(path).filter(Capture::is_ethernet) else { continue };
        assert!(number < 256, "{} has a number of its own", name_of(path));
        captures.push(capture.readdressed(|address| {
            let place = address.len() - 2;
            address[place] ^= number as u8;
        }));
    }
    assert!(captures.len() >= 50, "{} captures", captures.len());
    captures
}

/// Whether some packet of IPv4 or IPv6 is a fragment.
fn has_fragments(capture: &Capture) -> bool {
    capture.frames.iter().any(|frame| match frame.ether_type() {
        IPV4 => frame.data.get(20..22).is_some_and(|field| [field[0] & 0x3f, field[1]] != [0, 0]),
        IPV6 => frame.data.get(20) == Some(&44),
        _ => false,
    })
}

fn assert_good(finished: &Finished, what: &str) {
    assert!(finished.success && !finished.log.contains("a balance does not hold"), "{what}: {}", finished.log);
}

fn assert_same(live: &BTreeMap<String, u32>, file: &BTreeMap<String, u32>, what: &str) {
    let differs = |(event, count): (&String, &u32), other: &BTreeMap<String, u32>| {
        (other.get(event) != Some(count)).then(|| format!("{count} times {event}"))
    };
    let missing: Vec<String> = file.iter().filter_map(|entry| differs(entry, live)).collect();
    let extra: Vec<String> = live.iter().filter_map(|entry| differs(entry, file)).collect();
    let first = |list: &[String]| list.iter().take(4).cloned().collect::<Vec<_>>().join("\n  ");
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{what}: {} are missing:\n  {}\n{} are too much:\n  {}",
        missing.len(),
        first(&missing),
        extra.len(),
        first(&extra)
    );
}
