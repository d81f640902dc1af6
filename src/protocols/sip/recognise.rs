// SPDX-License-Identifier: Apache-2.0
//! Whether bytes begin a SIP message (RFC 3261, section 7): a status line, or a request line that ends in the version.

use memchr::memchr;

use crate::protocols::detect::{Carried, Recognition, begins_with};

const VERSION: &[u8] = b"SIP/2.0";
/// No method that is registered is longer than PROGRESS would be.
const LONGEST_METHOD_BYTES: usize = 12;

pub fn recognise(_carried: Carried, bytes: &[u8]) -> Recognition {
    match begins_with(bytes, b"SIP/2.0 ") {
        Recognition::Client => return Recognition::Server,
        Recognition::Undecided => return Recognition::Undecided,
        _ => {}
    }
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if method == 0 || method > LONGEST_METHOD_BYTES {
        return if bytes.is_empty() { Recognition::Undecided } else { Recognition::No };
    }
    match bytes.get(method) {
        None => return Recognition::Undecided,
        Some(b' ') => {}
        Some(_) => return Recognition::No,
    }
    let Some(end) = memchr(b'\n', bytes) else { return Recognition::Undecided };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    if line.strip_suffix(VERSION).is_some_and(|rest| rest.ends_with(b" ")) {
        Recognition::Client
    } else {
        Recognition::No
    }
}
