// SPDX-License-Identifier: Apache-2.0
//! How values look.

use super::*;

#[test]
fn every_type() {
    let fields: [(&[u8], &str); 12] = [
        (&field(BOOL, 1, &[1]), "true"),
        (&field(3, 2, &[0xfc]), "-4"),
        (&field(I16, 3, &(-2_i16).to_be_bytes()), "-2"),
        (&i32_field(4, i32::MIN), "-2147483648"),
        (&field(10, 5, &i64::MIN.to_be_bytes()), "-9223372036854775808"),
        (&field(4, 6, &1e21_f64.to_be_bytes()), "1000000000000000000000"),
        (&string_field(7, "text"), "\"text\""),
        (&field(16, 8, &[0xab; 16]), "abababab-abab-abab-abab-abababababab"),
        (&field(STRUCT, 9, &[&i32_field(-1, 5)[..], &[0]].concat()), "(-1: 5)"),
        (&field(LIST, 10, &[&[I16, 0, 0, 0, 2, 0, 1][..], &[0xff, 0xfe]].concat()), "[1, -2]"),
        (&field(SET, 11, &[BOOL, 0, 0, 0, 2, 0, 1]), "{false, true}"),
        (&field(MAP, 12, &[&[STRING, I16, 0, 0, 0, 1][..], &string("k"), &[0, 9]].concat()), "{\"k\": 9}"),
    ];
    for (index, (field, shown)) in fields.into_iter().enumerate() {
        assert_eq!(params(options(), &[field]), format!("({}: {shown})", index + 1));
    }
}

#[test]
fn doubles_have_no_exponent() {
    for (value, shown) in [
        (0.1, "0.1"),
        (-0.0, "-0"),
        (1e-7, "0.0000001"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(params(options(), &[&field(4, 1, &value.to_be_bytes())]), format!("(1: {shown})"));
    }
}

#[test]
fn strings_have_the_escapes_of_go() {
    let text = "a\"\\\x07\x08\t\n\x0b\x0c\r\x00\x1f\x7f ü日\u{301}\u{a0}\u{ad}\u{2028}\u{e000}\u{1f600}\u{e0001}";
    let shown =
        "a\\\"\\\\\\a\\b\\t\\n\\v\\f\\r\\x00\\x1f\\x7f ü日\u{301}\\u00a0\\u00ad\\u2028\\ue000\u{1f600}\\U000e0001";
    assert_eq!(params(options(), &[&string_field(1, text)]), format!("(1: \"{shown}\")"));
    assert_eq!(params(options(), &[&string_field(1, "")]), "(1: \"\")");
}

#[test]
fn what_is_no_utf8_is_hexadecimal() {
    assert_eq!(params(options(), &[&field(STRING, 1, &binary(&[0xab, 0x0c, 0xff]))]), "(1: ab0cff)");
}

#[test]
fn string_max_size_cuts_strings_and_names() {
    let limited = |values| Options { string_max_size: 3, values, ..options() };
    assert_eq!(params(limited(Values::AsSent), &[&string_field(1, "abc")]), "(1: \"abc\")");
    assert_eq!(params(limited(Values::AsSent), &[&string_field(1, "abcd")]), "(1: \"abc...\")");
    // A character is not cut in two.
    assert_eq!(params(limited(Values::AsSent), &[&string_field(1, "abüd")]), "(1: \"ab...\")");
    assert_eq!(params(limited(Values::Packetbeat), &[&string_field(1, "abüd")]), "(1: 6162c32e2e2e)");
    let bytes = field(STRING, 1, &binary(&[0xff; 4]));
    assert_eq!(params(limited(Values::AsSent), &[&bytes]), "(1: ffffff...)");
    assert_eq!(params(limited(Values::Packetbeat), &[&bytes]), "(1: ffffff2e2e2e)");
    let mut bench = bench_with(limited(Values::AsSent));
    bench.send(ToServer, &message(ONEWAY, "ping", 1, &[]));
    assert_eq!((&only(&bench)["method"], &only(&bench)["query"]), (&"pin...".into(), &"pin...()".into()));
}

#[test]
fn collection_max_size_limits_elements_and_fields() {
    let list = |id| field(LIST, id, &[&[I16, 0, 0, 0, 3][..], &[0, 1, 0, 2, 0, 3]].concat());
    let map = [&[STRING, STRING, 0, 0, 0, 3][..], &["a", "b", "c", "d", "e", "f"].map(string).concat()].concat();
    let limited = |collection_max_size| Options { collection_max_size, ..options() };
    assert_eq!(params(limited(3), &[&list(1)]), "(1: [1, 2, 3])");
    assert_eq!(
        params(limited(2), &[&list(1), &field(MAP, 2, &map)]),
        "(1: [1, 2, ...], 2: {\"a\": \"b\", \"c\": \"d\", ...})"
    );
    assert_eq!(params(limited(1), &[&list(1), &list(2), &list(3)]), "(1: [1, ...], ...)");
    assert_eq!(params(limited(0), &[&list(1), &list(2)]), "(...)");
    let nested = field(STRUCT, 1, &[&list(1)[..], &list(2), &[0]].concat());
    assert_eq!(params(limited(1), &[&nested]), "(1: (1: [1, ...], ...))");
}

#[test]
fn obfuscate_strings_hides_every_text() {
    let hidden = Options { strings: Strings::Obfuscated, string_max_size: 3, ..options() };
    let binary = field(STRING, 3, &binary(&[0xff]));
    assert_eq!(
        params(hidden, &[&string_field(1, "secret"), &string_field(2, ""), &binary, &i32_field(4, 4)]),
        "(1: \"*\", 2: \"*\", 3: \"*\", 4: 4)"
    );
}

#[test]
fn compat_values_shows_what_packetbeat_shows() {
    let fields: [&[u8]; 8] = [
        &field(3, 1, &[0xfc]),
        &field(I16, 2, &[0xff, 0xfe]),
        &i32_field(3, -3),
        &field(10, 4, &(-4_i64).to_be_bytes()),
        &field(LIST, 5, &[STRUCT, 0, 0, 0, 0]),
        &field(SET, 6, &[I32, 0, 0, 0, 0]),
        &field(MAP, 7, &[I32, I32, 0, 0, 0, 0]),
        &field(BOOL, 8, &[0]),
    ];
    let packetbeat = Options { values: Values::Packetbeat, ..options() };
    assert_eq!(params(packetbeat, &fields), "(1: 252, 2: 65534, 3: 4294967293, 4: -4, 5: , 6: , 7: {}, 8: false)");
    assert_eq!(params(options(), &fields), "(1: -4, 2: -2, 3: -3, 4: -4, 5: [], 6: {}, 7: {}, 8: false)");
}

#[test]
fn empty_collections_may_have_no_type() {
    assert_eq!(params(options(), &[&field(LIST, 1, &[0; 5]), &field(MAP, 2, &[0; 6])]), "(1: [], 2: {})");
}

#[test]
fn a_huge_text_ends() {
    let element = string(&"x".repeat(1000));
    let list = [&[STRING, 0, 0, 0x0f, 0xa0][..], &element.repeat(4000)].concat();
    let open = Options { string_max_size: usize::MAX, collection_max_size: usize::MAX, ..options() };
    let shown = params(open, &[&field(LIST, 1, &list)]);
    assert!(shown.len() < (1 << 20) + 2000, "{}", shown.len());
    assert!(shown.ends_with("xxx\", ...])"), "{}", &shown[shown.len() - 20..]);
}
