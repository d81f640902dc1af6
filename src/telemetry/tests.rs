// SPDX-License-Identifier: Apache-2.0
//! Tests of the log and of file rotation, on real files.

use super::log::{Destination, Flags, Logger, RunEnvironment, Settings};
use super::rotate::{AtStart, RotatingFile, Rotation};
use crate::config::Configuration;
use ::log::{Level, LevelFilter, Log, Record};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-11-24 12:00:00 UTC
const NOON_S: u64 = 1_795_521_600;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn rotation(directory: &Path) -> Rotation {
    Rotation {
        directory: directory.to_path_buf(),
        name: "events".into(),
        maximum_bytes: 10,
        keep_files: 2,
        permissions: 0o640,
        interval: None,
        at_start: AtStart::NewFile,
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_full_file_is_followed_by_the_next_and_the_oldest_goes() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("a/b");
    let mut file = RotatingFile::open(rotation(&logs), at(NOON_S)).unwrap();
    file.write_record(b"12345\n", at(NOON_S)).unwrap();
    file.write_record(b"123\n", at(NOON_S)).unwrap();
    assert_eq!(names(&logs), ["events-20261124.ndjson"]);
    file.write_record(b"x\n", at(NOON_S)).unwrap();
    assert_eq!(names(&logs), ["events-20261124-1.ndjson", "events-20261124.ndjson"]);
    assert_eq!(std::fs::read(logs.join("events-20261124.ndjson")).unwrap(), b"12345\n123\n");
    file.write_record(b"a record larger than a file\n", at(NOON_S)).unwrap();
    std::fs::write(logs.join("events-other.ndjson"), "not ours").unwrap();
    file.write_record(b"y\n", at(NOON_S + 86_400)).unwrap();
    assert_eq!(
        names(&logs),
        ["events-20261124-1.ndjson", "events-20261124-2.ndjson", "events-20261125.ndjson", "events-other.ndjson"]
    );
    assert!(file.path().ends_with("events-20261125.ndjson"));
    assert_eq!(std::fs::read(logs.join("events-20261124-2.ndjson")).unwrap(), b"a record larger than a file\n");
    let mode = std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "{mode:o}");
}

#[test]
fn the_start_makes_a_new_file_or_appends() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = rotation(directory.path());
    for expected in ["events-20261124.ndjson", "events-20261124-1.ndjson"] {
        let mut file = RotatingFile::open(settings.clone(), at(NOON_S)).unwrap();
        file.write_record(b"x\n", at(NOON_S)).unwrap();
        assert!(file.path().ends_with(expected));
    }
    settings.at_start = AtStart::Append;
    let mut file = RotatingFile::open(settings, at(NOON_S + 5 * 86_400)).unwrap();
    file.write_record(b"y\n", at(NOON_S)).unwrap();
    assert_eq!(std::fs::read(directory.path().join("events-20261124-1.ndjson")).unwrap(), b"x\ny\n");
}

#[test]
fn an_interval_makes_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Rotation { interval: Some(Duration::from_secs(60)), ..rotation(directory.path()) };
    let mut file = RotatingFile::open(settings, at(NOON_S)).unwrap();
    for seconds in [0, 59, 60] {
        file.write_record(b"x\n", at(NOON_S + seconds)).unwrap();
    }
    assert_eq!(names(directory.path()), ["events-20261124-1.ndjson", "events-20261124.ndjson"]);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    assert!(RotatingFile::open(rotation(&directory.path().join("file/logs")), at(NOON_S)).is_err());
}

fn configuration(text: &str) -> Configuration {
    Configuration::from_text("packetbeat.yml", text).unwrap()
}

#[test]
fn a_line_is_ecs_json() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        level: LevelFilter::Debug,
        selectors: vec!["outputs".into()],
        destination: Destination::Files(Rotation { maximum_bytes: 10_000, ..rotation(directory.path()) }),
    };
    let logger = Logger::open(settings).unwrap();
    let log = |level: Level, target: &str, message: &str| {
        let arguments = format_args!("{message}");
        let record =
            Record::builder().level(level).target(target).args(arguments).file(Some("src/x.rs")).line(Some(7)).build();
        logger.log(&record);
    };
    log(Level::Warn, "wirebeat::config", "a \"quoted\"\nline \u{1}");
    log(Level::Debug, "wirebeat::outputs::kafka", "chosen");
    log(Level::Debug, "wirebeat::outputs_other", "not chosen");
    log(Level::Debug, "wirebeat::config", "not chosen");
    log(Level::Info, "rustls::client", "other crate");
    logger.flush();
    let name = names(directory.path()).pop().unwrap();
    let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["log.level"], "warn");
    assert_eq!(lines[0]["message"], "a \"quoted\"\nline \u{1}");
    assert_eq!(lines[0]["log.logger"], "config");
    assert_eq!(lines[0]["log.origin"]["file.line"], 7);
    assert_eq!(lines[0]["service.name"], "wirebeat");
    assert_eq!(lines[0]["ecs.version"], "1.6.0");
    let time = lines[0]["@timestamp"].as_str().unwrap();
    assert!(time.len() == "2026-11-24T12:00:00.000Z".len() && time.ends_with('Z'), "{time}");
    assert_eq!(lines[1]["log.logger"], "outputs.kafka");
    assert_eq!(lines[2]["log.logger"], "rustls.client");
    assert!(text.starts_with("{\"log.level\":\"warn\",\"@timestamp\":\""), "{text}");
}

#[test]
fn settings_and_flags() {
    let text = "logging:\n  level: warning\n  selectors: [config]\n  files: {path: /l, name: w, rotateeverybytes: 5, keepfiles: 3, permissions: 0640, interval: 1h, rotateonstartup: false}\n";
    let config = configuration(text);
    let settings = Settings::read(&config, &Flags::default()).unwrap();
    let expected = Settings {
        level: LevelFilter::Warn,
        selectors: vec!["config".into()],
        destination: Destination::Files(Rotation {
            directory: "/l".into(),
            name: "w".into(),
            maximum_bytes: 5,
            keep_files: 3,
            permissions: 0o640,
            interval: Some(Duration::from_secs(3600)),
            at_start: AtStart::Append,
        }),
    };
    assert_eq!(settings, expected);
    assert_eq!(config.unused(), Vec::<String>::new());
    let read = |text: &str, flags: Flags| Settings::read(&configuration(text), &flags).unwrap();
    let verbose = read(text, Flags { verbose: true, ..Flags::default() });
    assert_eq!(verbose.level, LevelFilter::Info);
    let debug = read(text, Flags { selectors: vec!["*".into()], to_stderr: true, ..Flags::default() });
    assert_eq!((debug.level, debug.destination), (LevelFilter::Debug, Destination::Stderr));
    assert_eq!(debug.selectors, ["*"]);
    let container = Flags { environment: RunEnvironment::Container, ..Flags::default() };
    assert_eq!(read("", container.clone()).destination, Destination::Stderr);
    assert!(matches!(read("logging.to_stderr: false\n", container).destination, Destination::Files(_)));
    let defaults = read("path.logs: /var/log/w\n", Flags::default());
    let Destination::Files(files) = defaults.destination else { panic!("expected files") };
    assert_eq!((files.directory.to_str().unwrap(), files.name.as_str()), ("/var/log/w", "wirebeat"));
    assert_eq!((files.maximum_bytes, files.keep_files, files.permissions), (10_485_760, 7, 0o600));
}

#[test]
fn refused_settings() {
    let refused = |text: &str| Settings::read(&configuration(text), &Flags::default()).unwrap_err().to_string();
    assert_eq!(
        refused("logging.level: loud\n"),
        "packetbeat.yml:1: logging.level: found \"loud\", expected one of debug, info, warning, warn, error, critical"
    );
    assert!(refused("logging.files.interval: 10ms\n").ends_with("logging.files.interval: the shortest interval is 1s"));
    assert!(refused("logging.files.keepfiles: 2000\n").contains("expected an integer from 0 to 1024"));
    assert!(refused("logging.files.permissions: 01777\n").contains("expected an integer from 0 to 511"));
    assert!(refused("logging.files.rotateeverybytes: 0\n").contains("expected an integer of 1 or more"));
    assert!(refused("logging.files.name: a/b\n").contains("expected a file name"));
    assert!(refused("logging.to_files: 3\n").contains("expected true or false"));
}

#[test]
fn a_log_directory_that_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let destination = Destination::Files(rotation(&directory.path().join("file/logs")));
    let settings = Settings { level: LevelFilter::Info, selectors: Vec::new(), destination };
    let error = Logger::open(settings).err().unwrap().to_string();
    assert!(error.starts_with("cannot write log files in "), "{error}");
}
