// SPDX-License-Identifier: Apache-2.0
//! `replace`: puts another text where a regular expression matches.

use regex::bytes::Regex;

use super::options::{self, Failure, flag};
use super::{Event, Outcome, Prepared, Processor};
use crate::config::{ConfigError, Section};
use crate::event::Place;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let mut rules = Vec::new();
    for item in options.list("fields")? {
        let pattern = options::required(&item, "pattern")?;
        let pattern = Regex::new(&pattern).map_err(|error| {
            let reason = options::one_line(&error);
            item.refuse_key("pattern", format!("{pattern:?} is no regular expression: {reason}"))
        })?;
        let replacement = item.string("replacement")?.unwrap_or_default();
        rules.push((options::required(&item, "field")?, pattern, replacement));
    }
    if rules.is_empty() {
        return Err(options::missing(options, "fields"));
    }
    let ignore_missing = flag(options, "ignore_missing", false)?;
    let fail_on_error = flag(options, "fail_on_error", true)?;
    let names = rules.iter().map(|(field, ..)| field.clone()).collect();
    Ok(Prepared::new(names, move |schema| Replace {
        rules: rules
            .into_iter()
            .map(|(field, pattern, replacement)| Rule {
                field: Place::new(schema, &field),
                pattern,
                replacement: braced(&replacement),
            })
            .collect(),
        ignore_missing,
        fail_on_error,
    }))
}

struct Rule {
    field: Place,
    pattern: Regex,
    replacement: String,
}

struct Replace {
    rules: Vec<Rule>,
    ignore_missing: bool,
    fail_on_error: bool,
}

impl Replace {
    fn one(&self, event: &mut Event, rule: &Rule) -> Result<(), Failure> {
        let text = match options::text_at(event, &rule.field) {
            Err(Failure::Missing(_)) if self.ignore_missing => return Ok(()),
            result => result?,
        };
        if let std::borrow::Cow::Owned(changed) = rule.pattern.replace_all(&text, rule.replacement.as_bytes()) {
            let value = event.store(&changed);
            event.put(&rule.field, value).map_err(|refusal| Failure::put(&rule.field, refusal))?;
        }
        Ok(())
    }
}

impl Processor for Replace {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.fail_on_error {
            let all = |event: &mut Event| self.rules.iter().try_for_each(|rule| self.one(event, rule));
            if let Err(failure) = event.attempt(all) {
                failure.report(event, "Failed to replace fields in processor");
            }
        } else {
            for rule in &self.rules {
                // The failure is not to be reported: the user said so.
                let _ = self.one(event, rule);
            }
        }
        Outcome::Keep
    }
}

/// `$name` as `${name}`: Go takes the longest run of letters, digits and underscores, and leaves a `$` before anything
/// else out of the text only when it is doubled.
fn braced(replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some(position) = rest.find('$') {
        out.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if let Some(after) = rest.strip_prefix('$') {
            out.push_str("$$");
            rest = after;
        } else if word > 0 {
            out.push_str(&format!("${{{}}}", &rest[..word]));
            rest = &rest[word..];
        } else if rest.starts_with('{') {
            out.push('$');
        } else {
            out.push_str("$$");
        }
    }
    out.push_str(rest);
    out
}
