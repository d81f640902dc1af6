// SPDX-License-Identifier: Apache-2.0
//! Domain names of a message (RFC 1035, sections 3.1 and 4.1.4) and the escapes in which they are printed.
//!
//! Limits: 255 octets and 126 compression pointers a name, so no loop of pointers goes on and no name costs more.

use std::fmt::{self, Display, Formatter};

/// Octets of a name with its length octets (RFC 1035, section 2.3.4).
const MAX_NAME_OCTETS: usize = 255;

/// More pointers than a name of 255 octets can need.
const MAX_POINTERS: usize = 126;

/// Bytes of the longest printed name: every octet as `\DDD`.
pub const MAX_PRINTED_BYTES: usize = 4 * MAX_NAME_OCTETS;

/// A name that lies somewhere in a message.
///
/// Prints as Packetbeat does: without the last dot (`{}`), or with it (`{:#}`); the root is `.`.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    offset: usize,
}

impl<'a> Name<'a> {
    /// The name at `offset` and the position behind it. None when it is broken.
    pub fn read(message: &'a [u8], offset: usize) -> Option<(Name<'a>, usize)> {
        let mut labels = Labels::new(message, offset);
        while labels.next().is_some() {}
        Some((Name { message, offset }, labels.end?))
    }

    /// Labels from the left, without the root.
    pub fn labels(&self) -> Labels<'a> {
        Labels::new(self.message, self.offset)
    }
}

impl Display for Name<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut empty = true;
        for label in self.labels() {
            if !empty {
                formatter.write_str(".")?;
            }
            write_escaped(formatter, label, Escapes::Label)?;
            empty = false;
        }
        if empty || formatter.alternate() { formatter.write_str(".") } else { Ok(()) }
    }
}

/// Walks over the labels of a name. `end` is set when the walk came to the root label.
pub struct Labels<'a> {
    message: &'a [u8],
    position: usize,
    /// Position behind the first pointer.
    after_pointer: Option<usize>,
    pointers: usize,
    octets: usize,
    end: Option<usize>,
}

impl<'a> Labels<'a> {
    fn new(message: &'a [u8], offset: usize) -> Labels<'a> {
        Labels { message, position: offset, after_pointer: None, pointers: 0, octets: 1, end: None }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.end.is_some() {
            return None;
        }
        loop {
            let length = *self.message.get(self.position)?;
            match length >> 6 {
                0b00 if length == 0 => {
                    self.end = Some(self.after_pointer.unwrap_or(self.position + 1));
                    return None;
                }
                0b00 => {
                    let start = self.position + 1;
                    let label = self.message.get(start..start + usize::from(length))?;
                    self.octets += label.len() + 1;
                    if self.octets > MAX_NAME_OCTETS {
                        return None;
                    }
                    self.position = start + label.len();
                    return Some(label);
                }
                0b11 => {
                    let low = *self.message.get(self.position + 1)?;
                    self.after_pointer.get_or_insert(self.position + 2);
                    self.pointers += 1;
                    if self.pointers > MAX_POINTERS {
                        return None;
                    }
                    self.position = usize::from(length & 0x3f) << 8 | usize::from(low);
                }
                _ => return None,
            }
        }
    }
}

/// Where bytes are printed, which decides their escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// A label of a name: what means something in a zone file is escaped.
    Label,
    /// A character string.
    Text,
    /// The data of a record that is not taken apart: tab, CR and LF have names.
    Data,
}

/// Bytes in their escapes.
pub struct Escaped<'a>(pub &'a [u8], pub Escapes);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write_escaped(formatter, self.0, self.1)
    }
}

fn write_escaped(formatter: &mut Formatter<'_>, bytes: &[u8], escapes: Escapes) -> fmt::Result {
    let mut rest = bytes;
    loop {
        let plain = rest.iter().position(|byte| !is_plain(*byte, escapes)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(plain);
        // Plain bytes are ASCII.
        formatter.write_str(std::str::from_utf8(run).unwrap_or_default())?;
        let [byte, tail @ ..] = tail else { return Ok(()) };
        match (byte, escapes) {
            (b'\t', Escapes::Data) => formatter.write_str("\\t")?,
            (b'\r', Escapes::Data) => formatter.write_str("\\r")?,
            (b'\n', Escapes::Data) => formatter.write_str("\\n")?,
            (b' '..=b'~', _) => write!(formatter, "\\{}", char::from(*byte))?,
            _ => write!(formatter, "\\{byte:03}")?,
        }
        rest = tail;
    }
}

fn is_plain(byte: u8, escapes: Escapes) -> bool {
    match byte {
        b'"' | b'\\' => false,
        b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' => escapes != Escapes::Label,
        b' '..=b'~' => true,
        _ => false,
    }
}
