// SPDX-License-Identifier: Apache-2.0
//! `move_fields`: moves fields of an object under another prefix (`to` is put before their names as it is written).
//!
//! Without `fields` everything in `from` is moved, except at the root, where Wirebeat needs `fields`. `exclude` leaves
//! keys where they are.

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, PresentObject, Schema, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let from = options.string("from")?.unwrap_or_default();
    let to = options::required(options, "to")?;
    let exclude = options.strings("exclude")?.unwrap_or_default();
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let mut fields = options.strings("fields")?.unwrap_or_default();
    fields.retain(|field| !exclude.contains(field));
    let all = !options.has("fields");
    if all && from.is_empty() {
        return Err(options.refuse_key("fields", "missing; without from it must name the fields to move"));
    }
    let mut names: Vec<String> = fields.iter().flat_map(|field| pair(&from, &to, field)).collect();
    names.push(from.clone());
    names.push(to.trim_end_matches('.').to_owned());
    names.retain(|name| !name.is_empty());
    Ok(Prepared::new(names, move |schema| MoveFields {
        moves: if all {
            Moves::All { from: Place::new(schema, &from), exclude, to: Target::new(schema, &to) }
        } else {
            let bind = |field: &String| pair(&from, &to, field).map(|name| Place::new(schema, &name));
            Moves::Named(fields.iter().map(bind).collect())
        },
        ignore_missing,
    }))
}

fn pair(from: &str, to: &str, field: &str) -> [String; 2] {
    [super::add_fields::below(from, field), format!("{to}{field}")]
}

struct MoveFields {
    moves: Moves,
    ignore_missing: bool,
}

enum Moves {
    Named(Vec<[Place; 2]>),
    All { from: Place, exclude: Vec<String>, to: Target },
}

/// Where the keys of a whole object go: into an object, each with a prefix.
struct Target {
    object: Place,
    prefix: String,
    /// Names that the schema knows below the prefix are places of their own.
    known: Vec<(String, Place)>,
}

impl Target {
    fn new(schema: &Schema, to: &str) -> Target {
        let (object, prefix) = to.rsplit_once('.').unwrap_or(("", to));
        let known = schema.fields().map(|field| schema.name(field)).filter(|name| name.starts_with(to));
        let known = known.map(|name| (name[to.len()..].to_owned(), Place::new(schema, &name))).collect();
        Target { object: Place::new(schema, object), prefix: prefix.to_owned(), known }
    }

    fn put(&self, event: &mut Event, key: &str, value: Value) -> Result<(), Failure> {
        let result = match self.known.iter().find(|(name, _)| name == key) {
            Some((_, place)) => event.put(place, value),
            None if self.object.name().is_empty() => {
                event.put_root(&format!("{}{key}", self.prefix), value, PresentObject::Replaced);
                Ok(())
            }
            None => event.put_key(&self.object, &format!("{}{key}", self.prefix), value),
        };
        result.map_err(|refusal| Failure::put(&self.object, refusal))
    }
}

impl MoveFields {
    fn run(&self, event: &mut Event) -> Result<(), Failure> {
        match &self.moves {
            Moves::Named(moves) => {
                for [from, to] in moves {
                    match event.gather(from) {
                        Some(value) => {
                            event.delete(from);
                            event.put(to, value).map_err(|refusal| Failure::put(to, refusal))?;
                        }
                        None if self.ignore_missing => {}
                        None => return Err(Failure::missing(from)),
                    }
                }
            }
            Moves::All { from, exclude, to } => {
                let Some(object @ Value::Map { .. }) = event.gather(from) else { return Err(Failure::missing(from)) };
                let entries: Vec<(Value, Value)> = event.entries(object).collect();
                let mut left = Vec::new();
                let mut moved = Vec::new();
                for (key, value) in entries {
                    let name = String::from_utf8_lossy(event.text_of(key).unwrap_or_default()).into_owned();
                    match exclude.contains(&name) {
                        true => left.push((key, value)),
                        false => moved.push((name, value)),
                    }
                }
                let left = event.map_of(&left);
                event.put(from, left).map_err(|refusal| Failure::put(from, refusal))?;
                for (name, value) in moved {
                    to.put(event, &name, value)?;
                }
            }
        }
        Ok(())
    }
}

impl Processor for MoveFields {
    fn process(&self, event: &mut Event) -> Outcome {
        // Packetbeat drops an event that it cannot move fields of; here it stays as it was.
        let _ = event.attempt(|event| self.run(event));
        Outcome::Keep
    }
}
