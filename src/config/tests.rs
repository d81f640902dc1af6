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
    Ok(expanded(&root))
}

/// With no keystore and no environment.
fn expanded(root: &Node) -> Node {
    expand::expand(root, &expand::Lookup { keystore: &Keystore::default(), environment: &|_| None })
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

mod references;

mod secrets;

mod typed_reading;

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

mod files;

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
            "output.elasticsearch:\n  password: hunter2\n  api_key: 'a:b'\n  username: u\n  ssl.key_passphrase: 123\n  headers: {Authorization: Bearer x}\n  proxy_headers.pass: [a, b]\ncloud.auth: me:secret\nsetup.kibana.password: ${KIBANA}\nmonitoring.elasticsearch.password: ${X:default_secret}\noutput.redis.hosts: ['redis://:inurl@a:1/', 'redis://u:${R}@b', 'redis://u@c', 'd:1']\n",
        );
        let printed = config.export();
        for secret in ["hunter2", "a:b", "123", "Bearer", "me:secret", "default_secret", "inurl"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
        assert!(printed.contains("password: xxxxx\n"), "{printed}");
        assert!(printed.contains("username: u\n"), "{printed}");
        assert!(printed.contains("password: ${KIBANA}\n"), "{printed}");
        assert!(printed.contains("- xxxxx\n"), "{printed}");
        for host in ["redis://:xxxxx@a:1/", "redis://u:${R}@b", "redis://u@c", "d:1"] {
            assert!(printed.contains(host), "{host}: {printed}");
        }
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
                let expanded = expanded(&document.root);
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

#[test]
fn packetbeats_own_values_are_asked_for_in_the_section_or_for_all() {
    let asked = |text: &str| {
        let file = configuration(text);
        let section = file.section("packetbeat.protocols.tls").unwrap().expect("it is there");
        section.compat("tls", "ja3s").map_err(|error| error.to_string())
    };
    assert_eq!(asked("packetbeat.protocols.tls.ports: [443]"), Ok(false));
    assert_eq!(asked("packetbeat.protocols.tls.compat_ja3s: true"), Ok(true));
    assert_eq!(asked("packetbeat.protocols.tls.ports: [443]\nwirebeat.compat.tls_ja3s: true"), Ok(true));
    assert_eq!(asked("packetbeat.protocols.tls.compat_ja3s: false\nwirebeat.compat.tls_ja3s: true"), Ok(false));
    let error = asked("packetbeat.protocols.tls.ports: [443]\nwirebeat.compat.tls_ja3s: maybe").unwrap_err();
    assert!(error.contains("wirebeat.compat.tls_ja3s") && error.contains("maybe"), "{error}");
}
