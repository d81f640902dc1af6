// SPDX-License-Identifier: Apache-2.0
//! Options of an `nfs` section: those of every protocol (Packetbeat behaviour, section 2.4).

use super::Options;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// There are none besides the options of every protocol.
pub fn read(_section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    Ok(Options { transaction_timeout_ns: common.transaction_timeout_ns })
}
