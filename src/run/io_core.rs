// SPDX-License-Identifier: Apache-2.0
//! The I/O core: drains the workers' rings into the shipper, and prints the counters now and then.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::info;

use super::{Attachment, Monitor, Shared, metrics};
use crate::cli::{COMPATIBLE_PACKETBEAT, Publishing};
use crate::config::Configuration;
use crate::event::chunk::SealedChunk;
use crate::event::json::{Html, Metadata};
use crate::outputs::config::{Known, OutputKind, OutputSettings};
use crate::outputs::shipper::{Shipper, ShipperOptions};
use crate::outputs::{self, Sink};
use crate::pipeline::counters::Counters;
use crate::telemetry::metrics::Metrics;

/// An opened output.
pub struct Output {
    pub metadata: Metadata,
    pub html: Html,
    /// As the configuration names it.
    pub name: &'static str,
    shipper: Shipper,
}

impl Output {
    /// An output whose sink is tried until it takes everything.
    pub fn new(metadata: Metadata, sink: Box<dyn Sink>) -> Output {
        let options = ShipperOptions { max_retries: None, ..ShipperOptions::default() };
        Output { metadata, html: Html::Plain, name: "screen", shipper: Shipper::new(sink, options) }
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
    open_with(settings, cores, |sink| sink)
}

/// The same with the sink inside of another one.
pub fn open_with(
    settings: &OutputSettings,
    cores: Option<&[usize]>,
    wrap: impl FnOnce(Box<dyn Sink>) -> Box<dyn Sink>,
) -> Result<Output, String> {
    let sink = wrap(settings.open(cores)?);
    Ok(Output {
        metadata: settings.json.metadata,
        html: settings.json.html,
        name: settings.name(),
        shipper: Shipper::new(sink, settings.shipper),
    })
}

/// How old the numbers of the HTTP endpoint are at most.
const BOARD_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct IoCore<'a> {
    shared: &'a Shared,
    attachments: &'a [Attachment],
    started: Instant,
    /// When the last line of numbers was logged, and those numbers.
    reported: (Instant, Metrics),
    shown: Instant,
    /// Since when the run has been asked to end.
    stopping: Option<Instant>,
}

impl<'a> IoCore<'a> {
    pub fn new(shared: &'a Shared, attachments: &'a [Attachment]) -> IoCore<'a> {
        let now = Instant::now();
        IoCore { shared, attachments, started: now, reported: (now, Metrics::default()), shown: now, stopping: None }
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
    pub fn turn(&mut self, output: &mut Output, monitor: &dyn Monitor) {
        if self.is_overdue() {
            self.abandon();
        }
        self.report(output, monitor);
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
    pub fn finish(&mut self, mut output: Output, monitor: &dyn Monitor, asked: &AtomicBool) -> Shipped {
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
        let sink = output.shipper.sink().metrics();
        let counters = output.shipper.close("output_closed");
        let ports = monitor.ports();
        let totals = metrics::collect(self.shared, self.attachments, &ports, &counters, &sink, self.started);
        info!("Total metrics: {}", totals.since(&Metrics::default()));
        Shipped { acknowledged: counters.acknowledged, dropped: counters.dropped.values().sum() }
    }

    fn report(&mut self, output: &Output, monitor: &dyn Monitor) {
        if self.shared.settings.metrics_period.is_some_and(|period| self.reported.0.elapsed() >= period) {
            let metrics = self.metrics(output, monitor);
            let seconds = self.reported.0.elapsed().as_secs_f64().round();
            info!("Non-zero metrics in the last {seconds}s: {}", metrics.since(&self.reported.1));
            self.reported = (Instant::now(), metrics);
        }
        if let Some(board) = &self.shared.board
            && self.shown.elapsed() >= BOARD_INTERVAL
        {
            board.put(self.metrics(output, monitor).tree(), metrics::inputs(self.attachments));
            self.shown = Instant::now();
        }
    }

    fn metrics(&self, output: &Output, monitor: &dyn Monitor) -> Metrics {
        let sink = output.shipper.sink().metrics();
        let shipped = output.shipper.counters();
        metrics::collect(self.shared, self.attachments, &monitor.ports(), shipped, &sink, self.started)
    }
}
