// SPDX-License-Identifier: Apache-2.0
//! Domain names of a message (RFC 1035, sections 3.1 and 4.1.4) and the escapes in which they are printed.
//!
//! Limits: 255 octets and 126 compression pointers a name, so no loop of pointers goes on and no name costs more.

/// Octets of a name with its length octets (RFC 1035, section 2.3.4).
const MAX_NAME_OCTETS: usize = 255;

/// More pointers than a name of 255 octets can need.
const MAX_POINTERS: usize = 126;

/// Bytes of the longest printed name: every octet as `\DDD`.
pub const MAX_PRINTED_BYTES: usize = 4 * MAX_NAME_OCTETS;

/// Has a printed form, written straight to where it belongs.
pub trait Print {
    fn print(&self, out: &mut Vec<u8>);
}

/// A name that lies somewhere in a message.
///
/// Prints as Packetbeat does: without the last dot; the root is `.`.
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

impl Print for Name<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for label in self.labels() {
            if out.len() > start {
                out.push(b'.');
            }
            Escaped(label, Escapes::Label).print(out);
        }
        if out.len() == start {
            out.push(b'.');
        }
    }
}

/// A name that keeps its last dot.
pub struct Absolute<'a>(pub Name<'a>);

impl Print for Absolute<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        self.0.print(out);
        if self.0.labels().next().is_some() {
            out.push(b'.');
        }
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

impl Print for Escaped<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        let Escaped(mut rest, escapes) = *self;
        let mask = if escapes == Escapes::Label { IN_LABEL } else { IN_TEXT };
        loop {
            let plain = rest.iter().position(|byte| PLAIN[usize::from(*byte)] & mask == 0).unwrap_or(rest.len());
            let (run, tail) = rest.split_at(plain);
            out.extend_from_slice(run);
            let [byte, tail @ ..] = tail else { return };
            match (byte, escapes) {
                (b'\t', Escapes::Data) => out.extend_from_slice(b"\\t"),
                (b'\r', Escapes::Data) => out.extend_from_slice(b"\\r"),
                (b'\n', Escapes::Data) => out.extend_from_slice(b"\\n"),
                (b' '..=b'~', _) => out.extend_from_slice(&[b'\\', *byte]),
                _ => {
                    let digit = |place: u8| b'0' + byte / place % 10;
                    out.extend_from_slice(&[b'\\', digit(100), digit(10), digit(1)]);
                }
            }
            rest = tail;
        }
    }
}

const IN_LABEL: u8 = 1;
const IN_TEXT: u8 = 2;

/// Where each byte stands for itself.
const PLAIN: [u8; 256] = {
    let mut plain = [0; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = match byte {
            b'"' | b'\\' => 0,
            b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' => IN_TEXT,
            _ => IN_LABEL | IN_TEXT,
        };
        byte += 1;
    }
    plain
};

impl Print for &str {
    fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// Prints a number in decimal digits.
pub fn print_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

macro_rules! print_numbers {
    ($($number:ty),*) => {
        $(impl Print for $number {
            fn print(&self, out: &mut Vec<u8>) {
                print_number(out, *self);
            }
        })*
    };
}

print_numbers!(u8, u16, u32);
