// SPDX-License-Identifier: Apache-2.0
//! `dissect`: takes a text apart at the delimiters of a pattern such as `%{client} - [%{when}] %{rest}`.
//!
//! Keys: `%{name}`, `%{name|type}` (converted), `%{name#4}` (so many bytes), `%{}` and `%{?name}` (skipped),
//! `%{+name}` and `%{+name/2}` (joined with `name`, in that order), `%{&name}` (the key is what `%{?name}` held), and
//! `->` at the end (the delimiter may be repeated).

use super::add_fields::below;
use super::convert::Type;
use super::options::{self, Failure, add_flag, flag};
use super::truncate_fields::FLAGS;
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::{Place, PresentObject};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let text = options::required(options, "tokenizer")?;
    let tokenizer = Tokenizer::parse(&text).map_err(|message| options.refuse_key("tokenizer", message))?;
    let field = options.string("field")?.unwrap_or_else(|| "message".to_owned());
    let prefix = options.string("target_prefix")?.unwrap_or_else(|| "dissect".to_owned());
    let ignore_failure = flag(options, "ignore_failure", false)?;
    let overwrite_keys = flag(options, "overwrite_keys", false)?;
    let trim = options
        .choice(
            "trim_values",
            &[("none", Trim::None), ("left", Trim::Left), ("right", Trim::Right), ("all", Trim::All)],
        )?
        .unwrap_or(Trim::None);
    let trim_characters = options.string("trim_chars")?.unwrap_or_else(|| " ".to_owned()).into_bytes();
    let mut names: Vec<String> = tokenizer.results.iter().map(|(name, _)| below(&prefix, name)).collect();
    names.extend([field.clone(), prefix.clone(), FLAGS.to_owned()]);
    names.retain(|name| !name.is_empty());
    Ok(Prepared::new(names, move |schema| Dissect {
        field: Place::new(schema, &field),
        results: tokenizer.results.iter().map(|(name, _)| Place::new(schema, &below(&prefix, name))).collect(),
        prefix: Place::new(schema, &prefix),
        flags: Place::new(schema, FLAGS),
        tokenizer,
        ignore_failure,
        overwrite_keys,
        trim,
        trim_characters,
    }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trim {
    None,
    Left,
    Right,
    All,
}

struct Dissect {
    field: Place,
    tokenizer: Tokenizer,
    results: Vec<Place>,
    prefix: Place,
    flags: Place,
    ignore_failure: bool,
    overwrite_keys: bool,
    trim: Trim,
    trim_characters: Vec<u8>,
}

impl Dissect {
    fn run(&self, event: &mut Event, text: &[u8]) -> Result<(), Failure> {
        let Some(parts) = self.tokenizer.split(text) else {
            return Err(Failure::Other("the text does not fit the tokenizer".to_owned()));
        };
        for (index, (_, kind)) in self.tokenizer.results.iter().enumerate() {
            let joined = self.tokenizer.joined(index, &parts);
            let mut value = event.store(self.trimmed(&joined));
            if let Some(kind) = kind {
                value = kind
                    .convert(event, value)
                    .ok_or_else(|| Failure::Other("a value does not convert to its type".to_owned()))?;
            }
            let place = &self.results[index];
            self.check_free(event, place)?;
            event.put(place, value).map_err(|refusal| Failure::put(place, refusal))?;
        }
        for (key, value) in self.tokenizer.indirect(&parts) {
            let value = event.store(self.trimmed(value));
            let key = String::from_utf8_lossy(key);
            if self.prefix.name().is_empty() {
                event.put_root(&key, value, PresentObject::Replaced);
            } else {
                event.put_key(&self.prefix, &key, value).map_err(|refusal| Failure::put(&self.prefix, refusal))?;
            }
        }
        Ok(())
    }

    fn check_free(&self, event: &Event, place: &Place) -> Result<(), Failure> {
        if self.overwrite_keys || !event.has(place) {
            return Ok(());
        }
        Err(Failure::Other(format!("cannot override existing key with `{}`", place.name())))
    }

    fn trimmed<'a>(&self, mut text: &'a [u8]) -> &'a [u8] {
        if matches!(self.trim, Trim::Left | Trim::All) {
            while let [first, rest @ ..] = text {
                if !self.trim_characters.contains(first) {
                    break;
                }
                text = rest;
            }
        }
        if matches!(self.trim, Trim::Right | Trim::All) {
            while let [rest @ .., last] = text {
                if !self.trim_characters.contains(last) {
                    break;
                }
                text = rest;
            }
        }
        text
    }
}

impl Processor for Dissect {
    fn process(&self, event: &mut Event) -> Outcome {
        let Ok(text) = options::text_at(event, &self.field) else { return Outcome::Keep };
        if event.attempt(|event| self.run(event, &text)).is_err() && !self.ignore_failure {
            add_flag(event, &self.flags, "dissect_parsing_error");
        }
        Outcome::Keep
    }
}

/// A pattern taken apart.
struct Tokenizer {
    /// Text before the first key.
    start: Vec<u8>,
    keys: Vec<Key>,
    /// The keys that give values, by name, with their type.
    results: Vec<(String, Option<Type>)>,
}

struct Key {
    role: Role,
    name: String,
    /// What ends the value; empty for the end of the text.
    delimiter: Vec<u8>,
    /// Whether the delimiter may be repeated.
    padded: bool,
    /// Bytes of the value when it has a fixed length.
    length: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Value of a result, at this place among the values joined to it.
    Result {
        index: usize,
        order: usize,
    },
    Skipped,
    /// Its value is another key's name.
    Named,
    /// Its key is the value of the named one.
    Indirect,
}

const MOST_KEYS: usize = 256;

impl Tokenizer {
    fn parse(text: &str) -> Result<Tokenizer, String> {
        let (start, mut rest) = text.split_once("%{").ok_or("found no %{key}, expected at least one")?;
        let mut tokenizer = Tokenizer { start: start.as_bytes().to_vec(), keys: Vec::new(), results: Vec::new() };
        loop {
            let (key, after) = rest.split_once('}').ok_or("a } is missing")?;
            let (delimiter, next) = match after.split_once("%{") {
                Some((delimiter, next)) => (delimiter, Some(next)),
                None => (after, None),
            };
            if delimiter.is_empty() && next.is_some() && !key.contains('#') {
                return Err(format!("found nothing between %{{{key}}} and the next key, expected a delimiter"));
            }
            if tokenizer.keys.len() == MOST_KEYS {
                return Err(format!("found more than {MOST_KEYS} keys"));
            }
            tokenizer.add_key(key, delimiter)?;
            match next {
                Some(next) => rest = next,
                None => return Ok(tokenizer),
            }
        }
    }

    fn add_key(&mut self, text: &str, delimiter: &str) -> Result<(), String> {
        let (text, padded) = match text.strip_suffix("->") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, kind) = match text.split_once('|') {
            Some((text, kind)) => {
                let known = Type::NAMES.iter().find(|(name, _)| *name == kind);
                let kind = known
                    .ok_or_else(|| {
                        format!("found the type {kind:?}, expected integer, long, float, double, boolean, string or ip")
                    })?
                    .1;
                (text, Some(kind))
            }
            None => (text, None),
        };
        let number = |text: &str| text.parse::<usize>().map_err(|_| format!("found {text:?}, expected a number"));
        let (text, length) = match text.split_once('#') {
            Some((text, length)) => (text, Some(number(length)?)),
            None => (text, None),
        };
        let (text, order) = match text.split_once('/') {
            Some((text, order)) => (text, Some(number(order)?)),
            None => (text, None),
        };
        let (sign, name) = match text.as_bytes().first() {
            Some(sign @ (b'+' | b'?' | b'&' | b'*')) => (*sign, &text[1..]),
            _ => (0, text),
        };
        let role = match sign {
            _ if name.is_empty() => Role::Skipped,
            b'?' | b'*' => Role::Named,
            b'&' => Role::Indirect,
            _ => {
                let index = self.results.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                    self.results.push((name.to_owned(), None));
                    self.results.len() - 1
                });
                if kind.is_some() {
                    self.results[index].1 = kind;
                }
                Role::Result { index, order: order.unwrap_or(0) }
            }
        };
        let delimiter = delimiter.as_bytes().to_vec();
        self.keys.push(Key { role, name: name.to_owned(), delimiter, padded, length });
        Ok(())
    }

    /// The values of the keys in their order; None when the text does not fit.
    fn split<'a>(&self, text: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let mut rest = text.strip_prefix(self.start.as_slice()).or_else(|| {
            let position = memchr::memmem::find(text, &self.start)?;
            Some(&text[position + self.start.len()..])
        })?;
        let mut values = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let end = match key.length {
                Some(length) => (length <= rest.len()).then_some(length)?,
                None if key.delimiter.is_empty() => rest.len(),
                None => memchr::memmem::find(rest, &key.delimiter)?,
            };
            let (value, after) = rest.split_at(end);
            values.push(value);
            rest = after.strip_prefix(key.delimiter.as_slice())?;
            while key.padded && !key.delimiter.is_empty() && rest.starts_with(&key.delimiter) {
                rest = &rest[key.delimiter.len()..];
            }
        }
        Some(values)
    }

    /// A result's value: those joined to it are in the order of their numbers, with the delimiter that was before each.
    fn joined(&self, result: usize, values: &[&[u8]]) -> Vec<u8> {
        let mut parts: Vec<(usize, usize)> = Vec::new();
        for (position, key) in self.keys.iter().enumerate() {
            if let Role::Result { index, order } = key.role
                && index == result
            {
                parts.push((order, position));
            }
        }
        parts.sort();
        let mut joined = Vec::new();
        for (count, (_, position)) in parts.iter().enumerate() {
            if count > 0 {
                let before = position.checked_sub(1).and_then(|before| self.keys.get(before));
                joined.extend_from_slice(before.map_or(self.start.as_slice(), |key| &key.delimiter));
            }
            joined.extend_from_slice(values.get(*position).copied().unwrap_or_default());
        }
        joined
    }

    /// Keys from the text with their values.
    fn indirect<'a>(&'a self, values: &'a [&'a [u8]]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.keys.iter().zip(values).filter(|(key, _)| key.role == Role::Indirect).filter_map(|(key, value)| {
            let named = self.keys.iter().position(|named| named.role == Role::Named && named.name == key.name)?;
            Some((*values.get(named)?, *value))
        })
    }
}

#[cfg(test)]
pub(super) fn dissected(tokenizer: &str, text: &str) -> Option<Vec<(String, String)>> {
    let tokenizer = Tokenizer::parse(tokenizer).ok()?;
    let parts = tokenizer.split(text.as_bytes())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let results = tokenizer.results.iter().enumerate();
    let mut all: Vec<_> =
        results.map(|(index, (name, _))| (name.clone(), text(&tokenizer.joined(index, &parts)))).collect();
    all.extend(tokenizer.indirect(&parts).map(|(key, value)| (text(key), text(value))));
    Some(all)
}
