// SPDX-License-Identifier: Apache-2.0
//! `decode_json_fields`: texts that are JSON become objects, lists and numbers.

use serde_json::{Map, Value as Json};

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, PresentObject, Value, field};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let fields = options::required_list(options, "fields")?;
    let target = match options.has("target") {
        true => options.string("target")?,
        false => None,
    };
    let settings = Settings {
        process_array: flag(options, "process_array", false)?,
        // serde_json stops at 128 levels; more than that many texts in each other are none either.
        max_depth: options.unsigned("max_depth", 1..=128)?.unwrap_or(1) as usize,
        overwrite_keys: flag(options, "overwrite_keys", false)?,
        expand_keys: flag(options, "expand_keys", false)?,
        add_error_key: flag(options, "add_error_key", false)?,
    };
    let document_id = options.string("document_id")?.filter(|key| !key.is_empty());
    let mut names = fields.clone();
    names.extend(ERROR_NAMES.iter().map(|name| (*name).to_owned()));
    names.extend(target.iter().filter(|target| !target.is_empty()).cloned());
    Ok(Prepared::new(names, move |schema| DecodeJson {
        fields: fields.iter().map(|name| Place::new(schema, name)).collect(),
        target: match target.as_deref() {
            None => Target::InPlace,
            Some("") => Target::Root,
            Some(name) => Target::Field(Place::new(schema, name)),
        },
        errors: ERROR_NAMES.map(|name| Place::new(schema, name)),
        document_id,
        settings,
    }))
}

const ERROR_NAMES: [&str; 3] = ["error.data", "error.field", "error.type"];

struct Settings {
    process_array: bool,
    max_depth: usize,
    overwrite_keys: bool,
    expand_keys: bool,
    add_error_key: bool,
}

enum Target {
    InPlace,
    Root,
    Field(Place),
}

struct DecodeJson {
    fields: Vec<Place>,
    target: Target,
    /// In the order of [`ERROR_NAMES`].
    errors: [Place; 3],
    document_id: Option<String>,
    settings: Settings,
}

impl DecodeJson {
    fn one(&self, event: &mut Event, place: &Place) -> Result<(), Failure> {
        let Some(text) = event.at(place).and_then(|value| event.text_of(value)) else { return Ok(()) };
        let mut json = match decode(text, self.settings.max_depth, self.settings.process_array) {
            Ok(json) => json,
            Err(error) => return Err(Failure::Other(format!("parsing input as JSON: {error}"))),
        };
        let id = self.document_id.as_ref().and_then(|key| match json.as_object_mut()?.remove(key)? {
            Json::String(id) => Some(id),
            _ => None,
        });
        if self.settings.expand_keys {
            json = expanded(json)?;
        }
        match &self.target {
            Target::InPlace => put(event, place, &json)?,
            Target::Field(target) => put(event, target, &json)?,
            Target::Root => self.put_at_root(event, json)?,
        }
        if let Some(id) = id {
            event.text(field::_METADATA__ID, id);
        }
        Ok(())
    }

    fn put_at_root(&self, event: &mut Event, json: Json) -> Result<(), Failure> {
        let Json::Object(entries) = json else {
            return Err(Failure::Other("failed to add target to root: the text is not an object".to_owned()));
        };
        for (key, value) in &entries {
            // Times and metadata of an event are not for a decoded text to set.
            if key.starts_with('@') || (key == "type" && !value.is_string()) {
                continue;
            }
            if self.settings.overwrite_keys || !event.has_root(key) {
                let value = event.store_json(value);
                event.put_root(key, value, PresentObject::Merged);
            }
        }
        Ok(())
    }

    fn report(&self, event: &mut Event, place: &Place, failure: &Failure) {
        event.text(field::ERROR_MESSAGE, failure.text());
        let [data, name, kind] = &self.errors;
        let text = event.at(place).unwrap_or(Value::Null);
        let name_text = event.store(place.name().as_bytes());
        for (place, value) in [(data, text), (name, name_text), (kind, Value::Static("json"))] {
            // `error` is an object in every event.
            let _ = event.put(place, value);
        }
    }
}

impl Processor for DecodeJson {
    fn process(&self, event: &mut Event) -> Outcome {
        for place in &self.fields {
            if let Err(failure) = event.attempt(|event| self.one(event, place))
                && self.settings.add_error_key
            {
                self.report(event, place, &failure);
            }
        }
        Outcome::Keep
    }
}

fn put(event: &mut Event, place: &Place, json: &Json) -> Result<(), Failure> {
    let value = event.store_json(json);
    event.put(place, value).map_err(|refusal| Failure::put(place, refusal))
}

/// Decodes a text and, below the first level, texts that are JSON themselves.
fn decode(text: &[u8], depth: usize, arrays: bool) -> Result<Json, serde_json::Error> {
    let mut json: Json = serde_json::from_slice(text)?;
    if depth > 1 {
        let inner = |value: &mut Json| {
            if let Json::String(text) = value
                && let Ok(decoded) = decode(text.as_bytes(), depth - 1, arrays)
            {
                *value = decoded;
            }
        };
        match &mut json {
            Json::Object(entries) => entries.values_mut().for_each(inner),
            Json::Array(elements) if arrays => elements.iter_mut().for_each(inner),
            _ => {}
        }
    }
    Ok(json)
}

/// Keys with dots as nested objects.
fn expanded(json: Json) -> Result<Json, Failure> {
    Ok(match json {
        Json::Object(entries) => {
            let mut out = Map::new();
            for (key, value) in entries {
                insert(&mut out, &key, expanded(value)?)?;
            }
            Json::Object(out)
        }
        Json::Array(elements) => Json::Array(elements.into_iter().map(expanded).collect::<Result<_, _>>()?),
        other => other,
    })
}

/// The deepest object that a dotted key makes.
const MOST_PARTS: usize = 32;

fn insert(out: &mut Map<String, Json>, key: &str, value: Json) -> Result<(), Failure> {
    let conflict = || Failure::Other(format!("cannot expand {key:?}: found conflicting key"));
    if key.split('.').count() > MOST_PARTS {
        return Err(conflict());
    }
    match key.split_once('.') {
        Some((first, rest)) => {
            let inner = out.entry(first).or_insert_with(|| Json::Object(Map::new()));
            insert(inner.as_object_mut().ok_or_else(conflict)?, rest, value)
        }
        None => match (out.get_mut(key), value) {
            (None, value) => {
                out.insert(key.to_owned(), value);
                Ok(())
            }
            (Some(Json::Object(known)), Json::Object(entries)) => {
                for (key, value) in entries {
                    insert(known, &key, value)?;
                }
                Ok(())
            }
            (Some(_), _) => Err(conflict()),
        },
    }
}
