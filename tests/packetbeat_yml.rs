// SPDX-License-Identifier: Apache-2.0
//! A user's `packetbeat.yml`: with the keys of the file that Packetbeat ships, in words of our own.
//!
//! It loads, and what is known there but not built here warns once each, by name.

mod support;

use support::program::{Outcome, Program};
use support::project;
use wirebeat::protocols::DESCRIPTORS;

/// Protocols of the shipped file with their ports.
const PROTOCOLS: &[(&str, &str)] = &[
    ("amqp", "[5672]"),
    ("cassandra", "[9042]"),
    ("dhcpv4", "[67, 68]"),
    ("dns", "[53]"),
    ("http", "[80, 8080, 8000, 5000, 8002]"),
    ("memcache", "[11211]"),
    ("mysql", "[3306, 3307]"),
    ("pgsql", "[5432]"),
    ("redis", "[6379]"),
    ("thrift", "[9090]"),
    ("mongodb", "[27017]"),
    ("nfs", "[2049]"),
    ("tls", "[443, 993, 995, 5223, 8443, 8883, 9243]"),
    ("sip", "[5060]"),
];

const PROCESSORS: &[&str] = &["add_host_metadata", "add_cloud_metadata", "add_docker_metadata", "detect_mime_type"];

#[test]
fn the_configuration_is_ok() {
    let outcome = program().arguments(&["test", "config"]).run("");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "Config OK\n", "{}", outcome.stderr);
}

#[test]
fn what_is_not_built_warns_once() {
    let outcome = run();
    let warnings = warnings(&outcome);
    for (protocol, _) in PROTOCOLS {
        let built = DESCRIPTORS.iter().any(|descriptor| descriptor.name == *protocol);
        let naming = naming(&warnings, &format!("protocol {protocol} "));
        assert_eq!(naming, usize::from(!built), "{protocol}: {warnings:#?}");
    }
    for processor in PROCESSORS {
        assert!(naming(&warnings, &format!("processor {processor} ")) <= 1, "{processor}: {warnings:#?}");
    }
    for (place, warning) in warnings.iter().enumerate() {
        assert!(!warnings[..place].contains(warning), "twice: {warning}");
        assert!(!warning.contains("unknown"), "Packetbeat knows it: {warning}");
        assert!(warning.contains("wirebeat.yml"), "no file is named: {warning}");
    }
}

#[test]
fn what_is_built_works() {
    let outcome = run();
    outcome.assert_good("the shipped settings");
    let summary = outcome.stderr.lines().rev().find(|line| line.contains(" received, ")).expect("a summary");
    assert!(!summary.contains("events: 0 made"), "{summary}");
}

fn run() -> Outcome {
    let capture = project().join("tests/recorded/dns/types.pcap");
    program().arguments(&["-e", "-N", "-t", "-I"]).argument(capture).run("")
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines
        .filter(|line| line["log.level"] == "warn")
        .map(|line| line["message"].as_str().unwrap_or_default().to_string())
        .collect()
}

fn naming(warnings: &[String], words: &str) -> usize {
    warnings.iter().filter(|warning| warning.contains(words)).count()
}

fn program() -> Program {
    let mut text = String::from(
        "# Where packets come from.\n\
         packetbeat.interfaces.device: any\n\
         packetbeat.interfaces.poll_default_route: 1m\n\
         packetbeat.interfaces.internal_networks:\n  - private\n\
         # Records of every conversation.\n\
         packetbeat.flows:\n  timeout: 30s\n  period: 10s\n\
         # What is understood.\n\
         packetbeat.protocols:\n\
         - type: icmp\n  enabled: true\n",
    );
    for (protocol, ports) in PROTOCOLS {
        text += &format!("- type: {protocol}\n  ports: {ports}\n");
        if *protocol == "dns" {
            text += "  include_authorities: true\n  include_additionals: true\n";
        }
    }
    text += "setup.template.settings:\n  index.number_of_shards: 1\n\
             setup.kibana:\n\
             output.elasticsearch:\n  hosts: [\"localhost:9200\"]\n  preset: balanced\n\
             processors:\n\
             - if.contains.tags: forwarded\n  then:\n  - drop_fields:\n      fields: [host]\n\
             \x20 else:\n  - add_host_metadata: ~\n\
             - add_cloud_metadata: ~\n\
             - add_docker_metadata: ~\n\
             - detect_mime_type:\n    field: http.request.body.content\n    target: http.request.mime_type\n\
             - detect_mime_type:\n    field: http.response.body.content\n    target: http.response.mime_type\n";
    Program::new(&text)
}
