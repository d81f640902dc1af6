// SPDX-License-Identifier: Apache-2.0
//! TCP in order and IP fragments put together: every memory bound of reassembly is here.
//!
//! A stream gives its receiver the bytes of each direction in order, in place where they came in order; a hole is told as a
//! gap. What the receiver leaves unconsumed is kept, once, until as much as it asked for is there.

pub mod fragments;
pub mod held;
pub mod tcp;
#[cfg(test)]
mod tests;

/// Who sent bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// From the client: the sender of the SYN, or the end whose peer has the configured port.
    ToServer = 0,
    ToClient = 1,
}

impl Direction {
    pub fn opposite(self) -> Direction {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }
}

/// What a receiver made of the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first `bytes` are done. Of the rest, nothing is given again before `need` bytes of it are there.
    Consumed { bytes: usize, need: usize },
    /// All is done.
    All,
    /// Out of step: what is there is thrown away, parsing goes on with the next segment.
    Resynchronise,
    /// Not the receiver's protocol: nothing more is given to it.
    NotMine,
}

/// What a receiver does after a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterGap {
    /// It has accounted for the missing bytes and goes on in the same message.
    Continue,
    /// It starts anew with the bytes behind the gap.
    Restart,
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Fin,
    Reset,
    /// Neither was seen: the connection was idle too long, or the capture ended.
    Expired,
}

/// Where a stream's bytes go.
pub trait Receiver {
    /// Bytes in order: those left unconsumed before, then new ones, which came at `time_ns` or had to wait until then.
    fn data(&mut self, direction: Direction, bytes: &[u8], time_ns: i64) -> Step;
    /// `missing_bytes` will never come. `pending` are the unconsumed bytes before the gap; they are not given again. The last
    /// bytes before it came at `after_ns`; i64::MIN when there were none.
    fn gap(&mut self, direction: Direction, pending: &[u8], missing_bytes: u64, after_ns: i64) -> AfterGap;
    /// No more bytes in this direction. `pending` are the unconsumed ones.
    fn end(&mut self, direction: Direction, pending: &[u8], end: End);
}

/// Bounds of stream reassembly (`wirebeat.stream.*`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Unconsumed bytes a direction may keep.
    pub pending_bytes: usize,
    /// Bytes of early segments a direction may hold.
    pub held_bytes_per_direction: usize,
    /// Bytes of early segments and their buffers a worker may hold.
    pub held_bytes_per_worker: usize,
    /// After the other end acknowledged bytes that are missing, so many more segments of the direction may come first.
    pub late_segments: u32,
    /// … or so much time may pass.
    pub late_ns: i64,
    /// Without an acknowledgement a hole may stay open so long.
    pub unacknowledged_ns: i64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            pending_bytes: 10 << 20,
            held_bytes_per_direction: 1 << 20,
            held_bytes_per_worker: 64 << 20,
            late_segments: 64,
            late_ns: 1_000_000_000,
            unacknowledged_ns: 30_000_000_000,
        }
    }
}

/// What reassembly did, per worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Payload bytes that were given to a receiver, each once.
    pub delivered_bytes: u64,
    /// Payload bytes that had been seen before.
    pub repeated_bytes: u64,
    /// Payload bytes missing in gaps that were told.
    pub gap_bytes: u64,
    pub gaps: u64,
    /// Payload bytes thrown away: after the end of a stream, out of any window, or of a receiver that gave up.
    pub ignored_bytes: u64,
    /// Unconsumed bytes thrown away because a receiver kept too many or lost its step.
    pub discarded_bytes: u64,
    /// Bytes copied because they came early or a message straddled segments.
    pub copied_bytes: u64,
    pub early_segments: u64,
}
