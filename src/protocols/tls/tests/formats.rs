// SPDX-License-Identifier: Apache-2.0
//! Options, names, extensions and fingerprints.

use super::*;
use crate::config::Configuration;
use crate::protocols::tls::{ciphers, fingerprint, hello, names};

#[test]
fn options_of_a_section() {
    let read = |text: &str| {
        let text = format!("tls:\n  ports: [443]\n{text}");
        let configuration = Configuration::from_text("packetbeat.yml", &text).unwrap();
        let section = configuration.section("tls").unwrap().unwrap();
        config::read(&section, &Options::default().common).map_err(|error| error.to_string())
    };
    let options = read("").unwrap();
    assert!(options.send_certificates && options.include_detailed_fields && !options.include_raw_certificates);
    assert_eq!(options.fingerprints, Fingerprints { sha1: true, ..Fingerprints::default() });
    assert!(!options.compat_ja3s);
    let options = read("  fingerprints: [MD5, sha-256]\n  send_certificates: false\n  compat_ja3s: true\n").unwrap();
    assert_eq!(options.fingerprints, Fingerprints { md5: true, sha1: false, sha256: true });
    assert!(!options.send_certificates && options.compat_ja3s);
    assert!(read("  fingerprints: []\n").unwrap().fingerprints.sha1, "an empty list leaves the default");
    let error = read("  fingerprints: [crc32]\n").unwrap_err();
    assert!(
        error.contains("packetbeat.yml:3") && error.contains("\"crc32\"") && error.contains("md5, sha1, sha256"),
        "{error}"
    );
}

#[test]
fn options_choose_fields() {
    let event = |options: Options| {
        let mut bench = bench_with(options);
        for (direction, bytes) in conversation_12() {
            bench.send(direction, &bytes);
        }
        only_event(bench)["tls"].clone()
    };
    let tls = event(Options::default());
    assert!(tls["server"]["x509"].is_object() && tls["server"].get("certificate_chain").is_none());
    let hashes: Vec<_> = tls["server"]["hash"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(hashes, ["sha1"]);

    let tls = event(Options { include_detailed_fields: false, ..Options::default() });
    assert!(tls.get("detailed").is_none() && tls["server"].get("x509").is_none());
    assert!(tls["server"]["subject"].is_string() && tls["server"]["hash"]["sha1"].is_string());

    let tls = event(Options { send_certificates: false, include_raw_certificates: true, ..Options::default() });
    assert!(tls["server"].get("x509").is_none() && tls["detailed"].get("server_certificate_chain").is_none());
    assert!(tls["detailed"]["client_hello"].is_object() && tls["server"]["subject"].is_string());
    assert_eq!(tls["server"]["certificate_chain"].as_array().unwrap().len(), 2);

    let tls =
        event(Options { fingerprints: Fingerprints { md5: true, sha1: false, sha256: true }, ..Options::default() });
    let hashes: Vec<_> = tls["server"]["hash"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(hashes, ["md5", "sha256"]);
}

#[test]
fn ja3_and_ja3s_and_packetbeats_own() {
    let tls = only_event(play(&conversation_12(), usize::MAX))["tls"].clone();
    // MD5 of "771,4865-49199,0-10-11-13-16-43-51,29-23,0" and of "771,49199,16".
    assert_eq!(tls["client"]["ja3"], md5_of("771,4865-49199,0-10-11-13-16-43-51,29-23,0"));
    assert_eq!(tls["server"]["ja3s"], md5_of("771,49199,16"));
    let mut bench = bench_with(Options { compat_ja3s: true, ..Options::default() });
    for (direction, bytes) in conversation_12() {
        bench.send(direction, &bytes);
    }
    assert_eq!(only_event(bench)["tls"]["server"]["ja3s"], md5_of("771,,16,,"));
}

fn md5_of(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example of the JA4 specification, with its lists in another order and GREASE between.
#[test]
fn ja4_of_the_specification() {
    let ciphers = [
        0x8a8a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
        0x002f, 0x0035,
    ];
    let schemes = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
    let mut extensions = vec![
        extension(0x3a3a, b""),
        extension(0x001b, b"\x02\x00\x02"),
        server_name("example.com"),
        extension(0x0033, b"\x00\x00"),
        protocols(&["h2", "http/1.1"]),
        extension(0x4469, b"\x00\x03\x02h2"),
        extension(0x0017, b""),
        extension(0x002d, b"\x01\x01"),
        extension(0x000d, &vector16(&codes(&schemes))),
        extension(0x0005, b"\x01\x00\x00\x00\x00"),
        extension(0x0023, b""),
        extension(0x0012, b""),
        extension(0x002b, &[6, 0x5a, 0x5a, 3, 4, 3, 3]),
        extension(0xff01, b"\x00"),
        extension(0x000b, b"\x01\x00"),
        extension(0x000a, &vector16(&codes(&[29, 23, 24]))),
        extension(0x0015, &[0; 20]),
        extension(0xdada, b"\x00"),
    ];
    assert_eq!(ja4(&ciphers, &extensions), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    // No name, no protocol that is text, no cipher.
    extensions.retain(|extension| extension[..2] != [0, 0] && extension[..2] != [0, 16]);
    extensions.push(extension(16, &vector16(&[2, 0xab, 0xcd])));
    assert!(ja4(&[], &extensions).starts_with("t13i0015ad_000000000000_e5627efa2ab1"), "{}", ja4(&[], &extensions));
    assert_eq!(ja4(&[0x002f], &[]), "t12i010000_c3ad0ea3ab09_000000000000".replace("c3ad0ea3ab09", &sha256_of("002f")));
    assert!(ja4(&[], &[protocols(&["x"])]).starts_with("t12i0001xx_"));
}

fn ja4(ciphers: &[u16], extensions: &[Vec<u8>]) -> String {
    let body = client_hello_body(&[], ciphers, extensions);
    let hello = hello::ClientHello::read(&body).unwrap();
    String::from_utf8(fingerprint::ja4(&hello, &mut fingerprint::Scratch::default()).to_vec()).unwrap()
}

fn sha256_of(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn extensions_by_label() {
    let shown = |extensions: &[Vec<u8>]| {
        let hello = handshake(1, &client_hello_body(&[], &[0x1301], extensions));
        let event = only_event(play(&[(ToServer, hello)], usize::MAX));
        event["tls"]["detailed"]["client_hello"].get("extensions").cloned()
    };
    assert_eq!(shown(&[]), None);
    assert_eq!(
        shown(&[
            extension(1, &[3]),
            extension(2, b""),
            extension(3, b"xy"),
            extension(4, b"xyz"),
            // OCSP, a list of responders of two bytes, extensions of one.
            extension(5, &[1, 0, 2, 9, 9, 0, 1, 9]),
            extension(9, &[2, 0, 7]),
            extension(10, &vector16(&codes(&[29, 256, 0x11ec, 0xff01]))),
            extension(11, &[2, 1, 9]),
            extension(12, b"\x03ann"),
            extension(35, &[0; 192]),
            extension(43, &[6, 3, 0, 3, 4, 0x7f, 28]),
            extension(23, b""),
            extension(0xff01, b"\x00"),
            extension(4, b""),
        ]),
        Some(json!({
            "max_fragment_length": "2^11",
            "client_certificate_url": "",
            "truncated_hmac": "(expected empty: found 3 bytes)",
            "status_request": {"type": "ocsp", "responder_id_list_length": 2, "request_extensions": 1},
            "cert_type": ["X.509", "(unknown:0x07)"],
            "supported_groups": ["x25519", "ffdhe2048", "(unknown:0x11ec)", "arbitrary_explicit_prime_curves"],
            "ec_points_formats": ["ansiX962_compressed_prime", "(unknown:0x09)"],
            "srp": "ann",
            "session_ticket": "(192 bytes)",
            "supported_versions": ["SSL 3.0", "TLS 1.3", "(raw 127.28)"],
            "_unparsed_": ["trusted_ca_keys", "23", "renegotiation_info"],
        }))
    );
    // Malformed ones are listed.
    assert_eq!(
        shown(&[extension(0, b""), extension(13, b"\x00")]),
        Some(json!({"_unparsed_": ["server_name_indication", "signature_algorithms"]}))
    );
}

#[test]
fn the_server_has_other_forms() {
    let extensions = [extension(5, b""), extension(0, b""), extension(43, &[3, 4])];
    let hello = handshake(2, &server_hello_body(&[1; 32], &[], 0x1301, &extensions));
    let event = only_event(play(&[(ToClient, hello)], usize::MAX));
    assert_eq!(
        event["tls"]["detailed"]["server_hello"]["extensions"],
        json!({"status_request": {"response": true}, "supported_versions": "TLS 1.3", "_unparsed_": ["server_name_indication"]})
    );
}

#[test]
fn names_of_codes() {
    assert!(ciphers::SUITES.is_sorted_by_key(|suite| suite.0));
    assert_eq!(ciphers::SUITES.len(), 371);
    assert_eq!(names::cipher(0x0081).to_string(), "TLS_GOSTR341001_WITH_28147_CNT_IMIT");
    assert_eq!(names::cipher(0x001d).to_string(), "SSL_FORTEZZA_KEA_WITH_FORTEZZA_CBC_SHA");
    assert_eq!(names::cipher(0xfeff).to_string(), "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA");
    assert_eq!(names::cipher(0xff85).to_string(), "(unknown:0xff85)");
    assert_eq!(names::group(1).to_string(), "sect163k1");
    assert_eq!(names::group(25).to_string(), "secp521r1");
    assert_eq!(names::group(30).to_string(), "x448");
    assert_eq!(names::group(260).to_string(), "ffdhe8192");
    assert_eq!(names::group(261).to_string(), "(unknown:0x0105)");
    assert_eq!(names::group(0).to_string(), "(unknown:0x0000)");
    assert_eq!(names::curve(4588).to_string(), "X25519MLKEM768");
    assert_eq!(names::signature_scheme(0x0809).to_string(), "(unknown:0x0809)");
    assert_eq!(names::compression(64).to_string(), "LZS");
    assert_eq!(names::Version(0x0300).to_string(), "SSL 3.0");
    assert_eq!((names::Version(0x0300).protocol(), names::Version(0x0300).number()), ("ssl", Some((3, 0))));
    assert_eq!((names::Version(0x0002).protocol(), names::Version(0x0002).number()), ("unknown", None));
}
