// SPDX-License-Identifier: Apache-2.0
//! Reads `output.*`, `queue.*` and `setup.template.*`: exactly one output, with everything that its sink, the shipper
//! and the workers need.
//!
//! Settings that would change what is sent or to whom, and are not built, are refused; the others that nobody reads
//! get the configuration's own warning.

mod common;
mod elasticsearch;
mod kafka;
mod local;
mod logstash;
mod queue;
mod redis;
#[cfg(test)]
mod tests;

use super::console::{ConsoleOptions, ConsoleSink};
use super::discard::DiscardSink;
use super::elasticsearch::{self as elasticsearch_output, ElasticsearchOptions, TemplateOptions};
use super::file::{FileOptions, FileSink};
use super::format_string::FormatString;
use super::kafka::{KafkaOptions, KafkaSink};
use super::logstash::{self as logstash_output, LogstashOptions};
pub use super::queue::QueueOptions;
use super::redis::{self as redis_output, RedisOptions};
use super::selector::Selector;
use super::shipper::ShipperOptions;
use super::{Sink, check};
use crate::config::{ConfigError, Section};
use crate::event::json::{Html, Metadata};

/// The output that the configuration names, read and checked; nothing is opened yet.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    pub kind: OutputKind,
    pub shipper: ShipperOptions,
    pub queue: QueueOptions,
    pub routing: Routing,
    pub json: JsonOptions,
    /// Sentences for the log.
    pub warnings: Vec<String>,
}

/// A sink's own options.
#[derive(Clone, Debug)]
pub enum OutputKind {
    Elasticsearch(Box<ElasticsearchOptions>),
    Logstash(Box<LogstashOptions>),
    Kafka(Box<KafkaOptions>),
    Redis(Box<RedisOptions>),
    File(FileOptions),
    Console(ConsoleOptions),
    Discard,
}

/// What the workers write beside an event's body, because it depends on the event's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Whether `@metadata.raw_index` (the option `index` of a protocol) is the destination of an event that has it.
    pub raw_index: RawIndex,
    /// What `@metadata.beat` says instead of `packetbeat`.
    pub beat: Option<String>,
    /// Index, topic or key of a list, when it depends on fields. Without a result the event's destination stays empty.
    pub destination: Option<Selector>,
    /// Ingest pipeline, when it depends on fields.
    pub pipeline: Option<Selector>,
    /// Key of the Kafka message.
    pub key: Option<FormatString>,
}

impl Routing {
    /// The fields of conditions, for the schema.
    pub fn condition_names(&self) -> Vec<String> {
        self.destination.iter().chain(&self.pipeline).flat_map(Selector::condition_names).collect()
    }
}

/// What `@metadata.raw_index` means to an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawIndex {
    #[default]
    Ignored,
    IsDestination,
}

/// How workers write an event's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonOptions {
    pub metadata: Metadata,
    pub html: Html,
}

/// What is known of the program before any event, for format strings.
pub struct Known<'a> {
    /// `agent.version`: the Packetbeat version that is kept compatible with.
    pub version: &'a str,
    /// `agent.name`.
    pub name: &'a str,
}

/// Reads the one enabled output.
pub fn read(root: &Section<'_>, known: &Known<'_>) -> Result<OutputSettings, ConfigError> {
    let (name, section) = only_output(root)?;
    let mut settings = match name {
        "elasticsearch" => elasticsearch::read(root, &section, known)?,
        "kafka" => kafka::read(root, &section, known)?,
        "file" => local::read_file(root, &section, known)?,
        "console" => local::read_console(root, &section)?,
        "discard" => local::discard(root, &section)?,
        "logstash" => logstash::read(root, &section, known)?,
        "redis" => redis::read(root, &section, known)?,
        other => {
            return Err(section.refuse(format!(
                "there is no output {other:?}, expected one of elasticsearch, logstash, kafka, redis, file, console, discard"
            )));
        }
    };
    if settings.shipper.flush_interval_ns == 0 {
        settings.shipper.flush_interval_ns = 1_000_000;
    }
    Ok(settings)
}

/// The index template of `setup.template`, whatever the output and also when it is switched off (`export template`).
pub fn template(root: &Section<'_>, known: &Known<'_>) -> Result<TemplateOptions, ConfigError> {
    Ok(elasticsearch::read_template(root, known, false)?.unwrap_or_else(|| TemplateOptions::new(known.version)))
}

impl OutputSettings {
    /// The output's name in the configuration.
    pub fn name(&self) -> &'static str {
        match self.kind {
            OutputKind::Elasticsearch(_) => "elasticsearch",
            OutputKind::Logstash(_) => "logstash",
            OutputKind::Kafka(_) => "kafka",
            OutputKind::Redis(_) => "redis",
            OutputKind::File(_) => "file",
            OutputKind::Console(_) => "console",
            OutputKind::Discard => "discard",
        }
    }

    /// Opens the sink; what threads it makes stay on these cores. The error is a sentence.
    pub fn open(&self, cores: Option<&[usize]>) -> Result<Box<dyn Sink>, String> {
        let place = |error: String| format!("output.{}: {error}", self.name());
        Ok(match &self.kind {
            OutputKind::Elasticsearch(options) => {
                Box::new(elasticsearch_output::start((**options).clone(), cores).map_err(place)?)
            }
            OutputKind::Logstash(options) => {
                Box::new(logstash_output::start((**options).clone(), cores).map_err(place)?)
            }
            OutputKind::Redis(options) => Box::new(redis_output::start((**options).clone(), cores).map_err(place)?),
            OutputKind::Kafka(options) => Box::new(KafkaSink::start(options, cores).map_err(place)?),
            OutputKind::File(options) => Box::new(FileSink::new(options.clone()).map_err(place)?),
            OutputKind::Console(options) => {
                Box::new(ConsoleSink::stdout(options).map_err(|error| place(error.to_string()))?)
            }
            OutputKind::Discard => Box::new(DiscardSink::default()),
        })
    }

    /// The command `setup`: loads the index template, also over one that is there. Answers its name and the host, None
    /// when `setup.template` is switched off.
    pub fn load_template(&self) -> Result<Option<(String, String)>, String> {
        match &self.kind {
            OutputKind::Elasticsearch(options) => check::load_template(options),
            _ => Err("Index management requested but the Elasticsearch output is not configured/enabled".to_owned()),
        }
    }

    /// The command `test output`: tries the output step by step and writes what it finds. The error is the first
    /// step that failed.
    pub fn test(&self, report: &mut dyn std::fmt::Write) -> Result<(), String> {
        match &self.kind {
            OutputKind::Elasticsearch(options) => check::elasticsearch(options, report),
            OutputKind::Logstash(options) => check::logstash(options, report),
            OutputKind::Kafka(options) => check::kafka(options, report),
            OutputKind::Redis(options) => check::redis(options, report),
            OutputKind::File(_) | OutputKind::Console(_) | OutputKind::Discard => {
                Err(format!("{} output doesn't support testing", self.name()))
            }
        }
    }
}

fn only_output<'a>(root: &Section<'a>) -> Result<(&'a str, Section<'a>), ConfigError> {
    let mut enabled: Vec<(&str, Section<'_>)> = Vec::new();
    for (name, section) in root.section("output")?.iter().flat_map(Section::entries) {
        if !section.is_map() {
            return Err(section.refuse("expected a map with the output's settings"));
        }
        if section.enabled()? {
            enabled.push((name, section));
        }
    }
    let mut enabled = enabled.into_iter();
    match (enabled.next(), enabled.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(ConfigError::new(
            "no output is enabled, define exactly one under output, for example output.elasticsearch.hosts: [\"localhost:9200\"]",
        )),
        (Some((first, _)), Some((second, section))) => {
            Err(section.refuse(format!("two outputs are enabled, {first} and {second}; exactly one must be")))
        }
    }
}
