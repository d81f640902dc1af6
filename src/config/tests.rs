// SPDX-License-Identifier: Apache-2.0
//! Tests of the whole way of a setting, one refusal each, and of hostile input.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn configuration(text: &str) -> Configuration {
    Configuration::from_text("packetbeat.yml", text).unwrap()
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Configuration {
    let environment = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    load::from_text("packetbeat.yml", text, &environment).unwrap()
}

fn refused(text: &str) -> String {
    Configuration::from_text("packetbeat.yml", text).unwrap_err().to_string()
}

fn value(text: &str, key: &str) -> Value {
    configuration(text).root().node().unwrap().get(key).unwrap().value.clone()
}

fn overridden(text: &str, arguments: &[&str]) -> Result<Node, ConfigError> {
    let mut root = yaml::parse("packetbeat.yml", text.as_bytes())?.root;
    for argument in arguments {
        overrides::apply(&mut root, argument)?;
    }
    Ok(expand::expand(&root, &|_| None))
}

mod yaml_values {
    use super::*;

    #[test]
    fn scalars_have_the_types_of_yaml_1_1() {
        for (text, expected) in [
            ("yes", Value::Boolean(true)),
            ("Off", Value::Boolean(false)),
            ("n", Value::Boolean(false)),
            ("~", Value::Null),
            ("", Value::Null),
            ("42", Value::Integer(42)),
            ("-7", Value::Integer(-7)),
            ("1_000", Value::Integer(1000)),
            ("0600", Value::Integer(0o600)),
            ("0o17", Value::Integer(0o17)),
            ("0x1F", Value::Integer(31)),
            ("0b11", Value::Integer(3)),
            ("089", Value::Float(89.0)),
            ("1.5", Value::Float(1.5)),
            ("1e3", Value::Float(1000.0)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("18446744073709551615", Value::Float(18446744073709551615.0)),
            (".inf", Value::Float(f64::INFINITY)),
            ("'0600'", Value::String("0600".into())),
            ("\"yes\"", Value::String("yes".into())),
            ("!!str 12", Value::String("12".into())),
            ("!!int '12'", Value::Integer(12)),
            ("10s", Value::String("10s".into())),
            ("1.2.3.4", Value::String("1.2.3.4".into())),
            ("-", Value::String("-".into())),
            ("2026-11-24", Value::String("2026-11-24".into())),
            ("localhost:9200", Value::String("localhost:9200".into())),
        ] {
            let text = if text == "-" { "\"-\"" } else { text };
            assert_eq!(value(&format!("a: {text}\n"), "a"), expected, "{text}");
        }
    }

    #[test]
    fn dotted_keys_equal_nested_maps_in_any_mixture() {
        let text = "a.b.c: 1\na:\n  b.d: 2\n  b:\n    e: 3\na.b:\n  f.g: 4\n";
        for (key, number) in [("a.b.c", 1), ("a.b.d", 2), ("a.b.e", 3), ("a.b.f.g", 4)] {
            assert_eq!(value(text, key), Value::Integer(number));
        }
        assert_eq!(configuration(text).warnings.len(), 0);
    }

    #[test]
    fn an_empty_section_beside_dotted_keys_erases_nothing() {
        for text in ["a:\na.b: 1\n", "a.b: 1\na:\n"] {
            assert_eq!(value(text, "a.b"), Value::Integer(1));
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let config = configuration("a: 1\nb:\n  - x\n  - c.d: 2\n");
        let root = config.root().node().unwrap();
        assert_eq!(root.get("b.1.c.d").unwrap().origin.to_string(), "packetbeat.yml:4");
        assert_eq!(root.get("b.0").unwrap().origin.to_string(), "packetbeat.yml:3");
        assert_eq!(root.get("b").unwrap().origin.to_string(), "packetbeat.yml:2");
    }

    #[test]
    fn anchors_and_merges() {
        let text =
            "base: &base {a: 1, b: 2}\nextra: &extra {b: 3, c: 4}\nuse:\n  <<: [*base, *extra]\n  a: 9\ncopy: *base\n";
        assert_eq!(value(text, "use.a"), Value::Integer(9));
        assert_eq!(value(text, "use.b"), Value::Integer(2));
        assert_eq!(value(text, "use.c"), Value::Integer(4));
        assert_eq!(value(text, "copy.b"), Value::Integer(2));
        assert!(refused("a:\n  <<: 3\n").contains("packetbeat.yml:2: <<: found 3, expected a map"));
    }

    #[test]
    fn a_key_written_twice_warns_and_the_last_counts() {
        let text = "a: {x: 1}\na: {y: 2}\nb.c: 1\nb: {c: 2}\n";
        let config = configuration(text);
        assert!(config.root().node().unwrap().get("a.x").is_none());
        assert_eq!(value(text, "b.c"), Value::Integer(2));
        assert_eq!(
            config.warnings,
            [
                "packetbeat.yml:2: a was set before at packetbeat.yml:1; the last one counts",
                "packetbeat.yml:4: b was set before at packetbeat.yml:3; the last one counts",
            ]
        );
    }

    #[test]
    fn only_the_first_document_counts() {
        let config = configuration("a: 1\n---\na: 2\n");
        assert_eq!(config.root().integer("a").unwrap(), Some(1));
        assert_eq!(config.warnings, ["packetbeat.yml:2: only the first YAML document of a file is read"]);
    }

    #[test]
    fn a_file_may_be_empty_or_start_with_a_byte_order_mark() {
        for text in ["", "# nothing\n", "---\n", "\u{feff}"] {
            assert!(configuration(text).root().is_map(), "{text:?}");
        }
        assert_eq!(value("\u{feff}a: 1\n", "a"), Value::Integer(1));
    }

    #[test]
    fn what_is_not_a_configuration_is_refused_with_its_line() {
        assert!(refused("- a\n").starts_with("packetbeat.yml:1: found a list, expected a map of settings"));
        assert!(refused("just text\n").starts_with("packetbeat.yml:1: found \"just text\", expected a map"));
        let bad = refused("packetbeat.protocols:\n- type: dns\n   ports: [53\n");
        assert!(bad.starts_with("packetbeat.yml:3: not valid YAML: "), "{bad}");
        assert!(refused("a: [1\nb: 2\n").contains("not valid YAML"));
        assert!(refused("a: *nothing\n").contains("packetbeat.yml:1: not valid YAML"));
        assert!(refused("a: &a [*a]\n").contains("the alias stands inside the value that it names"));
        assert!(refused("? [a]\n: b\n").contains("found a list or a map as a key, expected text"));
        assert!(refused("a: !!binary aGk=\n").contains("which does not fit"));
        assert!(refused("a: !mine [1]\n").contains("not accepted here"));
        let error = yaml::parse("f.yml", b"a: 1\nb: \xff\n").unwrap_err().to_string();
        assert_eq!(error, "f.yml:2: the file is not UTF-8 text");
        let error = yaml::parse("f.yml", &vec![b'#'; yaml::MAXIMUM_FILE_BYTES + 1]).unwrap_err().to_string();
        assert_eq!(error, "f.yml: the file has 4194305 bytes, at most 4194304 are accepted");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let previous = format!("*a{}", level - 1);
            let items = [previous.as_str(); 9].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(refused(&bomb).contains("more than 50000 values, aliases expanded"));
        let deep = format!("a: {}{}\n", "[".repeat(200), "]".repeat(200));
        assert!(refused(&deep).contains("nested deeper than 64"));
        let dotted = format!("{}: 1\n", vec!["a"; 100].join("."));
        assert!(refused(&dotted).contains("nested deeper than 64"));
        let mut ladder = String::from("a0: &a0 [1]\n");
        for level in 1..100 {
            ladder.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(refused(&ladder).contains("nested deeper than 64"));
        let wide = format!("a: [{}]\n", "1,".repeat(60_000));
        assert!(refused(&wide).contains("more than 50000 values"));
        let many_keys: String = (0..5_000).map(|n| format!("k{n}: 1\n")).collect();
        assert_eq!(refused(&many_keys), "packetbeat.yml:4097: a map has more than 4096 keys");
        let merged: String = (0..3)
            .map(|map| {
                let keys: String = (0..2_000).map(|n| format!("k{map}_{n}: 1, ")).collect();
                format!("m{map}: &m{map} {{{keys}}}\n")
            })
            .collect();
        assert!(refused(&(merged + "all: {<<: [*m0, *m1, *m2]}\n")).contains("a map has more than 4096 keys"));
    }
}

mod overriding {
    use super::*;

    #[test]
    fn values_in_the_json_like_notation() {
        let root = overridden(
            "output.elasticsearch.hosts: [x]\n",
            &[
                r#"output.elasticsearch.hosts=["a:9200","b:9200"]"#,
                "output.console.pretty=true",
                "list=a:1,b:2",
                "map={a: 1, 'b.c': [x, 'y, z'], \"d\": \"q\\n\\u0041\",}",
                "number=0x10",
                "text=http://host:80/x",
                "flag",
                "empty=",
                "nothing=null",
                "float=1.5",
            ],
        )
        .unwrap();
        let texts = |key: &str| match &root.get(key).unwrap().value {
            Value::List(items) => items.iter().map(|item| item.scalar_text().unwrap()).collect::<Vec<_>>(),
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(texts("output.elasticsearch.hosts"), ["a:9200", "b:9200"]);
        assert_eq!(texts("list"), ["a:1", "b:2"]);
        assert_eq!(texts("map.b.c"), ["x", "y, z"]);
        for (key, expected) in [
            ("output.console.pretty", Value::Boolean(true)),
            ("map.a", Value::Integer(1)),
            ("map.d", Value::String("q\nA".into())),
            ("number", Value::Integer(16)),
            ("text", Value::String("http://host:80/x".into())),
            ("flag", Value::Boolean(true)),
            ("nothing", Value::Null),
            ("float", Value::Float(1.5)),
        ] {
            assert_eq!(root.get(key).unwrap().value, expected, "{key}");
        }
        assert!(root.get("empty").is_none());
    }

    #[test]
    fn a_number_in_the_path_selects_an_item() {
        let text = "packetbeat.protocols:\n- {type: dns, ports: [53]}\n";
        let root =
            overridden(text, &["packetbeat.protocols.0.ports=[5353]", "packetbeat.protocols.1.type=http"]).unwrap();
        assert_eq!(root.get("packetbeat.protocols.0.ports.0").unwrap().value, Value::Integer(5353));
        assert_eq!(root.get("packetbeat.protocols.0.type").unwrap().value, Value::String("dns".into()));
        assert_eq!(root.get("packetbeat.protocols.1.type").unwrap().value, Value::String("http".into()));
        let error = overridden(text, &["packetbeat.protocols.7.type=http"]).unwrap_err().to_string();
        assert!(error.contains("-E: packetbeat.protocols.7.type: the list has no item 7"), "{error}");
    }

    #[test]
    fn what_does_not_follow_the_notation_is_refused() {
        for (argument, expected) in [
            ("=x", "-E: found \"=x\", expected key=value"),
            ("a=[1", "-E: a: found \"[1\": "),
            ("a=[1 2", "a ',' or ']' is missing"),
            ("a={x", "a ':' is missing"),
            ("a={x: 1", "a ',' or '}' is missing"),
            ("a={", "a '}' is missing"),
            ("a=\"x", "a \" is missing"),
            ("a='x", "a ' is missing"),
            ("a=\"\\q\"", "unknown escape"),
            ("a=\"\\ud800\"", "no Unicode character"),
            ("a=,x", "unexpected ','"),
            ("a=\"x\"y", "a ',' is missing"),
        ] {
            let error = overridden("", &[argument]).unwrap_err().to_string();
            assert!(error.contains(expected), "{argument}: {error}");
        }
        let deep = format!("a={}", "[".repeat(100_000));
        assert!(overridden("", &[&deep]).unwrap_err().to_string().contains("nested deeper"));
        let keys: String = (0..5_000).map(|n| format!("k{n}: 1,")).collect();
        assert!(overridden("", &[&format!("a={{{keys}}}")]).unwrap_err().to_string().contains("more than 4096 keys"));
        let long = vec!["a"; 100].join(".") + "=1";
        assert!(overridden("", &[&long]).unwrap_err().to_string().contains("nested deeper"));
    }

    #[test]
    fn mutated_arguments_never_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        let seeds = ["a.b={x: [1, \"\\u00e9\"], 'y': null}", "h=[\"a:1\",'b']", "e=${A:${B:c}},x"];
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(0..bytes.len());
                bytes[at] = *random.choice(b"[]{}\"'\\,:=$.aux0 \xc3\xa9").unwrap();
            }
            bytes.truncate(random.usize(1..=bytes.len()));
            let argument = String::from_utf8_lossy(&bytes).into_owned();
            match overridden("", &[&argument]) {
                Ok(root) => assert!(root.depth() <= MAXIMUM_DEPTH),
                Err(error) => assert!(error.to_string().starts_with("-E: "), "{error}"),
            }
        }
    }
}

mod references {
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
        assert_eq!(
            refusal("a: ${X:?set X to the host}\n"),
            "packetbeat.yml:1: a: ${X} has no value: set X to the host"
        );
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
}

mod typed_reading {
    use super::*;

    const TEXT: &str = "
flag: on
quoted: 'true'
number: 12
quoted_number: '0x10'
half: 1.5
whole: 1e3
name: 2.10
one: a
many: [a, 1, true]
ports: [80, '443']
port: 53
timeout: 30
short: 1m30.5s
negative: -1s
size: 10GB
binary: 1.5 MiB
mode: Hash
nothing:
section: {a: 1, b.c: x}
list:
- {a: 1}
- {a: 2}
headers: {X-Dotted.Name: a, Other: 3}
";

    #[test]
    fn conversions() {
        let config = configuration(TEXT);
        let root = config.root();
        assert_eq!(root.boolean("flag").unwrap(), Some(true));
        assert_eq!(root.boolean("quoted").unwrap(), Some(true));
        assert_eq!(root.integer("number").unwrap(), Some(12));
        assert_eq!(root.unsigned("quoted_number", 0..=16).unwrap(), Some(16));
        assert_eq!(root.integer("whole").unwrap(), Some(1000));
        assert_eq!(root.float("half").unwrap(), Some(1.5));
        assert_eq!(root.float("number").unwrap(), Some(12.0));
        assert_eq!(root.string("name").unwrap().unwrap(), "2.1");
        assert_eq!(root.strings("one").unwrap().unwrap(), ["a"]);
        assert_eq!(root.strings("many").unwrap().unwrap(), ["a", "1", "true"]);
        assert_eq!(root.ports("ports").unwrap().unwrap(), [80, 443]);
        assert_eq!(root.ports("port").unwrap().unwrap(), [53]);
        assert_eq!(root.duration("timeout").unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(root.duration("short").unwrap(), Some(Duration::from_millis(90_500)));
        assert_eq!(root.duration_ns("negative").unwrap(), Some(-1_000_000_000));
        assert_eq!(root.duration_with_unit_ns("negative").unwrap(), Some(-1_000_000_000));
        assert_eq!(root.bytes("size").unwrap(), Some(10_000_000_000));
        assert_eq!(root.bytes("binary").unwrap(), Some(1_572_864));
        assert_eq!(root.bytes("number").unwrap(), Some(12));
        assert_eq!(root.choice("mode", &[("hash", 1), ("random", 2)]).unwrap(), Some(1));
        assert_eq!(root.boolean("nothing").unwrap(), None);
        assert_eq!(root.boolean("absent.deeper").unwrap(), None);
        assert!(root.section("nothing").unwrap().is_none());
        let items = root.list("list").unwrap();
        assert_eq!(items[1].path(), "list.1");
        assert_eq!(items[1].integer("a").unwrap(), Some(2));
        assert_eq!(root.list("one").unwrap()[0].text().unwrap(), "a");
        let headers = root.string_map("headers").unwrap().unwrap();
        assert_eq!(headers, [("X-Dotted.Name".into(), "a".into()), ("Other".into(), "3".into())]);
        assert_eq!(root.string("section.b.c").unwrap().unwrap(), "x");
        let keys: Vec<&str> = root.section("section").unwrap().unwrap().entries().iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn each_refusal_says_what_was_found_and_what_is_accepted() {
        let text = "a:\n  b: maybe\n  n: {x: 1}\n  p: [70000]\n  q: [-1, 3]\n  i: 1.5\n  u: 5\n  d: abc\n  m: -1\n";
        let config = configuration(text);
        let a = config.section("a").unwrap().unwrap();
        for (error, expected) in [
            (a.boolean("b").unwrap_err(), "packetbeat.yml:2: a.b: found \"maybe\", expected true or false"),
            (a.string("n").unwrap_err(), "packetbeat.yml:3: a.n: found a map, expected text"),
            (a.strings("n").unwrap_err(), "packetbeat.yml:3: a.n: found a map, expected text or a list of texts"),
            (
                a.ports("p").unwrap_err(),
                "packetbeat.yml:4: a.p: found 70000, expected ports, each an integer from 0 to 65535",
            ),
            (
                a.ports("q").unwrap_err(),
                "packetbeat.yml:5: a.q: found -1, expected ports, each an integer from 0 to 65535",
            ),
            (a.integer("i").unwrap_err(), "packetbeat.yml:6: a.i: found 1.5, expected an integer"),
            (a.unsigned("u", 1..=4).unwrap_err(), "packetbeat.yml:7: a.u: found 5, expected an integer from 1 to 4"),
            (
                a.unsigned("m", 0..=u64::MAX).unwrap_err(),
                "packetbeat.yml:9: a.m: found -1, expected an integer of 0 or more",
            ),
            (a.float("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a number"),
            (
                a.duration_ns("d").unwrap_err(),
                "packetbeat.yml:8: a.d: found \"abc\", expected a duration such as 30s or 1m30s",
            ),
            (
                a.duration("m").unwrap_err(),
                "packetbeat.yml:9: a.m: found -1, expected a duration of 0 or more such as 30s or 1m30s",
            ),
            (
                a.duration_with_unit_ns("m").unwrap_err(),
                "packetbeat.yml:9: a.m: found -1, expected a duration with its unit such as 30s or 1m30s",
            ),
            (
                a.bytes("d").unwrap_err(),
                "packetbeat.yml:8: a.d: found \"abc\", expected a size such as 4096, 10MB or 1GiB",
            ),
            (
                a.choice("d", &[("x", ()), ("y", ())]).unwrap_err(),
                "packetbeat.yml:8: a.d: found \"abc\", expected one of x, y",
            ),
            (a.section("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a map"),
            (a.string_map("d").unwrap_err(), "packetbeat.yml:8: a.d: found \"abc\", expected a map"),
            (a.list("n").unwrap()[0].text().unwrap_err(), "packetbeat.yml:3: a.n: found a map, expected text"),
            (a.refuse_key("u", "too many"), "packetbeat.yml:7: a.u: too many"),
            (a.refuse_key("absent", "is required"), "packetbeat.yml:1: a.absent: is required"),
            (a.refuse("no"), "packetbeat.yml:1: a: no"),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn durations_and_sizes() {
        for (text, expected) in [
            ("1h", Some(3_600_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5ms", Some(1_500_000)),
            (".5s", Some(500_000_000)),
            ("1µs", Some(1_000)),
            ("-2ns", Some(-2)),
            ("+3us", Some(3_000)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("-", None),
            ("s", None),
            ("1d", None),
            ("1 s", None),
            ("1.2.3s", None),
            ("99999999999h", None),
            ("99999999999999999999999s", None),
        ] {
            assert_eq!(scalar::duration_ns(text), expected, "{text}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("512b", Some(512)),
            ("10 MB", Some(10_000_000)),
            ("1KiB", Some(1024)),
            ("2tib", Some(2 << 40)),
            ("x", None),
            ("1XB", None),
            ("-1MB", None),
            ("99999999999999PB", None),
        ] {
            assert_eq!(scalar::size_bytes(text), expected, "{text}");
        }
    }
}

mod unread_settings {
    use super::*;

    #[test]
    fn unknown_keys_get_one_warning_with_the_nearest_name() {
        let config = configuration(
            "packetbeat.flows:\n  timout: 30s\n  period: 10s\npacketbeat.flow: {a: 1, b: 2}\npacketbeat.protocols:\n- type: dns\n  prots: [53]\n  include_authorties: true\nzzz: 1\n",
        );
        let flows = config.section("packetbeat.flows").unwrap().unwrap();
        flows.duration("period").unwrap();
        for protocol in config.section("packetbeat").unwrap().unwrap().list("protocols").unwrap() {
            protocol.string("type").unwrap();
        }
        assert_eq!(
            config.unused(),
            [
                "packetbeat.yml:2: packetbeat.flows.timout is not a known setting and has no effect; did you mean packetbeat.flows.timeout?",
                "packetbeat.yml:4: packetbeat.flow is not a known setting and has no effect; did you mean packetbeat.flows?",
                "packetbeat.yml:7: packetbeat.protocols.0.prots is not a known setting and has no effect; did you mean packetbeat.protocols.dns.ports?",
                "packetbeat.yml:8: packetbeat.protocols.0.include_authorties is not a known setting and has no effect; did you mean packetbeat.protocols.dns.include_authorities?",
                "packetbeat.yml:9: zzz is not a known setting and has no effect",
            ]
        );
    }

    #[test]
    fn a_key_that_readers_ask_for_is_known() {
        let config = configuration("wirebeat.wrkers: 2\n");
        config.root().integer("wirebeat.workers").unwrap();
        assert_eq!(
            config.unused(),
            [
                "packetbeat.yml:1: wirebeat.wrkers is not a known setting and has no effect; did you mean wirebeat.workers?"
            ]
        );
    }

    #[test]
    fn known_keys_that_nobody_reads_say_so_by_name() {
        let config =
            configuration("setup.kibana: {host: a, ssl.enabled: true}\nprocessors:\n- add_locale: {format: offset}\n");
        for item in config.root().list("processors").unwrap() {
            item.entries();
        }
        assert_eq!(
            config.unused(),
            [
                "packetbeat.yml:1: setup is a setting of Packetbeat that Wirebeat 0.1.0 does not use here; it has no effect",
                "packetbeat.yml:3: processors.0.add_locale.format is a setting of Packetbeat that Wirebeat 0.1.0 does not use here; it has no effect",
            ]
        );
    }

    #[test]
    fn sections_that_are_off_ignored_or_read_raw_are_silent() {
        let config = configuration("a: {enabled: false, b: 1}\nc: {d: 1}\ne: {f: 1}\ng: [1]\n");
        let root = config.root();
        assert!(!root.section("a").unwrap().unwrap().enabled().unwrap());
        root.section("c").unwrap().unwrap().ignore_rest();
        root.section("e").unwrap().unwrap().node().unwrap();
        root.ports("g").unwrap();
        assert_eq!(config.unused(), Vec::<String>::new());
    }

    #[test]
    fn warnings_are_bounded() {
        let text: String = (0..4_000).map(|n| format!("unknown_key_number_{n}: 1\n")).collect();
        let warnings = configuration(&text).unused();
        assert_eq!(warnings.len(), 101);
        assert_eq!(warnings[100], "3900 more settings have no effect");
    }

    #[test]
    fn the_known_names_are_written_well() {
        for name in known::names() {
            assert!(name.split('.').all(|part| !part.is_empty()), "{name}");
            assert!(!name.contains("**") || name.ends_with(".**"), "{name}");
        }
    }
}

mod files {
    use super::*;

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn sources(directory: &Path) -> Sources {
        let path_flags = PathFlags { home: Some(directory.to_string_lossy().into_owned()), ..PathFlags::default() };
        Sources { path_flags, ..Sources::default() }
    }

    #[test]
    fn later_files_and_overrides_win() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "a.yml", "x: {a: 1, b: 1, c: 1}\nlist: [1, 2, 3]\n");
        write(directory.path(), "b.yml", "x.b: 2\nx.c: 2\nlist: [9]\n");
        let mut sources = sources(directory.path());
        sources.files = vec!["a.yml".into(), directory.path().join("b.yml")];
        sources.overrides = vec!["x.c=3".into()];
        let config = load(&sources, &|_| None).unwrap();
        let x = config.section("x").unwrap().unwrap();
        assert_eq!((x.integer("a"), x.integer("b"), x.integer("c")), (Ok(Some(1)), Ok(Some(2)), Ok(Some(3))));
        assert_eq!(config.root().ports("list").unwrap().unwrap(), [9]);
        assert_eq!(x.refuse_key("b", "no").to_string(), format!("{}/b.yml:1: x.b: no", directory.path().display()));
        assert_eq!(x.refuse_key("c", "no").to_string(), "-E: x.c: no");
    }

    #[test]
    fn the_own_file_comes_before_packetbeats() {
        let directory = tempfile::tempdir().unwrap();
        let sources = sources(directory.path());
        let error = load(&sources, &|_| None).unwrap_err().to_string();
        assert!(error.contains("neither wirebeat.yml nor packetbeat.yml is in "), "{error}");
        write(directory.path(), "packetbeat.yml", "name: p\n");
        assert_eq!(load(&sources, &|_| None).unwrap().root().string("name").unwrap().unwrap(), "p");
        write(directory.path(), "wirebeat.yml", "name: w\n");
        assert_eq!(load(&sources, &|_| None).unwrap().root().string("name").unwrap().unwrap(), "w");
    }

    #[test]
    fn paths_follow_from_home() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "packetbeat.yml", "path.logs: /var/log/x\nfrom: ${path.data}/queue\n");
        let mut sources = sources(directory.path());
        sources.path_flags.data = Some("/var/lib/x".into());
        let config = load(&sources, &|_| None).unwrap();
        let expected = Paths {
            home: directory.path().into(),
            config: directory.path().into(),
            data: "/var/lib/x".into(),
            logs: "/var/log/x".into(),
        };
        assert_eq!(*config.paths(), expected);
        assert_eq!(config.root().string("from").unwrap().unwrap(), "/var/lib/x/queue");
        sources.path_flags = PathFlags::default();
        sources.overrides = vec![format!("path.config={}", directory.path().display())];
        assert_eq!(load(&sources, &|_| None).unwrap().paths().logs, PathBuf::from("/var/log/x"));
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), "packetbeat.yml", "a: 1\n");
        let mut sources = sources(directory.path());
        for mode in [0o620, 0o602, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = load(&sources, &|_| None).unwrap_err().to_string();
            assert!(error.starts_with("error loading config file: config file (\"packetbeat.yml\") can only be writable by the owner but the permissions are \"-rw-"), "{error}");
            assert!(error.contains("to fix the permissions use: 'chmod go-w "), "{error}");
        }
        sources.permissions = PermissionCheck::Off;
        assert!(load(&sources, &|_| None).is_ok());
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), "packetbeat.yml", "a: 1\n");
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
            println!("skipped: only root can give a file away");
            return;
        }
        let error = load(&sources(directory.path()), &|_| None).unwrap_err().to_string();
        assert!(error.contains("must be owned by the user identifier (uid=0) or root"), "{error}");
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut sources = sources(directory.path());
        sources.files = vec!["absent.yml".into()];
        let error = load(&sources, &|_| None).unwrap_err().to_string();
        assert!(
            error.starts_with("error loading config file: ")
                && error.ends_with("absent.yml: no such file or directory"),
            "{error}"
        );
        sources.files = vec![".".into()];
        assert!(load(&sources, &|_| None).unwrap_err().to_string().contains("is a directory, expected a file"));
    }
}

mod exported {
    use super::*;

    #[test]
    fn what_is_printed_reads_back_as_the_same_settings() {
        let text = "b: [1, {c: x, d: [y, z]}, [1, 2], {}]\na:\n  yes_text: 'yes'\n  number_text: '12'\n  odd: \"a: b # c\\n\\\"q\\\" \\\\ \\u00e9\"\n  empty: ''\n  dash: '- x'\n  nothing:\n  star: '*x'\n  float: 1.5\n  reference: ${HOME}/x\n  bracket: '[a'\n  colon: 'a:'\n  'key: odd': 1\n  'no': 2\n";
        let written = yaml::parse("a.yml", text.as_bytes()).unwrap().root;
        let printed = export::yaml(&written);
        let read_back = yaml::parse("b.yml", printed.as_bytes()).unwrap().root;
        assert_eq!(plain(&read_back), plain(&written), "{printed}");
        assert!(printed.starts_with("a:\n"), "{printed}");
        assert!(printed.contains("reference: ${HOME}/x\n"), "{printed}");
        assert_eq!(export::yaml(&read_back), printed);
    }

    #[test]
    fn secrets_are_hidden_and_references_to_them_are_not() {
        let config = configuration(
            "output.elasticsearch:\n  password: hunter2\n  api_key: 'a:b'\n  username: u\n  ssl.key_passphrase: 123\n  headers: {Authorization: Bearer x}\n  proxy_headers.pass: [a, b]\ncloud.auth: me:secret\nsetup.kibana.password: ${KIBANA}\nmonitoring.elasticsearch.password: ${X:default_secret}\n",
        );
        let printed = config.export();
        for secret in ["hunter2", "a:b", "123", "Bearer", "me:secret", "default_secret"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
        assert!(printed.contains("password: xxxxx\n"), "{printed}");
        assert!(printed.contains("username: u\n"), "{printed}");
        assert!(printed.contains("password: ${KIBANA}\n"), "{printed}");
        assert!(printed.contains("- xxxxx\n"), "{printed}");
    }

    /// Without origins, keys sorted.
    fn plain(node: &Node) -> String {
        match &node.value {
            Value::Map(entries) => {
                let mut lines: Vec<String> =
                    entries.iter().map(|(key, child)| format!("{key:?}={}", plain(child))).collect();
                lines.sort();
                format!("{{{}}}", lines.join(","))
            }
            Value::List(items) => format!("{:?}", items.iter().map(plain).collect::<Vec<_>>()),
            scalar => format!("{scalar:?}"),
        }
    }
}

mod hostile_input {
    use super::*;

    const SEED: &str = "packetbeat.interfaces:\n  device: any\n  internal_networks: [private, \"10.0.0.0/8\"]\npacketbeat.protocols:\n- type: dns\n  ports: [53, 0x35]\n  fields: &f {a.b: 1, c: 'x'}\n- type: http\n  <<: *f\n  text: |\n    lines ${HOME:none}\n    more\n  folded: >-\n    a\n    b\noutput.file: {path: \"${path.data}\", permissions: 0600} # comment\n? key\n: !!str value\n";

    #[test]
    fn every_truncation_is_a_tree_or_an_error() {
        for length in 0..SEED.len() {
            let text = SEED.get(..length).unwrap();
            if let Ok(config) = Configuration::from_text("packetbeat.yml", text) {
                assert!(config.root().is_map());
                config.export();
            }
        }
    }

    #[test]
    fn mutations_never_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        let alphabet = b"[]{}:,-?&*!|>'\"%@`#<=.$~ \n\t\r\\\0ab01\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xff";
        let mut accepted = 0;
        for _ in 0..20_000 {
            let mut bytes = SEED.as_bytes().to_vec();
            for _ in 0..random.usize(1..8) {
                let at = random.usize(0..bytes.len());
                match random.u8(0..4) {
                    0 => bytes[at] = *random.choice(alphabet).unwrap(),
                    1 => bytes.insert(at, *random.choice(alphabet).unwrap()),
                    2 => drop(bytes.remove(at)),
                    _ => {
                        let end = (at + random.usize(1..12)).min(bytes.len());
                        let copied = bytes[at..end].to_vec();
                        let to = random.usize(0..bytes.len());
                        bytes.splice(to..to, copied);
                    }
                }
            }
            if let Ok(document) = yaml::parse("packetbeat.yml", &bytes) {
                accepted += 1;
                let expanded = expand::expand(&document.root, &|_| None);
                assert!(expanded.depth() <= 2 * MAXIMUM_DEPTH);
                export::yaml(&document.root);
            }
        }
        assert!(accepted > 1_000, "{accepted}");
    }
}

/// The configurations of the conformance cases load, except the one that is no YAML.
#[test]
fn conformance_configurations_load() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/cases");
    let Ok(protocols) = std::fs::read_dir(&cases) else {
        println!("skipped: {} is absent", cases.display());
        return;
    };
    let mut loaded = 0;
    for protocol in protocols {
        for case in std::fs::read_dir(protocol.unwrap().path()).unwrap() {
            let directory = case.unwrap().path();
            let sources = Sources {
                files: vec!["packetbeat.yml".into()],
                permissions: PermissionCheck::Off,
                path_flags: PathFlags {
                    config: Some(directory.to_string_lossy().into_owned()),
                    ..PathFlags::default()
                },
                overrides: vec!["output.file.path=/tmp/x".into(), "output.file.rotate_every_kb=10000000".into()],
            };
            let outcome = load(&sources, &|_| None);
            if directory.ends_with("general/bad_yaml") {
                assert!(outcome.unwrap_err().to_string().starts_with("packetbeat.yml:3: not valid YAML"));
                continue;
            }
            let config = outcome.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
            let file = config.section("output.file").unwrap().unwrap();
            assert_eq!(file.unsigned("rotate_every_kb", 1..=u64::MAX).unwrap(), Some(10_000_000));
            loaded += 1;
        }
    }
    assert!(loaded > 200, "{loaded}");
}
