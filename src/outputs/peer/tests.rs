// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn hosts_have_a_name_and_a_port() {
    for (text, name, port, shown) in [
        ("localhost", "localhost", 5044, "localhost:5044"),
        (" a.b:80 ", "a.b", 80, "a.b:80"),
        ("10.0.0.1:65535", "10.0.0.1", 65535, "10.0.0.1:65535"),
        ("[::1]", "::1", 5044, "[::1]:5044"),
        ("[::1]:9", "::1", 9, "[::1]:9"),
        ("fe80::2", "fe80::2", 5044, "[fe80::2]:5044"),
    ] {
        let host = Host::parse(text, 5044).unwrap();
        assert_eq!((host.name.as_str(), host.port, host.to_string().as_str()), (name, port, shown), "{text}");
    }
    for text in ["", ":5044", "a:0", "a:65536", "a:b", "[::1", "[::1]5", "a b", "http://a", "u@a", "a,b", "a/b"] {
        let error = Host::parse(text, 5044).unwrap_err();
        assert!(error.contains("expected a host such as localhost:5044"), "{text}: {error}");
    }
}
