// SPDX-License-Identifier: Apache-2.0
//! Options of `output.kafka` with Packetbeat's defaults, and what they are called in librdkafka.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::outputs::format_string::FormatString;
use crate::outputs::secret::Secret;
use crate::outputs::tls::{Pem, TlsOptions, Verification};

/// Options of `output.kafka`.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port`; never empty.
    pub hosts: Vec<String>,
    pub topic: TopicName,
    pub partitioner: Partitioner,
    pub acknowledgement: Acknowledgement,
    pub compression: Compression,
    /// Larger events are dropped by name.
    pub max_message_bytes: usize,
    pub client_id: String,
    pub credentials: Option<Credentials>,
    /// TLS when there is one.
    pub tls: Option<TlsOptions>,
    /// For an answer of a broker (`timeout`).
    pub timeout: Duration,
    /// For the brokers to agree on a message (`broker_timeout`).
    pub broker_timeout: Duration,
    /// Above zero turns TCP keep-alive on.
    pub keep_alive: Duration,
    /// `metadata.retry.backoff`.
    pub retry_backoff: Duration,
    /// `metadata.refresh_frequency`.
    pub refresh_frequency: Duration,
    /// `metadata.full`: of all topics instead of those in use.
    pub metadata: MetadataScope,
    /// Messages in a request to one partition.
    pub bulk_max_size: usize,
    /// How long messages wait for company (`bulk_flush_frequency`); never less than 5 ms, librdkafka's own default.
    pub bulk_flush_frequency: Duration,
    /// Bound of librdkafka's queue, which holds copies of the events.
    pub queue_maximum_bytes: usize,
    pub queue_maximum_messages: usize,
}

impl KafkaOptions {
    pub fn new(hosts: Vec<String>, topic: TopicName) -> KafkaOptions {
        KafkaOptions {
            hosts,
            topic,
            partitioner: Partitioner::Hash,
            acknowledgement: Acknowledgement::Leader,
            compression: Compression::Gzip { level: 4 },
            max_message_bytes: 1_000_000,
            client_id: "beats".to_owned(),
            credentials: None,
            tls: None,
            timeout: Duration::from_secs(30),
            broker_timeout: Duration::from_secs(10),
            keep_alive: Duration::ZERO,
            retry_backoff: Duration::from_millis(250),
            refresh_frequency: Duration::from_secs(600),
            metadata: MetadataScope::UsedTopics,
            bulk_max_size: 2048,
            bulk_flush_frequency: Duration::ZERO,
            queue_maximum_bytes: 64 * 1024 * 1024,
            queue_maximum_messages: 100_000,
        }
    }

    /// The same in librdkafka's words. The error is a sentence.
    pub fn client_config(&self) -> Result<ClientConfig, String> {
        let milliseconds =
            |duration: Duration, least: u128, most: u128| duration.as_millis().clamp(least, most).to_string();
        let (codec, level) = self.compression.words();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.hosts.join(","))
            .set("client.id", &self.client_id)
            .set("acks", self.acknowledgement.word())
            .set("compression.codec", codec)
            .set("compression.level", level)
            .set("message.max.bytes", self.max_message_bytes.clamp(1000, 1_000_000_000).to_string())
            // A batch that is larger than the broker's limit is refused as a whole.
            .set("batch.size", self.max_message_bytes.clamp(1000, 1_000_000_000).to_string())
            .set("batch.num.messages", self.bulk_max_size.clamp(1, 1_000_000).to_string())
            .set("linger.ms", milliseconds(self.bulk_flush_frequency, 5, 900_000))
            // An absent broker costs no attempt and no event.
            .set("message.timeout.ms", "0")
            .set("message.send.max.retries", "2147483647")
            .set("retry.backoff.ms", milliseconds(self.retry_backoff, 1, 300_000))
            .set("retry.backoff.max.ms", milliseconds(self.retry_backoff.max(Duration::from_secs(1)), 1, 300_000))
            .set("request.timeout.ms", milliseconds(self.broker_timeout, 1, 900_000))
            .set("socket.timeout.ms", milliseconds(self.timeout.max(self.broker_timeout), 10, 300_000))
            .set("socket.keepalive.enable", (!self.keep_alive.is_zero()).to_string())
            .set("topic.metadata.refresh.interval.ms", milliseconds(self.refresh_frequency, 10, 3_600_000))
            .set("topic.metadata.refresh.sparse", (self.metadata == MetadataScope::UsedTopics).to_string())
            .set("queue.buffering.max.messages", self.queue_maximum_messages.clamp(1, 10_000_000).to_string())
            .set("queue.buffering.max.kbytes", (self.queue_maximum_bytes / 1024).clamp(1, 2_097_151).to_string())
            .set("partitioner", self.partitioner.word());
        let protocol = match (&self.credentials, &self.tls) {
            (None, None) => "plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(credentials) = &self.credentials {
            config
                .set("sasl.mechanisms", credentials.mechanism.word())
                .set("sasl.username", &credentials.username)
                .set("sasl.password", credentials.password.reveal());
        }
        if let Some(tls) = &self.tls {
            set_tls(&mut config, tls)?;
        }
        Ok(config)
    }
}

/// Where events go that name no topic of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicName {
    Constant(String),
    /// Depends on the event's time.
    Dated(FormatString),
}

/// How the partition of an event is found. Events without a key go anywhere in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitioner {
    /// FNV-1a of the key, as Packetbeat does (`partition.hash`).
    #[default]
    Hash,
    /// `partition.random`.
    Random,
}

impl Partitioner {
    fn word(self) -> &'static str {
        match self {
            Partitioner::Hash => "fnv1a_random",
            Partitioner::Random => "random",
        }
    }
}

/// `required_acks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledgement {
    /// 0: a message counts as stored when it is sent.
    None,
    /// 1.
    #[default]
    Leader,
    /// -1.
    AllReplicas,
}

impl Acknowledgement {
    fn word(self) -> &'static str {
        match self {
            Acknowledgement::None => "0",
            Acknowledgement::Leader => "1",
            Acknowledgement::AllReplicas => "-1",
        }
    }
}

/// `compression`, with `compression_level`, which concerns gzip only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip { level: u8 },
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    fn words(self) -> (&'static str, String) {
        let default = || "-1".to_owned();
        match self {
            Compression::None | Compression::Gzip { level: 0 } => ("none", default()),
            Compression::Gzip { level } => ("gzip", level.to_string()),
            Compression::Snappy => ("snappy", default()),
            Compression::Lz4 => ("lz4", default()),
            Compression::Zstd => ("zstd", default()),
        }
    }
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
    pub mechanism: SaslMechanism,
}

/// `sasl.mechanism`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaslMechanism {
    #[default]
    Plain,
    ScramSha256,
    ScramSha512,
}

impl SaslMechanism {
    fn word(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Which topics' metadata is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataScope {
    #[default]
    UsedTopics,
    AllTopics,
}

fn set_tls(config: &mut ClientConfig, tls: &TlsOptions) -> Result<(), String> {
    config.set("enable.ssl.certificate.verification", (tls.verification != Verification::None).to_string());
    let name_check = if tls.verification == Verification::Full { "https" } else { "none" };
    config.set("ssl.endpoint.identification.algorithm", name_check);
    let read = |pem: &Pem, key: &str| pem.text().map_err(|error| format!("{key}: {error}"));
    if !tls.authorities.is_empty() {
        let texts: Result<Vec<String>, String> =
            tls.authorities.iter().map(|pem| read(pem, "ssl.certificate_authorities")).collect();
        config.set("ssl.ca.pem", texts?.join("\n"));
    }
    if let Some((certificate, key)) = &tls.identity {
        config.set("ssl.certificate.pem", read(certificate, "ssl.certificate")?);
        config.set("ssl.key.pem", read(key, "ssl.key")?);
    }
    if let Some(passphrase) = &tls.key_passphrase {
        config.set("ssl.key.password", passphrase.reveal());
    }
    Ok(())
}
