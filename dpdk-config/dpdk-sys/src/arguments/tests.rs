// SPDX-License-Identifier: Apache-2.0
use std::fs;

use super::*;

#[test]
fn memory_without_huge_pages_never_goes_with_in_memory() {
    let list = EalArguments::new("wirebeat").memory(Memory::OrdinaryPages { megabytes: 256 }).no_pci().list();
    assert_eq!(list, ["wirebeat", "--no-telemetry", "--no-huge", "--no-shconf", "-m", "256", "--no-pci"]);
    let list = EalArguments::new("wirebeat").memory(Memory::HugePages { megabytes: None }).list();
    assert_eq!(list, ["wirebeat", "--no-telemetry", "--in-memory"]);
}

#[test]
fn the_users_lcores_win_over_the_main_mask() {
    let arguments = EalArguments::new("wirebeat").main_cpus(CpuSet::from_iter([0, 1, 2, 5]));
    assert_eq!(arguments.list()[2..], ["--lcores", "0@(0-2,5)"]);
    for users in [vec!["--lcores", "0@0,1@0"], vec!["--lcores=0@0"], vec!["-l", "0"], vec!["-l0-1"], vec!["-c", "3"]] {
        let list = arguments.clone().extra(users.clone()).list();
        assert_eq!(list[2..], users);
    }
    assert_eq!(arguments.extra(["--log-level=debug"]).list().len(), 5);
}

#[test]
fn free_huge_pages_are_summed_over_their_sizes() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(huge_pages_free_below(directory.path()), 0);
    for (name, free) in
        [("hugepages-2048kB", "3\n"), ("hugepages-1048576kB", "1\n"), ("other", "9\n"), ("hugepages-xkB", "1")]
    {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("free_hugepages"), free).unwrap();
    }
    assert_eq!(huge_pages_free_below(directory.path()), 3 * 2048 * 1024 + 1024 * 1024 * 1024);
    assert_eq!(huge_pages_free_below(&directory.path().join("absent")), 0);
}
