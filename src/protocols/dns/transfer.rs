// SPDX-License-Identifier: Apache-2.0
//! Zone transfers: responses of several messages (RFC 5936, RFC 1995).
//!
//! A transfer ends with the SOA record that it began with. Limit: of its messages, as many bytes are kept as one message
//! can hold; the rest is counted.

use super::message::{Extent, Kind, Message, Section};
use super::record;

/// Bytes of messages that a transfer keeps, with two bytes of length each.
const MAX_KEPT_BYTES: usize = 2 + u16::MAX as usize;

pub const IXFR: u16 = 251;
pub const AXFR: u16 = 252;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Serial number of the SOA record that began the transfer.
    serial: Option<u32>,
    /// How often this SOA record came.
    seen: u32,
    records: u64,
    incremental: bool,
    /// A part was lost: the beginning may be missing.
    pub damaged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Complete,
    More,
}

impl Progress {
    /// Takes the next message of the response to a question of type `kind`.
    pub fn take(&mut self, kind: u16, message: &Message<'_>) -> Outcome {
        if message.kind() != Kind::Response || message.response_code() != 0 {
            return Outcome::Complete;
        }
        for record in message.records(Section::Answers) {
            self.records += 1;
            let serial = record::serial(&record);
            match (self.serial, serial) {
                (None, Some(serial)) => {
                    self.serial = Some(serial);
                    if self.records == 1 {
                        // What was lost before was of other messages.
                        self.damaged = false;
                    } else {
                        // The beginning was lost: this is the end.
                        self.seen = 1;
                    }
                }
                (None, None) if self.damaged => {}
                // No SOA first: not the form of a transfer.
                (None, None) => return Outcome::Complete,
                // A second SOA right behind the first begins a list of differences.
                (Some(first), Some(serial)) if kind == IXFR && self.records == 2 && first != serial => {
                    self.incremental = true;
                }
                _ => {}
            }
            self.seen += u32::from(serial.is_some() && serial == self.serial);
        }
        match (self.seen, self.incremental) {
            (0, _) if self.damaged => Outcome::More,
            // A lone SOA answers an IXFR of a client that is up to date, or nothing came at all.
            (0, _) => Outcome::Complete,
            (1, false) if kind == IXFR && self.records == 1 && !self.damaged => Outcome::Complete,
            (..2, _) | (2, true) => Outcome::More,
            _ => Outcome::Complete,
        }
    }
}

/// A transfer of which there is more to come.
#[derive(Debug, Default)]
pub struct Transfer {
    pub progress: Progress,
    pub bytes: u64,
    pub answer_count: u64,
    /// Time of the last message.
    pub time_ns: i64,
    kept: Vec<u8>,
    full: bool,
}

impl Transfer {
    pub fn add(&mut self, bytes: &[u8], message: &Message<'_>, wire_bytes: u64, time_ns: i64) {
        self.bytes += wire_bytes;
        self.answer_count += u64::from(message.count(Section::Answers));
        self.time_ns = time_ns;
        // What came behind a message that was left out would be shown in its place.
        self.full |= self.kept.len() + 2 + bytes.len() > MAX_KEPT_BYTES;
        if !self.full {
            self.kept.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
            self.kept.extend_from_slice(bytes);
        }
    }

    pub fn kept_bytes(&self) -> usize {
        self.kept.len()
    }

    /// The messages that were kept.
    pub fn messages(&self) -> Further<'_> {
        Further { rest: &self.kept }
    }
}

/// Messages, each behind two bytes of length.
#[derive(Clone, Copy, Default)]
pub struct Further<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Further<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let (message, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.rest = rest;
        Message::parse(message, Extent::Whole)
    }
}
