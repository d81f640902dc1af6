// SPDX-License-Identifier: Apache-2.0
//! EAL on huge pages (`--in-memory`). Skipped, with a line that says so, where none are free.

use std::fs;

use dpdk_sys::{
    Burst, Eal, EalArguments, EalLog, Memory, Mempool, MempoolConfiguration, MempoolHandler, huge_pages_free,
};

#[test]
fn eal_runs_on_huge_pages() {
    if huge_pages_free() < 64 * 1024 * 1024 {
        println!("skipped: less than 64 MB of huge pages are free");
        return;
    }
    assert_eq!(Memory::detect(64), Memory::HugePages { megabytes: None });
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("eal.log");
    let arguments = EalArguments::new("dpdk-sys-test").memory(Memory::detect(64)).no_pci().extra(["--lcores", "0@0"]);
    let eal = Eal::init(&arguments.list(), EalLog::Descriptor(fs::File::create(&log).unwrap().into()));
    let eal = eal.unwrap_or_else(|error| panic!("{error}\n{}", fs::read_to_string(&log).unwrap()));
    assert!(eal.has_huge_pages());
    let handler = MempoolHandler::Default;
    let configuration =
        MempoolConfiguration { name: "huge", count: 1023, cache: 32, data_bytes: 2048, socket: Some(0), handler };
    let pool = Mempool::create(&eal, &configuration).unwrap();
    let mut burst = Burst::new();
    assert!(pool.allocate_burst(&mut burst));
    burst.clear();
    assert_eq!(pool.in_use(), 0);
    // SAFETY: all mbufs of this test are freed.
    unsafe { eal.cleanup() }.unwrap();
}
