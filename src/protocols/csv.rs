// SPDX-License-Identifier: Apache-2.0
//! `response` of database protocols as Packetbeat writes it: lines of values with commas between, quoted where needed
//! (RFC 4180), line ends inside values as `\n` and `\r` (Packetbeat behaviour, sections 4.9 and 4.11).

#[cfg(test)]
mod tests;

/// Appends one value; the caller writes commas and line ends.
pub fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    let quoted = needs_quotes(value);
    if quoted {
        out.push(b'"');
    }
    for &byte in value {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'"' => out.extend_from_slice(b"\"\""),
            byte => out.push(byte),
        }
    }
    if quoted {
        out.push(b'"');
    }
}

/// Commas, quotes, a leading white space (Unicode), and the two characters `\.` that PostgreSQL gives a meaning.
fn needs_quotes(value: &[u8]) -> bool {
    if value == b"\\." || memchr::memchr2(b',', b'"', value).is_some() {
        return true;
    }
    match value.first() {
        None | Some(b'\n' | b'\r') => false,
        Some(first) if first.is_ascii() => first.is_ascii_whitespace() || *first == 0x0b,
        Some(_) => leading_character(value).is_some_and(char::is_whitespace),
    }
}

fn leading_character(value: &[u8]) -> Option<char> {
    let head = value.get(..4).unwrap_or(value);
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next()
}
