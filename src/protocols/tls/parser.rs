// SPDX-License-Identifier: Apache-2.0
//! The parser of one connection: records, the order of the handshake, and when its outcome is known.

use std::sync::Arc;

use super::Options;
use super::cursor::Cursor;
use super::event::{self, Facts};
use super::handshake::{self, Message};
use super::hello::{ClientHello, ServerHello};
use super::record::{self, ContentType};
use super::side::{Alert, Encrypted, Phase, Side};
use crate::protocols::text::Text;
use crate::protocols::{AfterGap, Context, Direction, End, Parser, ProtocolCounter, Step};

/// The parser of one connection.
pub struct TlsParser {
    options: Arc<Options>,
    sides: [Side; 2],
    handshake: Handshake,
    start_ns: Option<i64>,
    /// The event is out, or there will be none: nothing more is of interest.
    over: bool,
}

/// What the messages of a handshake say.
#[derive(Debug)]
pub struct Handshake {
    /// The direction in which the client sends.
    pub client: Direction,
    /// Bodies of the hellos; empty: not seen.
    pub client_hello: Text,
    pub server_hello: Text,
    /// The server hello asks for another client hello, or did so.
    retry: Retry,
    /// All behind the server hello is encrypted (TLS 1.3).
    encrypted: bool,
    early_data: bool,
    /// A certificate or a key exchange was sent, so no session is resumed.
    pub full: bool,
    pub certificate_requested: bool,
    pub curve: Option<u16>,
    pub ocsp_status: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Retry {
    #[default]
    No,
    /// The server's real hello is still to come.
    Wanted,
    Done,
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Completed { end_ns: i64 },
    Failed,
}

impl TlsParser {
    pub fn new(options: Arc<Options>) -> TlsParser {
        TlsParser { options, sides: Default::default(), handshake: Handshake::default(), start_ns: None, over: false }
    }

    /// Bytes that the parser holds on to, used or not.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        let sides = self.sides.iter().map(|side| side.assembler.held_bytes() + side.certificates.capacity());
        sides.sum::<usize>() + self.handshake.client_hello.capacity() + self.handshake.server_hello.capacity()
    }

    fn records(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut position = 0;
        while position < bytes.len() {
            let side = &mut self.sides[direction as usize];
            let rest = bytes.get(position..).unwrap_or_default();
            if side.phase == Phase::Over {
                return Step::All;
            }
            if side.left == 0 {
                let Some(first) = rest.first_chunk() else {
                    return Step::Consumed { bytes: position, need: record::HEADER_BYTES };
                };
                let old = || record::old_hello(first).filter(|_| side.phase == Phase::Start);
                let Some(header) = record::header(first).or_else(old) else {
                    return self.foreign(direction);
                };
                if side.phase == Phase::Start && !opens(header.content) {
                    // The capture began in the middle of the connection.
                    side.phase = Phase::Over;
                    return Step::All;
                }
                side.begin_record(&header);
                position += header.header_bytes;
                if header.content == ContentType::ApplicationData {
                    let encrypted = Encrypted { length: header.length, time_ns: context.now_ns };
                    side.encrypted.get_or_insert(encrypted);
                    if self.outcome().is_some() {
                        return Step::All;
                    }
                }
                continue;
            }
            let body = rest.get(..side.left).unwrap_or(rest);
            if side.content == ContentType::Alert && side.length == 2 && body.len() < side.left {
                return Step::Consumed { bytes: position, need: side.left };
            }
            position += body.len();
            side.left -= body.len();
            self.body(context, direction, body);
        }
        Step::All
    }

    /// Bytes of a record's body.
    fn body(&mut self, context: &mut Context<'_>, direction: Direction, body: &[u8]) {
        let TlsParser { sides, handshake, .. } = self;
        let side = &mut sides[direction as usize];
        match side.content {
            // Behind ChangeCipherSpec messages are encrypted; a second client hello is not.
            ContentType::Handshake if side.changed_ns.is_none() || handshake.retry != Retry::No => {
                let mut input = body;
                while let Some(message) = side.assembler.next(&mut input) {
                    context.count(ProtocolCounter::Messages, 1);
                    let kept = Kept { certificates: &mut side.certificates, encrypted: &mut side.encrypted };
                    if !handshake.message(direction, message, kept) {
                        context.count(ProtocolCounter::ParseFailures, 1);
                    }
                }
            }
            ContentType::Alert if side.length == 2 => {
                if let [severity, code] = *body {
                    side.add_alert(Alert { severity, code });
                }
            }
            ContentType::ChangeCipherSpec if side.left == 0 => {
                side.changed_ns.get_or_insert(context.now_ns);
            }
            _ => context.count(ProtocolCounter::SkippedBytes, body.len() as u64),
        }
        self.pass_over_the_encrypted();
    }

    /// Ends the reading of what can only be encrypted from here.
    fn pass_over_the_encrypted(&mut self) {
        let TlsParser { sides, handshake, .. } = self;
        if handshake.server_hello.is_empty() || handshake.retry == Retry::Wanted {
            return;
        }
        let server = handshake.client.opposite() as usize;
        if handshake.encrypted {
            if sides[server].phase == Phase::Records {
                sides[server].phase = Phase::Over;
                let client = &mut sides[handshake.client as usize];
                if handshake.early_data {
                    // What came before is data for the application.
                    client.encrypted = None;
                }
            }
        } else {
            for side in sides.iter_mut().filter(|side| side.changed_ns.is_some()) {
                side.phase = Phase::Over;
            }
        }
    }

    /// What comes is no record.
    fn foreign(&mut self, direction: Direction) -> Step {
        let side = &mut self.sides[direction as usize];
        if side.phase == Phase::Start && side.pass_over() {
            if self.sides.iter().all(|side| side.phase == Phase::Start) {
                self.start_ns = None;
            }
            return Step::Resynchronise;
        }
        side.damaged |= side.phase == Phase::Records;
        side.phase = Phase::Over;
        self.over |= self.sides.iter().all(|side| side.phase == Phase::Over) && !self.has_event();
        Step::All
    }

    /// How the handshake ended, once that is known.
    fn outcome(&self) -> Option<Outcome> {
        let handshake = &self.handshake;
        let client = &self.sides[handshake.client as usize];
        let server = &self.sides[handshake.client.opposite() as usize];
        if handshake.encrypted {
            // The client's first encrypted message finishes the handshake, or is an alert.
            let finished = client.encrypted.filter(|_| handshake.retry != Retry::Wanted)?;
            if finished.is_alert() {
                return Some(Outcome::Failed);
            }
            let changed_ns = client.changed_ns.filter(|_| handshake.retry == Retry::No && !handshake.early_data);
            return Some(Outcome::Completed { end_ns: changed_ns.unwrap_or(finished.time_ns) });
        }
        let (client_ns, server_ns) = (client.changed_ns?, server.changed_ns?);
        (handshake.retry == Retry::No).then_some(Outcome::Completed { end_ns: client_ns.max(server_ns) })
    }

    /// Whether the client changed to encryption, which is all that is to be seen of its end of the handshake when the outcome
    /// is not known.
    fn seems_established(&self) -> bool {
        let handshake = &self.handshake;
        let client = &self.sides[handshake.client as usize];
        let server = &self.sides[handshake.client.opposite() as usize];
        let refused = self.sides.iter().flat_map(|side| &side.alerts).any(|alert| alert.is_fatal());
        // A server that was heard and left without its own change has not finished.
        let unfinished = !handshake.server_hello.is_empty()
            && !handshake.encrypted
            && server.changed_ns.is_none()
            && server.ended
            && !server.damaged;
        let early = handshake.early_data || handshake.retry != Retry::No;
        client.changed_ns.is_some() && !refused && !unfinished && !early
    }

    /// Whether there is something to report.
    fn has_event(&self) -> bool {
        !self.handshake.client_hello.is_empty()
            || !self.handshake.server_hello.is_empty()
            || self.sides.iter().any(|side| !side.alerts.is_empty() || !side.certificates.is_empty())
            || self.has_begun()
    }

    /// Whether a client hello has begun that is not complete.
    fn has_begun(&self) -> bool {
        self.handshake.client_hello.is_empty()
            && self.sides.iter().any(|side| side.assembler.begun() == Some(handshake::CLIENT_HELLO))
    }

    /// Gives the messages' memory back: a connection lives on for long after its handshake.
    fn release(&mut self) {
        self.handshake.client_hello.clear();
        self.handshake.server_hello.clear();
        for side in &mut self.sides {
            side.release();
        }
    }

    fn publish(&mut self, context: &mut Context<'_>) {
        if self.over || !self.has_event() {
            return;
        }
        self.over = true;
        let (established, end_ns) = match self.outcome() {
            Some(Outcome::Completed { end_ns }) => (true, Some(end_ns)),
            Some(Outcome::Failed) => (false, None),
            None => (self.seems_established(), None),
        };
        let changed = self.sides.iter().any(|side| side.changed_ns.is_some());
        let facts = Facts {
            start_ns: self.start_ns.unwrap_or(context.now_ns),
            end_ns,
            established,
            // Before the server changes its cipher it could still ask for a full handshake.
            abbreviated: changed && !self.handshake.full,
            broken_hello: self.has_begun(),
            damaged: self.sides.iter().any(|side| side.damaged),
        };
        event::publish(context, &self.options, &facts, &self.handshake, &self.sides);
        self.release();
    }
}

impl Parser for TlsParser {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.over {
            return Step::NotMine;
        }
        self.start_ns.get_or_insert(context.now_ns);
        let step = self.records(context, direction, bytes);
        if self.outcome().is_some() {
            self.publish(context);
        }
        if self.over { Step::All } else { step }
    }

    fn gap(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], missing_bytes: u64) -> AfterGap {
        let side = &mut self.sides[direction as usize];
        if self.over || side.phase == Phase::Over {
            return AfterGap::Continue;
        }
        if side.phase == Phase::Start {
            side.damaged = true;
            return AfterGap::Restart;
        }
        let lost_bytes = (pending.len() as u64).saturating_add(missing_bytes);
        match usize::try_from(lost_bytes) {
            Ok(lost_bytes) if lost_bytes <= side.left => {
                side.left -= lost_bytes;
                match side.content {
                    ContentType::Handshake if side.changed_ns.is_none() => {
                        side.assembler.skip(lost_bytes);
                        side.damaged = true;
                    }
                    ContentType::ChangeCipherSpec => {
                        side.changed_ns.get_or_insert(context.now_ns);
                    }
                    ContentType::Alert => side.damaged = true,
                    _ => {}
                }
                AfterGap::Continue
            }
            _ => {
                // Where the next record begins is not known.
                side.damaged = true;
                side.phase = Phase::Over;
                self.publish(context);
                AfterGap::Restart
            }
        }
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, _pending: &[u8], end: End) {
        self.sides[direction as usize].ended = true;
        let handshake = &self.handshake;
        let [one, other] = &self.sides;
        let settled = match end {
            End::Reset | End::Expired => true,
            End::Fin if one.ended && other.ended => true,
            // A client that leaves in the middle of its hello may be told so.
            End::Fin if direction == handshake.client => {
                !handshake.client_hello.is_empty() && self.sides[direction as usize].changed_ns.is_none()
            }
            // The client may still finish.
            End::Fin => !handshake.encrypted && self.sides[direction as usize].changed_ns.is_none(),
        };
        if settled {
            self.publish(context);
        }
    }

    fn deadline_ns(&self) -> Option<i64> {
        None
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.publish(context);
        self.reset();
    }

    fn reset(&mut self) {
        self.sides.iter_mut().for_each(Side::reset);
        self.handshake = Handshake::default();
        self.start_ns = None;
        self.over = false;
    }
}

/// Whether a connection can begin with a record of this kind.
fn opens(content: ContentType) -> bool {
    matches!(content, ContentType::Handshake | ContentType::Alert | ContentType::OldHello)
}

/// Where a message's bytes go.
struct Kept<'a> {
    certificates: &'a mut Text,
    encrypted: &'a mut Option<Encrypted>,
}

impl Default for Handshake {
    fn default() -> Handshake {
        Handshake {
            client: Direction::ToServer,
            client_hello: Text::default(),
            server_hello: Text::default(),
            retry: Retry::No,
            encrypted: false,
            early_data: false,
            full: false,
            certificate_requested: false,
            curve: None,
            ocsp_status: None,
        }
    }
}

impl Handshake {
    /// Takes a message. False: it is malformed.
    fn message(&mut self, direction: Direction, message: Message<'_>, kept: Kept<'_>) -> bool {
        let body = message.body.bytes();
        match message.kind {
            handshake::CLIENT_HELLO => {
                let Some(hello) = ClientHello::read(body) else { return false };
                *kept.encrypted = None;
                self.early_data = self.retry == Retry::No && hello.offers_early_data();
                if self.client_hello.is_empty() {
                    self.client = direction;
                    message.body.store(&mut self.client_hello);
                }
            }
            handshake::SERVER_HELLO => {
                let Some(hello) = ServerHello::read(body) else { return false };
                if !self.server_hello.is_empty() && self.retry != Retry::Wanted {
                    return true;
                }
                if self.client_hello.is_empty() {
                    self.client = direction.opposite();
                }
                self.encrypted = hello.is_encrypted_from_here();
                self.curve = hello.key_share_group();
                self.retry = match (hello.is_retry_request(), self.retry) {
                    (true, _) => Retry::Wanted,
                    (false, Retry::No) => Retry::No,
                    (false, _) => Retry::Done,
                };
                message.body.store(&mut self.server_hello);
            }
            handshake::CERTIFICATE => {
                self.full = true;
                if kept.certificates.is_empty() {
                    message.body.store(kept.certificates);
                }
            }
            handshake::SERVER_KEY_EXCHANGE => {
                const NAMED_CURVE: u8 = 3;
                self.full = true;
                if let [NAMED_CURVE, high, low] = *body.get(..3).unwrap_or_default() {
                    self.curve = Some(u16::from_be_bytes([high, low]));
                }
            }
            handshake::CLIENT_KEY_EXCHANGE => self.full = true,
            handshake::CERTIFICATE_REQUEST => self.certificate_requested = true,
            handshake::CERTIFICATE_STATUS => self.ocsp_status = ocsp_status(body),
            _ => {}
        }
        true
    }
}

/// `responseStatus` of the OCSP response in a CertificateStatus message (RFC 6066, section 8; RFC 6960, section 4.2.1).
fn ocsp_status(body: &[u8]) -> Option<u8> {
    const OCSP: u8 = 1;
    const SEQUENCE: u8 = 0x30;
    const ENUMERATED: u8 = 0x0a;
    let mut cursor = Cursor::new(body);
    let (kind, _, sequence) = (cursor.u8()?, cursor.u24()?, cursor.u8()?);
    if kind != OCSP || sequence != SEQUENCE {
        return None;
    }
    // A length of more than 127 says in its first octet how many octets it has.
    let length = cursor.u8()?;
    if length & 0x80 != 0 {
        cursor.bytes(usize::from(length & 0x7f))?;
    }
    let (enumerated, _, status) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    (enumerated == ENUMERATED).then_some(status)
}
