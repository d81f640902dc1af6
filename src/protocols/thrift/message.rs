// SPDX-License-Identifier: Apache-2.0
//! Walks through the value of one message as its bytes come, and writes what is shown of it.
//!
//! Nothing is read twice: containers under way lie on a stack, of a string only what is shown is kept, and what is not shown
//! is stepped over.

use super::header::{Header, MessageType};
use super::idl::Method;
use super::render;
use super::wire::{Failure, FieldHeader, Kind, Protocol};
use super::{Options, Replies, Strings, Values};
use crate::protocols::text::{Text, hexadecimal};

/// Bytes of a text after which no further element is begun.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Containers within each other, as in Thrift's own limit.
const MAX_DEPTH: usize = 64;

/// How much of a message was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    #[default]
    Whole,
    /// Bytes were lost in the capture.
    Lost,
    /// The connection ended inside it.
    Ended,
    /// Its bytes make no sense from some place on.
    Unreadable,
}

/// A message: what its event says.
#[derive(Default)]
pub struct Message {
    pub kind: MessageType,
    pub sequence: i32,
    pub name: Text,
    pub start_ns: i64,
    /// Bytes on the wire, without the length of a frame.
    pub bytes: u64,
    /// Parameters of a call, what a reply returns.
    pub value: Text,
    pub exceptions: Text,
    pub has_exception: bool,
    pub extent: Extent,
    /// A structure has more fields than are accepted.
    pub is_dropped: bool,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// [`MessageReader::message`] is complete.
    Message,
    /// So many bytes are needed from where reading stopped.
    Need(usize),
    Invalid,
}

/// Reads the messages of one direction.
#[derive(Default)]
pub struct MessageReader {
    pub message: Message,
    protocol: Protocol,
    is_inside: bool,
    /// Containers under way, the innermost last.
    levels: Vec<Level>,
    /// The type of the value that comes next, unless the innermost container says what comes.
    awaited: Option<Kind>,
    string: Option<StringLeft>,
    /// What is shown of the string under way.
    kept: Text,
    /// Bytes of values that are not shown.
    skip_bytes: u64,
    /// What is read belongs to the exceptions of a reply.
    in_exceptions: bool,
}

#[derive(Clone, Copy)]
struct Level {
    shape: Shape,
    /// Its brackets are shown.
    is_open: bool,
    /// Nothing further is shown of it.
    is_full: bool,
    /// The element under way is shown.
    shows_item: bool,
    /// Elements shown.
    shown: usize,
}

#[derive(Clone, Copy)]
enum Shape {
    Struct { last_id: i16, fields: usize },
    Elements { kind: Kind, left: u32, close: u8 },
    Entries { key: Kind, value: Kind, left: u32, at_value: bool },
}

#[derive(Clone, Copy)]
struct StringLeft {
    bytes: u64,
    room: usize,
    is_cut: bool,
}

impl MessageReader {
    /// Whether a message is under way.
    pub fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// A message begins.
    pub fn begin(&mut self, options: &Options, header: &Header<'_>, start_ns: i64) {
        self.clear();
        self.is_inside = true;
        self.protocol = header.protocol;
        let message = &mut self.message;
        message.kind = header.kind;
        message.sequence = header.sequence;
        message.name.extend_from_slice(header.name);
        message.start_ns = start_ns;
        message.has_exception = header.kind == MessageType::Exception;
        let is_call = header.kind.is_call();
        if is_call {
            message.value.push(b'(');
        }
        self.levels.push(Level {
            shape: Shape::Struct { last_id: 0, fields: 0 },
            is_open: is_call || options.replies == Replies::Shown,
            is_full: false,
            shows_item: false,
            shown: 0,
        });
    }

    /// Reads on from `position` and moves it. `method` names the parameters and exceptions.
    pub fn next(&mut self, options: &Options, method: Option<&Method>, bytes: &[u8], position: &mut usize) -> Found {
        loop {
            let rest = bytes.get(*position..).unwrap_or_default();
            if self.skip_bytes > 0 {
                let there = self.skip_bytes.min(rest.len() as u64);
                self.skip_bytes -= there;
                *position += there as usize;
                if self.skip_bytes > 0 {
                    return Found::Need(1);
                }
                continue;
            }
            let step = match (self.string, self.awaited) {
                (Some(string), _) => {
                    if rest.is_empty() && string.bytes > 0 {
                        return Found::Need(1);
                    }
                    Ok(self.string_goes_on(options, string, rest))
                }
                (None, Some(kind)) => self.value(options, kind, rest),
                (None, None) if self.levels.is_empty() => {
                    self.is_inside = false;
                    return Found::Message;
                }
                (None, None) => self.element(options, method, rest),
            };
            match step {
                Ok(taken) => *position += taken,
                Err(Failure::Needs(more)) => return Found::Need(more),
                Err(Failure::Invalid) => return Found::Invalid,
            }
        }
    }

    /// Steps over bytes that are missing, when they lie inside a string or among what is not shown.
    pub fn bridge(&mut self, missing_bytes: u64) -> bool {
        if self.skip_bytes >= missing_bytes {
            self.skip_bytes -= missing_bytes;
        } else if let Some(string) = self.string.as_mut().filter(|string| string.bytes >= missing_bytes) {
            *string = StringLeft { bytes: string.bytes - missing_bytes, room: 0, is_cut: true };
        } else {
            return false;
        }
        self.message.extent = Extent::Lost;
        true
    }

    /// Ends the message under way where it is.
    pub fn abandon(&mut self, options: &Options, extent: Extent) {
        let mut dots: &[u8] = b"...";
        if self.string.take().is_some() {
            self.write_kept(options, true);
        }
        if self.awaited.is_none() && self.levels.last().is_some_and(|level| level.shown > 0) {
            dots = b", ...";
        }
        while let Some(level) = self.levels.last().copied() {
            if level.is_open {
                // What a reply returns stands in no brackets.
                let has_brackets = self.levels.len() > 1 || self.message.kind.is_call() || self.in_exceptions;
                if !level.is_full && has_brackets {
                    self.out().extend_from_slice(dots);
                }
                dots = b"";
            }
            self.close(level);
        }
        self.awaited = None;
        self.skip_bytes = 0;
        self.is_inside = false;
        self.message.extent = extent;
    }

    /// As new.
    pub fn clear(&mut self) {
        self.message = Message::default();
        self.is_inside = false;
        self.levels.clear();
        self.awaited = None;
        self.string = None;
        self.kept.clear();
        self.skip_bytes = 0;
        self.in_exceptions = false;
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let Message { name, value, exceptions, .. } = &self.message;
        [name, value, exceptions, &self.kept].into_iter().map(Text::capacity).sum()
    }

    /// What the innermost container has next.
    fn element(&mut self, options: &Options, method: Option<&Method>, rest: &[u8]) -> Result<usize, Failure> {
        let Some(level) = self.levels.last_mut() else { return Err(Failure::Invalid) };
        match &mut level.shape {
            Shape::Struct { last_id, fields } => {
                let (header, taken) = self.protocol.field(rest, *last_id)?;
                match header {
                    FieldHeader::Stop => {
                        let level = *level;
                        self.close(level);
                    }
                    FieldHeader::Field { id, kind, flag } => {
                        *last_id = id;
                        *fields += 1;
                        let fields = *fields;
                        self.field(options, method, id, fields);
                        match flag {
                            Some(flag) => self.boolean(flag),
                            None => self.awaited = Some(kind),
                        }
                    }
                }
                Ok(taken)
            }
            Shape::Elements { left: 0, .. } | Shape::Entries { left: 0, .. } => {
                let level = *level;
                self.close(level);
                Ok(0)
            }
            Shape::Elements { kind, left, .. } => {
                let kind = *kind;
                if let Some(bytes) = kind.fixed_bytes(self.protocol).filter(|_| level.is_full || !level.is_open) {
                    self.skip_bytes = bytes * u64::from(std::mem::take(left));
                    return Ok(0);
                }
                *left -= 1;
                self.awaited = Some(kind);
                self.item(options);
                Ok(0)
            }
            Shape::Entries { value, left, at_value: at_value @ true, .. } => {
                *at_value = false;
                *left -= 1;
                self.awaited = Some(*value);
                if level.shows_item {
                    self.out().extend_from_slice(b": ");
                }
                Ok(0)
            }
            Shape::Entries { key, value, left, at_value } => {
                let fixed = key.fixed_bytes(self.protocol).zip(value.fixed_bytes(self.protocol));
                if let Some((key, value)) = fixed.filter(|_| level.is_full || !level.is_open) {
                    self.skip_bytes = (key + value) * u64::from(std::mem::take(left));
                    return Ok(0);
                }
                *at_value = true;
                self.awaited = Some(*key);
                self.item(options);
                Ok(0)
            }
        }
    }

    /// A field's name, where it is shown.
    fn field(&mut self, options: &Options, method: Option<&Method>, id: i16, fields: usize) {
        if self.levels.len() > 1 {
            self.message.is_dropped |= fields >= options.drop_after_n_struct_fields;
            if self.item(options) {
                let out = self.out();
                out.number(id);
                out.extend_from_slice(b": ");
            }
            return;
        }
        let kind = self.message.kind;
        if kind == MessageType::Reply && id == 0 {
            // The value that is returned has no name.
            self.in_exceptions = false;
            let is_first = self.message.value.is_empty();
            if let Some(level) = self.levels.last_mut() {
                level.shows_item = level.is_open && is_first;
            }
            return;
        }
        if !kind.is_call() {
            let is_open = self.levels.last().is_some_and(|level| level.is_open);
            self.message.has_exception |= is_open;
            self.in_exceptions = true;
            if is_open && self.message.exceptions.is_empty() {
                self.message.exceptions.push(b'(');
            }
        }
        if !self.item(options) {
            return;
        }
        let name = match kind {
            // What every method may be answered with is not in its IDL.
            MessageType::Exception => None,
            MessageType::Reply => method.and_then(|method| method.exception(id)),
            MessageType::Call | MessageType::Oneway => method.and_then(|method| method.parameter(id)),
        };
        let out = self.out();
        match name {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => out.number(id),
        }
        out.extend_from_slice(b": ");
    }

    /// Begins an element of the innermost container. Answers whether it is shown.
    fn item(&mut self, options: &Options) -> bool {
        let is_long = self.out().len() > MAX_TEXT_BYTES;
        let Some(level) = self.levels.last_mut() else { return false };
        if !level.is_open || level.is_full {
            level.shows_item = false;
            return false;
        }
        let is_first = level.shown == 0;
        level.is_full = is_long || level.shown >= options.collection_max_size;
        level.shows_item = !level.is_full;
        level.shown += usize::from(!level.is_full);
        let shows_item = level.shows_item;
        let out = self.out();
        if !is_first {
            out.extend_from_slice(b", ");
        }
        if !shows_item {
            out.extend_from_slice(b"...");
        }
        shows_item
    }

    /// The value that is awaited: a container begins, a string begins, or a number.
    fn value(&mut self, options: &Options, kind: Kind, rest: &[u8]) -> Result<usize, Failure> {
        let protocol = self.protocol;
        let unsigned = options.values == Values::Packetbeat;
        let taken = match kind {
            Kind::Bool => {
                let (value, taken) = protocol.boolean(rest)?;
                self.boolean(value);
                taken
            }
            Kind::I8 => {
                let [byte] = super::wire::array(rest)?;
                self.integer(i64::from(byte as i8), unsigned.then_some(0xff));
                1
            }
            Kind::I16 => {
                let (value, taken) = protocol.i16(rest)?;
                self.integer(i64::from(value), unsigned.then_some(0xffff));
                taken
            }
            Kind::I32 => {
                let (value, taken) = protocol.i32(rest)?;
                self.integer(i64::from(value), unsigned.then_some(0xffff_ffff));
                taken
            }
            Kind::I64 => {
                let (value, taken) = protocol.i64(rest)?;
                self.integer(value, None);
                taken
            }
            Kind::Double => {
                let (value, taken) = protocol.double(rest)?;
                self.scalar(|out| render::double(out, value));
                taken
            }
            Kind::Uuid => {
                let bytes = super::wire::array::<16>(rest)?;
                self.scalar(|out| render::uuid(out, &bytes));
                16
            }
            Kind::String => {
                let (length, taken) = protocol.length(rest)?;
                self.string_begins(options, length);
                taken
            }
            Kind::Struct => {
                self.open(b"(", Shape::Struct { last_id: 0, fields: 0 })?;
                0
            }
            Kind::List | Kind::Set => {
                let ((element, count), taken) = protocol.elements(rest)?;
                let [open, close] = if kind == Kind::List { *b"[]" } else { *b"{}" };
                let is_nothing = count == 0 && options.values == Values::Packetbeat;
                if !is_nothing {
                    self.open(&[open], Shape::Elements { kind: element, left: count, close })?;
                }
                taken
            }
            Kind::Map => {
                let ((key, value, count), taken) = protocol.entries(rest)?;
                self.open(b"{", Shape::Entries { key, value, left: count, at_value: false })?;
                taken
            }
        };
        self.awaited = None;
        Ok(taken)
    }

    fn integer(&mut self, value: i64, mask: Option<i64>) {
        let value = mask.map_or(value, |mask| value & mask);
        self.scalar(|out| out.number(value));
    }

    fn boolean(&mut self, value: bool) {
        self.scalar(|out| out.extend_from_slice(if value { b"true" } else { b"false" }));
    }

    fn scalar(&mut self, write: impl FnOnce(&mut Text)) {
        if self.shows_item() {
            write(self.out());
        }
    }

    fn string_begins(&mut self, options: &Options, length: u32) {
        if !self.shows_item() {
            self.skip_bytes = u64::from(length);
            return;
        }
        self.kept.clear();
        let room = options.string_max_size.min(MAX_TEXT_BYTES);
        self.string = Some(StringLeft { bytes: u64::from(length), room, is_cut: u64::from(length) > room as u64 });
    }

    fn string_goes_on(&mut self, options: &Options, string: StringLeft, rest: &[u8]) -> usize {
        let taken = (rest.len() as u64).min(string.bytes);
        let shown = string.room.min(taken as usize);
        if taken == string.bytes && self.kept.is_empty() {
            self.string = None;
            self.write_string(options, rest.get(..shown).unwrap_or_default(), string.is_cut);
            return taken as usize;
        }
        self.kept.extend_from_slice(rest.get(..shown).unwrap_or_default());
        let left = StringLeft { bytes: string.bytes - taken, room: string.room - shown, ..string };
        self.string = Some(left).filter(|left| left.bytes > 0);
        if left.bytes == 0 {
            self.write_kept(options, left.is_cut);
        }
        taken as usize
    }

    fn write_kept(&mut self, options: &Options, is_cut: bool) {
        let mut kept = std::mem::take(&mut self.kept);
        self.write_string(options, &kept, is_cut);
        kept.clear();
    }

    fn write_string(&mut self, options: &Options, kept: &[u8], is_cut: bool) {
        let out = self.out();
        let dots = if is_cut { "..." } else { "" };
        let valid = match std::str::from_utf8(kept) {
            Ok(text) => Some(text),
            // The cut went through a character.
            Err(error) if is_cut && error.error_len().is_none() && options.values == Values::AsSent => {
                kept.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok())
            }
            Err(_) => None,
        };
        match valid {
            _ if options.strings == Strings::Obfuscated => out.extend_from_slice(b"\"*\""),
            Some(text) => render::quoted(out, text, dots),
            None => {
                hexadecimal(out, kept);
                match options.values {
                    Values::AsSent => out.extend_from_slice(dots.as_bytes()),
                    Values::Packetbeat => hexadecimal(out, dots.as_bytes()),
                }
            }
        }
    }

    fn open(&mut self, bracket: &[u8], shape: Shape) -> Result<(), Failure> {
        if self.levels.len() >= MAX_DEPTH {
            return Err(Failure::Invalid);
        }
        let is_open = self.shows_item();
        if is_open {
            self.out().extend_from_slice(bracket);
        }
        self.levels.push(Level { shape, is_open, is_full: false, shows_item: false, shown: 0 });
        Ok(())
    }

    /// Ends the innermost container.
    fn close(&mut self, level: Level) {
        self.levels.pop();
        let bracket = match level.shape {
            Shape::Struct { .. } => b')',
            Shape::Elements { close, .. } => close,
            Shape::Entries { .. } => b'}',
        };
        if self.levels.is_empty() && !self.message.kind.is_call() {
            if !self.message.exceptions.is_empty() {
                self.message.exceptions.push(bracket);
            }
        } else if level.is_open {
            self.out().push(bracket);
        }
    }

    fn shows_item(&self) -> bool {
        self.levels.last().is_some_and(|level| level.shows_item)
    }

    fn out(&mut self) -> &mut Text {
        if self.in_exceptions { &mut self.message.exceptions } else { &mut self.message.value }
    }
}
