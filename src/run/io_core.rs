// SPDX-License-Identifier: Apache-2.0
//! The I/O core: drains the workers' rings into the shipper, and prints the counters now and then.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::info;

use super::{Attachment, Shared};
use crate::cli::{COMPATIBLE_PACKETBEAT, Publishing};
use crate::config::Configuration;
use crate::event::chunk::SealedChunk;
use crate::event::json::{Html, Metadata};
use crate::outputs::config::{Known, OutputKind, OutputSettings};
use crate::outputs::shipper::{Shipper, ShipperOptions};
use crate::outputs::{self, Sink};
use crate::pipeline::counters::Counters;

/// An opened output.
pub struct Output {
    pub metadata: Metadata,
    pub html: Html,
    shipper: Shipper,
}

impl Output {
    /// An output whose sink is tried until it takes everything.
    pub fn new(metadata: Metadata, sink: Box<dyn Sink>) -> Output {
        let options = ShipperOptions { max_retries: None, ..ShipperOptions::default() };
        Output { metadata, html: Html::Plain, shipper: Shipper::new(sink, options) }
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

/// Reads the one output of the configuration.
pub fn settings(configuration: &Configuration, publishing: Publishing) -> Result<OutputSettings, String> {
    let root = configuration.root();
    let name = super::settings::sensor_name(&root).map_err(|error| error.to_string())?;
    let known = Known { version: COMPATIBLE_PACKETBEAT, name: &name };
    let mut settings = outputs::config::read(&root, &known).map_err(|error| error.to_string())?;
    if publishing == Publishing::Off {
        settings.kind = OutputKind::Discard;
    }
    Ok(settings)
}

/// Opens an output; its threads stay on the CPUs of the I/O core.
pub fn open(settings: &OutputSettings, cores: Option<&[usize]>) -> Result<Output, String> {
    let sink = settings.open(cores)?;
    Ok(Output {
        metadata: settings.json.metadata,
        html: settings.json.html,
        shipper: Shipper::new(sink, settings.shipper),
    })
}

/// Interval of the log line.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct IoCore<'a> {
    shared: &'a Shared,
    attachments: &'a [Attachment],
    started: Instant,
    reported: Instant,
    /// Since when the run has been asked to end.
    stopping: Option<Instant>,
}

impl<'a> IoCore<'a> {
    pub fn new(shared: &'a Shared, attachments: &'a [Attachment]) -> IoCore<'a> {
        let now = Instant::now();
        IoCore { shared, attachments, started: now, reported: now, stopping: None }
    }

    /// The run shall end. From now on an absent sink is waited for no longer than `packetbeat.shutdown_timeout`; when it
    /// is over, or a second request comes, workers that wait for room drop what they cannot give away.
    pub fn stop(&mut self) {
        match self.stopping {
            None => self.stopping = Some(Instant::now()),
            Some(_) => self.abandon(),
        }
    }

    fn abandon(&self) {
        self.attachments.iter().for_each(|attachment| attachment.rings.abandoned.store(true, Ordering::Relaxed));
    }

    fn is_overdue(&self) -> bool {
        self.stopping.is_some_and(|since| since.elapsed() >= self.shared.settings.shutdown_timeout)
    }

    /// One round; sleeps a little when there was nothing to do.
    pub fn turn(&mut self, output: &mut Output) {
        if self.is_overdue() {
            self.abandon();
        }
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

    /// The workers have ended: ships what is left. See [`IoCore::stop`] for how long it waits.
    pub fn finish(&mut self, mut output: Output, asked: &AtomicBool) -> Shipped {
        loop {
            let again = asked.swap(false, Ordering::Relaxed);
            self.drain(&mut output);
            output.shipper.flush();
            if output.shipper.is_idle() || self.is_overdue() || again && self.stopping.is_some() {
                break;
            }
            if again {
                self.stop();
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
