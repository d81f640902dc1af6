// SPDX-License-Identifier: Apache-2.0
//! `output.kafka`.

use super::common::{
    nanoseconds, read_bulk, read_codec, read_format, read_retries, read_selector, read_tls, refuse_kerberos,
};
use super::queue::read_queue;
use super::{JsonOptions, Known, OutputKind, OutputSettings, RawIndex, Routing};
use crate::config::{ConfigError, Section};
use crate::event::json::Metadata;
use crate::outputs::format_string::FormatString;
use crate::outputs::kafka::{
    Acknowledgement, Compression, Credentials, KafkaOptions, MetadataScope, Partitioner, SaslMechanism, TopicName,
};
use crate::outputs::pretty::Layout;
use crate::outputs::selector::Letters;
use crate::outputs::shipper::ShipperOptions;

/// The key that keeps both directions of a flow, and both sensors that see it, in one partition.
const DEFAULT_KEY: &str = "%{[network.community_id]}";

pub fn read(root: &Section<'_>, section: &Section<'_>, known: &Known<'_>) -> Result<OutputSettings, ConfigError> {
    refuse_kerberos(section)?;
    if !section.list("headers")?.is_empty() {
        return Err(section.refuse_key("headers", "headers of Kafka messages are not built yet"));
    }
    let selector = read_selector(section, ("topic", "topics"), known, Letters::Kept)?;
    if selector.fallback.is_none() && selector.rules.is_empty() {
        return Err(section.refuse_key("topic", "the kafka output needs a topic, or rules under topics"));
    }
    let topic = match (selector.constant(), &selector.fallback) {
        (Some(name), _) => TopicName::Constant(name),
        (None, Some(format)) if !format.needs_fields() => match format.constant() {
            Some(name) => TopicName::Constant(name.to_owned()),
            None => TopicName::Dated(format.clone()),
        },
        // The workers name the topic; an event for which they find none has no legal one.
        _ => TopicName::Constant(String::new()),
    };
    let queue = read_queue(root, section)?;
    let mut options = KafkaOptions::new(read_hosts(section)?, topic);
    options.bulk_max_size = read_bulk(section, options.bulk_max_size, &queue)?;
    read_protocol(section, &mut options)?;
    read_delivery(section, &mut options)?;
    let mut shipper =
        ShipperOptions { flush_interval_ns: nanoseconds(queue.flush_timeout), ..ShipperOptions::default() };
    read_retries(section, &mut shipper)?;
    let (layout, html) = read_codec(section)?;
    if layout == Layout::Pretty {
        return Err(section.refuse_key("codec.json.pretty", "a message is one line"));
    }
    let key = match read_format(section, "key", known)? {
        Some(key) => Some(key),
        None => FormatString::parse(DEFAULT_KEY).ok(),
    };
    let routing = Routing {
        beat: None,
        raw_index: RawIndex::Ignored,
        destination: selector.needs_fields().then_some(selector),
        pipeline: None,
        key,
    };
    let json = JsonOptions { metadata: Metadata::Written, html };
    Ok(OutputSettings {
        kind: OutputKind::Kafka(Box::new(options)),
        shipper,
        queue,
        routing,
        json,
        warnings: Vec::new(),
    })
}

fn read_hosts(section: &Section<'_>) -> Result<Vec<String>, ConfigError> {
    let hosts = section.strings("hosts")?.unwrap_or_default();
    if hosts.is_empty() {
        return Err(section.refuse_key("hosts", "the kafka output needs at least one broker such as localhost:9092"));
    }
    hosts
        .into_iter()
        .map(|host| {
            let host = host.trim();
            if host.is_empty() || host.contains([',', ' ', '/']) {
                let found = format!("found {host:?}, expected a broker such as localhost:9092");
                return Err(section.refuse_key("hosts", found));
            }
            let has_port = host.rsplit_once(']').map_or(host, |(_, behind)| behind).contains(':');
            Ok(if has_port { host.to_owned() } else { format!("{host}:9092") })
        })
        .collect()
}

fn read_protocol(section: &Section<'_>, options: &mut KafkaOptions) -> Result<(), ConfigError> {
    if let Some(client_id) = section.string("client_id")? {
        options.client_id = client_id;
    }
    options.tls = read_tls(section)?;
    if options.tls.as_ref().is_some_and(|tls| tls.trusted_fingerprint.is_some()) {
        let message = "librdkafka knows no fingerprints, name the authority in ssl.certificate_authorities";
        return Err(section.refuse_key("ssl.ca_trusted_fingerprint", message));
    }
    let mechanism = section.choice(
        "sasl.mechanism",
        &[
            ("", SaslMechanism::Plain),
            ("PLAIN", SaslMechanism::Plain),
            ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
            ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
        ],
    )?;
    options.credentials = match (section.string("username")?, section.string("password")?) {
        (Some(username), Some(password)) if !username.is_empty() => {
            Some(Credentials { username, password: password.into(), mechanism: mechanism.unwrap_or_default() })
        }
        (Some(username), None) if !username.is_empty() => {
            return Err(section.refuse_key("username", "there is a username, but no password"));
        }
        _ => None,
    };
    if let Some(timeout) = section.duration("timeout")? {
        options.timeout = timeout;
    }
    if let Some(timeout) = section.duration("broker_timeout")? {
        options.broker_timeout = timeout;
    }
    if let Some(keep_alive) = section.duration("keep_alive")? {
        options.keep_alive = keep_alive;
    }
    if let Some(backoff) = section.duration("metadata.retry.backoff")? {
        options.retry_backoff = backoff;
    }
    if let Some(frequency) = section.duration("metadata.refresh_frequency")? {
        options.refresh_frequency = frequency;
    }
    if section.boolean("metadata.full")?.unwrap_or(false) {
        options.metadata = MetadataScope::AllTopics;
    }
    Ok(())
}

fn read_delivery(section: &Section<'_>, options: &mut KafkaOptions) -> Result<(), ConfigError> {
    let level = section.unsigned("compression_level", 0..=9)?.and_then(|level| u8::try_from(level).ok()).unwrap_or(4);
    let gzip = Compression::Gzip { level };
    let compression = section.choice(
        "compression",
        &[
            ("gzip", gzip),
            ("none", Compression::None),
            ("no", Compression::None),
            ("off", Compression::None),
            // YAML reads a bare `no` or `off` as false.
            ("false", Compression::None),
            ("snappy", Compression::Snappy),
            ("lz4", Compression::Lz4),
            ("zstd", Compression::Zstd),
        ],
    )?;
    options.compression = compression.unwrap_or(gzip);
    if let Some(bytes) = section.unsigned("max_message_bytes", 1000..=1_000_000_000)? {
        options.max_message_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    options.acknowledgement = match section.integer("required_acks")? {
        None | Some(1) => Acknowledgement::Leader,
        Some(0) => Acknowledgement::None,
        Some(-1) => Acknowledgement::AllReplicas,
        Some(other) => {
            let found = format!("found {other}, expected -1 (all replicas), 0 (none) or 1 (the leader)");
            return Err(section.refuse_key("required_acks", found));
        }
    };
    if let Some(frequency) = section.duration("bulk_flush_frequency")? {
        options.bulk_flush_frequency = frequency;
    }
    options.partitioner = read_partitioner(section)?;
    // librdkafka's queue holds copies; it must at least hold one message.
    options.queue_maximum_bytes = options.queue_maximum_bytes.max(options.max_message_bytes.saturating_mul(2));
    Ok(())
}

fn read_partitioner(section: &Section<'_>) -> Result<Partitioner, ConfigError> {
    let Some(partition) = section.section("partition")? else { return Ok(Partitioner::Hash) };
    let entries = partition.entries();
    match entries.as_slice() {
        [] => Ok(Partitioner::Hash),
        [(name @ ("hash" | "random"), strategy)] => {
            if strategy.is_map() {
                if *name == "hash" && !strategy.strings("hash")?.unwrap_or_default().is_empty() {
                    let message = "a hash of fields is not built yet; use key: '%{[field]}', whose hash is the default";
                    return Err(strategy.refuse_key("hash", message));
                }
                if strategy.boolean("reachable_only")?.unwrap_or(false) {
                    let message = "events go to every partition, also while its leader is away";
                    return Err(strategy.refuse_key("reachable_only", message));
                }
            }
            Ok(if *name == "hash" { Partitioner::Hash } else { Partitioner::Random })
        }
        [("round_robin", strategy)] => Err(strategy.refuse("round_robin is not built yet, choose hash or random")),
        [(other, strategy)] => {
            Err(strategy.refuse(format!("there is no partitioner {other:?}, expected hash or random")))
        }
        [_, (_, second), ..] => Err(second.refuse("two partitioners are given, expected one")),
    }
}
