// SPDX-License-Identifier: Apache-2.0
//! Options of an `icmp` section.

use super::{IcmpFactory, Options};
use crate::config::{ConfigError, Section};
use crate::protocols::{CommonOptions, Factory};

/// There are no options besides the common ones.
pub fn configure(_section: &Section<'_>, common: &CommonOptions) -> Result<Box<dyn Factory>, ConfigError> {
    Ok(Box::new(IcmpFactory::new(Options { transaction_timeout_ns: common.transaction_timeout_ns })))
}
