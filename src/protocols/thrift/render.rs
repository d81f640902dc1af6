// SPDX-License-Identifier: Apache-2.0
//! Values as text, in the form that Packetbeat prints: Go's literals, bytes that are no UTF-8 as hexadecimal.

use std::fmt::Write as _;

use crate::protocols::text::{Text, hexadecimal};

/// `"text"` with Go's escapes; `dots` stand where it was cut.
pub fn quoted(out: &mut Text, text: &str, dots: &str) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        out.extend_from_slice(run.as_bytes());
        let mut characters = tail.chars();
        let Some(character) = characters.next() else { break };
        escaped(out, character);
        rest = characters.as_str();
    }
    out.extend_from_slice(dots.as_bytes());
    out.push(b'"');
}

/// Whether it stands for itself.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// 8-4-4-4-12 digits.
pub fn uuid(out: &mut Text, bytes: &[u8; 16]) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        hexadecimal(out, &[*byte]);
    }
}

/// The shortest digits that give the number back, without exponent.
pub fn double(out: &mut Text, value: f64) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        format(out, format_args!("{value}"));
    }
}

fn format(out: &mut Text, arguments: std::fmt::Arguments<'_>) {
    // Writing into memory does not fail.
    let _ = out.write_fmt(arguments);
}

fn escaped(out: &mut Text, character: char) {
    let escape = match character {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\x07' => b"\\a",
        '\x08' => b"\\b",
        '\x0c' => b"\\f",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\x0b' => b"\\v",
        '\0'..='\x7f' => return format(out, format_args!("\\x{:02x}", character as u32)),
        _ if is_printable(character) => {
            return out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        '\u{80}'..='\u{ffff}' => return format(out, format_args!("\\u{:04x}", character as u32)),
        _ => return format(out, format_args!("\\U{:08x}", character as u32)),
    };
    out.extend_from_slice(escape);
}

/// Letters, marks, numbers, punctuation and symbols: what the standard library would not escape behind another character.
fn is_printable(character: char) -> bool {
    let mut text = [b'a', 0, 0, 0, 0];
    let length = match text.get_mut(1..) {
        Some(rest) => character.encode_utf8(rest).len(),
        None => 0,
    };
    let text = text.get(..1 + length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    text.escape_debug().count() == 2
}
