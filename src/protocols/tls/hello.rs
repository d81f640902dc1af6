// SPDX-License-Identifier: Apache-2.0
//! Client and server hello (RFC 8446, section 4.1; RFC 5246, section 7.4.1): views of the message's bytes.

use super::cursor::{Cursor, is_grease};

/// Codes of extensions that mean something to the parser.
pub mod extension {
    pub const SERVER_NAME: u16 = 0;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const PROTOCOLS: u16 = 16;
    pub const SESSION_TICKET: u16 = 35;
    pub const PRE_SHARED_KEY: u16 = 41;
    pub const EARLY_DATA: u16 = 42;
    pub const SUPPORTED_VERSIONS: u16 = 43;
    pub const KEY_SHARE: u16 = 51;
}

/// `random` of a server hello that asks for another client hello: SHA-256 of "HelloRetryRequest".
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[derive(Clone, Copy, Debug)]
pub struct ClientHello<'a> {
    pub version: u16,
    pub random: &'a [u8],
    pub session_id: &'a [u8],
    /// Codes of two bytes.
    pub ciphers: &'a [u8],
    /// Codes of one byte.
    pub compressions: &'a [u8],
    pub extensions: Extensions<'a>,
}

#[derive(Clone, Copy, Debug)]
pub struct ServerHello<'a> {
    pub version: u16,
    pub random: &'a [u8],
    pub session_id: &'a [u8],
    pub cipher: u16,
    pub compression: u8,
    pub extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    pub fn read(body: &'a [u8]) -> Option<ClientHello<'a>> {
        let mut cursor = Cursor::new(body);
        Some(ClientHello {
            version: cursor.u16()?,
            random: cursor.bytes(32)?,
            session_id: cursor.vector8()?,
            ciphers: cursor.vector16()?,
            compressions: cursor.vector8()?,
            extensions: Extensions::read(cursor),
        })
    }

    /// Whether the client sends data before it has heard of the server.
    pub fn offers_early_data(&self) -> bool {
        self.extensions.find(extension::EARLY_DATA).is_some()
    }
}

impl<'a> ServerHello<'a> {
    pub fn read(body: &'a [u8]) -> Option<ServerHello<'a>> {
        let mut cursor = Cursor::new(body);
        Some(ServerHello {
            version: cursor.u16()?,
            random: cursor.bytes(32)?,
            session_id: cursor.vector8()?,
            cipher: cursor.u16()?,
            compression: cursor.u8()?,
            extensions: Extensions::read(cursor),
        })
    }

    /// The version that was chosen.
    pub fn selected_version(&self) -> u16 {
        let selected = self.extensions.find(extension::SUPPORTED_VERSIONS).and_then(|data| Cursor::new(data).u16());
        selected.unwrap_or(self.version)
    }

    /// Whether certificates and the rest of the handshake are encrypted: TLS 1.3 and its drafts.
    pub fn is_encrypted_from_here(&self) -> bool {
        let version = self.selected_version();
        version == 0x0304 || version >> 8 == 0x7f
    }

    pub fn is_retry_request(&self) -> bool {
        self.random == RETRY
    }

    /// The group of the key exchange in TLS 1.3.
    pub fn key_share_group(&self) -> Option<u16> {
        Cursor::new(self.extensions.find(extension::KEY_SHARE)?).u16()
    }
}

/// The extensions of a hello.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions<'a> {
    list: &'a [u8],
    /// Whether the hello has a field of extensions that is not empty.
    pub any: bool,
}

impl<'a> Extensions<'a> {
    fn read(mut cursor: Cursor<'a>) -> Extensions<'a> {
        let list = cursor.cut_vector16().unwrap_or_default();
        Extensions { list, any: !list.is_empty() }
    }

    /// Code and content of each, in order, without GREASE.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut cursor = Cursor::new(self.list);
        std::iter::from_fn(move || Some((cursor.u16()?, cursor.cut_vector16()?))).filter(|(code, _)| !is_grease(*code))
    }

    /// Content of the first extension of a code.
    pub fn find(&self, code: u16) -> Option<&'a [u8]> {
        self.iter().find(|(other, _)| *other == code).map(|(_, data)| data)
    }

    /// The first name that the client asks for (RFC 6066, section 3).
    pub fn server_name(&self) -> Option<&'a [u8]> {
        server_names(self.find(extension::SERVER_NAME)?).next()
    }

    /// The first protocol of the list (RFC 7301); a server sends one.
    pub fn protocol(&self) -> Option<&'a [u8]> {
        protocols(self.find(extension::PROTOCOLS)?).next()
    }
}

/// Names in a `server_name` extension.
pub fn server_names(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = Cursor::new(Cursor::new(data).cut_vector16().unwrap_or_default());
    std::iter::from_fn(move || Some((list.u8()?, list.vector16()?)))
        .filter(|(kind, name)| *kind == 0 && !name.is_empty())
        .map(|(_, name)| name)
}

/// Names in an `application_layer_protocol_negotiation` extension.
pub fn protocols(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = Cursor::new(Cursor::new(data).cut_vector16().unwrap_or_default());
    std::iter::from_fn(move || list.vector8())
}
