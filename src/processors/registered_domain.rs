// SPDX-License-Identifier: Apache-2.0
//! `registered_domain`: the registered part of a domain name, its suffix and what is before it, by the public suffix list.

use super::options::{self, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::Place;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let field = options::required(options, "field")?;
    let target = options::required(options, "target_field")?;
    let suffix = options.string("target_etld_field")?.filter(|name| !name.is_empty());
    let subdomain = options.string("target_subdomain_field")?.filter(|name| !name.is_empty());
    // Packetbeat only logs a missing field or a name without registered part; `id` names the processor in its log.
    flag(options, "ignore_missing", false)?;
    flag(options, "ignore_failure", false)?;
    options.string("id")?;
    let names = [Some(field.clone()), Some(target.clone()), suffix.clone(), subdomain.clone()];
    Ok(Prepared::new(names.into_iter().flatten().collect(), move |schema| RegisteredDomain {
        field: Place::new(schema, &field),
        target: Place::new(schema, &target),
        suffix: suffix.map(|name| Place::new(schema, &name)),
        subdomain: subdomain.map(|name| Place::new(schema, &name)),
    }))
}

struct RegisteredDomain {
    field: Place,
    target: Place,
    suffix: Option<Place>,
    subdomain: Option<Place>,
}

impl Processor for RegisteredDomain {
    fn process(&self, event: &mut Event) -> Outcome {
        let Ok(name) = options::text_at(event, &self.field) else { return Outcome::Keep };
        let Some(parts) = split(&name) else { return Outcome::Keep };
        let put = |event: &mut Event, place: Option<&Place>, text: &[u8]| {
            if let Some(place) = place.filter(|_| !text.is_empty()) {
                let value = event.store(text);
                // Only a value above the target that is no object refuses; then the part is left out.
                let _ = event.put(place, value);
            }
        };
        put(event, Some(&self.target), parts.registered);
        put(event, self.suffix.as_ref(), parts.suffix);
        put(event, self.subdomain.as_ref(), parts.subdomain);
        Outcome::Keep
    }
}

struct Parts<'a> {
    registered: &'a [u8],
    suffix: &'a [u8],
    subdomain: &'a [u8],
}

fn split(name: &[u8]) -> Option<Parts<'_>> {
    if name.starts_with(b".") || name.ends_with(b".") || memchr::memmem::find(name, b"..").is_some() {
        return None;
    }
    let registered = psl::domain(name)?.as_bytes();
    let suffix = psl::suffix(name).map(|suffix| suffix.as_bytes()).unwrap_or_default();
    let subdomain = name.get(..name.len().saturating_sub(registered.len() + 1)).unwrap_or_default();
    Some(Parts { registered, suffix, subdomain })
}
