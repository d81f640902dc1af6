// SPDX-License-Identifier: Apache-2.0
//! References: `${name}`, `${name:default}`, `${name:+alternative}`, `${name:?message}`, with `$$` for a dollar sign.
//!
//! A name is first looked for among the settings, then in the keystore, then in the environment (Beats' order). A value made
//! of text is read again in the notation of [`super::relaxed`], so that a variable can hold a list or a number; with a
//! secret in it, it stays text. A reference without a value leaves
//! [`Value::Unresolved`], which is an error when the setting is read. Work and size are bounded: references to
//! references cannot grow without end.

use super::error::ConfigError;
use super::keystore::Keystore;
use super::relaxed;
use super::tree::{self, MAXIMUM_DEPTH, MAXIMUM_NODES, Node, Origin, Value};
use std::sync::Arc;

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where names are looked for that are no settings.
pub struct Lookup<'a> {
    pub keystore: &'a Keystore,
    pub environment: Environment<'a>,
}

/// The tree with every reference replaced.
pub fn expand(root: &Node, lookup: &Lookup<'_>) -> Node {
    Expander::new(root, lookup).node(root, "", 0)
}

/// One scalar with references, outside of a tree: `path.config` before there is a configuration.
pub(crate) fn expand_at(root: &Node, path: &str, lookup: &Lookup<'_>) -> Option<Node> {
    Some(Expander::new(root, lookup).node(root.get(path)?, path, 0))
}

const TOO_MUCH_TEXT: &str = "the references of the configuration make too much text";

struct Expander<'a> {
    root: &'a Node,
    outside: &'a Lookup<'a>,
    /// Secrets that were put into text so far.
    secrets_used: usize,
    /// Names being resolved, to find cycles.
    active: Vec<String>,
    /// Recursion of `node`, references included.
    level: usize,
    references_left: usize,
    bytes_left: usize,
    nodes_left: usize,
}

/// Text taken apart.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Reference { name: Vec<Piece>, otherwise: Option<(Operator, Vec<Piece>)> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Default,
    Alternative,
    Message,
}

impl<'a> Expander<'a> {
    fn new(root: &'a Node, outside: &'a Lookup<'a>) -> Self {
        Self {
            root,
            outside,
            secrets_used: 0,
            active: Vec::new(),
            level: 0,
            references_left: 20_000,
            bytes_left: 8 << 20,
            nodes_left: MAXIMUM_NODES,
        }
    }

    fn node(&mut self, node: &Node, path: &str, depth: usize) -> Node {
        self.level += 1;
        let expanded = self.node_inner(node, path, depth);
        self.level -= 1;
        expanded
    }

    fn node_inner(&mut self, node: &Node, path: &str, depth: usize) -> Node {
        if depth > MAXIMUM_DEPTH || self.level > 2 * MAXIMUM_DEPTH {
            let message = format!("references nest maps and lists deeper than {MAXIMUM_DEPTH}");
            return unresolved(&node.origin, path, message);
        }
        if self.nodes_left == 0 {
            return unresolved(&node.origin, path, format!("references make more than {MAXIMUM_NODES} values"));
        }
        self.nodes_left -= 1;
        let value = match &node.value {
            Value::String(text) if text.contains('$') => {
                return self.text(text, &node.origin, path, depth);
            }
            Value::String(text) if !self.active.is_empty() => match self.bytes_left.checked_sub(text.len()) {
                None => return unresolved(&node.origin, path, TOO_MUCH_TEXT.to_owned()),
                Some(left) => {
                    self.bytes_left = left;
                    Value::String(text.clone())
                }
            },
            Value::List(items) => Value::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, &tree::join(path, &index.to_string()), depth + 1))
                    .collect(),
            ),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, child)| (key.clone(), self.node(child, &tree::join(path, key), depth + 1)))
                    .collect(),
            ),
            scalar => scalar.clone(),
        };
        Node::new(value, node.origin.clone())
    }

    fn text(&mut self, text: &str, origin: &Origin, path: &str, depth: usize) -> Node {
        match self.try_text(text, origin, depth) {
            Ok(value) => Node::new(value, origin.clone()),
            Err(message) => unresolved(origin, path, message),
        }
    }

    fn try_text(&mut self, text: &str, origin: &Origin, depth: usize) -> Result<Value, String> {
        let secrets_before = self.secrets_used;
        let mut pieces = Parser { rest: text, depth: 0 }.pieces(Stop::End)?;
        match pieces.as_mut_slice() {
            [] => return Ok(Value::String(String::new())),
            [Piece::Text(plain)] => return Ok(Value::String(std::mem::take(plain))),
            [Piece::Reference { name, otherwise: None }] => {
                let name = self.join(name)?;
                return match self.lookup(&name, depth)? {
                    Some(Found::Setting(node)) => Ok(node.value),
                    Some(Found::Secret(text)) => Ok(Value::String(text)),
                    Some(Found::Environment(text)) => Ok(reread(&text, origin)),
                    None => Err(missing(&name)),
                };
            }
            _ => {}
        }
        let joined = self.join(&pieces)?;
        // A password with a comma is no list.
        if self.secrets_used > secrets_before { Ok(Value::String(joined)) } else { Ok(reread(&joined, origin)) }
    }

    /// All pieces as text.
    fn join(&mut self, pieces: &[Piece]) -> Result<String, String> {
        let mut joined = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => joined.push_str(text),
                Piece::Reference { name, otherwise } => {
                    let name = self.join(name)?;
                    joined.push_str(&self.reference_text(&name, otherwise.as_ref())?);
                }
            }
        }
        self.bytes_left = self.bytes_left.checked_sub(joined.len()).ok_or(TOO_MUCH_TEXT)?;
        Ok(joined)
    }

    fn reference_text(&mut self, name: &str, otherwise: Option<&(Operator, Vec<Piece>)>) -> Result<String, String> {
        let found =
            if name.is_empty() { Err("a reference with an empty name".to_owned()) } else { self.lookup_text(name) };
        match (otherwise, found) {
            (None, found) => found?.ok_or_else(|| missing(name)),
            (Some((Operator::Alternative, pieces)), Ok(Some(text))) if !text.is_empty() => self.join(pieces),
            (Some((Operator::Alternative, _)), _) => Ok(String::new()),
            (Some(_), Ok(Some(text))) if !text.is_empty() => Ok(text),
            (Some((Operator::Default, pieces)), _) => self.join(pieces),
            (Some((Operator::Message, pieces)), _) => {
                let message = self.join(pieces)?;
                Err(format!("${{{name}}} has no value: {message}"))
            }
        }
    }

    fn lookup_text(&mut self, name: &str) -> Result<Option<String>, String> {
        let no_text = |node: &Node| format!("${{{name}}} is {}, expected a value that fits into text", node.found());
        if let Some(node) = self.root.get(name)
            && matches!(node.value, Value::List(_) | Value::Map(_))
        {
            return Err(no_text(node));
        }
        match self.lookup(name, 0)? {
            None => Ok(None),
            Some(Found::Environment(text) | Found::Secret(text)) => Ok(Some(text)),
            Some(Found::Setting(node)) => node.scalar_text().map(Some).ok_or_else(|| no_text(&node)),
        }
    }

    fn lookup(&mut self, name: &str, depth: usize) -> Result<Option<Found>, String> {
        self.references_left =
            self.references_left.checked_sub(1).ok_or("the configuration has too many references")?;
        let root = self.root;
        let is_cycle = self.active.iter().any(|active| active == name);
        let setting = if is_cycle { None } else { root.get(name).filter(|node| node.value != Value::Null) };
        if let Some(node) = setting {
            const LONGEST_CHAIN: usize = 32;
            if self.active.len() >= LONGEST_CHAIN {
                return Err(format!("a chain of more than {LONGEST_CHAIN} references"));
            }
            self.active.push(name.to_owned());
            let expanded = self.node(node, name, depth);
            self.active.pop();
            return match expanded.value {
                Value::Unresolved(error) => Err(error.message().to_owned()),
                _ => Ok(Some(Found::Setting(expanded))),
            };
        }
        if let Some(secret) = self.outside.keystore.get(name) {
            self.secrets_used += 1;
            self.bytes_left = self.bytes_left.checked_sub(secret.len()).ok_or(TOO_MUCH_TEXT)?;
            return Ok(Some(Found::Secret(secret)));
        }
        let variable = (self.outside.environment)(name).filter(|text| !text.is_empty());
        if is_cycle && variable.is_none() {
            let chain = self.active.join(" → ");
            return Err(format!("the references go round in a circle: {chain} → {name}"));
        }
        let length = variable.as_ref().map_or(0, String::len);
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or(TOO_MUCH_TEXT)?;
        Ok(variable.map(Found::Environment))
    }
}

enum Found {
    Setting(Node),
    Secret(String),
    Environment(String),
}

/// Text that does not follow the notation stays text: a password may begin with a bracket.
fn reread(text: &str, origin: &Origin) -> Value {
    if text.trim().is_empty() {
        return Value::String(text.to_owned());
    }
    relaxed::parse(text, origin).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn missing(name: &str) -> String {
    format!("${{{name}}} is neither a setting nor an environment variable with a value, and has no default")
}

fn unresolved(origin: &Origin, path: &str, message: String) -> Node {
    let error = ConfigError::at(origin, path, message);
    Node::new(Value::Unresolved(Arc::new(error)), origin.clone())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    OperatorOrBrace,
    Brace,
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn pieces(&mut self, stop: Stop) -> Result<Vec<Piece>, String> {
        const DEEPEST: usize = 8;
        if self.depth > DEEPEST {
            return Err(format!("references nested deeper than {DEEPEST}"));
        }
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(character) = self.rest.chars().next() {
            match character {
                '$' if self.rest.starts_with("${") => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    self.rest = &self.rest[2..];
                    pieces.push(self.reference()?);
                    continue;
                }
                '$' if self.rest.starts_with("$$") || self.rest.starts_with("$}") => {
                    text.push_str(&self.rest[1..2]);
                    self.rest = &self.rest[2..];
                    continue;
                }
                '}' if stop != Stop::End => break,
                ':' if stop == Stop::OperatorOrBrace => break,
                other => text.push(other),
            }
            self.rest = &self.rest[character.len_utf8()..];
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    /// What follows `${`.
    fn reference(&mut self) -> Result<Piece, String> {
        self.depth += 1;
        let name = self.pieces(Stop::OperatorOrBrace)?;
        let mut otherwise = None;
        if let Some(rest) = self.rest.strip_prefix(':') {
            let (operator, rest) = if let Some(rest) = rest.strip_prefix('+') {
                (Operator::Alternative, rest)
            } else if let Some(rest) = rest.strip_prefix('?') {
                (Operator::Message, rest)
            } else {
                (Operator::Default, rest)
            };
            self.rest = rest;
            otherwise = Some((operator, self.pieces(Stop::Brace)?));
        }
        self.rest = self.rest.strip_prefix('}').ok_or("a '}' is missing after '${'")?;
        self.depth -= 1;
        if name.is_empty() && otherwise.is_none() {
            return Err("a reference with an empty name".to_owned());
        }
        Ok(Piece::Reference { name, otherwise })
    }
}
