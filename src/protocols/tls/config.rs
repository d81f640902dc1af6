// SPDX-License-Identifier: Apache-2.0
//! The section's own options (Packetbeat behaviour, section 2.4).

use super::{Fingerprints, Options};
use crate::config::{ConfigError, Section};
use crate::protocols::CommonOptions;

/// Reads what a `tls` section has besides the options of every protocol.
pub fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let flag = |key, default| section.boolean(key).map(|value| value.unwrap_or(default));
    Ok(Options {
        common: common.clone(),
        send_certificates: flag("send_certificates", defaults.send_certificates)?,
        include_raw_certificates: flag("include_raw_certificates", defaults.include_raw_certificates)?,
        include_detailed_fields: flag("include_detailed_fields", defaults.include_detailed_fields)?,
        fingerprints: fingerprints(section)?.unwrap_or(defaults.fingerprints),
        compat_ja3s: section.compat("tls", "ja3s")?,
    })
}

/// An empty list leaves the default, as in Packetbeat.
fn fingerprints(section: &Section<'_>) -> Result<Option<Fingerprints>, ConfigError> {
    let names = section.strings("fingerprints")?.unwrap_or_default();
    if names.is_empty() {
        return Ok(None);
    }
    let mut fingerprints = Fingerprints::default();
    for name in names {
        let wanted = match name.trim().to_ascii_lowercase().as_str() {
            "md5" => &mut fingerprints.md5,
            "sha1" | "sha-1" => &mut fingerprints.sha1,
            "sha256" | "sha-256" => &mut fingerprints.sha256,
            _ => {
                let message = format!("found {name:?}, expected some of md5, sha1, sha256");
                return Err(section.refuse_key("fingerprints", message));
            }
        };
        *wanted = true;
    }
    Ok(Some(fingerprints))
}
