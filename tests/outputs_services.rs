// SPDX-License-Identifier: Apache-2.0
//! Sinks against real servers: what is counted as acknowledged is what is read back.
//!
//! `WIREBEAT_TEST_SERVICES` names a folder in which `tests/services/opensearch/run up FOLDER/opensearch PORT` and
//! `tests/services/kafka/run up FOLDER/kafka PORT` were started, and perhaps an Elasticsearch in
//! `FOLDER/elasticsearch8`, and `FOLDER/redis` and `FOLDER/lumberjack` by their own `run up`; without it, or without one of them, the tests say so and do nothing. Every test uses a name
//! of its own, so the servers may be used again. curl and kcat, or Kafka's own consumer, read back.

#[path = "outputs_services/lumberjack.rs"]
mod lumberjack;
#[path = "outputs_services/redis.rs"]
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_queue::ArrayQueue;
use serde_json::Value;
use wirebeat::config::Configuration;
use wirebeat::event::chunk::{Chunk, EncodedEvent, SealedChunk, Span};
use wirebeat::outputs::batch_sink::BatchSink;
use wirebeat::outputs::config::Known;
use wirebeat::outputs::elasticsearch::{
    self, ElasticsearchOptions, IndexName, ProxyChoice, TemplateOptions, parse_host,
};
use wirebeat::outputs::kafka::{Compression, Credentials, KafkaOptions, KafkaSink, SaslMechanism, TopicName};
use wirebeat::outputs::logstash::LogstashOptions;
use wirebeat::outputs::metrics::SinkMetrics;
use wirebeat::outputs::peer::Host;
use wirebeat::outputs::redis::{KeyName, RedisHost, RedisOptions};
use wirebeat::outputs::shipper::{Shipper, ShipperCounters, ShipperOptions};
use wirebeat::outputs::tls::{Pem, TlsOptions};
use wirebeat::outputs::{self, Sink};

#[test]
fn search_server_has_what_was_acknowledged() {
    for address in search_servers() {
        let stream = unique("packetbeat-9.6.0");
        let mut shipper = ship_to(elasticsearch(&address, &stream));
        for part in 0..10 {
            shipper.accept(chunk(&events(part * 500, 500), |_, _| {}));
        }
        let counters = finish(&mut shipper);
        assert_eq!((counters.acknowledged, counters.received), (5000, 5000));
        assert_eq!(numbers_in(&address, &stream), (0..5000).collect::<Vec<u64>>());
        let mapping = http(&address, "GET", &format!("/{stream}/_mapping/field/source.ip"));
        assert!(mapping.to_string().contains(r#""type":"ip""#), "the template was loaded: {mapping}");
        assert!(mapping.to_string().starts_with(&format!("{{\".ds-{stream}-")), "it is a data stream: {mapping}");
    }
}

#[test]
fn search_server_refuses_one_document_and_keeps_the_others() {
    for address in search_servers() {
        let stream = unique("packetbeat-9.6.0");
        let mut bodies = events(0, 100);
        bodies[40] = r#"{"@timestamp":"never","n":40}"#.to_owned();
        bodies[70] = r#"{"@timestamp":"2026-11-24T12:00:00.000Z","source":{"ip":"no address"},"n":70}"#.to_owned();
        let mut shipper = ship_to(elasticsearch(&address, &stream));
        shipper.accept(chunk(&bodies, |_, _| {}));
        let counters = finish(&mut shipper);
        assert_eq!(counters.acknowledged, 98);
        assert_eq!(counters.dropped, BTreeMap::from([("elasticsearch_item_rejected", 2)]));
        let stored = numbers_in(&address, &stream);
        assert_eq!(stored, (0..100).filter(|number| ![40, 70].contains(number)).collect::<Vec<u64>>());
    }
}

#[test]
fn search_server_knows_an_id_that_it_has() {
    for address in search_servers() {
        let stream = unique("packetbeat-9.6.0");
        for duplicates in [0, 50] {
            let mut shipper = ship_to(elasticsearch(&address, &stream));
            shipper.accept(chunk(&events(0, 50), |chunk, event| {
                event.id = append(chunk, &format!("id-{}", event.body.start))
            }));
            assert_eq!(finish(&mut shipper).acknowledged, 50);
            assert_eq!(shipper.sink().metrics().duplicates, duplicates);
        }
        assert_eq!(numbers_in(&address, &stream).len(), 50);
    }
}

#[test]
fn search_server_may_come_late() {
    for address in search_servers() {
        let stream = unique("packetbeat-9.6.0");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut shipper = ship_to(elasticsearch(&front, &stream));
        shipper.accept(chunk(&events(0, 200), |_, _| {}));
        shipper.flush();
        let begin = Instant::now();
        while shipper.sink().metrics().failed_connections < 3 {
            shipper.turn(begin.elapsed().as_nanos() as i64);
            assert_eq!((shipper.counters().acknowledged, shipper.counters().dropped_total()), (0, 0));
            thread::sleep(Duration::from_millis(5));
        }
        forward(&front, &address, usize::MAX);
        assert_eq!(finish(&mut shipper).acknowledged, 200);
        assert_eq!(numbers_in(&address, &stream).len(), 200);
    }
}

#[test]
fn search_server_behind_a_line_that_breaks_gets_every_event_once() {
    for address in search_servers() {
        let stream = unique("packetbeat-9.6.0");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = listener.local_addr().unwrap().to_string();
        drop(listener);
        forward(&front, &address, 20_000);
        let mut options = elasticsearch(&front, &stream);
        options.bulk_max_size = 100;
        options.compression_level = 0;
        // The template alone is longer than what the line lets through.
        options.template = None;
        let mut shipper = ship_to(options);
        for part in 0..10 {
            let bodies = events(part * 100, 100);
            shipper.accept(chunk(&bodies, |chunk, event| {
                let id = format!("id-{part}-{}", event.body.start);
                event.id = append(chunk, &id);
            }));
        }
        let counters = finish(&mut shipper);
        assert_eq!(counters.acknowledged, 1000, "{counters:?}");
        assert!(counters.retried_total() > 0, "the line did break: {counters:?}");
        assert_eq!(numbers_in(&address, &stream), (0..1000).collect::<Vec<u64>>(), "ids keep repetitions out");
    }
}

#[test]
fn kafka_has_what_was_acknowledged_in_every_codec() {
    let Some(kafka) = kafka() else { return };
    let codecs =
        [Compression::None, Compression::Gzip { level: 4 }, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for compression in codecs {
        let topic = unique("packetbeat");
        let options = KafkaOptions { compression, ..kafka.options(0, &topic) };
        let mut shipper = Shipper::new(Box::new(KafkaSink::start(&options, None).unwrap()), quick());
        for part in 0..4 {
            shipper.accept(chunk(&events(part * 500, 500), |chunk, event| {
                let key = format!("1:{}", event.body.start % 50);
                event.key = append(chunk, &key);
            }));
        }
        assert_eq!(finish(&mut shipper).acknowledged, 2000, "{compression:?}");
        let records = kafka.read(&topic, 2000);
        let mut numbers: Vec<u64> = records.iter().map(|(_, _, value)| number_of(value)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..2000).collect::<Vec<u64>>(), "{compression:?}");
        for (partition, key, _) in &records {
            assert_eq!(*partition, packetbeat_partition(key.as_bytes(), 2), "{key}");
        }
        assert_eq!(records.iter().map(|(partition, ..)| partition).collect::<BTreeSet<_>>().len(), 2);
    }
}

#[test]
fn kafka_takes_tls_and_every_mechanism() {
    let Some(kafka) = kafka() else { return };
    let authority = Pem::File(kafka.folder.join("tls/ca.pem"));
    let tls = TlsOptions { authorities: vec![authority], ..TlsOptions::default() };
    let mechanisms = [SaslMechanism::Plain, SaslMechanism::ScramSha256, SaslMechanism::ScramSha512];
    let user = |mechanism| Some(Credentials { username: "wirebeat".into(), password: "secret".into(), mechanism });
    let mut ways = vec![(2, None, Some(tls.clone()))];
    for mechanism in mechanisms {
        ways.push((3, user(mechanism), None));
        ways.push((4, user(mechanism), Some(tls.clone())));
    }
    for (offset, credentials, tls) in ways {
        let topic = unique("secure");
        let options = KafkaOptions { credentials, tls, ..kafka.options(offset, &topic) };
        let mut shipper = Shipper::new(Box::new(KafkaSink::start(&options, None).unwrap()), quick());
        shipper.accept(chunk(&events(0, 20), |_, _| {}));
        assert_eq!(finish(&mut shipper).acknowledged, 20, "{options:?}");
        assert_eq!(kafka.read(&topic, 20).len(), 20, "{options:?}");
    }
}

#[test]
fn kafka_with_a_wrong_password_or_authority_takes_nothing() {
    let Some(kafka) = kafka() else { return };
    let wrong =
        Credentials { username: "wirebeat".into(), password: "wrong".into(), mechanism: SaslMechanism::ScramSha256 };
    for (offset, credentials, tls) in [(3, Some(wrong), None), (2, None, Some(TlsOptions::default()))] {
        let topic = unique("refused");
        let options = KafkaOptions { credentials, tls, ..kafka.options(offset, &topic) };
        let mut shipper = Shipper::new(Box::new(KafkaSink::start(&options, None).unwrap()), quick());
        shipper.accept(chunk(&events(0, 20), |_, _| {}));
        let begin = Instant::now();
        while shipper.sink().metrics().failed_connections == 0 {
            shipper.turn(begin.elapsed().as_nanos() as i64);
            assert!(begin.elapsed() < Duration::from_secs(30), "the refusal is told");
            thread::sleep(Duration::from_millis(5));
        }
        let counters = shipper.close("shutdown");
        assert_eq!((counters.acknowledged, counters.dropped.get("shutdown")), (0, Some(&20)));
    }
}

#[test]
fn kafka_may_come_late() {
    let Some(kafka) = kafka() else { return };
    let topic = unique("late");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = listener.local_addr().unwrap().to_string();
    drop(listener);
    let options = KafkaOptions { hosts: vec![front.clone()], ..kafka.options(0, &topic) };
    let mut shipper = Shipper::new(Box::new(KafkaSink::start(&options, None).unwrap()), quick());
    shipper.accept(chunk(&events(0, 300), |_, _| {}));
    let begin = Instant::now();
    while shipper.sink().metrics().failed_connections < 2 {
        shipper.turn(begin.elapsed().as_nanos() as i64);
        assert_eq!((shipper.counters().acknowledged, shipper.counters().dropped_total()), (0, 0));
        thread::sleep(Duration::from_millis(5));
    }
    forward(&front, &format!("127.0.0.1:{}", kafka.port), usize::MAX);
    assert_eq!(finish(&mut shipper).acknowledged, 300);
    assert_eq!(kafka.read(&topic, 300).len(), 300);
}

#[test]
fn kafka_refuses_what_is_larger_than_its_own_limit() {
    let Some(kafka) = kafka() else { return };
    let topic = unique("large");
    let mut bodies = events(0, 10);
    bodies[3] = format!("{{\"n\":3,\"x\":\"{}\"}}", "y".repeat(2_000_000));
    bodies[6] = format!("{{\"n\":6,\"x\":\"{}\"}}", "y".repeat(6_000_000));
    let options =
        KafkaOptions { max_message_bytes: 5_000_000, compression: Compression::None, ..kafka.options(0, &topic) };
    let mut shipper = Shipper::new(Box::new(KafkaSink::start(&options, None).unwrap()), quick());
    // One at a time: a batch that the broker refuses is refused as a whole.
    for body in &bodies {
        shipper.accept(chunk(std::slice::from_ref(body), |_, _| {}));
        finish(&mut shipper);
    }
    let counters = shipper.counters();
    assert_eq!(counters.dropped, BTreeMap::from([("kafka_message_too_large", 2)]));
    assert_eq!((counters.acknowledged, kafka.read(&topic, 8).len()), (8, 8));
}

#[test]
fn the_command_test_output_reaches_the_servers() {
    let mut cases = Vec::new();
    for address in search_servers() {
        let expected = ["dial up... OK", "TLS... WARN secure connection disabled", "talk to server... OK", "version: "];
        cases.push((format!("output.elasticsearch.hosts: ['{address}']"), expected.to_vec()));
    }
    if let Some(kafka) = kafka() {
        let authority = kafka.folder.join("tls/ca.pem");
        let plain = format!("output.kafka: {{hosts: ['localhost:{}'], topic: t}}", kafka.port);
        cases.push((plain, vec!["dial up... OK", "talk to the cluster... OK", "brokers: 1"]));
        let secure = format!(
            "output.kafka: {{hosts: ['localhost:{}'], topic: t, username: wirebeat, password: secret, \
             sasl.mechanism: SCRAM-SHA-256, ssl.certificate_authorities: ['{}']}}",
            kafka.port + 4,
            authority.display()
        );
        cases.push((secure, vec!["handshake... OK", "TLS version: TLSv1_3", "talk to the cluster... OK"]));
    }
    cases.extend(lumberjack::output_tests());
    cases.extend(redis::output_tests());
    for (text, expected) in cases {
        let configuration = Configuration::from_text("test.yml", &text).unwrap();
        let known = Known { version: "9.6.0", name: "sensor" };
        let settings = outputs::config::read(&configuration.root(), &known).unwrap();
        let mut report = String::new();
        settings.test(&mut report).unwrap_or_else(|error| panic!("{error}\n{report}"));
        for line in expected {
            assert!(report.contains(line), "{line}: {report}");
        }
    }
}

#[test]
fn the_command_setup_loads_the_template_into_the_server() {
    for address in search_servers() {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let file = home.path().join("wirebeat.yml");
        let name = unique("setup");
        let text = format!(
            "output.elasticsearch: {{hosts: ['{address}'], index: '{name}'}}\n\
             setup.template: {{name: '{name}', pattern: '{name}*', settings.index.number_of_shards: 3}}\n"
        );
        std::fs::write(&file, text).expect("a writable folder");
        for pass in ["loaded", "loaded again over itself"] {
            let output = Command::new(env!("CARGO_BIN_EXE_wirebeat"))
                .args(["setup", "--strict.perms=false", "-c"])
                .arg(&file)
                .arg("--path.home")
                .arg(home.path())
                .output()
                .expect("the program starts");
            let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{pass}: {said}{log}");
            assert!(said.contains(&format!("Loaded index template {name}")), "{pass}: {said}{log}");
            let answer = http(&address, "GET", &format!("/_index_template/{name}"));
            let template = &answer["index_templates"][0]["index_template"];
            assert_eq!(template["index_patterns"], serde_json::json!([format!("{name}*")]), "{pass}: {answer}");
            let settings = &template["template"]["settings"]["index"];
            assert_eq!(settings["number_of_shards"], "3", "{pass}: {settings}");
            let fields = &template["template"]["mappings"]["properties"];
            assert_eq!(fields["source"]["properties"]["ip"]["type"], "ip", "{pass}");
            assert_eq!(fields["http"]["properties"]["response"]["properties"]["status_code"]["type"], "long", "{pass}");
        }
    }
}

/// Runs itself again, alone in a process, because it reads the masks of all threads.
#[test]
fn library_threads_stay_on_their_cores() {
    const MARK: &str = "WIREBEAT_TEST_MASKS";
    if thread::available_parallelism().unwrap().get() < 2 {
        println!("skipped: there is only one core");
        return;
    }
    if std::env::var_os(MARK).is_some() {
        return check_masks();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--test-threads=1", "library_threads_stay_on_their_cores"])
        .env(MARK, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

fn check_masks() {
    let before = threads();
    let core = *before.values().next().unwrap().last().unwrap();
    let endpoint = parse_host("localhost:1", "http", "").unwrap();
    let options = ElasticsearchOptions::new(vec![endpoint], IndexName::Constant("i".into()));
    let elasticsearch = elasticsearch::start(options, Some(&[core])).unwrap();
    let kafka = KafkaOptions::new(vec!["localhost:1".into()], TopicName::Constant("t".into()));
    let kafka = KafkaSink::start(&kafka, Some(&[core])).unwrap();
    let host = Host { name: "localhost".into(), port: 1 };
    let logstash = outputs::logstash::start(LogstashOptions::new(vec![host]), Some(&[core])).unwrap();
    let host = RedisHost::parse("localhost:1").unwrap();
    let redis = RedisOptions::new(vec![host], KeyName::Constant("k".into()));
    let redis = outputs::redis::start(redis, Some(&[core])).unwrap();
    let begin = Instant::now();
    // The name's look-up and librdkafka's brokers make threads of their own, a little later.
    while elasticsearch.metrics().failed_connections == 0 || begin.elapsed() < Duration::from_millis(500) {
        thread::sleep(Duration::from_millis(10));
    }
    let made: Vec<Vec<usize>> =
        threads().into_iter().filter(|(id, _)| !before.contains_key(id)).map(|(_, cores)| cores).collect();
    assert!(made.len() >= 6, "{made:?}");
    assert!(made.iter().all(|cores| *cores == [core]), "{made:?}");
    assert!(
        threads().iter().any(|(id, cores)| before.contains_key(id) && cores.len() > 1),
        "the caller keeps his mask"
    );
    drop((elasticsearch, kafka, logstash, redis));
}

/// The cores that each thread of this process may use.
fn threads() -> BTreeMap<String, Vec<usize>> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| {
            let task = task.unwrap();
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim().to_owned();
            let cores = list.split(',').flat_map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap()
            });
            Some((task.file_name().into_string().unwrap(), cores.collect()))
        })
        .collect()
}

// --- events ---

fn events(start: usize, count: usize) -> Vec<String> {
    (start..start + count)
        .map(|n| {
            format!(r#"{{"@timestamp":"2026-11-24T12:00:00.000Z","source":{{"ip":"10.0.0.1"}},"type":"http","n":{n}}}"#)
        })
        .collect()
}

fn number_of(body: &str) -> u64 {
    let value: Value = serde_json::from_str(body).unwrap();
    value["n"].as_u64().unwrap()
}

fn append(chunk: &mut Chunk, text: &str) -> Span {
    let start = chunk.used_bytes();
    chunk.buffer().extend_from_slice(text.as_bytes());
    chunk.span_since(start)
}

fn chunk(bodies: &[String], amend: impl Fn(&mut Chunk, &mut EncodedEvent)) -> Arc<SealedChunk> {
    let mut chunk = Chunk::new(0, 64 * 1024);
    for body in bodies {
        let mut event = EncodedEvent { body: append(&mut chunk, body), ..EncodedEvent::default() };
        amend(&mut chunk, &mut event);
        chunk.finish(event);
    }
    SealedChunk::new(chunk, Arc::new(ArrayQueue::new(1)))
}

fn unique(name: &str) -> String {
    format!("{name}-{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos())
}

// --- shipping ---

fn quick() -> ShipperOptions {
    ShipperOptions {
        backoff_initial_ns: 20_000_000,
        flush_interval_ns: 50_000_000,
        max_retries: None,
        ..ShipperOptions::default()
    }
}

fn ship_to(options: ElasticsearchOptions) -> Shipper<BatchSink> {
    Shipper::new(Box::new(elasticsearch::start(options, None).unwrap()), quick())
}

/// Turns until everything is settled.
fn finish<S: Sink>(shipper: &mut Shipper<S>) -> ShipperCounters {
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let started = Instant::now();
    shipper.flush();
    while !shipper.is_idle() {
        shipper.turn((begin + started.elapsed()).as_nanos() as i64);
        assert!(started.elapsed() < Duration::from_secs(90), "{:?}", shipper.counters());
        thread::sleep(Duration::from_millis(1));
    }
    let counters = shipper.counters().clone();
    assert_eq!(counters.received, counters.acknowledged + counters.dropped_total());
    counters
}

/// Turns until the sink has counted what is waited for.
fn turn_until<S: Sink>(shipper: &mut Shipper<S>, done: impl Fn(&SinkMetrics) -> bool) {
    let begin = Instant::now();
    shipper.flush();
    while !done(&shipper.sink().metrics()) {
        shipper.turn(begin.elapsed().as_nanos() as i64);
        assert_eq!(shipper.counters().acknowledged, 0);
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", shipper.sink().metrics());
        thread::sleep(Duration::from_millis(5));
    }
}

fn distinct(numbers: &[u64]) -> BTreeSet<u64> {
    numbers.iter().copied().collect()
}

/// Passes connections on; each is cut after so many bytes towards the server.
fn forward(front: &str, back: &str, bytes: usize) {
    let listener = TcpListener::bind(front).unwrap();
    let back = back.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&back) else { continue };
            let (mut up, mut down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
            thread::spawn(move || std::io::copy(&mut down.0, &mut down.1));
            thread::spawn(move || {
                let mut passed = 0;
                let mut buffer = [0; 4096];
                while let Ok(count) = up.0.read(&mut buffer)
                    && count > 0
                    && up.1.write_all(&buffer[..count]).is_ok()
                {
                    passed += count;
                    if passed > bytes {
                        break;
                    }
                }
                let _ = up.0.shutdown(Shutdown::Both);
                let _ = up.1.shutdown(Shutdown::Both);
            });
        }
    });
}

// --- Elasticsearch and OpenSearch ---

/// The addresses of the search servers that were started, or a line that says why there is none.
fn search_servers() -> Vec<String> {
    ["opensearch", "elasticsearch8"]
        .into_iter()
        .filter_map(|name| {
            let folder = services(name)?;
            let id = std::fs::read_to_string(folder.join("node.pid")).unwrap();
            // The port is the last word of its command.
            let command = std::fs::read_to_string(format!("/proc/{}/cmdline", id.trim())).expect("the node runs");
            let port = command.trim_end_matches('\0').rsplit('\0').next().unwrap().to_owned();
            Some(format!("127.0.0.1:{port}"))
        })
        .collect()
}

fn elasticsearch(address: &str, stream: &str) -> ElasticsearchOptions {
    let index = IndexName::Constant(stream.to_owned());
    let template =
        TemplateOptions { name: stream.to_owned(), pattern: stream.to_owned(), ..TemplateOptions::new("9.6.0") };
    ElasticsearchOptions {
        template: Some(template),
        proxy: ProxyChoice::None,
        backoff_initial: Duration::from_millis(20),
        backoff_maximum: Duration::from_millis(100),
        ..ElasticsearchOptions::new(vec![parse_host(address, "http", "").unwrap()], index)
    }
}

/// The numbers of all documents, sorted.
fn numbers_in(address: &str, stream: &str) -> Vec<u64> {
    http(address, "POST", &format!("/{stream}/_refresh"));
    let answer = http(address, "GET", &format!("/{stream}/_search?size=10000&filter_path=hits.hits._source.n"));
    let hits = answer["hits"]["hits"].as_array().unwrap();
    let mut numbers: Vec<u64> = hits.iter().map(|hit| hit["_source"]["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn http(address: &str, method: &str, target: &str) -> Value {
    let url = format!("http://{address}{target}");
    let output = Command::new("curl").args(["-s", "-X", method, &url]).output().expect("curl is installed");
    serde_json::from_slice(&output.stdout).unwrap()
}

// --- Kafka ---

struct Kafka {
    folder: PathBuf,
    port: u16,
}

fn kafka() -> Option<Kafka> {
    let folder = services("kafka")?;
    let properties = std::fs::read_to_string(folder.join("server.properties")).unwrap();
    let port = properties.split("PLAINTEXT://127.0.0.1:").nth(1).unwrap().split(',').next().unwrap();
    Some(Kafka { port: port.trim().parse().unwrap(), folder })
}

impl Kafka {
    /// Options for the listener at this offset from the plain one.
    fn options(&self, offset: u16, topic: &str) -> KafkaOptions {
        KafkaOptions::new(vec![format!("localhost:{}", self.port + offset)], TopicName::Constant(topic.to_owned()))
    }

    /// All records of a topic: partition, key and value, read by another program. Kafka's own consumer, which stands
    /// in for a missing kcat, is told how many there should be.
    fn read(&self, topic: &str, expected: usize) -> Vec<(u32, String, String)> {
        let kcat = Command::new("kcat")
            .args(["-b", &format!("127.0.0.1:{}", self.port), "-C", "-t", topic, "-o", "beginning", "-e", "-q"])
            .args(["-f", "%p\\t%k\\t%s\\n"])
            .output();
        let output = kcat.unwrap_or_else(|_| {
            Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/kafka/run"))
                .arg("read")
                .arg(&self.folder)
                .args([topic, &expected.to_string()])
                .output()
                .unwrap()
        });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| {
                let mut fields = line.splitn(3, '\t');
                let mut field = || fields.next().unwrap().trim_start_matches("Partition:").to_owned();
                (field().parse().unwrap(), field(), field())
            })
            .collect()
    }
}

/// Packetbeat's choice of a partition: FNV-1a of the key, as a signed number, its sign taken off.
fn packetbeat_partition(key: &[u8], partitions: u32) -> u32 {
    let hash = key.iter().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash as i32).unsigned_abs() % partitions
}

fn services(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("WIREBEAT_TEST_SERVICES") else {
        println!("skipped: WIREBEAT_TEST_SERVICES names no folder of started services");
        return None;
    };
    let folder = Path::new(&folder).join(name);
    if !folder.exists() {
        println!("skipped: {name} is not started in WIREBEAT_TEST_SERVICES");
        return None;
    }
    Some(folder)
}
