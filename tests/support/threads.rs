// SPDX-License-Identifier: Apache-2.0
//! The threads of a running program and the cores that each may use.

use std::collections::BTreeSet;
use std::process::Child;

use wirebeat::preflight::machine::cpu_list;

/// A program that is ended with the value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Name and cores of every thread. One that ends meanwhile is left out.
pub fn threads(process: u32) -> Vec<(String, BTreeSet<usize>)> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let status = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("status")).ok());
    let of = |status: String| {
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let cores = cpu_list(line("Cpus_allowed_list:")?);
        Some((line("Name:")?.to_string(), cores.into_iter().collect()))
    };
    status.filter_map(of).collect()
}
