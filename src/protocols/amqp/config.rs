// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, sections 2.4 and 4.5). `compat_reject` is Wirebeat's own.

use super::{Options, Parsing, Rejects, Visibility};
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// What `max_body_length` can be at most, and where it sets no limit (below 0).
pub const MOST_BODY_BYTES: usize = 1 << 20;

/// Reads what an `amqp` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let parsing = |key, default| {
        section.boolean(key).map(|value| match value {
            None => default,
            Some(true) => Parsing::Read,
            Some(false) => Parsing::PassedOver,
        })
    };
    let max_body_bytes = match section.integer("max_body_length")? {
        None => defaults.max_body_bytes,
        Some(length) => usize::try_from(length).unwrap_or(MOST_BODY_BYTES).min(MOST_BODY_BYTES),
    };
    let connection_information = match section.boolean("hide_connection_information")? {
        None => defaults.connection_information,
        Some(true) => Visibility::Hidden,
        Some(false) => Visibility::Shown,
    };
    let packetbeat = section.compat("amqp", "reject")?;
    Ok(Options {
        common: common.clone(),
        max_body_bytes,
        headers: parsing("parse_headers", defaults.headers)?,
        arguments: parsing("parse_arguments", defaults.arguments)?,
        connection_information,
        rejects: if packetbeat { Rejects::Packetbeat } else { Rejects::Decision },
    })
}
