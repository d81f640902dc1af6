// SPDX-License-Identifier: Apache-2.0
//! Which interfaces a machine cannot do without: that of the default route, and that of a remote login. Taking one to DPDK
//! would cut the user off.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use dpdk_sys::devices::PciNetworkDevice;
use procfs_core::net::{RouteEntries, TcpNetEntries, TcpState};
use procfs_core::{ExplicitSystemInfo, FromBufRead, FromBufReadSI};

/// Port of the remote logins that are looked for.
const SSH_PORT: u16 = 22;
/// Interfaces above interfaces (bonds, bridges, VLANs) are followed so far.
const MOST_LEVELS: usize = 8;

/// An interface that must not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    pub interface: String,
    pub why: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    DefaultRoute,
    RemoteLogin,
}

/// Why this card should stay with the kernel, if it should.
pub fn objection(card: &PciNetworkDevice, guarded: &[Guarded], root: &Path) -> Option<String> {
    for interface in &card.interfaces {
        let carried = above(&root.join("sys/class/net"), &interface.name);
        let Some(reason) = guarded.iter().find(|one| carried.contains(&one.interface)) else { continue };
        let what = match reason.why {
            Reason::DefaultRoute => "carries the default route",
            Reason::RemoteLogin => "carries a running remote login",
        };
        let through = match reason.interface == interface.name {
            true => String::new(),
            false => format!(" (through {})", reason.interface),
        };
        return Some(format!("{} of {} {what}{through}", interface.name, card.address));
    }
    None
}

/// Looks at routes and connections.
pub fn read(root: &Path) -> Vec<Guarded> {
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let mut guarded: Vec<Guarded> = Vec::new();
    let mut guard = |interface: String, why| {
        let one = Guarded { interface, why };
        if !guarded.contains(&one) {
            guarded.push(one);
        }
    };
    let routes = RouteEntries::from_buf_read(text("proc/net/route").as_bytes());
    for route in routes.map(|routes| routes.0).unwrap_or_default() {
        if route.destination.is_unspecified() && route.mask.is_unspecified() {
            guard(route.iface, Reason::DefaultRoute);
        }
    }
    default_routes_v6(&text("proc/net/ipv6_route")).for_each(|interface| guard(interface, Reason::DefaultRoute));
    let owners: BTreeMap<IpAddr, String> =
        if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|one| (one.ip(), one.name)).collect();
    for address in logins(&text("proc/net/tcp")).into_iter().chain(logins(&text("proc/net/tcp6"))) {
        if let Some(interface) = owners.get(&address) {
            guard(interface.clone(), Reason::RemoteLogin);
        }
    }
    guarded
}

/// This interface and all that stand on it.
fn above(class: &Path, name: &str) -> Vec<String> {
    let mut found = vec![name.to_owned()];
    let mut begin = 0;
    for _ in 0..MOST_LEVELS {
        let level: Vec<String> = found[begin..].to_vec();
        begin = found.len();
        for lower in level {
            let files = fs::read_dir(class.join(lower)).into_iter().flatten().flatten();
            let names = files.filter_map(|file| Some(file.file_name().to_str()?.strip_prefix("upper_")?.to_owned()));
            for upper in names {
                if !found.contains(&upper) {
                    found.push(upper);
                }
            }
        }
    }
    found
}

/// Interfaces of IPv6's default routes; the kernel keeps one on `lo` that refuses.
fn default_routes_v6(table: &str) -> impl Iterator<Item = String> + '_ {
    table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_default = columns.first()?.bytes().all(|digit| digit == b'0') && columns.get(1) == Some(&"00");
        columns.get(9).filter(|name| is_default && **name != "lo").map(|name| (*name).to_owned())
    })
}

/// Local addresses of established connections to the port of remote logins.
fn logins(table: &str) -> Vec<IpAddr> {
    // Times and page sizes do not stand in this table.
    let system = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: 100,
        page_size: 4096,
        is_little_endian: cfg!(target_endian = "little"),
    };
    let connections = TcpNetEntries::from_buf_read(table.as_bytes(), &system);
    let connections = connections.map(|connections| connections.0).unwrap_or_default().into_iter();
    let logins = connections.filter(|one| one.state == TcpState::Established && one.local_address.port() == SSH_PORT);
    logins.map(|one| one.local_address.ip().to_canonical()).collect()
}

#[cfg(test)]
mod tests;
