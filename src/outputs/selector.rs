// SPDX-License-Identifier: Apache-2.0
//! Rules that choose an index, topic or pipeline for an event (`indices`, `topics`, `pipelines`), and the output's own
//! name behind them.
//!
//! As in libbeat: the first rule that gives a name wins; a rule whose fields are missing, or whose value its mappings
//! do not have, or whose condition (`when`) the event does not meet, gives none.

use super::format_string::{Fields, FormatString};
use crate::event::{Place, Schema};
use crate::processors::condition::Condition;

/// Rules in their order, then the fallback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub rules: Vec<Rule>,
    pub fallback: Option<FormatString>,
    pub letters: Letters,
}

/// What becomes of capital letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Letters {
    #[default]
    Kept,
    /// Indices and pipelines: Elasticsearch accepts no capitals in an index.
    Lowered,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub when: When,
    pub format: FormatString,
    /// What a value of `format` stands for; when empty the value itself is the name.
    pub mappings: Vec<(String, String)>,
    /// The name for a value that the mappings do not have.
    pub default: Option<String>,
}

/// The events that a rule is for.
#[derive(Clone, Debug, Default)]
pub enum When {
    #[default]
    Always,
    /// A condition as it was read; no event meets it.
    Read(Condition<String>),
    /// A condition on the events of a schema.
    Bound(Condition<Place>),
}

/// A condition's expressions can be compared only by their text.
impl PartialEq for When {
    fn eq(&self, other: &When) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for When {}

impl Selector {
    /// The fields of the rules' conditions, for the schema.
    pub fn condition_names(&self) -> Vec<String> {
        let read = |rule: &Rule| if let When::Read(condition) = &rule.when { condition.names() } else { Vec::new() };
        self.rules.iter().flat_map(read).collect()
    }

    /// From now on the rules know the events of this schema.
    pub fn bind(&mut self, schema: &Schema) {
        for rule in &mut self.rules {
            if let When::Read(condition) = &rule.when {
                rule.when = When::Bound(condition.bind(schema));
            }
        }
    }

    /// The name when no event changes it.
    pub fn constant(&self) -> Option<String> {
        let fallback = self.fallback.as_ref().filter(|_| self.rules.is_empty())?;
        Some(self.lettered(fallback.constant()?.to_owned()))
    }

    /// Whether it must be evaluated where the event's fields are.
    pub fn needs_fields(&self) -> bool {
        !self.rules.is_empty() || self.fallback.as_ref().is_some_and(FormatString::needs_fields)
    }

    /// The fields that a name may depend on.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &rule.format).chain(&self.fallback).flat_map(FormatString::field_names)
    }

    /// Appends the name for an event. Answers whether there is one.
    pub fn select(&self, fields: &dyn Fields, out: &mut String) -> bool {
        let start = out.len();
        let found = self.rules.iter().any(|rule| rule.select(fields, out))
            || self.fallback.as_ref().is_some_and(|fallback| fallback.evaluate(fields, out).is_ok());
        if self.letters == Letters::Lowered && out[start..].chars().any(char::is_uppercase) {
            let lowered = out[start..].to_lowercase();
            out.truncate(start);
            out.push_str(&lowered);
        }
        found
    }

    fn lettered(&self, name: String) -> String {
        if self.letters == Letters::Lowered { name.to_lowercase() } else { name }
    }
}

impl Rule {
    fn select(&self, fields: &dyn Fields, out: &mut String) -> bool {
        let start = out.len();
        let is_for_it = match &self.when {
            When::Always => true,
            When::Read(_) => false,
            When::Bound(condition) => fields.meet(condition),
        };
        if !is_for_it || self.format.evaluate(fields, out).is_err() {
            return false;
        }
        if !self.mappings.is_empty() {
            let value = out.split_off(start);
            let mapped = self.mappings.iter().find(|(from, _)| *from == value).map(|(_, to)| to);
            match mapped.or(self.default.as_ref()) {
                Some(name) => out.push_str(name),
                None => return false,
            }
        }
        out.len() > start
    }
}

#[cfg(test)]
mod tests;
