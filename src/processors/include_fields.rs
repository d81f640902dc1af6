// SPDX-License-Identifier: Apache-2.0
//! `include_fields`: removes all fields but those named; `@timestamp`, `@metadata` and `type` always stay.

use super::matched_fields::{MANDATORY, Matching, Names, Patterns};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{FieldSet, Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let names = Names::read(options)?;
    Ok(Prepared::new(names.plain.clone(), move |schema| {
        let places = names.places(schema);
        let patterns = Patterns::new(schema, names.patterns);
        let mut kept = patterns.matched.clone();
        for place in &places {
            kept.insert_place(schema, place);
        }
        for name in MANDATORY {
            kept.insert_place(schema, &Place::new(schema, name));
        }
        IncludeFields { places, patterns, kept }
    }))
}

struct IncludeFields {
    places: Vec<Place>,
    patterns: Patterns,
    kept: FieldSet,
}

impl Processor for IncludeFields {
    fn process(&self, event: &mut Event) -> Outcome {
        let inside: Vec<(&Place, Value)> = self
            .places
            .iter()
            .filter(|place| !event.is_field(place))
            .filter_map(|place| Some((place, event.at(place)?)))
            .collect();
        // Free-form maps with keys that an expression matches are taken along.
        let mut maps = Vec::new();
        if self.patterns.any() {
            self.patterns.filter_maps(event, &self.kept, Matching::Kept);
            maps.extend(event.maps().filter(|(_, map)| event.entries(*map).next().is_some()));
        }
        event.retain(&self.kept);
        for (field, map) in maps {
            event.replace(field, map);
        }
        for (place, value) in inside {
            // The place was there a moment ago, with nothing in its way.
            let _ = event.put(place, value);
        }
        Outcome::Keep
    }
}
