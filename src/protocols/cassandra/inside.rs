// SPDX-License-Identifier: Apache-2.0
//! The part of the parser that takes segments apart: whole frames in one segment, or one large frame in several.

use super::compression::{self, Compressor};
use super::parser::CassandraParser;
use super::request::{Extent, Message};
use super::segment::{Content, Format, SegmentHeader};
use super::wire::{FIRST_SEGMENTED_VERSION, FLAG_USE_BETA, Header};
use crate::protocols::{Context, Direction, ProtocolCounter, Step};

/// Bytes that a buffer may keep.
pub const SPARE_BYTES: usize = 64 << 10;

/// Whether a segment's payload is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    Whole,
    /// Its end is missing, and its checksum.
    Broken,
}

impl CassandraParser {
    /// Whether a segment's header is what comes, which then stays so.
    pub(super) fn begins_segments(&mut self, rest: &[u8]) -> bool {
        if self.version.is_some_and(|version| version < FIRST_SEGMENTED_VERSION) {
            return false;
        }
        let expected = self.format.or_else(|| self.startup.map(|_| self.expected_format()));
        let found = Format::ALL
            .into_iter()
            .filter(|format| expected.is_none_or(|expected| expected == *format))
            .find(|format| SegmentHeader::read(*format, rest).is_some());
        self.format = self.format.or(found);
        found.is_some()
    }

    /// Whether the server accepts a STARTUP after which segments come. The beta of version 5 had none.
    pub(super) fn agrees_on_segments(&self, response: &Header) -> bool {
        self.startup.is_some_and(|startup| {
            startup.version >= FIRST_SEGMENTED_VERSION
                && startup.version == response.version
                && !(startup.version == FIRST_SEGMENTED_VERSION && startup.has(FLAG_USE_BETA))
        })
    }

    /// What the STARTUP says of segments.
    pub(super) fn expected_format(&self) -> Format {
        match self.compressor {
            Some(Compressor::Lz4) => Format::Lz4,
            _ => Format::Plain,
        }
    }

    /// Takes the segment that `rest` begins with. Answers its bytes.
    pub(super) fn segment(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        rest: &[u8],
    ) -> Result<usize, Step> {
        let format = self.format.unwrap_or(Format::Plain);
        if rest.len() < format.header_bytes() {
            return Err(Step::Consumed { bytes: 0, need: format.header_bytes() });
        }
        let Some(header) = SegmentHeader::read(format, rest) else {
            self.out_of_step(context, direction);
            return Err(Step::Resynchronise);
        };
        let Some(segment) = rest.get(..header.segment_bytes()) else {
            return Err(Step::Consumed { bytes: 0, need: header.segment_bytes() });
        };
        let start_ns = self.sides[direction as usize].begun_ns.take().unwrap_or(context.now_ns);
        let mut unpacked = std::mem::take(&mut self.unpacked);
        let payload = header.payload(segment).and_then(|payload| match header.unpacked_bytes {
            None => Some(payload),
            Some(size) => compression::unpack_lz4_block(payload, size, &mut unpacked).map(|()| unpacked.as_slice()),
        });
        match payload {
            Some(payload) => self.payload(context, direction, payload, header.content, Payload::Whole, start_ns),
            None => self.out_of_step(context, direction),
        }
        self.keep_unpacked(unpacked);
        Ok(segment.len())
    }

    /// A segment makes no sense: what is in it is lost.
    fn out_of_step(&mut self, context: &mut Context<'_>, direction: Direction) {
        context.count(ProtocolCounter::ParseFailures, 1);
        self.break_off(context, direction, Extent::Lost);
        self.session.lost_responses(direction);
    }

    /// Takes the frames of a segment's payload, and parts of frames.
    fn payload(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        payload: &[u8],
        content: Content,
        state: Payload,
        start_ns: i64,
    ) {
        let side = &self.sides[direction as usize];
        if content == Content::WholeFrames && (side.skip_inside_bytes > 0 || !side.partial.is_empty()) {
            context.count(ProtocolCounter::ParseFailures, 1);
            self.break_off(context, direction, Extent::Lost);
        }
        let mut rest = payload;
        while !rest.is_empty() {
            let side = &mut self.sides[direction as usize];
            if side.skip_inside_bytes > 0 {
                let skipped = side.skip_inside_bytes.min(rest.len());
                side.skip_inside_bytes -= skipped;
                context.count(ProtocolCounter::SkippedBytes, skipped as u64);
                rest = rest.get(skipped..).unwrap_or_default();
                continue;
            }
            if !side.partial.is_empty() {
                rest = self.part(context, direction, rest);
                continue;
            }
            let is_broken = state == Payload::Broken;
            let header = Header::read(rest).filter(|header| {
                // A part that continues a frame whose beginning was lost may look like one.
                content == Content::WholeFrames || header.frame_bytes() > payload.len()
            });
            let Some(header) = header else {
                match content {
                    Content::WholeFrames if !is_broken => context.count(ProtocolCounter::ParseFailures, 1),
                    _ => context.count(ProtocolCounter::SkippedBytes, rest.len() as u64),
                }
                return;
            };
            let (body_bytes, extent) = self.wanted(&header, false);
            let kept = header.header_bytes + body_bytes;
            match rest.get(header.header_bytes..kept) {
                Some(body) => {
                    let available = header.frame_bytes().min(rest.len());
                    let missing = header.frame_bytes() - available;
                    self.sides[direction as usize].skip_inside_bytes = missing;
                    context.count(ProtocolCounter::SkippedBytes, available.saturating_sub(kept) as u64);
                    self.message(context, Message { direction, header, body, extent, start_ns });
                    rest = rest.get(available..).unwrap_or_default();
                }
                None if content == Content::Part || is_broken => {
                    let side = &mut self.sides[direction as usize];
                    side.partial.extend_from_slice(rest);
                    side.partial_begun_ns = start_ns;
                    return;
                }
                None => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    return;
                }
            }
        }
        if content == Content::WholeFrames && state == Payload::Whole {
            self.sides[direction as usize].skip_inside_bytes = 0;
        }
    }

    /// Adds to the frame whose beginning is there; answers what is left.
    fn part<'a>(&mut self, context: &mut Context<'_>, direction: Direction, rest: &'a [u8]) -> &'a [u8] {
        let mut partial = std::mem::take(&mut self.sides[direction as usize].partial);
        let start_ns = self.sides[direction as usize].partial_begun_ns;
        let Some(header) = Header::read(&partial) else { return b"" };
        let (body_bytes, extent) = self.wanted(&header, false);
        let kept = header.header_bytes + body_bytes;
        let added = kept.saturating_sub(partial.len()).min(rest.len());
        partial.extend_from_slice(rest.get(..added).unwrap_or_default());
        if let Some(body) = partial.get(header.header_bytes..kept) {
            self.sides[direction as usize].skip_inside_bytes = header.frame_bytes() - kept;
            self.message(context, Message { direction, header, body, extent, start_ns });
            partial.clear();
            partial.shrink_to(SPARE_BYTES);
        }
        self.sides[direction as usize].partial = partial;
        rest.get(added..).unwrap_or_default()
    }

    /// The rest of the frame that is under way inside segments will not come.
    pub(super) fn break_off(&mut self, context: &mut Context<'_>, direction: Direction, extent: Extent) {
        let side = &mut self.sides[direction as usize];
        side.skip_inside_bytes = 0;
        let start_ns = side.partial_begun_ns;
        let mut partial = std::mem::take(&mut side.partial);
        if let Some(header) = Header::read(&partial) {
            self.broken(context, direction, header, &partial, extent, start_ns);
        }
        partial.clear();
        partial.shrink_to(SPARE_BYTES);
        self.sides[direction as usize].partial = partial;
    }

    /// What there is of a segment that breaks off. Answers the bytes of it that are not there, None when that is not known.
    pub(super) fn broken_segment(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        pending: &[u8],
        extent: Extent,
        start_ns: i64,
    ) -> Option<usize> {
        let format = self.format.unwrap_or(Format::Plain);
        let header = SegmentHeader::read(format, pending);
        if let Some(header) = header.filter(|header| header.unpacked_bytes.is_none()) {
            let payload = pending.get(format.header_bytes()..).unwrap_or_default();
            let payload = payload.get(..header.payload_bytes).unwrap_or(payload);
            self.payload(context, direction, payload, header.content, Payload::Broken, start_ns);
        }
        self.break_off(context, direction, extent);
        header.map(|header| header.segment_bytes().saturating_sub(pending.len()))
    }
}
