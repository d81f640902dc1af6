// SPDX-License-Identifier: Apache-2.0
//! The interface of the default route (`default_route…`), and the names of all interfaces, as the kernel lists them.

use std::fs::read_to_string;

/// Which default route a device name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4, else IPv6.
    Any,
    Ipv4,
    Ipv6,
}

/// `default_route`, `default_route_ipv4` or `default_route_ipv6`. None for other names; an error for what only looks like one.
pub fn asked(device: &str) -> Result<Option<Family>, String> {
    match device {
        "default_route" => Ok(Some(Family::Any)),
        "default_route_ipv4" => Ok(Some(Family::Ipv4)),
        "default_route_ipv6" => Ok(Some(Family::Ipv6)),
        other if other.starts_with("default_route") => {
            Err(format!("found {other:?}, expected default_route, default_route_ipv4 or default_route_ipv6"))
        }
        _ => Ok(None),
    }
}

/// The interface of the default route with the lowest metric.
pub fn interface(family: Family) -> Option<String> {
    let ipv4 = || ipv4(&read_to_string("/proc/net/route").unwrap_or_default());
    let ipv6 = || ipv6(&read_to_string("/proc/net/ipv6_route").unwrap_or_default());
    match family {
        Family::Any => ipv4().or_else(ipv6),
        Family::Ipv4 => ipv4(),
        Family::Ipv6 => ipv6(),
    }
}

/// Names of the interfaces of the kernel.
pub fn interfaces() -> Vec<String> {
    let table = read_to_string("/proc/net/dev").unwrap_or_default();
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_string())).collect()
}

const ROUTE_UP: u32 = 0x1;
const ROUTE_REJECT: u32 = 0x200;

/// Of `/proc/net/route`: name, destination, gateway, flags, two numbers, metric, mask.
fn ipv4(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let flags = u32::from_str_radix(columns.get(3)?, 16).ok()?;
        let metric: u32 = columns.get(6)?.parse().ok()?;
        let is_default = columns[1] == "00000000" && *columns.get(7)? == "00000000";
        (is_default && flags & ROUTE_UP != 0 && flags & ROUTE_REJECT == 0).then(|| (metric, columns[0].to_string()))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

/// Of `/proc/net/ipv6_route`: destination, its prefix length, source, its prefix length, next hop, metric, two numbers,
/// flags, name.
fn ipv6(table: &str) -> Option<String> {
    let routes = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let flags = u32::from_str_radix(columns.get(8)?, 16).ok()?;
        let metric = u32::from_str_radix(columns[5], 16).ok()?;
        let is_default = columns[0].bytes().all(|digit| digit == b'0') && columns[1] == "00";
        let name = columns.get(9)?.to_string();
        (is_default && flags & ROUTE_UP != 0 && flags & ROUTE_REJECT == 0 && name != "lo").then_some((metric, name))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_lowest_metric_counts() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                     eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                     eth1\t00000000\t0100000A\t0203\t0\t0\t1\t00000000\t0\t0\t0\n\
                     eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(ipv4(table).as_deref(), Some("eth0"));
        assert_eq!(ipv4(""), None);
    }

    #[test]
    fn of_ipv6_too() {
        let zeros = "00000000000000000000000000000000";
        let table = format!(
            "fd000000000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001     eth1\n\
             {zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 00000004 00000000 00000003     eth0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n"
        );
        assert_eq!(ipv6(&table).as_deref(), Some("eth0"));
    }

    #[test]
    fn names_that_look_like_a_default_route_are_refused() {
        assert_eq!(asked("default_route_ipv4"), Ok(Some(Family::Ipv4)));
        assert_eq!(asked("eth0"), Ok(None));
        assert!(asked("default_route_ipv5").is_err_and(|sentence| sentence.contains("default_route_ipv5")));
    }
}
