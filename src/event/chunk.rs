// SPDX-License-Identifier: Apache-2.0
//! Chunks: encoded events in one buffer, the unit that goes from a worker to the sinks and comes back empty.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_queue::ArrayQueue;

/// Bytes inside a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub length: u32,
}

/// One encoded event and what a sink must know of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodedEvent {
    /// The JSON object, without a line end.
    pub body: Span,
    /// Index or topic when a rule chose another than the output's default; else empty.
    pub destination: Span,
    /// Ingest pipeline; else empty.
    pub pipeline: Span,
    /// Kafka key; else empty.
    pub key: Span,
    /// Document id; else empty.
    pub id: Span,
    /// When the event was encoded, packet or wall time in nanoseconds: for latency and age.
    pub time_ns: i64,
}

/// A buffer of encoded events, owned by a worker while it is filled.
pub struct Chunk {
    /// Number of the worker that fills it.
    pub worker: u16,
    /// What the disk queue calls the record that it was read from.
    pub ticket: Option<u64>,
    /// It came back with all its events settled.
    settled: bool,
    bytes: Vec<u8>,
    events: Vec<EncodedEvent>,
}

impl Chunk {
    pub fn new(worker: u16, capacity_bytes: usize) -> Chunk {
        Chunk {
            worker,
            ticket: None,
            settled: false,
            bytes: Vec::with_capacity(capacity_bytes),
            events: Vec::with_capacity(capacity_bytes / 512),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn used_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn free_bytes(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// The buffer, to append to. What is appended becomes an event with [`Chunk::finish`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Span of what was appended since `start`.
    pub fn span_since(&self, start: usize) -> Span {
        Span { start: start as u32, length: (self.bytes.len() - start) as u32 }
    }

    pub fn finish(&mut self, event: EncodedEvent) {
        self.events.push(event);
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.events.clear();
    }

    /// Whether the events that it last carried were all acknowledged or given up by name.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// All bytes, those of the spans of its events.
    pub fn all_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn events(&self) -> &[EncodedEvent] {
        &self.events
    }

    pub fn bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.bytes.get(start..start + span.length as usize).unwrap_or_default()
    }
}

/// A full chunk on its way; when the last holder lets it go its buffer returns, empty, to the worker.
pub struct SealedChunk {
    chunk: Option<Chunk>,
    settled: AtomicU32,
    home: Arc<ArrayQueue<Chunk>>,
}

impl SealedChunk {
    pub fn new(chunk: Chunk, home: Arc<ArrayQueue<Chunk>>) -> Arc<SealedChunk> {
        Arc::new(SealedChunk { chunk: Some(chunk), settled: AtomicU32::new(0), home })
    }

    pub fn chunk(&self) -> &Chunk {
        self.chunk.as_ref().expect("a sealed chunk has its chunk until it is dropped")
    }

    /// So many more of its events are acknowledged or given up by name.
    pub fn settle(&self, events: usize) {
        self.settled.fetch_add(events as u32, Ordering::Relaxed);
    }
}

impl Drop for SealedChunk {
    fn drop(&mut self) {
        if let Some(mut chunk) = self.chunk.take() {
            chunk.settled = self.settled.load(Ordering::Relaxed) as usize >= chunk.len();
            chunk.clear();
            // A chunk for one oversized event is not part of the pool; the queue refuses what exceeds it.
            let _ = self.home.push(chunk);
        }
    }
}

/// Some consecutive events of a sealed chunk.
#[derive(Clone)]
pub struct Slice {
    pub chunk: Arc<SealedChunk>,
    pub range: Range<u32>,
}

impl Slice {
    pub fn whole(chunk: Arc<SealedChunk>) -> Slice {
        let end = chunk.chunk().len() as u32;
        Slice { chunk, range: 0..end }
    }

    pub fn len(&self) -> usize {
        self.range.len()
    }

    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    pub fn events(&self) -> &[EncodedEvent] {
        &self.chunk.chunk().events()[self.range.start as usize..self.range.end as usize]
    }

    pub fn bytes(&self, span: Span) -> &[u8] {
        self.chunk.chunk().bytes(span)
    }

    /// Splits off the first `count` events.
    pub fn split_first(&mut self, count: usize) -> Slice {
        let middle = self.range.start + (count.min(self.len())) as u32;
        let first = Slice { chunk: Arc::clone(&self.chunk), range: self.range.start..middle };
        self.range.start = middle;
        first
    }
}
