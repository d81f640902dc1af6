// SPDX-License-Identifier: Apache-2.0
//! What the processors with `from` and `to` share: reading the pairs, `ignore_missing`, `fail_on_error`.
//!
//! With `fail_on_error` one failure undoes the changes of all pairs and is reported in `error.message`; without it each
//! pair stands for itself.

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Schema};

/// A pair of places; `to` is `from` when the options name none.
pub(super) struct Mapping {
    pub from: Place,
    pub to: Place,
}

/// The change that a processor makes for one pair.
pub(super) trait Change: Send + Sync + 'static {
    /// How `error.message` begins.
    const FAILURE: &'static str;

    fn change(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure>;
}

/// Whether a pair must say where the value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Required,
    /// Without one the value changes in place.
    Optional,
}

/// Reads `fields` (a list of pairs) or `field` (one pair) and prepares a processor.
pub(super) fn prepare<C: Change>(
    options: &Section<'_>,
    key: &str,
    target: Target,
    change: C,
) -> Result<Prepared, ConfigError> {
    let pairs = options.list(key)?;
    if pairs.is_empty() {
        return Err(options::missing(options, key));
    }
    let pairs = pairs.iter().map(|pair| read_pair(pair, target)).collect::<Result<Vec<_>, _>>()?;
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let fail_on_error = flag(options, "fail_on_error", true)?;
    let names = pairs.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
    Ok(Prepared::new(names, move |schema| ForEach {
        mappings: pairs.iter().map(|(from, to)| Mapping::new(schema, from, to)).collect(),
        ignore_missing,
        fail_on_error,
        change,
    }))
}

fn read_pair(pair: &Section<'_>, target: Target) -> Result<(String, String), ConfigError> {
    if !pair.is_map() {
        return Err(pair.refuse("expected a map with from and to"));
    }
    let from = options::required(pair, "from")?;
    match pair.string("to")?.filter(|to| !to.is_empty()) {
        Some(to) => Ok((from, to)),
        None if target == Target::Optional => Ok((from.clone(), from)),
        None => Err(options::missing(pair, "to")),
    }
}

impl Mapping {
    pub fn new(schema: &Schema, from: &str, to: &str) -> Mapping {
        Mapping { from: Place::new(schema, from), to: Place::new(schema, to) }
    }
}

pub(super) struct ForEach<C> {
    pub mappings: Vec<Mapping>,
    pub ignore_missing: bool,
    pub fail_on_error: bool,
    pub change: C,
}

impl<C: Change> ForEach<C> {
    fn one(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure> {
        match self.change.change(event, mapping) {
            Err(Failure::Missing(_)) if self.ignore_missing => Ok(()),
            result => result,
        }
    }
}

impl<C: Change> Processor for ForEach<C> {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.fail_on_error {
            let all = |event: &mut Event| self.mappings.iter().try_for_each(|mapping| self.one(event, mapping));
            if let Err(failure) = event.attempt(all) {
                failure.report(event, C::FAILURE);
            }
        } else {
            for mapping in &self.mappings {
                // The failure is not to be reported: the user said so.
                let _ = event.attempt(|event| self.one(event, mapping));
            }
        }
        Outcome::Keep
    }
}
