// SPDX-License-Identifier: Apache-2.0
//! What a client asked for and waits to be answered.

use super::message::Formats;
use super::statements::StatementId;

/// What a unit is, and so which answer ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Parse, Bind, Describe, Close without an Execute: acknowledged one by one.
    #[default]
    Prepare,
    /// The same with an Execute at its end: a result.
    Execute,
    /// Sync: ReadyForQuery.
    Sync,
    /// Query: a result for each statement, then ReadyForQuery.
    Query,
    /// FunctionCall: a value, then ReadyForQuery.
    Function,
    /// SSLRequest, StartupMessage, passwords: ReadyForQuery.
    Login,
}

/// One unit. Reused: its buffers stay.
#[derive(Debug, Default)]
pub struct Unit {
    pub kind: Kind,
    /// Further messages of the client may belong to it.
    pub open: bool,
    pub has_parse: bool,
    pub has_bind: bool,
    /// Acknowledgements that are to come before a result.
    pub acknowledgements: u32,
    /// Time of its first byte.
    pub start_ns: i64,
    /// When its last message was complete.
    pub sent_ns: i64,
    pub bytes: u64,
    /// Of an Execute, the statement of its portal.
    pub statement: Option<StatementId>,
    pub formats: Formats,
    /// Text of a Query; otherwise what stands for the statement: a portal, a function, a login.
    pub text: Vec<u8>,
    /// Of a Query: where the statement begins that is answered next.
    pub position: usize,
    /// Results of a Query that were seen.
    pub results: u32,
    /// The text is longer than what is kept of it.
    pub cut: bool,
    /// Bytes of it were lost in a gap.
    pub damaged: bool,
    /// No further event is made of it; it waits for its end.
    pub published: bool,
}

impl Unit {
    /// As new, keeping its buffers.
    pub fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text.shrink_to(16 << 10);
        *self = Unit { text, ..Unit::default() };
    }

    /// ReadyForQuery is what ends it.
    pub fn ends_cycle(&self) -> bool {
        matches!(self.kind, Kind::Sync | Kind::Query | Kind::Function | Kind::Login)
    }
}
