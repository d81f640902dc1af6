// SPDX-License-Identifier: Apache-2.0
//! Fragments on their way to a datagram, and datagrams on their way to the worker whose they are.

use super::{Assembled, EARLY_DATAGRAMS, EARLY_IDLE_TURNS, Lane, Look, PacketSpan};
use crate::capture::{Packet, Pressure, Share};
use crate::stream::fragments::{Datagram, Fragment, Outcome};
use crate::wire::{self, DropReason, FragmentInfo, Transport};

/// So often a datagram may be a fragment of a larger one: IP inside of IP, each in fragments.
const ROUNDS_MAXIMUM: usize = 4;

impl Lane {
    /// Takes a fragment in. Answers the datagram and its look when it is complete and its home is here.
    pub(in crate::pipeline) fn assemble(
        &mut self,
        packet: &Packet<'_>,
        look: &Look,
        info: &FragmentInfo,
    ) -> Option<(Assembled, Look)> {
        let counted = u64::from(self.home(&look.key, look.hash) == self.worker);
        let data = match packet.more.is_empty() && !look.joined {
            true => look.decoded.payload(packet.data),
            false => {
                self.join(packet);
                look.decoded.payload(&self.linear)
            }
        };
        let fragment = Fragment {
            offset_bytes: info.offset_bytes,
            more: info.more,
            data,
            packets: 1,
            frame_bytes: u64::from(packet.wire_length),
            time_ns: packet.time_ns,
            counted,
        };
        let mut bytes = std::mem::take(&mut self.assembled);
        let (outcome, given_up) = self.fragments.add(look.key, look.hash, &fragment, &mut bytes);
        let datagram = self.outcome(outcome, given_up, counted);
        self.go_on(bytes, datagram, *look, info.protocol, packet.time_ns)
    }

    /// A datagram that is a fragment itself: of a packet in a tunnel, whose outer packet came in fragments too.
    fn assemble_inner(&mut self, whole: Assembled, look: Look, info: &FragmentInfo) -> Option<(Assembled, Look)> {
        let time_ns = whole.span.time_ns;
        // Whoever put it together has counted its packets.
        let (datagram, bytes) = self.add_inner(whole, &look, info, 0);
        self.go_on(bytes, datagram, look, info.protocol, time_ns)
    }

    /// Goes on with a datagram when it is complete, through further fragments inside of it.
    fn go_on(
        &mut self,
        mut bytes: Vec<u8>,
        mut datagram: Option<Datagram>,
        mut look: Look,
        mut protocol: u8,
        time_ns: i64,
    ) -> Option<(Assembled, Look)> {
        let mut rounds = 0;
        while let Some(complete) = datagram {
            rounds += 1;
            let mut decoded = look.decoded;
            let tunneling = &self.settings.tunneling;
            let looked = match wire::decode_transport(tunneling, &mut decoded, protocol, &bytes) {
                Ok(()) if rounds > ROUNDS_MAXIMUM => Err(DropReason::NestingTooDeep),
                Ok(()) => Ok(self.key(&decoded)),
                Err(reason) => Err(reason),
            };
            let (key, orientation) = match looked {
                Ok(Some(found)) => found,
                Ok(None) => {
                    self.counters.dropped_no_address += complete.counted;
                    break;
                }
                Err(reason) => {
                    self.counters.dropped.0[reason.index()] += complete.counted;
                    break;
                }
            };
            let hash = self.table.hash(&key);
            let home = self.home(&key, hash);
            let span = PacketSpan { packets: complete.packets, bytes: complete.frame_bytes, time_ns };
            let is_here = home == self.worker;
            let whole = Assembled { bytes, span };
            look = Look { decoded, key, hash, orientation, ..Look::NOTHING };
            match decoded.transport {
                Transport::Fragment(info) if is_here || self.share == Share::Everything => {
                    (datagram, bytes) = self.add_inner(whole, &look, &info, complete.counted);
                    protocol = info.protocol;
                    continue;
                }
                _ => {}
            }
            self.counters.analysed += complete.counted;
            match self.share {
                _ if is_here => {
                    self.counters.datagrams_reassembled += 1;
                    return Some((whole, look));
                }
                // Every worker puts every datagram together; its home goes on with it.
                Share::Everything => self.give_back(whole),
                Share::Queue => self.send_home(home, whole, look),
            }
            return None;
        }
        self.assembled = bytes;
        None
    }

    /// Takes in a fragment that is in a datagram. Answers the larger datagram when it is complete, and a buffer.
    fn add_inner(
        &mut self,
        whole: Assembled,
        look: &Look,
        info: &FragmentInfo,
        counted: u64,
    ) -> (Option<Datagram>, Vec<u8>) {
        let fragment = Fragment {
            offset_bytes: info.offset_bytes,
            more: info.more,
            data: look.decoded.payload(&whole.bytes),
            packets: whole.span.packets,
            frame_bytes: whole.span.bytes,
            time_ns: whole.span.time_ns,
            counted,
        };
        let mut bytes = std::mem::take(&mut self.assembled_inner);
        let (outcome, given_up) = self.fragments.add(look.key, look.hash, &fragment, &mut bytes);
        let datagram = self.outcome(outcome, given_up, counted);
        self.assembled_inner = whole.bytes;
        (datagram, bytes)
    }

    /// Counts what is lost.
    fn outcome(&mut self, outcome: Outcome, given_up: u64, counted: u64) -> Option<Datagram> {
        self.counters.dropped_fragment_timeout += given_up;
        match outcome {
            Outcome::Complete(datagram) => Some(datagram),
            Outcome::Refused => {
                self.counters.dropped_fragment_limit += counted;
                None
            }
            Outcome::Kept | Outcome::Repeated => None,
        }
    }

    /// Gives a datagram to the worker whose it is.
    fn send_home(&mut self, home: u16, datagram: Assembled, whole: Look) {
        let mut refused = self.exchange.give(home, Box::new((datagram, whole)));
        while let Err(datagram) = refused {
            match self.pressure {
                Pressure::Live => {
                    self.counters.datagrams_lost += 1;
                    return self.give_back(datagram.0);
                }
                Pressure::Lossless => {
                    // The other one may wait for room here.
                    self.take_datagrams();
                    std::thread::yield_now();
                    refused = self.exchange.give(home, datagram);
                }
            }
        }
    }

    /// Goes on with the datagrams that other workers put together for this one. A datagram that is later than what this
    /// worker has received waits, because the query that it answers may still be on its way here.
    pub(in crate::pipeline) fn take_datagrams(&mut self) {
        while let Some(datagram) = self.exchange.take(self.worker).map(|datagram| *datagram) {
            if self.early.is_empty() {
                self.idle_turns = 0;
            }
            self.early.push(datagram);
        }
        if !self.early.is_empty() {
            let patient = self.idle_turns < EARLY_IDLE_TURNS && self.early.len() < EARLY_DATAGRAMS;
            self.finish_datagrams(if patient { self.now_ns } else { i64::MAX });
        }
    }

    fn finish_datagrams(&mut self, until_ns: i64) {
        let mut early = std::mem::take(&mut self.early);
        early.sort_by_key(|(datagram, _)| datagram.span.time_ns);
        let due = early.partition_point(|(datagram, _)| datagram.span.time_ns <= until_ns);
        for (datagram, whole) in early.drain(..due) {
            self.clock(datagram.span.time_ns);
            let complete = match whole.decoded.transport {
                Transport::Fragment(info) => self.assemble_inner(datagram, whole, &info),
                _ => {
                    self.counters.datagrams_reassembled += 1;
                    Some((datagram, whole))
                }
            };
            let Some((datagram, whole)) = complete else { continue };
            if let Some(flow) = self.flow(&whole, &datagram.span) {
                self.payload(flow, &whole, &datagram.payload(&whole), datagram.span.time_ns);
            }
        }
        self.early = early;
    }

    /// This worker receives no more: finishes what others still put together for it.
    pub(in crate::pipeline) fn finish_exchange(&mut self) {
        self.exchange.end(self.now_ns);
        while self.share == Share::Queue && !self.exchange.is_over() {
            self.take_datagrams();
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        self.take_datagrams();
        self.finish_datagrams(i64::MAX);
        // What is due at the end does not depend on which worker had the last packet.
        self.clock(self.exchange.latest_ns());
    }
}
