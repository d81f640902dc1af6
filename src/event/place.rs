// SPDX-License-Identifier: Apache-2.0
//! Dotted names of the configuration in an event: reading, setting, removing and undoing.
//!
//! A dotted name can mean a declared field, an object with fields below it, a literal key with dots, or something
//! inside a free-form map. A [`Place`] is resolved once; what it means is decided for each event. The rules are those of
//! the nested maps that Packetbeat's processors work on: an object that loses its last value stays as `{}`, a value is
//! never put below one that is no object.

use std::io::Write as _;

use arrayvec::ArrayVec;

use super::{Event, Field, Schema, Value, field};

/// Where a dotted name leads in the events of a schema.
#[derive(Clone, Debug)]
pub struct Place {
    name: Box<str>,
    nested: Option<Field>,
    literal: Option<Field>,
    /// Objects above, the innermost first, each with the rest of the name below it.
    above: Vec<(Field, Box<str>)>,
}

impl Place {
    /// The place of a name that was given to the schema.
    pub fn new(schema: &Schema, name: &str) -> Place {
        let mut above = Vec::new();
        let mut end = name.len();
        while let Some(dot) = name[..end].rfind('.') {
            if let Some(field) = schema.nested(&name[..dot]) {
                above.push((field, name[dot + 1..].into()));
            }
            end = dot;
        }
        Place { name: name.into(), nested: schema.nested(name), literal: schema.literal(name), above }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a value was not put at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A value above the place is no object.
    NotAnObject,
    /// `@timestamp` takes a time only.
    NotATime,
    /// The schema has no room for the name.
    UnknownName,
}

impl Refusal {
    /// The reason as a phrase.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::NotAnObject => "a value above it is not an object",
            Refusal::NotATime => "@timestamp takes a time only",
            Refusal::UnknownName => "there are too many field names",
        }
    }
}

/// What becomes of an object that is there when another is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentObject {
    Replaced,
    Merged,
}

/// What was changed since an attempt began, to be undone.
#[derive(Default)]
pub(super) struct Journal {
    recording: bool,
    changes: Vec<(u16, Option<Value>)>,
}

/// Room for a value that is rendered as text.
pub type Scratch = ArrayVec<u8, 64>;

/// Stands for the values at the root that no field declares.
const UNNAMED: usize = u16::MAX as usize;

const EMPTY_MAP: Value = Value::Map { start: 0, end: 0 };

impl Event {
    /// The value at a place. None for an object whose values are fields of their own: see [`Event::gather`].
    pub fn at(&self, place: &Place) -> Option<Value> {
        let own = |field: Option<Field>| field.and_then(|field| self.get(field));
        own(place.literal).or_else(|| own(place.nested)).or_else(|| {
            place.above.iter().find_map(|(field, rest)| match self.get(*field) {
                Some(map @ Value::Map { .. }) => self.content.inside(map, rest),
                _ => None,
            })
        })
    }

    /// Whether there is anything at a place.
    pub fn has(&self, place: &Place) -> bool {
        self.at(place).is_some() || place.nested.is_some_and(|field| self.has_any(field))
    }

    /// Whether there is a field or an object of fields at a place, rather than something inside a free-form map.
    pub fn is_field(&self, place: &Place) -> bool {
        place.literal.is_some_and(|field| self.get(field).is_some())
            || place.nested.is_some_and(|field| self.has_any(field))
    }

    /// The value at a place; an object is put together from its fields.
    pub fn gather(&mut self, place: &Place) -> Option<Value> {
        let Some(field) = place.nested else { return self.at(place) };
        let literal = place.literal.and_then(|field| self.get(field));
        if literal.is_none() && self.schema.descendants(field).any(|rank| self.is_present(rank)) {
            return Some(self.object(self.schema.rank(field)));
        }
        self.at(place)
    }

    /// Sets the value at a place, in place of all that was there.
    pub fn put(&mut self, place: &Place, value: Value) -> Result<(), Refusal> {
        self.content.share(value);
        if let Some(field) = place.literal.filter(|field| self.get(*field).is_some()) {
            self.change(self.schema.rank(field), Some(value));
            return Ok(());
        }
        let field = place.nested.ok_or(Refusal::UnknownName)?;
        if field == field::_TIMESTAMP && !matches!(value, Value::Time(_)) {
            return Err(Refusal::NotATime);
        }
        for (above, rest) in place.above.iter().rev() {
            match self.get(*above) {
                Some(map @ Value::Map { .. }) if self.content.leads_into(map, rest) => {
                    let map = self.content.with(map, rest, value).ok_or(Refusal::NotAnObject)?;
                    self.change(self.schema.rank(*above), Some(map));
                    return Ok(());
                }
                None | Some(Value::Map { .. }) => {}
                Some(_) => return Err(Refusal::NotAnObject),
            }
        }
        self.clear_below(field);
        self.change(self.schema.rank(field), Some(value));
        Ok(())
    }

    /// [`Event::put`] that removes what stands in the way.
    pub fn force(&mut self, place: &Place, value: Value) -> Result<(), Refusal> {
        for (above, _) in &place.above {
            if !matches!(self.get(*above), None | Some(Value::Map { .. })) {
                self.change(self.schema.rank(*above), None);
            }
        }
        match self.put(place, value) {
            Err(Refusal::NotAnObject) => {}
            result => return result,
        }
        // Inside a free-form map: the value on the way that is no object gives way.
        for (field, rest) in &place.above {
            let Some(map @ Value::Map { .. }) = self.get(*field) else { continue };
            let in_the_way = rest.match_indices('.').map(|(dot, _)| &rest[..dot]).find(|prefix| {
                self.content.inside(map, prefix).is_some_and(|value| !matches!(value, Value::Map { .. }))
            });
            if let Some(map) = in_the_way.and_then(|prefix| self.content.without(map, prefix)) {
                self.change(self.schema.rank(*field), Some(map));
                break;
            }
        }
        self.put(place, value)
    }

    /// Sets one literal key of the map at a place.
    pub fn put_key(&mut self, place: &Place, key: &str, value: Value) -> Result<(), Refusal> {
        self.content.share(value);
        let map = self.at(place).filter(|map| matches!(map, Value::Map { .. })).unwrap_or(EMPTY_MAP);
        let map = self.content.with_key(map, key, value);
        match place.nested {
            Some(field) if self.at(place).is_none_or(|_| self.get(field).is_some()) => {
                self.change(self.schema.rank(field), Some(map));
                Ok(())
            }
            _ => self.put(place, map),
        }
    }

    /// Whether the root has a key, be it a field or not.
    pub fn has_root(&self, key: &str) -> bool {
        match self.schema.field(key) {
            Some(field) => self.has_any(field),
            None => self.unnamed.is_some_and(|map| self.content.inside(map, key).is_some()),
        }
    }

    /// Sets a value at the root under a key from the wire, which need not be a field: such values are written after
    /// all fields, and no [`Place`] leads to them. An object takes the place of one that is there, or is merged into it.
    pub fn put_root(&mut self, key: &str, value: Value, present: PresentObject) {
        let Some(field) = self.schema.nested(key) else {
            self.content.share(value);
            let map = self.content.with_key(self.unnamed.unwrap_or(EMPTY_MAP), key, value);
            self.change(UNNAMED, Some(map));
            return;
        };
        self.put_below(field, value, present);
    }

    fn put_below(&mut self, field: Field, value: Value, present: PresentObject) {
        let rank = self.schema.rank(field);
        let merges = present == PresentObject::Merged && matches!(value, Value::Map { .. }) && self.has_any(field);
        if !merges {
            self.content.share(value);
            self.clear_below(field);
            self.change(rank, Some(value));
            return;
        }
        let entries: Vec<(Value, Value)> = self.content.entries(value).collect();
        for (key, value) in entries {
            let key = self.content.text_of(key).unwrap_or_default();
            let child = self.schema.child(rank, key);
            let key = String::from_utf8_lossy(key).into_owned();
            match child {
                Some(child) => self.put_below(child, value, present),
                None => {
                    self.content.share(value);
                    let own = self.get(field).filter(|own| matches!(own, Value::Map { .. })).unwrap_or(EMPTY_MAP);
                    let map = self.content.with_key(own, &key, value);
                    self.change(rank, Some(map));
                }
            }
        }
    }

    /// Whether the object at a place has anything but a `name`.
    pub fn has_more_than_name(&self, place: &Place) -> bool {
        let Some(field) = place.nested else { return self.has(place) };
        let is_name = |key: &[u8]| key == b"name";
        self.get(field).is_some_and(|own| {
            !matches!(own, Value::Map { .. })
                || self.content.entries(own).any(|(key, _)| !self.content.text_of(key).is_some_and(is_name))
        }) || self
            .schema
            .descendants(field)
            .any(|rank| self.is_present(rank) && !is_name(self.schema.nodes[rank].key.as_bytes()))
    }

    /// Removes all that is at a place. Answers whether there was anything.
    pub fn delete(&mut self, place: &Place) -> bool {
        if let Some(field) = place.literal.filter(|field| self.get(*field).is_some()) {
            self.change(self.schema.rank(field), None);
            return true;
        }
        if matches!(place.nested, Some(field::_TIMESTAMP | field::_METADATA)) {
            // An event without them is none.
            return false;
        }
        if let Some(field) = place.nested.filter(|field| self.has_any(*field)) {
            self.delete_field(field);
            return true;
        }
        for (above, rest) in &place.above {
            if let Some(map @ Value::Map { .. }) = self.get(*above)
                && let Some(map) = self.content.without(map, rest)
            {
                self.change(self.schema.rank(*above), Some(map));
                return true;
            }
        }
        false
    }

    /// Removes a field with all below it; the object it was in stays.
    pub fn delete_field(&mut self, field: Field) {
        self.clear_below(field);
        let rank = self.schema.rank(field);
        self.change(rank, None);
        if let Some(parent) = self.schema.nodes[rank].parent {
            let parent = usize::from(parent);
            if !self.has_any(self.schema.nodes[parent].field) {
                self.change(parent, Some(EMPTY_MAP));
            }
        }
    }

    /// Makes changes all or none: when `change` fails, what it put and deleted is undone.
    pub fn attempt<E>(&mut self, change: impl FnOnce(&mut Event) -> Result<(), E>) -> Result<(), E> {
        self.journal.recording = true;
        self.journal.changes.clear();
        let result = change(self);
        self.journal.recording = false;
        if result.is_err() {
            while let Some((rank, value)) = self.journal.changes.pop() {
                self.change(usize::from(rank), value);
            }
        }
        result
    }

    /// Removes all fields but those of the set.
    pub fn retain(&mut self, kept: &FieldSet) {
        for (present, kept) in self.present.iter_mut().zip(&kept.words) {
            *present &= kept;
        }
        self.unnamed = None;
    }

    /// Bytes of a value that Packetbeat holds as text: text, addresses, MAC addresses.
    pub fn rendered<'a>(&'a self, value: Value, scratch: &'a mut Scratch) -> Option<&'a [u8]> {
        scratch.clear();
        // The room is larger than any address.
        match value {
            Value::Address(address) => {
                let _ = write!(scratch, "{address}");
            }
            Value::Mac(mac) => {
                for (index, byte) in mac.iter().enumerate() {
                    let _ = write!(scratch, "{}{byte:02X}", if index == 0 { "" } else { "-" });
                }
            }
            other => return self.content.text_of(other),
        }
        Some(scratch)
    }

    /// Free-form maps of the event with their fields.
    pub fn maps(&self) -> impl Iterator<Item = (Field, Value)> + '_ {
        self.ranks().filter(|rank| matches!(self.values[*rank], Value::Map { .. })).map(|rank| {
            let field = self.schema.nodes[rank].field;
            (field, self.values[rank])
        })
    }

    /// A list of values that are in the event already.
    pub fn list_of(&mut self, values: &[Value]) -> Value {
        self.content.list(|list| values.iter().for_each(|value| list.value(*value)))
    }

    /// Sets a field's own value so that an attempt can undo it.
    pub fn replace(&mut self, field: Field, value: Value) {
        self.change(self.schema.rank(field), Some(value));
    }

    /// A map of entries that are in the event already.
    pub fn map_of(&mut self, entries: &[(Value, Value)]) -> Value {
        self.content.map_of(entries)
    }

    fn clear_below(&mut self, field: Field) {
        for rank in self.schema.descendants(field) {
            if self.is_present(rank) {
                self.change(rank, None);
            }
        }
    }

    fn change(&mut self, rank: usize, value: Option<Value>) {
        if rank == UNNAMED {
            if self.journal.recording {
                self.journal.changes.push((u16::MAX, self.unnamed));
            }
            self.unnamed = value;
            return;
        }
        if self.journal.recording {
            let before = self.is_present(rank).then(|| self.values[rank]);
            self.journal.changes.push((rank as u16, before));
        }
        match value {
            Some(value) => {
                self.values[rank] = value;
                self.present[rank / 64] |= 1 << (rank % 64);
            }
            None => self.present[rank / 64] &= !(1 << (rank % 64)),
        }
    }

    /// The object at a rank as one map. Depth is bounded by that of the schema.
    fn object(&mut self, rank: usize) -> Value {
        let end = usize::from(self.schema.nodes[rank].end);
        let mut entries = match self.is_present(rank) {
            true => self.content.entries(self.values[rank]).collect(),
            false => Vec::new(),
        };
        let mut child = rank + 1;
        while child < end {
            let child_end = usize::from(self.schema.nodes[child].end);
            if (child..child_end).any(|rank| self.is_present(rank)) {
                let value = match (child + 1..child_end).any(|rank| self.is_present(rank)) {
                    true => self.object(child),
                    false => self.values[child],
                };
                let key = self.content.store(self.schema.nodes[child].key.as_bytes());
                entries.push((key, value));
            }
            child = child_end;
        }
        self.content.map_of(&entries)
    }
}

/// A set of fields of a schema.
#[derive(Clone, Debug)]
pub struct FieldSet {
    words: Vec<u64>,
}

impl FieldSet {
    pub fn new(schema: &Schema) -> FieldSet {
        FieldSet { words: vec![0; schema.len().div_ceil(64)] }
    }

    /// Adds a field and all below it.
    pub fn insert(&mut self, schema: &Schema, field: Field) {
        let rank = schema.rank(field);
        for rank in rank..usize::from(schema.nodes[rank].end) {
            self.words[rank / 64] |= 1 << (rank % 64);
        }
    }

    /// Adds what a place may be, without what is inside free-form maps.
    pub fn insert_place(&mut self, schema: &Schema, place: &Place) {
        for field in [place.nested, place.literal].into_iter().flatten() {
            self.insert(schema, field);
        }
    }

    pub fn contains(&self, schema: &Schema, field: Field) -> bool {
        let rank = schema.rank(field);
        self.words[rank / 64] & (1 << (rank % 64)) != 0
    }
}
