// SPDX-License-Identifier: Apache-2.0
//! The command line: Packetbeat's commands and flags to one [`Invocation`].
//!
//! What needs no configuration (help, version, completion, refusals) ends here as an [`Exit`]. A refusal's last line
//! on stderr begins with `Exiting: ` and the status is 1, as users' scripts expect. Limit: dashboards
//! and ingest pipelines are not built and say so.

mod arguments;
mod order;
#[cfg(test)]
mod tests;

use crate::config::{PathFlags, PermissionCheck, Sources};
use crate::telemetry::log;
use arguments::{
    Arguments, CommandArguments, CompletionShell, ExportArguments, GlobalArguments, KeystoreArguments, TestArguments,
};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The version of Packetbeat whose configuration and events this program keeps.
pub const COMPATIBLE_PACKETBEAT: &str = "9.6.0";

/// What the user asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    pub command: Command,
    /// Where the configuration comes from.
    pub sources: Sources,
    pub log: log::Flags,
}

/// The commands that are built.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Run(RunOptions),
    Devices,
    TestConfig,
    TestOutput,
    ExportConfig,
    ExportTemplate(TemplateOptions),
    ExportIndexPattern,
    /// The lifecycle policy, printed or written into a file below this directory.
    ExportLifecyclePolicy(Option<PathBuf>),
    /// Loads the index template.
    Setup,
    Keystore(KeystoreCommand),
    Bench(Box<BenchOptions>),
    Preflight(PreflightOptions),
    Bind(BindingOptions),
    Unbind {
        devices: Vec<String>,
        deeds: Deeds,
    },
}

/// The flags of `preflight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightOptions {
    pub task: Preflight,
    pub format: Format,
    /// With devices in place of the configuration's if there are any.
    pub binding: BindingOptions,
}

/// What `preflight` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preflight {
    Look,
    Apply,
    Undo,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// What is bound, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingOptions {
    pub devices: Vec<String>,
    pub driver: String,
    pub caution: Caution,
    pub deeds: Deeds,
}

/// Whether commands are only shown (`--dry-run`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deeds {
    Done,
    Shown,
}

/// Whether a NIC is taken that this machine needs (`--force`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    Refuse,
    Force,
}

/// The commands of `keystore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeystoreCommand {
    Create { overwriting: Overwriting },
    Add { names: Vec<String>, source: SecretSource, overwriting: Overwriting },
    Remove { names: Vec<String> },
    List,
}

/// Whether what is there is replaced without a question (`--force`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwriting {
    Asked,
    Forced,
}

/// Where a secret comes from (`--stdin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Terminal,
    Stdin,
}

/// The flags of `run`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// `-I`
    pub file: Option<PathBuf>,
    /// `-l`; 0 is for ever
    pub loops: u64,
    /// `-t`
    pub pace: Pace,
    /// `-N`
    pub publishing: Publishing,
    /// `--dump`
    pub dump_prefix: Option<PathBuf>,
    /// `--httpprof`
    pub profile_address: Option<String>,
    /// `--cpuprofile`
    pub cpu_profile: Option<PathBuf>,
    /// `--memprofile`
    pub memory_profile: Option<PathBuf>,
}

/// The flags of `bench`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BenchOptions {
    pub scenarios: Vec<String>,
    pub listing: bool,
    pub workers: Option<u16>,
    pub seconds: Option<f64>,
    pub rounds: Option<u32>,
    pub depth: Option<String>,
    /// Each protocol's parser by itself too.
    pub protocols: bool,
    pub json: Option<PathBuf>,
    pub html: Option<PathBuf>,
    /// Whether a missed goal is an error.
    pub goal: bool,
    /// One measurement, in a process of its own.
    pub trial: Option<TrialOptions>,
}

/// What one measurement of `bench` is told beside its scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialOptions {
    pub packets_per_second: Option<f64>,
    pub only: Option<String>,
    pub flows: Option<u64>,
    pub frame_bytes: Option<u64>,
}

/// How fast a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// With the pauses between its packets.
    #[default]
    AsRecorded,
    /// `-t`: as fast as it goes, with the file's time stamps.
    TopSpeed,
    /// `-O`: one packet each time Enter is pressed.
    OneAtATime,
}

/// What becomes of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publishing {
    #[default]
    On,
    /// `-N`: no output is created, events are counted and discarded.
    Off,
}

/// The flags of `export template`. `--noilm` is accepted: no template of this program names a lifecycle policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateOptions {
    pub elasticsearch_version: Option<String>,
    pub directory: Option<PathBuf>,
}

/// The end of the program before it began: texts and the exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub status: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Exit {
    /// A text that was asked for.
    pub fn success(stdout: impl Into<String>) -> Self {
        Self { status: 0, stdout: stdout.into(), stderr: String::new() }
    }

    /// A refusal; any error that ends the program is printed this way.
    pub fn failure(message: impl std::fmt::Display) -> Self {
        Self { status: 1, stdout: String::new(), stderr: format!("Exiting: {message}\n") }
    }

    /// Prints the texts and gives the status for `main`. A closed pipe is no reason for another error.
    pub fn print(&self) -> ExitCode {
        let _ = std::io::stdout().write_all(self.stdout.as_bytes());
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
        ExitCode::from(self.status)
    }
}

/// Reads the arguments, of which the first is the program's name.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, Exit> {
    let mut definition = Arguments::command();
    definition.build();
    let order::Ordered { mut words, flags, rest } = order::order(arguments.skip(1), &definition);
    let first = words.first().map(|word| word.to_string_lossy().into_owned());
    match first.as_deref() {
        None if flags.iter().any(|flag| flag == "-h" || flag == "--help") => return Err(help(&mut definition)),
        None => words.push("run".into()),
        Some(name) => check_command(name, words.get(1), &mut definition)?,
    }
    let separator = (!rest.is_empty()).then(|| OsString::from("--"));
    let line = std::iter::once("wirebeat".into()).chain(words).chain(flags).chain(separator).chain(rest);
    let parsed = Arguments::try_parse_from(line).map_err(|error| refusal(&error))?;
    invocation(parsed.command)
}

/// The line that `wirebeat version` prints, in the format of Beats.
pub fn version() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!(
        "wirebeat version {} ({architecture}), compatible with packetbeat {COMPATIBLE_PACKETBEAT} [{} built {}] (FIPS-distribution: false)\n",
        env!("CARGO_PKG_VERSION"),
        option_env!("WIREBEAT_BUILD_COMMIT").unwrap_or("unknown"),
        option_env!("WIREBEAT_BUILD_TIME").unwrap_or("unknown"),
    )
}

/// An unknown command is refused; an unknown or missing part of a known one shows its help, status 0, as in Packetbeat.
fn check_command(name: &str, second: Option<&OsString>, definition: &mut clap::Command) -> Result<(), Exit> {
    let Some(command) = definition.find_subcommand_mut(name) else {
        return Err(Exit::failure(format!(
            "unknown command {name:?} for \"wirebeat\"; `wirebeat help` lists the commands"
        )));
    };
    if name == "help" || !command.has_subcommands() {
        return Ok(());
    }
    let is_known = second.and_then(|word| word.to_str()).is_some_and(|word| command.find_subcommand(word).is_some());
    if is_known { Ok(()) } else { Err(help(command)) }
}

fn help(command: &mut clap::Command) -> Exit {
    Exit::success(command.render_long_help().to_string())
}

fn refusal(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Exit::success(error.render().to_string());
    }
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument {
        let hint = if argument == "--version" { "; the command is `wirebeat version`" } else { "" };
        let kind = match argument.as_bytes() {
            [b'-', b'-', ..] => "flag",
            [b'-', ..] => "shorthand flag",
            _ => "argument",
        };
        return Exit::failure(format!("unknown {kind}: {argument}{hint}"));
    }
    let text = error.render().to_string();
    let first_line = text.lines().next().unwrap_or_default();
    Exit::failure(with_short_flags(first_line.strip_prefix("error: ").unwrap_or(first_line)))
}

/// clap names `-E` by its long form `--E`; users know the short one.
fn with_short_flags(message: &str) -> String {
    let mut short = message.to_owned();
    if let Some((before, after)) = message.split_once("'--") {
        let mut following = after.chars();
        let is_one_letter = following.next().is_some_and(char::is_alphabetic)
            && following.next().is_some_and(|c| c == ' ' || c == '\'');
        if is_one_letter {
            short = format!("{before}'-{after}");
        }
    }
    short
}

fn invocation(command: CommandArguments) -> Result<Invocation, Exit> {
    let (command, global) = match command {
        CommandArguments::Run { run, global } => (Command::Run(run_options(run)), global),
        CommandArguments::Devices { global } => (Command::Devices, global),
        CommandArguments::Preflight { preflight, global } => (Command::Preflight(preflight_options(preflight)), global),
        CommandArguments::Bind { devices, binding, global } => {
            (Command::Bind(binding_options(devices, binding)), global)
        }
        CommandArguments::Unbind { devices, dry_run, global } => {
            (Command::Unbind { devices, deeds: deeds(dry_run) }, global)
        }
        CommandArguments::Test { what: TestArguments::Config { global } } => (Command::TestConfig, global),
        CommandArguments::Test { what: TestArguments::Output { global } } => (Command::TestOutput, global),
        CommandArguments::Export { what } => return export(what),
        CommandArguments::Bench { bench, global } => (Command::Bench(Box::new(bench_options(bench))), global),
        CommandArguments::Version { .. } => return Err(Exit::success(version())),
        CommandArguments::Setup { dashboards: true, .. } => {
            return Err(not_built("setup --dashboards", "Packetbeat's dashboards fit, load them with its own command"));
        }
        CommandArguments::Setup { pipelines: true, .. } => {
            return Err(not_built("setup --pipelines", "no ingest pipeline belongs to it, events are complete"));
        }
        CommandArguments::Setup { global, .. } => (Command::Setup, global),
        CommandArguments::Keystore { what } => return Ok(keystore(what)),
        CommandArguments::Completion { shell, .. } => return Err(completion(shell)),
    };
    Ok(with_global(command, global))
}

fn export(what: ExportArguments) -> Result<Invocation, Exit> {
    match what {
        ExportArguments::Config { global } => Ok(with_global(Command::ExportConfig, global)),
        ExportArguments::Template { elasticsearch_version, directory, global, .. } => {
            Ok(with_global(Command::ExportTemplate(TemplateOptions { elasticsearch_version, directory }), global))
        }
        ExportArguments::IndexPattern { global, .. } => Ok(with_global(Command::ExportIndexPattern, global)),
        ExportArguments::Dashboard { .. } => {
            Err(not_built("export dashboard", "Packetbeat's command does the same, it only talks to Kibana"))
        }
        ExportArguments::IlmPolicy { directory, global, .. } => {
            Ok(with_global(Command::ExportLifecyclePolicy(directory), global))
        }
    }
}

fn keystore(what: KeystoreArguments) -> Invocation {
    let overwriting = |force| if force { Overwriting::Forced } else { Overwriting::Asked };
    let (command, global) = match what {
        KeystoreArguments::Create { force, global } => {
            (KeystoreCommand::Create { overwriting: overwriting(force) }, global)
        }
        KeystoreArguments::Add { names, stdin, force, global } => {
            let source = if stdin { SecretSource::Stdin } else { SecretSource::Terminal };
            (KeystoreCommand::Add { names, source, overwriting: overwriting(force) }, global)
        }
        KeystoreArguments::Remove { names, global } => (KeystoreCommand::Remove { names }, global),
        KeystoreArguments::List { global } => (KeystoreCommand::List, global),
    };
    with_global(Command::Keystore(command), global)
}

fn preflight_options(preflight: arguments::PreflightArguments) -> PreflightOptions {
    let task = match (preflight.apply, preflight.undo) {
        (true, _) => Preflight::Apply,
        (false, true) => Preflight::Undo,
        // A dry run shows what --apply would do.
        (false, false) if preflight.binding.dry_run => Preflight::Apply,
        (false, false) => Preflight::Look,
    };
    PreflightOptions { task, format: preflight.format, binding: binding_options(preflight.devices, preflight.binding) }
}

fn binding_options(devices: Vec<String>, binding: arguments::BindingArguments) -> BindingOptions {
    BindingOptions {
        devices,
        driver: binding.driver,
        caution: if binding.force { Caution::Force } else { Caution::Refuse },
        deeds: deeds(binding.dry_run),
    }
}

fn deeds(dry_run: bool) -> Deeds {
    if dry_run { Deeds::Shown } else { Deeds::Done }
}

fn not_built(command: &str, instead: &str) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    Exit::failure(format!("the command `{command}` of Packetbeat is not in Wirebeat {version}; {instead}"))
}

fn run_options(run: arguments::RunArguments) -> RunOptions {
    let pace = match (run.one_at_a_time, run.top_speed) {
        (true, _) => Pace::OneAtATime,
        (false, true) => Pace::TopSpeed,
        (false, false) => Pace::AsRecorded,
    };
    RunOptions {
        file: run.file.filter(|file| !file.as_os_str().is_empty()),
        loops: run.loops,
        pace,
        publishing: if run.no_publish { Publishing::Off } else { Publishing::On },
        dump_prefix: run.dump.filter(|prefix| !prefix.as_os_str().is_empty()),
        profile_address: run.httpprof,
        cpu_profile: run.cpuprofile,
        memory_profile: run.memprofile,
    }
}

fn bench_options(bench: arguments::BenchArguments) -> BenchOptions {
    let trial = TrialOptions {
        packets_per_second: bench.rate,
        only: bench.only,
        flows: bench.flows,
        frame_bytes: bench.frame_bytes,
    };
    BenchOptions {
        scenarios: bench.scenarios,
        listing: bench.list,
        workers: bench.workers,
        seconds: bench.seconds,
        rounds: bench.rounds,
        depth: bench.depth,
        protocols: bench.protocols,
        json: bench.json,
        html: bench.html,
        goal: bench.goal,
        trial: bench.trial.then_some(trial),
    }
}

fn with_global(command: Command, global: GlobalArguments) -> Invocation {
    let selectors = global.debug_selectors.unwrap_or_default();
    let selectors = selectors.split(',').map(str::trim).filter(|selector| !selector.is_empty()).map(str::to_owned);
    Invocation {
        command,
        sources: Sources {
            files: global.files,
            overrides: global.overrides,
            path_flags: PathFlags {
                home: global.path_home,
                config: global.path_config,
                data: global.path_data,
                logs: global.path_logs,
            },
            permissions: if global.strict_permissions { PermissionCheck::Strict } else { PermissionCheck::Off },
        },
        log: log::Flags {
            selectors: selectors.collect(),
            to_stderr: global.log_to_stderr,
            verbose: global.verbose,
            environment: global.environment,
        },
    }
}

fn completion(shell: CompletionShell) -> Exit {
    let mut script = Vec::new();
    let mut definition = Arguments::command();
    match shell {
        CompletionShell::Bash => {
            clap_complete::generate(clap_complete::Shell::Bash, &mut definition, "wirebeat", &mut script);
        }
        CompletionShell::Zsh => {
            clap_complete::generate(clap_complete::Shell::Zsh, &mut definition, "wirebeat", &mut script);
        }
    }
    Exit::success(String::from_utf8_lossy(&script))
}
