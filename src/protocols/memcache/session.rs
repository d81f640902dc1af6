// SPDX-License-Identifier: Apache-2.0
//! Commands that wait for their answers: those of one connection, or of one request id over UDP.
//!
//! An answer is searched for from the oldest command on. Commands before the one it belongs to have none: quiet ones by
//! design, others because it was lost.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::binary;
use super::event::{self, note};
use super::message::{Class, Form, Message, Spare};
use crate::protocols::{Context, ProtocolCounter};

/// What it means that a quiet command has no answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    Meant,
    /// Bytes of the server are missing.
    Doubtful,
}

/// Commands that may wait, and what is kept of them together.
pub const MAX_WAITING: usize = 8192;
pub const MAX_WAITING_BYTES: usize = 4 << 20;

/// Commands of the text protocol among which the one that an answer fits is searched for.
const TEXT_WINDOW: usize = 16;

/// Answers in a row that fit no command, after which commands that wait are given up.
const MAX_ORPHANS: u32 = 8;

/// Messages that are kept for reuse, so that pipelines allocate nothing.
const SPARE_MESSAGES: usize = 64;

/// A command whose line the server refused: it takes the lines of the value for commands, and refuses each.
struct Refused {
    request: Message,
    response: Message,
    /// Refusals that are still to come.
    left: u32,
}

/// The commands that wait.
pub struct Session {
    options: Arc<Options>,
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    spare: Vec<Message>,
    /// Answers to come of text commands that were given up.
    given_up: u64,
    orphans: u32,
    refused: Option<Refused>,
    watching: bool,
    activity_ns: i64,
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        Session {
            options,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            spare: Vec::new(),
            given_up: 0,
            orphans: 0,
            refused: None,
            watching: false,
            activity_ns: 0,
        }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        while let Some(request) = self.pop() {
            self.recycle(request);
        }
        self.waiting.shrink_to(SPARE_MESSAGES);
        self.given_up = 0;
        self.orphans = 0;
        if let Some(refused) = self.refused.take() {
            self.recycle(refused.request);
            self.recycle(refused.response);
        }
        self.watching = false;
    }

    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.waiting.iter().chain(&self.spare).map(Message::capacity_bytes).sum::<usize>()
            + self.waiting.capacity() * size_of::<Message>()
    }

    /// Whether the connection carries log lines from here on.
    pub fn is_watching(&self) -> bool {
        self.watching
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.refused.is_none()
    }

    /// When the last message was seen, if a command waits.
    pub fn waiting_since_ns(&self) -> Option<i64> {
        (!self.is_empty()).then_some(self.activity_ns)
    }

    /// Bytes of an answer are coming.
    pub fn touch(&mut self, now_ns: i64) {
        self.activity_ns = now_ns;
    }

    /// A command, which is taken out of `sent`.
    pub fn request(&mut self, context: &mut Context<'_>, sent: &mut Message) {
        context.count(ProtocolCounter::Messages, 1);
        self.touch(context.now_ns);
        if is_silent(sent) {
            event::publish(context, &self.options, Some(sent), None, None);
            return;
        }
        let request = std::mem::replace(sent, self.spare.pop().unwrap_or_default());
        self.waiting_bytes += held_bytes(&request);
        self.waiting.push_back(request);
        while self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES && self.waiting.len() > 1 {
            let Some(evicted) = self.pop() else { break };
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.given_up += u64::from(evicted.form == Form::Text);
            self.unanswered(context, evicted, note::UNFINISHED, Silence::Meant);
        }
    }

    /// An answer, which may be taken out of `response`.
    pub fn response(&mut self, context: &mut Context<'_>, response: &mut Message) {
        context.count(ProtocolCounter::Messages, 1);
        self.touch(context.now_ns);
        if let Some(refused) = &mut self.refused {
            let is_further = response.command == "ERROR";
            if is_further {
                refused.response.bytes += response.bytes;
                refused.left = refused.left.saturating_sub(1);
            }
            if !is_further || refused.left == 0 {
                self.publish_refused(context);
            }
            if is_further {
                return;
            }
        }
        if self.given_up > 0 && response.form == Form::Text {
            self.given_up -= 1;
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            return;
        }
        let window = if response.form == Form::Text { TEXT_WINDOW } else { MAX_WAITING };
        let Some(place) = self.waiting.iter().take(window).position(|request| fits(request, response)) else {
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            event::publish(context, &self.options, None, Some(response), Some(note::NO_REQUEST));
            self.orphans += 1;
            if self.orphans > MAX_ORPHANS {
                self.give_up(context, None, Silence::Meant);
            }
            return;
        };
        self.orphans = 0;
        for _ in 0..place {
            let Some(request) = self.pop() else { break };
            let note = if request.form == Form::Binary { note::NO_RESPONSE } else { note::UNFINISHED };
            self.unanswered(context, request, note, Silence::Meant);
        }
        if let Some(request) = self.pop() {
            if is_line_refused(&request, response) {
                let response = std::mem::replace(response, self.spare.pop().unwrap_or_default());
                let left = request.value_lines;
                self.refused = Some(Refused { request, response, left });
                return;
            }
            self.watching = request.command == "watch" && response.command == "OK";
            event::publish(context, &self.options, Some(&request), Some(response), None);
            self.recycle(request);
        }
    }

    /// An answer that came before its command was complete.
    pub fn early(&mut self, context: &mut Context<'_>, request: &Message, response: &Message) {
        context.count(ProtocolCounter::Messages, 2);
        event::publish(context, &self.options, Some(request), Some(response), None);
    }

    /// Publishes all that waits. `partial` is what came of the first one's answer.
    pub fn give_up(&mut self, context: &mut Context<'_>, partial: Option<&Message>, silence: Silence) {
        self.orphans = 0;
        self.publish_refused(context);
        if let Some(partial) = partial
            && self.waiting.front().is_some_and(|request| fits(request, partial))
            && let Some(request) = self.pop()
        {
            event::publish(context, &self.options, Some(&request), Some(partial), None);
            self.recycle(request);
        }
        while let Some(request) = self.pop() {
            self.unanswered(context, request, note::UNFINISHED, silence);
        }
    }

    fn publish_refused(&mut self, context: &mut Context<'_>) {
        if let Some(Refused { request, response, .. }) = self.refused.take() {
            event::publish(context, &self.options, Some(&request), Some(&response), None);
            self.recycle(request);
            self.recycle(response);
        }
    }

    fn unanswered(&mut self, context: &mut Context<'_>, request: Message, note: &'static str, silence: Silence) {
        if !request.quiet {
            context.count(ProtocolCounter::UnmatchedRequests, 1);
        }
        let note = (!request.quiet || silence == Silence::Doubtful).then_some(note);
        event::publish(context, &self.options, Some(&request), None, note);
        self.recycle(request);
    }

    fn pop(&mut self) -> Option<Message> {
        let request = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(held_bytes(&request));
        Some(request)
    }

    fn recycle(&mut self, mut request: Message) {
        if self.spare.len() < SPARE_MESSAGES {
            request.trim(Spare::POOL);
            self.spare.push(request);
        }
    }
}

fn held_bytes(request: &Message) -> usize {
    size_of::<Message>() + request.held_bytes()
}

/// Whether a command has no answer by design.
fn is_silent(request: &Message) -> bool {
    match request.form {
        Form::Text => request.noreply == Some(true) || request.command == "quit",
        Form::Binary => binary::is_silent(request.opcode),
    }
}

/// Whether a server that answers so reads the value as the next command.
fn is_line_refused(request: &Message, response: &Message) -> bool {
    request.value_lines > 0 && response.command == "CLIENT_ERROR" && request.form == Form::Text
}

/// Whether an answer may be that of a command.
fn fits(request: &Message, response: &Message) -> bool {
    if request.form != response.form {
        return false;
    }
    let same_key = match (request.keys().next(), response.keys().next()) {
        (Some(asked), Some(answered)) if request.form == Form::Binary || is_meta(request) => asked == answered,
        _ => true,
    };
    match request.form {
        Form::Binary => {
            let stats = request.class == Class::Stats;
            request.opaque == response.opaque && request.opcode == response.opcode && (same_key || stats)
        }
        Form::Text => same_key && text_fits(request, response.command),
    }
}

fn is_meta(request: &Message) -> bool {
    matches!(request.command, "mg" | "ms" | "md" | "ma" | "mn" | "me")
}

fn text_fits(request: &Message, answer: &str) -> bool {
    let class = request.class;
    let command = request.command;
    let meta = is_meta(request);
    match answer {
        "VALUE" => class == Class::Load && !meta,
        "CONFIG" => command == "config",
        "END" => (matches!(class, Class::Load | Class::Stats | Class::Unknown) || command == "config") && !meta,
        "STORED" | "NOT_STORED" | "EXISTS" => {
            matches!(class, Class::Store | Class::Unknown) && command != "touch" && !meta
        }
        "NOT_FOUND" => matches!(class, Class::Store | Class::Delete | Class::Counter | Class::Unknown) && !meta,
        "TOUCHED" => matches!(command, "touch" | "UNKNOWN"),
        "DELETED" => matches!(command, "delete" | "UNKNOWN"),
        "OK" => !matches!(class, Class::Load | Class::Store | Class::Counter) && command != "delete" && !meta,
        "RESET" | "STAT" | "ITEM" | "PREFIX" => matches!(class, Class::Stats | Class::Unknown),
        "<counter_op_res>" => matches!(class, Class::Counter | Class::Unknown) && !meta,
        "VERSION" => matches!(command, "version" | "UNKNOWN"),
        "MN" => command == "mn",
        "ME" => command == "me",
        // A quiet command has no answer of the common kind.
        "HD" => meta && command != "mn" && !(request.quiet && command != "mg"),
        "EN" => meta && !(request.quiet && command == "mg"),
        "NF" => meta && !(request.quiet && command != "ms"),
        "VA" | "NS" | "EX" => meta && command != "mn",
        // Errors, and answers that nobody knows.
        _ => true,
    }
}
