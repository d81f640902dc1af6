// SPDX-License-Identifier: Apache-2.0
//! The state of one connection: methods that wait for their answers, and messages under way.
//!
//! Both ends ask and answer. A channel's methods are answered in their order. Where bytes are lost an answer may be among
//! them: a method that waited then is reported when the next one is sent on its channel.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{self, Answer, Outcome, Request};
use super::frame::{Frame, Kind};
use super::message;
use super::methods::{self, Method, Role};
use super::properties;
use super::wire::Reader;
use super::{Options, Visibility};
use crate::event::field::{AMQP_NO_WAIT, AMQP_REPLY_CODE};
use crate::protocols::{Context, Direction, ProtocolCounter};

/// Methods of one connection that may wait.
pub const MAX_WAITING: usize = 1024;
/// Bytes of their arguments together.
pub const MAX_WAITING_BYTES: usize = 512 << 10;
/// Messages under way in one direction, each on its own channel.
pub const MAX_CONTENTS: usize = 16;
/// Bytes of their arguments, properties and bodies together.
pub const MAX_CONTENT_BYTES: usize = 4 << 20;

/// Buffers that are kept for what comes next, and their size.
const MAX_SPARE: usize = 32;
const MAX_SPARE_BYTES: usize = 4096;

/// A method that waits for its answer.
pub struct Waiting {
    requests: Direction,
    channel: u16,
    method: &'static Method,
    arguments: Vec<u8>,
    start_ns: i64,
    bytes: u64,
    is_damaged: bool,
    answer_may_be_lost: bool,
}

impl Waiting {
    pub fn request(&self) -> Request<'_> {
        Request {
            requests: self.requests,
            method: self.method,
            arguments: &self.arguments,
            start_ns: self.start_ns,
            bytes: self.bytes,
            is_damaged: self.is_damaged,
        }
    }
}

/// A message under way.
pub struct Content {
    channel: u16,
    pub method: &'static Method,
    pub arguments: Vec<u8>,
    pub start_ns: i64,
    /// The basic.get that it answers.
    pub request: Option<Waiting>,
    /// From the flags on.
    pub properties: Vec<u8>,
    has_header: bool,
    /// Bytes of the body: announced, come (and lost), and kept.
    pub body_bytes: u64,
    pub received_bytes: u64,
    pub body: Vec<u8>,
    pub is_damaged: bool,
}

impl Content {
    fn held_bytes(&self) -> usize {
        self.arguments.capacity() + self.properties.capacity() + self.body.capacity()
    }

    fn is_complete(&self) -> bool {
        self.has_header && self.received_bytes >= self.body_bytes
    }
}

/// Why a message is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Another method, or too many other messages, came before its end.
    Cut,
    /// Bytes of it were lost.
    Lost,
    /// The connection ended inside it.
    Ended,
}

/// The state of one connection.
pub struct Session {
    options: Arc<Options>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    contents: [Vec<Content>; 2],
    spare: Vec<Vec<u8>>,
}

impl Session {
    pub fn new(options: Arc<Options>) -> Session {
        Session { options, waiting: VecDeque::new(), waiting_bytes: 0, contents: Default::default(), spare: Vec::new() }
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.arguments.capacity()).sum::<usize>()
            + self.contents.iter().flatten().map(Content::held_bytes).sum::<usize>()
            + self.spare.iter().map(Vec::capacity).sum::<usize>()
    }

    /// A method or a content header.
    pub fn frame(&mut self, context: &mut Context<'_>, direction: Direction, frame: &Frame<'_>) {
        match frame.kind {
            Kind::Method => self.method(context, direction, frame),
            Kind::Header => self.header(context, direction, frame),
            Kind::Body | Kind::Heartbeat => {}
        }
    }

    /// A part of a body, of which `lost_bytes` did not come.
    pub fn body(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        channel: u16,
        bytes: &[u8],
        lost_bytes: u64,
    ) {
        let most = self.options.max_body_bytes;
        let Some(content) = self.contents[direction as usize].iter_mut().find(|content| content.channel == channel)
        else {
            context.count(ProtocolCounter::SkippedBytes, bytes.len() as u64);
            return;
        };
        content.received_bytes = content.received_bytes.saturating_add(bytes.len() as u64 + lost_bytes);
        content.is_damaged |= lost_bytes > 0;
        let is_shown = match direction {
            Direction::ToServer => self.options.common.send_request,
            Direction::ToClient => self.options.common.send_response,
        };
        let place = if is_shown && !content.is_damaged { most.saturating_sub(content.body.len()) } else { 0 };
        let kept = bytes.get(..place).unwrap_or(bytes);
        content.body.extend_from_slice(kept);
        context.count(ProtocolCounter::SkippedBytes, (bytes.len() - kept.len()) as u64);
    }

    /// A frame of a body is complete.
    pub fn body_end(&mut self, context: &mut Context<'_>, direction: Direction, channel: u16) {
        let contents = &self.contents[direction as usize];
        if let Some(place) = contents.iter().position(|content| content.channel == channel && content.is_complete()) {
            self.end_content(context, direction, place, Extent::Whole);
        }
    }

    /// A frame on `channel` was passed over: what was under way there has ended, and it may have been an answer.
    pub fn passed_over(&mut self, context: &mut Context<'_>, direction: Direction, channel: u16) {
        for waiting in self.waiting.iter_mut() {
            waiting.answer_may_be_lost |= waiting.requests != direction && waiting.channel == channel;
        }
        if let Some(place) = self.contents[direction as usize].iter().position(|content| content.channel == channel) {
            self.end_content(context, direction, place, Extent::Lost);
        }
    }

    /// Bytes of a direction were lost, nobody knows how many frames.
    pub fn lost(&mut self, context: &mut Context<'_>, direction: Direction) {
        self.end_contents(context, direction, Extent::Lost);
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.requests != direction) {
            waiting.answer_may_be_lost = true;
        }
    }

    /// A direction has ended: no answer comes from there any more.
    pub fn end(&mut self, context: &mut Context<'_>, direction: Direction) {
        self.end_contents(context, direction, Extent::Ended);
        self.give_up(context, &Outcome::Ended, |waiting| waiting.requests != direction);
    }

    pub fn expire(&mut self, context: &mut Context<'_>) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            self.give_up_at(context, 0, &Outcome::NoAnswer);
        }
    }

    pub fn deadline_ns(&self) -> Option<i64> {
        Some(self.waiting.front()?.start_ns.saturating_add(self.options.common.transaction_timeout_ns))
    }

    /// Publishes all that waits.
    pub fn finish(&mut self, context: &mut Context<'_>) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.end(context, direction);
        }
    }

    /// As new, keeping small buffers.
    pub fn reset(&mut self) {
        while let Some(waiting) = self.remove(0) {
            self.recycle(waiting.arguments);
        }
        self.waiting.shrink_to(MAX_SPARE);
        for direction in [Direction::ToServer, Direction::ToClient] {
            while let Some(content) = self.contents[direction as usize].pop() {
                self.recycle_content(content);
            }
        }
    }

    fn method(&mut self, context: &mut Context<'_>, direction: Direction, frame: &Frame<'_>) {
        // A method ends the message before it on its channel.
        if let Some(place) =
            self.contents[direction as usize].iter().position(|content| content.channel == frame.channel)
        {
            self.end_content(context, direction, place, Extent::Cut);
        }
        let mut reader = Reader::new(frame.payload);
        let numbers = reader.u16().zip(reader.u16());
        let Some(method) = numbers.and_then(|(class, number)| methods::find(class, number)) else {
            context.count(ProtocolCounter::ParseFailures, 1);
            if frame.is_damaged {
                self.lost(context, direction);
            }
            return;
        };
        context.count(ProtocolCounter::Messages, 1);
        if method.is_connection_information && self.options.connection_information == Visibility::Hidden {
            return;
        }
        let arguments = reader.rest();
        let request = Request {
            requests: direction,
            method,
            arguments,
            start_ns: frame.start_ns,
            bytes: frame.bytes,
            is_damaged: frame.is_damaged,
        };
        match method.role {
            Role::Request if message::flag(method.arguments, arguments, AMQP_NO_WAIT) => {
                event::publish(context, &self.options, &request, &Outcome::Alone);
            }
            Role::Request => self.wait(context, frame.channel, &request),
            Role::Alone => event::publish(context, &self.options, &request, &Outcome::Alone),
            Role::Close => self.close(context, frame.channel, &request),
            Role::Answer(number) => self.answer(context, frame.channel, number, &request),
            Role::Content => self.begin_content(context, frame.channel, &request, None),
            Role::ContentAnswer(number) => {
                let asked = self.find(direction.opposite(), frame.channel, method.class, number);
                let asked = asked.and_then(|place| self.remove(place));
                if asked.is_none() {
                    context.count(ProtocolCounter::UnmatchedResponses, 1);
                }
                self.begin_content(context, frame.channel, &request, asked);
            }
        }
    }

    fn wait(&mut self, context: &mut Context<'_>, channel: u16, request: &Request<'_>) {
        self.give_up(context, &Outcome::Lost, |waiting| {
            waiting.answer_may_be_lost && waiting.requests == request.requests && waiting.channel == channel
        });
        while self.waiting.len() >= MAX_WAITING || self.waiting_bytes >= MAX_WAITING_BYTES {
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.give_up_at(context, 0, &Outcome::NoAnswer);
        }
        let mut arguments = self.spare.pop().unwrap_or_default();
        arguments.extend_from_slice(request.arguments);
        self.waiting_bytes += arguments.len();
        self.waiting.push_back(Waiting {
            requests: request.requests,
            channel,
            method: request.method,
            arguments,
            start_ns: request.start_ns,
            bytes: request.bytes,
            is_damaged: request.is_damaged,
            answer_may_be_lost: false,
        });
    }

    /// A close answers what the other end waits for.
    fn close(&mut self, context: &mut Context<'_>, channel: u16, request: &Request<'_>) {
        let outcome =
            Outcome::Closed { method: request.method, arguments: request.arguments, end_ns: request.start_ns };
        let whole = request.method.ends_connection();
        self.give_up(context, &outcome, |waiting| {
            waiting.requests != request.requests
                && (whole || waiting.channel == channel)
                && waiting.method.role != Role::Close
        });
        let is_error =
            event::is_error_code(message::number(request.method.arguments, request.arguments, AMQP_REPLY_CODE));
        if is_error || self.options.connection_information == Visibility::Shown {
            self.wait(context, channel, request);
        }
    }

    fn answer(&mut self, context: &mut Context<'_>, channel: u16, number: u16, answer: &Request<'_>) {
        let requests = answer.requests.opposite();
        let found = self.find(requests, channel, answer.method.class, number);
        let asked = found.and_then(|place| self.remove(place));
        let closed = methods::find(answer.method.class, number).filter(|method| method.role == Role::Close);
        match asked {
            Some(waiting) => {
                let outcome = Outcome::Answered(Answer {
                    method: answer.method,
                    arguments: answer.arguments,
                    start_ns: answer.start_ns,
                    bytes: answer.bytes,
                    is_damaged: answer.is_damaged,
                });
                event::publish(context, &self.options, &waiting.request(), &outcome);
                self.recycle(waiting.arguments);
            }
            // The close itself was hidden.
            None if closed.is_some() && self.options.connection_information == Visibility::Hidden => {}
            None => context.count(ProtocolCounter::UnmatchedResponses, 1),
        }
        if let Some(method) = closed {
            // What the closing end asked before is not answered any more.
            let whole = method.ends_connection();
            self.give_up(context, &Outcome::NoAnswer, |waiting| {
                waiting.requests == requests && (whole || waiting.channel == channel)
            });
        }
    }

    fn begin_content(
        &mut self,
        context: &mut Context<'_>,
        channel: u16,
        request: &Request<'_>,
        asked: Option<Waiting>,
    ) {
        let direction = request.requests;
        while self.contents[direction as usize].len() >= MAX_CONTENTS
            || self.contents[direction as usize].iter().map(Content::held_bytes).sum::<usize>() >= MAX_CONTENT_BYTES
        {
            context.count(ProtocolCounter::EvictedRequests, 1);
            self.end_content(context, direction, 0, Extent::Cut);
        }
        let mut arguments = self.spare.pop().unwrap_or_default();
        arguments.extend_from_slice(request.arguments);
        let properties = self.spare.pop().unwrap_or_default();
        let body = self.spare.pop().unwrap_or_default();
        self.contents[direction as usize].push(Content {
            channel,
            method: request.method,
            arguments,
            start_ns: request.start_ns,
            request: asked,
            properties,
            has_header: false,
            body_bytes: 0,
            received_bytes: 0,
            body,
            is_damaged: request.is_damaged,
        });
    }

    fn header(&mut self, context: &mut Context<'_>, direction: Direction, frame: &Frame<'_>) {
        let contents = &mut self.contents[direction as usize];
        let Some(place) = contents.iter().position(|content| content.channel == frame.channel) else {
            return;
        };
        let Some((content, (body_bytes, properties))) = contents.get_mut(place).zip(properties::split(frame.payload))
        else {
            context.count(ProtocolCounter::ParseFailures, 1);
            let extent = if frame.is_damaged { Extent::Lost } else { Extent::Cut };
            return self.end_content(context, direction, place, extent);
        };
        content.has_header = true;
        content.is_damaged |= frame.is_damaged;
        content.body_bytes = body_bytes;
        content.properties.clear();
        content.properties.extend_from_slice(properties);
        if content.is_complete() {
            self.end_content(context, direction, place, Extent::Whole);
        }
    }

    /// The first request that waits for an answer like this.
    fn find(&self, requests: Direction, channel: u16, class: u16, number: u16) -> Option<usize> {
        self.waiting.iter().position(|waiting| {
            waiting.requests == requests && waiting.channel == channel && waiting.method.is(class, number)
        })
    }

    fn remove(&mut self, place: usize) -> Option<Waiting> {
        let waiting = self.waiting.remove(place)?;
        self.waiting_bytes -= waiting.arguments.len();
        Some(waiting)
    }

    fn give_up(&mut self, context: &mut Context<'_>, outcome: &Outcome<'_>, which: impl Fn(&Waiting) -> bool) {
        let mut place = 0;
        while let Some(waiting) = self.waiting.get(place) {
            if which(waiting) {
                self.give_up_at(context, place, outcome);
            } else {
                place += 1;
            }
        }
    }

    fn give_up_at(&mut self, context: &mut Context<'_>, place: usize, outcome: &Outcome<'_>) {
        let Some(waiting) = self.remove(place) else { return };
        if !matches!(outcome, Outcome::Closed { .. }) {
            context.count(ProtocolCounter::UnmatchedRequests, 1);
        }
        event::publish(context, &self.options, &waiting.request(), outcome);
        self.recycle(waiting.arguments);
    }

    fn end_contents(&mut self, context: &mut Context<'_>, direction: Direction, extent: Extent) {
        while !self.contents[direction as usize].is_empty() {
            self.end_content(context, direction, 0, extent);
        }
    }

    fn end_content(&mut self, context: &mut Context<'_>, direction: Direction, place: usize, extent: Extent) {
        let contents = &mut self.contents[direction as usize];
        if place >= contents.len() {
            return;
        }
        let mut content = contents.remove(place);
        event::publish_content(context, &self.options, direction, &mut content, extent);
        self.recycle_content(content);
    }

    fn recycle_content(&mut self, content: Content) {
        if let Some(request) = content.request {
            self.recycle(request.arguments);
        }
        for buffer in [content.arguments, content.properties, content.body] {
            self.recycle(buffer);
        }
    }

    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE && buffer.capacity() <= MAX_SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}
