// SPDX-License-Identifier: Apache-2.0
//! What is kept of a request and of a reply until the event is written: numbers, and texts in one buffer each.

use super::bson::Span;
use super::wire::Opcode;
use crate::protocols::Direction;

/// Bytes of a text that is kept (`query`, `request`, `mongodb.selector`, …).
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// A message without its header, OP_COMPRESSED unpacked.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub direction: Direction,
    pub id: i32,
    pub response_to: i32,
    /// None: an OP_COMPRESSED that could not be unpacked.
    pub opcode: Option<Opcode>,
    pub body: &'a [u8],
    /// How much of it there is.
    pub extent: Extent,
    /// Bytes on the wire, the header included.
    pub bytes: u64,
    /// When its first byte came.
    pub start_ns: i64,
}

/// How much of a message is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    #[default]
    Whole,
    /// It is larger than what is looked at.
    Cut,
    /// Bytes were lost in the capture.
    Lost,
    /// The connection ended inside it.
    Ended,
    /// All is there, and something in it makes no sense.
    Unreadable,
}

/// A request: what its event says.
pub struct Request {
    pub id: i32,
    pub direction: Direction,
    pub start_ns: i64,
    /// When it counts as unanswered.
    pub due_ns: i64,
    pub bytes: u64,
    pub extent: Extent,
    pub awaits_reply: bool,
    /// Its reply has `ok`, `writeErrors` and so on; documents of a query may have keys of these names.
    pub is_command: bool,
    /// An OP_MSG that is shown with Packetbeat's names.
    pub is_plain_msg: bool,
    pub text: Vec<u8>,
    pub method: Span,
    pub resource: Span,
    pub query: Span,
    pub request: Span,
    pub full_collection_name: Option<Span>,
    pub database: Span,
    pub collection: Span,
    pub selector: Option<Span>,
    pub update: Option<Span>,
    pub return_fields_selector: Option<Span>,
    pub message: Option<Span>,
    pub number_to_skip: Option<i32>,
    pub number_to_return: Option<i32>,
    pub cursor_id: Option<i64>,
    /// How long the server was asked to wait before it answers.
    pub patience_ns: i64,
}

impl Default for Request {
    fn default() -> Request {
        Request {
            id: 0,
            direction: Direction::ToServer,
            start_ns: 0,
            due_ns: 0,
            bytes: 0,
            extent: Extent::Whole,
            awaits_reply: false,
            is_command: false,
            is_plain_msg: false,
            text: Vec::new(),
            method: Span::default(),
            resource: Span::default(),
            query: Span::default(),
            request: Span::default(),
            full_collection_name: None,
            database: Span::default(),
            collection: Span::default(),
            selector: None,
            update: None,
            return_fields_selector: None,
            message: None,
            number_to_skip: None,
            number_to_return: None,
            cursor_id: None,
            patience_ns: 0,
        }
    }
}

impl Request {
    /// As new, keeping the buffer.
    pub fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        *self = Request { text, ..Request::default() };
    }

    /// Keeps a text.
    pub fn store(&mut self, text: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(text.get(..text.len().min(MAX_TEXT_BYTES)).unwrap_or_default());
        Span::new(start, self.text.len())
    }
}

/// A reply: what its event says.
#[derive(Default)]
pub struct Reply {
    pub id: i32,
    pub response_to: i32,
    /// The direction of its request.
    pub requests: Option<Direction>,
    pub start_ns: i64,
    pub bytes: u64,
    pub extent: Extent,
    /// Further replies follow without a request.
    pub more_to_come: bool,
    pub text: Vec<u8>,
    /// JSON of an error, whatever was asked.
    pub error: Span,
    /// JSON of the error that this is when the request was a command.
    pub command_error: Span,
    pub documents: Option<Span>,
    /// The fields below are those of an OP_MSG's cursor.
    pub is_msg: bool,
    pub cursor_id: Option<i64>,
    pub starting_from: Option<i32>,
    pub number_returned: Option<i64>,
}

impl Reply {
    /// As new, keeping the buffer.
    pub fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        *self = Reply { text, ..Reply::default() };
    }

    /// The error that the reply is to this request.
    pub fn error_for(&self, request: &Request) -> &[u8] {
        let command_error = if request.is_command { self.command_error } else { Span::default() };
        let error = if self.error.is_empty() { command_error } else { self.error };
        error.of(&self.text)
    }
}
