// SPDX-License-Identifier: Apache-2.0
//! Finds the next frame where it is not known: where a capture begins, and behind lost bytes.
//!
//! What counts: a protocol header, a heartbeat, a method that there is, or the header of a basic message, each with the
//! byte that ends it. A body cannot be told from what is inside one.

use super::frame::{FRAME_END, HEAD_BYTES, Head, Kind, LEAST_BYTES, MAX_FRAME_BYTES, protocol};
use super::methods::{self, BASIC};

/// A frame that begins in the bytes at hand and ends behind them is waited for up to this size.
const MAX_AWAITED_BYTES: usize = 16 << 10;
/// A frame's head and the first four bytes of its payload.
const EVIDENCE_BYTES: usize = HEAD_BYTES + 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Frame,
    /// So many bytes are needed.
    Need(usize),
}

/// Bytes before the next frame, or before what may become one.
pub fn find(bytes: &[u8]) -> (usize, Found) {
    for (place, first) in bytes.iter().enumerate() {
        if !matches!(first, b'A' | 1 | 2 | 8) {
            continue;
        }
        let rest = bytes.get(place..).unwrap_or_default();
        match verdict(rest) {
            Verdict::Frame => return (place, Found::Frame),
            Verdict::Need(need) => return (place, Found::Need(need)),
            Verdict::Nothing => {}
        }
    }
    (bytes.len(), Found::Need(LEAST_BYTES))
}

enum Verdict {
    Frame,
    Need(usize),
    Nothing,
}

fn verdict(bytes: &[u8]) -> Verdict {
    if protocol(bytes).is_some() {
        return Verdict::Frame;
    }
    if bytes.len() < LEAST_BYTES {
        let name = bytes.get(..4).unwrap_or(bytes);
        return if b"AMQP".starts_with(name) || bytes.first() != Some(&b'A') {
            Verdict::Need(LEAST_BYTES)
        } else {
            Verdict::Nothing
        };
    }
    let Some(head) = Head::parse(bytes) else { return Verdict::Nothing };
    if head.kind == Kind::Heartbeat {
        return if head.size == 0 && head.channel == 0 && bytes.get(HEAD_BYTES) == Some(&FRAME_END) {
            Verdict::Frame
        } else {
            Verdict::Nothing
        };
    }
    let whole = usize::try_from(head.frame_bytes()).unwrap_or(usize::MAX);
    if head.size < 4 || whole > MAX_FRAME_BYTES {
        return Verdict::Nothing;
    }
    let Some([_, _, _, _, _, _, _, class_high, class_low, high, low]) = bytes.first_chunk::<EVIDENCE_BYTES>() else {
        return Verdict::Need(EVIDENCE_BYTES);
    };
    let class = u16::from_be_bytes([*class_high, *class_low]);
    let number = u16::from_be_bytes([*high, *low]);
    let is_known = match head.kind {
        Kind::Method => methods::find(class, number).is_some(),
        // The weight is always 0.
        Kind::Header => class == BASIC && number == 0 && head.size >= 14,
        Kind::Body | Kind::Heartbeat => false,
    };
    match bytes.get(whole - 1) {
        _ if !is_known => Verdict::Nothing,
        Some(&FRAME_END) => Verdict::Frame,
        Some(_) => Verdict::Nothing,
        None if whole <= MAX_AWAITED_BYTES => Verdict::Need(whole),
        None => Verdict::Nothing,
    }
}
