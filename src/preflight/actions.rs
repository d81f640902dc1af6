// SPDX-License-Identifier: Apache-2.0
//! What can be done to a machine, and undone: huge pages, modules, drivers of NICs.
//!
//! Each step is written into a journal before it is taken, with what was there before; [`Journal::undo`] goes through it from the end.
//! Huge pages and bindings end with the machine's next start anyway.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Wanted;
use super::guard;
use super::machine::{self, Machine, Module};
use crate::cli::Caution;

/// Kernel drivers that leave a NIC to user space.
pub const USER_SPACE_DRIVERS: [&str; 3] = ["vfio-pci", "igb_uio", "uio_pci_generic"];

/// One step. Paths are below the machine's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Loads a module of the kernel.
    LoadModule(String),
    /// Writes into a file of sysfs.
    Write { path: PathBuf, text: String, why: String },
    /// Mounts hugetlbfs.
    MountHugePages(PathBuf),
    /// Gives a NIC to a driver, `None` to whatever driver the kernel chooses.
    Bind { address: String, driver: Option<String> },
}

/// The command that would do the same, for `--dry-run`.
impl std::fmt::Display for Action {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Action::LoadModule(name) => write!(formatter, "modprobe {name}"),
            Action::Write { path, text, why } => write!(formatter, "echo {text} > {}   # {why}", path.display()),
            Action::MountHugePages(path) => {
                write!(formatter, "mkdir -p {0} && mount -t hugetlbfs hugetlbfs {0}", path.display())
            }
            Action::Bind { address, driver } => {
                let device = format!("/sys/bus/pci/devices/{address}");
                let chosen = driver.as_deref().unwrap_or_default();
                write!(
                    formatter,
                    "echo '{chosen}' > {device}/driver_override; echo {address} > {device}/driver/unbind; echo {address} > /sys/bus/pci/drivers_probe"
                )
            }
        }
    }
}

/// The steps from the machine as it is to what is wanted. What no step can do stays a finding of [`super::examine`].
pub fn plan(machine: &Machine, wanted: &Wanted, caution: Caution) -> Result<Vec<Action>, String> {
    let mut actions = huge_page_actions(machine, wanted);
    for device in &wanted.devices {
        actions.extend(bind(machine, device, &wanted.driver, caution)?);
    }
    // Two NICs want a module once.
    let mut once: Vec<Action> = Vec::new();
    for action in actions {
        if !once.contains(&action) {
            once.push(action);
        }
    }
    Ok(once)
}

/// The steps that give a NIC to a driver of user space; none when it has one, or shares it.
pub fn bind(machine: &Machine, device: &str, driver: &str, caution: Caution) -> Result<Vec<Action>, String> {
    let card = card(machine, device)?;
    if !USER_SPACE_DRIVERS.contains(&driver) {
        return Err(format!("{driver:?} is no driver for DPDK; accepted are {}", USER_SPACE_DRIVERS.join(", ")));
    }
    if card.driver.as_deref() == Some(driver) || machine::is_bifurcated(card) {
        return Ok(Vec::new());
    }
    if let (Caution::Refuse, Some(objection)) = (caution, guard::objection(card, &machine.guarded, &machine.root)) {
        return Err(format!("{objection}; taking it would cut this machine off, --force does it all the same"));
    }
    let mut actions = Vec::new();
    match machine.module(driver) {
        Module::Loaded => {}
        Module::Available => actions.push(Action::LoadModule(driver.to_owned())),
        Module::Absent => {
            return Err(format!(
                "kernel {} has no module {driver}; install the package with the kernel's modules, or choose another of {} with --driver",
                machine.kernel,
                USER_SPACE_DRIVERS.join(", ")
            ));
        }
    }
    if driver == "vfio-pci" && card.iommu_group.is_none() && !machine.unsafe_no_iommu {
        if caution == Caution::Refuse {
            return Err(format!(
                "{} has no IOMMU group, so vfio-pci does not take it: switch the IOMMU on (BIOS, intel_iommu=on iommu=pt), or let --force use vfio without one, which lets the NIC write anywhere in memory",
                card.address
            ));
        }
        actions.push(Action::Write {
            path: PathBuf::from("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"),
            text: "Y".to_owned(),
            why: "vfio without an IOMMU".to_owned(),
        });
    }
    actions.push(Action::Bind { address: card.address.clone(), driver: Some(driver.to_owned()) });
    Ok(actions)
}

/// The steps that give a NIC back to the kernel.
pub fn unbind(machine: &Machine, device: &str) -> Result<Vec<Action>, String> {
    let card = card(machine, device)?;
    match card.is_bound_for_user_space() || card.driver.is_none() {
        true => Ok(vec![Action::Bind { address: card.address.clone(), driver: None }]),
        false => Ok(Vec::new()),
    }
}

fn card<'a>(machine: &'a Machine, device: &str) -> Result<&'a dpdk_sys::devices::PciNetworkDevice, String> {
    machine.find(device).ok_or_else(|| {
        let known: Vec<&str> = machine.cards.iter().map(|card| card.address.as_str()).collect();
        match known.is_empty() {
            true => format!("{device:?} is no PCI network device; this machine has none"),
            false => format!("{device:?} is no PCI network device of this machine; it has {}", known.join(", ")),
        }
    })
}

/// Pages of the smallest size, on the node of the first NIC where nodes have their own.
fn huge_page_actions(machine: &Machine, wanted: &Wanted) -> Vec<Action> {
    let mut actions = Vec::new();
    let (_, free) = machine.huge_bytes();
    let missing = (wanted.memory_megabytes << 20).saturating_sub(free);
    if let Some(pages) = machine.huge_pages.first().filter(|_| missing > 0) {
        let size = format!("hugepages-{}kB", pages.page_kilobytes);
        let more = missing.div_ceil((pages.page_kilobytes << 10).max(1));
        let of_node = wanted.devices.iter().filter_map(|device| machine.find(device)?.numa_node).next();
        let node = machine.nodes.iter().find(|node| Some(node.number) == of_node && machine.nodes.len() > 1);
        let (folder, total) = match node {
            Some(node) => {
                let total = node.huge_pages.iter().find(|one| one.page_kilobytes == pages.page_kilobytes);
                (format!("/sys/devices/system/node/node{}/hugepages", node.number), total.map_or(0, |one| one.total))
            }
            None => ("/sys/kernel/mm/hugepages".to_owned(), pages.total),
        };
        actions.push(Action::Write {
            path: PathBuf::from(folder).join(size).join("nr_hugepages"),
            text: (total + more).to_string(),
            why: format!("{} MB of huge pages for DPDK", wanted.memory_megabytes),
        });
    }
    if machine.huge_mounts.is_empty() && !machine.huge_pages.is_empty() && wanted.memory_megabytes > 0 {
        actions.push(Action::MountHugePages(PathBuf::from("/dev/hugepages")));
    }
    actions
}

/// What was done, to be undone.
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// A journal in this folder, which is made when the first step is taken.
    pub fn new(folder: &Path) -> Journal {
        Journal { path: folder.join("preflight.json") }
    }

    /// Takes the steps; answers a line for each. What cannot be done ends it with a sentence; what was done stays in the journal.
    pub fn apply(&self, machine: &Machine, actions: &[Action]) -> Result<Vec<String>, String> {
        let mut entries = self.entries()?;
        let mut done = Vec::new();
        for action in actions {
            entries.push(before(machine, action));
            self.write(&entries)?;
            take(machine, action)?;
            done.push(action.to_string());
        }
        Ok(done)
    }

    /// Takes every step back, the last one first; answers a line for each.
    pub fn undo(&self, machine: &Machine) -> Result<Vec<String>, String> {
        let mut entries = self.entries()?;
        let mut done = Vec::new();
        while let Some(entry) = entries.last() {
            for action in inverse(entry)? {
                take(machine, &action)?;
                done.push(action.to_string());
            }
            if let Some(path) = entry["unmount"].as_str() {
                let path = below(&machine.root, Path::new(path));
                rustix::mount::unmount(&path, rustix::mount::UnmountFlags::empty())
                    .map_err(|error| format!("{} cannot be unmounted: {error}", path.display()))?;
                done.push(format!("umount {}", path.display()));
            }
            if let Some(name) = entry["module"].as_str() {
                // A module that something else uses meanwhile stays.
                let _ = Command::new("modprobe").args(["-r", name]).output();
                done.push(format!("modprobe -r {name}"));
            }
            entries.pop();
            self.write(&entries)?;
        }
        if self.path.exists() {
            fs::remove_file(&self.path).map_err(|error| self.failed(&error))?;
        }
        Ok(done)
    }

    fn entries(&self) -> Result<Vec<Value>, String> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("{} is no journal of preflight: {error}", self.path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn write(&self, entries: &[Value]) -> Result<(), String> {
        let store = || -> std::io::Result<()> {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let next = self.path.with_extension("new");
            let mut file = fs::File::create(&next)?;
            file.write_all(format!("{:#}\n", Value::Array(entries.to_vec())).as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, &self.path)
        };
        store().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> String {
        format!("the journal {} is not usable: {error}", self.path.display())
    }
}

/// What an action will change, as an entry of the journal.
fn before(machine: &Machine, action: &Action) -> Value {
    match action {
        Action::LoadModule(name) => json!({ "module": name }),
        Action::Write { path, .. } => {
            let text = fs::read_to_string(below(&machine.root, path)).unwrap_or_default();
            json!({ "write": path.to_string_lossy(), "text": text.trim() })
        }
        Action::MountHugePages(path) => json!({ "unmount": path.to_string_lossy() }),
        Action::Bind { address, .. } => {
            json!({ "bind": address, "driver": machine.card(address).and_then(|card| card.driver.clone()) })
        }
    }
}

/// What takes an entry back; modules and mounts are their own matter.
fn inverse(entry: &Value) -> Result<Vec<Action>, String> {
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    if let Some(path) = text("write") {
        let text = text("text").unwrap_or_default();
        return Ok(vec![Action::Write { path: path.into(), text, why: "as it was".to_owned() }]);
    }
    if let Some(address) = text("bind") {
        // A kernel driver comes back by itself once nothing overrides it.
        let driver = text("driver").filter(|driver| USER_SPACE_DRIVERS.contains(&driver.as_str()));
        return Ok(vec![Action::Bind { address, driver }]);
    }
    match entry["module"].is_string() || entry["unmount"].is_string() {
        true => Ok(Vec::new()),
        false => Err(format!("the journal has an entry of no known kind: {entry}")),
    }
}

fn take(machine: &Machine, action: &Action) -> Result<(), String> {
    match action {
        Action::LoadModule(name) => {
            let failed = |why: String| format!("module {name} cannot be loaded: {why}");
            let outcome = Command::new("modprobe").arg(name).output().map_err(|error| failed(error.to_string()))?;
            match outcome.status.success() {
                true => Ok(()),
                false => Err(failed(String::from_utf8_lossy(&outcome.stderr).trim().to_owned())),
            }
        }
        Action::Write { path, text, .. } => {
            write(&below(&machine.root, path), text)?;
            let got = fs::read_to_string(below(&machine.root, path)).unwrap_or_default();
            match (text.parse::<u64>(), got.trim().parse::<u64>()) {
                // The kernel takes what it finds: memory may be in pieces.
                (Ok(asked), Ok(got)) if got < asked => Err(format!(
                    "of {asked} huge pages the kernel found {got}: memory is short or in pieces; reserve them when the machine starts (hugepages={asked})"
                )),
                _ => Ok(()),
            }
        }
        Action::MountHugePages(path) => {
            let path = below(&machine.root, path);
            let mount = || -> std::io::Result<()> {
                fs::create_dir_all(&path)?;
                let flags = rustix::mount::MountFlags::empty();
                rustix::mount::mount("hugetlbfs", &path, "hugetlbfs", flags, None::<&std::ffi::CStr>)?;
                Ok(())
            };
            mount().map_err(|error| format!("hugetlbfs cannot be mounted on {}: {error}", path.display()))
        }
        Action::Bind { address, driver } => rebind(&machine.root, address, driver.as_deref()),
    }
}

fn rebind(root: &Path, address: &str, driver: Option<&str>) -> Result<(), String> {
    let bus = root.join("sys/bus/pci");
    let device = bus.join("devices").join(address);
    // An empty line takes the override away.
    write(&device.join("driver_override"), driver.unwrap_or("\n"))?;
    if device.join("driver").exists() {
        write(&device.join("driver/unbind"), address)?;
    }
    write(&bus.join("drivers_probe"), address)?;
    let bound = fs::read_link(device.join("driver")).ok();
    let bound = bound.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match driver {
        Some(driver) if bound.as_deref() != Some(driver) => Err(format!(
            "{address} was offered to {driver}, which did not take it; it has {} now (the kernel's log says why)",
            bound.as_deref().unwrap_or("no driver")
        )),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut file = fs::OpenOptions::new().write(true).open(path);
    let outcome = file
        .as_mut()
        .map_err(|error| std::io::Error::from(error.kind()))
        .and_then(|file| file.write_all(text.as_bytes()));
    outcome.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "; this needs root",
            _ => "",
        };
        format!("{} cannot be written: {error}{hint}", path.display())
    })
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests;
