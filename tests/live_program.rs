// SPDX-License-Identifier: Apache-2.0
//! The program's manners with live interfaces: what it says of a device, a filter or a permission that it does not get, how
//! soon it stops, what it takes while nothing happens, and what `--dump` writes.

mod live_support;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use live_support::{Namespace, RECEIVING, SENDING, frames, recorded, settle};

/// Runs the program to its end, inside a namespace or outside.
fn run(namespace: Option<&Namespace>, arguments: &[&str], configuration: &str) -> Output {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("packetbeat.yml");
    std::fs::write(&file, format!("{configuration}\noutput.console.enabled: true\n")).expect("a writable folder");
    let mut command = match namespace {
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &namespace.name, env!("CARGO_BIN_EXE_wirebeat")]);
            command
        }
        None => Command::new(env!("CARGO_BIN_EXE_wirebeat")),
    };
    command.args(arguments).args(["-e", "--strict.perms=false", "-c"]).arg(&file);
    command.arg("--path.home").arg(home.path()).output().expect("the program starts")
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_string()
}

#[test]
fn what_cannot_be_captured_is_said_in_a_sentence() {
    let Some(namespace) = Namespace::new() else { return };
    let cases = [
        ("device: eth7", "packetbeat.interfaces.device: there is no interface \"eth7\"; there are any, lo, wb"),
        ("{device: eth7, type: pcap}", "packetbeat.interfaces.device: there is no interface \"eth7\"; there are any"),
        ("device: default_route", "packetbeat.interfaces.device: default_route: there is no default route"),
        ("device: default_route_ipv5", "found \"default_route_ipv5\", expected default_route, default_route_ipv4 or"),
        ("device: 99", "packetbeat.interfaces.device: looking for device index 99, but there are only "),
        (
            "{device: lo, bpf_filter: 'tcp port'}",
            "packetbeat.interfaces.bpf_filter: \"tcp port\" is no packet filter: ",
        ),
        ("{device: lo, type: pcap, bpf_filter: 'no filter'}", "bpf_filter: \"no filter\" is no packet filter: "),
        ("{device: lo, fanout_group: 3}", "fanout_group is only valid with af_packet type"),
    ];
    for (interface, sentence) in cases {
        let configuration = match interface.strip_prefix('{') {
            Some(_) => format!("packetbeat.interfaces: {interface}"),
            None => format!("packetbeat.interfaces.{interface}"),
        };
        let output = run(Some(&namespace), &[], &configuration);
        let said = last_line(&output);
        assert_eq!(output.status.code(), Some(1), "{interface}: {said}");
        assert!(said.starts_with("Exiting: ") && said.contains(sentence), "{interface}: {said}");
        let place = "packetbeat.yml:1: ";
        assert!(said.contains(place), "{interface}: {said}");
    }
}

#[test]
fn test_config_compiles_filters_and_does_not_ask_for_the_device() {
    for (interface, status) in [
        ("{device: eth7}", 0),
        ("{device: eth7, type: pcap, bpf_filter: 'udp port 53'}", 0),
        ("{device: eth7, bpf_filter: 'port nowhere'}", 1),
        ("{device: default_route_4}", 1),
    ] {
        let output = run(None, &["test", "config"], &format!("packetbeat.interfaces: {interface}"));
        assert_eq!(output.status.code(), Some(status), "{interface}: {}", last_line(&output));
        let said = String::from_utf8_lossy(&output.stdout).contains("Config OK");
        assert_eq!(said, status == 0, "{interface}");
    }
}

#[test]
fn without_permission_it_says_what_to_do() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    // Where an ordinary user may execute it.
    let program = home.path().join("wirebeat");
    std::fs::copy(env!("CARGO_BIN_EXE_wirebeat"), &program).expect("a copy");
    for folder in [home.path(), &program] {
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder, all).expect("own file");
    }
    let is_root = rustix::process::geteuid().is_root();
    for kind in ["af_packet", "pcap"] {
        let file = home.path().join("packetbeat.yml");
        let text = format!("packetbeat.interfaces: {{device: lo, type: {kind}}}\noutput.console.enabled: true\n");
        std::fs::write(&file, text).expect("a writable folder");
        let mut command = Command::new(&program);
        command.args(["-e", "--strict.perms=false", "-c"]).arg(&file).arg("--path.home").arg(home.path());
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        let output = command.output().expect("the program starts");
        let said = last_line(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let sentence = "lo: no permission to capture packets: run as root, or give the program CAP_NET_RAW";
        assert!(said.starts_with("Exiting: ") && said.contains(sentence), "{said}");
    }
}

#[test]
fn idle_workers_cost_next_to_nothing_and_stop_at_once() {
    let Some(namespace) = Namespace::new() else { return };
    for kind in ["af_packet", "pcap"] {
        let mut running = namespace.start(&format!(
            "packetbeat.interfaces: {{device: any, type: {kind}}}\npacketbeat.flows.enabled: true\nwirebeat.workers: 2\n"
        ));
        running.wait_for("capturing on");
        std::thread::sleep(Duration::from_millis(300));
        let before = worker_ticks(running.id());
        let begin = Instant::now();
        std::thread::sleep(Duration::from_secs(2));
        let spent = worker_ticks(running.id()) - before;
        // 100 ticks a second: at most 2 % of a core for both, with the resolution of a tick each.
        assert!(spent as f64 <= begin.elapsed().as_secs_f64() * 2.0 + 2.0, "{kind}: {spent} ticks");
        let begin = Instant::now();
        let finished = running.stop();
        assert!(finished.success, "{}", finished.log);
        assert!(begin.elapsed() < Duration::from_secs(2), "{kind}: {:?}", begin.elapsed());
    }
}

/// CPU time of the threads named `worker-…`, in clock ticks.
fn worker_ticks(process: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the program runs");
    let mut ticks = 0;
    let mut workers = 0;
    for task in tasks {
        let stat = std::fs::read_to_string(task.expect("a task").path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.split_once(") ")) else { continue };
        if name.starts_with("worker-") {
            workers += 1;
            ticks += rest.split(' ').skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum::<u64>();
        }
    }
    assert_eq!(workers, 2);
    ticks
}

#[test]
fn several_interfaces_and_a_dump_of_the_first() {
    let Some(namespace) = Namespace::new() else { return };
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let prefix = home.path().join("all");
    let sent = frames(&recorded("dns/types.pcap"));
    let mut running = namespace.start_with(
        &format!(
            "packetbeat.interfaces:\n- {{device: {RECEIVING}, type: af_packet}}\n- {{device: {SENDING}, type: pcap}}\n\
             packetbeat.protocols: [{{type: dns, ports: [53]}}]\nwirebeat.workers: 2\n"
        ),
        &["--dump", prefix.to_str().expect("a path in UTF-8")],
    );
    running.wait_for(&format!("capturing on {RECEIVING} with af_packet and 2 workers: as `type` says"));
    running.wait_for(&format!("capturing on {SENDING} with libpcap and 2 workers: as `type` says"));
    namespace.send(SENDING, sent.clone());
    settle();
    let finished = running.stop();
    assert!(finished.success, "{}", finished.log);
    assert_eq!(finished.summary("received"), 2 * sent.len() as u64, "{}", finished.log);
    // What one interface sends and the other receives is two conversations, each with its events.
    let odd: Vec<_> = finished.multiset().into_iter().filter(|(_, count)| count % 2 == 1).collect();
    assert!(odd.is_empty() && !finished.events.is_empty(), "{odd:#?}");

    let dumped: Vec<_> =
        std::fs::read_dir(home.path()).expect("a folder").map(|file| file.expect("a file").path()).collect();
    assert_eq!(dumped.len(), 1, "{dumped:?}");
    let name = dumped[0].file_name().and_then(|name| name.to_str()).expect("a name");
    let digits = name.strip_prefix("all-").and_then(|name| name.strip_suffix(".pcap")).expect("a name with the time");
    assert!(digits.len() == 14 && digits.bytes().all(|digit| digit.is_ascii_digit()), "{name}");
    assert_eq!(std::fs::read(&dumped[0]).expect("the dump")[..4], 0xa1b2_3c4d_u32.to_le_bytes());
    assert_eq!(sorted(frames(&dumped[0])), sorted(sent));
}

#[test]
fn a_protocol_that_is_pinned_to_an_interface_sees_no_other() {
    let Some(namespace) = Namespace::new() else { return };
    // Both interfaces see the same packets; each has protocols of its own.
    let mut running = namespace.start(&format!(
        "packetbeat.interfaces:\n- {{device: {RECEIVING}, type: af_packet}}\n- {{device: {SENDING}, type: pcap}}\n\
         packetbeat.flows.enabled: true\n\
         packetbeat.protocols:\n\
         - {{type: dns, ports: [53], tags: [receiving], interface.device: {RECEIVING}}}\n\
         - {{type: dns, ports: [5300], tags: [sending], interface.device: {SENDING}}}\n\
         - {{type: http, ports: [80], interface.device: wbnone}}\n"
    ));
    running.wait_for("from which nothing is captured, and has no effect");
    running.wait_for(&format!("capturing on {SENDING}"));
    let sent = frames(&recorded("dns/types.pcap"));
    let count = sent.len() as u64;
    namespace.send(SENDING, sent);
    settle();
    let finished = running.stop();
    assert!(finished.success && !finished.log.contains("a balance does not hold"), "{}", finished.log);
    assert_eq!(finished.summary("received"), 2 * count, "{}", finished.log);
    let mut events = 0;
    for event in finished.events.iter().filter(|event| event["type"] == "dns") {
        assert_eq!(event["tags"], serde_json::json!(["receiving"]), "{event}");
        events += 1;
    }
    // Every query is there once, not twice.
    let names: std::collections::BTreeSet<_> =
        finished.events.iter().map(|event| format!("{}{}", event["dns"]["id"], event["source"]["port"])).collect();
    assert!(events > 10 && names.len() >= events, "{events} events: {names:?}");
}

#[test]
fn events_name_the_processes_of_the_machine() {
    let Some(namespace) = Namespace::new() else { return };
    let mut running = namespace.start(
        "packetbeat.interfaces: {device: lo, type: af_packet}\npacketbeat.flows.enabled: true\n\
         packetbeat.protocols: [{type: dns, ports: [5353]}]\n\
         packetbeat.procs: {enabled: true, monitored: [{process: tester, cmdline_grep: live_program}]}\n",
    );
    running.wait_for("capturing on lo");
    settle();
    // Both ends are sockets of this test.
    namespace.inside(|| {
        let bind = |port| std::net::UdpSocket::bind(("127.0.0.1", port)).expect("a free port");
        let (server, client) = (bind(5353), bind(0));
        let mut query =
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01".to_vec();
        client.send_to(&query, server.local_addr().expect("bound")).expect("a datagram is sent");
        std::thread::sleep(Duration::from_millis(2500));
        query[2] = 0x81;
        server.send_to(&query, client.local_addr().expect("bound")).expect("a datagram is sent");
    });
    settle();
    let finished = running.stop();
    assert!(finished.success && !finished.log.contains("a balance does not hold"), "{}", finished.log);
    for (kind, parent) in [("dns", "/process/parent/pid"), ("flow", "/process/ppid")] {
        let event = finished.events.iter().find(|event| event["type"] == kind && event["destination"]["port"] == 5353);
        let event = event.unwrap_or_else(|| panic!("no {kind}: {:#?}", finished.events));
        for place in ["/process/pid", "/source/process/pid", "/destination/process/pid"] {
            assert_eq!(event.pointer(place), Some(&std::process::id().into()), "{place}: {event:#}");
        }
        assert_eq!(event["process"]["name"], "tester", "{event:#}");
        assert!(event.pointer(parent).is_some() && event["process"]["start"].is_string(), "{event:#}");
    }
}

fn sorted(mut frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    frames.sort();
    frames
}

#[test]
fn an_interface_that_goes_away_ends_the_program() {
    let Some(namespace) = Namespace::new() else { return };
    for kind in ["af_packet", "pcap"] {
        namespace.command("ip", &["link", "add", "wbgone", "type", "veth", "peer", "name", "wbpeer"]);
        namespace.command("ip", &["link", "set", "wbpeer", "up"]);
        namespace.command("ip", &["link", "set", "wbgone", "up"]);
        let mut running = namespace.start(&format!(
            "packetbeat.interfaces: {{device: wbgone, type: {kind}}}\npacketbeat.flows.enabled: true\nwirebeat.workers: 2\n"
        ));
        running.wait_for("capturing on");
        namespace.command("ip", &["link", "del", "wbgone"]);
        let finished = running.finish();
        assert!(!finished.success, "{}", finished.log);
        let said = finished.log.lines().last().unwrap_or_default();
        assert!(said.starts_with("Exiting: wbgone: "), "{kind}: {said}");
    }
}

#[test]
fn the_default_route_is_followed() {
    let Some(namespace) = Namespace::new() else { return };
    namespace.command("ip", &["link", "add", "wbother", "type", "veth", "peer", "name", "wbfar"]);
    for (device, address) in [(RECEIVING, "10.91.0.1/24"), ("wbother", "10.92.0.1/24"), ("wbfar", "10.93.0.1/24")] {
        namespace.command("ip", &["addr", "add", address, "dev", device]);
        namespace.command("ip", &["link", "set", device, "up"]);
    }
    namespace.command("ip", &["route", "add", "default", "dev", RECEIVING]);
    for kind in ["af_packet", "pcap"] {
        namespace.command("ip", &["route", "replace", "default", "dev", RECEIVING]);
        let mut running = namespace.start(&format!(
            "packetbeat.interfaces: {{device: default_route_ipv4, type: {kind}, poll_default_route: 10ms}}\n\
             packetbeat.protocols: [{{type: dns, ports: [53]}}]\nwirebeat.workers: 2\n"
        ));
        running.wait_for(&format!("capturing on {RECEIVING}"));
        let sent = frames(&recorded("dns/types.pcap"));
        let count = sent.len() as u64;
        namespace.send(SENDING, sent.clone());
        settle();
        namespace.command("ip", &["route", "replace", "default", "dev", "wbother"]);
        running.wait_for("capturing on wbother now, wbrecv has no default route any more");
        settle();
        namespace.send("wbfar", sent.clone());
        // Nobody listens there any more.
        namespace.send(SENDING, sent);
        settle();
        let finished = running.stop();
        assert!(finished.success && !finished.log.contains("a balance does not hold"), "{}", finished.log);
        assert_eq!(finished.summary("received"), 2 * count, "{kind}: {}", finished.log);
        assert!(finished.multiset().values().all(|count| count % 2 == 0) && !finished.events.is_empty());
    }
}

#[test]
fn devices_are_listed_as_packetbeat_does() {
    let output = Command::new(env!("CARGO_BIN_EXE_wirebeat")).arg("devices").output().expect("the program starts");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    if Path::new("/sys/class/net/lo").exists() && rustix::process::geteuid().is_root() {
        assert!(text.lines().any(|line| line.contains(": lo (No description available) (127.0.0.1")), "{text}");
        assert!(text.starts_with("0: "), "{text}");
    }
}
