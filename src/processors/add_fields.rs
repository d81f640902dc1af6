// SPDX-License-Identifier: Apache-2.0
//! `add_fields` and `add_labels`: constant values, over what is there. Objects are merged.

use serde_json::Value as Json;

use super::options::json;
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section, Value as Setting};
use crate::event::Place;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let target = options.string("target")?.unwrap_or_else(|| "fields".to_owned());
    let fields = options.section("fields")?.ok_or_else(|| super::options::missing(options, "fields"))?;
    let mut values = Vec::new();
    for (name, node) in fields.node()?.flatten() {
        // An empty `fields` is one leaf without a name.
        if name.is_empty() && matches!(node.value, Setting::Map(_)) {
            continue;
        }
        values.push((below(&target, &name), json(node)));
    }
    let names = values.iter().map(|(name, _)| name.clone()).collect();
    Ok(Prepared::new(names, move |schema| AddFields {
        values: values.into_iter().map(|(name, value)| (Place::new(schema, &name), value)).collect(),
    }))
}

/// Labels are one flat object: nested names stay literal keys with dots.
pub(super) fn read_labels(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let labels = options.section("labels")?.ok_or_else(|| super::options::missing(options, "labels"))?;
    let labels: Vec<(String, Json)> =
        labels.node()?.flatten().iter().map(|(name, node)| (name.clone(), json(node))).collect();
    let (literal, plain): (Vec<_>, Vec<_>) = labels.into_iter().partition(|(name, _)| name.contains('.'));
    let names = plain.iter().map(|(name, _)| below("labels", name)).chain(["labels".to_owned()]).collect();
    Ok(Prepared::new(names, move |schema| AddLabels {
        fields: AddFields {
            values: plain
                .into_iter()
                .map(|(name, value)| (Place::new(schema, &below("labels", &name)), value))
                .collect(),
        },
        labels: Place::new(schema, "labels"),
        literal,
    }))
}

/// `target.name`; an empty target is the root.
pub(super) fn below(target: &str, name: &str) -> String {
    if target.is_empty() { name.to_owned() } else { format!("{target}.{name}") }
}

struct AddFields {
    values: Vec<(Place, Json)>,
}

impl Processor for AddFields {
    fn process(&self, event: &mut Event) -> Outcome {
        for (place, value) in &self.values {
            let value = event.store_json(value);
            // @timestamp takes no constant; all else gives way.
            let _ = event.force(place, value);
        }
        Outcome::Keep
    }
}

struct AddLabels {
    fields: AddFields,
    labels: Place,
    literal: Vec<(String, Json)>,
}

impl Processor for AddLabels {
    fn process(&self, event: &mut Event) -> Outcome {
        for (key, value) in &self.literal {
            let value = event.store_json(value);
            // `labels` is at the root: nothing is above it that could refuse.
            let _ = event.put_key(&self.labels, key, value);
        }
        self.fields.process(event)
    }
}
