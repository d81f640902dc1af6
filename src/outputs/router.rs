// SPDX-License-Identifier: Apache-2.0
//! The worker's part of an output: index or topic, pipeline, key and id of an event, written beside its body.
//!
//! Field names are looked up in the schema once, at start. A name or key longer than [`LONGEST_BYTES`] is left out: the
//! event then goes where all events go.

use std::fmt::Write as _;

use super::config::{RawIndex, Routing};
use super::format_string::{Fields, FormatString};
use super::selector::Selector;
use crate::event::chunk::{Chunk, EncodedEvent, Span};
use crate::event::{Event, Field, FieldPath, Place, Schema, Value, field};
use crate::processors::condition::Condition;

/// The longest destination, pipeline, key or id. Elasticsearch allows 255 bytes for an index and 512 for an id, Kafka
/// 249 for a topic.
pub const LONGEST_BYTES: usize = 512;

/// Room that a chunk must have beside an event's body.
pub const ROOM_BYTES: usize = 4 * LONGEST_BYTES;

/// Evaluates a [`Routing`] over events. One per worker.
pub struct Router {
    routing: Routing,
    /// The fields that the routing names.
    paths: Vec<(String, Option<FieldPath>)>,
    text: String,
}

impl Router {
    pub fn new(routing: &Routing, schema: &Schema) -> Router {
        let mut names: Vec<&str> = Vec::new();
        names.extend(routing.destination.iter().flat_map(Selector::field_names));
        names.extend(routing.pipeline.iter().flat_map(Selector::field_names));
        names.extend(routing.key.iter().flat_map(FormatString::field_names));
        names.sort_unstable();
        names.dedup();
        let paths = names.into_iter().map(|name| (name.to_owned(), schema.path(name))).collect();
        let mut routing = routing.clone();
        routing.destination.iter_mut().chain(&mut routing.pipeline).for_each(|selector| selector.bind(schema));
        Router { routing, paths, text: String::with_capacity(LONGEST_BYTES) }
    }

    /// Writes what belongs beside the event into the chunk. `time_ns` is that of the event.
    pub fn route(&mut self, event: &Event, time_ns: i64, chunk: &mut Chunk, encoded: &mut EncodedEvent) {
        let Router { routing, paths, text } = self;
        let fields = EventFields { event, paths, time_ns };
        if routing.raw_index == RawIndex::IsDestination {
            encoded.destination = copy_field(event, field::_METADATA_RAW_INDEX, chunk);
        }
        if let Some(selector) = routing.destination.as_ref().filter(|_| encoded.destination.length == 0) {
            encoded.destination = written(text, chunk, |text| selector.select(&fields, text));
        }
        if let Some(selector) = &routing.pipeline {
            encoded.pipeline = written(text, chunk, |text| selector.select(&fields, text));
        }
        if let Some(key) = &routing.key {
            encoded.key = written(text, chunk, |text| key.evaluate(&fields, text).is_ok());
        }
        encoded.id = copy_field(event, field::_METADATA__ID, chunk);
    }
}

fn written(text: &mut String, chunk: &mut Chunk, evaluate: impl FnOnce(&mut String) -> bool) -> Span {
    text.clear();
    if evaluate(text) { copy(text.as_bytes(), chunk) } else { Span::default() }
}

fn copy_field(event: &Event, name: Field, chunk: &mut Chunk) -> Span {
    let text = event.get(name).and_then(|value| event.text_of(value));
    text.map_or(Span::default(), |text| copy(text, chunk))
}

fn copy(text: &[u8], chunk: &mut Chunk) -> Span {
    if text.is_empty() || text.len() > LONGEST_BYTES {
        return Span::default();
    }
    let start = chunk.used_bytes();
    chunk.buffer().extend_from_slice(text);
    chunk.span_since(start)
}

struct EventFields<'a> {
    event: &'a Event,
    paths: &'a [(String, Option<FieldPath>)],
    time_ns: i64,
}

impl Fields for EventFields<'_> {
    fn append(&self, name: &str, out: &mut String) -> bool {
        let path = self.paths.iter().find(|(known, _)| known == name).and_then(|(_, path)| path.as_ref());
        let Some(value) = path.and_then(|path| self.event.resolve(path)) else { return false };
        match value {
            Value::Boolean(value) => write!(out, "{value}"),
            Value::Signed(value) => write!(out, "{value}"),
            Value::Unsigned(value) => write!(out, "{value}"),
            Value::Float(value) => write!(out, "{value}"),
            Value::Address(value) => write!(out, "{value}"),
            other => match self.event.text_of(other) {
                // What is too long to be a name is not copied either.
                Some(text) if text.len() <= LONGEST_BYTES => {
                    out.push_str(&String::from_utf8_lossy(text));
                    Ok(())
                }
                _ => return false,
            },
        }
        .is_ok()
    }

    fn time_ns(&self) -> Option<i64> {
        Some(self.time_ns)
    }

    fn meet(&self, condition: &Condition<Place>) -> bool {
        condition.holds(self.event)
    }
}

#[cfg(test)]
mod tests;
