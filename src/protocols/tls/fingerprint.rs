// SPDX-License-Identifier: Apache-2.0
//! Fingerprints of hellos: JA3 and JA3S (salesforce/ja3), JA4 (FoxIO), all without GREASE.

use std::io::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::cursor::{Cursor, codes, is_grease};
use super::hello::{ClientHello, Extensions, ServerHello, extension, server_names};

/// Memory for the texts that are hashed, for all fingerprints of a connection.
#[derive(Debug, Default)]
pub struct Scratch {
    text: Vec<u8>,
    codes: Vec<u16>,
}

/// Digits of an MD5 sum.
pub type Sum = [u8; 32];
/// A JA4 fingerprint.
pub type Ja4 = [u8; 36];

/// Values that a fingerprint takes of one list; a hello of 64 KiB cannot have more.
const MAX_CODES: usize = 32_768;

/// JA3: version, ciphers, extensions, groups and point formats in decimal.
pub fn ja3(hello: &ClientHello<'_>, scratch: &mut Scratch) -> Sum {
    let ciphers = codes(hello.ciphers).filter(|code| !is_grease(*code));
    client_formula(hello.version, ciphers, &hello.extensions, scratch)
}

/// JA3S: version, the chosen cipher, extensions.
pub fn ja3s(hello: &ServerHello<'_>, scratch: &mut Scratch) -> Sum {
    scratch.text.clear();
    join(&mut scratch.text, [hello.version]);
    scratch.text.push(b',');
    join(&mut scratch.text, [hello.cipher]);
    scratch.text.push(b',');
    join(&mut scratch.text, hello.extensions.iter().map(|(code, _)| code));
    hexadecimal(&Md5::digest(&scratch.text))
}

/// What Packetbeat calls JA3S: the formula of clients for the server's hello, which has no list of ciphers.
pub fn packetbeat_ja3s(hello: &ServerHello<'_>, scratch: &mut Scratch) -> Sum {
    client_formula(hello.version, std::iter::empty(), &hello.extensions, scratch)
}

/// JA4: `t13d1516h2_8daaf6152771_e5627efa2ab1`. Transport, version, server name, numbers of ciphers and extensions, first
/// protocol; then hashes of the sorted ciphers and of the sorted extensions with the signature algorithms.
pub fn ja4(hello: &ClientHello<'_>, scratch: &mut Scratch) -> Ja4 {
    let Scratch { text, codes: sorted } = scratch;
    let extensions = &hello.extensions;

    sorted.clear();
    sorted.extend(codes(hello.ciphers).filter(|code| !is_grease(*code)).take(MAX_CODES));
    let cipher_count = sorted.len();
    sorted.sort_unstable();
    text.clear();
    join_hexadecimal(text, sorted.iter().copied());
    let ciphers_hash = cut_hash(text);

    sorted.clear();
    sorted.extend(extensions.iter().map(|(code, _)| code).take(MAX_CODES));
    let extension_count = sorted.len();
    sorted.retain(|code| !matches!(*code, extension::SERVER_NAME | extension::PROTOCOLS));
    sorted.sort_unstable();
    text.clear();
    join_hexadecimal(text, sorted.iter().copied());
    let schemes = extensions.find(extension::SIGNATURE_ALGORITHMS).and_then(|data| Cursor::new(data).cut_vector16());
    let mut schemes = codes(schemes.unwrap_or_default()).filter(|code| !is_grease(*code)).take(MAX_CODES).peekable();
    if schemes.peek().is_some() {
        text.push(b'_');
        join_hexadecimal(text, schemes);
    }
    let extensions_hash = cut_hash(text);

    let named = extensions.find(extension::SERVER_NAME).is_some_and(|data| server_names(data).next().is_some());
    let [first, last] = protocol_letters(extensions.protocol());
    let mut fingerprint = [b'0'; 36];
    // The parts are 10 + 1 + 12 + 1 + 12 bytes long.
    let _ = write!(
        &mut fingerprint[..],
        "t{}{}{:02}{:02}{}{}_",
        version_letters(hello),
        if named { 'd' } else { 'i' },
        cipher_count.min(99),
        extension_count.min(99),
        char::from(first),
        char::from(last),
    );
    fingerprint[11..23].copy_from_slice(&ciphers_hash);
    fingerprint[23] = b'_';
    fingerprint[24..].copy_from_slice(&extensions_hash);
    fingerprint
}

/// Digits of bytes, as `{:x}`; `bytes` has half the length of the result.
pub fn hexadecimal<const DIGITS: usize>(bytes: &[u8]) -> [u8; DIGITS] {
    digits(bytes, b"0123456789abcdef")
}

/// The same in capitals.
pub fn capital_hexadecimal<const DIGITS: usize>(bytes: &[u8]) -> [u8; DIGITS] {
    digits(bytes, b"0123456789ABCDEF")
}

fn digits<const DIGITS: usize>(bytes: &[u8], alphabet: &[u8; 16]) -> [u8; DIGITS] {
    let mut text = [b'0'; DIGITS];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[alphabet[usize::from(byte >> 4)], alphabet[usize::from(byte & 15)]]);
    }
    text
}

fn client_formula(
    version: u16,
    ciphers: impl Iterator<Item = u16>,
    extensions: &Extensions<'_>,
    scratch: &mut Scratch,
) -> Sum {
    let text = &mut scratch.text;
    text.clear();
    join(text, [version]);
    text.push(b',');
    join(text, ciphers);
    text.push(b',');
    join(text, extensions.iter().map(|(code, _)| code));
    text.push(b',');
    let groups = extensions.find(extension::SUPPORTED_GROUPS).and_then(|data| Cursor::new(data).cut_vector16());
    join(text, codes(groups.unwrap_or_default()).filter(|code| !is_grease(*code)));
    text.push(b',');
    let formats = extensions.find(extension::POINT_FORMATS).and_then(|data| Cursor::new(data).vector8());
    join(text, formats.unwrap_or_default().iter().map(|format| u16::from(*format)));
    hexadecimal(&Md5::digest(&*text))
}

fn join(text: &mut Vec<u8>, codes: impl IntoIterator<Item = u16>) {
    for (index, code) in codes.into_iter().enumerate() {
        if index > 0 {
            text.push(b'-');
        }
        text.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    }
}

fn join_hexadecimal(text: &mut Vec<u8>, codes: impl IntoIterator<Item = u16>) {
    for (index, code) in codes.into_iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&hexadecimal::<4>(&code.to_be_bytes()));
    }
}

/// The first digits of a SHA-256 sum; zeros for an empty list.
fn cut_hash(text: &[u8]) -> [u8; 12] {
    if text.is_empty() {
        return [b'0'; 12];
    }
    hexadecimal(&Sha256::digest(text))
}

/// The highest version that the client offers.
fn version_letters(hello: &ClientHello<'_>) -> &'static str {
    let offered = hello.extensions.find(extension::SUPPORTED_VERSIONS).and_then(|data| Cursor::new(data).vector8());
    let highest = codes(offered.unwrap_or_default()).filter(|code| !is_grease(*code)).max().unwrap_or(hello.version);
    match highest {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last letter of a protocol's name; of a name that is no text, its first and last hexadecimal digit.
fn protocol_letters(protocol: Option<&[u8]>) -> [u8; 2] {
    let (first, last) = match protocol {
        Some([first, .., last]) => (*first, *last),
        Some([only]) => (*only, *only),
        _ => return *b"00",
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last];
    }
    let [high, _] = hexadecimal::<2>(&[first]);
    let [_, low] = hexadecimal::<2>(&[last]);
    [high, low]
}
