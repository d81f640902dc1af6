// SPDX-License-Identifier: Apache-2.0
//! `decode_duration`: a duration in Go's notation (`1m30s`) as a number.

use super::{Event, Outcome, Prepared, Processor, options};
use crate::config::{ConfigError, Section, scalar};
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let field = options::required(options, "field")?;
    let unit_ns = options
        .choice("format", &[("milliseconds", 1e6), ("seconds", 1e9), ("minutes", 60e9), ("hours", 3600e9)])?
        .unwrap_or(1e6);
    Ok(Prepared::new(vec![field.clone()], move |schema| DecodeDuration { field: Place::new(schema, &field), unit_ns }))
}

struct DecodeDuration {
    field: Place,
    unit_ns: f64,
}

impl Processor for DecodeDuration {
    fn process(&self, event: &mut Event) -> Outcome {
        let text = options::text_at(event, &self.field).ok();
        let duration_ns = text.and_then(|text| scalar::duration_ns(std::str::from_utf8(&text).ok()?));
        if let Some(duration_ns) = duration_ns {
            // The field is there, so nothing is in its way.
            let _ = event.put(&self.field, Value::Float(duration_ns as f64 / self.unit_ns));
        }
        Outcome::Keep
    }
}
