// SPDX-License-Identifier: Apache-2.0
//! `append`: adds the values of fields, and constants, to a list.

use serde_json::Value as Json;

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let target = options::required(options, "target_field")?;
    let fields = options.strings("fields")?.unwrap_or_default();
    let mut values = Vec::new();
    for item in options.list("values")? {
        values.push(options::json(item.node()?));
    }
    let settings = Settings {
        ignore_missing: flag(options, "ignore_missing", false)?,
        ignore_empty_values: flag(options, "ignore_empty_values", false)?,
        fail_on_error: flag(options, "fail_on_error", true)?,
        allow_duplicate: flag(options, "allow_duplicate", true)?,
    };
    let names = fields.iter().cloned().chain([target.clone()]).collect();
    Ok(Prepared::new(names, move |schema| Append {
        target: Place::new(schema, &target),
        fields: fields.iter().map(|name| Place::new(schema, name)).collect(),
        values,
        settings,
    }))
}

struct Settings {
    ignore_missing: bool,
    ignore_empty_values: bool,
    fail_on_error: bool,
    allow_duplicate: bool,
}

struct Append {
    target: Place,
    fields: Vec<Place>,
    values: Vec<Json>,
    settings: Settings,
}

impl Append {
    fn append(&self, event: &mut Event) -> Result<(), Failure> {
        let mut list: Vec<Value> = Vec::new();
        if let Some(value) = event.gather(&self.target) {
            list.extend(event.elements(value));
        }
        for field in &self.fields {
            match event.gather(field) {
                Some(value) => list.extend(event.elements(value)),
                None if self.settings.ignore_missing => {}
                None => return Err(Failure::missing(field)),
            }
        }
        for value in &self.values {
            list.push(event.store_json(value));
        }
        if self.settings.ignore_empty_values {
            list.retain(|value| *value != Value::Null && event.text_of(*value) != Some(b""));
        }
        if !self.settings.allow_duplicate {
            let mut kept: Vec<Value> = Vec::with_capacity(list.len());
            for value in list {
                if !kept.iter().any(|known| same(event, *known, value)) {
                    kept.push(value);
                }
            }
            list = kept;
        }
        let list = event.list_of(&list);
        event.put(&self.target, list).map_err(|refusal| Failure::put(&self.target, refusal))
    }
}

impl Processor for Append {
    fn process(&self, event: &mut Event) -> Outcome {
        if let Err(failure) = event.attempt(|event| self.append(event))
            && self.settings.fail_on_error
        {
            failure.report(event, "failed to append fields in append processor");
        }
        Outcome::Keep
    }
}

fn same(event: &Event, one: Value, other: Value) -> bool {
    match (event.text_of(one), event.text_of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
