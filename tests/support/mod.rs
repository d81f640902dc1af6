// SPDX-License-Identifier: Apache-2.0
//! What the cross-cutting tests have in common: captures as values, runs of the program, runs of a lane inside the test.

#![allow(dead_code, reason = "every test program uses a part of its own")]

pub mod capture;
pub mod damage;
pub mod events;
pub mod jumbo;
pub mod lane;
pub mod program;
pub mod repeated;
pub mod tunnels;

use std::path::{Path, PathBuf};

/// Settings under which every capture has something to analyse. Protocols that are not built yet only warn.
pub const PROTOCOLS: &str = "\
packetbeat.flows:
  timeout: 30s
  period: 10s
packetbeat.protocols:
- type: icmp
- {type: amqp, ports: [5672]}
- {type: cassandra, ports: [9042]}
- {type: dhcpv4, ports: [67, 68]}
- {type: dns, ports: [53]}
- {type: http, ports: [80, 8080, 8000, 5000, 8002, 9200]}
- {type: memcache, ports: [11211]}
- {type: mongodb, ports: [27017]}
- {type: mysql, ports: [3306, 3307]}
- {type: nfs, ports: [2049]}
- {type: pgsql, ports: [5432]}
- {type: redis, ports: [6379]}
- {type: sip, ports: [5060]}
- {type: thrift, ports: [9090, 9091, 9092], transport_type: auto}
- {type: tls, ports: [443, 993, 995, 5223, 8443, 8883, 9243]}
";

/// Whether the long forms of the tests are wanted (`WIREBEAT_TEST_ALL=1`).
pub fn everything() -> bool {
    std::env::var_os("WIREBEAT_TEST_ALL").is_some_and(|value| value == "1")
}

/// The captures that the project recorded, in `tests/recorded`.
pub fn recorded() -> Vec<PathBuf> {
    let found = captures_below(&project().join("tests/recorded"));
    assert!(found.len() >= 20, "tests/recorded has its captures: {found:?}");
    found
}

/// Captures of others, which are only there on machines of the project; a line says so where they are not.
pub fn borrowed() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["../shared/conformance/captures", "../shared/captures"] {
        let folder = project().join(folder);
        if folder.is_dir() {
            found.extend(captures_below(&folder));
        } else {
            println!("skipped: {} is not here", folder.display());
        }
    }
    found
}

/// `protocol/theme` of a capture, for messages.
pub fn name_of(path: &Path) -> String {
    let parts: Vec<_> = path.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn captures_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| {
                ["pcap", "pcapng", "cap", "dmp", "trace"].iter().any(|known| extension == *known)
            }) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
