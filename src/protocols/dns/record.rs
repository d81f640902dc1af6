// SPDX-License-Identifier: Apache-2.0
//! The data of resource records as Packetbeat shows it: `data` and keys that depend on the type (behaviour, section 4.3).
//!
//! Limits: types without a rule are shown as escaped bytes, and so is data that does not follow its type's rule.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::codes;
use super::message::{Record, u16_at, u32_at};
use super::name::{Absolute, Escaped, Escapes, Name, Print};
use crate::event::json::civil;

/// Takes the keys of a record, in alphabetical order with `data` last.
pub trait Describe {
    fn number(&mut self, key: &'static str, number: u32);
    fn text(&mut self, key: &'static str, text: impl Print);
    fn address(&mut self, key: &'static str, address: IpAddr);
}

/// Key of what a record is about.
pub const DATA: &str = "data";

/// Tells what is in a record. An address record without an address (RFC 2136) has nothing to tell.
pub fn describe(record: &Record<'_>, to: &mut impl Describe) {
    if record.data.is_empty() {
        if !matches!(record.kind, 1 | 28) {
            to.text(DATA, "");
        }
    } else if describe_known(record, to).is_none() {
        to.text(DATA, Raw(*record));
    }
}

/// The address of an A or AAAA record.
pub fn address(record: &Record<'_>) -> Option<IpAddr> {
    match record.kind {
        1 => Some(IpAddr::from(<[u8; 4]>::try_from(record.data).ok()?)),
        28 => Some(IpAddr::from(<[u8; 16]>::try_from(record.data).ok()?)),
        _ => None,
    }
}

/// Serial number of a SOA record.
pub fn serial(record: &Record<'_>) -> Option<u32> {
    if record.kind != 6 {
        return None;
    }
    let mut fields = Fields::new(record);
    fields.name()?;
    fields.name()?;
    fields.u32()
}

/// None, and nothing told, when the type has no rule or the data does not follow it.
fn describe_known(record: &Record<'_>, to: &mut impl Describe) -> Option<()> {
    let mut fields = Fields::new(record);
    match record.kind {
        // A, AAAA
        1 | 28 => to.address(DATA, address(record)?),
        // NS, CNAME, PTR
        2 | 5 | 12 => {
            let name = fields.name()?;
            fields.end()?;
            to.text(DATA, name);
        }
        // SOA
        6 => {
            let (server, mailbox) = (fields.name()?, fields.name()?);
            let [serial, refresh, retry, expire, minimum] =
                [fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?];
            fields.end()?;
            to.number("expire", expire);
            to.number("minimum", minimum);
            to.number("refresh", refresh);
            to.number("retry", retry);
            to.text("rname", mailbox);
            to.number("serial", serial);
            to.text(DATA, server);
        }
        // MX
        15 => {
            let (preference, exchange) = (fields.u16()?, fields.name()?);
            fields.end()?;
            to.number("preference", u32::from(preference));
            to.text(DATA, exchange);
        }
        // TXT
        16 => to.text(DATA, Strings::checked(record.data)?),
        // SRV (RFC 2782)
        33 => {
            let (priority, weight, port) = (fields.u16()?, fields.u16()?, fields.u16()?);
            let target = fields.name()?;
            fields.end()?;
            to.number("port", u32::from(port));
            to.number("priority", u32::from(priority));
            to.number("weight", u32::from(weight));
            to.text(DATA, target);
        }
        // DS (RFC 4034, section 5)
        43 => {
            let (key_tag, algorithm, digest) = (fields.u16()?, fields.u8()?, fields.u8()?);
            to.text("algorithm", codes::algorithm(algorithm));
            to.text("digest_type", codes::hash(digest));
            to.text("key_tag", key_tag);
            to.text(DATA, Hexadecimal(fields.rest()));
        }
        // RRSIG (RFC 4034, section 3)
        46 => {
            let (covered, algorithm, labels) = (fields.u16()?, fields.u8()?, fields.u8()?);
            let (ttl, expiration, inception) = (fields.u32()?, fields.u32()?, fields.u32()?);
            let (key_tag, signer) = (fields.u16()?, fields.name()?);
            to.text("algorithm", codes::algorithm(algorithm));
            to.text("expiration", Time(expiration));
            to.text("inception", Time(inception));
            to.text("key_tag", key_tag);
            to.text("labels", labels);
            to.text("original_ttl", ttl);
            to.text("signer_name", signer);
            to.text("type_covered", codes::record_type(covered));
            to.text(DATA, Base64(fields.rest()));
        }
        // NSEC (RFC 4034, section 4)
        47 => {
            let next = fields.name()?;
            let types = TypeBits::checked(fields.rest())?;
            to.text("type_bits", types);
            // Unlike all others, this name keeps its last dot in Packetbeat.
            to.text(DATA, Absolute(next));
        }
        // DNSKEY (RFC 4034, section 2)
        48 => {
            let (flags, protocol, algorithm) = (fields.u16()?, fields.u8()?, fields.u8()?);
            to.text("algorithm", codes::algorithm(algorithm));
            to.text("flags", flags);
            to.text("protocol", protocol);
            to.text(DATA, Base64(fields.rest()));
        }
        // NSEC3 (RFC 5155, section 3)
        50 => {
            let (hash, flags, iterations) = (fields.u8()?, fields.u8()?, fields.u16()?);
            let (salt, next) = (fields.string()?, fields.string()?);
            let types = TypeBits::checked(fields.rest())?;
            to.text("flags", flags);
            to.text("hash", codes::hash(hash));
            to.text("iterations", iterations);
            to.text("salt", Salt(salt));
            to.text("type_bits", types);
            to.text(DATA, Base32(next));
        }
        // NSEC3PARAM (RFC 5155, section 4)
        51 => {
            let (hash, flags, iterations) = (fields.u8()?, fields.u8()?, fields.u16()?);
            let salt = fields.string()?;
            fields.end()?;
            to.text("flags", flags);
            to.text("hash", codes::hash(hash));
            to.text("iterations", iterations);
            to.text(DATA, Salt(salt));
        }
        _ => return None,
    }
    Some(())
}

/// Reads the data of a record from front to back.
struct Fields<'a> {
    message: &'a [u8],
    position: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    fn new(record: &Record<'a>) -> Fields<'a> {
        let end = record.data_start + record.data.len();
        // Nothing behind the record's data belongs to it. Names only point back or are inside.
        let message = record.message.get(..end).unwrap_or_default();
        Fields { message, position: record.data_start, end }
    }

    fn u8(&mut self) -> Option<u8> {
        let value = *self.message.get(self.position)?;
        self.position += 1;
        Some(value)
    }

    fn u16(&mut self) -> Option<u16> {
        let value = u16_at(self.message, self.position)?;
        self.position += 2;
        Some(value)
    }

    fn u32(&mut self) -> Option<u32> {
        let value = u32_at(self.message, self.position)?;
        self.position += 4;
        Some(value)
    }

    fn name(&mut self) -> Option<Name<'a>> {
        let (name, end) = Name::read(self.message, self.position)?;
        self.position = end;
        Some(name)
    }

    /// Bytes behind an octet with their number.
    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u8()?);
        let bytes = self.message.get(self.position..self.position + length)?;
        self.position += length;
        Some(bytes)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.position..self.position + length)?;
        self.position += length;
        Some(bytes)
    }

    fn rest(&self) -> &'a [u8] {
        self.message.get(self.position..).unwrap_or_default()
    }

    fn end(&self) -> Option<()> {
        (self.position == self.end).then_some(())
    }
}

/// Data of any type in escapes. Names in it are written in full where the type may hold compressed ones.
struct Raw<'a>(Record<'a>);

impl Raw<'_> {
    /// None, and nothing written, where the type holds no names, or the data does not follow it.
    fn print_uncompressed(&self, out: &mut Vec<u8>) -> Option<()> {
        // Bytes, character strings and names before the rest (RFC 3597, section 4).
        let (bytes, strings, names) = match self.0.kind {
            // MD, MF, MB, MG, MR, NSAP-PTR, DNAME
            3 | 4 | 7 | 8 | 9 | 23 | 39 => (0, 0, 1),
            // MINFO, RP
            14 | 17 => (0, 0, 2),
            // AFSDB, RT, KX
            18 | 21 | 36 => (2, 0, 1),
            // PX
            26 => (2, 0, 2),
            // NAPTR
            35 => (4, 3, 1),
            _ => return None,
        };
        // Everything is read once before anything is written.
        let mut fields = Fields::new(&self.0);
        fields.bytes(bytes)?;
        for _ in 0..strings {
            fields.string()?;
        }
        let names_start = fields.position;
        for _ in 0..names {
            fields.name()?;
        }
        fields.end()?;
        let before = self.0.message.get(self.0.data_start..names_start).unwrap_or_default();
        Escaped(before, Escapes::Data).print(out);
        let mut fields = Fields { message: self.0.message, position: names_start, end: fields.end };
        for _ in 0..names {
            for label in fields.name().iter().flat_map(Name::labels) {
                Escaped(&[label.len() as u8], Escapes::Data).print(out);
                Escaped(label, Escapes::Data).print(out);
            }
            out.extend_from_slice(b"\\000");
        }
        Some(())
    }
}

impl Print for Raw<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        if self.print_uncompressed(out).is_none() {
            Escaped(self.0.data, Escapes::Data).print(out);
        }
    }
}

/// Character strings, joined by one space.
struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    fn checked(bytes: &'a [u8]) -> Option<Strings<'a>> {
        let mut rest = bytes;
        while let Some((length, tail)) = rest.split_first() {
            rest = tail.get(usize::from(*length)..)?;
        }
        Some(Strings(bytes))
    }
}

impl Print for Strings<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        let mut rest = self.0;
        while let Some((length, tail)) = rest.split_first() {
            let (text, tail) = tail.split_at_checked(usize::from(*length)).unwrap_or((tail, &[]));
            Escaped(text, Escapes::Text).print(out);
            if !tail.is_empty() {
                out.push(b' ');
            }
            rest = tail;
        }
    }
}

/// The types of a bit map (RFC 4034, section 4.1.2), each with a space between.
struct TypeBits<'a>(&'a [u8]);

impl<'a> TypeBits<'a> {
    fn checked(bytes: &'a [u8]) -> Option<TypeBits<'a>> {
        let mut rest = bytes;
        let mut least = 0u16;
        while let [window, length, tail @ ..] = rest {
            if u16::from(*window) < least || !(1..=32).contains(length) {
                return None;
            }
            least = u16::from(*window) + 1;
            rest = tail.get(usize::from(*length)..)?;
        }
        rest.is_empty().then_some(TypeBits(bytes))
    }
}

impl Print for TypeBits<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        let mut rest = self.0;
        let mut separator = "";
        while let [window, length, tail @ ..] = rest {
            let (bits, tail) = tail.split_at_checked(usize::from(*length)).unwrap_or((tail, &[]));
            for (index, byte) in bits.iter().enumerate() {
                for bit in (0..8).filter(|bit| byte & (0x80 >> bit) != 0) {
                    let code = u16::from(*window) << 8 | (index as u16 & 31) << 3 | bit;
                    separator.print(out);
                    codes::record_type(code).print(out);
                    separator = " ";
                }
            }
            rest = tail;
        }
    }
}

/// Upper-case hexadecimal digits.
struct Hexadecimal<'a>(&'a [u8]);

impl Print for Hexadecimal<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
        self.0.iter().for_each(|byte| out.extend_from_slice(&[digit(byte >> 4), digit(*byte)]));
    }
}

/// A salt; `-` when there is none.
struct Salt<'a>(&'a [u8]);

impl Print for Salt<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        if self.0.is_empty() { out.push(b'-') } else { Hexadecimal(self.0).print(out) }
    }
}

/// Base 64 with padding.
struct Base64<'a>(&'a [u8]);

impl Print for Base64<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.0.len().div_ceil(3) * 4, 0);
        let written = out.get_mut(start..).map_or(0, |place| STANDARD.encode_slice(self.0, place).unwrap_or(0));
        out.truncate(start + written);
    }
}

/// Base 32 with the extended hexadecimal alphabet, without padding (RFC 4648, section 7).
struct Base32<'a>(&'a [u8]);

impl Print for Base32<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
        for group in self.0.chunks(5) {
            let bits = (0..5).fold(0u64, |bits, index| bits << 8 | u64::from(group.get(index).copied().unwrap_or(0)));
            for digit in 0..(group.len() * 8).div_ceil(5) {
                let value = bits >> (35 - 5 * digit) & 31;
                out.push(ALPHABET[value as usize]);
            }
        }
    }
}

/// Seconds since 1970 as `YYYYMMDDhhmmss` (RFC 4034, section 3.2).
struct Time(u32);

impl Print for Time {
    fn print(&self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(i64::from(self.0 / 86_400));
        let second = self.0 % 86_400;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        // 32 bits of seconds end in 2106.
        let year = year as u32;
        for number in [year / 100, year % 100, month, day, hour, minute, second] {
            out.extend_from_slice(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
        }
    }
}
