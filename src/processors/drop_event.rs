// SPDX-License-Identifier: Apache-2.0
//! `drop_event`: drops the events that meet its condition. Without one it drops all, which is of use below an `if`.

use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};

pub(super) fn read(_: &Section<'_>) -> Result<Prepared, ConfigError> {
    Ok(Prepared::new(Vec::new(), |_| DropEvent))
}

struct DropEvent;

impl Processor for DropEvent {
    fn process(&self, _: &mut Event) -> Outcome {
        Outcome::Drop
    }
}
