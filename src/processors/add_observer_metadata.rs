// SPDX-License-Identifier: Apache-2.0
//! `add_observer_metadata`: name and addresses of this machine in `observer`, for a sensor that watches other hosts.

use serde_json::Value as Json;

use super::add_host_metadata::{Present, metadata};
use super::options::flag;
use super::{Prepared, host};
use crate::config::{ConfigError, Section};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let overwrite = flag(options, "overwrite", false)?;
    let mut fields = vec![("observer.hostname".to_owned(), Json::String(host::name()))];
    if host::netinfo(options)? {
        let (ips, macs) = host::addresses();
        fields.push(("observer.ip".to_owned(), Json::from(ips)));
        fields.push(("observer.mac".to_owned(), Json::from(macs)));
    }
    fields.extend(host::geo(options, "observer")?);
    Ok(metadata("observer", fields, if overwrite { Present::Replaced } else { Present::Kept }))
}
