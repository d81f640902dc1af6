// SPDX-License-Identifier: Apache-2.0
use super::*;

struct Type(Option<&'static str>);

impl Fields for Type {
    fn append(&self, field: &str, out: &mut String) -> bool {
        let value = self.0.filter(|_| field == "type");
        value.inspect(|value| out.push_str(value)).is_some()
    }

    fn time_ns(&self) -> Option<i64> {
        None
    }
}

fn format(text: &str) -> FormatString {
    FormatString::parse(text).unwrap()
}

fn select(selector: &Selector, value: Option<&'static str>) -> Option<String> {
    let mut out = String::from(">");
    let found = selector.select(&Type(value), &mut out);
    assert!(found || out == ">", "nothing is left behind");
    found.then(|| out[1..].to_string())
}

#[test]
fn the_first_rule_with_a_name_wins() {
    let mapped = |default: Option<&str>| Rule {
        when: When::Always,
        format: format("%{[type]}"),
        mappings: vec![("http".into(), "Web".into()), ("dns".into(), "names".into())],
        default: default.map(str::to_owned),
    };
    let plain = Rule { when: When::Always, format: format("Own-%{[type]}"), mappings: Vec::new(), default: None };
    let selector = Selector {
        rules: vec![mapped(None), plain],
        fallback: Some(FormatString::literal("rest")),
        letters: Letters::Kept,
    };
    assert_eq!(select(&selector, Some("http")).as_deref(), Some("Web"));
    assert_eq!(select(&selector, Some("icmp")).as_deref(), Some("Own-icmp"));
    assert_eq!(select(&selector, None).as_deref(), Some("rest"));
    let lowered = Selector { letters: Letters::Lowered, ..selector };
    assert_eq!(select(&lowered, Some("http")).as_deref(), Some("web"));
    let with_default = Selector { rules: vec![mapped(Some("other"))], ..Selector::default() };
    assert_eq!(select(&with_default, Some("icmp")).as_deref(), Some("other"));
    assert_eq!(select(&with_default, None), None);
    assert!(with_default.needs_fields() && with_default.constant().is_none());
}

#[test]
fn a_constant_needs_no_event() {
    let selector =
        |text: &str| Selector { fallback: Some(format(text)), letters: Letters::Lowered, ..Selector::default() };
    assert_eq!(selector("Abc").constant().as_deref(), Some("abc"));
    assert!(!selector("Abc").needs_fields());
    assert!(selector("a-%{[type]}").needs_fields());
    assert_eq!(Selector::default().constant(), None);
}
