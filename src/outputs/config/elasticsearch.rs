// SPDX-License-Identifier: Apache-2.0
//! `output.elasticsearch` and `setup.template`.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::common::{
    nanoseconds, read_backoff, read_bulk, read_format, read_retries, read_selector, read_tls, read_workers,
    refuse_kerberos,
};
use super::queue::read_queue;
use super::{Html, JsonOptions, Known, OutputKind, OutputSettings, QueueOptions, RawIndex, Routing};
use crate::config::{ConfigError, Node, Section, Value};
use crate::event::json::Metadata;
use crate::outputs::batch_sink::HostBalance;
use crate::outputs::elasticsearch::{
    Authentication, ElasticsearchOptions, Endpoint, ExistingTemplate, IndexName, ProxyChoice, TemplateOptions,
    parse_host,
};
use crate::outputs::format_string::FormatString;
use crate::outputs::secret::Secret;
use crate::outputs::selector::{Letters, Selector};
use crate::outputs::shipper::ShipperOptions;

pub fn read(root: &Section<'_>, section: &Section<'_>, known: &Known<'_>) -> Result<OutputSettings, ConfigError> {
    refuse_kerberos(section)?;
    if root.has("cloud.id") {
        return Err(root.refuse_key("cloud.id", "cloud ids are not built yet, give output.elasticsearch.hosts instead"));
    }
    let mut warnings = Vec::new();
    let mut queue = read_queue(root, section)?;
    let mut shipper = ShipperOptions::default();
    read_retries(section, &mut shipper)?;
    let mut options = ElasticsearchOptions::new(read_endpoints(section)?, IndexName::Constant(String::new()));
    options.bulk_max_size = read_bulk(section, options.bulk_max_size, &queue)?;
    options.workers = read_workers(section)?;
    read_connection(section, &mut options)?;
    (options.backoff_initial, options.backoff_maximum) = read_backoff(section)?;
    if let Some(preset) = read_preset(section)? {
        if root.has("queue") {
            warnings.push(format!("queue has no effect, because output.elasticsearch.preset: {} sets it", preset.name));
        }
        preset.apply(section, &mut options, &mut queue, &mut shipper, &mut warnings);
    }
    options.flush_min_events = queue.flush_min_events;
    shipper.flush_interval_ns = nanoseconds(queue.flush_timeout);

    let mut indices = read_selector(section, ("index", "indices"), known, Letters::Lowered)?;
    let own_index = indices.fallback.is_some();
    if !own_index {
        indices.fallback = Some(FormatString::literal(format!("packetbeat-{}", known.version)));
    }
    options.index = index_name(&indices, known);
    let pipelines = read_selector(section, ("pipeline", "pipelines"), known, Letters::Lowered)?;
    options.pipeline = pipelines.constant().filter(|pipeline| !pipeline.is_empty());
    options.template = read_template(root, known, own_index)?;
    if section.boolean("allow_older_versions")? == Some(false) {
        let mut numbers = known.version.split('.').map(|part| part.parse().unwrap_or(0));
        options.oldest_version = numbers.next().zip(numbers.next());
    }
    refuse_dead_letters(section)?;
    let html = if section.boolean("escape_html")?.unwrap_or(false) { Html::Escaped } else { Html::Plain };
    let routing = Routing {
        beat: None,
        raw_index: RawIndex::IsDestination,
        destination: indices.needs_fields().then_some(indices),
        pipeline: (options.pipeline.is_none() && (pipelines.needs_fields() || pipelines.fallback.is_some()))
            .then_some(pipelines),
        key: None,
    };
    Ok(OutputSettings {
        kind: OutputKind::Elasticsearch(Box::new(options)),
        shipper,
        queue,
        routing,
        json: JsonOptions { metadata: Metadata::LeftOut, html },
        warnings,
    })
}

fn read_endpoints(section: &Section<'_>) -> Result<Vec<Endpoint>, ConfigError> {
    let hosts = section.strings("hosts")?.unwrap_or_default();
    if hosts.is_empty() {
        return Err(
            section.refuse_key("hosts", "the elasticsearch output needs at least one host such as localhost:9200")
        );
    }
    let protocol = section.choice("protocol", &[("http", "http"), ("https", "https"), ("", "http")])?.unwrap_or("http");
    let path = section.string("path")?.unwrap_or_default();
    hosts
        .iter()
        .map(|host| parse_host(host, protocol, &path).map_err(|error| section.refuse_key("hosts", error)))
        .collect()
}

fn read_connection(section: &Section<'_>, options: &mut ElasticsearchOptions) -> Result<(), ConfigError> {
    let text =
        |key: &str| -> Result<Option<String>, ConfigError> { Ok(section.string(key)?.filter(|text| !text.is_empty())) };
    options.authentication = match (text("username")?, text("password")?, text("api_key")?) {
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            return Err(section.refuse_key("api_key", "there is a username or password too, expected one of both"));
        }
        (None, _, Some(key)) => Authentication::ApiKey(key.into()),
        (Some(username), password, None) => {
            Authentication::Basic { username, password: password.unwrap_or_default().into() }
        }
        (None, Some(_), None) => {
            return Err(section.refuse_key("password", "there is a password, but no username"));
        }
        (None, None, None) => Authentication::None,
    };
    options.parameters = read_secrets(section, "parameters")?;
    options.headers = read_secrets(section, "headers")?;
    options.tls = read_tls(section)?.unwrap_or_default();
    options.proxy = match (section.boolean("proxy_disable")?.unwrap_or(false), text("proxy_url")?) {
        (true, _) => ProxyChoice::None,
        (false, Some(url)) => {
            let url = if url.contains("://") { url } else { format!("http://{url}") };
            if reqwest::Proxy::all(&url).is_err() || url.starts_with("socks") {
                let message = format!("found {url:?}, expected the URL of an HTTP proxy such as http://proxy:3128");
                return Err(section.refuse_key("proxy_url", message));
            }
            ProxyChoice::Url(url)
        }
        (false, None) => ProxyChoice::Environment,
    };
    if let Some(level) = section.unsigned("compression_level", 0..=9)? {
        options.compression_level = u32::try_from(level).unwrap_or(1);
    }
    if section.boolean("loadbalance")? == Some(false) {
        options.balance = HostBalance::One;
    }
    if let Some(timeout) = section.duration("timeout")? {
        if timeout.is_zero() {
            return Err(section.refuse_key("timeout", "found 0, expected the time that a request may take"));
        }
        options.timeout = timeout;
    }
    if let Some(timeout) = section.duration("idle_connection_timeout")? {
        options.idle_connection_timeout = timeout;
    }
    Ok(())
}

fn read_secrets(section: &Section<'_>, key: &str) -> Result<Vec<(String, Secret)>, ConfigError> {
    let pairs = section.string_map(key)?.unwrap_or_default();
    Ok(pairs.into_iter().map(|(name, value)| (name, value.into())).collect())
}

/// The name for the request, as far as it depends on no field.
fn index_name(indices: &Selector, known: &Known<'_>) -> IndexName {
    match &indices.fallback {
        Some(format) => match format.constant() {
            Some(name) => IndexName::Constant(name.to_lowercase()),
            None if !format.needs_fields() => IndexName::Dated(format.clone()),
            // The workers name the index; what they find none for goes where all events go by default.
            None => IndexName::Constant(format!("packetbeat-{}", known.version)),
        },
        None => IndexName::Constant(format!("packetbeat-{}", known.version)),
    }
}

pub fn read_template(
    root: &Section<'_>,
    known: &Known<'_>,
    own_index: bool,
) -> Result<Option<TemplateOptions>, ConfigError> {
    let mut template = TemplateOptions::new(known.version);
    let section = root.section("setup.template")?;
    let Some(section) = section else {
        return if own_index { Err(names_missing(root)) } else { Ok(Some(template)) };
    };
    if !section.enabled()? {
        return Ok(None);
    }
    let constant = |key: &str| -> Result<Option<String>, ConfigError> {
        let Some(format) = read_format(&section, key, known)? else { return Ok(None) };
        let name = format.constant().filter(|name| !name.is_empty()).map(str::to_owned);
        name.map(Some).ok_or_else(|| section.refuse_key(key, "expected a name that depends on no event"))
    };
    let (name, pattern) = (constant("name")?, constant("pattern")?);
    if own_index && (name.is_none() || pattern.is_none()) {
        return Err(names_missing(root));
    }
    template.name = name.unwrap_or(template.name);
    template.pattern = pattern.unwrap_or(template.pattern);
    if section.boolean("overwrite")?.unwrap_or(false) {
        template.existing = ExistingTemplate::Replaced;
    }
    for key in ["json.enabled", "append_fields"] {
        if section.has(key) && !matches!(section.boolean(key), Ok(Some(false))) {
            return Err(section.refuse_key(key, "this is not built yet"));
        }
    }
    if let Some(settings) = section.section("settings.index")? {
        template.index_settings = json_of(settings.node()?);
    }
    if let Some(source) = section.section("settings._source")? {
        template.source = Some(json_of(source.node()?));
    }
    Ok(Some(template))
}

/// Packetbeat's rule: its template would not match the user's index.
fn names_missing(root: &Section<'_>) -> ConfigError {
    let message = "setup.template.name and setup.template.pattern have to be set if index name is modified, \
                   or setup.template.enabled: false";
    root.refuse_key("output.elasticsearch.index", message)
}

fn refuse_dead_letters(section: &Section<'_>) -> Result<(), ConfigError> {
    let Some(policy) = section.section("non_indexable_policy")? else { return Ok(()) };
    policy.ignore_rest();
    match policy.entries().as_slice() {
        [] | [("drop", _)] => Ok(()),
        [("dead_letter_index", index)] => {
            Err(index.refuse("a dead letter index is not built yet; drop counts and logs what the server refuses"))
        }
        [(other, index)] => Err(index.refuse(format!("there is no policy {other:?}, expected drop"))),
        _ => Err(policy.refuse("two policies are given, expected one")),
    }
}

/// Settings as JSON. Times and sizes stay texts.
fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Unresolved(_) => Json::Null,
        Value::Boolean(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::String(value) => Json::from(value.as_str()),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => {
            let members: Map<String, Json> = entries.iter().map(|(key, node)| (key.clone(), json_of(node))).collect();
            Json::Object(members)
        }
    }
}

/// Values that win over the user's own (`preset`).
struct Preset {
    name: &'static str,
    bulk_max_size: usize,
    workers: usize,
    queue: QueueOptions,
    idle_connection_timeout: Duration,
    backoff: Option<(Duration, Duration)>,
}

fn read_preset(section: &Section<'_>) -> Result<Option<Preset>, ConfigError> {
    let preset = |name, bulk_max_size, workers, min_events, flush, idle, backoff: Option<(u64, u64)>| {
        Some(Preset {
            name,
            bulk_max_size,
            workers,
            queue: QueueOptions {
                flush_min_events: min_events,
                flush_timeout: Duration::from_secs(flush),
                ..QueueOptions::default()
            },
            idle_connection_timeout: Duration::from_secs(idle),
            backoff: backoff.map(|(initial, maximum)| (Duration::from_secs(initial), Duration::from_secs(maximum))),
        })
    };
    let names = [("custom", 0), ("none", 0), ("balanced", 1), ("throughput", 2), ("scale", 3), ("latency", 4)];
    Ok(match section.choice("preset", &names)? {
        Some(1) => preset("balanced", 1600, 1, 1600, 10, 3, None),
        Some(2) => preset("throughput", 1600, 4, 1600, 5, 15, None),
        Some(3) => preset("scale", 1600, 1, 1600, 20, 1, Some((5, 300))),
        Some(4) => preset("latency", 50, 1, 2050, 1, 60, None),
        _ => None,
    })
}

impl Preset {
    fn apply(
        self,
        section: &Section<'_>,
        options: &mut ElasticsearchOptions,
        queue: &mut QueueOptions,
        shipper: &mut ShipperOptions,
        warnings: &mut Vec<String>,
    ) {
        let mut keys =
            vec!["bulk_max_size", "worker", "workers", "compression_level", "idle_connection_timeout", "queue"];
        if self.backoff.is_some() {
            keys.extend(["backoff.init", "backoff.max"]);
        }
        for key in keys.into_iter().filter(|key| section.has(key)) {
            warnings.push(format!(
                "{}: output.elasticsearch.{key} has no effect, because preset: {} sets it",
                section.origin(),
                self.name
            ));
        }
        options.bulk_max_size = self.bulk_max_size;
        options.workers = self.workers;
        options.compression_level = 1;
        options.idle_connection_timeout = self.idle_connection_timeout;
        // What Packetbeat has no word for stays.
        *queue = QueueOptions { overload: queue.overload, max_bytes: queue.max_bytes, ..self.queue };
        if let Some((initial, maximum)) = self.backoff {
            (options.backoff_initial, options.backoff_maximum) = (initial, maximum);
            (shipper.backoff_initial_ns, shipper.backoff_maximum_ns) = (nanoseconds(initial), nanoseconds(maximum));
        }
    }
}
