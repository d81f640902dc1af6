// SPDX-License-Identifier: Apache-2.0
use super::*;

struct Known(&'static [(&'static str, &'static str)], Option<i64>);

impl Fields for Known {
    fn append(&self, field: &str, out: &mut String) -> bool {
        let value = self.0.iter().find(|(name, _)| *name == field);
        value.inspect(|(_, value)| out.push_str(value)).is_some()
    }

    fn time_ns(&self) -> Option<i64> {
        self.1
    }
}

/// 2026-01-04 (a Sunday) 13:05:09.012345678 UTC.
const TIME_NS: i64 = 1_767_531_909_012_345_678;
const FIELDS: Known = Known(&[("agent.version", "9.6.0"), ("type", "http"), ("empty", "")], Some(TIME_NS));

fn evaluate(text: &str) -> Result<String, Missing> {
    let mut out = String::from(">");
    let result = FormatString::parse(text).unwrap().evaluate(&FIELDS, &mut out);
    if result.is_err() {
        assert_eq!(out, ">", "a missing field leaves nothing behind");
    }
    result.map(|()| out[1..].to_string())
}

#[test]
fn fields_defaults_and_times() {
    for (format, expected) in [
        ("", ""),
        ("packetbeat", "packetbeat"),
        ("packetbeat-%{[agent.version]}", "packetbeat-9.6.0"),
        ("%{[type]}-%{[agent.version]}-x", "http-9.6.0-x"),
        ("%{[agent][version]}", "9.6.0"),
        ("%{[nothing]:other}", "other"),
        ("%{[nothing]:}", ""),
        ("%{[empty]:other}", ""),
        ("logs-%{+yyyy.MM.dd}", "logs-2026.01.04"),
        ("%{+yyyy-MM-dd'T'HH:mm:ss.SSS}", "2026-01-04T13:05:09.012"),
        ("%{+yy D DDD d H h m s a E EEEE MMM MMMM e}", "26 4 004 4 13 1 5 9 PM Sun Sunday Jan January 7"),
        ("%{+xxxx.ww}", "2026.01"),
        ("%{+SSSSSSSSS z Z ZZ ''}", "012345678 UTC +0000 +00:00 '"),
        ("100% {x} \\%{x", "100% {x} %{x"),
        ("é%{[type]}é", "éhttpé"),
    ] {
        assert_eq!(evaluate(format).as_deref(), Ok(expected), "{format}");
    }
    assert_eq!(evaluate("a-%{[nothing]}"), Err(Missing::Field("nothing".to_string())));
    let format = FormatString::parse("a-%{+yyyy}").unwrap();
    assert_eq!(format.evaluate(&Known(&[], None), &mut String::new()), Err(Missing::Time));
}

#[test]
fn constants_are_recognised() {
    assert_eq!(FormatString::parse("plain").unwrap().constant(), Some("plain"));
    assert_eq!(FormatString::parse("").unwrap().constant(), Some(""));
    let format = FormatString::parse("packetbeat-%{[agent.version]}-a").unwrap();
    assert_eq!(format.constant(), None);
    assert!(format.needs_fields());
    assert_eq!(format.resolve(&FIELDS).constant(), Some("packetbeat-9.6.0-a"));
    let dated = FormatString::parse("x-%{[agent.version]}-%{+yyyy}").unwrap().resolve(&FIELDS);
    assert_eq!((dated.constant(), dated.needs_fields()), (None, false));
}

#[test]
fn what_is_wrong_is_a_sentence() {
    for (format, expected) in [
        ("a%{[b", "no closing"),
        ("%{b}", "neither a field"),
        ("%{[b}", "no closing bracket"),
        ("%{[]}", "names no field"),
        ("%{[b]c}", "only a default"),
        ("%{+yyyy.Q}", "'Q'"),
        ("%{+yyyyyyyyyy}", "10 times"),
        ("%{+'x}", "not closed"),
    ] {
        let error = FormatString::parse(format).expect_err(format);
        assert!(error.contains(expected), "{format}: {error}");
    }
    assert!(FormatString::parse(&"x".repeat(5000)).unwrap_err().contains("4096"));
}

#[test]
fn any_text_is_parsed_or_refused() {
    let text = "a%{[b.c]:d}-%{+yyyy.MM.dd'é'}\\%é";
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let mut characters: Vec<char> = text.chars().collect();
        characters.truncate(random.usize(..=characters.len()));
        for _ in 0..random.usize(..4) {
            if !characters.is_empty() {
                let at = random.usize(..characters.len());
                characters[at] = ['%', '{', '}', '[', ']', ':', '+', '\'', '\\', 'y', 'M', 'é'][random.usize(..12)];
            }
        }
        if let Ok(format) = FormatString::parse(&characters.iter().collect::<String>()) {
            let _ = format.evaluate(&FIELDS, &mut String::new());
        }
    }
}
