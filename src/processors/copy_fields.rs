// SPDX-License-Identifier: Apache-2.0
//! `copy_fields`: gives values a second name; never over a field that is there.

use super::mapping::{self, Change, Mapping, Target};
use super::options::Failure;
use super::{Event, Prepared, rename};
use crate::config::{ConfigError, Section};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    mapping::prepare(options, "fields", Target::Required, Copy)
}

struct Copy;

impl Change for Copy {
    const FAILURE: &'static str = "Failed to copy fields in copy_fields processor";

    fn change(&self, event: &mut Event, mapping: &Mapping) -> Result<(), Failure> {
        if event.has(&mapping.to) {
            return Err(rename::taken(mapping));
        }
        let value = event.gather(&mapping.from).ok_or_else(|| Failure::missing(&mapping.from))?;
        event.put(&mapping.to, value).map_err(|refusal| Failure::put(&mapping.to, refusal))
    }
}
