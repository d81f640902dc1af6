// SPDX-License-Identifier: Apache-2.0
//! Recorded captures against what Packetbeat prints, with the options that restore its values.

use std::path::PathBuf;

use super::*;
use crate::protocols::{Factory as _, replay};

#[test]
fn with_packetbeats_rules_binary_and_large_are_what_it_prints() {
    // Of `binary`: gat and flush have names, an error's text is no counter.
    for (theme, others) in [("binary", vec!["gat", "flush_all", "incr"]), ("large", vec![])] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/memcache");
        let mut expected = replay::printed(&folder.join(format!("{theme}.packetbeat.ndjson")));
        let options = Options { compat_status: true, compat_swapped_bytes: true, ..Options::default() };
        let factory = Memcache { options: Arc::new(options) };
        assert_eq!(factory.parser().deadline_ns(), None);
        let events = replay::events(&folder.join(format!("{theme}.pcap")), &factory, Some(11_211), usize::MAX);
        assert_eq!(events.len(), expected.len(), "{theme}");
        let mut different = Vec::new();
        for event in events.into_iter().map(replay::comparable) {
            match expected.iter().position(|wanted| *wanted == event) {
                Some(place) => drop(expected.remove(place)),
                None => different.push(event["memcache"]["request"]["command"].as_str().unwrap().to_owned()),
            }
        }
        different.sort();
        let mut others = others;
        others.sort();
        assert_eq!(different, others, "{theme}: {expected:#?}");
    }
}

#[test]
fn recorded_captures_in_small_segments() {
    for theme in ["binary", "text", "text-errors", "large"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/memcache");
        let events = |size| {
            let factory = Memcache { options: Arc::new(showing()) };
            let events = replay::events(&folder.join(format!("{theme}.pcap")), &factory, Some(11_211), size);
            events.into_iter().map(|event| event["memcache"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(events(1), events(usize::MAX), "{theme}");
    }
}
