// SPDX-License-Identifier: Apache-2.0
use super::super::tests::Fake;
use super::*;

#[test]
fn default_routes_of_both_families_are_guarded_once() {
    let fake = Fake::ready();
    fake.file(
        "proc/net/ipv6_route",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth7\n\
         00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n\
         20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth8\n",
    );
    let names: Vec<(String, Reason)> = read(&fake.path("")).into_iter().map(|one| (one.interface, one.why)).collect();
    assert_eq!(names, [("bond0".to_owned(), Reason::DefaultRoute), ("eth7".to_owned(), Reason::DefaultRoute)]);
}

#[test]
fn a_login_is_found_by_its_local_address() {
    let line = |address: &str, port: u16, state: &str| {
        format!(
            "   0: {address}:{port:04X} 0200000A:C000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0\n"
        )
    };
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    // 127.0.0.1 in the order of a little-endian machine.
    let local = if cfg!(target_endian = "little") { "0100007F" } else { "7F000001" };
    let table = format!("{head}{}{}{}", line(local, 22, "01"), line(local, 22, "0A"), line(local, 443, "01"));
    assert_eq!(logins(&table), ["127.0.0.1".parse::<IpAddr>().expect("an address")]);

    let fake = Fake::ready();
    fake.file("proc/net/tcp", &table);
    assert!(read(&fake.path("")).contains(&Guarded { interface: "lo".to_owned(), why: Reason::RemoteLogin }));
    assert!(logins("nonsense\nof two lines\n").is_empty());
}

#[test]
fn names_above_names_end() {
    let fake = Fake::ready();
    fake.file("sys/class/net/a/upper_b/x", "");
    fake.file("sys/class/net/b/upper_a/x", "");
    assert_eq!(above(&fake.path("sys/class/net"), "a"), ["a", "b"]);
}
