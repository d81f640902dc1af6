// SPDX-License-Identifier: Apache-2.0
//! Values, quotes, single packets, options.

use super::*;

#[test]
fn every_binary_type_in_rows_and_parameters() {
    // Type, unsigned, decimals, bytes, as a row shows it, as a parameter shows it.
    type Case = (u8, bool, u8, &'static [u8], &'static str, &'static str);
    let cases: &[Case] = &[
        (0x01, false, 31, &[0xfe], "-2", "-2"),
        (0x01, true, 31, &[0xfe], "254", "254"),
        (0x02, false, 31, &[0xfe, 0xff], "-2", "-2"),
        (0x02, true, 31, &[0xfe, 0xff], "65534", "65534"),
        (0x0d, true, 31, &[0xe9, 0x07], "2025", "2025"),
        (0x03, false, 31, &[0, 0, 0, 0x80], "-2147483648", "-2147483648"),
        (0x09, true, 31, &[0, 0, 0, 0x80], "2147483648", "2147483648"),
        (0x08, false, 31, &[0xff; 8], "-1", "-1"),
        (0x04, false, 31, &[0, 0, 0xc0, 0x3f], "1.5", "1.5"),
        (
            0x05,
            false,
            31,
            &[0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5, 0x3f],
            "0.3333333333333333",
            "0.3333333333333333",
        ),
        (0x05, false, 31, &[0x40, 0x8c, 0xb5, 0x78, 0x1d, 0xaf, 0x15, 0x44], "1e20", "1e20"),
        (0xf6, false, 31, b"\x0510.50", "10.50", "10.50"),
        (0xfe, false, 31, b"\x02ab", "ab", "ab"),
        (0xfc, false, 31, b"\xfc\x02\x00ab", "ab", "ab"),
        (0x0a, false, 31, &[0], "0000-00-00", "0/0/0 0:0:0"),
        (0x0a, false, 31, &[4, 0xe1, 7, 7, 28], "2017-07-28", "2017/7/28 0:0:0"),
        (0x0c, false, 31, &[7, 0xe1, 7, 10, 28, 23, 59, 9], "2017-10-28 23:59:09", "2017/10/28 23:59:9"),
        (
            0x0c,
            false,
            31,
            &[11, 0xe1, 7, 10, 28, 23, 59, 9, 0x40, 0xe2, 1, 0],
            "2017-10-28 23:59:09.123456",
            "2017/10/28 23:59:9.123456",
        ),
        (0x0b, false, 31, &[0], "00:00:00", "00:00:00"),
        (0x0b, false, 31, &[8, 1, 1, 0, 0, 0, 2, 3, 4], "-26:03:04", "-26:03:04"),
        (0x0b, false, 31, &[12, 0, 0, 0, 0, 0, 5, 0, 1, 1, 0, 0, 0], "05:00:01.000001", "05:00:01.000001"),
        (0x06, false, 31, &[], "NULL", "NULL"),
    ];
    for (kind, unsigned, decimals, bytes, row, parameter) in cases {
        let column = wire::Column { kind: *kind, unsigned: *unsigned, decimals: *decimals };
        for (style, expected) in [(values::Style::Row, row), (values::Style::Parameter, parameter)] {
            let mut out = Vec::new();
            let mut reader = wire::Reader::new(bytes);
            assert_eq!(values::write_value(&mut out, &mut reader, column, style), Some(()), "{kind:#x} {bytes:x?}");
            assert_eq!(String::from_utf8(out).unwrap(), **expected, "{kind:#x}");
            assert!(reader.is_empty());
            for length in 0..bytes.len() {
                let mut reader = wire::Reader::new(&bytes[..length]);
                let whole = values::write_value(&mut Vec::new(), &mut reader, column, style);
                // Only strings may be shown in part.
                assert!(
                    whole.is_none() || bytes[0] as usize + 1 == bytes.len() || bytes[0] == 0xfc,
                    "{kind:#x} {length}"
                );
            }
        }
    }
    let fixed = |decimals, kind, bytes: &[u8]| {
        let mut out = Vec::new();
        let column = wire::Column { kind, unsigned: false, decimals };
        values::write_value(&mut out, &mut wire::Reader::new(bytes), column, values::Style::Row).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(fixed(2, 0x04, &[0, 0, 0xc0, 0x3f]), "1.50");
    assert_eq!(fixed(3, 0x0c, &[7, 0xe1, 7, 10, 28, 23, 59, 9]), "2017-10-28 23:59:09.000");
}

#[test]
fn packets_cut_at_every_length_are_refused() {
    let definition = varchar("a");
    let greeting = greeting(CAPABILITIES);
    let login = login_answer(CAPABILITIES);
    for length in 0..definition.len() - 2 {
        // The last two bytes are filler.
        assert!(wire::Definition::parse(&definition[..length]).is_none(), "{length}");
    }
    for length in 0..greeting.len() {
        let seen = login::greeting(greeting.get(4..length).unwrap_or_default());
        assert_eq!(seen.is_some(), length >= 4 + 8 + 4 + 9 + 2, "{length}");
    }
    for length in 4..login.len() {
        let answer = login::Answer::parse(&login[4..length], length as u64 - 4);
        assert_eq!(answer.is_some(), length >= 4 + 32, "{length}");
    }
    let okay = [0, 0xfc, 1, 0, 0xfd, 1, 0, 0, 2, 0, 0, 0];
    assert_eq!(wire::Okay::parse(&okay).map(|okay| (okay.affected_rows, okay.insert_id, okay.status)), Some((1, 1, 2)));
    for length in 2..8 {
        assert!(wire::Okay::parse(&okay[..length]).is_none(), "{length}");
    }
    for length in 0..9 {
        assert!(wire::Prepared::parse(&[0; 12][..length]).is_none());
    }
    for length in 0..3 {
        assert!(wire::Failure::parse(&b"\xff\x15\x04#28000no"[..length]).is_none());
    }
}

#[test]
fn options_are_read_from_the_section() {
    let read = |text: &str| {
        let configuration = crate::config::Configuration::from_text("packetbeat.yml", text).unwrap();
        config::read(&configuration.root(), &Options::default().common)
    };
    let options = read("max_rows: 3\nmax_row_length: -1\nstatement_timeout: 30m").unwrap();
    assert_eq!((options.max_rows, options.max_row_length), (3, 0));
    assert_eq!(options.statement_timeout_ns, 1_800_000_000_000);
    let options = read("ports: [3306]").unwrap();
    assert_eq!((options.max_rows, options.max_row_length), (10, 1024));
    assert_eq!(options.statement_timeout_ns, 3_600_000_000_000);
    let refused = read("max_rows: many").unwrap_err().to_string();
    assert!(refused.contains("max_rows") && refused.contains("many"), "{refused}");
}
