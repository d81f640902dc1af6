// SPDX-License-Identifier: Apache-2.0
//! The counters of a run as one line of the log: every one that is not 0, by name, those of each port too.

use super::settings::Settings;
use crate::capture::dpdk::PortReport;
use crate::pipeline::counters::Counters;

/// What is known besides the workers' counters.
pub(super) struct Metrics<'a> {
    pub settings: &'a Settings,
    pub ports: Vec<PortReport>,
    pub acknowledged: u64,
    pub dropped: u64,
}

impl Metrics<'_> {
    /// Gives the workers' counters what the ports lost, and writes all down.
    pub fn text(&self, counters: &mut Counters) -> String {
        if !self.ports.is_empty() {
            let lost = |of: fn(&PortReport) -> u64| self.ports.iter().map(of).sum();
            counters.missed = lost(|port| port.lost.missed);
            counters.source_errors = lost(|port| port.lost.errors);
            counters.source_no_buffer = lost(|port| port.lost.no_buffer);
        }
        let sections: Vec<&str> =
            self.settings.registry.sections.iter().map(|section| section.descriptor.name).collect();
        let mut values = Vec::new();
        let mut give = |name: &str, value: u64| {
            if value > 0 {
                values.push(format!("{name}={value}"));
            }
        };
        counters.for_each(&sections, &mut give);
        for port in &self.ports {
            for (name, value) in [
                ("received", port.received),
                ("received_bytes", port.received_bytes),
                ("missed", port.lost.missed),
                ("errors", port.lost.errors),
                ("no_buffer", port.lost.no_buffer),
            ] {
                give(&format!("ports.{}.{name}", port.name), value);
            }
        }
        give("output.acknowledged", self.acknowledged);
        give("output.dropped", self.dropped);
        values.join(" ")
    }
}
