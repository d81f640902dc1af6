// SPDX-License-Identifier: Apache-2.0
//! RPC messages (RFC 5531, section 9) and what the credentials of AUTH_SYS and RPCSEC_GSS say.
//!
//! Messages may be cut anywhere behind their fixed part: what is missing is None.

use super::compound::Compound;
use super::names::{self, Name};
use super::xdr::Xdr;

/// Bytes by which a message is recognised.
pub const PROBE_BYTES: usize = 16;
/// The shortest whole message: a rejected call.
pub const MIN_MESSAGE_BYTES: usize = 20;

const NFS_PROGRAM: u32 = 100_003;
const RPC_VERSION: u32 = 2;
const AUTH_SYS: u32 = 1;
const RPCSEC_GSS: u32 = 6;
/// Bytes of a credential (RFC 5531, section 8.2).
const MAX_CREDENTIAL_BYTES: usize = 400;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Call(Call<'a>),
    /// A call of another program.
    OtherCall,
    Reply(Reply<'a>),
}

/// A call of NFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    pub xid: u32,
    pub version: u32,
    pub procedure: u32,
    pub flavor: Option<u32>,
    pub user: Option<User<'a>>,
    pub protection: Protection,
    pub opcode: Name,
    /// Of NFSv4, when its arguments can be read.
    pub compound: Option<Compound<'a>>,
    /// Whether the message ended before all of this was read.
    pub ends_early: bool,
}

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    pub xid: u32,
    pub verdict: Option<Verdict<'a>>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// `accept_stat` and what follows it.
    Accepted { status: u32, results: &'a [u8] },
    /// Rejected: the RPC versions that the server speaks.
    RpcMismatch { lowest: u32, highest: u32 },
    /// Rejected: `auth_stat`.
    AuthError(u32),
}

/// Body of an AUTH_SYS credential (RFC 5531, appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// The body as it was, from which the other fields and the groups are.
    pub body: &'a [u8],
    pub stamp: u32,
    pub machine_name: &'a [u8],
    pub uid: u32,
    pub gid: u32,
}

/// What RPCSEC_GSS does to arguments and results (RFC 2203, section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    #[default]
    None,
    /// They stand in an opaque behind a sequence number, with a checksum.
    Integrity,
    /// They are encrypted, or the call belongs to the security context itself.
    Hidden,
}

/// Whether bytes begin like a message; of fewer than [`PROBE_BYTES`] nothing can be said.
pub fn is_likely(bytes: &[u8]) -> bool {
    let mut xdr = Xdr::new(bytes);
    let mut word = || xdr.word();
    match (word(), word(), word()) {
        (_, Some(0), Some(version)) => version == RPC_VERSION,
        (_, Some(1), Some(reply_status)) => reply_status <= 1,
        _ => false,
    }
}

/// The xid of a reply, and None for a call, when bytes begin like an NFS call or a reply.
pub fn recognise(bytes: &[u8]) -> Option<Option<u32>> {
    if !is_likely(bytes) {
        return None;
    }
    let mut xdr = Xdr::new(bytes);
    let (xid, kind) = (xdr.word()?, xdr.word()?);
    if kind == 1 {
        return Some(Some(xid));
    }
    xdr.skip(4)?;
    (xdr.word()? == NFS_PROGRAM && (2..=4).contains(&xdr.word()?)).then_some(None)
}

impl<'a> Message<'a> {
    /// None: not RPC, or cut inside the fixed part.
    pub fn parse(bytes: &'a [u8]) -> Option<Message<'a>> {
        let mut xdr = Xdr::new(bytes);
        let xid = xdr.word()?;
        match xdr.word()? {
            0 => Self::call(xid, &mut xdr),
            1 => {
                let verdict = Verdict::parse(xdr);
                let foreign = verdict.is_none() && xdr.word().is_some_and(|reply_status| reply_status > 1);
                (!foreign).then_some(Message::Reply(Reply { xid, verdict }))
            }
            _ => None,
        }
    }

    fn call(xid: u32, xdr: &mut Xdr<'a>) -> Option<Message<'a>> {
        if xdr.word()? != RPC_VERSION {
            return None;
        }
        let (program, version, procedure) = (xdr.word()?, xdr.word()?, xdr.word()?);
        if program != NFS_PROGRAM {
            return Some(Message::OtherCall);
        }
        let mut call = Call {
            xid,
            version,
            procedure,
            flavor: None,
            user: None,
            protection: Protection::None,
            opcode: names::procedure(version, procedure),
            compound: None,
            ends_early: false,
        };
        call.ends_early = call.read_rest(xdr).is_none();
        Some(Message::Call(call))
    }
}

impl<'a> Call<'a> {
    fn read_rest(&mut self, xdr: &mut Xdr<'a>) -> Option<()> {
        let flavor = xdr.word()?;
        self.flavor = Some(flavor);
        let body = xdr.opaque()?;
        match flavor {
            AUTH_SYS => self.user = User::parse(body),
            RPCSEC_GSS => self.protection = Protection::parse(body),
            _ => {}
        }
        // The verifier.
        xdr.word()?;
        xdr.opaque()?;
        if (self.version, self.procedure) != (4, 1) || self.protection == Protection::Hidden {
            return Some(());
        }
        if self.protection == Protection::Integrity {
            xdr.skip(INTEGRITY_BYTES)?;
        }
        let compound = Compound::parse(xdr.rest())?;
        self.opcode = compound.main.unwrap_or(self.opcode);
        self.compound = Some(compound);
        (!compound.ends_early).then_some(())
    }
}

/// Length and sequence number before protected arguments or results.
const INTEGRITY_BYTES: usize = 8;

impl<'a> Verdict<'a> {
    fn parse(mut xdr: Xdr<'a>) -> Option<Verdict<'a>> {
        match xdr.word()? {
            0 => {
                // The verifier.
                xdr.word()?;
                xdr.opaque()?;
                Some(Verdict::Accepted { status: xdr.word()?, results: xdr.rest() })
            }
            1 => match xdr.word()? {
                0 => Some(Verdict::RpcMismatch { lowest: xdr.word()?, highest: xdr.word()? }),
                1 => Some(Verdict::AuthError(xdr.word()?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Status of the procedure, which begins the results of all but the few that have none.
pub fn result_status(version: u32, procedure: u32, protection: Protection, results: &[u8]) -> Option<Name> {
    if procedure == 0 || version == 2 && matches!(procedure, 3 | 7) {
        return Some(names::status(0));
    }
    let mut xdr = Xdr::new(results);
    match protection {
        Protection::None => {}
        Protection::Integrity => xdr.skip(INTEGRITY_BYTES)?,
        Protection::Hidden => return None,
    }
    xdr.word().map(names::status)
}

impl<'a> User<'a> {
    pub fn parse(body: &'a [u8]) -> Option<User<'a>> {
        if body.len() > MAX_CREDENTIAL_BYTES {
            return None;
        }
        let mut xdr = Xdr::new(body);
        let user = User { body, stamp: xdr.word()?, machine_name: xdr.opaque()?, uid: xdr.word()?, gid: xdr.word()? };
        xdr.skip_words()?;
        Some(user)
    }

    /// The further groups.
    pub fn groups(&self) -> impl Iterator<Item = u32> + use<'a> {
        let mut xdr = Xdr::new(self.body);
        let words = (|| {
            xdr.word()?;
            xdr.opaque()?;
            xdr.skip(8)?;
            xdr.words()
        })();
        words.into_iter().flatten()
    }
}

impl Protection {
    fn parse(body: &[u8]) -> Protection {
        let mut xdr = Xdr::new(body);
        let mut word = || xdr.word();
        // Version, procedure (0 is data), sequence number, service.
        match (word(), word(), word(), word()) {
            (Some(1), Some(0), Some(_), Some(1)) => Protection::None,
            (Some(1), Some(0), Some(_), Some(2)) => Protection::Integrity,
            _ => Protection::Hidden,
        }
    }
}
