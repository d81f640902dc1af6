// SPDX-License-Identifier: Apache-2.0
//! Tests of `${…}`: where names are looked for, defaults, refusals, bounds.

use super::*;

#[test]
fn settings_environment_and_defaults() {
    let text = r#"
base: {port: 9200, list: [1, 2]}
host: "${HOST}"
hosts: ["${HOST}:${base.port}", "${OTHER:other:1}"]
same: ${base.list}
port: ${PORT}
flag: ${FLAG:false}
many: ${MANY}
object: "${NONE:}${OBJECT}"
nested: ${A:${B:${HOST}}}
alternative: "x${HOST:+yes}${NONE:+no}"
escaped: "$${HOST} $$5 a$b ${HOST:$}}"
dollar: pa$$word
end: 5$
loose: "${BRACKET}"
"#;
    let variables = [
        ("HOST", "h1"),
        ("PORT", "8080"),
        ("MANY", "a:1,b:2"),
        ("OBJECT", "{a: 1}"),
        ("EMPTY", ""),
        ("BRACKET", "[secret"),
    ];
    let config = with_environment(text, &variables);
    let root = config.root();
    assert_eq!(root.string("host").unwrap().unwrap(), "h1");
    assert_eq!(root.strings("hosts").unwrap().unwrap(), ["h1:9200", "other:1"]);
    assert_eq!(root.ports("same").unwrap().unwrap(), [1, 2]);
    assert_eq!(root.integer("port").unwrap(), Some(8080));
    assert_eq!(root.boolean("flag").unwrap(), Some(false));
    assert_eq!(root.strings("many").unwrap().unwrap(), ["a:1", "b:2"]);
    assert_eq!(root.section("object").unwrap().unwrap().integer("a").unwrap(), Some(1));
    assert_eq!(root.string("nested").unwrap().unwrap(), "h1");
    assert_eq!(root.string("alternative").unwrap().unwrap(), "xyes");
    assert_eq!(root.string("escaped").unwrap().unwrap(), "${HOST} $5 a$b h1");
    assert_eq!(root.string("dollar").unwrap().unwrap(), "pa$word");
    assert_eq!(root.string("end").unwrap().unwrap(), "5$");
    assert_eq!(root.string("loose").unwrap().unwrap(), "[secret");
}

#[test]
fn a_missing_variable_names_file_line_and_key_when_it_is_read() {
    let config = configuration("output:\n  file:\n    path: ${NOWHERE}\n    filename: x\n");
    let file = config.section("output.file").unwrap().unwrap();
    assert_eq!(file.string("filename").unwrap().unwrap(), "x");
    assert_eq!(
        file.string("path").unwrap_err().to_string(),
        "packetbeat.yml:3: output.file.path: ${NOWHERE} is neither a setting nor an environment variable with a value, and has no default"
    );
    assert!(file.node().is_err());
}

#[test]
fn refusals() {
    let refusal = |text: &str| configuration(text).root().string("a").unwrap_err().to_string();
    assert_eq!(refusal("a: ${X:?set X to the host}\n"), "packetbeat.yml:1: a: ${X} has no value: set X to the host");
    assert!(refusal("a: ${X\n").contains("a '}' is missing after '${'"));
    assert!(refusal("a: ${}\n").contains("empty name"));
    assert!(refusal("a: x${m}\nm: {b: 1}\n").contains("${m} is a map, expected a value that fits into text"));
    assert!(refusal("a: ${b}\nb: ${c}\nc: ${a}\n").contains("go round in a circle: b → c → a → b"));
    assert!(refusal("a: x${a}\n").contains("go round in a circle"));
    assert!(refusal("a: ${m}\nm: {b: {c: '${m}'}}\n").contains("expected text"));
    let inner = configuration("m: {b: {c: '${m}'}}\n").root().string("m.b.c").unwrap_err().to_string();
    assert!(inner.contains("packetbeat.yml:1: m.b.c: "), "{inner}");
}

#[test]
fn a_setting_may_come_from_a_variable_of_its_own_name() {
    let config = with_environment("name: ${name}\n", &[("name", "probe")]);
    assert_eq!(config.root().string("name").unwrap().unwrap(), "probe");
}

#[test]
fn bombs_are_refused() {
    let mut text = String::from("a0: xxxxxxxxxxxxxxxx\nm0: {a: 1}\n");
    for level in 1..30 {
        let (text_before, map_before) = (format!("${{a{}}}", level - 1), format!("${{m{}}}", level - 1));
        text.push_str(&format!("a{level}: {}\n", text_before.repeat(10)));
        text.push_str(&format!("m{level}: {{a: '{map_before}', b: '{map_before}'}}\n"));
    }
    let config = configuration(&text);
    let root = config.root();
    assert!(root.string("a29").is_err());
    assert!(root.section("m29").unwrap().unwrap().node().is_err());
    let chain: String = (0..200).map(|n| format!("c{n}: ${{c{}}}\n", n + 1)).collect();
    let config = configuration(&chain);
    assert!(config.root().string("c0").unwrap_err().to_string().contains("chain of more than 32"));
    let nested = format!("a: {}x{}\n", "${A:".repeat(5_000), "}".repeat(5_000));
    assert!(configuration(&nested).root().string("a").unwrap_err().to_string().contains("nested deeper"));
}
