// SPDX-License-Identifier: Apache-2.0
//! `detect_mime_type`: the media type of a field's content.

use super::{Event, Outcome, Prepared, Processor, options, sniff};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let field = options::required(options, "field")?;
    let target = options::required(options, "target")?;
    Ok(Prepared::new(vec![field.clone(), target.clone()], move |schema| DetectMimeType {
        field: Place::new(schema, &field),
        target: Place::new(schema, &target),
    }))
}

struct DetectMimeType {
    field: Place,
    target: Place,
}

impl Processor for DetectMimeType {
    fn process(&self, event: &mut Event) -> Outcome {
        let content = event.at(&self.field).and_then(|value| event.text_of(value)).filter(|text| !text.is_empty());
        if let Some(kind) = content.and_then(sniff::media_type) {
            // Only a value above the target that is no object refuses; then there is no type.
            let _ = event.put(&self.target, Value::Static(kind));
        }
        Outcome::Keep
    }
}
