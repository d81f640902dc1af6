// SPDX-License-Identifier: Apache-2.0
//! Recorded connections: cut, mutated, in pieces of every size. `tests/recorded_tls.rs` holds them against the clients' logs.

use std::path::PathBuf;
use std::sync::Mutex;

use super::*;
use crate::protocols::{Step, replay};

const PORTS: &[u16] = &[443, 993, 995, 5223, 8443, 8883, 9243];
const THEMES: &[&str] = &["alerts", "features", "fragments", "go", "resumption", "versions"];

fn file(theme: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/tls").join(format!("{theme}.pcap"))
}

#[test]
fn segmentation_changes_nothing() {
    let factory = Tls { options: Arc::new(Options::default()) };
    for theme in THEMES {
        for port in PORTS {
            let whole = replay::events(&file(theme), &factory, Some(*port), usize::MAX);
            for size in [1, 5, 100] {
                assert_eq!(replay::events(&file(theme), &factory, Some(*port), size), whole, "{theme} {port} {size}");
            }
        }
    }
}

/// All that Packetbeat printed is the same here, but for what `docs/differences.md` says.
#[test]
fn fields_are_packetbeats() {
    let fingerprints = Fingerprints { md5: true, sha1: true, sha256: true };
    let factory = Tls { options: Arc::new(Options { fingerprints, compat_ja3s: true, ..Options::default() }) };
    let mut compared = 0;
    for theme in THEMES {
        let events: Vec<Json> =
            PORTS.iter().flat_map(|port| replay::events(&file(theme), &factory, Some(*port), usize::MAX)).collect();
        for mut printed in replay::printed(&file(theme).with_extension("packetbeat.ndjson")) {
            let own = events.iter().find(|event| event["source"] == printed["source"]).expect("an event");
            let mut own = replay::comparable(own.clone());
            for event in [&mut own, &mut printed] {
                forget_differences(event);
            }
            assert_eq!(own, printed, "{theme}");
            compared += 1;
        }
    }
    assert_eq!(compared, 55);
}

fn forget_differences(event: &mut Json) {
    let refused = event["tls"]["client"]["server_name"] == "wrong.name"
        || event["tls"]["detailed"]["alert_types"] == json!(["handshake_failure"]);
    if refused {
        event["status"].take();
        event["tls"]["established"].take();
        event["event"]["end"].take();
        event["event"]["duration"].take();
    }
    let tls = event["tls"].as_object_mut().expect("an object");
    tls.remove("curve");
    tls.remove("resumed");
    let remove = |object: &mut Json, key: &str| object.as_object_mut().and_then(|object| object.remove(key));
    remove(&mut tls["client"], "ja4");
    remove(&mut tls["detailed"], "resumption_method");
    if tls["detailed"]["alerts"][0]["code"] == 120 {
        remove(&mut tls["detailed"], "alerts");
        remove(&mut tls["detailed"], "alert_types");
    }
    let algorithm = tls.get_mut("server").and_then(|server| server.pointer_mut("/x509/public_key_algorithm"));
    if let Some(algorithm) = algorithm.filter(|algorithm| **algorithm == "Ed25519") {
        *algorithm = "(unknown:4)".into();
    }
}

/// Segments of a connection.
type Conversation = Vec<(Direction, Vec<u8>)>;

/// Makes parsers that note what they are given.
#[derive(Default)]
struct Tape {
    conversations: Arc<Mutex<Vec<Conversation>>>,
}

struct Noting {
    own: Conversation,
    conversations: Arc<Mutex<Vec<Conversation>>>,
}

impl Factory for Tape {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(Noting { own: Vec::new(), conversations: Arc::clone(&self.conversations) })
    }
}

impl Parser for Noting {
    fn data(&mut self, _: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.own.push((direction, bytes.to_vec()));
        Step::All
    }

    fn deadline_ns(&self) -> Option<i64> {
        None
    }

    fn finish(&mut self, _: &mut Context<'_>) {
        self.conversations.lock().unwrap().push(std::mem::take(&mut self.own));
    }

    fn reset(&mut self) {}
}

fn connections(theme: &str) -> Vec<Conversation> {
    let tape = Tape::default();
    for port in PORTS {
        replay::events(&file(theme), &tape, Some(*port), usize::MAX);
    }
    let mut conversations = tape.conversations.lock().unwrap();
    conversations.retain(|conversation| !conversation.is_empty());
    std::mem::take(&mut *conversations)
}

#[test]
fn every_prefix_of_a_connection_is_harmless() {
    for theme in ["alerts", "go"] {
        for connection in connections(theme) {
            let total: usize = connection.iter().map(|(_, payload)| payload.len()).sum();
            for length in (0..total).step_by(3) {
                let mut bench = bench();
                let mut left = length;
                for (direction, payload) in &connection {
                    let part = &payload[..payload.len().min(left)];
                    left -= part.len();
                    bench.send(*direction, part);
                }
                bench.finish();
                assert!(bench.events().len() <= 1, "{theme} {length}");
            }
        }
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x0074_6c73);
    let connections: Vec<_> = ["alerts", "go", "features", "resumption"].into_iter().flat_map(connections).collect();
    assert_eq!(connections.len(), 38);
    for _ in 0..1000 {
        let mut bench = bench_with(Options { include_raw_certificates: true, ..Options::default() });
        for (direction, payload) in &connections[random.usize(..connections.len())] {
            let mut payload = payload.clone();
            for _ in 0..random.usize(..4) {
                let at = random.usize(..payload.len());
                match random.u8(..5) {
                    0 | 1 => payload[at] = random.u8(..),
                    2 if at > 0 => payload.truncate(at),
                    3 => payload.insert(at, random.u8(..)),
                    _ => bench.lose(*direction, 1 + random.u32(..2000)),
                }
            }
            bench.send(*direction, &payload);
            if random.u8(..50) == 0 {
                bench.fin(*direction);
            }
        }
        bench.finish();
        assert!(bench.events().len() <= 1);
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}
