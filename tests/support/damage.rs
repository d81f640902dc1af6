// SPDX-License-Identifier: Apache-2.0
//! Captures taken apart into conversations, and the damage that tests do to them: bytes, segments and ends that a network or a
//! mirror changes, loses or invents.

use fastrand::Rng;
use wirebeat::flow::{FlowKey, Orientation};
use wirebeat::wire::{LinkType, decode};

use super::capture::{Capture, FIN, Frame, RST, SYN};

/// The end that sends, as the flow key orders them.
pub type Sender = Orientation;

impl Capture {
    /// The frames of each pair of ends, in the order of their first. What cannot be decoded is in none.
    pub fn conversations(&self) -> Vec<Capture> {
        let mut found: Vec<(FlowKey, Capture)> = Vec::new();
        for frame in &self.frames {
            let Some((key, _)) = self.key(frame) else { continue };
            let place = found.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
                found.push((key, Capture { link: self.link, frames: Vec::new() }));
                found.len() - 1
            });
            found[place].1.frames.push(frame.clone());
        }
        found.into_iter().map(|(_, conversation)| conversation).collect()
    }

    /// What one end of a conversation sends.
    pub fn only_from(&self, sender: Sender) -> Capture {
        let sends = |frame: &&Frame| self.key(frame).is_some_and(|(_, orientation)| orientation == sender);
        Capture { link: self.link, frames: self.frames.iter().filter(sends).cloned().collect() }
    }

    /// The place of the first frame of an end that carries something.
    pub fn first_from(&self, sender: Sender) -> Option<usize> {
        self.frames.iter().position(|frame| {
            let carries = !self.is_ethernet() || frame.segment().is_none_or(|segment| segment.payload > 0);
            carries && self.key(frame).is_some_and(|(_, orientation)| orientation == sender)
        })
    }

    /// Frames before a place, and so many bytes of the one there.
    pub fn ended_in(&self, place: usize, bytes: usize) -> Capture {
        let mut result = Capture { link: self.link, frames: self.frames[..=place].to_vec() };
        result.frames[place].data.truncate(bytes);
        result
    }

    pub fn begun_at(&self, place: usize) -> Capture {
        Capture { link: self.link, frames: self.frames[place..].to_vec() }
    }

    pub fn without(&self, place: usize) -> Capture {
        let mut result = self.clone();
        result.frames.remove(place);
        result
    }

    /// One byte of the payload of a TCP segment is lost, with all before or all behind it in their segments.
    pub fn holed(&self, place: usize, byte: usize) -> Capture {
        let frame = &self.frames[place];
        let segment = frame.segment().expect("the caller has a segment");
        let parts = [0..byte, byte + 1..segment.payload];
        let parts = parts.into_iter().filter(|part| !part.is_empty()).map(|part| frame.part(&segment, part));
        let mut result = self.clone();
        result.frames.splice(place..=place, parts);
        result
    }

    /// Behind a TCP segment its sender, or the other end, ends the connection with a FIN or a reset; the rest comes nevertheless.
    pub fn closed_behind(&self, place: usize, flag: u8, by_sender: bool) -> Option<Capture> {
        let ends = self.frames[place].ends();
        let ends = if by_sender { ends } else { ends.swapped() };
        let last =
            self.frames[..=place].iter().rev().find(|frame| frame.segment().is_some() && frame.ends() == ends)?;
        let segment = last.segment()?;
        let behind = segment.payload + usize::from(segment.flags & SYN != 0);
        let mut end = last.part(&segment, 0..0);
        let sequence = segment.sequence.wrapping_add(behind as u32);
        end.data[segment.tcp + 4..segment.tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        let flags = &mut end.data[segment.tcp + 13];
        *flags = *flags & !(SYN | FIN | RST) | flag;
        end.time_ns = self.frames[place].time_ns;
        let mut result = self.clone();
        result.frames.insert(place + 1, end);
        Some(result)
    }

    fn key(&self, frame: &Frame) -> Option<(FlowKey, Orientation)> {
        FlowKey::of(&decode(LinkType::from_dlt(self.link)?, &frame.data, frame.wire_length).ok()?)
    }

    /// A window of the capture with some frames changed, cut, left out, repeated, exchanged or moved in time.
    pub fn mutated(&self, random: &mut Rng) -> Capture {
        // A window, so that many mutations cost little and streams begin in their middle too.
        let length = random.usize(1..=self.frames.len().max(1)).min(120);
        let start = random.usize(..=self.frames.len().saturating_sub(length));
        let frames = self.frames.iter().skip(start).take(length).cloned().collect();
        let mut result = Capture { link: self.link, frames };
        for _ in 0..random.usize(1..=8) {
            if result.frames.is_empty() {
                break;
            }
            result.mutate(random);
        }
        result
    }

    fn mutate(&mut self, random: &mut Rng) {
        let place = random.usize(..self.frames.len());
        let other = random.usize(..self.frames.len());
        let frame = &mut self.frames[place];
        match random.u8(..9) {
            0..=2 => {
                for _ in 0..random.usize(1..=6) {
                    if !frame.data.is_empty() {
                        let at = random.usize(..frame.data.len());
                        frame.data[at] = interesting(random);
                    }
                }
            }
            3 => {
                // Headers and the beginning of the payload are where most is decided.
                let reach = frame.data.len().min(100);
                if reach > 14 {
                    let at = random.usize(14..reach);
                    frame.data[at] = interesting(random);
                }
            }
            4 => frame.data.truncate(random.usize(..=frame.data.len())),
            5 => frame.time_ns += random.i64(-100_000_000_000..100_000_000_000),
            6 => {
                self.frames.remove(place);
            }
            7 => {
                let copy = self.frames[place].clone();
                self.frames.insert(other, copy);
            }
            _ => self.frames.swap(place, other),
        }
    }
}

/// A byte that often is one at which something changes.
pub fn interesting(random: &mut Rng) -> u8 {
    match random.u8(..4) {
        0 => [0, 1, 0x7f, 0x80, 0xff, b'\r', b'\n', b' '][random.usize(..8)],
        _ => random.u8(..),
    }
}
