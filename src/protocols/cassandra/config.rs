// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, sections 2.4 and 4.6).
//!
//! `send_request` and `send_response` are true where other protocols have false. Packetbeat knows the compressor snappy only.

use super::Options;
use super::compression::Compressor;
use super::names;
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

const COMPRESSORS: &[(&str, Option<Compressor>)] =
    &[("snappy", Some(Compressor::Snappy)), ("lz4", Some(Compressor::Lz4)), ("", None)];

/// Reads what a `cassandra` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let mut options = Options { common: common.clone(), ..Options::default() };
    options.common.send_request = section.boolean("send_request")?.unwrap_or(true);
    options.common.send_response = section.boolean("send_response")?.unwrap_or(true);
    options.send_request_header = section.boolean("send_request_header")?.unwrap_or(true);
    options.send_response_header = section.boolean("send_response_header")?.unwrap_or(true);
    options.compressor = section.choice("compressor", COMPRESSORS)?.flatten();
    for name in section.strings("ignored_ops")?.unwrap_or_default() {
        let op = names::op_named(&name).ok_or_else(|| {
            let known: Vec<&str> = names::op_names().collect();
            section.refuse_key("ignored_ops", format!("found {name:?}, expected some of {}", known.join(", ")))
        })?;
        options.ignored_ops.insert(op);
    }
    Ok(options)
}
