// SPDX-License-Identifier: Apache-2.0
//! JSON as Packetbeat prints it: nested objects, UTC times, invalid UTF-8 replaced byte by byte as Go does.

use std::net::IpAddr;

use super::{Event, Value};

/// Digits of a rendered time (`timestamp.precision`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    Millisecond,
    Microsecond,
    Nanosecond,
}

/// Writes an event as one JSON object.
pub struct Encoder {
    precision: Precision,
    /// Whether `@metadata` is written (file, console, Kafka, Redis) or not (Elasticsearch).
    metadata: Metadata,
    html: Html,
    /// The second whose text is in `second_text`, a small cache: most times of an event are in the same second.
    second: i64,
    second_text: [u8; 19],
}

/// `escape_html`: whether `<`, `>` and `&` are written as escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Html {
    #[default]
    Plain,
    Escaped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    Written,
    LeftOut,
}

impl Encoder {
    pub fn new(precision: Precision, metadata: Metadata) -> Encoder {
        let mut encoder = Encoder { precision, metadata, html: Html::Plain, second: 0, second_text: [0; 19] };
        encoder.render_second(0);
        encoder
    }

    /// With `<`, `>` and `&` as they are, or escaped.
    pub fn with_html(mut self, html: Html) -> Encoder {
        self.html = html;
        self
    }

    pub fn write_event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let nodes = &event.schema.nodes;
        let metadata = usize::from(event.schema.ranks[usize::from(super::field::_METADATA.0)]);
        let hidden = match self.metadata {
            Metadata::Written => 0..0,
            Metadata::LeftOut => metadata..usize::from(nodes[metadata].end),
        };
        out.push(b'{');
        // Ranks of the objects that are open, outermost first.
        let mut open = [0u16; 32];
        let mut depth = 0usize;
        let mut comma = false;
        for rank in event.ranks() {
            if hidden.contains(&rank) {
                continue;
            }
            while depth > 0 && rank >= usize::from(nodes[usize::from(open[depth - 1])].end) {
                out.push(b'}');
                depth -= 1;
                comma = true;
            }
            let node = &nodes[rank];
            let wanted = usize::from(node.depth).min(open.len() - 1);
            if wanted > depth {
                // Open the missing objects from the outside in.
                let mut chain = [0u16; 32];
                let mut parent = node.parent;
                for place in (depth..wanted).rev() {
                    let Some(rank) = parent else { break };
                    chain[place] = rank;
                    parent = nodes[usize::from(rank)].parent;
                }
                for place in depth..wanted {
                    if comma {
                        out.push(b',');
                    }
                    out.extend_from_slice(&nodes[usize::from(chain[place])].key_json);
                    out.push(b'{');
                    comma = false;
                    open[place] = chain[place];
                }
                depth = wanted;
            }
            if comma {
                out.push(b',');
            }
            out.extend_from_slice(&node.key_json);
            let value = event.values[rank];
            let has_children = usize::from(node.end) > rank + 1 && depth < open.len() && {
                (rank + 1..usize::from(node.end)).any(|rank| event.is_present(rank))
            };
            if has_children {
                // An object with a free-form value and with fields of its own: both in one object.
                out.push(b'{');
                comma = self.write_entries(event, value, out);
                open[depth] = rank as u16;
                depth += 1;
            } else {
                self.write_value(event, value, out);
                comma = true;
            }
        }
        out.resize(out.len() + depth, b'}');
        comma |= depth > 0;
        if let Some(unnamed) = event.unnamed.filter(|unnamed| event.content.entries(*unnamed).next().is_some()) {
            if comma {
                out.push(b',');
            }
            self.write_entries(event, unnamed, out);
        }
        out.push(b'}');
    }

    /// Writes a value.
    pub fn write_value(&mut self, event: &Event, value: Value, out: &mut Vec<u8>) {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            Value::Signed(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Value::Unsigned(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Value::Float(number) => write_float(out, number),
            Value::Time(time_ns) => {
                out.push(b'"');
                self.write_time(time_ns, out);
                out.push(b'"');
            }
            Value::Address(address) => {
                out.push(b'"');
                write_address(out, address);
                out.push(b'"');
            }
            Value::Mac(mac) => {
                out.push(b'"');
                write_mac(out, mac);
                out.push(b'"');
            }
            Value::Static(_) | Value::Text { .. } => {
                write_text_as(out, event.content.text_of(value).unwrap_or_default(), self.html);
            }
            Value::Json { start, length } => {
                let start = start as usize;
                out.extend_from_slice(event.content.text.get(start..start + length as usize).unwrap_or(b"null"));
            }
            Value::List { .. } => {
                out.push(b'[');
                for (index, element) in event.content.elements(value).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write_value(event, element, out);
                }
                out.push(b']');
            }
            Value::Map { .. } => {
                out.push(b'{');
                self.write_entries(event, value, out);
                out.push(b'}');
            }
        }
    }

    /// Writes the entries of a map; answers whether there were any.
    fn write_entries(&mut self, event: &Event, value: Value, out: &mut Vec<u8>) -> bool {
        let mut comma = false;
        for (key, value) in event.content.entries(value) {
            if comma {
                out.push(b',');
            }
            write_text_as(out, event.content.text_of(key).unwrap_or_default(), self.html);
            out.push(b':');
            self.write_value(event, value, out);
            comma = true;
        }
        comma
    }

    /// `2006-01-02T15:04:05.000Z`; at higher precisions groups of three trailing zeros are left out.
    pub fn write_time(&mut self, time_ns: i64, out: &mut Vec<u8>) {
        let second = time_ns.div_euclid(1_000_000_000);
        let nanosecond = time_ns.rem_euclid(1_000_000_000) as u32;
        if second != self.second {
            self.render_second(second);
        }
        out.extend_from_slice(&self.second_text);
        let (mut digits, mut fraction) = match self.precision {
            Precision::Millisecond => (3, nanosecond / 1_000_000),
            Precision::Microsecond => (6, nanosecond / 1_000),
            Precision::Nanosecond => (9, nanosecond),
        };
        while digits > 3 && fraction % 1000 == 0 {
            fraction /= 1000;
            digits -= 3;
        }
        let mut text = [b'0'; 11];
        text[0] = b'.';
        for place in (1..=digits).rev() {
            text[place] = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        text[digits + 1] = b'Z';
        out.extend_from_slice(&text[..digits + 2]);
    }

    fn render_second(&mut self, second: i64) {
        self.second = second;
        let (year, month, day) = civil(second.div_euclid(86_400));
        let of_day = second.rem_euclid(86_400) as u32;
        let text = &mut self.second_text;
        let year = year.clamp(0, 9999) as u32;
        text[0..4].copy_from_slice(&four(year));
        text[4] = b'-';
        text[5..7].copy_from_slice(&two(month));
        text[7] = b'-';
        text[8..10].copy_from_slice(&two(day));
        text[10] = b'T';
        text[11..13].copy_from_slice(&two(of_day / 3600));
        text[13] = b':';
        text[14..16].copy_from_slice(&two(of_day / 60 % 60));
        text[16] = b':';
        text[17..19].copy_from_slice(&two(of_day % 60));
    }
}

/// Year, month and day of a day number since 1970-01-01 (proleptic Gregorian calendar).
pub fn civil(days: i64) -> (i64, u32, u32) {
    // Counted from 0000-03-01 in eras of 400 years, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

fn four(number: u32) -> [u8; 4] {
    let (high, low) = (two(number / 100), two(number));
    [high[0], high[1], low[0], low[1]]
}

/// An address as text, without quotes.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(*octet).as_bytes());
            }
        }
        IpAddr::V6(address) => {
            use std::io::Write as _;
            let _ = write!(out, "{address}");
        }
    }
}

/// `AA-BB-CC-DD-EE-FF`, as ECS writes MAC addresses.
pub fn write_mac(out: &mut Vec<u8>, mac: [u8; 6]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for (index, byte) in mac.iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

fn write_float(out: &mut Vec<u8>, number: f64) {
    use std::io::Write as _;
    if number == 0.0 || (1e-6..1e21).contains(&number.abs()) {
        let _ = write!(out, "{number}");
    } else if number.is_finite() {
        // As Go does; without an exponent it would be up to 326 digits.
        let _ = write!(out, "{number:e}");
    } else {
        out.extend_from_slice(b"null");
    }
}

/// A quoted and escaped JSON string of bytes that may not be UTF-8: every wrong byte becomes U+FFFD, as in Go.
pub fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    write_text_as(out, text, Html::Plain);
}

fn write_text_as(out: &mut Vec<u8>, text: &[u8], html: Html) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    // Most texts are plain from end to end, which one look tells.
    let (plain, mut rest) = text.split_at(run(text, html, Letters::Ascii));
    out.extend_from_slice(plain);
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                write_escaped(out, valid.as_bytes(), html);
                break;
            }
            Err(error) => {
                let (valid, wrong) = rest.split_at(error.valid_up_to());
                write_escaped(out, valid, html);
                out.extend_from_slice("\u{fffd}".as_bytes());
                rest = &wrong[1..];
            }
        }
    }
    out.push(b'"');
}

/// Writes UTF-8.
fn write_escaped(out: &mut Vec<u8>, text: &[u8], html: Html) {
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(run(rest, html, Letters::All));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        rest = after;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
}

/// What a run may hold besides ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    Ascii,
    All,
}

/// Bytes at the beginning that stand for themselves; eight are looked at together.
#[inline]
fn run(text: &[u8], html: Html, letters: Letters) -> usize {
    const HIGH: u64 = repeated(0x80);
    let (words, _) = text.as_chunks::<8>();
    let is_plain = |word: &&[u8; 8]| {
        let word = u64::from_le_bytes(**word);
        // A byte below 0x80 that becomes negative was below what was taken from it.
        let mut special = word.wrapping_sub(repeated(0x20)) & !word;
        special |= has(word, b'"') | has(word, b'\\');
        if html == Html::Escaped {
            special |= has(word, b'<') | has(word, b'>') | has(word, b'&');
        }
        if letters == Letters::Ascii {
            special |= word;
        }
        special & HIGH == 0
    };
    let whole = words.iter().take_while(is_plain).count() * 8;
    let table = match html {
        Html::Plain => &ESCAPED,
        Html::Escaped => &ESCAPED_HTML,
    };
    let is_plain = |byte: &&u8| !table[usize::from(**byte)] && (letters == Letters::All || byte.is_ascii());
    whole + text[whole..].iter().take_while(is_plain).count()
}

/// Whether a byte is in a word: a high bit is set.
#[inline]
fn has(word: u64, byte: u8) -> u64 {
    let zero = word ^ repeated(byte);
    zero.wrapping_sub(repeated(1)) & !zero
}

const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

static ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

static ESCAPED_HTML: [bool; 256] = {
    let mut table = ESCAPED;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table
};
