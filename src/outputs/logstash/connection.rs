// SPDX-License-Identifier: Apache-2.0
//! One connection: writes windows and reads acknowledgements at the same time.
//!
//! Memory: the window that is being written, encoded, and the slices of those that wait for their acknowledgement.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{self, ACKNOWLEDGEMENT_BYTES};
use super::window::WindowSize;
use crate::event::chunk::Slice;
use crate::outputs::Verdict;
use crate::outputs::batch::Batch;
use crate::outputs::batch_sink::Feed;
use crate::outputs::peer::Stream;

/// Why a connection is over.
#[derive(Debug)]
pub enum Failure {
    Timeout,
    Broken(io::Error),
    Closed,
    /// The other side sent what is no acknowledgement of what it was sent.
    Foreign,
}

impl Failure {
    /// The name under which its events are tried again.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Timeout => "logstash_timeout",
            Failure::Broken(_) | Failure::Closed => "logstash_connection",
            Failure::Foreign => "logstash_protocol",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Timeout => formatter.write_str("nothing was acknowledged within the time-out"),
            Failure::Broken(error) => error.fmt(formatter),
            Failure::Closed => formatter.write_str("it closed the connection"),
            Failure::Foreign => formatter.write_str("it does not answer in the Lumberjack protocol"),
        }
    }
}

/// What a step brought.
pub enum Step {
    /// Bytes went out, or acknowledgements came in.
    Moved,
    /// A batch to send; none when the sink is gone.
    Batch(Option<Batch>),
}

/// See the module's head.
pub struct Connection<'a> {
    stream: Box<dyn Stream>,
    feed: &'a Feed,
    size: &'a mut WindowSize,
    /// Windows that were sent or are being sent, the oldest first.
    windows: VecDeque<Window>,
    /// What is being written, and how much of it is out.
    out: Vec<u8>,
    written: usize,
    flushed: bool,
    /// An acknowledgement of which so many bytes have come.
    frame: [u8; ACKNOWLEDGEMENT_BYTES],
    filled: usize,
    /// The other side has acknowledged something, or said that it is at work.
    pub has_answered: bool,
}

struct Window {
    /// Events that are not acknowledged.
    slices: VecDeque<Slice>,
    events: usize,
    acknowledged: usize,
}

impl<'a> Connection<'a> {
    pub fn new(stream: Box<dyn Stream>, feed: &'a Feed, size: &'a mut WindowSize) -> Connection<'a> {
        Connection {
            stream,
            feed,
            size,
            windows: VecDeque::new(),
            out: Vec::new(),
            written: 0,
            flushed: true,
            frame: [0; ACKNOWLEDGEMENT_BYTES],
            filled: 0,
            has_answered: false,
        }
    }

    /// Windows in flight.
    pub fn in_flight(&self) -> usize {
        self.windows.len()
    }

    /// Whether another window can be begun.
    pub fn is_writing(&self) -> bool {
        self.written < self.out.len() || !self.flushed
    }

    /// Begins a window with the front of these events, as many as a window may have.
    pub fn begin(&mut self, waiting: &mut VecDeque<Slice>, level: u32) -> Result<(), Failure> {
        let mut slices = Vec::new();
        let mut events = 0;
        while let Some(mut slice) = waiting.pop_front() {
            let part = slice.split_first(self.size.events() - events);
            events += part.len();
            slices.push(part);
            if !slice.is_empty() {
                waiting.push_front(slice);
            }
            if events >= self.size.events() {
                break;
            }
        }
        self.out.clear();
        self.written = 0;
        let result = frames::write_window(&slices, level, &mut self.out);
        self.windows.push_back(Window { slices: slices.into(), events, acknowledged: 0 });
        self.flushed = false;
        result.map_err(Failure::Broken)
    }

    /// Waits until something happens. With `Appetite::Hungry` a new batch is something, too.
    pub async fn step(&mut self, appetite: Appetite) -> Result<Step, Failure> {
        let feed = self.feed;
        let mut next = pin!(feed.next());
        poll_fn(|context| {
            let read = self.poll_read(context)?;
            let wrote = self.poll_write(context)?;
            if read.is_ready() || wrote.is_ready() {
                return Poll::Ready(Ok(Step::Moved));
            }
            if appetite == Appetite::Full {
                return Poll::Pending;
            }
            next.as_mut().poll(context).map(|batch| Ok(Step::Batch(batch)))
        })
        .await
    }

    /// Reports all that was not acknowledged.
    pub fn give_up(self, waiting: VecDeque<Slice>, reason: &'static str) {
        if !self.windows.is_empty() {
            self.size.failed();
        }
        let slices = self.windows.into_iter().flat_map(|window| window.slices).chain(waiting);
        self.feed.tell_all(slices, &Verdict::Retry(reason));
    }

    /// Takes leave of the other side; nothing is in flight.
    pub async fn close(mut self) {
        // It goes either way.
        let _ = poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await;
    }

    /// Ready when bytes went out; pending also when there are none.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.written < self.out.len() {
            let stream = Pin::new(&mut self.stream);
            let count = ready!(stream.poll_write(context, &self.out[self.written..])).map_err(Failure::Broken)?;
            if count == 0 {
                return Poll::Ready(Err(Failure::Closed));
            }
            self.written += count;
            self.feed.metrics.written_bytes.add(count as u64);
            return Poll::Ready(Ok(()));
        }
        if self.flushed {
            return Poll::Pending;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context)).map_err(Failure::Broken)?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    /// Ready when an acknowledgement came.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while self.filled < ACKNOWLEDGEMENT_BYTES {
            let mut buffer = ReadBuf::new(&mut self.frame[self.filled..]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)).map_err(Failure::Broken)?;
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Err(Failure::Closed));
            }
            self.filled += count;
        }
        self.filled = 0;
        self.feed.metrics.read_bytes.add(ACKNOWLEDGEMENT_BYTES as u64);
        let sequence = frames::read_acknowledgement(self.frame).ok_or(Failure::Foreign)?;
        self.acknowledge(sequence as usize)?;
        self.has_answered = true;
        Poll::Ready(Ok(()))
    }

    /// Settles the events of the oldest window up to this one.
    fn acknowledge(&mut self, sequence: usize) -> Result<(), Failure> {
        // What is not written cannot have been read.
        let is_unwritten = self.windows.len() == 1 && self.written == 0;
        let Some(window) = self.windows.front_mut().filter(|_| sequence > 0) else {
            // "Still at work" does no harm, also when it comes late.
            return if sequence == 0 { Ok(()) } else { Err(Failure::Foreign) };
        };
        if sequence > window.events || is_unwritten {
            return Err(Failure::Foreign);
        }
        let mut open = sequence.saturating_sub(window.acknowledged);
        window.acknowledged = window.acknowledged.max(sequence);
        while open > 0
            && let Some(slice) = window.slices.front_mut()
        {
            let part = slice.split_first(open);
            open -= part.len();
            if slice.is_empty() {
                window.slices.pop_front();
            }
            self.feed.tell(part, Verdict::Acknowledged);
        }
        if window.acknowledged == window.events {
            self.feed.metrics.requests.add(1);
            self.size.succeeded(window.events);
            self.windows.pop_front();
        }
        Ok(())
    }
}

/// Whether a connection takes more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    Hungry,
    Full,
}
