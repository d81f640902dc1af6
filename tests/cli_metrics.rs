// SPDX-License-Identifier: Apache-2.0
//! The numbers of a running program: on its HTTP endpoint and in its log, the same tree.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use support::project;

#[test]
fn the_endpoint_and_the_log_have_the_same_numbers() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("wirebeat.yml");
    let settings = "http: {enabled: true, host: 127.0.0.1, port: 0}\nlogging.metrics.period: 1s\nname: probe\n\
                    packetbeat.flows.enabled: true\npacketbeat.protocols: [{type: dns, ports: [53]}]\noutput.discard: {}\n";
    std::fs::write(&file, settings).expect("a writable folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .args(["-e", "-t", "-l0", "--strict.perms=false", "--cpuprofile", "p", "-I"])
        .arg(project().join("tests/recorded/dns/types.pcap"))
        .arg("-c")
        .arg(&file)
        .arg("--path.home")
        .arg(home.path())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line_with = |words: &str| loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("a log of text") > 0, "no {words}");
        let record: Json = serde_json::from_str(&line).unwrap_or_default();
        if let Some((_, rest)) = record["message"].as_str().unwrap_or_default().split_once(words) {
            return rest.to_string();
        }
    };
    line_with("--cpuprofile has no effect; ");
    let address = line_with("metrics are served on ");
    let logged: Json = serde_json::from_str(&line_with("Non-zero metrics in the last 1s: ")).expect("JSON");

    let information = get(&address, "/");
    assert_eq!((&information["beat"], &information["name"]), (&"packetbeat".into(), &"probe".into()));
    assert_eq!(get(&address, "/state")["output"]["name"], "discard");
    assert_eq!(get(&address, "/inputs/"), serde_json::json!([]), "a file is no input");
    let begin = Instant::now();
    let stats = loop {
        let stats = get(&address, "/stats");
        if stats["dns"]["messages"].as_u64() > logged["dns"]["messages"].as_u64() {
            break stats;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "the numbers do not grow: {stats:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut compared = 0;
    contains(&stats, &logged, &mut compared);
    assert!(compared > 10, "{logged:#}");
    for name in [
        "/libbeat/output/events/acked",
        "/libbeat/pipeline/events/total",
        "/wirebeat/packets/received",
        "/beat/memstats/rss",
    ] {
        assert!(stats.pointer(name).and_then(Json::as_u64) > Some(0), "{name}: {stats:#}");
    }
    assert_eq!(stats["libbeat"]["output"]["type"], "discard");

    let pid = Pid::from_raw(child.id() as i32).expect("a process has a number");
    kill_process(pid, Signal::INT).expect("an own child");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("a log of text");
    assert!(child.wait().expect("a child can be waited for").success(), "{rest}");
    assert!(TcpStream::connect(&address).is_err());
}

/// Every name of `part` is in `whole`.
fn contains(whole: &Json, part: &Json, compared: &mut usize) {
    for (name, value) in part.as_object().expect("a tree") {
        match &whole[name] {
            Json::Null => panic!("{name} is only in the log"),
            below if value.is_object() => contains(below, value, compared),
            _ => *compared += 1,
        }
    }
}

fn get(address: &str, path: &str) -> Json {
    let mut stream = TcpStream::connect(address).expect("the endpoint listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}
