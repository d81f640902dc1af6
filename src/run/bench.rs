// SPDX-License-Identifier: Apache-2.0
//! `wirebeat bench`: the harness of `src/bench` with the program's own workers, I/O core and outputs.
//!
//! A trial is one run of the program's parts in a process of its own; `src/bench` decides which trials there are and what
//! is said of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::interface::{Interface, Kind};
use super::settings::Settings;
use super::{Attachment, Monitor, Post, Shared, Totals, dpdk, io_core, secret, sources, start};
use crate::bench;
use crate::bench::latency::{Histogram, LatencySink};
use crate::bench::machine::{Resident, steal};
use crate::bench::outcome::{Depth, Outcome, Trial};
use crate::bench::scenario::{FrameSizes, Scenario, SourcePlan, WirePlan};
use crate::bench::silent::Silent;
use crate::bench::source::{self, BenchSource, Duty, Window, thread_cpu_ns};
use crate::capture::dpdk::{Generator, GeneratorPlan, Hardware, PortReport, Sent};
use crate::cli::{BenchOptions, Publishing, RunOptions, TrialOptions};
use crate::config::{self, Configuration, PathFlags, PermissionCheck, Sources};
use crate::event::Constants;
use crate::pipeline::counters::Counters;
use crate::pipeline::publisher::EventSettings;
use crate::processors::Chain;

/// Does what was asked: the report goes to standard output as it comes.
pub fn execute(options: &BenchOptions) -> Result<String, String> {
    match &options.trial {
        Some(trial) => one_trial(options, trial).map(|outcome| format!("{}\n", outcome.to_json())),
        None => bench::execute(options).map(|()| String::new()),
    }
}

fn one_trial(options: &BenchOptions, more: &TrialOptions) -> Result<Outcome, String> {
    let [argument] = &options.scenarios[..] else {
        return Err("--trial measures one scenario".to_string());
    };
    let mut scenario = Scenario::find(argument)?;
    let trial = Trial {
        depth: Depth::of_name(options.depth.as_deref().unwrap_or(Depth::Sink.name()))?,
        workers: options.workers.unwrap_or(scenario.workers),
        seconds: options.seconds.unwrap_or(scenario.seconds),
        packets_per_second: more.packets_per_second,
        only: more.only.clone(),
        flows: more.flows,
        frame_bytes: more.frame_bytes,
    };
    if let Some(synthetic) = scenario.source.synthetic_mut() {
        synthetic.flows = trial.flows.unwrap_or(synthetic.flows);
        if let Some(bytes) = trial.frame_bytes {
            synthetic.frames = FrameSizes::Fixed(bytes as u16);
        }
    }
    let folder = Folder::create()?;
    let configuration = configuration(&scenario, &folder)?;
    let publishing = if trial.depth == Depth::Sink { Publishing::On } else { Publishing::Off };
    let output = io_core::settings(&configuration, publishing)?;
    let mut settings = Settings::read(&configuration, output.routing.clone()).map_err(|error| error.to_string())?;
    let mut notes = settings.warnings.clone();
    notes.extend(configuration.warnings());
    reduce(&mut settings, &trial)?;

    let before = steal();
    let histogram = Arc::new(Mutex::new(Histogram::default()));
    // A port stamps packets with the wall clock's time, and so does a rate.
    let timed = trial.packets_per_second.is_some() || matches!(scenario.source, SourcePlan::Live { .. });
    let open = || {
        io_core::open_with(&output, None, |sink| match timed {
            true => Box::new(LatencySink { inner: sink, histogram: Arc::clone(&histogram) }),
            false => sink,
        })
    };
    let mut outcome = match &scenario.source {
        SourcePlan::Live { device } => live(device, settings, &trial, open()?)?,
        SourcePlan::Wire(plan) => wire(plan, settings, &trial, open()?)?,
        _ if trial.depth <= Depth::Decode => bare(&scenario, &settings, &trial)?,
        _ => in_memory(&scenario, settings, &trial, open()?)?,
    };
    let after = steal();
    (outcome.steal_ticks, outcome.machine_ticks) = (after.0 - before.0, after.1 - before.1);
    let histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
    outcome.latency_events = histogram.count();
    outcome.latency_p50_ns = histogram.quantile_ns(0.5);
    outcome.latency_p99_ns = histogram.quantile_ns(0.99);
    outcome.latency_p999_ns = histogram.quantile_ns(0.999);
    outcome.latency_maximum_ns = histogram.maximum_ns();
    outcome.notes = notes;
    Ok(outcome)
}

/// The scenario's configuration, in which `${FOLDER}` is a folder that is removed at the end.
fn configuration(scenario: &Scenario, folder: &Folder) -> Result<Configuration, String> {
    let outcome = match &scenario.configuration {
        None => Configuration::from_text("the built-in configuration", EVERYTHING),
        Some(file) => {
            let sources = Sources {
                files: vec![std::path::absolute(file).map_err(|error| format!("{}: {error}", file.display()))?],
                overrides: Vec::new(),
                path_flags: PathFlags { home: Some(folder.path.clone()), ..PathFlags::default() },
                permissions: PermissionCheck::Off,
            };
            let environment = |name: &str| match name {
                "FOLDER" => Some(folder.path.clone()),
                name => config::process_environment(name),
            };
            config::load(&sources, &environment)
        }
    };
    outcome.map_err(|error| error.to_string())
}

/// Every protocol, and flows.
const EVERYTHING: &str = include_str!("../../perf/scenarios/everything.yml");

/// Takes out of the settings what lies beyond the trial's depth.
fn reduce(settings: &mut Settings, trial: &Trial) -> Result<(), String> {
    if let Some(only) = &trial.only
        && !settings.registry.sections.iter().any(|section| section.descriptor.name == only)
    {
        return Err(format!("--only: the configuration has no protocol {only:?}"));
    }
    let registry = Arc::get_mut(&mut settings.registry).ok_or("the registry is in use")?;
    if trial.depth <= Depth::Flow {
        registry.sections.clear();
        registry.detection = crate::protocols::registry::Detection::Off;
    }
    for section in &mut registry.sections {
        if trial.depth == Depth::Stream || trial.only.as_ref().is_some_and(|only| section.descriptor.name != only) {
            section.factory = Box::new(Silent);
        }
    }
    if trial.depth <= Depth::Protocol {
        let drop = Configuration::from_text("bench", "processors: [{drop_event: {}}]").map_err(|e| e.to_string())?;
        let drop = crate::processors::read(&drop.root(), &mut Vec::new()).map_err(|error| error.to_string())?;
        let events = &settings.events;
        settings.events = Arc::new(EventSettings {
            treatments: Vec::new(),
            constants: Constants::default(),
            sensor: Constants::default(),
            tags: Vec::new(),
            processors: Chain::bind(drop, &settings.schema),
            perimeter: events.perimeter.clone(),
            outgoing: events.outgoing,
            max_event_bytes: events.max_event_bytes,
            chunk_bytes: events.chunk_bytes,
            ids: None,
            routing: events.routing.clone(),
        });
    }
    Ok(())
}

type Windows = Vec<Arc<Mutex<Option<Window>>>>;

/// Opens the traffic of each worker.
fn bench_sources(scenario: &Scenario, trial: &Trial) -> Result<(Vec<BenchSource>, Windows), String> {
    let counted = Duration::from_secs_f64(trial.seconds);
    let duty = Duty {
        warm_up: counted.mul_f64(WARM_UP),
        counted,
        packets_per_second: trial.packets_per_second.map(|rate| rate / f64::from(trial.workers)),
        ring_packets: source::RING_PACKETS,
    };
    let (mut sources, mut windows) = (Vec::new(), Vec::new());
    for worker in 0..trial.workers {
        let window = Arc::new(Mutex::new(None));
        let traffic = source::open(&scenario.source, worker, trial.workers)?;
        sources.push(BenchSource::new(traffic, duty, Arc::clone(&window)));
        windows.push(window);
    }
    Ok((sources, windows))
}

/// Share of the counted time that goes before it.
const WARM_UP: f64 = 0.25;

fn add_windows(outcome: &mut Outcome, windows: &Windows) -> Result<(), String> {
    for window in windows {
        let window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(window) = *window else {
            return Err("the run ended before anything was measured".to_string());
        };
        outcome.packets += window.packets;
        outcome.bytes += window.bytes;
        outcome.wire_bytes += window.wire_bytes;
        outcome.cpu_ns += window.cpu_ns;
        outcome.ticks += window.ticks;
        outcome.wall_ns = outcome.wall_ns.max(window.wall_ns);
        outcome.total_packets += window.total_packets;
        outcome.total_passes += window.total_passes;
        outcome.total_flows += window.total_flows;
        outcome.offered += window.offered;
        outcome.lost += window.lost;
    }
    Ok(())
}

/// The source alone, or with the decoder.
fn bare(scenario: &Scenario, settings: &Settings, trial: &Trial) -> Result<Outcome, String> {
    let (sources, windows) = bench_sources(scenario, trial)?;
    let mut outcome = Outcome { resident_before_bytes: Resident::now().bytes, ..Outcome::default() };
    let tunneling = (trial.depth == Depth::Decode).then_some(&settings.bounds.tunneling);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for source in sources {
            scope.spawn(move || source::drain(source, tunneling));
        }
    });
    outcome.run_wall_ns = started.elapsed().as_nanos() as u64;
    let resident = Resident::now();
    (outcome.resident_peak_bytes, outcome.huge_page_bytes) = (resident.peak_bytes, resident.huge_page_bytes);
    add_windows(&mut outcome, &windows)?;
    Ok(outcome)
}

/// Workers that read memory, and the I/O core.
fn in_memory(
    scenario: &Scenario,
    settings: Settings,
    trial: &Trial,
    output: io_core::Output,
) -> Result<Outcome, String> {
    let (sources, windows) = bench_sources(scenario, trial)?;
    let ports = Arc::new(settings.registry.on_interface(None));
    let posts: Vec<Post<BenchSource>> = sources
        .into_iter()
        .map(|source| Post { source, worker: 0, workers: 1, ports: Arc::clone(&ports), device: None })
        .collect();
    let names: Vec<&'static str> = settings.registry.sections.iter().map(|section| section.descriptor.name).collect();
    let shared = Shared::new(settings, secret(), Arc::new(AtomicBool::new(false)));
    let mut watch = Watch::new(trial.seconds);
    let (started, cpu_ns) = (Instant::now(), thread_cpu_ns());
    let totals = start(&shared, posts, output, &mut watch)?;
    let mut outcome = watch.outcome();
    outcome.run_wall_ns = started.elapsed().as_nanos() as u64;
    outcome.io_core_cpu_ns = thread_cpu_ns() - cpu_ns;
    add_windows(&mut outcome, &windows)?;
    add_totals(&mut outcome, &totals, &names);
    Ok(outcome)
}

/// A port as it is, for so many seconds.
fn live(device: &str, mut settings: Settings, trial: &Trial, output: io_core::Output) -> Result<Outcome, String> {
    let configured = settings.interfaces.first().cloned().unwrap_or_default();
    settings.interfaces = vec![Interface { device: Some(device.to_string()), ..configured }];
    settings.bounds.workers = Some(trial.workers);
    let secret = secret();
    let plan = sources::plan(&settings, &RunOptions::default(), secret)?;
    let names: Vec<&'static str> = settings.registry.sections.iter().map(|section| section.descriptor.name).collect();
    let asked = Arc::new(AtomicBool::new(false));
    let shared = Shared::new(settings, secret, Arc::clone(&asked));
    let mut outcome = Outcome { resident_before_bytes: Resident::now().bytes, ..Outcome::default() };
    let seconds = Duration::from_secs_f64(trial.seconds);
    std::thread::spawn(move || {
        std::thread::sleep(seconds);
        asked.store(true, Ordering::Relaxed);
    });
    let (started, cpu_ns, process_ns) = (Instant::now(), thread_cpu_ns(), source::process_cpu_ns());
    let totals = plan.start(|| shared, output)?;
    outcome.run_wall_ns = started.elapsed().as_nanos() as u64;
    outcome.io_core_cpu_ns = thread_cpu_ns() - cpu_ns;
    outcome.cpu_ns = source::process_cpu_ns() - process_ns - outcome.io_core_cpu_ns;
    let resident = Resident::now();
    (outcome.resident_peak_bytes, outcome.huge_page_bytes) = (resident.peak_bytes, resident.huge_page_bytes);
    let counters = &totals.counters;
    outcome.packets = counters.received;
    outcome.bytes = counters.received_bytes;
    outcome.wire_bytes = counters.received_bytes + counters.received * source::WIRE_BYTES;
    outcome.wall_ns = totals.worked.as_nanos() as u64;
    outcome.lost = counters.missed;
    outcome.offered = counters.received + counters.missed;
    add_totals(&mut outcome, &totals, &names);
    Ok(outcome)
}

/// A generator sends, and the workers receive from ports of DPDK.
fn wire(plan: &WirePlan, mut settings: Settings, trial: &Trial, output: io_core::Output) -> Result<Outcome, String> {
    let packets_per_second = trial.packets_per_second.ok_or("a wire is measured at a rate")?;
    settings.bounds.workers = Some(trial.workers);
    if let Some(sender) = &plan.sender {
        settings.dpdk.eal_arguments.push(format!("--vdev={sender}"));
    }
    settings.dpdk.memory.megabytes.get_or_insert(WIRE_MEGABYTES);
    let interface = Interface { device: Some(plan.device.clone()), kind: Kind::Dpdk, ..Interface::default() };
    let secret = secret();
    let hardware_plan = dpdk::plan(&settings, &[interface], &RunOptions::default(), secret)?;
    let (mut hardware, sources) = Hardware::start(&hardware_plan)?;
    let traffic = source::open(&plan.traffic, 0, 1)?;
    let generator = hardware.generator(GeneratorPlan {
        sender: plan.sender.as_ref().map(|sender| sender.split(',').next().unwrap_or_default().to_string()),
        packets_per_second,
        duration: Duration::from_secs_f64(trial.seconds),
        frames: Box::new(source::Endless::new(traffic)?),
        secret,
    })?;
    let ports = Arc::new(settings.registry.on_interface(None));
    let names: Vec<&'static str> = settings.registry.sections.iter().map(|section| section.descriptor.name).collect();
    let device: Arc<str> = plan.device.as_str().into();
    let posts = (sources.into_iter().zip(0..))
        .map(|(source, worker)| Post {
            source,
            worker,
            workers: trial.workers,
            ports: Arc::clone(&ports),
            device: Some(Arc::clone(&device)),
        })
        .collect();
    let asked = Arc::new(AtomicBool::new(false));
    let shared = Shared::new(settings, secret, Arc::clone(&asked));
    let mut watch = WireWatch {
        watch: Watch::new(trial.seconds),
        hardware,
        generator: Some(generator),
        sending: None,
        asked: Arc::clone(&asked),
    };
    let (started, cpu_ns, process_ns) = (Instant::now(), thread_cpu_ns(), source::process_cpu_ns());
    let totals = start(&shared, posts, output, &mut watch)?;
    let (run_wall_ns, io_core_cpu_ns) = (started.elapsed().as_nanos() as u64, thread_cpu_ns() - cpu_ns);
    let WireWatch { watch, hardware, sending, .. } = watch;
    let sent = sending.and_then(|thread| thread.join().ok()).ok_or("the generator was not started")?;
    let (sent, generator_cpu_ns) = sent?;
    let process_ns = source::process_cpu_ns() - process_ns;
    let statistics = hardware.ports();
    hardware.stop()?;
    let mut outcome = watch.outcome();
    (outcome.run_wall_ns, outcome.io_core_cpu_ns) = (run_wall_ns, io_core_cpu_ns);
    outcome.cpu_ns = process_ns.saturating_sub(io_core_cpu_ns + generator_cpu_ns);
    let received = totals.counters.received;
    outcome.packets = received;
    outcome.bytes = totals.counters.received_bytes;
    outcome.wire_bytes = outcome.bytes + received * source::WIRE_BYTES;
    outcome.wall_ns = sent.elapsed.as_nanos() as u64;
    outcome.offered = sent.offered;
    outcome.lost = sent.offered.saturating_sub(received);
    outcome.late = sent.late;
    let port_lost: u64 = statistics.iter().map(|port| port.lost.missed + port.lost.no_buffer).sum();
    add_totals(&mut outcome, &totals, &names);
    if sent.lost + port_lost > 0 {
        outcome.counters.insert("wire.lost.no_room".to_string(), sent.lost + port_lost);
    }
    Ok(outcome)
}

/// For both pools.
const WIRE_MEGABYTES: u32 = 192;
/// What is on its way when the generator has ended arrives in this time.
const WIRE_GRACE: Duration = Duration::from_millis(100);

/// Starts the generator when the workers run.
struct WireWatch {
    watch: Watch,
    hardware: Hardware,
    generator: Option<Generator>,
    sending: Option<JoinHandle<Result<(Sent, u64), String>>>,
    asked: Arc<AtomicBool>,
}

impl Monitor for WireWatch {
    fn begin(&mut self) {
        let Some(generator) = self.generator.take() else { return };
        let asked = Arc::clone(&self.asked);
        let send = move || {
            let sent = generator.run(&AtomicBool::new(false));
            let cpu_ns = thread_cpu_ns();
            std::thread::sleep(WIRE_GRACE);
            asked.store(true, Ordering::Relaxed);
            sent.map(|sent| (sent, cpu_ns))
        };
        match std::thread::Builder::new().name("generator".to_string()).spawn(send) {
            Ok(thread) => self.sending = Some(thread),
            Err(_) => self.asked.store(true, Ordering::Relaxed),
        }
    }

    fn ports(&self) -> Vec<PortReport> {
        self.hardware.ports()
    }

    fn turn(&mut self, attachments: &[Attachment]) {
        self.watch.turn(attachments);
    }
}

fn add_totals(outcome: &mut Outcome, totals: &Totals, names: &[&'static str]) {
    totals.counters.for_each(names, |name, value| {
        if value > 0 {
            outcome.counters.insert(name.to_string(), value);
        }
    });
    outcome.acknowledged = totals.shipped.acknowledged;
    outcome.output_dropped = totals.shipped.dropped;
    outcome.problems.extend(totals.problems());
}

/// Looks at a run now and then, from the I/O core.
struct Watch {
    started: Instant,
    interval: Duration,
    next: Duration,
    before: Resident,
    outcome: Outcome,
}

/// Looks in a run.
const LOOKS: f64 = 60.0;

impl Watch {
    fn new(seconds: f64) -> Watch {
        Watch {
            started: Instant::now(),
            interval: Duration::from_secs_f64((seconds / LOOKS).max(0.01)),
            next: Duration::ZERO,
            before: Resident::now(),
            outcome: Outcome::default(),
        }
    }

    fn outcome(self) -> Outcome {
        let resident = Resident::now();
        Outcome {
            resident_before_bytes: self.before.bytes,
            resident_peak_bytes: resident.peak_bytes,
            huge_page_bytes: resident.huge_page_bytes,
            ..self.outcome
        }
    }
}

impl Monitor for Watch {
    fn begin(&mut self) {}

    fn ports(&self) -> Vec<PortReport> {
        Vec::new()
    }

    fn turn(&mut self, attachments: &[Attachment]) {
        let elapsed = self.started.elapsed();
        if elapsed < self.next {
            return;
        }
        self.next = elapsed + self.interval;
        let mut counters = Counters::default();
        attachments.iter().for_each(|attachment| counters.add(&attachment.counters.read()));
        let open = counters.flows_created.saturating_sub(counters.flows_closed);
        self.outcome.flows_peak = self.outcome.flows_peak.max(open);
        self.outcome.samples.push([
            elapsed.as_secs_f64(),
            counters.analysed as f64,
            Resident::now().bytes as f64,
            open as f64,
        ]);
    }
}

/// A folder for what an output writes, in memory where that is possible; removed at the end.
struct Folder {
    path: String,
}

impl Folder {
    fn create() -> Result<Folder, String> {
        let shared_memory = std::path::Path::new("/dev/shm");
        let parent = if shared_memory.is_dir() { shared_memory.to_path_buf() } else { std::env::temp_dir() };
        let path = parent.join(format!("wirebeat-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder { path: path.to_string_lossy().into_owned() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
