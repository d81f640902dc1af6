// SPDX-License-Identifier: Apache-2.0
//! `lowercase` and `uppercase`: change the case of field *names*, not of values; never of `type` and `@timestamp`.
//!
//! The name in the configuration matches in any case. Inside free-form maps only the case that the configuration writes
//! is found.

use super::matched_fields::MANDATORY;
use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Schema};

pub(super) fn read_lowercase(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    read(options, str::to_lowercase, "lowercase")
}

pub(super) fn read_uppercase(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    read(options, str::to_uppercase, "uppercase")
}

type Alter = fn(&str) -> String;

fn read(options: &Section<'_>, alter: Alter, name: &'static str) -> Result<Prepared, ConfigError> {
    let fields = options::required_list(options, "fields")?;
    let fields: Vec<String> = fields
        .into_iter()
        .filter(|field| {
            let first = field.split('.').next().unwrap_or_default();
            !MANDATORY.iter().any(|kept| kept.eq_ignore_ascii_case(first))
        })
        .collect();
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let fail_on_error = flag(options, "fail_on_error", true)?;
    let whole = if flag(options, "alter_full_field", true)? { Keys::All } else { Keys::Last };
    let names = fields.iter().flat_map(|field| {
        steps(field, alter, whole).into_iter().flat_map(|(from, to)| [from, to]).chain([field.clone()])
    });
    Ok(Prepared::new(names.collect(), move |schema| KeyCase {
        fields: fields.iter().map(|field| bind(schema, field, alter, whole)).collect(),
        ignore_missing,
        fail_on_error,
        name,
    }))
}

/// Which keys of a dotted name change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    All,
    Last,
}

/// One configured field: the ways it may be written in the schema, each with the moves that change it.
struct Alteration {
    written: Vec<(Place, Vec<(Place, Place)>)>,
    missing: Failure,
}

struct KeyCase {
    fields: Vec<Alteration>,
    ignore_missing: bool,
    fail_on_error: bool,
    name: &'static str,
}

fn bind(schema: &Schema, field: &str, alter: Alter, keys: Keys) -> Alteration {
    let lower = field.to_lowercase();
    let mut names: Vec<String> =
        schema.fields().map(|field| schema.name(field)).filter(|name| name.to_lowercase() == lower).collect();
    names.retain(|name| name != field);
    names.insert(0, field.to_owned());
    let written = names.iter().map(|name| {
        let moves = steps(name, alter, keys)
            .into_iter()
            .map(|(from, to)| (Place::new(schema, &from), Place::new(schema, &to)))
            .collect();
        (Place::new(schema, name), moves)
    });
    Alteration { written: written.collect(), missing: Failure::Missing(format!("key not found: {field}")) }
}

/// The renames, from the outermost key in, that change the case of a name's keys.
fn steps(field: &str, alter: Alter, keys: Keys) -> Vec<(String, String)> {
    let parts: Vec<&str> = field.split('.').collect();
    let mut steps = Vec::new();
    let mut above = String::new();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let altered = if keys == Keys::All || last { alter(part) } else { (*part).to_owned() };
        let from = super::add_fields::below(&above, part);
        let to = super::add_fields::below(&above, &altered);
        if from != to {
            steps.push((from, to.clone()));
        }
        above = to;
    }
    steps
}

impl KeyCase {
    fn one(&self, event: &mut Event, alteration: &Alteration) -> Result<(), Failure> {
        let Some((_, moves)) = alteration.written.iter().find(|(place, _)| event.has(place)) else {
            return if self.ignore_missing { Ok(()) } else { Err(alteration.missing.clone()) };
        };
        for (from, to) in moves {
            if event.has(to) {
                return Err(Failure::Other(format!("key {} is there already", to.name())));
            }
            let value = event.gather(from).ok_or_else(|| alteration.missing.clone())?;
            event.delete(from);
            event.put(to, value).map_err(|refusal| Failure::put(to, refusal))?;
        }
        Ok(())
    }
}

impl Processor for KeyCase {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.fail_on_error {
            let all = |event: &mut Event| self.fields.iter().try_for_each(|field| self.one(event, field));
            if let Err(failure) = event.attempt(all) {
                failure.report(event, self.name);
            }
        } else {
            for field in &self.fields {
                // The failure is not to be reported: the user said so.
                let _ = event.attempt(|event| self.one(event, field));
            }
        }
        Outcome::Keep
    }
}
