// SPDX-License-Identifier: Apache-2.0
//! The section's own options.

use super::Options;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

const DEFAULT_MAX_LENGTH: usize = 256;

/// Reads what an `echo` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let max_length = section.unsigned("max_length", 1..=65_535)?;
    Ok(Options { common: common.clone(), max_length: max_length.map_or(DEFAULT_MAX_LENGTH, |bytes| bytes as usize) })
}
