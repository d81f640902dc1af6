// SPDX-License-Identifier: Apache-2.0
//! Tests of the endpoint over real sockets, and of its settings.

use super::*;
use crate::config::Configuration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

fn board() -> Arc<Board> {
    let board = Board::new(json!({"beat": "packetbeat"}), json!({"queue": {"name": "mem"}}));
    board.put(json!({"dns": {"messages": 7}}), json!([{"device": "eth0"}]));
    Arc::new(board)
}

fn settings(text: &str) -> Result<Option<HttpSettings>, String> {
    let configuration = Configuration::from_text("test.yml", text).unwrap();
    read(&configuration.root()).map_err(|error| error.to_string())
}

fn start(host: &str) -> Endpoint {
    let settings = settings(&format!("http: {{enabled: true, host: '{host}', port: 0, timeout: 300ms}}\n"));
    Endpoint::start(&settings.unwrap().unwrap(), board()).unwrap()
}

/// Everything that comes back until the other side closes.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(endpoint: &Endpoint, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    exchange(TcpStream::connect(&endpoint.shown).unwrap(), request.as_bytes())
}

#[test]
fn pages() {
    let endpoint = start("127.0.0.1");
    for (path, body) in [
        ("/", r#"{"beat":"packetbeat"}"#),
        ("/stats", r#"{"dns":{"messages":7}}"#),
        ("/stats?pretty", "{\n  \"dns\": {\n    \"messages\": 7\n  }\n}\n"),
        ("/state", r#"{"queue":{"name":"mem"}}"#),
        ("/inputs/", r#"[{"device":"eth0"}]"#),
    ] {
        let answer = get(&endpoint, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json"), "{path}: {answer}");
        assert_eq!(answer.split("\r\n\r\n").nth(1), Some(body), "{path}");
    }
    assert!(get(&endpoint, "/debug/pprof/").starts_with("HTTP/1.1 404 "));
    let posted = b"POST /stats HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert!(exchange(TcpStream::connect(&endpoint.shown).unwrap(), posted).starts_with("HTTP/1.1 405 "));
}

#[test]
fn odd_clients_are_let_go() {
    let endpoint = start("127.0.0.1");
    let connect = || TcpStream::connect(&endpoint.shown).unwrap();
    let endless = [b"GET / HTTP/1.1\r\n".as_slice(), &b"x: y\r\n".repeat(20_000)].concat();
    for request in [b"\x16\x03\x01\x00\xff".as_slice(), b"GET", &endless] {
        let mut stream = connect();
        // It may be closed while this is written.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    }
    // More than are served at once, all silent: the next one's turn comes when they are closed.
    let silent: Vec<TcpStream> = (0..MAXIMUM_CONNECTIONS + 4).map(|_| connect()).collect();
    assert!(get(&endpoint, "/").starts_with("HTTP/1.1 200"));
    drop(silent);
}

#[test]
fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.sock");
    // Left by a run that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let endpoint = start(&format!("unix://{}", path.display()));
    let request = b"GET /stats HTTP/1.0\r\n\r\n";
    let answer = exchange(UnixStream::connect(&path).unwrap(), request);
    assert!(answer.ends_with(r#"{"dns":{"messages":7}}"#), "{answer}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o740);
    drop(endpoint);
    assert!(!path.exists());
    std::fs::write(&path, "no socket").unwrap();
    let settings = HttpSettings { address: Address::Socket(path.clone()), timeout: Duration::from_secs(1) };
    assert!(Endpoint::start(&settings, board()).is_err_and(|error| error.contains("metrics.sock")));
    assert_eq!(std::fs::read(&path).unwrap(), b"no socket");
}

#[test]
fn settings_are_packetbeats() {
    assert_eq!(settings(""), Ok(None));
    assert_eq!(settings("http: {enabled: false, port: what}\n"), Ok(None));
    assert_eq!(settings("http: {port: 1}\n"), Ok(None));
    let on = |rest: &str| settings(&format!("http: {{enabled: true{rest}}}\n"));
    let default = HttpSettings { address: Address::Host("localhost".into(), 5066), timeout: Duration::from_secs(5) };
    assert_eq!(on(""), Ok(Some(default)));
    for host in ["npipe:///x", "unix://relative", "http://localhost"] {
        let refused = on(&format!(", host: '{host}'")).unwrap_err();
        assert!(refused.contains("http.host") && refused.contains(host), "{refused}");
    }
    assert!(on(", port: 70000").is_err());
    let taken = start("127.0.0.1");
    let port = taken.shown.rsplit(':').next().unwrap();
    let again = on(&format!(", host: 127.0.0.1, port: {port}")).unwrap().unwrap();
    assert!(Endpoint::start(&again, board()).is_err_and(|error| error.starts_with("http.host: 127.0.0.1:")));
}
