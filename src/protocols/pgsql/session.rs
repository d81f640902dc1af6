// SPDX-License-Identifier: Apache-2.0
//! The state of one connection: what waits for an answer, in order, the answer under way, the login.
//!
//! A capture may begin anywhere, and bytes may be lost. Every cycle of requests ends in ReadyForQuery, which puts both
//! directions into step; as long as they are not, requests that are followed by another cycle are taken to have been
//! answered unseen, because answers carry no number and one that is missed would shift all later ones.
//!
//! What the client's messages do is in `client`, what the server's do in `server`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::event::{self, Named, Outcome};
use super::message::{Failure, Trust};
use super::response::{Error, Response, Wanted};
use super::split::{self, Backslash};
use super::statements::Statements;
use super::unit::{Kind, Unit};
use crate::protocols::{Context, ProtocolCounter};

/// Units that may wait. Clients that pipeline send thousands of executions before they read.
const MAX_WAITING: usize = 4096;
/// Bytes of their own texts.
pub const MAX_WAITING_BYTES: usize = 4 << 20;
/// Statements of one query that are reported when its answer was lost.
const MAX_LOST_STATEMENTS: usize = 64;
/// Payload of a full TCP segment on Ethernet.
const SEGMENT_BYTES: u64 = 1460;
const SPARE_UNITS: usize = 8;
/// How long a connection with named statements is remembered when it is idle.
const STATEMENTS_NS: i64 = 3_600_000_000_000;

/// How far the login has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The one byte that answers a request for encryption is next.
    pub expects_byte: bool,
    pub refused_encryption: bool,
    /// The StartupMessage was sent.
    pub started: bool,
    /// The server asked for a password.
    pub asked: bool,
    pub password_sent: bool,
}

impl Login {
    /// The next step is the client's.
    fn is_up_to_client(self) -> bool {
        self.refused_encryption && !self.started || self.asked && !self.password_sent
    }
}

pub struct Session {
    pub(super) options: Arc<Options>,
    pub(super) wanted: Wanted,
    pub(super) queue: VecDeque<Unit>,
    pub(super) queue_bytes: usize,
    spare: Vec<Unit>,
    pub response: Response,
    /// When the answer under way last got a message.
    pub(super) heard_ns: i64,
    pub(super) statements: Statements,
    pub(super) backslash: Backslash,
    pub login: Login,
    /// The last cycle was seen from end to end.
    pub(super) aligned: bool,
    pub client_trust: Trust,
    pub server_trust: Trust,
    /// After an error of the extended protocol: the server passes over everything up to the Sync that is to come.
    pub(super) skips_to_sync: bool,
    /// The server's direction is over.
    server_ended: bool,
    /// An error that nobody had asked for, and the end of the connection.
    last_words: Error,
    pub(super) has_last_words: bool,
    /// Bytes of the direction under way make no sense.
    pub out_of_step: bool,
    /// The server's message under way belongs to an answer that was given up.
    pub drop_answer: bool,
    /// The client's message under way began before anything was understood, and no request waits.
    pub drop_request: bool,
    pub not_mine: bool,
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        let wanted = Wanted {
            text: options.common.send_response,
            max_rows: options.max_rows,
            max_row_length: options.max_row_length,
        };
        Session {
            options,
            wanted,
            queue: VecDeque::new(),
            queue_bytes: 0,
            spare: Vec::new(),
            response: Response::default(),
            heard_ns: 0,
            statements: Statements::default(),
            backslash: Backslash::Plain,
            login: Login::default(),
            aligned: false,
            client_trust: Trust::Nothing,
            server_trust: Trust::Nothing,
            skips_to_sync: false,
            server_ended: false,
            last_words: Error::default(),
            has_last_words: false,
            out_of_step: false,
            drop_answer: false,
            drop_request: false,
            not_mine: false,
        }
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let units = self.queue.iter().chain(&self.spare).map(|unit| unit.text.capacity()).sum::<usize>();
        units + self.queue.capacity() * size_of::<Unit>() + self.response.held_bytes() + self.statements.held_bytes()
    }

    /// Whether nothing was understood yet.
    pub fn is_new(&self) -> bool {
        self.client_trust == Trust::Nothing && self.server_trust == Trust::Nothing
    }

    /// How long the connection is worth remembering when nothing waits.
    pub fn idle_limit_ns(&self) -> i64 {
        if self.statements.is_empty() { 0 } else { STATEMENTS_NS }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        while !self.queue.is_empty() {
            self.drop_front();
        }
        self.queue.shrink_to(64);
        self.response.clear();
        self.statements.clear();
        self.backslash = Backslash::Plain;
        self.login = Login::default();
        self.aligned = false;
        self.client_trust = Trust::Nothing;
        self.server_trust = Trust::Nothing;
        self.skips_to_sync = false;
        self.server_ended = false;
        self.has_last_words = false;
        self.out_of_step = false;
        self.drop_answer = false;
        self.drop_request = false;
        self.not_mine = false;
    }

    /// An empty unit.
    pub(super) fn unit(&mut self, kind: Kind, start_ns: i64) -> Unit {
        let mut unit = self.spare.pop().unwrap_or_default();
        unit.kind = kind;
        unit.start_ns = start_ns;
        unit
    }

    /// Lets a unit wait.
    pub(super) fn push(&mut self, context: &mut Context<'_>, mut unit: Unit) {
        let new_cycle = unit.kind != Kind::Sync && self.queue.back().is_none_or(Unit::ends_cycle);
        if new_cycle && !self.aligned {
            self.give_up(context, Outcome::Lost);
            self.drop_answer = true;
        }
        if self.queue.len() >= MAX_WAITING {
            // Their answers are not to be seen, or both directions are out of step.
            context.count(ProtocolCounter::EvictedRequests, self.queue.len() as u64);
            self.give_up(context, Outcome::NoResponse);
            self.drop_answer = true;
            self.aligned = false;
        }
        unit.sent_ns = context.now_ns;
        self.queue_bytes += unit.text.len();
        self.queue.push_back(unit);
    }

    pub(super) fn recycle(&mut self, mut unit: Unit) {
        unit.statement.into_iter().for_each(|id| self.statements.release(id));
        if self.spare.len() < SPARE_UNITS {
            unit.clear();
            self.spare.push(unit);
        }
    }

    pub(super) fn drop_front(&mut self) {
        if let Some(unit) = self.queue.pop_front() {
            self.queue_bytes = self.queue_bytes.saturating_sub(unit.text.len());
            self.recycle(unit);
        }
        self.response.clear();
    }

    /// Whether something is said about a unit that is not answered.
    fn is_reported(&self, unit: &Unit) -> bool {
        !unit.published
            && match unit.kind {
                Kind::Sync => false,
                Kind::Prepare => unit.has_parse,
                Kind::Login => !self.login.is_up_to_client(),
                Kind::Execute | Kind::Query | Kind::Function => true,
            }
    }

    /// Publishes the first unit: of a query the statement that is due. The unit stays.
    pub(super) fn publish_front(&mut self, context: &mut Context<'_>, outcome: Outcome) {
        self.publish(context, 0, outcome);
    }

    fn publish(&mut self, context: &mut Context<'_>, index: usize, outcome: Outcome) {
        let Some(unit) = self.queue.get(index) else {
            return;
        };
        let nothing = Response::default();
        let response = if index == 0 { &self.response } else { &nothing };
        let named = named(unit, &self.statements, self.backslash);
        if outcome != Outcome::Answered && !response.has_begun() {
            context.count(ProtocolCounter::UnmatchedRequests, 1);
        }
        event::publish(context, &self.options, unit, &named, response, outcome);
    }

    /// Nothing more will be answered.
    pub fn give_up(&mut self, context: &mut Context<'_>, outcome: Outcome) {
        while let Some(unit) = self.queue.front() {
            let silent = unit.kind == Kind::Login && outcome == Outcome::Lost;
            if self.is_reported(unit) && !silent {
                if outcome == Outcome::Ended && self.has_last_words && !self.response.has_begun() {
                    self.has_last_words = false;
                    self.response.failed = true;
                    std::mem::swap(&mut self.response.error, &mut self.last_words);
                }
                self.publish_lost(context, outcome);
            }
            self.drop_front();
        }
        self.response.clear();
    }

    /// Publishes what there is of the first unit; when the answer was lost, all of its statements.
    fn publish_lost(&mut self, context: &mut Context<'_>, outcome: Outcome) {
        self.publish_front(context, outcome);
        if outcome != Outcome::Lost {
            return;
        }
        for _ in 1..MAX_LOST_STATEMENTS {
            self.response.clear();
            if !self.next_statement() {
                return;
            }
            self.publish_front(context, outcome);
        }
    }

    /// Goes on to the next statement of the first unit, if that is a query and has another.
    pub(super) fn next_statement(&mut self) -> bool {
        let backslash = self.backslash;
        let Some(unit) = self.queue.front_mut().filter(|unit| unit.kind == Kind::Query) else {
            return false;
        };
        let found = split::next_statement(&unit.text, unit.position, backslash);
        unit.position = found.map_or(unit.text.len(), |found| found.next);
        let another = split::next_statement(&unit.text, unit.position, backslash).is_some();
        if !another {
            // The rest is not searched again for each result that comes without a statement.
            unit.position = unit.text.len();
        }
        another
    }

    /// The server's direction is over.
    pub fn server_ended(&mut self, context: &mut Context<'_>) {
        self.server_ended = true;
        self.give_up(context, Outcome::Ended);
    }

    /// The client's direction is over.
    pub fn client_ended(&mut self, context: &mut Context<'_>) {
        if self.server_ended {
            self.give_up(context, Outcome::Ended);
        }
        let waits = self.queue.front().is_some_and(|unit| unit.kind == Kind::Login && !unit.published);
        if waits && self.login.is_up_to_client() {
            // A client that is asked for a password leaves to ask its user for it.
            if self.login.refused_encryption && !self.login.started {
                self.publish_front(context, Outcome::TlsRefused);
            }
            self.drop_front();
        }
    }

    /// Keeps an error that ends the connection for the request that will not be answered.
    pub(super) fn keep_last_words(&mut self, failure: &Failure<'_>) {
        self.last_words.set(failure);
        self.has_last_words = true;
    }

    /// The rest of the connection is not read, and a login that is encrypted is none that failed.
    pub fn leave(&mut self) {
        if self.queue.front().is_some_and(|unit| unit.kind == Kind::Login) {
            self.drop_front();
        }
        self.not_mine = true;
    }

    /// Bytes of the client are missing, and maybe requests, or more of the first one: a password, copied data.
    pub fn lost_requests(&mut self) {
        self.aligned = false;
        if let Some(unit) = self.queue.front_mut() {
            unit.damaged |= unit.kind == Kind::Login || self.response.copies_in;
        }
    }

    /// A hole in the server's bytes. Cycles do not share segments unless they are pipelined, so a hole of one segment is in
    /// one cycle; behind a larger one it is not known to which an answer belongs.
    pub fn lost_bytes_of_answers(&mut self, context: &mut Context<'_>, missing_bytes: u64) {
        self.aligned = false;
        let cycles = self.queue.iter().filter(|unit| unit.ends_cycle()).take(2).count();
        if missing_bytes > SEGMENT_BYTES && cycles > 1 {
            self.give_up(context, Outcome::Lost);
        } else {
            self.lost_answer(context);
        }
    }

    /// Bytes of the cycle that was due are missing. Its end is still waited for.
    pub(super) fn lost_answer(&mut self, context: &mut Context<'_>) {
        self.aligned = false;
        while let Some(unit) = self.queue.front() {
            let (ends, kind) = (unit.ends_cycle(), unit.kind);
            if self.is_reported(unit) && kind != Kind::Login {
                self.publish_lost(context, Outcome::Lost);
            }
            if ends {
                self.response.clear();
                self.silence_front();
                return;
            }
            self.drop_front();
        }
    }

    /// No further event is made of the first unit.
    pub(super) fn silence_front(&mut self) {
        self.silence(0);
    }

    fn silence(&mut self, index: usize) {
        if let Some(unit) = self.queue.get_mut(index) {
            unit.published = true;
            self.queue_bytes = self.queue_bytes.saturating_sub(unit.text.len());
            unit.text.clear();
            unit.position = 0;
        }
    }

    /// Publishes what has waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>) {
        let timeout_ns = self.options.common.transaction_timeout_ns;
        if self.server_ended && self.deadline_ns().is_some_and(|due_ns| due_ns <= context.now_ns) {
            return self.give_up(context, Outcome::Ended);
        }
        for index in 0..self.queue.len() {
            let due_ns = self.last_heard_ns(index).saturating_add(timeout_ns);
            if due_ns <= context.now_ns && self.queue.get(index).is_some_and(|unit| self.is_reported(unit)) {
                self.publish(context, index, Outcome::NoResponse);
                self.silence(index);
                self.aligned = false;
            }
        }
    }

    /// When the next of them has.
    pub fn deadline_ns(&self) -> Option<i64> {
        let first = self.queue.iter().position(|unit| self.is_reported(unit))?;
        Some(self.last_heard_ns(first).saturating_add(self.options.common.transaction_timeout_ns))
    }

    fn last_heard_ns(&self, index: usize) -> i64 {
        let sent_ns = self.queue.get(index).map_or(0, |unit| unit.sent_ns);
        if index == 0 && self.response.has_begun() { sent_ns.max(self.heard_ns) } else { sent_ns }
    }
}

/// What an event calls a unit.
fn named<'a>(unit: &'a Unit, statements: &'a Statements, backslash: Backslash) -> Named<'a> {
    let own = Named { text: &unit.text, unknown: false, cut: unit.cut, damaged: unit.damaged };
    match unit.kind {
        Kind::Query => match split::next_statement(&unit.text, unit.position, backslash) {
            Some(found) => Named { text: unit.text.get(found.statement).unwrap_or_default(), ..own },
            None if unit.cut => Named { text: &[], unknown: true, ..own },
            // Nothing but white space, comments and semicolons.
            None => Named { text: trimmed(&unit.text), ..own },
        },
        Kind::Execute | Kind::Prepare => match unit.statement.and_then(|id| statements.get(id)) {
            Some(statement) => Named {
                text: trimmed(&statement.text),
                unknown: false,
                cut: statement.cut,
                damaged: unit.damaged || statement.damaged,
            },
            None => Named { unknown: true, ..own },
        },
        Kind::Sync => Named { text: b"SYNC", ..own },
        Kind::Function | Kind::Login => own,
    }
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.get(split::trim(text, 0..text.len())).unwrap_or_default()
}
