// SPDX-License-Identifier: Apache-2.0
//! Lines of the text protocol (memcached, `doc/protocol.txt`), the meta commands among them.
//!
//! A line that is not as its command asks for is a message all the same, since the server answers it: what could be read
//! of it is set. Limit: keys in base64 (meta flag `b`) are shown as they are.

use super::message::{Class, Message};

/// Longest key that a server takes.
const MAX_KEY_BYTES: usize = 250;

/// Longest value that a server reads (the length has 31 bits).
const MAX_VALUE_BYTES: u64 = (1 << 31) - 3;

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    Nothing,
    /// A value of so many bytes, and a line end.
    Value(u64),
    /// More lines of the same answer.
    More,
    /// A value, then more lines.
    ValueAndMore(u64),
    /// The line is none of the protocol.
    Invalid,
}

/// Arguments of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arguments {
    None,
    Keys,
    /// Time of expiry, then keys.
    TimeAndKeys,
    /// Key, flags, time, length.
    Store,
    Touch,
    Delta,
    Delete,
    Time,
    Number,
    NoReply,
    Classes,
    Raw,
    /// Key and flags.
    Meta,
    /// Key, length and flags.
    MetaStore,
}

const COMMANDS: &[(&str, Class, Arguments)] = &[
    ("get", Class::Load, Arguments::Keys),
    ("set", Class::Store, Arguments::Store),
    ("gets", Class::Load, Arguments::Keys),
    ("add", Class::Store, Arguments::Store),
    ("replace", Class::Store, Arguments::Store),
    ("append", Class::Store, Arguments::Store),
    ("prepend", Class::Store, Arguments::Store),
    ("cas", Class::Store, Arguments::Store),
    ("incr", Class::Counter, Arguments::Delta),
    ("decr", Class::Counter, Arguments::Delta),
    ("touch", Class::Store, Arguments::Touch),
    ("gat", Class::Load, Arguments::TimeAndKeys),
    ("gats", Class::Load, Arguments::TimeAndKeys),
    ("delete", Class::Delete, Arguments::Delete),
    ("mg", Class::Load, Arguments::Meta),
    ("ms", Class::Store, Arguments::MetaStore),
    ("md", Class::Delete, Arguments::Meta),
    ("ma", Class::Counter, Arguments::Meta),
    ("mn", Class::Info, Arguments::None),
    ("me", Class::Info, Arguments::Meta),
    ("flush_all", Class::Delete, Arguments::Time),
    ("stats", Class::Stats, Arguments::Raw),
    ("verbosity", Class::Info, Arguments::Number),
    ("version", Class::Info, Arguments::None),
    ("quit", Class::Info, Arguments::NoReply),
    ("watch", Class::Info, Arguments::Raw),
    // Amazon ElastiCache.
    ("config", Class::Info, Arguments::Raw),
];

/// Commands with a second word, under both.
const SUBCOMMANDS: &[(&str, &str, &str, Class, Arguments)] = &[
    ("slabs", "reassign", "slabs reassign", Class::SlabControl, Arguments::Classes),
    ("slabs", "automove", "slabs automove", Class::SlabControl, Arguments::Number),
    ("lru_crawler", "enable", "lru_crawler enable", Class::LruCrawler, Arguments::None),
    ("lru_crawler", "disable", "lru_crawler disable", Class::LruCrawler, Arguments::None),
    ("lru_crawler", "sleep", "lru_crawler sleep", Class::LruCrawler, Arguments::Number),
    ("lru_crawler", "tocrawl", "lru_crawler tocrawl", Class::LruCrawler, Arguments::Number),
    ("lru_crawler", "crawl", "lru_crawler crawl", Class::LruCrawler, Arguments::Raw),
];

/// Whether a line begins with a known command.
pub fn is_command(line: &[u8]) -> bool {
    let mut words = words(line);
    words.next().is_some_and(|word| find(word, words.next()).is_some())
}

/// Whether a line begins with a known answer.
pub fn is_answer(line: &[u8]) -> bool {
    let word = words(line).next().unwrap_or_default();
    word.iter().all(u8::is_ascii_digit) && !word.is_empty() || answer(word).is_some()
}

/// Reads the line of a request, without its line end.
pub fn request(line: &[u8], message: &mut Message) -> Follows {
    let mut rest = words(line);
    let Some(word) = rest.next() else {
        // An empty line is answered with an error.
        unknown(line, message);
        return Follows::Nothing;
    };
    let Some(Command { name, class, arguments, words: named }) = find(word, rest.clone().next()) else {
        if !is_printable(line) {
            return Follows::Invalid;
        }
        unknown(line, message);
        return Follows::Nothing;
    };
    (message.command, message.class) = (name, class);
    rest.by_ref().take(named - 1).for_each(drop);
    read(arguments, rest, message)
}

fn unknown(line: &[u8], message: &mut Message) {
    (message.command, message.class) = ("UNKNOWN", Class::Unknown);
    message.set_detail(line);
}

/// Reads the line of an answer, without its line end.
pub fn response(line: &[u8], message: &mut Message) -> Follows {
    let mut rest = words(line);
    let word = rest.next().unwrap_or_default();
    if let Some(value) = number(word).filter(|_| rest.next().is_none()) {
        (message.command, message.class) = ("<counter_op_res>", Class::Counter);
        message.number = Some(value);
        return Follows::Nothing;
    }
    let mut rest = words(line).skip(1);
    let Some(Answer { name, class, form }) = answer(word) else {
        if !is_printable(line) {
            return Follows::Invalid;
        }
        (message.command, message.class) = ("UNKNOWN", Class::Unknown);
        message.set_detail(line);
        return Follows::Nothing;
    };
    // What came before END or an error is of the same answer.
    if name != "END" || message.command.is_empty() {
        (message.command, message.class) = (name, class);
    }
    match form {
        Form::Plain => Follows::Nothing,
        Form::Text => {
            message.set_detail(behind(line, word));
            Follows::Nothing
        }
        Form::Item => {
            let (Some(key), Some(flags), Some(length)) = (rest.next(), rest.next(), rest.next()) else {
                return Follows::Invalid;
            };
            let (Some(flags), Some(length)) = (number(flags), value_length(length)) else {
                return Follows::Invalid;
            };
            // Of several values Packetbeat shows what the first says.
            if message.flags.is_none() {
                message.flags = Some(flags as u32);
                message.cas = Some(rest.next().and_then(number).unwrap_or(0));
            }
            message.add_key(key);
            Follows::ValueAndMore(length)
        }
        Form::MetaValue => match rest.next().and_then(value_length) {
            Some(length) => {
                meta_flags(rest, message);
                Follows::Value(length)
            }
            None => Follows::Invalid,
        },
        Form::Meta => {
            meta_flags(rest, message);
            Follows::Nothing
        }
        Form::Stat => {
            if let Some(name) = rest.next() {
                message.add_stat(name, behind(behind(line, word), name));
            }
            Follows::More
        }
        Form::Line => Follows::More,
    }
}

struct Command {
    name: &'static str,
    class: Class,
    arguments: Arguments,
    words: usize,
}

fn find(word: &[u8], second: Option<&[u8]>) -> Option<Command> {
    if let Some((name, class, arguments)) = COMMANDS.iter().find(|(name, ..)| name.as_bytes() == word) {
        return Some(Command { name, class: *class, arguments: *arguments, words: 1 });
    }
    let second = second?;
    let (_, _, name, class, arguments) =
        SUBCOMMANDS.iter().find(|(first, next, ..)| first.as_bytes() == word && next.as_bytes() == second)?;
    Some(Command { name, class: *class, arguments: *arguments, words: 2 })
}

fn read<'a>(arguments: Arguments, mut rest: impl Iterator<Item = &'a [u8]> + Clone, message: &mut Message) -> Follows {
    match arguments {
        Arguments::None => {}
        Arguments::Keys => rest.for_each(|key| message.add_key(key)),
        Arguments::TimeAndKeys => {
            message.exptime = rest.next().and_then(signed);
            rest.for_each(|key| message.add_key(key));
        }
        Arguments::Store => {
            rest.next().into_iter().for_each(|key| message.add_key(key));
            message.flags = rest.next().and_then(number).map(|flags| flags as u32);
            message.exptime = rest.next().and_then(signed);
            let length = rest.next().and_then(value_length);
            if message.command == "cas" {
                message.cas = rest.next().and_then(number);
            }
            message.noreply = Some(is_no_reply(rest.next()));
            message.malformed = message.flags.is_none()
                || message.exptime.is_none()
                || message.command == "cas" && message.cas.is_none()
                || message.keys().any(|key| key.len() > MAX_KEY_BYTES);
            return length.map_or(Follows::Nothing, Follows::Value);
        }
        Arguments::Touch => {
            rest.next().into_iter().for_each(|key| message.add_key(key));
            message.exptime = rest.next().and_then(signed);
            message.noreply = Some(is_no_reply(rest.next()));
        }
        Arguments::Delta => {
            rest.next().into_iter().for_each(|key| message.add_key(key));
            message.number = rest.next().and_then(number);
            message.noreply = Some(is_no_reply(rest.next()));
        }
        Arguments::Delete => {
            rest.next().into_iter().for_each(|key| message.add_key(key));
            message.noreply = Some(rest.any(|word| is_no_reply(Some(word))));
        }
        Arguments::Time => {
            message.exptime = Some(rest.clone().next().and_then(signed).unwrap_or(0));
            message.noreply = rest.any(|word| is_no_reply(Some(word))).then_some(true);
        }
        Arguments::Number => {
            message.number = rest.next().and_then(number);
            message.noreply = rest.any(|word| is_no_reply(Some(word))).then_some(true);
        }
        Arguments::NoReply => message.noreply = Some(is_no_reply(rest.next())),
        Arguments::Classes => {
            message.source_class = rest.next().and_then(signed);
            message.destination_class = rest.next().and_then(signed);
        }
        Arguments::Raw => raw(rest, message),
        Arguments::Meta | Arguments::MetaStore => {
            rest.next().into_iter().for_each(|key| message.add_key(key));
            let length = if arguments == Arguments::MetaStore { rest.next().and_then(value_length) } else { None };
            message.quiet = rest.clone().any(|flag| flag == b"q");
            raw(rest, message);
            return length.map_or(Follows::Nothing, Follows::Value);
        }
    }
    Follows::Nothing
}

/// Words as they were sent, one space between them.
fn raw<'a>(words: impl Iterator<Item = &'a [u8]>, message: &mut Message) {
    let mark = message.mark();
    for (index, word) in words.enumerate() {
        if index > 0 {
            message.keep(b" ");
        }
        message.keep(word);
    }
    message.set_kept_detail(mark);
}

/// What an answer's line holds.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    /// An error or a version.
    Text,
    /// Key, flags, length, and perhaps a version; the value follows.
    Item,
    /// Length and flags; the value follows.
    MetaValue,
    Meta,
    Stat,
    /// A line of a list that is not shown.
    Line,
}

struct Answer {
    name: &'static str,
    class: Class,
    form: Form,
}

fn answer(word: &[u8]) -> Option<Answer> {
    let (name, class, form) = match word {
        b"VALUE" => ("VALUE", Class::Load, Form::Item),
        b"CONFIG" => ("CONFIG", Class::Info, Form::Item),
        b"END" => ("END", Class::Load, Form::Plain),
        b"STORED" => ("STORED", Class::Success, Form::Plain),
        b"NOT_STORED" => ("NOT_STORED", Class::Fail, Form::Plain),
        b"EXISTS" => ("EXISTS", Class::Success, Form::Plain),
        b"NOT_FOUND" => ("NOT_FOUND", Class::Fail, Form::Plain),
        b"TOUCHED" => ("TOUCHED", Class::Success, Form::Plain),
        b"DELETED" => ("DELETED", Class::Success, Form::Plain),
        b"OK" => ("OK", Class::Success, Form::Plain),
        b"RESET" => ("RESET", Class::Success, Form::Plain),
        b"ERROR" => ("ERROR", Class::Fail, Form::Plain),
        b"CLIENT_ERROR" => ("CLIENT_ERROR", Class::Fail, Form::Text),
        b"SERVER_ERROR" => ("SERVER_ERROR", Class::Fail, Form::Text),
        b"BUSY" => ("BUSY", Class::Fail, Form::Text),
        b"BADCLASS" => ("BADCLASS", Class::Fail, Form::Text),
        b"NOSPARE" => ("NOSPARE", Class::Fail, Form::Text),
        b"NOTFULL" => ("NOTFULL", Class::Fail, Form::Text),
        b"UNSAFE" => ("UNSAFE", Class::Fail, Form::Text),
        b"SAME" => ("SAME", Class::Fail, Form::Text),
        b"STAT" => ("STAT", Class::Stats, Form::Stat),
        b"ITEM" => ("ITEM", Class::Stats, Form::Line),
        b"PREFIX" => ("PREFIX", Class::Stats, Form::Line),
        b"VERSION" => ("VERSION", Class::Info, Form::Text),
        b"HD" => ("HD", Class::Success, Form::Meta),
        b"VA" => ("VA", Class::Load, Form::MetaValue),
        b"EN" => ("EN", Class::Load, Form::Plain),
        b"NF" => ("NF", Class::Fail, Form::Meta),
        b"NS" => ("NS", Class::Fail, Form::Meta),
        b"EX" => ("EX", Class::Success, Form::Meta),
        b"MN" => ("MN", Class::Info, Form::Plain),
        b"ME" => ("ME", Class::Info, Form::Text),
        // lru_crawler metadump
        _ if word.starts_with(b"key=") => ("ITEM", Class::Stats, Form::Line),
        _ => return None,
    };
    Some(Answer { name, class, form })
}

/// The key (`k`) and the version (`c`) that the client asked for.
fn meta_flags<'a>(flags: impl Iterator<Item = &'a [u8]>, message: &mut Message) {
    for flag in flags {
        match flag {
            [b'k', key @ ..] if !key.is_empty() => message.add_key(key),
            [b'c', version @ ..] => message.cas = number(version).or(message.cas),
            [b'f', flags @ ..] => message.flags = number(flags).map(|flags| flags as u32).or(message.flags),
            _ => {}
        }
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// What follows a word and the space behind it.
fn behind<'a>(line: &'a [u8], word: &[u8]) -> &'a [u8] {
    let line = line.trim_ascii_start();
    let rest = line.get(word.len()..).unwrap_or_default();
    rest.strip_prefix(b" ").unwrap_or(rest)
}

fn is_no_reply(word: Option<&[u8]>) -> bool {
    word == Some(b"noreply")
}

fn number(word: &[u8]) -> Option<u64> {
    let digits = word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

fn signed(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn value_length(word: &[u8]) -> Option<u64> {
    number(word).filter(|length| *length <= MAX_VALUE_BYTES)
}

/// Whether a line may be a command that nobody knows.
fn is_printable(line: &[u8]) -> bool {
    line.len() <= 8 * MAX_KEY_BYTES && line.iter().all(|byte| !byte.is_ascii_control())
}
