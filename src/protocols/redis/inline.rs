// SPDX-License-Identifier: Apache-2.0
//! Inline commands: words of a line, quoted as a shell would (Redis protocol specification, "Inline commands").

use crate::protocols::text::Text;

/// Gives the words of `line` to `word` one after another. None: the quotes are not balanced, which servers refuse.
pub fn split(line: &[u8], buffer: &mut Text, mut word: impl FnMut(usize, usize)) -> Option<()> {
    let mut rest = line;
    loop {
        rest = trim_start(rest);
        if rest.is_empty() {
            return Some(());
        }
        let start = buffer.len();
        rest = one(rest, buffer)?;
        word(start, buffer.len());
    }
}

/// Appends the word that begins `text`; answers what is behind it.
fn one<'a>(mut text: &'a [u8], buffer: &mut Text) -> Option<&'a [u8]> {
    while let Some((byte, behind)) = text.split_first() {
        match byte {
            b'"' => return closed(double_quoted(behind, buffer)?),
            b'\'' => return closed(single_quoted(behind, buffer)?),
            byte if is_space(*byte) => return Some(text),
            byte => buffer.push(*byte),
        }
        text = behind;
    }
    Some(text)
}

/// Behind a closing quote there is a blank or the end.
fn closed(behind: &[u8]) -> Option<&[u8]> {
    behind.first().is_none_or(|byte| is_space(*byte)).then_some(behind)
}

fn double_quoted<'a>(mut text: &'a [u8], buffer: &mut Text) -> Option<&'a [u8]> {
    loop {
        text = match text {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                buffer.push(hex(*high) << 4 | hex(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                buffer.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                behind
            }
            [byte, behind @ ..] => {
                buffer.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

fn single_quoted<'a>(mut text: &'a [u8], buffer: &mut Text) -> Option<&'a [u8]> {
    loop {
        text = match text {
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => {
                buffer.push(b'\'');
                behind
            }
            [byte, behind @ ..] => {
                buffer.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10) & 0x0f,
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}
