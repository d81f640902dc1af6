// SPDX-License-Identifier: Apache-2.0
//! Names of codes, as Packetbeat writes them (behaviour, section 4.15): what it does not know prints as `(unknown:0x…)`, also
//! where there is a name by now, so that queries go on working. [`curve`] has all names.

use std::fmt::{self, Display};

/// A name, or `(unknown:0x…)` with the digits of the code's width.
pub struct Named {
    name: Option<&'static str>,
    code: u16,
    width: usize,
}

impl Named {
    pub fn constant(&self) -> Option<&'static str> {
        self.name
    }
}

impl Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => out.write_str(name),
            None => write!(out, "(unknown:0x{:0width$x})", self.code, width = self.width),
        }
    }
}

fn wide(code: u16, name: Option<&'static str>) -> Named {
    Named { name, code, width: 4 }
}

fn narrow(code: u16, name: Option<&'static str>) -> Named {
    Named { name, code, width: 2 }
}

pub fn cipher(code: u16) -> Named {
    wide(code, super::ciphers::name(code))
}

pub fn compression(code: u16) -> Named {
    narrow(
        code,
        match code {
            0 => Some("NULL"),
            1 => Some("DEFLATE"),
            64 => Some("LZS"),
            _ => None,
        },
    )
}

pub fn point_format(code: u16) -> Named {
    narrow(
        code,
        match code {
            0 => Some("uncompressed"),
            1 => Some("ansiX962_compressed_prime"),
            2 => Some("ansiX962_compressed_char2"),
            _ => None,
        },
    )
}

pub fn certificate_type(code: u16) -> Named {
    narrow(
        code,
        match code {
            0 => Some("X.509"),
            1 => Some("OpenPGP"),
            2 => Some("RawPubKey"),
            _ => None,
        },
    )
}

pub fn fragment_length(code: u16) -> Named {
    narrow(
        code,
        match code {
            1 => Some("2^9"),
            2 => Some("2^10"),
            3 => Some("2^11"),
            4 => Some("2^12"),
            _ => None,
        },
    )
}

pub fn status_type(code: u16) -> Named {
    narrow(code, (code == 1).then_some("ocsp"))
}

/// Groups up to RFC 8446; later ones print as unknown, as in Packetbeat.
pub fn group(code: u16) -> Named {
    const NAMED: &[&str] = &[
        "sect163k1",
        "sect163r1",
        "sect163r2",
        "sect193r1",
        "sect193r2",
        "sect233k1",
        "sect233r1",
        "sect239k1",
        "sect283k1",
        "sect283r1",
        "sect409k1",
        "sect409r1",
        "sect571k1",
        "sect571r1",
        "secp160k1",
        "secp160r1",
        "secp160r2",
        "secp192k1",
        "secp192r1",
        "secp224k1",
        "secp224r1",
        "secp256k1",
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "brainpoolP256r1",
        "brainpoolP384r1",
        "brainpoolP512r1",
        "x25519",
        "x448",
    ];
    const FINITE: &[&str] = &["ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"];
    let name = match code {
        256.. if code < 512 => FINITE.get(usize::from(code - 256)).copied(),
        65_281 => Some("arbitrary_explicit_prime_curves"),
        65_282 => Some("arbitrary_explicit_char2_curves"),
        _ => usize::from(code).checked_sub(1).and_then(|place| NAMED.get(place)).copied(),
    };
    wide(code, name)
}

/// The group of a key exchange (IANA: TLS Supported Groups), later ones too.
pub fn curve(code: u16) -> Named {
    let name = group(code).constant().or(match code {
        31 => Some("brainpoolP256r1tls13"),
        32 => Some("brainpoolP384r1tls13"),
        33 => Some("brainpoolP512r1tls13"),
        34 => Some("GC256A"),
        35 => Some("GC256B"),
        36 => Some("GC256C"),
        37 => Some("GC256D"),
        38 => Some("GC512A"),
        39 => Some("GC512B"),
        40 => Some("GC512C"),
        41 => Some("curveSM2"),
        512 => Some("MLKEM512"),
        513 => Some("MLKEM768"),
        514 => Some("MLKEM1024"),
        4587 => Some("SecP256r1MLKEM768"),
        4588 => Some("X25519MLKEM768"),
        4589 => Some("SecP384r1MLKEM1024"),
        25_497 => Some("X25519Kyber768Draft00"),
        25_498 => Some("SecP256r1Kyber768Draft00"),
        _ => None,
    });
    wide(code, name)
}

pub fn signature_scheme(code: u16) -> Named {
    wide(
        code,
        match code {
            0x0401 => Some("rsa_pkcs1_sha256"),
            0x0501 => Some("rsa_pkcs1_sha384"),
            0x0601 => Some("rsa_pkcs1_sha512"),
            0x0403 => Some("ecdsa_secp256r1_sha256"),
            0x0503 => Some("ecdsa_secp384r1_sha384"),
            0x0603 => Some("ecdsa_secp521r1_sha512"),
            0x0804 => Some("rsa_pss_sha256"),
            0x0805 => Some("rsa_pss_sha384"),
            0x0806 => Some("rsa_pss_sha512"),
            0x0807 => Some("ed25519"),
            0x0808 => Some("ed448"),
            0x0201 => Some("rsa_pkcs1_sha1"),
            0x0203 => Some("ecdsa_sha1"),
            _ => None,
        },
    )
}

/// Descriptions of alerts (IANA: TLS Alerts); all of them, Packetbeat's list ends at 115.
pub fn alert(code: u8) -> Named {
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate_RESERVED",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction_RESERVED",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        117 => "general_error",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return narrow(u16::from(code), None),
    };
    narrow(u16::from(code), Some(name))
}

/// `responseStatus` of an OCSP response (RFC 6960, section 4.2.1).
pub fn ocsp_status(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "successful",
        1 => "malformedRequest",
        2 => "internalError",
        3 => "tryLater",
        5 => "sigRequired",
        6 => "unauthorized",
        _ => return None,
    })
}

/// A protocol version as `TLS 1.2`, `SSL 3.0` or `(raw 127.28)`.
pub struct Version(pub u16);

impl Version {
    /// `tls.version_protocol`.
    pub fn protocol(&self) -> &'static str {
        match self.0 {
            0x0300 => "ssl",
            0x0301..=0x03ff => "tls",
            _ => "unknown",
        }
    }

    /// `tls.version`: `1.2`.
    pub fn number(&self) -> Option<(u8, u8)> {
        match self.0 {
            0x0300 => Some((3, 0)),
            0x0301..=0x03ff => Some((1, (self.0 as u8).saturating_sub(1))),
            _ => None,
        }
    }
}

impl Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => out.write_str("SSL 3.0"),
            0x0301..=0x0304 => write!(out, "TLS 1.{}", (self.0 & 0xff).saturating_sub(1)),
            _ => write!(out, "(raw {}.{})", self.0 >> 8, self.0 & 0xff),
        }
    }
}
