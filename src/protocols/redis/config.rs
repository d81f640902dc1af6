// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, section 2.4).

use super::Options;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// Where the configuration sets no limit (0 or less).
const MOST_BYTES: usize = 64 << 20;
const MOST_MESSAGES: usize = 1 << 20;

/// Reads what a `redis` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let limit = |key, default, most| {
        section.integer(key).map(|value| match value {
            None => default,
            Some(value) => {
                usize::try_from(value).ok().filter(|value| *value != 0).map_or(most, |value| value.min(most))
            }
        })
    };
    Ok(Options {
        common: common.clone(),
        queue_max_bytes: limit("queue_max_bytes", defaults.queue_max_bytes, MOST_BYTES)?,
        queue_max_messages: limit("queue_max_messages", defaults.queue_max_messages, MOST_MESSAGES)?,
    })
}
