// SPDX-License-Identifier: Apache-2.0
//! Recorded conversations in pieces, and against what Packetbeat printed for them.

use super::*;
use crate::protocols::replay;

const THEMES: &[&str] = &["consume", "errors", "large", "publish", "topology", "transactions"];

fn factory() -> Amqp {
    Amqp { options: Arc::new(options()) }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/amqp").join(name)
}

#[test]
fn segmentation_changes_nothing() {
    for theme in THEMES {
        let capture = file(&format!("{theme}.pcap"));
        let whole = replay::events(&capture, &factory(), Some(5672), usize::MAX);
        assert!(!whole.is_empty());
        for size in if *theme == "large" { vec![11, 1000] } else { vec![1, 2, 7] } {
            assert_eq!(replay::events(&capture, &factory(), Some(5672), size), whole, "{theme} in pieces of {size}");
        }
    }
}

#[test]
fn where_packetbeat_is_right_the_events_are_the_same() {
    for theme in THEMES {
        let ours = replay::events(&file(&format!("{theme}.pcap")), &factory(), Some(5672), usize::MAX);
        let mut ours: Vec<Json> = ours.into_iter().map(replay::comparable).collect();
        for printed in replay::printed(&file(&format!("{theme}.packetbeat.ndjson"))) {
            // docs/differences.md, amqp: rejects, and the time and the arguments of a basic.get.
            if printed["method"] == "basic.reject" || printed["method"] == "basic.get" {
                continue;
            }
            let place = ours.iter().position(|event| *event == printed);
            ours.remove(place.unwrap_or_else(|| panic!("{theme}: {printed:#}")));
        }
    }
}
