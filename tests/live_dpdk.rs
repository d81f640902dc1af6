// SPDX-License-Identifier: Apache-2.0
//! DPDK's ports on interfaces of the kernel (net_af_packet), in a network namespace of the test's own: every recorded
//! capture, two ports at once, jumbo frames, promiscuous mode.

mod live_support;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use live_support::{Finished, Namespace, RECEIVING, Running, SENDING, frames, settle, write_capture};
use support::capture::{Capture, IPV4, IPV6};
use support::{jumbo, name_of, recorded};

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

#[test]
fn two_directions_on_two_ports_meet() {
    let Some(namespace) = Namespace::new() else { return };
    const OTHER: [&str; 2] = ["wbsend1", "wbrecv1"];
    namespace.command("ip", &["link", "add", OTHER[0], "type", "veth", "peer", "name", OTHER[1]]);
    OTHER.iter().for_each(|device| drop(namespace.command("ip", &["link", "set", device, "up"])));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("all.pcap");
    // Conversations of which one end may say everything first, so that the order of the ports is no matter.
    let capture = |name: &str| frames(&live_support::recorded(name));
    let all = [capture("dns/types.pcap"), capture("redis/pipeline.pcap"), capture("dns/tcp.pcap")].concat();
    write_capture(&path, &all);
    let expected = from_file(&namespace, &path);
    let interfaces = format!(
        "[{{device: \"net_af_packet0,iface={RECEIVING}\"}}, {{device: \"net_af_packet1,iface={}\"}}]",
        OTHER[1]
    );
    for workers in [1, 2] {
        let running = start(&namespace, &interfaces, workers, "");
        let client = all[0][6..12].to_vec();
        let (there, back): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|frame| frame[6..12] == client);
        assert!(!there.is_empty() && !back.is_empty());
        let sent = [there.len() as u64, back.len() as u64];
        namespace.send(SENDING, there);
        settle();
        namespace.send(OTHER[0], back);
        settle();
        let live = running.stop();
        let what = format!("two ports and {workers} workers");
        assert_good(&live, &what);
        assert_same(&live.multiset(), &expected.multiset(), &what);
        let received = [0, 1].map(|port| live.metric(&format!("ports.net_af_packet{port}.received")));
        assert_eq!(received, sent, "{what}: {}", live.log);
    }
}

#[test]
fn jumbo_frames_on_a_large_interface() {
    let Some(namespace) = Namespace::new() else { return };
    for device in [SENDING, RECEIVING] {
        namespace.command("ip", &["link", "set", device, "mtu", "9000"]);
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("jumbo.pcap");
    write_capture(&path, &jumbo::frames());
    let expected = from_file(&namespace, &path);
    let device = format!("net_af_packet0,iface={RECEIVING}");
    // What the warning about the driver's usual slots asks for.
    let cut = start(&namespace, &format!("{{device: \"{device}\"}}"), 1, "").stop();
    let sentence = "the interface's MTU is 9000 bytes, and the driver cuts frames over 1982 bytes; give the device framesz=16384,blocksz=16384 and set wirebeat.dpdk.mbuf_size: 16384";
    assert!(cut.log.contains(sentence), "{}", cut.log);
    for workers in [1, 2] {
        let interface = format!("{{device: \"{device},framesz=16384,blocksz=16384\"}}");
        let running = start(&namespace, &interface, workers, "wirebeat.dpdk.mbuf_size: 16384\n");
        namespace.send(SENDING, jumbo::frames());
        settle();
        let live = running.stop();
        let what = format!("jumbo frames with {workers} workers");
        assert_good(&live, &what);
        assert!(!live.log.contains("the driver cuts frames"), "{}", live.log);
        assert_eq!(live.summary("received"), jumbo::frames().len() as u64, "{}", live.log);
        assert_same(&live.multiset(), &expected.multiset(), &what);
    }
}

/// A veth has no filter for addresses, a bridge has: it takes what is for other stations only when it is promiscuous.
#[test]
fn promiscuous_mode_is_as_configured() {
    let Some(namespace) = Namespace::new() else { return };
    const BRIDGE: &str = "wbbridge";
    namespace.command("ip", &["link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0"]);
    namespace.command("ip", &["link", "set", RECEIVING, "master", BRIDGE]);
    namespace.command("ip", &["link", "set", BRIDGE, "address", "02:00:00:00:00:0b", "up"]);
    let query = frames(&live_support::recorded("dns/types.pcap"))[0].clone();
    let to = |last: u8| [&[2, 0, 0, 0, 0, last], &query[6..]].concat();
    let (foreign, own) = (vec![to(0xf); 20], vec![to(0xb); 10]);
    let is_promiscuous = |device: &str| namespace.command("ip", &["link", "show", device]).contains("PROMISC");
    // Addresses, the setting, whether it is so, how many packets come.
    let cases = [(BRIDGE, "", true, 30), (BRIDGE, "true", true, 30), (BRIDGE, "false", false, 10)];
    for (device, setting, promiscuous, count) in cases.into_iter().chain([(RECEIVING, "false", false, 30)]) {
        if device == RECEIVING {
            namespace.command("ip", &["link", "set", RECEIVING, "nomaster"]);
        }
        let option = if setting.is_empty() { String::new() } else { format!(", auto_promisc_mode: {setting}") };
        let interface = format!("{{device: \"net_af_packet0,iface={device}\"{option}}}");
        let running = start(&namespace, &interface, 1, "");
        assert_eq!(is_promiscuous(device), promiscuous, "{interface}");
        // What the bridge answers of its own accord is no matter.
        namespace.send(SENDING, [foreign.clone(), own.clone()].concat());
        settle();
        let live = running.stop();
        assert_good(&live, &interface);
        assert_eq!(live.summary("received"), count, "{interface}: {}", live.log);
        assert!(!is_promiscuous(device), "{interface}: it is left as it was found");
    }
    // What its owner made promiscuous stays so.
    namespace.command("ip", &["link", "set", RECEIVING, "promisc", "on"]);
    let interface = format!("{{device: \"net_af_packet0,iface={RECEIVING}\"}}");
    assert_good(&start(&namespace, &interface, 1, "").stop(), &interface);
    assert!(is_promiscuous(RECEIVING));
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
