// SPDX-License-Identifier: Apache-2.0
//! `now`: the wall time at which the event is processed.

use std::time::SystemTime;

use super::{Event, Outcome, Prepared, Processor, options};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let field = options::required(options, "field")?;
    Ok(Prepared::new(vec![field.clone()], move |schema| Now { field: Place::new(schema, &field) }))
}

struct Now {
    field: Place,
}

impl Processor for Now {
    fn process(&self, event: &mut Event) -> Outcome {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time_ns = i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX);
        // Only a value above the field that is no object refuses; then the event stays as it was.
        let _ = event.put(&self.field, Value::Time(time_ns));
        Outcome::Keep
    }
}
