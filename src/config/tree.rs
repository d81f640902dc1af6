// SPDX-License-Identifier: Apache-2.0
//! The tree of settings: every value with the place it was written at.
//!
//! Dotted keys and nested maps are the same thing here: `a.b: 1` is stored as a map `a` with a key `b`. A key
//! with an empty segment (`a..b`) is kept as it is written. Maps keep the order of the file. Depth is bounded by
//! whoever builds a tree ([`MAXIMUM_DEPTH`]), so that recursion over a tree is safe.

use super::error::ConfigError;
use std::fmt;
use std::sync::Arc;

/// The deepest nesting of maps and lists that any source of settings may reach.
pub const MAXIMUM_DEPTH: usize = 64;

/// The largest number of values in one configuration, aliases and references expanded.
pub const MAXIMUM_NODES: usize = 50_000;

/// The most keys of one map as it is written: maps are searched from front to back.
pub(crate) const MAXIMUM_KEYS: usize = 4096;

/// Where a value was written: a file with its line, `-E`, a command line flag or a built-in default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file's name as the user gave it, or `-E`, `--path.home`, `built-in default`.
    pub name: Arc<str>,
    /// 1 for the first line; 0 where there are no lines.
    pub line: u32,
}

impl Origin {
    /// A place in a file.
    pub fn file(name: &Arc<str>, line: u32) -> Self {
        Self { name: Arc::clone(name), line }
    }

    /// A source without lines.
    pub fn named(name: &str) -> Self {
        Self { name: Arc::from(name), line: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => formatter.write_str(&self.name),
            line => write!(formatter, "{}:{line}", self.name),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// What a setting can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    /// A reference `${…}` that has no value. It is an error only when somebody reads the setting: Packetbeat
    /// starts with an undefined variable in a section that it does not use.
    Unresolved(Arc<ConfigError>),
}

impl Node {
    /// A value at a place.
    pub fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The value at a dotted path. A number selects an item of a list. The empty path is the node itself.
    pub fn get(&self, path: &str) -> Option<&Node> {
        if path.is_empty() {
            return Some(self);
        }
        if let Value::Map(entries) = &self.value
            && let Some(node) = find(entries, path)
        {
            return Some(node);
        }
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        self.child(first)?.get(rest)
    }

    /// The direct child with this name, or the item of a list with this index.
    pub fn child(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => find(entries, name),
            Value::List(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Puts `later` over this tree: maps are merged, lists and scalars replaced. A null never erases a map,
    /// because a file may have an empty `packetbeat.interfaces:` beside `packetbeat.interfaces.device: any`.
    pub fn merge(&mut self, later: Node) {
        match (&mut self.value, later.value) {
            (Value::Map(entries), Value::Map(new_entries)) => {
                for (key, node) in new_entries {
                    merge_entry(entries, key, node);
                }
            }
            (Value::Map(_), Value::Null) => {}
            (_, value) => *self = Node { value, origin: later.origin },
        }
    }

    /// Puts `node` at a dotted path, creating maps on the way. A number selects an item of a list that is there
    /// already, the number after the last one adds an item.
    pub fn set(&mut self, path: &str, node: Node) -> Result<(), ConfigError> {
        let mut here = self;
        let segments = segments(path);
        if segments.len() > MAXIMUM_DEPTH {
            let message = format!("the key has {} parts, at most {MAXIMUM_DEPTH} are accepted", segments.len());
            return Err(ConfigError::at(&node.origin, path, message));
        }
        for segment in segments {
            here = here.step(segment, path, &node.origin)?;
        }
        here.merge(node);
        Ok(())
    }

    /// The child that one segment of a path selects, made if it is not there.
    fn step(&mut self, segment: &str, path: &str, origin: &Origin) -> Result<&mut Node, ConfigError> {
        let item = segment.parse::<usize>().ok().filter(|_| matches!(self.value, Value::List(_)));
        if item.is_none() && !matches!(self.value, Value::Map(_)) {
            *self = Node::new(Value::Map(Vec::new()), origin.clone());
        }
        match (&mut self.value, item) {
            (Value::List(items), Some(index)) if index <= items.len() => {
                if index == items.len() {
                    items.push(Node::new(Value::Null, origin.clone()));
                }
                Ok(&mut items[index])
            }
            (Value::Map(entries), _) => {
                let index = entries.iter().position(|(key, _)| key == segment).unwrap_or_else(|| {
                    entries.push((segment.to_owned(), Node::new(Value::Null, origin.clone())));
                    entries.len() - 1
                });
                Ok(&mut entries[index].1)
            }
            _ => {
                Err(ConfigError::at(origin, path, format!("the list has no item {segment} and not the one before it")))
            }
        }
    }

    /// All leaves below this node with dotted keys, as conditions and field maps need them: `{a: {b: 1}}` gives
    /// `a.b`. Lists are leaves.
    pub fn flatten(&self) -> Vec<(String, &Node)> {
        let mut leaves = Vec::new();
        flatten_into(self, String::new(), &mut leaves);
        leaves
    }

    /// A scalar as text, the way Packetbeat reads a number or boolean where it wants a string.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Boolean(value) => Some(value.to_string()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::String(value) => Some(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Unresolved(_) => None,
        }
    }

    /// What an error says was found.
    pub fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) => format!("{:?}", shortened(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Unresolved(_) => "an unresolved reference".to_owned(),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => self.scalar_text().unwrap_or_default(),
        }
    }

    /// Nesting of maps and lists; 0 for a scalar.
    pub(crate) fn depth(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Number of values, this one included.
    pub(crate) fn count(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.count()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// The parts of a dotted key; a key with an empty part is one part.
pub(crate) fn segments(key: &str) -> Vec<&str> {
    if key.split('.').any(str::is_empty) { vec![key] } else { key.split('.').collect() }
}

/// `parent.child`, or `child` at the root.
pub(crate) fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() { child.to_owned() } else { format!("{parent}.{child}") }
}

/// Adds a key of a map as it is written in a file. Returns the place of an earlier value that it replaces.
pub(crate) fn insert_written(entries: &mut Vec<(String, Node)>, key: &str, node: Node) -> Option<Origin> {
    let parts = segments(key);
    let mut nested = node;
    for part in parts.iter().skip(1).rev() {
        let origin = nested.origin.clone();
        nested = Node::new(Value::Map(vec![((*part).to_owned(), nested)]), origin);
    }
    let first = parts.first().copied().unwrap_or(key);
    let replaced = find(entries, first).and_then(|earlier| first_conflict(earlier, &nested));
    merge_entry(entries, first.to_owned(), nested);
    replaced
}

fn first_conflict(earlier: &Node, later: &Node) -> Option<Origin> {
    match (&earlier.value, &later.value) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Map(entries), Value::Map(new_entries)) => new_entries
            .iter()
            .find_map(|(key, node)| find(entries, key).and_then(|before| first_conflict(before, node))),
        _ => Some(earlier.origin.clone()),
    }
}

fn merge_entry(entries: &mut Vec<(String, Node)>, key: String, node: Node) {
    match entries.iter_mut().find(|(name, _)| *name == key) {
        Some((_, present)) => present.merge(node),
        None => entries.push((key, node)),
    }
}

fn find<'a>(entries: &'a [(String, Node)], name: &str) -> Option<&'a Node> {
    entries.iter().find(|(key, _)| key == name).map(|(_, node)| node)
}

fn flatten_into<'a>(node: &'a Node, path: String, leaves: &mut Vec<(String, &'a Node)>) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() || path.is_empty() => {
            for (key, child) in entries {
                flatten_into(child, join(&path, key), leaves);
            }
        }
        _ => leaves.push((path, node)),
    }
}

/// Long texts are cut in messages.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
