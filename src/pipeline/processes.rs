// SPDX-License-Identifier: Apache-2.0
//! Which process of this machine an end of a flow belongs to (`packetbeat.procs`).
//!
//! A thread of its own reads `/proc` into a snapshot that workers look into without a lock. It reads when a worker met a
//! new flow with an unknown local end, at most once a second. Limits: the sockets of this network namespace; what opens
//! and closes a socket within a second may be missed.

mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::config::{ConfigError, Section};
use crate::event::{Event, Field, Value, field};
use crate::flow::perimeter::Network;
use table::{Refresher, Table};

/// `packetbeat.procs`, when it is enabled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessSettings {
    pub monitored: Vec<Monitored>,
}

/// `packetbeat.procs.monitored`: another name for processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitored {
    pub name: String,
    /// A part of the arguments, joined by spaces.
    pub command_line: String,
}

/// None: events name no processes, as by default.
pub fn read(packetbeat: Option<&Section<'_>>) -> Result<Option<ProcessSettings>, ConfigError> {
    let Some(packetbeat) = packetbeat else { return Ok(None) };
    let Some(section) = packetbeat.section("procs")? else { return Ok(None) };
    if !section.boolean("enabled")?.unwrap_or(false) {
        section.ignore_rest();
        return Ok(None);
    }
    let mut monitored = Vec::new();
    for item in section.list("monitored")? {
        let name = item.string("process")?.unwrap_or_default();
        let command_line = item.string("cmdline_grep")?.unwrap_or_default();
        if name.is_empty() || command_line.is_empty() {
            return Err(item.refuse("a monitored process needs both process and cmdline_grep"));
        }
        monitored.push(Monitored { name, command_line });
    }
    Ok(Some(ProcessSettings { monitored }))
}

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub parent_pid: u32,
    pub name: String,
    pub arguments: Vec<String>,
    /// Empty when it cannot be read.
    pub executable: String,
    pub start_ns: i64,
}

/// A transport with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    Tcp,
    Udp,
}

/// Which form an event's process fields have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `process.parent.pid`
    Transaction,
    /// `process.ppid`
    Flow,
}

/// The snapshot that workers look into.
pub struct Processes {
    /// The machine's addresses; loopback is its own too.
    local: Vec<IpAddr>,
    table: ArcSwap<Table>,
    wanted: AtomicBool,
}

/// Between two looks at whether a worker wants the table read.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two readings of `/proc`, which takes milliseconds on a large machine.
const REST: Duration = Duration::from_secs(1);

impl Processes {
    /// Reads the table once, then on a thread that ends when nobody else has the value.
    pub fn start(settings: ProcessSettings, local: Vec<IpAddr>) -> Arc<Processes> {
        let mut refresher = Refresher::new("/proc".into(), settings);
        let table = ArcSwap::from_pointee(refresher.read());
        let processes = Arc::new(Processes { local, table, wanted: AtomicBool::new(false) });
        let weak = Arc::downgrade(&processes);
        let work = move || {
            loop {
                std::thread::sleep(PAUSE);
                let Some(processes) = weak.upgrade() else { return };
                if processes.wanted.swap(false, Ordering::Relaxed) {
                    processes.table.store(Arc::new(refresher.read()));
                    drop(processes);
                    std::thread::sleep(REST);
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("processes".to_owned()).spawn(work) {
            log::warn!("packetbeat.procs: the thread that reads /proc cannot be started: {error}");
        }
        processes
    }

    /// A flow begins: a local end that is not in the table makes it read anew, before the first event of the flow.
    pub fn notice(&self, carrier: Carrier, ends: [(IpAddr, u16); 2]) {
        let table = self.table.load();
        let is_unknown = |(address, port)| self.is_local(address) && table.find(carrier, address, port).is_none();
        if ends.into_iter().any(is_unknown) {
            self.wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Sets the process fields of an event whose ends are set.
    pub fn enrich(&self, event: &mut Event, form: Form) {
        let carrier = match event.get(field::NETWORK_TRANSPORT).and_then(|value| event.text_of(value)) {
            Some(b"tcp") => Carrier::Tcp,
            Some(b"udp") => Carrier::Udp,
            _ => return,
        };
        let table = self.table.load();
        let find = |address: Field, port: Field, event: &Event| match (event.get(address), event.get(port)) {
            (Some(Value::Address(address)), Some(Value::Unsigned(port))) if self.is_local(address) => {
                table.find(carrier, address, u16::try_from(port).ok()?)
            }
            _ => None,
        };
        let source = find(field::SOURCE_IP, field::SOURCE_PORT, event);
        let destination = find(field::DESTINATION_IP, field::DESTINATION_PORT, event);
        if let Some(process) = source {
            SOURCE.set(event, process, form);
        }
        if let Some(process) = destination {
            DESTINATION.set(event, process, form);
        }
        if let Some(process) = destination.or(source) {
            ROOT.set(event, process, form);
        }
    }

    fn is_local(&self, address: IpAddr) -> bool {
        Network::Loopback.contains(address) || self.local.contains(&address)
    }
}

/// The fields of one process.
struct Fields {
    pid: Field,
    name: Field,
    arguments: Field,
    executable: Field,
    start: Field,
    parent_pid: Field,
    flow_parent_pid: Field,
}

const SOURCE: Fields = Fields {
    pid: field::SOURCE_PROCESS_PID,
    name: field::SOURCE_PROCESS_NAME,
    arguments: field::SOURCE_PROCESS_ARGS,
    executable: field::SOURCE_PROCESS_EXECUTABLE,
    start: field::SOURCE_PROCESS_START,
    parent_pid: field::SOURCE_PROCESS_PARENT_PID,
    flow_parent_pid: field::SOURCE_PROCESS_PPID,
};

const DESTINATION: Fields = Fields {
    pid: field::DESTINATION_PROCESS_PID,
    name: field::DESTINATION_PROCESS_NAME,
    arguments: field::DESTINATION_PROCESS_ARGS,
    executable: field::DESTINATION_PROCESS_EXECUTABLE,
    start: field::DESTINATION_PROCESS_START,
    parent_pid: field::DESTINATION_PROCESS_PARENT_PID,
    flow_parent_pid: field::DESTINATION_PROCESS_PPID,
};

const ROOT: Fields = Fields {
    pid: field::PROCESS_PID,
    name: field::PROCESS_NAME,
    arguments: field::PROCESS_ARGS,
    executable: field::PROCESS_EXECUTABLE,
    start: field::PROCESS_START,
    parent_pid: field::PROCESS_PARENT_PID,
    flow_parent_pid: field::PROCESS_PPID,
};

impl Fields {
    fn set(&self, event: &mut Event, process: &Process, form: Form) {
        event.unsigned(self.pid, u64::from(process.pid));
        event.text_if_any(self.name, &process.name);
        if !process.arguments.is_empty() {
            event.list(self.arguments, |list| process.arguments.iter().for_each(|argument| list.text(argument)));
        }
        event.text_if_any(self.executable, &process.executable);
        event.time(self.start, process.start_ns);
        let parent = if form == Form::Flow { self.flow_parent_pid } else { self.parent_pid };
        event.unsigned_if_any(parent, u64::from(process.parent_pid));
    }
}
