// SPDX-License-Identifier: Apache-2.0
//! `-E key=value`: settings from the command line, which win over every file.
//!
//! The key is a dotted path, the value is in the notation of [`super::relaxed`]. As in Beats `-E key` means `true`
//! and `-E key=` changes nothing. References `${…}` in a value are expanded later, with those of the files.

use super::error::ConfigError;
use super::relaxed;
use super::tree::{self, MAXIMUM_DEPTH, MAXIMUM_NODES, Node, Origin, Value};

/// The longest `-E` argument.
const MAXIMUM_ARGUMENT_BYTES: usize = 1 << 20;

/// Applies one `-E` argument to `root`.
pub fn apply(root: &mut Node, argument: &str) -> Result<(), ConfigError> {
    let origin = Origin::named("-E");
    let (key, text) = argument.split_once('=').unwrap_or((argument, "true"));
    let key = key.trim();
    if key.is_empty() {
        let message = format!("found {argument:?}, expected key=value such as output.console.pretty=true");
        return Err(ConfigError::at(&origin, "", message));
    }
    if argument.len() > MAXIMUM_ARGUMENT_BYTES {
        let message = format!("the value has {} bytes, at most {MAXIMUM_ARGUMENT_BYTES} are accepted", text.len());
        return Err(ConfigError::at(&origin, key, message));
    }
    if text.is_empty() {
        return Ok(());
    }
    let value = value(key, text, &origin)?;
    let node = Node::new(value, origin.clone());
    if node.depth() + tree::segments(key).len() > MAXIMUM_DEPTH {
        let message = format!("maps and lists are nested deeper than {MAXIMUM_DEPTH}");
        return Err(ConfigError::at(&origin, key, message));
    }
    if node.count() > MAXIMUM_NODES {
        let message = format!("the value has more than {MAXIMUM_NODES} items");
        return Err(ConfigError::at(&origin, key, message));
    }
    root.set(key, node)
}

fn value(key: &str, text: &str, origin: &Origin) -> Result<Value, ConfigError> {
    // A reference holds commas and colons of its own; it is taken apart when it is expanded.
    let is_one_reference = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
    if is_one_reference {
        return Ok(Value::String(text.to_owned()));
    }
    relaxed::parse(text, origin).map_err(|problem| {
        let message = format!("found {text:?}: {problem}");
        ConfigError::at(origin, key, message)
    })
}
