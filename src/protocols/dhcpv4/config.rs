// SPDX-License-Identifier: Apache-2.0
//! Options of a `dhcpv4` section.

use super::Dhcpv4Factory;
use crate::config::{ConfigError, Section};
use crate::protocols::{CommonOptions, Factory};

/// There are no options besides the common ones, of which only `ports` has an effect.
pub fn configure(_section: &Section<'_>, _common: &CommonOptions) -> Result<Box<dyn Factory>, ConfigError> {
    Ok(Box::new(Dhcpv4Factory))
}
