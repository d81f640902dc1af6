// SPDX-License-Identifier: Apache-2.0
//! `if`, `then`, `else`: processors for events that meet a condition, and others for those that do not.

use super::condition::Condition;
use super::{Chain, Event, Outcome, Prepared, Processor, read_items};
use crate::config::{ConfigError, Section};
use crate::event::Place;

pub(super) fn read(item: &Section<'_>, warnings: &mut Vec<String>) -> Result<Prepared, ConfigError> {
    let condition = item.section("if")?.ok_or_else(|| item.refuse_key("if", "missing; then needs a condition"))?;
    let condition = Condition::read(&condition)?;
    if !item.has("then") {
        return Err(item.refuse_key("then", "missing; if needs one processor or a list of them"));
    }
    let then = read_items(&item.list("then")?, warnings)?;
    let otherwise = read_items(&item.list("else")?, warnings)?;
    let mut names = condition.names();
    for prepared in then.iter().chain(&otherwise) {
        names.extend(prepared.names.iter().cloned());
    }
    Ok(Prepared::new(names, move |schema| Branch {
        condition: condition.bind(schema),
        then: Chain::bind(then, schema),
        otherwise: Chain::bind(otherwise, schema),
    }))
}

struct Branch {
    condition: Condition<Place>,
    then: Chain,
    otherwise: Chain,
}

impl Processor for Branch {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.condition.holds(event) { self.then.process(event) } else { self.otherwise.process(event) }
    }
}
