// SPDX-License-Identifier: Apache-2.0
//! Events: a value per field, in reusable memory of the worker, written once as JSON.

pub mod chunk;
mod constants;
pub mod field;
pub mod json;
mod kept;
mod place;
#[cfg(test)]
mod tests;
mod value;

use std::net::IpAddr;
use std::sync::Arc;

pub use constants::Constants;
pub use field::{Field, FieldPath, Schema};
pub use kept::Kept;
pub use place::{FieldSet, Place, PresentObject, Refusal, Scratch};
pub use value::{ListWriter, MapWriter, Value};

/// One event under construction. Reused for every event of a worker: the memory for values and text stays.
///
/// Values lie at their field's rank and a bit map says which are there, so iteration is in tree order without sorting.
pub struct Event {
    schema: Arc<Schema>,
    present: Vec<u64>,
    values: Vec<Value>,
    content: value::Content,
    journal: place::Journal,
    /// A map of values at the root that no field declares.
    unnamed: Option<Value>,
}

impl Event {
    pub fn new(schema: Arc<Schema>) -> Event {
        let count = schema.len();
        Event {
            schema,
            present: vec![0; count.div_ceil(64)],
            values: vec![Value::Null; count],
            content: value::Content::default(),
            journal: place::Journal::default(),
            unnamed: None,
        }
    }

    /// Makes the event empty.
    pub fn clear(&mut self) {
        self.present.fill(0);
        self.content.clear();
        self.unnamed = None;
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Upper bound of the encoded size in bytes; what [`json::write_event`] never exceeds.
    pub fn encoded_bound_bytes(&self) -> usize {
        // Six bytes for an escaped byte; a key and a number or a date for a value.
        let shared = &self.content.shared;
        (self.content.text.len() + shared.text_bytes) * 6
            + (self.count() + self.content.tape.len() + shared.values) * 192
            + 256
    }

    fn count(&self) -> usize {
        self.present.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Sets a value that needs no memory of the event.
    pub fn set(&mut self, field: Field, value: Value) {
        let rank = self.schema.rank(field);
        self.values[rank] = value;
        self.present[rank / 64] |= 1 << (rank % 64);
    }

    pub fn unsigned(&mut self, field: Field, value: u64) {
        self.set(field, Value::Unsigned(value));
    }

    pub fn signed(&mut self, field: Field, value: i64) {
        self.set(field, Value::Signed(value));
    }

    pub fn boolean(&mut self, field: Field, value: bool) {
        self.set(field, Value::Boolean(value));
    }

    /// A constant text, not copied.
    pub fn constant(&mut self, field: Field, text: &'static str) {
        self.set(field, Value::Static(text));
    }

    /// A time in nanoseconds since 1970.
    pub fn time(&mut self, field: Field, time_ns: i64) {
        self.set(field, Value::Time(time_ns));
    }

    pub fn address(&mut self, field: Field, address: IpAddr) {
        self.set(field, Value::Address(address));
    }

    /// Text from the wire; what is not UTF-8 is replaced when it is written.
    pub fn text(&mut self, field: Field, text: impl AsRef<[u8]>) {
        let value = self.content.store(text.as_ref());
        self.set(field, value);
    }

    /// [`Event::text`] unless it is empty.
    pub fn text_if_any(&mut self, field: Field, text: impl AsRef<[u8]>) {
        if !text.as_ref().is_empty() {
            self.text(field, text);
        }
    }

    /// [`Event::unsigned`] unless it is zero, which Packetbeat's typed structures leave out.
    pub fn unsigned_if_any(&mut self, field: Field, value: u64) {
        if value != 0 {
            self.unsigned(field, value);
        }
    }

    /// Text made of display parts, formatted straight into the event.
    pub fn format(&mut self, field: Field, arguments: std::fmt::Arguments<'_>) {
        let value = self.content.format(arguments);
        self.set(field, value);
    }

    /// A text that `write` appends, straight into the event.
    pub fn written(&mut self, field: Field, write: impl FnOnce(&mut Vec<u8>)) {
        let value = self.content.written(write);
        self.set(field, value);
    }

    /// The value of another field, not copied.
    pub fn same(&mut self, field: Field, other: Field) {
        if let Some(value) = self.get(other) {
            self.content.share(value);
            self.set(field, value);
        }
    }

    /// A list; `fill` adds its elements.
    pub fn list(&mut self, field: Field, fill: impl FnOnce(&mut ListWriter<'_>)) {
        let value = self.content.list(fill);
        self.set(field, value);
    }

    /// A map with keys that no field declares; `fill` adds its entries.
    pub fn map(&mut self, field: Field, fill: impl FnOnce(&mut MapWriter<'_>)) {
        let value = self.content.map(fill);
        self.set(field, value);
    }

    /// Appends a text to a list unless it is there; makes the list.
    pub fn append_unique(&mut self, field: Field, text: &[u8]) {
        let known = match self.get(field) {
            Some(value) => self.elements(value).any(|element| self.content.text_of(element) == Some(text)),
            None => false,
        };
        if !known {
            self.append(field, |list| list.text(text));
        }
    }

    /// Appends an address to a list unless it is there; makes the list.
    pub fn append_address(&mut self, field: Field, address: IpAddr) {
        let known = match self.get(field) {
            Some(value) => self.elements(value).any(|element| element == Value::Address(address)),
            None => false,
        };
        if !known {
            self.append(field, |list| list.value(Value::Address(address)));
        }
    }

    /// Adds elements to a list, or makes it; a single value becomes the first element.
    pub fn append(&mut self, field: Field, fill: impl FnOnce(&mut ListWriter<'_>)) {
        let old = self.get(field);
        let value = self.content.extended(old, fill);
        self.set(field, value);
    }

    pub fn remove(&mut self, field: Field) {
        let rank = self.schema.rank(field);
        self.present[rank / 64] &= !(1 << (rank % 64));
    }

    /// The field's own value.
    pub fn get(&self, field: Field) -> Option<Value> {
        let rank = self.schema.rank(field);
        (self.present[rank / 64] & (1 << (rank % 64)) != 0).then(|| self.values[rank])
    }

    /// Whether the field or anything below it has a value.
    pub fn has_any(&self, field: Field) -> bool {
        self.get(field).is_some() || self.schema.descendants(field).any(|rank| self.is_present(rank))
    }

    /// Fields below an object that have a value.
    pub fn descendants(&self, field: Field) -> impl Iterator<Item = Field> + '_ {
        self.schema.descendants(field).filter(|rank| self.is_present(*rank)).map(|rank| self.schema.nodes[rank].field)
    }

    /// The value that a path leads to, also inside a free-form value.
    pub fn resolve(&self, path: &FieldPath) -> Option<Value> {
        let value = self.get(path.field)?;
        if path.rest.is_empty() { Some(value) } else { self.content.inside(value, &path.rest) }
    }

    /// Bytes of a text value.
    pub fn text_of(&self, value: Value) -> Option<&[u8]> {
        self.content.text_of(value)
    }

    /// Elements of a list; the value itself when it is none.
    pub fn elements(&self, value: Value) -> impl Iterator<Item = Value> + '_ {
        self.content.elements(value)
    }

    /// Entries of a map.
    pub fn entries(&self, value: Value) -> impl Iterator<Item = (Value, Value)> + '_ {
        self.content.entries(value)
    }

    /// Stores a text and gives its value, to be set or put in a list.
    pub fn store(&mut self, text: &[u8]) -> Value {
        self.content.store(text)
    }

    /// Ranks of the values that are there, in tree order.
    fn ranks(&self) -> impl Iterator<Item = usize> + '_ {
        self.present.iter().enumerate().flat_map(|(index, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                if word == 0 {
                    return None;
                }
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                Some(index * 64 + bit)
            })
        })
    }

    fn is_present(&self, rank: usize) -> bool {
        self.present[rank / 64] & (1 << (rank % 64)) != 0
    }
}
