// SPDX-License-Identifier: Apache-2.0
//! What the program does with the machine: `wirebeat.cpus`, read back from every thread's mask, and the commands that look at it.

mod support;
#[path = "support/threads.rs"]
mod threads;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::sched_getaffinity;
use support::program::Program;
use threads::{Running, threads};

#[test]
fn workers_have_their_cpus_to_themselves() {
    let mask = sched_getaffinity(None).expect("a process has a mask");
    let cpus: Vec<usize> = (0..1024).filter(|cpu| mask.is_set(*cpu)).collect();
    let [.., other, own] = cpus[..] else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "this needs two CPUs");
        println!("skipped: one CPU");
        return;
    };
    // Outputs whose libraries have threads, with nobody there.
    let outputs = [
        ("rdk:", "output.kafka: {hosts: ['127.0.0.1:1'], topic: t}"),
        ("wb-elastic", "output.elasticsearch: {hosts: ['127.0.0.1:1']}"),
    ];
    for (library, output) in outputs {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let file = home.path().join("wirebeat.yml");
        let text = format!(
            "packetbeat.interfaces.device: net_null0\npacketbeat.flows.enabled: true\nwirebeat: {{workers: 1, cpus: [{own}]}}\n{output}\n"
        );
        std::fs::write(&file, text).expect("a writable folder");
        let child = Command::new(env!("CARGO_BIN_EXE_wirebeat"))
            .args(["-e", "--strict.perms=false", "-c"])
            .arg(&file)
            .arg("--path.home")
            .arg(home.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let running = Running(child);
        let threads = threads_with(running.0.id(), &["worker-0", library]);
        for (name, allowed) in &threads {
            match name.starts_with("worker-") {
                true => assert_eq!(*allowed, BTreeSet::from([own]), "{threads:?}"),
                false => assert!(
                    !allowed.contains(&own) && allowed.contains(&other),
                    "{name} is on {allowed:?}: {threads:?}"
                ),
            }
        }
    }
}

#[test]
fn cpus_that_are_not_there_are_refused() {
    for (cpus, sentence) in [
        ("[100000]", "found \"100000\"; accepted are numbers of CPUs and ranges such as 2-5"),
        ("a-b", "found \"a-b\"; accepted are numbers"),
        ("[1023]", "CPU 1023 is not online, or not allowed to this process"),
    ] {
        let outcome = Program::new(&format!("wirebeat.cpus: {cpus}\n"))
            .arguments(&["test", "config"])
            .run("output.console: {}\n");
        assert_eq!(outcome.code, Some(1), "{cpus}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(sentence) && outcome.stderr.contains("wirebeat.yml:1"), "{}", outcome.stderr);
    }
}

#[test]
fn preflight_says_what_is_missing_and_changes_nothing() {
    let absent = "packetbeat.interfaces.device: 'ffff:1f:1f.7'\n";
    let outcome = Program::new(absent).arguments(&["preflight"]).run("output.console: {}\n");
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    let line = outcome.stdout.lines().find(|line| line.contains("NIC ffff:1f:1f.7")).unwrap_or_default();
    assert!(line.starts_with("failure ") && line.ends_with("not on this machine's PCI bus"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("Exiting: this machine is not ready: "), "{}", outcome.stderr);

    let json = Program::new(absent).arguments(&["preflight", "--format", "json"]).run("output.console: {}\n");
    let findings: serde_json::Value = serde_json::from_str(&json.stdout).expect("it prints JSON");
    let subjects = findings.as_array().expect("an array").iter().filter_map(|finding| finding["subject"].as_str());
    let subjects: Vec<&str> = subjects.collect();
    for subject in ["DPDK", "CPU", "cores", "isolated cores", "clock", "huge pages", "IOMMU", "driver", "permissions"] {
        assert!(subjects.contains(&subject), "{subject}: {subjects:?}");
    }
    for command in [&["bind", "ffff:1f:1f.7"][..], &["unbind", "eth-none"], &["preflight", "--apply", "--dry-run"]] {
        let refused = Program::new(absent).arguments(command).run("output.console: {}\n");
        assert_eq!(refused.code, Some(1), "{command:?}: {}", refused.stdout);
        assert!(refused.stderr.contains("is no PCI network device"), "{command:?}: {}", refused.stderr);
    }
    let undone = Program::new(absent).arguments(&["preflight", "--undo"]).run("output.console: {}\n");
    assert_eq!((undone.code, undone.stdout.as_str()), (Some(0), "nothing is to be taken back\n"), "{}", undone.stderr);
}

/// The threads of a program, once those with these names are there.
fn threads_with(process: u32, wanted: &[&str]) -> Vec<(String, BTreeSet<usize>)> {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let found = threads(process);
        if wanted.iter().all(|name| found.iter().any(|(thread, _)| thread.starts_with(name))) {
            // Whatever starts beside them.
            std::thread::sleep(Duration::from_millis(300));
            return threads(process);
        }
        assert!(Instant::now() < limit, "{wanted:?} of {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
