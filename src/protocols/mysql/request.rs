// SPDX-License-Identifier: Apache-2.0
//! Commands of the client: what they are called, what answer they get, and their arguments.

use std::fmt::Write as _;

use super::login;
use super::packet::Packet;
use super::statements::{LAST_PREPARED, Statement, Statements};
use super::values::{self, Style};
use super::wire::{Column, Reader};
use crate::protocols::text::Text;

/// Bytes of a statement's text, and of all parameters together, that are kept for an event.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
const MAX_PARAMETERS: usize = 65_535;

/// The first byte of a command packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// No command: the login.
    #[default]
    Connect,
    Quit,
    InitDb,
    Query,
    FieldList,
    CreateDb,
    DropDb,
    Refresh,
    Shutdown,
    Statistics,
    ProcessInfo,
    ProcessKill,
    Debug,
    Ping,
    ChangeUser,
    /// A replica asks for the log: what follows are events of replication, for ever.
    Binlog,
    RegisterReplica,
    Prepare,
    Execute,
    SendLongData,
    Close,
    ResetStatement,
    SetOption,
    Fetch,
    ResetConnection,
    BulkExecute,
}

/// What the server sends after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    None,
    /// OK, ERR or EOF.
    Single,
    /// One packet of text, or ERR.
    Text,
    /// OK, ERR, a request for a local file, or result sets.
    Results(Rows),
    Prepared,
    /// Column definitions.
    Definitions,
    /// Binary rows without definitions.
    Fetched,
    /// An exchange that ends in OK or ERR.
    Authentication,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    Text,
    Binary,
}

impl Command {
    pub fn of(byte: u8) -> Option<Command> {
        Some(match byte {
            0x01 => Command::Quit,
            0x02 => Command::InitDb,
            0x03 => Command::Query,
            0x04 => Command::FieldList,
            0x05 => Command::CreateDb,
            0x06 => Command::DropDb,
            0x07 => Command::Refresh,
            0x08 => Command::Shutdown,
            0x09 => Command::Statistics,
            0x0a => Command::ProcessInfo,
            0x0c => Command::ProcessKill,
            0x0d => Command::Debug,
            0x0e => Command::Ping,
            0x11 => Command::ChangeUser,
            0x12 | 0x13 | 0x1e => Command::Binlog,
            0x15 => Command::RegisterReplica,
            0x16 => Command::Prepare,
            0x17 => Command::Execute,
            0x18 => Command::SendLongData,
            0x19 => Command::Close,
            0x1a => Command::ResetStatement,
            0x1b => Command::SetOption,
            0x1c => Command::Fetch,
            0x1f => Command::ResetConnection,
            0xfa => Command::BulkExecute,
            _ => return None,
        })
    }

    /// Whether a packet can be this command: lengths that the protocol fixes.
    pub fn fits(self, length: usize) -> bool {
        match self {
            Command::Quit
            | Command::Statistics
            | Command::ProcessInfo
            | Command::Debug
            | Command::Ping
            | Command::ResetConnection => length == 1,
            Command::Refresh | Command::Shutdown => length <= 2,
            Command::ProcessKill | Command::Close | Command::ResetStatement => length == 5,
            Command::SetOption => length == 3,
            Command::Fetch => length == 9,
            Command::Execute => length >= 10,
            Command::SendLongData | Command::BulkExecute => length >= 7,
            _ => true,
        }
    }

    pub fn answer(self) -> Answer {
        match self {
            Command::Quit | Command::SendLongData | Command::Close | Command::Binlog => Answer::None,
            Command::Statistics => Answer::Text,
            Command::Query | Command::ProcessInfo => Answer::Results(Rows::Text),
            Command::Execute | Command::BulkExecute => Answer::Results(Rows::Binary),
            Command::Prepare => Answer::Prepared,
            Command::FieldList => Answer::Definitions,
            Command::Fetch => Answer::Fetched,
            Command::Connect | Command::ChangeUser => Answer::Authentication,
            _ => Answer::Single,
        }
    }

    /// `method`, where it is not the first word of a statement.
    pub fn name(self) -> &'static str {
        match self {
            Command::Connect => "CONNECT",
            Command::Quit => "QUIT",
            Command::InitDb => "INIT_DB",
            Command::Query => "QUERY",
            Command::FieldList => "FIELD_LIST",
            Command::CreateDb => "CREATE_DB",
            Command::DropDb => "DROP_DB",
            Command::Refresh => "REFRESH",
            Command::Shutdown => "SHUTDOWN",
            Command::Statistics => "STATISTICS",
            Command::ProcessInfo => "PROCESS_INFO",
            Command::ProcessKill => "PROCESS_KILL",
            Command::Debug => "DEBUG",
            Command::Ping => "PING",
            Command::ChangeUser => "CHANGE_USER",
            Command::Binlog => "BINLOG_DUMP",
            Command::RegisterReplica => "REGISTER_SLAVE",
            Command::Prepare => "PREPARE",
            Command::Execute | Command::BulkExecute => "EXECUTE",
            Command::SendLongData => "SEND_LONG_DATA",
            Command::Close => "CLOSE",
            Command::ResetStatement => "RESET",
            Command::SetOption => "SET_OPTION",
            Command::Fetch => "FETCH",
            Command::ResetConnection => "RESET_CONNECTION",
        }
    }

    /// Bytes of the packet that are of use.
    pub fn wanted_bytes(self) -> usize {
        match self {
            Command::Query | Command::Prepare | Command::Execute => MAX_TEXT_BYTES + 1024,
            Command::SendLongData => 64 << 10,
            _ => 4096,
        }
    }
}

/// A command that waits for its answer.
#[derive(Default)]
pub struct Request {
    pub command: Command,
    pub start_ns: i64,
    /// When its last byte was seen.
    pub sent_ns: i64,
    /// With headers; what the client sends later for the same command (passwords, local files) included.
    pub bytes: u64,
    /// Of its last packet; the answer's first packet has the next.
    pub sequence: u8,
    /// SQL as sent, or the arguments of another command as text.
    pub text: Text,
    /// The text is the beginning of a longer one.
    pub cut: bool,
    /// The SQL of an execution is not known: its preparation was not seen.
    pub unknown: bool,
    /// Part of it was lost.
    pub damaged: bool,
    /// Its event is out already, its answer is still to come.
    pub published: bool,
    pub statement: u32,
    /// Values of parameters one after the other, and where each ends.
    pub parameters: Vec<u8>,
    pub parameter_ends: Vec<u32>,
    types: Vec<u16>,
}

impl Request {
    pub fn clear(&mut self) {
        self.release_text();
        self.command = Command::Connect;
        self.cut = false;
        self.unknown = false;
        self.damaged = false;
        self.published = false;
        self.statement = 0;
    }

    /// Empties what was kept for the event.
    pub fn release_text(&mut self) {
        self.text.clear();
        self.parameters.clear();
        self.parameters.shrink_to(64 << 10);
        self.parameter_ends.clear();
        self.parameter_ends.shrink_to(4096);
    }

    pub fn kept_bytes(&self) -> usize {
        self.text.len() + self.parameters.len() + self.parameter_ends.len() * 4
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.text.capacity() + self.parameters.capacity() + 4 * self.parameter_ends.capacity()
    }

    /// Values of the parameters.
    pub fn parameter_values(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.parameter_ends.iter().map(move |end| {
            let end = *end as usize;
            let value = self.parameters.get(start..end).unwrap_or_default();
            start = end;
            value
        })
    }

    /// Takes over a command packet, whose first byte is `self.command`.
    pub fn fill(&mut self, packet: &Packet<'_>, now_ns: i64, statement_timeout_ns: i64, statements: &mut Statements) {
        self.bytes = packet.wire_bytes;
        self.sequence = packet.last_sequence;
        self.damaged = packet.damaged;
        let arguments = packet.payload.get(1..).unwrap_or_default();
        match self.command {
            Command::Query => {
                let text = without_attributes(arguments);
                self.keep(text, packet.length > packet.payload.len() as u64);
            }
            Command::Prepare => self.keep(arguments, packet.length > packet.payload.len() as u64),
            Command::InitDb | Command::CreateDb | Command::DropDb | Command::FieldList => {
                self.keep(Reader::new(arguments).until_zero(), false);
            }
            Command::ProcessKill => {
                if let Some(id) = Reader::new(arguments).u32() {
                    // Writing into memory does not fail.
                    let _ = write!(self.text, "{id}");
                }
            }
            Command::ChangeUser => {
                let (user, database) = login::change_user(arguments);
                self.keep_login(user, database);
            }
            Command::Execute | Command::BulkExecute | Command::Fetch | Command::ResetStatement => {
                self.statement = Reader::new(arguments).u32().unwrap_or(0);
                match statements.get(self.statement, now_ns, statement_timeout_ns) {
                    Some(statement) => {
                        self.text.extend_from_slice(&statement.text);
                        if self.command == Command::Execute {
                            let mut types = std::mem::take(&mut self.types);
                            types.clear();
                            let bound = self.read_parameters(arguments, statement, &mut types).unwrap_or(false);
                            statements.change(self.statement, |statement| {
                                // The server keeps types until they are bound anew, and long data for one execution.
                                statement.forget_long_data();
                                if bound {
                                    std::mem::swap(&mut statement.types, &mut types);
                                }
                            });
                            self.types = types;
                        }
                    }
                    None => self.unknown = true,
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, text: &[u8], longer: bool) {
        self.cut = longer || text.len() > MAX_TEXT_BYTES;
        self.text.extend_from_slice(&text[..text.len().min(MAX_TEXT_BYTES)]);
    }

    /// `USER on DATABASE`, as the server's general log writes it.
    pub fn keep_login(&mut self, user: &[u8], database: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(user);
        if !database.is_empty() {
            self.text.extend_from_slice(b" on ");
            self.text.extend_from_slice(database);
        }
    }

    /// Parameters of COM_STMT_EXECUTE. True: their types are bound anew, and are in `fresh`.
    fn read_parameters(&mut self, arguments: &[u8], statement: &Statement, fresh: &mut Vec<u16>) -> Option<bool> {
        let mut reader = Reader::new(arguments);
        reader.u32()?;
        let flags = reader.u8()?;
        reader.u32()?;
        // PARAMETER_COUNT_AVAILABLE of CLIENT_QUERY_ATTRIBUTES: attributes follow the parameters and types have names.
        let named = flags & 8 != 0;
        let own = usize::from(statement.parameters);
        let count = if named { usize::try_from(reader.length_encoded()?).ok()? } else { own };
        if count == 0 || count > MAX_PARAMETERS {
            return None;
        }
        let nulls = reader.take(count.div_ceil(8))?;
        let bound = reader.u8()? == 1;
        if bound {
            for _ in 0..count {
                fresh.push(reader.u16()?);
                if named {
                    reader.text()?;
                }
            }
        }
        let types = if bound { &*fresh } else { &statement.types };
        for (index, code) in types.iter().enumerate().take(own) {
            let long = statement.long_data.iter().find(|(parameter, _)| usize::from(*parameter) == index);
            let whole = if nulls.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0) {
                self.parameters.extend_from_slice(b"NULL");
                true
            } else if let Some((_, data)) = long {
                self.parameters.extend_from_slice(data);
                true
            } else {
                let column = Column { kind: *code as u8, unsigned: code & 0x8000 != 0, decimals: 31 };
                values::write_value(&mut self.parameters, &mut reader, column, Style::Parameter).is_some()
            };
            if !whole {
                // The packet was kept in part; what is known is reported.
                self.cut = true;
                self.parameters.truncate(self.parameter_ends.last().map_or(0, |end| *end as usize));
                break;
            }
            self.parameter_ends.push(self.parameters.len() as u32);
        }
        Some(bound)
    }

    /// Whether it is an execution of a statement that the same client has only just asked to prepare.
    pub fn is_of_last_prepared(&self) -> bool {
        self.unknown && self.statement == LAST_PREPARED
    }
}

/// The SQL of COM_QUERY behind the attributes that CLIENT_QUERY_ATTRIBUTES puts first: how many, then how many sets
/// (always 1), and no SQL has the character 1 there.
fn without_attributes(arguments: &[u8]) -> &[u8] {
    fn skip(arguments: &[u8]) -> Option<&[u8]> {
        let mut reader = Reader::new(arguments);
        let count = usize::try_from(reader.length_encoded()?).ok()?;
        if reader.length_encoded()? != 1 || count > MAX_PARAMETERS {
            return None;
        }
        if count == 0 {
            return Some(reader.rest());
        }
        let nulls = reader.take(count.div_ceil(8))?;
        if reader.u8()? != 1 {
            return None;
        }
        let mut types = Vec::new();
        for _ in 0..count {
            types.push(reader.u16()?);
            reader.text()?;
        }
        let mut ignored = Vec::new();
        for (index, code) in types.into_iter().enumerate() {
            if nulls.get(index / 8).is_none_or(|byte| byte & (1 << (index % 8)) != 0) {
                continue;
            }
            ignored.clear();
            let column = Column { kind: code as u8, unsigned: false, decimals: 31 };
            values::write_value(&mut ignored, &mut reader, column, Style::Parameter)?;
        }
        Some(reader.rest())
    }
    if arguments.get(1) == Some(&1) { skip(arguments).unwrap_or(arguments) } else { arguments }
}
