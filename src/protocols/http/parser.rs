// SPDX-License-Identifier: Apache-2.0
//! The state of one connection: messages of both directions, and which response answers which request (RFC 9112,
//! section 9.3.2: in the order of the requests).

use std::collections::VecDeque;
use std::sync::Arc;

use memchr::memchr;

use super::Options;
use super::body::{Framing, Piece, find_empty_line};
use super::event;
use super::message::{Kind, Message, StartLine, is_method};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Longest header. The stream keeps that much until its end is there.
const MAX_HEAD_BYTES: usize = 8 << 20;
/// Requests of a connection that may wait for their responses, and what they may keep together.
const MAX_WAITING: usize = 1000;
const MAX_WAITING_BYTES: usize = 16 << 20;
/// Longest first line of a request that is not HTTP and yet is reported.
const MAX_MALFORMED_LINE_BYTES: usize = 1024;
/// Unused messages that a parser keeps.
const MAX_SPARE: usize = 2;
/// A connection that is in the middle of a message, or has become something else, is remembered longer: what comes next
/// must not be taken for the start of a message.
const MID_MESSAGE_IDLE_NS: i64 = 60_000_000_000;
const LEFT_IDLE_NS: i64 = 3_600_000_000_000;

pub(super) struct HttpParser {
    options: Arc<Options>,
    halves: [Half; 2],
    /// Requests without a response, or with one that came before the request was complete.
    exchanges: VecDeque<Exchange>,
    /// Sum of [`Exchange::kept_bytes`].
    kept_bytes: usize,
    /// Requests given up whose responses are still to come.
    evicted: usize,
    /// Where requests come from, known from the first message.
    requester: Option<Direction>,
    /// The connection has become something else: a tunnel, a WebSocket, HTTP/2.
    left: bool,
    /// Time of the last bytes.
    last_ns: i64,
    #[expect(clippy::vec_box, reason = "messages move between here and the exchanges")]
    spare: Vec<Box<Message>>,
}

struct Exchange {
    request: Box<Message>,
    /// The request has been seen to its end.
    complete: bool,
    response: Option<Box<Message>>,
    kept_bytes: usize,
}

#[derive(Default)]
struct Half {
    stage: Stage,
    /// Unconsumed bytes that have been searched already.
    scanned: usize,
    /// The first line has been seen and is one of HTTP.
    line_checked: bool,
    /// Time of the first byte of the message.
    start_ns: i64,
    /// Bytes were lost or not understood: a message may begin anywhere.
    out_of_step: bool,
    /// The body belongs to no message any more.
    detached: bool,
    /// The response in progress.
    response: Option<Box<Message>>,
    ended: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Before the first byte of a message.
    #[default]
    Start,
    Head,
    Body(Framing),
    /// The server refused the body that the client announced with Expect: it may come or not.
    Refused(Framing),
}

enum Progress {
    /// So many bytes are done; none when only the stage has changed.
    Taken(usize),
    /// More bytes are needed.
    Wait,
    OutOfStep,
    Left,
}

impl HttpParser {
    pub(super) fn new(options: Arc<Options>) -> HttpParser {
        HttpParser {
            options,
            halves: Default::default(),
            exchanges: VecDeque::new(),
            kept_bytes: 0,
            evicted: 0,
            requester: None,
            left: false,
            last_ns: 0,
            spare: Vec::new(),
        }
    }
}

impl Parser for HttpParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.left {
            return Step::NotMine;
        }
        self.last_ns = context.now_ns;
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.advance(context, direction, rest) {
                Progress::Taken(count) => done += count,
                Progress::Wait => return Step::Consumed { bytes: done, need: rest.len() + 1 },
                Progress::OutOfStep => return Step::Resynchronise,
                Progress::Left => return Step::NotMine,
            }
        }
        Step::All
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        if self.left {
            return AfterGap::Restart;
        }
        self.last_ns = context.now_ns;
        let Stage::Body(framing) = self.half(direction).stage else {
            self.lose_head(context, direction);
            return AfterGap::Restart;
        };
        let expected = match framing {
            Framing::Length { remaining } | Framing::ChunkData { remaining } => remaining,
            Framing::UntilClose => u64::MAX,
            Framing::ChunkSize | Framing::ChunkEnd | Framing::Trailer => 0,
        };
        if let Some(message) = self.body_owner(direction) {
            message.damage.lost = true;
            message.bytes += pending.len() as u64;
            message.body_bytes += missing_bytes.min(expected);
        }
        self.half(direction).scanned = 0;
        let remaining = expected.checked_sub(missing_bytes);
        let next = match (framing, remaining) {
            (Framing::UntilClose, _) => Some(Framing::UntilClose),
            (Framing::Length { .. }, Some(remaining @ 1..)) => Some(Framing::Length { remaining }),
            (Framing::ChunkData { .. }, Some(remaining @ 1..)) => Some(Framing::ChunkData { remaining }),
            (Framing::ChunkData { .. }, Some(0)) => Some(Framing::ChunkEnd),
            _ => None,
        };
        match next {
            Some(next) => {
                self.half(direction).stage = Stage::Body(next);
                AfterGap::Continue
            }
            None => {
                self.complete(context, direction);
                if matches!((framing, remaining), (Framing::Length { .. }, Some(0))) {
                    return AfterGap::Continue;
                }
                if matches!(framing, Framing::Length { .. }) {
                    // The gap goes on into the next message.
                    self.lose_head(context, direction);
                }
                self.half(direction).out_of_step = true;
                AfterGap::Restart
            }
        }
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], end: End) {
        if std::mem::replace(&mut self.half(direction).ended, true) {
            return;
        }
        if !self.left {
            self.last_ns = context.now_ns;
            self.end_message(context, direction, pending, end);
        }
        let server_ended = self.requester.is_some_and(|requester| direction == requester.opposite());
        if server_ended || self.halves.iter().all(|half| half.ended) {
            self.publish_waiting(context);
        }
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        if self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            self.finish(context);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        let waits = !self.exchanges.is_empty() || self.halves.iter().any(|half| half.response.is_some());
        waits.then(|| self.last_ns.saturating_add(self.options.common.transaction_timeout_ns))
    }

    fn idle_limit_ns(&self) -> i64 {
        let mid_message = |half: &Half| matches!(half.stage, Stage::Body(_) | Stage::Refused(_)) && !half.ended;
        if self.left {
            LEFT_IDLE_NS
        } else if self.halves.iter().any(mid_message) {
            MID_MESSAGE_IDLE_NS
        } else {
            0
        }
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            if self.half(direction).response.is_some() {
                self.finish_response(context, direction);
                self.half(direction).detached = true;
            }
        }
        self.publish_waiting(context);
    }

    fn reset(&mut self) {
        while let Some(exchange) = self.exchanges.pop_front() {
            self.recycle(exchange.request);
            if let Some(response) = exchange.response {
                self.recycle(response);
            }
        }
        for direction in [Direction::ToServer, Direction::ToClient] {
            if let Some(response) = std::mem::take(self.half(direction)).response {
                self.recycle(response);
            }
        }
        self.exchanges.shrink_to(16);
        self.kept_bytes = 0;
        self.evicted = 0;
        self.requester = None;
        self.left = false;
        self.last_ns = 0;
    }
}

impl HttpParser {
    fn half(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction as usize]
    }

    /// Takes the next piece of `rest`, which is not empty.
    fn advance(&mut self, context: &mut Context<'_>, direction: Direction, rest: &[u8]) -> Progress {
        let half = self.half(direction);
        match half.stage {
            Stage::Start => {
                // Empty lines in front of a message have no meaning (RFC 9112, section 2.2).
                let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if blank > 0 {
                    return Progress::Taken(blank);
                }
                half.stage = Stage::Head;
                half.start_ns = context.now_ns;
                half.scanned = 0;
                half.line_checked = false;
                Progress::Taken(0)
            }
            Stage::Head => self.head(context, direction, rest),
            Stage::Body(framing) => self.body(context, direction, framing, rest),
            Stage::Refused(framing) => {
                let line = rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default();
                let whole = line.len() < rest.len();
                if whole && matches!(StartLine::parse(line), Some(StartLine::Request { .. })) {
                    half.stage = Stage::Start;
                } else if whole || !StartLine::may_be_request(rest) || rest.len() > MAX_MALFORMED_LINE_BYTES {
                    half.stage = Stage::Body(framing);
                    half.detached = true;
                } else {
                    return Progress::Wait;
                }
                Progress::Taken(0)
            }
        }
    }

    fn head(&mut self, context: &mut Context<'_>, direction: Direction, rest: &[u8]) -> Progress {
        let may_request = self.requester != Some(direction.opposite());
        let may_respond = self.requester != Some(direction);
        let half = self.half(direction);
        let before = half.scanned.min(rest.len());
        if !half.line_checked {
            let may_begin =
                (may_request && StartLine::may_be_request(rest)) || (may_respond && StartLine::may_be_response(rest));
            if !may_begin {
                return self.not_http(context, direction, rest);
            }
            if let Some(end) = memchr(b'\n', &rest[before..]) {
                let is_valid = match start_line(&rest[..before + end]) {
                    Some(StartLine::Request { .. }) => may_request,
                    Some(StartLine::Response { .. }) => may_respond,
                    None => false,
                };
                if !is_valid {
                    return self.not_http(context, direction, rest);
                }
                half.line_checked = true;
            }
        }
        let Some(end) = find_empty_line(rest, &mut half.scanned) else {
            return if rest.len() > MAX_HEAD_BYTES { self.lose_step(context, direction) } else { Progress::Wait };
        };
        self.message_begins(context, direction, &rest[..end])
    }

    /// A header is there: all of it, or what came of it before the connection was cut off.
    fn message_begins(&mut self, context: &mut Context<'_>, direction: Direction, block: &[u8]) -> Progress {
        let line = block.get(..memchr(b'\n', block).unwrap_or(block.len())).unwrap_or_default();
        let Some(line) = start_line(line) else { return self.lose_step(context, direction) };
        context.count(ProtocolCounter::Messages, 1);
        let options = self.options.clone();
        let mut message = self.spare.pop().unwrap_or_else(|| Box::new(Message::new()));
        let half = self.half(direction);
        half.scanned = 0;
        half.out_of_step = false;
        half.detached = false;
        message.direction = direction;
        message.start_ns = half.start_ns;
        message.read(line, block, &options);
        match message.kind {
            Kind::Response => self.response_begins(context, direction, message, block.len()),
            Kind::Request | Kind::MalformedRequest => {
                self.requester = Some(direction);
                if message.version.0 == 2 && message.text(message.method) == b"PRI" {
                    // The preface of HTTP/2 (RFC 9113, section 3.4).
                    self.recycle(message);
                    self.left = true;
                    return Progress::Left;
                }
                let framing = message.framing(false);
                self.half(direction).stage = framing.map_or(Stage::Start, Stage::Body);
                self.push(context, message);
                if framing.is_none() {
                    self.complete(context, direction);
                }
                Progress::Taken(block.len())
            }
        }
    }

    fn response_begins(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        message: Box<Message>,
        length: usize,
    ) -> Progress {
        self.requester = Some(direction.opposite());
        let status = message.status;
        if matches!(status, 100 | 102..=199) {
            // An interim response; the final one follows (RFC 9110, section 15.2).
            self.recycle(message);
            self.half(direction).stage = Stage::Start;
            return Progress::Taken(length);
        }
        let method = self.answered_by(direction).map_or(&b""[..], |request| request.text(request.method));
        let to_head = method == b"HEAD";
        let leaves = status == 101 || (method == b"CONNECT" && matches!(status, 200..=299));
        let framing = if leaves { None } else { message.framing(to_head) };
        let half = self.half(direction);
        half.stage = framing.map_or(Stage::Start, Stage::Body);
        half.response = Some(message);
        if framing.is_none() {
            self.complete(context, direction);
        }
        if leaves {
            self.left = true;
            return Progress::Left;
        }
        Progress::Taken(length)
    }

    fn body(&mut self, context: &mut Context<'_>, direction: Direction, framing: Framing, rest: &[u8]) -> Progress {
        let options = self.options.clone();
        let piece = framing.next(rest, &mut self.half(direction).scanned);
        match piece {
            Piece::Wait => return Progress::Wait,
            Piece::Broken => {
                self.complete(context, direction);
                return self.lose_step(context, direction);
            }
            Piece::Data { .. } | Piece::Frame { .. } | Piece::Trailer { .. } => {}
        }
        self.half(direction).scanned = 0;
        let owner = self.body_owner(direction);
        let (bytes, next) = match piece {
            Piece::Data { bytes, next } => {
                let data = rest.get(..bytes).unwrap_or_default();
                let skipped = owner.map_or(bytes, |message| message.take_body(data, &options));
                context.count(ProtocolCounter::SkippedBytes, skipped as u64);
                (bytes, next)
            }
            Piece::Frame { bytes, next } => {
                if let Some(message) = owner {
                    message.bytes += bytes as u64;
                }
                (bytes, Some(next))
            }
            Piece::Trailer { bytes } => {
                if let Some(message) = owner {
                    message.bytes += bytes as u64;
                    message.read_trailer(rest.get(..bytes).unwrap_or_default(), &options);
                }
                (bytes, None)
            }
            Piece::Wait | Piece::Broken => (0, None),
        };
        match next {
            Some(next) => self.half(direction).stage = Stage::Body(next),
            None => self.complete(context, direction),
        }
        Progress::Taken(bytes)
    }

    /// The message whose body comes in a direction.
    fn body_owner(&mut self, direction: Direction) -> Option<&mut Message> {
        let half = &mut self.halves[direction as usize];
        if half.detached {
            return None;
        }
        match &mut half.response {
            Some(response) => Some(response),
            None => self
                .exchanges
                .back_mut()
                .filter(|exchange| !exchange.complete && exchange.request.direction == direction)
                .map(|exchange| &mut *exchange.request),
        }
    }

    /// The message in progress has come to its end.
    fn complete(&mut self, context: &mut Context<'_>, direction: Direction) {
        let half = self.half(direction);
        half.stage = Stage::Start;
        half.scanned = 0;
        if std::mem::replace(&mut half.detached, false) {
            return;
        }
        if half.response.is_some() {
            return self.finish_response(context, direction);
        }
        if let Some(exchange) = self.exchanges.back_mut().filter(|exchange| !exchange.complete) {
            exchange.complete = true;
            exchange.kept_bytes = exchange.request.kept_bytes();
            self.kept_bytes += exchange.kept_bytes;
        }
        self.publish_answered(context);
        if self.half(direction.opposite()).ended {
            self.publish_waiting(context);
        }
    }

    /// The request that the next response of a direction answers.
    fn answered_by(&self, direction: Direction) -> Option<&Message> {
        let exchange = self.exchanges.iter().find(|exchange| exchange.response.is_none())?;
        (self.evicted == 0 && exchange.request.direction != direction).then_some(&*exchange.request)
    }

    /// Gives the response in progress to its request, or publishes it alone.
    fn finish_response(&mut self, context: &mut Context<'_>, direction: Direction) {
        let Some(response) = self.half(direction).response.take() else { return };
        // A first line that made no sense to us and was answered with success was no request.
        while response.status < 400
            && self.answered_by(direction).is_some_and(|request| request.kind == Kind::MalformedRequest)
        {
            if let Some(index) = self.exchanges.iter().position(|exchange| exchange.response.is_none()) {
                self.remove(index);
            }
        }
        if self.answered_by(direction).is_none() {
            self.evicted = self.evicted.saturating_sub(1);
            context.count(ProtocolCounter::UnmatchedResponses, 1);
            event::publish(context, &self.options, None, Some(&response));
            return self.recycle(response);
        }
        let requests = &mut self.halves[direction.opposite() as usize];
        if let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.response.is_none()) {
            if !exchange.complete && exchange.request.expects_continue && exchange.request.body_bytes == 0 {
                exchange.complete = true;
                if let Stage::Body(framing) = requests.stage {
                    requests.stage = Stage::Refused(framing);
                }
            }
            exchange.response = Some(response);
        }
        self.publish_answered(context);
    }

    /// What came is not HTTP. A line of text in the place of a request is kept in case that it is refused.
    fn not_http(&mut self, context: &mut Context<'_>, direction: Direction, rest: &[u8]) -> Progress {
        let from_client = self.requester.unwrap_or(Direction::ToServer) == direction;
        let tunnel = self.exchanges.back().is_some_and(|exchange| {
            exchange.request.upgrade || exchange.request.text(exchange.request.method) == b"CONNECT"
        });
        let waiting = self.exchanges.back().is_some_and(|exchange| exchange.request.kind == Kind::MalformedRequest);
        if !from_client || tunnel || waiting || self.half(direction).out_of_step {
            return self.lose_step(context, direction);
        }
        let length = rest.len().min(MAX_MALFORMED_LINE_BYTES);
        let end = memchr(b'\n', rest.get(..length).unwrap_or_default());
        let line = rest.get(..end.unwrap_or(length)).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') || std::str::from_utf8(line).is_err() {
            return self.lose_step(context, direction);
        }
        let Some(end) = end else {
            return if length < MAX_MALFORMED_LINE_BYTES { Progress::Wait } else { self.lose_step(context, direction) };
        };
        let mut message = self.spare.pop().unwrap_or_else(|| Box::new(Message::new()));
        message.kind = Kind::MalformedRequest;
        message.direction = direction;
        message.start_ns = self.half(direction).start_ns;
        message.bytes = end as u64 + 1;
        message.target = message.keep(line);
        let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if is_method(word) {
            message.method = message.keep(word);
        }
        self.push(context, message);
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.complete = true;
        }
        self.lose_step(context, direction)
    }

    /// Forgets the message in progress; the next one may begin anywhere.
    fn lose_step(&mut self, context: &mut Context<'_>, direction: Direction) -> Progress {
        context.count(ProtocolCounter::ParseFailures, 1);
        let half = self.half(direction);
        half.stage = Stage::Start;
        half.scanned = 0;
        half.out_of_step = true;
        Progress::OutOfStep
    }

    /// The header of a message, or a whole message, is missing in the capture. When it was a response its request must
    /// not be given the next one.
    fn lose_head(&mut self, context: &mut Context<'_>, direction: Direction) {
        let half = self.half(direction);
        half.stage = Stage::Start;
        half.scanned = 0;
        half.out_of_step = true;
        if self.evicted > 0 {
            self.evicted -= 1;
        } else if self.answered_by(direction).is_some()
            && let Some(index) = self.exchanges.iter().position(|exchange| exchange.response.is_none())
            && self.exchanges.get(index).is_some_and(|exchange| exchange.complete)
            && let Some(mut request) = self.remove(index)
        {
            request.damage.response_lost = true;
            self.publish_alone(context, request);
        }
    }

    /// The connection ended in a direction, perhaps in the middle of a message.
    fn end_message(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], end: End) {
        if self.half(direction).stage == Stage::Head
            && self.half(direction).line_checked
            && end != End::Expired
            && matches!(self.message_begins(context, direction, pending), Progress::Left)
        {
            return;
        }
        match self.half(direction).stage {
            Stage::Body(framing) => {
                if framing != Framing::UntilClose
                    && end != End::Expired
                    && let Some(message) = self.body_owner(direction)
                {
                    message.damage.cut_off = true;
                }
                self.complete(context, direction);
            }
            Stage::Start | Stage::Head | Stage::Refused(_) => self.half(direction).stage = Stage::Start,
        }
    }

    fn push(&mut self, context: &mut Context<'_>, request: Box<Message>) {
        self.exchanges.push_back(Exchange { request, complete: false, response: None, kept_bytes: 0 });
        while self.exchanges.len() > MAX_WAITING || (self.kept_bytes > MAX_WAITING_BYTES && self.exchanges.len() > 1) {
            context.count(ProtocolCounter::EvictedRequests, 1);
            if let Some(request) = self.remove(0) {
                self.evicted += 1;
                self.publish_alone(context, request);
            }
        }
    }

    /// Takes a request, which has no response, out of the queue.
    fn remove(&mut self, index: usize) -> Option<Box<Message>> {
        let exchange = self.exchanges.remove(index)?;
        self.kept_bytes = self.kept_bytes.saturating_sub(exchange.kept_bytes);
        Some(exchange.request)
    }

    /// Publishes the transactions that are complete.
    fn publish_answered(&mut self, context: &mut Context<'_>) {
        while self.exchanges.front().is_some_and(|exchange| exchange.complete && exchange.response.is_some()) {
            self.publish_first(context);
        }
    }

    /// Publishes everything that waits.
    fn publish_waiting(&mut self, context: &mut Context<'_>) {
        while let Some(exchange) = self.exchanges.front() {
            if !exchange.complete {
                let half = self.half(exchange.request.direction);
                half.detached = matches!(half.stage, Stage::Body(_));
            }
            self.publish_first(context);
        }
        self.evicted = 0;
    }

    fn publish_first(&mut self, context: &mut Context<'_>) {
        let Some(exchange) = self.exchanges.pop_front() else { return };
        self.kept_bytes = self.kept_bytes.saturating_sub(exchange.kept_bytes);
        match exchange.response {
            Some(response) => {
                event::publish(context, &self.options, Some(&exchange.request), Some(&response));
                self.recycle(exchange.request);
                self.recycle(response);
            }
            None => self.publish_alone(context, exchange.request),
        }
    }

    fn publish_alone(&mut self, context: &mut Context<'_>, request: Box<Message>) {
        if request.kind == Kind::Request {
            context.count(ProtocolCounter::UnmatchedRequests, 1);
            event::publish(context, &self.options, Some(&request), None);
        }
        self.recycle(request);
    }

    fn recycle(&mut self, mut message: Box<Message>) {
        if self.spare.len() < MAX_SPARE {
            message.clear();
            self.spare.push(message);
        }
    }
}

/// A first line, which may still have the carriage return of its end.
fn start_line(line: &[u8]) -> Option<StartLine<'_>> {
    StartLine::parse(line.strip_suffix(b"\r").unwrap_or(line))
}
