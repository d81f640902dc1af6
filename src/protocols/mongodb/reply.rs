// SPDX-License-Identifier: Apache-2.0
//! Replies: OP_REPLY, and OP_MSG with a responseTo (MongoDB Wire Protocol, "Opcodes").
//!
//! A command failed when its reply has `ok: 0`, `writeErrors`, a `writeConcernError`, or `nErrors` (bulkWrite).

use super::Options;
use super::bson::{Document, Span, kind};
use super::exchange::{Extent, MAX_TEXT_BYTES, Message, Reply};
use super::json::Renderer;
use super::message::{Sections, flag};
use super::wire::{Opcode, Reader};

/// Flag bit of OP_REPLY: the cursor of the OP_GET_MORE is not known.
const CURSOR_NOT_FOUND: i32 = 1;
/// JSON of an error is kept up to here.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Reads a reply into `reply`, which is clear.
pub fn read(message: &Message<'_>, options: &Options, renderer: &mut Renderer, reply: &mut Reply) {
    reply.id = message.id;
    reply.response_to = message.response_to;
    reply.requests = Some(message.direction.opposite());
    reply.start_ns = message.start_ns;
    reply.bytes = message.bytes;
    reply.extent = message.extent;
    let understood = match message.opcode {
        Some(Opcode::Reply) => read_old(message, options, renderer, reply),
        Some(Opcode::Msg) => read_msg(message, options, renderer, reply),
        _ => None,
    };
    if understood.is_none() && reply.extent == Extent::Whole {
        reply.extent = Extent::Unreadable;
    }
}

fn read_old(message: &Message<'_>, options: &Options, renderer: &mut Renderer, reply: &mut Reply) -> Option<()> {
    let bytes = message.body;
    let mut reader = Reader::new(bytes);
    let flags = reader.i32()?;
    reply.cursor_id = Some(reader.i64()?);
    reply.starting_from = Some(reader.i32()?);
    let count = reader.i32()?;
    reply.number_returned = Some(i64::from(count));
    let start = reader.position;
    if start < bytes.len() {
        let (first, span) = Document::at(bytes, start, bytes.len());
        if let Some(error) = first.clone().find(b"$err") {
            reply.error = written(reply, |out| renderer.value(bytes, &error, out, MAX_ERROR_BYTES));
        }
        reply.command_error = command_error(bytes, span, renderer, reply);
    }
    if flags & CURSOR_NOT_FOUND != 0 && reply.error.is_empty() {
        reply.error = written(reply, |out| {
            out.extend_from_slice(b"\"CursorNotFound\"");
            false
        });
    }
    let mut shown = Documents::new(options, reply);
    let mut position = start;
    let mut whole = true;
    // The number may claim anything: what is there ends the loop.
    for _ in 0..count.max(0) {
        if position >= bytes.len() {
            whole = false;
            break;
        }
        let (document, span) = Document::at(bytes, position, bytes.len());
        whole &= !document.broken;
        position = (span.end as usize).max(position + 1);
        if shown.is_done() {
            break;
        }
        shown.add(bytes, span, renderer, reply);
    }
    shown.finish(reply);
    whole.then_some(())
}

fn read_msg(message: &Message<'_>, options: &Options, renderer: &mut Renderer, reply: &mut Reply) -> Option<()> {
    let bytes = message.body;
    let sections = Sections::read(bytes, message.extent);
    reply.is_msg = true;
    reply.more_to_come = sections.flags & flag::MORE_TO_COME != 0;
    let mut shown = Documents::new(options, reply);
    if let Some(body) = sections.body {
        reply.command_error = command_error(bytes, body, renderer, reply);
        if let Some(cursor) = Document::new(bytes, body).find(b"cursor").filter(|cursor| cursor.kind == kind::DOCUMENT)
        {
            for element in Document::new(bytes, cursor.value) {
                match element.key.of(bytes) {
                    b"id" => reply.cursor_id = element.integer(bytes),
                    b"firstBatch" | b"nextBatch" if element.kind == kind::ARRAY => {
                        let count = Document::new(bytes, element.value).count();
                        reply.number_returned = Some(i64::try_from(count).unwrap_or(i64::MAX));
                    }
                    _ => {}
                }
            }
        }
        shown.add(bytes, body, renderer, reply);
    }
    for (_, documents) in &sections.sequences {
        let mut position = documents.start as usize;
        while position < documents.end as usize && !shown.is_done() {
            let span = Document::at(bytes, position, documents.end as usize).1;
            position = (span.end as usize).max(position + 1);
            shown.add(bytes, span, renderer, reply);
        }
    }
    shown.finish(reply);
    (!sections.is_broken && sections.body.is_some()).then_some(())
}

/// JSON of what went wrong, when the document is the reply to a command; empty when nothing did.
fn command_error(bytes: &[u8], document: Span, renderer: &mut Renderer, reply: &mut Reply) -> Span {
    let mut failed = false;
    for element in Document::new(bytes, document) {
        match element.key.of(bytes) {
            b"ok" => failed |= element.number(bytes) == Some(0.0),
            b"nErrors" => failed |= element.number(bytes).is_some_and(|count| count > 0.0),
            b"writeErrors" if element.kind == kind::ARRAY && Document::new(bytes, element.value).next().is_some() => {
                return written(reply, |out| renderer.value(bytes, &element, out, MAX_ERROR_BYTES));
            }
            b"writeConcernError" if element.kind == kind::DOCUMENT => {
                return written(reply, |out| renderer.value(bytes, &element, out, MAX_ERROR_BYTES));
            }
            _ => {}
        }
    }
    if !failed {
        return Span::default();
    }
    let says_why = |key: &[u8]| matches!(key, b"code" | b"codeName" | b"errmsg" | b"nErrors");
    let elements = Document::new(bytes, document).filter(|element| says_why(element.key.of(bytes)));
    written(reply, |out| renderer.object(bytes, elements, out, MAX_ERROR_BYTES))
}

fn written(reply: &mut Reply, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Span {
    let start = reply.text.len();
    write(&mut reply.text);
    Span::new(start, reply.text.len())
}

/// Writes `response`: documents a line each, up to `max_docs`, each up to `max_doc_length`.
struct Documents {
    is_wanted: bool,
    max_docs: usize,
    max_doc_bytes: usize,
    start: usize,
    count: usize,
    is_done: bool,
}

impl Documents {
    fn new(options: &Options, reply: &Reply) -> Documents {
        Documents {
            is_wanted: options.common.send_response,
            max_docs: options.max_docs.unwrap_or(usize::MAX),
            max_doc_bytes: options.max_doc_length.unwrap_or(usize::MAX),
            start: reply.text.len(),
            count: 0,
            is_done: !options.common.send_response,
        }
    }

    /// Nothing more is shown.
    fn is_done(&self) -> bool {
        self.is_done
    }

    fn add(&mut self, bytes: &[u8], document: Span, renderer: &mut Renderer, reply: &mut Reply) {
        if self.is_done {
            return;
        }
        // Everything that comes before this text was written before it began.
        if self.count == 0 {
            self.start = reply.text.len();
        } else {
            reply.text.push(b'\n');
        }
        self.count += 1;
        if self.count > self.max_docs {
            reply.text.extend_from_slice(b"[...]");
            self.is_done = true;
            return;
        }
        let room = (self.start + MAX_TEXT_BYTES).saturating_sub(reply.text.len());
        if renderer.document(bytes, document, &mut reply.text, self.max_doc_bytes.min(room)) {
            reply.text.extend_from_slice(b" ...");
            self.is_done = room < self.max_doc_bytes;
        }
    }

    fn finish(self, reply: &mut Reply) {
        if self.is_wanted && self.count > 0 {
            reply.documents = Some(Span::new(self.start, reply.text.len()));
        }
    }
}
