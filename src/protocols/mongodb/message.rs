// SPDX-License-Identifier: Apache-2.0
//! Requests: OP_MSG and the operations before it (MongoDB Wire Protocol, "Opcodes").
//!
//! `query` leaves the bulk of the data out and `request` shows all of it, as in Packetbeat. The documents of an OP_MSG's
//! document sequences are shown where the server puts them: in the command, as a list under their identifier.

use super::bson::{Document, Element, Span, kind};
use super::commands::{self, Names};
use super::exchange::{Extent, MAX_TEXT_BYTES, Message, Request};
use super::json::Renderer;
use super::wire::{Opcode, Reader};
use super::{OpMsgNames, Options};

/// Document sequences of one OP_MSG that are looked at; the server knows of commands with two.
const MAX_SEQUENCES: usize = 8;
/// The longest wait that a request may ask for and is still believed.
const MAX_PATIENCE_MS: i64 = 600_000;

/// Flag bits of OP_MSG.
pub mod flag {
    pub const CHECKSUM_PRESENT: u32 = 1;
    pub const MORE_TO_COME: u32 = 2;
}

/// The sections of an OP_MSG.
#[derive(Default)]
pub struct Sections {
    pub flags: u32,
    pub body: Option<Span>,
    /// Identifier and documents.
    pub sequences: arrayvec::ArrayVec<(Span, Span), MAX_SEQUENCES>,
    /// The first section was a document sequence.
    pub sequence_first: bool,
    pub is_broken: bool,
}

impl Sections {
    pub fn read(bytes: &[u8], extent: Extent) -> Sections {
        let mut sections = Sections::default();
        let mut reader = Reader::new(bytes);
        let Some(flags) = reader.i32() else {
            sections.is_broken = true;
            return sections;
        };
        sections.flags = flags as u32;
        let checksum = if sections.flags & flag::CHECKSUM_PRESENT != 0 && extent == Extent::Whole { 4 } else { 0 };
        let end = bytes.len().saturating_sub(checksum);
        let mut first = true;
        while reader.position < end {
            let kind = reader.u8();
            let start = reader.position;
            match kind {
                Some(0) => {
                    let (document, span) = Document::at(bytes, start, end);
                    sections.is_broken |= document.broken;
                    sections.body.get_or_insert(span);
                    reader.position = (span.end as usize).max(start);
                    if document.broken {
                        break;
                    }
                }
                Some(1) => {
                    let size = reader.i32().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
                    let wanted_end = start.saturating_add(size);
                    let section_end = wanted_end.min(end);
                    let name_start = reader.position;
                    let Some(name) = reader.c_string().filter(|_| reader.position <= section_end) else {
                        sections.is_broken = true;
                        break;
                    };
                    sections.is_broken |= section_end < wanted_end;
                    sections.sequence_first |= first;
                    let name = Span::new(name_start, name_start + name.len());
                    // More than the bound are passed over.
                    let _ = sections.sequences.try_push((name, Span::new(reader.position, section_end)));
                    reader.position = section_end;
                }
                // A token that servers add for each other.
                Some(2) => {
                    let size = reader.i32().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
                    reader.position = start.saturating_add(size.max(4)).min(end);
                }
                _ => {
                    sections.is_broken = true;
                    break;
                }
            }
            first = false;
        }
        sections
    }

    /// Elements of the body, then the sequences as if they were elements.
    fn elements<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Element> + 'a {
        let body = self.body.map(|span| Document::new(bytes, span)).into_iter().flatten();
        let sequences = self.sequences.iter().map(|(key, documents)| Element {
            kind: kind::SEQUENCE,
            key: *key,
            value: *documents,
        });
        body.chain(sequences)
    }
}

/// Reads a message that is no reply into `request`, which is clear.
pub fn read(message: &Message<'_>, options: &Options, renderer: &mut Renderer, request: &mut Request) {
    request.id = message.id;
    request.direction = message.direction;
    request.start_ns = message.start_ns;
    request.bytes = message.bytes;
    request.extent = message.extent;
    let mut parser = RequestReader { message, options, renderer, request };
    let understood = match message.opcode {
        Some(Opcode::Msg) => parser.msg(),
        Some(Opcode::Query) => parser.query(),
        Some(Opcode::Update) => parser.update(),
        Some(Opcode::Insert) => parser.insert(),
        Some(Opcode::GetMore) => parser.get_more(),
        Some(Opcode::Delete) => parser.delete(),
        Some(Opcode::KillCursors) => parser.kill_cursors(),
        Some(Opcode::LegacyMessage) => parser.legacy_message(),
        Some(Opcode::Reply | Opcode::Compressed) => None,
        None => {
            // What can be in an OP_COMPRESSED of a client that is worth compressing awaits a reply.
            parser.request.awaits_reply = true;
            parser.request.is_command = true;
            parser.named(b"msg");
            None
        }
    };
    if understood.is_none() && request.extent == Extent::Whole {
        request.extent = Extent::Unreadable;
    }
}

struct RequestReader<'a> {
    message: &'a Message<'a>,
    options: &'a Options,
    renderer: &'a mut Renderer,
    request: &'a mut Request,
}

impl<'a> RequestReader<'a> {
    fn msg(&mut self) -> Option<()> {
        let bytes = self.message.body;
        let sections = Sections::read(bytes, self.message.extent);
        self.request.awaits_reply = sections.flags & flag::MORE_TO_COME == 0;
        self.request.is_command = true;
        if let Some((name, _)) = sections.sequences.first() {
            let name = self.request.store(name.of(bytes));
            self.request.message = Some(name);
        }
        if self.options.op_msg_names == OpMsgNames::Packetbeat {
            self.msg_as_packetbeat(&sections);
        } else {
            self.command(&sections);
        }
        let body = sections.body.map(|span| Document::new(bytes, span));
        let wait = |key: &[u8]| body.clone()?.find(key)?.integer(bytes);
        let wait_ms = wait(b"maxAwaitTimeMS").or_else(|| wait(b"maxTimeMS")).unwrap_or_default();
        self.request.patience_ns = wait_ms.clamp(0, MAX_PATIENCE_MS) * 1_000_000;
        (!sections.is_broken && sections.body.is_some()).then_some(())
    }

    /// The command is the first key; its value, or `collection`, names the collection, and `$db` the database.
    fn command(&mut self, sections: &Sections) {
        let bytes = self.message.body;
        let Some(body) = sections.body.map(|span| Document::new(bytes, span)) else {
            self.named(b"msg");
            return;
        };
        let mut elements = body.clone();
        let Some(command) = elements.next() else {
            self.named(b"msg");
            return;
        };
        let name = command.key.of(bytes);
        let text_in = |document: Document<'a>| document.into_iter().next()?.text(bytes);
        let mut database = body.clone().find(b"$db").and_then(|element| element.text(bytes)).unwrap_or_default();
        let mut is_shown = command.number(bytes) == Some(1.0);
        let mut collection: &[u8] = match command.kind {
            kind::DOCUMENT if name == b"explain" => text_in(Document::new(bytes, command.value)),
            _ => body.find(b"collection").and_then(|element| element.text(bytes)),
        }
        .unwrap_or_default();
        if let Some(value) = command.text(bytes) {
            let names = commands::named_by(name);
            match names {
                Names::Collection => collection = value,
                Names::Namespace => {
                    let point = memchr::memchr(b'.', value).unwrap_or(value.len());
                    database = value.get(..point).unwrap_or_default();
                    collection = value.get(point + 1..).unwrap_or_default();
                }
                Names::Other => collection = b"",
            }
            is_shown = names != Names::Other;
        }
        if name == b"getMore" {
            self.request.cursor_id = command.integer(bytes);
        }
        self.request.database = self.request.store(database);
        self.request.collection = self.request.store(collection);
        let shown_collection: &[u8] = if collection.is_empty() { b"$cmd" } else { collection };
        let start = self.request.text.len();
        for part in [database, b".", shown_collection] {
            self.request.store(part);
        }
        self.request.resource = Span::new(start, self.request.text.len());
        let hidden = |element: &Element| {
            let key = element.key.of(bytes);
            key == name && is_shown || matches!(key, b"$db" | b"lsid")
        };
        let is_bulk = |element: &Element| match element.key.of(bytes) {
            b"documents" => true,
            b"updates" => name == b"update",
            b"ops" => name == b"bulkWrite",
            b"update" => name.eq_ignore_ascii_case(b"findAndModify"),
            _ => false,
        };
        self.request.method = self.request.store(name);
        self.call(|renderer, out| {
            let elements = sections.elements(bytes).filter(|element| !hidden(element) && !is_bulk(element));
            renderer.object(bytes, elements, out, MAX_TEXT_BYTES)
        });
        self.full_call(|renderer, out| {
            renderer.object(bytes, sections.elements(bytes).filter(|element| !hidden(element)), out, MAX_TEXT_BYTES)
        });
    }

    /// Packetbeat reads the first section, and shows a document of it.
    fn msg_as_packetbeat(&mut self, sections: &Sections) {
        let bytes = self.message.body;
        self.request.is_plain_msg = true;
        let document = if sections.sequence_first {
            sections
                .sequences
                .first()
                .map(|(_, documents)| Document::at(bytes, documents.start as usize, documents.end as usize).1)
        } else {
            self.request.message = None;
            sections.body
        };
        self.request.method = self.request.store(b"msg");
        let elements = || document.map(|span| Document::new(bytes, span)).into_iter().flatten();
        self.call(|renderer, out| {
            let shown = elements().filter(|element| !matches!(element.key.of(bytes), b"lsid" | b"documents"));
            renderer.object(bytes, shown, out, MAX_TEXT_BYTES)
        });
        self.full_call(|renderer, out| {
            renderer.object(bytes, elements().filter(|element| element.key.of(bytes) != b"lsid"), out, MAX_TEXT_BYTES)
        });
    }

    fn query(&mut self) -> Option<()> {
        self.request.awaits_reply = true;
        let bytes = self.message.body;
        let mut reader = Reader::at(bytes, 4);
        let name = reader.c_string()?;
        self.request.full_collection_name = Some(self.request.store(name));
        let is_command = name.ends_with(b".$cmd");
        self.request.is_command = is_command;
        self.request.number_to_skip = reader.i32();
        self.request.number_to_return = reader.i32();
        let (document, span) = Document::at(bytes, reader.position, bytes.len());
        let broken = document.broken;
        let next = span.end as usize;
        if !broken && next < bytes.len() {
            let selector = Document::at(bytes, next, bytes.len()).1;
            self.request.return_fields_selector = Some(self.document(selector));
        }
        if is_command {
            self.query_command(name, document);
        } else {
            self.request.resource = self.request.store(name);
            self.request.method = self.request.store(b"find");
            self.call(null);
            self.full_call(|renderer, out| renderer.object(bytes, document.clone(), out, MAX_TEXT_BYTES));
        }
        (!broken).then_some(())
    }

    /// A command of the time before OP_MSG; the document may lie in a `$query` beside options.
    fn query_command(&mut self, name: &[u8], document: Document<'a>) {
        let bytes = self.message.body;
        let mut document = document;
        if let Some(first) = document.clone().next()
            && first.kind == kind::DOCUMENT
            && matches!(first.key.of(bytes), b"$query" | b"query")
        {
            document = Document::new(bytes, first.value);
        }
        let command = document.clone().next();
        let method = command.map_or(&b"otherCommand"[..], |command| command.key.of(bytes));
        let collection = command.and_then(|command| command.text(bytes));
        let prefix = name.get(..name.len().saturating_sub(4)).unwrap_or_default();
        let start = self.request.text.len();
        self.request.store(prefix);
        self.request.store(collection.unwrap_or(b"$cmd"));
        self.request.resource = Span::new(start, self.request.text.len());
        self.request.method = self.request.store(method);
        // Packetbeat shows the parameters of those commands only that may carry data, without it.
        let data: Option<&[u8]> = match method {
            b"insert" => Some(b"documents"),
            b"update" => Some(b"updates"),
            b"findandmodify" => Some(b"update"),
            _ => None,
        };
        let is_shown = collection.is_some() || command.is_some_and(|command| command.number(bytes) == Some(1.0));
        let parameters = || document.clone().filter(|element| !is_shown || element.key.of(bytes) != method);
        self.call(|renderer, out| match data {
            Some(data) => {
                let shown = parameters().filter(|element| element.key.of(bytes) != data);
                renderer.object(bytes, shown, out, MAX_TEXT_BYTES)
            }
            None => null(renderer, out),
        });
        self.full_call(|renderer, out| renderer.object(bytes, parameters(), out, MAX_TEXT_BYTES));
    }

    fn update(&mut self) -> Option<()> {
        let bytes = self.message.body;
        let name = self.old_operation(b"update")?;
        let start = 4 + name.len() + 1 + 4;
        let (selector, selector_span) = Document::at(bytes, start, bytes.len());
        let (update, update_span) = Document::at(bytes, selector_span.end as usize, bytes.len());
        let broken = selector.broken || update.broken;
        self.request.selector = Some(self.document(selector_span));
        self.request.update = Some(self.document(update_span));
        self.full_call(|renderer, out| {
            renderer.document(bytes, selector_span, out, MAX_TEXT_BYTES);
            out.push(b',');
            renderer.document(bytes, update_span, out, MAX_TEXT_BYTES)
        });
        (!broken).then_some(())
    }

    fn insert(&mut self) -> Option<()> {
        let bytes = self.message.body;
        let name = self.old_operation(b"insert")?;
        let documents = Span::new((4 + name.len() + 1).min(bytes.len()), bytes.len());
        self.full_call(|renderer, out| renderer.sequence(bytes, documents, out, MAX_TEXT_BYTES));
        Some(())
    }

    fn delete(&mut self) -> Option<()> {
        let bytes = self.message.body;
        let name = self.old_operation(b"delete")?;
        let (selector, span) = Document::at(bytes, 4 + name.len() + 1 + 4, bytes.len());
        let broken = selector.broken;
        self.request.selector = Some(self.document(span));
        self.full_call(|renderer, out| renderer.document(bytes, span, out, MAX_TEXT_BYTES));
        (!broken).then_some(())
    }

    fn get_more(&mut self) -> Option<()> {
        self.request.awaits_reply = true;
        let name = self.old_operation(b"getMore")?;
        let mut reader = Reader::at(self.message.body, 4 + name.len() + 1);
        self.request.number_to_return = reader.i32();
        self.request.cursor_id = reader.i64();
        self.nothing_more();
        self.request.cursor_id.map(|_| ())
    }

    fn kill_cursors(&mut self) -> Option<()> {
        self.named(b"killCursors");
        let mut reader = Reader::at(self.message.body, 4);
        let count = usize::try_from(reader.i32()?).ok()?;
        if count == 1 {
            self.request.cursor_id = reader.i64();
        }
        (count.checked_mul(8)? <= self.message.body.len().saturating_sub(8)).then_some(())
    }

    fn legacy_message(&mut self) -> Option<()> {
        self.named(b"msg");
        let text = Reader::new(self.message.body).c_string()?;
        self.request.message = Some(self.request.store(text));
        Some(())
    }

    /// The beginning that OP_UPDATE, OP_INSERT, OP_DELETE and OP_GET_MORE share: four bytes, the collection.
    fn old_operation(&mut self, method: &[u8]) -> Option<&'a [u8]> {
        let name = Reader::at(self.message.body, 4).c_string();
        self.request.full_collection_name = name.map(|name| self.request.store(name));
        self.request.resource = self.request.store(name.unwrap_or_default());
        self.request.method = self.request.store(method);
        self.call(null);
        name
    }

    /// A request of which nothing but its name is known.
    fn named(&mut self, method: &[u8]) {
        self.request.method = self.request.store(method);
        self.call(null);
        self.nothing_more();
    }

    fn nothing_more(&mut self) {
        self.full_call(null);
    }

    /// `query`: resource, method and what `arguments` writes.
    fn call(&mut self, arguments: impl FnOnce(&mut Renderer, &mut Vec<u8>) -> bool) {
        self.request.query = self.written(arguments);
    }

    /// `request`, when it is wanted.
    fn full_call(&mut self, arguments: impl FnOnce(&mut Renderer, &mut Vec<u8>) -> bool) {
        if self.options.common.send_request {
            self.request.request = self.written(arguments);
        }
    }

    fn written(&mut self, arguments: impl FnOnce(&mut Renderer, &mut Vec<u8>) -> bool) -> Span {
        let text = &mut self.request.text;
        let start = text.len();
        for (span, end) in [(self.request.resource, b'.'), (self.request.method, b'(')] {
            text.extend_from_within(span.start as usize..span.end as usize);
            text.push(end);
        }
        if arguments(self.renderer, text) && self.request.extent == Extent::Whole {
            self.request.extent = Extent::Cut;
        }
        text.push(b')');
        Span::new(start, text.len())
    }

    fn document(&mut self, span: Span) -> Span {
        let start = self.request.text.len();
        self.renderer.document(self.message.body, span, &mut self.request.text, MAX_TEXT_BYTES);
        Span::new(start, self.request.text.len())
    }
}

/// No arguments, as Packetbeat writes them.
fn null(_: &mut Renderer, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(b"null");
    false
}
