// SPDX-License-Identifier: Apache-2.0
//! What holds for any bytes: no panic, offsets inside the frame, truncation named as such.

use super::builder::frames;
use crate::wire::{Decoded, DropReason, LinkType, Transport, Tunneling, decode, decode_into, decode_transport};

const LINK_TYPES: [LinkType; 5] =
    [LinkType::Ethernet, LinkType::LinuxCooked, LinkType::LinuxCooked2, LinkType::NullLoopback, LinkType::RawIp];

#[test]
fn every_built_frame_decodes() {
    for (name, link, frame) in frames() {
        let decoded = check(link, &frame, frame.len() as u32).unwrap_or_else(|reason| panic!("{name}: {reason:?}"));
        let has_transport = !matches!(decoded.transport, Transport::None);
        assert_eq!(has_transport, !name.starts_with("arp"), "{name}");
    }
}

/// A frame that is cut anywhere, with the length on the wire known, either decodes to the same headers (the cut is in
/// the payload) or is called truncated.
#[test]
fn truncation_at_every_length() {
    for (name, link, frame) in frames() {
        let complete = check(link, &frame, frame.len() as u32).unwrap_or_else(|reason| panic!("{name}: {reason:?}"));
        for length in 0..frame.len() {
            match check(link, &frame[..length], frame.len() as u32) {
                Ok(decoded) if length >= complete.payload_offset as usize => assert_eq!(decoded, complete, "{name}"),
                // A frame that is too short for LLC has no IP; that is no error.
                Ok(decoded) => assert_eq!((name, decoded.network), ("snap", None), "{name} cut at {length}"),
                Err(reason) => {
                    assert!(reason.is_truncation(), "{name} cut at {length}: {reason:?}");
                    assert!(length < complete.payload_offset as usize, "{name} cut at {length}: {reason:?}");
                }
            }
        }
    }
}

/// The same when the length on the wire is wrong or not known: never a panic, never an offset outside.
#[test]
fn truncation_without_a_length_on_the_wire() {
    for (_, link, frame) in frames() {
        for length in 0..=frame.len() {
            for wire_length in [0, length as u32, u32::MAX] {
                let _ = check(link, &frame[..length], wire_length);
            }
        }
    }
}

#[test]
fn seeded_mutation() {
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let frames = frames();
    let mut outcomes = [0_u32; DropReason::ALL.len()];
    let mut good = 0;
    for _ in 0..1_000_000 {
        let (_, link, frame) = &frames[random.usize(..frames.len())];
        let mut frame = frame.clone();
        for _ in 0..random.usize(1..6) {
            if frame.is_empty() {
                break;
            }
            let position = random.usize(..frame.len());
            match random.u8(..6) {
                0 => frame[position] = random.u8(..),
                1 => frame[position] ^= 1 << random.u8(..8),
                2 => frame[position] = *random.choice(&[0, 1, 4, 0xff, 0x7f, 0x45, 0x60, 44, 51]).expect("not empty"),
                3 => frame.truncate(position),
                4 => frame.extend_from_within(position..),
                _ => frame.insert(position, random.u8(..)),
            }
        }
        let link = if random.u8(..16) == 0 { LINK_TYPES[random.usize(..LINK_TYPES.len())] } else { *link };
        match check(link, &frame, random.u32(..2000)) {
            Ok(_) => good += 1,
            Err(reason) => outcomes[reason.index()] += 1,
        }
    }
    assert!(good > 10_000, "{good}");
    for reason in DropReason::ALL {
        // The pipeline gives this one; no frame does.
        let expected = reason != DropReason::LinkTypeUnsupported && reason != DropReason::NestingTooDeep;
        assert!(!expected || outcomes[reason.index()] > 0, "{} was never reached", reason.name());
    }
}

#[test]
fn random_bytes() {
    let mut random = fastrand::Rng::with_seed(0xb17e5);
    let mut frame = [0; 256];
    for _ in 0..50_000 {
        random.fill(&mut frame);
        let length = random.usize(..=frame.len());
        let frame = &frame[..length];
        for link in LINK_TYPES {
            let _ = check(link, frame, random.u32(..));
        }
        let mut decoded = Decoded::new();
        if decode_transport(&Tunneling::STANDARD, &mut decoded, random.u8(..), frame).is_ok() {
            assert!(decoded.payload_offset as usize + decoded.payload_length as usize <= length);
        }
    }
}

/// Decodes and checks what must hold of any result. Reads past the frame would be panics: there is no unsafe code.
fn check(link: LinkType, frame: &[u8], wire_length: u32) -> Result<Decoded, DropReason> {
    let result = decode(link, frame, wire_length);
    if let Ok(decoded) = &result {
        let begin = decoded.payload_offset as usize;
        assert!(begin <= frame.len());
        assert!(begin + decoded.payload_length as usize <= frame.len().max(wire_length as usize));
        assert!(decoded.payload(frame).len() <= decoded.payload_length as usize);
        assert_eq!(decoded.payload(frame).as_ptr(), frame[begin..].as_ptr());
        assert!(decoded.network.is_some() || decoded.transport == Transport::None);
        assert!(decoded.outer.is_none() || !decoded.tunnels.is_empty());
        if let Transport::Fragment(fragment) = decoded.transport {
            assert!(fragment.offset_bytes > 0 || fragment.more);
            assert!(fragment.offset_bytes as usize <= 65_535);
        }
    }
    let mut kept = Decoded::new();
    let again = decode_into(link, frame, wire_length, &mut kept);
    assert_eq!(again.map(|()| kept), result);
    result
}
