// SPDX-License-Identifier: Apache-2.0
//! The connection phase: the server's greeting and the client's answer. Only what decides how the rest is read (TLS,
//! compression) and what a refused login is reported with (user, database) is taken from them; never the password.

use super::wire::Reader;

/// Capability flags of the protocol.
pub mod capability {
    pub const CONNECT_WITH_DATABASE: u32 = 1 << 3;
    pub const COMPRESS: u32 = 1 << 5;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const TLS: u32 = 1 << 11;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const LENGTH_ENCODED_AUTHENTICATION: u32 = 1 << 21;
    pub const DEPRECATE_EOF: u32 = 1 << 24;
    pub const ZSTD: u32 = 1 << 26;
}

/// Payload length of an SSLRequest: the beginning of an answer to the greeting, without a user.
const TLS_REQUEST_BYTES: u64 = 32;
/// A greeting is about 100 bytes.
pub const MAX_GREETING_BYTES: usize = 1024;

/// Capabilities of the server, if this is a greeting (protocol version 10, or 9 of the last century).
pub fn greeting(payload: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(payload);
    let version = reader.u8()?;
    let end = memchr::memchr(0, reader.rest())?;
    if !matches!(version, 9 | 10) || end == 0 || !reader.take(end)?.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return None;
    }
    // The zero, the connection's id, the first part of the challenge and its zero.
    reader.take(1 + 4)?;
    if version == 9 {
        return Some(0);
    }
    reader.take(8 + 1)?;
    let low = u32::from(reader.u16()?);
    // Character set and status; a short greeting ends before.
    reader.take(3);
    let high = u32::from(reader.u16().unwrap_or(0));
    Some(low | high << 16)
}

/// The client's answer to the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub capabilities: u32,
    /// Nothing but a request to go on with TLS.
    pub tls: bool,
    pub user: &'a [u8],
    pub database: &'a [u8],
}

impl<'a> Answer<'a> {
    pub fn parse(payload: &'a [u8], length: u64) -> Option<Answer<'a>> {
        let mut reader = Reader::new(payload);
        let low = u32::from(reader.u16()?);
        if low & capability::PROTOCOL_41 == 0 {
            reader.take(3)?;
            return Some(Answer {
                capabilities: low,
                tls: low & capability::TLS != 0 && reader.is_empty(),
                user: reader.until_zero(),
                database: &[],
            });
        }
        let capabilities = low | u32::from(reader.u16()?) << 16;
        if capabilities & capability::TLS != 0 && length == TLS_REQUEST_BYTES {
            return Some(Answer { capabilities, tls: true, user: &[], database: &[] });
        }
        reader.take(4 + 1 + 23)?;
        let user = reader.until_zero();
        skip_authentication(&mut reader, capabilities);
        let database = if capabilities & capability::CONNECT_WITH_DATABASE == 0 { &[] } else { reader.until_zero() };
        Some(Answer { capabilities, tls: false, user, database })
    }
}

fn skip_authentication(reader: &mut Reader<'_>, capabilities: u32) {
    if capabilities & capability::LENGTH_ENCODED_AUTHENTICATION != 0 {
        reader.text();
    } else if capabilities & capability::SECURE_CONNECTION != 0 {
        let length = usize::from(reader.u8().unwrap_or(0));
        reader.take(length);
    } else {
        reader.until_zero();
    }
}

/// User and database of COM_CHANGE_USER.
pub fn change_user(arguments: &[u8]) -> (&[u8], &[u8]) {
    let mut reader = Reader::new(arguments);
    let user = reader.until_zero();
    let length = usize::from(reader.u8().unwrap_or(0));
    reader.take(length);
    (user, reader.until_zero())
}

/// Whether a direction's first bytes are a TLS record and not a packet: a capture that begins behind the switch.
pub fn is_tls(bytes: &[u8]) -> bool {
    match bytes.first_chunk::<5>() {
        Some([0x14..=0x17, 3, 0..=4, high, low]) => {
            let length = usize::from(*high) << 8 | usize::from(*low);
            // A record may be cut anywhere; the next one, if it is there, settles it.
            length > 0
                && length <= (1 << 14) + 2048
                && bytes.get(5 + length..).is_none_or(|next| matches!(next, [] | [0x14..=0x17] | [0x14..=0x17, 3, ..]))
        }
        _ => false,
    }
}
