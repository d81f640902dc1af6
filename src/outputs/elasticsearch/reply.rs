// SPDX-License-Identifier: Apache-2.0
//! The reply to a `_bulk` request: what became of each document.
//!
//! A reply without errors is recognised by its first bytes. Everything else is read into simd-json's flat tape, never
//! into a tree, so that no nesting can exhaust the stack.

use simd_json::prelude::*;
use simd_json::value::tape::Value;

use crate::outputs::Verdict;

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    AllStored,
    /// One for each document of the request, in order.
    Items(Vec<Item>),
    /// It is no reply to a bulk request.
    Unreadable,
}

/// What became of one document.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    pub status: u16,
    /// Type and reason of the error.
    pub error: Option<String>,
}

/// Largest reply that is read for a request of so many events.
pub fn maximum_bytes(events: usize) -> usize {
    1024 * 1024 + events.saturating_mul(4096)
}

/// Reads a reply to a request of `events` documents.
pub fn read(text: &mut [u8], events: usize) -> Reply {
    if has_no_errors(text) {
        return Reply::AllStored;
    }
    let Ok(tape) = simd_json::to_tape(text) else { return Reply::Unreadable };
    let root = tape.as_value();
    let Some(root) = root.as_object() else { return Reply::Unreadable };
    if root.get("errors").and_then(|errors| errors.as_bool()) == Some(false) {
        return Reply::AllStored;
    }
    let Some(list) = root.get("items") else { return Reply::Unreadable };
    let Some(list) = list.as_array() else { return Reply::Unreadable };
    if list.len() != events {
        return Reply::Unreadable;
    }
    list.iter().map(|item| read_item(&item)).collect::<Option<Vec<Item>>>().map_or(Reply::Unreadable, Reply::Items)
}

/// The verdict that an item's status stands for. An id that is there already (409) was stored by an earlier attempt.
pub fn verdict(status: u16) -> Verdict {
    match status {
        0..300 | 409 => Verdict::Acknowledged,
        429 => Verdict::Retry("elasticsearch_item_429"),
        500.. => Verdict::Retry("elasticsearch_item_5xx"),
        401 | 403 => Verdict::Dropped("elasticsearch_item_forbidden"),
        404 => Verdict::Dropped("elasticsearch_item_no_index"),
        _ => Verdict::Dropped("elasticsearch_item_rejected"),
    }
}

/// `errors` comes before `items`, within the first members; a document's text cannot be there.
fn has_no_errors(text: &[u8]) -> bool {
    let head = &text[..text.len().min(128)];
    let end = memchr::memmem::find(head, b"\"items\"").unwrap_or(head.len());
    head.first() == Some(&b'{')
        && text.trim_ascii_end().last() == Some(&b'}')
        && memchr::memmem::find(&head[..end], b"\"errors\":false").is_some()
}

fn read_item(item: &Value<'_, '_>) -> Option<Item> {
    // One member, named after the operation.
    let operation = item.as_object()?.values().next()?;
    let operation = operation.as_object()?;
    let status = u16::try_from(operation.get("status")?.as_u64()?).ok().filter(|status| *status >= 100)?;
    let error = operation.get("error").map(|error| {
        let text = |key: &str| error.as_object().and_then(|error| error.get(key)?.as_str().map(str::to_owned));
        match (text("type"), text("reason")) {
            (Some(kind), Some(reason)) => format!("{kind}: {reason}"),
            (Some(text), None) | (None, Some(text)) => text,
            (None, None) => error.as_str().unwrap_or("no reason given").to_owned(),
        }
    });
    Some(Item { status, error })
}
