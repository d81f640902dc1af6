// SPDX-License-Identifier: Apache-2.0
//! Finds the system's DPDK, generates the raw bindings from `wrapper.h`, and compiles the shim of its inline functions.
//!
//! There is no bundled DPDK and no stub to fall back to: without a DPDK of 22.11 or later the build stops with a
//! sentence.

use std::path::PathBuf;
use std::process::{Command, exit};

/// The oldest DPDK whose functions the shim calls.
const OLDEST_DPDK: &str = "22.11";

/// What is linked of DPDK's several dozen libraries. Drivers but one are plugins, which EAL loads from its own
/// directory.
const LIBRARIES: [&str; 8] =
    ["rte_eal", "rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring", "rte_bpf", "rte_telemetry", "rte_kvargs"];
/// Libraries of their own in later releases, part of `rte_eal` before.
const LATER_LIBRARIES: [&str; 2] = ["rte_log", "rte_argparse"];
/// The one driver with an interface of its own: `rte_eth_from_rings`. Installed beside the libraries but not in
/// `libdpdk.pc`.
const RING_DRIVER: &str = "rte_net_ring";

/// Exported functions that Rust calls as they are.
const FUNCTIONS: &[&str] = &[
    "rte_bpf_destroy",
    "rte_bpf_exec",
    "rte_bpf_get_jit",
    "rte_bpf_load",
    "rte_dev_probe",
    "rte_dev_remove",
    "rte_eal_cleanup",
    "rte_eal_has_hugepages",
    "rte_eal_init",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_vlan_offload",
    "rte_eth_dev_rx_intr_ctl_q_get_fd",
    "rte_eth_dev_rx_intr_disable",
    "rte_eth_dev_rx_intr_enable",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_find_next_owned_by",
    "rte_eth_from_rings",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_get",
    "rte_eth_stats_reset",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_get_main_lcore",
    "rte_get_tsc_hz",
    "rte_lcore_to_socket_id",
    "rte_log_set_global_level",
    "rte_mbuf_dyn_rx_timestamp_register",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_pool_create_by_ops",
    "rte_ring_create",
    "rte_ring_free",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_version",
    "shim_.*",
];

fn main() {
    for input in ["build.rs", "constants.h", "shim.c", "shim.h", "wrapper.h"] {
        println!("cargo:rerun-if-changed={input}");
    }
    let library = find_dpdk();
    let compiler_flags = compiler_flags();
    generate_bindings(&compiler_flags);
    compile_shim(&compiler_flags);
    link(&library);
}

/// Asks pkg-config, which honours `PKG_CONFIG_PATH`, for `libdpdk`.
fn find_dpdk() -> pkg_config::Library {
    let found = pkg_config::Config::new().cargo_metadata(false).print_system_libs(true).probe("libdpdk");
    let library = match found {
        Ok(library) => library,
        Err(pkg_config::Error::Command { command, cause }) => stop(&format!(
            "pkg-config cannot be run ({command}: {cause}), and DPDK is found through it. Install pkg-config (Debian: \
             `apt install pkg-config libdpdk-dev`)."
        )),
        Err(error) => stop(&format!(
            "DPDK was not found: pkg-config finds no usable package `libdpdk`{}{}. Install DPDK {OLDEST_DPDK} or later with its headers \
             (Debian, Ubuntu: `apt install libdpdk-dev`; Fedora: `dnf install dpdk-devel`), or set PKG_CONFIG_PATH to the \
             directory that holds libdpdk.pc.",
            searched_path(),
            complaint(&error)
        )),
    };
    if release(&library.version) < release(OLDEST_DPDK) {
        stop(&format!(
            "DPDK {} was found{}, and {OLDEST_DPDK} or later is needed. Install a newer DPDK (Debian 12 and later: \
             `apt install libdpdk-dev`), or set PKG_CONFIG_PATH to the directory that holds the libdpdk.pc of one.",
            library.version,
            searched_path()
        ));
    }
    library
}

/// The first line of what pkg-config said, which names a package that `libdpdk` requires when it is that one which is
/// missing.
fn complaint(error: &pkg_config::Error) -> String {
    let (pkg_config::Error::Failure { output, .. } | pkg_config::Error::ProbeFailure { output, .. }) = error else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    format!(" ({})", line.trim_end_matches('.'))
}

/// `PKG_CONFIG_PATH` as a clause of a sentence, when it is set.
fn searched_path() -> String {
    match std::env::var("PKG_CONFIG_PATH") {
        Ok(path) if !path.is_empty() => format!(" (PKG_CONFIG_PATH is {path})"),
        _ => String::new(),
    }
}

/// Year and month of a DPDK version, such as `22.11.11` or `24.11.0-rc1`.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split(['.', '-', '~']).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// All compiler flags of `libdpdk`. The pkg-config crate keeps only include paths and macros, and DPDK's headers need
/// `-include rte_config.h` and an `-march` too.
fn compiler_flags() -> Vec<String> {
    let program = std::env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    match Command::new(&program).args(["--cflags", "libdpdk"]).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
        }
        Ok(output) => stop(&format!(
            "`{program} --cflags libdpdk` failed: {}. A package that libdpdk.pc requires is missing; install it (Debian: \
             `apt install libdpdk-dev`).",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => stop(&format!("`{program} --cflags libdpdk` cannot be run: {error}.")),
    }
}

fn generate_bindings(compiler_flags: &[String]) {
    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(compiler_flags)
        // Packed and aligned at once, which Rust cannot express.
        .opaque_type("rte_arp_.*")
        .opaque_type("rte_l2tpv2_.*")
        .opaque_type("rte_gtp_psc_.*")
        // Their layouts differ between releases; constants.h and shim.h carry what is used of them.
        .opaque_type("rte_mbuf")
        .opaque_type("rte_mempool")
        .opaque_type("rte_ring")
        .allowlist_var("SHIM_.*")
        .allowlist_type("shim_.*")
        .allowlist_type("rte_mbuf_ext_shared_info")
        .allowlist_type("rte_eth_xstat.*")
        .use_core()
        .generate_comments(false)
        .layout_tests(true);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    let bindings = match builder.generate() {
        Ok(bindings) => bindings,
        Err(error) => stop(&format!(
            "bindgen cannot read DPDK's headers: {error}. It needs libclang (Debian: `apt install libclang-dev`)."
        )),
    };
    let target = out_directory().join("bindings.rs");
    if let Err(error) = bindings.write_to_file(&target) {
        stop(&format!("the bindings cannot be written to {}: {error}.", target.display()));
    }
}

fn compile_shim(compiler_flags: &[String]) {
    let mut build = cc::Build::new();
    build.file("shim.c").opt_level(2).warnings(true).extra_warnings(true);
    // DPDK's own headers trip over these; the shim's code does not depend on them.
    build.flag_if_supported("-Wno-unused-parameter").flag_if_supported("-Wno-sign-compare");
    for flag in compiler_flags {
        build.flag(flag);
    }
    build.compile("wirebeat_dpdk_shim");
}

fn link(library: &pkg_config::Library) {
    for path in &library.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    let later = LATER_LIBRARIES.iter().filter(|name| library.libs.iter().any(|found| found == *name));
    for name in LIBRARIES.iter().chain(later).chain([&RING_DRIVER]) {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
    println!("cargo:version={}", library.version);
}

fn out_directory() -> PathBuf {
    PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts"))
}

/// Ends the build with a sentence instead of a backtrace.
fn stop(sentence: &str) -> ! {
    println!("cargo:warning={sentence}");
    eprintln!("\n{sentence}\n");
    exit(1)
}
