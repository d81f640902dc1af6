// SPDX-License-Identifier: Apache-2.0
//! Builds EAL's argument list, with what each DPDK release accepts together.
//!
//! DPDK 22.11 refuses `--no-huge` together with `--in-memory`, so memory without huge pages goes with `--no-shconf`
//! instead; both leave no shared files behind and need no other process.

use std::fs;
use std::path::Path;

use crate::thread::CpuSet;

/// Where EAL takes its memory from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Huge pages, taken as needed and given back at exit (`--in-memory`); `megabytes` are taken at the start.
    HugePages { megabytes: Option<u32> },
    /// Ordinary pages (`--no-huge --no-shconf`): for files, replay, virtual devices and tests. EAL takes all of it at
    /// the start.
    OrdinaryPages { megabytes: u32 },
}

impl Memory {
    /// Huge pages when the system has enough free ones for `megabytes`, ordinary pages otherwise.
    pub fn detect(megabytes: u32) -> Self {
        if huge_pages_free() >= u64::from(megabytes) * 1024 * 1024 {
            Self::HugePages { megabytes: None }
        } else {
            Self::OrdinaryPages { megabytes }
        }
    }
}

/// Bytes of free huge pages of all sizes, 0 when there are none or sysfs cannot be read.
pub fn huge_pages_free() -> u64 {
    huge_pages_free_below(Path::new("/sys/kernel/mm/hugepages"))
}

fn huge_pages_free_below(directory: &Path) -> u64 {
    let Ok(sizes) = fs::read_dir(directory) else { return 0 };
    sizes.flatten().filter_map(|size| free_bytes_of_size(&size.path())).fold(0, u64::saturating_add)
}

/// Free bytes of one directory such as `hugepages-2048kB`.
fn free_bytes_of_size(directory: &Path) -> Option<u64> {
    let name = directory.file_name()?.to_str()?;
    let kilobytes: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    let free: u64 = fs::read_to_string(directory.join("free_hugepages")).ok()?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)?.checked_mul(free)
}

/// EAL's arguments, in the order EAL gets them. What the user gives by [`EalArguments::extra`] comes last and is passed
/// as it is.
#[derive(Clone, Debug)]
pub struct EalArguments {
    program: String,
    arguments: Vec<String>,
    main_cpus: Option<CpuSet>,
    extra: Vec<String>,
}

impl EalArguments {
    /// `program` becomes EAL's name for this process in its log.
    ///
    /// The telemetry socket of DPDK is off: it is a control interface that nothing here uses.
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            arguments: vec!["--no-telemetry".to_owned()],
            main_cpus: None,
            extra: Vec::new(),
        }
    }

    /// Where the memory comes from.
    pub fn memory(mut self, memory: Memory) -> Self {
        match memory {
            Memory::HugePages { megabytes } => {
                self.push("--in-memory");
                if let Some(megabytes) = megabytes {
                    self.push_pair("-m", megabytes.to_string());
                }
            }
            Memory::OrdinaryPages { megabytes } => {
                self.push("--no-huge");
                self.push("--no-shconf");
                self.push_pair("-m", megabytes.to_string());
            }
        }
        self
    }

    /// Does not look at the PCI bus at all: for virtual devices, and needed as an ordinary user.
    pub fn no_pci(mut self) -> Self {
        self.push("--no-pci");
        self
    }

    /// Uses this PCI device and no other that is not named as well, with its device arguments if any.
    pub fn allow_device(mut self, device: &str) -> Self {
        self.push_pair("-a", device.to_owned());
        self
    }

    /// Creates a virtual device such as `net_pcap0,rx_pcap=x.pcap`.
    pub fn virtual_device(mut self, device: &str) -> Self {
        self.push(&format!("--vdev={device}"));
        self
    }

    /// Sets a log level: `level` is EAL's syntax, `error`, `lib.eal:debug`, `pmd.*:warning`.
    pub fn log_level(mut self, level: &str) -> Self {
        self.push(&format!("--log-level={level}"));
        self
    }

    /// Names this process's runtime files, for several processes of one user with shared configuration.
    pub fn file_prefix(mut self, prefix: &str) -> Self {
        self.push_pair("--file-prefix", prefix.to_owned());
        self
    }

    /// Where EAL's control threads may run, by making `cpus` the mask of the single EAL lcore.
    ///
    /// Left out when [`EalArguments::extra`] names lcores itself. Without either, EAL starts an idle thread on every
    /// CPU.
    pub fn main_cpus(mut self, cpus: CpuSet) -> Self {
        self.main_cpus = Some(cpus);
        self
    }

    /// Arguments of the user's own, such as `--lcores 0@0,1@0,2@1`.
    pub fn extra<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.extra.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The list for [`crate::Eal::init`]: the program's name, then the arguments.
    pub fn list(&self) -> Vec<String> {
        let mut list = vec![self.program.clone()];
        list.extend(self.arguments.iter().cloned());
        if let Some(cpus) = &self.main_cpus
            && !self.extra.iter().any(|argument| names_lcores(argument))
        {
            list.push("--lcores".to_owned());
            list.push(format!("0@({cpus})"));
        }
        list.extend(self.extra.iter().cloned());
        list
    }

    fn push(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    fn push_pair(&mut self, option: &str, value: String) {
        self.arguments.push(option.to_owned());
        self.arguments.push(value);
    }
}

/// Whether an argument is one of EAL's three ways to name lcores: `-c`, `-l`, `--lcores`, with or without their value
/// attached.
fn names_lcores(argument: &str) -> bool {
    argument.starts_with("--lcores")
        || (!argument.starts_with("--") && (argument.starts_with("-l") || argument.starts_with("-c")))
}

#[cfg(test)]
mod tests;
