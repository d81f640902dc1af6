// SPDX-License-Identifier: Apache-2.0
//! From the interface settings to the sources of the workers.

use std::path::PathBuf;

use super::dpdk;
use super::settings::Settings;
use super::{Monitor, Shared, Unmonitored, io_core, start};
use crate::capture::dpdk::{Hardware, HardwarePlan};
use crate::capture::file::{FileSource, Pace};
use crate::capture::{Pressure, SourceStatistics};
use crate::cli::{self, RunOptions};
use crate::flow::Secret;

/// Which sources a run has; nothing is opened for long yet.
pub enum Plan {
    File { path: PathBuf, pace: Pace, passes: u64, workers: u16 },
    Dpdk(HardwarePlan),
}

/// Decides on the sources and checks that they can be opened.
pub fn plan(settings: &Settings, options: &RunOptions, secret: Secret) -> Result<Plan, String> {
    if options.file.is_none() && settings.interfaces.iter().any(dpdk::is_dpdk) {
        return dpdk::plan(settings, &settings.interfaces, options, secret).map(Plan::Dpdk);
    }
    let interface = settings.interfaces.first().cloned().unwrap_or_default();
    let file = options.file.clone().or_else(|| interface.file.as_ref().map(PathBuf::from));
    let Some(path) = file else {
        return Err("no capture source: live interfaces are not built yet".to_string());
    };
    if interface.bpf_filter.is_some() {
        log::warn!("Packet filters are not applied to files.");
    }
    let pace = match options.pace {
        cli::Pace::TopSpeed => Pace::TopSpeed,
        cli::Pace::AsRecorded | cli::Pace::OneAtATime => {
            Pace::RealTime { start_ns: jiff::Timestamp::now().as_nanosecond() as i64 }
        }
    };
    open(&path, pace, options.loops)?;
    Ok(Plan::File { path, pace, passes: options.loops, workers: settings.bounds.workers.unwrap_or(1) })
}

/// Checks the sources for `test config`.
pub fn check(_settings: &Settings) -> Result<(), String> {
    Ok(())
}

fn open(path: &std::path::Path, pace: Pace, passes: u64) -> Result<FileSource, String> {
    FileSource::open(path, pace, passes).map_err(|error| format!("{}: {error}", path.display()))
}

impl Plan {
    /// Opens the sources and runs until they end.
    pub fn start(self, share: impl FnOnce(u16, Pressure) -> Shared, output: io_core::Output) -> Result<String, String> {
        match self {
            Plan::File { path, pace, passes, workers } => {
                let sources = (0..workers).map(|_| open(&path, pace, passes)).collect::<Result<Vec<_>, _>>()?;
                let shared = share(workers, Pressure::Lossless);
                start(&shared, sources, output, &mut Unmonitored)
            }
            Plan::Dpdk(plan) => {
                let (mut hardware, sources) = Hardware::start(&plan)?;
                let shared = share(plan.workers, plan.pressure);
                let outcome = start(&shared, sources, output, &mut hardware);
                let lost = hardware.stop()?;
                if lost > 0 {
                    return outcome.and_then(|_| Err(format!("{lost} packet buffers did not come back to their pool")));
                }
                outcome
            }
        }
    }
}

impl Monitor for Hardware {
    fn begin(&mut self) {
        self.feed();
    }

    fn statistics(&self) -> Option<SourceStatistics> {
        Some(Hardware::statistics(self))
    }
}
