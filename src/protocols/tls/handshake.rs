// SPDX-License-Identifier: Apache-2.0
//! Handshake messages out of the bodies of handshake records: a message may lie in several records, a record may hold several.
//!
//! A message that lies whole in what is given is read in place. Of others the bytes that somebody wants are kept, the rest is
//! counted.

use crate::protocols::text::Text;

/// Bytes of a message's header: type and length.
const HEADER_BYTES: usize = 4;
/// Bytes that are kept of one message.
pub const MAX_KEPT_BYTES: usize = 65_536;

pub const CLIENT_HELLO: u8 = 1;
pub const SERVER_HELLO: u8 = 2;
pub const CERTIFICATE: u8 = 11;
pub const SERVER_KEY_EXCHANGE: u8 = 12;
pub const CERTIFICATE_REQUEST: u8 = 13;
pub const CLIENT_KEY_EXCHANGE: u8 = 16;
pub const CERTIFICATE_STATUS: u8 = 22;

/// Puts the messages of one direction together.
#[derive(Debug, Default)]
pub struct Assembler {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// Bytes of the message's body that are still to come.
    left: usize,
    /// Bytes of the message's body that are kept.
    wanted: usize,
    kept: Text,
    /// Bytes of this message are missing.
    spoiled: bool,
    /// Where messages begin is not known any more.
    lost: bool,
}

/// A whole message, or of a long one its beginning.
#[derive(Debug)]
pub struct Message<'a> {
    pub kind: u8,
    pub body: Body<'a>,
}

#[derive(Debug)]
pub enum Body<'a> {
    InPlace(&'a [u8]),
    Kept(&'a mut Text),
}

impl Body<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::InPlace(bytes) => bytes,
            Body::Kept(bytes) => bytes,
        }
    }

    /// Stores the body in `place`, whose old content is dropped.
    pub fn store(self, place: &mut Text) {
        match self {
            Body::InPlace(bytes) => {
                place.clear();
                place.extend_from_slice(bytes);
            }
            Body::Kept(bytes) => std::mem::swap(bytes, place),
        }
    }
}

impl Assembler {
    /// Takes bytes from the front of `input` until a message is complete.
    pub fn next<'message, 'input: 'message>(&'message mut self, input: &mut &'input [u8]) -> Option<Message<'message>> {
        loop {
            if self.lost {
                *input = &[];
                return None;
            }
            if self.header_bytes < HEADER_BYTES {
                if let Some((kind, body, rest)) = whole(input).filter(|_| self.header_bytes == 0) {
                    *input = rest;
                    return Some(Message { kind, body: Body::InPlace(body) });
                }
                let byte;
                (byte, *input) = input.split_first()?;
                if let Some(place) = self.header.get_mut(self.header_bytes) {
                    *place = *byte;
                }
                self.header_bytes += 1;
                if self.header_bytes < HEADER_BYTES {
                    continue;
                }
                let [kind, length @ ..] = self.header;
                self.left = length_of(length);
                self.wanted = wanted_bytes(kind).min(self.left);
                self.kept.clear();
            }
            let (taken, rest) = input.split_at(self.left.min(input.len()));
            let kept = taken.len().min(self.wanted.saturating_sub(self.kept.len()));
            self.kept.extend_from_slice(taken.get(..kept).unwrap_or_default());
            self.left -= taken.len();
            *input = rest;
            if self.left > 0 {
                return None;
            }
            self.header_bytes = 0;
            if !std::mem::take(&mut self.spoiled) {
                return Some(Message { kind: self.header[0], body: Body::Kept(&mut self.kept) });
            }
        }
    }

    /// `count` bytes will never come.
    pub fn skip(&mut self, count: usize) {
        if self.header_bytes == HEADER_BYTES && count <= self.left {
            self.left -= count;
            self.spoiled = true;
            if self.left == 0 {
                self.header_bytes = 0;
                self.spoiled = false;
            }
        } else {
            self.lost = true;
        }
    }

    /// The type of the message that has begun and is not complete.
    pub fn begun(&self) -> Option<u8> {
        (self.header_bytes > 0).then(|| self.header[0])
    }

    pub fn reset(&mut self) {
        self.header_bytes = 0;
        self.left = 0;
        self.spoiled = false;
        self.lost = false;
        self.kept.clear();
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }
}

/// Type, body and what follows, when the message is whole and no longer than what is kept.
fn whole(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([kind, length @ ..], rest) = input.split_first_chunk::<HEADER_BYTES>()?;
    let length = length_of(*length);
    let (body, rest) = rest.split_at_checked(length)?;
    (length <= MAX_KEPT_BYTES).then_some((*kind, body, rest))
}

fn length_of([high, middle, low]: [u8; 3]) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

fn wanted_bytes(kind: u8) -> usize {
    match kind {
        CLIENT_HELLO | SERVER_HELLO | CERTIFICATE => MAX_KEPT_BYTES,
        // Type, length and the first octets of an OCSP response.
        CERTIFICATE_STATUS => 32,
        // The named curve.
        SERVER_KEY_EXCHANGE => 3,
        _ => 0,
    }
}
