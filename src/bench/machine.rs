// SPDX-License-Identifier: Apache-2.0
//! What the kernel says of this process and of the machine. Limit: a value that cannot be read is 0 or empty.

use serde_json::{Value as Json, json};

/// Memory of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    pub bytes: u64,
    pub peak_bytes: u64,
    pub huge_page_bytes: u64,
}

impl Resident {
    pub fn now() -> Resident {
        let text = read("/proc/self/status");
        let kilobytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or(0) * 1024
        };
        Resident {
            bytes: kilobytes("VmRSS:"),
            peak_bytes: kilobytes("VmHWM:"),
            huge_page_bytes: kilobytes("HugetlbPages:"),
        }
    }
}

/// Hundredths of a second of all CPUs since the machine's start: stolen by its hypervisor, and all.
pub fn steal() -> (u64, u64) {
    let text = read("/proc/stat");
    let first = text.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guest time is part of user.
    let ticks: Vec<u64> = first.split_whitespace().skip(1).take(8).map(|number| number.parse().unwrap_or(0)).collect();
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().sum())
}

/// The machine and the program, for a report.
pub fn describe() -> Json {
    let processor = read("/proc/cpuinfo");
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kilobytes: u64 = kilobytes.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
    json!({
        "processor": processor.trim_start_matches([' ', '\t', ':']).trim(),
        "cpus": cpus(),
        "memory_bytes": kilobytes * 1024,
        "free_huge_page_bytes": dpdk_sys::huge_pages_free(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "version": env!("CARGO_PKG_VERSION"),
        "revision": option_env!("WIREBEAT_BUILD_COMMIT").unwrap_or("unknown"),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "time": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

/// CPUs that this process may use.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
