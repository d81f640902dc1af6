// SPDX-License-Identifier: Apache-2.0
//! Reads `/proc` (proc(5)): sockets with their inodes, the processes that hold them, what those are.
//!
//! A socket that is gone is remembered for 10 s, the description of a process for 30 s, as in Packetbeat.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Carrier, Process, ProcessSettings};

/// A carrier with an address and a port of this machine.
type End = (Carrier, IpAddr, u16);

/// Processes by the ends that they have.
#[derive(Clone, Default)]
pub struct Table {
    ends: HashMap<End, Arc<Process>>,
}

impl Table {
    /// The process with this end, or with its port on all addresses.
    pub fn find(&self, carrier: Carrier, address: IpAddr, port: u16) -> Option<&Process> {
        let unspecified = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // A socket for all addresses of IPv6 takes those of IPv4 too.
        let candidates = [address, unspecified, IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let mut found = candidates.into_iter().filter_map(|address| self.ends.get(&(carrier, address, port)));
        found.next().map(|process| &**process)
    }
}

const END_LIFE: Duration = Duration::from_secs(10);
const PROCESS_LIFE: Duration = Duration::from_secs(30);
/// Sockets that are remembered.
const MAXIMUM_ENDS: usize = 1 << 17;
/// Bytes of a file that are read.
const MAXIMUM_TABLE_BYTES: u64 = 64 << 20;
const MAXIMUM_ARGUMENT_BYTES: u64 = 4096;

/// Keeps what was read before.
pub struct Refresher {
    proc: PathBuf,
    settings: ProcessSettings,
    boot_ns: i64,
    ends: HashMap<End, (Arc<Process>, Instant)>,
    processes: HashMap<u32, (Arc<Process>, Instant)>,
}

impl Refresher {
    pub fn new(proc: PathBuf, settings: ProcessSettings) -> Refresher {
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let boot_seconds = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
        let boot_ns = boot_seconds.unwrap_or(0).saturating_mul(1_000_000_000);
        Refresher { proc, settings, boot_ns, ends: HashMap::new(), processes: HashMap::new() }
    }

    /// The table as it is now. What cannot be read is left out.
    pub fn read(&mut self) -> Table {
        let now = Instant::now();
        self.ends.retain(|_, (_, seen)| now.duration_since(*seen) < END_LIFE);
        self.processes.retain(|_, (_, seen)| now.duration_since(*seen) < PROCESS_LIFE);
        let sockets = self.sockets();
        for entry in fs::read_dir(&self.proc).into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            for descriptor in fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten() {
                let Ok(target) = fs::read_link(descriptor.path()) else { continue };
                let Some(ends) = target.to_str().and_then(inode_of).and_then(|inode| sockets.get(&inode)) else {
                    continue;
                };
                let Some(process) = self.process(pid, now) else { break };
                for end in ends {
                    if self.ends.len() < MAXIMUM_ENDS {
                        self.ends.insert(*end, (Arc::clone(&process), now));
                    }
                }
            }
        }
        Table { ends: self.ends.iter().map(|(end, (process, _))| (*end, Arc::clone(process))).collect() }
    }

    /// Ends by the inode of their socket.
    fn sockets(&self) -> HashMap<u64, Vec<End>> {
        let mut sockets: HashMap<u64, Vec<End>> = HashMap::new();
        for (name, carrier) in
            [("tcp", Carrier::Tcp), ("tcp6", Carrier::Tcp), ("udp", Carrier::Udp), ("udp6", Carrier::Udp)]
        {
            let text = read_bounded(&self.proc.join("net").join(name), MAXIMUM_TABLE_BYTES);
            for line in String::from_utf8_lossy(&text).lines().skip(1).take(MAXIMUM_ENDS) {
                if let Some((address, port, inode)) = socket(line) {
                    sockets.entry(inode).or_default().push((carrier, address, port));
                }
            }
        }
        sockets
    }

    fn process(&mut self, pid: u32, now: Instant) -> Option<Arc<Process>> {
        if let Some((process, _)) = self.processes.get(&pid) {
            return Some(Arc::clone(process));
        }
        let process = Arc::new(self.describe(pid)?);
        self.processes.insert(pid, (Arc::clone(&process), now));
        Some(process)
    }

    fn describe(&self, pid: u32) -> Option<Process> {
        const TICK_NS: i64 = 10_000_000;
        let folder = self.proc.join(pid.to_string());
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The name may hold parentheses and spaces itself.
        let (command, rest) = (stat.split_once('(')?.1).rsplit_once(')')?;
        let numbers: Vec<&str> = rest.split_ascii_whitespace().collect();
        let start_ticks: i64 = numbers.get(19)?.parse().ok()?;
        let line = read_bounded(&folder.join("cmdline"), MAXIMUM_ARGUMENT_BYTES);
        let mut arguments: Vec<String> =
            line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect();
        // Every argument ends with a zero byte.
        arguments.pop_if(|last| last.is_empty());
        let executable = fs::read_link(folder.join("exe")).map(|path| path.to_string_lossy().into_owned());
        Some(Process {
            pid,
            parent_pid: numbers.get(1)?.parse().ok()?,
            name: self.name(command, &arguments),
            arguments,
            executable: executable.unwrap_or_default(),
            start_ns: self.boot_ns.saturating_add(start_ticks.saturating_mul(TICK_NS)),
        })
    }

    /// The kernel cuts names to 15 bytes; the whole one is the first argument's.
    fn name(&self, command: &str, arguments: &[String]) -> String {
        const CUT_BYTES: usize = 15;
        let line = arguments.join(" ");
        if let Some(monitored) = self.settings.monitored.iter().find(|other| line.contains(&other.command_line)) {
            return monitored.name.clone();
        }
        let first = arguments.first().and_then(|first| first.rsplit('/').next()).filter(|first| !first.is_empty());
        match first {
            Some(first) if command.len() >= CUT_BYTES => first.to_owned(),
            _ => command.to_owned(),
        }
    }
}

/// `socket:[123]`
fn inode_of(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Local address, local port and inode of a line of `/proc/net/tcp` and its kin.
fn socket(line: &str) -> Option<(IpAddr, u16, u64)> {
    let mut columns = line.split_ascii_whitespace();
    let (address, port) = columns.nth(1)?.split_once(':')?;
    let inode: u64 = columns.nth(7)?.parse().ok()?;
    // Words of 32 bits in the byte order of the machine.
    let word =
        |place: usize| u32::from_str_radix(address.get(place * 8..place * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(words.as_flattened()).for_each(|(byte, from)| *byte = *from);
            // A connection of IPv4 on a socket for both.
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    // Inode 0: the process let it go.
    (inode != 0).then_some((address, u16::from_str_radix(port, 16).ok()?, inode))
}

fn read_bounded(path: &std::path::Path, bytes: u64) -> Vec<u8> {
    use std::io::Read as _;
    let mut text = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // What was read until an error is used.
        let _ = file.take(bytes).read_to_end(&mut text);
    }
    text
}
