// SPDX-License-Identifier: Apache-2.0
//! Reads the messages that one end sends, from a stream or from the datagrams of one message put together.
//!
//! Values are counted as they go by, and kept only as far as the options ask for it. An answer of several parts (values up to
//! END, statistics up to the last one) is one message. Limit: a line of more than [`MAX_LINE_BYTES`] is none.

use memchr::memchr;

use super::Options;
use super::binary::{self, Header, Purpose, Role};
use super::message::{Form, Message, Spare};
use super::text::{self, Follows};

/// Longest line: a get with many keys.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// What is kept of a version or a statistic.
const MAX_SHORT_VALUE_BYTES: usize = 1024;

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// [`Reader::message`] is complete.
    Message,
    /// Nothing to do before so many bytes more are there.
    Need { more: usize },
    /// Not of the protocol.
    Invalid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a line or a header.
    #[default]
    Head,
    /// Inside a value.
    Value(Value),
    /// Before the line end behind a value.
    LineEnd(Value),
    /// In a line whose value was longer than it said.
    Overlong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value {
    left_bytes: u64,
    /// Bytes that are still kept of it.
    keep_bytes: usize,
    /// Where what is kept begins; None: nothing is.
    mark: Option<usize>,
    purpose: Purpose,
    /// More of the same answer follows.
    more: bool,
    damaged: bool,
}

/// Reads one end's messages.
pub struct Reader {
    role: Role,
    pub message: Message,
    state: State,
    /// Part of an answer was read and more is to come.
    continues: bool,
    started: bool,
    begun_ns: Option<i64>,
    /// Bytes of the line under way in which there is no line end.
    scanned: usize,
    out_of_step: bool,
}

impl Reader {
    pub fn new(role: Role) -> Reader {
        Reader {
            role,
            message: Message::default(),
            state: State::Head,
            continues: false,
            started: false,
            begun_ns: None,
            scanned: 0,
            out_of_step: false,
        }
    }

    /// As new, keeping its buffers.
    pub fn reset(&mut self) {
        let mut message = std::mem::take(&mut self.message);
        message.trim(Spare::READER);
        *self = Reader { message, ..Reader::new(self.role) };
    }

    /// Nothing is known of where the next message begins.
    pub fn lose_step(&mut self) {
        self.reset();
        self.out_of_step = true;
    }

    /// Whether a message has begun of which the head is known.
    pub fn is_inside(&self) -> bool {
        self.started
    }

    /// The next message in `bytes` from `position` on, which is moved behind what was used.
    pub fn next(&mut self, bytes: &[u8], position: &mut usize, now_ns: i64, options: &Options) -> Found {
        loop {
            if self.started && self.state == State::Head && !self.continues {
                self.finish();
                return Found::Message;
            }
            let rest = bytes.get(*position..).unwrap_or_default();
            let Some(first) = rest.first() else { return Found::Need { more: 0 } };
            let used = match self.state {
                State::Head if self.continues && !self.goes_on(*first, rest) => {
                    self.finish();
                    return Found::Message;
                }
                State::Head => {
                    let begun_ns = *self.begun_ns.get_or_insert(now_ns);
                    if !self.started {
                        self.message.clear();
                        self.message.start_ns = begun_ns;
                    }
                    let head =
                        if binary::is_magic(*first) { self.header(rest, options) } else { self.line(rest, options) };
                    match head {
                        Ok(used) => used,
                        Err(found) => return found,
                    }
                }
                State::Value(value) => self.value(value, rest),
                State::LineEnd(value) => match self.line_end(value, rest) {
                    Ok(used) => used,
                    Err(found) => return found,
                },
                State::Overlong => {
                    let end = memchr(b'\n', rest);
                    if end.is_some() {
                        self.state = State::Head;
                    }
                    end.map_or(rest.len(), |end| end + 1)
                }
            };
            *position += used;
            self.message.bytes += used as u64;
        }
    }

    /// The bytes that are missing lie in a value: what is behind them is known.
    pub fn bridge(&mut self, missing_bytes: u64) -> bool {
        let State::Value(mut value) = self.state else { return false };
        if missing_bytes > value.left_bytes {
            return false;
        }
        value.left_bytes -= missing_bytes;
        value.damaged = true;
        self.message.damaged = true;
        self.message.bytes += missing_bytes;
        self.state = if value.left_bytes == 0 { self.behind_value(value) } else { State::Value(value) };
        true
    }

    /// Gives up the message under way; it is in [`Reader::message`] when its head is known.
    pub fn abandon(&mut self) -> bool {
        let known = self.started;
        if let State::Value(value) | State::LineEnd(value) = self.state {
            self.end_value(Value { damaged: true, ..value });
        }
        self.message.damaged = true;
        self.finish();
        known
    }

    fn finish(&mut self) {
        self.state = State::Head;
        self.continues = false;
        self.started = false;
        self.begun_ns = None;
        self.scanned = 0;
    }

    /// Whether the next bytes are of the answer under way.
    fn goes_on(&self, first: u8, rest: &[u8]) -> bool {
        match self.message.form {
            Form::Text => !binary::is_magic(first),
            Form::Binary if rest.len() < binary::HEADER_BYTES => binary::is_magic(first),
            Form::Binary => Header::read(rest, self.role)
                .is_some_and(|header| header.opcode == binary::STAT && header.opaque == self.message.opaque),
        }
    }

    fn header(&mut self, rest: &[u8], options: &Options) -> Result<usize, Found> {
        if rest.len() < binary::HEADER_BYTES {
            return Err(Found::Need { more: binary::HEADER_BYTES });
        }
        let header = Header::read(rest, self.role).ok_or(Found::Invalid)?;
        if self.out_of_step && !header.is_likely() {
            return Err(Found::Invalid);
        }
        let used = header.head_bytes();
        let head = rest.get(..used).ok_or(Found::Need { more: used })?;
        let (extras, key) = head
            .get(binary::HEADER_BYTES..)
            .unwrap_or_default()
            .split_at_checked(header.extras_bytes)
            .unwrap_or_default();
        self.out_of_step = false;
        self.started = true;
        let more = header.continues(self.role);
        let purpose = if self.continues {
            // One more statistic.
            if more {
                self.message.add_key(key);
            }
            Purpose::Stat
        } else {
            header.fill(&mut self.message, self.role, extras, key)
        };
        self.continues = more;
        if header.value_bytes > 0 {
            self.begin_value(header.value_bytes, purpose, more, options);
        } else if more {
            self.message.add_stat_of_last_key(self.message.mark());
        }
        Ok(used)
    }

    fn line(&mut self, rest: &[u8], options: &Options) -> Result<usize, Found> {
        let searched = rest.get(self.scanned..).unwrap_or_default();
        let Some(end) = memchr(b'\n', searched).map(|end| end + self.scanned) else {
            self.scanned = rest.len();
            if rest.len() > MAX_LINE_BYTES {
                return Err(Found::Invalid);
            }
            return Err(Found::Need { more: rest.len() + 1 });
        };
        self.scanned = 0;
        let line = rest.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.read_line(line, options)?;
        Ok(end + 1)
    }

    /// The line of a message that broke off is all there is.
    pub fn broken_line(&mut self, line: &[u8], now_ns: i64, options: &Options) -> bool {
        if self.started || line.first().is_none_or(|first| binary::is_magic(*first)) {
            return false;
        }
        self.message.clear();
        self.message.start_ns = self.begun_ns.unwrap_or(now_ns);
        if self.read_line(line, options).is_err() {
            return false;
        }
        self.message.bytes = line.len() as u64;
        self.abandon()
    }

    fn read_line(&mut self, line: &[u8], options: &Options) -> Result<(), Found> {
        if self.out_of_step {
            let known = match self.role {
                Role::Request => text::is_command(line),
                Role::Response => text::is_answer(line),
            };
            if !known {
                return Err(Found::Invalid);
            }
            self.out_of_step = false;
        }
        let follows = match self.role {
            Role::Request => text::request(line, &mut self.message),
            Role::Response => text::response(line, &mut self.message),
        };
        self.started = true;
        match follows {
            Follows::Nothing => self.continues = false,
            Follows::More => self.continues = true,
            Follows::Value(length) => self.begin_value(length, Purpose::Value, false, options),
            Follows::ValueAndMore(length) => self.begin_value(length, Purpose::Value, true, options),
            Follows::Invalid => {
                self.finish();
                return Err(Found::Invalid);
            }
        }
        Ok(())
    }

    fn begin_value(&mut self, left_bytes: u64, purpose: Purpose, more: bool, options: &Options) {
        let keep_bytes = match purpose {
            Purpose::Value if self.message.values().len() < options.max_values => options.max_bytes_per_value,
            Purpose::Value | Purpose::Hidden | Purpose::Ignored => 0,
            Purpose::Number | Purpose::Version | Purpose::Stat => MAX_SHORT_VALUE_BYTES,
        };
        if self.role == Role::Request {
            self.message.value_lines = 1;
        }
        let mark = (keep_bytes > 0).then(|| self.message.mark());
        self.continues = more;
        let value = Value { left_bytes, keep_bytes, mark, purpose, more, damaged: false };
        if matches!(purpose, Purpose::Value | Purpose::Hidden) {
            *self.message.value_bytes.get_or_insert(0) += left_bytes;
        }
        self.state = if left_bytes == 0 { self.behind_value(value) } else { State::Value(value) };
    }

    fn value(&mut self, mut value: Value, rest: &[u8]) -> usize {
        let used = usize::try_from(value.left_bytes).map_or(rest.len(), |left| left.min(rest.len()));
        if self.message.malformed {
            let lines = memchr::memchr_iter(b'\n', rest.get(..used).unwrap_or_default()).count();
            self.message.value_lines = self.message.value_lines.saturating_add(lines as u32);
        }
        let kept = used.min(value.keep_bytes);
        if !value.damaged {
            self.message.keep(rest.get(..kept).unwrap_or_default());
        }
        value.keep_bytes -= kept;
        value.left_bytes -= used as u64;
        self.state = if value.left_bytes == 0 { self.behind_value(value) } else { State::Value(value) };
        used
    }

    fn behind_value(&mut self, value: Value) -> State {
        if self.message.form == Form::Text {
            return State::LineEnd(value);
        }
        self.end_value(value);
        State::Head
    }

    fn line_end(&mut self, value: Value, rest: &[u8]) -> Result<usize, Found> {
        match rest {
            [b'\r', b'\n', ..] => {
                self.end_value(value);
                self.state = State::Head;
                Ok(2)
            }
            [b'\r'] => Err(Found::Need { more: 2 }),
            // The server takes the rest of the line for a command, and refuses it.
            _ if self.role == Role::Request => {
                self.end_value(value);
                self.state = State::Overlong;
                Ok(0)
            }
            _ => Err(Found::Invalid),
        }
    }

    fn end_value(&mut self, value: Value) {
        self.continues = value.more;
        let Some(mark) = value.mark else {
            self.message.value_count += u64::from(matches!(value.purpose, Purpose::Value | Purpose::Hidden));
            return;
        };
        if value.purpose == Purpose::Value {
            self.message.value_count += 1;
        }
        if value.damaged {
            self.message.forget_since(mark);
            return;
        }
        match value.purpose {
            Purpose::Value => self.message.add_value(mark),
            Purpose::Number => {
                let number = self.message.kept_since(mark).first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
                self.message.number = number;
                self.message.forget_since(mark);
            }
            Purpose::Version => self.message.set_kept_detail(mark),
            Purpose::Stat => self.message.add_stat_of_last_key(mark),
            Purpose::Hidden | Purpose::Ignored => {}
        }
    }
}
