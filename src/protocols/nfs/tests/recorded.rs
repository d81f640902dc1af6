// SPDX-License-Identifier: Apache-2.0
//! Recorded conversations. `tests/recorded_nfs.rs` holds them against the clients' logs.

use super::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/nfs").join(name)
}

fn replayed(theme: &str, segment_bytes: usize) -> Vec<Json> {
    let events = replay::events(&path(&format!("{theme}.pcap")), &Nfs { options: OPTIONS }, Some(2049), segment_bytes);
    events.into_iter().map(replay::comparable).collect()
}

/// The start of a call is the time of its first byte, for Packetbeat that of its last.
fn without_start(mut event: Json) -> Json {
    event["@timestamp"].take();
    for key in ["start", "duration"] {
        event["event"][key].take();
    }
    event
}

#[test]
fn where_packetbeat_has_events_they_are_the_same() {
    for (theme, extra) in [("v3", 0), ("v4", 0), ("calls", 26)] {
        let expected = replay::printed(&path(&format!("{theme}.packetbeat.ndjson")));
        for segment_bytes in [usize::MAX, 1] {
            let mut events = replayed(theme, segment_bytes);
            for wanted in &expected {
                let place = events.iter().position(|event| event["rpc"]["xid"] == wanted["rpc"]["xid"]);
                let event = events.remove(place.unwrap_or_else(|| panic!("{theme}: no {wanted}")));
                if wanted["nfs"]["opcode"] == "WRITE" {
                    assert_eq!(without_start(event), without_start(wanted.clone()), "{theme}");
                } else {
                    assert_eq!(event, *wanted, "{theme}");
                }
            }
            assert_eq!(events.len(), extra, "{theme}");
        }
    }
}
