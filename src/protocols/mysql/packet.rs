// SPDX-License-Identifier: Apache-2.0
//! Packets out of one direction's bytes: a header of four bytes (length, sequence) and the payload. A payload of
//! 0xffffff bytes goes on in the next frame. Packets are given in place when they are all there; of large ones, or ones
//! nobody asked for, only as long a beginning as is wanted is kept and the rest is counted.

use super::wire::MAX_FRAME_BYTES;

/// A packet up to this size is waited for as a whole; a larger one is taken as it comes.
const WAITED_BYTES: usize = 64 << 10;
/// Buffers that grew beyond this are given back when the packet is done.
const KEPT_BUFFER_BYTES: usize = 256 << 10;

/// One packet, of one or more frames.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The payload, or its beginning.
    pub payload: &'a [u8],
    /// Length of the whole payload.
    pub length: u64,
    /// Of the first frame and of the last.
    pub sequence: u8,
    pub last_sequence: u8,
    /// With headers.
    pub wire_bytes: u64,
    /// Bytes of it were lost in a gap.
    pub damaged: bool,
}

/// What is known of a packet when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: u8,
    /// First byte of the payload, None when that is empty.
    pub first: Option<u8>,
    /// Length of the first frame.
    pub length: usize,
}

#[derive(Debug)]
pub enum Next<'a> {
    Packet(Packet<'a>),
    /// So many bytes must be there before it goes on.
    Need(usize),
    /// No packet that anybody wants, or none at all.
    Refused,
}

#[derive(Default)]
pub struct PacketReader {
    /// A packet is being taken as it comes.
    streaming: bool,
    frame_left: usize,
    continues: bool,
    sequence: u8,
    last_sequence: u8,
    length: u64,
    frames: u64,
    wanted: usize,
    prefix: Vec<u8>,
    damaged: bool,
}

impl PacketReader {
    /// The next packet at `position`, which moves on. `wanted` says how many bytes of a packet's payload are of use;
    /// None refuses it.
    pub fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        position: &mut usize,
        wanted: impl FnOnce(Head) -> Option<usize>,
    ) -> Next<'a> {
        if !self.streaming {
            let rest = bytes.get(*position..).unwrap_or_default();
            let Some((length, sequence)) = header(rest) else {
                return Next::Need(4);
            };
            let first = rest.get(4).copied();
            if length > 0 && first.is_none() {
                return Next::Need(5);
            }
            let head = Head { sequence, first: first.filter(|_| length > 0), length };
            let Some(wanted) = wanted(head) else {
                return Next::Refused;
            };
            if length < MAX_FRAME_BYTES {
                if let Some(payload) = rest.get(4..4 + length) {
                    *position += 4 + length;
                    return Next::Packet(Packet {
                        payload,
                        length: length as u64,
                        sequence,
                        last_sequence: sequence,
                        wire_bytes: 4 + length as u64,
                        damaged: false,
                    });
                }
                if wanted >= length && length <= WAITED_BYTES {
                    return Next::Need(4 + length);
                }
            }
            self.begin(length, sequence, wanted);
            *position += 4;
        }
        self.stream(bytes, position)
    }

    fn begin(&mut self, length: usize, sequence: u8, wanted: usize) {
        self.streaming = true;
        self.frame_left = length;
        self.continues = length == MAX_FRAME_BYTES;
        self.sequence = sequence;
        self.last_sequence = sequence;
        self.length = length as u64;
        self.frames = 1;
        self.wanted = wanted;
        self.damaged = false;
        if self.prefix.capacity() > KEPT_BUFFER_BYTES {
            self.prefix = Vec::new();
        }
        self.prefix.clear();
    }

    fn stream<'a>(&'a mut self, bytes: &'a [u8], position: &mut usize) -> Next<'a> {
        loop {
            let rest = bytes.get(*position..).unwrap_or_default();
            let taken = self.frame_left.min(rest.len());
            let kept = taken.min(self.wanted.saturating_sub(self.prefix.len()));
            self.prefix.extend_from_slice(&rest[..kept]);
            self.frame_left -= taken;
            *position += taken;
            if self.frame_left > 0 {
                return Next::Need(1);
            }
            if !self.continues {
                self.streaming = false;
                return Next::Packet(self.packet());
            }
            let Some((length, sequence)) = header(&rest[taken..]) else {
                return Next::Need(4);
            };
            if sequence != self.last_sequence.wrapping_add(1) {
                return Next::Refused;
            }
            *position += 4;
            self.last_sequence = sequence;
            self.frame_left = length;
            self.continues = length == MAX_FRAME_BYTES;
            self.length += length as u64;
            self.frames += 1;
        }
    }

    fn packet(&self) -> Packet<'_> {
        Packet {
            payload: &self.prefix,
            length: self.length,
            sequence: self.sequence,
            last_sequence: self.last_sequence,
            wire_bytes: self.length + 4 * self.frames,
            damaged: self.damaged,
        }
    }

    /// A packet ends with the last byte that was seen or lost, and waits to be given.
    pub fn has_finished(&self) -> bool {
        self.streaming && self.frame_left == 0 && !self.continues
    }

    /// Whether nothing of a packet has been taken.
    pub fn is_idle(&self) -> bool {
        !self.streaming
    }

    /// Takes `pending` and a gap behind it as bytes of the packet under way. False: they are more than that.
    pub fn bridge(&mut self, pending: &[u8], missing_bytes: u64) -> bool {
        let missing = usize::try_from(missing_bytes).unwrap_or(usize::MAX);
        if !self.streaming {
            let Some((length, sequence)) = header(pending) else {
                return false;
            };
            let payload = &pending[4..];
            if payload.is_empty() || length < payload.len() || length - payload.len() < missing {
                return false;
            }
            self.begin(length, sequence, payload.len());
            self.prefix.extend_from_slice(payload);
            self.frame_left = length - payload.len() - missing;
        } else {
            if self.frame_left < missing {
                return false;
            }
            self.frame_left -= missing;
        }
        // What comes after the hole must not be joined to what was before it.
        self.wanted = self.prefix.len();
        self.damaged = true;
        true
    }

    /// The packet under way as far as it was seen, for the last time; `pending` is what was not consumed of it.
    pub fn abandon<'a>(&'a mut self, pending: &'a [u8]) -> Option<Packet<'a>> {
        if self.streaming {
            self.streaming = false;
            self.damaged = true;
            return Some(self.packet());
        }
        let (length, sequence) = header(pending)?;
        let payload = pending[4..].get(..length).unwrap_or(&pending[4..]);
        (!payload.is_empty()).then_some(Packet {
            payload,
            length: length as u64,
            sequence,
            last_sequence: sequence,
            wire_bytes: 4 + length as u64,
            damaged: true,
        })
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.prefix.capacity()
    }

    /// Forgets the packet under way.
    pub fn reset(&mut self) {
        self.streaming = false;
        self.prefix.clear();
        self.prefix.shrink_to(KEPT_BUFFER_BYTES);
    }
}

fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, sequence] = *bytes.first_chunk::<4>()?;
    Some((u32::from_le_bytes([a, b, c, 0]) as usize, sequence))
}
