// SPDX-License-Identifier: Apache-2.0
//! What many processors read from their options, and how they report a failure.

use regex::bytes::Regex;
use serde_json::Value as Json;

use crate::config::{ConfigError, Node, Section, Value as Setting};
use crate::event::{Event, Place, Refusal, Value, field};
use crate::flow::perimeter::Network;

/// Why a processor could not change an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The field to read is not there: `ignore_missing` covers it.
    Missing(String),
    Other(String),
}

impl Failure {
    /// Packetbeat's sentence for a field that is not there.
    pub fn missing(place: &Place) -> Failure {
        Failure::Missing(format!("could not fetch value for key: {}, Error: key not found", place.name()))
    }

    pub fn put(place: &Place, refusal: Refusal) -> Failure {
        Failure::Other(format!("could not put a value at {}: {}", place.name(), refusal.reason()))
    }

    pub fn text(&self) -> &str {
        match self {
            Failure::Missing(text) | Failure::Other(text) => text,
        }
    }

    /// Writes `error.message`, as Packetbeat does for most processors.
    pub fn report(&self, event: &mut Event, prefix: &str) {
        event.format(field::ERROR_MESSAGE, format_args!("{prefix}: {}", self.text()));
    }
}

/// A text option that must be there and not be empty.
pub(super) fn required(options: &Section<'_>, key: &str) -> Result<String, ConfigError> {
    match options.string(key)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(missing(options, key)),
    }
}

/// A list of texts that must be there; it may be empty.
pub(super) fn required_list(options: &Section<'_>, key: &str) -> Result<Vec<String>, ConfigError> {
    options.strings(key)?.ok_or_else(|| missing(options, key))
}

pub(super) fn missing(options: &Section<'_>, key: &str) -> ConfigError {
    options.refuse_key(key, "missing; the processor needs it")
}

pub(super) fn flag(options: &Section<'_>, key: &str, default: bool) -> Result<bool, ConfigError> {
    Ok(options.boolean(key)?.unwrap_or(default))
}

/// An error of the regex library without its drawing.
pub(super) fn one_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// `/pattern/` as a regular expression; None for a plain name.
pub(super) fn slashed(options: &Section<'_>, key: &str, name: &str) -> Result<Option<Regex>, ConfigError> {
    let Some(pattern) = name.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).filter(|_| name.len() > 2)
    else {
        return Ok(None);
    };
    Regex::new(pattern)
        .map(Some)
        .map_err(|error| options.refuse_key(key, format!("{name:?} is no regular expression: {}", one_line(&error))))
}

/// A named network or a range.
pub(super) fn network(node: &Node) -> Result<Network, String> {
    let text = node.scalar_text().ok_or_else(|| format!("found {}, expected a network", node.found()))?;
    Network::parse(&text).ok_or_else(|| {
        format!("found {text:?}, expected a range such as 10.0.0.0/8 or one of {}", Network::NAMES.join(", "))
    })
}

/// A setting as a JSON value.
pub(super) fn json(node: &Node) -> Json {
    match &node.value {
        Setting::Null | Setting::Unresolved(_) => Json::Null,
        Setting::Boolean(value) => Json::Bool(*value),
        Setting::Integer(number) => Json::from(*number),
        Setting::Float(number) => Json::from(*number),
        Setting::String(text) => Json::String(text.clone()),
        Setting::List(items) => Json::Array(items.iter().map(json).collect()),
        Setting::Map(entries) => Json::Object(entries.iter().map(|(key, node)| (key.clone(), json(node))).collect()),
    }
}

/// The place's text in a buffer of its own, for processors that make new text of it.
pub(super) fn text_at(event: &Event, place: &Place) -> Result<Vec<u8>, Failure> {
    let Some(value) = event.at(place) else {
        // An object made of fields is there and is no text.
        return Err(if event.has(place) { not_text(place) } else { Failure::missing(place) });
    };
    let mut scratch = crate::event::Scratch::new();
    event.rendered(value, &mut scratch).map(<[u8]>::to_vec).ok_or_else(|| not_text(place))
}

/// Adds a flag to `log.flags` unless it is there.
pub(super) fn add_flag(event: &mut Event, place: &Place, flag: &'static str) {
    let mut values: Vec<Value> = event.at(place).map(|list| event.elements(list).collect()).unwrap_or_default();
    if !values.iter().any(|value| event.text_of(*value) == Some(flag.as_bytes())) {
        values.push(Value::Static(flag));
        let list = event.list_of(&values);
        // Only a value above `log.flags` that is no object refuses: then there is no place for a flag.
        let _ = event.put(place, list);
    }
}

fn not_text(place: &Place) -> Failure {
    Failure::Other(format!("the value of {} is not a text", place.name()))
}
