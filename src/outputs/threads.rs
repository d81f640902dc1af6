// SPDX-License-Identifier: Apache-2.0
//! Threads that stay off the workers' cores: every library thread inherits the mask of the thread that makes it.

use std::io;
use std::thread::{self, JoinHandle};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Starts a named thread on these cores, or on those of the caller. What it starts inherits the mask.
pub fn spawn(name: &str, cores: Option<&[usize]>, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let cores = cores.map(<[usize]>::to_vec);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Some(cores) = &cores {
            set(name_of_thread().as_str(), cores);
        }
        run();
    })
}

/// Runs something that makes threads, with the calling thread on these cores, and restores its mask.
pub fn with_cores<T>(cores: Option<&[usize]>, run: impl FnOnce() -> T) -> T {
    let Some(cores) = cores else { return run() };
    let before = sched_getaffinity(None);
    set("library threads", cores);
    let result = run();
    if let Ok(before) = before
        && let Err(error) = sched_setaffinity(None, &before)
    {
        log::warn!("the CPU mask of the calling thread could not be restored: {error}");
    }
    result
}

/// Keeps the calling thread, and what it starts from now on, on those of its cores for which this holds, if there are any.
pub fn confine(what: &str, holds: impl Fn(&usize) -> bool) {
    let Ok(mask) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| mask.is_set(*core)).filter(holds).collect();
    if !cores.is_empty() {
        set(what, &cores);
    }
}

fn set(what: &str, cores: &[usize]) {
    let mut mask = CpuSet::new();
    cores.iter().filter(|core| **core < CpuSet::MAX_CPU).for_each(|core| mask.set(*core));
    if let Err(error) = sched_setaffinity(None, &mask) {
        log::warn!("{what} cannot be kept on the cores {cores:?}: {error}");
    }
}

fn name_of_thread() -> String {
    thread::current().name().unwrap_or("a thread").to_owned()
}

#[cfg(test)]
mod tests;
