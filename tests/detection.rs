// SPDX-License-Identifier: Apache-2.0
//! `wirebeat.detect`: without one configured port the recorded captures give the events that they give with their ports,
//! whoever they come from and however they are cut.

mod support;

use fastrand::Rng;
use support::capture::Capture;
use support::events::{Flows, difference, normalised};
use support::lane::Laboratory;
use support::{PROTOCOLS, name_of, recorded};

/// What is told by its first bytes. No capture has traffic on these ports.
const ANYWHERE: &str = "\
wirebeat.detect: true
packetbeat.flows: {timeout: 30s, period: 10s}
packetbeat.protocols:
- {type: amqp, ports: [2]}
- {type: dns, ports: [3]}
- {type: http, ports: [4]}
- {type: mongodb, ports: [5]}
- {type: mysql, ports: [6]}
- {type: pgsql, ports: [7]}
- {type: redis, ports: [8]}
- {type: sip, ports: [9]}
- {type: tls, ports: [10]}
";

/// Everything on one port, as a proxy that looks at the first bytes has it.
const SHARED: &str = "\
wirebeat.detect: true
packetbeat.protocols:
- {type: http, ports: [80, 8080, 8000, 5000, 8002, 9200, 3306, 6379, 5432, 27017]}
- {type: mongodb, ports: [27017, 80, 3306]}
- {type: mysql, ports: [\"3300-3310\", 80, 6379]}
- {type: pgsql, ports: [5432, 80, 3306]}
- {type: redis, ports: [6379, 80, 3306]}
";

/// Captures whose first bytes tell nothing: database connections that are older than the capture, commands of Redis without
/// its form, a DNS message that has no question; plain HTTP that was sent to a TLS port is HTTP here.
const SILENT: &[&str] =
    &["tls/alerts.pcap", "express/users-impaired.pcap", "express/users.pcap", "redis/inline.pcap", "dns/rcodes.pcap"];

#[test]
fn the_first_bytes_are_as_good_as_the_port() {
    compare(ANYWHERE, &["dns", "express", "http", "mongodb", "mysql", "pgsql", "redis", "tls", "amqp", "sip"]);
}

#[test]
fn several_protocols_share_a_port() {
    compare(SHARED, &["http", "mongodb", "mysql", "pgsql", "redis"]);
}

#[test]
fn what_nobody_analyses_is_named_in_its_flow() {
    let laboratory = Laboratory::new("wirebeat.detect: true\npacketbeat.flows: {timeout: 30s, period: 10s}\n");
    for (folder, name) in [("http", "http"), ("mysql", "mysql"), ("pgsql", "pgsql"), ("tls", "tls"), ("dns", "dns")] {
        let captures = recorded().into_iter().filter(|path| name_of(path).starts_with(&format!("{folder}/")));
        let mut named = 0;
        for path in captures {
            let analysis = laboratory.analyse(&Capture::read(&path).expect("it is a pcap file"));
            analysis.assert_sound(&name_of(&path));
            for event in &analysis.events {
                assert_eq!(event["type"], "flow", "{}: nobody analyses anything", name_of(&path));
                named += usize::from(event["network"]["protocol"] == name);
            }
        }
        assert!(named > 0, "no flow of {folder} is named");
    }
}

fn compare(configuration: &str, folders: &[&str]) {
    let by_port = Laboratory::new(PROTOCOLS);
    let by_bytes = Laboratory::new(configuration);
    let (mut compared, mut failures) = (0, Vec::new());
    for path in recorded() {
        let name = name_of(&path);
        let folder = name.split('/').next().unwrap_or_default();
        if !folders.contains(&folder) || SILENT.contains(&name.as_str()) {
            continue;
        }
        let capture = Capture::read(&path).expect("it is a pcap file");
        let expected: Vec<_> = by_port.analyse(&capture).events;
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|event| configuration.contains(&format!("type: {},", event["type"].as_str().unwrap_or_default())))
            .collect();
        let expected = normalised(&expected, Flows::LeftOut, &[]);
        for (changed, how) in [
            (capture.clone(), "as it is"),
            (capture.resegmented(&mut Rng::with_seed(1)), "cut anew"),
            (capture.resegmented(&mut Rng::with_seed(2)).duplicated(&mut Rng::with_seed(3)), "cut anew and repeated"),
        ] {
            let found = by_bytes.analyse(&changed);
            found.assert_sound(&format!("{name} {how}"));
            let found = normalised(&found.events, Flows::LeftOut, &[]);
            if let Some(difference) = difference(&expected, &found) {
                failures.push(format!("{name} {how}: {difference}"));
                break;
            }
        }
        compared += expected.len();
    }
    assert!(failures.is_empty(), "{} captures: {}", failures.len(), failures.join("\n"));
    assert!(compared > 200, "only {compared} transactions were compared");
}
