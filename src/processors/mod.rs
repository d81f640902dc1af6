// SPDX-License-Identifier: Apache-2.0
//! Processors: change or drop an event before it is encoded (Packetbeat behaviour, section 2.12).
//!
//! A processor is read from the configuration in two steps, because the event schema is made from all names that the
//! configuration mentions: [`Prepared::names`] first, then [`Prepared::bind`]. Binding resolves every name to a
//! [`Place`](crate::event::Place), so that no name is looked up for an event. A processor that fails leaves the event as
//! it was and the next one goes on, as in Packetbeat.

pub mod condition;

mod add_fields;
mod add_host_metadata;
mod add_id;
mod add_locale;
mod add_network_direction;
mod add_observer_metadata;
mod add_tags;
mod append;
mod branch;
mod community_id;
mod convert;
mod copy_fields;
mod decode_base64_field;
mod decode_duration;
mod decode_json_fields;
mod decompress_gzip_field;
mod detect_mime_type;
mod dissect;
mod drop_event;
mod drop_fields;
mod extract_array;
mod fingerprint;
mod host;
mod include_fields;
mod key_case;
mod mapping;
mod matched_fields;
mod move_fields;
mod now;
mod options;
mod rate_limit;
mod registered_domain;
mod registry;
mod rename;
mod replace;
mod sniff;
#[cfg(test)]
mod tests;
mod truncate_fields;
mod urldecode;

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
    pub bind: Binding,
}

/// Makes a processor for the events of a schema.
pub type Binding = Box<dyn FnOnce(&Schema) -> Box<dyn Processor>>;

impl Prepared {
    fn new<P: Processor + 'static>(names: Vec<String>, bind: impl FnOnce(&Schema) -> P + 'static) -> Prepared {
        Prepared { names, bind: Box::new(|schema| Box::new(bind(schema))) }
    }
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
    let items = section.list("processors")?;
    for item in &items {
        let all = item.all_entries().iter().any(|(name, options)| *name == "drop_event" && !options.has("when"));
        if all {
            warnings.push(format!("{}: drop_event has no condition: it drops every event", item.origin()));
        }
    }
    read_items(&items, warnings)
}

fn read_items(items: &[Section<'_>], warnings: &mut Vec<String>) -> Result<Vec<Prepared>, ConfigError> {
    let mut prepared = Vec::new();
    for item in items {
        if item.has("if") || item.has("then") {
            prepared.push(branch::read(item, warnings)?);
        } else {
            prepared.extend(registry::read(item, warnings)?);
        }
    }
    Ok(prepared)
}
