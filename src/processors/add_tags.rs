// SPDX-License-Identifier: Apache-2.0
//! `add_tags`: appends tags to a list, `tags` by default.

use super::{Event, Outcome, Prepared, Processor, options};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let tags = options::required_list(options, "tags")?;
    let target = options.string("target")?.filter(|target| !target.is_empty()).unwrap_or_else(|| "tags".to_owned());
    Ok(Prepared::new(vec![target.clone()], move |schema| AddTags { target: Place::new(schema, &target), tags }))
}

struct AddTags {
    target: Place,
    tags: Vec<String>,
}

impl Processor for AddTags {
    fn process(&self, event: &mut Event) -> Outcome {
        let mut values: Vec<Value> = match event.at(&self.target) {
            Some(list @ (Value::List { .. } | Value::Static(_) | Value::Text { .. })) => event.elements(list).collect(),
            None if !event.has(&self.target) => Vec::new(),
            // Packetbeat adds no tag to a value that is neither a list nor a text.
            _ => return Outcome::Keep,
        };
        for tag in &self.tags {
            values.push(event.store(tag.as_bytes()));
        }
        let list = event.list_of(&values);
        // Only a value above the target that is no object refuses; then there is no place for tags.
        let _ = event.put(&self.target, list);
        Outcome::Keep
    }
}
