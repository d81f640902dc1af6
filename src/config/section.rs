// SPDX-License-Identifier: Apache-2.0
//! Typed reading of settings. Whoever owns a setting reads it here, and the reading is remembered.
//!
//! A key may be dotted (`flush.timeout`). A setting that is absent or null reads as `None`. Conversions are those of
//! Beats: a number may be quoted, one value may stand for a list of one, a bare number is a duration in seconds.

use super::error::ConfigError;
use super::scalar;
use super::tree::{self, Node, Origin, Value};
use super::unused::UsedKeys;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A part of the configuration with its dotted path.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    root: &'a Node,
    node: &'a Node,
    path: String,
    used: &'a UsedKeys,
}

impl<'a> Section<'a> {
    pub(super) fn root(root: &'a Node, used: &'a UsedKeys) -> Self {
        Self { root, node: root, path: String::new(), used }
    }

    fn below(&self, node: &'a Node, path: String) -> Self {
        self.used.mark(&path);
        Self { node, path, ..*self }
    }

    /// The dotted path, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the section begins.
    pub fn origin(&self) -> &Origin {
        &self.node.origin
    }

    /// `false` only when the section says `enabled: false` (Packetbeat's rule). A section that is off is not
    /// searched for unknown keys.
    pub fn enabled(&self) -> Result<bool, ConfigError> {
        let enabled = self.boolean("enabled")?.unwrap_or(true);
        if !enabled {
            self.used.mark_whole(&self.path);
        }
        Ok(enabled)
    }

    pub fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.read(key, "true or false", |node| match &node.value {
            Value::Boolean(value) => Some(*value),
            Value::String(text) => scalar::boolean(text),
            _ => None,
        })
    }

    /// Whether a protocol shall give Packetbeat's own value where Wirebeat's differs: `compat_NAME` of the section, else
    /// `wirebeat.compat.PROTOCOL_NAME`, which is for all sections.
    pub fn compat(&self, protocol: &str, name: &str) -> Result<bool, ConfigError> {
        match self.boolean(&format!("compat_{name}"))? {
            Some(value) => Ok(value),
            None => {
                let everywhere = Section::root(self.root, self.used);
                Ok(everywhere.boolean(&format!("wirebeat.compat.{protocol}_{name}"))?.unwrap_or(false))
            }
        }
    }

    pub fn integer(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        self.read(key, "an integer", integer)
    }

    /// An integer from a range, for example `section.unsigned("bulk_max_size", 1..=65_536)`.
    pub fn unsigned(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
        let expected = match (*range.start(), *range.end()) {
            (0, u64::MAX) => "an integer of 0 or more".to_owned(),
            (start, u64::MAX) => format!("an integer of {start} or more"),
            (start, end) => format!("an integer from {start} to {end}"),
        };
        self.read(key, &expected, |node| {
            integer(node).and_then(|value| u64::try_from(value).ok()).filter(|value| range.contains(value))
        })
    }

    pub fn float(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        self.read(key, "a number", |node| match &node.value {
            Value::Integer(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::String(text) => scalar::float(text),
            _ => None,
        })
    }

    /// Text. Numbers and booleans are accepted as their text.
    pub fn string(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.read(key, "text", Node::scalar_text)
    }

    /// A list of texts, or one text for a list of one.
    pub fn strings(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        self.read_items(key, "text or a list of texts", Node::scalar_text)
    }

    /// A list of TCP or UDP ports and ranges of them (`8000-8099`), or one.
    pub fn ports(&self, key: &str) -> Result<Option<Vec<u16>>, ConfigError> {
        let expected = "ports, each an integer from 0 to 65535 or a range such as 8000-8099";
        let ranges = self.read_items(key, expected, |node| match integer(node) {
            Some(port) => u16::try_from(port).ok().map(|port| port..=port),
            None => port_range(node),
        })?;
        Ok(ranges.map(|ranges| ranges.into_iter().flatten().collect()))
    }

    /// A duration of 0 or more. A bare number means seconds.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        self.read(key, "a duration of 0 or more such as 30s or 1m30s", |node| {
            u64::try_from(duration_ns(node)?).ok().map(Duration::from_nanos)
        })
    }

    /// A duration in nanoseconds that may be negative. A bare number means seconds.
    pub fn duration_ns(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        self.read(key, "a duration such as 30s or 1m30s", duration_ns)
    }

    /// A duration in nanoseconds that may be negative and must have a unit, as `packetbeat.flows.period`.
    pub fn duration_with_unit_ns(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        self.read(key, "a duration with its unit such as 30s or 1m30s", |node| match &node.value {
            Value::String(text) => scalar::duration_ns(text.trim()),
            _ => None,
        })
    }

    /// A size in bytes: a number, or text such as `10GB` or `1MiB`.
    pub fn bytes(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.read(key, "a size such as 4096, 10MB or 1GiB", |node| match &node.value {
            Value::Integer(value) => u64::try_from(*value).ok(),
            Value::String(text) => scalar::size_bytes(text),
            _ => None,
        })
    }

    /// One of several names, in any case.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.read(key, &format!("one of {}", names.join(", ")), |node| {
            let text = node.scalar_text()?;
            choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim())).map(|(_, choice)| *choice)
        })
    }

    /// A section below this one.
    pub fn section(&self, key: &str) -> Result<Option<Section<'a>>, ConfigError> {
        match self.find(key)? {
            None => Ok(None),
            Some((node, path)) if matches!(node.value, Value::Map(_)) => Ok(Some(self.below(node, path))),
            Some((node, path)) => {
                Err(ConfigError::at(&node.origin, &path, format!("found {}, expected a map", node.found())))
            }
        }
    }

    /// The items of a list; a value that is no list is a list of one. Empty when absent.
    pub fn list(&self, key: &str) -> Result<Vec<Section<'a>>, ConfigError> {
        let Some((node, path)) = self.find(key)? else {
            return Ok(Vec::new());
        };
        Ok(match &node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.below(item, tree::join(&path, &index.to_string())))
                .collect(),
            _ => vec![self.below(node, path)],
        })
    }

    /// The keys of this map with what is below each, in the order of the file. A value that is null is left out.
    pub fn entries(&self) -> Vec<(&'a str, Section<'a>)> {
        let Value::Map(entries) = &self.node.value else {
            return Vec::new();
        };
        entries
            .iter()
            .filter(|(_, node)| node.value != Value::Null)
            .map(|(key, node)| (key.as_str(), self.below(node, tree::join(&self.path, key))))
            .collect()
    }

    /// [`Section::entries`] with the keys whose value is null, such as a processor without options.
    pub fn all_entries(&self) -> Vec<(&'a str, Section<'a>)> {
        let Value::Map(entries) = &self.node.value else {
            return Vec::new();
        };
        let section = |(key, node): &'a (String, Node)| (key.as_str(), self.below(node, tree::join(&self.path, key)));
        entries.iter().map(section).collect()
    }

    /// The keys of a map of texts such as `headers`, nested maps with dotted keys.
    pub fn string_map(&self, key: &str) -> Result<Option<Vec<(String, String)>>, ConfigError> {
        let Some(section) = self.section(key)? else {
            return Ok(None);
        };
        self.used.mark_whole(&section.path);
        let mut pairs = Vec::new();
        for (name, node) in section.node.flatten() {
            let path = tree::join(&section.path, &name);
            if let Value::Unresolved(error) = &node.value {
                return Err(ConfigError::clone(error));
            }
            let text = node.scalar_text().ok_or_else(|| {
                ConfigError::at(&node.origin, &path, format!("found {}, expected text", node.found()))
            })?;
            pairs.push((name, text));
        }
        Ok(Some(pairs))
    }

    /// This section as one text, for items of a list.
    pub fn text(&self) -> Result<String, ConfigError> {
        self.check_resolved()?;
        self.node.scalar_text().ok_or_else(|| self.refuse(format!("found {}, expected text", self.node.found())))
    }

    /// Whether the setting is there and not null. This does not count as reading it.
    pub fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some_and(|node| node.value != Value::Null)
    }

    pub fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// The raw tree from here on. All below counts as read; an unresolved reference anywhere in it is an error.
    pub fn node(&self) -> Result<&'a Node, ConfigError> {
        self.used.mark_whole(&self.path);
        first_unresolved(self.node)?;
        Ok(self.node)
    }

    /// Declares everything below as read: what a section of unknown type holds needs no second warning.
    pub fn ignore_rest(&self) {
        self.used.mark_whole(&self.path);
    }

    /// An error of this section as a whole.
    pub fn refuse(&self, message: impl Into<String>) -> ConfigError {
        ConfigError::at(&self.node.origin, &self.path, message)
    }

    /// An error of one setting of this section, also when it is absent.
    pub fn refuse_key(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let origin = self.node.get(key).map_or(&self.node.origin, |node| &node.origin);
        ConfigError::at(origin, &tree::join(&self.path, key), message)
    }

    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        convert: impl Fn(&Node) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((node, path)) = self.find(key)? else {
            return Ok(None);
        };
        match convert(node) {
            Some(value) => Ok(Some(value)),
            None => Err(unexpected(node, &path, expected)),
        }
    }

    fn read_items<T>(
        &self,
        key: &str,
        expected: &str,
        convert: impl Fn(&Node) -> Option<T>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let Some((node, path)) = self.find(key)? else {
            return Ok(None);
        };
        self.used.mark_whole(&path);
        first_unresolved(node)?;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let converted = items.iter().map(|item| convert(item).ok_or_else(|| unexpected(item, &path, expected)));
        converted.collect::<Result<Vec<T>, ConfigError>>().map(Some)
    }

    /// The node of a key that has a value, and its path. Marks the key and the sections on the way as read.
    fn find(&self, key: &str) -> Result<Option<(&'a Node, String)>, ConfigError> {
        self.check_resolved()?;
        let mut path = self.path.clone();
        for segment in tree::segments(key) {
            path = tree::join(&path, segment);
            self.used.mark(&path);
        }
        match self.node.get(key) {
            None => Ok(None),
            Some(Node { value: Value::Null, .. }) => Ok(None),
            Some(Node { value: Value::Unresolved(error), .. }) => Err(ConfigError::clone(error)),
            Some(node) => Ok(Some((node, path))),
        }
    }

    fn check_resolved(&self) -> Result<(), ConfigError> {
        match &self.node.value {
            Value::Unresolved(error) => Err(ConfigError::clone(error)),
            _ => Ok(()),
        }
    }
}

fn unexpected(node: &Node, path: &str, expected: &str) -> ConfigError {
    ConfigError::at(&node.origin, path, format!("found {}, expected {expected}", node.found()))
}

fn first_unresolved(node: &Node) -> Result<(), ConfigError> {
    match &node.value {
        Value::Unresolved(error) => Err(ConfigError::clone(error)),
        Value::List(items) => items.iter().try_for_each(first_unresolved),
        Value::Map(entries) => entries.iter().try_for_each(|(_, child)| first_unresolved(child)),
        _ => Ok(()),
    }
}

fn integer(node: &Node) -> Option<i64> {
    match &node.value {
        Value::Integer(value) => Some(*value),
        // 1e3 is a float for YAML, and a count for its author.
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Some(*value as i64),
        Value::String(text) => scalar::integer(text.trim()),
        _ => None,
    }
}

fn duration_ns(node: &Node) -> Option<i64> {
    const SECOND_NS: i64 = 1_000_000_000;
    match &node.value {
        Value::Integer(seconds) => seconds.checked_mul(SECOND_NS),
        Value::Float(seconds) if seconds.abs() < 9.0e9 => Some((seconds * SECOND_NS as f64) as i64),
        Value::String(text) => scalar::duration_ns(text.trim()),
        _ => None,
    }
}

fn port_range(node: &Node) -> Option<RangeInclusive<u16>> {
    let Value::String(text) = &node.value else { return None };
    let (first, last) = text.split_once('-')?;
    let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
    (!range.is_empty()).then_some(range)
}
