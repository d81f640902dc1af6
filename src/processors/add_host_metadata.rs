// SPDX-License-Identifier: Apache-2.0
//! `add_host_metadata`: name, operating system and addresses of this machine in `host`.

use serde_json::Value as Json;

use super::options::flag;
use super::{Event, Outcome, Prepared, Processor, host};
use crate::config::{ConfigError, Section};
use crate::event::Place;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let replace_fields = flag(options, "replace_fields", true)?;
    let mut fields: Vec<(String, Json)> =
        host::description().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if host::netinfo(options)? {
        let (ips, macs) = host::addresses();
        fields.push(("host.ip".to_owned(), Json::from(ips)));
        fields.push(("host.mac".to_owned(), Json::from(macs)));
    }
    fields.extend(host::geo(options, "host")?);
    Ok(metadata("host", fields, if replace_fields { Present::Replaced } else { Present::Kept }))
}

/// What happens when the event has the object already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    Replaced,
    /// The event stays as it is, unless all it has is the name that every event has.
    Kept,
}

/// A processor that sets constant fields of one object.
pub(super) fn metadata(object: &'static str, fields: Vec<(String, Json)>, present: Present) -> Prepared {
    let names = fields.iter().map(|(name, _)| name.clone()).chain([object.to_owned()]).collect();
    Prepared::new(names, move |schema| Metadata {
        object: Place::new(schema, object),
        fields: fields.into_iter().map(|(name, value)| (Place::new(schema, &name), value)).collect(),
        present,
    })
}

struct Metadata {
    object: Place,
    fields: Vec<(Place, Json)>,
    present: Present,
}

impl Processor for Metadata {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.present == Present::Kept && event.has_more_than_name(&self.object) {
            return Outcome::Keep;
        }
        for (place, value) in &self.fields {
            let value = event.store_json(value);
            // A host name that is no object gives way.
            let _ = event.force(place, value);
        }
        Outcome::Keep
    }
}
