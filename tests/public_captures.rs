// SPDX-License-Identifier: Apache-2.0
//! Captures that others made (`../shared/captures`), read by the program: none ends it, hangs it or makes it large, and what
//! is known of them (`INDEX.tsv`) agrees with its events. Where it does not, `public_captures.tsv` says why, a row a fact: file,
//! fact, expected, ours, reason. A row that no longer holds is an error; rows of protocols that are not built wait for them.
//!
//! Facts: the name of a protocol (number of its events), `flows` (distinct ones, at least), `tcp` and `udp` (pairs of innermost
//! ends, at most), `tunnel` (its kind in the events), `contents` (share of the things that events must contain).

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;
use support::program::{Outcome, Program};
use wirebeat::protocols::DESCRIPTORS;

/// Kilobytes of address space that a run may take.
const ADDRESS_SPACE: &str = "4000000";

#[test]
fn what_is_known_of_public_captures_is_found() {
    let folder = support::project().join("../shared/captures");
    let Ok(index) = std::fs::read_to_string(folder.join("INDEX.tsv")) else {
        println!("skipped: {} is not here", folder.display());
        return;
    };
    let explained = explained();
    let mut found = BTreeMap::new();
    let captures = table(&index);
    assert!(captures.len() > 100, "the index has {} rows", captures.len());
    for capture in &captures {
        let file = capture["file"];
        let outcome = run(&folder.join(file), capture);
        assert_survived(&outcome, file);
        match (outcome.code, capture["exit"]) {
            (Some(0), _) => {}
            // A link type that is refused has nothing to compare.
            (Some(_), "any") => continue,
            (code, _) => panic!("{file}: ended with {code:?}: {}", outcome.stderr),
        }
        for (fact, expected, ours) in disagreements(capture, &outcome.events) {
            found.insert((file.to_string(), fact), (expected, ours));
        }
    }
    let mut problems = String::new();
    for ((file, fact), (expected, ours)) in &found {
        if explained.get(&(file.clone(), fact.clone())) != Some(&(expected.clone(), ours.clone())) {
            let _ = writeln!(problems, "not explained:\t{file}\t{fact}\t{expected}\t{ours}");
        }
    }
    for (file, fact) in explained.keys() {
        let waits = captures.iter().all(|capture| capture["file"] != file) || is_unbuilt(fact);
        if !waits && !found.contains_key(&(file.clone(), fact.clone())) {
            let _ = writeln!(problems, "no longer so:\t{file}\t{fact}");
        }
    }
    assert!(problems.is_empty(), "what tests/public_captures.tsv says and what is found differ:\n{problems}");
    println!("{} captures, {} explained differences", captures.len(), found.len());
}

/// Runs the program with the settings that the capture needs.
fn run(path: &Path, capture: &BTreeMap<&str, &str>) -> Outcome {
    let mut settings =
        String::from("packetbeat.flows: {timeout: 30s, period: -1s}\npacketbeat.protocols:\n- type: icmp\n");
    for (protocol, ports) in pairs(capture["ports"]) {
        if is_unbuilt(protocol) {
            continue;
        }
        let _ = write!(settings, "- type: {protocol}\n  ports: [{ports}]\n");
        for (name, value) in pairs(capture["options"]) {
            if let Some(option) = name.strip_prefix(protocol).and_then(|rest| rest.strip_prefix('.')) {
                let _ = writeln!(settings, "  {option}: {value}");
            }
        }
    }
    let limit = format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\"");
    Program::new(&settings)
        .through(&["sh", "-c", &limit, "sh"])
        .arguments(&["-e", "-t", "-I"])
        .argument(path)
        .run_into_file()
}

fn assert_survived(outcome: &Outcome, file: &str) {
    let log = &outcome.stderr;
    assert!(!outcome.hung, "{file}: it did not end: {log}");
    assert!(outcome.code.is_some(), "{file}: it was ended by a signal: {log}");
    assert!(!log.contains("panicked") && !log.contains("memory allocation"), "{file}: {log}");
    assert!(!log.contains("a balance does not hold"), "{file}: {log}");
}

/// Fact, what the index says, what the events say, where these differ.
fn disagreements(capture: &BTreeMap<&str, &str>, events: &[Json]) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut differs = |fact: &str, expected: String, ours: String| found.push((fact.to_string(), expected, ours));
    for (protocol, range) in pairs(capture["expect"]) {
        let numbers: Vec<i64> = range.split('/').map(|number| number.parse().expect("a number")).collect();
        let &[low, _, high, tolerance] = numbers.as_slice() else { panic!("{range} is no range") };
        let count = events.iter().filter(|event| event["type"] == protocol).count() as i64;
        if !is_unbuilt(protocol) && !(low - tolerance..=high + tolerance).contains(&count) {
            differs(protocol, range.to_string(), count.to_string());
        }
    }
    let flows: Vec<&Json> = events.iter().filter(|event| event["type"] == "flow").collect();
    let least: usize = number(capture["flows_min"]);
    let distinct: BTreeSet<&str> = flows.iter().filter_map(|flow| flow["flow"]["id"].as_str()).collect();
    if distinct.len() < least {
        differs("flows", least.to_string(), distinct.len().to_string());
    }
    for (fact, column) in [("tcp", "tcp_streams"), ("udp", "udp_pairs")] {
        let pairs: BTreeSet<_> =
            flows.iter().filter(|flow| flow["network"]["transport"] == fact).map(|flow| ends(flow)).collect();
        let expected: usize = number(capture[column]);
        // Without pairs inside, the index counts those of the tunnel itself.
        let tunnelled = events.iter().any(|event| !event["tunnel"]["type"].is_null());
        if pairs.len() > expected || pairs.is_empty() && expected > 0 && !(fact == "udp" && tunnelled) {
            differs(fact, expected.to_string(), pairs.len().to_string());
        }
    }
    for kind in tunnels(capture) {
        let tunnels = events.iter().map(|event| &event["tunnel"]["type"]);
        if !tunnels.flat_map(texts).any(|found| found == kind) {
            differs("tunnel", kind.to_string(), "none".to_string());
        }
    }
    let contents: Vec<Vec<String>> = match capture["facts"] {
        "" => Vec::new(),
        facts => serde_json::from_str(facts).expect("the facts are JSON"),
    };
    let contents: Vec<_> = contents.into_iter().filter(|fact| !is_unbuilt(&fact[0])).collect();
    let mut left: Vec<&Json> = events.iter().collect();
    let met = contents.iter().filter(|fact| {
        let place = left.iter().position(|event| contains(event, fact));
        place.map(|place| left.swap_remove(place)).is_some()
    });
    let (met, least) = (met.count(), capture["facts_min"].parse::<f64>().expect("a share"));
    if (met as f64) < contents.len() as f64 * least {
        differs("contents", contents.len().to_string(), met.to_string());
    }
    found
}

/// Kinds of tunnels that a capture is said to have.
fn tunnels<'c>(capture: &BTreeMap<&str, &'c str>) -> Vec<&'c str> {
    const KINDS: [&str; 9] = ["ipip", "gre", "erspan", "vxlan", "geneve", "gtp", "mpls", "pppoe", "l2tp"];
    let named = capture["category"].rsplit('/').next().into_iter().chain(capture["tags"].split(','));
    let mut kinds: Vec<&str> = named.filter(|name| KINDS.contains(name)).collect();
    if kinds.contains(&"erspan") {
        // One kind for both headers.
        kinds.retain(|kind| *kind != "gre");
    }
    kinds
}

/// Innermost addresses and ports of a flow, in no order.
fn ends(flow: &Json) -> [String; 2] {
    let end = |name: &str| format!("{} {}", texts(&flow[name]["ip"]).last().unwrap_or_default(), flow[name]["port"]);
    let mut ends = [end("source"), end("destination")];
    ends.sort();
    ends
}

/// A text, or the texts of a list.
fn texts(value: &Json) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(value));
    list.iter().filter_map(Json::as_str)
}

/// Whether an event has what a fact names.
fn contains(event: &Json, fact: &[String]) -> bool {
    let text = |path: &str| event.pointer(path).and_then(Json::as_str).unwrap_or_default();
    if event["type"] != fact[0] {
        return false;
    }
    match fact.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["http", method, path, status] => {
            let query = text("/query");
            let code = event.pointer("/http/response/status_code").map(Json::to_string);
            query.split_once(' ') == Some((method, path)) && code.as_deref() == Some(status)
        }
        ["dns", name, kind, code] => {
            let kinds = [
                ("1", "A"),
                ("2", "NS"),
                ("6", "SOA"),
                ("12", "PTR"),
                ("15", "MX"),
                ("16", "TXT"),
                ("28", "AAAA"),
                ("33", "SRV"),
            ];
            let codes = [("0", "NOERROR"), ("3", "NXDOMAIN")];
            let named = |names: &[(&str, &'static str)], number: &str| {
                names.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
            };
            text("/dns/question/name").trim_end_matches('.').eq_ignore_ascii_case(name)
                && named(&kinds, kind) == Some(text("/dns/question/type"))
                && named(&codes, code) == Some(text("/dns/response_code"))
        }
        ["tls", name] => text("/tls/client/server_name") == *name,
        // The index cuts statements.
        ["mysql" | "pgsql", statement] if statement.len() >= STATEMENT_BYTES => text("/query").starts_with(statement),
        ["mysql" | "pgsql", statement] => text("/query").trim() == statement.trim(),
        _ => panic!("a fact that is not known: {fact:?}"),
    }
}

/// Statements in the index end here.
const STATEMENT_BYTES: usize = 60;

/// `name=value` pairs between semicolons.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(';').filter_map(|pair| pair.split_once('='))
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// A protocol of Packetbeat's that is not there yet.
fn is_unbuilt(fact: &str) -> bool {
    const PROTOCOLS: [&str; 6] = ["amqp", "cassandra", "dhcpv4", "memcache", "sip", "thrift"];
    PROTOCOLS.contains(&fact) && DESCRIPTORS.iter().all(|descriptor| descriptor.name != fact)
}

/// Rows of a table whose first line names the columns.
fn table(text: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    lines.map(|line| names.iter().copied().zip(line.split('\t').chain(std::iter::repeat(""))).collect()).collect()
}

/// Expected and ours of each explained difference, by file and fact.
fn explained() -> BTreeMap<(String, String), (String, String)> {
    let text =
        std::fs::read_to_string(support::project().join("tests/public_captures.tsv")).expect("the table is there");
    let rows = table(&text).into_iter().map(|row| {
        assert!(row["reason"].len() > 20, "{}: a reason is a sentence", row["file"]);
        let own = |name: &str| row[name].to_string();
        ((own("file"), own("fact")), (own("expected"), own("ours")))
    });
    rows.collect()
}
