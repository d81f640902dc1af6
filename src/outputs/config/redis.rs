// SPDX-License-Identifier: Apache-2.0
//! `output.redis`.

use super::common::{
    nanoseconds, read_backoff, read_bulk, read_codec, read_positive, read_proxy, read_retries, read_selector, read_tls,
    read_workers,
};
use super::queue::read_queue;
use super::{JsonOptions, Known, OutputKind, OutputSettings, Routing};
use crate::config::{ConfigError, Section};
use crate::event::json::Metadata;
use crate::outputs::batch_sink::{Backoff, HostBalance};
use crate::outputs::format_string::FormatString;
use crate::outputs::redis::{DataType, KeyName, RedisHost, RedisOptions};
use crate::outputs::secret::Secret;
use crate::outputs::selector::{Letters, Selector};
use crate::outputs::shipper::ShipperOptions;

pub fn read(root: &Section<'_>, section: &Section<'_>, known: &Known<'_>) -> Result<OutputSettings, ConfigError> {
    let hosts = section.strings("hosts")?.unwrap_or_default();
    if hosts.is_empty() {
        return Err(section.refuse_key("hosts", "the redis output needs at least one host such as localhost:6379"));
    }
    let read_host = |host: &String| RedisHost::parse(host).map_err(|error| section.refuse_key("hosts", error));
    let hosts = hosts.iter().map(read_host).collect::<Result<Vec<RedisHost>, ConfigError>>()?;
    let keys = read_keys(section, known)?;
    let queue = read_queue(root, section)?;
    let mut options = RedisOptions::new(hosts, key_name(&keys));
    options.bulk_max_size = read_bulk(section, options.bulk_max_size, &queue)?;
    options.flush_min_events = queue.flush_min_events;
    options.workers = read_workers(section)?;
    if section.boolean("loadbalance")? == Some(false) {
        options.balance = HostBalance::One;
    }
    let data_types = [("list", DataType::List), ("channel", DataType::Channel), ("", DataType::List)];
    options.data_type = section.choice("datatype", &data_types)?.unwrap_or_default();
    // Redis has 16 databases unless its own configuration says more.
    if let Some(database) = section.unsigned("db", 0..=1_000_000)? {
        options.database = u32::try_from(database).unwrap_or_default();
    }
    let text =
        |key: &str| -> Result<Option<String>, ConfigError> { Ok(section.string(key)?.filter(|text| !text.is_empty())) };
    options.username = text("username")?;
    options.password = text("password")?.map(Secret::from);
    let has_password = |host: &RedisHost| host.password.is_some() || options.password.is_some();
    if let Some(host) = options.hosts.iter().find(|host| !has_password(host))
        && (host.username.is_some() || options.username.is_some())
    {
        return Err(section.refuse_key("username", format!("there is a username for {}, but no password", host.host)));
    }
    if let Some(timeout) = read_positive(section, "timeout")? {
        options.timeout = timeout;
    }
    let (initial, maximum) = read_backoff(section)?;
    options.backoff = Backoff { initial, maximum };
    options.tls = read_tls(section)?;
    options.proxy = read_proxy(section)?;
    let mut shipper =
        ShipperOptions { flush_interval_ns: nanoseconds(queue.flush_timeout), ..ShipperOptions::default() };
    read_retries(section, &mut shipper)?;
    let (layout, html) = read_codec(section)?;
    options.layout = layout;
    let routing = Routing { destination: keys.needs_fields().then_some(keys), ..Routing::default() };
    Ok(OutputSettings {
        kind: OutputKind::Redis(Box::new(options)),
        shipper,
        queue,
        routing,
        json: JsonOptions { metadata: Metadata::Written, html },
        warnings: Vec::new(),
    })
}

/// `key` and `keys`; without `key` the older name `index` is asked, and then it is `packetbeat`.
fn read_keys(section: &Section<'_>, known: &Known<'_>) -> Result<Selector, ConfigError> {
    let mut keys = read_selector(section, ("key", "keys"), known, Letters::Kept)?;
    let index = section.string("index")?.filter(|index| !index.is_empty());
    if keys.fallback.is_none() {
        let name = index.as_deref().unwrap_or("packetbeat");
        let format = FormatString::parse(name).map_err(|error| section.refuse_key("index", error))?;
        keys.fallback = Some(format.resolve(known));
    }
    Ok(keys)
}

/// The key of events for which the workers name none.
fn key_name(keys: &Selector) -> KeyName {
    match &keys.fallback {
        Some(format) if format.needs_fields() => KeyName::None,
        Some(format) => match format.constant() {
            Some(name) => KeyName::Constant(name.to_owned()),
            None => KeyName::Dated(format.clone()),
        },
        None => KeyName::None,
    }
}
