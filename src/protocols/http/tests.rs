// SPDX-License-Identifier: Apache-2.0
use super::replay;
use super::*;
use crate::config::Configuration;
use crate::protocols::Carrier;
use crate::protocols::bench::Bench;
use std::sync::Arc;

#[test]
#[ignore]
fn dump() {
    let dir = std::path::PathBuf::from(std::env::var("CASE").unwrap());
    let yaml = std::fs::read_to_string(dir.join("packetbeat.yml")).unwrap();
    let config = Configuration::from_text("packetbeat.yml", &yaml).unwrap();
    let list = config.root().list("packetbeat.protocols").unwrap();
    let section = list.iter().find(|s| s.string("type").unwrap().as_deref() == Some("http")).unwrap();
    let ports = section.ports("ports").unwrap().unwrap();
    let common = CommonOptions {
        ports: ports.clone(),
        send_request: section.boolean("send_request").unwrap().unwrap_or(false),
        send_response: section.boolean("send_response").unwrap().unwrap_or(false),
        transaction_timeout_ns: 10_000_000_000,
    };
    let options = Arc::new(config::read(section, &common).unwrap());
    let pcap = std::env::var("PCAP").unwrap();
    let packets = replay::packets(std::path::Path::new(&pcap));
    let mut benches = replay::replay(&packets, &ports, &|| {
        Bench::new(Box::new(parser::HttpParser::new(options.clone())), Carrier::Tcp, 80)
    });
    let mut out = String::new();
    for bench in &mut benches {
        bench.finish();
        for event in bench.events() {
            out.push_str(&event.to_string());
            out.push('\n');
        }
    }
    std::fs::write(std::env::var("OUT").unwrap(), out).unwrap();
}
