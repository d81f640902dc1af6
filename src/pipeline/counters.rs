// SPDX-License-Identifier: Apache-2.0
//! Counters of a worker: plain numbers with one writer, copied for the I/O core now and then.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocols::ProtocolCounter;
use crate::stream::StreamCounters;
use crate::wire::DropReason;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)+) => {
        /// What one worker counted.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)+
            /// Packets dropped because they could not be decoded, by reason.
            pub dropped: DropCounts,
            pub stream: StreamCounters,
            /// Of each protocol section.
            pub protocols: Vec<[u64; ProtocolCounter::ALL.len()]>,
        }

        impl Counters {
            const SCALARS: usize = [$($name),+].len();

            /// Every counter with its name.
            pub fn for_each(&self, protocol_names: &[&str], mut give: impl FnMut(&str, u64)) {
                $(give($name, self.$field);)+
                for reason in DropReason::ALL {
                    give(&format!("packets.dropped.{}", reason.name()), self.dropped.0[reason.index()]);
                }
                for (name, value) in stream_values(&self.stream) {
                    give(name, value);
                }
                for (section, name) in self.protocols.iter().zip(protocol_names) {
                    for counter in ProtocolCounter::ALL {
                        give(&format!("{name}.{}", counter.name()), section[counter as usize]);
                    }
                }
            }

            fn scalars(&self) -> [u64; Self::SCALARS] {
                [$(self.$field),+]
            }

            fn from_scalars(values: &[u64]) -> Counters {
                let mut values = values.iter().copied();
                let mut counters = Counters::default();
                $(counters.$field = values.next().unwrap_or(0);)+
                counters
            }

            /// Adds what another worker counted.
            pub fn add(&mut self, other: &Counters) {
                $(self.$field += other.$field;)+
                self.dropped.0.iter_mut().zip(other.dropped.0).for_each(|(sum, value)| *sum += value);
                add_stream(&mut self.stream, &other.stream);
                if self.protocols.len() < other.protocols.len() {
                    self.protocols.resize(other.protocols.len(), Default::default());
                }
                for (sum, section) in self.protocols.iter_mut().zip(&other.protocols) {
                    sum.iter_mut().zip(section).for_each(|(sum, value)| *sum += value);
                }
            }
        }
    };
}

counters! {
    /// Packets whose home this worker is.
    received = "packets.received",
    received_bytes = "packets.received_bytes",
    analysed = "packets.analysed",
    filtered = "packets.filtered",
    duplicate = "packets.duplicate",
    dropped_flow_table_full = "packets.dropped.flow_table_full",
    dropped_fragment_limit = "packets.dropped.fragment_limit",
    dropped_fragment_timeout = "packets.dropped.fragment_incomplete",
    dropped_no_address = "packets.dropped.no_address",
    /// Packets that came here and went to their home.
    resharded = "packets.resharded",
    /// Packets with TCP or UDP whose payload some protocol analyses.
    linearised = "packets.linearised",
    /// Packets that came in several buffers, as jumbo frames do.
    in_several_buffers = "packets.in_several_buffers",
    missed = "packets.missed",
    source_errors = "packets.source_errors",
    source_no_buffer = "packets.source_no_buffer",
    handover_lost = "packets.handover_lost",
    /// Payload bytes of TCP and UDP in analysed packets.
    payload_bytes = "payload.bytes",
    payload_no_protocol_bytes = "payload.no_protocol_bytes",
    payload_datagram_bytes = "payload.datagram_bytes",
    payload_cut_bytes = "payload.cut_bytes",
    flows_created = "flows.created",
    flows_closed = "flows.closed",
    flow_reports = "flows.reports",
    connections_created = "connections.created",
    connections_closed = "connections.closed",
    datagrams_reassembled = "fragments.datagrams",
    /// Put together, but the queue to the worker whose they are was full.
    datagrams_lost = "fragments.datagrams_lost",
    events_made = "events.made",
    events_encoded = "events.encoded",
    events_encoded_bytes = "events.encoded_bytes",
    events_dropped_by_processor = "events.dropped.processor",
    events_dropped_ignored_outgoing = "events.dropped.ignore_outgoing",
    events_dropped_no_chunk = "events.dropped.no_chunk",
    events_dropped_too_large = "events.dropped.too_large",
}

impl Counters {
    pub fn new(sections: usize) -> Counters {
        Counters { protocols: vec![Default::default(); sections], ..Counters::default() }
    }

    /// Packets dropped, whatever the reason.
    pub fn packets_dropped(&self) -> u64 {
        self.dropped.0.iter().sum::<u64>()
            + self.dropped_flow_table_full
            + self.dropped_fragment_limit
            + self.dropped_fragment_timeout
            + self.dropped_no_address
    }

    /// Events dropped before they reached a sink, whatever the reason.
    pub fn events_dropped(&self) -> u64 {
        self.events_dropped_by_processor
            + self.events_dropped_ignored_outgoing
            + self.events_dropped_no_chunk
            + self.events_dropped_too_large
    }

    /// The packet balance: received = analysed + filtered + duplicate + dropped by name.
    pub fn packets_balance(&self) -> Result<(), String> {
        let accounted = self.analysed + self.filtered + self.duplicate + self.packets_dropped();
        match self.received == accounted {
            true => Ok(()),
            false => Err(format!("packets: {} received, {accounted} accounted for", self.received)),
        }
    }

    /// The payload balance: bytes of TCP and UDP = given to parsers + repeated + ignored + of no protocol.
    pub fn payload_balance(&self) -> Result<(), String> {
        let accounted = self.stream.delivered_bytes
            + self.stream.repeated_bytes
            + self.stream.ignored_bytes
            + self.payload_datagram_bytes
            + self.payload_no_protocol_bytes;
        match self.payload_bytes == accounted {
            true => Ok(()),
            false => Err(format!("payload bytes: {} received, {accounted} accounted for", self.payload_bytes)),
        }
    }

    /// The event balance up to the rings: made = encoded + dropped by name.
    pub fn events_balance(&self) -> Result<(), String> {
        let accounted = self.events_encoded + self.events_dropped();
        match self.events_made == accounted {
            true => Ok(()),
            false => Err(format!("events: {} made, {accounted} accounted for", self.events_made)),
        }
    }
}

/// Packets by [`DropReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropCounts(pub [u64; DropReason::ALL.len()]);

impl Default for DropCounts {
    fn default() -> DropCounts {
        DropCounts([0; DropReason::ALL.len()])
    }
}

fn stream_values(stream: &StreamCounters) -> [(&'static str, u64); 8] {
    [
        ("stream.delivered_bytes", stream.delivered_bytes),
        ("stream.repeated_bytes", stream.repeated_bytes),
        ("stream.gap_bytes", stream.gap_bytes),
        ("stream.gaps", stream.gaps),
        ("stream.ignored_bytes", stream.ignored_bytes),
        ("stream.discarded_bytes", stream.discarded_bytes),
        ("stream.copied_bytes", stream.copied_bytes),
        ("stream.early_segments", stream.early_segments),
    ]
}

fn stream_of(values: &[u64]) -> StreamCounters {
    let value = |place: usize| values.get(place).copied().unwrap_or(0);
    StreamCounters {
        delivered_bytes: value(0),
        repeated_bytes: value(1),
        gap_bytes: value(2),
        gaps: value(3),
        ignored_bytes: value(4),
        discarded_bytes: value(5),
        copied_bytes: value(6),
        early_segments: value(7),
    }
}

fn add_stream(sum: &mut StreamCounters, other: &StreamCounters) {
    let (a, b) = (stream_values(sum), stream_values(other));
    let mut added = [0; 8];
    added.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum = a.1 + b.1);
    *sum = stream_of(&added);
}

/// A copy of a worker's counters that the I/O core can read at any time.
pub struct SharedCounters {
    values: Vec<AtomicU64>,
    sections: usize,
}

impl SharedCounters {
    pub fn new(sections: usize) -> SharedCounters {
        let length = Counters::SCALARS + DropReason::ALL.len() + 8 + sections * ProtocolCounter::ALL.len();
        SharedCounters { values: (0..length).map(|_| AtomicU64::new(0)).collect(), sections }
    }

    /// Called by the worker alone.
    pub fn publish(&self, counters: &Counters) {
        let scalars = counters.scalars();
        let stream = stream_values(&counters.stream);
        let values = scalars
            .iter()
            .chain(&counters.dropped.0)
            .copied()
            .chain(stream.iter().map(|(_, value)| *value))
            .chain(counters.protocols.iter().flatten().copied());
        for (place, value) in self.values.iter().zip(values) {
            place.store(value, Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> Counters {
        let values: Vec<u64> = self.values.iter().map(|value| value.load(Ordering::Relaxed)).collect();
        let (scalars, rest) = values.split_at(Counters::SCALARS);
        let (dropped, rest) = rest.split_at(DropReason::ALL.len());
        let (stream, protocols) = rest.split_at(8);
        let mut counters = Counters::from_scalars(scalars);
        counters.dropped.0.copy_from_slice(dropped);
        counters.stream = stream_of(stream);
        counters.protocols = protocols
            .chunks_exact(ProtocolCounter::ALL.len())
            .take(self.sections)
            .map(|section| section.try_into().unwrap_or_default())
            .collect();
        counters
    }
}
