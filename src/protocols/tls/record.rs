// SPDX-License-Identifier: Apache-2.0
//! Headers of the record layer (RFC 8446, section 5.1; RFC 5246, section 6.2.1).

/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 5;
/// Longest record that is accepted: 2^14 and what encryption and compression may add (RFC 5246, section 6.2.3).
const MAX_RECORD_BYTES: usize = 16_384 + 2_048;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
    /// A client hello in the form of SSL 2.0, which is passed over.
    #[default]
    OldHello,
}

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub content: ContentType,
    /// Bytes behind the header.
    pub length: usize,
    /// Bytes of the header.
    pub header_bytes: usize,
}

/// Reads a header of TLS or SSL 3.0. None: this is something else.
pub fn header(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
    let [kind, major, minor, high, low] = *bytes;
    let content = match kind {
        20 => ContentType::ChangeCipherSpec,
        21 => ContentType::Alert,
        22 => ContentType::Handshake,
        23 => ContentType::ApplicationData,
        24 => ContentType::Heartbeat,
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    (major == 3 && minor <= 4 && length <= MAX_RECORD_BYTES).then_some(Header {
        content,
        length,
        header_bytes: HEADER_BYTES,
    })
}

/// Reads the header of a client hello in the form of SSL 2.0 that offers TLS (RFC 5246, appendix E.2).
pub fn old_hello(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
    let [high, low, message, major, minor] = *bytes;
    let length = usize::from(u16::from_be_bytes([high & 0x7f, low]));
    (high & 0x80 != 0 && message == 1 && major == 3 && minor <= 4 && length >= 9).then_some(Header {
        content: ContentType::OldHello,
        length,
        header_bytes: 2,
    })
}
