// SPDX-License-Identifier: Apache-2.0
//! More lcores and workers than CPUs, and devices named on EAL's command line.

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{log_path, pool, start_eal, udp_frame, write_capture};
use dpdk_sys::thread::{CpuSet, spawn_worker};
use dpdk_sys::{Burst, Port, PortConfiguration};

/// Workers that share this machine's CPUs.
const WORKERS: u16 = 6;

#[test]
fn more_workers_than_cpus_share_a_pool() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("one.pcap");
    write_capture(&capture, &[udp_frame(1, 10)]);
    let cpus: Vec<usize> = CpuSet::of_current_thread().unwrap().iter().collect();
    let (first, last) = (cpus[0], cpus[cpus.len() - 1]);
    let lcores = format!("0@{first},1@{first},2@{last}");
    let device = format!("--vdev=net_pcap0,rx_pcap={}", capture.display());
    let eal = start_eal(directory.path(), &["--lcores", &lcores, &device, "--vdev=net_null0"]);

    let found: Vec<_> =
        eal.lcores().into_iter().map(|lcore| (lcore.id, lcore.cpus.to_string(), lcore.is_main)).collect();
    assert_eq!(found, [(0, first.to_string(), true), (1, first.to_string(), false), (2, last.to_string(), false)]);

    let names: Vec<_> = eal.ports().into_iter().map(|port| (port.name, port.driver)).collect();
    assert!(names.contains(&("net_pcap0".to_owned(), "net_pcap".to_owned())), "{names:?}");
    assert!(names.contains(&("net_null0".to_owned(), "net_null".to_owned())), "{names:?}");

    // Each worker polls a queue of net_null, whose packets come from and go to one pool.
    let packets = pool(&eal, "shared", 4095, 256);
    let mut port = Port::open(&eal, "net_null0").unwrap();
    port.configure(&PortConfiguration::new(WORKERS), &[packets]).unwrap();
    let (queues, tx_queues) = port.start().unwrap();
    drop(tx_queues);
    let running = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = queues
        .into_iter()
        .map(|mut queue| {
            let mask = eal.lcores()[usize::from(queue.index()) % 3].cpus.clone();
            let running = Arc::clone(&running);
            spawn_worker(&eal, &format!("worker-{}", queue.index()), &mask.clone(), move |lcore| {
                running.fetch_add(1, Ordering::Relaxed);
                while running.load(Ordering::Relaxed) < u32::from(WORKERS) {
                    std::thread::yield_now();
                }
                let mut burst = Burst::new();
                for _ in 0..20_000 {
                    queue.receive(&mut burst);
                    burst.clear();
                }
                assert_eq!(CpuSet::of_current_thread().unwrap(), mask);
                let status = fs::read_to_string("/proc/thread-self/status").unwrap();
                let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
                assert_ne!(u64::from_str_radix(blocked, 16).unwrap() & (1 << (libc::SIGINT - 1)), 0);
                lcore
            })
            .unwrap()
        })
        .collect();
    let mut lcores: Vec<u32> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    lcores.sort_unstable();
    // EAL has 0 to 2.
    assert_eq!(lcores, (3..3 + u32::from(WORKERS)).collect::<Vec<_>>());
    assert_eq!(port.statistics().unwrap().ipackets, u64::from(WORKERS) * 20_000 * 32);
    port.close().unwrap();
    assert_eq!(packets.in_use(), 0);

    // A panic stays in its worker, whose lcore id is free afterwards.
    let worker = spawn_worker(&eal, "panics", &CpuSet::of_current_thread().unwrap(), |_| panic!("on purpose")).unwrap();
    assert!(worker.join().is_err_and(|payload| payload.downcast_ref() == Some(&"on purpose")));
    let again = spawn_worker(&eal, "again", &CpuSet::of_current_thread().unwrap(), |lcore| lcore).unwrap();
    assert_eq!(again.join().unwrap(), 3);

    // Nothing above the level asked for went to the log.
    let log = fs::read_to_string(log_path(directory.path())).unwrap();
    assert!(!log.contains("EAL: Detected"), "{log}");
    // SAFETY: all mbufs, bursts and workers of this test are done.
    unsafe { eal.cleanup() }.unwrap();
}
