// SPDX-License-Identifier: Apache-2.0
//! `wirebeat.cpus`: which CPUs the workers are on, and that nothing else is: the I/O core, the outputs' libraries and DPDK's control
//! threads inherit the mask of the main thread.

use core_affinity::CoreId;
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::config::{ConfigError, Section};
use crate::outputs::threads;

/// CPUs such as `[2, 3]` or `2-5,8`.
pub fn read(root: &Section<'_>) -> Result<Vec<usize>, ConfigError> {
    let Some(wirebeat) = root.section("wirebeat")? else { return Ok(Vec::new()) };
    let parts = wirebeat.strings("cpus")?.unwrap_or_default();
    let mut cpus = Vec::new();
    for part in parts.iter().flat_map(|part| part.split(',')).map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => cpus.extend(first..=last),
            _ => {
                let found = format!("found {part:?}; accepted are numbers of CPUs and ranges such as 2-5");
                return Err(wirebeat.refuse_key("cpus", found));
            }
        }
    }
    let present = sched_getaffinity(None);
    match cpus.iter().find(|cpu| present.as_ref().is_ok_and(|present| !present.is_set(**cpu))) {
        Some(cpu) => {
            Err(wirebeat.refuse_key("cpus", format!("CPU {cpu} is not online, or not allowed to this process")))
        }
        None => Ok(cpus),
    }
}

/// Takes the main thread, and so all that it starts, off the workers' CPUs, if others are left.
pub fn keep_off(cpus: &[usize]) {
    threads::confine("the I/O core", |cpu| !cpus.contains(cpu));
}

/// Puts the calling worker on its CPU.
pub fn pin(cpus: &[usize], worker: u16) {
    if let Some(&id) = cpus.get(usize::from(worker) % cpus.len().max(1))
        && !core_affinity::set_for_current(CoreId { id })
    {
        log::warn!("worker {worker} cannot be put on CPU {id}");
    }
}
