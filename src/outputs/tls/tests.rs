// SPDX-License-Identifier: Apache-2.0
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// An authority, and a certificate of it for the name `localhost`.
fn certificates_in(folder: &Path) {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=test-ca
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost
        printf 'subjectAltName=DNS:localhost\\n' >extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out server.pem
        cat server.pem ca.pem >chain.pem
        openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 30 -subj /CN=other";
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A handshake with a server that has `server.pem`. Answers what the client read, or why not.
fn handshake(folder: &Path, options: &TlsOptions, name: &str) -> Result<String, String> {
    let identity = TlsOptions {
        identity: Some((Pem::File(folder.join("chain.pem")), Pem::File(folder.join("server.key")))),
        ..TlsOptions::default()
    };
    let (certificate, key) = identity.identity.as_ref().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            super::certificates(certificate, "c").unwrap(),
            PrivateKeyDer::from_pem_slice(&key.read().unwrap()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(server)).unwrap(), stream);
        let _ = stream.write_all(b"hello");
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    let config = options.client_config()?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let mut text = String::new();
    let result = stream.read_to_string(&mut text).map_err(|error| error.to_string());
    drop(stream);
    thread.join().unwrap();
    result.map(|_| text)
}

#[test]
fn certificates_are_checked_as_told() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: there is no openssl to make certificates with");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    certificates_in(folder.path());
    let with = |authority: &str, verification| TlsOptions {
        verification,
        authorities: vec![Pem::File(folder.path().join(authority))],
        ..TlsOptions::default()
    };
    let good = Ok("hello".to_string());
    assert_eq!(handshake(folder.path(), &with("ca.pem", Verification::Full), "localhost"), good);
    let inline = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let inline = TlsOptions { authorities: vec![Pem::from_setting(inline)], ..TlsOptions::default() };
    assert_eq!(handshake(folder.path(), &inline, "localhost"), good);
    let error = handshake(folder.path(), &with("ca.pem", Verification::Full), "elsewhere").unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
    assert_eq!(handshake(folder.path(), &with("ca.pem", Verification::Certificate), "elsewhere"), good);
    for verification in [Verification::Full, Verification::Certificate] {
        let error = handshake(folder.path(), &with("other.pem", verification), "localhost").unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    }
    assert_eq!(handshake(folder.path(), &with("other.pem", Verification::None), "elsewhere"), good);
    let system = TlsOptions::default();
    assert!(handshake(folder.path(), &system, "localhost").is_err(), "the system does not know this authority");
    let authority = super::certificates(&Pem::File(folder.path().join("ca.pem")), "c").unwrap();
    let digits = data_encoding::HEXUPPER.encode(&Sha256::digest(&authority[0]));
    let trusted_fingerprint = Fingerprint::parse(&digits);
    let fingerprint = TlsOptions { trusted_fingerprint, ..TlsOptions::default() };
    assert_eq!(handshake(folder.path(), &fingerprint, "localhost"), good);
    let error = handshake(folder.path(), &fingerprint, "elsewhere").unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
    let any_name = TlsOptions { verification: Verification::Certificate, ..fingerprint };
    assert_eq!(handshake(folder.path(), &any_name, "elsewhere"), good);
    let another = TlsOptions { trusted_fingerprint: Some(Fingerprint([7; 32])), ..TlsOptions::default() };
    assert!(handshake(folder.path(), &another, "localhost").is_err(), "it is another's");
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let options = TlsOptions { versions: Some(vec![version]), ..with("ca.pem", Verification::Certificate) };
        assert_eq!(handshake(folder.path(), &options, "elsewhere"), good);
    }
    let identity = |certificate: &str, key: &str| TlsOptions {
        identity: Some((Pem::File(folder.path().join(certificate)), Pem::File(folder.path().join(key)))),
        ..with("ca.pem", Verification::Full)
    };
    assert_eq!(handshake(folder.path(), &identity("server.pem", "server.key"), "localhost"), good);
    let error = identity("server.pem", "other.key").client_config().unwrap_err();
    assert!(error.contains("do not fit together"), "{error}");
    let error = identity("server.key", "server.key").client_config().unwrap_err();
    assert!(error.contains("ssl.certificate: ") && error.contains("holds no certificate"), "{error}");
    let error = identity("server.pem", "server.pem").client_config().unwrap_err();
    assert!(error.contains("ssl.key: ") && error.contains("holds no private key"), "{error}");
    let error = identity("missing.pem", "server.key").client_config().unwrap_err();
    assert!(error.contains("missing.pem cannot be read"), "{error}");
}
