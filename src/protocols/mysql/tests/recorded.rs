// SPDX-License-Identifier: Apache-2.0
//! Recorded conversations: against the client's log, cut, mutated, in pieces of every size.

use super::*;

/// Conversations of every theme: connection, direction, bytes.
fn recorded(theme: &str) -> Vec<capture::Captured> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/mysql").join(format!("{theme}.pcap"));
    capture::segments(&file, 3306)
}

const THEMES: &[&str] = &["commands", "deprecate-eof", "large", "mariadb-cli", "node-mysql2", "prepared", "statements"];

/// All events of a capture; payloads are fed in pieces of `size` bytes.
fn replay(segments: &[capture::Captured], size: usize) -> Vec<Json> {
    let mut benches: Vec<Bench> = Vec::new();
    for segment in segments {
        while benches.len() <= segment.connection {
            benches.push(bench());
        }
        let bench = &mut benches[segment.connection];
        for part in segment.payload.chunks(size) {
            bench.now_ns = segment.time_ns - 1_000_000;
            bench.send(segment.direction, part);
        }
        if segment.fin() {
            bench.fin(segment.direction);
        }
        if segment.reset() {
            bench.reset(segment.direction);
        }
    }
    benches.iter_mut().for_each(Bench::finish);
    benches.iter().flat_map(|bench| bench.events().iter().cloned()).collect()
}

/// All events of a capture whose segments come as they were captured, in order of their requests.
fn deliver(captured: &[capture::Captured]) -> Vec<Json> {
    let mut benches: Vec<Bench> = Vec::new();
    for segment in captured {
        while benches.len() <= segment.connection {
            benches.push(bench());
        }
        benches[segment.connection].deliver(&segment.segment());
    }
    benches.iter_mut().for_each(Bench::finish);
    let mut events: Vec<Json> = benches.iter().flat_map(|bench| bench.events().iter().cloned()).collect();
    events.sort_by_key(|event| event["event"]["start"].as_str().unwrap().to_string());
    events
}

/// Whether an event is what the client logged; None where the log does not say, as for what has no event.
fn agrees(event: &Json, operation: &Json) -> bool {
    let op = operation["op"].as_str().unwrap();
    let failed = operation["outcome"] == "error";
    if (event["status"] == "Error") != failed {
        return false;
    }
    let query = event["query"].as_str().unwrap();
    let known = match operation.get("sent").or_else(|| operation.get("statement")).and_then(Json::as_str) {
        // Long statements are cut in the log, and the log of one driver has its own place holders.
        Some(statement) => {
            let statement = statement.split('…').next().unwrap().trim().replace("%s", "?");
            query.starts_with(&statement)
        }
        None if op == "process_kill" => query.starts_with("KILL "),
        None => event["method"].as_str().unwrap().eq_ignore_ascii_case(op),
    };
    let mysql = &event["mysql"];
    let number = |logged: &str, field: &str| {
        operation.get(logged).and_then(Json::as_u64).is_none_or(|number| mysql[field].as_u64() == Some(number))
    };
    let code = operation["error"].as_u64().or_else(|| operation["error"].as_str().and_then(|code| code.parse().ok()));
    // 2013 is the client's own number for a connection that is gone.
    let code = code.filter(|code| *code != 2013);
    known
        && number("rows", "num_rows")
        // A driver's cursor that has run another statement before shows the columns of that one with an UPDATE.
        && (number("fields", "num_fields") || op.ends_with("UPDATE") || op.ends_with("DELETE"))
        && number("affected", "affected_rows")
        && number("result_sets", "result_sets")
        && code.is_none_or(|code| mysql["error_code"].as_u64() == Some(code))
}

#[test]
fn recorded_themes_agree_with_the_clients_log() {
    for theme in THEMES {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/mysql/{theme}.truth.json"));
        let truth: Json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let events = deliver(&recorded(theme));
        let mut used = vec![false; events.len()];
        let mut last = 0;
        for operation in truth["operations"].as_array().unwrap() {
            let op = operation["op"].as_str().unwrap();
            // Logins that succeed and the end of a connection are no events.
            if op == "quit" || (op == "connect" && operation["outcome"] == "ok") {
                continue;
            }
            // Statements of a pool are logged in the order of their answers, which is not that of the requests.
            let from = if op.starts_with("pool") { 0 } else { last };
            let place = (from..events.len()).find(|place| !used[*place] && agrees(&events[*place], operation));
            let place = place.unwrap_or_else(|| panic!("{theme}: {operation}: {events:#?}"));
            used[place] = true;
            last = place;
        }
        let own = events.iter().zip(&used).filter(|(_, used)| !**used).map(|(event, _)| event);
        for event in own {
            // What the drivers send by themselves.
            let query = event["query"].as_str().unwrap();
            let method_is_set = event["method"] == "SET";
            let own = query == "Request Prepare Statement" || query == "PING" || method_is_set;
            assert!(own && event["status"] == "OK", "{theme}: {event:#}");
        }
    }
}

#[test]
fn segmentation_changes_nothing() {
    for theme in THEMES {
        let segments = recorded(theme);
        let whole = replay(&segments, usize::MAX);
        assert!(!whole.is_empty());
        for size in if *theme == "large" { vec![1000] } else { vec![1, 2, 7] } {
            assert_eq!(replay(&segments, size), whole, "{theme} in pieces of {size}");
        }
    }
}

#[test]
fn every_prefix_of_a_conversation_is_harmless() {
    for theme in ["commands", "deprecate-eof", "prepared"] {
        let segments = recorded(theme);
        for connection in 0..=segments.iter().map(|segment| segment.connection).max().unwrap() {
            let own: Vec<_> = segments.iter().filter(|segment| segment.connection == connection).collect();
            let total: usize = own.iter().map(|segment| segment.payload.len()).sum();
            let mut events = 0;
            for length in (0..=total).step_by(if total > 4000 { 13 } else { 1 }) {
                let mut bench = bench();
                let mut left = length;
                for segment in &own {
                    let part = &segment.payload[..segment.payload.len().min(left)];
                    left -= part.len();
                    bench.send(segment.direction, part);
                }
                bench.finish();
                assert!(bench.events().len() >= events, "{theme} {length}");
                // A command that is cut off waits for an answer; the longest prefix has no more events than commands.
                events = bench.events().len().saturating_sub(1);
                assert_eq!(bench.parser.deadline_ns(), None);
            }
        }
    }
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x006d_7973_716c);
    let conversations: Vec<_> = ["prepared", "statements", "node-mysql2", "commands"].map(recorded).into();
    for _ in 0..1000 {
        let segments = &conversations[random.usize(..conversations.len())];
        let connection = random.usize(..3).min(segments.last().unwrap().connection);
        let mut bench = bench();
        for segment in segments.iter().filter(|segment| segment.connection == connection).take(60) {
            let mut payload = segment.payload.clone();
            if !payload.is_empty() && random.u8(..8) == 0 {
                let at = random.usize(..payload.len());
                match random.u8(..4) {
                    0 => payload[at] = random.u8(..),
                    1 => payload.truncate(at),
                    2 => payload.insert(at, random.u8(..)),
                    _ => bench.lose(segment.direction, 1 + random.u32(..2000)),
                }
            }
            bench.send(segment.direction, &payload);
            if random.u8(..100) == 0 {
                bench.fin(segment.direction);
            }
        }
        bench.wait(20_000_000_000);
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}
