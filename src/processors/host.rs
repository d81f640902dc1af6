// SPDX-License-Identifier: Apache-2.0
//! What is known of this machine: name, operating system, addresses. Read once, from `/etc`, `/proc` and `/sys`.

use std::fs;
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::config::{ConfigError, Section};

/// The machine's own name, as the kernel has it.
pub fn name() -> String {
    line("/proc/sys/kernel/hostname").unwrap_or_else(|| "localhost".to_owned())
}

/// `host.*` without addresses, by dotted name (Packetbeat's `add_host_metadata`).
pub(super) fn description() -> Vec<(&'static str, Json)> {
    let hostname = name();
    let release = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release"));
    let release = release.unwrap_or_default();
    let setting = |key| os_release(&release, key);
    let platform = setting("ID");
    let mut fields = vec![
        ("host.name", json!(hostname.to_lowercase())),
        ("host.hostname", json!(hostname)),
        ("host.architecture", json!(std::env::consts::ARCH)),
        ("host.containerized", json!(is_container())),
        ("host.os.type", json!("linux")),
    ];
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.push((name, Json::String(value)));
        }
    };
    add("host.id", line("/etc/machine-id"));
    add("host.os.kernel", line("/proc/sys/kernel/osrelease"));
    add("host.os.name", setting("NAME"));
    add("host.os.version", setting("VERSION").or_else(|| setting("VERSION_ID")));
    add("host.os.codename", setting("VERSION_CODENAME"));
    add("host.os.family", family(platform.as_deref(), setting("ID_LIKE").as_deref()));
    add("host.os.platform", platform);
    fields
}

/// Addresses of all interfaces but loopback: IP addresses, and MAC addresses as ECS writes them.
pub(super) fn addresses() -> (Vec<String>, Vec<String>) {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let outward = interfaces.iter().filter(|interface| !interface.is_loopback());
    let ips: Vec<IpAddr> = outward.map(|interface| interface.ip()).collect();
    let mut macs: Vec<String> = Vec::new();
    for entry in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let mac = fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        let mac = mac.trim().to_uppercase().replace(':', "-");
        if !mac.is_empty() && mac.bytes().any(|byte| byte != b'0' && byte != b'-') && !macs.contains(&mac) {
            macs.push(mac);
        }
    }
    macs.sort();
    (ips.iter().map(IpAddr::to_string).collect(), macs)
}

/// The option `geo` as fields below `prefix`.
pub(super) fn geo(options: &Section<'_>, prefix: &str) -> Result<Vec<(String, Json)>, ConfigError> {
    const NAMES: [&str; 7] =
        ["name", "continent_name", "country_name", "region_name", "city_name", "country_iso_code", "region_iso_code"];
    let Some(geo) = options.section("geo")? else { return Ok(Vec::new()) };
    let mut fields = Vec::new();
    for name in NAMES {
        if let Some(text) = geo.string(name)?.filter(|text| !text.is_empty()) {
            fields.push((format!("{prefix}.geo.{name}"), Json::String(text)));
        }
    }
    if let Some(text) = geo.string("location")?.filter(|text| !text.is_empty()) {
        let parts: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        let known = matches!(parts.as_deref(), Some([latitude, longitude]) if latitude.abs() <= 90.0 && longitude.abs() <= 180.0);
        if !known {
            return Err(geo.refuse_key(
                "location",
                format!("found {text:?}, expected latitude and longitude such as \"40.7, -74.0\""),
            ));
        }
        fields.push((format!("{prefix}.geo.location"), Json::String(text)));
    }
    Ok(fields)
}

/// The options that host and observer share. Data is read once: `cache.ttl` is checked and changes nothing.
pub(super) fn netinfo(options: &Section<'_>) -> Result<bool, ConfigError> {
    options.duration("cache.ttl")?;
    Ok(options.boolean("netinfo.enabled")?.unwrap_or(true))
}

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned()).filter(|line| !line.is_empty())
}

/// A setting of `os-release(5)`.
fn os_release(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn family(platform: Option<&str>, like: Option<&str>) -> Option<String> {
    let known = |name: &str| match name {
        "debian" | "ubuntu" | "raspbian" | "linuxmint" => Some("debian"),
        "rhel" | "redhat" | "fedora" | "centos" | "scientific" | "oraclelinux" | "ol" | "amzn" | "rocky"
        | "almalinux" => Some("redhat"),
        "suse" | "sles" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" => Some("suse"),
        "arch" | "antergos" | "manjaro" => Some("arch"),
        "alpine" => Some("alpine"),
        _ => None,
    };
    let names = platform.into_iter().chain(like.unwrap_or_default().split_whitespace());
    names.filter_map(known).next().map(str::to_owned)
}

fn is_container() -> bool {
    let groups = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    fs::exists("/.dockerenv").unwrap_or(false)
        || ["docker", "kubepods", "libpod-", "containerd", "lxc"].iter().any(|name| groups.contains(name))
}

#[cfg(test)]
pub(super) fn os_release_value(text: &str, key: &str) -> Option<String> {
    os_release(text, key)
}
