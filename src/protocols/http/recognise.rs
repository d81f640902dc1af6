// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin an HTTP message (RFC 9112, section 3).

use memchr::memchr;

use crate::protocols::detect::{Carried, Recognition, begins_with};

/// Methods of RFC 9110, RFC 5789 and WebDAV (RFC 4918).
const METHODS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"UNLOCK ",
];
/// A request target that is longer than what is looked at begins with a path.
const LONG_LINE_BYTES: usize = 256;

pub fn recognise(carried: Carried, bytes: &[u8]) -> Recognition {
    if carried == Carried::Datagram {
        return Recognition::No;
    }
    match begins_with(bytes, b"HTTP/1.") {
        Recognition::Client => return Recognition::Server,
        Recognition::Undecided => return Recognition::Undecided,
        _ => {}
    }
    let mut undecided = false;
    for method in METHODS {
        match begins_with(bytes, method) {
            Recognition::Client => return request(&bytes[method.len()..]),
            Recognition::Undecided => undecided = true,
            _ => {}
        }
    }
    if undecided { Recognition::Undecided } else { Recognition::No }
}

/// Behind the method: other protocols have the same ones, so the version decides.
fn request(rest: &[u8]) -> Recognition {
    match memchr(b'\n', rest) {
        Some(end) => {
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            let version = line.get(line.len().saturating_sub(9)..).unwrap_or_default();
            if version.starts_with(b" HTTP/1.") { Recognition::Client } else { Recognition::No }
        }
        None if rest.len() >= LONG_LINE_BYTES && rest.starts_with(b"/") => Recognition::Client,
        None => Recognition::Undecided,
    }
}
