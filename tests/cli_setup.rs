// SPDX-License-Identifier: Apache-2.0
//! `setup` against a small server, the exports that go with it, and `keystore` with a configuration that uses it.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

#[test]
fn setup_loads_the_template_also_over_another_one() {
    let (address, requests) = server();
    let home = home(&format!(
        "output.elasticsearch.hosts: ['127.0.0.1:1', '{address}']\nsetup.template.settings.index.number_of_shards: 7\n"
    ));
    let output = run(home.path(), &["setup", "--index-management"], "");
    assert_eq!(
        text(&output.stdout),
        format!("Loaded index template packetbeat-9.6.0 into http://{address}\nIndex setup finished.\n")
    );
    assert_eq!(output.status.code(), Some(0));
    let requests = requests.lock().unwrap();
    let lines: Vec<&str> = requests.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["GET / HTTP/1.1", "PUT /_index_template/packetbeat-9.6.0 HTTP/1.1"]);
    let body: Json = serde_json::from_str(&requests[1].1).expect("the template is JSON");
    assert_eq!(body["template"]["settings"]["index"]["number_of_shards"], 7);
    // What is loaded is what is exported.
    let exported = run(home.path(), &["export", "template"], "");
    assert_eq!(serde_json::from_slice::<Json>(&exported.stdout).expect("JSON"), body);
}

#[test]
fn setup_says_why_it_cannot() {
    for (settings, arguments, expected) in [
        ("output.console: {}\n", &["setup"][..], "Index management requested but the Elasticsearch output is not"),
        (
            "output.elasticsearch.hosts: ['127.0.0.1:1']\n",
            &["setup"],
            "packetbeat-9.6.0 cannot be loaded: http://127.0.0.1:1: ",
        ),
        ("output.console: {}\n", &["setup", "--pipelines"], "the command `setup --pipelines` of Packetbeat"),
        (
            "output.console: {}\n",
            &["export", "template", "--es.version", "7.1.0"],
            "found \"7.1.0\", expected a version from 7.8.0",
        ),
        ("output.console: {}\n", &["export", "dashboard", "--id", "x"], "the command `export dashboard` of Packetbeat"),
    ] {
        let output = run(home(settings).path(), arguments, "");
        let last = text(&output.stderr).lines().last().unwrap_or_default().to_string();
        assert!(last.starts_with("Exiting: ") && last.contains(expected), "{arguments:?}: {last}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let off = home("output.elasticsearch.hosts: ['127.0.0.1:1']\nsetup.template.enabled: false\n");
    let output = run(off.path(), &["setup"], "");
    assert!(text(&output.stdout).ends_with("(setup.template.enabled)\nIndex setup finished.\n"), "{output:?}");
}

#[test]
fn exports() {
    let home = home("output.console: {}\nsetup.template.name: own\nsetup.template.pattern: own-*\n");
    let folder = home.path().join("exported");
    let directory = folder.to_str().expect("a path in UTF-8");
    let template = run(home.path(), &["export", "template", "--noilm", "--es.version", "9.0.0"], "");
    let template: Json = serde_json::from_slice(&template.stdout).expect("JSON");
    assert_eq!(template["index_patterns"][0], "own-*");
    assert_eq!(template["template"]["mappings"]["properties"]["source"]["properties"]["ip"]["type"], "ip");

    assert_eq!(text(&run(home.path(), &["export", "template", "--dir", directory], "").stdout), "");
    let written = std::fs::read(folder.join("template/own.json")).expect("the file is written");
    assert_eq!(serde_json::from_slice::<Json>(&written).expect("JSON"), template);

    let policy = run(home.path(), &["export", "ilm-policy"], "");
    let policy: Json = serde_json::from_slice(&policy.stdout).expect("JSON");
    let rollover = &policy["policy"]["phases"]["hot"]["actions"]["rollover"];
    assert_eq!((&rollover["max_age"], &rollover["max_primary_shard_size"]), (&"30d".into(), &"50gb".into()));
    run(home.path(), &["export", "ilm-policy", "--dir", directory], "");
    let written = std::fs::read(folder.join("policy/packetbeat.json")).expect("the file is written");
    assert_eq!(serde_json::from_slice::<Json>(&written).expect("JSON"), policy);

    let pattern = run(home.path(), &["export", "index-pattern"], "");
    let pattern: Json = serde_json::from_slice(&pattern.stdout).expect("JSON");
    assert_eq!((&pattern["type"], &pattern["attributes"]["title"]), (&"index-pattern".into(), &"packetbeat-*".into()));
}

#[test]
fn a_password_from_the_keystore_reaches_the_server() {
    let (address, requests) = server();
    let home =
        home(&format!("output.elasticsearch: {{hosts: ['{address}'], username: joe, password: '${{ES_PWD}}'}}\n"));
    let add = run(home.path(), &["keystore", "add", "ES_PWD", "--stdin", "--force"], "a,b c\n");
    assert_eq!(text(&add.stdout), "Created keystore\nSuccessfully updated the keystore\n", "{}", text(&add.stderr));
    assert_eq!(text(&run(home.path(), &["keystore", "list"], "").stdout), "ES_PWD\n");
    assert!(text(&run(home.path(), &["export", "config"], "").stdout).contains("password: ${ES_PWD}"));
    let output = run(home.path(), &["setup"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // joe:a,b c
    let header = "authorization: Basic am9lOmEsYiBj";
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|(_, body)| !body.contains("a,b c")));
    assert!(AUTHORIZATIONS.lock().unwrap().iter().any(|line| line.eq_ignore_ascii_case(header)));
}

/// Lines of all servers of this test program.
static AUTHORIZATIONS: Mutex<Vec<String>> = Mutex::new(Vec::new());

type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A server that says it is Elasticsearch and accepts everything; its requests' first lines and bodies.
fn server() -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let requests = Requests::default();
    let log = Arc::clone(&requests);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
            loop {
                let mut first = String::new();
                if reader.read_line(&mut first).unwrap_or(0) == 0 {
                    break;
                }
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a header");
                    let line = line.trim().to_string();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().expect("a length");
                    }
                    match line.as_str() {
                        "" => break,
                        line if line.to_ascii_lowercase().starts_with("authorization:") => {
                            AUTHORIZATIONS.lock().unwrap().push(line.to_string());
                        }
                        _ => {}
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                log.lock().unwrap().push((first.trim().to_string(), String::from_utf8_lossy(&body).into_owned()));
                let answer = r#"{"name":"n","version":{"number":"9.0.0"}}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                stream.write_all(format!("{head}{answer}").as_bytes()).expect("the client listens");
            }
        }
    });
    (address, requests)
}

fn home(settings: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(home.path().join("wirebeat.yml"), settings).expect("a writable folder");
    home
}

fn run(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wirebeat"))
        .args(arguments)
        .args(["--strict.perms=false", "--path.home"])
        .arg(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("a child can be waited for")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
