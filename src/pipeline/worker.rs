// SPDX-License-Identifier: Apache-2.0
//! A packet's whole story. One worker per RX queue owns everything it touches; what a burst brings is finished before
//! the next one is taken. No stage calls the next: each answers to this file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::look::Look;
use crate::arch::prefetch_bytes;
use crate::capture::{Burst, Packet, Pressure, Received, Source};
use crate::wire::Transport;

/// A live source that is asked to stop gives what has arrived: until it has been silent, and this long at least.
const STOP_GRACE: Duration = Duration::from_millis(150);
/// … and so long at most.
const STOP_LIMIT: Duration = Duration::from_millis(800);

/// So many packets before its turn the memory of a packet is asked for.
const AHEAD: usize = 3;

pub struct Worker<S: Source> {
    pub source: S,
    pub lane: Lane,
}

impl<S: Source> Worker<S> {
    /// Runs until the source ends, breaks or `stop` is set; then closes every flow. Answers the source's complaint.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), String> {
        let mut stop_asked = None;
        let mut idle = false;
        let outcome = loop {
            if stop.load(Ordering::Relaxed) {
                let waited = stop_asked.get_or_insert_with(Instant::now).elapsed();
                let drained = (idle && waited >= STOP_GRACE) || waited >= STOP_LIMIT;
                if drained || self.source.pressure() == Pressure::Lossless {
                    break Ok(());
                }
            }
            let mut burst = Burst::new();
            let received = self.source.receive(&mut burst);
            let busy = !burst.is_empty();
            self.lane.burst(&burst);
            drop(burst);
            self.source.release(self.lane.strays());
            idle = received == Received::Idle;
            match received {
                Received::Packets => {
                    if self.lane.housekeeping() {
                        self.lane.source_statistics(self.source.statistics());
                    }
                }
                Received::Idle => {
                    if let Some(time_ns) = self.source.wall_ns() {
                        self.lane.advance_clock(time_ns);
                    }
                    self.lane.idle(busy);
                    self.lane.source_statistics(self.source.statistics());
                }
                Received::End => break Ok(()),
                Received::Failed(sentence) => {
                    // A file's other workers read it up to there themselves; live ones have nothing to wait for.
                    if self.source.pressure() == Pressure::Live {
                        stop.store(true, Ordering::Relaxed);
                    }
                    break Err(sentence);
                }
            }
        };
        self.lane.source_statistics(self.source.statistics());
        self.lane.finish_exchange();
        self.lane.finish();
        outcome
    }
}

impl Lane {
    /// The stages of a burst.
    fn burst(&mut self, burst: &Burst<'_>) {
        let mut looks = self.begin_burst();
        self.take_datagrams();

        // Decode all, then find all: the waits for the memory of a burst's flows overlap.
        for (place, (packet, look)) in burst.iter().zip(&mut looks).enumerate() {
            burst.get(place + AHEAD).iter().for_each(|later| prefetch_bytes(later.data));
            look.goes_on = self.look(packet, place, look);
        }
        let looks_here = &mut looks[..burst.len()];
        looks_here.iter_mut().for_each(|look| self.prefetch_flow(look));
        for (place, packet) in burst.iter().enumerate() {
            looks_here[place..].get(AHEAD).iter().for_each(|look| self.prefetch_connection(look));
            if looks_here[place].goes_on {
                self.packet(packet, &looks_here[place]);
            }
        }
        self.end_burst(looks);
    }

    /// One packet whose home is here.
    fn packet(&mut self, packet: &Packet<'_>, look: &Look) {
        self.clock(packet.time_ns);

        // Fragments wait for their datagram, which then goes on as one packet.
        if let Transport::Fragment(fragment) = look.decoded.transport {
            let Some((datagram, whole)) = self.assemble(packet, look, &fragment) else { return };
            let Some(flow) = self.flow(&whole, &datagram.span) else { return };
            self.payload(flow, &whole, &datagram.payload(&whole), datagram.span.time_ns);
            return self.give_back(datagram);
        }

        // The flow: found or made, older reports of it published, this packet counted.
        let Some(flow) = self.flow(look, &Lane::span(packet)) else { return };

        // The payload: in order to the parser of the flow's protocol, which publishes events as it goes.
        match Lane::payload_in_place(packet, look) {
            Some(payload) => self.payload(flow, look, &payload, packet.time_ns),
            None => {
                let frame = self.joined(packet);
                self.payload(flow, look, &frame.payload(look), packet.time_ns);
                self.give_back(frame);
            }
        }
    }
}
