// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: cuts both directions into frames, out of segments where there are, and gives them to the
//! session.
//!
//! Segments begin after the handshake of version 5. Where that was not seen they are told from frames by the checksum of
//! their header, so a capture may begin anywhere.

use std::sync::Arc;

use super::Options;
use super::compression::{self, Compressor, MAX_COMPRESSED_BYTES};
use super::inside::SPARE_BYTES;
use super::names::{self, Kind};
use super::request::{self, Extent, MAX_QUERY_BYTES, Message};
use super::response;
use super::segment::Format;
use super::session::Session;
use super::wire::{FLAG_COMPRESSED, Header};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Bytes of a QUERY that are waited for: the text with its length, and a custom payload in front of it.
const MAX_QUERY_BODY_BYTES: usize = MAX_QUERY_BYTES + (64 << 10);
/// Bytes of a response that are waited for: enough for the metadata in front of the rows.
const MAX_RESPONSE_BYTES: usize = 256 << 10;
/// Bytes of a STARTUP.
const MAX_STARTUP_BYTES: usize = 64 << 10;

/// The parser of one connection.
pub struct CassandraParser {
    options: Arc<Options>,
    pub(super) sides: [Side; 2],
    pub(super) session: Session,
    pub(super) unpacked: Vec<u8>,
    /// Version of the connection, once something says it.
    pub(super) version: Option<u8>,
    /// How bodies are compressed, when a STARTUP says it.
    pub(super) compressor: Option<Compressor>,
    /// Format of the connection's segments, once it is known.
    pub(super) format: Option<Format>,
    /// Header of the last STARTUP.
    pub(super) startup: Option<Header>,
    /// A frame was understood: what comes is CQL.
    in_step: bool,
    not_mine: bool,
}

/// One direction.
#[derive(Default)]
pub(super) struct Side {
    /// When the first bytes of the frame or segment under way came.
    pub(super) begun_ns: Option<i64>,
    /// Bytes of a frame that was taken already, or of a segment that is of no use.
    skip_bytes: usize,
    /// Frames come in segments.
    pub(super) is_segmented: bool,
    /// The first bytes of a frame whose other bytes are in later segments, and when they came.
    pub(super) partial: Vec<u8>,
    pub(super) partial_begun_ns: i64,
    /// Bytes of a frame that was taken already, in later segments.
    pub(super) skip_inside_bytes: usize,
}

impl CassandraParser {
    pub fn new(options: Arc<Options>) -> CassandraParser {
        CassandraParser {
            session: Session::new(Arc::clone(&options)),
            options,
            sides: Default::default(),
            unpacked: Vec::new(),
            version: None,
            compressor: None,
            format: None,
            startup: None,
            in_step: false,
            not_mine: false,
        }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.unpacked.capacity()
            + self.sides.iter().map(|side| side.partial.capacity()).sum::<usize>()
            + self.session.held_bytes()
    }

    /// Takes the frame that `rest` begins with. Answers its bytes, as many as are there.
    fn frame(&mut self, context: &mut Context<'_>, direction: Direction, rest: &[u8]) -> Result<usize, Step> {
        let needed = Header::length_of(rest);
        if rest.len() < needed {
            return Err(Step::Consumed { bytes: 0, need: needed });
        }
        if self.begins_segments(rest) {
            self.sides[direction as usize].is_segmented = true;
            return Ok(0);
        }
        let Some(header) = Header::read(rest) else {
            if !self.in_step && is_tls(rest) {
                self.not_mine = true;
                return Err(Step::NotMine);
            }
            context.count(ProtocolCounter::ParseFailures, 1);
            return Err(Step::Resynchronise);
        };
        let (body_bytes, extent) = self.wanted(&header, self.is_compressed(&header));
        let kept = header.header_bytes + body_bytes;
        let Some(body) = rest.get(header.header_bytes..kept) else {
            return Err(Step::Consumed { bytes: 0, need: kept });
        };
        let side = &mut self.sides[direction as usize];
        let available = header.frame_bytes().min(rest.len());
        side.skip_bytes = header.frame_bytes() - available;
        let start_ns = side.begun_ns.take().unwrap_or(context.now_ns);
        context.count(ProtocolCounter::SkippedBytes, available.saturating_sub(kept) as u64);
        self.message(context, Message { direction, header, body, extent, start_ns });
        Ok(available)
    }

    /// Takes what there is of a frame. A request that was not sent wholly is none.
    pub(super) fn broken(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        header: Header,
        frame: &[u8],
        extent: Extent,
        start_ns: i64,
    ) {
        if extent == Extent::Ended && header.kind == Kind::Request {
            return;
        }
        let body = match self.is_compressed(&header) {
            true => b"",
            false => frame.get(header.header_bytes..).unwrap_or_default(),
        };
        self.message(context, Message { direction, header, body, extent, start_ns });
    }

    /// Bytes of a body that are waited for, and what they are of it.
    pub(super) fn wanted(&self, header: &Header, is_compressed: bool) -> (usize, Extent) {
        let most = match header.op {
            names::STARTUP => MAX_STARTUP_BYTES,
            names::QUERY if self.options.common.send_request => MAX_QUERY_BODY_BYTES,
            op if header.kind == Kind::Response && self.options.common.send_response && response::has_fields(op) => {
                MAX_RESPONSE_BYTES
            }
            _ => return (0, Extent::Whole),
        };
        let length = header.body_bytes;
        match is_compressed {
            // It is unpacked as a whole or not at all.
            true if length > MAX_COMPRESSED_BYTES => (0, Extent::Cut),
            true => (length, Extent::Whole),
            false if length > most => (most, Extent::Cut),
            false => (length, Extent::Whole),
        }
    }

    fn is_compressed(&self, header: &Header) -> bool {
        header.has(FLAG_COMPRESSED) && header.body_bytes > 0
    }

    /// Takes a frame.
    pub(super) fn message(&mut self, context: &mut Context<'_>, message: Message<'_>) {
        self.in_step = true;
        context.count(ProtocolCounter::Messages, 1);
        let is_segmented = self.sides[message.direction as usize].is_segmented;
        if is_segmented || !self.is_compressed(&message.header) || message.body.is_empty() {
            self.understood(context, &message);
            return;
        }
        let mut unpacked = std::mem::take(&mut self.unpacked);
        let compressor = self.compressor.or(self.options.compressor).unwrap_or(Compressor::Lz4);
        let (body, extent) = match compression::unpack(compressor, message.body, &mut unpacked) {
            Some(()) => (unpacked.as_slice(), message.extent),
            None => {
                context.count(ProtocolCounter::ParseFailures, 1);
                (&b""[..], Extent::Unreadable)
            }
        };
        self.understood(context, &Message { body, extent, ..message });
        self.keep_unpacked(unpacked);
    }

    fn understood(&mut self, context: &mut Context<'_>, message: &Message<'_>) {
        let header = &message.header;
        match header.op {
            names::STARTUP => {
                self.startup = Some(*header);
                self.version = Some(header.version);
                self.compressor = request::compressor_asked_for(message.body);
            }
            names::READY | names::AUTHENTICATE if self.agrees_on_segments(header) => {
                self.format = Some(self.expected_format());
                self.sides.iter_mut().for_each(|side| side.is_segmented = true);
            }
            _ => self.version = self.version.or(Some(header.version)),
        }
        match header.kind {
            Kind::Request => self.session.request(context, message),
            Kind::Response => self.session.response(context, message),
        }
    }

    pub(super) fn keep_unpacked(&mut self, mut unpacked: Vec<u8>) {
        unpacked.clear();
        unpacked.shrink_to(SPARE_BYTES);
        self.unpacked = unpacked;
    }
}

impl Parser for CassandraParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.not_mine {
            return Step::NotMine;
        }
        let mut position = 0;
        while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
            let side = &mut self.sides[direction as usize];
            if side.skip_bytes > 0 {
                let skipped = side.skip_bytes.min(rest.len());
                side.skip_bytes -= skipped;
                position += skipped;
                context.count(ProtocolCounter::SkippedBytes, skipped as u64);
                continue;
            }
            side.begun_ns.get_or_insert(context.now_ns);
            let taken = match side.is_segmented {
                true => self.segment(context, direction, rest),
                false => self.frame(context, direction, rest),
            };
            match taken {
                Ok(taken) => position += taken,
                Err(Step::Consumed { need, .. }) => return Step::Consumed { bytes: position, need },
                Err(step) => {
                    self.sides[direction as usize].begun_ns = None;
                    return step;
                }
            }
        }
        Step::All
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        let side = &mut self.sides[direction as usize];
        let missing = usize::try_from(missing_bytes).unwrap_or(usize::MAX);
        if side.skip_bytes > 0 && missing <= side.skip_bytes {
            side.skip_bytes -= missing;
            return AfterGap::Continue;
        }
        side.skip_bytes = 0;
        let start_ns = side.begun_ns.take().unwrap_or(context.now_ns);
        let left = if side.is_segmented {
            // Other frames of the segment may be lost as well.
            self.session.lost_responses(direction);
            self.broken_segment(context, direction, pending, Extent::Lost, start_ns)
        } else {
            Header::read(pending).map(|header| {
                self.broken(context, direction, header, pending, Extent::Lost, start_ns);
                header.frame_bytes().saturating_sub(pending.len())
            })
        };
        match left {
            Some(left) if missing <= left => {
                self.sides[direction as usize].skip_bytes = left - missing;
                AfterGap::Continue
            }
            _ => {
                self.session.lost_responses(direction);
                AfterGap::Restart
            }
        }
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], _end: End) {
        let side = &mut self.sides[direction as usize];
        side.skip_bytes = 0;
        let start_ns = side.begun_ns.take().unwrap_or(context.now_ns);
        if side.is_segmented {
            self.broken_segment(context, direction, pending, Extent::Ended, start_ns);
        } else if let Some(header) = Header::read(pending).filter(|_| !self.not_mine) {
            self.broken(context, direction, header, pending, Extent::Ended, start_ns);
        }
        self.session.ended(context, direction);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        self.session.expire(context);
    }

    fn deadline_ns(&self) -> Option<i64> {
        self.session.deadline_ns()
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.session.finish(context);
        self.reset();
    }

    fn reset(&mut self) {
        self.session.reset();
        for side in &mut self.sides {
            let mut partial = std::mem::take(&mut side.partial);
            partial.clear();
            partial.shrink_to(SPARE_BYTES);
            *side = Side { partial, ..Side::default() };
        }
        self.version = None;
        self.compressor = None;
        self.format = None;
        self.startup = None;
        self.in_step = false;
        self.not_mine = false;
    }
}

/// The beginning of a TLS handshake record (RFC 8446, section 5.1).
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, ..])
}
