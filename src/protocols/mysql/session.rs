// SPDX-License-Identifier: Apache-2.0
//! The state of one connection: commands that wait in order, the answer under way, the login.
//!
//! A capture may begin anywhere. Until a command is seen the server's bytes mean nothing and are thrown away, and the
//! first packet of every answer must count on from its command, so a connection that was joined in the middle, or lost
//! bytes, falls into step with the next command.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Options;
use super::event::{self, Outcome};
use super::login::{self, Answer as LoginAnswer, capability};
use super::packet::{Head, Packet};
use super::request::{Answer, Command, Request};
use super::response::{EofStyle, Progress, Response, Wanted};
use super::statements::Statements;
use super::wire::{Reader, is_eof};
use crate::protocols::{Context, Direction, ProtocolCounter};

/// Commands that may wait for their answers. A client sends the next one before the answer only when it pipelines.
const MAX_WAITING: usize = 128;
/// Bytes of their texts.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Payload of a full TCP segment on Ethernet.
const SEGMENT_BYTES: u64 = 1460;
const SPARE_REQUESTS: usize = 4;

/// What the client is doing besides commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    #[default]
    Commands,
    /// The server's greeting, with its capabilities, was seen; the answer to it is next.
    Greeted { capabilities: u32 },
    /// Sends a local file, which an empty packet ends.
    LocalFile,
}

pub struct Session {
    options: Arc<Options>,
    wanted: Wanted,
    client: Client,
    /// The connection's packets will be compressed once the login has succeeded.
    compressed: bool,
    style: EofStyle,
    waiting: VecDeque<Request>,
    waiting_bytes: usize,
    spare: Vec<Request>,
    pub response: Response,
    /// When the exchange under way last got a packet.
    heard_ns: i64,
    statements: Statements,
    /// The last exchange was seen from end to end, so answers belong to the commands that wait, in order. Otherwise a command
    /// that is followed by another is taken to have been answered unseen: answers carry no number, and one that is missed
    /// would shift all later ones.
    aligned: bool,
    /// A packet was understood: what comes is MySQL.
    in_step: bool,
    /// Bytes of the direction under way make no sense.
    pub out_of_step: bool,
    /// The server's packet under way belongs to an answer that was given up.
    pub drop_answer: bool,
    eof_may_follow: Option<u8>,
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
            client: Client::Commands,
            compressed: false,
            style: EofStyle::Unknown,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            spare: Vec::new(),
            response: Response::default(),
            heard_ns: 0,
            statements: Statements::default(),
            aligned: false,
            in_step: false,
            out_of_step: false,
            drop_answer: false,
            eof_may_follow: None,
            not_mine: false,
        }
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let requests = self.waiting.iter().chain(&self.spare).map(Request::held_bytes);
        requests.sum::<usize>() + self.response.held_bytes() + self.statements.held_bytes()
    }

    /// Whether something was understood, so that what comes is MySQL.
    pub fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// How long the connection is worth remembering when nothing waits.
    pub fn idle_limit_ns(&self) -> i64 {
        if self.statements.is_empty() { 0 } else { self.options.statement_timeout_ns }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            self.recycle(request);
        }
        self.waiting_bytes = 0;
        self.response.clear();
        self.statements.clear();
        self.client = Client::Commands;
        self.style = EofStyle::Unknown;
        self.compressed = false;
        self.aligned = false;
        self.in_step = false;
        self.out_of_step = false;
        self.drop_answer = false;
        self.eof_may_follow = None;
        self.not_mine = false;
    }

    /// How much of a packet that begins is of use; None: it is out of step.
    pub fn wanted_bytes(&self, direction: Direction, head: Head) -> Option<usize> {
        match direction {
            Direction::ToServer => self.wanted_from_client(head),
            Direction::ToClient => match self.waiting.front() {
                Some(request) => self.response.wanted_bytes(head, request, &self.wanted),
                None => self.wanted_without_command(head),
            },
        }
    }

    fn wanted_from_client(&self, head: Head) -> Option<usize> {
        match self.client {
            Client::LocalFile => return Some(1),
            Client::Greeted { .. } if head.sequence == 1 => return Some(login::MAX_GREETING_BYTES),
            _ => {}
        }
        if head.sequence != 0 {
            // Part of a login whose beginning was seen, else bytes from the middle of something.
            let authenticating =
                self.waiting.back().is_some_and(|request| request.command.answer() == Answer::Authentication);
            return authenticating.then_some(1);
        }
        if head.first == Some(0) && !self.in_step {
            // No command; the header of a compressed packet looks like this.
            return Some(64);
        }
        let command = Command::of(head.first?)?;
        command.fits(head.length).then(|| command.wanted_bytes())
    }

    /// The server may speak first: its greeting, or an error in its place; or end an answer with the EOF packet that
    /// nobody could know of.
    fn wanted_without_command(&self, head: Head) -> Option<usize> {
        let greeting = head.sequence == 0
            && head.length <= login::MAX_GREETING_BYTES
            && matches!(head.first, Some(9 | 10 | 0xff))
            && self.client == Client::Commands;
        let eof = self.eof_may_follow == Some(head.sequence) && head.length == 5 && head.first == Some(0xfe);
        (greeting || eof).then_some(login::MAX_GREETING_BYTES)
    }

    /// A packet made no sense where it stands.
    pub fn refused(&mut self, context: &mut Context<'_>, direction: Direction) {
        match direction {
            Direction::ToServer => context.count(ProtocolCounter::ParseFailures, 1),
            Direction::ToClient if self.response.has_begun() => self.lost_answer(context),
            Direction::ToClient => {
                self.aligned = false;
                context.count(ProtocolCounter::UnmatchedResponses, 1);
            }
        }
    }

    /// Whether a packet that was lost in part is a command.
    pub fn begins_command(&self, packet: &Packet<'_>) -> bool {
        let head = Head {
            sequence: packet.sequence,
            first: packet.payload.first().copied(),
            length: usize::try_from(packet.length).unwrap_or(usize::MAX),
        };
        self.client == Client::Commands && packet.sequence == 0 && self.wanted_from_client(head).is_some()
    }

    /// Takes a packet of the client.
    pub fn client_packet(&mut self, context: &mut Context<'_>, packet: &Packet<'_>, start_ns: i64) {
        match self.client {
            Client::LocalFile => {
                self.add_to_request(packet, context.now_ns);
                if packet.length == 0 {
                    self.client = Client::Commands;
                }
                return;
            }
            Client::Greeted { capabilities } if packet.sequence == 1 => {
                self.client = Client::Commands;
                return self.login(context, packet, capabilities, start_ns);
            }
            _ => {}
        }
        if packet.sequence != 0 {
            return self.add_to_request(packet, context.now_ns);
        }
        if !self.in_step && is_compressed(packet) {
            return self.leave(context);
        }
        let Some(command) = packet.payload.first().and_then(|byte| Command::of(*byte)) else {
            context.count(ProtocolCounter::ParseFailures, 1);
            self.out_of_step = true;
            return;
        };
        self.in_step = true;
        self.client = Client::Commands;
        self.eof_may_follow = None;
        context.count(ProtocolCounter::Messages, 1);
        match command {
            Command::SendLongData => self.long_data(packet),
            Command::Close => {
                let id = packet.payload.get(1..5).and_then(|id| id.try_into().ok()).map(u32::from_le_bytes);
                id.into_iter().for_each(|id| self.statements.remove(id));
            }
            Command::Binlog => {
                // Events of replication follow until the connection ends.
                context.count(ProtocolCounter::SkippedBytes, packet.wire_bytes);
                self.not_mine = true;
            }
            Command::Quit => {}
            command => self.command(context, command, packet, start_ns),
        }
    }

    fn command(&mut self, context: &mut Context<'_>, command: Command, packet: &Packet<'_>, start_ns: i64) {
        let mut request = self.spare.pop().unwrap_or_default();
        request.command = command;
        request.start_ns = start_ns;
        request.fill(packet, context.now_ns, self.options.statement_timeout_ns, &mut self.statements);
        if request.is_of_last_prepared() {
            let prepare = self.waiting.iter().rev().find(|waiting| waiting.command == Command::Prepare);
            if let Some(prepare) = prepare {
                request.text.extend_from_slice(&prepare.text);
                request.unknown = false;
            }
        }
        if command == Command::ResetStatement {
            self.statements.change(request.statement, |statement| statement.forget_long_data());
        }
        self.wait(context, request);
    }

    fn wait(&mut self, context: &mut Context<'_>, mut request: Request) {
        request.sent_ns = context.now_ns;
        if !self.aligned && !self.waiting.is_empty() {
            self.give_up(context, Outcome::Lost);
            self.drop_answer = true;
        }
        if self.waiting.len() >= MAX_WAITING {
            // Their answers are not to be seen, or both directions are out of step.
            context.count(ProtocolCounter::EvictedRequests, self.waiting.len() as u64);
            self.give_up(context, Outcome::NoResponse);
            self.drop_answer = true;
        }
        self.waiting_bytes += request.kept_bytes();
        self.waiting.push_back(request);
        let mut index = 0;
        while self.waiting_bytes > MAX_WAITING_BYTES && index + 1 < self.waiting.len() {
            if !self.waiting[index].published {
                context.count(ProtocolCounter::EvictedRequests, 1);
                self.publish_waiting(context, index, Outcome::NoResponse);
            }
            index += 1;
        }
    }

    /// More of the last command: a password, a file.
    fn add_to_request(&mut self, packet: &Packet<'_>, now_ns: i64) {
        self.heard_ns = now_ns;
        if let Some(request) = self.waiting.back_mut() {
            request.bytes += packet.wire_bytes;
            request.sequence = packet.last_sequence;
        }
    }

    fn login(&mut self, context: &mut Context<'_>, packet: &Packet<'_>, server: u32, start_ns: i64) {
        let Some(answer) = LoginAnswer::parse(packet.payload, packet.length) else {
            self.out_of_step = true;
            return;
        };
        if answer.tls {
            context.count(ProtocolCounter::SkippedBytes, packet.wire_bytes);
            self.not_mine = true;
            return;
        }
        self.in_step = true;
        let both = answer.capabilities & server;
        self.compressed = both & (capability::COMPRESS | capability::ZSTD) != 0;
        self.style = if both & capability::DEPRECATE_EOF != 0 { EofStyle::Deprecated } else { EofStyle::Classic };
        let mut request = self.spare.pop().unwrap_or_default();
        request.command = Command::Connect;
        request.start_ns = start_ns;
        request.bytes = packet.wire_bytes;
        request.sequence = packet.last_sequence;
        request.keep_login(answer.user, answer.database);
        self.wait(context, request);
    }

    fn long_data(&mut self, packet: &Packet<'_>) {
        let mut reader = Reader::new(packet.payload.get(1..).unwrap_or_default());
        if let (Some(id), Some(parameter)) = (reader.u32(), reader.u16()) {
            self.statements.change(id, |statement| statement.add_long_data(parameter, reader.rest()));
        }
    }

    /// Takes a packet of the server.
    pub fn server_packet(&mut self, context: &mut Context<'_>, packet: &Packet<'_>, start_ns: i64) {
        let Some(request) = self.waiting.front() else {
            return self.without_command(context, packet, start_ns);
        };
        self.heard_ns = context.now_ns;
        let progress =
            self.response.packet(packet, start_ns, request, &mut self.style, &mut self.statements, &self.wanted);
        match progress {
            Progress::More => {}
            Progress::Complete => self.complete(context, packet),
            Progress::LocalFile => self.client = Client::LocalFile,
            Progress::Broken => {
                context.count(ProtocolCounter::ParseFailures, 1);
                self.lost_answer(context);
                self.out_of_step = true;
            }
        }
    }

    fn without_command(&mut self, context: &mut Context<'_>, packet: &Packet<'_>, start_ns: i64) {
        if self.eof_may_follow.take().is_some() && is_eof(packet.payload) {
            self.style = EofStyle::Classic;
            return;
        }
        if let Some(capabilities) = login::greeting(packet.payload) {
            self.in_step = true;
            self.client = Client::Greeted { capabilities };
            self.statements.clear();
            return;
        }
        if packet.payload.first() == Some(&0xff) && !self.in_step {
            // Refused before it could say who it is: too many connections, a host that is blocked.
            let mut request = self.spare.pop().unwrap_or_default();
            request.command = Command::Connect;
            request.start_ns = start_ns;
            let nobody = &mut self.statements;
            self.response.packet(packet, start_ns, &request, &mut self.style, nobody, &self.wanted);
            if self.response.error_code.is_some() {
                event::publish(context, &self.options, &request, &self.response, Outcome::Answered);
            }
            self.response.clear();
            self.recycle(request);
            return;
        }
        context.count(ProtocolCounter::UnmatchedResponses, 1);
        self.out_of_step = true;
    }

    /// The answer to the first command that waits is complete.
    fn complete(&mut self, context: &mut Context<'_>, packet: &Packet<'_>) {
        self.in_step = true;
        self.eof_may_follow = self.response.eof_may_follow.then(|| packet.last_sequence.wrapping_add(1));
        let failed = self.response.error_code.is_some();
        let Some(request) = self.waiting.front() else {
            return;
        };
        let (command, published) = (request.command, request.published);
        self.client = Client::Commands;
        // What every client does without being asked to is reported when it fails.
        let silent = matches!(command, Command::Connect | Command::ResetStatement);
        if !published && (failed || !silent) {
            let outcome = if self.response.damaged { Outcome::Damaged } else { Outcome::Answered };
            event::publish(context, &self.options, request, &self.response, outcome);
        }
        if !failed && matches!(command, Command::ChangeUser | Command::ResetConnection) {
            self.statements.clear();
        }
        self.drop_front();
        self.aligned |= self.waiting.is_empty();
        if command == Command::Connect && !failed && self.compressed {
            self.leave(context);
        }
    }

    /// Compressed packets: counted once, and left alone.
    fn leave(&mut self, context: &mut Context<'_>) {
        context.count(ProtocolCounter::ParseFailures, 1);
        self.not_mine = true;
    }

    fn drop_front(&mut self) {
        if let Some(request) = self.waiting.pop_front() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(request.kept_bytes());
            self.recycle(request);
        }
        self.response.clear();
    }

    fn recycle(&mut self, mut request: Request) {
        if self.spare.len() < SPARE_REQUESTS {
            request.clear();
            self.spare.push(request);
        }
    }

    /// A hole in the server's bytes. Answers do not share segments unless commands are pipelined, so a hole of one segment
    /// is in one answer; behind a larger one it is not known to which command an answer belongs.
    pub fn lost_bytes_of_answers(&mut self, context: &mut Context<'_>, missing_bytes: u64) {
        if missing_bytes > SEGMENT_BYTES && self.waiting.len() > 1 {
            self.give_up(context, Outcome::Lost);
            self.aligned = false;
        } else {
            self.lost_answer(context);
        }
    }

    /// Bytes of the answer that was due are missing.
    fn lost_answer(&mut self, context: &mut Context<'_>) {
        self.aligned = false;
        if self.waiting.is_empty() {
            return;
        }
        self.publish_waiting(context, 0, Outcome::Lost);
        self.client = Client::Commands;
        self.drop_front();
    }

    /// Publishes a command that waits, with what there is of its answer when it is the first. It goes on waiting, silently.
    fn publish_waiting(&mut self, context: &mut Context<'_>, index: usize, outcome: Outcome) {
        let Some(request) = self.waiting.get_mut(index) else {
            return;
        };
        if request.published {
            return;
        }
        let silent = matches!(request.command, Command::ResetStatement);
        if !silent {
            let nothing = Response::default();
            let response = if index == 0 { &self.response } else { &nothing };
            if !response.has_begun() {
                context.count(ProtocolCounter::UnmatchedRequests, 1);
            }
            event::publish(context, &self.options, request, response, outcome);
        }
        request.published = true;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(request.kept_bytes());
        request.release_text();
    }

    /// Nothing more will be answered.
    pub fn give_up(&mut self, context: &mut Context<'_>, outcome: Outcome) {
        while !self.waiting.is_empty() {
            self.publish_waiting(context, 0, outcome);
            self.drop_front();
        }
        self.client = Client::Commands;
        self.response.clear();
    }

    /// Publishes commands that have waited too long.
    pub fn expire(&mut self, context: &mut Context<'_>) {
        let timeout_ns = self.options.common.transaction_timeout_ns;
        for index in 0..self.waiting.len() {
            let due_ns = self.last_heard_ns(index).saturating_add(timeout_ns);
            if !self.waiting[index].published && due_ns <= context.now_ns {
                self.publish_waiting(context, index, Outcome::NoResponse);
                self.aligned = false;
            }
        }
    }

    /// Bytes of the client are missing, and maybe commands, or more of the last one: a password, a file.
    pub fn lost_commands(&mut self) {
        self.aligned = false;
        let goes_on = |request: &Request| matches!(request.command, Command::Connect | Command::ChangeUser);
        if let Some(request) = self.waiting.back_mut() {
            request.damaged |= self.client == Client::LocalFile || goes_on(request);
        }
    }

    /// When the next of them has.
    pub fn deadline_ns(&self) -> Option<i64> {
        let first = self.waiting.iter().position(|request| !request.published)?;
        Some(self.last_heard_ns(first).saturating_add(self.options.common.transaction_timeout_ns))
    }

    fn last_heard_ns(&self, index: usize) -> i64 {
        let sent_ns = self.waiting[index].sent_ns;
        if index == 0 && self.response.has_begun() { sent_ns.max(self.heard_ns) } else { sent_ns }
    }
}

/// Whether what looks like a packet with the impossible command 0 is the header of a compressed one: its third part,
/// the length before compression, is zero for small packets, and a whole packet stands behind it.
fn is_compressed(packet: &Packet<'_>) -> bool {
    matches!(packet.payload, [0, 0, 0, low, middle, high, 0, ..]
        if u64::from(u32::from_le_bytes([*low, *middle, *high, 0])) + 4 == packet.length)
}
