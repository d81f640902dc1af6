// SPDX-License-Identifier: Apache-2.0
//! A batch as a pipeline of commands: neighbours of one list go in one `RPUSH`, which Redis takes or refuses as a whole;
//! every published event is a command of its own.

use std::io::Write as _;

use super::config::{DataType, KeyName, RedisOptions};
use crate::event::chunk::{EncodedEvent, Slice};
use crate::outputs::batch::Batch;
use crate::outputs::pretty::{self, Layout};

/// Appends a command of these words.
pub fn write_command(words: &[&[u8]], out: &mut Vec<u8>) {
    write_head(words.len(), out);
    words.iter().for_each(|word| write_word(word, out));
}

/// Appends the batch's commands to `out`, and to `groups` the events of each command. Events without a key go into `keyless`.
pub fn write_batch(
    batch: &Batch,
    options: &RedisOptions,
    out: &mut Vec<u8>,
    groups: &mut Vec<Slice>,
    keyless: &mut Vec<Slice>,
) {
    let RedisOptions { data_type, key, layout, .. } = options;
    let mut dated = Dated::default();
    let mut indented = Vec::new();
    for slice in &batch.slices {
        let mut rest = slice.clone();
        while let Some(first) = rest.events().first() {
            let alike = match data_type {
                DataType::List => {
                    rest.events().iter().take_while(|event| have_one_key(&rest, first, event, key)).count()
                }
                DataType::Channel => 1,
            };
            let mut group = rest.clone();
            let group = group.split_first(alike);
            match dated.key_of(&group, first, key) {
                Some(name) => {
                    write_head(2 + alike, out);
                    write_word(data_type.command(), out);
                    write_word(name, out);
                    for event in group.events() {
                        let body = group.bytes(event.body);
                        match layout {
                            Layout::Lines => write_word(body, out),
                            Layout::Pretty => {
                                indented.clear();
                                pretty::indent(body, &mut indented);
                                write_word(&indented, out);
                            }
                        }
                    }
                    groups.push(group);
                }
                None => keyless.push(group),
            }
            rest.split_first(alike);
        }
    }
}

fn have_one_key(slice: &Slice, a: &EncodedEvent, b: &EncodedEvent, key: &KeyName) -> bool {
    let own = slice.bytes(a.destination);
    let is_dated = matches!(key, KeyName::Dated(_)) && own.is_empty();
    own == slice.bytes(b.destination) && (!is_dated || second(a.time_ns) == second(b.time_ns))
}

fn second(time_ns: i64) -> i64 {
    time_ns.div_euclid(1_000_000_000)
}

fn write_head(words: usize, out: &mut Vec<u8>) {
    write!(out, "*{words}\r\n").expect("vectors grow");
}

fn write_word(word: &[u8], out: &mut Vec<u8>) {
    write!(out, "${}\r\n", word.len()).expect("vectors grow");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// Evaluates a key that depends on the time, once a second of events.
#[derive(Default)]
struct Dated {
    second: Option<i64>,
    name: String,
}

impl Dated {
    fn key_of<'a>(&'a mut self, slice: &'a Slice, event: &EncodedEvent, key: &'a KeyName) -> Option<&'a [u8]> {
        let own = slice.bytes(event.destination);
        let name = match key {
            _ if !own.is_empty() => own,
            KeyName::Constant(name) => name.as_bytes(),
            KeyName::Dated(_) => self.at(key, event.time_ns),
            KeyName::None => &[],
        };
        Some(name).filter(|name| !name.is_empty())
    }

    fn at(&mut self, key: &KeyName, time_ns: i64) -> &[u8] {
        let second = second(time_ns);
        if self.second != Some(second) {
            self.second = Some(second);
            // A time before the year -9999 has no name, and its event no key.
            self.name = key.at(time_ns).unwrap_or_default();
        }
        self.name.as_bytes()
    }
}
