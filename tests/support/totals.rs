// SPDX-License-Identifier: Apache-2.0
//! The numbers that a run logs at its end.

use serde_json::Value as Json;

/// A counter of the line `Total metrics`, such as `ports.net_pcap0.received`; 0 when it is not there.
pub fn metric(log: &str, name: &str) -> u64 {
    let totals = log.lines().find_map(|line| {
        let record: Json = serde_json::from_str(line).ok()?;
        serde_json::from_str::<Json>(record["message"].as_str()?.strip_prefix("Total metrics: ")?).ok()
    });
    let totals = totals.unwrap_or_else(|| panic!("no metrics:\n{log}"));
    totals
        .pointer(&format!("/wirebeat/{}", name.replace('.', "/")))
        .map_or(0, |value| value.as_u64().expect("a number"))
}
