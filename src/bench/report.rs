// SPDX-License-Identifier: Apache-2.0
//! What trials mean: a result as JSON, which the table and the page are made of.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::modes::Stage;
use super::outcome::{Depth, Outcome};
use super::scenario::{Scenario, SourcePlan};

/// The result of a scenario before anything is measured.
pub fn head(scenario: &Scenario) -> Json {
    json!({
        "name": scenario.name,
        "description": scenario.description,
        "source": scenario.source.name(),
        "mode": scenario.mode.name(),
        "workers": scenario.workers,
        "seconds": scenario.seconds,
        "rounds": scenario.rounds,
        "problems": [],
        "notes": [],
        "goals": [],
    })
}

pub fn problem(result: &mut Json, sentence: String) {
    if let Some(problems) = result["problems"].as_array_mut()
        && !problems.iter().any(|problem| *problem == sentence)
    {
        problems.push(Json::String(sentence));
    }
}

pub fn note(result: &mut Json, sentence: String) {
    if let Some(notes) = result["notes"].as_array_mut()
        && !notes.iter().any(|note| *note == sentence)
    {
        notes.push(Json::String(sentence));
    }
}

/// Puts a run's numbers into a result.
pub fn one(result: &mut Json, scenario: &Scenario, depth: Depth, outcome: &Outcome) {
    let packets = outcome.packets.max(1) as f64;
    let total = outcome.total_packets.max(outcome.counter("packets.received")).max(1) as f64;
    let rate = outcome.packets_per_second();
    let seconds = outcome.wall_ns.max(1) as f64 / 1e9;
    let events = outcome.counter("events.encoded") as f64;
    let flows = outcome.counter("flows.created") as f64;
    let own_bytes = outcome.resident_peak_bytes.saturating_sub(outcome.resident_before_bytes) as f64;
    let share = |part: f64, whole: f64| if whole > 0.0 { json!(rounded(part / whole)) } else { Json::Null };
    result["packets"] = json!(outcome.packets);
    result["packets_per_second"] = json!(rate.round());
    result["frame_bytes"] = json!(rounded(outcome.bytes as f64 / packets));
    result["wire_gigabits_per_second"] = json!(rounded(outcome.wire_bytes as f64 * 8.0 / seconds / 1e9));
    result["cpu_packet_ns"] = json!(rounded(outcome.cpu_packet_ns()));
    result["wall_packet_ns"] = json!(rounded(1e9 / rate.max(1e-9)));
    result["cycles_per_packet"] = json!(rounded(outcome.cycles_per_packet()));
    result["passes"] = json!(outcome.total_passes);
    result["events_per_packet"] = share(events, total);
    result["events_per_second"] = json!((events / total * rate).round());
    result["bytes_per_event"] = share(outcome.counter("events.encoded_bytes") as f64, events);
    result["new_flows_per_second"] = json!((flows / total * rate).round());
    result["flows_peak"] = json!(outcome.flows_peak);
    result["bytes_per_flow"] = share(own_bytes, outcome.flows_peak as f64);
    result["resident_peak_bytes"] = json!(outcome.resident_peak_bytes);
    result["huge_page_bytes"] = json!(outcome.huge_page_bytes);
    result["copied_bytes_per_packet"] = share(outcome.counter("stream.copied_bytes") as f64, total);
    result["io_core_share"] = share(outcome.io_core_cpu_ns as f64, outcome.run_wall_ns as f64);
    result["steal_percent"] = share(outcome.steal_ticks as f64 * 100.0, outcome.machine_ticks as f64);
    result["loss"] = loss(outcome);
    if outcome.offered > 0 {
        result["loss_share"] = json!(outcome.lost as f64 / outcome.offered as f64);
    }
    if outcome.latency_events > 0 {
        result["latency_ns"] = json!({
            "events": outcome.latency_events,
            "p50": outcome.latency_p50_ns,
            "p99": outcome.latency_p99_ns,
            "p999": outcome.latency_p999_ns,
            "maximum": outcome.latency_maximum_ns,
        });
    }
    result["counters"] = json!(outcome.counters);
    result["samples"] = json!(outcome.samples);
    outcome.notes.iter().for_each(|sentence| note(result, sentence.clone()));
    wrong(scenario, depth, outcome).into_iter().for_each(|sentence| problem(result, sentence));
}

/// What a run got wrong: a fast wrong run is no result.
fn wrong(scenario: &Scenario, depth: Depth, outcome: &Outcome) -> Vec<String> {
    let mut problems = outcome.problems.clone();
    let (passes, lost) = (outcome.total_passes, outcome.lost);
    // At a rate a run ends in the middle of a pass.
    if lost > 0 || outcome.offered > 0 || outcome.counters.is_empty() {
        return problems;
    }
    let reports = outcome.counter("flows.reports");
    let transactions = outcome.counter("events.made") - reports;
    // Those of captures.
    let reports = reports.saturating_sub(outcome.total_flows);
    match scenario.source.traffic() {
        SourcePlan::Replay(_) | SourcePlan::Mixed(_) if passes > 0 => {
            let expected = scenario.expected;
            let mut compare = |found: u64, expected: Option<u64>, what: &str| match expected {
                Some(each) if found != each * passes => problems.push(format!(
                    "{found} {what} in {passes} passes are {:.3} a pass, {each} were expected: the run is void",
                    found as f64 / passes as f64
                )),
                None if !found.is_multiple_of(passes) => problems
                    .push(format!("{found} {what} in {passes} passes are not the same in every pass: the run is void")),
                _ => {}
            };
            if depth >= Depth::Protocol {
                compare(transactions, expected.events_per_pass, "events");
            }
            if reports > 0 {
                compare(reports, expected.flow_reports_per_pass, "flow reports");
            }
            if depth >= Depth::Protocol && transactions + reports == 0 {
                problems.push(
                    "the traffic made no event: the captures hold nothing that the configuration analyses".to_string(),
                );
            }
        }
        SourcePlan::Synthetic(_) => {
            let (made, found) = (outcome.total_flows, outcome.counter("flows.created"));
            let full = outcome.counter("packets.dropped.flow_table_full");
            if full == 0 && made != found {
                problems.push(format!("{found} flows were found where {made} were sent: the run is void"));
            }
        }
        _ => {}
    }
    problems
}

fn loss(outcome: &Outcome) -> Json {
    const NAMES: [&str; 6] = [
        "packets.missed",
        "packets.source_errors",
        "packets.source_no_buffer",
        "packets.handover_lost",
        "fragments.datagrams_lost",
        "stream.discarded_bytes",
    ];
    let is_loss = |name: &str| name.contains(".dropped.") || name.starts_with("wire.lost") || NAMES.contains(&name);
    let lost = outcome.counters.iter().filter(|(name, _)| is_loss(name));
    // Dropping events is how a depth before the encoder is made.
    let lost = lost.filter(|(name, _)| *name != "events.dropped.processor");
    let mut lost: serde_json::Map<String, Json> = lost.map(|(name, value)| (name.clone(), json!(value))).collect();
    if outcome.output_dropped > 0 {
        lost.insert("events.dropped.output".to_string(), json!(outcome.output_dropped));
    }
    Json::Object(lost)
}

/// Puts the stages of a saturation into a result, and the numbers of the deepest.
pub fn stages(result: &mut Json, scenario: &Scenario, stages: &[Stage]) {
    let mut before = 0.0;
    let mut listed = Vec::new();
    for (depth, outcomes) in stages {
        let (until, low, high) = (median_packet_ns(outcomes), extreme(outcomes, f64::min), extreme(outcomes, f64::max));
        let middle = median(outcomes);
        listed.push(json!({
            "stage": depth.name(),
            "packet_ns": rounded(until - before),
            "cycles": rounded(middle.cycles_per_packet() * (until - before) / until.max(1e-9)),
            "until_packet_ns": rounded(until),
            "lowest_ns": rounded(low),
            "highest_ns": rounded(high),
            "packets_per_second": middle.packets_per_second().round(),
        }));
        before = until;
    }
    let Some((deepest, outcomes)) = stages.last() else { return };
    let outcome = median(outcomes);
    one(result, scenario, *deepest, outcome);
    // What is wrong up to a stage mostly is so beyond it too.
    for (depth, outcomes) in stages.iter().rev() {
        if result["problems"].as_array().is_some_and(|problems| !problems.is_empty()) {
            break;
        }
        for sentence in outcomes.iter().flat_map(|outcome| wrong(scenario, *depth, outcome)) {
            problem(result, format!("up to {}: {sentence}", depth.name()));
        }
    }
    result["stages"] = Json::Array(listed);
    let receive = stages.iter().find(|(depth, _)| *depth == Depth::Receive);
    let own = median_packet_ns(outcomes) - receive.map_or(0.0, |(_, outcomes)| median_packet_ns(outcomes));
    let events = outcome.counter("events.encoded") as f64 / outcome.total_packets.max(1) as f64;
    result["depth"] = json!(deepest.name());
    result["own_packet_ns"] = json!(rounded(own));
    result["own_event_ns"] = if events > 0.0 { json!(rounded(own / events)) } else { Json::Null };
    let found = [
        ("packet_ns", scenario.goal.packet_ns, result["own_packet_ns"].as_f64()),
        ("event_ns", scenario.goal.event_ns, result["own_event_ns"].as_f64()),
        ("flow_bytes", scenario.goal.flow_bytes, result["bytes_per_flow"].as_f64()),
    ];
    let goals = found.into_iter().filter_map(|(name, goal, found)| {
        let (goal, found) = (goal?, found?);
        Some(json!({ "name": name, "goal": goal, "found": found, "met": found <= goal }))
    });
    result["goals"] = goals.collect();
}

pub fn median_packet_ns(outcomes: &[Outcome]) -> f64 {
    if outcomes.is_empty() { 0.0 } else { median(outcomes).cpu_packet_ns() }
}

/// The round in the middle, by CPU time.
fn median(outcomes: &[Outcome]) -> &Outcome {
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by(|one, other| one.cpu_packet_ns().total_cmp(&other.cpu_packet_ns()));
    sorted[sorted.len() / 2]
}

fn extreme(outcomes: &[Outcome], choose: fn(f64, f64) -> f64) -> f64 {
    outcomes.iter().map(Outcome::cpu_packet_ns).reduce(choose).unwrap_or(0.0)
}

/// To four digits that mean something.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// A sentence for each thing that is wrong, and each goal that is missed where that counts.
pub fn failures(result: &Json, goals: bool) -> Vec<String> {
    let name = result["name"].as_str().unwrap_or_default();
    let problems = result["problems"].as_array().into_iter().flatten();
    let mut failures: Vec<String> =
        problems.map(|problem| format!("{name}: {}", problem.as_str().unwrap_or_default())).collect();
    let missed = result["goals"].as_array().into_iter().flatten().filter(|goal| goals && goal["met"] == false);
    failures.extend(missed.map(|goal| {
        format!(
            "{name}: {} is {}, the goal is {}",
            goal["name"].as_str().unwrap_or_default(),
            goal["found"],
            goal["goal"]
        )
    }));
    failures
}

/// A result for people.
pub fn table(result: &Json) -> String {
    let mut text = String::new();
    let word = |key: &str| result[key].as_str().unwrap_or_default();
    let number = |key: &str| result[key].as_f64().unwrap_or(0.0);
    let _ = writeln!(text, "{}: {}", word("name"), word("description"));
    let _ = writeln!(
        text,
        "  {} {}, {} workers, {} s, {} rounds",
        word("source"),
        word("mode"),
        result["workers"],
        result["seconds"],
        result["rounds"]
    );
    if let Some(points) = result["sweep"]["points"].as_array() {
        let over = result["sweep"]["over"].as_str().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {over:>12} {:>10} {:>10} {:>10} {:>12} {:>10}",
            "Mpackets/s", "Gbit/s", "ns", "own ns", "bytes/flow"
        );
        for point in points {
            let value = |key: &str| point[key].as_f64().unwrap_or(0.0);
            let _ = writeln!(
                text,
                "  {:>12} {:>10.3} {:>10.3} {:>10.1} {:>12.1} {:>10.0}",
                point["value"].to_string(),
                value("packets_per_second") / 1e6,
                value("wire_gigabits_per_second"),
                value("cpu_packet_ns"),
                value("own_packet_ns"),
                value("bytes_per_flow"),
            );
        }
    } else {
        let _ = writeln!(
            text,
            "  {:.3} Mpackets/s of {:.0} bytes, {:.3} Gbit/s on the wire; a packet: {:.1} ns wall, {:.1} ns CPU, {:.0} cycles{}",
            number("packets_per_second") / 1e6,
            number("frame_bytes"),
            number("wire_gigabits_per_second"),
            number("wall_packet_ns"),
            number("cpu_packet_ns"),
            number("cycles_per_packet"),
            match result["own_packet_ns"].as_f64() {
                Some(own) => format!(", {own:.1} ns above the source's"),
                None => String::new(),
            }
        );
        stage_lines(&mut text, result);
        let _ = writeln!(
            text,
            "  events: {:.0}/s, {:.3} a packet of {:.0} bytes{}; flows: {:.0} new/s, {:.0} at most{}; copied: {:.2} bytes a packet",
            number("events_per_second"),
            number("events_per_packet"),
            number("bytes_per_event"),
            match result["own_event_ns"].as_f64() {
                Some(own) => format!(", {own:.0} ns each"),
                None => String::new(),
            },
            number("new_flows_per_second"),
            number("flows_peak"),
            match result["bytes_per_flow"].as_f64().filter(|_| number("flows_peak") >= 10_000.0) {
                Some(bytes) => format!(", {bytes:.0} bytes each"),
                None => String::new(),
            },
            number("copied_bytes_per_packet"),
        );
    }
    let milliseconds = |key: &str| result["latency_ns"][key].as_f64().unwrap_or(0.0) / 1e6;
    if result["latency_ns"].is_object() {
        let _ = writeln!(
            text,
            "  packet to event in the sink: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, at most {:.2} ms",
            milliseconds("p50"),
            milliseconds("p99"),
            milliseconds("p999"),
            milliseconds("maximum")
        );
    }
    if let Some(rate) = result["rfc2544"]["packets_per_second"].as_f64() {
        let _ = writeln!(
            text,
            "  throughput (RFC 2544): {rate:.0} packets/s, {:.0} at saturation, accepted loss {} %, {} trials",
            result["rfc2544"]["saturation_packets_per_second"].as_f64().unwrap_or(0.0),
            result["rfc2544"]["accepted_loss_percent"],
            result["rfc2544"]["trials"].as_array().map_or(0, Vec::len),
        );
    }
    let loss = result["loss"].as_object().cloned().unwrap_or_default();
    let lost: Vec<String> = loss.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let _ = writeln!(
        text,
        "  lost: {}; I/O core {:.0} % busy, steal {:.1} %, {:.0} MB resident",
        if lost.is_empty() { "nothing".to_string() } else { lost.join(", ") },
        number("io_core_share") * 100.0,
        number("steal_percent"),
        number("resident_peak_bytes") / 1e6,
    );
    for goal in result["goals"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "  goal {}: {} {} {}",
            goal["name"].as_str().unwrap_or_default(),
            goal["found"],
            if goal["met"] == true { "is within" } else { "is BEYOND" },
            goal["goal"]
        );
    }
    for note in result["notes"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  note: {}", note.as_str().unwrap_or_default());
    }
    for problem in result["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  WRONG: {}", problem.as_str().unwrap_or_default());
    }
    text
}

fn stage_lines(text: &mut String, result: &Json) {
    let Some(stages) = result["stages"].as_array() else { return };
    let _ = writeln!(text, "  {:<10} {:>9} {:>9} {:>9} {:>19}", "stage", "ns", "cycles", "until ns", "rounds ns");
    for stage in stages {
        let value = |key: &str| stage[key].as_f64().unwrap_or(0.0);
        let _ = writeln!(
            text,
            "  {:<10} {:>9.1} {:>9.1} {:>9.1} {:>9.1} …{:>8.1}",
            stage["stage"].as_str().unwrap_or_default(),
            value("packet_ns"),
            value("cycles"),
            value("until_packet_ns"),
            value("lowest_ns"),
            value("highest_ns"),
        );
    }
    for protocol in result["protocols"].as_array().into_iter().flatten() {
        let value = |key: &str| protocol[key].as_f64().unwrap_or(0.0);
        let _ = writeln!(
            text,
            "  {:<10} {:>9.1} ns a packet of all, {:>7.0} ns a message",
            protocol["protocol"].as_str().unwrap_or_default(),
            value("packet_ns"),
            value("message_ns")
        );
    }
}
