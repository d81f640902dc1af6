// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn values_are_quoted_as_packetbeat_does() {
    let written = |value: &[u8]| {
        let mut out = Vec::new();
        write_value(&mut out, value);
        String::from_utf8_lossy(&out).into_owned()
    };
    for plain in ["", "a b", "a'b", "NULL", "a\tb"] {
        assert_eq!(written(plain.as_bytes()), plain);
    }
    assert_eq!(written(b"a,b"), "\"a,b\"");
    assert_eq!(written(b"say \"hi\""), "\"say \"\"hi\"\"\"");
    assert_eq!(written(b" a"), "\" a\"");
    assert_eq!(written("\u{a0}a".as_bytes()), "\"\u{a0}a\"");
    assert_eq!(written(b"\\."), "\"\\.\"");
    assert_eq!(written(b"\na"), "\\na");
}
