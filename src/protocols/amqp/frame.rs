// SPDX-License-Identifier: Apache-2.0
//! Cuts one direction of a connection into frames (specification, section 4.2.3).
//!
//! Method and header frames are given whole, bodies as they come. After lost bytes the next frame is searched for
//! ([`super::search`]) unless the length of the damaged one says where it begins.

use super::search;

/// Method and header frames that are looked at; a broker's frames have 128 KiB unless it is told otherwise.
pub const MAX_FRAME_BYTES: usize = 256 << 10;
/// Type, channel and size of the payload.
pub const HEAD_BYTES: usize = 7;
/// The smallest frame, and the protocol header.
pub const LEAST_BYTES: usize = 8;
/// The byte that ends every frame.
pub const FRAME_END: u8 = 0xCE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Method,
    Header,
    Body,
    Heartbeat,
}

/// What stands before the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: Kind,
    pub channel: u16,
    /// Bytes of the payload.
    pub size: u32,
}

impl Head {
    /// None when bytes begin no frame.
    pub fn parse(bytes: &[u8]) -> Option<Head> {
        let (kind, rest) = bytes.split_first()?;
        let (channel, rest) = rest.split_first_chunk()?;
        let (size, _) = rest.split_first_chunk()?;
        let kind = match kind {
            1 => Kind::Method,
            2 => Kind::Header,
            3 => Kind::Body,
            8 => Kind::Heartbeat,
            _ => return None,
        };
        Some(Head { kind, channel: u16::from_be_bytes(*channel), size: u32::from_be_bytes(*size) })
    }

    /// Bytes of the whole frame.
    pub fn frame_bytes(&self) -> u64 {
        u64::from(self.size) + LEAST_BYTES as u64
    }
}

/// A method or a content header.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub kind: Kind,
    pub channel: u16,
    /// Less than announced when bytes were lost.
    pub payload: &'a [u8],
    /// Bytes of the whole frame as announced.
    pub bytes: u64,
    /// When its first byte came.
    pub start_ns: i64,
    pub is_damaged: bool,
}

/// What comes next in a direction.
#[derive(Debug)]
pub enum Next<'a> {
    Frame(Frame<'a>),
    /// A part of a body.
    Body {
        channel: u16,
        bytes: &'a [u8],
    },
    /// A body frame is complete.
    BodyEnd {
        channel: u16,
    },
    /// `AMQP` and the four bytes behind it.
    Protocol([u8; 4]),
    /// A frame too large to look at begins.
    TooLarge {
        channel: u16,
    },
    /// So many bytes are needed from the position on; 0: nothing is left over.
    Need(usize),
    /// These are no frames; the next one is searched for.
    Foreign,
}

/// What a gap did.
#[derive(Debug)]
pub enum Bridge<'a> {
    /// It lies in a body, whose frame goes on behind it.
    Body { channel: u16, bytes: u64 },
    /// It reaches to the end of a body's frame.
    BodyEnd { channel: u16, bytes: u64 },
    /// It lies in this frame, behind what there is of its payload.
    Frame(Frame<'a>),
    /// It lies in what is passed over.
    Nothing,
    /// It is not known where the next frame begins.
    Lost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The next frame is searched for.
    #[default]
    Lost,
    /// A frame begins.
    Boundary,
    Body {
        channel: u16,
        rest: u64,
    },
    /// The end of a frame that is passed over.
    Skip {
        rest: u64,
    },
}

/// Frames of one direction.
#[derive(Default)]
pub struct Frames {
    state: State,
    /// Bytes that were left over by the call before, and when the first of them came.
    left_over: usize,
    left_over_ns: i64,
    /// Whether any frame or protocol header has been found.
    has_found: bool,
    /// Bytes in which none was found.
    foreign_bytes: u64,
}

impl Frames {
    /// Bytes searched so far without finding any frame.
    pub fn foreign_bytes(&self) -> u64 {
        if self.has_found { 0 } else { self.foreign_bytes }
    }

    pub fn reset(&mut self) {
        *self = Frames::default();
    }

    /// Forgets where frames begin.
    pub fn lose(&mut self) {
        self.state = State::Lost;
        self.left_over = 0;
    }

    /// The next part of `bytes` from `position` on, which moves behind it.
    pub fn next<'a>(&mut self, bytes: &'a [u8], position: &mut usize, now_ns: i64) -> Next<'a> {
        loop {
            let start = *position;
            let rest = bytes.get(start..).unwrap_or_default();
            match self.state {
                State::Lost => {
                    let (passed, found) = search::find(rest);
                    *position += passed;
                    self.foreign_bytes = self.foreign_bytes.saturating_add(passed as u64);
                    match found {
                        search::Found::Frame => {
                            self.state = State::Boundary;
                            self.has_found = true;
                        }
                        search::Found::Need(need) => return self.need(bytes, *position, need, now_ns),
                    }
                }
                State::Boundary => return self.frame(bytes, position, now_ns),
                State::Body { channel, rest: 0 } => match rest.first() {
                    None => return self.need(bytes, start, 0, now_ns),
                    Some(&FRAME_END) => {
                        *position += 1;
                        self.state = State::Boundary;
                        return Next::BodyEnd { channel };
                    }
                    Some(_) => {
                        self.lose();
                        return Next::Foreign;
                    }
                },
                State::Body { channel, rest: missing } => {
                    let length = usize::try_from(missing).map_or(rest.len(), |missing| missing.min(rest.len()));
                    if length == 0 {
                        return self.need(bytes, start, 0, now_ns);
                    }
                    *position += length;
                    self.state = State::Body { channel, rest: missing - length as u64 };
                    return Next::Body { channel, bytes: rest.get(..length).unwrap_or_default() };
                }
                State::Skip { rest: 0 } => self.state = State::Boundary,
                State::Skip { rest: missing } => {
                    let length = usize::try_from(missing).map_or(rest.len(), |missing| missing.min(rest.len()));
                    if length == 0 {
                        return self.need(bytes, start, 0, now_ns);
                    }
                    *position += length;
                    self.state = State::Skip { rest: missing - length as u64 };
                }
            }
        }
    }

    /// Takes a hole of `missing` bytes behind `pending`.
    pub fn gap<'a>(&mut self, pending: &'a [u8], missing: u64) -> Bridge<'a> {
        let start_ns = self.left_over_ns;
        self.left_over = 0;
        match self.state {
            State::Body { channel, rest } if missing <= rest => {
                self.state = State::Body { channel, rest: rest - missing };
                return Bridge::Body { channel, bytes: missing };
            }
            // With the last bytes of the body its end is lost, too.
            State::Body { channel, rest } if missing == rest + 1 => {
                self.state = State::Boundary;
                return Bridge::BodyEnd { channel, bytes: rest };
            }
            State::Skip { rest } if missing <= rest => {
                self.state = State::Skip { rest: rest - missing };
                return Bridge::Nothing;
            }
            State::Boundary => {
                if let Some(head) = Head::parse(pending)
                    && let Some(rest) = head.frame_bytes().checked_sub(pending.len() as u64)
                    && let Some(rest) = rest.checked_sub(missing)
                    && head.kind != Kind::Body
                {
                    self.state = State::Skip { rest };
                    let most = usize::try_from(head.size).unwrap_or(usize::MAX);
                    let payload = pending.get(HEAD_BYTES..).unwrap_or_default();
                    return Bridge::Frame(Frame {
                        kind: head.kind,
                        channel: head.channel,
                        payload: payload.get(..most).unwrap_or(payload),
                        bytes: head.frame_bytes(),
                        start_ns,
                        is_damaged: true,
                    });
                }
            }
            _ => {}
        }
        self.lose();
        Bridge::Lost
    }

    fn frame<'a>(&mut self, bytes: &'a [u8], position: &mut usize, now_ns: i64) -> Next<'a> {
        let start = *position;
        let rest = bytes.get(start..).unwrap_or_default();
        if let Some(version) = protocol(rest) {
            *position += LEAST_BYTES;
            return Next::Protocol(version);
        }
        if rest.len() < HEAD_BYTES {
            return self.need(bytes, start, HEAD_BYTES, now_ns);
        }
        let Some(head) = Head::parse(rest) else {
            self.lose();
            return Next::Foreign;
        };
        let whole = usize::try_from(head.frame_bytes()).unwrap_or(usize::MAX);
        if head.kind == Kind::Body {
            *position += HEAD_BYTES;
            self.state = State::Body { channel: head.channel, rest: head.size.into() };
            return Next::Body { channel: head.channel, bytes: &[] };
        }
        if whole > MAX_FRAME_BYTES {
            *position += HEAD_BYTES;
            self.state = State::Skip { rest: u64::from(head.size) + 1 };
            return Next::TooLarge { channel: head.channel };
        }
        let Some(frame) = rest.get(..whole) else {
            return self.need(bytes, start, whole, now_ns);
        };
        if frame.last() != Some(&FRAME_END) {
            self.lose();
            return Next::Foreign;
        }
        *position += whole;
        Next::Frame(Frame {
            kind: head.kind,
            channel: head.channel,
            payload: frame.get(HEAD_BYTES..whole - 1).unwrap_or_default(),
            bytes: head.frame_bytes(),
            start_ns: if start < self.left_over { self.left_over_ns } else { now_ns },
            is_damaged: false,
        })
    }

    /// Remembers since when the bytes from `position` on wait.
    fn need<'a>(&mut self, bytes: &[u8], position: usize, need: usize, now_ns: i64) -> Next<'a> {
        if position >= self.left_over {
            self.left_over_ns = now_ns;
        }
        self.left_over = bytes.len().saturating_sub(position);
        if self.left_over == 0 { Next::Need(0) } else { Next::Need(need) }
    }
}

/// The version of a protocol header.
pub fn protocol(bytes: &[u8]) -> Option<[u8; 4]> {
    bytes.strip_prefix(b"AMQP")?.first_chunk().copied()
}
