// SPDX-License-Identifier: Apache-2.0
//! `convert`: changes the type of values, in place or under another name.

use std::net::IpAddr;

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::json::{Encoder, Metadata, Precision};
use crate::event::{Place, Scratch, Value};

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let mut fields = Vec::new();
    for item in options.list("fields")? {
        let to = item.string("to")?.filter(|to| !to.is_empty());
        let kind = item.choice("type", Type::NAMES)?;
        if to.is_none() && kind.is_none() {
            return Err(item.refuse_key("type", "missing; each field needs to, type or both"));
        }
        fields.push((options::required(&item, "from")?, to, kind));
    }
    if fields.is_empty() {
        return Err(options::missing(options, "fields"));
    }
    let mode = options.choice("mode", &[("copy", Mode::Copy), ("rename", Mode::Rename)])?.unwrap_or(Mode::Copy);
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let fail_on_error = flag(options, "fail_on_error", true)?;
    let names = fields.iter().flat_map(|(from, to, _)| [Some(from.clone()), to.clone()]).flatten().collect();
    Ok(Prepared::new(names, move |schema| Convert {
        fields: fields
            .iter()
            .map(|(from, to, kind)| Conversion {
                from: Place::new(schema, from),
                to: to.as_ref().map(|to| Place::new(schema, to)),
                kind: *kind,
            })
            .collect(),
        mode,
        ignore_missing,
        fail_on_error,
    }))
}

/// Types that values convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Integer,
    Long,
    Float,
    Double,
    Text,
    Boolean,
    Ip,
}

impl Type {
    pub const NAMES: &'static [(&'static str, Type)] = &[
        ("integer", Type::Integer),
        ("long", Type::Long),
        ("float", Type::Float),
        ("double", Type::Double),
        ("string", Type::Text),
        ("boolean", Type::Boolean),
        ("ip", Type::Ip),
    ];

    /// The value in this type; None when it cannot be.
    pub fn convert(self, event: &mut Event, value: Value) -> Option<Value> {
        let mut scratch = Scratch::new();
        let text = event.rendered(value, &mut scratch).map(String::from_utf8_lossy);
        let text = text.as_deref();
        match self {
            Type::Text => to_text(event, value),
            Type::Long => match text {
                Some(text) => integer(text).map(Value::Signed),
                None => whole(value).map(Value::Signed),
            },
            Type::Integer => match text {
                Some(text) => integer(text).and_then(|number| i32::try_from(number).ok()),
                // As Go converts: the lower 32 bits.
                None => whole(value).map(|number| number as i32),
            }
            .map(|number| Value::Signed(i64::from(number))),
            Type::Double => match text {
                Some(text) => text.parse().ok(),
                None => number(value),
            }
            .map(Value::Float),
            Type::Float => match text {
                Some(text) => text.parse::<f32>().ok(),
                None => number(value).map(|number| number as f32),
            }
            // The shortest decimal of the narrow number, as it is printed.
            .and_then(|number| number.to_string().parse().ok())
            .map(Value::Float),
            Type::Boolean => match (value, text) {
                (Value::Boolean(_), _) => Some(value),
                (_, Some("1" | "t" | "T" | "TRUE" | "true" | "True")) => Some(Value::Boolean(true)),
                (_, Some("0" | "f" | "F" | "FALSE" | "false" | "False")) => Some(Value::Boolean(false)),
                _ => None,
            },
            Type::Ip => match value {
                Value::Address(_) => Some(value),
                _ => text?.parse::<IpAddr>().is_ok().then_some(value),
            },
        }
    }
}

/// The value as text; None for null, lists and maps.
pub(super) fn to_text(event: &mut Event, value: Value) -> Option<Value> {
    Some(match value {
        Value::Static(_) | Value::Text { .. } => value,
        Value::Signed(number) => event.store(number.to_string().as_bytes()),
        Value::Unsigned(number) => event.store(number.to_string().as_bytes()),
        Value::Float(number) => event.store(number.to_string().as_bytes()),
        Value::Boolean(true) => Value::Static("true"),
        Value::Boolean(false) => Value::Static("false"),
        Value::Time(time_ns) => {
            let mut text = Vec::new();
            Encoder::new(Precision::Nanosecond, Metadata::LeftOut).write_time(time_ns, &mut text);
            event.store(&text)
        }
        Value::Address(_) | Value::Mac(_) => {
            let mut scratch = Scratch::new();
            let text = event.rendered(value, &mut scratch)?.to_vec();
            event.store(&text)
        }
        Value::Null | Value::Json { .. } | Value::List { .. } | Value::Map { .. } => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Copy,
    Rename,
}

struct Conversion {
    from: Place,
    to: Option<Place>,
    kind: Option<Type>,
}

struct Convert {
    fields: Vec<Conversion>,
    mode: Mode,
    ignore_missing: bool,
    fail_on_error: bool,
}

impl Convert {
    fn one(&self, event: &mut Event, field: &Conversion) -> Result<(), Failure> {
        let value = match event.gather(&field.from) {
            Some(value) => value,
            None if self.ignore_missing => return Ok(()),
            None => return Err(Failure::missing(&field.from)),
        };
        let value = match field.kind {
            Some(kind) => kind
                .convert(event, value)
                .ok_or_else(|| Failure::Other(format!("unable to convert the value of {}", field.from.name())))?,
            None => value,
        };
        let target = field.to.as_ref().unwrap_or(&field.from);
        if field.to.is_some() && self.mode == Mode::Rename {
            event.delete(&field.from);
        }
        event.put(target, value).map_err(|refusal| Failure::put(target, refusal))
    }
}

impl Processor for Convert {
    fn process(&self, event: &mut Event) -> Outcome {
        // Packetbeat logs a failure for debugging and writes no error.message.
        if self.fail_on_error {
            let _ = event.attempt(|event| self.fields.iter().try_for_each(|field| self.one(event, field)));
        } else {
            for field in &self.fields {
                let _ = event.attempt(|event| self.one(event, field));
            }
        }
        Outcome::Keep
    }
}

/// Decimal, or hexadecimal after `0x`.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

fn whole(value: Value) -> Option<i64> {
    match value {
        Value::Signed(number) => Some(number),
        Value::Unsigned(number) => Some(number as i64),
        Value::Float(number) => Some(number as i64),
        _ => None,
    }
}

fn number(value: Value) -> Option<f64> {
    match value {
        Value::Signed(number) => Some(number as f64),
        Value::Unsigned(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}
