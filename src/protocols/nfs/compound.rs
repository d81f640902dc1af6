// SPDX-License-Identifier: Apache-2.0
//! The main operation of an NFSv4 compound (RFC 7530, section 14.2; RFC 8881, section 16.2).
//!
//! A compound is a list of operations of which one is what the user wanted; the others lead to it (a file handle, a name) or
//! follow from it (attributes). The main one is the first that is not of those, else the last.

use super::names::{self, Name};
use super::xdr::Xdr;

/// What is shown of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    pub tag: &'a [u8],
    pub minor_version: u32,
    /// None: no operation could be read.
    pub main: Option<Name>,
    /// Whether the message ended before the main operation was found.
    pub ends_early: bool,
}

impl<'a> Compound<'a> {
    /// Reads the arguments of a COMPOUND procedure.
    pub fn parse(arguments: &'a [u8]) -> Option<Compound<'a>> {
        let mut xdr = Xdr::new(arguments);
        let tag = xdr.opaque()?;
        let minor_version = xdr.word()?;
        let mut compound = Compound { tag, minor_version, main: None, ends_early: false };
        compound.ends_early = compound.find_main(&mut xdr).is_none();
        Some(compound)
    }

    fn find_main(&mut self, xdr: &mut Xdr<'_>) -> Option<()> {
        let count = xdr.word()?;
        for _ in 0..count {
            let operation = xdr.word()?;
            self.main = Some(names::operation(operation));
            match operation {
                GETFH | LOOKUPP | PUTPUBFH | PUTROOTFH | RESTOREFH | SAVEFH => {}
                GETATTR => xdr.skip_words()?,
                LOOKUP | PUTFH | SECINFO => {
                    xdr.opaque()?;
                }
                NVERIFY | VERIFY => {
                    xdr.skip_words()?;
                    xdr.opaque()?;
                }
                RENEW => xdr.skip(8)?,
                SEQUENCE => xdr.skip(SEQUENCE_BYTES)?,
                _ => return Some(()),
            }
        }
        Some(())
    }
}

const GETATTR: u32 = 9;
const GETFH: u32 = 10;
const LOOKUP: u32 = 15;
const LOOKUPP: u32 = 16;
const NVERIFY: u32 = 17;
const PUTFH: u32 = 22;
const PUTPUBFH: u32 = 23;
const PUTROOTFH: u32 = 24;
const RENEW: u32 = 30;
const RESTOREFH: u32 = 31;
const SAVEFH: u32 = 32;
const SECINFO: u32 = 33;
const VERIFY: u32 = 37;
const SEQUENCE: u32 = 53;
/// Session id, sequence id, slot id, highest slot id, cache this.
const SEQUENCE_BYTES: usize = 16 + 4 * 4;
