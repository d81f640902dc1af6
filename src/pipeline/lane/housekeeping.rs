// SPDX-License-Identifier: Apache-2.0
//! What a lane does between bursts and at the end: flows whose time is over, chunks that wait, counters for the other threads.

use super::Lane;
use crate::capture::{BURST, Share, SourceStatistics};
use crate::flow::FlowIndex;
use crate::flow::record::Report;

/// The parts that are not for every burst run every so many.
const HOUSEKEEPING_BURSTS: u32 = 32;
/// A busy source is asked for its statistics every so many bursts.
const STATISTICS_BURSTS: u32 = 2048;
/// Flows and slots of the timer wheel looked at per burst, at most. Every packet may begin a flow that reports some times before it ends.
const EXPIRY_BUDGET: usize = 8 * BURST;
/// So many flows before its end the memory of a flow is asked for.
const AHEAD: usize = 4;

impl Lane {
    /// Work after a burst. Answers whether the source's own statistics are due.
    pub(in crate::pipeline) fn housekeeping(&mut self) -> bool {
        self.expire();
        self.bursts = self.bursts.wrapping_add(1);
        if self.bursts.is_multiple_of(HOUSEKEEPING_BURSTS) {
            self.tidy();
        }
        self.bursts.is_multiple_of(STATISTICS_BURSTS)
    }

    /// Nothing came: time goes on by the wall clock on a live source.
    pub(in crate::pipeline) fn idle(&mut self, busy: bool) {
        if !busy {
            self.idle_turns = self.idle_turns.saturating_add(1);
            self.expire();
            self.tidy();
        }
    }

    /// Advances the clock without a packet.
    pub fn advance_clock(&mut self, time_ns: i64) {
        self.clock(time_ns);
    }

    fn expire(&mut self) {
        let mut budget = EXPIRY_BUDGET;
        while let Some(flow) = self.table.next_due(self.now_ns, &mut budget) {
            let key = self.table.entry(flow).key;
            self.publish_due(flow, self.now_ns);
            if self.table.holds(flow, &key) {
                self.reschedule(flow);
            }
        }
    }

    fn tidy(&mut self) {
        self.connections.tidy(self.now_ns);
        self.writer.send_older_than(self.now_ns.saturating_sub(self.settings.chunk_age_ns));
        self.shared.publish(&self.counters);
    }

    pub(in crate::pipeline) fn source_statistics(&mut self, statistics: SourceStatistics) {
        self.counters.missed = statistics.missed;
        self.counters.source_errors = statistics.errors;
        self.counters.source_no_buffer = statistics.no_buffer;
        self.counters.handover_lost = statistics.handover_lost;
        // The source keeps these to itself. Where every worker sees every packet the first counts for all.
        if self.share == Share::Everything && self.worker != 0 {
            return;
        }
        let filtered = statistics.filtered - self.counters.filtered.min(statistics.filtered);
        self.counters.filtered += filtered;
        self.counters.received += filtered;
    }

    /// The capture is over: everything that waits is published, every flow gets its last report.
    pub(in crate::pipeline) fn finish(&mut self) {
        self.counters.dropped_fragment_timeout += self.fragments.clear();
        let time_ns = self.now_ns;
        let flows = self.table.all();
        for (place, flow) in flows.iter().enumerate() {
            flows.get(place + AHEAD).iter().for_each(|later| self.table.prefetch_removal(**later));
            self.up_to_date_at_end(*flow, time_ns);
        }
        self.writer.send();
        self.shared.publish(&self.counters);
    }

    fn up_to_date_at_end(&mut self, flow: FlowIndex, time_ns: i64) {
        let key = self.table.entry(flow).key;
        self.publish_due(flow, time_ns);
        if !self.table.holds(flow, &key) {
            return;
        }
        if self.table.entry(flow).record.is_open() {
            self.report(flow, Report::Final, time_ns);
        }
        self.remove(flow, time_ns);
    }

    /// Flows, analysed flows and early segments that exist now.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        let (connections, held) = self.connections.occupancy();
        (self.table.len(), connections, held)
    }
}
