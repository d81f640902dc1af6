// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, section 2.4).

use super::Options;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

pub fn read(_section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    Ok(Options { common: common.clone(), ..Options::default() })
}
