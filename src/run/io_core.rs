// SPDX-License-Identifier: Apache-2.0
//! The I/O core: drains the workers' rings into the shipper, and prints the counters now and then.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::info;

use super::{Attachment, Shared};
use crate::cli::Publishing;
use crate::config::{Configuration, Section};
use crate::event::chunk::SealedChunk;
use crate::event::json::Metadata;
use crate::outputs::Sink;
use crate::outputs::console::{ConsoleOptions, ConsoleSink, Layout};
use crate::outputs::discard::DiscardSink;
use crate::outputs::file::{FileOptions, FileSink};
use crate::outputs::shipper::{Shipper, ShipperOptions};
use crate::pipeline::counters::Counters;

/// An opened output.
pub struct Output {
    pub metadata: Metadata,
    shipper: Shipper,
}

impl Output {
    /// An output whose sink is tried until it takes everything.
    pub fn new(metadata: Metadata, sink: Box<dyn Sink>) -> Output {
        let options = ShipperOptions { max_retries: None, ..ShipperOptions::default() };
        Output { metadata, shipper: Shipper::new(sink, options) }
    }
}

/// What became of the events at the end.
pub struct Shipped {
    pub acknowledged: u64,
    pub dropped: u64,
}

impl Shipped {
    /// Events encoded = acknowledged + dropped by name, when nothing is queued any more.
    pub fn balance(&self, counters: &Counters) -> Result<(), String> {
        match counters.events_encoded == self.acknowledged + self.dropped {
            true => Ok(()),
            false => Err(format!(
                "events: {} encoded, {} acknowledged, {} dropped",
                counters.events_encoded, self.acknowledged, self.dropped
            )),
        }
    }
}

/// Checks the output settings without opening anything.
pub fn check(configuration: &Configuration) -> Result<(), String> {
    output_section(configuration).map(|_| ())
}

fn output_section(configuration: &Configuration) -> Result<(String, Section<'_>), String> {
    let outputs = configuration.section("output").map_err(|error| error.to_string())?;
    let mut enabled = Vec::new();
    for (name, section) in outputs.iter().flat_map(|outputs| outputs.entries()) {
        if section.enabled().map_err(|error| error.to_string())? {
            enabled.push((name.to_string(), section));
        }
    }
    match enabled.len() {
        0 => Err("No outputs are defined. Please define one under the output section.".to_string()),
        1 => Ok(enabled.remove(0)),
        _ => {
            let names: Vec<&str> = enabled.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("{}: more than one output is enabled: {}", enabled[1].1.origin(), names.join(", ")))
        }
    }
}

pub fn open(configuration: &Configuration, publishing: Publishing) -> Result<Output, String> {
    let opened = Output::new;
    if publishing == Publishing::Off {
        return Ok(opened(Metadata::Written, Box::new(DiscardSink::default())));
    }
    let (name, section) = output_section(configuration)?;
    section.ignore_rest();
    let text = |key: &str| section.string(key).map_err(|error| error.to_string());
    match name.as_str() {
        "file" => {
            let path = text("path")?.ok_or("output.file.path is missing")?;
            let mut options = FileOptions::new(path, text("filename")?.unwrap_or_else(|| "packetbeat".to_string()));
            if let Some(size) = section.integer("rotate_every_kb").map_err(|error| error.to_string())? {
                options.rotate_every_bytes = size as u64 * 1024;
            }
            Ok(opened(Metadata::Written, Box::new(FileSink::new(options)?)))
        }
        "console" => {
            let pretty = section.boolean("pretty").map_err(|error| error.to_string())?.unwrap_or(false);
            let layout = if pretty { Layout::Pretty } else { Layout::Lines };
            let sink = ConsoleSink::stdout(&ConsoleOptions { layout }).map_err(|error| error.to_string())?;
            Ok(opened(Metadata::Written, Box::new(sink)))
        }
        "discard" => Ok(opened(Metadata::Written, Box::new(DiscardSink::default()))),
        other => Err(format!("output.{other} is not built yet")),
    }
}

/// Interval of the log line.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct IoCore<'a> {
    shared: &'a Shared,
    attachments: &'a [Attachment],
    started: Instant,
    reported: Instant,
}

impl<'a> IoCore<'a> {
    pub fn new(shared: &'a Shared, attachments: &'a [Attachment]) -> IoCore<'a> {
        let now = Instant::now();
        IoCore { shared, attachments, started: now, reported: now }
    }

    /// One round; sleeps a little when there was nothing to do.
    pub fn turn(&mut self, output: &mut Output) {
        if self.reported.elapsed() >= REPORT_INTERVAL {
            self.reported = Instant::now();
            self.report(output);
        }
        if !self.drain(output) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn drain(&mut self, output: &mut Output) -> bool {
        let mut busy = false;
        for attachment in self.attachments {
            while let Some(chunk) = attachment.rings.full.pop() {
                busy = true;
                output.shipper.accept(SealedChunk::new(chunk, attachment.rings.empty.clone()));
            }
        }
        let progress = output.shipper.turn(self.started.elapsed().as_nanos() as i64);
        busy || !progress.is_idle()
    }

    /// The workers have ended: ships what is left. A second request to stop gives it up.
    pub fn finish(&mut self, mut output: Output, asked: &AtomicBool) -> Shipped {
        let once = asked.swap(false, Ordering::Relaxed);
        loop {
            self.drain(&mut output);
            output.shipper.flush();
            if output.shipper.is_idle() || (once && asked.load(Ordering::Relaxed)) {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let counters = output.shipper.close("output_closed");
        Shipped { acknowledged: counters.acknowledged, dropped: counters.dropped.values().sum() }
    }

    fn report(&self, output: &Output) {
        let names: Vec<&str> =
            self.shared.settings.registry.sections.iter().map(|section| section.descriptor.name).collect();
        let mut sum = Counters::new(names.len());
        self.attachments.iter().for_each(|attachment| sum.add(&attachment.counters.read()));
        let mut values = Vec::new();
        sum.for_each(&names, |name, value| {
            if value > 0 {
                values.push(format!("{name}={value}"));
            }
        });
        let shipped = output.shipper.counters();
        values.push(format!("output.acknowledged={}", shipped.acknowledged));
        values.push(format!("output.dropped={}", shipped.dropped_total()));
        info!("Non-zero metrics: {}", values.join(" "));
    }
}
