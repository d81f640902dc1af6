// SPDX-License-Identifier: Apache-2.0
//! Values that never change: `fields`, `tags`, `fields_under_root` of the configuration, and the sensor's own fields.

use serde_json::Value as Json;

use super::{Event, Field, ListWriter, Schema, Value};

/// Fields with constant values, set on every event of a section.
#[derive(Default)]
pub struct Constants {
    values: Vec<(Field, Json)>,
}

impl Constants {
    /// `values` by dotted name; the names must have been given to the schema. Objects are taken apart into their leaves.
    pub fn new(schema: &Schema, values: &[(String, Json)]) -> Constants {
        let mut leaves = Vec::new();
        for (name, value) in values {
            flatten(name, value, &mut leaves);
        }
        let values = leaves.into_iter().filter_map(|(name, value)| Some((schema.field(&name)?, value))).collect();
        Constants { values }
    }

    /// The dotted names of all leaves, for the schema.
    pub fn names(values: &[(String, Json)]) -> Vec<String> {
        let mut leaves = Vec::new();
        for (name, value) in values {
            flatten(name, value, &mut leaves);
        }
        leaves.into_iter().map(|(name, _)| name).collect()
    }

    pub fn apply(&self, event: &mut Event) {
        for (field, value) in &self.values {
            event.set_json(*field, value);
        }
    }
}

fn flatten(name: &str, value: &Json, leaves: &mut Vec<(String, Json)>) {
    match value {
        Json::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                flatten(&format!("{name}.{key}"), value, leaves);
            }
        }
        value => leaves.push((name.to_string(), value.clone())),
    }
}

impl Event {
    /// Sets a field to a JSON value of the configuration or of a decoded text.
    pub fn set_json(&mut self, field: Field, value: &Json) {
        let value = self.store_json(value);
        self.set(field, value);
    }

    /// Stores a JSON value and gives its value, to be set or put in a list.
    pub fn store_json(&mut self, value: &Json) -> Value {
        match (scalar(value), value) {
            (Some(value), _) => value,
            (None, Json::String(text)) => self.content.store(text.as_bytes()),
            (None, Json::Array(elements)) => {
                self.content.list(|list| elements.iter().for_each(|value| add(list, value)))
            }
            (None, Json::Object(entries)) => self.content.map(|map| {
                for (key, value) in entries {
                    add_entry(map.key(key), value);
                }
            }),
            (None, _) => Value::Null,
        }
    }
}

fn scalar(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::Unsigned(number),
            (None, Some(number)) => Value::Signed(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        _ => return None,
    })
}

fn add(list: &mut ListWriter<'_>, value: &Json) {
    match (scalar(value), value) {
        (Some(value), _) => list.value(value),
        (None, Json::String(text)) => list.text(text),
        (None, Json::Array(elements)) => list.list(|list| elements.iter().for_each(|value| add(list, value))),
        (None, Json::Object(entries)) => list.map(|map| {
            for (key, value) in entries {
                add_entry(map.key(key), value);
            }
        }),
        (None, _) => {}
    }
}

fn add_entry(entry: super::value::EntryWriter<'_>, value: &Json) {
    match (scalar(value), value) {
        (Some(value), _) => entry.value(value),
        (None, Json::String(text)) => entry.text(text),
        (None, Json::Array(elements)) => entry.list(|list| elements.iter().for_each(|value| add(list, value))),
        (None, Json::Object(entries)) => entry.map(|map| {
            for (key, value) in entries {
                add_entry(map.key(key), value);
            }
        }),
        (None, _) => {}
    }
}
