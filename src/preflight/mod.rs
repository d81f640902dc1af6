// SPDX-License-Identifier: Apache-2.0
//! What a machine must have before a bound NIC can be watched: looked at, said in a table, and, where that is possible,
//! done and undone.
//!
//! [`Machine`] is read from sysfs and procfs, [`checks`] compares it with what the configuration wants, [`actions`] changes it. All
//! paths are below a root folder, so that tests can look at machines that are not there.
//!
//! Limits: what only the BIOS or the boot loader can change is said, not done; drivers are bound through `driver_override`,
//! as kernels since 3.16 know it.

pub mod actions;
pub mod checks;
pub mod guard;
pub mod machine;

use std::fmt;

pub use actions::{Action, Journal};
pub use checks::examine;
pub use machine::Machine;

/// What the configuration wants of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Worker threads.
    pub workers: usize,
    /// Devices of the configuration: PCI addresses.
    pub devices: Vec<String>,
    /// DPDK's memory in megabytes.
    pub memory_megabytes: u64,
    /// CPUs the workers are put on, if the configuration says so.
    pub cpus: Vec<usize>,
    /// The driver that leaves a NIC to user space.
    pub driver: String,
    /// EAL arguments of the user's own.
    pub eal_arguments: Vec<String>,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// It runs, but slower or less safely.
    Warning,
    /// It does not run.
    Failure,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    /// What was looked at, such as `huge pages`.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// What to do; empty when nothing is.
    pub advice: String,
}

impl Finding {
    pub fn good(subject: &str, found: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Good, subject: subject.to_owned(), found: found.into(), advice: String::new() }
    }

    pub fn warning(subject: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Warning, advice: advice.into(), ..Finding::good(subject, found) }
    }

    pub fn failure(subject: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Failure, advice: advice.into(), ..Finding::good(subject, found) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Verdict::Good => "ok",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
        })
    }
}

/// The findings as a table: a line each, and what to do on the line below.
pub fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { verdict, subject, found, advice } in findings {
        text.push_str(&format!("{verdict:<8} {subject:<width$}  {found}\n"));
        if !advice.is_empty() {
            text.push_str(&format!("{:<8} {:<width$}  -> {advice}\n", "", ""));
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count();
    let (good, warnings, failures) = (count(Verdict::Good), count(Verdict::Warning), count(Verdict::Failure));
    text.push_str(&format!("{good} ok, {warnings} warnings, {failures} failures\n"));
    text
}

/// The findings for scripts: an array of objects.
pub fn json(findings: &[Finding]) -> String {
    let object = |finding: &Finding| {
        serde_json::json!({
            "verdict": finding.verdict.to_string(),
            "subject": finding.subject,
            "found": finding.found,
            "advice": finding.advice,
        })
    };
    format!("{:#}\n", serde_json::Value::Array(findings.iter().map(object).collect()))
}

/// How many failures there are.
pub fn failures(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.verdict == Verdict::Failure).count()
}

#[cfg(test)]
mod tests;
