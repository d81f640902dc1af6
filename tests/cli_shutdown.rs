// SPDX-License-Identifier: Apache-2.0
//! How a run that is asked to end treats an output that does not answer (`packetbeat.shutdown_timeout`).

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::project;

/// Nobody listens there.
const ABSENT: &str = "output.elasticsearch: {hosts: ['127.0.0.1:1'], backoff: {init: 50ms, max: 100ms}}\n\
                      logging.to_stderr: true\n";

#[test]
fn a_stop_waits_for_an_absent_output_as_long_as_it_may() {
    let (took, log) = stopped_after("packetbeat.shutdown_timeout: 1s\n", "-l1", 1);
    assert!((900..10_000).contains(&took.as_millis()), "{took:?}: {log}");
    assert!(!log.contains("a balance does not hold"), "{log}");
}

#[test]
fn a_second_request_ends_it_at_once() {
    let (took, log) = stopped_after("", "-l1", 2);
    assert!(took < Duration::from_secs(15), "{took:?}: {log}");
    assert!(!log.contains("a balance does not hold"), "{log}");
}

#[test]
fn workers_that_wait_for_room_are_ended_too() {
    // For ever, into an output that takes nothing: all chunks are full soon.
    let settings = "packetbeat.shutdown_timeout: 500ms\nwirebeat.chunks: {count: 2, size: 16KiB}\n";
    let (took, log) = stopped_after(settings, "-l0", 1);
    assert!((400..10_000).contains(&took.as_millis()), "{took:?}: {log}");
    assert!(!log.contains("a balance does not hold"), "{log}");
    assert!(log.contains(" received, "), "{log}");
}

/// Replays a capture, interrupts the run so many times and answers how long it took to end, and its log.
fn stopped_after(settings: &str, loops: &str, interrupts: usize) -> (Duration, String) {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("wirebeat.yml");
    let text = format!(
        "{settings}{ABSENT}packetbeat.flows.enabled: true\npacketbeat.protocols: [{{type: dns, ports: [53]}}]\n"
    );
    std::fs::write(&file, text).expect("a writable folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .args(["-t", loops, "--strict.perms=false", "-I"])
        .arg(project().join("tests/recorded/dns/types.pcap"))
        .arg("-c")
        .arg(&file)
        .arg("--path.home")
        .arg(home.path())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut text = String::new();
    while !text.contains("waiting for http://127.0.0.1:1") {
        assert!(log.read_line(&mut text).expect("a log of text") > 0, "it ended by itself: {text}");
    }
    // Long enough for the capture to be read.
    std::thread::sleep(Duration::from_millis(700));
    let begin = Instant::now();
    for _ in 0..interrupts {
        interrupt(&child);
        std::thread::sleep(Duration::from_millis(300));
    }
    log.read_to_string(&mut text).expect("a log of text");
    child.wait().expect("a child can be waited for");
    (begin.elapsed(), text)
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id() as i32).expect("a process has a number");
    // It may have ended already.
    let _ = kill_process(pid, Signal::INT);
}
