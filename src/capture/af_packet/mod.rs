// SPDX-License-Identifier: Apache-2.0
//! Live capture through packet sockets of the Linux kernel (packet(7)): one socket and ring for each worker, in a fan-out
//! group. Packets are analysed where the kernel put them.
//!
//! Limits: frames of devices that are neither Ethernet nor loopback are taken from their network header on. IPv4 fragments
//! are left as they are, unless the fan-out group is shared with other processes.

mod ring;
mod socket;
mod steering;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bpf::Program;
use super::handover::{Desk, Handed};
use super::placement::SumHash;
use super::{BURST, Burst, Origin, Packet, Placement, Pressure, Received, Share, Source, SourceStatistics, Stray};
use ring::{BLOCK_BYTES, Frame, Frames, Ring};
use socket::Socket;

/// What is said when the kernel does not let us.
pub const NO_PERMISSION: &str =
    "no permission to capture packets: run as root, or give the program CAP_NET_RAW (`setcap cap_net_raw+ep`)";

/// How a group of sockets is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the interface; `any` is all of them.
    pub device: String,
    pub workers: u16,
    /// Of all rings together.
    pub buffer_bytes: usize,
    /// Bytes taken of each packet.
    pub snap_bytes: u32,
    pub promiscuous: bool,
    /// Which packets are taken.
    pub filter: Program,
    /// A fan-out group that other processes are in too.
    pub group: Option<u16>,
    /// Random numbers of this process.
    pub random: [u32; 6],
}

/// The packets of one worker's socket.
pub struct AfPacketSource {
    socket: Socket,
    ring: Ring,
    /// The block that is read, and its frames that are still to come.
    block: usize,
    frames: Frames,
    holds_block: bool,
    /// Frames of the last burst, behind `handed`.
    lent: ArrayVec<Frame, BURST>,
    /// Packets of other workers in the last burst.
    handed: Vec<Handed>,
    desk: Option<Desk>,
    placement: Placement,
    missed: u64,
    device: String,
}

/// Opens the sockets of all workers of an interface. The error is a sentence.
pub fn open(options: &Options) -> Result<Vec<AfPacketSource>, String> {
    let workers = options.workers.max(1);
    let blocks = (options.buffer_bytes / usize::from(workers) / BLOCK_BYTES).max(MIN_BLOCKS);
    let (mode, placement) = match options.group {
        // As Packetbeat does, so that both can share a group.
        Some(_) => (libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG << 8, Placement::AsItCame),
        None => (libc::PACKET_FANOUT_CBPF, Placement::Sums(SumHash::new(options.random))),
    };
    let mut sources: Vec<AfPacketSource> = Vec::new();
    let desks = match (workers > 1, options.group) {
        (true, None) => Desk::group(workers).map_err(|error| format!("the workers cannot wake each other: {error}"))?,
        _ => Vec::new(),
    };
    let mut desks = desks.into_iter();
    let mut own_group = None;
    let interface = match options.device.as_str() {
        ANY => None,
        name => Some(socket::interface_number(name).ok_or_else(|| format!("there is no interface {name:?}"))?),
    };
    for _ in 0..workers {
        let (socket, ring) = Socket::open(blocks)?;
        socket.bind(interface.unwrap_or(0))?;
        if let Some(interface) = interface.filter(|_| options.promiscuous) {
            socket.promiscuous(interface)?;
        }
        match (options.group, own_group) {
            (Some(group), _) | (None, Some(group)) => socket.join(group, mode)?,
            (None, None) if workers == 1 => {}
            (None, None) => {
                socket.join(0, mode | libc::PACKET_FANOUT_FLAG_UNIQUEID)?;
                own_group = Some(socket.group()?);
                if let Placement::Sums(sums) = &placement {
                    let program = steering::program(sums).ok_or("the fan-out program could not be built")?;
                    socket.steer(&program)?;
                }
            }
        }
        sources.push(AfPacketSource {
            socket,
            ring,
            block: 0,
            frames: Frames::default(),
            holds_block: false,
            lent: ArrayVec::new(),
            handed: Vec::with_capacity(BURST),
            desk: desks.next(),
            placement,
            missed: 0,
            device: options.device.clone(),
        });
    }
    let filter = options.filter.clone().cut(options.snap_bytes);
    for source in &sources {
        source.socket.filter(&filter)?;
    }
    Ok(sources)
}

/// All interfaces.
pub const ANY: &str = "any";
/// A ring of fewer could lose packets while one block is read.
const MIN_BLOCKS: usize = 4;
/// Longest sleep without a packet: a request to stop is seen after it.
const SLEEP: Duration = Duration::from_millis(50);
/// A packet is read this long after its time at the latest, unless it came from a worker that is behind.
const DELAY: Duration = Duration::from_millis(200);

impl AfPacketSource {
    /// Takes frames of the current block, or of the next that is ready. None: no block is ready.
    fn take_frames(&mut self, limit: usize) -> Option<()> {
        if !self.holds_block {
            if !self.ring.is_ready(self.block) {
                return None;
            }
            self.holds_block = true;
            self.frames = Frames::of(self.ring.block(self.block));
        }
        let block = self.ring.block_mut(self.block);
        while self.lent.len() < limit {
            let Some(frame) = self.frames.next(block) else { break };
            self.lent.push(frame);
        }
        Some(())
    }

    /// Sleeps until the socket or another worker has something, a while at most.
    fn wait(&mut self) -> Received {
        if self.desk.as_mut().is_some_and(|desk| !desk.falls_asleep()) {
            return Received::Packets;
        }
        let flags = {
            let bell = self.desk.as_ref().map(Desk::bell);
            let socket = self.socket.as_fd();
            let wanted = PollFlags::IN | PollFlags::ERR;
            let mut awaited = ArrayVec::<PollFd<'_>, 2>::new();
            awaited.push(PollFd::new(&socket, wanted));
            if let Some(bell) = &bell {
                awaited.push(PollFd::new(bell, PollFlags::IN));
            }
            let longest = Timespec { tv_sec: 0, tv_nsec: SLEEP.as_nanos() as _ };
            match poll(&mut awaited, Some(&longest)) {
                Ok(_) => awaited[0].revents(),
                Err(_) => PollFlags::empty(),
            }
        };
        if let Some(desk) = &mut self.desk {
            desk.wakes_up();
        }
        if flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
            && let Err(sentence) = self.socket.check()
        {
            return Received::Failed(format!("{}: {sentence}", self.device));
        }
        Received::Idle
    }
}

impl Source for AfPacketSource {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        if let Some(desk) = &mut self.desk {
            // Half a burst at most: neither side can starve the other.
            desk.take(&mut self.handed, BURST / 2);
        }
        if self.take_frames(BURST - self.handed.len()).is_none() && self.handed.is_empty() {
            return self.wait();
        }
        burst.extend(self.handed.iter().map(Handed::packet));
        let block = self.ring.block(self.block);
        burst.extend(self.lent.iter().map(|frame| packet(block, frame)));
        Received::Packets
    }

    fn release(&mut self, strays: &[Stray]) {
        if let Some(desk) = &mut self.desk {
            let block = self.ring.block(self.block);
            for stray in strays {
                let place = usize::from(stray.place).checked_sub(self.handed.len());
                if let Some(frame) = place.and_then(|place| self.lent.get(place)) {
                    desk.send(stray.home, &packet(block, frame));
                }
            }
            self.handed.drain(..).for_each(|handed| desk.give_back(handed));
        }
        self.lent.clear();
        if self.holds_block && self.frames.is_empty() {
            self.ring.give_back(self.block);
            self.block = (self.block + 1) % self.ring.blocks();
            self.holds_block = false;
        }
    }

    fn share(&self) -> Share {
        Share::Queue
    }

    fn pressure(&self) -> Pressure {
        Pressure::Live
    }

    fn placement(&self) -> Placement {
        self.placement
    }

    fn wall_ns(&mut self) -> Option<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(now.saturating_sub(DELAY).as_nanos()).ok()
    }

    fn statistics(&mut self) -> SourceStatistics {
        self.missed += self.socket.drops();
        let handover_lost = self.desk.as_ref().map_or(0, Desk::lost);
        SourceStatistics { missed: self.missed, handover_lost, ..SourceStatistics::default() }
    }
}

fn packet<'a>(block: &'a [u8], frame: &Frame) -> Packet<'a> {
    Packet {
        data: block.get(frame.data.clone()).unwrap_or_default(),
        more: &[],
        wire_length: frame.wire_length,
        time_ns: frame.time_ns,
        link: frame.link,
        origin: Origin::Source,
    }
}
