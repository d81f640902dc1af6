// SPDX-License-Identifier: Apache-2.0
//! Certificates made with OpenSSL; the expected names are what Go's `crypto/x509` and `pkix` print for them.

use super::*;

const DSA: &[u8] = include_bytes!("dsa.der");
const ED25519: &[u8] = include_bytes!("ed25519.der");

fn server_of(certificates: &[&[u8]]) -> Json {
    let conversation =
        [(ToServer, client_hello()), (ToClient, [server_hello_12(&[]), certificate_message(certificates)].concat())];
    only_event(play(&conversation, usize::MAX))["tls"]["server"].clone()
}

#[test]
fn a_name_with_everything() {
    let server = server_of(&[ODD]);
    let name = "STREET=Some Street 1,POSTALCODE=10115,SERIALNUMBER=42,\
                1.2.840.113549.1.9.1=#0c0c616e6e407265632e74657374,CN=Ünï quoted \\<odd\\>\\;,OU=\\#Wire,O=Second \\+ Sons,\
                O=First\\, Ltd,L=Berlin,ST=Berlin,C=DE,0.9.2342.19200300.100.1.25=#1303726563,\
                0.9.2342.19200300.100.1.25=#130474657374";
    assert_eq!(server["subject"], name);
    assert_eq!(server["issuer"], name);
    assert_eq!(
        server["x509"],
        json!({
            "signature_algorithm": "ECDSA-SHA384",
            "public_key_algorithm": "ECDSA",
            "public_key_size": 384,
            "serial_number": "A",
            "issuer": server["x509"]["subject"],
            "subject": {
                "country": "DE",
                "organization": "First, Ltd Second + Sons",
                "organizational_unit": "#Wire",
                "locality": "Berlin",
                "state_or_province": "Berlin",
                "street_address": "Some Street 1",
                "postal_code": "10115",
                "common_name": "Ünï quoted <odd>;",
                "serial_number": "42",
                "distinguished_name": name,
            },
            "not_before": "2026-11-24T15:35:14.000Z",
            "not_after": "2026-11-25T15:35:14.000Z",
            "version_number": 3,
            "alternative_names": ["odd.rec.test", "ann@rec.test", "10.77.0.1", "fd77::1"],
        })
    );
}

#[test]
fn algorithms_and_a_time_that_never_comes() {
    let server = server_of(&[NEVER]);
    assert_eq!(server["not_after"], "9999-12-31T23:59:59.000Z");
    assert_eq!(server["x509"]["signature_algorithm"], "SHA256-RSAPSS");
    assert_eq!(server["x509"]["public_key_size"], 1024);
    assert_eq!(server["x509"]["serial_number"], "FF");
    assert_eq!(server["x509"]["version_number"], 1);
    let x509 = server_of(&[DSA])["x509"].clone();
    assert_eq!([&x509["signature_algorithm"], &x509["public_key_algorithm"]], ["DSA-SHA256", "DSA"]);
    assert_eq!(x509["public_key_size"], 1024);
    let x509 = server_of(&[ED25519])["x509"].clone();
    assert_eq!([&x509["signature_algorithm"], &x509["public_key_algorithm"]], ["Ed25519", "Ed25519"]);
    assert_eq!(x509.get("public_key_size"), None);
}

#[test]
fn certificates_that_are_none() {
    let server = server_of(&[b"\x30\x03abc", NEVER]);
    assert!(server["hash"]["sha1"].is_string());
    assert_eq!(server.get("subject"), None);
    for length in 0..ODD.len() {
        let _ = certificate::parse(&ODD[..length]);
    }
    let mut random = fastrand::Rng::with_seed(0x7835_3039);
    for _ in 0..1000 {
        let mut certificate = if random.bool() { ODD.to_vec() } else { NEVER.to_vec() };
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..certificate.len());
            certificate[at] = random.u8(..);
        }
        let conversation = [
            (ToServer, client_hello()),
            (ToClient, [server_hello_12(&[]), certificate_message(&[&certificate])].concat()),
        ];
        assert!(only_event(play(&conversation, usize::MAX))["tls"]["server"]["hash"]["sha1"].is_string());
    }
    // No certificate at all: a client that has none.
    assert_eq!(server_of(&[]).get("hash"), None);
}
