// SPDX-License-Identifier: Apache-2.0
//! Names of event fields: the table made by `build.rs`, and the schema of a running instance.
//!
//! Fields and objects are numbered in the order of the nested tree, so that one pass over an event's values in
//! that order writes nested JSON. Names that only the configuration knows (`add_fields`, `rename`, …) are merged into
//! the tree at start; a [`Field`] keeps its number, its *rank* is its place in the merged tree.

use std::collections::HashMap;

/// A field or object of the event tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field(pub(super) u16);

pub struct StaticNode {
    pub key: &'static str,
    pub parent: Option<u16>,
}

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

/// The index template's `properties`, made from the same declarations.
pub const PROPERTIES_JSON: &str = include_str!(concat!(env!("OUT_DIR"), "/properties.json"));

/// The field documentation as Markdown, made from the same declarations.
pub const DOCUMENTATION: &str = include_str!(concat!(env!("OUT_DIR"), "/fields.md"));

/// One node of the merged tree, at its rank.
pub(super) struct Node {
    pub field: Field,
    pub parent: Option<u16>,
    pub key: Box<str>,
    /// `"key":` as it is written.
    pub key_json: Box<[u8]>,
    /// Number of ancestors.
    pub depth: u8,
    /// Rank after the last descendant.
    pub end: u16,
}

/// The event tree of this process: the declared fields and those of the configuration.
pub struct Schema {
    pub(super) nodes: Vec<Node>,
    /// Rank of each field.
    pub(super) ranks: Vec<u16>,
    names: HashMap<String, Field>,
    /// Fields whose key has a dot in it.
    literals: HashMap<String, Field>,
}

/// Where a dotted name leads: a field, and for what lies inside a free-form value the rest of the name.
#[derive(Clone, Debug)]
pub struct FieldPath {
    pub field: Field,
    /// Keys below the field's own value, joined by dots; empty for the field itself.
    pub rest: String,
}

const MAX_NODES: usize = 8192;

impl Schema {
    /// The declared fields, merged with `names` (dotted) that the configuration mentions.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Schema {
        struct Entry {
            key: String,
            parent: Option<usize>,
            children: Vec<usize>,
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(NODES.len());
        let mut roots = Vec::new();
        for node in &NODES {
            let index = entries.len();
            let parent = node.parent.map(usize::from);
            match parent {
                Some(parent) => entries[parent].children.push(index),
                None => roots.push(index),
            }
            entries.push(Entry { key: node.key.to_string(), parent, children: Vec::new() });
        }
        for name in names {
            let mut parent = None;
            for key in name.split('.').filter(|key| !key.is_empty()) {
                let siblings: &Vec<usize> = parent.map_or(&roots, |parent: usize| &entries[parent].children);
                let index = match siblings.iter().find(|sibling| entries[**sibling].key == key) {
                    Some(index) => *index,
                    None if entries.len() >= MAX_NODES => break,
                    None => {
                        let index = entries.len();
                        match parent {
                            Some(parent) => entries[parent].children.push(index),
                            None => roots.push(index),
                        }
                        entries.push(Entry { key: key.to_string(), parent, children: Vec::new() });
                        index
                    }
                };
                parent = Some(index);
            }
        }

        let mut ranks = vec![0u16; entries.len()];
        let mut nodes: Vec<Node> = Vec::with_capacity(entries.len());
        let mut names = HashMap::new();
        let mut literals = HashMap::new();
        let mut stack: Vec<(usize, String, u8)> =
            roots.iter().rev().map(|root| (*root, entries[*root].key.clone(), 0)).collect();
        while let Some((index, name, depth)) = stack.pop() {
            let entry = &entries[index];
            ranks[index] = nodes.len() as u16;
            let mut key_json = Vec::new();
            super::json::write_text(&mut key_json, entry.key.as_bytes());
            key_json.push(b':');
            nodes.push(Node {
                field: Field(index as u16),
                parent: entry.parent.map(|parent| ranks[parent]),
                key: entry.key.as_str().into(),
                key_json: key_json.into(),
                depth,
                end: 0,
            });
            for child in entry.children.iter().rev() {
                stack.push((*child, format!("{name}.{}", entries[*child].key), depth.saturating_add(1)));
            }
            if entry.key.contains('.') {
                literals.insert(name, Field(index as u16));
            } else {
                names.insert(name, Field(index as u16));
            }
        }
        for rank in (0..nodes.len()).rev() {
            let end = nodes[rank].end.max(rank as u16 + 1);
            nodes[rank].end = end;
            if let Some(parent) = nodes[rank].parent {
                let parent = &mut nodes[usize::from(parent)];
                parent.end = parent.end.max(end);
            }
        }
        Schema { nodes, ranks, names, literals }
    }

    /// The field of a dotted name that was declared or given to [`Schema::new`]; a nested one before a literal key.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.nested(name).or_else(|| self.literal(name))
    }

    /// The field at the end of a path of nested objects.
    pub(super) fn nested(&self, name: &str) -> Option<Field> {
        self.names.get(name).copied()
    }

    /// The field whose key is the whole dotted name.
    pub(super) fn literal(&self, name: &str) -> Option<Field> {
        self.literals.get(name).copied()
    }

    /// All fields and objects, in tree order.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.nodes.iter().map(|node| node.field)
    }

    /// The longest known prefix of `name`, and the rest.
    pub fn path(&self, name: &str) -> Option<FieldPath> {
        let mut end = name.len();
        loop {
            if let Some(field) = self.field(&name[..end]) {
                let rest = name[end..].trim_start_matches('.').to_string();
                return Some(FieldPath { field, rest });
            }
            end = name[..end].rfind('.')?;
        }
    }

    /// Number of fields and objects.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Dotted name of a field.
    pub fn name(&self, field: Field) -> String {
        let mut parts = Vec::new();
        let mut rank = Some(self.ranks[usize::from(field.0)]);
        while let Some(current) = rank {
            let node = &self.nodes[usize::from(current)];
            parts.push(&*node.key);
            rank = node.parent;
        }
        parts.reverse();
        parts.join(".")
    }

    pub(super) fn rank(&self, field: Field) -> usize {
        usize::from(self.ranks[usize::from(field.0)])
    }

    /// The field of a key directly below the object at a rank.
    pub(super) fn child(&self, rank: usize, key: &[u8]) -> Option<Field> {
        let end = usize::from(self.nodes[rank].end);
        let mut child = rank + 1;
        while child < end {
            if self.nodes[child].key.as_bytes() == key {
                return Some(self.nodes[child].field);
            }
            child = usize::from(self.nodes[child].end);
        }
        None
    }

    /// Ranks of the descendants of a field.
    pub(super) fn descendants(&self, field: Field) -> std::ops::Range<usize> {
        let rank = self.rank(field);
        rank + 1..usize::from(self.nodes[rank].end)
    }
}
