// SPDX-License-Identifier: Apache-2.0
//! DNS messages (RFC 1035, section 4): header, questions and where the records are.
//!
//! A message is checked once, from front to back, and read again where it is needed; nothing is copied. Counts of the
//! header are not trusted: a section holds as many records as are there. Limit: the data of records is not checked here.

use super::name::Name;

pub const HEADER_BYTES: usize = 12;

/// Type of the pseudo record of EDNS (RFC 6891).
pub const OPT: u16 = 41;

/// A checked message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    pub id: u16,
    bits: u16,
    question_count: u16,
    sections: [Span; 3],
    /// Start of the last OPT record.
    opt: Option<usize>,
}

/// Whether the capture cut the message's end off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    Cut,
}

/// A section of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Section {
    Answers = 0,
    Authorities = 1,
    Additionals = 2,
}

/// The QR bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Query,
    Response,
}

/// Bits of the header's third and fourth octet.
#[derive(Clone, Copy)]
#[repr(u16)]
pub enum Flag {
    Authoritative = 0x0400,
    Truncated = 0x0200,
    RecursionDesired = 0x0100,
    RecursionAvailable = 0x0080,
    /// RFC 4035.
    AuthenticData = 0x0020,
    /// RFC 4035.
    CheckingDisabled = 0x0010,
}

#[derive(Clone, Copy, Default)]
struct Span {
    start: usize,
    count: u16,
}

/// A question.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub name: Name<'a>,
    pub kind: u16,
    pub class: u16,
}

/// A record. `data` lies in `message`, to which the names in it may point.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub message: &'a [u8],
    pub name: Name<'a>,
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    pub data_start: usize,
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Checks a message. None when it is none.
    ///
    /// A header alone is a message when it is a response (some servers refuse so) or announces nothing.
    pub fn parse(bytes: &'a [u8], extent: Extent) -> Option<Message<'a>> {
        let word = |index: usize| u16_at(bytes, index * 2);
        let (id, bits) = (word(0)?, word(1)?);
        let counts = [word(2)?, word(3)?, word(4)?, word(5)?];
        let mut message = Message { bytes, id, bits, question_count: 0, sections: [Span::default(); 3], opt: None };
        let mut position = HEADER_BYTES;
        if bytes.len() == HEADER_BYTES {
            let empty = counts == [0; 4] || message.kind() == Kind::Response;
            return (empty || extent == Extent::Cut).then_some(message);
        }
        for _ in 0..counts[0] {
            match Question::read(bytes, position) {
                Some((_, end)) => position = end,
                None if extent == Extent::Cut => return Some(message),
                None => return None,
            }
            message.question_count += 1;
        }
        for (section, count) in counts[1..].iter().enumerate() {
            message.sections[section].start = position;
            for _ in 0..*count {
                if position == bytes.len() {
                    break;
                }
                let Some((record, end)) = Record::read(bytes, position) else {
                    match extent {
                        Extent::Cut => return Some(message),
                        Extent::Whole => return None,
                    }
                };
                if section == Section::Additionals as usize && record.kind == OPT {
                    message.opt = Some(position);
                }
                message.sections[section].count += 1;
                position = end;
            }
        }
        // Without a question nothing else tells a message from noise.
        (message.question_count > 0 || position == bytes.len()).then_some(message)
    }

    pub fn kind(&self) -> Kind {
        if self.bits & 0x8000 == 0 { Kind::Query } else { Kind::Response }
    }

    pub fn opcode(&self) -> u8 {
        (self.bits >> 11 & 0x0f) as u8
    }

    pub fn has(&self, flag: Flag) -> bool {
        self.bits & flag as u16 != 0
    }

    /// The response code with the bits that EDNS adds (RFC 6891, section 6.1.3).
    pub fn response_code(&self) -> u16 {
        let extension = self.opt().map_or(0, |opt| (opt.ttl >> 24) as u16);
        extension << 4 | self.bits & 0x0f
    }

    /// The EDNS pseudo record.
    pub fn opt(&self) -> Option<Record<'a>> {
        Some(Record::read(self.bytes, self.opt?)?.0)
    }

    pub fn questions(&self) -> impl Iterator<Item = Question<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut position = HEADER_BYTES;
        (0..self.question_count).map_while(move |_| {
            let (question, end) = Question::read(bytes, position)?;
            position = end;
            Some(question)
        })
    }

    pub fn count(&self, section: Section) -> u16 {
        self.sections[section as usize].count
    }

    pub fn records(&self, section: Section) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let bytes = self.bytes;
        let span = self.sections[section as usize];
        let mut position = span.start;
        (0..span.count).map_while(move |_| {
            let (record, end) = Record::read(bytes, position)?;
            position = end;
            Some(record)
        })
    }
}

impl<'a> Question<'a> {
    fn read(bytes: &'a [u8], position: usize) -> Option<(Question<'a>, usize)> {
        let (name, end) = Name::read(bytes, position)?;
        Some((Question { name, kind: u16_at(bytes, end)?, class: u16_at(bytes, end + 2)? }, end + 4))
    }
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8], position: usize) -> Option<(Record<'a>, usize)> {
        let (name, end) = Name::read(bytes, position)?;
        let kind = u16_at(bytes, end)?;
        let class = u16_at(bytes, end + 2)?;
        let ttl = u32_at(bytes, end + 4)?;
        let data_start = end + 10;
        let data_end = data_start + usize::from(u16_at(bytes, end + 8)?);
        let data = bytes.get(data_start..data_end)?;
        Some((Record { message: bytes, name, kind, class, ttl, data_start, data }, data_end))
    }
}

pub fn u16_at(bytes: &[u8], position: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(position..)?.first_chunk()?))
}

pub fn u32_at(bytes: &[u8], position: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(position..)?.first_chunk()?))
}
