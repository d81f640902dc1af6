// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, section 2.4).

use super::idl::Idl;
use super::{Options, Replies, Strings, TransportType, Values};
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// Reads what a `thrift` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let size = |key, default| -> Result<usize, ConfigError> {
        let value = section.unsigned(key, 0..=u64::MAX)?;
        Ok(value.map_or(default, |value| usize::try_from(value).unwrap_or(usize::MAX)))
    };
    let transport_types =
        [("socket", TransportType::Socket), ("framed", TransportType::Framed), ("auto", TransportType::Auto)];
    // A message says itself which protocol it is in, so both are understood whatever is set.
    section.choice("protocol_type", &[("binary", ()), ("compact", ())])?;
    let captures_replies = section.boolean("capture_reply")?.unwrap_or(true);
    let obfuscates = section.boolean("obfuscate_strings")?.unwrap_or(false);
    let compat_values = section.compat("thrift", "values")?;
    let mut idl = Idl::default();
    for path in section.strings("idl_files")?.unwrap_or_default() {
        idl.read(path.as_ref()).map_err(|error| section.refuse_key("idl_files", error))?;
    }
    Ok(Options {
        common: common.clone(),
        transport_type: section.choice("transport_type", &transport_types)?.unwrap_or(defaults.transport_type),
        string_max_size: size("string_max_size", defaults.string_max_size)?,
        collection_max_size: size("collection_max_size", defaults.collection_max_size)?,
        drop_after_n_struct_fields: size("drop_after_n_struct_fields", defaults.drop_after_n_struct_fields)?,
        replies: if captures_replies { Replies::Shown } else { Replies::Passed },
        strings: if obfuscates { Strings::Obfuscated } else { Strings::Shown },
        values: if compat_values { Values::Packetbeat } else { Values::AsSent },
        idl,
    })
}
