// SPDX-License-Identifier: Apache-2.0
//! Tests of what events hold: questions, records, EDNS, notes.

use super::*;

#[test]
fn records_of_every_type() {
    // 00 44 32 14 C7 are the eight digits 0 to 7 of five bits.
    let nsec3 = [&[1, 1, 0, 10, 2, 0xab, 0xcd, 5][..], b"\x00\x44\x32\x14\xc7", &[0, 1, 0x40, 1, 1, 0x80]].concat();
    for (kind, data, expected) in [
        (A, vec![192, 0, 2, 1], json!({"data": "192.0.2.1"})),
        (28, vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], json!({"data": "2001:db8::1"})),
        (CNAME, name("x.org"), json!({"data": "x.org"})),
        (NS, name(""), json!({"data": "."})),
        (12, name("a b.x.org"), json!({"data": "a\\ b.x.org"})),
        (15, [&[0, 10][..], &name("mx.org")].concat(), json!({"data": "mx.org", "preference": 10})),
        (16, b"\x03a\"b\x00\x02\\\x01".to_vec(), json!({"data": "a\\\"b  \\\\\\001"})),
        (
            33,
            [&[0, 1, 0, 2, 0, 53][..], &name("srv.org")].concat(),
            json!({"data": "srv.org", "priority": 1, "weight": 2, "port": 53}),
        ),
        (
            43,
            vec![0x30, 0x39, 13, 2, 0xab, 0xcd],
            json!({"data": "ABCD", "key_tag": "12345", "algorithm": "ECDSAP256SHA256", "digest_type": "SHA256"}),
        ),
        (
            46,
            [&[0, 1, 8, 2, 0, 0, 1, 44, 0x5f, 0xee, 0x66, 0, 0x5f, 0xec, 0xc3, 0x80, 0, 7][..], &name("x.org"), b"sig"]
                .concat(),
            json!({"data": "c2ln", "type_covered": "A", "algorithm": "RSASHA256", "labels": "2",
                    "original_ttl": "300", "expiration": "20210101000000", "inception": "20201230181424",
                    "key_tag": "7", "signer_name": "x.org"}),
        ),
        (47, [&name("n.org")[..], &[0, 1, 0x40]].concat(), json!({"data": "n.org.", "type_bits": "A"})),
        (48, vec![1, 1, 3, 99, 0xff], json!({"data": "/w==", "flags": "257", "protocol": "3", "algorithm": "99"})),
        (
            50,
            nsec3,
            json!({"data": "01234567", "hash": "SHA1", "flags": "1", "iterations": "10", "salt": "ABCD",
                    "type_bits": "A URI"}),
        ),
        (51, vec![1, 0, 0, 5, 0], json!({"data": "-", "hash": "SHA1", "flags": "0", "iterations": "5"})),
        (257, b"\x00\x05issueca.org".to_vec(), json!({"data": "\\000\\005issueca.org"})),
        (65400, b"a\tb\r\n\"\\\x7f".to_vec(), json!({"data": "a\\tb\\r\\n\\\"\\\\\\127"})),
        // Broken data of a known type is shown as it is.
        (15, vec![0], json!({"data": "\\000"})),
        (A, vec![1, 2, 3], json!({"data": "\\001\\002\\003"})),
        (16, vec![9, b'x'], json!({"data": "\\tx"})),
        (47, [&name("n.org")[..], &[0, 0]].concat(), json!({"data": "\\001n\\003org\\000\\000\\000"})),
        (NS, vec![], json!({"data": ""})),
    ] {
        let answer = answered(record("owner.org", kind, &data));
        let mut expected = expected;
        expected["name"] = json!("owner.org");
        expected["class"] = json!("IN");
        expected["ttl"] = json!("300");
        expected["type"] = answer["type"].clone();
        assert_eq!(answer, expected, "type {kind}");
    }
}

#[test]
fn compressed_names_in_old_types_are_written_in_full() {
    // The owner begins at 12 in the question: MINFO with two pointers to it.
    let answer = answered(record("owner.org", 14, &[0xc0, 12, 1, b'x', 0xc0, 12]));
    assert_eq!(answer["data"], "\\005owner\\003org\\000\\001x\\005owner\\003org\\000");
    assert_eq!(answer["type"], "MINFO");
}

#[test]
fn edns_and_its_options() {
    let options = [
        option(1, &[0, 1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5]),
        option(2, &[0, 0, 0, 6, 0, 0, 0, 7]),
        option(3, b"ns"),
        option(5, &[8, 99]),
        option(6, &[1]),
        option(7, &[1, 2]),
        option(8, &[0, 1, 24, 0, 192, 0, 2]),
        option(10, &[0xab, 0xcd]),
        option(12, &[0; 8]),
        option(65001, &[1, 2]),
    ]
    .concat();
    let mut bench = udp();
    bench.datagram(ToServer, &with_additional(query(1, "x.org", A), &opt(0x0000_8000, &options)));
    bench.finish();
    let dns = &bench.events()[0]["dns"];
    assert_eq!(
        dns["opt"],
        json!({"do": true, "version": "0", "udp_size": 1232, "ext_rcode": "NOERROR", "llq": "1 2 3 4 5",
                "ul": "6 7", "nsid": "6e73", "dau": " RSASHA256 99", "dhu": " SHA1", "n3u": " SHA1 SHA256",
                "subnet": "192.0.2.0/24/0", "cookie": "abcd", "local": "65001:0x0102"})
    );
    assert_eq!(dns["header_flags"], json!(["RD", "DO"]));
    assert_eq!(dns["additionals_count"], 0);
    assert!(dns.get("additionals").is_none());
}

#[test]
fn malformed_options_are_passed_over() {
    for options in [
        option(8, &[0, 1, 33, 0, 1, 2, 3, 4]),
        option(8, &[0, 3, 0, 0]),
        option(8, &[0]),
        option(1, &[1]),
        option(2, &[1]),
        vec![0, 3, 0, 9, 1],
        vec![0],
    ] {
        let mut bench = udp();
        bench.datagram(ToServer, &with_additional(query(1, "x.org", A), &opt(0, &options)));
        bench.finish();
        assert_eq!(bench.events()[0]["dns"]["opt"].as_object().expect("a map").len(), 4, "{options:?}");
    }
}

#[test]
fn what_the_options_leave_out() {
    let exchange = |options: Options| {
        let mut bench = Bench::new(DnsFactory::new(options).parser(), Carrier::Udp, 53);
        bench.datagram(ToServer, &query(1, "x.org", A));
        bench.datagram(ToClient, &with_additional(response(1, "x.org", A, &[]), &record("x.org", A, &[1, 2, 3, 4])));
        bench.events()[0].clone()
    };
    let all = exchange(options());
    assert!(all.get("request").is_some() && all.get("response").is_some());
    assert_eq!(all["dns"]["additionals"][0]["data"], "1.2.3.4");
    let none = exchange(Options {
        send_request: false,
        send_response: false,
        include_authorities: false,
        include_additionals: false,
        ..options()
    });
    assert!(none.get("request").is_none() && none.get("response").is_none());
    assert_eq!(none["dns"]["additionals_count"], 1);
    assert!(none["dns"].get("additionals").is_none());
}

#[test]
fn names_that_loop_or_are_too_long_are_refused() {
    let parse = |tail: &[u8]| {
        let mut message = query(1, "", A);
        message.truncate(12);
        message.extend_from_slice(tail);
        message.extend_from_slice(&[0, 1, 0, 1]);
        Message::parse(&message, Extent::Whole).is_some()
    };
    assert!(parse(&[0]));
    assert!(!parse(&[0xc0, 12]), "a pointer to itself");
    assert!(!parse(&[1, b'a', 0xc0, 12]), "a label and a pointer back to it");
    assert!(!parse(&[0x40, 0]) && !parse(&[0x80, 0]), "reserved");
    let long = |labels: usize| [[&[62][..], &[b'x'; 62]].concat().repeat(labels), vec![0]].concat();
    assert!(parse(&long(4)) && !parse(&long(5)), "252 + 1 and 315 + 1 octets");
}

#[test]
fn printed_names() {
    let label = b"a.b\\ \x00\xff";
    let mut message = query(1, "", A);
    message.truncate(12);
    message.push(label.len() as u8);
    message.extend_from_slice(label);
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    let message = Message::parse(&message, Extent::Whole).expect("a message");
    let question = message.questions().next().expect("a question");
    let mut printed = Vec::new();
    question.name.print(&mut printed);
    assert_eq!(printed, b"a\\.b\\\\\\ \\000\\255");
}

#[test]
fn parts_of_names() {
    let parts = |name| {
        let parts = domain::parts(name)?;
        Some((parts.listed == domain::Listed::Registrable, parts.registered, parts.top_level, parts.subdomain))
    };
    assert_eq!(parts("www.example.co.uk"), Some((true, "example.co.uk", "co.uk", "www")));
    assert_eq!(parts("WWW.Example.CO.UK"), Some((true, "Example.CO.UK", "CO.UK", "WWW")));
    assert_eq!(parts("a.b.example.org"), Some((true, "example.org", "org", "a.b")));
    assert_eq!(parts("example.invalid"), Some((true, "example.invalid", "invalid", "")));
    assert_eq!(parts("co.uk"), Some((false, "co.uk", "uk", "")));
    assert_eq!(parts("localhost"), None);
    assert_eq!(parts("."), None);
}

#[test]
fn many_long_records_do_not_make_an_endless_event() {
    // Every owner is a pointer to a name of 250 octets that print as four bytes each.
    let mut message = response(1, "", A, &[]);
    message.truncate(12);
    message.extend_from_slice(&[[&[49][..], &[0xff; 49]].concat().repeat(5), vec![0, 0, 16, 0, 1]].concat());
    let records = 5_000u16;
    for _ in 0..records {
        message.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12]);
    }
    message[6..8].copy_from_slice(&records.to_be_bytes());
    let mut bench = udp();
    bench.datagram(ToClient, &message);
    let event = &bench.events()[0];
    assert_eq!(event["dns"]["answers_count"], records);
    let listed = event["dns"]["answers"].as_array().expect("a list").len();
    assert!((500..600).contains(&listed), "{listed}");
    let text = event["response"].as_str().expect("a text").len();
    assert!(text < super::super::event::MAX_TEXT_BYTES + 2_048, "{text}");
}

/// The only answer, when `record` is.
fn answered(record: Vec<u8>) -> Json {
    let mut bench = udp();
    bench.datagram(ToClient, &response(1, "owner.org", A, &[record]));
    bench.events()[0]["dns"]["answers"][0].clone()
}
