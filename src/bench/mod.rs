// SPDX-License-Identifier: Apache-2.0
//! The benchmark harness, `wirebeat bench`: scenarios in, trials of the real workers, a report out.
//!
//! A scenario is data (`scenario`). Its packets come from memory (`replay`, `synthetic`, given by `source`), over a wire or
//! from a live port. `modes` decides on the trials, each a process of its own (`outcome`); `report` says what they mean,
//! as a table, JSON and a page (`page`). What is measured is the program itself, started by `run`.
//!
//! The time of a stage is the difference of runs that go one stage further each, so that no clock is read on the way.

pub mod latency;
pub mod machine;
mod mixed;
mod modes;
pub mod outcome;
mod page;
mod replay;
mod report;
pub mod scenario;
pub mod silent;
pub mod source;
mod synthetic;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::cli::BenchOptions;
use modes::Request;
use outcome::{Depth, Outcome, Trial};
use scenario::Scenario;

/// Measures scenarios and prints their reports as they come. An error when something is wrong with one of them.
pub fn execute(options: &BenchOptions) -> Result<(), String> {
    let scenarios = match options.scenarios.is_empty() {
        true => Scenario::all()?.into_iter().map(|scenario| (scenario.name.clone(), scenario)).collect(),
        false => find(&options.scenarios)?,
    };
    if options.listing {
        for (_, scenario) in &scenarios {
            println!("{:<24}{}", scenario.name, scenario.description);
        }
        return Ok(());
    }
    let depth = options.depth.as_deref().map(Depth::of_name).transpose()?;
    if let Some(seconds) = options.seconds.filter(|seconds| !(*seconds > 0.0 && seconds.is_finite())) {
        return Err(format!("--seconds: found {seconds}, expected a number above 0"));
    }
    let to_standard_output = options.json.as_deref() == Some(Path::new("-"));
    let mut results = Vec::new();
    let mut failures = Vec::new();
    for (argument, mut scenario) in scenarios {
        scenario.seconds = options.seconds.unwrap_or(scenario.seconds);
        scenario.rounds = options.rounds.unwrap_or(scenario.rounds).max(1);
        scenario.workers = options.workers.unwrap_or(scenario.workers);
        let depth = depth.unwrap_or(scenario.depth);
        let request = Request { depth, protocols: options.protocols, scenario: &scenario };
        let result = check_workers(&scenario).and_then(|()| modes::measure(&request, &|trial| spawn(&argument, trial)));
        match result {
            Ok(result) => {
                if !to_standard_output {
                    print!("{}", report::table(&result));
                }
                failures.extend(report::failures(&result, options.goal));
                results.push(result);
            }
            Err(sentence) => failures.push(format!("{}: {sentence}", scenario.name)),
        }
    }
    let document = json!({ "machine": machine::describe(), "scenarios": results });
    if to_standard_output {
        println!("{document:#}");
    } else if let Some(path) = &options.json {
        write(path, &format!("{document:#}\n"))?;
    }
    if let Some(path) = &options.html {
        write(path, &page::page(&document))?;
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("; ")),
    }
}

fn find(arguments: &[String]) -> Result<Vec<(String, Scenario)>, String> {
    arguments.iter().map(|argument| Scenario::find(argument).map(|scenario| (argument.clone(), scenario))).collect()
}

/// Two workers on one CPU measure the scheduler.
fn check_workers(scenario: &Scenario) -> Result<(), String> {
    let cpus = machine::cpus();
    let mut numbers = vec![u64::from(scenario.workers)];
    if let scenario::Mode::Sweep { over: scenario::Sweep::Workers, values } = &scenario.mode {
        numbers.extend(values);
    }
    match numbers.into_iter().find(|workers| *workers > cpus as u64) {
        Some(workers) => Err(format!("{workers} workers are more than the {cpus} CPUs that this process may use")),
        None => Ok(()),
    }
}

/// Runs a trial in a process of its own.
fn spawn(argument: &str, trial: &Trial) -> Result<Outcome, String> {
    let program = std::env::current_exe().map_err(|error| format!("the program does not find itself: {error}"))?;
    let output = Command::new(program)
        .args(["bench", "--trial"])
        .args(trial.flags())
        .arg("--")
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("a trial cannot be started: {error}"))?;
    let outcome = serde_json::from_slice::<Json>(&output.stdout).ok().and_then(|json| Outcome::of_json(&json));
    let said = String::from_utf8_lossy(&output.stderr);
    match outcome.filter(|_| output.status.success()) {
        Some(outcome) => Ok(outcome),
        None => {
            let last = said.lines().rev().find_map(|line| line.strip_prefix("Exiting: "));
            Err(last.map_or_else(|| format!("a trial ended with {}: {said}", output.status), str::to_string))
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
