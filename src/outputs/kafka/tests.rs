// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::held::Held;
use super::*;
use crate::event::chunk::Slice;
use crate::outputs::bench::{append, bodies, chunk_with, numbered, slice_of};
use crate::outputs::format_string::FormatString;
use crate::outputs::tls::{Pem, TlsOptions, Verification};
use crate::outputs::{Sink, Verdict};

/// A port where nobody listens.
fn absent() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn options() -> KafkaOptions {
    KafkaOptions::new(vec![absent()], TopicName::Constant("packetbeat".into()))
}

#[test]
fn options_are_said_in_the_words_of_librdkafka() {
    let mut options = options();
    options.hosts = vec!["a:9092".into(), "b:9093".into()];
    let config = options.client_config().unwrap();
    for (key, value) in [
        ("bootstrap.servers", "a:9092,b:9093"),
        ("acks", "1"),
        ("compression.codec", "gzip"),
        ("compression.level", "4"),
        ("client.id", "beats"),
        ("message.max.bytes", "1000000"),
        ("message.timeout.ms", "0"),
        ("partitioner", "fnv1a_random"),
        ("security.protocol", "plaintext"),
        ("socket.timeout.ms", "30000"),
        ("request.timeout.ms", "10000"),
        ("socket.keepalive.enable", "false"),
        ("topic.metadata.refresh.sparse", "true"),
    ] {
        assert_eq!(config.get(key), Some(value), "{key}");
    }
    options.acknowledgement = Acknowledgement::AllReplicas;
    options.compression = Compression::Gzip { level: 0 };
    options.keep_alive = Duration::from_secs(1);
    options.tls = Some(TlsOptions {
        verification: Verification::Certificate,
        authorities: vec![Pem::Text("one".into()), Pem::Text("two".into())],
        ..TlsOptions::default()
    });
    options.credentials =
        Some(Credentials { username: "u".into(), password: "secret".into(), mechanism: SaslMechanism::ScramSha512 });
    assert!(!format!("{options:?}").contains("secret"));
    let config = options.client_config().unwrap();
    for (key, value) in [
        ("acks", "-1"),
        ("compression.codec", "none"),
        ("security.protocol", "sasl_ssl"),
        ("sasl.mechanisms", "SCRAM-SHA-512"),
        ("ssl.endpoint.identification.algorithm", "none"),
        ("ssl.ca.pem", "one\ntwo"),
        ("socket.keepalive.enable", "true"),
    ] {
        assert_eq!(config.get(key), Some(value), "{key}");
    }
    for compression in [Compression::None, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let options = KafkaOptions { compression, tls: None, ..options.clone() };
        KafkaSink::start(&options, None).expect("every codec and mechanism is built in");
    }
}

#[test]
fn events_that_can_never_be_sent_are_dropped_by_name() {
    let options = KafkaOptions { max_message_bytes: 1000, ..options() };
    let mut sink = KafkaSink::start(&options, None).unwrap();
    let large = "x".repeat(1000 - 36);
    let chunk = chunk_with(&[&large, "a", "b", "c", "{}"], |chunk, event| {
        if event.body.length > 100 {
            event.key = append(chunk, "k");
            return;
        }
        let topic = match chunk.bytes(event.body) {
            b"a" => "a\0b",
            b"b" => "with space",
            b"c" => "é",
            _ => return,
        };
        event.destination = append(chunk, topic);
    });
    assert!(sink.offer(Slice::whole(chunk)).is_none());
    assert_eq!(sink.in_flight(), 5);
    let mut told = Vec::new();
    sink.poll(&mut |slice, verdict| told.push((bodies(&slice), verdict)));
    assert_eq!(
        told,
        [
            (vec![large], Verdict::Dropped("kafka_message_too_large")),
            (vec!["a".to_string(), "b".to_string(), "c".to_string()], Verdict::Dropped("kafka_invalid_topic")),
        ]
    );
    assert_eq!(sink.in_flight(), 1);
}

#[test]
fn a_full_queue_takes_no_more_and_absent_brokers_lose_nothing() {
    let options = KafkaOptions { queue_maximum_messages: 100, ..options() };
    let mut sink = KafkaSink::start(&options, None).unwrap();
    let rest = sink.offer(slice_of(&numbered(0, 150))).expect("the queue is smaller");
    assert_eq!((sink.in_flight(), bodies(&rest)), (100, numbered(100, 50)));
    assert_eq!(sink.offer(rest).map(|rest| rest.len()), Some(50));
    let end = Instant::now() + Duration::from_secs(20);
    while sink.metrics().failed_connections == 0 {
        sink.poll(&mut |_, verdict| panic!("nothing can be settled: {verdict:?}"));
        assert!(Instant::now() < end, "the absence of brokers is told");
        std::thread::sleep(Duration::from_millis(10));
    }
    let begin = Instant::now();
    drop(sink);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn topics_may_have_a_date() {
    let dated = TopicName::Dated(FormatString::parse("t-%{+yyyy.MM.dd}").unwrap());
    let sink = KafkaSink::start(&KafkaOptions { topic: dated, ..options() }, None);
    let mut sink = sink.unwrap();
    assert!(sink.offer(slice_of(&numbered(0, 1))).is_none());
    sink.poll(&mut |_, verdict| panic!("the name is good: {verdict:?}"));
    assert_eq!(sink.in_flight(), 1);
}

#[test]
fn wrong_settings_are_a_sentence() {
    let options = KafkaOptions {
        tls: Some(TlsOptions { authorities: vec![Pem::File("/nowhere/ca.pem".into())], ..TlsOptions::default() }),
        ..options()
    };
    let error = KafkaSink::start(&options, None).err().unwrap();
    assert!(error.contains("ssl.certificate_authorities: /nowhere/ca.pem cannot be read"), "{error}");
}

#[test]
fn reports_in_any_order_settle_every_event_once() {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut held = Held::default();
        let mut open = Vec::new();
        let mut expected = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for round in 0..20 {
            let events = numbered(round * 100, random.usize(0..20));
            let slot = held.next_slot();
            for (place, body) in events.iter().enumerate() {
                let verdict =
                    [Verdict::Acknowledged, Verdict::Retry("r"), Verdict::Dropped("d")][random.usize(..3)].clone();
                expected.insert(body.clone(), verdict.clone());
                open.push((Held::ticket(slot, place), verdict));
            }
            held.insert(slice_of(&events));
            random.shuffle(&mut open);
            let keep = if round == 19 { 0 } else { random.usize(..=open.len()) };
            let mut reports = open.split_off(keep);
            held.settle(&mut reports, &mut |slice, verdict| {
                for body in bodies(&slice) {
                    assert!(seen.insert(body, verdict.clone()).is_none());
                }
            });
            assert_eq!(held.events(), open.len());
        }
        assert_eq!(seen, expected);
    }
}
