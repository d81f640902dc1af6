// SPDX-License-Identifier: Apache-2.0
//! `output.file`, `output.console`, `output.discard`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::common::{nanoseconds, read_codec};
use super::queue::read_queue;
use super::{JsonOptions, Known, OutputKind, OutputSettings, Routing};
use crate::config::{ConfigError, Section};
use crate::event::json::Metadata;
use crate::outputs::console::ConsoleOptions;
use crate::outputs::file::{EarlierFile, FileOptions, NUMBER_OF_FILES};
use crate::outputs::format_string::{Fields, FormatString};
use crate::outputs::pretty::Layout;
use crate::outputs::shipper::ShipperOptions;

pub fn read_file(root: &Section<'_>, section: &Section<'_>, known: &Known<'_>) -> Result<OutputSettings, ConfigError> {
    let path = section.string("path")?.filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| section.refuse_key("path", "the file output needs the folder for its files"))?;
    let format = FormatString::parse(&path).map_err(|error| section.refuse_key("path", error))?;
    let mut folder = String::new();
    let start = StartTime { known, time_ns: now_ns() };
    format
        .evaluate(&start, &mut folder)
        .map_err(|missing| section.refuse_key("path", format!("found {path:?}, and at start {missing}")))?;
    let name = section.string("filename")?.unwrap_or_else(|| "packetbeat".to_owned());
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(section.refuse_key("filename", format!("found {name:?}, expected a name without \"/\"")));
    }
    let mut options = FileOptions::new(folder, name);
    if let Some(size) = section.unsigned("rotate_every_kb", 1..=u64::MAX / 1024)? {
        options.rotate_every_bytes = size * 1024;
    }
    if let Some(count) = section.unsigned("number_of_files", NUMBER_OF_FILES)? {
        options.number_of_files = usize::try_from(count).unwrap_or(usize::MAX);
    }
    if let Some(mode) = section.unsigned("permissions", 0..=0o777)? {
        options.permissions = u32::try_from(mode).unwrap_or(0o600);
    }
    if let Some(rotate) = section.boolean("rotate_on_startup")? {
        options.earlier = if rotate { EarlierFile::Kept } else { EarlierFile::Continued };
    }
    let (layout, html) = read_codec(section)?;
    if layout == Layout::Pretty {
        return Err(section.refuse_key("codec.json.pretty", "the file output writes one line for an event"));
    }
    settings(root, section, OutputKind::File(options), JsonOptions { metadata: Metadata::Written, html })
}

pub fn read_console(root: &Section<'_>, section: &Section<'_>) -> Result<OutputSettings, ConfigError> {
    let (codec_layout, html) = read_codec(section)?;
    let layout = if section.boolean("pretty")?.unwrap_or(false) { Layout::Pretty } else { codec_layout };
    let options = ConsoleOptions { layout };
    // Accepted for compatibility: a write takes as many events as the system allows.
    section.integer("bulk_max_size")?;
    settings(root, section, OutputKind::Console(options), JsonOptions { metadata: Metadata::Written, html })
}

pub fn discard(root: &Section<'_>, section: &Section<'_>) -> Result<OutputSettings, ConfigError> {
    let json = JsonOptions { metadata: Metadata::Written, html: super::Html::Plain };
    let settings = settings(root, section, OutputKind::Discard, json);
    section.ignore_rest();
    settings
}

fn settings(
    root: &Section<'_>,
    section: &Section<'_>,
    kind: OutputKind,
    json: JsonOptions,
) -> Result<OutputSettings, ConfigError> {
    let queue = read_queue(root, section)?;
    let shipper = ShipperOptions { flush_interval_ns: nanoseconds(queue.flush_timeout), ..local_shipper() };
    Ok(OutputSettings { kind, shipper, queue, routing: Routing::default(), json, warnings: Vec::new() })
}

/// Packetbeat has no retries for local outputs and drops what cannot be written; here it waits for the disk.
fn local_shipper() -> ShipperOptions {
    ShipperOptions { max_retries: None, backoff_maximum_ns: 10_000_000_000, ..ShipperOptions::default() }
}

/// The folder's name is evaluated once, at start.
struct StartTime<'a> {
    known: &'a Known<'a>,
    time_ns: i64,
}

impl Fields for StartTime<'_> {
    fn append(&self, field: &str, out: &mut String) -> bool {
        self.known.append(field, out)
    }

    fn time_ns(&self) -> Option<i64> {
        Some(self.time_ns)
    }
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
