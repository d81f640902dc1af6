// SPDX-License-Identifier: Apache-2.0
//! `output.logstash`.

use super::common::{
    nanoseconds, read_backoff, read_bulk, read_positive, read_proxy, read_retries, read_tls, read_workers,
};
use super::queue::read_queue;
use super::{Html, JsonOptions, Known, OutputKind, OutputSettings, Routing};
use crate::config::{ConfigError, Section};
use crate::event::json::Metadata;
use crate::outputs::batch_sink::{Backoff, HostBalance};
use crate::outputs::format_string::FormatString;
use crate::outputs::logstash::{DEFAULT_PORT, LogstashOptions, Start};
use crate::outputs::peer::Host;
use crate::outputs::shipper::ShipperOptions;

pub fn read(root: &Section<'_>, section: &Section<'_>, known: &Known<'_>) -> Result<OutputSettings, ConfigError> {
    let hosts = section.strings("hosts")?.unwrap_or_default();
    if hosts.is_empty() {
        return Err(section.refuse_key("hosts", "the logstash output needs at least one host such as localhost:5044"));
    }
    let read_host = |host: &String| Host::parse(host, DEFAULT_PORT).map_err(|error| section.refuse_key("hosts", error));
    let queue = read_queue(root, section)?;
    let mut options = LogstashOptions::new(hosts.iter().map(read_host).collect::<Result<_, _>>()?);
    options.bulk_max_size = read_bulk(section, options.bulk_max_size, &queue)?;
    options.flush_min_events = queue.flush_min_events;
    options.workers = read_workers(section)?;
    if section.boolean("loadbalance")?.unwrap_or(false) {
        options.balance = HostBalance::All;
    }
    if let Some(windows) = section.unsigned("pipelining", 0..=1024)? {
        options.pipelining = usize::try_from(windows).unwrap_or(usize::MAX);
    }
    if section.boolean("slow_start")?.unwrap_or(false) {
        options.start = Start::Slow;
    }
    if let Some(level) = section.unsigned("compression_level", 0..=9)? {
        options.compression_level = u32::try_from(level).unwrap_or(options.compression_level);
    }
    if let Some(timeout) = read_positive(section, "timeout")? {
        options.timeout = timeout;
    }
    options.time_to_live = section.duration("ttl")?.filter(|time_to_live| !time_to_live.is_zero());
    let (initial, maximum) = read_backoff(section)?;
    options.backoff = Backoff { initial, maximum };
    options.tls = read_tls(section)?;
    options.proxy = read_proxy(section)?;
    let mut shipper =
        ShipperOptions { flush_interval_ns: nanoseconds(queue.flush_timeout), ..ShipperOptions::default() };
    read_retries(section, &mut shipper)?;
    let html = if section.boolean("escape_html")?.unwrap_or(false) { Html::Escaped } else { Html::Plain };
    Ok(OutputSettings {
        kind: OutputKind::Logstash(Box::new(options)),
        shipper,
        queue,
        routing: Routing { beat: read_index(section, known)?, ..Routing::default() },
        json: JsonOptions { metadata: Metadata::Written, html },
        warnings: Vec::new(),
    })
}

/// `index` is what `@metadata.beat` says, which pipelines of Logstash make the index's name of.
fn read_index(section: &Section<'_>, known: &Known<'_>) -> Result<Option<String>, ConfigError> {
    let Some(index) = section.string("index")?.filter(|index| !index.is_empty()) else { return Ok(None) };
    let refuse = |message: String| section.refuse_key("index", message);
    let format = FormatString::parse(&index).map_err(refuse)?.resolve(known);
    let name = format.constant().map(str::to_owned);
    name.map(Some).ok_or_else(|| refuse(format!("found {index:?}, expected a name that depends on no event")))
}
