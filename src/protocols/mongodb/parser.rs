// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: cuts both directions into messages and gives them to the session.

use std::sync::Arc;

use super::Options;
use super::compressed;
use super::exchange::{Extent, Message};
use super::session::Session;
use super::wire::{HEADER_BYTES, Header, Opcode};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Bytes of a message that are waited for and looked at. What a reply says of success stands behind its documents.
const MAX_KEPT_BYTES: usize = 4 << 20;
/// The buffer for unpacked messages that is kept.
const SPARE_BYTES: usize = 64 << 10;

/// The parser of one connection.
pub struct MongodbParser {
    sides: [Side; 2],
    unpacked: Vec<u8>,
    session: Session,
    /// A message was understood: what comes is MongoDB.
    in_step: bool,
    not_mine: bool,
}

/// One direction.
#[derive(Default)]
struct Side {
    /// When the first bytes of the message under way came.
    begun_ns: Option<i64>,
    /// Bytes of a message that was taken already.
    skip_bytes: usize,
}

impl MongodbParser {
    pub fn new(options: Arc<Options>) -> MongodbParser {
        MongodbParser {
            sides: Default::default(),
            unpacked: Vec::new(),
            session: Session::new(options),
            in_step: false,
            not_mine: false,
        }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.unpacked.capacity() + self.session.held_bytes()
    }

    /// Takes a message, or what there is of it.
    fn message(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        header: &Header,
        bytes: &[u8],
        extent: Extent,
        start_ns: i64,
    ) {
        self.in_step = true;
        let mut message = Message {
            direction,
            id: header.request_id,
            response_to: header.response_to,
            opcode: Some(header.opcode),
            body: bytes.get(HEADER_BYTES..).unwrap_or_default(),
            extent,
            bytes: header.length as u64,
            start_ns,
        };
        let mut unpacked = std::mem::take(&mut self.unpacked);
        if header.opcode == Opcode::Compressed {
            let content = compressed::unpack(message.body, &mut unpacked);
            message.opcode = content.as_ref().map(|content| content.opcode);
            message.body = if content.is_some() { &unpacked } else { b"" };
            if extent == Extent::Whole {
                message.extent = match content {
                    Some(content) if content.is_whole => Extent::Whole,
                    Some(_) if unpacked.len() >= compressed::MAX_UNPACKED_BYTES => Extent::Cut,
                    _ => Extent::Unreadable,
                };
            }
            if message.extent == Extent::Unreadable {
                context.count(ProtocolCounter::ParseFailures, 1);
            }
        }
        self.session.message(context, &message);
        unpacked.clear();
        unpacked.shrink_to(SPARE_BYTES);
        self.unpacked = unpacked;
    }
}

impl Parser for MongodbParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.not_mine {
            return Step::NotMine;
        }
        let skipped = self.sides[direction as usize].skip_bytes.min(bytes.len());
        if skipped > 0 {
            self.sides[direction as usize].skip_bytes -= skipped;
            context.count(ProtocolCounter::SkippedBytes, skipped as u64);
        }
        let mut position = skipped;
        while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
            let side = &mut self.sides[direction as usize];
            let start_ns = *side.begun_ns.get_or_insert(context.now_ns);
            if !self.in_step && is_tls(rest) {
                self.not_mine = true;
                return Step::NotMine;
            }
            if rest.len() < HEADER_BYTES {
                return Step::Consumed { bytes: position, need: HEADER_BYTES };
            }
            let Some(header) = Header::read(rest) else {
                side.begun_ns = None;
                context.count(ProtocolCounter::ParseFailures, 1);
                return Step::Resynchronise;
            };
            let kept = header.length.min(MAX_KEPT_BYTES);
            let Some(message) = rest.get(..kept) else {
                return Step::Consumed { bytes: position, need: kept };
            };
            let available = header.length.min(rest.len());
            side.begun_ns = None;
            side.skip_bytes = header.length - available;
            if available > kept {
                context.count(ProtocolCounter::SkippedBytes, (available - kept) as u64);
            }
            let extent = if kept == header.length { Extent::Whole } else { Extent::Cut };
            self.message(context, direction, &header, message, extent, start_ns);
            position += available;
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
        let Some(header) = Header::read(pending) else { return AfterGap::Restart };
        let left = header.length.saturating_sub(pending.len());
        let after = if missing <= left {
            side.skip_bytes = left - missing;
            AfterGap::Continue
        } else {
            AfterGap::Restart
        };
        self.message(context, direction, &header, pending, Extent::Lost, start_ns);
        after
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], _end: End) {
        let side = &mut self.sides[direction as usize];
        side.skip_bytes = 0;
        let start_ns = side.begun_ns.take().unwrap_or(context.now_ns);
        // A reply that was begun answers its request; a request that was not sent wholly is none.
        if let Some(header) = Header::read(pending).filter(|header| header.response_to != 0 && !self.not_mine) {
            self.message(context, direction, &header, pending, Extent::Ended, start_ns);
        }
        self.session.ended(context, direction);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        self.session.expire(context);
    }

    fn deadline_ns(&self) -> Option<i64> {
        self.session.deadline_ns()
    }

    fn idle_limit_ns(&self) -> i64 {
        self.session.idle_limit_ns()
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.session.finish(context);
        self.reset();
    }

    fn reset(&mut self) {
        self.session.reset();
        self.sides = Default::default();
        self.in_step = false;
        self.not_mine = false;
    }
}

/// The beginning of a TLS handshake record (RFC 8446, section 5.1).
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 3, ..])
}
