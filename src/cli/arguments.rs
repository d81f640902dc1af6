// SPDX-License-Identifier: Apache-2.0
//! The commands and flags as clap sees them: Packetbeat's, by the same names.
//!
//! One-letter flags have a long form of one letter too, because Packetbeat accepts `--I` for `-I`. A boolean flag
//! takes a value only after `=` (`-e=false`, `--strict.perms=false`). `super::order` has put the command in front.

use super::Format;
use crate::telemetry::log::RunEnvironment;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Network analyser with Packetbeat's configuration and events, on DPDK.
#[derive(Debug, Parser)]
#[command(
    name = "wirebeat",
    disable_version_flag = true,
    args_override_self = true,
    after_help = "Without a command `run` is meant; its flags are shown by `wirebeat help run`."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: CommandArguments,
}

#[derive(Debug, Subcommand)]
pub enum CommandArguments {
    /// Capture, analyse and publish (the default)
    Run {
        #[command(flatten)]
        run: RunArguments,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// List the devices packets can be captured from
    Devices {
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Look whether this machine is ready for its NICs, and make it so
    Preflight {
        #[command(flatten)]
        preflight: PreflightArguments,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Give a NIC to DPDK
    Bind {
        /// PCI addresses, or interfaces of the kernel
        #[arg(required = true, value_name = "DEVICE")]
        devices: Vec<String>,
        #[command(flatten)]
        binding: BindingArguments,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Give a NIC back to the kernel
    Unbind {
        /// PCI addresses
        #[arg(required = true, value_name = "DEVICE")]
        devices: Vec<String>,
        /// Only show the commands
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Test the configuration or the output
    Test {
        #[command(subcommand)]
        what: TestArguments,
    },
    /// Print the configuration or the index template
    Export {
        #[command(subcommand)]
        what: ExportArguments,
    },
    /// Measure how fast this machine analyses traffic
    Bench {
        #[command(flatten)]
        bench: BenchArguments,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Print the version
    Version {
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Load the index template
    Setup {
        #[arg(long, hide = true)]
        dashboards: bool,
        /// Load the index template, which happens without this flag too
        #[arg(long)]
        index_management: bool,
        #[arg(long, hide = true)]
        pipelines: bool,
        #[arg(long, hide = true)]
        enable_all_filesets: bool,
        #[arg(long, hide = true)]
        force_enable_module_filesets: bool,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Manage the secrets keystore
    Keystore {
        #[command(subcommand)]
        what: KeystoreArguments,
    },
    /// Print a shell completion script
    #[command(hide = true)]
    Completion {
        shell: CompletionShell,
        #[command(flatten)]
        global: GlobalArguments,
    },
}

/// The flags of `preflight`.
#[derive(Clone, Debug, Args)]
pub struct PreflightArguments {
    /// PCI addresses or interfaces instead of those of the configuration
    #[arg(value_name = "DEVICE")]
    pub devices: Vec<String>,
    /// Do what can be done: huge pages, modules, drivers
    #[arg(long, conflicts_with = "undo")]
    pub apply: bool,
    /// Take back what --apply did
    #[arg(long)]
    pub undo: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    #[command(flatten)]
    pub binding: BindingArguments,
}

/// How NICs are bound.
#[derive(Clone, Debug, Args)]
pub struct BindingArguments {
    /// Only show the commands
    #[arg(long)]
    pub dry_run: bool,
    /// Take the NIC even when it carries the default route or a login, or has no IOMMU
    #[arg(long)]
    pub force: bool,
    /// Driver that leaves the NIC to user space
    #[arg(long, value_name = "NAME", default_value = "vfio-pci")]
    pub driver: String,
}

#[derive(Debug, Subcommand)]
pub enum TestArguments {
    /// Load the configuration and build everything once
    Config {
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Connect to the output
    Output {
        #[command(flatten)]
        global: GlobalArguments,
    },
}

#[derive(Debug, Subcommand)]
pub enum ExportArguments {
    /// Print the configuration as YAML
    Config {
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Print the index template
    Template {
        /// Version of Elasticsearch the template is for
        #[arg(long = "es.version", value_name = "VERSION")]
        elasticsearch_version: Option<String>,
        /// Leave the lifecycle policy out
        #[arg(long = "noilm", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set, value_parser = boolean)]
        without_lifecycle: bool,
        /// Write into a file in this directory instead
        #[arg(long = "dir", value_name = "DIRECTORY")]
        directory: Option<PathBuf>,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Print the index pattern of Kibana
    IndexPattern {
        #[arg(long = "es.version", value_name = "VERSION")]
        elasticsearch_version: Option<String>,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Export a dashboard of Kibana (not built yet)
    Dashboard {
        #[arg(long)]
        id: Option<String>,
        #[arg(long)]
        yml: Option<PathBuf>,
        #[arg(long)]
        folder: Option<PathBuf>,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Print the lifecycle policy
    IlmPolicy {
        #[arg(long = "es.version", value_name = "VERSION")]
        elasticsearch_version: Option<String>,
        #[arg(long = "dir", value_name = "DIRECTORY")]
        directory: Option<PathBuf>,
        #[command(flatten)]
        global: GlobalArguments,
    },
}

#[derive(Debug, Subcommand)]
pub enum KeystoreArguments {
    /// Create the keystore
    Create {
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Add a secret
    Add {
        #[arg(value_name = "KEY")]
        names: Vec<String>,
        #[arg(long)]
        stdin: bool,
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// Remove a secret
    Remove {
        #[arg(value_name = "KEY")]
        names: Vec<String>,
        #[command(flatten)]
        global: GlobalArguments,
    },
    /// List the names of the secrets
    List {
        #[command(flatten)]
        global: GlobalArguments,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    Bash,
    Zsh,
}

/// The flags of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Read packets from this file instead of an interface
    #[arg(short = 'I', long = "I", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Read the file this often; 0 means for ever
    #[arg(short = 'l', long = "l", value_name = "N", default_value_t = 1)]
    pub loops: u64,
    /// Read the file at top speed, with its time stamps
    #[arg(short = 't', long = "t", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set, value_parser = boolean)]
    pub top_speed: bool,
    /// Read one packet each time Enter is pressed
    #[arg(short = 'O', long = "O", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set, value_parser = boolean)]
    pub one_at_a_time: bool,
    /// Publish nothing
    #[arg(short = 'N', long = "N", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set, value_parser = boolean)]
    pub no_publish: bool,
    /// Write every packet into a file whose name begins with this
    #[arg(long, value_name = "PREFIX")]
    pub dump: Option<PathBuf>,
    /// Serve profiles over HTTP
    #[arg(long, value_name = "[HOST]:PORT")]
    pub httpprof: Option<String>,
    /// Write a CPU profile
    #[arg(long, value_name = "FILE")]
    pub cpuprofile: Option<PathBuf>,
    /// Write a memory profile
    #[arg(long, value_name = "FILE")]
    pub memprofile: Option<PathBuf>,
}

/// The flags of `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArguments {
    /// Names of scenarios, their folders or files, or captures; all scenarios without one
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
    /// Worker threads
    #[arg(long, value_name = "N")]
    pub workers: Option<u16>,
    /// Counted seconds of each trial
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
    /// Trials of each stage, of which the median counts
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
    /// How far packets go: receive, decode, flow, stream, protocol, encode or sink
    #[arg(long, value_name = "STAGE")]
    pub depth: Option<String>,
    /// Measure each protocol's parser by itself too
    #[arg(long)]
    pub protocols: bool,
    /// Write the report as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Exit status 1 when a goal is missed
    #[arg(long)]
    pub goal: bool,
    #[arg(long, hide = true)]
    pub trial: bool,
    #[arg(long, hide = true)]
    pub rate: Option<f64>,
    #[arg(long, hide = true)]
    pub only: Option<String>,
    #[arg(long, hide = true)]
    pub flows: Option<u64>,
    #[arg(long, hide = true)]
    pub frame_bytes: Option<u64>,
}

/// The flags of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArguments {
    /// Configuration file, relative to path.config; several are merged in order
    #[arg(short = 'c', long = "c", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Override a setting
    #[arg(short = 'E', long = "E", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Debug messages of these parts; "*" means all
    #[arg(short = 'd', long = "d", value_name = "SELECTORS")]
    pub debug_selectors: Option<String>,
    /// Log to stderr
    #[arg(short = 'e', long = "e", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set, value_parser = boolean)]
    pub log_to_stderr: bool,
    /// Log at level info
    #[arg(short = 'v', long = "v", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set, value_parser = boolean)]
    pub verbose: bool,
    /// The environment the program runs in
    #[arg(long, value_name = "ENVIRONMENT", default_value = "default", value_parser = environment)]
    pub environment: RunEnvironment,
    /// Directory that the other paths are relative to
    #[arg(long = "path.home", value_name = "DIRECTORY")]
    pub path_home: Option<String>,
    /// Directory of the configuration
    #[arg(long = "path.config", value_name = "DIRECTORY")]
    pub path_config: Option<String>,
    /// Directory of data
    #[arg(long = "path.data", value_name = "DIRECTORY")]
    pub path_data: Option<String>,
    /// Directory of log files
    #[arg(long = "path.logs", value_name = "DIRECTORY")]
    pub path_logs: Option<String>,
    /// Check owner and permissions of configuration files
    #[arg(long = "strict.perms", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set, value_parser = boolean)]
    pub strict_permissions: bool,
}

/// The booleans that Go's flags accept.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn environment(text: &str) -> Result<RunEnvironment, String> {
    match text {
        "default" => Ok(RunEnvironment::Default),
        "systemd" => Ok(RunEnvironment::Systemd),
        "container" => Ok(RunEnvironment::Container),
        "macos_service" => Ok(RunEnvironment::MacosService),
        "windows_service" => Ok(RunEnvironment::WindowsService),
        _ => Err("expected default, systemd, container, macos_service or windows_service".to_owned()),
    }
}
