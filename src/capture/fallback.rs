// SPDX-License-Identifier: Apache-2.0
//! The sources of a run that mixes kinds, behind one type. A run with one kind does without it.

use super::af_packet::AfPacketSource;
use super::file::FileSource;
use super::follow::Following;
use super::pcap::PcapSource;
use super::{Burst, Placement, Pressure, Received, Share, Source, SourceStatistics, Stray};

/// A source of any kind but DPDK.
pub enum AnySource {
    AfPacket(Box<AfPacketSource>),
    Pcap(Box<PcapSource>),
    File(Box<FileSource>),
    Following(Box<Following>),
}

macro_rules! each {
    ($source:expr, $name:ident => $call:expr) => {
        match $source {
            AnySource::AfPacket($name) => $call,
            AnySource::Pcap($name) => $call,
            AnySource::File($name) => $call,
            AnySource::Following($name) => $call,
        }
    };
}

impl Source for AnySource {
    fn enter(&mut self) -> Result<Box<dyn std::any::Any>, String> {
        each!(self, source => source.enter())
    }

    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        each!(self, source => source.receive(burst))
    }

    fn release(&mut self, strays: &[Stray]) {
        each!(self, source => source.release(strays));
    }

    fn share(&self) -> Share {
        each!(self, source => source.share())
    }

    fn pressure(&self) -> Pressure {
        each!(self, source => source.pressure())
    }

    fn placement(&self) -> Placement {
        each!(self, source => source.placement())
    }

    fn wall_ns(&mut self) -> Option<i64> {
        each!(self, source => source.wall_ns())
    }

    fn statistics(&mut self) -> SourceStatistics {
        each!(self, source => source.statistics())
    }
}
