// SPDX-License-Identifier: Apache-2.0
//! Options of a `dns` section.

use super::{DnsFactory, Options};
use crate::config::{ConfigError, Section};
use crate::protocols::{CommonOptions, Factory};

/// Reads a section. The defaults are those of Packetbeat's code; its shipped file sets both options to true.
pub fn configure(section: &Section<'_>, common: &CommonOptions) -> Result<Box<dyn Factory>, ConfigError> {
    Ok(Box::new(DnsFactory::new(Options {
        send_request: common.send_request,
        send_response: common.send_response,
        include_authorities: section.boolean("include_authorities")?.unwrap_or(false),
        include_additionals: section.boolean("include_additionals")?.unwrap_or(false),
        transaction_timeout_ns: common.transaction_timeout_ns,
    })))
}
