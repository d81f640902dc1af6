// SPDX-License-Identifier: Apache-2.0
//! What the tests share: EAL without huge pages, capture files, frames.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use dpdk_sys::{Burst, Eal, EalArguments, EalLog, Memory, Mempool, MempoolConfiguration, MempoolHandler};

/// EAL on ordinary pages and virtual devices, as any user can run it, with its log in a file of `directory`.
pub fn start_eal(directory: &Path, extra: &[&str]) -> Eal {
    let log = File::create(log_path(directory)).unwrap();
    let arguments = EalArguments::new("dpdk-sys-test")
        .memory(Memory::OrdinaryPages { megabytes: 128 })
        .no_pci()
        .log_level("warning")
        .extra(extra.iter().copied());
    match Eal::init(&arguments.list(), EalLog::Descriptor(log.into())) {
        Ok(eal) => eal,
        Err(error) => panic!("{error}\n{}", fs::read_to_string(log_path(directory)).unwrap()),
    }
}

pub fn log_path(directory: &Path) -> PathBuf {
    directory.join("eal.log")
}

pub fn pool(eal: &Eal, name: &str, count: u32, data_bytes: u16) -> Mempool {
    let handler = MempoolHandler::RelaxedTail;
    Mempool::create(eal, &MempoolConfiguration { name, count, cache: 32, data_bytes, socket: None, handler }).unwrap()
}

/// An Ethernet, IPv4 and UDP header with `payload_bytes` of numbered payload; both ports are `port`.
pub fn udp_frame(port: u16, payload_bytes: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let udp_bytes = 8 + payload_bytes as u16;
    frame.extend([0x45, 0]);
    frame.extend((20 + udp_bytes).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    for field in [port, port, udp_bytes, 0] {
        frame.extend(field.to_be_bytes());
    }
    frame.extend((0..payload_bytes).map(|byte| byte as u8));
    frame
}

/// A capture file (classic pcap, microseconds, Ethernet) with one record a frame, one second apart.
pub fn write_capture(path: &Path, frames: &[Vec<u8>]) {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2_u16, 4].iter().flat_map(|part| part.to_le_bytes()));
    file.extend([0_u32, 0, 262_144, 1].iter().flat_map(|part| part.to_le_bytes()));
    for (number, frame) in frames.iter().enumerate() {
        let length = frame.len() as u32;
        file.extend([1_700_000_000 + number as u32, 250, length, length].iter().flat_map(|part| part.to_le_bytes()));
        file.extend(frame);
    }
    File::create(path).unwrap().write_all(&file).unwrap();
}

/// Puts one frame into a new mbuf at the end of the burst.
pub fn push_frame(pool: &Mempool, burst: &mut Burst, frame: &[u8]) {
    let mut mbuf = pool.allocate().unwrap();
    assert!(mbuf.append(frame));
    burst.push(mbuf).unwrap();
}

/// Runs this test binary's test `name` as user nobody, when this process is root; says so otherwise.
pub fn run_as_nobody(name: &str) {
    if std::env::var_os("DPDK_SYS_TEST_AS_USER").is_some() {
        return;
    }
    // SAFETY: reads the process's user id.
    if unsafe { libc::geteuid() } != 0 {
        println!("not root: this run was that of an ordinary user");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [directory.path(), &program] {
        let status = Command::new("chown").arg("65534:65534").arg(path).status().unwrap();
        assert!(status.success());
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
        .arg(&program)
        .args([name, "--exact", "--nocapture"])
        .current_dir(directory.path())
        .env("DPDK_SYS_TEST_AS_USER", "1")
        .env("TMPDIR", directory.path())
        .env("XDG_RUNTIME_DIR", directory.path())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "as nobody:\n{text}");
}
