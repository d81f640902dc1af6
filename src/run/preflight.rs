// SPDX-License-Identifier: Apache-2.0
//! `wirebeat preflight`, `bind` and `unbind`: from the command line and the configuration to [`crate::preflight`].

use std::path::Path;

use dpdk_sys::{Eal, EalArguments, EalLog, Memory, Port, PortInformation};

use super::dpdk::{is_dpdk, plan};
use super::interface::Kind;
use super::settings::Settings;
use crate::cli::{BindingOptions, Deeds, Format, Preflight, PreflightOptions, RunOptions};
use crate::config::Configuration;
use crate::flow::Secret;
use crate::outputs::config::Routing;
use crate::preflight::actions::{self, Journal};
use crate::preflight::{Action, Finding, Machine, Verdict, Wanted, checks, failures, json, table};

/// What one worker with the default settings needs of DPDK's memory.
const USUAL_MEGABYTES: u64 = 85;
/// EAL's memory for asking drivers about their NICs, which have no queues yet.
const PROBE_MEGABYTES: u32 = 64;

/// Looks, and does or takes back what can be done. A failure that is left is one of the command's.
pub fn preflight(configuration: Result<Configuration, String>, options: &PreflightOptions) -> Result<String, String> {
    let root = Path::new("/");
    let mut machine = Machine::read(root);
    let journal = journal(configuration.as_ref().ok());
    let mut text = String::new();
    if options.task == Preflight::Undo {
        return journal.undo(&machine).map(|done| shown(&done, "nothing is to be taken back\n"));
    }
    let (wanted, mut findings) = match configuration.as_ref().map_err(Clone::clone).and_then(wanted) {
        Ok(wanted) => (wanted, Vec::new()),
        Err(error) => {
            let advice = "without one the table says what any DPDK interface needs";
            (
                Wanted { workers: 1, memory_megabytes: USUAL_MEGABYTES, ..Wanted::default() },
                vec![Finding::warning("configuration", error, advice)],
            )
        }
    };
    let wanted = with_options(wanted, &options.binding);
    if options.task == Preflight::Apply {
        let steps = actions::plan(&machine, &wanted, options.binding.caution)?;
        if options.binding.deeds == Deeds::Shown {
            return Ok(shown(&steps, "nothing is to be done\n"));
        }
        let done = journal.apply(&machine, &steps)?;
        machine = Machine::read(root);
        text = shown(&done, "nothing was to be done\n");
    }
    findings.extend(checks::examine(&machine, &wanted));
    findings.extend(ports(&machine, &wanted));
    match options.format {
        Format::Json => text = json(&findings),
        Format::Table => text.push_str(&table(&findings)),
    }
    match failures(&findings) {
        0 => Ok(text),
        count => {
            print!("{text}");
            Err(format!("this machine is not ready: {count} failures"))
        }
    }
}

/// Gives NICs to DPDK.
pub fn bind(configuration: Option<&Configuration>, options: &BindingOptions) -> Result<String, String> {
    let machine = Machine::read(Path::new("/"));
    let mut steps = Vec::new();
    for device in &options.devices {
        steps.extend(actions::bind(&machine, device, &options.driver, options.caution)?);
    }
    act(&machine, &journal(configuration), &steps, options.deeds)
}

/// Gives NICs back to the kernel.
pub fn unbind(configuration: Option<&Configuration>, devices: &[String], deeds: Deeds) -> Result<String, String> {
    let machine = Machine::read(Path::new("/"));
    let mut steps = Vec::new();
    for device in devices {
        steps.extend(actions::unbind(&machine, device)?);
    }
    act(&machine, &journal(configuration), &steps, deeds)
}

fn act(machine: &Machine, journal: &Journal, steps: &[Action], deeds: Deeds) -> Result<String, String> {
    match deeds {
        Deeds::Shown => Ok(shown(steps, "nothing is to be done\n")),
        Deeds::Done => journal.apply(machine, steps).map(|done| shown(&done, "nothing was to be done\n")),
    }
}

fn shown<T: ToString>(steps: &[T], nothing: &str) -> String {
    match steps.is_empty() {
        true => nothing.to_owned(),
        false => steps.iter().map(|step| step.to_string() + "\n").collect(),
    }
}

/// In the folder of data; what was done is taken back with the same configuration.
fn journal(configuration: Option<&Configuration>) -> Journal {
    match configuration {
        Some(configuration) => Journal::new(&configuration.paths().data),
        None => Journal::new(Path::new("/var/lib/wirebeat")),
    }
}

/// What a configuration's DPDK interfaces need.
fn wanted(configuration: &Configuration) -> Result<Wanted, String> {
    let settings = Settings::read(configuration, Routing::default()).map_err(|error| error.to_string())?;
    let of_dpdk = |one: &&super::interface::Interface| is_dpdk(one) && one.kind != Kind::Replay;
    let interfaces: Vec<_> = settings.interfaces.iter().filter(of_dpdk).cloned().collect();
    let plan = plan(&settings, &interfaces, &RunOptions::default(), Secret::new([0; 4]))?;
    let cards = plan.devices.iter().filter_map(|device| dpdk_sys::devices::normalise_pci_address(&device.name));
    Ok(Wanted {
        workers: usize::from(plan.workers),
        devices: cards.collect(),
        memory_megabytes: u64::from(plan.memory_megabytes()),
        cpus: plan.cpus.iter().flat_map(dpdk_sys::thread::CpuSet::iter).collect(),
        driver: String::new(),
        eal_arguments: plan.eal_arguments,
    })
}

fn with_options(mut wanted: Wanted, options: &BindingOptions) -> Wanted {
    if !options.devices.is_empty() {
        wanted.devices.clone_from(&options.devices);
    }
    wanted.driver.clone_from(&options.driver);
    wanted
}

/// What the drivers say of bound NICs.
fn ports(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let bound = wanted.devices.iter().filter_map(|device| machine.find(device));
    let bound: Vec<&str> =
        bound.filter(|card| card.is_bound_for_user_space()).map(|card| card.address.as_str()).collect();
    if bound.is_empty() {
        return Vec::new();
    }
    match ask(&bound) {
        Ok(ports) => ports.iter().flat_map(|port| checks::port(wanted, port)).collect(),
        Err(error) => {
            let advice = "another process may have the NIC, or DPDK has no driver for it (librte-net packages)";
            vec![Finding { verdict: Verdict::Failure, ..Finding::warning("NIC", error, advice) }]
        }
    }
}

fn ask(addresses: &[&str]) -> Result<Vec<PortInformation>, String> {
    let memory = Memory::detect(PROBE_MEGABYTES);
    let mut arguments = EalArguments::new("wirebeat").memory(memory).extra(["--lcores", "0@0"]);
    for address in addresses {
        arguments = arguments.allow_device(address);
    }
    let eal = Eal::init(&arguments.list(), EalLog::Discard).map_err(|error| format!("DPDK does not start: {error}"))?;
    let ask = |address: &&str| {
        let port = Port::open(&eal, address).map_err(|error| error.to_string())?;
        port.information().map_err(|error| error.to_string())
    };
    addresses.iter().map(ask).collect()
}
