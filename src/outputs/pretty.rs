// SPDX-License-Identifier: Apache-2.0
//! JSON documents on one line or indented: indents what is known to be well-formed, two spaces a level, as Go's `json.Indent(…, "", "  ")` does.

/// How a JSON document is laid out (`codec.json.pretty`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    #[default]
    Lines,
    Pretty,
}

/// Appends `json` to `out`, indented. Empty objects and lists stay on one line.
pub fn indent(json: &[u8], out: &mut Vec<u8>) {
    let mut depth = 0usize;
    let mut position = 0;
    while let Some(&byte) = json.get(position) {
        position += 1;
        match byte {
            b'"' => {
                let end = string_end(json, position);
                out.push(b'"');
                out.extend_from_slice(json.get(position..end).unwrap_or_default());
                position = end;
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(close @ (b'}' | b']')) = json.get(position) {
                    out.push(*close);
                    position += 1;
                } else {
                    depth += 1;
                    new_line(depth, out);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(depth, out);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(depth, out);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => out.push(byte),
        }
    }
}

/// Index behind the closing quote of a string whose content begins at `position`.
fn string_end(json: &[u8], mut position: usize) -> usize {
    while let Some(&byte) = json.get(position) {
        position += 1;
        match byte {
            b'\\' => position += 1,
            b'"' => break,
            _ => {}
        }
    }
    position.min(json.len())
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', depth * 2));
}
