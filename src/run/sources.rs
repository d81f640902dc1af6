// SPDX-License-Identifier: Apache-2.0
//! From the interface settings to the sources of the workers.
//!
//! Limit: with a DPDK interface all interfaces are DPDK's, so that its workers stay of one kind.

use std::path::PathBuf;
use std::sync::Arc;

use dpdk_sys::thread::CpuSet;

use super::interface::Interface;
use super::settings::Settings;
use super::{Monitor, Post, Shared, Totals, Unmonitored, dpdk, io_core, live, start};
use crate::capture::dpdk::{Hardware, HardwarePlan, PortReport};
use crate::capture::dump::{DumpFile, Dumped};
use crate::capture::fallback::AnySource;
use crate::capture::file::{FileSource, Pace};
use crate::capture::filter::PacketFilter;
use crate::capture::{Share, Source};
use crate::cli::{self, RunOptions};
use crate::flow::Secret;
use crate::protocols::registry::PortTable;

/// The sources of a run: opened, but for DPDK's, which live as long as their hardware.
pub struct Plan {
    sources: Sources,
    dump: Option<DumpFile>,
}

enum Sources {
    /// One file and nothing else.
    File(Vec<Post<FileSource>>),
    /// One or more interfaces of the kernel, or files among them.
    Fallback(Vec<Post<AnySource>>),
    Dpdk(HardwarePlan, Arc<PortTable>),
}

/// Decides on the sources. The flags of the command line belong to the first interface, as in Packetbeat.
pub fn plan(settings: &Settings, options: &RunOptions, secret: Secret) -> Result<Plan, String> {
    let sources = sources(settings, options, secret)?;
    let dump = options.dump_prefix.as_deref().map(DumpFile::create).transpose()?;
    Ok(Plan { sources, dump })
}

fn sources(settings: &Settings, options: &RunOptions, secret: Secret) -> Result<Sources, String> {
    if options.file.is_none() && settings.interfaces.iter().any(dpdk::is_dpdk) {
        return dpdk_sources(settings, options, secret);
    }
    let default = [Interface::default()];
    let interfaces = if settings.interfaces.is_empty() { &default[..] } else { &settings.interfaces };
    let files: Vec<Option<FilePlan>> = (interfaces.iter().enumerate())
        .map(|(place, interface)| FilePlan::of(interface, settings, options, place == 0))
        .collect();
    let devices: Vec<Option<&str>> =
        interfaces.iter().zip(&files).map(|(interface, file)| file.is_none().then(|| interface.pin())).collect();
    settings.registry.idle_sections(&devices).iter().for_each(|warning| log::warn!("{warning}"));
    if let [Some(file)] = &files[..] {
        return file.open(|source| source).map(Sources::File);
    }
    let mut posts = Vec::new();
    for (interface, file) in interfaces.iter().zip(&files) {
        posts.extend(match file {
            Some(file) => file.open(|source| AnySource::File(Box::new(source)))?,
            None => live::open(interface, settings)?,
        });
    }
    Ok(Sources::Fallback(posts))
}

/// All ports are one group of workers, whose flows do not tell where a packet came from.
fn dpdk_sources(settings: &Settings, options: &RunOptions, secret: Secret) -> Result<Sources, String> {
    let interfaces = &settings.interfaces;
    let registry = &settings.registry;
    if interfaces.len() > 1
        && let Some(pinned) = registry.sections.iter().find(|configured| configured.device.is_some())
    {
        return Err(format!(
            "{}: protocol {} is pinned to an interface, which is not possible with several DPDK interfaces in one run",
            pinned.origin, pinned.descriptor.name
        ));
    }
    let device = interfaces.first().map(Interface::pin);
    registry.idle_sections(&[device]).iter().for_each(|warning| log::warn!("{warning}"));
    let plan = dpdk::plan(settings, interfaces, options, secret)?;
    Ok(Sources::Dpdk(plan, Arc::new(registry.on_interface(device))))
}

/// Checks the sources for `test config`.
pub fn check(settings: &Settings) -> Result<(), String> {
    let mut live = settings.interfaces.iter().filter(|interface| interface.file.is_none());
    live.try_for_each(|interface| live::check(interface, settings))
}

/// A file to read.
struct FilePlan {
    path: PathBuf,
    pace: Pace,
    passes: u64,
    workers: u16,
    filter: Option<String>,
    /// Where the filter was written.
    place: String,
    /// A file is no interface: what is pinned to one does not see it, as in Packetbeat.
    ports: Arc<PortTable>,
}

impl FilePlan {
    fn of(interface: &Interface, settings: &Settings, options: &RunOptions, is_first: bool) -> Option<FilePlan> {
        let flag = options.file.clone().filter(|_| is_first);
        let path = flag.or_else(|| interface.file.as_ref().map(PathBuf::from))?;
        if interface.bpf_filter.is_some() && !settings.bounds.filter_files {
            log::warn!("Packet filters are not applied to files, unless wirebeat.filter_files is true.");
        }
        let pace = match (is_first, options.pace) {
            (true, cli::Pace::TopSpeed) => Pace::TopSpeed,
            (true, cli::Pace::OneAtATime) => Pace::OneAtATime,
            _ => Pace::RealTime { start_ns: jiff::Timestamp::now().as_nanosecond() as i64 },
        };
        Some(FilePlan {
            path,
            pace,
            passes: if is_first { options.loops } else { 1 },
            // Every worker reads the whole file: with one key for one packet there can be one.
            workers: if pace == Pace::OneAtATime { 1 } else { settings.bounds.workers.unwrap_or(1) },
            filter: interface.bpf_filter.clone().filter(|_| settings.bounds.filter_files),
            place: interface.places.bpf_filter.clone(),
            ports: Arc::new(settings.registry.on_interface(None)),
        })
    }

    fn open<S>(&self, wrap: impl Fn(FileSource) -> S) -> Result<Vec<Post<S>>, String> {
        let one = |worker| {
            let source = FileSource::open(&self.path, self.pace, self.passes)
                .map_err(|error| format!("{}: {error}", self.path.display()))?;
            let filter = self.filter.as_deref().map(PacketFilter::new).transpose();
            let filter = filter.map_err(|error| format!("{}{error}", self.place))?;
            let ports = Arc::clone(&self.ports);
            Ok(Post { source: wrap(source.filtered_by(filter)), worker, workers: self.workers, ports, device: None })
        };
        (0..self.workers).map(one).collect()
    }
}

impl Plan {
    /// The CPUs that the workers are put on, if any.
    pub fn cpus(&self, settings: &Settings) -> Vec<usize> {
        match &self.sources {
            Sources::Dpdk(plan, _) => plan.cpus.iter().flat_map(CpuSet::iter).collect(),
            Sources::File(_) | Sources::Fallback(_) => settings.cpus.clone(),
        }
    }

    /// Runs until the sources end.
    pub fn start(self, share: impl FnOnce() -> Shared, output: io_core::Output) -> Result<Totals, String> {
        let shared = share();
        match self.sources {
            Sources::File(posts) => start_posts(&shared, posts, self.dump, output, &mut Unmonitored),
            Sources::Fallback(posts) => start_posts(&shared, posts, self.dump, output, &mut Unmonitored),
            Sources::Dpdk(plan, ports) => {
                let (mut hardware, sources) = Hardware::start(&plan)?;
                let names: Vec<&str> = plan.devices.iter().map(|device| device.name.as_str()).collect();
                let device: Arc<str> = names.join(" ").into();
                let posts = (sources.into_iter().zip(0..))
                    .map(|(source, worker)| Post {
                        source,
                        worker,
                        workers: plan.workers,
                        ports: Arc::clone(&ports),
                        device: Some(device.clone()),
                    })
                    .collect();
                let outcome = start_posts(&shared, posts, self.dump, output, &mut hardware);
                let lost = hardware.stop()?;
                if lost > 0 {
                    return outcome.and_then(|_| Err(format!("{lost} packet buffers did not come back to their pool")));
                }
                outcome
            }
        }
    }
}

fn start_posts<S: Source + Send>(
    shared: &Shared,
    posts: Vec<Post<S>>,
    dump: Option<DumpFile>,
    output: io_core::Output,
    monitor: &mut dyn Monitor,
) -> Result<Totals, String> {
    match dump {
        None => start(shared, posts, output, monitor),
        Some(file) => start(shared, dumped(posts, &file), output, monitor),
    }
}

/// The sources with the first interface's packets written to a file, each once.
fn dumped<S: Source>(posts: Vec<Post<S>>, file: &DumpFile) -> Vec<Post<Dumped<S>>> {
    let mut group = 0;
    let mut dumped = Vec::new();
    for (place, Post { source, worker, workers, ports, device }) in posts.into_iter().enumerate() {
        group += usize::from(place > 0 && worker == 0);
        let written = group == 0 && (worker == 0 || source.share() == Share::Queue);
        let file = written.then(|| file.clone());
        dumped.push(Post { source: Dumped { source, file }, worker, workers, ports, device });
    }
    dumped
}

impl Monitor for Hardware {
    fn begin(&mut self) {
        self.feed();
    }

    fn ports(&self) -> Vec<PortReport> {
        Hardware::ports(self)
    }
}
