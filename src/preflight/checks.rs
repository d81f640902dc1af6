// SPDX-License-Identifier: Apache-2.0
//! The machine against what is wanted of it: one finding for each point, in the order of the table.

use dpdk_sys::PortInformation;
use dpdk_sys::devices::PciNetworkDevice;
use dpdk_sys::sys;

use super::machine::{self, Machine, Module};
use super::{Finding, Wanted, guard};

/// What the shipped program needs of an x86-64 CPU (x86-64-v2), and what makes it faster.
const NEEDED_FLAGS: [&str; 4] = ["sse4_2", "ssse3", "popcnt", "cx16"];
const FAST_FLAGS: [&str; 2] = ["avx2", "bmi2"];
/// The oldest DPDK that works.
const OLDEST_DPDK: (u32, u32) = (22, 11);
/// One huge page of this size spares the TLB most.
const GIGABYTE_KILOBYTES: u64 = 1 << 20;

/// All findings that need no EAL.
pub fn examine(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = vec![dpdk(&dpdk_sys::dpdk_version())];
    findings.extend([cpu_flags(machine), cores(machine, wanted), isolation(machine, wanted), clock(machine)]);
    findings.extend(huge_pages(machine, wanted));
    findings.push(iommu(machine, wanted));
    findings.push(driver(machine, wanted));
    findings.extend(memory_lock(machine, wanted));
    findings.extend(eal_arguments(wanted));
    for device in &wanted.devices {
        match machine.find(device) {
            None => findings.push(unknown(machine, device)),
            Some(card) => findings.extend(self::card(machine, wanted, card)),
        }
    }
    if wanted.devices.is_empty() {
        findings.push(Finding::warning(
            "NIC",
            match machine.cards.len() {
                0 => "this machine has no PCI NIC".to_owned(),
                count => format!("{count} PCI NICs, none in the configuration"),
            },
            "set packetbeat.interfaces.device to the PCI address of a NIC (`wirebeat devices` lists them)",
        ));
    }
    findings
}

/// What the driver says of a bound NIC, as far as it must fit.
pub fn port(wanted: &Wanted, port: &PortInformation) -> Vec<Finding> {
    let subject = format!("NIC {}", port.name);
    let queues = usize::from(port.max_rx_queues);
    let mut findings = Vec::new();
    let offered = format!("{} offers {queues} receive queues", port.driver);
    findings.push(match queues >= wanted.workers {
        true => Finding::good(&subject, offered),
        false => Finding::warning(
            &subject,
            format!("{offered}, {} workers are wanted", wanted.workers),
            "the workers without a queue get their packets handed over: take fewer (wirebeat.workers), or another NIC",
        ),
    });
    let functions = [("IP", sys::SHIM_RSS_IP), ("TCP", sys::SHIM_RSS_TCP), ("UDP", sys::SHIM_RSS_UDP)];
    let known: Vec<&str> =
        functions.iter().filter(|(_, mask)| port.rss_functions & mask != 0).map(|(name, _)| *name).collect();
    findings.push(match (known.is_empty(), queues) {
        (true, 2..) => Finding::warning(
            &subject,
            "no receive side scaling",
            "all packets come through one queue and are handed over to the other workers",
        ),
        (true, _) => Finding::good(&subject, "one queue, which needs no receive side scaling"),
        (false, _) => Finding::good(
            &subject,
            format!("receive side scaling by {}, a table of {} entries", known.join(", "), port.reta_size),
        ),
    });
    findings.push(match (port.link.is_up, port.link.speed_mbps) {
        (true, 0 | u32::MAX) => Finding::good(&subject, "link is up"),
        (true, speed) => Finding::good(&subject, format!("link is up at {speed} Mbit/s")),
        (false, _) => {
            Finding::warning(&subject, "link is down", "look at the cable, the optics and the switch's mirror port")
        }
    });
    findings
}

fn dpdk(version: &str) -> Finding {
    let digits = version.trim_start_matches(|character: char| !character.is_ascii_digit());
    let mut parts = digits.split(|character: char| !character.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    match found >= OLDEST_DPDK {
        true => Finding::good("DPDK", version),
        false => Finding::failure(
            "DPDK",
            version,
            "22.11 or newer is needed; a self-built one is found through PKG_CONFIG_PATH",
        ),
    }
}

fn cpu_flags(machine: &Machine) -> Finding {
    let lacks = |flags: &[&'static str]| -> Vec<&'static str> {
        flags.iter().copied().filter(|flag| !machine.cpu_flags.contains(*flag)).collect()
    };
    if cfg!(not(target_arch = "x86_64")) {
        return Finding::good("CPU", "no x86-64: its vector instructions are not looked at");
    }
    let (missing, slow) = (lacks(&NEEDED_FLAGS), lacks(&FAST_FLAGS));
    match (missing.is_empty(), slow.is_empty()) {
        (false, _) => Finding::failure(
            "CPU",
            format!("without {}", missing.join(", ")),
            "an x86-64-v2 CPU is needed; in a virtual machine pass the host's CPU through",
        ),
        (true, false) => Finding::warning(
            "CPU",
            format!("without {}", slow.join(", ")),
            "it runs, slower; in a virtual machine pass the host's CPU through",
        ),
        (true, true) => Finding::good("CPU", "x86-64-v2 and AVX2"),
    }
}

fn cores(machine: &Machine, wanted: &Wanted) -> Finding {
    let (online, needed) = (machine.online_cpus.len(), wanted.workers + 1);
    let found = format!("{online} online, {} workers and the I/O core want {needed}", wanted.workers);
    if let Some(cpu) = wanted.cpus.iter().find(|cpu| !machine.online_cpus.contains(cpu)) {
        return Finding::failure(
            "cores",
            format!("CPU {cpu} of the configuration is not online"),
            "name CPUs that are",
        );
    }
    match online >= needed {
        true => Finding::good("cores", found),
        false => Finding::warning(
            "cores",
            found,
            "workers that share a core wait for each other: take fewer (wirebeat.workers) or a machine with more",
        ),
    }
}

fn isolation(machine: &Machine, wanted: &Wanted) -> Finding {
    let exposed: Vec<String> =
        wanted.cpus.iter().filter(|cpu| !machine.isolated_cpus.contains(cpu)).map(usize::to_string).collect();
    let advice = "boot with isolcpus=, nohz_full= and rcu_nocbs= for the workers' CPUs, and name them in wirebeat.cpus";
    match (machine.isolated_cpus.is_empty(), wanted.cpus.is_empty(), exposed.is_empty()) {
        (true, ..) => Finding::warning("isolated cores", "none: the kernel runs other work beside the workers", advice),
        (false, true, _) => Finding::warning(
            "isolated cores",
            format!("{} isolated, and no worker is put on them", machine.isolated_cpus.len()),
            "name them in wirebeat.cpus",
        ),
        (false, false, false) => Finding::warning(
            "isolated cores",
            format!("workers on CPUs {}, which are not isolated", exposed.join(", ")),
            advice,
        ),
        (false, false, true) => Finding::good("isolated cores", "all workers are on isolated CPUs"),
    }
}

fn clock(machine: &Machine) -> Finding {
    let steady = ["constant_tsc", "nonstop_tsc"].iter().all(|flag| machine.cpu_flags.contains(*flag));
    match (machine.clock_source.as_str(), steady) {
        (source, true) | (source @ "arch_sys_counter", _) => {
            Finding::good("clock", format!("{source}, steady counter"))
        }
        (source, false) => Finding::warning(
            "clock",
            format!("{source}, the CPU's counter may change its pace"),
            "time stamps of packets may be off by up to a millisecond between adjustments",
        ),
    }
}

fn huge_pages(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    const SUBJECT: &str = "huge pages";
    let (total, free) = machine.huge_bytes();
    let (total, free, needed) = (total >> 20, free >> 20, wanted.memory_megabytes);
    let found = format!("{free} MB free of {total} MB, {needed} MB are wanted");
    let advice = "reserve them (`wirebeat preflight --apply`, or vm.nr_hugepages in /etc/sysctl.d)";
    let mut findings = Vec::new();
    findings.push(match (total, free >= needed) {
        (0, _) => Finding::failure(SUBJECT, format!("none, {needed} MB are wanted"), advice),
        (_, false) => Finding::failure(
            SUBJECT,
            found,
            format!("{advice}; when memory is in pieces reserve them as the machine starts (hugepages= on the kernel's line)"),
        ),
        (_, true) => Finding::good(SUBJECT, found),
    });
    if machine.huge_mounts.is_empty() {
        findings.push(Finding::warning(
            SUBJECT,
            "hugetlbfs is not mounted",
            "needed unless EAL has --in-memory: `wirebeat preflight --apply` mounts /dev/hugepages",
        ));
    }
    if needed > 4096
        && !machine.huge_pages.iter().any(|pages| pages.page_kilobytes >= GIGABYTE_KILOBYTES && pages.total > 0)
    {
        findings.push(Finding::warning(
            SUBJECT,
            "pages of 2 MB only",
            "so much memory is better in pages of 1 GB (default_hugepagesz=1G hugepagesz=1G hugepages= on the kernel's line)",
        ));
    }
    for card in wanted.devices.iter().filter_map(|device| machine.find(device)) {
        let Some(node) = machine.nodes.iter().find(|node| Some(node.number) == card.numa_node) else { continue };
        let bytes: u64 = node.huge_pages.iter().map(|pages| pages.free * (pages.page_kilobytes << 10)).sum();
        if machine.nodes.len() > 1 && bytes >> 20 < needed {
            findings.push(Finding::failure(
                SUBJECT,
                format!("{} MB free on NUMA node {} of {}", bytes >> 20, node.number, card.address),
                format!("reserve them there: /sys/devices/system/node/node{}/hugepages", node.number),
            ));
        }
        let far: Vec<String> =
            wanted.cpus.iter().filter(|cpu| !node.cpus.contains(cpu)).map(usize::to_string).collect();
        if !far.is_empty() {
            findings.push(Finding::warning(
                "NUMA",
                format!("workers on CPUs {}, and {} is on node {}", far.join(", "), card.address, node.number),
                format!("put them on CPUs of that node, which has {} of them", node.cpus.len()),
            ));
        }
    }
    findings
}

fn iommu(machine: &Machine, wanted: &Wanted) -> Finding {
    match (machine.iommu_groups, machine.unsafe_no_iommu, wanted.driver.as_str()) {
        (1.., _, _) => Finding::good("IOMMU", format!("on, {} groups", machine.iommu_groups)),
        (0, true, _) => Finding::warning(
            "IOMMU",
            "off, vfio is allowed without one",
            "the NIC can write anywhere in memory: switch the IOMMU on (BIOS, intel_iommu=on iommu=pt)",
        ),
        (0, false, "vfio-pci") => Finding::failure(
            "IOMMU",
            "off",
            "switch it on (BIOS: VT-d or AMD-Vi; kernel's line: intel_iommu=on iommu=pt), or --force vfio without one",
        ),
        (0, false, driver) => Finding::warning("IOMMU", "off", format!("{driver} works without one, and only as root")),
    }
}

fn driver(machine: &Machine, wanted: &Wanted) -> Finding {
    let name = wanted.driver.as_str();
    let shared = wanted.devices.iter().filter_map(|device| machine.find(device)).all(machine::is_bifurcated);
    match machine.module(name) {
        _ if shared && !wanted.devices.is_empty() => {
            Finding::good("driver", "no module is needed, the NIC is shared with its kernel driver")
        }
        Module::Loaded => Finding::good("driver", format!("{name} is loaded")),
        Module::Available => Finding::warning(
            "driver",
            format!("{name} is there and not loaded"),
            format!("`wirebeat preflight --apply` loads it, or modprobe {name}"),
        ),
        Module::Absent => Finding::failure(
            "driver",
            format!("kernel {} has no {name}", machine.kernel),
            "install the kernel's modules (linux-image or linux-modules-extra), or set another driver with --driver",
        ),
    }
}

fn memory_lock(machine: &Machine, wanted: &Wanted) -> Option<Finding> {
    const SUBJECT: &str = "permissions";
    if machine.is_root {
        return Some(Finding::good(SUBJECT, "root"));
    }
    let needed = wanted.memory_megabytes << 20;
    Some(match machine.memory_lock_bytes {
        Some(limit) if limit < needed => Finding::failure(
            SUBJECT,
            format!("{} MB may be locked, {} MB are wanted", limit >> 20, wanted.memory_megabytes),
            "LimitMEMLOCK=infinity in the unit, or `ulimit -l unlimited`",
        ),
        _ => Finding::good(SUBJECT, "enough memory may be locked"),
    })
}

fn eal_arguments(wanted: &Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = |name: &str| {
        wanted.eal_arguments.iter().any(|argument| argument == name || argument.starts_with(&format!("{name}=")))
    };
    if own("--no-pci") && !wanted.devices.is_empty() {
        findings.push(Finding::failure(
            "EAL arguments",
            format!("--no-pci, and {} is a PCI device", wanted.devices.join(", ")),
            "leave --no-pci out of wirebeat.dpdk.eal_arguments",
        ));
    }
    if own("--no-huge") && own("--in-memory") {
        findings.push(Finding::failure(
            "EAL arguments",
            "--no-huge and --in-memory exclude each other",
            "leave one of them out of wirebeat.dpdk.eal_arguments",
        ));
    }
    let allowed: Vec<String> = (wanted.eal_arguments.windows(2))
        .filter(|pair| matches!(pair[0].as_str(), "-a" | "--allow"))
        .filter_map(|pair| dpdk_sys::devices::normalise_pci_address(pair[1].split(',').next().unwrap_or_default()))
        .collect();
    let left_out = wanted.devices.iter().find(|device| {
        let address = dpdk_sys::devices::normalise_pci_address(device);
        !allowed.is_empty() && address.is_some_and(|address| !allowed.contains(&address))
    });
    if let Some(device) = left_out {
        findings.push(Finding::failure(
            "EAL arguments",
            format!("-a allows {} and not {device} of the configuration", allowed.join(", ")),
            "leave -a out of wirebeat.dpdk.eal_arguments: the devices of the configuration are allowed",
        ));
    }
    findings
}

fn unknown(machine: &Machine, device: &str) -> Finding {
    let known: Vec<&str> = machine.cards.iter().map(|card| card.address.as_str()).collect();
    Finding::failure(
        &format!("NIC {device}"),
        "not on this machine's PCI bus",
        match known.is_empty() {
            true => "it has no network device there".to_owned(),
            false => format!("it has {}", known.join(", ")),
        },
    )
}

fn card(machine: &Machine, wanted: &Wanted, card: &PciNetworkDevice) -> Vec<Finding> {
    let subject = format!("NIC {}", card.address);
    let driver = card.driver.as_deref().unwrap_or("no driver");
    let names: Vec<&str> = card.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    let mut findings = Vec::new();
    findings.push(match (card.is_bound_for_user_space(), machine::is_bifurcated(card)) {
        (true, _) => Finding::good(&subject, format!("bound to {driver}, ready for DPDK")),
        (_, true) => Finding::good(&subject, format!("{driver} shares it with DPDK, nothing is to be bound")),
        (false, false) => match guard::objection(card, &machine.guarded, &machine.root) {
            Some(objection) => Finding::failure(
                &subject,
                format!("on its kernel driver {driver}; {objection}"),
                "choose another NIC, or --force when you reach this machine in another way",
            ),
            None => Finding::failure(
                &subject,
                format!("on {driver}{}, which DPDK cannot use", in_brackets(&names)),
                format!("`wirebeat bind {}` gives it to {}", card.address, wanted.driver),
            ),
        },
    });
    for interface in card.interfaces.iter().filter(|_| !card.is_bound_for_user_space()) {
        let speed = std::fs::read_to_string(machine.root.join("sys/class/net").join(&interface.name).join("speed"));
        let speed = speed.ok().and_then(|text| text.trim().parse::<i64>().ok()).filter(|speed| *speed > 0);
        findings.push(match (interface.is_up, speed) {
            (true, Some(speed)) => {
                Finding::good(&subject, format!("link of {} is up at {speed} Mbit/s", interface.name))
            }
            (true, None) => Finding::good(&subject, format!("link of {} is up", interface.name)),
            (false, _) => Finding::warning(
                &subject,
                format!("link of {} is down", interface.name),
                "look at the cable, the optics and the switch's mirror port",
            ),
        });
    }
    findings.extend(vfio_group(machine, card, &subject));
    findings
}

fn in_brackets(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// Whether this process may open the device, and nobody else has.
fn vfio_group(machine: &Machine, card: &PciNetworkDevice, subject: &str) -> Option<Finding> {
    if card.driver.as_deref() != Some("vfio-pci") {
        return None;
    }
    let group = card.iommu_group.as_deref()?;
    let others: Vec<&str> = machine
        .cards
        .iter()
        .filter(|other| {
            other.iommu_group.as_deref() == Some(group) && !other.is_bound_for_user_space() && other.driver.is_some()
        })
        .map(|other| other.address.as_str())
        .collect();
    if !others.is_empty() {
        return Some(Finding::failure(
            subject,
            format!("shares IOMMU group {group} with {}, which the kernel uses", others.join(", ")),
            "vfio takes a group as a whole: bind those too, or put the NIC into another slot",
        ));
    }
    let path = machine.root.join("dev/vfio").join(group);
    match std::fs::OpenOptions::new().read(true).write(true).open(&path) {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Some(Finding::failure(
            subject,
            "another process has it",
            "a second Wirebeat, testpmd or a virtual machine: end it",
        )),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some(Finding::failure(
            subject,
            format!("/dev/vfio/{group} may not be opened by this user"),
            "give it to the service's group: a udev rule, or chown after binding",
        )),
        Err(error) => Some(Finding::failure(
            subject,
            format!("/dev/vfio/{group}: {error}"),
            "load vfio-pci and bind the NIC again",
        )),
    }
}
