// SPDX-License-Identifier: Apache-2.0
//! `rename`: moves fields and whole objects to other names; never over a field that is there.

use super::mapping::{self, Change, Mapping, Target};
use super::options::Failure;
use super::{Event, Prepared};
use crate::config::{ConfigError, Section};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    mapping::prepare(options, "fields", Target::Required, Rename)
}

struct Rename;

impl Change for Rename {
    const FAILURE: &'static str = "failed to rename fields in processor";

    fn change(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure> {
        if event.has(&mapping.to) {
            return Err(taken(mapping));
        }
        let value = event.gather(&mapping.from).ok_or_else(|| Failure::missing(&mapping.from))?;
        // First, so that a can become a.b.
        if !event.delete(&mapping.from) {
            return Err(Failure::Other(format!("could not delete key: {}", mapping.from.name())));
        }
        event.put(&mapping.to, value).map_err(|refusal| Failure::put(&mapping.to, refusal))
    }
}

pub(super) fn taken(mapping: &Mapping) -> Failure {
    Failure::Other(format!("target field {} already exists, drop or rename this field first", mapping.to.name()))
}
