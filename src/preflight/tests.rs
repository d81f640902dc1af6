// SPDX-License-Identifier: Apache-2.0
//! Machines that are not there: trees of files as sysfs and procfs have them, and what is said of each.

use std::fs;
use std::path::{Path, PathBuf};

use dpdk_sys::{Link, MacAddress, PortInformation};

use super::*;
use machine::{Module, cpu_list};

/// A machine with all that is wanted: two nodes, a bound NIC on the first, another one that carries the default route.
pub(super) struct Fake {
    folder: tempfile::TempDir,
}

impl Fake {
    pub fn ready() -> Fake {
        let fake = Fake { folder: tempfile::tempdir().expect("a folder") };
        fake.file("proc/sys/kernel/osrelease", "6.1.0-test");
        fake.file(
            "proc/cpuinfo",
            "processor\t: 0\nflags\t\t: fpu ssse3 sse4_2 popcnt cx16 avx2 bmi2 constant_tsc nonstop_tsc\n\n",
        );
        fake.file("proc/mounts", "hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n");
        fake.file(
            "proc/net/route",
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\nbond0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
        );
        fake.file("sys/devices/system/cpu/online", "0-7");
        fake.file("sys/devices/system/cpu/isolated", "1-3");
        fake.file("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc");
        fake.huge("sys/kernel/mm/hugepages", 1024, 1024);
        fake.node(0, "0-3", 512);
        fake.node(1, "4-7", 512);
        fs::create_dir_all(fake.path("sys/kernel/iommu_groups/7")).expect("a folder");
        fake.file("sys/module/vfio_pci/refcnt", "0");
        fake.file("dev/vfio/7", "");
        fake.card("0000:03:00.0", "vfio-pci", None, "0", Some("7"));
        fake.card("0000:04:00.0", "ixgbe", Some("eth0"), "1", Some("8"));
        fake.file("sys/class/net/eth0/upper_bond0/mtu", "1500");
        fake
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    fn huge(&self, folder: &str, total: u64, free: u64) {
        self.file(&format!("{folder}/hugepages-2048kB/nr_hugepages"), &total.to_string());
        self.file(&format!("{folder}/hugepages-2048kB/free_hugepages"), &free.to_string());
    }

    fn node(&self, number: u32, cpus: &str, free: u64) {
        let node = format!("sys/devices/system/node/node{number}");
        self.file(&format!("{node}/cpulist"), cpus);
        self.huge(&format!("{node}/hugepages"), free, free);
    }

    pub fn card(&self, address: &str, driver: &str, interface: Option<&str>, node: &str, group: Option<&str>) {
        let device = format!("sys/bus/pci/devices/{address}");
        for (file, text) in [("class", "0x020000"), ("vendor", "0x8086"), ("device", "0x1572"), ("numa_node", node)] {
            self.file(&format!("{device}/{file}"), text);
        }
        self.file(&format!("{device}/driver_override"), "(null)");
        let drivers = self.path("sys/bus/pci/drivers");
        self.file(&format!("sys/bus/pci/drivers/{driver}/unbind"), "");
        self.file("sys/bus/pci/drivers_probe", "");
        link(&drivers.join(driver), &self.path(&format!("{device}/driver")));
        if let Some(group) = group {
            link(&self.path(&format!("sys/kernel/iommu_groups/{group}")), &self.path(&format!("{device}/iommu_group")));
        }
        if let Some(interface) = interface {
            self.file(&format!("{device}/net/{interface}/operstate"), "up");
            self.file(&format!("sys/class/net/{interface}/speed"), "10000");
        }
    }

    pub fn machine(&self) -> Machine {
        Machine { is_root: true, ..Machine::read(self.folder.path()) }
    }
}

fn link(target: &Path, place: &Path) {
    let _ = fs::remove_file(place);
    std::os::unix::fs::symlink(target, place).expect("a link");
}

pub(super) fn wanted() -> Wanted {
    Wanted {
        workers: 3,
        devices: vec!["0000:03:00.0".to_owned()],
        memory_megabytes: 900,
        cpus: vec![1, 2, 3],
        driver: "vfio-pci".to_owned(),
        eal_arguments: Vec::new(),
    }
}

#[test]
fn a_machine_with_everything_is_ready() {
    let fake = Fake::ready();
    let findings = examine(&fake.machine(), &wanted());
    let others: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict != Verdict::Good).collect();
    // Each node has 1 GB, which is enough.
    assert!(others.is_empty(), "{others:#?}");
    assert!(table(&findings).ends_with(" ok, 0 warnings, 0 failures\n"));
}

type Change = fn(&Fake, &mut Machine, &mut Wanted);

/// Each way to get the machine wrong, with the sentence that says so.
#[test]
fn whatever_is_wrong_is_said() {
    let table: [(&str, Verdict, Change, &str, &str); 22] = [
        (
            "wrong address",
            Verdict::Failure,
            |_, _, wanted| wanted.devices = vec!["0000:09:00.0".into()],
            "not on this machine's PCI bus",
            "it has 0000:03:00.0, 0000:04:00.0",
        ),
        (
            "no NIC in the configuration",
            Verdict::Warning,
            |_, _, wanted| wanted.devices.clear(),
            "2 PCI NICs, none in the configuration",
            "set packetbeat.interfaces.device",
        ),
        (
            "kernel driver",
            Verdict::Failure,
            |_, machine, wanted| {
                machine.guarded.clear();
                wanted.devices = vec!["0000:04:00.0".into()];
            },
            "on ixgbe (eth0), which DPDK cannot use",
            "`wirebeat bind 0000:04:00.0` gives it to vfio-pci",
        ),
        (
            "in use by the default route",
            Verdict::Failure,
            |_, _, wanted| wanted.devices = vec!["eth0".into()],
            "on its kernel driver ixgbe; eth0 of 0000:04:00.0 carries the default route (through bond0)",
            "choose another NIC",
        ),
        (
            "link down",
            Verdict::Warning,
            |fake, machine, wanted| {
                fake.file("sys/bus/pci/devices/0000:04:00.0/net/eth0/operstate", "down");
                *machine = fake.machine();
                wanted.devices = vec!["eth0".into()];
            },
            "link of eth0 is down",
            "mirror port",
        ),
        (
            "another node",
            Verdict::Warning,
            |_, _, wanted| wanted.cpus = vec![1, 6],
            "workers on CPUs 6, and 0000:03:00.0 is on node 0",
            "put them on CPUs of that node",
        ),
        (
            "pages on another node",
            Verdict::Failure,
            |_, machine, _| machine.nodes[0].huge_pages[0].free = 10,
            "20 MB free on NUMA node 0 of 0000:03:00.0",
            "node0/hugepages",
        ),
        (
            "more workers than cores",
            Verdict::Warning,
            |_, _, wanted| wanted.workers = 8,
            "8 online, 8 workers and the I/O core want 9",
            "take fewer (wirebeat.workers)",
        ),
        (
            "a CPU that is not there",
            Verdict::Failure,
            |_, _, wanted| wanted.cpus.push(99),
            "CPU 99 of the configuration is not online",
            "name CPUs that are",
        ),
        (
            "cores not isolated",
            Verdict::Warning,
            |_, machine, _| machine.isolated_cpus = vec![1],
            "workers on CPUs 2, 3, which are not isolated",
            "isolcpus=",
        ),
        (
            "no isolated cores",
            Verdict::Warning,
            |_, machine, _| machine.isolated_cpus.clear(),
            "none: the kernel runs other work",
            "isolcpus=",
        ),
        (
            "no huge pages",
            Verdict::Failure,
            |_, machine, _| machine.huge_pages.clear(),
            "none, 900 MB are wanted",
            "vm.nr_hugepages",
        ),
        (
            "too few huge pages",
            Verdict::Failure,
            |_, machine, _| machine.huge_pages[0].free = 100,
            "200 MB free of 2048 MB, 900 MB are wanted",
            "hugepages= on the kernel's line",
        ),
        (
            "not mounted",
            Verdict::Warning,
            |_, machine, _| machine.huge_mounts.clear(),
            "hugetlbfs is not mounted",
            "--in-memory",
        ),
        ("no IOMMU", Verdict::Failure, |_, machine, _| machine.iommu_groups = 0, "off", "intel_iommu=on"),
        (
            "vfio without IOMMU",
            Verdict::Warning,
            |_, machine, _| {
                machine.iommu_groups = 0;
                machine.unsafe_no_iommu = true;
            },
            "off, vfio is allowed without one",
            "anywhere in memory",
        ),
        (
            "no module",
            Verdict::Failure,
            |_, _, wanted| wanted.driver = "igb_uio".into(),
            "kernel 6.1.0-test has no igb_uio",
            "--driver",
        ),
        (
            "old CPU",
            Verdict::Failure,
            |_, machine, _| assert!(machine.cpu_flags.remove("sse4_2")),
            "without sse4_2",
            "x86-64-v2",
        ),
        (
            "unsteady clock",
            Verdict::Warning,
            |_, machine, _| {
                machine.cpu_flags.remove("nonstop_tsc");
                machine.clock_source = "hpet".into();
            },
            "hpet, the CPU's counter may change its pace",
            "time stamps",
        ),
        (
            "EAL arguments",
            Verdict::Failure,
            |_, _, wanted| wanted.eal_arguments = vec!["--no-pci".into()],
            "--no-pci, and 0000:03:00.0 is a PCI device",
            "leave --no-pci out",
        ),
        (
            "another NIC allowed",
            Verdict::Failure,
            |_, _, wanted| wanted.eal_arguments = vec!["-a".into(), "04:00.0".into()],
            "-a allows 0000:04:00.0 and not 0000:03:00.0 of the configuration",
            "leave -a out",
        ),
        (
            "memory may not be locked",
            Verdict::Failure,
            |_, machine, _| {
                machine.is_root = false;
                machine.memory_lock_bytes = Some(8 << 20);
            },
            "8 MB may be locked, 900 MB are wanted",
            "LimitMEMLOCK=infinity",
        ),
    ];
    for (name, verdict, change, found, advice) in table {
        let fake = Fake::ready();
        let (mut machine, mut wanted) = (fake.machine(), wanted());
        change(&fake, &mut machine, &mut wanted);
        let findings = examine(&machine, &wanted);
        let said = findings.iter().find(|one| one.found.contains(found) && one.verdict == verdict);
        let said = said.unwrap_or_else(|| panic!("{name}: {findings:#?}"));
        assert!(said.advice.contains(advice), "{name}: {}", said.advice);
    }
}

#[test]
fn a_group_shared_with_the_kernel_and_a_missing_device_are_said() {
    let fake = Fake::ready();
    fake.card("0000:03:00.1", "ixgbe", Some("eth1"), "0", Some("7"));
    let shared = examine(&fake.machine(), &wanted());
    assert!(shared.iter().any(|one| one.found == "shares IOMMU group 7 with 0000:03:00.1, which the kernel uses"));

    let fake = Fake::ready();
    fs::remove_file(fake.path("dev/vfio/7")).expect("it is there");
    let missing = examine(&fake.machine(), &wanted());
    assert!(missing.iter().any(|one| one.found.starts_with("/dev/vfio/7: ")), "{missing:#?}");
}

#[test]
fn a_shared_driver_needs_no_binding() {
    let fake = Fake::ready();
    fake.card("0000:05:00.0", "mlx5_core", Some("eth5"), "0", Some("9"));
    let wanted = Wanted { devices: vec!["05:00.0".to_owned()], ..wanted() };
    let findings = examine(&fake.machine(), &wanted);
    assert!(findings.iter().any(|one| one.found == "mlx5_core shares it with DPDK, nothing is to be bound"));
    assert_eq!(failures(&findings), 0, "{findings:#?}");
}

#[test]
fn a_port_is_held_against_the_workers() {
    let port = PortInformation {
        id: 0,
        name: "0000:03:00.0".to_owned(),
        driver: "net_e1000_em".to_owned(),
        bus: "pci".to_owned(),
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        socket: None,
        interface_index: None,
        link: Link { is_up: true, speed_mbps: 10_000, ..Link::default() },
        max_rx_queues: 1,
        max_tx_queues: 1,
        min_rx_descriptors: 64,
        max_rx_descriptors: 4096,
        min_mtu: 68,
        max_mtu: 9000,
        min_rx_buffer_bytes: 256,
        max_rx_packet_bytes: 9018,
        rx_offloads: 0,
        rss_functions: 0,
        reta_size: 0,
        hash_key_bytes: 0,
        sorts_tuples: false,
    };
    let said =
        |port: &PortInformation| checks::port(&wanted(), port).into_iter().map(|one| one.found).collect::<Vec<_>>();
    assert_eq!(
        said(&port),
        [
            "net_e1000_em offers 1 receive queues, 3 workers are wanted",
            "one queue, which needs no receive side scaling",
            "link is up at 10000 Mbit/s"
        ]
    );
    let better = PortInformation {
        max_rx_queues: 16,
        rss_functions: dpdk_sys::sys::SHIM_RSS_IP | dpdk_sys::sys::SHIM_RSS_TCP,
        reta_size: 128,
        link: Link::default(),
        ..port
    };
    assert_eq!(
        said(&better),
        [
            "net_e1000_em offers 16 receive queues",
            "receive side scaling by IP, TCP, a table of 128 entries",
            "link is down"
        ]
    );
}

#[test]
fn modules_are_found_loaded_or_on_the_disk() {
    let fake = Fake::ready();
    fake.file(
        "lib/modules/6.1.0-test/modules.dep",
        "kernel/drivers/uio/uio_pci_generic.ko.xz: kernel/drivers/uio/uio.ko.xz\n",
    );
    let machine = fake.machine();
    assert_eq!(machine.module("vfio-pci"), Module::Loaded);
    assert_eq!(machine.module("uio_pci_generic"), Module::Available);
    assert_eq!(machine.module("uio"), Module::Absent);
}

#[test]
fn lists_of_cpus_are_read_and_nonsense_is_nothing() {
    assert_eq!(cpu_list("0-2,5\n"), [0, 1, 2, 5]);
    assert_eq!(cpu_list(""), Vec::<usize>::new());
    assert_eq!(cpu_list("x,3-,9-99999999999,7"), [7]);
}

#[test]
fn an_empty_folder_is_a_machine_with_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let findings = examine(&Machine::read(folder.path()), &wanted());
    assert!(failures(&findings) >= 4, "{findings:#?}");
    assert!(json(&findings).starts_with("[\n"));
}
