// SPDX-License-Identifier: Apache-2.0
//! All numbers of a run by the names that Beats give them, where they have one; the others are below `wirebeat`.

use std::time::Instant;

use serde_json::{Value as Json, json};

use super::settings::Settings;
use super::{Attachment, Shared};
use crate::capture::dpdk::PortReport;
use crate::cli::COMPATIBLE_PACKETBEAT;
use crate::outputs::metrics::SinkMetrics;
use crate::outputs::queue::{DiskOptions, DiskStatus};
use crate::outputs::shipper::ShipperCounters;
use crate::pipeline::counters::Counters;
use crate::telemetry::metrics::Metrics;

/// What the I/O core counted.
pub struct Output<'a> {
    pub shipped: &'a ShipperCounters,
    pub sink: &'a SinkMetrics,
    /// Events and bytes that the queue in memory takes.
    pub bounds: (Option<u64>, Option<u64>),
    pub disk: Option<Disk>,
    /// How long the oldest event has waited that is not settled.
    pub oldest_age_ns: Option<i64>,
}

/// What the disk queue counted.
pub struct Disk {
    pub status: DiskStatus,
    /// Events that it holds.
    events: u64,
    max_bytes: u64,
}

impl Disk {
    pub fn of(status: DiskStatus, events: u64, options: &DiskOptions) -> Disk {
        Disk { status, events, max_bytes: options.max_bytes }
    }
}

/// The tree of `/stats` and of the log.
pub fn collect(
    shared: &Shared,
    attachments: &[Attachment],
    ports: &[PortReport],
    numbers: &Output<'_>,
    started: Instant,
) -> Metrics {
    let settings = &shared.settings;
    let names: Vec<&str> = settings.registry.sections.iter().map(|section| section.descriptor.name).collect();
    let mut sum = Counters::new(names.len());
    attachments.iter().for_each(|attachment| sum.add(&attachment.counters.read()));
    lost_by_ports(&mut sum, ports);
    let mut metrics = Metrics::default();
    sum.for_each(&names, |name, value| match name.split_once('.') {
        Some((protocol, _)) if names.contains(&protocol) => metrics.count(name, value),
        _ => metrics.count(&format!("wirebeat.{name}"), value),
    });
    for port in ports {
        // A dot parts the names of the tree.
        let name = port.name.replace('.', "_");
        for (what, value) in [
            ("received", port.received),
            ("received_bytes", port.received_bytes),
            ("missed", port.lost.missed),
            ("errors", port.lost.errors),
            ("no_buffer", port.lost.no_buffer),
        ] {
            metrics.count(&format!("wirebeat.ports.{name}.{what}"), value);
        }
    }
    pipeline(&mut metrics, &sum, numbers.shipped);
    queue(&mut metrics, numbers);
    output(&mut metrics, numbers);
    metrics.gauge("libbeat.output.type", shared.output);
    metrics.gauge("libbeat.pipeline.clients", names.len());
    metrics.gauge("beat.info.ephemeral_id", settings.identity.ephemeral_id.as_str());
    metrics.gauge("beat.info.name", "packetbeat");
    metrics.gauge("beat.info.version", COMPATIBLE_PACKETBEAT);
    metrics.gauge("beat.info.uptime.ms", started.elapsed().as_millis() as u64);
    process(&mut metrics);
    metrics
}

/// What the ports lost, in place of what the sources know of it.
pub fn lost_by_ports(counters: &mut Counters, ports: &[PortReport]) {
    if !ports.is_empty() {
        let lost = |of: fn(&PortReport) -> u64| ports.iter().map(of).sum();
        counters.missed = lost(|port| port.lost.missed);
        counters.source_errors = lost(|port| port.lost.errors);
        counters.source_no_buffer = lost(|port| port.lost.no_buffer);
    }
}

fn pipeline(metrics: &mut Metrics, sum: &Counters, shipped: &ShipperCounters) {
    let dropped = sum.events_dropped_no_chunk + sum.events_dropped_too_large;
    metrics.gauge("libbeat.pipeline.events.active", shipped.queued);
    metrics.count("libbeat.pipeline.events.dropped", dropped);
    metrics.count("libbeat.pipeline.events.filtered", sum.events_dropped() - dropped);
    metrics.count("libbeat.pipeline.events.published", sum.events_encoded);
    metrics.count("libbeat.pipeline.events.retry", shipped.retried_total());
    metrics.count("libbeat.pipeline.events.total", sum.events_made);
    metrics.count("libbeat.pipeline.queue.acked", shipped.acknowledged + shipped.dropped_total());
}

/// What waits, and what may.
fn queue(metrics: &mut Metrics, numbers: &Output<'_>) {
    let shipped = numbers.shipped;
    let (mut max_events, mut max_bytes) = numbers.bounds;
    let (mut events, mut bytes) = (shipped.queued, shipped.queued_bytes);
    let (mut added, mut added_bytes) = (shipped.received, shipped.received_bytes);
    if let Some(disk) = &numbers.disk {
        (max_events, max_bytes) = (None, Some(disk.max_bytes));
        // What the shipper has of it is on the disk too.
        (events, bytes) = (disk.events + shipped.queued - shipped.kept, disk.status.used_bytes);
        added += disk.status.store.written.saturating_sub(disk.status.store.read);
        added_bytes += disk.status.store.written_bytes.saturating_sub(disk.status.store.read_bytes);
        on_disk(metrics, &disk.status);
    }
    let filled =
        |amount: u64, limit: Option<u64>| limit.filter(|limit| *limit > 0).map(|limit| amount as f64 / limit as f64);
    let share = filled(events, max_events).into_iter().chain(filled(bytes, max_bytes)).fold(0.0, f64::max);
    metrics.gauge("libbeat.pipeline.queue.max_events", max_events.unwrap_or(0));
    metrics.gauge("libbeat.pipeline.queue.max_bytes", max_bytes.unwrap_or(0));
    metrics.gauge("libbeat.pipeline.queue.filled.events", events);
    metrics.gauge("libbeat.pipeline.queue.filled.bytes", bytes);
    metrics.gauge("libbeat.pipeline.queue.filled.pct", share);
    metrics.count("libbeat.pipeline.queue.added.events", added);
    metrics.count("libbeat.pipeline.queue.added.bytes", added_bytes);
    metrics.count("libbeat.pipeline.queue.consumed.events", shipped.received);
    metrics.count("libbeat.pipeline.queue.consumed.bytes", shipped.received_bytes);
    metrics.count("libbeat.pipeline.queue.removed.events", shipped.received - shipped.queued);
    metrics.count("libbeat.pipeline.queue.removed.bytes", shipped.received_bytes - shipped.queued_bytes);
    metrics.gauge("wirebeat.queue.oldest_event_age.ms", numbers.oldest_age_ns.unwrap_or(0).max(0) / 1_000_000);
}

fn on_disk(metrics: &mut Metrics, status: &DiskStatus) {
    for (name, value) in [
        ("recovered", status.store.recovered),
        ("written", status.store.written),
        ("written_bytes", status.store.written_bytes),
        ("read", status.store.read),
        ("read_bytes", status.store.read_bytes),
        ("corrupt_records", status.store.corrupt_records),
        ("skipped_bytes", status.store.skipped_bytes),
        ("write_errors", status.write_errors),
        ("read_errors", status.read_errors),
        ("sync_errors", status.sync_errors),
    ] {
        metrics.count(&format!("wirebeat.queue.disk.{name}"), value);
    }
    metrics.gauge("wirebeat.queue.disk.segments", status.segments as u64);
    metrics.gauge("wirebeat.queue.disk.bytes", status.used_bytes);
    for (reason, count) in status.dropped() {
        metrics.count(&format!("wirebeat.output.dropped.{reason}"), count);
    }
}

fn output(metrics: &mut Metrics, numbers: &Output<'_>) {
    let (shipped, sink) = (numbers.shipped, numbers.sink);
    metrics.count("libbeat.output.events.acked", shipped.acknowledged);
    metrics.gauge("libbeat.output.events.active", shipped.in_flight);
    metrics.count("libbeat.output.events.batches", sink.requests + sink.failed_requests);
    metrics.count("libbeat.output.events.dropped", shipped.dropped_total());
    metrics.count("libbeat.output.events.duplicates", sink.duplicates);
    metrics.count("libbeat.output.events.failed", shipped.retried_total());
    metrics.count("libbeat.output.events.total", shipped.received);
    metrics.count("libbeat.output.write.bytes", sink.written_bytes);
    metrics.count("libbeat.output.write.errors", sink.failed_requests);
    metrics.count("libbeat.output.read.bytes", sink.read_bytes);
    metrics.count("wirebeat.output.connections", sink.connections);
    metrics.count("wirebeat.output.failed_connections", sink.failed_connections);
    for (kind, reasons) in [("dropped", &shipped.dropped), ("retried", &shipped.retried)] {
        for (reason, count) in reasons {
            metrics.count(&format!("wirebeat.output.{kind}.{reason}"), *count);
        }
    }
}

/// What the kernel says of this process and this machine. What cannot be read is left out.
fn process(metrics: &mut Metrics) {
    let read = |name: &str| std::fs::read_to_string(name).unwrap_or_default();
    for line in read("/proc/self/status").lines() {
        let number = || line.split_ascii_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
        match (line.split(':').next(), number()) {
            (Some("VmRSS"), Some(kilobytes)) => metrics.gauge("beat.memstats.rss", kilobytes * 1024),
            (Some("Threads"), Some(threads)) => metrics.gauge("beat.runtime.threads", threads),
            _ => {}
        }
    }
    // Of the numbers behind the name in parentheses the 12th and 13th are clock ticks, a hundred a second (proc(5)).
    let stat = read("/proc/self/stat");
    let numbers: Vec<u64> =
        stat.rsplit(')').next().unwrap_or_default().split(' ').map(|n| n.parse().unwrap_or(0)).collect();
    if let (Some(user), Some(system)) = (numbers.get(12), numbers.get(13)) {
        metrics.count("beat.cpu.user.time.ms", user * 10);
        metrics.count("beat.cpu.system.time.ms", system * 10);
        metrics.count("beat.cpu.total.time.ms", (user + system) * 10);
    }
    // This thread may not use all of them.
    let is_core =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    metrics.gauge("system.cpu.cores", read("/proc/stat").lines().filter(is_core).count());
    let load = read("/proc/loadavg");
    for (minutes, load) in ["1", "5", "15"].iter().zip(load.split(' ')) {
        metrics.gauge(&format!("system.load.{minutes}"), load.parse::<f64>().unwrap_or(0.0));
    }
}

/// `/inputs/`: a line for each live interface, as Packetbeat has none for files.
pub fn inputs(attachments: &[Attachment]) -> Json {
    let mut lines: Vec<Json> = Vec::new();
    let mut device: Option<&str> = None;
    let mut sum = Counters::default();
    let mut finish = |device: Option<&str>, sum: &Counters| {
        if let Some(device) = device {
            lines.push(json!({
                "id": format!("packetbeat_{}::{device}", lines.len()),
                "input": "packet",
                "device": device,
                "packets": sum.received,
                "received_events_total": sum.analysed,
                "received_bytes_total": sum.received_bytes,
                "socket_drops": sum.missed,
            }));
        }
    };
    for attachment in attachments {
        if attachment.first {
            finish(device, &sum);
            sum = Counters::default();
            device = attachment.device.as_deref();
        }
        sum.add(&attachment.counters.read());
    }
    finish(device, &sum);
    Json::Array(lines)
}

/// `/`
pub fn information(settings: &Settings) -> Json {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "beat": "packetbeat",
        "binary_arch": architecture,
        "build_commit": option_env!("WIREBEAT_BUILD_COMMIT").unwrap_or("unknown"),
        "build_time": option_env!("WIREBEAT_BUILD_TIME").unwrap_or("unknown"),
        "elastic_licensed": false,
        "ephemeral_id": settings.identity.ephemeral_id,
        "gid": rustix::process::getegid().as_raw().to_string(),
        "hostname": super::settings::host_name(),
        "name": settings.name,
        "uid": rustix::process::geteuid().as_raw().to_string(),
        "uuid": settings.identity.id,
        "version": COMPATIBLE_PACKETBEAT,
        "wirebeat": { "version": env!("CARGO_PKG_VERSION") },
    })
}

/// `/state`
pub fn state(settings: &Settings, output: &str, queue: &str) -> Json {
    json!({
        "beat": { "name": settings.name },
        "host": { "architecture": std::env::consts::ARCH, "hostname": super::settings::host_name(), "os": { "platform": "linux" } },
        "management": { "enabled": false },
        "module": { "count": 0, "names": [] },
        "output": { "name": output },
        "outputs": { output: {} },
        "queue": { "name": queue },
        "service": { "id": settings.identity.id, "name": "packetbeat", "version": COMPATIBLE_PACKETBEAT },
    })
}
