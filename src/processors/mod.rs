// SPDX-License-Identifier: Apache-2.0
//! Processors: change or drop an event before it is encoded (Packetbeat behaviour, section 2.12).
//!
//! A processor is read from the configuration in two steps, because the event schema is made from all names that the
//! configuration mentions: [`Prepared::names`] first, then [`Prepared::bind`].

use crate::config::{ConfigError, Section};
use crate::event::{Event, Schema};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Keep,
    Drop,
}

/// One processor of a running pipeline; shared by all workers.
pub trait Processor: Send + Sync {
    fn process(&self, event: &mut Event) -> Outcome;
}

/// A processor that was read and checked.
pub struct Prepared {
    /// Dotted names of the fields it reads or writes.
    pub names: Vec<String>,
    pub bind: Box<dyn FnOnce(&Schema) -> Box<dyn Processor>>,
}

/// Processors in their order.
#[derive(Default)]
pub struct Chain {
    processors: Vec<Box<dyn Processor>>,
}

impl Chain {
    pub fn bind(prepared: Vec<Prepared>, schema: &Schema) -> Chain {
        Chain { processors: prepared.into_iter().map(|prepared| (prepared.bind)(schema)).collect() }
    }

    pub fn process(&self, event: &mut Event) -> Outcome {
        for processor in &self.processors {
            if processor.process(event) == Outcome::Drop {
                return Outcome::Drop;
            }
        }
        Outcome::Keep
    }
}

/// Reads the list `processors` of a section; what is known but not built is warned about by name and left out.
pub fn read(section: &Section<'_>, warnings: &mut Vec<String>) -> Result<Vec<Prepared>, ConfigError> {
    for item in section.list("processors")? {
        for (name, options) in item.entries() {
            options.ignore_rest();
            warnings.push(format!("{}: processor {name} is not built yet and has no effect", item.origin()));
        }
    }
    Ok(Vec::new())
}
