// SPDX-License-Identifier: Apache-2.0
//! The state of one connection: where each direction stands, and the messages in progress.

use std::sync::Arc;

use memchr::memchr;

use super::Options;
use super::body::{Framing, Piece, find_empty_line};
use super::exchange::{Exchanges, Lost, Turn};
use super::message::{Kind, Message};
use super::syntax::{StartLine, is_method};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Longest header. The stream keeps that much until its end is there.
const MAX_HEAD_BYTES: usize = 8 << 20;
/// Longest first line of a request that is not HTTP and yet is reported.
const MAX_MALFORMED_LINE_BYTES: usize = 1024;
/// So long a first line may be where it is doubtful whether a message begins at all.
const MAX_DOUBTFUL_LINE_BYTES: usize = 16 << 10;
/// A connection that is in the middle of a message, or has become something else, is remembered longer: what comes next
/// must not be taken for the start of a message.
const MID_MESSAGE_IDLE_NS: i64 = 60_000_000_000;
const LEFT_IDLE_NS: i64 = 3_600_000_000_000;

pub(super) struct HttpParser {
    options: Arc<Options>,
    connection: Connection,
}

#[derive(Default)]
struct Connection {
    halves: [Half; 2],
    exchanges: Exchanges,
    /// Where requests come from, known from the first message.
    requester: Option<Direction>,
    /// The connection has become something else: a tunnel, a WebSocket, HTTP/2.
    left: bool,
    /// Time of the last bytes.
    last_ns: i64,
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
    /// The response in progress. A request in progress is the last of the exchanges.
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

/// Whether a header is all there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Whole,
    CutOff,
}

impl HttpParser {
    pub(super) fn new(options: Arc<Options>) -> HttpParser {
        HttpParser { options, connection: Connection::default() }
    }

    /// Memory of this connection.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        let halves = self.connection.halves.iter();
        let responses = halves.filter_map(|half| half.response.as_ref()).map(|response| response.memory_bytes());
        size_of::<HttpParser>() + responses.sum::<usize>() + self.connection.exchanges.memory_bytes()
    }
}

impl Parser for HttpParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.connection.data(&mut Turn { context, options: &self.options }, direction, bytes)
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        self.connection.gap(&mut Turn { context, options: &self.options }, direction, pending, missing_bytes)
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], end: End) {
        self.connection.end(&mut Turn { context, options: &self.options }, direction, pending, end);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        if self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= context.now_ns) {
            self.finish(context);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        let connection = &self.connection;
        let waits = !connection.exchanges.is_empty() || connection.halves.iter().any(|half| half.response.is_some());
        waits.then(|| connection.last_ns.saturating_add(self.options.common.transaction_timeout_ns))
    }

    fn idle_limit_ns(&self) -> i64 {
        let mid_message = |half: &Half| matches!(half.stage, Stage::Body(_) | Stage::Refused(_)) && !half.ended;
        if self.connection.left {
            LEFT_IDLE_NS
        } else if self.connection.halves.iter().any(mid_message) {
            MID_MESSAGE_IDLE_NS
        } else {
            0
        }
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.connection.publish_all(&mut Turn { context, options: &self.options });
    }

    fn reset(&mut self) {
        let mut exchanges = std::mem::take(&mut self.connection.exchanges);
        exchanges.clear();
        for half in &mut self.connection.halves {
            half.response.take().into_iter().for_each(|response| exchanges.recycle(response));
        }
        self.connection = Connection { exchanges, ..Connection::default() };
    }
}

impl Connection {
    fn data(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.left {
            return Step::NotMine;
        }
        self.last_ns = turn.context.now_ns;
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.advance(turn, direction, rest) {
                Progress::Taken(count) => done += count,
                Progress::Wait => return Step::Consumed { bytes: done, need: rest.len() + 1 },
                Progress::OutOfStep => return Step::Resynchronise,
                Progress::Left => return Step::NotMine,
            }
        }
        Step::All
    }

    fn gap(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        if self.left {
            return AfterGap::Restart;
        }
        self.last_ns = turn.context.now_ns;
        let Stage::Body(framing) = self.half(direction).stage else {
            self.lose_messages(turn, direction, Lost::AtLeastOne);
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
            message.body_bytes = message.body_bytes.saturating_add(missing_bytes.min(expected));
        }
        self.half(direction).scanned = 0;
        let next = match (framing, expected.checked_sub(missing_bytes)) {
            (Framing::UntilClose, _) => Framing::UntilClose,
            (Framing::Length { .. }, Some(remaining @ 1..)) => Framing::Length { remaining },
            (Framing::ChunkData { .. }, Some(remaining @ 1..)) => Framing::ChunkData { remaining },
            (Framing::ChunkData { .. }, Some(0)) => Framing::ChunkEnd,
            (Framing::Length { .. }, Some(0)) => {
                self.complete(turn, direction);
                return AfterGap::Continue;
            }
            (Framing::Length { .. }, None) => {
                // The gap goes on into the next message.
                self.complete(turn, direction);
                self.lose_messages(turn, direction, Lost::AtLeastOne);
                return AfterGap::Restart;
            }
            _ => {
                self.complete(turn, direction);
                self.lose_messages(turn, direction, Lost::Unknown);
                return AfterGap::Restart;
            }
        };
        self.half(direction).stage = Stage::Body(next);
        AfterGap::Continue
    }

    fn end(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, pending: &[u8], end: End) {
        if std::mem::replace(&mut self.half(direction).ended, true) {
            return;
        }
        if !self.left {
            self.last_ns = turn.context.now_ns;
            self.end_message(turn, direction, pending, end);
        }
        let server_ended = self.requester.is_some_and(|requester| direction == requester.opposite());
        if server_ended || self.halves.iter().all(|half| half.ended) {
            self.publish_all(turn);
        }
    }

    /// Publishes everything: responses in progress, then all that waits. Bodies in progress lose their message.
    fn publish_all(&mut self, turn: &mut Turn<'_, '_>) {
        for half in &mut self.halves {
            if let Some(response) = half.response.take() {
                half.detached = true;
                self.exchanges.answer(turn, response);
            }
        }
        for direction in [Direction::ToServer, Direction::ToClient] {
            if self.exchanges.in_progress(direction).is_some() {
                self.half(direction).detached = true;
            }
        }
        self.exchanges.publish_all(turn);
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction as usize]
    }

    /// Takes the next piece of `rest`, which is not empty.
    fn advance(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, rest: &[u8]) -> Progress {
        let half = self.half(direction);
        match half.stage {
            Stage::Start => {
                // Empty lines in front of a message have no meaning (RFC 9112, section 2.2).
                let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if blank > 0 {
                    return Progress::Taken(blank);
                }
                half.stage = Stage::Head;
                half.start_ns = turn.context.now_ns;
                half.scanned = 0;
                half.line_checked = false;
                Progress::Taken(0)
            }
            Stage::Head => self.head(turn, direction, rest),
            Stage::Body(framing) => self.body(turn, direction, framing, rest),
            Stage::Refused(framing) => {
                let line = rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default();
                let whole = line.len() < rest.len();
                if whole && matches!(start_line(line), Some(StartLine::Request { .. })) {
                    half.stage = Stage::Start;
                } else if whole || !StartLine::may_be_request(rest) || rest.len() > MAX_DOUBTFUL_LINE_BYTES {
                    half.stage = Stage::Body(framing);
                    half.detached = true;
                } else {
                    return Progress::Wait;
                }
                Progress::Taken(0)
            }
        }
    }

    fn head(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, rest: &[u8]) -> Progress {
        let may_request = self.requester != Some(direction.opposite());
        let may_respond = self.requester != Some(direction);
        let half = self.half(direction);
        let before = half.scanned.min(rest.len());
        if !half.line_checked {
            let may_begin =
                (may_request && StartLine::may_be_request(rest)) || (may_respond && StartLine::may_be_response(rest));
            if !may_begin {
                return self.not_http(turn, direction, rest);
            }
            if let Some(end) = memchr(b'\n', &rest[before..]) {
                let is_valid = match start_line(&rest[..before + end]) {
                    Some(StartLine::Request { .. }) => may_request,
                    Some(StartLine::Response { .. }) => may_respond,
                    None => false,
                };
                if !is_valid {
                    return self.not_http(turn, direction, rest);
                }
                half.line_checked = true;
            } else if half.out_of_step && rest.len() > MAX_DOUBTFUL_LINE_BYTES {
                return self.lose_step(turn, direction);
            }
        }
        match find_empty_line(rest, &mut half.scanned) {
            Some(end) => self.message_begins(turn, direction, &rest[..end], Head::Whole),
            None if rest.len() > MAX_HEAD_BYTES => self.lose_step(turn, direction),
            None => Progress::Wait,
        }
    }

    /// A header is there: all of it, or what came of it before the connection was cut off.
    fn message_begins(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, block: &[u8], head: Head) -> Progress {
        let line = block.get(..memchr(b'\n', block).unwrap_or(block.len())).unwrap_or_default();
        let Some(line) = start_line(line) else { return self.lose_step(turn, direction) };
        turn.context.count(ProtocolCounter::Messages, 1);
        let mut message = self.exchanges.new_message();
        let half = self.half(direction);
        half.scanned = 0;
        half.out_of_step = false;
        half.detached = false;
        message.direction = direction;
        message.start_ns = half.start_ns;
        message.damage.cut_off = head == Head::CutOff;
        message.read(line, block, turn.options);
        match message.kind {
            Kind::Response => self.response_begins(turn, direction, message, block.len()),
            Kind::Request | Kind::MalformedRequest => {
                self.requester = Some(direction);
                if message.version.0 == 2 && message.text(message.method) == b"PRI" {
                    // The preface of HTTP/2 (RFC 9113, section 3.4).
                    self.exchanges.recycle(message);
                    self.left = true;
                    return Progress::Left;
                }
                let framing = message.framing(false);
                self.half(direction).stage = framing.map_or(Stage::Start, Stage::Body);
                self.exchanges.push(turn, message);
                if framing.is_none() {
                    self.complete(turn, direction);
                }
                Progress::Taken(block.len())
            }
        }
    }

    fn response_begins(
        &mut self,
        turn: &mut Turn<'_, '_>,
        direction: Direction,
        mut message: Box<Message>,
        length: usize,
    ) -> Progress {
        self.requester = Some(direction.opposite());
        let status = message.status;
        if matches!(status, 100 | 102..=199) {
            // An interim response; the final one follows (RFC 9110, section 15.2).
            self.exchanges.recycle(message);
            self.half(direction).stage = Stage::Start;
            return Progress::Taken(length);
        }
        let request = self.exchanges.response_begins(direction);
        message.damage.orphaned = request.is_none();
        let method = request.map_or(&b""[..], |request| request.text(request.method));
        let leaves = status == 101 || (method == b"CONNECT" && matches!(status, 200..=299));
        let framing = if leaves { None } else { message.framing(method == b"HEAD") };
        let half = self.half(direction);
        half.stage = framing.map_or(Stage::Start, Stage::Body);
        half.response = Some(message);
        if framing.is_none() {
            self.complete(turn, direction);
        }
        if leaves {
            self.left = true;
            return Progress::Left;
        }
        Progress::Taken(length)
    }

    fn body(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, framing: Framing, rest: &[u8]) -> Progress {
        let is_empty = |message: Option<&mut Message>| message.is_some_and(|message| message.body_bytes == 0);
        let may_be_none = framing == Framing::UntilClose
            || self.half(direction).response.as_ref().is_some_and(|response| response.damage.orphaned);
        if may_be_none && StartLine::may_be_response(rest) && is_empty(self.body_owner(direction)) {
            // A server that left out both the length and the body, or an answer to HEAD. The next answer tells.
            if rest.len() < b"HTTP/".len() {
                return Progress::Wait;
            }
            self.complete(turn, direction);
            return Progress::Taken(0);
        }
        let piece = framing.next(rest, &mut self.half(direction).scanned);
        let owner = self.body_owner(direction);
        let (bytes, next) = match piece {
            Piece::Wait => return Progress::Wait,
            Piece::Broken => {
                self.complete(turn, direction);
                return self.lose_step(turn, direction);
            }
            Piece::Data { bytes, next } => {
                let data = rest.get(..bytes).unwrap_or_default();
                let skipped = owner.map_or(bytes, |message| message.take_body(data, turn.options));
                turn.context.count(ProtocolCounter::SkippedBytes, skipped as u64);
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
                    message.read_trailer(rest.get(..bytes).unwrap_or_default(), turn.options);
                }
                (bytes, None)
            }
        };
        self.half(direction).scanned = 0;
        match next {
            Some(next) => self.half(direction).stage = Stage::Body(next),
            None => self.complete(turn, direction),
        }
        Progress::Taken(bytes)
    }

    /// The message whose body comes in a direction.
    fn body_owner(&mut self, direction: Direction) -> Option<&mut Message> {
        let half = &mut self.halves[direction as usize];
        match &mut half.response {
            _ if half.detached => None,
            Some(response) => Some(response),
            None => self.exchanges.in_progress(direction),
        }
    }

    /// The message in progress has come to its end.
    fn complete(&mut self, turn: &mut Turn<'_, '_>, direction: Direction) {
        let half = self.half(direction);
        half.stage = Stage::Start;
        half.scanned = 0;
        if std::mem::replace(&mut half.detached, false) {
            return;
        }
        let Some(response) = half.response.take() else {
            self.exchanges.complete_last();
            self.exchanges.publish_answered(turn);
            if self.half(direction.opposite()).ended {
                self.publish_all(turn);
            }
            return;
        };
        let refuses = self.exchanges.answer(turn, response);
        let requests = self.half(direction.opposite());
        if refuses && let Stage::Body(framing) = requests.stage {
            requests.stage = Stage::Refused(framing);
        }
    }

    /// What came is not HTTP. A line of text in the place of a request is kept in case that it is refused.
    fn not_http(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, rest: &[u8]) -> Progress {
        let from_client = self.requester.unwrap_or(Direction::ToServer) == direction;
        // The client need not wait for the answer before it uses the tunnel; one line of nonsense is enough.
        let ignored = self.exchanges.last().is_some_and(|last| {
            let request = &last.request;
            request.upgrade || request.text(request.method) == b"CONNECT" || request.kind == Kind::MalformedRequest
        });
        if !from_client || ignored || self.half(direction).out_of_step {
            return self.lose_step(turn, direction);
        }
        let length = rest.len().min(MAX_MALFORMED_LINE_BYTES);
        let end = memchr(b'\n', rest.get(..length).unwrap_or_default());
        let line = rest.get(..end.unwrap_or(length)).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return self.lose_step(turn, direction);
        }
        let Some(end) = end else {
            return if length < MAX_MALFORMED_LINE_BYTES { Progress::Wait } else { self.lose_step(turn, direction) };
        };
        if std::str::from_utf8(line).is_err() {
            return self.lose_step(turn, direction);
        }
        let mut message = self.exchanges.new_message();
        message.kind = Kind::MalformedRequest;
        message.direction = direction;
        message.start_ns = self.half(direction).start_ns;
        message.bytes = end as u64 + 1;
        message.target = message.keep(line);
        let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if is_method(word) {
            message.method = message.keep(word);
        }
        self.exchanges.push(turn, message);
        self.exchanges.complete_last();
        self.lose_step(turn, direction)
    }

    /// Forgets the message in progress; the next one may begin anywhere.
    fn lose_step(&mut self, turn: &mut Turn<'_, '_>, direction: Direction) -> Progress {
        turn.context.count(ProtocolCounter::ParseFailures, 1);
        let half = self.half(direction);
        half.stage = Stage::Start;
        half.scanned = 0;
        if !std::mem::replace(&mut half.out_of_step, true) && self.requester == Some(direction.opposite()) {
            self.exchanges.lose_answers(turn, direction, Lost::Unknown);
        }
        Progress::OutOfStep
    }

    /// The header of a message, or whole messages, are missing in the capture.
    fn lose_messages(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, lost: Lost) {
        let half = self.half(direction);
        half.stage = Stage::Start;
        half.scanned = 0;
        half.out_of_step = true;
        if self.requester.unwrap_or(Direction::ToServer) == direction {
            self.exchanges.lose_requests();
        } else {
            self.exchanges.lose_answers(turn, direction, lost);
        }
    }

    /// The connection ended in a direction, perhaps in the middle of a message.
    fn end_message(&mut self, turn: &mut Turn<'_, '_>, direction: Direction, pending: &[u8], end: End) {
        let half = self.half(direction);
        if half.stage == Stage::Head && half.line_checked && end != End::Expired {
            self.message_begins(turn, direction, pending, Head::CutOff);
        }
        let Stage::Body(framing) = self.half(direction).stage else {
            self.half(direction).stage = Stage::Start;
            return;
        };
        if let Some(message) = self.body_owner(direction) {
            if framing == Framing::UntilClose {
                message.take_body(pending, turn.options);
            } else {
                message.bytes += pending.len() as u64;
                message.damage.cut_off |= end != End::Expired;
            }
        }
        self.complete(turn, direction);
    }
}

/// A first line, which may still have the carriage return of its end.
fn start_line(line: &[u8]) -> Option<StartLine<'_>> {
    StartLine::parse(line.strip_suffix(b"\r").unwrap_or(line))
}
