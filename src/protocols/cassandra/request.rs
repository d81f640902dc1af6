// SPDX-License-Identifier: Apache-2.0
//! Requests: what is kept of one until its event is written (native protocol v4, section 4.1).

use super::compression::Compressor;
use super::names::{self, Kind};
use super::wire::{FLAG_CUSTOM_PAYLOAD, Header, Reader};
use crate::protocols::Direction;

/// Bytes of a query that are kept.
pub const MAX_QUERY_BYTES: usize = 1 << 20;
/// Entries of a map that are looked at.
const MAX_ENTRIES: u16 = 64;

/// How much of a message is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it, or all that is asked for.
    #[default]
    Whole,
    /// It is larger than what is looked at.
    Cut,
    /// Bytes were lost in the capture.
    Lost,
    /// The connection ended inside it.
    Ended,
    /// All is there, and something in it makes no sense.
    Unreadable,
}

/// A frame with what there is of its body, unpacked.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub direction: Direction,
    pub header: Header,
    pub body: &'a [u8],
    pub extent: Extent,
    /// When its first byte came.
    pub start_ns: i64,
}

/// A request that waits for its response.
pub struct Request {
    pub direction: Direction,
    pub header: Header,
    pub extent: Extent,
    pub start_ns: i64,
    /// When it counts as unanswered.
    pub due_ns: i64,
    /// Its response may be among bytes that were lost.
    pub response_is_lost: bool,
    /// Whether `query` is one.
    pub has_query: bool,
    pub query: Vec<u8>,
}

impl Request {
    pub fn new() -> Request {
        Request {
            direction: Direction::ToServer,
            header: Header {
                kind: Kind::Request,
                version: 0,
                flags: 0,
                stream: 0,
                op: 0,
                header_bytes: 0,
                body_bytes: 0,
            },
            extent: Extent::Whole,
            start_ns: 0,
            due_ns: 0,
            response_is_lost: false,
            has_query: false,
            query: Vec::new(),
        }
    }

    /// Takes a request, and keeps its query when it has one.
    pub fn read(&mut self, message: &Message<'_>) {
        self.direction = message.direction;
        self.header = message.header;
        self.extent = message.extent;
        self.start_ns = message.start_ns;
        self.response_is_lost = false;
        self.query.clear();
        self.has_query = false;
        if message.header.op != names::QUERY || message.body.is_empty() {
            return;
        }
        let mut reader = Reader::new(message.body);
        let text = skip_custom_payload(&message.header, &mut reader).and_then(|()| reader.long_string());
        match text {
            Some((text, is_whole)) => {
                let kept = text.get(..MAX_QUERY_BYTES).unwrap_or(text);
                self.query.extend_from_slice(kept);
                self.has_query = true;
                if kept.len() < text.len() {
                    self.extent = Extent::Cut;
                } else if self.extent == Extent::Whole && !is_whole {
                    self.extent = Extent::Unreadable;
                } else if self.extent == Extent::Cut && is_whole {
                    // What is not there comes behind the query.
                    self.extent = Extent::Whole;
                }
            }
            None if self.extent == Extent::Whole => self.extent = Extent::Unreadable,
            None => {}
        }
    }
}

/// The compressor that a STARTUP asks for.
pub fn compressor_asked_for(body: &[u8]) -> Option<Compressor> {
    let mut reader = Reader::new(body);
    for _ in 0..reader.u16()?.min(MAX_ENTRIES) {
        let (key, value) = (reader.string()?, reader.string()?);
        if key.eq_ignore_ascii_case(b"COMPRESSION") {
            return Compressor::named(value);
        }
    }
    None
}

/// Passes over the custom payload where there is one: a \[bytes map\].
pub fn skip_custom_payload(header: &Header, reader: &mut Reader<'_>) -> Option<()> {
    if header.has(FLAG_CUSTOM_PAYLOAD) {
        for _ in 0..reader.u16()? {
            reader.string()?;
            reader.bytes()?;
        }
    }
    Some(())
}
