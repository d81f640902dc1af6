// SPDX-License-Identifier: Apache-2.0
//! The disk queue, written and read back at the same time, against what `dd` writes into the same folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use wirebeat::event::chunk::{Chunk, EncodedEvent, SealedChunk};
use wirebeat::outputs::discard::DiscardSink;
use wirebeat::outputs::queue::{DiskOptions, Queue, QueueOptions, Source, Supply};
use wirebeat::outputs::shipper::{Shipper, ShipperOptions};

const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS: usize = 64;
const EVENT_BYTES: usize = 1000;
const GOAL: f64 = 0.7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let value = |name: &str| arguments.iter().position(|word| word == name).and_then(|place| arguments.get(place + 1));
    let megabytes: u64 = value("--megabytes").map_or(1000, |text| text.parse().expect("a number of megabytes"));
    let rounds: usize = value("--rounds").map_or(5, |text| text.parse().expect("a number of rounds"));
    let folder = value("--folder").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("the folder can be written");
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let dd = dd(folder.path(), megabytes);
        let (queue, cpu) = queue(folder.path(), megabytes * 1_000_000);
        println!(
            "dd {dd:6.0} MB/s   disk queue {queue:6.0} MB/s   ratio {:.2}   {cpu:.2} s CPU a GB, all threads",
            queue / dd
        );
        ratios.push(queue / dd);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!("median ratio {median:.2} (goal {GOAL})");
    if arguments.iter().any(|word| word == "--goal") && median < GOAL {
        std::process::exit(1);
    }
}

/// MB/s of `dd` with all on the disk at the end.
fn dd(folder: &Path, megabytes: u64) -> f64 {
    let file = folder.join("dd");
    let begin = Instant::now();
    let status = Command::new("dd")
        .args(["if=/dev/zero", "bs=1000000", "conv=fdatasync", "status=none", &format!("count={megabytes}")])
        .arg(format!("of={}", file.display()))
        .status();
    let took = begin.elapsed();
    assert!(status.is_ok_and(|status| status.success()), "dd fails");
    std::fs::remove_file(file).expect("it was made");
    megabytes as f64 / took.as_secs_f64()
}

/// MB/s of events through the disk queue to a sink that discards them, from the first to the last acknowledgement and with
/// all on the disk; and CPU seconds a GB.
fn queue(folder: &Path, bytes: u64) -> (f64, f64) {
    let disk = DiskOptions::new(folder.join("queue"), 10_000_000_000);
    let options = QueueOptions { disk: Some(disk), ..QueueOptions::default() };
    let mut queue = Queue::open(&options, None).expect("the folder can be written");
    queue.begin(Source::Patient, (CHUNKS * CHUNK_BYTES) as u64);
    let mut shipper = Shipper::new(Box::new(DiscardSink::default()), ShipperOptions::default());
    let pool = Arc::new(ArrayQueue::new(CHUNKS));
    for _ in 0..CHUNKS {
        let _ = pool.push(Chunk::new(0, CHUNK_BYTES));
    }
    let body = vec![b'x'; EVENT_BYTES];
    let (cpu, begin) = (cpu_seconds(), Instant::now());
    let mut given = 0u64;
    while given < bytes || !(queue.is_idle() && shipper.is_idle()) {
        let mut busy = queue.turn(&mut shipper);
        while given < bytes && queue.has_room() {
            let Some(mut chunk) = pool.pop() else { break };
            busy = true;
            while chunk.free_bytes() > EVENT_BYTES {
                let start = chunk.used_bytes();
                chunk.buffer().extend_from_slice(&body);
                let body = chunk.span_since(start);
                chunk.finish(EncodedEvent { body, ..EncodedEvent::default() });
                given += EVENT_BYTES as u64;
            }
            let supply = Supply { empty: pool.len(), chunks: CHUNKS };
            queue.take(SealedChunk::new(chunk, Arc::clone(&pool)), supply, &mut shipper);
        }
        busy |= !shipper.turn(begin.elapsed().as_nanos() as i64).is_idle();
        if !busy {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let rest = queue.close(&mut shipper, "closed");
    let (took, cpu) = (begin.elapsed(), cpu_seconds() - cpu);
    assert_eq!((rest.left, shipper.counters().acknowledged), (0, given / EVENT_BYTES as u64));
    std::fs::remove_dir_all(folder.join("queue")).expect("it was made");
    (given as f64 / 1e6 / took.as_secs_f64(), cpu / (given as f64 / 1e9))
}

/// CPU time of all threads of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let numbers = stat.rsplit(')').next().unwrap_or_default().split(' ');
    // The 12th and 13th number behind the name are clock ticks, a hundred a second (proc(5)).
    numbers.skip(12).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0)).sum::<f64>() / 100.0
}
