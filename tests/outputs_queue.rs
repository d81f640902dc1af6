// SPDX-License-Identifier: Apache-2.0
//! The disk queue of the real program: killed at any moment, on a full disk, with an absent output, in two processes.
//!
//! Events have ids of worker, number and start (`wirebeat.event_id`), so that what is missing or came twice is seen.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value as Json;
use support::project;
use tempfile::TempDir;
use wirebeat::event::chunk::Chunk;
use wirebeat::outputs::queue::DiskOptions;
use wirebeat::outputs::queue::store::Store;

const KILLS: usize = 20;

#[test]
fn killed_at_any_moment_it_delivers_all_that_reached_the_disk() {
    let home = Home::new();
    let settings = "queue.disk: {max_size: 2GB, segment_size: 2MB}\nwirebeat.chunks: {size: 16KiB, age: 1ms}\n";
    let mut seen = BTreeSet::new();
    for kill in 0..KILLS {
        // Every second run has an output that takes nothing.
        let output = if kill % 2 == 0 { home.file_output() } else { ABSENT.to_string() };
        let mut run = home.start(&format!("{settings}{output}"), &["-l0"], &[]);
        std::thread::sleep(Duration::from_millis(fastrand::u64(100..1500)));
        run.child.kill().expect("an own child can be ended");
        run.child.wait().expect("a child can be waited for");
        seen.extend(on_disk(&home.queue()));
    }
    let last = home.start(&format!("{settings}{}", home.file_output()), &["-l1"], &[]).wait();
    assert!(last.status_is_good(), "{}", last.log);
    assert!(!last.log.contains("a balance does not hold"), "{}", last.log);
    let arrived = home.arrived();
    let unique: BTreeSet<&String> = arrived.iter().collect();
    let missing: Vec<&String> = seen.iter().filter(|id| !unique.contains(id)).collect();
    assert!(missing.is_empty(), "{} events of {} on the disk never came: {missing:?}", missing.len(), seen.len());
    let mut starts: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for id in &unique {
        let mut parts = id.split('-');
        let mut part = || parts.next().expect("an id has three parts").to_string();
        let (start, worker, number) = (part(), part(), part());
        starts.entry((start, worker)).or_default().push(number.parse().expect("a number"));
    }
    for (start, mut numbers) in starts.clone() {
        numbers.sort_unstable();
        let gapless = numbers.iter().enumerate().all(|(place, number)| place as u64 == *number);
        assert!(gapless, "{start:?}: not all of 0..{:?}", numbers.last());
    }
    assert!(starts.len() > KILLS / 2 && !seen.is_empty(), "{} starts, {} on the disk", starts.len(), seen.len());
    println!(
        "{KILLS} kills: {} events arrived of {} starts and workers, {} twice, none of {} that a kill left on the disk is missing",
        unique.len(),
        starts.len(),
        arrived.len() - unique.len(),
        seen.len()
    );
}

#[test]
fn a_stop_leaves_what_an_absent_output_does_not_take_and_the_next_run_sends_it() {
    let home = Home::new();
    let settings = "queue.disk.max_size: 100MB\n";
    let run = home.start(&format!("{settings}{ABSENT}"), &["-l1"], &[]);
    std::thread::sleep(Duration::from_secs(3));
    let begin = Instant::now();
    run.signal(Signal::INT);
    let stopped = run.wait();
    assert!(stopped.status_is_good() && begin.elapsed() < Duration::from_secs(15), "{}", stopped.log);
    let metrics = stopped.metrics();
    let left = number(&metrics, "/libbeat/pipeline/queue/filled/events");
    assert!(left > 10, "{metrics:#}");
    assert_eq!(number(&metrics, "/wirebeat/queue/disk/written"), left);
    assert_eq!(number(&metrics, "/libbeat/pipeline/queue/max_bytes"), 100_000_000);
    assert!(metrics["libbeat"]["pipeline"]["queue"]["filled"]["pct"].as_f64() > Some(0.0), "{metrics:#}");
    assert!(stopped.log.contains(&format!("{left} left on the disk")), "{}", stopped.log);
    let waiting = on_disk(&home.queue());
    assert_eq!(waiting.len() as u64, left);

    let next = home.start(&format!("{settings}{}", home.file_output()), &["-l1"], &[]).wait();
    assert!(next.status_is_good(), "{}", next.log);
    assert_eq!(number(&next.metrics(), "/wirebeat/queue/disk/recovered"), left);
    let arrived = home.arrived();
    assert_eq!(arrived[..waiting.len()], waiting, "in their order, before those of the next run");
    assert_eq!(arrived.len(), 2 * waiting.len());
}

#[test]
fn a_full_disk_drops_by_name_or_waits_and_ends_well() {
    if !geteuid().is_root() {
        println!("skipped: a small disk can be mounted by root alone");
        return;
    }
    for overload in ["drop_newest", "drop_oldest", "wait"] {
        let home = Home::new();
        std::fs::create_dir_all(home.queue()).expect("a writable folder");
        let queue = home.queue().display().to_string();
        let mount = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=6m tmpfs \"$0\" && exec \"$@\"", &queue];
        let settings = format!(
            "queue.disk: {{max_size: 100MB, segment_size: 1MB, retry_interval: 10ms, max_retry_interval: 50ms}}\n\
             wirebeat.queue.overload: {overload}\npacketbeat.shutdown_timeout: 2s\n{ABSENT}"
        );
        let run = home.start(&settings, &["-l0"], &mount);
        std::thread::sleep(Duration::from_secs(6));
        let alive = run.high_water_bytes();
        run.signal(Signal::INT);
        let stopped = run.wait();
        assert!(stopped.status_is_good(), "{overload}: {}", stopped.log);
        assert!(!stopped.log.contains("a balance does not hold"), "{overload}: {}", stopped.log);
        let metrics = stopped.metrics();
        let dropped = number(&metrics, "/wirebeat/output/dropped/disk_queue_full");
        assert_eq!(dropped > 0, overload == "drop_newest", "{overload}: {}", stopped.log);
        let oldest = number(&metrics, "/wirebeat/output/dropped/disk_queue_oldest");
        assert_eq!(oldest > 0, overload == "drop_oldest", "{overload}: {}", stopped.log);
        assert!(number(&metrics, "/wirebeat/queue/disk/bytes") <= 6 << 20, "{overload}: {metrics:#}");
        assert!(number(&metrics, "/wirebeat/queue/disk/write_errors") > 0, "{overload}: {metrics:#}");
        println!("{overload}: {dropped} newest and {oldest} oldest dropped, {} MB of memory at most", alive >> 20);
    }
}

#[test]
fn memory_stays_bounded_while_the_output_is_absent() {
    let bounds = "wirebeat.chunks: {size: 64KiB, count: 16}\nwirebeat.workers: 2\n";
    let mut peaks = Vec::new();
    for (queue, loops) in [
        ("queue.mem.events: 100\n", "-l1"),
        ("queue.mem.events: 100\nwirebeat.queue.overload: drop_newest\n", "-l0"),
        ("queue.disk: {max_size: 20MB}\nwirebeat.queue: {overload: drop_oldest, max_bytes: 1MB}\n", "-l0"),
        ("queue.disk: {max_size: 20MB}\nwirebeat.queue: {overload: spool, max_bytes: 1MB}\n", "-l0"),
    ] {
        let home = Home::new();
        let run = home.start(&format!("{bounds}{queue}packetbeat.shutdown_timeout: 1s\n{ABSENT}"), &[loops], &[]);
        std::thread::sleep(Duration::from_secs(4));
        let peak = run.high_water_bytes();
        run.signal(Signal::INT);
        let stopped = run.wait();
        assert!(stopped.status_is_good(), "{queue}: {}", stopped.log);
        assert!(!stopped.log.contains("a balance does not hold"), "{queue}: {}", stopped.log);
        let metrics = stopped.metrics();
        assert!(number(&metrics, "/wirebeat/queue/disk/bytes") <= 20_000_000, "{queue}: {metrics:#}");
        if queue.starts_with("queue.mem") && loops == "-l0" {
            assert!(number(&metrics, "/wirebeat/output/dropped/queue_full") > 0, "{queue}: {metrics:#}");
            assert_eq!(number(&metrics, "/libbeat/pipeline/queue/max_events"), 100);
        }
        peaks.push((queue, peak >> 20));
    }
    println!("MB of memory at most: {peaks:?}");
    // One pass of the capture is what the program itself takes; the rest is the queue's.
    let base = peaks[0].1;
    assert!(peaks.iter().all(|(_, peak)| *peak <= base + 48), "{peaks:?}");
}

#[test]
fn one_folder_is_for_one_process() {
    let home = Home::new();
    let settings = format!("queue.disk.max_size: 100MB\npacketbeat.shutdown_timeout: 1s\n{ABSENT}");
    let first = home.start(&settings, &["-l0"], &[]);
    let begin = Instant::now();
    while !home.queue().join("lock").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it makes no queue");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(100));
    let second = home.start(&settings, &["-l1"], &[]).wait();
    assert_eq!(second.code, Some(1), "{}", second.log);
    assert!(second.log.contains("is in use by another process"), "{}", second.log);
    first.signal(Signal::INT);
    assert!(first.wait().status_is_good());
}

/// Nobody listens there.
const ABSENT: &str = "output.kafka: {hosts: ['127.0.0.1:1'], topic: events, backoff: {init: 50ms, max: 100ms}}\n";

/// A folder with a queue and a file of events.
struct Home {
    folder: TempDir,
}

struct Run {
    child: Child,
    log: PathBuf,
}

struct Ended {
    code: Option<i32>,
    log: String,
}

impl Home {
    fn new() -> Home {
        Home { folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    fn queue(&self) -> PathBuf {
        self.folder.path().join("data/diskqueue")
    }

    fn file_output(&self) -> String {
        format!(
            "output.file: {{path: {}, filename: events, rotate_every_kb: 10000000, rotate_on_startup: false}}\n",
            self.folder.path().join("out").display()
        )
    }

    fn start(&self, settings: &str, arguments: &[&str], wrapper: &[&str]) -> Run {
        let file = self.folder.path().join("wirebeat.yml");
        let text = format!(
            "packetbeat.flows.enabled: true\npacketbeat.protocols: [{{type: dns, ports: [53]}}]\n\
             wirebeat.event_id: true\nwirebeat.flows.max: 4096\n{settings}"
        );
        std::fs::write(&file, text).expect("a writable folder");
        let log = self.folder.path().join(format!("log-{}", fastrand::u64(..)));
        let words: Vec<&str> = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_wirebeat")]).collect();
        let child = Command::new(words[0])
            .args(&words[1..])
            .args(["-e", "-t", "--strict.perms=false", "-I"])
            .arg(project().join("tests/recorded/dns/types.pcap"))
            .args(arguments)
            .arg("-c")
            .arg(&file)
            .arg("--path.home")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a writable folder"))
            .spawn()
            .expect("the program starts");
        Run { child, log }
    }

    /// Ids of the events in the file, in their order.
    fn arrived(&self) -> Vec<String> {
        let folder = self.folder.path().join("out");
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(folder).expect("it was made") {
            let text = std::fs::read_to_string(entry.expect("a folder can be read").path()).expect("events are text");
            for line in text.lines() {
                let event: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                ids.push(event["@metadata"]["_id"].as_str().expect("every event has an id").to_string());
            }
        }
        ids
    }
}

impl Run {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process has a number");
        kill_process(pid, signal).expect("an own child");
    }

    /// The most memory that it has had so far.
    fn high_water_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1024
    }

    fn wait(mut self) -> Ended {
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if begin.elapsed() > Duration::from_secs(120) => {
                    self.child.kill().expect("an own child can be ended");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let log = std::fs::read(&self.log).expect("it was made");
        Ended { code: status.code(), log: String::from_utf8_lossy(&log).into_owned() }
    }
}

impl Ended {
    fn status_is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// The last numbers in the log.
    fn metrics(&self) -> Json {
        let messages = self.log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let mut found = messages.filter_map(|record| {
            let message = record["message"].as_str()?.strip_prefix("Total metrics: ")?.to_string();
            serde_json::from_str(&message).ok()
        });
        found.next_back().unwrap_or_else(|| panic!("no numbers in the log: {}", self.log))
    }
}

fn number(metrics: &Json, path: &str) -> u64 {
    metrics.pointer(path).and_then(Json::as_u64).unwrap_or(0)
}

/// Ids of the events that wait on the disk, in their order. Nothing is changed.
fn on_disk(folder: &Path) -> Vec<String> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let mut store = Store::open(&DiskOptions::new(folder.to_owned(), 1 << 40)).expect("the queue can be opened");
    let mut chunk = Chunk::new(0, 0);
    let mut ids = Vec::new();
    while store.read(&mut chunk).expect("the queue can be read") {
        let of = |event: &wirebeat::event::chunk::EncodedEvent| chunk.bytes(event.id).to_vec();
        ids.extend(chunk.events().iter().map(|event| String::from_utf8(of(event)).expect("ids are text")));
    }
    assert_eq!(store.counters.corrupt + store.counters.corrupt_records, 0, "{:?}", store.counters);
    ids
}
