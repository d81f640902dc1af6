// SPDX-License-Identifier: Apache-2.0
//! A map that outlives its event, and is copied into later ones: what costs much to find out and often repeats.

use super::value::{Content, EntryWriter, ListWriter, MapWriter, Value};
use super::{Event, Field};

/// A map with memory of its own.
#[derive(Default)]
pub struct Kept {
    content: Content,
}

impl Kept {
    /// A map of the entries that `fill` adds.
    pub fn map(fill: impl FnOnce(&mut MapWriter<'_>)) -> Kept {
        let mut content = Content::default();
        content.map(fill);
        Kept { content }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.content.text.capacity() + self.content.tape.capacity() * size_of::<Value>()
    }
}

impl Event {
    /// Sets a copy of a map.
    pub fn kept(&mut self, field: Field, kept: &Kept) {
        let value = self.content.copied(kept);
        self.set(field, value);
    }
}

impl ListWriter<'_> {
    /// Adds a copy of a map.
    pub fn kept(&mut self, kept: &Kept) {
        let place = self.content.tape.len();
        self.content.tape.push(Value::Null);
        let value = self.content.copied(kept);
        self.content.tape[place] = value;
    }
}

impl EntryWriter<'_> {
    /// A copy of a map.
    pub fn kept(self, kept: &Kept) {
        ListWriter { content: self.content }.kept(kept);
    }
}

impl Content {
    /// A copy of a map at the end of the tape.
    fn copied(&mut self, kept: &Kept) -> Value {
        let (text, tape) = (self.text.len() as u32, self.tape.len() as u32);
        self.text.extend_from_slice(&kept.content.text);
        self.tape.extend(kept.content.tape.iter().map(|value| match *value {
            Value::Text { start, length } => Value::Text { start: start + text, length },
            Value::Json { start, length } => Value::Json { start: start + text, length },
            Value::List { start, end } => Value::List { start: start + tape, end: end + tape },
            Value::Map { start, end } => Value::Map { start: start + tape, end: end + tape },
            other => other,
        }));
        Value::Map { start: tape, end: self.tape.len() as u32 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::json::{Encoder, Metadata, Precision};
    use super::super::{Schema, field};
    use super::*;

    #[test]
    fn a_copy_is_as_if_written() {
        let fill = |map: &mut MapWriter<'_>| {
            map.text("a", "one");
            map.list("b", |list| {
                list.map(|map| map.text("c", "two"));
                list.list(|_| {});
                list.constant("three");
            });
            map.map("d", |map| map.unsigned("e", 4));
            map.key("f").value(Value::Null);
        };
        let kept = Kept::map(fill);
        let encoded = |fill: &dyn Fn(&mut Event)| {
            let mut event = Event::new(Arc::new(Schema::new([])));
            event.text(field::METHOD, "before");
            event.list(field::TAGS, |list| list.text("before"));
            fill(&mut event);
            let mut out = Vec::new();
            Encoder::new(Precision::Millisecond, Metadata::LeftOut).write_event(&event, &mut out);
            String::from_utf8(out).expect("JSON is UTF-8")
        };
        let written = encoded(&|event| {
            event.map(field::TLS_SERVER_X509, fill);
            event.list(field::TLS_DETAILED_SERVER_CERTIFICATE_CHAIN, |list| {
                list.map(fill);
                list.map(|map| map.map("inside", fill));
                list.text("after");
            });
        });
        let copied = encoded(&|event| {
            event.kept(field::TLS_SERVER_X509, &kept);
            event.list(field::TLS_DETAILED_SERVER_CERTIFICATE_CHAIN, |list| {
                list.kept(&kept);
                list.map(|map| map.constant_key("inside").kept(&kept));
                list.text("after");
            });
        });
        assert_eq!(copied, written);
        assert!(written.contains(r#""c":"two""#), "{written}");
    }
}
