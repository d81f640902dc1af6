// SPDX-License-Identifier: Apache-2.0
//! The program's log: one JSON object a line in Beats' ECS logging format, to stderr or to rotated files.
//!
//! The front end is the `log` crate. Never call it per packet or per event: a line costs a lock, a clock read and a
//! system call. Debug lines are limited to selectors (`-d`), which are module names with dots such as `config` or
//! `outputs.kafka`. Limit: syslog and the Windows event log are no destinations.

use super::rotate::{AtStart, RotatingFile, Rotation};
use crate::config::{ConfigError, Configuration};
use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// `--environment`: what the default destination depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunEnvironment {
    #[default]
    Default,
    Systemd,
    Container,
    MacosService,
    WindowsService,
}

/// What the command line says about the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-d`
    pub selectors: Vec<String>,
    /// `-e`
    pub to_stderr: bool,
    /// `-v`
    pub verbose: bool,
    pub environment: RunEnvironment,
}

/// The log of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub level: LevelFilter,
    /// Which parts may log at debug level. Empty: all.
    pub selectors: Vec<String>,
    pub destination: Destination,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Stderr,
    Files(Rotation),
}

impl Settings {
    /// Reads `logging.*`; flags win.
    pub fn read(configuration: &Configuration, flags: &Flags) -> Result<Self, ConfigError> {
        const LEVELS: [(&str, LevelFilter); 6] = [
            ("debug", LevelFilter::Debug),
            ("info", LevelFilter::Info),
            ("warning", LevelFilter::Warn),
            ("warn", LevelFilter::Warn),
            ("error", LevelFilter::Error),
            ("critical", LevelFilter::Error),
        ];
        let root = configuration.root();
        let mut level = root.choice("logging.level", &LEVELS)?.unwrap_or(LevelFilter::Info);
        let mut selectors = root.strings("logging.selectors")?.unwrap_or_default();
        if flags.verbose {
            level = level.max(LevelFilter::Info);
        }
        if !flags.selectors.is_empty() {
            level = LevelFilter::Debug;
            selectors.clone_from(&flags.selectors);
        }
        let stderr_by_default = matches!(flags.environment, RunEnvironment::Systemd | RunEnvironment::Container);
        let to_stderr = root.boolean("logging.to_stderr")?.unwrap_or(stderr_by_default);
        // Packetbeat logs to files also when every destination is switched off.
        root.boolean("logging.to_files")?;
        let files = rotation(configuration)?;
        let destination = if flags.to_stderr || to_stderr { Destination::Stderr } else { Destination::Files(files) };
        Ok(Self { level, selectors, destination })
    }
}

/// Starts logging. It can be done once in a process.
pub fn install(settings: Settings) -> Result<(), ConfigError> {
    let level = settings.level;
    let logger = Logger::open(settings)?;
    log::set_boxed_logger(Box::new(logger)).map_err(|_| ConfigError::new("the log was started twice"))?;
    log::set_max_level(level);
    Ok(())
}

pub(super) struct Logger {
    level: LevelFilter,
    selectors: Vec<String>,
    sink: Mutex<Sink>,
}

enum Sink {
    Stderr,
    File(RotatingFile),
}

impl Logger {
    pub(super) fn open(settings: Settings) -> Result<Self, ConfigError> {
        let sink = match settings.destination {
            Destination::Stderr => Sink::Stderr,
            Destination::Files(rotation) => {
                let directory = rotation.directory.display().to_string();
                let file = RotatingFile::open(rotation, SystemTime::now())
                    .map_err(|error| ConfigError::new(format!("cannot write log files in {directory}: {error}")))?;
                Sink::File(file)
            }
        };
        Ok(Self { level: settings.level, selectors: settings.selectors, sink: Mutex::new(sink) })
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
            && (metadata.level() <= log::Level::Info || is_selected(&self.selectors, &logger_name(metadata.target())))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = SystemTime::now();
        let line = line(record, now);
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = match &mut *sink {
            Sink::Stderr => std::io::stderr().write_all(line.as_bytes()).err(),
            Sink::File(file) => file.write_record(line.as_bytes(), now).err(),
        };
        if let (Some(error), Sink::File(_)) = (failed, &*sink) {
            // A full disk must not silence the program: from here on it talks to stderr.
            *sink = Sink::Stderr;
            let _ = writeln!(std::io::stderr(), "the log file cannot be written any more: {error}");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {
        if let Sink::File(file) = &*self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = file.sync();
        }
    }
}

/// One record as a line. Field order and names are those of Beats' log files.
fn line(record: &Record<'_>, now: SystemTime) -> String {
    let level = match record.level() {
        log::Level::Error => "error",
        log::Level::Warn => "warn",
        log::Level::Info => "info",
        log::Level::Debug | log::Level::Trace => "debug",
    };
    let time = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut line = String::with_capacity(256);
    // Writing to a String cannot fail.
    let _ = write!(line, "{{\"log.level\":\"{level}\",\"@timestamp\":\"{time:.3}\",\"log.logger\":");
    push_json_string(&mut line, &logger_name(record.target()));
    if let (Some(file), Some(number)) = (record.file(), record.line()) {
        line.push_str(",\"log.origin\":{\"file.name\":");
        push_json_string(&mut line, file);
        let _ = write!(line, ",\"file.line\":{number}}}");
    }
    line.push_str(",\"message\":");
    push_json_string(&mut line, &record.args().to_string());
    line.push_str(",\"service.name\":\"wirebeat\",\"ecs.version\":\"1.6.0\"}\n");
    line
}

fn push_json_string(line: &mut String, text: &str) {
    // A string always has a JSON form.
    line.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// `wirebeat::outputs::kafka` is `outputs.kafka`; other crates keep their name in front.
fn logger_name(target: &str) -> String {
    target.strip_prefix("wirebeat::").unwrap_or(target).replace("::", ".")
}

fn is_selected(selectors: &[String], name: &str) -> bool {
    selectors.is_empty()
        || selectors.iter().any(|selector| {
            selector == "*"
                || name.strip_prefix(selector.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
}

fn rotation(configuration: &Configuration) -> Result<Rotation, ConfigError> {
    let root = configuration.root();
    let directory = root.string("logging.files.path")?.map(PathBuf::from);
    let name = root.string("logging.files.name")?.unwrap_or_else(|| "wirebeat".to_owned());
    if name.is_empty() || name.contains('/') {
        return Err(root.refuse_key("logging.files.name", format!("found {name:?}, expected a file name")));
    }
    let maximum_bytes = root.unsigned("logging.files.rotateeverybytes", 1..=u64::MAX)?.unwrap_or(10 << 20);
    let keep_files = root.unsigned("logging.files.keepfiles", 0..=1024)?.unwrap_or(7);
    let permissions = root.unsigned("logging.files.permissions", 0..=0o777)?.unwrap_or(0o600);
    let interval = root.duration("logging.files.interval")?.filter(|interval| !interval.is_zero());
    if interval.is_some_and(|interval| interval < Duration::from_secs(1)) {
        return Err(root.refuse_key("logging.files.interval", "the shortest interval is 1s"));
    }
    let new_file = root.boolean("logging.files.rotateonstartup")?.unwrap_or(true);
    Ok(Rotation {
        directory: directory.unwrap_or_else(|| configuration.paths().logs.clone()),
        name,
        maximum_bytes,
        keep_files: usize::try_from(keep_files).unwrap_or(usize::MAX),
        permissions: u32::try_from(permissions).unwrap_or(0o600),
        interval,
        at_start: if new_file { AtStart::NewFile } else { AtStart::Append },
    })
}
