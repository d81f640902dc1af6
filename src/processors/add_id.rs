// SPDX-License-Identifier: Apache-2.0
//! `add_id`: a unique id, by default the document's (`@metadata._id`).
//!
//! 15 bytes in URL-safe base64, as long as Elasticsearch's own ids: the event's time, a number of this process, a
//! count. They grow with time, which keeps an index compact.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, Value, field};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let target = options.string("target_field")?.unwrap_or_else(|| "@metadata._id".to_owned());
    options.choice("type", &[("elasticsearch", ())])?;
    Ok(Prepared::new(vec![target.clone()], move |schema| AddId {
        target: Place::new(schema, &target),
        process: RandomState::new().hash_one(std::process::id()),
        count: AtomicU32::new(RandomState::new().hash_one(0) as u32),
    }))
}

struct AddId {
    target: Place,
    process: u64,
    count: AtomicU32,
}

impl Processor for AddId {
    fn process(&self, event: &mut Event) -> Outcome {
        let milliseconds = match event.get(field::_TIMESTAMP) {
            Some(Value::Time(time_ns)) => time_ns / 1_000_000,
            _ => 0,
        };
        // Shared by the workers; one addition for an event that is to have an id.
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 15];
        id[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
        id[6..11].copy_from_slice(&self.process.to_be_bytes()[3..]);
        id[11..].copy_from_slice(&count.to_be_bytes());
        let mut text = [0; 20];
        if let Ok(length) = URL_SAFE.encode_slice(id, &mut text) {
            let value = event.store(&text[..length]);
            // Only a value above the target that is no object refuses; then there is no id.
            let _ = event.put(&self.target, value);
        }
        Outcome::Keep
    }
}
