// SPDX-License-Identifier: Apache-2.0
//! `drop_fields`: removes fields and objects by name or regular expression; never `@timestamp` and `type`.

use super::matched_fields::{MANDATORY, Matching, Names, Patterns};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{FieldSet, Place};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    // A missing field is no error here; Packetbeat only logs it for debugging.
    options.boolean("ignore_missing")?;
    let mut names = Names::read(options)?;
    names.plain.retain(|name| !MANDATORY.contains(&name.as_str()));
    Ok(Prepared::new(names.plain.clone(), move |schema| DropFields {
        places: names.places(schema),
        patterns: Patterns::new(schema, names.patterns),
        none: FieldSet::new(schema),
    }))
}

struct DropFields {
    places: Vec<Place>,
    patterns: Patterns,
    none: FieldSet,
}

impl Processor for DropFields {
    fn process(&self, event: &mut Event) -> Outcome {
        for place in &self.places {
            event.delete(place);
        }
        for field in &self.patterns.fields {
            if event.has_any(*field) {
                event.delete_field(*field);
            }
        }
        self.patterns.filter_maps(event, &self.none, Matching::Removed);
        Outcome::Keep
    }
}
