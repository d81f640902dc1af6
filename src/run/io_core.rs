// SPDX-License-Identifier: Apache-2.0
//! The I/O core: drains the workers' rings into the shipper, and prints the counters now and then.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::info;

use super::{Attachment, Monitor, Shared, metrics};
use crate::capture::Pressure;
use crate::cli::{COMPATIBLE_PACKETBEAT, Publishing};
use crate::config::Configuration;
use crate::event::chunk::{SealedChunk, Slice};
use crate::event::json::{Html, Metadata};
use crate::outputs::config::{Known, OutputKind, OutputSettings, QueueOptions};
use crate::outputs::queue::{Overload, Queue, Remainder, Source, Supply};
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
    pub overload: Option<Overload>,
    queue: Queue,
    shipper: Shipper,
}

impl Output {
    /// An output whose sink is tried until it takes everything.
    pub fn new(metadata: Metadata, sink: Box<dyn Sink>) -> Result<Output, String> {
        let options = ShipperOptions { max_retries: None, ..ShipperOptions::default() };
        let queue = Queue::open(&QueueOptions::default(), None)?;
        let shipper = Shipper::new(sink, options);
        Ok(Output { metadata, html: Html::Plain, name: "screen", overload: None, queue, shipper })
    }

    /// As Beats name it.
    pub fn queue_name(&self) -> &'static str {
        if self.queue.disk().is_some() { "diskqueue" } else { "mem" }
    }

    /// The workers are known: whether any of them reads a live source, and the bytes of their chunks.
    pub(super) fn begin(&mut self, pressure: Pressure, chunk_bytes: u64) {
        let source = match pressure {
            Pressure::Live => Source::Live,
            Pressure::Lossless => Source::Patient,
        };
        self.queue.begin(source, chunk_bytes);
    }
}

/// Whether a worker waits for room, by its source and `wirebeat.queue.overload`.
pub fn pressure(source: Pressure, overload: Option<Overload>) -> Pressure {
    match overload {
        Some(Overload::Wait) => Pressure::Lossless,
        Some(Overload::DropNewest) => Pressure::Live,
        None | Some(Overload::DropOldest | Overload::Spool) => source,
    }
}

/// What became of the events at the end.
pub struct Shipped {
    pub acknowledged: u64,
    pub dropped: u64,
    /// Of an earlier run, found in the disk queue.
    pub recovered: u64,
    /// What stays in the disk queue.
    pub left: u64,
}

impl Shipped {
    /// For the summary, when there was something on the disk.
    pub fn on_disk(&self) -> String {
        match (self.recovered, self.left) {
            (0, 0) => String::new(),
            (recovered, left) => format!(", {recovered} of an earlier run, {left} left on the disk"),
        }
    }

    /// Events encoded, and those of an earlier run = acknowledged + dropped by name + left in the disk queue.
    pub fn balance(&self, counters: &Counters) -> Result<(), String> {
        match counters.events_encoded + self.recovered == self.acknowledged + self.dropped + self.left {
            true => Ok(()),
            false => Err(format!(
                "events: {} encoded, {} of an earlier run, {} acknowledged, {} dropped, {} left on the disk",
                counters.events_encoded, self.recovered, self.acknowledged, self.dropped, self.left
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
    let queue = Queue::open(&settings.queue, cores)?;
    let sink = wrap(settings.open(cores)?);
    Ok(Output {
        overload: settings.queue.overload,
        queue,
        metadata: settings.json.metadata,
        html: settings.json.html,
        name: settings.name(),
        shipper: Shipper::new(sink, settings.shipper),
    })
}

/// How old the numbers of the HTTP endpoint are at most.
const BOARD_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stop waits for answers of the output when the disk queue has what is not acknowledged.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

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
        let mut busy = output.queue.turn(&mut output.shipper);
        for attachment in self.attachments {
            while output.queue.has_room()
                && let Some(chunk) = attachment.rings.full.pop()
            {
                busy = true;
                let empty = &attachment.rings.empty;
                let supply = Supply { empty: empty.len(), chunks: empty.capacity() };
                output.queue.take(SealedChunk::new(chunk, empty.clone()), supply, &mut output.shipper);
            }
        }
        let progress = output.shipper.turn(self.started.elapsed().as_nanos() as i64);
        busy || !progress.is_idle()
    }

    /// The workers have ended: ships what is left. See [`IoCore::stop`] for how long it waits.
    pub fn finish(&mut self, mut output: Output, monitor: &dyn Monitor, asked: &AtomicBool) -> Shipped {
        loop {
            let again = asked.swap(false, Ordering::Relaxed);
            if self.stopping.is_some() {
                output.queue.end_reading();
            }
            let busy = self.drain(&mut output);
            output.shipper.flush();
            let nothing_comes = self.attachments.iter().all(|attachment| attachment.rings.full.is_empty());
            let idle = nothing_comes && output.queue.is_idle() && output.shipper.is_idle();
            // What the disk queue has can wait for the next run.
            let safe = nothing_comes
                && output.queue.is_safe()
                && self.stopping.is_some_and(|since| output.shipper.is_idle() || since.elapsed() >= LAST_ANSWERS);
            if idle || safe || self.is_overdue() || again && self.stopping.is_some() {
                break;
            }
            if again {
                self.stop();
            }
            if !busy {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        const CLOSED: &str = "output_closed";
        for attachment in self.attachments {
            while let Some(chunk) = attachment.rings.full.pop() {
                let chunk = SealedChunk::new(chunk, attachment.rings.empty.clone());
                output.shipper.reject(&Slice::whole(chunk), CLOSED);
            }
        }
        let Output { queue, mut shipper, .. } = output;
        shipper.settle_last();
        let sink = shipper.sink().metrics();
        let bounds = queue.bounds();
        let options = queue.disk().map(|disk| disk.options().clone());
        let Remainder { recovered, left, status } = queue.close(&mut shipper, CLOSED);
        let counters = shipper.close(CLOSED);
        let disk = options.map(|options| metrics::Disk::of(status, left, &options));
        let numbers = metrics::Output { shipped: &counters, sink: &sink, bounds, disk, oldest_age_ns: None };
        let totals = metrics::collect(self.shared, self.attachments, &monitor.ports(), &numbers, self.started);
        info!("Total metrics: {}", totals.since(&Metrics::default()));
        let by_disk: u64 = status.dropped().iter().map(|(_, events)| events).sum();
        let dropped = counters.dropped_total() + by_disk;
        Shipped { acknowledged: counters.acknowledged, dropped, recovered, left }
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
        let disk = output.queue.disk().map(|disk| metrics::Disk::of(disk.status(), disk.left(), disk.options()));
        let now_ns = self.started.elapsed().as_nanos() as i64;
        let in_memory = output.shipper.oldest_ns().map(|since_ns| now_ns - since_ns);
        let on_disk = disk.as_ref().and_then(|disk| disk.status.oldest_ns).map(|since_ns| wall_ns() - since_ns);
        let numbers = metrics::Output {
            shipped: output.shipper.counters(),
            sink: &sink,
            bounds: output.queue.bounds(),
            disk,
            oldest_age_ns: in_memory.max(on_disk),
        };
        metrics::collect(self.shared, self.attachments, &monitor.ports(), &numbers, self.started)
    }
}

fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
