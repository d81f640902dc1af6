// SPDX-License-Identifier: Apache-2.0
//! The position in a frame that is being decoded. All bounds are checked here and nowhere else.
//!
//! Three ends matter: that of the captured bytes, that of the frame on the wire, and that of the datagram as the IP
//! headers around the position say. A header past the first is truncated; past the last it is invalid.

use super::decoded::Decoded;
use super::drop_reason::DropReason;

#[derive(Clone)]
pub(super) struct Cursor<'frame> {
    /// The captured bytes from here on.
    captured: &'frame [u8],
    /// Where that is in the frame.
    offset: usize,
    /// `usize::MAX` until a header states a length.
    end: usize,
    /// At least the captured bytes.
    wire_end: usize,
}

impl<'frame> Cursor<'frame> {
    #[inline]
    pub(super) fn new(frame: &'frame [u8], wire_length: u32) -> Self {
        let wire_end = frame.len().max(wire_length as usize);
        Self { captured: frame, offset: 0, end: usize::MAX, wire_end }
    }

    /// The next `LENGTH` bytes, without moving past them.
    #[inline]
    pub(super) fn header<const LENGTH: usize>(
        &self,
        truncated: DropReason,
        invalid: DropReason,
    ) -> Result<&'frame [u8; LENGTH], DropReason> {
        if LENGTH > self.remaining_stated() {
            return Err(invalid);
        }
        self.captured.first_chunk().ok_or(truncated)
    }

    /// Moves past a header of `length` bytes.
    #[inline]
    pub(super) fn advance(
        &mut self,
        length: usize,
        truncated: DropReason,
        invalid: DropReason,
    ) -> Result<(), DropReason> {
        if length > self.remaining_stated() {
            return Err(invalid);
        }
        self.captured = self.captured.get(length..).ok_or(truncated)?;
        self.offset += length;
        Ok(())
    }

    /// The datagram ends `length` bytes from here, unless the packet around it ends earlier.
    #[inline]
    pub(super) fn limit(&mut self, length: usize) {
        self.end = self.end.min(self.offset.saturating_add(length));
    }

    /// Bytes from here to the end of the payload, by the headers and by what was on the wire.
    #[inline]
    pub(super) fn remaining(&self) -> usize {
        self.end.min(self.wire_end).saturating_sub(self.offset)
    }

    /// What was captured from here to that end.
    #[inline]
    pub(super) fn rest(&self) -> &'frame [u8] {
        self.captured.get(..self.remaining()).unwrap_or(self.captured)
    }

    /// The payload begins here.
    #[inline]
    pub(super) fn payload_begins(&self, decoded: &mut Decoded) {
        decoded.payload_offset = u32::try_from(self.offset).unwrap_or(u32::MAX);
        decoded.payload_length = u32::try_from(self.remaining()).unwrap_or(u32::MAX);
    }

    #[inline]
    fn remaining_stated(&self) -> usize {
        self.end.saturating_sub(self.offset)
    }
}
