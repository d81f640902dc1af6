// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, sections 2.4 and 4.13). `compat_addresses` is Wirebeat's own.

use super::{Addresses, Options};
use crate::config::{ConfigError, Section};

/// Reads what a `sip` section has besides the options of every protocol.
pub fn read(section: &Section<'_>) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let flag = |key, default| section.boolean(key).map(|value| value.unwrap_or(default));
    // A mere label in Packetbeat, which is checked all the same; events name the transport of their packets.
    section.choice("transport_protocol", &[("udp", ()), ("tcp", ())])?;
    let packetbeat = section.compat("sip", "addresses")?;
    Ok(Options {
        parse_authorization: flag("parse_authorization", defaults.parse_authorization)?,
        parse_body: flag("parse_body", defaults.parse_body)?,
        keep_original: flag("keep_original", defaults.keep_original)?,
        addresses: if packetbeat { Addresses::Packetbeat } else { Addresses::AsSent },
    })
}
