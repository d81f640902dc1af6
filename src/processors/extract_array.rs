// SPDX-License-Identifier: Apache-2.0
//! `extract_array`: gives elements of a list names of their own.

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section, Value as Setting};
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let field = options::required(options, "field")?;
    let section = options.section("mappings")?.ok_or_else(|| options::missing(options, "mappings"))?;
    let mut mappings = Vec::new();
    for (name, node) in section.node()?.flatten() {
        let index = match &node.value {
            Setting::Integer(index) => usize::try_from(*index).ok(),
            _ => None,
        };
        match index {
            Some(index) => mappings.push((index, name)),
            None => {
                let message = format!("found {}, expected the index of an element, from 0", node.found());
                return Err(section.refuse_key(&name, message));
            }
        }
    }
    mappings.sort();
    let settings = Settings {
        ignore_missing: flag(options, "ignore_missing", false)?,
        overwrite_keys: flag(options, "overwrite_keys", false)?,
        fail_on_error: flag(options, "fail_on_error", true)?,
        omit_empty: flag(options, "omit_empty", false)?,
    };
    let names = mappings.iter().map(|(_, name)| name.clone()).chain([field.clone()]).collect();
    Ok(Prepared::new(names, move |schema| ExtractArray {
        field: Place::new(schema, &field),
        mappings: mappings.iter().map(|(index, name)| (*index, Place::new(schema, name))).collect(),
        settings,
    }))
}

struct Settings {
    ignore_missing: bool,
    overwrite_keys: bool,
    fail_on_error: bool,
    omit_empty: bool,
}

struct ExtractArray {
    field: Place,
    mappings: Vec<(usize, Place)>,
    settings: Settings,
}

impl ExtractArray {
    fn extract(&self, event: &mut Event) -> Result<(), Failure> {
        let list = match event.at(&self.field) {
            Some(list @ Value::List { .. }) => list,
            Some(_) => return Err(Failure::Other(format!("unsupported type for field {}", self.field.name()))),
            None if self.settings.ignore_missing => return Ok(()),
            None => return Err(Failure::missing(&self.field)),
        };
        let elements: Vec<Value> = event.elements(list).collect();
        for (index, place) in &self.mappings {
            match self.one(event, elements.get(*index).copied(), place) {
                Err(failure) if self.settings.fail_on_error => return Err(failure),
                _ => {}
            }
        }
        Ok(())
    }

    fn one(&self, event: &mut Event, element: Option<Value>, place: &Place) -> Result<(), Failure> {
        let Some(value) = element else {
            return Err(Failure::Other(format!("the list is too short for {}", place.name())));
        };
        if self.settings.omit_empty && is_empty(event, value) {
            return Ok(());
        }
        if !self.settings.overwrite_keys && event.has(place) {
            return Err(Failure::Other(format!("target field {} already has a value", place.name())));
        }
        event.put(place, value).map_err(|refusal| Failure::put(place, refusal))
    }
}

impl Processor for ExtractArray {
    fn process(&self, event: &mut Event) -> Outcome {
        // Packetbeat logs a failure for debugging and writes no error.message.
        let _ = event.attempt(|event| self.extract(event));
        Outcome::Keep
    }
}

fn is_empty(event: &Event, value: Value) -> bool {
    match value {
        Value::Null => true,
        Value::List { .. } => event.elements(value).next().is_none(),
        Value::Map { .. } => event.entries(value).next().is_none(),
        other => event.text_of(other) == Some(b""),
    }
}
