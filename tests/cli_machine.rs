// SPDX-License-Identifier: Apache-2.0
//! What the program does with the machine: `wirebeat.cpus`, read back from every thread's mask, and the commands that look at it.

mod support;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::sched_getaffinity;
use support::program::Program;

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
        let threads = running.threads(&["worker-0", library]);
        for (name, allowed) in &threads {
            match name.starts_with("worker-") {
                true => assert_eq!(*allowed, own.to_string(), "{threads:?}"),
                false => assert!(!on(allowed, own) && on(allowed, other), "{name} is on {allowed}: {threads:?}"),
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

    let json = Program::new(absent).arguments(&["preflight", "--json"]).run("output.console: {}\n");
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

struct Running(Child);

impl Running {
    /// Names and masks of all threads, once those with these names are there.
    fn threads(&self, wanted: &[&str]) -> BTreeMap<String, String> {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let threads = self.read();
            if wanted.iter().all(|name| threads.keys().any(|thread| thread.starts_with(name))) {
                // Whatever starts beside them.
                std::thread::sleep(Duration::from_millis(300));
                return self.read();
            }
            assert!(Instant::now() < limit, "{wanted:?} of {threads:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn read(&self) -> BTreeMap<String, String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).into_iter().flatten().flatten();
        let read = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            let value = |key: &str| Some(status.lines().find_map(|line| line.strip_prefix(key))?.trim().to_owned());
            Some((format!("{} {}", value("Name:")?, value("Pid:")?), value("Cpus_allowed_list:")?))
        };
        tasks.filter_map(read).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id() as i32) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Whether a list such as `0-3,8` names a CPU.
fn on(list: &str, cpu: usize) -> bool {
    wirebeat::preflight::machine::cpu_list(list).contains(&cpu)
}
