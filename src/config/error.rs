// SPDX-License-Identifier: Apache-2.0
//! The one error type of the configuration: a sentence that says where, which key, and what is wrong.
//!
//! Limit: it carries text, not causes. Nothing in the program branches on why a setting was refused.

use super::tree::Origin;
use std::fmt;

/// A refused setting. Its `Display` is what the user reads after `Exiting: `, for example
/// `packetbeat.yml:12: packetbeat.flows.timeout: found "abc", expected a duration such as 30s or 1m30s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    origin: Option<Origin>,
    key: String,
    message: String,
}

impl ConfigError {
    /// An error that belongs to no place in a file, such as a missing file.
    pub fn new(message: impl Into<String>) -> Self {
        Self { origin: None, key: String::new(), message: message.into() }
    }

    /// An error of the setting `key`, which was written at `origin`. An empty `key` is left out.
    pub fn at(origin: &Origin, key: &str, message: impl Into<String>) -> Self {
        Self { origin: Some(origin.clone()), key: key.to_owned(), message: message.into() }
    }

    /// The dotted key, empty when the error belongs to none.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, without place and key.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(formatter, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
