// SPDX-License-Identifier: Apache-2.0
//! Options of an `http` section.

use std::sync::Arc;

use super::{HttpFactory, Options, SendHeaders};
use crate::config::{ConfigError, Section};
use crate::protocols::{CommonOptions, Factory};

/// Largest `max_message_size`: what one message may keep.
const MAX_MESSAGE_BYTES: u64 = 1 << 30;

pub(super) fn configure(section: &Section<'_>, common: &CommonOptions) -> Result<Box<dyn Factory>, ConfigError> {
    Ok(Box::new(HttpFactory { options: Arc::new(read(section, common)?) }))
}

pub(super) fn read(section: &Section<'_>, common: &CommonOptions) -> Result<Options, ConfigError> {
    let defaults = Options::new(common.clone());
    let strings = |key: &str| section.strings(key).map(Option::unwrap_or_default);
    let lower = |key: &str| strings(key).map(|names| names.iter().map(|name| name.to_ascii_lowercase()).collect());
    let both = strings("include_body_for")?;
    let with_both = |mut list: Vec<String>| {
        list.extend(both.iter().cloned());
        list
    };
    let listed: Vec<String> = lower("send_headers")?;
    let send_headers = match section.boolean("send_all_headers")? {
        Some(true) => SendHeaders::All,
        _ if listed.is_empty() => SendHeaders::None,
        _ => SendHeaders::Listed(listed),
    };
    let max_message_size = section.unsigned("max_message_size", 0..=MAX_MESSAGE_BYTES)?;
    Ok(Options {
        hide_keywords: lower("hide_keywords")?,
        redact_authorization: section.boolean("redact_authorization")?.unwrap_or(defaults.redact_authorization),
        redact_headers: lower("redact_headers")?,
        send_headers,
        split_cookie: section.boolean("split_cookie")?.unwrap_or(defaults.split_cookie),
        real_ip_header: section
            .string("real_ip_header")?
            .map(|name| name.to_ascii_lowercase())
            .filter(|name| !name.is_empty()),
        include_request_body_for: with_both(strings("include_request_body_for")?),
        include_response_body_for: with_both(strings("include_response_body_for")?),
        decode_body: section.boolean("decode_body")?.unwrap_or(defaults.decode_body),
        max_message_size: max_message_size.map_or(defaults.max_message_size, |bytes| bytes as usize),
        common: defaults.common,
    })
}
