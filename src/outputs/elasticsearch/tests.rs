// SPDX-License-Identifier: Apache-2.0
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::reply::{self, Reply};
use super::*;
use crate::event::chunk::Slice;
use crate::outputs::batch::{self, Batch};
use crate::outputs::batch_sink::{BatchSink, HostBalance};
use crate::outputs::bench::{all, append, bodies, chunk_of, chunk_with, numbered, settled, slice_of};
use crate::outputs::format_string::FormatString;
use crate::outputs::shipper::{Shipper, ShipperOptions};
use crate::outputs::{Sink, Verdict};
use server::{Answer, Server, usual};

fn options(server: &Server) -> ElasticsearchOptions {
    ElasticsearchOptions {
        backoff_initial: Duration::from_millis(10),
        backoff_maximum: Duration::from_millis(50),
        timeout: Duration::from_millis(1500),
        proxy: ProxyChoice::None,
        ..ElasticsearchOptions::new(vec![server.endpoint()], IndexName::Constant("packetbeat-9.6.0".into()))
    }
}

/// Offers the events, flushes, and waits until all are settled.
fn outcome(sink: &mut BatchSink, events: &[String]) -> Vec<(String, Verdict)> {
    settled(sink, Some(slice_of(events)))
}

#[test]
fn events_are_created_in_the_data_stream() {
    for compression_level in [0, 1, 9] {
        let server = Server::start(usual);
        let mut options = ElasticsearchOptions { compression_level, bulk_max_size: 4, ..options(&server) };
        options.template = Some(TemplateOptions::new("9.6.0"));
        let mut sink = start(options, None).unwrap();
        let events = numbered(0, 10);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
        let requests = server.requests.lock().unwrap().clone();
        let lines: Vec<String> =
            requests.iter().map(|request| format!("{} {}", request.method, request.target)).collect();
        let bulk = "POST /packetbeat-9.6.0/_bulk?filter_path=errors%2Citems.*.status%2Citems.*.error.type%2Citems.*.error.reason";
        let template = "/_index_template/packetbeat-9.6.0";
        assert_eq!(
            lines,
            [
                "GET /".to_owned(),
                format!("HEAD {template}"),
                format!("PUT {template}"),
                bulk.into(),
                bulk.into(),
                bulk.into()
            ]
        );
        assert_eq!(
            requests[3].body,
            events[..4].iter().map(|body| format!("{{\"create\":{{}}}}\n{body}\n")).collect::<String>()
        );
        let sent: Vec<String> = server.bulk_requests().iter().flat_map(|request| request.documents()).collect();
        assert_eq!(sent, events);
        let metrics = sink.metrics();
        assert_eq!((metrics.requests, metrics.failed_requests, metrics.connections), (3, 0, 1));
        assert!(metrics.written_bytes > 0 && metrics.read_bytes > 0);
    }
}

#[test]
fn enough_events_are_sent_without_a_flush() {
    let server = Server::start(usual);
    let options = ElasticsearchOptions { bulk_max_size: 100, flush_min_events: 5, ..options(&server) };
    let mut sink = start(options, None).unwrap();
    assert!(sink.offer(slice_of(&numbered(0, 4))).is_none());
    std::thread::sleep(Duration::from_millis(50));
    sink.poll(&mut |_, _| panic!("four events wait for company"));
    assert!(sink.offer(slice_of(&numbered(4, 3))).is_none());
    let end = Instant::now() + Duration::from_secs(10);
    while sink.in_flight() > 0 && Instant::now() < end {
        sink.poll(&mut |_, verdict| assert_eq!(verdict, Verdict::Acknowledged));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(server.bulk_requests()[0].documents(), numbered(0, 7));
}

#[test]
fn a_template_that_exists_is_kept_unless_overwritten() {
    for (existing, puts) in [(ExistingTemplate::Kept, 0), (ExistingTemplate::Replaced, 1)] {
        let server = Server::start(|request| match request.method.as_str() {
            "HEAD" => Answer::Status(200, String::new()),
            _ => usual(request),
        });
        let mut options = options(&server);
        options.template = Some(TemplateOptions { existing, ..TemplateOptions::new("9.6.0") });
        let mut sink = start(options, None).unwrap();
        outcome(&mut sink, &numbered(0, 1));
        let requests = server.requests.lock().unwrap();
        assert_eq!(requests.iter().filter(|request| request.method == "PUT").count(), puts);
    }
}

#[test]
fn the_template_declares_the_fields() {
    let template = TemplateOptions {
        index_settings: json!({ "number_of_shards": 3, "mapping": { "total_fields": { "limit": 5 } } }),
        source: Some(json!({ "enabled": true })),
        ..TemplateOptions::new("9.6.0")
    };
    let body = template.body();
    assert_eq!(body["data_stream"], json!({}));
    assert_eq!(body["index_patterns"], json!(["packetbeat-9.6.0"]));
    let index = &body["template"]["settings"]["index"];
    assert_eq!((&index["number_of_shards"], &index["mapping"]["total_fields"]["limit"]), (&json!(3), &json!(5)));
    assert_eq!(index["refresh_interval"], json!("5s"));
    let mappings = &body["template"]["mappings"];
    assert_eq!(mappings["_source"], json!({ "enabled": true }));
    assert_eq!(mappings["properties"]["@timestamp"]["type"], json!("date"));
}

#[test]
fn each_item_has_its_own_fate() {
    let statuses = [201u16, 409, 429, 400, 503, 200, 404, 403];
    let server = Server::start(move |request| {
        if request.method != "POST" {
            return usual(request);
        }
        let items: Vec<serde_json::Value> = statuses
            .iter()
            .map(|status| match status {
                0..300 => json!({ "create": { "status": status } }),
                _ => {
                    json!({ "create": { "status": status, "error": { "type": "t", "reason": "r \"errors\":false" } } })
                }
            })
            .collect();
        Answer::Status(200, json!({ "took": 1, "errors": true, "items": items }).to_string())
    });
    let mut sink = start(options(&server), None).unwrap();
    let events = numbered(0, statuses.len());
    let expected = [
        Verdict::Acknowledged,
        Verdict::Acknowledged,
        Verdict::Retry("elasticsearch_item_429"),
        Verdict::Dropped("elasticsearch_item_rejected"),
        Verdict::Retry("elasticsearch_item_5xx"),
        Verdict::Acknowledged,
        Verdict::Dropped("elasticsearch_item_no_index"),
        Verdict::Dropped("elasticsearch_item_forbidden"),
    ];
    assert_eq!(outcome(&mut sink, &events), events.into_iter().zip(expected).collect::<Vec<_>>());
    assert_eq!(sink.metrics().duplicates, 1);
}

#[test]
fn requests_that_fail_as_a_whole_are_tried_again() {
    type Fault = (&'static str, fn() -> Answer);
    let faults: [Fault; 10] = [
        ("elasticsearch_429", || Answer::Status(429, "slow down".into())),
        ("elasticsearch_5xx", || Answer::Status(503, String::new())),
        ("elasticsearch_forbidden", || Answer::Status(401, "{\"error\":\"no\u{0}\"}".into())),
        ("elasticsearch_status", || Answer::Status(301, String::new())),
        ("elasticsearch_unreadable_reply", || Answer::Status(200, "<html>".into())),
        ("elasticsearch_unreadable_reply", || Answer::Status(200, r#"{"errors":true,"items":[]}"#.into())),
        ("elasticsearch_unreadable_reply", || Answer::Endless),
        ("elasticsearch_timeout", || Answer::Stalled),
        ("elasticsearch_connection", || {
            Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"errors\":false}".to_vec())
        }),
        ("elasticsearch_connection", || Answer::Raw(b"\x16\x03\x01garbage\r\n\r\n".to_vec())),
    ];
    for (index, (reason, fault)) in faults.into_iter().enumerate() {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            if request.method == "POST" && count.fetch_add(1, Ordering::SeqCst) == 0 { fault() } else { usual(request) }
        });
        let mut sink = start(options(&server), None).unwrap();
        let events = numbered(0, 3);
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Retry(reason)), "fault {index}");
        assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged), "fault {index}");
        assert_eq!(sink.metrics().failed_requests, 1);
    }
}

#[test]
fn requests_that_are_too_large_are_halved() {
    let server = Server::start(|request| {
        let too_large = request.body.contains("\"n\":5}") || request.documents().len() > 3;
        if request.method == "POST" && too_large { Answer::Status(413, "too large".into()) } else { usual(request) }
    });
    let mut sink = start(options(&server), None).unwrap();
    let events = numbered(0, 20);
    let outcome = outcome(&mut sink, &events);
    let expected = events.iter().enumerate().map(|(number, body)| {
        let verdict = if number == 5 { Verdict::Dropped("elasticsearch_too_large") } else { Verdict::Acknowledged };
        (body.clone(), verdict)
    });
    assert_eq!(outcome, expected.collect::<Vec<_>>(), "in order, and the rest of the halves gets through");
}

#[test]
fn an_absent_server_is_waited_for_without_losing_attempts() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let endpoint = parse_host(&address, "http", "").unwrap();
    let options = ElasticsearchOptions {
        backoff_initial: Duration::from_millis(5),
        backoff_maximum: Duration::from_millis(20),
        proxy: ProxyChoice::None,
        bulk_max_size: 10,
        ..ElasticsearchOptions::new(vec![endpoint], IndexName::Constant("i".into()))
    };
    let mut sink = start(options, None).unwrap();
    let rest = sink.offer(slice_of(&numbered(0, 100))).expect("an absent server takes only what waits for it");
    sink.flush();
    let taken = sink.in_flight();
    assert_eq!(taken + rest.len(), 100);
    while sink.metrics().failed_connections < 5 {
        sink.poll(&mut |_, verdict| panic!("nothing is settled before the server is there: {verdict:?}"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let server = Server::on(&address, usual);
    assert_eq!(settled(&mut sink, None), all(&numbered(0, taken), Verdict::Acknowledged));
    assert_eq!(server.bulk_requests().iter().map(|request| request.documents().len()).sum::<usize>(), taken);
}

#[test]
fn several_hosts_share_the_work_or_stand_in() {
    let first = Server::start(usual);
    let second = Server::start(usual);
    let broken = Server::start(|_| Answer::Status(500, "broken".into()));
    let endpoints = |servers: &[&Server]| servers.iter().map(|server| server.endpoint()).collect::<Vec<_>>();
    let balanced = ElasticsearchOptions {
        endpoints: endpoints(&[&first, &broken, &second]),
        bulk_max_size: 2,
        workers: 2,
        ..options(&first)
    };
    let mut sink = start(balanced, None).unwrap();
    let mut acknowledged = 0;
    let mut rest = Some(slice_of(&numbered(0, 400)));
    while acknowledged < 400 {
        rest = rest.and_then(|slice| sink.offer(slice));
        sink.flush();
        sink.poll(&mut |slice, verdict| {
            assert_eq!(verdict, Verdict::Acknowledged);
            acknowledged += slice.len();
        });
    }
    assert!(!first.bulk_requests().is_empty() && !second.bulk_requests().is_empty());
    assert!(broken.bulk_requests().is_empty());

    let one = ElasticsearchOptions {
        endpoints: endpoints(&[&broken, &second]),
        balance: HostBalance::One,
        ..options(&first)
    };
    let mut sink = start(one, None).unwrap();
    let events = numbered(0, 3);
    assert_eq!(outcome(&mut sink, &events), all(&events, Verdict::Acknowledged));
}

#[test]
fn requests_carry_what_the_options_say() {
    let server = Server::start(usual);
    let send = |change: &dyn Fn(&mut ElasticsearchOptions)| {
        let mut options = options(&server);
        change(&mut options);
        let mut sink = start(options, None).unwrap();
        outcome(&mut sink, &numbered(0, 1));
        server.bulk_requests().pop().unwrap()
    };
    let request = send(&|options| {
        options.endpoints = vec![parse_host(&format!("{}?b=2", server.address), "http", "/a/p").unwrap()];
        options.parameters = vec![("x".into(), "y z".into())];
        options.headers = vec![("X-My".into(), "v".into())];
        options.authentication = Authentication::Basic { username: "u".into(), password: "p".into() };
        options.pipeline = Some("pipe".into());
        options.index = IndexName::Constant("my/index".into());
    });
    assert!(request.target.starts_with("/a/p/my%2Findex/_bulk?x=y+z&b=2&"), "{}", request.target);
    assert!(request.target.ends_with("&pipeline=pipe"), "{}", request.target);
    assert_eq!((request.header("x-my"), request.header("authorization")), (Some("v"), Some("Basic dTpw")));
    let request = send(&|options| options.authentication = Authentication::ApiKey("id:key".into()));
    assert_eq!(request.header("authorization"), Some("ApiKey aWQ6a2V5"));
    let request = send(&|options| options.authentication = Authentication::ApiKey("aWQ6a2V5".into()));
    assert_eq!(request.header("authorization"), Some("ApiKey aWQ6a2V5"));
    let user = send(&|options| {
        options.endpoints = vec![parse_host(&format!("http://a%40b:c@{}", server.address), "http", "").unwrap()];
    });
    assert_eq!(user.header("authorization"), Some("Basic YUBiOmM="));
}

#[test]
fn a_proxy_is_asked_for_the_host() {
    let proxy = Server::start(usual);
    let options = ElasticsearchOptions {
        endpoints: vec![parse_host("elasticsearch.invalid", "http", "").unwrap()],
        proxy: ProxyChoice::Url(format!("http://{}", proxy.address)),
        ..options(&proxy)
    };
    let mut sink = start(options, None).unwrap();
    outcome(&mut sink, &numbered(0, 1));
    assert!(proxy.bulk_requests()[0].target.starts_with("http://elasticsearch.invalid:9200/packetbeat-9.6.0/_bulk"));
}

#[test]
fn an_old_server_is_refused_when_told_so() {
    let server = Server::start(usual);
    let options = ElasticsearchOptions { oldest_version: Some((9, 6)), ..options(&server) };
    let mut sink = start(options, None).unwrap();
    sink.offer(slice_of(&numbered(0, 1)));
    while sink.metrics().failed_connections < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((sink.in_flight(), sink.metrics().connections), (1, 0));
}

#[test]
fn dropping_the_sink_ends_its_thread_in_the_middle_of_a_request() {
    let server = Server::start(|request| if request.method == "POST" { Answer::Stalled } else { usual(request) });
    let options = ElasticsearchOptions { timeout: Duration::from_secs(90), ..options(&server) };
    let mut sink = start(options, None).unwrap();
    sink.offer(slice_of(&numbered(0, 1)));
    sink.flush();
    while server.bulk_requests().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let begin = Instant::now();
    drop(sink);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_acknowledged_is_what_a_faulty_server_stored() {
    for seed in 0..6 {
        let random = std::sync::Mutex::new(fastrand::Rng::with_seed(seed));
        let stored = Arc::new(std::sync::Mutex::new(Vec::new()));
        let shelf = Arc::clone(&stored);
        let server = Server::start(move |request| {
            let mut random = random.lock().unwrap();
            if request.method != "POST" {
                return if random.u8(..4) == 0 { Answer::Status(503, String::new()) } else { usual(request) };
            }
            match random.u8(..8) {
                0 => return Answer::Status(429, String::new()),
                1 => return Answer::Status(413, String::new()),
                2 => return Answer::Raw(Vec::new()),
                _ => {}
            }
            let mut items = Vec::new();
            for document in request.documents() {
                let status = *random.choice(&[201, 201, 201, 201, 429, 503, 400]).unwrap();
                if status == 201 {
                    shelf.lock().unwrap().push(document);
                }
                items.push(json!({ "create": { "status": status } }));
            }
            Answer::Status(200, json!({ "errors": true, "items": items }).to_string())
        });
        let options = ElasticsearchOptions { bulk_max_size: 7, workers: 2, ..options(&server) };
        let sink = start(options, None).unwrap();
        let shipping = ShipperOptions {
            max_retries: [None, Some(2)][seed as usize % 2],
            backoff_initial_ns: 1_000_000,
            backoff_maximum_ns: 5_000_000,
            flush_interval_ns: 1_000_000,
        };
        let mut shipper = Shipper::new(Box::new(sink), shipping);
        for part in 0..20 {
            shipper.accept(chunk_of(&numbered(part * 10, 10)));
        }
        let begin = Instant::now();
        while !shipper.is_idle() {
            shipper.turn(begin.elapsed().as_nanos() as i64);
            assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", shipper.counters());
            std::thread::sleep(Duration::from_micros(200));
        }
        let counters = shipper.counters();
        let stored = stored.lock().unwrap();
        assert_eq!(counters.acknowledged, stored.len() as u64, "seed {seed}");
        assert_eq!(stored.iter().collect::<BTreeSet<_>>().len(), stored.len(), "nothing twice");
        assert_eq!(counters.acknowledged + counters.dropped_total(), 200);
    }
}

#[test]
fn hosts_have_many_forms() {
    for (text, protocol, path, expected) in [
        ("localhost", "", "", "http://localhost:9200/"),
        ("localhost:9201", "http", "", "http://localhost:9201/"),
        ("localhost", "https", "/p/", "https://localhost:9200/p/"),
        ("https://es.example", "http", "p", "https://es.example:9200/p/"),
        ("https://es.example:443/own", "http", "p", "https://es.example/own/"),
        ("http://es.example:80", "", "", "http://es.example/"),
        ("[::1]", "", "", "http://[::1]:9200/"),
        ("[::1]:9300/x", "", "", "http://[::1]:9300/x/"),
        ("http://u:p@es.example", "", "", "http://es.example:9200/"),
        ("10.0.0.1:9200/a/b?c=d", "", "", "http://10.0.0.1:9200/a/b/"),
    ] {
        assert_eq!(parse_host(text, protocol, path).unwrap().url.as_str(), expected, "{text}");
    }
    for text in ["", "ftp://x", "http://", "a b", "x:99999", "http://[::1"] {
        let error = parse_host(text, "http", "").expect_err(text);
        assert!(error.contains("expected a host such as"), "{error}");
    }
}

#[test]
fn actions_name_what_the_event_names() {
    let chunk = chunk_with(&["{}", "[]", "{\"a\":1}"], |chunk, event| {
        event.time_ns = 1_767_531_909_012_345_678;
        if event.body.length == 2 {
            event.id = append(chunk, "i\"\\\u{1}é");
        }
        if event.body.start > 0 && event.body.length == 2 {
            event.destination = append(chunk, "other");
            event.pipeline = append(chunk, "p");
        }
    });
    let mut batch = Batch::default();
    assert!(batch.fill(Slice::whole(chunk), 100).is_none());
    let write = |index: &IndexName| {
        let mut body = Vec::new();
        super::body::write(&batch, index, &mut body);
        String::from_utf8(body).unwrap()
    };
    let id = r#""_id":"i\"\\\u0001é""#;
    let other = format!("{{\"create\":{{\"_index\":\"other\",{id},\"pipeline\":\"p\"}}}}\n[]\n");
    assert_eq!(
        write(&IndexName::Constant("x".into())),
        format!("{{\"create\":{{{id}}}}}\n{{}}\n{other}{{\"create\":{{}}}}\n{{\"a\":1}}\n")
    );
    assert_eq!(
        write(&IndexName::Dated(FormatString::parse("Logs-%{+yyyy.MM.dd}").unwrap())),
        format!(
            "{{\"create\":{{\"_index\":\"logs-2026.01.04\",{id}}}}}\n{{}}\n{other}{{\"create\":{{\"_index\":\"logs-2026.01.04\"}}}}\n{{\"a\":1}}\n"
        )
    );
}

#[test]
fn batches_are_cut_by_count_and_bytes() {
    let mut batch = Batch::default();
    let rest = batch.fill(slice_of(&numbered(0, 5)), 3).unwrap();
    assert_eq!((batch.events, rest.len(), batch.is_full(3)), (3, 2, true));
    assert_eq!(batch.fill(rest, 3).unwrap().len(), 2);
    let large = "x".repeat(batch::MAXIMUM_BYTES as usize - 10);
    let mut batch = Batch::default();
    let rest = batch.fill(slice_of(&[large.as_str(), "small", "y", "larger than the rest"]), 100).unwrap();
    assert_eq!((batch.events, rest.len()), (3, 1));
    let mut halves = Batch::default();
    halves.fill(slice_of(&numbered(0, 3)), 100);
    halves.fill(slice_of(&numbered(3, 4)), 100);
    let (first, second) = halves.halves();
    let listed = |batch: &Batch| batch.slices.iter().flat_map(bodies).collect::<Vec<_>>();
    assert_eq!((listed(&first), listed(&second)), (numbered(0, 3), numbered(3, 4)));
    assert_eq!((first.events, second.events), (3, 4));
}

#[test]
fn replies_are_read_or_refused_at_every_length_and_mutation() {
    let whole = json!({
        "took": 3, "errors": true,
        "items": [
            { "create": { "status": 201 } },
            { "create": { "status": 400, "error": { "type": "mapping", "reason": "bad" } } },
        ],
    })
    .to_string();
    let Reply::Items(items) = reply::read(&mut whole.clone().into_bytes(), 2) else { panic!("it is whole") };
    assert_eq!((items[0].status, items[1].error.as_deref()), (201, Some("mapping: bad")));
    for length in 0..whole.len() {
        assert_eq!(reply::read(&mut whole.as_bytes()[..length].to_vec(), 2), Reply::Unreadable, "{length}");
    }
    for good in [
        r#"{"errors":false}"#,
        r#"{"took":30,"errors":false,"items":[{"create":{"status":201}}]}"#,
        "{\"errors\":false,\"items\":[]}\n",
        r#"{ "errors" : false }"#,
    ] {
        assert_eq!(reply::read(&mut good.as_bytes().to_vec(), 1), Reply::AllStored, "{good}");
    }
    for bad in [
        r#"{"errors":false"#,
        r#"{"items":[{"create":{"x":"\"errors\":false"}}],"errors":true}"#,
        r#"{"errors":true,"items":[{"create":{"status":201}}]}"#,
        r#"{"errors":true,"items":[{"create":{"status":7}},{"create":{"status":201}}]}"#,
        r#"{"errors":true,"items":[{},{}]}"#,
        r#"{"errors":true,"items":[1,2]}"#,
        r#"[]"#,
        "",
    ] {
        assert_eq!(reply::read(&mut bad.as_bytes().to_vec(), 2), Reply::Unreadable, "{bad}");
    }
    let mut deep = vec![b'['; 1_000_000];
    assert_eq!(reply::read(&mut deep, 1), Reply::Unreadable);
    deep.extend(vec![b']'; 1_000_000]);
    assert_eq!(reply::read(&mut deep, 1), Reply::Unreadable);
    let mut random = fastrand::Rng::with_seed(11);
    let mut outcomes = BTreeMap::new();
    for _ in 0..20_000 {
        let mut text = whole.clone().into_bytes();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..text.len());
            text[at] = random.u8(..);
        }
        let readable = reply::read(&mut text, 2) != Reply::Unreadable;
        *outcomes.entry(readable).or_insert(0) += 1;
    }
    assert!(outcomes[&true] > 0 && outcomes[&false] > 0);
}
