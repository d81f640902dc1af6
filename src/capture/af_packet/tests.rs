// SPDX-License-Identifier: Apache-2.0

use super::ring::{Frame, Frames};
use crate::wire::LinkType;

/// A block as the kernel writes it.
struct Block {
    bytes: Vec<u8>,
    next: usize,
    last: usize,
    count: u32,
}

/// What the kernel says of a frame.
#[derive(Clone, Copy)]
struct Said {
    hardware: u16,
    direction: u8,
    tag: Option<(u16, Option<u16>)>,
    wire_length: u32,
}

const ETHERNET: Said = Said { hardware: 1, direction: 0, tag: None, wire_length: 0 };

impl Block {
    fn new() -> Block {
        Block { bytes: vec![0; 4096], next: 48, last: 0, count: 0 }
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn add(&mut self, frame: &[u8], link_header: usize, said: Said) {
        let start = self.next;
        if self.count > 0 {
            self.put(self.last, &((start - self.last) as u32).to_ne_bytes());
        }
        let network = 112_usize;
        let link = network - link_header;
        let length = (said.wire_length.max(frame.len() as u32)).to_ne_bytes();
        self.put(start + 4, &1_700_000_000_u32.to_ne_bytes());
        self.put(start + 8, &(self.count + 5).to_ne_bytes());
        self.put(start + 12, &(frame.len() as u32).to_ne_bytes());
        self.put(start + 16, &length);
        let mut status = 1_u32;
        if let Some((tag, kind)) = said.tag {
            status |= 1 << 4 | u32::from(kind.is_some()) << 6;
            self.put(start + 32, &u32::from(tag).to_ne_bytes());
            self.put(start + 36, &kind.unwrap_or(0).to_ne_bytes());
        }
        self.put(start + 20, &status.to_ne_bytes());
        self.put(start + 24, &(link as u16).to_ne_bytes());
        self.put(start + 26, &(network as u16).to_ne_bytes());
        self.put(start + 48 + 8, &said.hardware.to_ne_bytes());
        self.put(start + 48 + 10, &[said.direction]);
        self.put(start + link, frame);
        self.last = start;
        self.count += 1;
        self.next = (start + link + frame.len()).next_multiple_of(16);
        let count = self.count;
        self.put(12, &count.to_ne_bytes());
        self.put(16, &48_u32.to_ne_bytes());
    }

    fn frames(&mut self) -> Vec<Frame> {
        let mut frames = Frames::of(&self.bytes);
        let mut found = Vec::new();
        while let Some(frame) = frames.next(&mut self.bytes) {
            found.push(frame);
        }
        assert!(frames.is_empty());
        found
    }
}

#[test]
fn frames_come_in_order_with_their_times() {
    let mut block = Block::new();
    block.add(&[1; 60], 14, ETHERNET);
    block.add(&[2; 61], 14, Said { wire_length: 1500, ..ETHERNET });
    let frames = block.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(block.bytes[frames[0].data.clone()], [1; 60]);
    assert_eq!(block.bytes[frames[1].data.clone()], [2; 61]);
    assert_eq!((frames[0].wire_length, frames[1].wire_length), (60, 1500));
    assert_eq!(frames[1].time_ns, 1_700_000_000_000_000_006);
    assert_eq!(frames[0].link, LinkType::Ethernet);
}

#[test]
fn a_tag_is_put_back_behind_the_addresses() {
    let mut block = Block::new();
    let frame: Vec<u8> = (0..40).collect();
    block.add(&frame, 14, Said { tag: Some((0x2064, None)), ..ETHERNET });
    block.add(&frame, 14, Said { tag: Some((0x0001, Some(0x88a8))), ..ETHERNET });
    let frames = block.frames();
    let restored = |tag: [u8; 4]| [&frame[..12], &tag, &frame[12..]].concat();
    assert_eq!(block.bytes[frames[0].data.clone()], restored([0x81, 0, 0x20, 0x64]));
    assert_eq!(block.bytes[frames[1].data.clone()], restored([0x88, 0xa8, 0, 1]));
    assert_eq!(frames[0].wire_length, 44);
}

#[test]
fn the_loopback_device_shows_a_packet_once() {
    let mut block = Block::new();
    let loopback = Said { hardware: 772, ..ETHERNET };
    block.add(&[1; 50], 14, Said { direction: 4, ..loopback });
    block.add(&[2; 50], 14, loopback);
    // Elsewhere what is sent is seen once, as sent.
    block.add(&[3; 50], 14, Said { direction: 4, ..ETHERNET });
    let frames = block.frames();
    let first: Vec<u8> = frames.iter().map(|frame| block.bytes[frame.data.start]).collect();
    assert_eq!(first, [2, 3]);
}

#[test]
fn other_devices_begin_with_the_network_header() {
    let mut block = Block::new();
    block.add(&[0x45; 40], 0, Said { hardware: 0xfffe, ..ETHERNET });
    block.add(&[0x60; 44], 4, Said { hardware: 778, ..ETHERNET });
    let frames = block.frames();
    assert_eq!((frames[0].data.len(), frames[0].link), (40, LinkType::RawIp));
    assert_eq!((frames[1].data.len(), frames[1].wire_length), (40, 40));
}

#[test]
fn whatever_is_written_in_a_block_stays_inside_it() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut block = Block::new();
        block.add(&[1; 60], 14, Said { tag: Some((5, None)), ..ETHERNET });
        block.add(&[2; 60], 14, ETHERNET);
        for _ in 0..random.usize(1..6) {
            let place = random.usize(0..300);
            block.bytes[place] = random.u8(..);
        }
        block.bytes.truncate(random.usize(0..=4096));
        let mut frames = Frames::of(&block.bytes);
        let mut given = 0_u32;
        while let Some(frame) = frames.next(&mut block.bytes) {
            assert!(block.bytes.get(frame.data).is_some());
            given += 1;
            assert!(given as usize <= block.bytes.len());
        }
    }
}
