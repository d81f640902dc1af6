// SPDX-License-Identifier: Apache-2.0
//! `truncate_fields`: cuts texts to a number of bytes or characters and flags the event.

use super::options::{self, Failure, add_flag, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::Place;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let fields = options::required_list(options, "fields")?;
    let bytes = options.unsigned("max_bytes", 0..=u64::from(u32::MAX))?;
    let characters = options.unsigned("max_characters", 0..=u64::from(u32::MAX))?;
    let limit = match (bytes, characters) {
        (Some(bytes), None) => Limit::Bytes(bytes as usize),
        (None, Some(characters)) => Limit::Characters(characters as usize),
        (Some(_), Some(_)) => {
            return Err(options.refuse_key("max_bytes", "found together with max_characters, expected one of the two"));
        }
        (None, None) => return Err(options.refuse_key("max_bytes", "missing; max_bytes or max_characters is needed")),
    };
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let fail_on_error = flag(options, "fail_on_error", true)?;
    let names = fields.iter().cloned().chain([FLAGS.to_owned()]).collect();
    Ok(Prepared::new(names, move |schema| Truncate {
        fields: fields.iter().map(|name| Place::new(schema, name)).collect(),
        flags: Place::new(schema, FLAGS),
        limit,
        ignore_missing,
        fail_on_error,
    }))
}

pub(super) const FLAGS: &str = "log.flags";

#[derive(Clone, Copy)]
enum Limit {
    Bytes(usize),
    Characters(usize),
}

struct Truncate {
    fields: Vec<Place>,
    flags: Place,
    limit: Limit,
    ignore_missing: bool,
    fail_on_error: bool,
}

impl Truncate {
    fn one(&self, event: &mut Event, place: &Place) -> Result<(), Failure> {
        let text = match options::text_at(event, place) {
            Err(Failure::Missing(_)) if self.ignore_missing => return Ok(()),
            result => result?,
        };
        let length = self.limit.length(&text);
        if length < text.len() {
            let value = event.store(&text[..length]);
            event.put(place, value).map_err(|refusal| Failure::put(place, refusal))?;
            add_flag(event, &self.flags, "truncated");
        }
        Ok(())
    }
}

impl Processor for Truncate {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.fail_on_error {
            // Packetbeat undoes the changes and writes no error.message.
            let _ = event.attempt(|event| self.fields.iter().try_for_each(|place| self.one(event, place)));
        } else {
            for place in &self.fields {
                let _ = self.one(event, place);
            }
        }
        Outcome::Keep
    }
}

impl Limit {
    /// Bytes of the text that stay; a byte that is not UTF-8 counts as one character.
    fn length(self, text: &[u8]) -> usize {
        match self {
            Limit::Bytes(bytes) => text.len().min(bytes),
            Limit::Characters(most) => {
                let (mut length, mut count) = (0, 0);
                for chunk in text.utf8_chunks() {
                    for character in chunk.valid().chars() {
                        if count == most {
                            return length;
                        }
                        count += 1;
                        length += character.len_utf8();
                    }
                    for _ in chunk.invalid() {
                        if count == most {
                            return length;
                        }
                        count += 1;
                        length += 1;
                    }
                }
                length
            }
        }
    }
}
