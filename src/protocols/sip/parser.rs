// SPDX-License-Identifier: Apache-2.0
//! The state of one flow: where each direction of a TCP connection stands. A datagram needs none.
//!
//! Where bytes were lost or not understood, the next header that is a whole message's is looked for.

use std::sync::Arc;

use memchr::memchr;

use super::Options;
use super::event::{self, Damage, Report};
use super::message::{Message, StartLine, find_head_end, find_start, next_line, unfold};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// Longest header over TCP. The stream keeps that much until its end is there.
const MAX_HEAD_BYTES: usize = 1 << 20;
/// Bytes of a body that are kept.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Longest header where it is not known whether it is one.
const MAX_DOUBTFUL_BYTES: usize = 64 << 10;
/// A direction that has had so many bytes and no message has none.
const MAX_FOREIGN_BYTES: usize = 256 << 10;
/// Memory for texts that stays with a parser.
const KEPT_CAPACITY_BYTES: usize = 4 << 10;

/// State of one flow.
pub struct SipParser {
    options: Arc<Options>,
    streams: [Stream; 2],
    /// A header whose folded lines are joined.
    unfolded: Vec<u8>,
    /// Text in lower or upper case.
    text: Vec<u8>,
}

/// One direction of a TCP connection.
#[derive(Default)]
struct Stream {
    footing: Footing,
    /// Unconsumed bytes that have been searched for the end of a header.
    scanned: usize,
    /// The start line of the message is there.
    has_start_line: bool,
    /// When the message began that is under way.
    started_ns: Option<i64>,
    /// Its parts, once its header is there.
    framing: Option<Framing>,
    /// Bytes of a body that are still to come and that nobody asked for.
    skip_bytes: u64,
    /// Bytes without a message before the first one.
    foreign_bytes: usize,
    has_message: bool,
}

/// Whether it is known where the next message begins.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Footing {
    #[default]
    Known,
    Lost,
}

/// The parts of a message in the order of its bytes.
#[derive(Clone, Copy)]
struct Framing {
    head_bytes: usize,
    /// Bytes of the body that the event shows.
    kept_bytes: usize,
    /// The rest of the body.
    skipped_bytes: u64,
    is_cut: bool,
}

enum Progress {
    Taken(usize),
    /// Nothing can be done before so many bytes are there.
    Wait(usize),
    NotMine,
}

impl SipParser {
    pub fn new(options: Arc<Options>) -> SipParser {
        let text = Vec::with_capacity(KEPT_CAPACITY_BYTES);
        SipParser { options, streams: Default::default(), unfolded: Vec::new(), text }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.unfolded.capacity() + self.text.capacity()
    }
}

impl Parser for SipParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.advance(context, direction, rest) {
                Progress::Taken(count) => done += count,
                Progress::Wait(need) => return Step::Consumed { bytes: done, need },
                Progress::NotMine => return Step::NotMine,
            }
        }
        Step::All
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        let stream = &mut self.streams[direction as usize];
        let left_bytes = match stream.framing {
            Some(framing) => framing.bytes().saturating_sub(pending.len() as u64),
            None => stream.skip_bytes,
        };
        match stream.framing {
            Some(framing) => self.message(context, direction, pending, framing, Damage::Lost),
            None if !pending.is_empty() && stream.footing == Footing::Known => {
                context.count(ProtocolCounter::ParseFailures, 1);
            }
            None => {}
        }
        let stream = &mut self.streams[direction as usize];
        let footing = match left_bytes >= missing_bytes {
            true => stream.footing,
            false => Footing::Lost,
        };
        stream.begin(footing);
        stream.skip_bytes = left_bytes.saturating_sub(missing_bytes);
        if footing == Footing::Known { AfterGap::Continue } else { AfterGap::Restart }
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], end: End) {
        let stream = &mut self.streams[direction as usize];
        let damage = match end {
            End::Fin | End::Reset => Damage::CutOff,
            End::Expired => Damage::Lost,
        };
        match stream.framing {
            Some(framing) => self.message(context, direction, pending, framing, damage),
            None if !pending.is_empty() && stream.footing == Footing::Known => {
                context.count(ProtocolCounter::ParseFailures, 1);
            }
            None => {}
        }
        self.streams[direction as usize] = Stream::default();
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        let cut_bytes = wire_length.saturating_sub(payload.len());
        let payload = payload.get(keep_alive_bytes(payload)..).unwrap_or_default();
        if payload.is_empty() {
            return;
        }
        let head_end = find_head_end(payload, &mut 0);
        let (head, body) = payload.split_at_checked(head_end.unwrap_or(payload.len())).unwrap_or((payload, b""));
        let published = Message::with(unfold(head, &mut self.unfolded).unwrap_or(head), |message| {
            // Without a length the body ends with the datagram; what is behind the length is no part of it (section 18.3).
            let announced =
                message.content_length.map_or(body.len(), |length| usize::try_from(length).unwrap_or(usize::MAX));
            let body_bytes = announced.min(body.len());
            let damage = match (cut_bytes, head_end) {
                (1.., _) if head_end.is_none() || announced > body.len() => Damage::Lost,
                (_, None) => Damage::NoHeadEnd,
                _ if announced > body.len() => Damage::Short,
                _ => Damage::None,
            };
            let report = Report {
                message,
                original: payload.get(..head.len() + body_bytes).unwrap_or(payload),
                body: body.get(..body_bytes).unwrap_or_default(),
                time_ns: context.now_ns,
                damage,
            };
            event::publish(context, direction, &self.options, &report, &mut self.text);
        });
        match published {
            Some(()) => self.trim(),
            None => context.count(ProtocolCounter::ParseFailures, 1),
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        None
    }

    fn finish(&mut self, _context: &mut Context<'_>) {
        self.reset();
    }

    fn reset(&mut self) {
        self.streams = Default::default();
        self.trim();
    }
}

impl SipParser {
    /// Takes the next part of `rest`, which is not empty.
    fn advance(&mut self, context: &mut Context<'_>, direction: Direction, rest: &[u8]) -> Progress {
        let stream = &mut self.streams[direction as usize];
        if stream.skip_bytes > 0 {
            let count = usize::try_from(stream.skip_bytes).map_or(rest.len(), |bytes| bytes.min(rest.len()));
            stream.skip_bytes -= count as u64;
            context.count(ProtocolCounter::SkippedBytes, count as u64);
            return Progress::Taken(count);
        }
        if stream.footing == Footing::Lost {
            return self.search(direction, rest);
        }
        if stream.started_ns.is_none() {
            let blank = keep_alive_bytes(rest);
            if blank > 0 {
                return Progress::Taken(blank);
            }
            stream.started_ns = Some(context.now_ns);
        }
        let framing = match stream.framing {
            Some(framing) => framing,
            None => match self.frame(direction, rest) {
                Ok(framing) => framing,
                Err(Some(progress)) => return progress,
                Err(None) => {
                    context.count(ProtocolCounter::ParseFailures, 1);
                    self.streams[direction as usize].begin(Footing::Lost);
                    return Progress::Taken(0);
                }
            },
        };
        let stream = &mut self.streams[direction as usize];
        let wanted = framing.head_bytes + framing.kept_bytes;
        let Some(message) = rest.get(..wanted) else {
            stream.framing = Some(framing);
            return Progress::Wait(wanted);
        };
        let damage = if framing.is_cut { Damage::TooLong } else { Damage::None };
        self.message(context, direction, message, framing, damage);
        let stream = &mut self.streams[direction as usize];
        stream.begin(Footing::Known);
        stream.skip_bytes = framing.skipped_bytes;
        Progress::Taken(wanted)
    }

    /// Looks for the end of the header. An error without progress: this is no message.
    fn frame(&mut self, direction: Direction, rest: &[u8]) -> Result<Framing, Option<Progress>> {
        let stream = &mut self.streams[direction as usize];
        if !stream.has_start_line {
            let before = stream.scanned.min(rest.len());
            let line_end = memchr(b'\n', rest.get(before..).unwrap_or_default()).map(|end| before + end);
            let may_be_message = match line_end {
                Some(end) => StartLine::parse(rest.get(..end).unwrap_or_default()).is_some(),
                None => StartLine::may_begin(rest) && rest.len() <= MAX_DOUBTFUL_BYTES,
            };
            if !may_be_message {
                return Err(None);
            }
            stream.has_start_line = line_end.is_some();
        }
        let Some(head_bytes) = find_head_end(rest, &mut stream.scanned) else {
            return Err((rest.len() <= MAX_HEAD_BYTES).then_some(Progress::Wait(rest.len() + 1)));
        };
        let head = rest.get(..head_bytes).unwrap_or_default();
        let head = unfold(head, &mut self.unfolded).unwrap_or(head);
        let (has_own_method, describes_session, body_bytes) = Message::with(head, |message| {
            (message.has_own_method(), message.describes_session(), message.content_length.unwrap_or(0))
        })
        .ok_or(None)?;
        // A connection may be joined in the middle of a start line.
        if !stream.has_message && !has_own_method {
            return Err(None);
        }
        let is_wanted = self.options.keep_original || (self.options.parse_body && describes_session);
        let most = if is_wanted { MAX_BODY_BYTES } else { 0 };
        let kept_bytes = usize::try_from(body_bytes).map_or(most, |bytes| bytes.min(most));
        let skipped_bytes = body_bytes - kept_bytes as u64;
        Ok(Framing { head_bytes, kept_bytes, skipped_bytes, is_cut: is_wanted && skipped_bytes > 0 })
    }

    /// Publishes a message whose header is whole; `bytes` begin with it.
    fn message(
        &mut self,
        context: &mut Context<'_>,
        direction: Direction,
        bytes: &[u8],
        framing: Framing,
        damage: Damage,
    ) {
        let stream = &mut self.streams[direction as usize];
        stream.has_message = true;
        let time_ns = stream.started_ns.unwrap_or(context.now_ns);
        let (head, body) = bytes.split_at_checked(framing.head_bytes).unwrap_or((bytes, b""));
        Message::with(unfold(head, &mut self.unfolded).unwrap_or(head), |message| {
            let report = Report { message, original: bytes, body, time_ns, damage };
            event::publish(context, direction, &self.options, &report, &mut self.text);
        });
        self.trim();
    }

    /// Looks for the next message: a header that has all that it must have. What is before its start line may be the end of a
    /// body.
    fn search(&mut self, direction: Direction, rest: &[u8]) -> Progress {
        let stream = &mut self.streams[direction as usize];
        let Some(end) = find_head_end(rest, &mut stream.scanned) else {
            if rest.len() <= MAX_DOUBTFUL_BYTES {
                return Progress::Wait(rest.len() + 1);
            }
            return stream.pass_over(rest.len());
        };
        let block = rest.get(..end).unwrap_or_default();
        let Some(start) = find_start(block) else { return stream.pass_over(end) };
        let head = block.get(start..).unwrap_or_default();
        let line = next_line(&mut { head }).unwrap_or_default();
        let is_likely = Message::with(unfold(head, &mut self.unfolded).unwrap_or(head), |message| message.is_likely());
        match StartLine::parse(line).is_some() && is_likely == Some(true) {
            true => {
                stream.begin(Footing::Known);
                Progress::Taken(start)
            }
            false => stream.pass_over(end),
        }
    }

    /// Gives the memory of unusually long texts back.
    fn trim(&mut self) {
        for buffer in [&mut self.unfolded, &mut self.text] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY_BYTES);
        }
    }
}

impl Stream {
    /// What comes next is the beginning of a message, or is searched for one.
    fn begin(&mut self, footing: Footing) {
        self.footing = footing;
        self.scanned = 0;
        self.has_start_line = false;
        self.started_ns = None;
        self.framing = None;
        self.skip_bytes = 0;
    }

    fn pass_over(&mut self, bytes: usize) -> Progress {
        self.scanned = 0;
        self.foreign_bytes = self.foreign_bytes.saturating_add(bytes);
        match !self.has_message && self.foreign_bytes > MAX_FOREIGN_BYTES {
            true => Progress::NotMine,
            false => Progress::Taken(bytes),
        }
    }
}

impl Framing {
    fn bytes(&self) -> u64 {
        (self.head_bytes as u64).saturating_add(self.kept_bytes as u64).saturating_add(self.skipped_bytes)
    }
}

/// Bytes before a message that keep the way through a firewall open: line ends (RFC 5626, section 3.5.1) and zeros.
fn keep_alive_bytes(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | 0)).count()
}
