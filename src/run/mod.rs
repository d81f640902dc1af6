// SPDX-License-Identifier: Apache-2.0
//! A run from start to stop: settings, sources, workers, the I/O core, the balances at the end.

mod bench;
mod cpus;
mod demo;
mod devices;
pub mod dpdk;
pub mod identity;
pub mod interface;
mod io_core;
mod keystore;
mod live;
mod metrics;
mod preflight;
mod route;
pub mod settings;
mod setup;
mod sources;
mod tunnels;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{error, info, warn};

use crate::capture::dpdk::PortReport;
use crate::capture::{Pressure, Source};
use crate::cli::{self, Command, Exit, Invocation, Publishing, RunOptions};
use crate::config::{self, Configuration};
use crate::event::Event;
use crate::event::json::{Encoder, Html, Metadata};
use crate::flow::Secret;
use crate::outputs::config::Routing;
use crate::outputs::queue::Overload;
use crate::pipeline::connections::Connections;
use crate::pipeline::counters::{Counters, SharedCounters};
use crate::pipeline::exchange::Exchange;
use crate::pipeline::lane::{self, Lane, LaneSettings};
use crate::pipeline::processes::Processes;
use crate::pipeline::publisher::{ChunkRings, EventWriter};
use crate::pipeline::worker::Worker;
use crate::protocols::registry::PortTable;
use crate::telemetry::http::{Board, Endpoint};
use crate::telemetry::log as log_setup;
use io_core::IoCore;
use settings::Settings;

/// The program: arguments to exit status.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let outcome = demo::requested(&arguments).unwrap_or_else(|| {
        cli::parse(arguments.into_iter()).and_then(|invocation| execute(&invocation).map_err(Exit::failure))
    });
    match outcome {
        Ok(text) => Exit::success(text).print(),
        Err(exit) => exit.print(),
    }
}

fn execute(invocation: &Invocation) -> Result<String, String> {
    let load = || config::load(&invocation.sources, &config::process_environment).map_err(|error| error.to_string());
    match &invocation.command {
        Command::Run(options) => {
            let configuration = load()?;
            let log = log_setup::Settings::read(&configuration, &invocation.log).map_err(|error| error.to_string())?;
            log_setup::install(log).map_err(|error| error.to_string())?;
            let output = io_core::settings(&configuration, options.publishing)?;
            output.warnings.iter().for_each(|warning| warn!("{warning}"));
            profiles(options).iter().for_each(|warning| warn!("{warning}"));
            let routing = output.routing.clone();
            let summary = run_with(&configuration, options, routing, || io_core::open(&output, None))?;
            info!("{}", summary.line());
            Ok(String::new())
        }
        Command::TestConfig => {
            let configuration = load()?;
            let log = log_setup::Settings::read(&configuration, &invocation.log).map_err(|error| error.to_string())?;
            log_setup::install(log).map_err(|error| error.to_string())?;
            let output = io_core::settings(&configuration, Publishing::On)?;
            let settings = Settings::read(&configuration, output.routing).map_err(|error| error.to_string())?;
            sources::check(&settings)?;
            Ok("Config OK\n".to_string())
        }
        // It needs no configuration; one that is there names more devices.
        Command::Devices => devices::list(load().ok().as_ref()),
        Command::Preflight(options) => preflight::preflight(load(), options),
        Command::Bind(options) => preflight::bind(load().ok().as_ref(), options),
        Command::Unbind { devices, deeds } => preflight::unbind(load().ok().as_ref(), devices, *deeds),
        Command::Keystore(command) => keystore::execute(command, load()?.keystore()),
        Command::ExportConfig => Ok(load()?.export()),
        Command::TestOutput => {
            let configuration = load()?;
            let output = io_core::settings(&configuration, Publishing::On)?;
            let mut report = String::new();
            let outcome = output.test(&mut report);
            print!("{report}");
            outcome.map(|()| String::new())
        }
        Command::ExportTemplate(options) => setup::template(&load()?, options),
        Command::ExportLifecyclePolicy(directory) => setup::lifecycle_policy(&load()?, directory.as_deref()),
        Command::ExportIndexPattern => setup::index_pattern(&load()?),
        Command::Setup => setup::load_template(&load()?),
        Command::Bench(options) => bench::execute(options),
    }
}

/// A sentence for each flag that profiles a Go program: this one needs nothing built in.
fn profiles(options: &RunOptions) -> Vec<String> {
    let process = std::process::id();
    let flags = [
        ("--httpprof", options.profile_address.is_some(), "/stats of http.enabled has the program's numbers"),
        ("--cpuprofile", options.cpu_profile.is_some(), "`perf record -g -p` with its process id profiles it"),
        ("--memprofile", options.memory_profile.is_some(), "`heaptrack -p` with its process id profiles it"),
    ];
    let given = flags.into_iter().filter(|(_, given, _)| *given);
    given.map(|(flag, _, instead)| format!("{flag} has no effect; {instead} (this is process {process})")).collect()
}

/// What the threads of a run share.
struct Shared {
    settings: Settings,
    lane: LaneSettings,
    stop: AtomicBool,
    /// Set when the process is asked to end: from before the ports are opened, which must be left in order.
    asked: Arc<AtomicBool>,
    /// How events are written: whether with `@metadata`.
    metadata: Metadata,
    html: Html,
    /// The output's name.
    output: &'static str,
    /// `wirebeat.queue.overload`
    overload: Option<Overload>,
    /// What the HTTP endpoint shows, if there is one.
    board: Option<Arc<Board>>,
}

impl Shared {
    /// For an output that is told nothing but the events.
    fn new(settings: Settings, secret: Secret, asked: Arc<AtomicBool>) -> Shared {
        let lane = LaneSettings {
            records: settings.records,
            max_flows: settings.bounds.max_flows,
            fragments: settings.bounds.fragments,
            tunneling: settings.bounds.tunneling,
            key_parts: settings.bounds.key_parts,
            // Each group has its own.
            workers: 1,
            secret,
            chunk_age_ns: settings.bounds.chunk_age_ns,
            flow_section: settings.registry.sections.len(),
        };
        Shared {
            settings,
            lane,
            stop: AtomicBool::new(false),
            asked,
            metadata: Metadata::Written,
            html: Html::Plain,
            output: "",
            overload: None,
            board: None,
        }
    }
}

/// The secret of a run's flow hash.
fn secret() -> Secret {
    let random: [u8; 32] = identity::random();
    let words = |place: usize| u64::from_le_bytes(random[place * 8..place * 8 + 8].try_into().unwrap_or_default());
    Secret::new([words(0), words(1), words(2), words(3)])
}

/// A source and the worker that reads it.
struct Post<S> {
    source: S,
    /// Number of the worker in its group: the workers among which the packets of one interface are divided. A group begins
    /// with number 0 and stands together.
    worker: u16,
    workers: u16,
    /// The protocols of the interface.
    ports: Arc<PortTable>,
    /// The interface; None for a file.
    device: Option<Arc<str>>,
}

/// One worker's connections to the I/O core.
struct Attachment {
    rings: ChunkRings,
    counters: Arc<SharedCounters>,
    exchange: Arc<Exchange>,
    processes: Option<Arc<Processes>>,
    /// Whether it is the first of its group.
    first: bool,
    device: Option<Arc<str>>,
}

/// Runs with an opened output.
fn run_with(
    configuration: &Configuration,
    options: &RunOptions,
    routing: Routing,
    open: impl FnOnce() -> Result<io_core::Output, String>,
) -> Result<Totals, String> {
    let settings = Settings::read(configuration, routing).map_err(|error| error.to_string())?;
    let secret = secret();
    let plan = sources::plan(&settings, options, secret)?;
    cpus::keep_off(&plan.cpus(&settings));
    let output = open()?;
    for warning in settings.warnings.iter().chain(&configuration.warnings()) {
        warn!("{warning}");
    }
    let (metadata, html, name) = (output.metadata, output.html, output.name);
    let (overload, queue) = (output.overload, output.queue_name());
    let board = settings.http.as_ref().map(|http| {
        let board = Arc::new(Board::new(metrics::information(&settings), metrics::state(&settings, name, queue)));
        Endpoint::start(http, Arc::clone(&board)).map(|endpoint| (board, endpoint))
    });
    let (board, endpoint) = board.transpose()?.unzip();
    if let Some(endpoint) = &endpoint {
        info!("metrics are served on {}", endpoint.shown);
    }
    plan.start(
        || {
            let (settings, asked) = (settings, signals());
            Shared { metadata, html, output: name, overload, board, ..Shared::new(settings, secret, asked) }
        },
        output,
    )
}

/// What outlives the sources of a run and knows more of them: the ports.
trait Monitor {
    /// The workers run.
    fn begin(&mut self);
    /// What the ports say, in place of what the sources say.
    fn ports(&self) -> Vec<PortReport>;
    /// The I/O core has done a round.
    fn turn(&mut self, _attachments: &[Attachment]) {}
}

/// For sources that say everything themselves.
struct Unmonitored;

impl Monitor for Unmonitored {
    fn begin(&mut self) {}

    fn ports(&self) -> Vec<PortReport> {
        Vec::new()
    }
}

/// Runs the workers of `posts` and the I/O core until all is done.
fn start<S: Source + Send>(
    shared: &Shared,
    posts: Vec<Post<S>>,
    mut output: io_core::Output,
    monitor: &mut dyn Monitor,
) -> Result<Totals, String> {
    let settings = &shared.settings;
    let sections = settings.registry.sections.len();
    let mut exchange = Arc::new(Exchange::new(0));
    let live = posts.iter().any(|post| post.source.pressure() == Pressure::Live);
    let chunk_bytes = (posts.len() * settings.bounds.chunks) as u64 * settings.bounds.chunk_bytes as u64;
    output.begin(if live { Pressure::Live } else { Pressure::Lossless }, chunk_bytes);
    let processes = processes(settings, live);
    let attachments: Vec<Attachment> = posts
        .iter()
        .zip(0..)
        .map(|(post, number)| {
            if post.worker == 0 {
                exchange = Arc::new(Exchange::new(usize::from(post.workers)));
            }
            Attachment {
                rings: ChunkRings::new(number, settings.bounds.chunks, settings.bounds.chunk_bytes),
                counters: Arc::new(SharedCounters::new(sections)),
                exchange: Arc::clone(&exchange),
                processes: processes.clone().filter(|_| post.source.pressure() == Pressure::Live),
                first: post.worker == 0,
                device: post.device.clone(),
            }
        })
        .collect();
    let signals = &*shared.asked;
    let started = std::time::Instant::now();
    let (outcome, report) = std::thread::scope(|scope| {
        let workers: Vec<_> = posts
            .into_iter()
            .zip(&attachments)
            .enumerate()
            .map(|(number, (post, attachment))| {
                std::thread::Builder::new()
                    .name(format!("worker-{number}"))
                    .spawn_scoped(scope, move || work(shared, number as u16, post, attachment))
            })
            .collect();
        let mut io_core = IoCore::new(shared, &attachments);
        let mut outcome = Ok(());
        let mut running = Vec::new();
        for worker in workers {
            match worker {
                Ok(worker) => running.push(worker),
                Err(error) => outcome = Err(format!("a worker thread could not be started: {error}")),
            }
        }
        monitor.begin();
        while running.iter().any(|worker| !worker.is_finished()) {
            if signals.swap(false, Ordering::Relaxed) {
                io_core.stop();
                shared.stop.store(true, Ordering::Relaxed);
            }
            if outcome.is_err() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            io_core.turn(&mut output, monitor);
            monitor.turn(&attachments);
        }
        let mut counters = Counters::new(sections);
        let mut analysed = Vec::new();
        for worker in running {
            match worker.join() {
                Ok((result, of_worker)) => {
                    counters.add(&of_worker);
                    analysed.push(of_worker.analysed);
                    outcome = outcome.and(result);
                }
                Err(_) => outcome = Err("a worker thread ended in a panic".to_string()),
            }
        }
        let worked = started.elapsed();
        let shipped = io_core.finish(output, monitor, signals);
        (outcome, (counters, analysed, shipped, worked))
    });
    let (mut counters, analysed, shipped, worked) = report;
    metrics::lost_by_ports(&mut counters, &monitor.ports());
    outcome.map(|()| Totals { counters, analysed, shipped, worked })
}

/// The table of processes, which says nothing about packets of files.
fn processes(settings: &Settings, live: bool) -> Option<Arc<Processes>> {
    let processes = settings.processes.clone()?;
    if !live {
        info!("Process watcher disabled when file input is used");
        return None;
    }
    Some(Processes::start(processes, settings.events.perimeter.local.clone()))
}

fn work<S: Source>(
    shared: &Shared,
    number: u16,
    post: Post<S>,
    attachment: &Attachment,
) -> (Result<(), String>, Counters) {
    let Post { mut source, worker, workers, ports, .. } = post;
    let settings = &shared.settings;
    cpus::pin(&settings.cpus, number);
    // Kept until the source is gone. Without a core of its own a worker still works.
    let _entered = source.enter().map_err(|problem| warn!("worker {number}: {problem}"));
    let writer = EventWriter::new(
        Arc::clone(&settings.events),
        Event::new(Arc::clone(&settings.schema)),
        Encoder::new(settings.precision, shared.metadata).with_html(shared.html),
        attachment.rings.clone(),
        number,
        io_core::pressure(source.pressure(), shared.overload),
    )
    .with_processes(attachment.processes.clone());
    let connections = Connections::new(
        Arc::clone(&settings.registry),
        ports,
        settings.bounds.streams,
        settings.bounds.stream_idle_ns,
    );
    let lane = Lane::new(
        LaneSettings { workers, ..shared.lane.clone() },
        worker,
        (source.share(), source.placement()),
        connections,
        writer,
        settings.registry.sections.len(),
        lane::Common {
            shared: Arc::clone(&attachment.counters),
            exchange: Arc::clone(&attachment.exchange),
            pressure: source.pressure(),
        },
    );
    let lane = match lane {
        Ok(lane) => lane,
        Err(sentence) => {
            attachment.exchange.end(i64::MIN);
            shared.stop.store(true, Ordering::Relaxed);
            return (Err(sentence), Counters::new(settings.registry.sections.len()));
        }
    };
    let mut worker = Worker { source, lane };
    let outcome = worker.run(&shared.stop);
    (outcome, worker.lane.counters.clone())
}

/// Set when the process is asked to end.
fn signals() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&asked)) {
            warn!("signal {signal} is not caught: {error}");
        }
    }
    asked
}

/// What a run counted.
struct Totals {
    counters: Counters,
    /// By each worker.
    analysed: Vec<u64>,
    shipped: io_core::Shipped,
    /// Until the last worker ended.
    worked: Duration,
}

impl Totals {
    /// A sentence for each balance that does not hold.
    fn problems(&self) -> Vec<String> {
        let counters = &self.counters;
        let balances = [
            counters.packets_balance(),
            counters.payload_balance(),
            counters.events_balance(),
            self.shipped.balance(counters),
        ];
        balances
            .into_iter()
            .filter_map(Result::err)
            .map(|problem| format!("a balance does not hold: {problem}"))
            .collect()
    }

    /// The summary line; a balance that does not hold is an error in the log.
    fn line(&self) -> String {
        self.problems().iter().for_each(|problem| error!("{problem}"));
        let (counters, shipped) = (&self.counters, &self.shipped);
        format!(
            "packets: {} received, {} analysed, {} filtered, {} duplicate, {} dropped, {} missed; events: {} made, {} acknowledged, {} dropped{}; workers: {:?}; running {:.3} s",
            counters.received,
            counters.analysed,
            counters.filtered,
            counters.duplicate,
            counters.packets_dropped(),
            counters.missed,
            counters.events_made,
            shipped.acknowledged,
            counters.events_dropped() + shipped.dropped,
            shipped.on_disk(),
            self.analysed,
            self.worked.as_secs_f64(),
        )
    }
}
