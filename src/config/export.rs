// SPDX-License-Identifier: Apache-2.0
//! `export config`: the settings as YAML, references unresolved, secrets hidden.
//!
//! Keys come in alphabetical order, as Beats prints them. A secret that is only a reference stays visible: it is a
//! name, not a secret, and the output should be usable as a configuration.

use std::borrow::Cow;

use super::scalar;
use super::tree::{Node, Value};

/// What stands for a secret (Beats' mask).
const MASK: &str = "xxxxx";

/// The tree as a YAML document.
pub fn yaml(root: &Node) -> String {
    let mut text = String::new();
    block(root, 0, Secrecy::Open, &mut text);
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Open,
    Secret,
}

/// A map or list, each entry on lines of its own; a scalar on one line.
fn block(node: &Node, indent: usize, secrecy: Secrecy, text: &mut String) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            let mut sorted: Vec<&(String, Node)> = entries.iter().collect();
            sorted.sort_by(|left, right| left.0.cmp(&right.0));
            for (key, child) in sorted {
                let secrecy = if is_secret(key) { Secrecy::Secret } else { secrecy };
                pad(indent, text);
                text.push_str(&quoted_if_needed(key));
                text.push(':');
                after_key(child, indent, secrecy, text);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for item in items {
                pad(indent, text);
                text.push('-');
                item_of_list(item, indent, secrecy, text);
            }
        }
        _ => {
            pad(indent, text);
            text.push_str(&scalar_text(node, secrecy));
            text.push('\n');
        }
    }
}

fn after_key(child: &Node, indent: usize, secrecy: Secrecy, text: &mut String) {
    if is_block(child) {
        text.push('\n');
        block(child, indent + 1, secrecy, text);
    } else {
        text.push(' ');
        text.push_str(&scalar_text(child, secrecy));
        text.push('\n');
    }
}

fn item_of_list(item: &Node, indent: usize, secrecy: Secrecy, text: &mut String) {
    if !is_block(item) {
        text.push(' ');
        text.push_str(&scalar_text(item, secrecy));
        text.push('\n');
        return;
    }
    // The first key of the map stands beside the dash.
    let start = text.len();
    block(item, indent + 1, secrecy, text);
    let padding = 2 * (indent + 1);
    let written = text.split_off(start);
    text.push(' ');
    text.push_str(written.get(padding..).unwrap_or(&written));
}

fn is_block(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => !entries.is_empty(),
        Value::List(items) => !items.is_empty(),
        _ => false,
    }
}

fn pad(indent: usize, text: &mut String) {
    for _ in 0..indent {
        text.push_str("  ");
    }
}

fn scalar_text(node: &Node, secrecy: Secrecy) -> String {
    let is_reference = matches!(&node.value, Value::String(value) if is_one_reference(value));
    if secrecy == Secrecy::Secret && node.value != Value::Null && !is_reference {
        return MASK.to_owned();
    }
    match &node.value {
        Value::Null | Value::Unresolved(_) => "null".to_owned(),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
        Value::String(value) => quoted_if_needed(&without_password(value)),
        Value::Float(value) if value.is_nan() => ".nan".to_owned(),
        Value::Float(value) if value.is_infinite() => if *value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        Value::Float(value) => format!("{value:?}"),
        Value::Boolean(_) | Value::Integer(_) => node.scalar_text().unwrap_or_default(),
    }
}

/// A URL whose password is masked, unless it is a reference; any other text as it is.
fn without_password(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let password = authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host)));
    match password {
        Some(((user, password), host)) if !password.is_empty() && !is_one_reference(password) => {
            format!("{scheme}://{user}:{MASK}@{host}{}", &rest[authority.len()..]).into()
        }
        _ => text.into(),
    }
}

/// `${NAME}` with nothing before, after or inside that could hold a secret such as a default.
fn is_one_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| !name.contains(['$', '{', '}', ':']))
}

/// Names of settings whose values are secrets, whatever section they are in.
fn is_secret(key: &str) -> bool {
    const SECRETS: [&str; 13] = [
        "password",
        "passphrase",
        "key_passphrase",
        "pass",
        "api_key",
        "secret_token",
        "secret_id",
        "service_token",
        "client_secret",
        "ldap_bind_password",
        "authorization",
        "proxy-authorization",
        "cookie",
    ];
    let key = key.to_ascii_lowercase();
    SECRETS.contains(&key.as_str()) || key == "auth" || key.ends_with("_password") || key.ends_with("_secret")
}

/// Plain where YAML reads the same text back, double quotes otherwise.
fn quoted_if_needed(text: &str) -> String {
    let safe_start = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '/' | '_' | '.'));
    let safe_inside = text.chars().all(|c| c.is_ascii_alphanumeric() || "$/_.-+{}()=@<> ~;:".contains(c))
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !text.contains(" #");
    let stays_text = matches!(scalar::plain(text), Value::String(_));
    if safe_start && safe_inside && stays_text && !text.contains("---") {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
