// SPDX-License-Identifier: Apache-2.0
//! `wirebeat bench`: every kind of source in short, its report, and what it refuses. Figures of a debug build say nothing;
//! that they add up is what is tested.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;
use support::project;
use tempfile::TempDir;

const STAGES: [&str; 7] = ["receive", "decode", "flow", "stream", "protocol", "encode", "sink"];

#[test]
fn a_replay_makes_the_expected_events_in_every_pass() {
    let http = project().join("tests/recorded/http/connections.pcap");
    let folder = scenario(&format!(
        "description: d\nsource: {{replay: {{captures: {http:?}}}}}\nexpected: {{events_per_pass: {}, flow_reports_per_pass: {}}}\n",
        HTTP_EVENTS, HTTP_FLOWS
    ));
    let html = folder.path().join("report.html");
    let result = measured(folder.path(), &["--html", &html.to_string_lossy(), "--protocols"]);
    let stages: Vec<&str> = list(&result["stages"]).iter().filter_map(|stage| stage["stage"].as_str()).collect();
    assert_eq!(stages, STAGES);
    let sum: f64 = list(&result["stages"]).iter().filter_map(|stage| stage["packet_ns"].as_f64()).sum();
    let whole = result["cpu_packet_ns"].as_f64().unwrap_or_default();
    assert!((sum - whole).abs() < whole * 0.01, "{sum} of {whole}");
    balanced(&result);
    let passes = result["passes"].as_u64().unwrap_or_default();
    assert!(passes > 1);
    assert_eq!(counter(&result, "events.made"), passes * (HTTP_EVENTS + HTTP_FLOWS));
    assert_eq!(counter(&result, "events.encoded"), counter(&result, "events.made"));
    let of_protocols: Vec<&str> =
        list(&result["protocols"]).iter().filter_map(|one| one["protocol"].as_str()).collect();
    assert_eq!(of_protocols, ["http"]);
    well_formed(&std::fs::read_to_string(html).expect("the page was written"));
}

/// What the capture holds.
const HTTP_EVENTS: u64 = 75;
const HTTP_FLOWS: u64 = 14;

#[test]
fn a_synthetic_source_makes_its_flows() {
    let folder = scenario(
        "description: d\nsource: {synthetic: {imix: true, flows: 500, new_flows_per_second: 1000, packets_per_second: 100000}}\n",
    );
    let result = measured(folder.path(), &[]);
    balanced(&result);
    assert_eq!(counter(&result, "flows.created"), counter(&result, "events.made"));
    assert!(counter(&result, "flows.created") > 500);
    let bytes = result["frame_bytes"].as_f64().unwrap_or_default();
    assert!((355.0..362.0).contains(&bytes), "{bytes}");
}

#[test]
fn captures_go_among_synthetic_frames() {
    let dns = project().join("tests/recorded/dns/types.pcap");
    let folder = scenario(&format!(
        "description: d\nsource: {{mixed: {{replay: {{captures: {dns:?}}}, synthetic: {{flows: 100}}, synthetic_percent: 80}}}}\n"
    ));
    let result = measured(folder.path(), &["--depth", "sink"]);
    balanced(&result);
    assert!(counter(&result, "dns.messages") > 0, "{result:#}");
}

#[test]
fn a_rate_is_kept_and_latency_is_told() {
    let folder = scenario(
        "description: d\nsource: {synthetic: {flows: 100, new_flows_per_second: 1000}}\nmode: rate\nrate: {packets_per_second: 5000}\nconfiguration: wirebeat.yml\n",
    );
    std::fs::write(
        folder.path().join("wirebeat.yml"),
        "packetbeat.flows: {timeout: 1s, period: -1s}\noutput.file: {path: \"${FOLDER}\", filename: events}\n",
    )
    .expect("a writable folder");
    let result = measured(folder.path(), &["--seconds", "2"]);
    balanced(&result);
    let rate = result["packets_per_second"].as_f64().unwrap_or_default();
    let loss = result["loss_share"].as_f64().expect("a share");
    assert!((rate / (1.0 - loss) - 5000.0).abs() < 250.0, "{rate} {loss}");
    let latency = &result["latency_ns"];
    assert!(latency["events"].as_u64() > Some(0), "{result:#}");
    let quantiles: Vec<u64> =
        ["p50", "p99", "p999", "maximum"].iter().filter_map(|name| latency[name].as_u64()).collect();
    assert!(quantiles.is_sorted() && quantiles.len() == 4, "{latency}");
}

#[test]
fn a_generator_sends_over_a_ring() {
    let dns = project().join("tests/recorded/dns/types.pcap");
    let folder = scenario(&format!(
        "description: d\nsource: {{wire: {{traffic: {{replay: {{captures: {dns:?}}}}}}}}}\nmode: rate\nrate: {{packets_per_second: 1000}}\n"
    ));
    let result = measured(folder.path(), &["--seconds", "1"]);
    balanced(&result);
    let rate = result["packets_per_second"].as_f64().unwrap_or_default();
    let loss = result["loss_share"].as_f64().expect("a share");
    assert!((rate / (1.0 - loss) - 1000.0).abs() < 100.0, "{rate} {loss}");
    assert!(counter(&result, "dns.messages") > 0);
    assert!(result["latency_ns"]["events"].as_u64() > Some(0), "{result:#}");
}

#[test]
fn a_live_port_is_measured_as_it_is() {
    // Packet sockets are root's.
    if std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap_or(1) != 0 {
        println!("skipped: it needs root");
        return;
    }
    let folder = scenario("description: d\nsource: {live: {device: lo}}\n");
    let arguments = [&*folder.path().to_string_lossy(), "--seconds", "1.5", "--json", "-"].map(str::to_string);
    let run = std::thread::spawn(move || bench(&arguments.each_ref().map(String::as_str)));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    while !run.is_finished() {
        let _ = socket.send_to(b"bench", "127.0.0.1:9");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let output = run.join().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Json = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    balanced(&document["scenarios"][0]);
}

#[test]
fn the_highest_rate_without_loss_is_searched() {
    let folder = scenario(
        "description: d\nsource: {synthetic: {flows: 100}}\nmode: rfc2544\nrfc2544: {to: 2000, resolution_percent: 50, accepted_loss_percent: 90}\n",
    );
    let result = measured(folder.path(), &[]);
    let found = result["rfc2544"]["packets_per_second"].as_f64().unwrap_or_default();
    assert!((0.0..=2000.0).contains(&found) && found > 0.0, "{result:#}");
    assert!(list(&result["rfc2544"]["trials"]).len() >= 2);
}

#[test]
fn a_soak_watches_memory() {
    let folder = scenario("description: d\nsource: {synthetic: {flows: 100}}\nmode: soak\n");
    let result = measured(folder.path(), &["--seconds", "1"]);
    balanced(&result);
    assert!(list(&result["samples"]).len() > 10);
    assert!(result["soak"]["last_quarter_bytes"].as_f64() > Some(0.0));
}

#[test]
fn a_sweep_measures_every_value() {
    let folder = scenario(
        "description: d\nsource: {synthetic: {}}\nmode: sweep\nsweep: {over: flows, values: [10, 300]}\ndepth: flow\n",
    );
    let result = measured(folder.path(), &[]);
    let points = list(&result["sweep"]["points"]);
    let created = points.iter().map(|point| counter(point, "flows.created"));
    assert_eq!(created.collect::<Vec<_>>(), [10, 300]);
}

#[test]
fn a_capture_is_measured_by_its_name() {
    let capture = project().join("tests/recorded/dns/types.pcap");
    let output = bench(&[&capture.to_string_lossy(), "--seconds", "0.05", "--rounds", "1", "--depth", "decode"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("types: the capture") && table.contains("  decode "), "{table}");
}

#[test]
fn nonsense_is_refused_in_a_sentence() {
    let dns = project().join("tests/recorded/dns/types.pcap");
    let good = format!("source: {{replay: {{captures: {dns:?}}}}}\n");
    for (text, arguments, sentence) in [
        (good.clone(), &["--workers", "1000"][..], "1000 workers are more than the "),
        (good.clone(), &["--depth", "deep"], "--depth: found \"deep\", expected one of receive, decode, flow"),
        (good.clone(), &["--seconds", "0"], "--seconds: found 0, expected a number above 0"),
        (format!("{good}sorce: 1\n"), &[], "scenario.yml:2: sorce"),
        (format!("{good}expected: {{events_per_pass: 7}}\n"), &[], "7 were expected: the run is void"),
        (format!("{good}mode: fast\n"), &[], "found \"fast\", expected one of saturation, rate, rfc2544, soak, sweep"),
        (format!("{good}mode: rate\n"), &[], "rate.packets_per_second: is missing"),
        (format!("{good}mode: sweep\nsweep: {{over: flows, values: [1]}}\n"), &[], "is for a synthetic source"),
        (
            "source: {synthetic: {}}\nmode: rate\nrate: {packets_per_second: 1e12}\n".to_string(),
            &[],
            "the generator is the limit, and nothing is said of Wirebeat",
        ),
        ("source: {synthetic: {frame_bytes: 20}}\n".to_string(), &[], "an integer from 60 to 9014"),
        ("source: {synthetic: {tcp_percent: 60, udp_percent: 60}}\n".to_string(), &[], "120 together, more than 100"),
        ("source: {replay: {captures: nowhere.pcap}}\n".to_string(), &[], "there is no file or folder "),
        ("source: {replay: {}}\n".to_string(), &[], "names no capture"),
        ("description: d\n".to_string(), &[], "source: is missing"),
        ("source: {replay: {}, synthetic: {}}\n".to_string(), &[], "found replay and synthetic, expected one of"),
        ("source: {live: {device: nosuch0}}\n".to_string(), &[], "there is no interface \"nosuch0\""),
        (
            "source: {wire: {traffic: {synthetic: {}}}}\n".to_string(),
            &[],
            "found saturation, a wire has rate, or rfc2544",
        ),
        ("source: {wire: {device: net_null0, traffic: {synthetic: {}}}}\n".to_string(), &[], "sender: is missing"),
        (
            "source: {wire: {traffic: {synthetic: {}}}}\nmode: rate\nrate: {packets_per_second: 1e9}\n".to_string(),
            &[],
            "the generator is the limit at 1000000000 packets a second, and nothing is said of Wirebeat",
        ),
        ("source: {live: {device: lo}}\nmode: rfc2544\n".to_string(), &[], "needs a source that can be told its rate"),
    ] {
        let folder = scenario(&text);
        let mut words = vec![folder.path().to_string_lossy().into_owned()];
        words.extend(["--seconds", "0.05", "--rounds", "1"].map(str::to_string));
        words.extend(arguments.iter().map(|word| word.to_string()));
        refused(&words.iter().map(String::as_str).collect::<Vec<_>>(), sentence);
    }
    refused(&["nosuch"], "there is no scenario \"nosuch\"; there are ");
}

#[test]
fn a_capture_without_the_traffic_is_no_result() {
    let dns = project().join("tests/recorded/dns/types.pcap");
    let folder = scenario(&format!("source: {{replay: {{captures: {dns:?}}}}}\nconfiguration: wirebeat.yml\n"));
    let settings = "packetbeat.protocols: [{type: mysql, ports: [3306]}]\noutput.discard: {}\n";
    std::fs::write(folder.path().join("wirebeat.yml"), settings).expect("a writable folder");
    refused(
        &[&folder.path().to_string_lossy(), "--seconds", "0.05", "--rounds", "1"],
        "the captures hold nothing that the configuration analyses",
    );
}

fn scenario(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("scenario.yml"), text).expect("a writable folder");
    folder
}

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .arg("bench")
        .args(arguments)
        .current_dir(project())
        .output()
        .expect("the program starts")
}

/// The result of a short measurement.
fn measured(folder: &Path, more: &[&str]) -> Json {
    let folder = folder.to_string_lossy();
    let mut arguments = vec![&*folder, "--seconds", "0.1", "--rounds", "1", "--json", "-"];
    arguments.extend(more);
    let output = bench(&arguments);
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), text(&output.stdout));
    let document: Json = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert!(document["machine"]["cpus"].as_u64() > Some(0));
    document["scenarios"][0].clone()
}

fn refused(arguments: &[&str], sentence: &str) {
    let output = bench(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}{}", text(&output.stdout));
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("Exiting: ") && last.contains(sentence), "{arguments:?}: {said}");
}

/// Every packet that was given has been received, and is accounted for.
fn balanced(result: &Json) {
    assert_eq!(result["problems"], serde_json::json!([]), "{result:#}");
    let accounted: u64 = ["packets.analysed", "packets.filtered"].iter().map(|name| counter(result, name)).sum();
    let dropped: u64 = (result["counters"].as_object().into_iter().flatten())
        .filter(|(name, _)| name.starts_with("packets.dropped."))
        .filter_map(|(_, value)| value.as_u64())
        .sum();
    assert_eq!(counter(result, "packets.received"), accounted + dropped, "{result:#}");
    assert!(result["packets"].as_u64() <= Some(counter(result, "packets.received")));
    assert!(result["packets"].as_u64() > Some(0));
}

fn counter(result: &Json, name: &str) -> u64 {
    result["counters"][name].as_u64().unwrap_or(0)
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every element is closed in its turn, and nothing comes from elsewhere.
fn well_formed(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg") && page.contains("receive"));
    for foreign in ["http://", "https://", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let mut open = Vec::new();
    for part in page.split('<').skip(2) {
        let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("an open tag: {part}"));
        let name = tag.split_whitespace().next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "…<{part}"),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?} are left open");
}
