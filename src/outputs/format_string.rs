// SPDX-License-Identifier: Apache-2.0
//! Format strings as Packetbeat's options know them: `%{[agent.version]}`, `%{[a.b]:default}`, `%{+yyyy.MM.dd}`.
//!
//! Parsed once. A field without a value and without default makes the whole result missing, as in libbeat; the caller
//! then takes the next rule or the output's default. Times are UTC. Joda letters beyond the numeric ones and the names
//! of months and days are refused.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::event::Place;
use crate::processors::condition::Condition;

/// Longest format string; more is no name of an index, topic or folder.
pub const MAXIMUM_LENGTH: usize = 4096;

/// What a format string is evaluated over: an event, or the constants that are known at start.
pub trait Fields {
    /// Appends the field's value as text. Answers whether there is one.
    fn append(&self, field: &str, out: &mut String) -> bool;

    /// The event's time in nanoseconds since 1970, or none where there is no event.
    fn time_ns(&self) -> Option<i64>;

    /// Whether the event meets a condition; where there is no event it meets none.
    fn meet(&self, condition: &Condition<Place>) -> bool {
        let _ = condition;
        false
    }
}

/// No event, but its time in nanoseconds since 1970.
pub struct OnlyTime(pub i64);

impl Fields for OnlyTime {
    fn append(&self, _: &str, _: &mut String) -> bool {
        false
    }

    fn time_ns(&self) -> Option<i64> {
        Some(self.0)
    }
}

/// Why an evaluation has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Field(String),
    Time,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Field(name) => write!(formatter, "there is no field {name:?}"),
            Missing::Time => formatter.write_str("there is no time"),
        }
    }
}

/// A parsed format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatString {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { name: String, default: Option<String> },
    Time(Vec<TimePart>),
}

impl FormatString {
    /// Reads a format string. The error is a sentence without its place.
    pub fn parse(text: &str) -> Result<FormatString, String> {
        if text.len() > MAXIMUM_LENGTH {
            return Err(format!("the format string has {} bytes, at most {MAXIMUM_LENGTH} are accepted", text.len()));
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(inside) = rest.strip_prefix("%{") {
                let end = inside
                    .find('}')
                    .ok_or_else(|| format!("found {text:?}, where the \"%{{\" has no closing \"}}\""))?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(parse_expression(&inside[..end]).map_err(|error| format!("found {text:?}: {error}"))?);
                rest = &inside[end + 1..];
            } else if let Some(escaped) = rest.strip_prefix('\\').and_then(|rest| rest.chars().next()) {
                literal.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
            } else {
                literal.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(FormatString { parts })
    }

    /// A format string that stands for itself.
    pub fn literal(text: impl Into<String>) -> FormatString {
        FormatString { parts: vec![Part::Text(text.into())] }
    }

    /// The result when it depends on nothing.
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the result depends on fields, and not only on the time.
    pub fn needs_fields(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field { .. }))
    }

    /// The fields that the result depends on.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Replaces the fields that are known from the start, such as `agent.version`.
    pub fn resolve(&self, known: &dyn Fields) -> FormatString {
        let mut parts: Vec<Part> = Vec::new();
        for part in &self.parts {
            let mut text = String::new();
            let resolved = match part {
                Part::Field { name, .. } if known.append(name, &mut text) => Part::Text(text),
                other => other.clone(),
            };
            match (parts.last_mut(), resolved) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, resolved) => parts.push(resolved),
            }
        }
        FormatString { parts }
    }

    /// Appends the result to `out`. On an error `out` is as before.
    pub fn evaluate(&self, fields: &dyn Fields, out: &mut String) -> Result<(), Missing> {
        let start = out.len();
        for part in &self.parts {
            if let Err(missing) = part.evaluate(fields, out) {
                out.truncate(start);
                return Err(missing);
            }
        }
        Ok(())
    }
}

impl Part {
    fn evaluate(&self, fields: &dyn Fields, out: &mut String) -> Result<(), Missing> {
        match self {
            Part::Text(text) => out.push_str(text),
            Part::Field { name, default } => {
                if !fields.append(name, out) {
                    out.push_str(default.as_deref().ok_or_else(|| Missing::Field(name.clone()))?);
                }
            }
            Part::Time(parts) => {
                let time = fields
                    .time_ns()
                    .and_then(|time_ns| Timestamp::from_nanosecond(i128::from(time_ns)).ok())
                    .map(|time| TimeZone::UTC.to_datetime(time))
                    .ok_or(Missing::Time)?;
                parts.iter().for_each(|part| part.append(time, out));
            }
        }
        Ok(())
    }
}

fn parse_expression(text: &str) -> Result<Part, String> {
    if let Some(pattern) = text.strip_prefix('+') {
        return parse_time(pattern).map(Part::Time);
    }
    let inside = text.strip_prefix('[').ok_or_else(|| {
        format!("the expression {text:?} is neither a field such as %{{[agent.version]}} nor a time such as %{{+yyyy.MM.dd}}")
    })?;
    let (name, rest) = inside.split_once(']').ok_or_else(|| format!("the field in {text:?} has no closing bracket"))?;
    // Beats also reads a path in brackets: [a][b] is a.b.
    let mut name = name.trim().to_owned();
    let mut rest = rest;
    while let Some((more, behind)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        name = format!("{name}.{}", more.trim());
        rest = behind;
    }
    if name.is_empty() {
        return Err(format!("the expression {text:?} names no field"));
    }
    let default = match rest.strip_prefix(':') {
        Some(default) => Some(default.to_owned()),
        None if rest.is_empty() => None,
        None => return Err(format!("behind the field in {text:?} only a default (\":text\") may follow")),
    };
    Ok(Part::Field { name, default })
}

/// One element of a Joda time pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TimePart {
    Text(String),
    Year { digits: usize },
    Month { digits: usize },
    MonthName { letters: usize },
    Day { digits: usize },
    DayOfYear { digits: usize },
    WeekYear { digits: usize },
    Week { digits: usize },
    DayOfWeek { digits: usize },
    DayName { letters: usize },
    Hour { digits: usize },
    HourOfHalf { digits: usize },
    Half,
    Minute { digits: usize },
    Second { digits: usize },
    Fraction { digits: usize },
    Zone(&'static str),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn parse_time(pattern: &str) -> Result<Vec<TimePart>, String> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let end = quoted.find('\'').ok_or_else(|| format!("the quote in {pattern:?} is not closed"))?;
            parts.push(TimePart::Text(if end == 0 { "'".to_owned() } else { quoted[..end].to_owned() }));
            rest = &quoted[end + 1..];
            continue;
        }
        let digits = rest.chars().take_while(|next| *next == letter).count();
        rest = &rest[digits * letter.len_utf8()..];
        if digits > 9 {
            return Err(format!("{letter:?} is repeated {digits} times in {pattern:?}, at most 9 are accepted"));
        }
        parts.push(match letter {
            'y' | 'Y' | 'u' => TimePart::Year { digits },
            'M' if digits >= 3 => TimePart::MonthName { letters: digits },
            'M' => TimePart::Month { digits },
            'd' => TimePart::Day { digits },
            'D' => TimePart::DayOfYear { digits },
            'x' => TimePart::WeekYear { digits },
            'w' => TimePart::Week { digits },
            'e' => TimePart::DayOfWeek { digits },
            'E' => TimePart::DayName { letters: digits },
            'H' => TimePart::Hour { digits },
            'h' => TimePart::HourOfHalf { digits },
            'a' => TimePart::Half,
            'm' => TimePart::Minute { digits },
            's' => TimePart::Second { digits },
            'S' | 'f' => TimePart::Fraction { digits },
            'z' => TimePart::Zone("UTC"),
            'Z' => TimePart::Zone(if digits == 1 { "+0000" } else { "+00:00" }),
            other if other.is_ascii_alphabetic() => {
                return Err(format!("the letter {other:?} of the time {pattern:?} is unknown"));
            }
            other => TimePart::Text(std::iter::repeat_n(other, digits).collect()),
        });
    }
    Ok(parts)
}

impl TimePart {
    fn append(&self, time: DateTime, out: &mut String) {
        let mut number = |value: i32, digits: usize| {
            write!(out, "{value:0digits$}").expect("strings grow");
        };
        match self {
            TimePart::Text(text) => out.push_str(text),
            TimePart::Zone(text) => out.push_str(text),
            TimePart::Year { digits: 2 } => number(i32::from(time.year()).rem_euclid(100), 2),
            TimePart::Year { digits } => number(i32::from(time.year()), *digits),
            TimePart::Month { digits } => number(i32::from(time.month()), *digits),
            TimePart::MonthName { letters } => push_name(&MONTHS, time.month(), *letters, out),
            TimePart::Day { digits } => number(i32::from(time.day()), *digits),
            TimePart::DayOfYear { digits } => number(i32::from(time.date().day_of_year()), *digits),
            TimePart::WeekYear { digits } => number(i32::from(time.date().iso_week_date().year()), *digits),
            TimePart::Week { digits } => number(i32::from(time.date().iso_week_date().week()), *digits),
            TimePart::DayOfWeek { digits } => number(i32::from(time.weekday().to_monday_one_offset()), *digits),
            TimePart::DayName { letters } => push_name(&DAYS, time.weekday().to_monday_one_offset(), *letters, out),
            TimePart::Hour { digits } => number(i32::from(time.hour()), *digits),
            TimePart::HourOfHalf { digits } => number((i32::from(time.hour()) + 11) % 12 + 1, *digits),
            TimePart::Half => out.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
            TimePart::Minute { digits } => number(i32::from(time.minute()), *digits),
            TimePart::Second { digits } => number(i32::from(time.second()), *digits),
            TimePart::Fraction { digits } => {
                let divisor = 10i32.pow(9 - *digits as u32);
                number(time.subsec_nanosecond() / divisor, *digits);
            }
        }
    }
}

/// Three letters or fewer give the short name.
fn push_name(names: &[&str], one_based: i8, letters: usize, out: &mut String) {
    let name = usize::try_from(one_based - 1).ok().and_then(|index| names.get(index)).copied().unwrap_or_default();
    out.push_str(if letters <= 3 { &name[..name.len().min(3)] } else { name });
}

#[cfg(test)]
mod tests;
