// SPDX-License-Identifier: Apache-2.0
//! Options of a `memcache` section.

use super::Options;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// Reads what a `memcache` section has besides the options of every protocol. Packetbeat's documentation has another name
/// for `maxbytespervalue`, and both are read.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let per_message = section.integer("maxbytespermessage")?;
    let per_value = section.integer("maxbytespervalue")?.or(per_message);
    Ok(Options {
        transaction_timeout_ns: common.transaction_timeout_ns,
        udp_transaction_timeout_ns: section
            .duration_ns("udptransactiontimeout")?
            .unwrap_or(defaults.udp_transaction_timeout_ns),
        parse_unknown: section.boolean("parseunknown")?.unwrap_or(defaults.parse_unknown),
        // Negative: all.
        max_values: section
            .integer("maxvalues")?
            .map_or(defaults.max_values, |values| usize::try_from(values).unwrap_or(usize::MAX)),
        max_bytes_per_value: per_value
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| *bytes > 0)
            .unwrap_or(defaults.max_bytes_per_value),
        compat_swapped_bytes: section.compat("memcache", "swapped_bytes")?,
        compat_status: section.compat("memcache", "status")?,
    })
}
