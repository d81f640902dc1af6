// SPDX-License-Identifier: Apache-2.0
//! Tests of the tree of numbers, of what changed, and of the settings of the log line.

use super::*;
use crate::config::Configuration;
use serde_json::json;

#[test]
fn numbers_are_nested_and_changes_are_told() {
    let mut earlier = Metrics::default();
    earlier.count("dns.messages", 3);
    earlier.count("dns.messages", 4);
    earlier.count("wirebeat.packets.received", 9);
    earlier.gauge("libbeat.active", 5u64);
    assert_eq!(
        earlier.tree(),
        json!({"dns": {"messages": 7}, "wirebeat": {"packets": {"received": 9}}, "libbeat": {"active": 5}})
    );
    let mut later = earlier.clone();
    later.count("dns.messages", 1);
    later.count("dns.failures", 0);
    later.gauge("name", "text");
    // Counters by how much they grew, without zeros; gauges as they are.
    assert_eq!(later.since(&earlier), json!({"dns": {"messages": 1}, "libbeat": {"active": 5}, "name": "text"}));
    assert_eq!(Metrics::default().since(&later), json!({}));
}

#[test]
fn a_name_below_a_number_harms_nothing() {
    let mut metrics = Metrics::default();
    metrics.count("a", 1);
    metrics.count("a.b.c", 2);
    metrics.count(&"x.".repeat(2_000), 3);
    assert_eq!(metrics.tree()["a"], 1);
}

#[test]
fn settings_of_the_line() {
    let period = |text: &str| {
        let configuration = Configuration::from_text("test.yml", text).unwrap();
        log_period(&configuration.root()).map_err(|error| error.to_string())
    };
    assert_eq!(period(""), Ok(Some(Duration::from_secs(30))));
    assert_eq!(period("logging.metrics.period: 5s\n"), Ok(Some(Duration::from_secs(5))));
    assert_eq!(period("logging.metrics.namespaces: [stats, dataset]\n"), Ok(Some(Duration::from_secs(30))));
    for off in ["enabled: false", "period: 0", "namespaces: [dataset]"] {
        assert_eq!(period(&format!("logging.metrics: {{{off}}}\n")), Ok(None), "{off}");
    }
    assert!(period("logging.metrics.period: soon\n").is_err_and(|error| error.contains("test.yml:1")));
}
