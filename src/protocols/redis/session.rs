// SPDX-License-Identifier: Apache-2.0
//! The state of one connection: commands that wait for their answers, in order, and what the connection is used for.
//!
//! Answers carry no number. Where bytes of either direction are missing it is not known how many commands or answers
//! they were, so from there on nothing is matched until the client begins anew: sends a command when nothing waits, or
//! after the server has spoken again. What waited until then is reported with a note.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::commands::{self, Answers, Effect, Space, Subscription};
use super::event::{self, Outcome};
use super::line::number;
use super::request::Request;
use super::response::{Kind, Response};
use crate::protocols::{Context, ProtocolCounter};

/// Places for waiting commands that a parser keeps, so that pipelines allocate nothing.
const SPARE_PLACES: usize = 256;

struct Waiting {
    request: Request,
    answers: Answers,
    effect: Effect,
    /// Confirmations of a subscription that came.
    confirmed: u64,
    /// … and that there will be; 0: not known yet.
    expected: u64,
}

impl Waiting {
    /// Answers that are still to come.
    fn outstanding(&self) -> u64 {
        self.expected.saturating_sub(self.confirmed).max(1)
    }
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replies {
    #[default]
    On,
    Off,
    SkipNext,
}

/// Bytes are missing, so that it is not known which answer is whose.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// Commands at the front whose answers are certain all the same.
    sure: usize,
    /// Answers, at least, to come before the client can have begun anew: a pipeline goes on while it is being answered.
    owed: usize,
    /// Answers that came before the commands behind the gap, which were held until it was certain.
    early: usize,
    /// The server has spoken since the last command.
    answered: bool,
    /// The time of the gap, or of the last command.
    asked_ns: i64,
}

/// The state of one connection.
pub struct Session {
    options: Arc<Options>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Answers to come of commands that were given up.
    given_up: u64,
    doubt: Option<Doubt>,
    /// Answers since the last command, when none waited.
    unasked: usize,
    /// The confirmations of the command at the front, when there are several.
    confirmations: Response,
    subscribed: [u64; 3],
    /// What the last confirmation counted: of channels and patterns together, of shards.
    totals: [u64; 2],
    /// Confirmations are pushes of RESP3, so no array is one.
    has_pushes: bool,
    is_monitor: bool,
    replies: Replies,
    /// What comes is no request and no answer: replication.
    pub not_mine: bool,
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        Session {
            options,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            given_up: 0,
            doubt: None,
            unasked: 0,
            confirmations: Response::default(),
            subscribed: [0; 3],
            totals: [0; 2],
            has_pushes: false,
            is_monitor: false,
            replies: Replies::On,
            not_mine: false,
        }
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let requests = self.waiting.iter().map(|waiting| &waiting.request);
        requests.map(Request::held_bytes).sum::<usize>()
            + self.confirmations.text.capacity()
            + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        self.waiting.clear();
        self.waiting.shrink_to(SPARE_PLACES);
        self.waiting_bytes = 0;
        self.given_up = 0;
        self.doubt = None;
        self.unasked = 0;
        self.confirmations.clear();
        self.forget_uses();
        self.not_mine = false;
    }

    /// Whether the server's next answer is a replication stream.
    pub fn expects_stream(&self) -> bool {
        self.given_up == 0
            && self.doubt.is_none()
            && self.waiting.front().is_some_and(|waiting| waiting.effect == Effect::Sync)
    }

    /// When the oldest command is given up; `heard_ns`: the last bytes of an answer that has begun.
    pub fn deadline_ns(&self, heard_ns: Option<i64>) -> Option<i64> {
        let since = self.waiting.front()?.request.start_ns;
        let since = if self.given_up == 0 { heard_ns.map_or(since, |heard| heard.max(since)) } else { since };
        Some(since.saturating_add(self.options.common.transaction_timeout_ns))
    }

    /// A command. Answers whether everything before it is settled, after bytes were lost.
    pub fn command(&mut self, context: &mut Context<'_>, sent: &mut Request) -> bool {
        context.count(ProtocolCounter::Messages, 1);
        let settled = self.settle(context, sent.start_ns);
        let request = std::mem::take(sent);
        let effect = request.effect();
        let answers = self.answers(&request, effect);
        if answers == Answers::None {
            event::publish(context, &self.options, &request, None, Outcome::Silent);
            return settled;
        }
        let expected = match answers {
            Answers::Confirmations(_) => u64::from(request.count).saturating_sub(1),
            _ => 1,
        };
        self.waiting_bytes += request.text.len();
        match &mut self.doubt {
            Some(doubt) if doubt.early > 0 => doubt.early -= 1,
            Some(doubt) => doubt.owed = doubt.owed.saturating_add(1),
            None => self.unasked = 0,
        }
        self.waiting.push_back(Waiting { request, answers, effect, confirmed: 0, expected });
        while self.waiting.len() > self.options.queue_max_messages
            || self.waiting_bytes > self.options.queue_max_bytes && self.waiting.len() > 1
        {
            let Some(evicted) = self.pop() else { break };
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.given_up = self.given_up.saturating_add(evicted.outstanding());
            self.confirmations.clear();
        }
        settled
    }

    /// An answer, or a push.
    pub fn response(&mut self, context: &mut Context<'_>, response: &Response) {
        context.count(ProtocolCounter::Messages, 1);
        let confirmed = match response.kind {
            Kind::Aggregate { count: 3 } | Kind::Push { count: 3 } => commands::subscription(response.first()),
            _ => None,
        };
        if let Some(subscription) = confirmed.filter(|subscription| self.is_confirmation(*subscription, response)) {
            self.confirmation(context, subscription, response);
        } else if !self.is_push(response) {
            self.answer(context, response);
        }
    }

    /// Bytes from the client are missing, and with them an unknown number of commands.
    pub fn lost_commands(&mut self, now_ns: i64) {
        let (sure, owed) = self.doubt.map_or((self.waiting.len(), 0), |doubt| (doubt.sure, doubt.owed));
        self.doubt = Some(Doubt { sure, owed, early: self.unasked, answered: false, asked_ns: now_ns });
        self.replies = Replies::On;
    }

    /// Bytes from the server are missing, or make no sense: `partial` is what came of the answer under way, `most` how many
    /// answers they can have been.
    pub fn lost_answers(&mut self, context: &mut Context<'_>, partial: Option<&Response>, most: usize) {
        let known = self.doubt.map_or(self.waiting.len(), |doubt| doubt.sure.saturating_add(doubt.owed));
        if partial.is_some() && self.given_up == 0 && self.is_sure() {
            self.give_up_front(context, partial, Outcome::Lost);
        }
        self.given_up = 0;
        let owed = known.saturating_sub(most);
        self.doubt = Some(Doubt { sure: 0, owed, early: 0, answered: true, asked_ns: context.now_ns });
    }

    /// The connection is over.
    pub fn give_up(&mut self, context: &mut Context<'_>, partial: Option<&Response>) {
        let lost = self.doubt.map(|doubt| doubt.sure);
        let mut partial = partial.filter(|_| self.given_up == 0 && self.is_sure());
        let mut index = 0;
        while !self.waiting.is_empty() {
            let outcome = if lost.is_some_and(|sure| index >= sure) { Outcome::Lost } else { Outcome::Ended };
            self.give_up_front(context, partial.take(), outcome);
            index += 1;
        }
        self.given_up = 0;
    }

    /// Publishes what has waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>, partial: Option<&Response>, heard_ns: Option<i64>) {
        let mut partial = partial.filter(|_| self.given_up == 0 && self.is_sure());
        let mut heard_ns = heard_ns;
        while self.deadline_ns(heard_ns.take()).is_some_and(|deadline| deadline <= context.now_ns) {
            let outstanding = self.waiting.front().map_or(0, Waiting::outstanding);
            if self.is_sure() {
                self.give_up_front(context, partial.take(), Outcome::NoResponse);
                self.given_up = self.given_up.saturating_add(outstanding);
            } else {
                self.give_up_front(context, None, Outcome::Lost);
            }
        }
    }

    /// Whether the next answer belongs to the command at the front.
    fn is_sure(&self) -> bool {
        self.doubt.is_none_or(|doubt| doubt.sure > 0)
    }

    fn settle(&mut self, context: &mut Context<'_>, now_ns: i64) -> bool {
        let Some(doubt) = &mut self.doubt else { return false };
        // What comes in one packet is one batch; and before the server has spoken, the command may be of the batch whose
        // beginning is missing.
        let is_idle = doubt.answered && (self.waiting.is_empty() || doubt.sure == 0 && doubt.owed == 0);
        let anew = is_idle && now_ns > doubt.asked_ns;
        doubt.asked_ns = now_ns;
        doubt.answered = false;
        if !anew {
            return false;
        }
        while !self.waiting.is_empty() {
            self.give_up_front(context, None, Outcome::Lost);
        }
        self.doubt = None;
        self.given_up = 0;
        true
    }

    fn answers(&mut self, request: &Request, effect: Effect) -> Answers {
        let silent = match (self.replies, effect) {
            (_, Effect::ReplyOn) => {
                self.replies = Replies::On;
                false
            }
            (_, Effect::ReplyOff) => {
                self.replies = Replies::Off;
                true
            }
            (Replies::Off, _) => true,
            (_, Effect::ReplySkip) => {
                self.replies = Replies::SkipNext;
                true
            }
            (Replies::SkipNext, _) => {
                self.replies = Replies::On;
                true
            }
            (Replies::On, effect) => effect == Effect::ReplicaAcknowledges,
        };
        match request.subscription() {
            _ if silent => Answers::None,
            Some(subscription) => Answers::Confirmations(subscription),
            None => Answers::One,
        }
    }

    /// Whether an array or push that looks like a confirmation is one, and not an answer with these words.
    fn is_confirmation(&self, subscription: Subscription, response: &Response) -> bool {
        let front = self.waiting.front();
        matches!(response.kind, Kind::Push { .. })
            || front.is_none_or(|front| front.answers == Answers::Confirmations(subscription))
            || self.given_up > 0
            || !self.has_pushes && self.is_subscribed()
    }

    fn confirmation(&mut self, context: &mut Context<'_>, subscription: Subscription, response: &Response) {
        let known = self.subscribed.get(subscription.space as usize).copied().unwrap_or(0);
        self.has_pushes = matches!(response.kind, Kind::Push { .. });
        self.track(subscription, response);
        if !self.is_sure() {
            self.unmatched(context);
            return;
        }
        if self.given_up > 0 {
            self.given_up -= 1;
            return;
        }
        let Some(front) = self.waiting.front_mut() else { return };
        if front.answers != Answers::Confirmations(subscription) {
            return;
        }
        if front.expected == 0 {
            front.expected = known.max(1);
        }
        front.confirmed += 1;
        if front.expected == 1 {
            self.answer_front(context, response);
            return;
        }
        let (first, last) = (front.confirmed == 1, front.confirmed >= front.expected);
        let all = &mut self.confirmations;
        all.append(if first { b"[" } else { b", " });
        all.append(&response.text);
        all.bytes += response.bytes;
        all.start_ns = response.start_ns;
        all.damaged |= response.damaged;
        all.cut |= response.cut;
        if last {
            all.append(b"]");
            let all = std::mem::take(&mut self.confirmations);
            self.answer_front(context, &all);
            self.confirmations = all;
            self.confirmations.clear();
        }
    }

    /// Keeps count of what is subscribed; the server says how many there are.
    fn track(&mut self, subscription: Subscription, response: &Response) {
        let Subscription { space, ends } = subscription;
        let total = number(response.last()).and_then(|total| u64::try_from(total).ok()).unwrap_or(0);
        let before = &mut self.totals[usize::from(space == Space::Shard)];
        let count = &mut self.subscribed[space as usize];
        if !ends && total > *before {
            *count += 1;
        } else if ends && total < *before {
            *count = count.saturating_sub(1);
        }
        *before = total;
        if total == 0 && space != Space::Shard {
            self.subscribed[Space::Channel as usize] = 0;
            self.subscribed[Space::Pattern as usize] = 0;
        }
    }

    fn is_subscribed(&self) -> bool {
        self.subscribed.iter().any(|count| *count > 0)
    }

    /// Whether it was sent without a command.
    fn is_push(&self, response: &Response) -> bool {
        match response.kind {
            Kind::Push { .. } => true,
            Kind::Aggregate { count } if !self.has_pushes => {
                let is_message = match response.first() {
                    b"message" | b"smessage" => count == 3,
                    b"pmessage" => count == 4,
                    _ => false,
                };
                // A subscribed client may send few commands, and none that is answered like this.
                is_message
                    && (self.is_subscribed()
                        || self.waiting.front().is_none_or(|front| {
                            !front.request.damaged && commands::is_allowed_when_subscribed(front.request.name())
                        }))
            }
            Kind::Simple if self.is_monitor => {
                response.text.first().is_some_and(u8::is_ascii_digit)
                    && response.text.windows(2).any(|pair| pair == b" [")
            }
            _ => false,
        }
    }

    fn answer(&mut self, context: &mut Context<'_>, response: &Response) {
        if let Some(doubt) = self.doubt.as_mut().filter(|doubt| doubt.sure == 0) {
            doubt.answered = true;
            doubt.owed = doubt.owed.saturating_sub(1);
            self.unmatched(context);
        } else if self.given_up > 0 {
            self.given_up -= 1;
            self.unmatched(context);
        } else if self.waiting.is_empty() {
            // An error in place of silence.
            self.replies = Replies::On;
            self.unasked = self.unasked.saturating_add(1);
            self.unmatched(context);
        } else {
            self.answer_front(context, response);
        }
    }

    fn unmatched(&self, context: &mut Context<'_>) {
        context.count(ProtocolCounter::UnmatchedResponses, 1);
    }

    fn answer_front(&mut self, context: &mut Context<'_>, response: &Response) {
        let Some(waiting) = self.pop() else { return };
        event::publish(context, &self.options, &waiting.request, Some(response), Outcome::Answered);
        if response.kind != Kind::Error {
            match waiting.effect {
                Effect::Monitor => self.is_monitor = true,
                Effect::Reset => self.forget_uses(),
                Effect::Psync => {
                    self.not_mine = response.text.starts_with(b"FULLRESYNC") || response.text.starts_with(b"CONTINUE");
                }
                _ => {}
            }
        }
    }

    /// The replication stream begins in place of the answer to SYNC.
    pub fn stream_begins(&mut self, context: &mut Context<'_>) {
        if let Some(waiting) = self.pop() {
            event::publish(context, &self.options, &waiting.request, None, Outcome::Silent);
        }
        self.not_mine = true;
    }

    fn give_up_front(&mut self, context: &mut Context<'_>, partial: Option<&Response>, outcome: Outcome) {
        let Some(waiting) = self.pop() else { return };
        context.count(ProtocolCounter::UnmatchedRequests, 1);
        let confirmed = (waiting.confirmed > 0).then_some(&self.confirmations);
        event::publish(context, &self.options, &waiting.request, confirmed.or(partial), outcome);
        self.confirmations.clear();
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.request.text.len());
        if let Some(doubt) = &mut self.doubt {
            match doubt.sure.checked_sub(1) {
                Some(sure) => doubt.sure = sure,
                None => doubt.owed = doubt.owed.saturating_sub(1),
            }
        }
        Some(waiting)
    }

    fn forget_uses(&mut self) {
        self.subscribed = [0; 3];
        self.totals = [0; 2];
        self.has_pushes = false;
        self.is_monitor = false;
        self.replies = Replies::On;
    }
}
