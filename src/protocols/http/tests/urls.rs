// SPDX-License-Identifier: Apache-2.0
//! URLs as Go's net/url codes them.

use super::super::url::{Host, Target, UrlWriter};

/// Path, query and whole URL of a request to port 80 of `host`.
fn url(target: &str, form: Option<&str>, host: &str, hidden: &[&str]) -> [String; 3] {
    let mut writer = UrlWriter::default();
    let hidden: Vec<String> = hidden.iter().map(|keyword| (*keyword).to_owned()).collect();
    let host = Host::parse(host.as_bytes());
    let target = Target::parse(target.as_bytes(), false);
    writer.write(&target, form.map(str::as_bytes), host, host.port.unwrap_or(80), &hidden);
    [&writer.path, &writer.query, &writer.full].map(|text| String::from_utf8_lossy(text).into_owned())
}

#[test]
fn parameters_are_sorted_and_coded_anew() {
    for (target, query) in [
        ("/?b=2&a=1", "a=1&b=2"),
        ("/?a=3&b=two%20words&a=1", "a=3&a=1&b=two+words"),
        ("/?x=p%26q&y=%c3%b6&z=a*b~c", "x=p%26q&y=%C3%B6&z=a%2Ab~c"),
        ("/?flag", "flag="),
        ("/?&&=v&", "=v"),
        ("/?bad=%zz&good=1&semi;colon=2", "good=1"),
        ("/?%41=1&A=2#fragment?x=1", "A=1&A=2"),
        ("/?", ""),
        ("/", ""),
        ("/?a=b=c?d", "a=b%3Dc%3Fd"),
    ] {
        assert_eq!(url(target, None, "h", &[])[1], query, "{target}");
    }
}

#[test]
fn a_form_replaces_parameters_of_the_same_name() {
    let [_, query, full] = url("/f?a=1&b=2&a=3", Some("a=form&c=4"), "h", &[]);
    assert_eq!(query, "a=form&b=2&c=4");
    assert_eq!(full, "http://h/f?a=form&b=2&c=4");
}

#[test]
fn hidden_values_do_not_show() {
    let [_, query, full] = url("/?Password=1&user=x&pass=2&pass=3", Some("password=4"), "h", &["password", "pass"]);
    assert_eq!(query, "Password=xxxxx&pass=xxxxx&pass=xxxxx&password=xxxxx&user=x");
    assert!(full.ends_with(&query));
}

#[test]
fn targets_of_every_form() {
    for (target, path, full) in [
        ("/a%20b/c", "/a b/c", "http://h/a%20b/c"),
        ("/a+b;c=d,e@f:g$h&i", "/a+b;c=d,e@f:g$h&i", "http://h/a+b;c=d,e@f:g$h&i"),
        ("/(x)'!*[y]", "/(x)'!*[y]", "http://h/%28x%29%27%21%2A%5By%5D"),
        ("http://proxy.example/echo?x=1", "/echo", "http://h/echo?x=1"),
        ("http://proxy.example", "", "http://h"),
        ("http://user:secret@proxy.example/p", "/p", "http://h/p"),
        ("*", "*", "http://h/*"),
        ("/half%2", "/half%2", "http://h/half%252"),
        ("//double//slash", "//double//slash", "http://h//double//slash"),
        ("/where?u=http://a/b", "/where", "http://h/where?u=http%3A%2F%2Fa%2Fb"),
        ("/caf%C3%A9", "/café", "http://h/caf%C3%A9"),
    ] {
        let [got_path, _, got_full] = url(target, None, "h", &[]);
        assert_eq!((got_path.as_str(), got_full.as_str()), (path, full), "{target}");
    }
    assert_eq!(Target::parse(b"http://user:secret@proxy.example:8080/p", false).authority, b"proxy.example:8080");
    assert_eq!(Target::parse(b"db.example:5432", true).authority, b"db.example:5432");
}

#[test]
fn hosts_and_ports() {
    for (text, name, port, is_address) in [
        ("example.org", "example.org", None, false),
        ("example.org:8080", "example.org", Some(8080), false),
        ("example.org:65535", "example.org", Some(65535), false),
        ("example.org:65536", "example.org:65536", None, false),
        ("example.org:0", "example.org:0", None, false),
        ("192.0.2.1:80", "192.0.2.1", Some(80), true),
        ("[2001:db8::1]:443", "2001:db8::1", Some(443), true),
        ("[2001:db8::1]", "2001:db8::1", None, true),
        ("2001:db8::1", "2001:db8::1", None, true),
        ("[fe80::1%25eth0]:81", "fe80::1%25eth0", Some(81), true),
        ("", "", None, false),
        (":", ":", None, false),
        ("[", "[", None, false),
    ] {
        let host = Host::parse(text.as_bytes());
        assert_eq!((host.name, host.port, host.address.is_some()), (name.as_bytes(), port, is_address), "{text}");
    }
    assert_eq!(url("/", None, "[2001:db8::1]:8080", &[])[2], "http://[2001:db8::1]:8080/");
    assert_eq!(url("/", None, "", &[])[2], "");
}

#[test]
fn the_extension_is_behind_the_last_dot() {
    let mut writer = UrlWriter::default();
    for (target, extension) in [("/a.b/c.tar.gz", "gz"), ("/a.b/c", "b/c"), ("/none", ""), ("/dot.", "")] {
        writer.write(&Target::parse(target.as_bytes(), false), None, Host::default(), 80, &[]);
        assert_eq!(writer.extension(), extension.as_bytes(), "{target}");
    }
}
