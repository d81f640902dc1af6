// SPDX-License-Identifier: Apache-2.0
//! Where packets come from: one trait, a burst at a time. The pipeline is generic over it.

pub mod af_packet;
pub mod bpf;
pub mod dpdk;
pub mod dump;
mod enter;
pub mod fallback;
pub mod file;
pub mod filter;
pub mod follow;
pub mod handover;
pub mod pcap;
pub mod placement;

use arrayvec::ArrayVec;

use crate::wire::LinkType;
pub use placement::Placement;

/// Packets that are received, decoded and looked up together.
pub const BURST: usize = 32;

/// One packet, where its source keeps it.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    /// The frame, or its first part.
    pub data: &'a [u8],
    /// Further parts of a frame in several buffers.
    pub more: &'a [&'a [u8]],
    /// Length on the wire, in bytes, which the capture may have cut.
    pub wire_length: u32,
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    pub link: LinkType,
    pub origin: Origin,
}

/// How a packet came to its worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// From the source itself.
    #[default]
    Source,
    /// From another worker, as a stray: it stays here.
    Worker,
}

pub type Burst<'a> = ArrayVec<Packet<'a>, BURST>;

/// What a call of [`Source::receive`] brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Something, or nothing yet: call again at once.
    Packets,
    /// Nothing: the source has none now.
    Idle,
    /// Nothing more will come.
    End,
    /// The source broke; a sentence.
    Failed(String),
}

/// Which packets a source gives a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Every packet, to every worker: each analyses and counts those whose home it is.
    Everything,
    /// The packets of its own queue: those of another home are handed over.
    Queue,
}

/// Whether a source can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// It pauses while the sink is slow, and ends when all its packets are done.
    Lossless,
    /// It never waits: events are dropped by name.
    Live,
}

/// A packet of the last burst that another worker must analyse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its place in the burst.
    pub place: u8,
    pub home: u16,
}

/// What the kernel or the NIC says it could not give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStatistics {
    /// Packets that the NIC or the kernel dropped because nobody took them in time.
    pub missed: u64,
    /// Packets that arrived broken.
    pub errors: u64,
    /// Packets lost because no buffer was free.
    pub no_buffer: u64,
    /// Packets that a filter of the source rejected after they were received.
    pub filtered: u64,
    /// Strays that were lost because the ring to their home was full.
    pub handover_lost: u64,
}

/// The packets of one worker.
pub trait Source {
    /// Called once on the worker's thread, which keeps the answer until the source is dropped.
    fn enter(&mut self) -> Result<Box<dyn std::any::Any>, String> {
        Ok(Box::new(()))
    }

    /// The wall clock of a live source, for when nothing comes: nothing older comes any more. None: time only comes with
    /// packets.
    fn wall_ns(&mut self) -> Option<i64> {
        None
    }

    /// Adds packets to an empty burst; they live until [`Source::release`].
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received;

    /// The burst is done: gives its buffers back, those of strays to their homes.
    fn release(&mut self, strays: &[Stray]);

    fn share(&self) -> Share;

    fn pressure(&self) -> Pressure;

    /// Which worker is the home of a flow. All sources of a group answer the same.
    fn placement(&self) -> Placement {
        Placement::KeyedHash
    }

    fn statistics(&mut self) -> SourceStatistics {
        SourceStatistics::default()
    }
}
