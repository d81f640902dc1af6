// SPDX-License-Identifier: Apache-2.0
//! The program's numbers with their dotted names: as a tree for the HTTP endpoint, as what changed for the log
//! (`logging.metrics`).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::config::{ConfigError, Section};

/// `logging.metrics`: the line that is logged now and then. None: no line.
pub fn log_period(root: &Section<'_>) -> Result<Option<Duration>, ConfigError> {
    let enabled = root.boolean("logging.metrics.enabled")?.unwrap_or(true);
    let period = root.duration("logging.metrics.period")?.unwrap_or(Duration::from_secs(30));
    // Beats has other registries too; here there is one.
    let namespaces = root.strings("logging.metrics.namespaces")?;
    let wanted = namespaces.is_none_or(|names| names.iter().any(|name| name == "stats"));
    Ok((enabled && wanted && !period.is_zero()).then_some(period))
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows: the log shows by how much.
    Counter,
    /// It is what it is now.
    Gauge,
}

/// Numbers and texts by dotted name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    values: BTreeMap<String, (Kind, Json)>,
}

impl Metrics {
    /// Adds to a counter, which several sources may have under one name.
    pub fn count(&mut self, name: &str, value: u64) {
        let entry = self.values.entry(name.to_owned()).or_insert((Kind::Counter, Json::from(0u64)));
        entry.1 = Json::from(entry.1.as_u64().unwrap_or(0).saturating_add(value));
    }

    pub fn gauge(&mut self, name: &str, value: impl Into<Json>) {
        self.values.insert(name.to_owned(), (Kind::Gauge, value.into()));
    }

    /// All of them, nested.
    pub fn tree(&self) -> Json {
        nested(self.values.iter().map(|(name, (_, value))| (name.as_str(), value.clone())))
    }

    /// What is not 0, counters since `earlier`.
    pub fn since(&self, earlier: &Metrics) -> Json {
        let changed = self.values.iter().filter_map(|(name, (kind, value))| {
            let value = match (kind, value.as_u64()) {
                (Kind::Counter, Some(count)) => {
                    let before = earlier.values.get(name).and_then(|(_, value)| value.as_u64()).unwrap_or(0);
                    Json::from(count.saturating_sub(before))
                }
                _ => value.clone(),
            };
            (value != 0u64).then_some((name.as_str(), value))
        });
        nested(changed)
    }
}

fn nested<'a>(values: impl Iterator<Item = (&'a str, Json)>) -> Json {
    let mut root = Map::new();
    values.for_each(|(name, value)| insert(&mut root, name, value));
    Json::Object(root)
}

fn insert(branch: &mut Map<String, Json>, name: &str, value: Json) {
    match name.split_once('.') {
        None => drop(branch.insert(name.to_owned(), value)),
        // Where a number has this name already, numbers below it would be a slip of their author.
        Some((first, rest)) => {
            if let Json::Object(below) = branch.entry(first).or_insert_with(|| Json::Object(Map::new())) {
                insert(below, rest, value);
            }
        }
    }
}
