// SPDX-License-Identifier: Apache-2.0
//! Events made comparable.

use serde_json::Value as Json;

/// Whether flow events are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flows {
    Kept,
    LeftOut,
}

/// Events as sorted texts: without what names the sensor, and without the paths in `aside`.
pub fn normalised(events: &[Json], flows: Flows, aside: &[&str]) -> Vec<String> {
    let always = ["agent", "host", "@metadata", "@timestamp", "event.start", "event.end"];
    let mut texts: Vec<String> = events
        .iter()
        .filter(|event| flows == Flows::Kept || event["type"] != "flow")
        .map(|event| {
            let mut event = event.clone();
            always.iter().chain(aside).for_each(|path| remove(&mut event, path));
            event.to_string()
        })
        .collect();
    texts.sort_unstable();
    texts
}

/// Changes every text in an event.
pub fn rewrite(event: &mut Json, change: &dyn Fn(&mut String)) {
    match event {
        Json::String(text) => change(text),
        Json::Array(values) => values.iter_mut().for_each(|value| rewrite(value, change)),
        Json::Object(entries) => entries.values_mut().for_each(|value| rewrite(value, change)),
        _ => {}
    }
}

/// What is in one list and not in the other, as a short text; None when they are the same.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let missing = without(expected, found);
    let extra = without(found, expected);
    let show = |texts: &[String]| texts.iter().take(3).map(|text| format!("\n    {}", short(text))).collect::<String>();
    let mut text = format!(
        "{} events instead of {}; missing {}:{}\n  extra {}:{}",
        found.len(),
        expected.len(),
        missing.len(),
        show(&missing),
        extra.len(),
        show(&extra)
    );
    if let (Some(missing), Some(extra)) = (missing.first(), extra.first()) {
        let same = missing.bytes().zip(extra.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(40);
        let from = |text: &str| short(&String::from_utf8_lossy(&text.as_bytes()[same.min(text.len())..]));
        text += &format!("\n  the first two part at: {}\n  and: {}", from(missing), from(extra));
    }
    Some(text)
}

fn short(text: &str) -> String {
    text.chars().take(900).collect()
}

fn without(these: &[String], those: &[String]) -> Vec<String> {
    let mut rest = those.to_vec();
    these
        .iter()
        .filter(|text| match rest.iter().position(|other| other == *text) {
            Some(place) => {
                rest.swap_remove(place);
                false
            }
            None => true,
        })
        .cloned()
        .collect()
}

fn remove(event: &mut Json, path: &str) {
    match path.split_once('.') {
        None => {
            if let Some(object) = event.as_object_mut() {
                object.remove(path);
            }
        }
        Some((first, rest)) => {
            if let Some(inner) = event.get_mut(first) {
                remove(inner, rest);
                if inner.as_object().is_some_and(serde_json::Map::is_empty) {
                    remove(event, first);
                }
            }
        }
    }
}
