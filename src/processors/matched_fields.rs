// SPDX-License-Identifier: Apache-2.0
//! Fields by name or by `/regular expression/`, for `drop_fields` and `include_fields`.
//!
//! Expressions are matched against the full dotted name of each field and object. The names of the schema are matched
//! once; only the keys of free-form maps are matched for each event.

use regex::bytes::Regex;

use super::options::slashed;
use crate::config::{ConfigError, Section};
use crate::event::{Event, Field, FieldSet, Place, Schema, Value};

/// Names that Packetbeat never drops and always includes.
pub(super) const MANDATORY: &[&str] = &["@timestamp", "@metadata", "type"];

/// The option `fields` as it was read.
pub(super) struct Names {
    pub plain: Vec<String>,
    pub patterns: Vec<Regex>,
}

impl Names {
    pub fn read(options: &Section<'_>) -> Result<Names, ConfigError> {
        let mut names = Names { plain: Vec::new(), patterns: Vec::new() };
        for name in super::options::required_list(options, "fields")? {
            match slashed(options, "fields", &name)? {
                Some(pattern) => names.patterns.push(pattern),
                None => names.plain.push(name),
            }
        }
        Ok(names)
    }

    pub fn places(&self, schema: &Schema) -> Vec<Place> {
        self.plain.iter().map(|name| Place::new(schema, name)).collect()
    }
}

/// Regular expressions on the events of a schema.
pub(super) struct Patterns {
    patterns: Vec<Regex>,
    /// Fields and objects that match, each with all below it.
    pub matched: FieldSet,
    /// The matching fields and objects, in tree order.
    pub fields: Vec<Field>,
    /// Dotted names by place in the tree, for keys of free-form maps; empty without expressions.
    names: Vec<(Field, String)>,
}

impl Patterns {
    pub fn new(schema: &Schema, patterns: Vec<Regex>) -> Patterns {
        let mut matched = FieldSet::new(schema);
        let mut fields = Vec::new();
        let mut names = Vec::new();
        if !patterns.is_empty() {
            for field in schema.fields() {
                let name = schema.name(field);
                let mandatory = MANDATORY.iter().any(|kept| name.split('.').next() == Some(kept));
                if !mandatory && patterns.iter().any(|pattern| pattern.is_match(name.as_bytes())) {
                    fields.push(field);
                    matched.insert(schema, field);
                }
                names.push((field, name));
            }
        }
        Patterns { patterns, matched, fields, names }
    }

    /// Whether there are any expressions.
    pub fn any(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Removes the keys of free-form maps that match, or that do not, outside the fields that are skipped.
    pub fn filter_maps(&self, event: &mut Event, skipped: &FieldSet, matching: Matching) {
        if self.patterns.is_empty() {
            return;
        }
        let schema = std::sync::Arc::clone(event.schema());
        let maps: Vec<(Field, Value)> = event.maps().filter(|(field, _)| !skipped.contains(&schema, *field)).collect();
        for (field, map) in maps {
            let Some((_, name)) = self.names.iter().find(|(known, _)| *known == field) else { continue };
            let mut prefix = name.clone();
            if let Some(map) = self.filter(event, map, &mut prefix, matching) {
                event.replace(field, map);
            }
        }
    }

    /// The map after filtering; None when it stays as it is. The depth is that of the value, which whoever made it bounds.
    fn filter(&self, event: &mut Event, map: Value, prefix: &mut String, matching: Matching) -> Option<Value> {
        let entries: Vec<(Value, Value)> = event.entries(map).collect();
        let mut kept = Vec::with_capacity(entries.len());
        let mut changed = false;
        let length = prefix.len();
        for (key, value) in entries {
            prefix.truncate(length);
            prefix.push('.');
            prefix.push_str(&String::from_utf8_lossy(event.text_of(key).unwrap_or_default()));
            let matches = self.patterns.iter().any(|pattern| pattern.is_match(prefix.as_bytes()));
            let is_map = matches!(value, Value::Map { .. });
            match (matching, matches) {
                (Matching::Removed, true) => changed = true,
                (Matching::Kept, true) => kept.push((key, value)),
                (_, false) if is_map => {
                    let inner = self.filter(event, value, prefix, matching);
                    changed |= inner.is_some();
                    let inner = inner.unwrap_or(value);
                    if matching == Matching::Removed || event.entries(inner).next().is_some() {
                        kept.push((key, inner));
                    } else {
                        changed = true;
                    }
                }
                (Matching::Removed, false) => kept.push((key, value)),
                (Matching::Kept, false) => changed = true,
            }
        }
        prefix.truncate(length);
        changed.then(|| event.map_of(&kept))
    }
}

/// What happens to the keys that match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    Removed,
    Kept,
}
