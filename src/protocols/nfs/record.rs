// SPDX-License-Identifier: Apache-2.0
//! Records of RPC over TCP (RFC 5531, section 11): fragments, each behind four bytes with its length.
//!
//! A record that lies in one piece is read in place; of others the first [`HEAD_BYTES`] are kept and the rest is counted.
//! After lost bytes, or in the middle of a connection, the next record is searched for.

use super::message::{self, MIN_MESSAGE_BYTES, PROBE_BYTES};

/// Bytes of a message that are read: credentials and verifier have at most 400 bytes each, and the main operation of
/// a compound comes early.
pub const HEAD_BYTES: usize = 8 << 10;

/// Bytes of a record that are believed. Reads and writes have some megabytes at most.
const MAX_RECORD_BYTES: u64 = 64 << 20;

const MARKER_BYTES: usize = 4;
const LAST_FRAGMENT: u32 = 1 << 31;

/// A message with what is known of its transport.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its first bytes.
    pub head: &'a [u8],
    /// Its length without markers.
    pub bytes: u64,
    pub start_ns: i64,
    pub end_ns: i64,
    pub extent: Extent,
}

/// What of a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The capture cut the datagram.
    Cut,
    /// Bytes of it were lost.
    Damaged,
}

/// What the bytes of a direction led to.
#[derive(Debug)]
pub enum Next<'a> {
    Record(Record<'a>),
    /// At the position, so many bytes are needed.
    Need(usize),
    /// There is no record at the position.
    Foreign,
}

/// How the record under way fared with a gap.
#[derive(Debug)]
pub enum Bridge<'a> {
    /// It is known where the next record begins, or the record goes on. The record may have ended in the gap.
    Held(Option<Record<'a>>),
    /// It is not; the record that was under way is damaged.
    Lost(Option<Record<'a>>),
}

/// The records of one direction.
#[derive(Default)]
pub struct Records {
    /// When the first byte of the record under way came.
    start_ns: Option<i64>,
    fragment: Option<Fragment>,
    /// Bytes of the record in fragments that have begun.
    record_bytes: u64,
    head: Vec<u8>,
    /// Whether bytes of the record were lost; those of the head end where they were.
    damaged: bool,
    /// Bytes behind the first lost ones do not belong to the head.
    head_ended: bool,
    /// Whether `head` belongs to a record that was given out.
    given: bool,
}

#[derive(Clone, Copy)]
struct Fragment {
    left_bytes: u32,
    last: bool,
}

impl Fragment {
    fn parse(marker: [u8; MARKER_BYTES]) -> Fragment {
        let marker = u32::from_be_bytes(marker);
        Fragment { left_bytes: marker & !LAST_FRAGMENT, last: marker & LAST_FRAGMENT != 0 }
    }
}

impl Records {
    /// The next record that ends in `bytes`, from `position` on, which moves over what is done.
    pub fn next<'a>(&'a mut self, bytes: &'a [u8], position: &mut usize, now_ns: i64) -> Next<'a> {
        if std::mem::take(&mut self.given) {
            self.reset();
        }
        loop {
            let rest = bytes.get(*position..).unwrap_or_default();
            let Some(fragment) = self.fragment else {
                if rest.is_empty() {
                    return Next::Need(0);
                }
                self.start_ns.get_or_insert(now_ns);
                match self.begin(rest) {
                    None => *position += MARKER_BYTES,
                    Some(other) => return other,
                }
                continue;
            };
            let start_ns = *self.start_ns.get_or_insert(now_ns);
            let wanted = fragment.left_bytes as usize;
            let in_place = self.head.is_empty() && self.record_bytes == u64::from(fragment.left_bytes) && !self.damaged;
            let Some(part) = rest.get(..wanted) else {
                self.keep(rest);
                self.fragment = Some(Fragment { left_bytes: fragment.left_bytes - rest.len() as u32, ..fragment });
                *position = bytes.len();
                return Next::Need(0);
            };
            *position += wanted;
            self.fragment = None;
            if fragment.last && in_place {
                let head = part.get(..HEAD_BYTES).unwrap_or(part);
                let bytes = self.record_bytes;
                self.reset();
                return Next::Record(Record { head, bytes, start_ns, end_ns: now_ns, extent: Extent::Whole });
            }
            self.keep(part);
            if fragment.last {
                return Next::Record(self.give(now_ns));
            }
        }
    }

    /// Takes the loss of `missing_bytes` behind `pending`, which [`Records::next`] had left.
    pub fn gap(&mut self, pending: &[u8], missing_bytes: u64, now_ns: i64) -> Bridge<'_> {
        if std::mem::take(&mut self.given) {
            self.reset();
        }
        if self.fragment.is_none() && !pending.is_empty() && self.begin_of_pending(pending).is_none() {
            return Bridge::Lost(self.abandon(now_ns));
        }
        let Some(fragment) = &mut self.fragment else {
            // Between two fragments, or two records.
            let record = self.abandon(now_ns);
            return Bridge::Lost(record);
        };
        self.damaged = true;
        self.head_ended = true;
        match u32::try_from(missing_bytes).ok().and_then(|missing| fragment.left_bytes.checked_sub(missing)) {
            None => Bridge::Lost(self.abandon(now_ns)),
            Some(0) if fragment.last => Bridge::Held(self.abandon(now_ns)),
            Some(0) => {
                self.fragment = None;
                Bridge::Held(None)
            }
            Some(left_bytes) => {
                fragment.left_bytes = left_bytes;
                Bridge::Held(None)
            }
        }
    }

    /// The direction ends: the record under way, if any.
    pub fn end(&mut self, pending: &[u8], now_ns: i64) -> Option<Record<'_>> {
        if std::mem::take(&mut self.given) {
            self.reset();
        }
        if self.fragment.is_none() && !pending.is_empty() {
            self.begin_of_pending(pending);
        }
        self.abandon(now_ns)
    }

    /// Forgets the record under way.
    pub fn reset(&mut self) {
        self.start_ns = None;
        self.fragment = None;
        self.record_bytes = 0;
        self.head.clear();
        self.damaged = false;
        self.head_ended = false;
        self.given = false;
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.head.len()
    }

    /// Reads a marker. Some: why it could not.
    fn begin<'a>(&mut self, rest: &[u8]) -> Option<Next<'a>> {
        let Some(marker) = rest.first_chunk() else { return Some(Next::Need(MARKER_BYTES)) };
        let fragment = Fragment::parse(*marker);
        let record_bytes = self.record_bytes + u64::from(fragment.left_bytes);
        if record_bytes > MAX_RECORD_BYTES {
            return Some(Next::Foreign);
        }
        // A first fragment that is too short to say what it is, is believed.
        if self.record_bytes == 0 && fragment.left_bytes as usize >= PROBE_BYTES {
            let Some(probe) = rest.get(MARKER_BYTES..MARKER_BYTES + PROBE_BYTES) else {
                return Some(Next::Need(MARKER_BYTES + PROBE_BYTES));
            };
            if !message::is_likely(probe) {
                return Some(Next::Foreign);
            }
        }
        self.record_bytes = record_bytes;
        self.fragment = Some(fragment);
        None
    }

    /// Begins the fragment of which a marker and too few bytes to recognise it are there.
    fn begin_of_pending(&mut self, pending: &[u8]) -> Option<()> {
        let (marker, part) = pending.split_first_chunk()?;
        let mut fragment = Fragment::parse(*marker);
        let record_bytes = self.record_bytes + u64::from(fragment.left_bytes);
        if record_bytes > MAX_RECORD_BYTES {
            return None;
        }
        fragment.left_bytes = fragment.left_bytes.checked_sub(u32::try_from(part.len()).ok()?)?;
        self.record_bytes = record_bytes;
        self.fragment = Some(fragment);
        self.keep(part);
        Some(())
    }

    fn keep(&mut self, part: &[u8]) {
        if !self.head_ended {
            let room = HEAD_BYTES.saturating_sub(self.head.len());
            self.head.extend_from_slice(part.get(..room).unwrap_or(part));
        }
    }

    /// The record under way, which is not whole.
    fn abandon(&mut self, now_ns: i64) -> Option<Record<'_>> {
        self.damaged = true;
        if self.record_bytes == 0 {
            self.reset();
            return None;
        }
        Some(self.give(now_ns))
    }

    fn give(&mut self, now_ns: i64) -> Record<'_> {
        self.given = true;
        self.fragment = None;
        Record {
            head: &self.head,
            bytes: self.record_bytes,
            start_ns: self.start_ns.unwrap_or(now_ns),
            end_ns: now_ns,
            extent: if self.damaged { Extent::Damaged } else { Extent::Whole },
        }
    }
}

/// Where, from `start` on, a record begins whose message is an NFS call or the reply to a call that waits.
pub fn search(bytes: &[u8], start: usize, waits: impl Fn(u32) -> bool) -> Option<usize> {
    let candidates = bytes.get(start..)?.windows(SEARCH_BYTES);
    let found = |window: &[u8]| {
        let (marker, message) = window.split_first_chunk()?;
        let bytes = u64::from(Fragment::parse(*marker).left_bytes);
        if bytes < MIN_MESSAGE_BYTES as u64 || bytes > MAX_RECORD_BYTES {
            return None;
        }
        message::recognise(message)?.is_none_or(&waits).then_some(())
    };
    candidates.enumerate().find(|(_, window)| found(window).is_some()).map(|(index, _)| start + index)
}

/// Bytes that [`search`] looks at together.
pub const SEARCH_BYTES: usize = MARKER_BYTES + MIN_MESSAGE_BYTES;
