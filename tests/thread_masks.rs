// SPDX-License-Identifier: Apache-2.0
//! Which cores the threads of the running program may use: workers that have a core of their own have it for themselves.

mod support;
#[path = "support/threads.rs"]
mod threads;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::project;
use threads::{Running, threads};

#[test]
fn no_thread_of_a_library_shares_a_core_with_a_worker() {
    if std::thread::available_parallelism().map_or(1, |cores| cores.get()) < 2 {
        println!("skipped: one core is for all");
        return;
    }
    for (output, library) in [
        ("output.kafka: {hosts: ['127.0.0.1:1'], topic: events}\n", "rdk:"),
        ("output.elasticsearch: {hosts: ['127.0.0.1:1']}\n", "wb-elastic"),
    ] {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let mut run = Running(start(home.path(), output));
        let begin = Instant::now();
        let threads = loop {
            let threads = threads(run.0.id());
            let has = |name: &str| threads.iter().any(|(thread, _)| thread.starts_with(name));
            // A worker pins itself when it begins to receive; before, it has the cores of its maker.
            let of = |name: &str| threads.iter().find(|(thread, _)| thread.starts_with(name)).map(|(_, cores)| cores);
            let pinned = of("worker-").is_some_and(|cores| cores.len() == 1 && Some(cores) != of("wirebeat"));
            if has(library) && has("wb-disk-queue") && has("wb-disk-sync") && pinned {
                break threads;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{library}: {threads:?}");
            assert!(run.0.try_wait().expect("a child can be waited for").is_none(), "{}", log(home.path()));
            std::thread::sleep(Duration::from_millis(20));
        };
        let (workers, others): (Vec<_>, Vec<_>) = threads.iter().partition(|(name, _)| name.starts_with("worker-"));
        let taken: BTreeSet<usize> = workers.iter().flat_map(|(_, cores)| cores.iter().copied()).collect();
        assert_eq!(workers.len(), 1, "{threads:?}");
        assert!(others.len() > 4, "{threads:?}");
        for (name, cores) in others {
            assert!(cores.is_disjoint(&taken), "{name} may run on {cores:?}, where a worker is: {threads:?}");
        }
        println!("{library} {threads:?}");
    }
}

/// A replay through a DPDK ring port, whose workers are pinned, with all that makes threads.
fn start(home: &Path, output: &str) -> Child {
    let file = home.join("wirebeat.yml");
    let text = format!(
        "packetbeat.interfaces: {{type: replay, file: {:?}}}\npacketbeat.flows.enabled: true\n\
         packetbeat.protocols: [{{type: dns, ports: [53]}}]\nwirebeat.workers: 1\n\
         wirebeat.dpdk: {{mbufs: 8191}}\nqueue.disk.max_size: 100MB\n\
         http: {{enabled: true, host: 127.0.0.1, port: 0}}\n{output}",
        project().join("tests/recorded/dns/types.pcap")
    );
    std::fs::write(&file, text).expect("a writable folder");
    Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .args(["-e", "-l0", "--strict.perms=false", "-c"])
        .arg(&file)
        .arg("--path.home")
        .arg(home)
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(home.join("log")).expect("a writable folder"))
        .spawn()
        .expect("the program starts")
}

fn log(home: &Path) -> String {
    std::fs::read_to_string(home.join("log")).unwrap_or_default()
}
