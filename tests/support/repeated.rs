// SPDX-License-Identifier: Apache-2.0
//! A capture as a source that goes on: pass after pass, each with fresh addresses and later times.

use wirebeat::capture::{BURST, Burst, Origin, Packet, Pressure, Received, Share, Source, Stray};
use wirebeat::pipeline::publisher::ChunkRings;
use wirebeat::wire::LinkType;

use super::capture::{Capture, Frame, IPV4, IPV6};

/// Where the source is. Passes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Begins(u64),
    Ends(u64),
}

/// Gives a capture's frames so many times, and takes the events out of the rings as an I/O core would.
pub struct Repeated<'c, F: FnMut(Turn)> {
    capture: &'c Capture,
    frames: Vec<Frame>,
    link: LinkType,
    next: usize,
    pass: u64,
    passes: u64,
    /// How much later a pass is than the one before.
    later_ns: i64,
    rings: ChunkRings,
    turn: F,
}

impl<F: FnMut(Turn)> Repeated<'_, F> {
    pub fn new(capture: &Capture, passes: u64, later_ns: i64, rings: ChunkRings, turn: F) -> Repeated<'_, F> {
        Repeated {
            frames: capture.frames.clone(),
            link: LinkType::from_dlt(capture.link).expect("a known link type"),
            capture,
            next: capture.frames.len(),
            pass: 0,
            passes,
            later_ns,
            rings,
            turn,
        }
    }

    /// Fresh addresses and later times, in place.
    fn begin_pass(&mut self) {
        self.pass += 1;
        self.next = 0;
        for (frame, original) in self.frames.iter_mut().zip(&self.capture.frames) {
            frame.time_ns = original.time_ns + self.later_ns * self.pass as i64;
            // The second and third byte of an IPv4 address, the third and fourth of an IPv6 address.
            let places: [usize; 2] = match original.ether_type() {
                IPV4 => [27, 31],
                IPV6 => [24, 40],
                _ => continue,
            };
            let number = (self.pass as u16).to_be_bytes();
            for place in places.into_iter().flat_map(|place| [(place, 0), (place + 1, 1)]) {
                if let (Some(byte), Some(before)) = (frame.data.get_mut(place.0), original.data.get(place.0)) {
                    *byte = before ^ number[place.1];
                }
            }
        }
    }
}

impl<F: FnMut(Turn)> Source for Repeated<'_, F> {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        while let Some(mut chunk) = self.rings.full.pop() {
            chunk.clear();
            let _ = self.rings.empty.push(chunk);
        }
        if self.next == self.frames.len() {
            (self.turn)(Turn::Ends(self.pass));
            if self.pass == self.passes {
                return Received::End;
            }
            self.begin_pass();
            (self.turn)(Turn::Begins(self.pass));
        }
        let frames = &self.frames[self.next..];
        let frames = &frames[..frames.len().min(BURST)];
        self.next += frames.len();
        for frame in frames {
            burst.push(Packet {
                data: &frame.data,
                more: &[],
                wire_length: frame.wire_length,
                time_ns: frame.time_ns,
                link: self.link,
                origin: Origin::Source,
            });
        }
        Received::Packets
    }

    fn release(&mut self, _strays: &[Stray]) {}

    fn share(&self) -> Share {
        Share::Everything
    }

    fn pressure(&self) -> Pressure {
        Pressure::Lossless
    }
}
