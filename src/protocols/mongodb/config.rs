// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, section 2.4).
//!
//! `max_docs` and `max_doc_length` of 0 or less mean all, as in Packetbeat. `compat_op_msg_method` is Wirebeat's own.

use super::{OpMsgNames, Options};
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// Reads what a `mongodb` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let limit = |key, default| {
        section.integer(key).map(|value| match value {
            None => default,
            Some(value) => usize::try_from(value).ok().filter(|value| *value > 0),
        })
    };
    let packetbeat = section.compat("mongodb", "op_msg_method")?;
    Ok(Options {
        common: common.clone(),
        max_docs: limit("max_docs", defaults.max_docs)?,
        max_doc_length: limit("max_doc_length", defaults.max_doc_length)?,
        op_msg_names: if packetbeat { OpMsgNames::Packetbeat } else { OpMsgNames::Command },
    })
}
