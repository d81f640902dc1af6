// SPDX-License-Identifier: Apache-2.0
//! Captures as lists of frames, read from and written to pcap files, and the changes that tests make to them.
//!
//! Limits: classic pcap files; the changes know Ethernet with IPv4 and IPv6 without options in between.

use std::net::IpAddr;
use std::path::Path;

use fastrand::Rng;

/// Frames of one link type.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// Number of the link type in pcap files; 1 is Ethernet.
    pub link: u32,
    pub frames: Vec<Frame>,
}

#[derive(Clone, Debug)]
pub struct Frame {
    pub time_ns: i64,
    pub data: Vec<u8>,
    /// Length on the wire.
    pub wire_length: u32,
}

/// Why two files are written: the library and the program read both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Microseconds,
    Nanoseconds,
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
pub const ETHERNET: u32 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// A network delays a segment by so much at most.
const MAX_DELAY_NS: i64 = 500_000_000;

impl Capture {
    /// Reads a pcap file of either byte order. None for other formats and for files that end early.
    pub fn read(path: &Path) -> Option<Capture> {
        let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let head: [u8; 4] = file.get(..4)?.try_into().ok()?;
        let known = |magic: u32| magic == MICROSECONDS || magic == NANOSECONDS;
        let big = !known(u32::from_le_bytes(head));
        let word = |at: usize| -> Option<u32> {
            let bytes = file.get(at..at + 4)?.try_into().ok()?;
            Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let magic = word(0).filter(|magic| known(*magic))?;
        let unit_ns = if magic == NANOSECONDS { 1 } else { 1_000 };
        let mut capture = Capture { link: word(20)? & 0xffff, frames: Vec::new() };
        let mut position = 24;
        while position < file.len() {
            let length = word(position + 8)? as usize;
            capture.frames.push(Frame {
                time_ns: i64::from(word(position)?) * 1_000_000_000 + i64::from(word(position + 4)?) * unit_ns,
                data: file.get(position + 16..position + 16 + length)?.to_vec(),
                wire_length: word(position + 12)?,
            });
            position += 16 + length;
        }
        Some(capture)
    }

    pub fn write(&self, path: &Path, unit: Unit) {
        let (magic, unit_ns) = match unit {
            Unit::Microseconds => (MICROSECONDS, 1_000),
            Unit::Nanoseconds => (NANOSECONDS, 1),
        };
        let mut file = Vec::new();
        for word in [magic, 0x0004_0002, 0, 0, 262_144, self.link] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        for frame in &self.frames {
            let (seconds, rest) = (frame.time_ns / 1_000_000_000, frame.time_ns % 1_000_000_000 / unit_ns);
            for word in [seconds as u32, rest as u32, frame.data.len() as u32, frame.wire_length] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(&frame.data);
        }
        std::fs::write(path, file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    pub fn is_ethernet(&self) -> bool {
        self.link == ETHERNET
    }

    /// Whether TCP is all that is in it.
    pub fn is_tcp(&self) -> bool {
        self.frames.iter().all(|frame| frame.segment().is_some())
    }

    /// Cuts every frame to a length.
    pub fn snapped(&self, bytes: usize) -> Capture {
        let mut cut = self.clone();
        cut.frames.iter_mut().for_each(|frame| frame.data.truncate(bytes));
        cut
    }

    /// TCP payloads cut anew at random places.
    pub fn resegmented(&self, random: &mut Rng) -> Capture {
        let mut frames = Vec::new();
        for frame in &self.frames {
            let Some(segment) = frame.segment().filter(|segment| segment.payload > 1 && frame.is_whole()) else {
                frames.push(frame.clone());
                continue;
            };
            let mut start = 0;
            while start < segment.payload {
                let left = segment.payload - start;
                let length = if random.u8(..) < 64 { left } else { random.usize(1..=left.min(700)) };
                frames.push(frame.part(&segment, start..start + length));
                start += length;
            }
        }
        Capture { link: self.link, frames }
    }

    /// Segments of one direction of a connection exchanged within `window`, as long as the other end says nothing between
    /// them: what a network can do, but not to the handshake or to a reset. The first segment of a direction whose handshake
    /// is not in the capture stays where it is: what comes after it cannot be told from what came before. Nothing comes later
    /// than [`MAX_DELAY_NS`]: what the other end acknowledged long before is a hole for the streams.
    pub fn reordered(&self, random: &mut Rng, window: usize) -> Capture {
        let mut runs: Vec<(Ends, Vec<usize>)> = Vec::new();
        let mut begun: Vec<Ends> = Vec::new();
        let is_soon = |first: usize, place: usize| {
            self.frames[place].time_ns.saturating_sub(self.frames[first].time_ns) <= MAX_DELAY_NS
        };
        for (place, frame) in self.frames.iter().enumerate() {
            let Some(segment) = frame.segment() else { continue };
            let ends = frame.ends();
            let first = !begun.contains(&ends);
            if first {
                begun.push(ends.clone());
            }
            let data = segment.payload > 0 && segment.flags & (SYN | RST) == 0 && !first;
            if segment.payload == 0 && segment.flags & (SYN | RST | FIN) == 0 {
                continue;
            }
            match runs.iter_mut().rev().find(|run| run.0 == ends || run.0 == ends.swapped()) {
                Some(run) if run.0 == ends && data && run.1.first().is_some_and(|first| is_soon(*first, place)) => {
                    run.1.push(place);
                }
                _ => runs.push((ends, if data { vec![place] } else { Vec::new() })),
            }
        }
        let mut result = self.clone();
        for (_, places) in runs {
            // A key of place plus at most the window less one moves nothing further than the window.
            let mut order: Vec<(usize, usize)> =
                (0..places.len()).map(|index| (index + random.usize(0..window), index)).collect();
            order.sort_unstable();
            for (to, (_, from)) in order.into_iter().enumerate() {
                let (to, from) = (places[to], places[from]);
                result.frames[to].data = self.frames[from].data.clone();
                result.frames[to].wire_length = self.frames[from].wire_length;
            }
        }
        result
    }

    /// About a third of the answers come before what they answer, as when the directions of a connection come by different
    /// ways. Frames that open or end a connection, and those that say nothing, stay; so do connections whose opening is missing.
    pub fn crossed(&self, random: &mut Rng) -> Capture {
        let mut result = self.clone();
        let mut last: Vec<(Ends, usize)> = Vec::new();
        let mut opened: Vec<Ends> = Vec::new();
        for (place, frame) in self.frames.iter().enumerate() {
            let Some(segment) = frame.segment() else { continue };
            let ends = frame.ends();
            let known = last.iter().position(|(other, _)| *other == ends || *other == ends.swapped());
            if segment.flags & SYN != 0 {
                opened.push(ends.clone());
            }
            let both = opened.contains(&ends) && opened.contains(&ends.swapped());
            let movable = both && segment.payload > 0 && segment.flags & (SYN | FIN | RST) == 0;
            let mut crosses = false;
            if let Some(known) = known {
                let (other, before) = last.remove(known);
                crosses = movable && other == ends.swapped() && random.u8(..) < 85;
                if crosses {
                    result.frames[before].data = frame.data.clone();
                    result.frames[before].wire_length = frame.wire_length;
                    result.frames[place].data = self.frames[before].data.clone();
                    result.frames[place].wire_length = self.frames[before].wire_length;
                }
            }
            if movable && !crosses {
                last.push((ends, place));
            }
        }
        result
    }

    /// About a third of the TCP segments come twice, at once or a little later.
    pub fn duplicated(&self, random: &mut Rng) -> Capture {
        let mut keyed: Vec<(usize, usize, &Frame)> = Vec::new();
        for (place, frame) in self.frames.iter().enumerate() {
            keyed.push((place, 0, frame));
            if frame.segment().is_some() && random.u8(..) < 85 {
                keyed.push((place + random.usize(0..4), 1, frame));
            }
        }
        keyed.sort_by_key(|(place, repeated, _)| (*place, *repeated));
        let mut frames: Vec<Frame> = keyed.iter().map(|(_, _, frame)| (*frame).clone()).collect();
        let mut latest = i64::MIN;
        for frame in &mut frames {
            latest = latest.max(frame.time_ns);
            frame.time_ns = latest;
        }
        Capture { link: self.link, frames }
    }

    /// Ethernet frames with tags between the addresses and the type.
    pub fn tagged(&self, tags: &[[u8; 4]]) -> Capture {
        let mut result = self.clone();
        for frame in &mut result.frames {
            let place = frame.data.len().min(12);
            frame.data.splice(place..place, tags.concat());
            frame.wire_length += 4 * tags.len() as u32;
        }
        result
    }

    /// Every address of another capture's packets beside the one of the same packet here, as texts, longer ones first.
    pub fn renamed(&self, other: &Capture) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (own, other) in self.frames.iter().zip(&other.frames) {
            for (own, other) in own.addresses().into_iter().zip(other.addresses()) {
                let pair = (other.to_string(), own.to_string());
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
        pairs.sort_by_key(|(other, _)| std::cmp::Reverse(other.len()));
        pairs
    }

    /// IP addresses changed by a rule that keeps equal ones equal.
    pub fn readdressed(&self, change: impl Fn(&mut [u8])) -> Capture {
        let mut result = self.clone();
        for frame in &mut result.frames {
            let places = match frame.ether_type() {
                IPV4 => [26..30, 30..34],
                IPV6 => [22..38, 38..54],
                _ => continue,
            };
            for place in places {
                if let Some(address) = frame.data.get_mut(place) {
                    change(address);
                }
            }
        }
        result
    }

    /// IPv4 packets without options as IPv6 packets; an address a.b.c.d becomes 2001:db8:64::a.b.c.d. None when there are
    /// packets with options, ICMP, or other than whole ones.
    pub fn as_ipv6(&self) -> Option<Capture> {
        let mut result = self.clone();
        for frame in &mut result.frames {
            if frame.ether_type() != IPV4 {
                continue;
            }
            let data = &frame.data;
            let header: &[u8; 20] = data.get(14..34)?.try_into().ok()?;
            let protocol = header[9];
            let fragment = u16::from_be_bytes([header[6], header[7]]);
            let length = usize::from(u16::from_be_bytes([header[2], header[3]])).checked_sub(20)?;
            let payload = data.get(34..34 + length)?;
            if header[0] != 0x45 || protocol != TCP && protocol != UDP || fragment & 0x3fff != 0 {
                return None;
            }
            let mut moved = data[..12].to_vec();
            moved.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
            moved.extend_from_slice(&(length as u16).to_be_bytes());
            moved.extend_from_slice(&[protocol, header[8]]);
            for address in [&header[12..16], &header[16..20]] {
                moved.extend_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0]);
                moved.extend_from_slice(address);
            }
            moved.extend_from_slice(payload);
            frame.wire_length = moved.len() as u32;
            frame.data = moved;
        }
        Some(result)
    }

    /// Another's frames among these, by time from the first of each.
    pub fn merged(mut self, other: &Capture) -> Capture {
        let first = self.frames.first().map_or(0, |frame| frame.time_ns);
        let other_first = other.frames.first().map_or(0, |frame| frame.time_ns);
        self.frames.extend(
            other.frames.iter().map(|frame| Frame { time_ns: frame.time_ns - other_first + first, ..frame.clone() }),
        );
        self.frames.sort_by_key(|frame| frame.time_ns);
        self
    }
}

pub const IPV4: u16 = 0x0800;
pub const IPV6: u16 = 0x86dd;
pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
const PSH: u8 = 8;

/// Where things of a TCP segment are in its frame.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Offset of the TCP header.
    pub tcp: usize,
    /// Offset of the payload.
    pub start: usize,
    /// Payload bytes.
    pub payload: usize,
    pub sequence: u32,
    pub flags: u8,
}

/// Addresses and ports of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    source: (Vec<u8>, [u8; 2]),
    destination: (Vec<u8>, [u8; 2]),
}

impl Ends {
    /// Ports of the sender and of the receiver.
    pub fn ports(&self) -> [u16; 2] {
        [self.source.1, self.destination.1].map(u16::from_be_bytes)
    }

    pub fn swapped(&self) -> Ends {
        Ends { source: self.destination.clone(), destination: self.source.clone() }
    }
}

impl Frame {
    pub fn ether_type(&self) -> u16 {
        self.data.get(12..14).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub fn is_whole(&self) -> bool {
        self.data.len() == self.wire_length as usize
    }

    /// Source and destination of an IP packet.
    fn addresses(&self) -> Vec<IpAddr> {
        let (places, length) = match self.ether_type() {
            IPV4 => ([26, 30], 4),
            IPV6 => ([22, 38], 16),
            _ => return Vec::new(),
        };
        let addresses = places.iter().filter_map(|place| self.data.get(*place..place + length));
        addresses
            .map(|bytes| match <[u8; 4]>::try_from(bytes) {
                Ok(bytes) => IpAddr::from(bytes),
                Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).expect("16 bytes")),
            })
            .collect()
    }

    /// The TCP segment of an Ethernet frame that is no fragment.
    pub fn segment(&self) -> Option<Segment> {
        let data = &self.data;
        let (tcp, end) = match self.ether_type() {
            IPV4 => {
                let header = data.get(14..34)?;
                let fragment = u16::from_be_bytes([header[6], header[7]]);
                if header[9] != TCP || fragment & 0x3fff != 0 {
                    return None;
                }
                let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
                (14 + usize::from(header[0] & 15) * 4, 14 + total)
            }
            IPV6 => {
                let header = data.get(14..54)?;
                if header[6] != TCP {
                    return None;
                }
                (54, 54 + usize::from(u16::from_be_bytes([header[4], header[5]])))
            }
            _ => return None,
        };
        let header = data.get(tcp..tcp + 20)?;
        let start = tcp + usize::from(header[12] >> 4) * 4;
        let payload = end.min(data.len()).checked_sub(start)?;
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        Some(Segment { tcp, start, payload, sequence, flags: header[13] })
    }

    pub fn ends(&self) -> Ends {
        let segment = self.segment().expect("the caller has a segment");
        let (source, destination) = match self.ether_type() {
            IPV4 => (26..30, 30..34),
            _ => (22..38, 38..54),
        };
        let port = |at: usize| [self.data[at], self.data[at + 1]];
        Ends {
            source: (self.data[source].to_vec(), port(segment.tcp)),
            destination: (self.data[destination].to_vec(), port(segment.tcp + 2)),
        }
    }

    /// A segment with a part of this one's payload.
    pub fn part(&self, segment: &Segment, range: std::ops::Range<usize>) -> Frame {
        let mut data = self.data[..segment.start].to_vec();
        data.extend_from_slice(&self.data[segment.start + range.start..segment.start + range.end]);
        let tcp = segment.tcp;
        let mut sequence = segment.sequence.wrapping_add(range.start as u32);
        if segment.flags & SYN != 0 && range.start > 0 {
            sequence = sequence.wrapping_add(1);
            data[tcp + 13] &= !SYN;
        }
        data[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        if range.end < segment.payload {
            data[tcp + 13] &= !(FIN | PSH);
        }
        let (place, length) = match self.ether_type() {
            IPV4 => (16, data.len() - 14),
            _ => (18, data.len() - 54),
        };
        data[place..place + 2].copy_from_slice(&(length as u16).to_be_bytes());
        Frame { time_ns: self.time_ns, wire_length: data.len() as u32, data }
    }
}
