// SPDX-License-Identifier: Apache-2.0
//! Settings that nobody read: unknown ones with the nearest known name, and known ones that are not built yet.
//!
//! Packetbeat ignores unknown keys silently; here each gets one warning and the program runs on. What counts as known
//! is `known.rs` plus every key that a reader asked for. Limit: below a section that nobody opened there is one
//! warning for the section, none for its keys.

use super::known;
use super::tree::{self, Node, Value};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most warnings of one configuration.
const MOST_WARNINGS: usize = 100;

/// The dotted keys that were asked for, whether they were there or not.
#[derive(Debug, Default)]
pub struct UsedKeys {
    inner: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    asked: HashSet<String>,
    /// Keys that were read with everything below them.
    whole: HashSet<String>,
}

impl UsedKeys {
    pub(super) fn mark(&self, path: &str) {
        let mut marks = self.lock();
        if !marks.asked.contains(path) {
            marks.asked.insert(path.to_owned());
        }
    }

    pub(super) fn mark_whole(&self, path: &str) {
        let mut marks = self.lock();
        marks.asked.insert(path.to_owned());
        marks.whole.insert(path.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One sentence for each setting of `root` that nobody read.
pub fn warnings(root: &Node, used: &UsedKeys) -> Vec<String> {
    let marks = used.lock();
    if marks.whole.contains("") {
        return Vec::new();
    }
    let mut unread = Vec::new();
    walk(root, "", "", &marks, &mut unread);
    let known = known::names();
    let left_out = unread.len().saturating_sub(MOST_WARNINGS);
    let mut sentences: Vec<String> =
        unread.iter().take(MOST_WARNINGS).map(|setting| sentence(setting, &known, &marks)).collect();
    if left_out > 0 {
        sentences.push(format!("{left_out} more settings have no effect"));
    }
    sentences
}

struct Unread<'a> {
    node: &'a Node,
    path: String,
    /// The path as `known.rs` writes it.
    canonical: String,
}

fn walk<'a>(node: &'a Node, path: &str, canonical: &str, marks: &Marks, unread: &mut Vec<Unread<'a>>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, child) in entries {
                let child_path = tree::join(path, key);
                let child_canonical = tree::join(canonical, key);
                if marks.whole.contains(&child_path) {
                    continue;
                }
                if marks.asked.contains(&child_path) {
                    walk(child, &child_path, &child_canonical, marks, unread);
                } else {
                    unread.push(Unread { node: child, path: child_path, canonical: child_canonical });
                }
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let item_path = tree::join(path, &index.to_string());
                if marks.asked.contains(&item_path) && !marks.whole.contains(&item_path) {
                    walk(item, &item_path, &item_canonical(canonical, item), marks, unread);
                }
            }
        }
        _ => {}
    }
}

/// Lists have no positions in `known.rs`; protocols of a list go by their type.
fn item_canonical(canonical: &str, item: &Node) -> String {
    let protocol = item.get("type").and_then(Node::scalar_text);
    match protocol {
        Some(protocol) if canonical == "packetbeat.protocols" => tree::join(canonical, &protocol),
        _ => canonical.to_owned(),
    }
}

fn sentence(unread: &Unread<'_>, known: &[String], marks: &Marks) -> String {
    let Unread { node, path, canonical } = unread;
    // The processors of a protocol are the same as the global ones.
    let canonical = match canonical.find(".processors.") {
        Some(position) if canonical.starts_with("packetbeat.") => &canonical[position + 1..],
        _ => canonical.as_str(),
    };
    let version = env!("CARGO_PKG_VERSION");
    let origin = &node.origin;
    if known.iter().any(|name| matches_start(name, canonical)) {
        return format!(
            "{origin}: {path} is a setting of Packetbeat that Wirebeat {version} does not use here; it has no effect"
        );
    }
    let hint = match nearest(path, canonical, known, marks) {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    };
    format!("{origin}: {path} is not a known setting and has no effect{hint}")
}

/// Whether `path` is `name` or a section above it.
fn matches_start(name: &str, path: &str) -> bool {
    let mut parts = name.split('.');
    for part in path.split('.') {
        match parts.next() {
            Some("**") => return true,
            Some("*") => {}
            Some(expected) if expected == part => {}
            _ => return false,
        }
    }
    true
}

/// The known name with the fewest letters to change, if there are few enough; else one with the same last part.
fn nearest(path: &str, canonical: &str, known: &[String], marks: &Marks) -> Option<String> {
    const LONGEST: usize = 160;
    if path.len() > LONGEST {
        return None;
    }
    let last = canonical.rsplit('.').next().unwrap_or(canonical);
    let most_changes = 1 + last.chars().count() / 4;
    let known_names = known.iter().map(|name| (canonical, at_same_depth(name, canonical)));
    let asked = marks.asked.iter().map(|name| (path, name.clone()));
    let by_letters = known_names
        .chain(asked)
        .filter(|(written, name)| name.len().abs_diff(written.len()) <= most_changes)
        .map(|(written, name)| (strsim::osa_distance(&name, written), name))
        .filter(|(changes, _)| *changes > 0 && *changes <= most_changes)
        .min();
    by_letters.map(|(_, name)| name).or_else(|| {
        let same_last = known.iter().filter(|name| !name.contains('*') && name.rsplit('.').next() == Some(last));
        same_last.min_by_key(|name| (name.len(), name.as_str())).cloned()
    })
}

/// `name` cut to as many parts as `path` has, its wildcards filled from `path`.
fn at_same_depth(name: &str, path: &str) -> String {
    let parts: Vec<&str> = name
        .split('.')
        .zip(path.split('.'))
        .map(|(expected, actual)| if expected.starts_with('*') { actual } else { expected })
        .collect();
    parts.join(".")
}
