// SPDX-License-Identifier: Apache-2.0
//! Chunks for the tests of sinks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use super::{Sink, Verdict};
use crate::event::chunk::{Chunk, EncodedEvent, SealedChunk, Slice};

/// A chunk that holds these bodies as events.
pub fn chunk_of<T: AsRef<str>>(bodies: &[T]) -> Arc<SealedChunk> {
    chunk_with(bodies, |_, _| {})
}

/// A chunk that holds these bodies; `amend` completes each event, and may append to the chunk for that.
pub fn chunk_with<T: AsRef<str>>(bodies: &[T], amend: impl Fn(&mut Chunk, &mut EncodedEvent)) -> Arc<SealedChunk> {
    let mut chunk = Chunk::new(0, 4096);
    for body in bodies {
        let mut event = EncodedEvent { body: append(&mut chunk, body.as_ref()), ..EncodedEvent::default() };
        amend(&mut chunk, &mut event);
        chunk.finish(event);
    }
    SealedChunk::new(chunk, Arc::new(ArrayQueue::new(1)))
}

/// Appends text to the chunk.
pub fn append(chunk: &mut Chunk, text: &str) -> crate::event::chunk::Span {
    let start = chunk.used_bytes();
    chunk.buffer().extend_from_slice(text.as_bytes());
    chunk.span_since(start)
}

pub fn slice_of<T: AsRef<str>>(bodies: &[T]) -> Slice {
    Slice::whole(chunk_of(bodies))
}

/// Bodies with a running number, from `start` on.
pub fn numbered(start: usize, count: usize) -> Vec<String> {
    (start..start + count)
        .map(|number| format!("{{\"@timestamp\":\"2026-11-24T12:00:00.000Z\",\"n\":{number}}}"))
        .collect()
}

/// The bodies of a slice.
pub fn bodies(slice: &Slice) -> Vec<String> {
    slice.events().iter().map(|event| String::from_utf8(slice.bytes(event.body).to_vec()).unwrap()).collect()
}

/// All that the sink has to say now.
pub fn verdicts(sink: &mut (impl Sink + ?Sized)) -> Vec<(Vec<String>, Verdict)> {
    let mut all = Vec::new();
    sink.poll(&mut |slice, verdict| all.push((bodies(&slice), verdict)));
    all
}

/// Offers a slice, flushes, and waits until all that the sink holds is settled.
pub fn settled(sink: &mut impl Sink, mut rest: Option<Slice>) -> Vec<(String, Verdict)> {
    let end = Instant::now() + Duration::from_secs(30);
    let mut all = Vec::new();
    while rest.is_some() || sink.in_flight() > 0 {
        rest = rest.and_then(|slice| sink.offer(slice));
        if rest.is_none() {
            sink.flush();
        }
        sink.poll(&mut |slice, verdict| {
            all.extend(bodies(&slice).into_iter().map(|body| (body, verdict.clone())));
        });
        assert!(Instant::now() < end, "events are never settled: {all:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    all
}

/// The same verdict for each of these events.
pub fn all(bodies: &[String], verdict: Verdict) -> Vec<(String, Verdict)> {
    bodies.iter().map(|body| (body.clone(), verdict.clone())).collect()
}
