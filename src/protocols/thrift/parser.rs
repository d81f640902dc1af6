// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: finds the messages of both directions and gives calls and replies to the session.

use std::sync::Arc;

use super::header;
use super::message::{Extent, Found, MessageReader};
use super::session::Session;
use super::wire::{self, Failure, MAX_SIZE};
use super::{Options, Replies, TransportType};
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

pub struct ThriftParser {
    options: Arc<Options>,
    sides: [Side; 2],
    session: Session,
}

/// What is under way in one direction.
#[derive(Default)]
struct Side {
    reader: MessageReader,
    /// Number of its method in the IDL.
    method: Option<usize>,
    /// When the message under way began, or the bytes that may become one.
    start_ns: Option<i64>,
    /// When bytes came last.
    heard_ns: i64,
    /// Bytes of the message under way.
    message_bytes: u64,
    frame: Option<Frame>,
    /// A message was found where one was expected.
    is_in_step: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    bytes: u64,
    left: u64,
    /// Its message has been read, or cannot be.
    is_done: bool,
}

/// What became of the bytes at hand.
enum Progress {
    GoOn,
    /// So many bytes are needed.
    Need(usize),
    /// The message under way is complete.
    Message,
    Invalid,
}

impl ThriftParser {
    pub fn new(options: Arc<Options>) -> ThriftParser {
        let session = Session::new(Arc::clone(&options));
        ThriftParser { options, sides: Default::default(), session }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.sides.iter().map(|side| side.reader.held_bytes()).sum::<usize>() + self.session.held_bytes()
    }

    /// Gives the message that was read, whole or not, to the session.
    fn deliver(&mut self, context: &mut Context<'_>, direction: Direction) {
        let side = &mut self.sides[direction as usize];
        let message = &mut side.reader.message;
        message.bytes = match side.frame {
            Some(frame) if message.extent == Extent::Whole => frame.bytes,
            _ => side.message_bytes,
        };
        if message.kind.is_call() {
            self.session.call(context, direction, message);
        } else {
            self.session.reply(context, direction.opposite(), message);
        }
        side.reader.clear();
        side.message_bytes = 0;
        match &mut side.frame {
            Some(frame) => frame.is_done = true,
            None => side.start_ns = None,
        }
    }

    /// The message under way cannot be read on. Answers what to do with the rest of the bytes.
    fn invalid(&mut self, context: &mut Context<'_>, direction: Direction) -> Option<Step> {
        context.count(ProtocolCounter::ParseFailures, 1);
        self.abandon(context, direction, Extent::Unreadable);
        let side = &mut self.sides[direction as usize];
        match &mut side.frame {
            Some(frame) if side.is_in_step => {
                frame.is_done = true;
                None
            }
            _ => {
                side.lose_step();
                Some(Step::Resynchronise)
            }
        }
    }

    fn abandon(&mut self, context: &mut Context<'_>, direction: Direction, extent: Extent) {
        let side = &mut self.sides[direction as usize];
        if side.reader.is_inside() {
            side.reader.abandon(&self.options, extent);
            self.deliver(context, direction);
        }
    }

    /// When bytes of a reply under way came last.
    fn heard_ns(&self) -> Option<i64> {
        let inside = self.sides.iter().filter(|side| side.reader.is_inside() && !side.reader.message.kind.is_call());
        inside.map(|side| side.heard_ns).max()
    }
}

impl Side {
    /// Reads one thing: a frame's length, or what [`Side::read`] reads.
    fn advance(
        &mut self,
        options: &Options,
        session: &Session,
        direction: Direction,
        bytes: &[u8],
        position: &mut usize,
    ) -> Progress {
        let rest = bytes.get(*position..).unwrap_or_default();
        if self.frame.is_none() && !self.reader.is_inside() {
            match is_framed(options.transport_type, rest) {
                Ok(true) => {}
                Ok(false) => return self.read(options, session, direction, rest, position),
                Err(more) => return Progress::Need(more),
            }
            let length = match wire::array(rest) {
                Ok(length) => u32::from_be_bytes(length),
                Err(_) => return Progress::Need(4),
            };
            if length == 0 || length > MAX_SIZE {
                return Progress::Invalid;
            }
            *position += 4;
            let bytes = u64::from(length);
            self.frame = Some(Frame { bytes, left: bytes, is_done: false });
            return Progress::GoOn;
        }
        self.read(options, session, direction, rest, position)
    }

    /// Reads a header, or the rest of a message or of a frame.
    fn read(
        &mut self,
        options: &Options,
        session: &Session,
        direction: Direction,
        rest: &[u8],
        position: &mut usize,
    ) -> Progress {
        let left = self.frame.map_or(u64::MAX, |frame| frame.left);
        let there = rest.get(..rest.len().min(usize::try_from(left).unwrap_or(usize::MAX))).unwrap_or_default();
        let mut taken = 0;
        let progress = match self.frame {
            Some(frame) if frame.is_done => {
                taken = there.len();
                if frame.left > taken as u64 { Progress::Need(1) } else { Progress::GoOn }
            }
            _ if self.reader.is_inside() => {
                let method = self.method.and_then(|method| options.idl.method(method));
                match self.reader.next(options, method, there, &mut taken) {
                    Found::Message => Progress::Message,
                    Found::Need(more) => Progress::Need(more),
                    Found::Invalid => Progress::Invalid,
                }
            }
            _ => match header::read(there) {
                Ok((header, length)) => {
                    taken = length;
                    self.is_in_step = true;
                    self.method = session.method(direction, header.kind, header.name, header.sequence);
                    self.reader.begin(options, &header, self.start_ns.unwrap_or(0));
                    Progress::GoOn
                }
                Err(Failure::Needs(more)) => Progress::Need(more),
                Err(Failure::Invalid) => Progress::Invalid,
            },
        };
        *position += taken;
        // Of a reply that is passed over the header counts, as in Packetbeat.
        if self.frame.is_some()
            || options.replies == Replies::Shown
            || self.message_bytes == 0
            || self.reader.message.kind.is_call()
        {
            self.message_bytes += taken as u64;
        }
        let Some(frame) = &mut self.frame else { return progress };
        frame.left = frame.left.saturating_sub(taken as u64);
        match progress {
            Progress::Need(more) if !frame.is_done && more as u64 > frame.left => Progress::Invalid,
            progress => progress,
        }
    }

    /// Ends a frame that has been read.
    fn leave_frame(&mut self) {
        if self.frame.is_some_and(|frame| frame.is_done && frame.left == 0) {
            self.frame = None;
            self.start_ns = None;
            self.message_bytes = 0;
        }
    }

    /// What comes next may be anything.
    fn lose_step(&mut self) {
        self.reader.clear();
        self.method = None;
        self.start_ns = None;
        self.message_bytes = 0;
        self.frame = None;
        self.is_in_step = false;
    }
}

/// Whether what begins here is a frame, or how many bytes tell.
fn is_framed(transport_type: TransportType, bytes: &[u8]) -> Result<bool, usize> {
    match (transport_type, bytes) {
        (TransportType::Socket, _) => Ok(false),
        (TransportType::Framed, _) => Ok(true),
        (TransportType::Auto, [0, _, _, _, first, second, ..]) => Ok(header::has_version(*first, *second)),
        (TransportType::Auto, [] | [0, ..]) => Err(6),
        (TransportType::Auto, [first, second, ..]) => Ok(!header::has_version(*first, *second)),
        (TransportType::Auto, [_]) => Err(2),
    }
}

impl Parser for ThriftParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut position = 0;
        loop {
            let side = &mut self.sides[direction as usize];
            side.heard_ns = context.now_ns;
            side.leave_frame();
            if position == bytes.len() && !side.reader.is_inside() {
                return Step::All;
            }
            side.start_ns.get_or_insert(context.now_ns);
            match side.advance(&self.options, &self.session, direction, bytes, &mut position) {
                Progress::GoOn => {}
                Progress::Need(more) => return Step::Consumed { bytes: position, need: more },
                Progress::Message => self.deliver(context, direction),
                Progress::Invalid => {
                    if let Some(step) = self.invalid(context, direction) {
                        return step;
                    }
                }
            }
        }
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        let side = &mut self.sides[direction as usize];
        let missing = missing_bytes.saturating_add(pending.len() as u64);
        let fits = side.frame.is_none_or(|frame| frame.left >= missing);
        let is_bridged = fits && pending.is_empty() && side.reader.is_inside() && side.reader.bridge(missing_bytes);
        if is_bridged {
            side.message_bytes += missing_bytes;
        } else {
            if !side.reader.is_inside() {
                self.session.replies_may_be_lost(direction.opposite());
                self.session.calls_may_be_lost(direction);
            }
            self.abandon(context, direction, Extent::Lost);
        }
        let side = &mut self.sides[direction as usize];
        match &mut side.frame {
            Some(frame) if fits => {
                frame.left -= missing;
                frame.is_done |= !is_bridged;
                side.leave_frame();
            }
            None if is_bridged => {}
            _ => {
                side.lose_step();
                self.session.replies_may_be_lost(direction.opposite());
                self.session.calls_may_be_lost(direction);
                return AfterGap::Restart;
            }
        }
        AfterGap::Continue
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], end: End) {
        self.abandon(context, direction, Extent::Ended);
        self.sides[direction as usize].lose_step();
        self.session.ended(context, direction, end);
    }

    fn expire(&mut self, context: &mut Context<'_>) {
        self.session.expire(context, self.heard_ns());
    }

    fn deadline_ns(&self) -> Option<i64> {
        self.session.deadline_ns(self.heard_ns())
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.abandon(context, direction, Extent::Ended);
        }
        self.session.finish(context);
        self.reset();
    }

    fn reset(&mut self) {
        for side in &mut self.sides {
            side.lose_step();
            side.heard_ns = 0;
        }
        self.session.reset();
    }
}
