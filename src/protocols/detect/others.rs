// SPDX-License-Identifier: Apache-2.0
//! Protocols that are recognised and named, but not analysed. Each is a few bytes that its specification fixes.

use super::{Carried, Recognise, Recognition, begins_with};

/// Name (`network.protocol`) and recogniser, the surest first.
pub const OTHERS: &[(&str, Recognise)] = &[
    ("ssh", ssh),
    ("smtp", smtp),
    ("ftp", ftp),
    ("pop3", pop3),
    ("imap", imap),
    ("rtsp", rtsp),
    ("vnc", vnc),
    ("smb", smb),
    ("rdp", rdp),
    ("bittorrent", bittorrent),
    ("mqtt", mqtt),
    ("ldap", ldap),
    ("stun", stun),
    ("quic", quic),
    ("ntp", ntp),
    ("snmp", snmp),
];

/// RFC 4253, section 4.2.
fn ssh(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(carried, begins_with(bytes, b"SSH-"))
}

/// RFC 5321, section 4.2: the greeting names SMTP or ESMTP, or a client says EHLO.
fn smtp(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(
        carried,
        any([greeting(bytes, b"220", b"SMTP"), begins_with(bytes, b"EHLO "), begins_with(bytes, b"HELO ")]),
    )
}

/// RFC 959, section 4.2: a greeting that is not a mail server's, with FTP in it, or a login.
fn ftp(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(carried, greeting(bytes, b"220", b"FTP"))
}

/// RFC 1939, section 4.
fn pop3(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(
        carried,
        match begins_with(bytes, b"+OK ") {
            // Redis answers `+OK` without more.
            Recognition::Client => Recognition::Server,
            other => other,
        },
    )
}

/// RFC 9051, section 7.1.
fn imap(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(carried, any([begins_with(bytes, b"* OK "), begins_with(bytes, b"* PREAUTH ")]))
}

/// RFC 7826, section 20: the request line ends in the version.
fn rtsp(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(
        carried,
        any([
            begins_with(bytes, b"OPTIONS rtsp:"),
            begins_with(bytes, b"DESCRIBE rtsp:"),
            begins_with(bytes, b"SETUP rtsp:"),
            begins_with(bytes, b"RTSP/1.0 "),
            begins_with(bytes, b"RTSP/2.0 "),
        ]),
    )
}

/// RFC 6143, section 7.1.1.
fn vnc(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(carried, begins_with(bytes, b"RFB 00"))
}

/// [MS-SMB2] 2.2.1: the protocol id behind the NetBIOS session header.
fn smb(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(
        carried,
        match bytes {
            [0, _, _, _, 0xfd..=0xff, b'S', b'M', b'B', ..] => Recognition::Client,
            [0, _, _, _, 0xfd..=0xff, rest @ ..] | [0, _, _, _, rest @ ..]
                if rest.len() < 3 && b"SMB".starts_with(rest) =>
            {
                Recognition::Undecided
            }
            [] | [0] | [0, _] | [0, _, _] => Recognition::Undecided,
            _ => Recognition::No,
        },
    )
}

/// [MS-RDPBCGR] 2.2.1.1: a TPKT header (RFC 1006) whose X.224 connection request fills it.
fn rdp(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(
        carried,
        match bytes {
            [3, 0, high, low, length, 0xe0 | 0xd0, ..] => {
                let total = u16::from_be_bytes([*high, *low]);
                if u16::from(*length) + 5 == total { Recognition::Client } else { Recognition::No }
            }
            [] | [3] | [3, 0] | [3, 0, _] | [3, 0, _, _] | [3, 0, _, _, _] => Recognition::Undecided,
            _ => Recognition::No,
        },
    )
}

/// BEP 3: the handshake.
fn bittorrent(carried: Carried, bytes: &[u8]) -> Recognition {
    on_stream(carried, begins_with(bytes, b"\x13BitTorrent protocol"))
}

/// MQTT 3.1.1 and 5, section 3.1: CONNECT, with the protocol's name behind a length of one or two bytes.
fn mqtt(carried: Carried, bytes: &[u8]) -> Recognition {
    let name = match bytes {
        [0x10, length, rest @ ..] if *length < 0x80 => rest,
        [0x10, _, length, rest @ ..] if *length < 0x80 => rest,
        [] | [0x10] | [0x10, _] => return on_stream(carried, Recognition::Undecided),
        _ => return Recognition::No,
    };
    on_stream(carried, any([begins_with(name, b"\0\x04MQTT"), begins_with(name, b"\0\x06MQIsdp")]))
}

/// RFC 4511, section 4.2: a message with id 1 to 127 that is a bind request of version 2 or 3.
fn ldap(carried: Carried, bytes: &[u8]) -> Recognition {
    let rest = match bytes {
        [0x30, length, rest @ ..] if *length < 0x80 => rest,
        [0x30, 0x84, _, _, _, _, rest @ ..] => rest,
        _ => return Recognition::No,
    };
    on_stream(
        carried,
        match rest {
            [2, 1, 1..=127, 0x60, length, 2, 1, 2 | 3, ..] if *length < 0x80 => Recognition::Client,
            [2, 1, 1..=127, 0x60, 0x84, _, _, _, _, 2, 1, 2 | 3, ..] => Recognition::Client,
            _ => Recognition::No,
        },
    )
}

/// RFC 8489, section 5: the magic cookie, and a length in whole words.
fn stun(carried: Carried, bytes: &[u8]) -> Recognition {
    match (carried, bytes) {
        (Carried::Datagram, [0..=0x3f, _, _, low, 0x21, 0x12, 0xa4, 0x42, ..]) if low % 4 == 0 => Recognition::Client,
        _ => Recognition::No,
    }
}

/// RFC 9000, section 17.2 and RFC 9369: a long header of version 1 or 2, with connection ids of at most 20 bytes.
fn quic(carried: Carried, bytes: &[u8]) -> Recognition {
    match (carried, bytes) {
        (
            Carried::Datagram,
            [0xc0..=0xff, 0, 0, 0, 1, length, ..] | [0xc0..=0xff, 0x6b, 0x33, 0x43, 0xcf, length, ..],
        ) if *length <= 20 && bytes.len() >= 1_200 => Recognition::Client,
        _ => Recognition::No,
    }
}

/// RFC 5905, section 7.3: 48 bytes, version 3 or 4, mode 3 or 4, stratum at most 16.
fn ntp(carried: Carried, bytes: &[u8]) -> Recognition {
    let [head, stratum, poll, ..] = bytes else { return Recognition::No };
    let (version, mode) = (head >> 3 & 7, head & 7);
    if carried == Carried::Datagram
        && bytes.len() == 48
        && matches!(version, 3 | 4)
        && *stratum <= 16
        && *poll <= 17
        && matches!(mode, 3 | 4)
    {
        return if mode == 3 { Recognition::Client } else { Recognition::Server };
    }
    Recognition::No
}

/// RFC 3416: a sequence with version 0 or 1 and a community, or version 3.
fn snmp(carried: Carried, bytes: &[u8]) -> Recognition {
    let rest = match bytes {
        [0x30, length, rest @ ..] if *length < 0x80 => rest,
        [0x30, 0x81, _, rest @ ..] | [0x30, 0x82, _, _, rest @ ..] => rest,
        _ => return Recognition::No,
    };
    match (carried, rest) {
        (Carried::Datagram, [2, 1, 0 | 1, 4, ..] | [2, 1, 3, 0x30, ..]) => Recognition::Client,
        _ => Recognition::No,
    }
}

fn on_stream(carried: Carried, recognition: Recognition) -> Recognition {
    if carried == Carried::Stream { recognition } else { Recognition::No }
}

/// A reply code, and a word in its line.
fn greeting(bytes: &[u8], code: &[u8], word: &[u8]) -> Recognition {
    match begins_with(bytes, code) {
        Recognition::Client => {}
        other => return other,
    }
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..end]);
    if memchr::memmem::find(line, word).is_some() {
        Recognition::Server
    } else if line.len() == bytes.len() {
        Recognition::Undecided
    } else {
        Recognition::No
    }
}

fn any<const COUNT: usize>(recognitions: [Recognition; COUNT]) -> Recognition {
    let found = recognitions.iter().find(|one| matches!(one, Recognition::Client | Recognition::Server));
    let undecided = recognitions.iter().find(|one| **one == Recognition::Undecided);
    *found.or(undecided).unwrap_or(&Recognition::No)
}
