// SPDX-License-Identifier: Apache-2.0
//! YAML text to a tree of settings, each with its line.
//!
//! The parser is `saphyr-parser`; this file turns its events into [`Node`]s with the meaning that Beats gives to
//! YAML: types of version 1.1, anchors, `<<` merges, dotted keys, and only the first document of a file. Text,
//! depth and number of values (aliases counted each time they are used) are bounded. Limit: maps and lists cannot
//! be keys, and only the tags of YAML's own types are accepted.

use super::error::ConfigError;
use super::scalar;
use super::tree::{self, MAXIMUM_DEPTH, MAXIMUM_KEYS, MAXIMUM_NODES, Node, Origin, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::HashMap;
use std::sync::Arc;

/// The largest configuration file.
pub const MAXIMUM_FILE_BYTES: usize = 4 << 20;

/// What a file holds, with what deserves a warning but no refusal.
#[derive(Debug)]
pub struct Document {
    /// Always a map.
    pub root: Node,
    pub warnings: Vec<String>,
}

/// Reads the first YAML document of `text`. `name` is the file's name for messages.
pub fn parse(name: &str, text: &[u8]) -> Result<Document, ConfigError> {
    let name: Arc<str> = Arc::from(name);
    if text.len() > MAXIMUM_FILE_BYTES {
        let message = format!("the file has {} bytes, at most {MAXIMUM_FILE_BYTES} are accepted", text.len());
        return Err(ConfigError::at(&Origin::file(&name, 0), "", message));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = text.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ConfigError::at(&Origin::file(&name, line_number(line)), "", "the file is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Builder::new(name).run(text)
}

/// A finished value with what the bounds need to know.
#[derive(Clone)]
struct Built {
    node: Node,
    depth: usize,
    count: usize,
}

/// A list or map that is still open.
enum Frame {
    List { origin: Origin, anchor: usize, items: Vec<Node>, depth: usize, count: usize },
    Map { origin: Origin, anchor: usize, open: OpenMap },
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<(String, Node)>,
    written_keys: HashMap<String, u32>,
    merges: Vec<Node>,
    key: Option<(String, u32, bool)>,
    depth: usize,
    count: usize,
}

struct Builder {
    name: Arc<str>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    alias_nodes: usize,
    root: Option<Node>,
    warnings: Vec<String>,
}

impl Builder {
    fn new(name: Arc<str>) -> Self {
        Self { name, stack: Vec::new(), anchors: HashMap::new(), alias_nodes: 0, root: None, warnings: Vec::new() }
    }

    fn run(mut self, text: &str) -> Result<Document, ConfigError> {
        let mut documents = 0;
        let mut events: usize = 0;
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| {
                let origin = Origin::file(&self.name, line_number(error.marker().line()));
                ConfigError::at(&origin, "", format!("not valid YAML: {}", error.info()))
            })?;
            let origin = Origin::file(&self.name, line_number(span.start.line()));
            events += 1;
            if events > 4 * MAXIMUM_NODES {
                return Err(too_many(&origin));
            }
            if matches!(event, Event::DocumentStart(_)) {
                documents += 1;
                if documents > 1 {
                    self.warnings.push(format!("{origin}: only the first YAML document of a file is read"));
                    break;
                }
            }
            self.event(event, origin)?;
        }
        let empty = Node::new(Value::Map(Vec::new()), Origin::file(&self.name, 1));
        let root = match self.root {
            None => empty,
            Some(Node { value: Value::Null, .. }) => empty,
            Some(root) => root,
        };
        if !matches!(root.value, Value::Map(_)) {
            let message = format!("found {}, expected a map of settings", root.found());
            return Err(ConfigError::at(&root.origin, "", message));
        }
        Ok(Document { root, warnings: self.warnings })
    }

    fn event(&mut self, event: Event<'_>, origin: Origin) -> Result<(), ConfigError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_merge_key = style == ScalarStyle::Plain && text == "<<" && tag.is_none();
                if let Some(open) = self.map_waiting_for_key() {
                    open.key = Some((text.into_owned(), origin.line, is_merge_key));
                    return Ok(());
                }
                let value = scalar_value(&text, style, tag.as_deref(), &origin)?;
                self.finish(Built { node: Node::new(value, origin), depth: 0, count: 1 }, anchor)
            }
            Event::Alias(anchor) => {
                let built =
                    self.anchors.get(&anchor).cloned().ok_or_else(|| {
                        ConfigError::at(&origin, "", "the alias stands inside the value that it names")
                    })?;
                self.alias_nodes = self.alias_nodes.saturating_add(built.count);
                if self.alias_nodes > MAXIMUM_NODES {
                    return Err(too_many(&origin));
                }
                if let Some(open) = self.map_waiting_for_key() {
                    let text = built.node.scalar_text().ok_or_else(|| key_not_text(&origin))?;
                    open.key = Some((text, origin.line, false));
                    return Ok(());
                }
                self.finish(built, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "seq", &origin)?;
                self.open(
                    Frame::List { origin: origin.clone(), anchor, items: Vec::new(), depth: 0, count: 1 },
                    &origin,
                )
            }
            Event::MappingStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "map", &origin)?;
                let open = OpenMap { count: 1, ..OpenMap::default() };
                self.open(Frame::Map { origin: origin.clone(), anchor, open }, &origin)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn open(&mut self, frame: Frame, origin: &Origin) -> Result<(), ConfigError> {
        if self.map_waiting_for_key().is_some() {
            return Err(key_not_text(origin));
        }
        if self.stack.len() >= MAXIMUM_DEPTH {
            return Err(too_deep(origin));
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), ConfigError> {
        match self.stack.pop() {
            Some(Frame::List { origin, anchor, items, depth, count }) => {
                let node = Node::new(Value::List(items), origin);
                self.finish(Built { node, depth: depth + 1, count }, anchor)
            }
            Some(Frame::Map { origin, anchor, mut open }) => {
                // Explicit keys win over merged ones, the first merged map over later ones.
                for merged in std::mem::take(&mut open.merges) {
                    let Value::Map(entries) = merged.value else {
                        continue;
                    };
                    for (key, node) in entries {
                        if !open.entries.iter().any(|(present, _)| *present == key) {
                            open.entries.push((key, node));
                            check_keys(open.entries.len(), &origin)?;
                        }
                    }
                }
                let node = Node::new(Value::Map(open.entries), origin);
                self.finish(Built { node, depth: open.depth + 1, count: open.count }, anchor)
            }
            None => Ok(()),
        }
    }

    /// A value is complete: remember it for aliases and hand it to what encloses it.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), ConfigError> {
        if self.stack.len() + built.depth > MAXIMUM_DEPTH {
            return Err(too_deep(&built.node.origin));
        }
        if anchor > 0 {
            // Each anchored value is stored a second time.
            self.alias_nodes = self.alias_nodes.saturating_add(built.count);
            if self.alias_nodes > MAXIMUM_NODES {
                return Err(too_many(&built.node.origin));
            }
            self.anchors.insert(anchor, built.clone());
        }
        match self.stack.last_mut() {
            None => {
                self.root = Some(built.node);
                Ok(())
            }
            Some(Frame::List { items, depth, count, .. }) => {
                *depth = (*depth).max(built.depth);
                *count += built.count;
                if *count > MAXIMUM_NODES {
                    return Err(too_many(&built.node.origin));
                }
                items.push(built.node);
                Ok(())
            }
            Some(Frame::Map { open, .. }) => open.insert(built, &self.name, &mut self.warnings),
        }
    }

    fn map_waiting_for_key(&mut self) -> Option<&mut OpenMap> {
        match self.stack.last_mut() {
            Some(Frame::Map { open, .. }) if open.key.is_none() => Some(open),
            _ => None,
        }
    }
}

impl OpenMap {
    fn insert(&mut self, built: Built, name: &Arc<str>, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        let Some((key, line, is_merge)) = self.key.take() else {
            return Ok(());
        };
        let extra_depth = tree::segments(&key).len() - 1;
        self.count += built.count + extra_depth;
        if self.count > MAXIMUM_NODES {
            return Err(too_many(&built.node.origin));
        }
        self.depth = self.depth.max(built.depth + extra_depth);
        if self.depth > MAXIMUM_DEPTH {
            return Err(too_deep(&built.node.origin));
        }
        if is_merge {
            return self.remember_merge(built.node);
        }
        check_keys(self.written_keys.len() + 1, &built.node.origin)?;
        // The line of the key is the one a user looks for.
        let origin = Origin::file(name, line);
        let node = Node::new(built.node.value, origin.clone());
        if let Some(earlier) = self.written_keys.insert(key.clone(), line) {
            warn_replaced(warnings, &origin, &key, &Origin::file(name, earlier));
            // Not merged: a repeated key stands for the last value, as in Packetbeat.
            self.entries.retain(|(present, _)| *present != key);
        }
        if let Some(earlier) = tree::insert_written(&mut self.entries, &key, node) {
            warn_replaced(warnings, &origin, &key, &earlier);
        }
        Ok(())
    }

    fn remember_merge(&mut self, node: Node) -> Result<(), ConfigError> {
        match node.value {
            Value::Map(_) => self.merges.push(node),
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
                self.merges.extend(items);
            }
            _ => {
                let message = format!("found {}, expected a map or a list of maps", node.found());
                return Err(ConfigError::at(&node.origin, "<<", message));
            }
        }
        Ok(())
    }
}

fn warn_replaced(warnings: &mut Vec<String>, origin: &Origin, key: &str, earlier: &Origin) {
    const MOST: usize = 100;
    if warnings.len() < MOST {
        warnings.push(format!("{origin}: {key} was set before at {earlier}; the last one counts"));
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, origin: &Origin) -> Result<Value, ConfigError> {
    let Some(tag) = tag else {
        let plain = style == ScalarStyle::Plain;
        return Ok(if plain { scalar::plain(text) } else { Value::String(text.to_owned()) });
    };
    let value = if tag.is_yaml_core_schema() {
        match tag.suffix.as_str() {
            "str" => Some(Value::String(text.to_owned())),
            "int" => scalar::integer(&text.replace('_', "")).map(Value::Integer),
            "float" => scalar::float(text).map(Value::Float),
            "bool" => scalar::boolean(text).map(Value::Boolean),
            "null" => Some(Value::Null),
            _ => None,
        }
    } else if tag.handle.is_empty() && tag.suffix == "!" {
        Some(Value::String(text.to_owned()))
    } else {
        None
    };
    value.ok_or_else(|| ConfigError::at(origin, "", format!("found {text:?} with the tag {tag}, which does not fit")))
}

fn check_collection_tag(tag: Option<&Tag>, expected: &str, origin: &Origin) -> Result<(), ConfigError> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => {
            Err(ConfigError::at(origin, "", format!("found the tag {tag}, which is not accepted here")))
        }
        _ => Ok(()),
    }
}

fn check_keys(count: usize, origin: &Origin) -> Result<(), ConfigError> {
    if count > MAXIMUM_KEYS {
        return Err(ConfigError::at(origin, "", format!("a map has more than {MAXIMUM_KEYS} keys")));
    }
    Ok(())
}

fn key_not_text(origin: &Origin) -> ConfigError {
    ConfigError::at(origin, "", "found a list or a map as a key, expected text")
}

fn too_deep(origin: &Origin) -> ConfigError {
    ConfigError::at(origin, "", format!("maps and lists are nested deeper than {MAXIMUM_DEPTH}"))
}

fn too_many(origin: &Origin) -> ConfigError {
    ConfigError::at(origin, "", format!("the configuration has more than {MAXIMUM_NODES} values, aliases expanded"))
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
