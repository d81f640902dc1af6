// SPDX-License-Identifier: Apache-2.0
//! Which trials a mode takes, and what its result is made of.

use serde_json::{Value as Json, json};

use super::outcome::{Depth, Outcome, Trial};
use super::report;
use super::scenario::{Mode, Scenario, SourcePlan, Sweep};

/// What is to be measured.
pub struct Request<'a> {
    pub scenario: &'a Scenario,
    /// How far packets go at most.
    pub depth: Depth,
    /// Each protocol's parser by itself too.
    pub protocols: bool,
}

/// Runs a trial.
pub type Run<'a> = &'a dyn Fn(&Trial) -> Result<Outcome, String>;

/// Trials of one stage, the rounds of them.
pub type Stage = (Depth, Vec<Outcome>);

/// Measures a scenario. An error when the trials cannot be; what they find wrong is in the result.
pub fn measure(request: &Request<'_>, run: Run<'_>) -> Result<Json, String> {
    let scenario = request.scenario;
    let mut result = report::head(scenario);
    match &scenario.mode {
        _ if matches!(scenario.source, SourcePlan::Live { .. }) => {
            report::one(&mut result, scenario, request.depth, &run(&request.trial())?);
        }
        Mode::Saturation => saturation(request, run, &mut result)?,
        Mode::Rate { packets_per_second } => rate(request, run, *packets_per_second, &mut result)?,
        Mode::Rfc2544 { from, to, accepted_loss, resolution } => {
            search(request, run, (*from, *to), *accepted_loss, *resolution, &mut result)?;
        }
        Mode::Soak => soak(request, run, &mut result)?,
        Mode::Sweep { over, values } => sweep(request, run, *over, values, &mut result)?,
    }
    Ok(result)
}

impl Request<'_> {
    fn trial(&self) -> Trial {
        Trial {
            depth: self.depth,
            workers: self.scenario.workers,
            seconds: self.scenario.seconds,
            packets_per_second: None,
            only: None,
            flows: None,
            frame_bytes: None,
        }
    }

    /// Rounds in which the depths alternate, so that a slow moment meets them all.
    fn stages(&self, run: Run<'_>, depths: &[Depth], base: &Trial) -> Result<Vec<Stage>, String> {
        let mut stages: Vec<Stage> = depths.iter().map(|depth| (*depth, Vec::new())).collect();
        for _ in 0..self.scenario.rounds {
            for (depth, outcomes) in &mut stages {
                outcomes.push(run(&Trial { depth: *depth, ..base.clone() })?);
            }
        }
        Ok(stages)
    }
}

fn saturation(request: &Request<'_>, run: Run<'_>, result: &mut Json) -> Result<(), String> {
    let depths: Vec<Depth> = Depth::ALL.into_iter().filter(|depth| *depth <= request.depth).collect();
    let stages = request.stages(run, &depths, &request.trial())?;
    report::stages(result, request.scenario, &stages);
    if request.protocols && request.depth >= Depth::Protocol {
        protocols(request, run, &stages, result)?;
    }
    Ok(())
}

/// What each protocol's parser adds to the streams when it is the only one that speaks.
fn protocols(request: &Request<'_>, run: Run<'_>, stages: &[Stage], result: &mut Json) -> Result<(), String> {
    let Some((_, whole)) = stages.iter().find(|(depth, _)| *depth == Depth::Protocol) else { return Ok(()) };
    let Some((_, silent)) = stages.iter().find(|(depth, _)| *depth == Depth::Stream) else { return Ok(()) };
    let spoke = whole[0].counters.iter().filter(|(_, value)| **value > 0);
    let names: Vec<String> = spoke.filter_map(|(name, _)| name.strip_suffix(".messages")).map(str::to_string).collect();
    let base = report::median_packet_ns(silent);
    let mut found = Vec::new();
    for name in names {
        let trial = Trial { depth: Depth::Protocol, only: Some(name.clone()), ..request.trial() };
        let outcomes = (0..request.scenario.rounds).map(|_| run(&trial)).collect::<Result<Vec<_>, _>>()?;
        let messages =
            outcomes[0].counter(&format!("{name}.messages")) as f64 / outcomes[0].total_packets.max(1) as f64;
        let packet_ns = (report::median_packet_ns(&outcomes) - base).max(0.0);
        found.push(json!({
            "protocol": name,
            "packet_ns": report::rounded(packet_ns),
            "message_ns": report::rounded(packet_ns / messages),
            "messages_per_packet": report::rounded(messages),
        }));
    }
    result["protocols"] = Json::Array(found);
    Ok(())
}

/// The highest rate at which the source alone gives packets. A generator of a wire says itself when it was late.
fn generator_limit(request: &Request<'_>, run: Run<'_>) -> Result<f64, String> {
    if matches!(request.scenario.source, SourcePlan::Wire(_)) {
        return Ok(f64::INFINITY);
    }
    let trial = Trial { depth: Depth::Receive, seconds: request.scenario.seconds.min(0.5), ..request.trial() };
    Ok(run(&trial)?.packets_per_second())
}

fn generator_was_the_limit(asked: f64, limit: f64) -> String {
    format!(
        "{asked:.0} packets a second were asked for, but the generator gives {limit:.0} at most: the generator is the limit, and nothing is said of Wirebeat"
    )
}

fn rate(request: &Request<'_>, run: Run<'_>, packets_per_second: f64, result: &mut Json) -> Result<(), String> {
    let limit = generator_limit(request, run)?;
    if packets_per_second > limit {
        return Err(generator_was_the_limit(packets_per_second, limit));
    }
    let trial = Trial { packets_per_second: Some(packets_per_second), ..request.trial() };
    let outcome = run(&trial)?;
    report::one(result, request.scenario, request.depth, &outcome);
    result["rate"] = json!({ "asked_packets_per_second": packets_per_second, "generator_packets_per_second": limit.is_finite().then_some(limit) });
    match outcome.late {
        0 => Ok(()),
        late => Err(format!(
            "{late} packets were sent too late: the generator is the limit at {packets_per_second:.0} packets a second, and nothing is said of Wirebeat"
        )),
    }
}

/// A search gives up below this share of the rate where it began.
const LEAST: f64 = 0.001;

/// Halves the range between a rate without loss and one with, then repeats the best until it holds.
fn search(
    request: &Request<'_>,
    run: Run<'_>,
    (from, to): (Option<f64>, Option<f64>),
    accepted_loss: f64,
    resolution: f64,
    result: &mut Json,
) -> Result<(), String> {
    let limit = generator_limit(request, run)?;
    if let Some(asked) = to.filter(|to| *to > limit) {
        return Err(generator_was_the_limit(asked, limit));
    }
    let saturated = match (to, &request.scenario.source) {
        (Some(to), SourcePlan::Wire(_)) => to,
        _ => run(&request.trial())?.packets_per_second(),
    };
    let mut high = to.unwrap_or((saturated * 1.05).min(limit));
    let mut low = from.unwrap_or(0.0);
    let least = high * LEAST;
    let mut points = Vec::new();
    let mut attempt = |rate: f64| -> Result<(bool, Outcome), String> {
        let outcome = run(&Trial { packets_per_second: Some(rate), ..request.trial() })?;
        let loss = outcome.lost as f64 / outcome.offered.max(1) as f64;
        points.push(json!({ "packets_per_second": rate.round(), "loss_share": loss, "lost": outcome.lost, "late": outcome.late }));
        Ok((loss <= accepted_loss && outcome.late == 0, outcome))
    };
    let (mut holds, _) = attempt(high)?;
    if !holds {
        while high - low > high * resolution {
            let middle = (low + high) / 2.0;
            if attempt(middle)?.0 { low = middle } else { high = middle }
        }
        high = low;
    }
    // A lucky trial is no result: it holds in every round, or a lower rate must.
    let mut last = None;
    'rates: while high > least {
        for _ in 0..request.scenario.rounds {
            let (held, outcome) = attempt(high)?;
            holds = held;
            if !held {
                high *= 1.0 - resolution;
                continue 'rates;
            }
            last = Some(outcome);
        }
        break;
    }
    let Some(outcome) = last.filter(|_| holds) else {
        return Err(format!(
            "no rate above {least:.0} packets a second was free of loss beyond {} % (saturation: {saturated:.0})",
            accepted_loss * 100.0
        ));
    };
    report::one(result, request.scenario, request.depth, &outcome);
    if points.iter().any(|point| point["late"].as_u64() > Some(0) && point["lost"] == 0) {
        report::note(result, "the generator was the limit at rates above the result, not Wirebeat".to_string());
    }
    result["rfc2544"] = json!({
        "packets_per_second": high.round(),
        "saturation_packets_per_second": saturated.round(),
        "accepted_loss_percent": accepted_loss * 100.0,
        "trials_at_result": request.scenario.rounds,
        "trials": points,
    });
    Ok(())
}

/// Memory may not grow by more in the last quarter than it had in the second.
const GROWTH: f64 = 1.05;
const GROWTH_BYTES: f64 = 16e6;

fn soak(request: &Request<'_>, run: Run<'_>, result: &mut Json) -> Result<(), String> {
    let outcome = run(&request.trial())?;
    report::one(result, request.scenario, request.depth, &outcome);
    let samples = &outcome.samples;
    let highest = |samples: &[[f64; 4]]| samples.iter().map(|sample| sample[2]).fold(0.0, f64::max);
    let (half, quarter) = (samples.len() / 2, samples.len() / 4);
    if quarter > 1 {
        let (before, after) = (highest(&samples[quarter..half]), highest(&samples[samples.len() - quarter..]));
        result["soak"] = json!({ "second_quarter_bytes": before, "last_quarter_bytes": after });
        if after > before * GROWTH + GROWTH_BYTES {
            report::problem(
                result,
                format!(
                    "memory grew from {:.0} MB in the second quarter to {:.0} MB in the last",
                    before / 1e6,
                    after / 1e6
                ),
            );
        }
    }
    Ok(())
}

fn sweep(request: &Request<'_>, run: Run<'_>, over: Sweep, values: &[u64], result: &mut Json) -> Result<(), String> {
    let mut depths = vec![Depth::Receive];
    depths.extend((request.depth > Depth::Receive).then_some(request.depth));
    let mut points = Vec::new();
    for value in values {
        let mut trial = request.trial();
        match over {
            Sweep::Flows => trial.flows = Some(*value),
            Sweep::FrameBytes => trial.frame_bytes = Some(*value),
            Sweep::Workers => trial.workers = *value as u16,
        }
        let stages = request.stages(run, &depths, &trial)?;
        let mut point = json!({ "value": value, "problems": [] });
        report::stages(&mut point, request.scenario, &stages);
        for problem in point["problems"].as_array().cloned().unwrap_or_default() {
            report::problem(result, format!("{} {value}: {}", over.name(), problem.as_str().unwrap_or_default()));
        }
        points.push(point);
    }
    result["sweep"] = json!({ "over": over.name(), "points": points });
    Ok(())
}
