// SPDX-License-Identifier: Apache-2.0
use std::time::Duration;

use super::*;
use crate::config::Configuration;
use crate::outputs::batch_sink::{Backoff, HostBalance};
use crate::outputs::elasticsearch::{Authentication, ExistingTemplate, IndexName, ProxyChoice};
use crate::outputs::file::EarlierFile;
use crate::outputs::format_string::Fields;
use crate::outputs::kafka::{Acknowledgement, Compression, MetadataScope, Partitioner, SaslMechanism, TopicName};
use crate::outputs::logstash::Start;
use crate::outputs::pretty::Layout;
use crate::outputs::queue::{DiskOptions, Overload};
use crate::outputs::redis::{DataType, KeyName};
use crate::outputs::socks::Resolver;
use crate::outputs::tls::{Pem, TlsVersion, Verification};

const KNOWN: Known<'static> = Known { version: "9.6.0", name: "sensor" };

fn read_text(text: &str) -> Result<OutputSettings, String> {
    let configuration = Configuration::from_text("packetbeat.yml", text).unwrap();
    let settings = read(&configuration.root(), &KNOWN).map_err(|error| error.to_string())?;
    let unused = configuration.unused();
    assert!(unused.is_empty(), "{unused:?}");
    Ok(settings)
}

fn elasticsearch(text: &str) -> (ElasticsearchOptions, OutputSettings) {
    let settings = read_text(text).unwrap();
    match settings.kind.clone() {
        OutputKind::Elasticsearch(options) => (*options, settings),
        other => panic!("{other:?}"),
    }
}

fn kafka(text: &str) -> (KafkaOptions, OutputSettings) {
    let settings = read_text(text).unwrap();
    match settings.kind.clone() {
        OutputKind::Kafka(options) => (*options, settings),
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> FileOptions {
    match read_text(text).unwrap().kind {
        OutputKind::File(options) => options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn exactly_one_output_is_enabled() {
    assert_eq!(read_text("output.console.pretty: true").unwrap().name(), "console");
    let one_off = "output:\n  console:\n    pretty: false\n  elasticsearch:\n    enabled: false\n    hosts: [a]\n";
    assert_eq!(read_text(one_off).unwrap().name(), "console");
    assert_eq!(read_text("output.discard.enabled: true").unwrap().name(), "discard");
    for (text, expected) in [
        ("name: x", "no output is enabled"),
        ("output.console.enabled: false", "no output is enabled"),
        (
            "output.file.path: /x\noutput.console.pretty: true",
            "packetbeat.yml:2: output.console: two outputs are enabled, file and console",
        ),
        ("output.elastic.hosts: [a]", "packetbeat.yml:1: output.elastic: there is no output \"elastic\""),
        ("output.console: yes", "output.console: expected a map"),
    ] {
        let configuration = Configuration::from_text("packetbeat.yml", text).unwrap();
        let error = read(&configuration.root(), &KNOWN).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn wrong_settings_are_refused_with_their_place() {
    for (text, expected) in [
        ("output.file.filename: x", "output.file.path: the file output needs the folder"),
        (
            "output.file.path: '/x/%{[type]}'",
            "output.file.path: found \"/x/%{[type]}\", and at start there is no field \"type\"",
        ),
        ("output.file.path: '/x/%{'", "closing"),
        (
            "output.file: {path: /x, number_of_files: 1}",
            "output.file.number_of_files: found 1, expected an integer from 2 to 1024",
        ),
        ("output.file: {path: /x, number_of_files: 1025}", "number_of_files"),
        ("output.file: {path: /x, rotate_every_kb: 0}", "rotate_every_kb"),
        ("output.file: {path: /x, permissions: 01777}", "permissions"),
        ("output.file: {path: /x, filename: a/b}", "filename"),
        (
            "output.file: {path: /x, codec.format.string: x}",
            "output.file.codec.format: the codec format is not built yet",
        ),
        ("output.elasticsearch.username: a", "output.elasticsearch.hosts: the elasticsearch output needs"),
        ("output.elasticsearch.hosts: []", "needs at least one host"),
        ("output.elasticsearch.hosts: ['ftp://a']", "packetbeat.yml:1: output.elasticsearch.hosts: found \"ftp://a\""),
        (
            "output.elasticsearch: {hosts: [a], username: u, api_key: 'i:k'}",
            "output.elasticsearch.api_key: there is a username or password too",
        ),
        ("output.elasticsearch: {hosts: [a], password: p}", "there is a password, but no username"),
        (
            "output.elasticsearch: {hosts: [a], preset: fast}",
            "output.elasticsearch.preset: found \"fast\", expected one of custom",
        ),
        ("output.elasticsearch: {hosts: [a], compression_level: 10}", "compression_level"),
        ("output.elasticsearch: {hosts: [a], worker: 0}", "worker"),
        ("output.elasticsearch: {hosts: [a], bulk_max_size: 2000000}", "at most 1000000"),
        ("output.elasticsearch: {hosts: [a], backoff: {init: 10s, max: 1s}}", "backoff.max"),
        ("output.elasticsearch: {hosts: [a], timeout: 0}", "timeout"),
        (
            "output.elasticsearch: {hosts: [a], index: own}",
            "setup.template.name and setup.template.pattern have to be set",
        ),
        ("output.elasticsearch: {hosts: [a], index: own}\nsetup.template.name: own", "have to be set"),
        (
            "output.elasticsearch.hosts: [a]\nsetup.template.name: '%{[type]}'",
            "packetbeat.yml:2: setup.template.name: expected a name",
        ),
        (
            "output.elasticsearch.hosts: [a]\nsetup.template.json.enabled: true",
            "setup.template.json.enabled: this is not built yet",
        ),
        (
            "output.elasticsearch: {hosts: [a], indices: [{index: b, when.likes.x: y}]}",
            "indices.0.when: found likes, expected a condition",
        ),
        ("output.elasticsearch: {hosts: [a], indices: [{default: b}]}", "has no index"),
        (
            "output.elasticsearch: {hosts: [a], non_indexable_policy.dead_letter_index.index: b}",
            "dead letter index is not built",
        ),
        ("output.elasticsearch: {hosts: [a], kerberos.enabled: true}", "Kerberos is not supported"),
        ("output.elasticsearch: {hosts: [a], ssl.certificate: x}", "there is a certificate, but no key"),
        ("output.elasticsearch: {hosts: [a], ssl.supported_protocols: [TLSv1.1]}", "only TLSv1.2 and TLSv1.3"),
        (
            "output.elasticsearch: {hosts: [a], ssl.ca_trusted_fingerprint: ab}",
            "ssl.ca_trusted_fingerprint: found \"ab\", expected the SHA-256 of a certificate in 64 hexadecimal digits",
        ),
        ("output.elasticsearch: {hosts: [a], ssl.renegotiation: freely}", "renegotiates never"),
        ("output.elasticsearch: {hosts: [a], ssl.verification_mode: some}", "verification_mode"),
        ("output.elasticsearch: {hosts: [a], proxy_url: 'socks5://p'}", "URL of an HTTP proxy"),
        ("output.console.queue.disk.path: /q", "queue.disk.max_size: the disk queue needs a size"),
        ("output.console: {queue.disk.max_size: 9MB}", "max_size: found 9000000 bytes, expected at least 10MB"),
        ("output.console: {}\nqueue.disk: {max_size: 10MB, segment_size: 900KB}", "segment_size: found 900000 bytes"),
        ("output.console: {}\nqueue.disk: {max_size: 10MB, segment_size: 6MB}", "expected at most half of max_size"),
        ("output.console: {}\nqueue.disk: {max_size: 10MB, retry_interval: 1m}", "expected at least retry_interval"),
        ("output.console: {}\nqueue: {mem.events: 32, disk.max_size: 10MB}", "two queues are enabled, mem and disk"),
        ("output.console: {}\nwirebeat.queue.overload: spool", "overload: spool needs queue.disk"),
        (
            "output.console: {}\nwirebeat.queue.overload: later",
            "overload: found \"later\", expected one of drop_newest",
        ),
        ("output.elasticsearch.hosts: [a]\ncloud.id: x", "cloud.id: cloud ids are not built yet"),
        (
            "output.elasticsearch.hosts: [a]\nqueue.mem.events: 3",
            "packetbeat.yml:2: queue.mem.events: found 3, expected an integer from 32",
        ),
        ("output.kafka.hosts: [a]", "output.kafka.topic: the kafka output needs a topic"),
        ("output.kafka.topic: a", "output.kafka.hosts: the kafka output needs at least one broker"),
        ("output.kafka: {hosts: ['a,b'], topic: t}", "found \"a,b\""),
        ("output.kafka: {hosts: [a], topic: t, username: u}", "no password"),
        ("output.kafka: {hosts: [a], topic: t, required_acks: 2}", "required_acks: found 2"),
        ("output.kafka: {hosts: [a], topic: t, compression: brotli}", "compression"),
        ("output.kafka: {hosts: [a], topic: t, partition.round_robin.group_events: 1}", "round_robin is not built yet"),
        ("output.kafka: {hosts: [a], topic: t, partition.hash.hash: [x]}", "a hash of fields is not built yet"),
        ("output.kafka: {hosts: [a], topic: t, partition: {hash: {}, random: {}}}", "two partitioners"),
        ("output.kafka: {hosts: [a], topic: t, sasl.mechanism: GSSAPI}", "sasl.mechanism"),
        ("output.kafka: {hosts: [a], topic: t, headers: [{key: a, value: b}]}", "headers of Kafka messages"),
        ("output.kafka: {hosts: [a], topic: t, codec.json.local_time: true}", "times are always UTC"),
        (
            "output.kafka: {hosts: [a], topic: t, ssl.ca_trusted_fingerprint: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff}",
            "ssl.ca_trusted_fingerprint: librdkafka knows no fingerprints",
        ),
    ] {
        let configuration = Configuration::from_text("packetbeat.yml", text).unwrap();
        let result = read(&configuration.root(), &KNOWN);
        let error = result.map(|settings| settings.name()).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn elasticsearch_defaults_are_those_of_packetbeat() {
    let (options, settings) = elasticsearch("output.elasticsearch:\n  hosts: [\"localhost:9200\"]\n");
    assert_eq!(options.endpoints[0].url.as_str(), "http://localhost:9200/");
    assert_eq!(options.index, IndexName::Constant("packetbeat-9.6.0".into()));
    assert_eq!((options.bulk_max_size, options.workers, options.compression_level), (1600, 1, 1));
    assert_eq!((options.timeout, options.idle_connection_timeout), (Duration::from_secs(90), Duration::from_secs(3)));
    assert_eq!((options.balance, options.oldest_version), (HostBalance::All, None));
    let template = options.template.unwrap();
    assert_eq!((template.name.as_str(), template.pattern.as_str()), ("packetbeat-9.6.0", "packetbeat-9.6.0"));
    assert_eq!(settings.json, JsonOptions { metadata: Metadata::LeftOut, html: Html::Plain });
    assert_eq!(settings.queue, QueueOptions::default());
    assert_eq!(settings.shipper, ShipperOptions::default());
    assert_eq!(settings.routing, Routing { raw_index: RawIndex::IsDestination, ..Routing::default() });
}

#[test]
fn elasticsearch_reads_every_option() {
    let (options, settings) = elasticsearch(
        r#"
output.elasticsearch:
  hosts: ["https://a:9201/own?x=1", b]
  protocol: https
  path: /p
  parameters: {k: v}
  headers: {X-Key: 5}
  username: u
  password: p
  compression_level: 5
  bulk_max_size: 100
  workers: 3
  loadbalance: false
  max_retries: -1
  backoff: {init: 2s, max: 3s}
  timeout: 10
  idle_connection_timeout: 9s
  index: "Own-%{[agent.version]}-%{+yyyy}"
  pipeline: Pipe
  proxy_url: "proxy:3128"
  allow_older_versions: false
  escape_html: true
  non_indexable_policy.drop: ~
  kerberos.enabled: false
  ssl:
    verification_mode: certificate
    certificate_authorities: /ca.pem
    certificate: "-----BEGIN CERTIFICATE-----"
    key: /key.pem
    supported_protocols: [TLSv1.1, TLSv1.3]
    renegotiation: never
  queue.mem: {events: 64, flush: {min_events: 32, timeout: 1s}}
setup.template:
  name: own
  pattern: "own-*"
  overwrite: true
  settings:
    index.number_of_shards: 2
    _source.enabled: true
"#,
    );
    let hosts: Vec<&str> = options.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
    assert_eq!(hosts, ["https://a:9201/own/", "https://b:9200/p/"]);
    assert_eq!(options.parameters, [("k".to_string(), "v".into())]);
    assert_eq!(options.headers, [("X-Key".to_string(), "5".into())]);
    assert_eq!(options.authentication, Authentication::Basic { username: "u".into(), password: "p".into() });
    assert_eq!((options.compression_level, options.bulk_max_size, options.workers), (5, 100, 3));
    assert_eq!(options.balance, HostBalance::One);
    assert_eq!((options.backoff_initial, options.backoff_maximum), (Duration::from_secs(2), Duration::from_secs(3)));
    assert_eq!((options.timeout, options.idle_connection_timeout), (Duration::from_secs(10), Duration::from_secs(9)));
    let IndexName::Dated(index) = &options.index else { panic!("{:?}", options.index) };
    assert!(!index.needs_fields());
    assert_eq!(options.pipeline.as_deref(), Some("pipe"));
    assert_eq!(options.proxy, ProxyChoice::Url("http://proxy:3128".into()));
    assert_eq!(options.oldest_version, Some((9, 6)));
    assert_eq!(options.tls.verification, Verification::Certificate);
    assert_eq!(options.tls.authorities, [Pem::File("/ca.pem".into())]);
    assert!(matches!(options.tls.identity, Some((Pem::Text(_), Pem::File(_)))));
    assert_eq!(options.tls.versions, Some(vec![TlsVersion::Tls13]));
    let template = options.template.unwrap();
    assert_eq!((template.name.as_str(), template.pattern.as_str()), ("own", "own-*"));
    assert_eq!(template.existing, ExistingTemplate::Replaced);
    assert_eq!(template.index_settings, serde_json::json!({ "number_of_shards": 2 }));
    assert_eq!(template.source, Some(serde_json::json!({ "enabled": true })));
    assert_eq!(settings.json.html, Html::Escaped);
    assert_eq!(settings.shipper.max_retries, None);
    assert_eq!(settings.shipper.backoff_maximum_ns, 3_000_000_000);
    assert_eq!(settings.shipper.flush_interval_ns, 1_000_000_000);
    assert_eq!((settings.queue.events, settings.queue.flush_min_events), (Some(64), 32));
    assert_eq!(options.flush_min_events, 32);
    assert_eq!(settings.routing.destination, None);
}

#[test]
fn presets_win_and_say_so() {
    let (options, settings) = elasticsearch(
        "output.elasticsearch: {hosts: [a], preset: latency, bulk_max_size: 7, worker: 9, backoff.init: 3s}\nqueue.mem.events: 64",
    );
    assert_eq!((options.bulk_max_size, options.workers), (50, 1));
    assert_eq!(options.idle_connection_timeout, Duration::from_secs(60));
    assert_eq!(options.backoff_initial, Duration::from_secs(3));
    assert_eq!(settings.queue.flush_min_events, 2050);
    assert_eq!(settings.shipper.flush_interval_ns, 1_000_000_000);
    let keys: Vec<bool> = ["bulk_max_size", "worker", "queue has no effect"]
        .iter()
        .map(|key| settings.warnings.iter().any(|text| text.contains(key)))
        .collect();
    assert_eq!((keys, settings.warnings.len()), (vec![true, true, true], 3));
    let (options, settings) = elasticsearch("output.elasticsearch: {hosts: [a], preset: scale}");
    assert_eq!(
        (options.backoff_maximum, settings.shipper.backoff_initial_ns),
        (Duration::from_secs(300), 5_000_000_000)
    );
    let (options, _) = elasticsearch("output.elasticsearch: {hosts: [a], preset: throughput}");
    assert_eq!(options.workers, 4);
    let (options, _) = elasticsearch("output.elasticsearch: {hosts: [a], preset: custom, bulk_max_size: 7}");
    assert_eq!(options.bulk_max_size, 7);
}

#[test]
fn names_that_depend_on_events_are_left_to_the_workers() {
    let (options, settings) = elasticsearch(
        "output.elasticsearch:
  hosts: [a]
  indices:
    - index: 'Web-%{[type]}'
      mappings: {web-http: X}
      default: other
  pipelines:
    - pipeline: '%{[network.protocol]}'
  pipeline: rest
setup.template.enabled: false",
    );
    assert_eq!(options.index, IndexName::Constant("packetbeat-9.6.0".into()));
    assert!(options.template.is_none() && options.pipeline.is_none());
    let (destination, pipeline) = (settings.routing.destination.unwrap(), settings.routing.pipeline.unwrap());
    let select = |selector: &Selector, kind: &'static str| {
        let mut out = String::new();
        selector.select(&Kind(kind), &mut out).then_some(out)
    };
    assert_eq!(select(&destination, "http").as_deref(), Some("other"), "the mapping's key has no capital");
    assert_eq!(select(&pipeline, "http").as_deref(), Some("rest"));
    let (options, settings) = kafka("output.kafka: {hosts: [a], topic: 'pb-%{[type]}', key: '%{[flow.id]}'}");
    assert_eq!(options.topic, TopicName::Constant(String::new()));
    assert_eq!(select(&settings.routing.destination.unwrap(), "dns").as_deref(), Some("pb-dns"));
}

struct Kind(&'static str);

impl Fields for Kind {
    fn append(&self, field: &str, out: &mut String) -> bool {
        out.push_str(if field == "type" { self.0 } else { "" });
        field == "type"
    }

    fn time_ns(&self) -> Option<i64> {
        None
    }
}

#[test]
fn kafka_defaults_and_options() {
    let (options, settings) = kafka("output.kafka: {hosts: [a, 'b:9093', '[::1]'], topic: 'pb-%{[agent.version]}'}");
    assert_eq!(options.hosts, ["a:9092", "b:9093", "[::1]:9092"]);
    assert_eq!(options.topic, TopicName::Constant("pb-9.6.0".into()));
    assert_eq!(options.compression, Compression::Gzip { level: 4 });
    assert_eq!((options.acknowledgement, options.partitioner), (Acknowledgement::Leader, Partitioner::Hash));
    assert_eq!((options.max_message_bytes, options.client_id.as_str()), (1_000_000, "beats"));
    assert!(options.tls.is_none() && options.credentials.is_none());
    assert_eq!(settings.json.metadata, Metadata::Written);
    assert_eq!(settings.routing.raw_index, RawIndex::Ignored);
    let mut key = String::new();
    assert!(settings.routing.key.unwrap().evaluate(&Kind("x"), &mut key).is_err(), "its field is the community id");

    let (options, _) = kafka(
        "output.kafka:
  hosts: a:1
  topic: 't-%{+yyyy}'
  partition.random: {reachable_only: false}
  required_acks: -1
  compression: no
  max_message_bytes: 100000000
  client_id: me
  username: u
  password: p
  sasl.mechanism: SCRAM-SHA-512
  timeout: 5
  broker_timeout: 3s
  keep_alive: 1m
  metadata: {retry.backoff: 1s, refresh_frequency: 1m, full: true}
  bulk_max_size: 10
  bulk_flush_frequency: 20ms
  ssl.verification_mode: none
  codec.json: {pretty: false, escape_html: false}
",
    );
    assert!(matches!(options.topic, TopicName::Dated(_)));
    assert_eq!((options.compression, options.partitioner), (Compression::None, Partitioner::Random));
    assert_eq!(options.acknowledgement, Acknowledgement::AllReplicas);
    assert_eq!(options.credentials.unwrap().mechanism, SaslMechanism::ScramSha512);
    assert_eq!(options.tls.unwrap().verification, Verification::None);
    assert_eq!((options.timeout, options.broker_timeout), (Duration::from_secs(5), Duration::from_secs(3)));
    assert_eq!((options.keep_alive, options.metadata), (Duration::from_secs(60), MetadataScope::AllTopics));
    assert_eq!((options.retry_backoff, options.refresh_frequency), (Duration::from_secs(1), Duration::from_secs(60)));
    assert_eq!((options.bulk_max_size, options.bulk_flush_frequency), (10, Duration::from_millis(20)));
    assert!(options.queue_maximum_bytes >= 100_000_000);
}

#[test]
fn file_and_console_options() {
    let options = file("output.file.path: '/x/%{[agent.name]}/%{[agent.version]}'");
    assert_eq!(options, FileOptions::new("/x/sensor/9.6.0", "packetbeat"));
    let dated = file("output.file.path: '/x/%{+yyyy}'").folder;
    assert!(dated.to_str().unwrap().starts_with("/x/20"), "{dated:?}");
    let options = file(
        "output.file: {path: /x, filename: pb, rotate_every_kb: 3, number_of_files: 9, permissions: 0640, rotate_on_startup: false}",
    );
    let expected = FileOptions {
        rotate_every_bytes: 3072,
        number_of_files: 9,
        permissions: 0o640,
        earlier: EarlierFile::Continued,
        ..FileOptions::new("/x", "pb")
    };
    assert_eq!(options, expected);
    for (text, expected) in [
        ("output.console.enabled: true", Layout::Lines),
        ("output.console.pretty: true", Layout::Pretty),
        ("output.console.codec.json.pretty: true", Layout::Pretty),
    ] {
        let OutputKind::Console(options) = read_text(text).unwrap().kind else { panic!("{text}") };
        assert_eq!(options.layout, expected, "{text}");
    }
    assert_eq!(read_text("output.console.enabled: true").unwrap().shipper.max_retries, None);
}

#[test]
fn logstash_has_packetbeats_defaults_and_options() {
    let OutputKind::Logstash(options) = read_text("output.logstash.hosts: [a]").unwrap().kind else { panic!() };
    assert_eq!(
        (options.hosts[0].to_string().as_str(), options.balance, options.workers),
        ("a:5044", HostBalance::One, 1)
    );
    assert_eq!((options.pipelining, options.bulk_max_size, options.start), (2, 2048, Start::Full));
    assert_eq!((options.compression_level, options.timeout), (3, Duration::from_secs(30)));
    assert_eq!((options.time_to_live, options.backoff), (None, Backoff::default()));
    assert!(options.tls.is_none() && options.proxy.is_none());
    let text = "output.logstash: {hosts: ['a:1', '[::1]:2'], loadbalance: true, worker: 3, pipelining: 0, bulk_max_size: 7, \
         slow_start: true, compression_level: 0, timeout: 5s, max_retries: -1, ttl: 1m, backoff: {init: 2s, max: 9s}, \
         escape_html: true, index: 'i-%{[agent.version]}', proxy_url: 'socks5://u:secret@p:9', \
         proxy_use_local_resolver: true, ssl.verification_mode: none, queue.mem.flush.min_events: 5}";
    let settings = read_text(text).unwrap();
    assert_eq!((settings.name(), settings.shipper.max_retries), ("logstash", None));
    assert_eq!(settings.routing.beat.as_deref(), Some("i-9.6.0"));
    assert_eq!(settings.json, JsonOptions { metadata: Metadata::Written, html: Html::Escaped });
    let OutputKind::Logstash(options) = settings.kind else { panic!() };
    assert_eq!(options.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "[::1]:2"]);
    assert_eq!((options.balance, options.workers, options.pipelining), (HostBalance::All, 3, 0));
    assert_eq!((options.bulk_max_size, options.flush_min_events, options.start), (7, 5, Start::Slow));
    assert_eq!((options.compression_level, options.timeout), (0, Duration::from_secs(5)));
    assert_eq!(options.time_to_live, Some(Duration::from_secs(60)));
    assert_eq!(options.backoff, Backoff { initial: Duration::from_secs(2), maximum: Duration::from_secs(9) });
    assert_eq!(options.tls.unwrap().verification, Verification::None);
    let proxy = options.proxy.unwrap();
    assert_eq!((proxy.host.to_string().as_str(), proxy.resolver), ("p:9", Resolver::Local));
}

#[test]
fn redis_has_packetbeats_defaults_and_options() {
    let settings = read_text("output.redis.hosts: [a]").unwrap();
    assert_eq!(settings.routing, Routing::default());
    let OutputKind::Redis(options) = settings.kind else { panic!() };
    assert_eq!((options.hosts[0].host.to_string().as_str(), options.balance), ("a:6379", HostBalance::All));
    assert_eq!((options.key, options.data_type), (KeyName::Constant("packetbeat".into()), DataType::List));
    assert_eq!((options.database, options.workers, options.bulk_max_size), (0, 1, 2048));
    assert_eq!((options.timeout, options.backoff), (Duration::from_secs(5), Backoff::default()));
    assert!(options.password.is_none() && options.username.is_none() && options.tls.is_none());
    let text = "output.redis: {hosts: ['rediss://:secret@a:1', b], key: 'k-%{[agent.version]}-%{+yyyy}', datatype: channel, \
         db: 3, username: u, password: secret, loadbalance: false, workers: 2, timeout: 1s, max_retries: 9, \
         backoff: {init: 2s, max: 9s}, bulk_max_size: 7, proxy_url: 'socks5://p', codec.json: {escape_html: true, pretty: true}, \
         ssl.enabled: true}";
    let settings = read_text(text).unwrap();
    assert_eq!((settings.name(), settings.shipper.max_retries), ("redis", Some(9)));
    assert_eq!(settings.json, JsonOptions { metadata: Metadata::Written, html: Html::Escaped });
    let OutputKind::Redis(options) = settings.kind else { panic!() };
    assert_eq!(options.key.at(0).as_deref(), Some("k-9.6.0-1970"));
    assert_eq!((options.data_type, options.database, options.username.as_deref()), (DataType::Channel, 3, Some("u")));
    assert_eq!((options.balance, options.workers, options.bulk_max_size), (HostBalance::One, 2, 7));
    assert_eq!((options.hosts[1].host.to_string().as_str(), options.layout), ("b:6379", Layout::Pretty));
    assert!(options.tls.is_some() && options.proxy.is_some());
    let named = |text: &str| {
        let settings = read_text(text).unwrap();
        let OutputKind::Redis(options) = settings.kind else { panic!() };
        (options.key, settings.routing.destination.is_some())
    };
    let constant = |name: &str| KeyName::Constant(name.into());
    assert_eq!(named("output.redis: {hosts: [a], index: old}"), (constant("old"), false));
    assert_eq!(named("output.redis: {hosts: [a], index: old, key: new}"), (constant("new"), false));
    assert_eq!(named("output.redis: {hosts: [a], key: '%{[type]}'}"), (KeyName::None, true));
    let rules = "output.redis: {hosts: [a], key: k, keys: [{key: dns, when.equals.type: dns}, {key: '%{[x]}', mappings: {a: b}, default: c}]}";
    assert_eq!(named(rules), (constant("k"), true));
    let selector = read_text(rules).unwrap().routing.destination.unwrap();
    assert_eq!((selector.rules.len(), selector.condition_names()), (2, vec!["type".to_owned()]));
}

#[test]
fn wrong_settings_of_logstash_and_redis_are_refused_with_their_place() {
    for (text, expected) in [
        (
            "output.logstash.hosts: []",
            "packetbeat.yml:1: output.logstash.hosts: the logstash output needs at least one host",
        ),
        (
            "output.logstash.hosts: ['a:x']",
            "output.logstash.hosts: found \"a:x\", expected a host such as localhost:5044",
        ),
        (
            "output.logstash: {hosts: [a], compression_level: 10}",
            "compression_level: found 10, expected an integer from 0 to 9",
        ),
        ("output.logstash: {hosts: [a], pipelining: -1}", "pipelining: found -1, expected"),
        ("output.logstash: {hosts: [a], timeout: 0}", "timeout: found 0, expected a duration"),
        ("output.logstash: {hosts: [a], ttl: soon}", "ttl: found \"soon\", expected a duration"),
        (
            "output.logstash: {hosts: [a], index: '%{[type]}'}",
            "index: found \"%{[type]}\", expected a name that depends on no event",
        ),
        ("output.logstash: {hosts: [a], proxy_url: 'http://p'}", "proxy_url: expected the URL of a SOCKS proxy"),
        ("output.logstash: {hosts: [a], backoff: {init: 9s, max: 1s}}", "backoff.max: found 1s, expected at least"),
        ("output.redis.hosts: []", "packetbeat.yml:1: output.redis.hosts: the redis output needs at least one host"),
        ("output.redis.hosts: ['redis://a/3']", "output.redis.hosts: expected a URL such as redis://localhost:6379"),
        ("output.redis: {hosts: [a], datatype: set}", "datatype: found \"set\", expected one of"),
        ("output.redis: {hosts: [a], db: -1}", "db: found -1, expected"),
        ("output.redis: {hosts: [a], username: u}", "username: there is a username for a:6379, but no password"),
        ("output.redis: {hosts: [a], key: '%{['}", "output.redis.key: found \"%{[\""),
        ("output.redis: {hosts: [a], keys: [{when.equals.type: x}]}", "this rule of keys has no key"),
        (
            "output.redis: {hosts: [a], keys: [{key: k, when.likes: 3}]}",
            "keys.0.when: found likes, expected a condition",
        ),
    ] {
        let configuration = Configuration::from_text("packetbeat.yml", text).unwrap();
        let error = read(&configuration.root(), &KNOWN).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let (_, settings) = elasticsearch(
        "output.elasticsearch: {hosts: ['http://u:secret1@a?token=secret6'], headers: {X: secret7}, username: u, password: secret2, ssl: {certificate: c, key: '-----BEGIN secret3', key_passphrase: secret4}}",
    );
    let (_, kafka) = kafka("output.kafka: {hosts: [a], topic: t, username: u, password: secret5}");
    let logstash = read_text("output.logstash: {hosts: [a], proxy_url: 'socks5://u:secret8@p'}").unwrap();
    let redis = read_text("output.redis: {hosts: ['redis://:secret9@a'], password: secret10}").unwrap();
    let shown = format!("{settings:?}{kafka:?}{logstash:?}{redis:?}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn testing_an_output_goes_step_by_step() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let test = |text: &str| {
        let mut report = String::new();
        let result = read_text(text).unwrap().test(&mut report);
        (report, result)
    };
    let (report, result) = test(&format!("output.elasticsearch.hosts: ['127.0.0.1:{port}']"));
    let steps = format!(
        "elasticsearch: http://127.0.0.1:{port}...\n  parse url... OK\n  connection...\n    parse host... OK\n    dns lookup... OK\n    addresses: 127.0.0.1\n    dial up... ERROR "
    );
    assert!(report.starts_with(&steps), "{report}");
    assert!(result.unwrap_err().contains("dial up: Connection refused"));
    let (report, result) = test("output.kafka: {hosts: ['nobody.invalid:9092'], topic: t}");
    assert!(
        report.starts_with("Kafka: nobody.invalid:9092...\n  parse host... OK\n  dns lookup... ERROR "),
        "{report}"
    );
    assert!(result.is_err());
    let (report, result) = test(&format!("output.logstash.hosts: ['127.0.0.1:{port}']"));
    let steps = format!(
        "logstash: 127.0.0.1:{port}...\n  connection...\n    parse host... OK\n    dns lookup... OK\n    addresses: 127.0.0.1\n    dial up... ERROR "
    );
    assert!(report.starts_with(&steps) && result.is_err(), "{report}");
    let (report, result) = test(&format!("output.redis: {{hosts: [a], proxy_url: 'socks5://127.0.0.1:{port}'}}"));
    assert!(
        report.starts_with(&format!("redis: a:6379...\n  connection... through the proxy 127.0.0.1:{port}\n")),
        "{report}"
    );
    assert!(result.unwrap_err().starts_with("a:6379: talk to server: the SOCKS proxy 127.0.0.1:"));
    let (_, result) = test("output.file.path: /x");
    assert_eq!(result.unwrap_err(), "file output doesn't support testing");
}

#[test]
fn queues_are_read_where_packetbeat_reads_them() {
    let queue = read_text("output.discard: {}\nqueue.mem: {events: 100, flush.timeout: 3s}").unwrap().queue;
    assert_eq!((queue.events, queue.flush_min_events), (Some(100), 100), "no more are waited for than may be there");
    let queue = read_text("output.discard: {}\nqueue.disk.max_size: 1GB").unwrap().queue;
    let disk = queue.disk.unwrap();
    assert!(disk.path.ends_with("data/diskqueue"), "{disk:?}");
    assert_eq!(disk, DiskOptions::new(disk.path.clone(), 1_000_000_000));
    assert_eq!((disk.segment_bytes, disk.read_ahead, disk.write_ahead), (100_000_000, 512, 2048));
    let queue = read_text(
        "output.discard.queue.disk:
  max_size: 1GB
  segment_size: 200MB
  path: /q
  read_ahead: 10
  write_ahead: 20
  retry_interval: 2s
  max_retry_interval: 3s
wirebeat.queue: {overload: drop_oldest, max_bytes: 5MB, sync: 0s}",
    );
    let queue = queue.unwrap().queue;
    assert_eq!((queue.overload, queue.max_bytes), (Some(Overload::DropOldest), Some(5_000_000)));
    let expected = DiskOptions {
        path: "/q".into(),
        max_bytes: 1_000_000_000,
        segment_bytes: 200_000_000,
        read_ahead: 10,
        write_ahead: 20,
        retry_interval: Duration::from_secs(2),
        max_retry_interval: Duration::from_secs(3),
        sync: Duration::ZERO,
    };
    assert_eq!(queue.disk, Some(expected));
}
