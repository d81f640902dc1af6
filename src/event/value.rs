// SPDX-License-Identifier: Apache-2.0
//! Values of an event and the memory behind them: text in one buffer, lists and maps on a tape.

use std::fmt::Write as _;
use std::net::IpAddr;

/// A value. Text, lists and maps point into the event that made them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    /// Nanoseconds since 1970, UTC.
    Time(i64),
    Address(IpAddr),
    Mac([u8; 6]),
    Static(&'static str),
    /// Text at `start`, of `length` bytes, not necessarily UTF-8.
    Text {
        start: u32,
        length: u32,
    },
    /// JSON that is written as it stands: a fragment made at start.
    Json {
        start: u32,
        length: u32,
    },
    /// Elements on the tape; an element that is a list or map is followed by its own elements.
    List {
        start: u32,
        end: u32,
    },
    /// Keys (text) and values in turn on the tape.
    Map {
        start: u32,
        end: u32,
    },
}

/// What the values of one event point into.
#[derive(Default)]
pub(super) struct Content {
    pub text: Vec<u8>,
    pub tape: Vec<Value>,
    pub shared: Shared,
}

/// What several fields point at together is written several times: the size of all but the first.
#[derive(Default)]
pub(super) struct Shared {
    pub text_bytes: usize,
    pub values: usize,
}

impl Content {
    pub fn clear(&mut self) {
        self.text.clear();
        self.tape.clear();
        self.shared = Shared::default();
    }

    pub fn store(&mut self, text: &[u8]) -> Value {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        Value::Text { start, length: text.len() as u32 }
    }

    /// Text that `write` appends.
    pub fn written(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let start = self.text.len();
        write(&mut self.text);
        // Nothing before it is the writer's.
        let length = self.text.len().saturating_sub(start);
        Value::Text { start: start as u32, length: length as u32 }
    }

    pub fn format(&mut self, arguments: std::fmt::Arguments<'_>) -> Value {
        let start = self.text.len();
        // Writing into memory only fails when a Display implementation fails.
        let _ = Sink(&mut self.text).write_fmt(arguments);
        Value::Text { start: start as u32, length: (self.text.len() - start) as u32 }
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut ListWriter<'_>)) -> Value {
        let start = self.tape.len() as u32;
        fill(&mut ListWriter { content: self });
        Value::List { start, end: self.tape.len() as u32 }
    }

    pub fn map(&mut self, fill: impl FnOnce(&mut MapWriter<'_>)) -> Value {
        let start = self.tape.len() as u32;
        fill(&mut MapWriter { content: self });
        Value::Map { start, end: self.tape.len() as u32 }
    }

    /// A list of the old value's elements and those of `fill`.
    pub fn extended(&mut self, old: Option<Value>, fill: impl FnOnce(&mut ListWriter<'_>)) -> Value {
        let start = self.tape.len() as u32;
        match old {
            Some(Value::List { start: from, end }) => {
                // Nested lists keep pointing at their old place, which is never right behind their new one.
                let mut position = from;
                while position < end {
                    let element = self.tape[position as usize];
                    position = self.after(position);
                    self.tape.push(element);
                }
            }
            Some(value) => self.tape.push(value),
            None => {}
        }
        fill(&mut ListWriter { content: self });
        Value::List { start, end: self.tape.len() as u32 }
    }

    /// Tape position after the element at `position`.
    fn after(&self, position: u32) -> u32 {
        match self.tape[position as usize] {
            // Elements lie behind their list or map only when they were written there.
            Value::List { start, end } | Value::Map { start, end } if start == position + 1 => end.max(start),
            _ => position + 1,
        }
    }

    pub fn text_of(&self, value: Value) -> Option<&[u8]> {
        match value {
            Value::Static(text) => Some(text.as_bytes()),
            Value::Text { start, length } => {
                let start = start as usize;
                self.text.get(start..start + length as usize)
            }
            _ => None,
        }
    }

    pub fn elements(&self, value: Value) -> impl Iterator<Item = Value> + '_ {
        let (mut position, end, mut single) = match value {
            Value::List { start, end } => (start, end, None),
            other => (0, 0, Some(other)),
        };
        std::iter::from_fn(move || {
            if let Some(value) = single.take() {
                return Some(value);
            }
            if position >= end {
                return None;
            }
            let element = self.tape[position as usize];
            position = self.after(position);
            Some(element)
        })
    }

    pub fn entries(&self, value: Value) -> impl Iterator<Item = (Value, Value)> + '_ {
        let (mut position, end) = match value {
            Value::Map { start, end } => (start, end),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            if position + 1 >= end {
                return None;
            }
            let key = self.tape[position as usize];
            let value = self.tape[position as usize + 1];
            position = self.after(position + 1);
            Some((key, value))
        })
    }

    /// The value at a dotted path inside a map.
    pub fn inside(&self, value: Value, path: &str) -> Option<Value> {
        for (key, inner) in self.entries(value) {
            let key = self.text_of(key)?;
            if key == path.as_bytes() {
                return Some(inner);
            }
            if let Some(rest) = path.as_bytes().strip_prefix(key)
                && rest.first() == Some(&b'.')
                && let Some(found) = path.get(key.len() + 1..).and_then(|rest| self.inside(inner, rest))
            {
                return Some(found);
            }
        }
        None
    }
}

/// Maps that differ from another in one entry. Entries are copied; what they point to stays where it is.
impl Content {
    /// A map of these entries.
    pub fn map_of(&mut self, entries: &[(Value, Value)]) -> Value {
        let start = self.tape.len() as u32;
        for (key, value) in entries {
            self.tape.extend([*key, *value]);
        }
        Value::Map { start, end: self.tape.len() as u32 }
    }

    /// `map` with the value at a dotted path set. None when the path leads through a value that is no map.
    pub fn with(&mut self, map: Value, path: &str, value: Value) -> Option<Value> {
        let mut entries: Vec<(Value, Value)> = self.entries(map).collect();
        match self.place_in(&entries, path) {
            Some((index, "")) => entries[index].1 = value,
            Some((index, rest)) => {
                let inner = entries[index].1;
                if !matches!(inner, Value::Map { .. }) {
                    return None;
                }
                entries[index].1 = self.with(inner, rest, value)?;
            }
            None => {
                let mut value = value;
                let mut keys = path.split('.').rev();
                let mut key = keys.next().unwrap_or(path);
                for outer in keys {
                    let text = self.store(key.as_bytes());
                    value = self.map_of(&[(text, value)]);
                    key = outer;
                }
                entries.push((self.store(key.as_bytes()), value));
            }
        }
        Some(self.map_of(&entries))
    }

    /// `map` with the value of one literal key set.
    pub fn with_key(&mut self, map: Value, key: &str, value: Value) -> Value {
        let mut entries: Vec<(Value, Value)> = self.entries(map).collect();
        match entries.iter_mut().find(|(name, _)| self.text_of(*name) == Some(key.as_bytes())) {
            Some(entry) => entry.1 = value,
            None => entries.push((self.store(key.as_bytes()), value)),
        }
        self.map_of(&entries)
    }

    /// `map` without the value at a dotted path; None when it is not there.
    pub fn without(&mut self, map: Value, path: &str) -> Option<Value> {
        let mut entries: Vec<(Value, Value)> = self.entries(map).collect();
        let (index, rest) = self.place_in(&entries, path)?;
        if rest.is_empty() {
            entries.remove(index);
        } else {
            entries[index].1 = self.without(entries[index].1, rest)?;
        }
        Some(self.map_of(&entries))
    }

    /// Whether a path begins with a key of the map.
    pub fn leads_into(&self, map: Value, path: &str) -> bool {
        self.entries(map).any(|(key, _)| self.rest_below(key, path).is_some())
    }

    fn place_in<'a>(&self, entries: &[(Value, Value)], path: &'a str) -> Option<(usize, &'a str)> {
        entries.iter().enumerate().find_map(|(index, (key, _))| Some((index, self.rest_below(*key, path)?)))
    }

    /// What is left of a path below a key; None when it does not begin with it.
    fn rest_below<'a>(&self, key: Value, path: &'a str) -> Option<&'a str> {
        let key = self.text_of(key)?;
        let rest = path.as_bytes().strip_prefix(key)?;
        match rest.first() {
            None => Some(""),
            Some(b'.') => path.get(key.len() + 1..),
            Some(_) => None,
        }
    }

    /// Counts a value that one more field now points to.
    pub fn share(&mut self, value: Value) {
        let mut shared = std::mem::take(&mut self.shared);
        self.measure(value, &mut shared);
        self.shared = shared;
    }

    fn measure(&self, value: Value, shared: &mut Shared) {
        shared.values += 1;
        match value {
            Value::Text { length, .. } | Value::Json { length, .. } => shared.text_bytes += length as usize,
            Value::List { .. } => self.elements(value).for_each(|element| self.measure(element, shared)),
            Value::Map { .. } => {
                for (key, value) in self.entries(value) {
                    self.measure(key, shared);
                    self.measure(value, shared);
                }
            }
            _ => {}
        }
    }
}

struct Sink<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Adds elements to a list.
pub struct ListWriter<'a> {
    pub(super) content: &'a mut Content,
}

impl ListWriter<'_> {
    /// Bytes of text in the whole event so far, for writers that bound what they add.
    pub fn text_bytes(&self) -> usize {
        self.content.text.len()
    }

    pub fn value(&mut self, value: Value) {
        self.content.tape.push(value);
    }

    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        let value = self.content.store(text.as_ref());
        self.value(value);
    }

    pub fn constant(&mut self, text: &'static str) {
        self.value(Value::Static(text));
    }

    pub fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        let value = self.content.format(arguments);
        self.value(value);
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut ListWriter<'_>)) {
        let place = self.content.tape.len();
        self.content.tape.push(Value::Null);
        self.content.tape[place] = self.content.list(fill);
    }

    pub fn map(&mut self, fill: impl FnOnce(&mut MapWriter<'_>)) {
        let place = self.content.tape.len();
        self.content.tape.push(Value::Null);
        let value = self.content.map(fill);
        self.content.tape[place] = value;
    }
}

/// Adds entries to a map. The caller keeps keys distinct.
pub struct MapWriter<'a> {
    content: &'a mut Content,
}

impl MapWriter<'_> {
    /// A key from the wire; its value comes with the writer that is returned, exactly once.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> EntryWriter<'_> {
        let key = self.content.store(key.as_ref());
        self.content.tape.push(key);
        EntryWriter { content: self.content }
    }

    pub fn constant_key(&mut self, key: &'static str) -> EntryWriter<'_> {
        self.content.tape.push(Value::Static(key));
        EntryWriter { content: self.content }
    }

    pub fn value(&mut self, key: &'static str, value: Value) {
        self.constant_key(key).value(value);
    }

    pub fn text(&mut self, key: &'static str, text: impl AsRef<[u8]>) {
        self.constant_key(key).text(text);
    }

    pub fn constant(&mut self, key: &'static str, text: &'static str) {
        self.constant_key(key).value(Value::Static(text));
    }

    pub fn unsigned(&mut self, key: &'static str, value: u64) {
        self.constant_key(key).value(Value::Unsigned(value));
    }

    pub fn format(&mut self, key: &'static str, arguments: std::fmt::Arguments<'_>) {
        let entry = self.constant_key(key);
        let value = entry.content.format(arguments);
        entry.content.tape.push(value);
    }

    /// A text that `write` appends.
    pub fn written(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let entry = self.constant_key(key);
        let value = entry.content.written(write);
        entry.content.tape.push(value);
    }

    pub fn list(&mut self, key: &'static str, fill: impl FnOnce(&mut ListWriter<'_>)) {
        self.constant_key(key).list(fill);
    }

    pub fn map(&mut self, key: &'static str, fill: impl FnOnce(&mut MapWriter<'_>)) {
        self.constant_key(key).map(fill);
    }
}

/// Writes the value of a map's entry.
#[must_use = "a key without a value breaks the map"]
pub struct EntryWriter<'a> {
    pub(super) content: &'a mut Content,
}

impl EntryWriter<'_> {
    pub fn value(self, value: Value) {
        self.content.tape.push(value);
    }

    pub fn text(self, text: impl AsRef<[u8]>) {
        let value = self.content.store(text.as_ref());
        self.value(value);
    }

    pub fn format(self, arguments: std::fmt::Arguments<'_>) {
        let value = self.content.format(arguments);
        self.value(value);
    }

    pub fn list(self, fill: impl FnOnce(&mut ListWriter<'_>)) {
        ListWriter { content: self.content }.list(fill);
    }

    pub fn map(self, fill: impl FnOnce(&mut MapWriter<'_>)) {
        ListWriter { content: self.content }.map(fill);
    }
}
