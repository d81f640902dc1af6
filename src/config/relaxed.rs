// SPDX-License-Identifier: Apache-2.0
//! The JSON-like notation of `-E key=value` and of substituted `${…}` references.
//!
//! A superset of JSON: strings need no quotes, single quotes keep everything as it is, a comma may follow the last
//! item, and values with commas between them make a list without brackets (`a:1,b:2`). Nesting is bounded.

use super::scalar;
use super::tree::{self, Node, Origin, Value};

/// The deepest nesting of `[` and `{` in one value.
const MAXIMUM_NESTING: usize = 32;

/// Reads one value; `Err` is a phrase that says what is wrong with the text.
pub fn parse(text: &str, origin: &Origin) -> Result<Value, String> {
    let mut reader = Reader { rest: text.trim(), origin };
    let mut values = Vec::new();
    loop {
        values.push(reader.value(",", 0)?);
        reader.skip_whitespace();
        if reader.rest.is_empty() {
            break;
        }
        reader.expect(',')?;
    }
    if values.len() > 1 {
        return Ok(Value::List(values.into_iter().map(|value| Node::new(value, origin.clone())).collect()));
    }
    Ok(values.pop().unwrap_or(Value::Null))
}

struct Reader<'a> {
    rest: &'a str,
    origin: &'a Origin,
}

impl Reader<'_> {
    fn value(&mut self, stops: &str, depth: usize) -> Result<Value, String> {
        if depth > MAXIMUM_NESTING {
            return Err(format!("brackets nested deeper than {MAXIMUM_NESTING}"));
        }
        self.skip_whitespace();
        match self.rest.chars().next() {
            None => Ok(Value::Null),
            Some('[') => self.list(depth),
            Some('{') => self.map(depth),
            Some('"') => self.double_quoted().map(Value::String),
            Some('\'') => self.single_quoted().map(Value::String),
            Some(_) => Ok(scalar::word(&self.unquoted(stops)?)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.expect('[')?;
        let mut items = Vec::new();
        loop {
            self.skip_whitespace();
            if self.take(']') {
                return Ok(Value::List(items));
            }
            if self.rest.is_empty() {
                return Err("a ']' is missing".to_owned());
            }
            let value = self.value(",]", depth + 1)?;
            items.push(Node::new(value, self.origin.clone()));
            self.skip_whitespace();
            if !self.take(',') && !self.rest.starts_with(']') {
                return Err("a ',' or ']' is missing after an item of a list".to_owned());
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        self.expect('{')?;
        let mut entries = Vec::new();
        loop {
            self.skip_whitespace();
            if self.take('}') {
                return Ok(Value::Map(entries));
            }
            let key = match self.rest.chars().next() {
                None => return Err("a '}' is missing".to_owned()),
                Some('"') => self.double_quoted()?,
                Some('\'') => self.single_quoted()?,
                Some(_) => self.unquoted(":")?,
            };
            if tree::segments(&key).len() > MAXIMUM_NESTING {
                return Err(format!("a key with more than {MAXIMUM_NESTING} parts"));
            }
            if entries.len() >= tree::MAXIMUM_KEYS {
                return Err(format!("a map with more than {} keys", tree::MAXIMUM_KEYS));
            }
            self.skip_whitespace();
            self.expect(':')?;
            let value = self.value(",}", depth + 1)?;
            tree::insert_written(&mut entries, &key, Node::new(value, self.origin.clone()));
            self.skip_whitespace();
            if !self.take(',') && !self.rest.starts_with('}') {
                return Err("a ',' or '}' is missing after a value of a map".to_owned());
            }
        }
    }

    fn single_quoted(&mut self) -> Result<String, String> {
        self.expect('\'')?;
        let (text, rest) = self.rest.split_once('\'').ok_or("a ' is missing at the end of a string")?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn double_quoted(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next().ok_or("a \" is missing at the end of a string")? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('a') => Ok('\u{7}'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('v') => Ok('\u{b}'),
            Some(same @ ('"' | '\\' | '/' | '\'')) => Ok(same),
            Some('x') => self.hexadecimal(2),
            Some('u') => self.hexadecimal(4),
            Some('U') => self.hexadecimal(8),
            _ => Err("an unknown escape after \\ in a string".to_owned()),
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<char, String> {
        let mut code: u32 = 0;
        for _ in 0..digits {
            let digit = self.next().and_then(|c| c.to_digit(16)).ok_or("a hexadecimal digit is missing in a string")?;
            code = (code << 4) | digit;
        }
        char::from_u32(code).ok_or_else(|| format!("{code:x} is no Unicode character"))
    }

    fn unquoted(&mut self, stops: &str) -> Result<String, String> {
        let end = self.rest.find(|c| stops.contains(c)).unwrap_or(self.rest.len());
        if end == 0 {
            let character = self.rest.chars().next().unwrap_or_default();
            return Err(format!("unexpected {character:?}"));
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(text.trim().to_owned())
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    fn take(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, character: char) -> Result<(), String> {
        if self.take(character) { Ok(()) } else { Err(format!("a {character:?} is missing")) }
    }

    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_start();
    }
}
