// SPDX-License-Identifier: Apache-2.0
//! Several ports of DPDK in one run, frames in several buffers, and memory that is short. Needs neither root nor huge pages.

mod support;
#[path = "support/totals.rs"]
mod totals;

use std::path::{Path, PathBuf};

use support::capture::{Capture, ETHERNET, Frame, Unit};
use support::events::{Flows, difference, normalised};
use support::jumbo;
use support::program::{Outcome, Program};
use support::project;

/// Conversations of several kinds, with fragments and IPv6 among them.
const CAPTURES: &[&str] = &[
    "dns/tcp.pcap",
    "dns/types.pcap",
    "express/users.pcap",
    "http/connections.pcap",
    "icmp/echo-v6.pcap",
    "mysql/statements.pcap",
    "nfs/v3.pcap",
    "redis/pipeline.pcap",
];

#[test]
fn two_directions_of_a_tap_meet() {
    let folder = folder();
    for name in CAPTURES {
        let capture = capture(name);
        let ports = [folder.path().join("one.pcap"), folder.path().join("other.pcap")];
        let sent = |frame: &Frame| frame.data.get(6..12) == capture.frames[0].data.get(6..12);
        let (one, other): (Vec<Frame>, Vec<Frame>) = capture.frames.iter().cloned().partition(sent);
        for (frames, path) in [one, other].into_iter().zip(&ports) {
            let half = Capture { link: ETHERNET, frames };
            assert!(!half.frames.is_empty() && half.frames.len() < capture.frames.len(), "{name} has two directions");
            half.write(path, Unit::Microseconds);
        }
        let expected = from_file(&capture, folder.path());
        for workers in 1..=3 {
            let what = format!("{name} through two ports to {workers} workers");
            let found = through(&ports, "", workers, "");
            found.assert_good(&what);
            same(&expected, &found, &what);
            let of_ports = [0, 1].map(|port| metric(&found, &format!("ports.net_pcap{port}.received")));
            assert!(of_ports.iter().all(|received| *received > 0), "{what}: {of_ports:?}");
            assert_eq!(of_ports.iter().sum::<u64>(), metric(&found, "packets.received"), "{what}: {}", found.stderr);
            assert_eq!(of_ports.iter().sum::<u64>(), capture.frames.len() as u64, "{what}");
        }
    }
}

#[test]
fn each_port_has_its_own_filter() {
    let folder = folder();
    let mixed = capture("dns/types.pcap").merged(&capture("mysql/statements.pcap"));
    let expected = from_file(&mixed, folder.path());
    let path = folder.path().join("all.pcap");
    for workers in [1, 2] {
        let interfaces = format!(
            "packetbeat.interfaces:\n- {{device: \"net_pcap0,rx_pcap={0}\", bpf_filter: udp}}\n- {{device: \"net_pcap1,rx_pcap={0}\", bpf_filter: tcp}}\n",
            path.display()
        );
        let found = run(&interfaces, workers, "");
        found.assert_good("filtered ports");
        same(&expected, &found, &format!("filtered ports to {workers} workers"));
        assert_eq!(metric(&found, "packets.filtered"), mixed.frames.len() as u64, "{}", found.stderr);
        assert_eq!(metric(&found, "packets.received"), 2 * mixed.frames.len() as u64, "{}", found.stderr);
    }
}

#[test]
fn what_cannot_go_together_is_said_in_a_sentence() {
    let folder = folder();
    let path = folder.path().join("dns.pcap");
    capture("dns/types.pcap").write(&path, Unit::Microseconds);
    let device = format!("net_pcap0,rx_pcap={}", path.display());
    for (other, sentence) in [
        ("{device: \"net_pcap0,iface=lo\"}", "are the same port of DPDK; virtual devices of one driver are numbered"),
        (
            "{device: lo}",
            "lo cannot be captured beside an interface of DPDK; give it the device net_af_packet0,iface=lo",
        ),
        ("{type: pcap}", "any cannot be captured beside an interface of DPDK"),
        ("{file: x.pcap}", "the file x.pcap cannot be captured beside an interface of DPDK; give it the type replay"),
        ("{type: dpdk}", "a DPDK interface needs a device"),
    ] {
        let outcome = run(&format!("packetbeat.interfaces:\n- {{device: \"{device}\"}}\n- {other}\n"), 1, "");
        let said = outcome.stderr.lines().last().unwrap_or_default();
        assert_eq!(outcome.code, Some(1), "{other}: {said}");
        assert!(said.starts_with("Exiting: ") && said.contains(sentence), "{other}: {said}");
        assert!(said.contains("wirebeat.yml:"), "{other}: {said}");
    }
}

#[test]
fn jumbo_frames_in_several_buffers() {
    let folder = folder();
    let time = |place: usize| 1_700_000_000_000_000_000 + place as i64 * 1_000_000;
    let frames = (jumbo::frames().into_iter().enumerate()).map(|(place, data)| Frame {
        time_ns: time(place),
        wire_length: data.len() as u32,
        data,
    });
    let capture = Capture { link: ETHERNET, frames: frames.collect() };
    let expected = from_file(&capture, folder.path());
    for kind in ["http", "dns", "icmp", "flow"] {
        assert!(expected.events.iter().any(|event| event["type"] == kind), "{kind}: {}", expected.stderr);
    }
    let path = folder.path().join("all.pcap");
    let replay = format!("packetbeat.interfaces: {{type: replay, file: {path:?}}}\n");
    for buffer_bytes in [128, 1000, 2048, 9014] {
        let larger = capture.frames.iter().filter(|frame| frame.data.len() > buffer_bytes);
        let larger: Vec<&Frame> = larger.collect();
        // Headers are in the first buffer: only what is no stream is put in one piece.
        let in_one_piece = larger.iter().filter(|frame| frame.segment().is_none()).count() as u64;
        let memory = format!("wirebeat.dpdk.mbuf_size: {buffer_bytes}\n");
        for workers in [1, 2] {
            for (source, found) in [
                ("net_pcap", through(std::slice::from_ref(&path), "", workers, &memory)),
                ("net_ring", run(&replay, workers, &memory)),
            ] {
                let what = format!("{source}, {buffer_bytes} bytes a buffer, {workers} workers");
                found.assert_good(&what);
                same(&expected, &found, &what);
                assert_eq!(metric(&found, "packets.received"), capture.frames.len() as u64, "{what}");
                assert_eq!(metric(&found, "packets.in_several_buffers"), larger.len() as u64, "{what}");
                assert_eq!(metric(&found, "packets.linearised"), in_one_piece, "{what}: {}", found.stderr);
            }
        }
    }
}

#[test]
fn recorded_frames_in_small_buffers() {
    let folder = folder();
    for name in CAPTURES {
        let capture = capture(name);
        let expected = from_file(&capture, folder.path());
        // Less than the headers of TCP over IPv6 with options, and a part of any message.
        let found = through(&[folder.path().join("all.pcap")], "", 2, "wirebeat.dpdk.mbuf_size: 128\n");
        found.assert_good(name);
        same(&expected, &found, name);
        assert!(metric(&found, "packets.in_several_buffers") > 0, "{name}: {}", found.stderr);
    }
}

#[test]
fn too_little_memory_is_said_in_a_sentence() {
    let folder = folder();
    let path = folder.path().join("dns.pcap");
    capture("dns/types.pcap").write(&path, Unit::Microseconds);
    // Without huge pages, and with them where there are some, the pool is larger than what EAL was given.
    let outcome = through(std::slice::from_ref(&path), "", 1, "wirebeat.dpdk: {mbufs: 200000, memory_mb: 64}\n");
    let said = outcome.stderr.lines().last().unwrap_or_default();
    assert_eq!(outcome.code, Some(1), "{said}");
    assert!(said.starts_with("Exiting: a pool of 200000 packet buffers of 2048 bytes does not fit into"), "{said}");
    let remedies = ["set wirebeat.dpdk.memory_mb higher", "reserve more (vm.nr_hugepages)"];
    assert!(said.contains("set wirebeat.dpdk.mbufs lower or "), "{said}");
    assert!(remedies.iter().any(|remedy| said.ends_with(remedy)), "{said}");

    // Huge pages that are asked for and are not there.
    let arguments = "wirebeat.dpdk: {mbufs: 8000000, eal_arguments: [--in-memory]}\n";
    let outcome = through(&[path], "", 1, arguments);
    let said = outcome.stderr.lines().last().unwrap_or_default();
    assert_eq!(outcome.code, Some(1), "{said}");
    assert!(said.starts_with("Exiting: wirebeat.dpdk.eal_arguments: --in-memory needs "), "{said}");
    assert!(said.contains("MB of free huge pages, this machine has") && said.contains("vm.nr_hugepages"), "{said}");
}

/// How much memory a pool needs is not the user's to work out.
#[test]
fn every_size_of_pool_and_buffer_fits_into_the_memory_asked_for() {
    let folder = folder();
    let path = folder.path().join("dns.pcap");
    capture("dns/types.pcap").write(&path, Unit::Microseconds);
    for (mbufs, buffer_bytes) in [(60_000, 128), (50_000, 1000), (50_000, 2048), (20_000, 4000), (8_000, 16_384)] {
        let memory = format!("wirebeat.dpdk: {{mbufs: {mbufs}, mbuf_size: {buffer_bytes}}}\n");
        let found = through(std::slice::from_ref(&path), "", 1, &memory);
        found.assert_good(&memory);
    }
}

#[test]
fn an_ordinary_user_needs_no_huge_pages() {
    const NOBODY: u32 = 65_534;
    let home = tempfile::tempdir_in("/tmp").expect("a temporary folder can be made");
    let path = home.path().join("dns.pcap");
    let capture = capture("dns/types.pcap");
    let expected = from_file(&capture, home.path());
    capture.write(&path, Unit::Microseconds);
    let interfaces = format!("packetbeat.interfaces.device: \"net_pcap0,rx_pcap={}\"\n", path.display());
    let configuration = format!("{}wirebeat.workers: 2\n{interfaces}", support::PROTOCOLS);
    let mut program = Program::new(&configuration).arguments(&["-e", "-t"]);
    if rustix::process::geteuid().is_root() {
        // Where an ordinary user may execute and read it.
        let copy = home.path().join("wirebeat");
        std::fs::copy(env!("CARGO_BIN_EXE_wirebeat"), &copy).expect("a copy");
        for file in [home.path(), &copy, &path] {
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(file, all).expect("own file");
        }
        let user = format!("--reuid={NOBODY}");
        let words = ["setpriv", &user, "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
        program = program.owned_by(NOBODY).through(&words).executing(&copy);
    }
    let found = program.run_into_file();
    found.assert_good("as an ordinary user");
    same(&expected, &found, "as an ordinary user");
}

#[test]
fn the_list_of_devices_has_the_virtual_ones_of_the_configuration() {
    let folder = folder();
    let path = folder.path().join("dns.pcap");
    capture("dns/types.pcap").write(&path, Unit::Microseconds);
    let devices = [
        (
            format!("net_pcap0,rx_pcap={0},rx_pcap={0}", path.display()),
            "driver net_pcap, 2 receive queues, ready for DPDK) (",
        ),
        (
            "net_pcap1,rx_pcap=/absent.pcap".to_string(),
            "not usable: device net_pcap1,rx_pcap=/absent.pcap cannot be attached",
        ),
        ("net_tap0,iface=wbtap7".to_string(), "a virtual device of DPDK)"),
    ];
    let list: String = devices.iter().map(|(device, _)| format!("- {{device: \"{device}\"}}\n")).collect();
    let configuration = format!("packetbeat.interfaces:\n{list}");
    let outcome = Program::new(&configuration).arguments(&["devices"]).run("output.console.enabled: true\n");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.starts_with("0: "), "{}", outcome.stdout);
    for (device, shown) in &devices {
        let line = outcome.stdout.lines().find(|line| line.starts_with(device.as_str()));
        assert!(line.is_some_and(|line| line.contains(shown)), "{device}: {}", outcome.stdout);
    }
    assert!(!Path::new("/sys/class/net/wbtap7").exists(), "looking makes no interface");
}

fn capture(name: &str) -> Capture {
    let path = project().join("tests/recorded").join(name);
    Capture::read(&path).unwrap_or_else(|| panic!("{name} is no pcap file"))
}

/// The events of a capture file; it stays in the folder as `all.pcap`, with the microseconds that the driver knows.
fn from_file(capture: &Capture, folder: &Path) -> Outcome {
    let path = folder.join("all.pcap");
    capture.write(&path, Unit::Microseconds);
    let configuration = format!("{}wirebeat.workers: 1\n", support::PROTOCOLS);
    let outcome = Program::new(&configuration).arguments(&["-e", "-t", "-I"]).argument(&path).run_into_file();
    outcome.assert_good("-I");
    assert!(!outcome.events.is_empty(), "{}", outcome.stderr);
    outcome
}

/// Runs with a net_pcap port a file.
fn through(files: &[PathBuf], device_arguments: &str, workers: u16, more: &str) -> Outcome {
    let mut interfaces = "packetbeat.interfaces:\n".to_string();
    for (number, path) in files.iter().enumerate() {
        let device = format!("net_pcap{number},rx_pcap={}{device_arguments}", path.display());
        interfaces.push_str(&format!("- {{type: dpdk, device: \"{device}\"}}\n"));
    }
    run(&interfaces, workers, more)
}

fn run(interfaces: &str, workers: u16, more: &str) -> Outcome {
    let configuration = format!("{}wirebeat.workers: {workers}\n{interfaces}{more}", support::PROTOCOLS);
    Program::new(&configuration).arguments(&["-e", "-t"]).run_into_file()
}

fn same(expected: &Outcome, found: &Outcome, what: &str) {
    let [expected, found] = [expected, found].map(|outcome| normalised(&outcome.events, Flows::Kept, &[]));
    if let Some(difference) = difference(&expected, &found) {
        panic!("{what}: {difference}");
    }
}

/// A counter at the end of a run.
fn metric(outcome: &Outcome, name: &str) -> u64 {
    totals::metric(&outcome.stderr, name)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}
