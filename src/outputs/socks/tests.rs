// SPDX-License-Identifier: Apache-2.0
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_proxy_is_a_url() {
    let parse = |text: &str| SocksProxy::parse(text, Resolver::Proxy);
    let proxy = parse("socks5://u:p%40x@[::1]:99").unwrap();
    assert_eq!((proxy.host.to_string(), proxy.user), ("[::1]:99".into(), Some(("u".into(), "p@x".into()))));
    assert_eq!(parse("socks5h://a").unwrap().host.to_string(), "a:1080");
    for text in
        ["http://a:3128", "a:1080", "socks5://", "socks5://u:secret@:1", &format!("socks5://{}@a", "u".repeat(256))]
    {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("expected the URL of a SOCKS proxy") && !error.contains("secret"), "{text}: {error}");
    }
}

/// What a proxy reads, and what it writes then.
type Turn<'a> = (&'a [u8], &'a [u8]);

/// A proxy that reads these bytes and writes those, in turns; and what the client says of it.
fn against(user: Option<(&str, &str)>, resolver: Resolver, name: &str, turns: &[Turn<'_>]) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host { name: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let turns: Vec<(Vec<u8>, Vec<u8>)> = turns.iter().map(|(read, write)| (read.to_vec(), write.to_vec())).collect();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for (expected, answer) in turns {
            let mut found = vec![0; expected.len()];
            stream.read_exact(&mut found).unwrap();
            assert_eq!(found, expected);
            stream.write_all(&answer).unwrap();
        }
    });
    let user = user.map(|(name, password)| (name.to_owned(), Secret::from(password)));
    let proxy = SocksProxy { host, user, resolver };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(proxy.connect(&Host { name: name.into(), port: 80 }, SECOND)).map(|_| ());
    server.join().unwrap();
    result
}

#[test]
fn the_proxy_is_asked_for_the_host() {
    let by_name = b"\x05\x01\x00\x03\x03a.b\x00\x50";
    let done = b"\x05\x00\x00\x01\x01\x02\x03\x04\x00\x09";
    assert_eq!(against(None, Resolver::Proxy, "a.b", &[(b"\x05\x01\x00", b"\x05\x00"), (by_name, done)]), Ok(()));
    let login = b"\x01\x01u\x02pw";
    let named = b"\x05\x00\x00\x03\x02xy\x00\x09";
    let turns: [Turn<'_>; 3] = [(b"\x05\x02\x00\x02", b"\x05\x02"), (login, b"\x01\x00"), (by_name, named)];
    assert_eq!(against(Some(("u", "pw")), Resolver::Proxy, "a.b", &turns), Ok(()));
    let v6 = [&b"\x05\x01\x00\x04"[..], &[0; 15], b"\x01\x00\x50"].concat();
    let done6 = [&b"\x05\x00\x00\x04"[..], &[0; 18]].concat();
    assert_eq!(against(None, Resolver::Proxy, "::1", &[(b"\x05\x01\x00", b"\x05\x00"), (&v6, &done6)]), Ok(()));
}

#[test]
fn names_may_be_looked_up_here() {
    let listener_address = b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50";
    let done = b"\x05\x00\x00\x01\x01\x02\x03\x04\x00\x09";
    let turns: [Turn<'_>; 2] = [(b"\x05\x01\x00", b"\x05\x00"), (listener_address, done)];
    assert_eq!(against(None, Resolver::Local, "127.0.0.1", &turns), Ok(()));
    let error = against(None, Resolver::Local, "nobody.invalid", &[]).unwrap_err();
    assert!(error.starts_with("the SOCKS proxy 127.0.0.1:"), "{error}");
}

#[test]
fn what_a_proxy_refuses_is_told() {
    let by_name = b"\x05\x01\x00\x03\x03a.b\x00\x50";
    let cases: [(&[Turn<'_>], &str); 5] = [
        (&[(b"\x05\x01\x00", b"\x05\xff")], "wants an authentication"),
        (&[(b"\x05\x01\x00", b"\x04\x00")], "does not speak SOCKS version 5"),
        (
            &[(b"\x05\x01\x00", b"\x05\x00"), (by_name, b"\x05\x05\x00\x01")],
            "a.b:80 is not reached: the connection was refused",
        ),
        (&[(b"\x05\x01\x00", b"\x05\x00"), (by_name, b"\x05\x00\x00\x07")], "unknown kind 7"),
        (&[(b"\x05\x01\x00", b"\x05\x00"), (by_name, b"\x05\x00")], "early eof"),
    ];
    for (turns, expected) in cases {
        let error = against(None, Resolver::Proxy, "a.b", turns).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let turns: [Turn<'_>; 2] = [(b"\x05\x02\x00\x02", b"\x05\x02"), (b"\x01\x01u\x02pw", b"\x01\x01")];
    let error = against(Some(("u", "pw")), Resolver::Proxy, "a.b", &turns).unwrap_err();
    assert!(error.ends_with("it refuses user and password"), "{error}");
}
