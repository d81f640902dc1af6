// SPDX-License-Identifier: Apache-2.0

use super::*;

/// The first bytes of each protocol, as its own specification or a client shows them, and who sends them.
const FIRST_BYTES: &[(&str, Carried, &[u8], Recognition)] = &[
    ("http", Carried::Stream, b"GET /users HTTP/1.1\r\nHost: a\r\n\r\n", Recognition::Client),
    ("http", Carried::Stream, b"OPTIONS * HTTP/1.1\r\n", Recognition::Client),
    ("http", Carried::Stream, b"HTTP/1.1 200 OK\r\n", Recognition::Server),
    ("tls", Carried::Stream, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Recognition::Client),
    ("tls", Carried::Stream, b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", Recognition::Server),
    (
        "dns",
        Carried::Datagram,
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01",
        Recognition::Client,
    ),
    (
        "dns",
        Carried::Stream,
        b"\x00\x1d\x12\x34\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01",
        Recognition::Server,
    ),
    ("mysql", Carried::Stream, b"\x4a\x00\x00\x00\x0a8.0.33\x00\x08\x00\x00\x00", Recognition::Server),
    ("pgsql", Carried::Stream, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Recognition::Client),
    ("pgsql", Carried::Stream, b"\x00\x00\x00\x20\x00\x03\x00\x00user\x00a\x00", Recognition::Client),
    ("redis", Carried::Stream, b"*1\r\n$4\r\nPING\r\n", Recognition::Client),
    (
        "mongodb",
        Carried::Stream,
        b"\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00",
        Recognition::Client,
    ),
    ("amqp", Carried::Stream, b"AMQP\x00\x00\x09\x01", Recognition::Client),
    ("sip", Carried::Datagram, b"INVITE sip:bob@example.org SIP/2.0\r\nVia: ", Recognition::Client),
    ("sip", Carried::Stream, b"OPTIONS sip:example.org SIP/2.0\r\n", Recognition::Client),
    ("sip", Carried::Stream, b"SIP/2.0 200 OK\r\n", Recognition::Server),
    ("ssh", Carried::Stream, b"SSH-2.0-OpenSSH_9.2p1\r\n", Recognition::Client),
    ("smtp", Carried::Stream, b"220 mail.example.org ESMTP Postfix\r\n", Recognition::Server),
    ("ftp", Carried::Stream, b"220 (vsFTPd 3.0.3)\r\n", Recognition::Server),
    ("pop3", Carried::Stream, b"+OK Dovecot ready.\r\n", Recognition::Server),
    ("imap", Carried::Stream, b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Recognition::Client),
    ("rtsp", Carried::Stream, b"OPTIONS rtsp://a/ RTSP/1.0\r\n", Recognition::Client),
    ("vnc", Carried::Stream, b"RFB 003.008\n", Recognition::Client),
    ("smb", Carried::Stream, b"\x00\x00\x00\x45\xffSMB\x72", Recognition::Client),
    ("smb", Carried::Stream, b"\x00\x00\x00\xd4\xfeSMB\x40", Recognition::Client),
    ("rdp", Carried::Stream, b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b", Recognition::Client),
    ("bittorrent", Carried::Stream, b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0", Recognition::Client),
    ("mqtt", Carried::Stream, b"\x10\x1a\x00\x04MQTT\x04\x02\x00\x3c", Recognition::Client),
    ("ldap", Carried::Stream, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", Recognition::Client),
    ("stun", Carried::Datagram, b"\x00\x01\x00\x00\x21\x12\xa4\x42123456789012", Recognition::Client),
    ("snmp", Carried::Datagram, b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19", Recognition::Client),
];

fn all() -> Vec<(&'static str, Recognise)> {
    let built = DESCRIPTORS.iter().filter_map(|descriptor| Some((descriptor.name, descriptor.recognise?)));
    built.chain(others::OTHERS.iter().copied()).collect()
}

#[test]
fn each_is_recognised_by_its_own_and_by_no_other() {
    for (name, carried, bytes, expected) in FIRST_BYTES {
        for (asked, recognise) in all() {
            let answer = recognise(*carried, bytes);
            if asked == *name {
                assert_eq!(answer, *expected, "{name}: {bytes:?}");
            } else {
                assert!(
                    !matches!(answer, Recognition::Client | Recognition::Server),
                    "{asked} takes {name}: {bytes:?}"
                );
            }
        }
    }
}

/// Of a beginning nobody may say that it is something else, and its own may not give it up.
#[test]
fn a_part_of_the_first_bytes_is_not_taken_for_something_else() {
    for (name, carried, bytes, _) in FIRST_BYTES.iter().filter(|(_, carried, ..)| *carried == Carried::Stream) {
        for length in 1..bytes.len() {
            for (asked, recognise) in all() {
                let answer = recognise(*carried, &bytes[..length]);
                let sure = matches!(answer, Recognition::Client | Recognition::Server);
                assert!(!sure || asked == *name, "{asked} takes {length} bytes of {name}");
                // A bind request is told by its whole header.
                if asked == *name && *name != "ldap" {
                    assert_ne!(answer, Recognition::No, "{name} gives up after {length} bytes");
                }
            }
        }
    }
}

#[test]
fn other_carriers_and_noise_are_nobodys() {
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut noise = [0u8; 64];
        for byte in &mut noise {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        for (name, recognise) in all() {
            for carried in [Carried::Stream, Carried::Datagram] {
                let answer = recognise(carried, &noise);
                assert!(!matches!(answer, Recognition::Client | Recognition::Server), "{name} takes {noise:?}");
            }
        }
    }
}

#[test]
fn names_have_numbers() {
    assert_eq!(ProtocolName::NONE.name(), None);
    assert_eq!(ProtocolName::of("ssh").name(), Some("ssh"));
    assert_eq!(ProtocolName::of("http").name(), Some("http"));
    assert_eq!(ProtocolName(255).name(), None);
}
