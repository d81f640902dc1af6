// SPDX-License-Identifier: Apache-2.0
//! A network namespace with a pair of virtual Ethernet interfaces, a sender of recorded packets, and runs of the program in it.
#![allow(dead_code)] // Each test program uses a part.

#[path = "../support/totals.rs"]
mod totals;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value as Json;
use wirebeat::capture::file::{FileSource, Pace};
use wirebeat::capture::{Burst, Received, Source};

/// Where packets are sent, and where they arrive.
pub const SENDING: &str = "wbsend";
pub const RECEIVING: &str = "wbrecv";

/// A namespace of this test alone; it goes with the value.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    /// None without the privilege, which is a failure in CI.
    pub fn new() -> Option<Namespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "live tests must run as root in CI");
            println!("skipped: live capture needs root");
            return None;
        }
        let name = format!("wb{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        let namespace = Namespace { name };
        // The kernel's own IPv6 messages would be packets that nobody recorded.
        namespace.command("sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
        namespace.command("sysctl", &["-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
        namespace.command("ip", &["link", "add", SENDING, "type", "veth", "peer", "name", RECEIVING]);
        for device in ["lo", SENDING, RECEIVING] {
            let mtu = if device == "lo" { "65536" } else { "65535" };
            namespace.command("ip", &["link", "set", device, "mtu", mtu, "up"]);
        }
        Some(namespace)
    }

    /// Runs a command inside, which must succeed; answers what it prints.
    pub fn command(&self, program: &str, arguments: &[&str]) -> String {
        ip(&[&["netns", "exec", &self.name, program], arguments].concat())
    }

    /// Runs `work` on a thread inside.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let file = File::open(Path::new("/run/netns").join(&self.name)).expect("the namespace has a file");
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
                .expect("root may enter a namespace");
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Sends frames on an interface.
    pub fn send(&self, device: &'static str, frames: Vec<Vec<u8>>) {
        self.inside(move || {
            let handle = pcap::Capture::from_device(device).and_then(|handle| handle.open());
            let mut handle = handle.expect("an interface can be opened");
            for frame in frames {
                handle.sendpacket(&frame[..]).expect("a frame can be sent");
            }
        });
    }

    /// Sends many frames on an interface, no faster than a busy machine takes them.
    pub fn send_paced(&self, device: &'static str, frames: Vec<Vec<u8>>) {
        for burst in frames.chunks(1000) {
            self.send(device, burst.to_vec());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts the program in here.
    pub fn start(&self, configuration: &str) -> Running {
        self.start_with(configuration, &[])
    }

    /// The same with more flags.
    pub fn start_with(&self, configuration: &str, flags: &[&str]) -> Running {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let file = home.path().join("packetbeat.yml");
        let output = home.path().join("out");
        let text =
            format!("{configuration}\noutput.file: {{path: {output:?}, filename: events, rotate_every_kb: 1000000}}\n");
        std::fs::write(&file, text).expect("the temporary folder is writable");
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name, env!("CARGO_BIN_EXE_wirebeat"), "-e", "--strict.perms=false", "-c"])
            .arg(&file)
            .arg("--path.home")
            .arg(home.path())
            .args(flags)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        Running { child, log, home, output, lines: Vec::new() }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("ip is installed");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The program at work.
pub struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    home: tempfile::TempDir,
    output: PathBuf,
    lines: Vec<String>,
}

/// What a run left behind.
pub struct Finished {
    pub events: Vec<Json>,
    pub log: String,
    pub success: bool,
}

impl Running {
    /// Waits for a line of the log.
    pub fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while self.log.read_line(&mut line).expect("the log is text") > 0 {
            let found = line.contains(words);
            self.lines.push(std::mem::take(&mut line));
            if found {
                return;
            }
        }
        panic!("no {words:?} in the log:\n{}", self.lines.concat());
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(killed.expect("kill is installed").success());
    }

    /// Asks it to end.
    pub fn stop(self) -> Finished {
        self.signal("INT");
        self.finish()
    }

    /// Waits until it has ended.
    pub fn finish(mut self) -> Finished {
        for line in (&mut self.log).lines() {
            self.lines.push(line.expect("the log is text") + "\n");
        }
        let status = self.child.wait().expect("a child can be waited for");
        let mut events = Vec::new();
        for file in std::fs::read_dir(&self.output).into_iter().flatten() {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("events are text");
            events.extend(text.lines().map(|line| serde_json::from_str::<Json>(line).expect("an event is JSON")));
        }
        // The folder goes with the value.
        Finished { events, log: self.lines.concat(), success: status.success() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// A number of the summary line, such as `received`.
    pub fn summary(&self, name: &str) -> u64 {
        let before = self.log.split("packets: ").last().and_then(|line| line.split(&format!(" {name}")).next());
        let number = before.and_then(|before| before.rsplit(' ').next()).and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no {name} in the log:\n{}", self.log))
    }

    /// A counter at the end, such as `ports.net_pcap0.received`.
    pub fn metric(&self, name: &str) -> u64 {
        totals::metric(&self.log, name)
    }

    /// The events and how often each came, without what differs from run to run: times and the sensor's own fields.
    pub fn multiset(&self) -> BTreeMap<String, u32> {
        let mut events = BTreeMap::new();
        for event in &self.events {
            let mut event = event.clone();
            let fields = event.as_object_mut().expect("an event is a map");
            for field in ["@timestamp", "@metadata", "agent", "host", "ecs"] {
                fields.remove(field);
            }
            if let Some(fields) = event["event"].as_object_mut() {
                for field in ["start", "end", "duration"] {
                    fields.remove(field);
                }
            }
            if let Some(flow) = event["flow"].as_object_mut() {
                flow.remove("id");
            }
            *events.entry(event.to_string()).or_default() += 1;
        }
        events
    }
}

/// The frames of a capture file.
pub fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut source = FileSource::open(path, Pace::TopSpeed, 1).expect("a capture file");
    let mut frames = Vec::new();
    loop {
        let mut burst = Burst::new();
        let received = source.receive(&mut burst);
        frames.extend(burst.iter().map(|packet| packet.data.to_vec()));
        drop(burst);
        source.release(&[]);
        match received {
            Received::End => return frames,
            Received::Failed(sentence) => panic!("{}: {sentence}", path.display()),
            Received::Packets | Received::Idle => {}
        }
    }
}

/// Writes frames as a capture file, a millisecond apart.
pub fn write_capture(path: &Path, frames: &[Vec<u8>]) {
    let mut file = Vec::new();
    for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(number.to_le_bytes());
    }
    for (place, frame) in (0_u32..).zip(frames) {
        for number in [1_700_000_000 + place / 1000, place % 1000 * 1000, frame.len() as u32, frame.len() as u32] {
            file.extend(number.to_le_bytes());
        }
        file.extend(frame);
    }
    std::fs::write(path, file).expect("the temporary folder is writable");
}

/// A file below `tests/recorded`.
pub fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(name)
}

/// Lets packets arrive and be analysed; long, because the machine may be busy with other tests.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(1500));
}
