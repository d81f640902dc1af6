// SPDX-License-Identifier: Apache-2.0
//! `add_locale`: `event.timezone`, the machine's time zone at the event's time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value, field};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let format = options
        .choice("format", &[("offset", Format::Offset), ("abbreviation", Format::Abbreviation)])?
        .unwrap_or(Format::Offset);
    Ok(Prepared::new(vec!["event.timezone".to_owned()], move |schema| AddLocale {
        target: Place::new(schema, "event.timezone"),
        format,
        zone: TimeZone::try_system().unwrap_or(TimeZone::UTC),
    }))
}

#[derive(Clone, Copy)]
enum Format {
    Offset,
    Abbreviation,
}

struct AddLocale {
    target: Place,
    format: Format,
    zone: TimeZone,
}

impl Processor for AddLocale {
    fn process(&self, event: &mut Event) -> Outcome {
        let time_ns = match event.get(field::_TIMESTAMP) {
            Some(Value::Time(time_ns)) => i128::from(time_ns),
            _ => 0,
        };
        let Ok(time) = Timestamp::from_nanosecond(time_ns) else { return Outcome::Keep };
        let zone = self.zone.to_offset_info(time);
        let text = match self.format {
            Format::Abbreviation => zone.abbreviation().to_owned(),
            Format::Offset => {
                let seconds = zone.offset().seconds();
                let minutes = seconds.abs() / 60;
                format!("{}{:02}:{:02}", if seconds < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
            }
        };
        let value = event.store(text.as_bytes());
        // `event` is an object in every event.
        let _ = event.put(&self.target, value);
        Outcome::Keep
    }
}
