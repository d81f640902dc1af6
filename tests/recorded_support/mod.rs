// SPDX-License-Identifier: Apache-2.0
//! Runs the program on a recorded capture and reads the log of what the client did (`tests/recorded/`).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// A recorded theme: the program's events in the order of their times, and the client's operations.
pub struct Recorded {
    pub events: Vec<Json>,
    pub operations: Vec<Json>,
}

/// Runs the program on `tests/recorded/<protocol>/<theme>.pcap` with `protocols` as the list of `packetbeat.protocols`.
pub fn run(protocol: &str, theme: &str, protocols: &str) -> Recorded {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(protocol);
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let configuration = home.path().join("packetbeat.yml");
    let text = format!("timestamp.precision: nanosecond\npacketbeat.protocols:\n{protocols}");
    std::fs::write(&configuration, text).expect("the temporary folder is writable");
    let output = home.path().join("out");
    let run = Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .args(["-e", "-t", "--strict.perms=false", "-c"])
        .arg(&configuration)
        .arg("-I")
        .arg(folder.join(format!("{theme}.pcap")))
        .arg("--path.home")
        .arg(home.path())
        .arg("-E")
        .arg(format!("output.file.path={}", output.display()))
        .args(["-E", "output.file.filename=events"])
        .output()
        .expect("the program starts");
    assert!(run.status.success(), "{theme}: {}", String::from_utf8_lossy(&run.stderr));
    let mut events = events_of(&output);
    events.sort_by_cached_key(|event| start(event).to_owned());
    let truth = std::fs::read(folder.join(format!("{theme}.truth.json"))).expect("the truth is recorded");
    let truth: Json = serde_json::from_slice(&truth).expect("the truth is JSON");
    Recorded { events, operations: truth["operations"].as_array().expect("a list of operations").clone() }
}

/// Time of the request, or of an event without one, in a form that sorts: without the Z, since zeros at the end of the
/// fraction are not written.
pub fn start(event: &Json) -> &str {
    let time = event["event"]["start"].as_str().or(event["@timestamp"].as_str()).expect("an event has a time");
    time.trim_end_matches('Z')
}

fn events_of(output: &Path) -> Vec<Json> {
    let mut events = Vec::new();
    for file in std::fs::read_dir(output).expect("the program wrote events") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("events are text");
        events.extend(text.lines().map(|line| serde_json::from_str::<Json>(line).expect("an event is JSON")));
    }
    events
}
