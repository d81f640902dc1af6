// SPDX-License-Identifier: Apache-2.0
//! Conditions on events: `when`, `if`, and the rules of outputs (Packetbeat behaviour, section 2.12).
//!
//! Field names may be dotted or nested. Types are compared as Packetbeat does: a number in the configuration never
//! equals a text in the event, and a field that is missing meets no condition but `not`.

use regex::bytes::Regex;

use crate::config::{ConfigError, Node, Origin, Section, Value as Setting};
use crate::event::{Event, Place, Schema, Scratch, Value};
use crate::flow::perimeter::Network;

/// A condition; `Name` is the dotted text when it was read and a [`Place`] when it is bound.
#[derive(Clone, Debug)]
pub enum Condition<Name> {
    Equals(Vec<(Name, Expected)>),
    Contains(Vec<(Name, String)>),
    Regexp(Vec<(Name, Regex)>),
    Range(Vec<(Name, Bounds)>),
    Network(Vec<(Name, Vec<Network>)>),
    HasFields(Vec<Name>),
    And(Vec<Condition<Name>>),
    Or(Vec<Condition<Name>>),
    Not(Box<Condition<Name>>),
}

/// What `equals` compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Integer(i64),
    Text(String),
    Boolean(bool),
}

/// The ends of a `range`; absent ones are open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    pub lt: Option<f64>,
    pub lte: Option<f64>,
    pub gt: Option<f64>,
    pub gte: Option<f64>,
}

const KINDS: &[&str] = &["equals", "contains", "regexp", "range", "network", "has_fields", "or", "and", "not"];

impl Condition<String> {
    /// Reads a section that is a condition: a map with one kind of condition as its key.
    pub fn read(section: &Section<'_>) -> Result<Condition<String>, ConfigError> {
        // Of several kinds Packetbeat takes the first in this order and ignores the others.
        let entries = section.entries();
        let first = KINDS.iter().find_map(|kind| entries.iter().find(|(key, _)| key == kind));
        let Some((kind, below)) = first else {
            let found: Vec<&str> = entries.iter().map(|(key, _)| *key).collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            return Err(section.refuse(format!("found {found}, expected a condition: one of {}", KINDS.join(", "))));
        };
        match *kind {
            "equals" => leaves(below, expected).map(Condition::Equals),
            "contains" => leaves(below, |_, node| text(node)).map(Condition::Contains),
            "regexp" => leaves(below, |_, node| pattern(node)).map(Condition::Regexp),
            "range" => ranges(below).map(Condition::Range),
            "network" => networks(below).map(Condition::Network),
            "has_fields" => Ok(Condition::HasFields(section.strings("has_fields")?.unwrap_or_default())),
            "and" => section.list("and")?.iter().map(Condition::read).collect::<Result<_, _>>().map(Condition::And),
            "or" => section.list("or")?.iter().map(Condition::read).collect::<Result<_, _>>().map(Condition::Or),
            "not" => Condition::read(below).map(|inner| Condition::Not(Box::new(inner))),
            _ => Err(below.refuse("there is no such condition")),
        }
    }

    /// All field names, for the schema.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.visit(&mut |name| names.push(name.clone()));
        names
    }

    /// The condition on the events of a schema.
    pub fn bind(&self, schema: &Schema) -> Condition<Place> {
        fn all<T: Clone>(list: &[(String, T)], schema: &Schema) -> Vec<(Place, T)> {
            list.iter().map(|(name, value)| (Place::new(schema, name), value.clone())).collect()
        }
        match self {
            Condition::Equals(list) => Condition::Equals(all(list, schema)),
            Condition::Contains(list) => Condition::Contains(all(list, schema)),
            Condition::Regexp(list) => Condition::Regexp(all(list, schema)),
            Condition::Range(list) => Condition::Range(all(list, schema)),
            Condition::Network(list) => Condition::Network(all(list, schema)),
            Condition::HasFields(names) => {
                Condition::HasFields(names.iter().map(|name| Place::new(schema, name)).collect())
            }
            Condition::And(list) => Condition::And(list.iter().map(|inner| inner.bind(schema)).collect()),
            Condition::Or(list) => Condition::Or(list.iter().map(|inner| inner.bind(schema)).collect()),
            Condition::Not(inner) => Condition::Not(Box::new(inner.bind(schema))),
        }
    }

    fn visit(&self, see: &mut dyn FnMut(&String)) {
        match self {
            Condition::Equals(list) => list.iter().for_each(|(name, _)| see(name)),
            Condition::Contains(list) => list.iter().for_each(|(name, _)| see(name)),
            Condition::Regexp(list) => list.iter().for_each(|(name, _)| see(name)),
            Condition::Range(list) => list.iter().for_each(|(name, _)| see(name)),
            Condition::Network(list) => list.iter().for_each(|(name, _)| see(name)),
            Condition::HasFields(names) => names.iter().for_each(see),
            Condition::And(list) | Condition::Or(list) => list.iter().for_each(|inner| inner.visit(see)),
            Condition::Not(inner) => inner.visit(see),
        }
    }
}

impl Condition<Place> {
    /// Whether an event meets the condition.
    pub fn holds(&self, event: &Event) -> bool {
        match self {
            Condition::Equals(list) => list.iter().all(|(place, expected)| equals(event, place, expected)),
            Condition::Contains(list) => list.iter().all(|(place, part)| {
                any_text(event, place, |text| memchr::memmem::find(text, part.as_bytes()).is_some())
            }),
            Condition::Regexp(list) => {
                list.iter().all(|(place, pattern)| any_text(event, place, |text| pattern.is_match(text)))
            }
            Condition::Range(list) => list
                .iter()
                .all(|(place, bounds)| event.at(place).and_then(number).is_some_and(|number| bounds.contain(number))),
            Condition::Network(list) => list.iter().all(|(place, networks)| in_network(event, place, networks)),
            Condition::HasFields(places) => places.iter().all(|place| event.has(place)),
            Condition::And(list) => list.iter().all(|inner| inner.holds(event)),
            Condition::Or(list) => list.iter().any(|inner| inner.holds(event)),
            Condition::Not(inner) => !inner.holds(event),
        }
    }
}

impl Bounds {
    fn contain(&self, number: f64) -> bool {
        self.lt.is_none_or(|bound| number < bound)
            && self.lte.is_none_or(|bound| number <= bound)
            && self.gt.is_none_or(|bound| number > bound)
            && self.gte.is_none_or(|bound| number >= bound)
    }
}

fn equals(event: &Event, place: &Place, expected: &Expected) -> bool {
    let Some(value) = event.at(place) else { return false };
    match (expected, value) {
        (Expected::Integer(expected), Value::Signed(number)) => number == *expected,
        (Expected::Integer(expected), Value::Unsigned(number)) => i64::try_from(number) == Ok(*expected),
        (Expected::Boolean(expected), Value::Boolean(value)) => value == *expected,
        (Expected::Text(expected), value) => event.rendered(value, &mut Scratch::new()) == Some(expected.as_bytes()),
        _ => false,
    }
}

/// Whether the text at a place, or a text of the list there, passes.
fn any_text(event: &Event, place: &Place, test: impl Fn(&[u8]) -> bool) -> bool {
    let Some(value) = event.at(place) else { return false };
    let mut scratch = Scratch::new();
    event.elements(value).any(|element| event.rendered(element, &mut scratch).is_some_and(&test))
}

fn in_network(event: &Event, place: &Place, networks: &[Network]) -> bool {
    let Some(value) = event.at(place) else { return false };
    event.elements(value).any(|element| {
        let address = match element {
            Value::Address(address) => Some(address),
            other => event.text_of(other).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()),
        };
        address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
    })
}

fn number(value: Value) -> Option<f64> {
    match value {
        Value::Signed(number) => Some(number as f64),
        Value::Unsigned(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

/// The fields of a simple condition, each with its value.
fn leaves<T>(
    below: &Section<'_>,
    convert: impl Fn(&str, &Node) -> Result<T, String>,
) -> Result<Vec<(String, T)>, ConfigError> {
    let node = below.node()?;
    if !below.is_map() {
        return Err(below.refuse(format!("found {}, expected field names with values", node.found())));
    }
    let convert_leaf = |(name, node): (String, &Node)| match convert(&name, node) {
        Ok(value) => Ok((name, value)),
        Err(message) => Err(refuse_leaf(&node.origin, below, &name, message)),
    };
    node.flatten().into_iter().map(convert_leaf).collect()
}

fn refuse_leaf(origin: &Origin, below: &Section<'_>, name: &str, message: String) -> ConfigError {
    ConfigError::at(origin, &format!("{}.{name}", below.path()), message)
}

fn expected(_: &str, node: &Node) -> Result<Expected, String> {
    match &node.value {
        Setting::Integer(number) => Ok(Expected::Integer(*number)),
        Setting::String(text) => Ok(Expected::Text(text.clone())),
        Setting::Boolean(value) => Ok(Expected::Boolean(*value)),
        _ => Err(format!("found {}, expected text, an integer, true or false", node.found())),
    }
}

fn text(node: &Node) -> Result<String, String> {
    node.scalar_text().ok_or_else(|| format!("found {}, expected text", node.found()))
}

fn pattern(node: &Node) -> Result<Regex, String> {
    let text = text(node)?;
    Regex::new(&text)
        .map_err(|error| format!("{text:?} is no regular expression: {}", super::options::one_line(&error)))
}

fn ranges(below: &Section<'_>) -> Result<Vec<(String, Bounds)>, ConfigError> {
    let ends = leaves(below, |name, node| {
        let end = name.rsplit('.').next().unwrap_or_default();
        if !name.contains('.') || !matches!(end, "lt" | "lte" | "gt" | "gte") {
            return Err("expected a field name with lt, lte, gt or gte below it".to_owned());
        }
        match &node.value {
            Setting::Integer(number) => Ok(*number as f64),
            Setting::Float(number) => Ok(*number),
            Setting::String(text) => {
                text.trim().parse().map_err(|_| format!("found {}, expected a number", node.found()))
            }
            _ => Err(format!("found {}, expected a number", node.found())),
        }
    })?;
    let mut ranges: Vec<(String, Bounds)> = Vec::new();
    for (name, bound) in ends {
        let (field, end) = name.rsplit_once('.').unwrap_or((&name, ""));
        let index = ranges.iter().position(|(known, _)| known == field).unwrap_or_else(|| {
            ranges.push((field.to_owned(), Bounds::default()));
            ranges.len() - 1
        });
        let bounds = &mut ranges[index].1;
        match end {
            "lt" => bounds.lt = Some(bound),
            "lte" => bounds.lte = Some(bound),
            "gt" => bounds.gt = Some(bound),
            _ => bounds.gte = Some(bound),
        }
    }
    Ok(ranges)
}

fn networks(below: &Section<'_>) -> Result<Vec<(String, Vec<Network>)>, ConfigError> {
    leaves(below, |_, node| {
        let items = match &node.value {
            Setting::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        items.iter().map(super::options::network).collect()
    })
}
