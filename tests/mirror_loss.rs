// SPDX-License-Identifier: Apache-2.0
//! A mirror that loses frames: the transactions whose bytes are all there are reported as if nothing were missing.

mod support;

use fastrand::Rng;
use serde_json::Value as Json;
use support::capture::{Capture, Frame};
use support::lane::Laboratory;
use support::{PROTOCOLS, everything, name_of, recorded};

/// What of a transaction depends on others of its connection: the text and the types of a prepared statement. Where more
/// depends on them (a subscription, the columns of a prepared statement), the event says so in `error.message`.
const ASIDE: &[&str] = &["query", "resource", "path", "request", "method", "params"];

#[test]
fn transactions_without_a_missing_byte_are_right() {
    let laboratory = Laboratory::new(PROTOCOLS);
    let rounds = if everything() { 100 } else { 8 };
    let (mut compared, mut lost, mut unsure, mut failures) = (0, 0, 0, Vec::new());
    for path in recorded() {
        let name = name_of(&path);
        let capture = Capture::read(&path).expect("it is a pcap file");
        let data: Vec<usize> =
            (0..capture.frames.len()).filter(|place| carries_data(&capture.frames[*place])).collect();
        let whole = laboratory.analyse(&capture);
        if data.is_empty() || whole.counters.stream.gaps > 0 || !capture.is_ethernet() {
            continue;
        }
        for seed in 0..rounds {
            let mut random = Rng::with_seed(seed);
            let place = data[random.usize(..data.len())];
            let missing = &capture.frames[place];
            let mut rest = capture.clone();
            rest.frames.remove(place);
            let found = laboratory.analyse(&rest);
            found.assert_sound(&format!("{name} without frame {place}"));
            let marked: Vec<(Option<i64>, u64)> =
                found.events.iter().filter(|event| !event["error"]["message"].is_null()).map(identity).collect();
            let found: Vec<String> = found.events.iter().map(comparable).collect();
            for event in whole.events.iter().filter(|event| event["type"] != "flow") {
                if is_touched(event, missing, &whole.events) {
                    lost += 1;
                    continue;
                }
                compared += 1;
                if found.contains(&comparable(event)) {
                    continue;
                }
                if marked.contains(&identity(event)) {
                    unsure += 1;
                } else {
                    failures.push(format!("{name} without frame {}: {}", place + 1, comparable(event)));
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 1_000 && lost > 50, "{compared} compared, {lost} touched");
    assert!(unsure * 500 < compared, "{unsure} of {compared} are marked although none of their bytes are missing");
}

fn carries_data(frame: &Frame) -> bool {
    frame.segment().is_some_and(|segment| segment.payload > 0)
}

/// Whether a missing frame may have been part of a transaction, or of the batch that it was sent with: of its connection,
/// behind the last answer before it, and before the start of one that began after this one had its answer.
fn is_touched(event: &Json, frame: &Frame, all: &[Json]) -> bool {
    let ports = |event: &Json| [event["source"]["port"].as_u64(), event["destination"]["port"].as_u64()];
    if !frame.ends().ports().iter().all(|port| ports(event).contains(&Some(u64::from(*port)))) {
        return false;
    }
    let (Some(start_ns), end_ns) = (started(event), ended(event)) else { return true };
    let others = || all.iter().filter(|other| other["type"] != "flow" && ports(other) == ports(event));
    let last_ns = others().filter_map(ended).filter(|other_ns| *other_ns < start_ns).max();
    let next_ns = others().filter_map(started).filter(|other_ns| end_ns.is_some_and(|end| *other_ns > end)).min();
    last_ns.is_none_or(|last_ns| frame.time_ns > last_ns) && next_ns.is_none_or(|next_ns| frame.time_ns < next_ns)
}

fn ended(event: &Json) -> Option<i64> {
    nanoseconds(&event["event"]["end"])
}

/// Start and client of a transaction.
fn identity(event: &Json) -> (Option<i64>, u64) {
    (started(event), event["client"]["port"].as_u64().unwrap_or_default())
}

fn started(event: &Json) -> Option<i64> {
    nanoseconds(&event["event"]["start"]).or_else(|| nanoseconds(&event["@timestamp"]))
}

fn nanoseconds(time: &Json) -> Option<i64> {
    let time: jiff::Timestamp = time.as_str()?.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

fn comparable(event: &Json) -> String {
    let mut event = event.clone();
    if let Some(fields) = event.as_object_mut() {
        ASIDE.iter().chain(&["agent", "host"]).for_each(|name| drop(fields.remove(*name)));
    }
    event.to_string()
}
