// SPDX-License-Identifier: Apache-2.0
//! From the interface settings to the sources of the workers.

use std::path::PathBuf;

use super::interface::Interface;
use super::settings::Settings;
use super::{Post, Shared, io_core, live, start};
use crate::capture::Source;
use crate::capture::dump::{DumpFile, Dumped};
use crate::capture::fallback::AnySource;
use crate::capture::file::{FileSource, Pace};
use crate::capture::filter::PacketFilter;
use crate::cli::{self, RunOptions};

/// The opened sources of a run.
pub struct Plan {
    sources: Sources,
    dump: Option<DumpFile>,
}

enum Sources {
    /// One file and nothing else.
    File(Vec<Post<FileSource>>),
    /// One or more interfaces, or files among them.
    Fallback(Vec<Post<AnySource>>),
}

/// Opens the sources. The flags of the command line belong to the first interface, as in Packetbeat.
pub fn plan(settings: &Settings, options: &RunOptions) -> Result<Plan, String> {
    let default = [Interface::default()];
    let interfaces = if settings.interfaces.is_empty() { &default[..] } else { &settings.interfaces };
    let dump = options.dump_prefix.as_deref().map(DumpFile::create).transpose()?;
    let files: Vec<Option<FilePlan>> = interfaces
        .iter()
        .enumerate()
        .map(|(place, interface)| FilePlan::of(interface, settings, options, place == 0))
        .collect();
    if let [Some(file)] = &files[..] {
        return Ok(Plan { sources: Sources::File(file.open(|source| source)?), dump });
    }
    let mut posts = Vec::new();
    for (interface, file) in interfaces.iter().zip(&files) {
        posts.extend(match file {
            Some(file) => file.open(|source| AnySource::File(Box::new(source)))?,
            None => live::open(interface, settings)?,
        });
    }
    Ok(Plan { sources: Sources::Fallback(posts), dump })
}

/// Checks the sources for `test config`.
pub fn check(settings: &Settings) -> Result<(), String> {
    let live = settings.interfaces.iter().filter(|interface| interface.file.is_none());
    live.map(|interface| live::check(interface, settings)).collect()
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
        })
    }

    fn open<S>(&self, wrap: impl Fn(FileSource) -> S) -> Result<Vec<Post<S>>, String> {
        let one = |worker| {
            let source = FileSource::open(&self.path, self.pace, self.passes)
                .map_err(|error| format!("{}: {error}", self.path.display()))?;
            let filter = self.filter.as_deref().map(PacketFilter::new).transpose();
            let filter = filter.map_err(|error| format!("{}{error}", self.place))?;
            Ok(Post { source: wrap(source.filtered_by(filter)), worker, workers: self.workers })
        };
        (0..self.workers).map(one).collect()
    }
}

impl Plan {
    /// Runs until the sources end.
    pub fn start(self, share: impl FnOnce() -> Shared, output: io_core::Output) -> Result<(), String> {
        let shared = share();
        match (self.sources, self.dump) {
            (Sources::File(posts), None) => start(&shared, posts, output),
            (Sources::File(posts), Some(file)) => start(&shared, dumped(posts, &file), output),
            (Sources::Fallback(posts), None) => start(&shared, posts, output),
            (Sources::Fallback(posts), Some(file)) => start(&shared, dumped(posts, &file), output),
        }
    }
}

/// The sources with the first interface's packets written to a file, each once.
fn dumped<S: Source>(posts: Vec<Post<S>>, file: &DumpFile) -> Vec<Post<Dumped<S>>> {
    use crate::capture::Share;
    let mut interface = 0;
    let mut dumped = Vec::new();
    for (place, Post { source, worker, workers }) in posts.into_iter().enumerate() {
        interface += usize::from(place > 0 && worker == 0);
        let written = interface == 0 && (worker == 0 || source.share() == Share::Queue);
        let file = written.then(|| file.clone());
        dumped.push(Post { source: Dumped { source, file }, worker, workers });
    }
    dumped
}
