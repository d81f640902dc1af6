// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, section 2.4).
//!
//! `max_rows` and `max_row_length` below 0 count as 0: then `response` has the header line only, or empty lines.

use super::Options;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// Reads what a `pgsql` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let count = |key, default| {
        section.integer(key).map(|value| value.map_or(default, |value| usize::try_from(value).unwrap_or(0)))
    };
    Ok(Options {
        common: common.clone(),
        max_rows: count("max_rows", defaults.max_rows)?,
        max_row_length: count("max_row_length", defaults.max_row_length)?,
    })
}
