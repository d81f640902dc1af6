// SPDX-License-Identifier: Apache-2.0
use super::super::tests::{Fake, wanted};
use super::*;

const NIC: &str = "0000:04:00.0";

#[test]
fn the_interface_of_the_default_route_is_not_taken_unless_forced() {
    let fake = Fake::ready();
    let machine = fake.machine();
    let refused = bind(&machine, "eth0", "vfio-pci", Caution::Refuse).expect_err("it carries the default route");
    assert_eq!(
        refused,
        "eth0 of 0000:04:00.0 carries the default route (through bond0); taking it would cut this machine off, --force does it all the same"
    );
    let forced = bind(&machine, "eth0", "vfio-pci", Caution::Force).expect("it is forced");
    assert_eq!(forced, [Action::Bind { address: NIC.to_owned(), driver: Some("vfio-pci".to_owned()) }]);
}

#[test]
fn what_is_bound_stays_and_unknown_names_are_sentences() {
    let machine = Fake::ready().machine();
    assert_eq!(bind(&machine, "03:00.0", "vfio-pci", Caution::Refuse), Ok(Vec::new()));
    let sentence = |device, driver| bind(&machine, device, driver, Caution::Refuse).expect_err("it is wrong");
    assert_eq!(
        sentence("eth9", "vfio-pci"),
        "\"eth9\" is no PCI network device of this machine; it has 0000:03:00.0, 0000:04:00.0"
    );
    assert_eq!(
        sentence("03:00.0", "ixgbe"),
        "\"ixgbe\" is no driver for DPDK; accepted are vfio-pci, igb_uio, uio_pci_generic"
    );
}

#[test]
fn without_an_iommu_vfio_is_refused_unless_forced() {
    let fake = Fake::ready();
    fake.card("0000:05:00.0", "e1000e", Some("eth5"), "0", None);
    let machine = fake.machine();
    let refused = bind(&machine, "eth5", "vfio-pci", Caution::Refuse).expect_err("no group");
    assert!(refused.starts_with("0000:05:00.0 has no IOMMU group"), "{refused}");
    let forced = bind(&machine, "eth5", "vfio-pci", Caution::Force).expect("it is forced");
    assert!(forced[0].to_string().contains("enable_unsafe_noiommu_mode"), "{}", forced[0]);
    assert_eq!(forced.len(), 2);
}

#[test]
fn a_plan_reserves_what_is_missing_on_the_node_of_the_nic() {
    let fake = Fake::ready();
    let mut machine = fake.machine();
    machine.huge_pages[0].free = 24;
    machine.huge_mounts.clear();
    let steps = plan(&machine, &wanted(), Caution::Refuse).expect("a plan");
    let shown: Vec<String> = steps.iter().map(ToString::to_string).collect();
    // 900 MB less 48 MB are 426 pages, beside the 512 that the node has.
    assert_eq!(
        shown,
        [
            "echo 938 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages   # 900 MB of huge pages for DPDK",
            "mkdir -p /dev/hugepages && mount -t hugetlbfs hugetlbfs /dev/hugepages",
        ]
    );
}

#[test]
fn what_was_done_is_taken_back_from_the_end() {
    let fake = Fake::ready();
    let journal = Journal::new(&fake.path("data"));
    let pages = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    let write =
        |text: &str| Action::Write { path: format!("/{pages}").into(), text: text.to_owned(), why: String::new() };
    let steps = [
        write("2000"),
        write("3000"),
        Action::Bind { address: "0000:03:00.0".to_owned(), driver: Some("vfio-pci".to_owned()) },
    ];
    let done = journal.apply(&fake.machine(), &steps).expect("all is done");
    assert_eq!(done.len(), 3);
    assert_eq!(fake.text(pages), "3000");
    let nic = "sys/bus/pci/devices/0000:03:00.0";
    assert_eq!(fake.text(&format!("{nic}/driver_override")), "vfio-pci");
    assert_eq!(fake.text("sys/bus/pci/drivers/vfio-pci/unbind"), "0000:03:00.0");
    assert_eq!(fake.text("sys/bus/pci/drivers_probe"), "0000:03:00.0");

    journal.undo(&fake.machine()).expect("all is taken back");
    assert_eq!(fake.text(pages), "1024");
    assert!(!fake.path("data/preflight.json").exists());
    assert_eq!(journal.undo(&fake.machine()), Ok(Vec::new()));
}

#[test]
fn a_step_that_fails_ends_the_work_and_stays_in_the_journal() {
    let fake = Fake::ready();
    let journal = Journal::new(&fake.path("data"));
    let step = Action::Bind { address: NIC.to_owned(), driver: Some("vfio-pci".to_owned()) };
    let failed = journal.apply(&fake.machine(), &[step]).expect_err("the kernel does not act here");
    assert_eq!(
        failed,
        "0000:04:00.0 was offered to vfio-pci, which did not take it; it has ixgbe now (the kernel's log says why)"
    );
    assert!(fake.text("data/preflight.json").contains("\"driver\": \"ixgbe\""));
    let broken = Journal::new(&fake.path("broken"));
    fake.file("broken/preflight.json", "[{\"other\": 1}]");
    assert!(broken.undo(&fake.machine()).is_err_and(|error| error.contains("no known kind")));
    fake.file("broken/preflight.json", "no JSON");
    assert!(broken.undo(&fake.machine()).is_err_and(|error| error.contains("no journal of preflight")));
}

#[test]
fn a_nic_goes_back_to_the_kernel() {
    let machine = Fake::ready().machine();
    assert_eq!(
        unbind(&machine, "03:00.0"),
        Ok(vec![Action::Bind { address: "0000:03:00.0".to_owned(), driver: None }])
    );
    assert_eq!(unbind(&machine, "04:00.0"), Ok(Vec::new()));
}
